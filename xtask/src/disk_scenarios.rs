//! Guests that start from their own disks, CDs and floppies: what is booted, what
//! is typed, and what has to be seen.

use crate::scenarios::Outcome;
use crate::{disks, shell};
use anyhow::{Context, Result, bail};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

/// One guest test.
pub struct DiskScenario {
    /// Shown in the report.
    pub name: &'static str,
    /// Files under `target/guests/disks/`, for `{}` in the arguments.
    image: &'static str,
    /// Arguments of `glassbox run`; `{}` is the image's path.
    args: &'static [&'static str],
    /// What the serial console says, one after the other, and what is typed then.
    dialogue: &'static [(&'static str, &'static str)],
    /// Takes longer than CI has time for.
    slow: bool,
}

/// Logging in to the Debian disk and switching it off.
const LOGIN: &[(&str, &str)] = &[
    ("login: ", "root\n"),
    ("Password: ", "glassbox\n"),
    ("# ", "sha256sum /bin/bash > /root/sum && sync && sha256sum -c /root/sum && systemctl poweroff\n"),
    ("/bin/bash: OK", ""),
];

const DEBIAN: DiskScenario =
    DiskScenario { name: "", image: "debian.qcow2", args: &[], dialogue: LOGIN, slow: false };

const MEDIUM: DiskScenario = DiskScenario { name: "", image: "", args: &[], dialogue: &[], slow: false };

/// All of them.
pub const DISK_SCENARIOS: &[DiskScenario] = &[
    DiskScenario { name: "disk-debian-ide", args: &["--drive", "file={},if=ide,ephemeral"], ..DEBIAN },
    DiskScenario { name: "disk-debian-ahci", args: &["--drive", "file={},if=ahci,ephemeral"], ..DEBIAN },
    DiskScenario { name: "disk-debian-virtio", args: &["--drive", "file={},if=virtio,ephemeral"], ..DEBIAN },
    DiskScenario { name: "disk-debian-nvme", args: &["--drive", "file={},if=nvme,ephemeral"], ..DEBIAN },
    DiskScenario {
        name: "cd-installer",
        image: "installer.iso",
        slow: true,
        args: &["{}", "--expect", "Choose language|Select a language"],
        ..MEDIUM
    },
    DiskScenario {
        name: "cd-installer-serial",
        image: "installer-serial.iso",
        slow: true,
        args: &["{}", "--expect", "Choose language|Select a language"],
        ..MEDIUM
    },
    DiskScenario { name: "cd-grub", image: "grub.iso", args: &["{}", "--expect", "grub>"], ..MEDIUM },
    DiskScenario { name: "floppy-grub", image: "grub.img", args: &["{}", "--expect", "grub>"], ..MEDIUM },
    DiskScenario {
        name: "cd-memtest",
        image: "memtest.iso",
        args: &["{}", "--memory", "8M", "--expect", "Pass:? +1 "],
        slow: true,
        ..MEDIUM
    },
    DiskScenario {
        name: "kernel-memtest",
        image: "memtest.bin",
        args: &["{}", "--memory", "8M", "--expect", "Pass:? +1 "],
        slow: true,
        ..MEDIUM
    },
    DiskScenario {
        name: "cd-ipxe",
        image: "ipxe.iso",
        args: &["{}", "--keys", "wait \"Ctrl-B\"; key ctrl-b", "--expect", "iPXE>"],
        ..MEDIUM
    },
    DiskScenario {
        name: "floppy-ipxe",
        image: "ipxe.img",
        args: &["{}", "--keys", "wait \"Ctrl-B\"; key ctrl-b", "--expect", "iPXE>"],
        ..MEDIUM
    },
    DiskScenario {
        name: "seabios-debian",
        args: &["--drive", "file={},if=ide,ephemeral", "--firmware", "/usr/share/seabios/bios-256k.bin"],
        ..DEBIAN
    },
    DiskScenario {
        name: "seabios-cd-installer",
        image: "installer-serial.iso",
        slow: true,
        args: &[
            "{}",
            "--firmware",
            "/usr/share/seabios/bios-256k.bin",
            "--expect",
            "Choose language|Select a language",
        ],
        ..MEDIUM
    },
    DiskScenario {
        name: "ovmf-debian",
        image: "debian-efi.qcow2",
        args: &["--drive", "file={},if=ahci,ephemeral", "--firmware", "/usr/share/OVMF/OVMF_CODE_4M.fd"],
        ..DEBIAN
    },
];

/// How long a guest may take.
const TIME_LIMIT: &str = "600s";

impl DiskScenario {
    /// Boots the image and has the dialogue.
    ///
    /// # Errors
    /// What was wrong, with the end of the console.
    pub fn run(&self, glassbox: &Path) -> Result<Outcome> {
        let Some(image) = disks::image(self.image) else {
            return Ok(Outcome::Skipped(format!("{} was not made", self.image)));
        };
        let image = image.display().to_string();
        let mut child = Command::new(glassbox)
            .args(["run", "--timeout", TIME_LIMIT])
            .args(self.args.iter().map(|arg| arg.replace("{}", &image)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("starting glassbox")?;
        // The other pipe must not fill up meanwhile.
        let mut stderr = child.stderr.take().context("errors are piped")?;
        let errors = thread::spawn(move || {
            let mut text = String::new();
            stderr.read_to_string(&mut text).map(|_| text)
        });
        let (console, open) = self.converse(&mut child)?;
        let status = child.wait()?;
        let errors = errors.join().ok().and_then(Result::ok).unwrap_or_default();
        let lines: Vec<_> = console.lines().collect();
        let shown = lines[lines.len().saturating_sub(25)..].join("\n");
        if let Some(open) = open {
            bail!("{status}; the console never said {open:?}; it ends:\n{shown}\n{errors}");
        }
        if status.code() != Some(0) {
            bail!("{status}; the console ends:\n{shown}\n{errors}");
        }
        Ok(Outcome::Passed)
    }

    /// Reads the console to its end, typing each answer when its question was
    /// seen. Returns what was read, and the question that never came.
    fn converse(&self, child: &mut Child) -> Result<(String, Option<&'static str>)> {
        let mut stdin = child.stdin.take().context("the keyboard is piped")?;
        let mut stdout = child.stdout.take().context("the console is piped")?;
        let mut open = self.dialogue;
        let (mut console, mut from) = (Vec::new(), 0);
        let mut chunk = [0; 4096];
        loop {
            let count = stdout.read(&mut chunk)?;
            if count == 0 {
                let text = String::from_utf8_lossy(&console).replace('\r', "");
                return Ok((text, open.first().map(|(question, _)| *question)));
            }
            console.extend_from_slice(&chunk[..count]);
            while let [(question, answer), rest @ ..] = open {
                let fresh = &console[from..];
                let Some(at) = fresh.windows(question.len()).position(|w| w == question.as_bytes()) else {
                    break;
                };
                from += at + question.len();
                stdin.write_all(answer.as_bytes())?;
                open = rest;
            }
        }
    }
}

/// The images that these scenarios boot.
pub fn images(filter: Option<&str>, full: bool) -> Vec<&'static str> {
    wanted(filter, full).map(|scenario| scenario.image).collect()
}

fn wanted(filter: Option<&str>, full: bool) -> impl Iterator<Item = &'static DiskScenario> {
    let by_name = move |s: &&DiskScenario| filter.map_or(full || !s.slow, |part| s.name.contains(part));
    DISK_SCENARIOS.iter().filter(by_name)
}

/// Runs the scenarios whose names contain `filter` and prints a line for each.
/// Returns how many passed, failed and were skipped.
pub fn run_all(filter: Option<&str>, full: bool) -> Result<(u32, u32, u32)> {
    let glassbox = shell::glassbox()?;
    let mut tally = (0, 0, 0);
    for scenario in wanted(filter, full) {
        crate::scenarios::report(scenario.name, &mut tally, || scenario.run(&glassbox));
    }
    Ok(tally)
}
