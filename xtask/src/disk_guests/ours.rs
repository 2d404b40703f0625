//! A scenario as a command line of ours.

use super::{Bus, DiskScenario, Firmware, Medium};
use std::path::Path;
use std::process::Command;

/// How long a guest may take, on a host that has a lot else to do.
const TIME_LIMIT: &str = "900s";

/// The machine that boots `image`.
pub fn command(scenario: &DiskScenario, glassbox: &Path, image: &Path) -> Command {
    let mut command = Command::new(glassbox);
    command.args(["run", "--timeout", TIME_LIMIT, "--memory", &format!("{}M", scenario.memory)]);
    let image = image.display();
    match scenario.medium {
        Medium::Disk(bus) => {
            let bus = match bus {
                Bus::Ide => "ide",
                Bus::Ahci => "ahci",
                Bus::Virtio => "virtio",
                Bus::Nvme => "nvme",
            };
            command.args(["--drive", &format!("file={image},if={bus},ephemeral")])
        }
        Medium::Cd => command.args(["--cdrom", &image.to_string()]),
        Medium::Floppy => command.args(["--drive", &format!("file={image},if=floppy,ephemeral")]),
        Medium::Kernel => command.args(["--display", "vga", "--kernel", &image.to_string()]),
    };
    match scenario.firmware {
        Firmware::BuiltIn => {}
        Firmware::SeaBios => {
            command.args(["--firmware", super::SEABIOS]);
        }
        Firmware::Ovmf => {
            command.args(["--firmware", super::OVMF_CODE]);
        }
    }
    if let Some(mips) = scenario.mips {
        command.args(["--clock", &format!("instructions={mips}")]);
    }
    if let Some((seen, key)) = scenario.key {
        command.args(["--keys", &format!("wait \"{seen}\"; key {key}")]);
    }
    if let Some(expect) = scenario.expect {
        command.args(["--expect", expect]);
    }
    command
}
