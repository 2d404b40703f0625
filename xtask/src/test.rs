//! `cargo xtask test`: everything that has to pass.

use crate::{disk_scenarios, disks, guests, roms, scenarios, shell};
use anyhow::{Result, bail};

/// Runs all tests.
///
/// # Errors
/// Where a test fails, or with `no_skips` where one could not run.
pub fn run(full: bool, guest: Option<&str>, no_skips: bool) -> Result<()> {
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
    }
    if let Err(error) =
        guests::fetch().and_then(|()| disks::build(Some(&disk_scenarios::images(guest, full))))
    {
        eprintln!("guests are missing: {error:#}");
    }
    let kernels = scenarios::run_all(guest)?;
    let disks = disk_scenarios::run_all(guest, full)?;
    let (passed, failed, skipped) = (kernels.0 + disks.0, kernels.1 + disks.1, kernels.2 + disks.2);
    println!("guests: {passed} passed, {failed} failed, {skipped} skipped");
    if failed != 0 {
        bail!("{failed} guest tests failed");
    }
    if skipped != 0 && no_skips {
        bail!("{skipped} guest tests were skipped");
    }
    Ok(())
}
