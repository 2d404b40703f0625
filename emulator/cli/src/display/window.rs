//! The guest beside its window.

use super::show::{Speed, input_sink};
use glassbox_machine::{Control, Stop};
use glassbox_screen::{Screen, WindowOwner, show};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

/// The window's view of the machine.
struct Owner<'a> {
    control: &'a Control,
    speed: &'a Speed,
    ended: &'a AtomicBool,
    start: Instant,
}

impl WindowOwner for Owner<'_> {
    fn title(&self) -> String {
        match self.speed.mips(self.start.elapsed()) {
            0 => "Glassbox: waiting".to_owned(),
            mips => format!("Glassbox: {mips} MIPS"),
        }
    }

    fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// First the guest is asked; whoever closes the window again means it.
    fn close_requested(&mut self, times: u32) -> bool {
        if times == 1 {
            self.control.press_power_button();
        }
        times == 1
    }
}

/// Runs the guest on a thread of its own and the window on this one, which has to
/// be the main thread on some hosts.
///
/// # Errors
/// Where there is no desktop, or what the guest's run returned.
pub fn run_beside<R: Send>(
    screen: &Screen,
    speed: &Speed,
    control: &Control,
    run: impl FnOnce() -> anyhow::Result<R> + Send,
) -> anyhow::Result<R> {
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        let guest = scope.spawn(|| {
            let result = run();
            ended.store(true, Ordering::Release);
            result
        });
        let mut owner = Owner { control, speed, ended: &ended, start: Instant::now() };
        let shown = show(screen, &input_sink(control), &mut owner);
        control.stop(Stop::Quit);
        let result = guest.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        shown?;
        result
    })
}
