//! The guest beside its window, and how that is opened.

use super::show::{Speed, input_sink};
use anyhow::Context;
use glassbox_machine::{Control, Stop};
use glassbox_screen::{Scaling, Screen, WindowOptions, WindowOwner, show};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

/// Larger ones are larger than any screen.
const LARGEST_FACTOR: u16 = 16;

/// Parses what follows `window`: `,scale=fit|whole|N` and `,fullscreen`.
///
/// # Errors
/// What there is instead.
pub fn parse_options(text: &str) -> Result<WindowOptions, String> {
    let mut options = WindowOptions::default();
    for part in text.split(',').skip(1) {
        match (part, part.strip_prefix("scale=")) {
            ("fullscreen", _) => options.full_screen = true,
            (_, Some("fit")) => options.scaling = Scaling::Fitted,
            (_, Some("whole")) => options.scaling = Scaling::Whole,
            (_, Some(factor)) => {
                let known = factor.parse().ok().filter(|factor| (1..=LARGEST_FACTOR).contains(factor));
                options.factor = known.ok_or("scale= takes fit, whole, or a factor from 1 to 16")?;
                options.scaling = Scaling::Whole;
            }
            (part, None) => {
                return Err(format!("`{part}` is not known: there are fullscreen and scale=fit|whole|N"));
            }
        }
    }
    Ok(options)
}

/// The window's view of the machine.
struct Owner<'a> {
    control: &'a Control,
    speed: &'a Speed,
    ended: &'a AtomicBool,
    /// The power button was pressed.
    asked: bool,
    start: Instant,
}

impl WindowOwner for Owner<'_> {
    fn title(&self) -> String {
        let mips = self.speed.mips(self.start.elapsed());
        let state = match (self.control.is_paused(), self.asked, mips) {
            (true, ..) => "paused".to_owned(),
            (_, true, _) => "was asked to power off, close again to end it".to_owned(),
            (_, _, 0) => "waiting".to_owned(),
            (.., mips) => format!("{mips} MIPS"),
        };
        format!("Glassbox: {state}")
    }

    fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// First the guest is asked; whoever closes the window again means it.
    fn close_requested(&mut self, times: u32) -> bool {
        if times == 1 {
            self.asked = true;
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
    options: WindowOptions,
    run: impl FnOnce() -> anyhow::Result<R> + Send,
) -> anyhow::Result<R> {
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        let guest = thread::Builder::new().name("guest".into()).spawn_scoped(scope, || {
            let result = run();
            ended.store(true, Ordering::Release);
            screen.wake();
            result
        });
        let guest = guest.context("cannot start a thread for the guest")?;
        let mut owner = Owner { control, speed, ended: &ended, asked: false, start: Instant::now() };
        let shown = show(screen, &input_sink(control), &mut owner, options);
        control.stop(Stop::Quit);
        let result = guest.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        shown?;
        result
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_the_window_are_parsed() {
        assert_eq!(parse_options("window"), Ok(WindowOptions::default()));
        let twice = WindowOptions { scaling: Scaling::Whole, factor: 2, full_screen: true };
        assert_eq!(parse_options("window,scale=2,fullscreen"), Ok(twice));
        for bad in ["window,scale=0", "window,scale=17", "window,scale=", "window,large", "window,"] {
            assert!(parse_options(bad).is_err(), "{bad}");
        }
    }
}
