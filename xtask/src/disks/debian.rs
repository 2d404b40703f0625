//! Debian bookworm on a disk: systemd, the generic kernel, GRUB. Nobody installs
//! it: `mmdebstrap` makes the root file system, `mke2fs` the partition's contents.

use super::{folder, packaged, scratch, tool};
use crate::shell;
use anyhow::{Context, Result};
use std::fs::{self, File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// What is in the system besides the base packages.
const PACKAGES: &str =
    "systemd-sysv,udev,linux-image-amd64,initramfs-tools,login,passwd,dbus,kmod,procps,iproute2,e2fsprogs";
/// Root's password, and the host name.
const NAME: &str = "glassbox";
/// Takes out what nobody reads.
const LEAN: &str =
    "rm -rf \"$1\"/var/cache/apt/archives/*.deb \"$1\"/var/lib/apt/lists/* \"$1\"/usr/share/doc";
/// What would be random in a file system or a partition table, so that images differ
/// as little as their packages do.
const IDENTITY: &str = "67626f78-0000-4000-8000-000000000001";
const SECTOR: u64 = 512;
const MIB: u64 = 1 << 20;
/// Where the root partition begins on a BIOS disk; GRUB's core is before it.
const ROOT_START: u64 = MIB;
const ROOT_SIZE: u64 = 1400 * MIB;
const ESP_SIZE: u64 = 64 * MIB;
/// What boot.img leaves of the first sector to the partition table.
const BOOT_CODE: usize = 440;

/// The root file system of the disks that boot.
fn root_archive() -> Result<PathBuf> {
    let hooks = [
        format!("echo root:{NAME} | chroot \"$1\" chpasswd"),
        format!("echo {NAME} > \"$1/etc/hostname\""),
        "echo 'LABEL=root / ext4 errors=remount-ro 0 1' > \"$1/etc/fstab\"".into(),
    ];
    archive("debian-root", PACKAGES, &hooks)
}

/// Debian with `packages` as an archive `name`, changed by `hooks`; made once for all disks.
pub fn archive(name: &str, packages: &str, hooks: &[String]) -> Result<PathBuf> {
    let file = |ending: &str| folder().join(format!("{name}{ending}"));
    let (archive, stamp, part) = (file(".tar"), file(".tar.recipe"), file(".part.tar"));
    let hooks: Vec<&str> = hooks.iter().map(String::as_str).chain([LEAN]).collect();
    let recipe = format!("{packages}\n{}\n", hooks.join("\n"));
    if archive.exists() && fs::read_to_string(&stamp).is_ok_and(|made_by| made_by == recipe) {
        return Ok(archive);
    }
    let mut command = tool("mmdebstrap", "mmdebstrap")?;
    command.args(["--quiet", "--variant=minbase", &format!("--include={packages}")]);
    command.args(hooks.iter().map(|hook| format!("--customize-hook={hook}")));
    shell::output(command.arg("bookworm").arg(&part))?;
    fs::rename(part, &archive)?;
    fs::write(stamp, recipe)?;
    Ok(archive)
}

/// Unpacks an archive into a folder.
pub fn unpack(archive: &Path, to: &Path) -> Result<()> {
    shell::output(tool("tar", "tar")?.arg("-xf").arg(archive).arg("-C").arg(to))?;
    Ok(())
}

/// The root file system, unpacked, with GRUB's configuration in it.
fn root_folder(scratch: &Path) -> Result<PathBuf> {
    let root = scratch.join("root");
    fs::create_dir(&root)?;
    unpack(&root_archive()?, &root)?;
    let modules = fs::read_dir(root.join("lib/modules"))?;
    let version = modules.flatten().next().context("the root file system has no kernel")?.file_name();
    let version = version.to_string_lossy();
    let configuration = format!(
        "serial --unit=0 --speed=115200\n\
         terminal_input console serial\n\
         terminal_output console serial\n\
         set timeout=1\n\
         search --set=root --label root\n\
         menuentry \"Debian\" {{\n\
         \tlinux /boot/vmlinuz-{version} root=LABEL=root ro console=tty0 console=ttyS0,115200\n\
         \tinitrd /boot/initrd.img-{version}\n\
         }}\n"
    );
    fs::create_dir_all(root.join("boot/grub"))?;
    fs::write(root.join("boot/grub/grub.cfg"), configuration)?;
    Ok(root)
}

/// Puts the files under `root` into a file system of `size` bytes in `disk` at byte `start`.
pub fn write_root(disk: &Path, root: &Path, start: u64, size: u64) -> Result<()> {
    let mut command = tool("mke2fs", "e2fsprogs")?;
    command.args(["-q", "-t", "ext4", "-L", "root", "-U", IDENTITY, "-E"]);
    command.args([&format!("offset={start},hash_seed={IDENTITY}"), "-d"]);
    shell::output(command.arg(root).arg(disk).arg(format!("{}K", size >> 10)))?;
    Ok(())
}

/// Writes a partition table that is described in sfdisk's language.
fn partition(disk: &Path, script: &str) -> Result<()> {
    let mut command = tool("sfdisk", "fdisk")?;
    command.arg("--quiet").arg(disk).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut child = command.spawn().context("cannot start sfdisk")?;
    child.stdin.take().context("sfdisk reads its input")?.write_all(script.as_bytes())?;
    anyhow::ensure!(child.wait()?.success(), "sfdisk failed");
    Ok(())
}

fn write_at(disk: &Path, offset: u64, bytes: &[u8]) -> Result<()> {
    let mut file = OpenOptions::new().write(true).open(disk)?;
    file.seek(SeekFrom::Start(offset))?;
    Ok(file.write_all(bytes)?)
}

/// As qcow2, which is what users have.
fn to_qcow2(raw: &Path, to: &Path) -> Result<()> {
    shell::output(tool("qemu-img", "qemu-utils")?.args(["convert", "-O", "qcow2"]).arg(raw).arg(to))?;
    Ok(())
}

/// MBR, GRUB in the gap behind it, one ext4 partition.
pub fn bios_disk(to: &Path) -> Result<()> {
    let scratch = scratch()?;
    let disk = scratch.path().join("disk.raw");
    File::create(&disk)?.set_len(ROOT_START + ROOT_SIZE + MIB)?;
    write_root(&disk, &root_folder(scratch.path())?, ROOT_START, ROOT_SIZE)?;
    let table =
        format!("label: dos\nlabel-id: 0x67626f78\n{},{},L,*\n", ROOT_START / SECTOR, ROOT_SIZE / SECTOR);
    partition(&disk, &table)?;

    // boot.img loads the sector behind it, which is where core.img expects to be.
    let boot = fs::read(packaged("/usr/lib/grub/i386-pc/boot.img", "grub-pc-bin")?)?;
    let core = scratch.path().join("core.img");
    let mut command = tool("grub-mkimage", "grub-common")?;
    command.args(["-O", "i386-pc", "-p", "(hd0,msdos1)/boot/grub", "-o"]).arg(&core);
    let modules = ["biosdisk", "part_msdos", "ext2", "normal", "configfile", "search", "search_label"];
    shell::output(command.args(modules).args(["serial", "terminal", "linux", "echo", "ls"]))?;
    write_at(&disk, 0, &boot[..BOOT_CODE])?;
    write_at(&disk, SECTOR, &fs::read(core)?)?;
    to_qcow2(&disk, to)
}

/// GPT, an EFI system partition with GRUB, one ext4 partition.
pub fn efi_disk(to: &Path) -> Result<()> {
    let scratch = scratch()?;
    let disk = scratch.path().join("disk.raw");
    let root_start = ROOT_START + ESP_SIZE;
    File::create(&disk)?.set_len(root_start + ROOT_SIZE + MIB)?;
    write_root(&disk, &root_folder(scratch.path())?, root_start, ROOT_SIZE)?;
    let sectors = |bytes: u64| bytes / SECTOR;
    partition(
        &disk,
        &format!(
            "label: gpt\nlabel-id: {IDENTITY}\nstart={},size={},type=U\nstart={},size={},type=L\n",
            sectors(ROOT_START),
            sectors(ESP_SIZE),
            sectors(root_start),
            sectors(ROOT_SIZE)
        ),
    )?;

    let configuration = scratch.path().join("embedded.cfg");
    fs::write(&configuration, "search --set=root --label root\nconfigfile ($root)/boot/grub/grub.cfg\n")?;
    let loader = scratch.path().join("bootx64.efi");
    packaged("/usr/lib/grub/x86_64-efi/kernel.img", "grub-efi-amd64-bin")?;
    let mut command = tool("grub-mkimage", "grub-common")?;
    command.args(["-O", "x86_64-efi", "-p", "/boot/grub", "-c"]).arg(&configuration).arg("-o").arg(&loader);
    let modules = ["part_gpt", "part_msdos", "fat", "ext2", "normal", "configfile", "search", "search_label"];
    shell::output(command.args(modules).args(["serial", "terminal", "linux", "echo", "ls", "efi_gop"]))?;

    let esp = scratch.path().join("esp.img");
    File::create(&esp)?.set_len(ESP_SIZE)?;
    shell::output(tool("mkfs.vfat", "dosfstools")?.args(["--invariant", "-F", "16"]).arg(&esp))?;
    for folder in ["::/EFI", "::/EFI/BOOT"] {
        shell::output(tool("mmd", "mtools")?.arg("-i").arg(&esp).arg(folder))?;
    }
    shell::output(tool("mcopy", "mtools")?.arg("-i").arg(&esp).arg(&loader).arg("::/EFI/BOOT/BOOTX64.EFI"))?;
    write_at(&disk, ROOT_START, &fs::read(esp)?)?;
    to_qcow2(&disk, to)
}
