//! Debian's installers on CDs that ISOLINUX starts.

use super::{packaged, scratch, tool};
use crate::shell;
use anyhow::Result;
use std::fs;
use std::path::Path;

const IMAGES: &str = "/usr/lib/debian-installer/images/12/amd64";
const FOLDER: &str = "debian-installer/amd64";
const INSTALLER_PACKAGE: &str = "debian-installer-12-netboot-amd64";
const ISOLINUX: &str = "/usr/lib/ISOLINUX/isolinux.bin";
/// ISOLINUX's modules and the picture of its menu.
const SCREENS: [&str; 5] = ["ldlinux.c32", "libcom32.c32", "libutil.c32", "vesamenu.c32", "splash.png"];

/// With a graphical menu, which starts the installer on the text screen after three seconds.
pub fn menu_cd(to: &Path) -> Result<()> {
    cd(
        to,
        "text",
        "default vesamenu.c32\n\
         prompt 0\n\
         timeout 30\n\
         menu title Debian GNU/Linux installer\n\
         menu background splash.png\n\
         label install\n\
         \tmenu label ^Install\n\
         \tmenu default\n\
         \tkernel linux\n\
         \tappend initrd=initrd.gz vga=normal nomodeset fb=false ---\n",
    )
}

/// Without a menu, the installer on the serial port.
pub fn serial_cd(to: &Path) -> Result<()> {
    cd(
        to,
        "text",
        "serial 0 115200\n\
         default install\n\
         prompt 0\n\
         label install\n\
         \tkernel linux\n\
         \tappend initrd=initrd.gz console=ttyS0,115200n8 TERM=vt102 ---\n",
    )
}

/// Without a menu, the graphical installer in a VESA mode of 800 by 600.
pub fn graphical_cd(to: &Path) -> Result<()> {
    cd(
        to,
        "gtk",
        "default install\n\
         prompt 0\n\
         label install\n\
         \tkernel linux\n\
         \tappend vga=788 initrd=initrd.gz --- quiet\n",
    )
}

/// Everything is in one folder, under names that ISO 9660 has without extensions.
fn cd(to: &Path, flavour: &str, configuration: &str) -> Result<()> {
    let scratch = scratch()?;
    let tree = scratch.path().join("cd");
    let folder = tree.join("isolinux");
    fs::create_dir_all(&folder)?;
    fs::copy(packaged(ISOLINUX, "isolinux")?, folder.join("isolinux.bin"))?;
    fs::write(folder.join("isolinux.cfg"), configuration)?;
    let installer = packaged(&format!("{IMAGES}/{flavour}/{FOLDER}"), INSTALLER_PACKAGE)?;
    for file in ["linux", "initrd.gz"] {
        fs::copy(installer.join(file), folder.join(file))?;
    }
    for file in SCREENS {
        fs::copy(installer.join("boot-screens").join(file), folder.join(file))?;
    }
    let mut command = tool("xorriso", "xorriso")?;
    command.args(["-as", "mkisofs", "-quiet", "-r", "-J", "-V", "GLASSBOX", "-o"]).arg(to);
    command.args(["-b", "isolinux/isolinux.bin", "-c", "isolinux/boot.cat"]);
    command.args(["-no-emul-boot", "-boot-load-size", "4", "-boot-info-table"]);
    shell::output(command.arg(&tree))?;
    Ok(())
}
