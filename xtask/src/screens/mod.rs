//! Scenarios of screen, keyboard and pointer.

mod console;
mod framebuffer;
mod guest;
mod modules;
mod picture;
mod systems;

use crate::runner::{Outcome, Test};
use anyhow::{Result, bail};
use std::path::Path;
use std::process::{Command, Stdio};

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

const SCENARIOS: &[ScreenScenario] = &[
    quick("screen-framebuffer-vmmouse", framebuffer::vmmouse),
    quick("screen-framebuffer-virtio", framebuffer::virtio),
    quick("screen-framebuffer-ps2", framebuffer::explorer),
    quick("screen-console-bochs", console::bochs),
    quick("screen-console-vesafb", console::vesafb),
    quick("screen-ovmf-menu", systems::ovmf_menu),
    ScreenScenario {
        image: Some("installer-gtk.iso"),
        long: true,
        ..quick("screen-installer-gtk", systems::installer)
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
