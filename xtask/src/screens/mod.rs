//! Scenarios of screen, keyboard and pointer.
//!
//! | file | what it is |
//! | --- | --- |
//! | `framebuffer`, `console`, `systems` | what guests draw, and what their drivers hear |
//! | `window`, `vnc`, `terminal` | the ways to see and use a guest, by the programs that people use |
//! | `guest`, `modules` | a Linux guest of a script of ours, and drivers in its initramfs |
//! | `session` | a machine that is told what to do while it runs |
//! | `desktop`, `picture` | an X server of its own, and pictures that are compared |
//! | `pictures` | the pictures of README and documentation |

mod console;
mod desktop;
mod framebuffer;
mod guest;
pub mod modules;
mod picture;
pub mod pictures;
mod session;
mod systems;
mod terminal;
mod vnc;
mod window;

use crate::runner::{Outcome, Test};
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// One scenario.
struct ScreenScenario {
    name: &'static str,
    /// What it boots, under `target/guests/disks/`.
    image: Option<&'static str>,
    /// Takes minutes: run by `--full`, or when it is named.
    long: bool,
    run: fn(&Path) -> Result<Outcome>,
}

/// One that needs no image, and is quick.
const fn quick(name: &'static str, run: fn(&Path) -> Result<Outcome>) -> ScreenScenario {
    ScreenScenario { name, image: None, long: false, run }
}

/// One that is done at GRUB's prompt, and is quick.
const fn at_grub(name: &'static str, run: fn(&Path) -> Result<Outcome>) -> ScreenScenario {
    ScreenScenario { image: Some("grub.iso"), ..quick(name, run) }
}

const SCENARIOS: &[ScreenScenario] = &[
    quick("screen-framebuffer-vmmouse", framebuffer::vmmouse),
    quick("screen-framebuffer-virtio", framebuffer::virtio),
    quick("screen-framebuffer-ps2", framebuffer::explorer),
    quick("screen-console-bochs", console::bochs),
    quick("screen-console-vesafb", console::vesafb),
    quick("screen-ovmf-menu", systems::ovmf_menu),
    quick("screen-window-power-button", window::power_button),
    at_grub("screen-window", window::window),
    at_grub("screen-vnc-clients", vnc::clients),
    at_grub("screen-vnc-password", vnc::password),
    at_grub("screen-terminal", terminal::text),
    ScreenScenario {
        image: Some("installer-gtk.iso"),
        long: true,
        ..quick("screen-installer-gtk", systems::installer)
    },
    ScreenScenario {
        image: Some("debian-efi.qcow2"),
        long: true,
        ..quick("screen-debian-login", systems::debian_login)
    },
];

/// Images under `target/guests/disks/` that these scenarios boot.
pub fn images(filter: Option<&str>, full: bool) -> Vec<&'static str> {
    wanted(filter, full).filter_map(|scenario| scenario.image).collect()
}

fn wanted(filter: Option<&str>, full: bool) -> impl Iterator<Item = &'static ScreenScenario> {
    let is_wanted = move |s: &&ScreenScenario| filter.map_or(full || !s.long, |part| s.name.contains(part));
    SCENARIOS.iter().filter(is_wanted)
}

/// The scenarios whose names contain `filter`.
pub fn tests(glassbox: &Path, filter: Option<&str>, full: bool) -> Vec<Test> {
    let test = |scenario: &'static ScreenScenario| {
        let glassbox = glassbox.to_owned();
        Test { name: scenario.name, run: Box::new(move || (scenario.run)(&glassbox)) }
    };
    wanted(filter, full).map(test).collect()
}

/// Runs glassbox to its end; the console where it ends well.
fn glassbox(program: &Path, args: &[&str]) -> Result<String> {
    let out = Command::new(program).arg("run").args(args).stdin(Stdio::null()).output()?;
    let console = String::from_utf8_lossy(&out.stdout).replace('\r', "");
    if out.status.code() != Some(0) {
        bail!("{}; the console says:\n{console}\n{}", out.status, String::from_utf8_lossy(&out.stderr));
    }
    Ok(console)
}

/// Asks again and again until there is something.
fn until<R>(what: &str, mut ask: impl FnMut() -> Result<Option<R>>) -> Result<R> {
    const PATIENCE: Duration = Duration::from_secs(60);
    let start = Instant::now();
    loop {
        if let Some(found) = ask()? {
            return Ok(found);
        }
        if start.elapsed() > PATIENCE {
            bail!("waited for this in vain: {what}");
        }
        sleep(Duration::from_millis(50));
    }
}

/// A program that ends with the value.
struct Running(Child);

impl Running {
    /// Starts a program whose words nobody wants to hear.
    fn start(command: &mut Command) -> Result<Self> {
        let quiet = command.stdin(Stdio::null()).stderr(Stdio::null());
        Ok(Self(quiet.spawn().with_context(|| format!("starting {command:?}"))?))
    }

    /// Sends a signal, such as `STOP`.
    fn signal(&self, name: &str) -> Result<()> {
        crate::shell::output(Command::new("kill").args(["-s", name, &self.0.id().to_string()])).map(|_| ())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
