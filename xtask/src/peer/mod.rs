//! `cargo xtask roms --peer qemu`: the ROM suite on another emulator of the same
//! hardware, as a check of the ROMs themselves and of the pictures they leave.

mod manifest;
mod picture;

use crate::disk_guests::qemu;
use crate::shell;
use anyhow::{Context, Result, bail};
use manifest::{Picture, Rom};
use std::fs;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Emulators that take our ROMs unmodified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Peer {
    /// qemu-system-x86_64 with its own code generator (TCG).
    Qemu,
}

/// What a ROM printed and how it ended.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    checks: usize,
    failed: usize,
    /// Failures that the ROM itself knows of this emulator.
    deviations: usize,
    /// Parts that it leaves out here.
    skipped: usize,
    finished: bool,
    /// Whether the picture is ours; what to say of one that is not, or is not compared.
    picture: Option<Result<String, String>>,
}

/// What the library prints behind the plan.
const LAST_LINE: &str = "# passed ";
const PASSED: i32 = 1;
const LIMIT: Duration = Duration::from_secs(60);

/// Runs the suite on `peer` and prints a table.
///
/// # Errors
/// Where the peer is missing, or a check fails that the ROM does not expect to.
pub fn run(peer: Peer) -> Result<()> {
    let Peer::Qemu = peer;
    qemu::needed()?;
    let program = qemu::PROGRAM;
    let folder = shell::root().join("test-roms");
    let manifest = folder.join("manifest.toml");
    let text =
        fs::read_to_string(&manifest).with_context(|| format!("cannot read {}", manifest.display()))?;
    println!("{:<18} {:>6} {:>6} {:>6} {:>10}", "ROM", "checks", "passed", "failed", "deviations");
    let mut bad = Vec::new();
    for rom in manifest::roms(&text) {
        if let Some(reason) = &rom.not_run {
            println!("{:<18} not run: {reason}", rom.name);
            continue;
        }
        let outcome = run_one(program, &folder, &rom)?;
        let passed = outcome.checks.saturating_sub(outcome.failed + outcome.deviations);
        let note = match (outcome.finished, outcome.skipped, &outcome.picture) {
            (false, ..) => "did not finish",
            (true, 0, Some(Ok(note) | Err(note))) => note,
            (true, 0, None) => "",
            (true, ..) => "parts skipped",
        };
        println!(
            "{:<18} {:>6} {:>6} {:>6} {:>10}  {note}",
            rom.name, outcome.checks, passed, outcome.failed, outcome.deviations
        );
        if !outcome.finished || outcome.failed != 0 {
            bad.push(rom.name);
        }
    }
    if !bad.is_empty() {
        bail!("failed on {program}: {}", bad.join(", "));
    }
    Ok(())
}

/// Starts the ROM; `log` gets what it writes to COM1.
fn start(program: &str, folder: &Path, rom: &Rom, log: &Path) -> Result<Child> {
    let mut command = Command::new(program);
    command
        .args(["-accel", "tcg", "-cpu", "max", "-m", "256M", "-display", "none"])
        .args((!rom.reboots).then_some("-no-reboot"))
        .arg("-serial")
        .arg(format!("file:{}", log.display()))
        .arg(if rom.is_bios { "-bios" } else { "-kernel" })
        .arg(folder.join(&rom.file))
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if !rom.arguments.is_empty() {
        command.args(["-append", &rom.arguments]);
    }
    if rom.picture.is_some() {
        // Without the exit device the ROM switches the machine off, which waits for us then.
        command.args(["-vga", "std", "-no-shutdown", "-monitor", "stdio"]).stdin(Stdio::piped());
    } else {
        command.args(["-monitor", "none", "-device", "isa-debug-exit,iobase=0xf4,iosize=1"]);
        command.stdin(Stdio::null());
    }
    command.spawn().with_context(|| format!("cannot start {program}"))
}

/// Looks at `child` until `done` gives something; `None` after the time limit, which ends it.
fn wait<T>(child: &mut Child, mut done: impl FnMut(&mut Child) -> Result<Option<T>>) -> Result<Option<T>> {
    let start = Instant::now();
    loop {
        if let Some(result) = done(child)? {
            return Ok(Some(result));
        }
        if start.elapsed() > LIMIT {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        sleep(Duration::from_millis(20));
    }
}

fn wait_for_end(child: &mut Child) -> Result<Option<ExitStatus>> {
    wait(child, |child| Ok(child.try_wait()?))
}

fn run_one(program: &str, folder: &Path, rom: &Rom) -> Result<Outcome> {
    let log = shell::target().join("rom-peer.log");
    // What the last ROM wrote must not count.
    fs::write(&log, "")?;
    let output = || anyhow::Ok(String::from_utf8_lossy(&fs::read(&log)?).into_owned());
    let mut child = start(program, folder, rom, &log)?;
    let Some(picture) = &rom.picture else {
        let status = wait_for_end(&mut child)?;
        let mut outcome = count(&output()?);
        outcome.finished &= status.is_some_and(|s| s.code() == Some(PASSED) || outcome.failed != 0);
        return Ok(outcome);
    };
    wait(&mut child, |child| {
        let over = output()?.contains(LAST_LINE) || child.try_wait()?.is_some();
        Ok(over.then_some(()))
    })?;
    let file = shell::target().join(format!("rom-peer-{}.ppm", rom.name));
    let found = picture::take(&mut child, &file)?;
    wait_for_end(&mut child)?;
    let mut outcome = count(&output()?);
    outcome.picture = picture.compare(&found, &file);
    outcome.failed += usize::from(matches!(outcome.picture, Some(Err(_))));
    Ok(outcome)
}

/// Counts the lines of a run (<https://testanything.org>).
fn count(output: &str) -> Outcome {
    let mut outcome = Outcome::default();
    for line in output.lines() {
        if line.starts_with("ok 1 ") || line.starts_with("not ok 1 ") {
            // The image was started anew: only what comes now is in its plan.
            outcome = Outcome { failed: outcome.failed, ..Outcome::default() };
        }
        if line.starts_with("ok ") {
            outcome.checks += 1;
        } else if line.starts_with("not ok ") {
            outcome.checks += 1;
            match line.contains("# TODO") {
                true => outcome.deviations += 1,
                false => outcome.failed += 1,
            }
        } else if line.starts_with("# skipped on") {
            outcome.skipped += 1;
        } else if line == format!("1..{}", outcome.checks) {
            outcome.finished = true;
        }
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_deviations_are_no_failures() {
        let output = "ok 1 - a\nnot ok 2 - b # TODO TCG: c\n#   got 1, expected 2\nnot ok 3 - d\n1..3\n";
        let expected =
            Outcome { checks: 3, failed: 1, deviations: 1, skipped: 0, finished: true, picture: None };
        assert_eq!(count(output), expected);
        assert!(!count("ok 1 - a\nBail out! x\n").finished);
    }
}
