//! `cargo xtask roms --peer qemu`: the ROM suite on another emulator of the same
//! hardware, as a check of the ROMs themselves.

use crate::shell;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Emulators that take our ROMs unmodified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Peer {
    /// qemu-system-x86_64 with its own code generator (TCG).
    Qemu,
}

/// A ROM of the manifest that follows our conventions.
#[derive(Debug, PartialEq, Eq)]
struct Rom {
    name: String,
    file: String,
    /// It takes the place of the BIOS.
    is_bios: bool,
    /// Why the peer does not run it.
    not_run: Option<String>,
    /// Whether it resets the machine on purpose.
    reboots: bool,
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
}

const PASSED: i32 = 1;
const LIMIT: Duration = Duration::from_secs(60);

/// Runs the suite on `peer` and prints a table.
///
/// # Errors
/// Where the peer is missing, or a check fails that the ROM does not expect to.
pub fn run(peer: Peer) -> Result<()> {
    let Peer::Qemu = peer;
    let program = "qemu-system-x86_64";
    if !shell::has(program) {
        bail!("{program} is missing: install the package qemu-system-x86");
    }
    let folder = shell::root().join("test-roms");
    let manifest = folder.join("manifest.toml");
    let text =
        fs::read_to_string(&manifest).with_context(|| format!("cannot read {}", manifest.display()))?;
    println!("{:<14} {:>6} {:>6} {:>6} {:>10}", "ROM", "checks", "passed", "failed", "deviations");
    let mut bad = Vec::new();
    for rom in roms(&text) {
        if let Some(reason) = &rom.not_run {
            println!("{:<14} not run: {reason}", rom.name);
            continue;
        }
        let outcome = run_one(program, &folder, &rom)?;
        let passed = outcome.checks - outcome.failed - outcome.deviations;
        let note = match (outcome.finished, outcome.skipped) {
            (false, _) => "  did not finish",
            (true, 0) => "",
            (true, _) => "  parts skipped",
        };
        println!(
            "{:<14} {:>6} {:>6} {:>6} {:>10}{note}",
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

fn run_one(program: &str, folder: &Path, rom: &Rom) -> Result<Outcome> {
    let log = shell::target().join("rom-peer.log");
    let mut child = Command::new(program)
        .args(["-accel", "tcg", "-cpu", "max", "-m", "256M", "-display", "none", "-monitor", "none"])
        .args((!rom.reboots).then_some("-no-reboot"))
        .args(["-device", "isa-debug-exit,iobase=0xf4,iosize=1", "-serial", "stdio"])
        .arg(if rom.is_bios { "-bios" } else { "-kernel" })
        .arg(folder.join(&rom.file))
        .stdin(Stdio::null())
        .stdout(fs::File::create(&log)?)
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start {program}"))?;
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break Some(status);
        }
        if start.elapsed() > LIMIT {
            child.kill()?;
            child.wait()?;
            break None;
        }
        sleep(Duration::from_millis(20));
    };
    let mut outcome = count(&String::from_utf8_lossy(&fs::read(&log)?));
    outcome.finished &= status.is_some_and(|s| s.code() == Some(PASSED) || outcome.failed != 0);
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

/// The manifest's ROMs that are kernels, which is the default, or take the place of the BIOS. A comment `# qemu: not run: REASON`
/// in an entry says why the peer has to leave it out, `# qemu: with reboots` that
/// a reset does not end the run.
fn roms(manifest: &str) -> Vec<Rom> {
    let entry = |text: &str| {
        let value = |key: &str| {
            let line =
                text.lines().find_map(|line| line.strip_prefix(key)?.trim_start().strip_prefix('='))?;
            Some(line.trim().trim_matches('"').to_owned())
        };
        let kind = value("kind");
        if kind.as_deref().is_some_and(|kind| kind != "bios") {
            return None;
        }
        let not_run = text.lines().find_map(|line| line.strip_prefix("# qemu: not run: "));
        let reboots = text.lines().any(|line| line.starts_with("# qemu: with reboots"));
        Some(Rom {
            name: value("name")?,
            file: value("rom")?,
            is_bios: kind.is_some(),
            not_run: not_run.map(str::to_owned),
            reboots,
        })
    };
    manifest.split("[[test]]").skip(1).filter_map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_deviations_are_no_failures() {
        let output = "ok 1 - a\nnot ok 2 - b # TODO TCG: c\n#   got 1, expected 2\nnot ok 3 - d\n1..3\n";
        let expected = Outcome { checks: 3, failed: 1, deviations: 1, skipped: 0, finished: true };
        assert_eq!(count(output), expected);
        assert!(!count("ok 1 - a\nBail out! x\n").finished);
    }

    #[test]
    fn the_manifest_says_what_the_peer_runs() {
        let text = "[[test]]\nname = \"a\"\nrom = \"a.bin\"\nkind = \"flat\"\n\
                    [[test]]\nname = \"b\"\nrom = \"b.bin\"\n# qemu: not run: it has none\n\
                    [[test]]\nname = \"c\"\nrom = \"c.bin\"\nkind = \"bios\"\n";
        let names: Vec<_> = roms(text).into_iter().map(|r| (r.name, r.not_run, r.is_bios)).collect();
        assert_eq!(names, [("b".into(), Some("it has none".into()), false), ("c".into(), None, true)]);
    }
}
