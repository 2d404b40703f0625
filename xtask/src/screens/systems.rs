//! Whole systems in graphics modes: Debian's installer, a session on a framebuffer
//! console, and OVMF's menu.

use super::glassbox;
use super::picture::Image;
use crate::disk_guests::OVMF_CODE;
use crate::runner::Outcome;
use crate::{disks, guests};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;

/// Parts of the installer's screens: left, top, width, height.
const HEADING: [usize; 4] = [12, 80, 600, 30];
const LIST: [usize; 4] = [24, 220, 940, 480];
const CONTINUE: [usize; 4] = [914, 728, 100, 30];
const WHITE: [u8; 3] = [0xFF; 3];

/// The installer in its graphical mode: the questions for language, location and
/// keyboard, one after the other.
pub fn installer(program: &Path) -> Result<Outcome> {
    let Some(image) = disks::image("installer-gtk.iso") else {
        return Ok(Outcome::Skipped("installer-gtk.iso was not made".into()));
    };
    let image = image.to_str().context("a path that is no text")?;
    let shots = ["language", "location", "keyboard"]
        .map(|name| guests::folder().join(format!("installer-{name}.png")));
    let mut keys = "wait 45s; ".to_owned();
    for shot in &shots {
        let _ = fs::remove_file(shot);
        keys += &format!("wait screen stable 20s; screenshot \"{}\"; key enter; wait 1s; ", shot.display());
    }
    keys += "quit";
    glassbox(program, &[image, "--memory", "1G", "--keys", &keys, "--timeout", "600s"])?;
    let screens = shots.iter().map(|shot| Image::read_png(shot)).collect::<Result<Vec<_>>>()?;
    for (screen, shot) in screens.iter().zip(&shots) {
        // A list of answers is white with text on it; between two questions there is none.
        let list = screen.part(LIST)?;
        let white = list.pixels.iter().filter(|pixel| **pixel == WHITE).count() * 100 / list.pixels.len();
        if !(60..100).contains(&white) {
            bail!("{} shows no list of answers: {white} % of it is white", shot.display());
        }
    }
    for pair in screens.windows(2) {
        if pair[0].part(HEADING)? == pair[1].part(HEADING)? || pair[0].part(LIST)? == pair[1].part(LIST)? {
            bail!("the installer did not go on: two of its screens are the same");
        }
        if pair[0].part(CONTINUE)? != pair[1].part(CONTINUE)? {
            bail!("two screens of the installer have different buttons");
        }
    }
    Ok(Outcome::Passed)
}

/// Debian under OVMF, whose GRUB and whose console are in graphics modes: a session
/// with screen and keyboard alone.
pub fn debian_login(program: &Path) -> Result<Outcome> {
    let Some(image) = disks::image("debian-efi.qcow2") else {
        return Ok(Outcome::Skipped("debian-efi.qcow2 was not made".into()));
    };
    if !Path::new(OVMF_CODE).exists() {
        return Ok(Outcome::Skipped("apt-get install ovmf".into()));
    }
    // On the serial console there is a prompt as well, but of another terminal.
    let keys = "wait \"glassbox tty1$\"; wait 1s; type \"root\\n\"; wait \"^Password:\"; type \"glassbox\\n\"; \
                wait \"^root@.*#$\"; type \"cat /proc/fb\\n\"; wait \"^0 (EFI VGA|bochs-drmdrmfb)$\"; \
                type \"systemctl poweroff\\n\"";
    let drive = format!("file={},if=ahci,ephemeral", image.display());
    let args =
        ["--drive", &drive, "--firmware", OVMF_CODE, "--memory", "512M", "--timeout", "300s", "--keys", keys];
    glassbox(program, &args)?;
    Ok(Outcome::Passed)
}

/// OVMF without anything to boot starts its shell; leaving that leads to its menu, in
/// which the cursor goes down. Screens are read as text.
pub fn ovmf_menu(program: &Path) -> Result<Outcome> {
    if !Path::new(OVMF_CODE).exists() {
        return Ok(Outcome::Skipped("apt-get install ovmf".into()));
    }
    let path = |name: &str| -> Result<String> {
        guests::folder().join(name).to_str().map(str::to_owned).context("a path that is no text")
    };
    let (before, after, said) = (path("ovmf-menu.png")?, path("ovmf-menu-down.png")?, path("ovmf-menu.txt")?);
    let keys = format!(
        "wait \"Shell>\"; type \"exit\\n\"; wait \"Boot Maintenance Manager\"; wait screen stable 1s; \
         screenshot \"{before}\"; key down; wait screen stable 1s; screenshot \"{after}\"; quit"
    );
    let args = ["--firmware", OVMF_CODE, "--memory", "512M", "--timeout", "120s"];
    glassbox(program, &[&args[..], &["--keys", &keys, "--screen-text", &said]].concat())?;
    let text = fs::read_to_string(&said)?;
    for wanted in ["Select Language", "Device Manager", "Boot Manager", "Continue", "Reset", "512 MB RAM"] {
        if !text.contains(wanted) {
            bail!("the menu has no {wanted:?}:\n{text}");
        }
    }
    if text.contains(char::REPLACEMENT_CHARACTER) {
        bail!("not all of the menu was read:\n{text}");
    }
    if Image::read_png(before.as_ref())? == Image::read_png(after.as_ref())? {
        bail!("the menu's cursor did not go down");
    }
    Ok(Outcome::Passed)
}
