//! GRUB alone, which ends at its prompt: on a CD and on a floppy; and its predecessor,
//! which stays in 16-bit code for longer, on a floppy and on one that MEMDISK makes of
//! memory, for itself below 1 MiB and in the place of INT 13h.

use super::{from_package, packaged, scratch, tool};
use crate::shell;
use anyhow::{Result, ensure};
use std::fs;
use std::path::Path;

/// Bytes of a 1.44 MB floppy.
const FLOPPY: usize = 2880 * 512;
const TOOLS: [&str; 6] = ["normal", "ls", "echo", "serial", "terminal", "minicmd"];

/// A picture in a VESA mode, until a key is pressed.
const VIDEO: [&str; 2] = ["all_video", "videotest"];

/// El Torito without emulation.
pub fn cd(to: &Path) -> Result<()> {
    let scratch = scratch()?;
    let tree = scratch.path().join("cd");
    fs::create_dir_all(&tree)?;
    let image = tree.join("eltorito.img");
    packaged("/usr/lib/grub/i386-pc/boot.img", "grub-pc-bin")?;
    let mut command = tool("grub-mkimage", "grub-common")?;
    command.args(["-O", "i386-pc-eltorito", "-p", "/boot/grub", "-o"]).arg(&image);
    shell::output(command.args(["biosdisk", "iso9660"]).args(TOOLS).args(VIDEO))?;
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

/// Stage 1 in the first sector, stage 2 from the second, which is where it looks without
/// being told.
pub fn legacy_floppy(to: &Path) -> Result<()> {
    let stage = |file: &str| from_package("grub-legacy", &format!("usr/lib/grub/x86_64-pc/{file}"));
    let mut disk = fs::read(stage("stage1")?)?;
    disk.extend(fs::read(stage("stage2")?)?);
    ensure!(disk.len() <= FLOPPY, "GRUB does not fit on a floppy: {} bytes", disk.len());
    disk.resize(FLOPPY, 0);
    Ok(fs::write(to, disk)?)
}

/// ISOLINUX, which starts MEMDISK with that floppy.
pub fn memdisk_cd(to: &Path) -> Result<()> {
    let scratch = scratch()?;
    let tree = scratch.path().join("cd");
    fs::create_dir_all(&tree)?;
    let configuration = "default floppy\nprompt 0\nlabel floppy\n\
                         \tkernel memdisk\n\tappend initrd=floppy.img floppy\n";
    fs::write(tree.join("isolinux.cfg"), configuration)?;
    for (file, package) in [
        ("/usr/lib/ISOLINUX/isolinux.bin", "isolinux"),
        ("/usr/lib/syslinux/modules/bios/ldlinux.c32", "syslinux-common"),
        ("/usr/lib/syslinux/memdisk", "syslinux-common"),
    ] {
        let from = packaged(file, package)?;
        fs::copy(&from, tree.join(from.file_name().unwrap_or_default()))?;
    }
    legacy_floppy(&tree.join("floppy.img"))?;
    let mut command = tool("xorriso", "xorriso")?;
    command.args(["-as", "mkisofs", "-quiet", "-r", "-V", "MEMDISK", "-o"]).arg(to);
    command.args(["-b", "isolinux.bin", "-c", "boot.cat"]);
    command.args(["-no-emul-boot", "-boot-load-size", "4", "-boot-info-table"]);
    shell::output(command.arg(&tree))?;
    Ok(())
}
