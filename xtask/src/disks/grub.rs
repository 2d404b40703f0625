//! GRUB alone, which ends at its prompt: on a CD and on a floppy.

use super::{packaged, scratch, tool};
use crate::shell;
use anyhow::{Result, ensure};
use std::fs;
use std::path::Path;

/// Bytes of a 1.44 MB floppy.
const FLOPPY: usize = 2880 * 512;
const TOOLS: [&str; 6] = ["normal", "ls", "echo", "serial", "terminal", "minicmd"];

/// El Torito without emulation.
pub fn cd(to: &Path) -> Result<()> {
    let scratch = scratch()?;
    let tree = scratch.path().join("cd");
    fs::create_dir_all(&tree)?;
    let image = tree.join("eltorito.img");
    packaged("/usr/lib/grub/i386-pc/boot.img", "grub-pc-bin")?;
    let mut command = tool("grub-mkimage", "grub-common")?;
    command.args(["-O", "i386-pc-eltorito", "-p", "/boot/grub", "-o"]).arg(&image);
    shell::output(command.args(["biosdisk", "iso9660"]).args(TOOLS))?;
    let mut command = tool("xorriso", "xorriso")?;
    command.args(["-as", "mkisofs", "-quiet", "-r", "-V", "GRUB", "-o"]).arg(to);
    command.args(["-b", "eltorito.img", "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table"]);
    command.args(["--grub2-boot-info"]);
    shell::output(command.arg(&tree))?;
    Ok(())
}

/// boot.img in the first sector, core.img from the second.
pub fn floppy(to: &Path) -> Result<()> {
    let scratch = scratch()?;
    let core = scratch.path().join("core.img");
    let mut command = tool("grub-mkimage", "grub-common")?;
    command.args(["-O", "i386-pc", "-p", "(fd0)/boot/grub", "-o"]).arg(&core);
    shell::output(command.args(["biosdisk", "fat"]).args(TOOLS))?;
    let mut disk = fs::read(packaged("/usr/lib/grub/i386-pc/boot.img", "grub-pc-bin")?)?;
    disk.extend(fs::read(core)?);
    ensure!(disk.len() <= FLOPPY, "GRUB does not fit on a floppy: {} bytes", disk.len());
    disk.resize(FLOPPY, 0);
    Ok(fs::write(to, disk)?)
}
