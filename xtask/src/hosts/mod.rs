//! `cargo xtask hosts`: what can be shown of other hosts on this one. Programs for
//! AArch64 Linux run under emulation, those for Windows are linked, those for macOS
//! and for a host without a compiler of ours are checked.

mod toolchain;

use crate::runner::Outcome;
use crate::{guests, scenarios, shell};
use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use std::process::Command;
use toolchain::Toolchain;

const AARCH64: &str = "aarch64-unknown-linux-gnu";

/// What is shown of one host.
struct Job {
    name: &'static str,
    run: fn(&Toolchain) -> Result<()>,
}

const JOBS: &[Job] = &[
    Job { name: "aarch64-linux: the compiler's tests", run: compiler_tests },
    Job { name: "aarch64-linux: the ROM suite", run: rom_suite },
    Job { name: "aarch64-linux: a Debian kernel", run: kernel },
    Job {
        name: "x86_64-windows: builds",
        run: |tools| std_built(tools, "build", "x86_64-pc-windows-gnu", &[]),
    },
    Job {
        name: "aarch64-macos: type-checks",
        run: |tools| std_built(tools, "check", "aarch64-apple-darwin", &["--no-default-features"]),
    },
    Job {
        name: "riscv64-linux, no compiler: type-checks",
        run: |tools| std_built(tools, "check", "riscv64gc-unknown-linux-gnu", &["--no-default-features"]),
    },
];

/// Runs the jobs whose names contain `filter`.
///
/// # Errors
/// Where one fails, after all have run.
pub fn run(filter: Option<&str>) -> Result<()> {
    let tools = Toolchain::fetch().context("compilers for other hosts")?;
    let mut failed = 0;
    for job in JOBS.iter().filter(|job| filter.is_none_or(|filter| job.name.contains(filter))) {
        match (job.run)(&tools) {
            Ok(()) => println!("host {} ... ok", job.name),
            Err(error) => {
                failed += 1;
                println!("host {} ... FAILED\n{error:#}", job.name);
            }
        }
    }
    if failed != 0 {
        bail!("{failed} jobs for other hosts failed");
    }
    Ok(())
}

/// Runs cargo on the program for a target whose standard library is built first.
fn std_built(tools: &Toolchain, what: &str, target: &str, more: &[&str]) -> Result<()> {
    let mut cargo = tools.cargo();
    cargo.args([what, "-Zbuild-std=std,panic_unwind", "--package", "glassbox", "--target", target]);
    shell::run(cargo.args(more))
}

fn compiler_tests(tools: &Toolchain) -> Result<()> {
    let mut cargo = tools.cargo();
    // There is no rustdoc for the other host, so no tests in documentation.
    cargo.args(["test", "--release", "--tests", "--package", "glassbox-jit", "--target", AARCH64]);
    // Mappings of the emulated program cost the emulator memory for good.
    cargo.env("GLASSBOX_QUICK_TESTS", "1").args(["--", "--test-threads", "2"]);
    shell::run(&mut cargo)
}

/// A program that runs Glassbox for AArch64 Linux under emulation.
fn glassbox(tools: &Toolchain) -> Result<PathBuf> {
    let mut cargo = tools.cargo();
    shell::run(cargo.args(["build", "--release", "--package", "glassbox", "--target", AARCH64]))?;
    let program = tools.target().join(AARCH64).join("release/glassbox");
    tools.script("glassbox-aarch64", &format!("{} {}", tools.emulator(), program.display()))
}

fn rom_suite(tools: &Toolchain) -> Result<()> {
    shell::run(Command::new(glassbox(tools)?).args(["test", "test-roms"]))
}

fn kernel(tools: &Toolchain) -> Result<()> {
    guests::fetch()?;
    let scenario = scenarios::SCENARIOS.iter().find(|scenario| scenario.name == "debian-cloud-6.1");
    match scenario.context("the scenario exists")?.run(&glassbox(tools)?)? {
        Outcome::Passed => Ok(()),
        Outcome::Skipped(why) => bail!(why),
    }
}
