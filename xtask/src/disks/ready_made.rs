//! Images that Debian's packages bring whole, or nearly so.

use super::{folder, from_package, scratch, tool};
use crate::shell;
use anyhow::Result;
use std::fs::{self, File};
use std::path::Path;

fn copy(package: &str, file: &str, to: &Path) -> Result<()> {
    fs::copy(from_package(package, file)?, to)?;
    Ok(())
}

pub fn memtest_cd(to: &Path) -> Result<()> {
    copy("memtest86+", "usr/lib/memtest86+/memtest86+x64.iso", to)
}

pub fn memtest_kernel(to: &Path) -> Result<()> {
    copy("memtest86+", "boot/memtest86+x64.bin", to)
}

pub fn ipxe_cd(to: &Path) -> Result<()> {
    copy("ipxe", "usr/lib/ipxe/ipxe.iso", to)
}

/// A FAT floppy on which SYSLINUX starts iPXE.
pub fn ipxe_floppy(to: &Path) -> Result<()> {
    let scratch = scratch()?;
    let configuration = scratch.path().join("syslinux.cfg");
    fs::write(&configuration, "default ipxe\nprompt 0\nlabel ipxe\n\tkernel ipxe.krn\n")?;
    // SYSLINUX is installed under the name that the image has in the end.
    debug_assert!(to.starts_with(folder()));
    File::create(to)?.set_len(2880 * 512)?;
    shell::output(tool("mkfs.vfat", "dosfstools")?.args(["-F", "12"]).arg(to))?;
    let kernel = from_package("ipxe", "boot/ipxe.lkrn")?;
    let put = |from: &Path, name: &str| -> Result<()> {
        shell::output(tool("mcopy", "mtools")?.arg("-i").arg(to).arg(from).arg(format!("::/{name}")))?;
        Ok(())
    };
    put(&kernel, "ipxe.krn")?;
    put(&configuration, "syslinux.cfg")?;
    shell::output(tool("syslinux", "syslinux")?.arg("--install").arg(to))?;
    Ok(())
}
