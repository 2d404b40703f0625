//! `cargo xtask bench --disks`: the scenarios on this emulator and on QEMU's TCG,
//! in turns, to the same point.

use super::{Bus, DiskScenario, Firmware, Medium, machine, ours, qemu, wanted};
use crate::{disks, shell};
use anyhow::{Context, Result};
use regex::Regex;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What both took for a scenario, in seconds.
struct Row {
    scenario: &'static DiskScenario,
    ours: f64,
    /// `None` where the peer did not reach the point.
    theirs: Option<f64>,
}

/// Runs the scenarios whose names contain one of `only`, or all, and prints a table.
///
/// # Errors
/// Where a tool or an image is missing, or one of our guests fails.
pub fn run(glassbox: Option<&Path>, runs: usize, only: &[String], markdown: Option<&Path>) -> Result<()> {
    qemu::needed()?;
    let built;
    let glassbox = match glassbox {
        Some(path) => path,
        None => {
            built = shell::glassbox()?;
            &built
        }
    };
    let chosen =
        |s: &&DiskScenario| only.is_empty() || only.iter().any(|part| s.name.contains(part.as_str()));
    let mut table = header();
    print!("{table}");
    for scenario in wanted(None).filter(chosen) {
        disks::build(Some(&[scenario.image]))?;
        let image = scenario.path().context("the image was made")?;
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..runs.max(1) {
            let run = machine::run(ours::command(scenario, glassbox, &image), scenario.dialogue, None);
            ours.push(run.with_context(|| scenario.name)?.as_secs_f64());
            match peer(scenario, image.clone()) {
                Ok(time) => theirs.push(time.as_secs_f64()),
                Err(error) => eprintln!("{} on {}: {error:#}", scenario.name, qemu::PROGRAM),
            }
        }
        let ours = median(ours).context("it ran")?;
        let row = Row { scenario, ours, theirs: median(theirs) }.line();
        print!("{row}");
        table += &row;
    }
    if let Some(path) = markdown {
        std::fs::write(path, table)?;
    }
    Ok(())
}

/// One run of the peer.
fn peer(scenario: &'static DiskScenario, image: PathBuf) -> Result<Duration> {
    let folder = tempfile::tempdir()?;
    let expect = scenario.expect.map(Regex::new).transpose()?;
    let watch = || {
        let monitor = qemu::Monitor::connect(folder.path())?;
        Ok(machine::Watch { monitor, expect: expect.clone(), key: scenario.key })
    };
    machine::run(qemu::command(scenario, &image, folder.path())?, scenario.dialogue, Some(&watch))
}

fn median(mut times: Vec<f64>) -> Option<f64> {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied()
}

fn header() -> String {
    "| guest, and what it reached | firmware | from | Glassbox | QEMU TCG | TCG ÷ Glassbox |\n\
     | --- | --- | --- | --- | --- | --- |\n"
        .into()
}

impl Row {
    fn line(&self) -> String {
        let firmware = match self.scenario.firmware {
            Firmware::BuiltIn if self.scenario.medium == Medium::Kernel => "none",
            Firmware::BuiltIn => "built-in (theirs SeaBIOS)",
            Firmware::SeaBios => "SeaBIOS",
            Firmware::Ovmf => "OVMF",
        };
        let from = match self.scenario.medium {
            Medium::Disk(Bus::Ide) => "disk, IDE",
            Medium::Disk(Bus::Ahci) => "disk, AHCI",
            Medium::Disk(Bus::Virtio) => "disk, virtio-blk",
            Medium::Disk(Bus::Nvme) => "disk, NVMe",
            Medium::Cd => "CD, IDE",
            Medium::Floppy => "floppy",
            Medium::Kernel => "kernel",
        };
        let theirs = self.theirs.map_or_else(|| "not reached".into(), |time| format!("{time:.1} s"));
        let ratio = self.theirs.map_or_else(String::new, |time| format!("{:.2}", time / self.ours));
        format!(
            "| {} | {firmware} | {from} | {:.1} s | {theirs} | {ratio} |\n",
            self.scenario.what, self.ours
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_both_times_and_their_ratio() {
        let scenario = &super::super::DISK_SCENARIOS[0];
        let row = Row { scenario, ours: 2.0, theirs: Some(3.0) };
        assert!(row.line().ends_with("| disk, IDE | 2.0 s | 3.0 s | 1.50 |\n"), "{}", row.line());
        let alone = Row { scenario, ours: 2.0, theirs: None };
        assert!(alone.line().ends_with("| 2.0 s | not reached |  |\n"), "{}", alone.line());
    }
}
