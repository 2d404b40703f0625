//! The same scenario on QEMU's TCG: its command line, and its monitor, through
//! which the screen is read and keys are pressed.

use super::{Bus, DiskScenario, Firmware, Medium};
use crate::shell;
use anyhow::{Context, Result};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// The program, and the Debian package that has it.
pub const PROGRAM: &str = "qemu-system-x86_64";
const PACKAGE: &str = "qemu-system-x86";

/// It is there.
///
/// # Errors
/// Says what to install.
pub fn needed() -> Result<()> {
    shell::needs(PROGRAM, PACKAGE)
}
const OVMF_VARS: &str = "/usr/share/OVMF/OVMF_VARS_4M.fd";
const PROMPT: &[u8] = b"(qemu) ";
/// Where text of a VGA is, and how much: 25 rows of 80.
const TEXT: (u32, usize) = (0xB_8000, 25 * COLUMNS * 2);
const COLUMNS: usize = 80;
/// How long it may take to open its socket.
const START: Duration = Duration::from_secs(10);

/// The machine that boots `image`. Files of the run are in `folder`.
///
/// # Errors
/// Where the variables of its firmware cannot be copied.
pub fn command(scenario: &DiskScenario, image: &Path, folder: &Path) -> Result<Command> {
    let mut command = Command::new(PROGRAM);
    command.args(["-accel", "tcg", "-cpu", "max", "-m", &scenario.memory.to_string(), "-nic", "none"]);
    command.args(["-display", "none", "-vga", "std", "-no-reboot", "-serial", "stdio", "-monitor"]);
    command.arg(format!("unix:{},server,nowait", socket(folder).display()));
    let drive = |format: &str| format!("file={},format={format},snapshot=on", image.display());
    match scenario.medium {
        Medium::Disk(bus) => {
            command.args(["-drive", &format!("{},if=none,id=disk", drive("qcow2"))]);
            let devices: &[&str] = match bus {
                Bus::Ide => &["ide-hd,drive=disk"],
                Bus::Ahci => &["ahci,id=ahci", "ide-hd,bus=ahci.0,drive=disk"],
                Bus::Virtio => &["virtio-blk-pci,drive=disk"],
                Bus::Nvme => &["nvme,drive=disk,serial=1"],
            };
            devices.iter().for_each(|device| {
                command.args(["-device", device]);
            });
        }
        Medium::Cd => {
            command.arg("-cdrom").arg(image);
        }
        Medium::Floppy => {
            command.args(["-boot", "a", "-drive", &format!("{},if=floppy", drive("raw"))]);
        }
        Medium::Kernel => {
            command.arg("-kernel").arg(image);
        }
    }
    if scenario.firmware == Firmware::Ovmf {
        let vars = folder.join("vars.fd");
        fs::copy(OVMF_VARS, &vars).context("OVMF is missing: apt-get install ovmf")?;
        let flash = |file: &Path, more| format!("if=pflash,format=raw,file={}{more}", file.display());
        command.args(["-drive", &flash(Path::new(super::OVMF_CODE), ",readonly=on")]);
        command.args(["-drive", &flash(&vars, "")]);
    }
    // Such time leaps over a wait for a key before anybody could press it.
    if let (Some(mips), None) = (scenario.mips, scenario.key) {
        command.args(["-icount", &format!("shift={},sleep=off", nanosecond_shift(mips))]);
    }
    Ok(command)
}

/// The next power of two of nanoseconds that an instruction takes.
fn nanosecond_shift(mips: u32) -> u32 {
    (1000 / mips.clamp(1, 1000)).next_power_of_two().ilog2()
}

fn socket(folder: &Path) -> PathBuf {
    folder.join("monitor")
}

/// The monitor of a machine that runs.
pub struct Monitor {
    stream: UnixStream,
    memory: PathBuf,
}

impl Monitor {
    /// Connects to the machine whose files are in `folder`.
    ///
    /// # Errors
    /// Where it does not answer.
    pub fn connect(folder: &Path) -> Result<Self> {
        let start = Instant::now();
        let stream = loop {
            match UnixStream::connect(socket(folder)) {
                Ok(stream) => break stream,
                Err(error) if start.elapsed() > START => return Err(error).context("QEMU's monitor"),
                Err(_) => std::thread::sleep(Duration::from_millis(10)),
            }
        };
        stream.set_read_timeout(Some(START))?;
        let mut monitor = Self { stream, memory: folder.join("screen") };
        monitor.wait()?;
        Ok(monitor)
    }

    /// Reads on to the next prompt.
    fn wait(&mut self) -> Result<()> {
        let mut seen = Vec::new();
        let mut chunk = [0; 1024];
        while !seen.ends_with(PROMPT) {
            match self.stream.read(&mut chunk)? {
                0 => anyhow::bail!("QEMU is gone"),
                count => seen.extend_from_slice(&chunk[..count]),
            }
        }
        Ok(())
    }

    fn say(&mut self, command: &str) -> Result<()> {
        writeln!(self.stream, "{command}")?;
        self.wait()
    }

    /// Presses and releases a key.
    ///
    /// # Errors
    /// Where the machine is gone.
    pub fn key(&mut self, name: &str) -> Result<()> {
        self.say(&format!("sendkey {name}"))
    }

    /// The text screen's rows, as ASCII.
    ///
    /// # Errors
    /// Where the machine is gone.
    pub fn screen(&mut self) -> Result<String> {
        let (at, size) = TEXT;
        self.say(&format!("pmemsave {at} {size} \"{}\"", self.memory.display()))?;
        Ok(rows(&fs::read(&self.memory)?))
    }
}

/// Characters without attributes; what is not ASCII becomes a dot.
fn rows(cells: &[u8]) -> String {
    let row = |row: &[u8]| -> String {
        let shown = |cell: &[u8]| match cell[0] {
            0 => ' ',
            code @ 0x20..=0x7E => code.into(),
            _ => '.',
        };
        row.chunks(2).map(shown).collect()
    };
    cells.chunks(2 * COLUMNS).map(row).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peers_guest_time_passes_at_least_as_fast_for_an_instruction() {
        assert_eq!([1000, 500, 100, 20, 1].map(nanosecond_shift), [0, 1, 4, 6, 10]);
    }

    #[test]
    fn text_is_every_other_byte_in_rows() {
        let mut cells = [b' ', 7].repeat(2 * COLUMNS);
        cells[0] = b'A';
        cells[4] = 0xB3;
        cells[2 * COLUMNS] = b'B';
        let text = rows(&cells);
        assert_eq!(text.lines().map(str::trim_end).collect::<Vec<_>>(), ["A .", "B"]);
    }
}
