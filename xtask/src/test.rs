//! `cargo xtask test`: everything that has to pass.

use crate::{disk_guests, disks, guests, hosts, roms, runner, scenarios, screens, shell};
use anyhow::{Result, bail};

/// Runs all tests.
///
/// # Errors
/// Where a test fails, or with `no_skips` where one could not run.
pub fn run(full: bool, guest: Option<&str>, no_skips: bool, jobs: usize) -> Result<()> {
    if guest.is_none() {
        let mut tests = shell::cargo();
        tests.args(["test", "--workspace", "--quiet"]);
        if full {
            tests.env("GLASSBOX_FULL_TESTS", "1");
        }
        if no_skips {
            tests.env("GLASSBOX_NO_SKIPS", "1");
        }
        shell::run(&mut tests)?;
        roms::run(false)?;
        if full {
            hosts::run(None)?;
        }
    }
    let images = [disk_guests::images(guest), screens::images(guest, full)].concat();
    if let Err(error) = guests::fetch().and_then(|()| disks::build(Some(&images))) {
        eprintln!("guests are missing: {error:#}");
    }
    let glassbox = shell::glassbox()?;
    let mut tests = scenarios::tests(&glassbox, guest, full);
    tests.extend(disk_guests::tests(&glassbox, guest));
    tests.extend(screens::tests(&glassbox, guest, full));
    let runner::Tally { passed, failed, skipped } = runner::run(&tests, jobs);
    println!("guests: {passed} passed, {failed} failed, {skipped} skipped");
    if failed != 0 {
        bail!("{failed} guest tests failed");
    }
    if skipped != 0 && no_skips {
        bail!("{skipped} guest tests were skipped");
    }
    Ok(())
}
