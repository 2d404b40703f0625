//! Guests that start from their own disks, CDs and floppies: what is booted, what
//! is typed, and what has to be seen.
//!
//! | file | what it is |
//! | --- | --- |
//! | `ours`, `qemu` | a scenario as a machine of either emulator |
//! | `machine` | one run: the console, what is typed, the end |
//! | `bench` | `cargo xtask bench --disks`: both, and how long they took |

pub mod bench;
mod machine;
mod ours;
pub mod qemu;

use crate::disks;
use crate::runner::{Outcome, Test};
use anyhow::Result;
use std::path::{Path, PathBuf};

/// Where a disk is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bus {
    Ide,
    Ahci,
    Virtio,
    Nvme,
}

/// What an image is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Medium {
    /// A hard disk that no run changes.
    Disk(Bus),
    Cd,
    Floppy,
    /// Loaded into memory, without firmware.
    Kernel,
}

/// What starts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Firmware {
    /// The emulator's own.
    BuiltIn,
    SeaBios,
    Ovmf,
}

/// One guest test.
#[derive(Clone, Copy, Debug)]
pub struct DiskScenario {
    /// Shown in the report.
    pub name: &'static str,
    /// What it is, for tables.
    what: &'static str,
    /// A file under `target/guests/disks/`.
    image: &'static str,
    medium: Medium,
    firmware: Firmware,
    /// RAM in MiB.
    memory: u32,
    /// Guest time is made of instructions, so many millions a second: for guests
    /// that nobody outside of the machine talks to. A host that is busy with
    /// something else makes no difference to them.
    mips: Option<u32>,
    /// A key that is pressed when this is on the screen, by its name in `--keys`
    /// (and, as it happens, in QEMU's `sendkey`).
    key: Option<(&'static str, &'static str)>,
    /// A regular expression: the run is over when a line on the screen or of the
    /// serial console matches. Without one the guest switches the machine off.
    expect: Option<&'static str>,
    /// What the serial console says, one after the other, and what is typed then.
    dialogue: &'static [(&'static str, &'static str)],
}

/// Logging in to the Debian disk and switching it off.
const LOGIN: &[(&str, &str)] = &[
    ("login: ", "root\n"),
    ("Password: ", "glassbox\n"),
    ("# ", "sha256sum /bin/bash > /root/sum && sync && sha256sum -c /root/sum && systemctl poweroff\n"),
    ("/bin/bash: OK", ""),
];

/// The Debian disk on IDE; others differ from it.
const DEBIAN: DiskScenario = DiskScenario {
    name: "disk-debian-ide",
    what: "Debian: log in, sha256, power off",
    image: "debian.qcow2",
    medium: Medium::Disk(Bus::Ide),
    firmware: Firmware::BuiltIn,
    memory: 1024,
    mips: None,
    key: None,
    expect: None,
    dialogue: LOGIN,
};

/// A CD that nobody types at.
const CD: DiskScenario = DiskScenario { medium: Medium::Cd, mips: Some(100), dialogue: &[], ..DEBIAN };

const INSTALLER: DiskScenario = DiskScenario {
    name: "cd-installer-serial",
    what: "installer CD, serial: first question",
    image: "installer-serial.iso",
    expect: Some("Choose language|Select a language"),
    ..CD
};

const GRUB: DiskScenario =
    DiskScenario { name: "cd-grub", what: "GRUB: prompt", image: "grub.iso", expect: Some("grub>"), ..CD };

/// 6 MiB are as little as it finds room in to move itself. Its last test leaves
/// memory alone for minutes, which it counts by the TSC: few instructions a second
/// make them short.
const MEMTEST: DiskScenario = DiskScenario {
    name: "cd-memtest",
    what: "memtest86+: a whole pass of 6 MiB",
    image: "memtest.iso",
    memory: 6,
    mips: Some(20),
    expect: Some("Pass: +[1-9]"),
    ..CD
};

/// It waits for the key in a loop.
const IPXE: DiskScenario = DiskScenario {
    name: "cd-ipxe",
    what: "iPXE: Ctrl-B, prompt",
    image: "ipxe.iso",
    mips: Some(20),
    key: Some(("Ctrl-B", "ctrl-b")),
    expect: Some("iPXE>"),
    ..CD
};

/// Where Debian has the firmware.
const SEABIOS: &str = "/usr/share/seabios/bios-256k.bin";
pub const OVMF_CODE: &str = "/usr/share/OVMF/OVMF_CODE_4M.fd";

/// All of them; the longest first, which is how two at a time end soonest.
pub const DISK_SCENARIOS: &[DiskScenario] = &[
    DEBIAN,
    DiskScenario { name: "seabios-debian", firmware: Firmware::SeaBios, ..DEBIAN },
    DiskScenario {
        name: "ovmf-debian",
        what: "Debian, GRUB-EFI: the same",
        image: "debian-efi.qcow2",
        medium: Medium::Disk(Bus::Ahci),
        firmware: Firmware::Ovmf,
        ..DEBIAN
    },
    DiskScenario { name: "disk-debian-ahci", medium: Medium::Disk(Bus::Ahci), ..DEBIAN },
    DiskScenario { name: "disk-debian-virtio", medium: Medium::Disk(Bus::Virtio), ..DEBIAN },
    DiskScenario { name: "disk-debian-nvme", medium: Medium::Disk(Bus::Nvme), ..DEBIAN },
    DiskScenario {
        name: "cd-installer",
        what: "installer CD, vesamenu, text: first question",
        image: "installer.iso",
        ..INSTALLER
    },
    INSTALLER,
    DiskScenario { name: "seabios-cd-installer", firmware: Firmware::SeaBios, ..INSTALLER },
    MEMTEST,
    DiskScenario { name: "kernel-memtest", image: "memtest.bin", medium: Medium::Kernel, ..MEMTEST },
    IPXE,
    DiskScenario { name: "floppy-ipxe", image: "ipxe.img", medium: Medium::Floppy, ..IPXE },
    GRUB,
    DiskScenario { name: "floppy-grub", image: "grub.img", medium: Medium::Floppy, ..GRUB },
    DiskScenario {
        name: "floppy-grub-legacy",
        what: "GRUB 0.97: prompt",
        image: "grub-legacy.img",
        medium: Medium::Floppy,
        ..GRUB
    },
    DiskScenario {
        name: "cd-memdisk",
        what: "MEMDISK with a floppy of GRUB 0.97: prompt",
        image: "memdisk.iso",
        ..GRUB
    },
];

impl DiskScenario {
    /// The image's path, if it was made.
    fn path(&self) -> Option<PathBuf> {
        disks::image(self.image)
    }

    /// Boots the image and has the dialogue.
    ///
    /// # Errors
    /// What was wrong, with the end of the console.
    fn run(&self, glassbox: &Path) -> Result<Outcome> {
        let Some(image) = self.path() else {
            return Ok(Outcome::Skipped(format!("{} was not made", self.image)));
        };
        machine::run(ours::command(self, glassbox, &image), self.dialogue, None)?;
        Ok(Outcome::Passed)
    }
}

fn wanted(filter: Option<&str>) -> impl Iterator<Item = &'static DiskScenario> {
    DISK_SCENARIOS.iter().filter(move |s| filter.is_none_or(|part| s.name.contains(part)))
}

/// The images that the scenarios whose names contain `filter` boot.
pub fn images(filter: Option<&str>) -> Vec<&'static str> {
    wanted(filter).map(|scenario| scenario.image).collect()
}

/// The scenarios whose names contain `filter`, for the runner.
pub fn tests(glassbox: &Path, filter: Option<&str>) -> Vec<Test> {
    let test = |scenario: &'static DiskScenario| {
        let glassbox = glassbox.to_owned();
        Test { name: scenario.name, run: Box::new(move || scenario.run(&glassbox)) }
    };
    wanted(filter).map(test).collect()
}
