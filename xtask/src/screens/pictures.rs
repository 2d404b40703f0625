//! `cargo xtask pictures`: the pictures of README and documentation, each of a guest
//! that runs.

use super::desktop::{Desktop, missing};
use super::guest::Guest;
use super::{glassbox, until};
use crate::runner::Outcome;
use crate::{disks, guests, shell};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;

/// Where they are in the repository.
const FOLDER: &str = "docs/pictures";
const INIT: &str = include_str!("../../guest/shell.sh");

/// Makes a picture with a program.
type Make = fn(&Path, &Path) -> Result<()>;

/// Makes all whose names contain `filter`.
///
/// # Errors
/// Where a guest or a program is missing, or a guest does not get there.
pub fn make(filter: Option<&str>) -> Result<()> {
    let folder = shell::root().join(FOLDER);
    fs::create_dir_all(&folder)?;
    guests::fetch()?;
    disks::build(Some(&["installer-gtk.iso"]))?;
    let program = shell::glassbox()?;
    let pictures: [(&str, Make); 3] =
        [("tour.png", tour), ("window.png", window), ("installer.png", installer)];
    for (name, make) in pictures.into_iter().filter(|(name, _)| filter.is_none_or(|part| name.contains(part)))
    {
        let file = folder.join(name);
        make(&program, &file).with_context(|| format!("the picture {name}"))?;
        println!("{}", file.display());
    }
    Ok(())
}

/// A path as an argument.
fn text(path: &Path) -> Result<&str> {
    path.to_str().context("a path that is no text")
}

/// The built-in guest, which needs no images.
fn tour(program: &Path, to: &Path) -> Result<()> {
    let args = ["--display", "vga", "--serial", "none", "--screenshot", text(to)?];
    glassbox(program, &[&args[..], &["--keys", "wait screen stable 3s; quit", "--timeout", "60s"]].concat())
        .map(|_| ())
}

/// A window with a Linux guest's text console, on which something was typed.
fn window(program: &Path, to: &Path) -> Result<()> {
    if let Some(Outcome::Skipped(why)) = missing(&[]) {
        bail!(why);
    }
    let guest = Guest::new("shell", INIT, &[], &[])?;
    let mut guest = guest.context("the generic kernel or busybox was not fetched")?;
    guest.append("console=tty0 vga=normal");
    let desktop = Desktop::start()?;
    let display = [("DISPLAY", desktop.display.as_str())];
    let mut guest = guest.start(program, &["--display", "window"], &display)?;
    guest.shows("/ #")?;
    let window = desktop.window("Glassbox")?;
    for line in ["uname -srm", "grep -m1 'model name' /proc/cpuinfo", "free -m", "ls /proc/sys"] {
        desktop.type_line(line)?;
        // The next one is typed at the next prompt.
        until("a prompt", || {
            let text = guest.ask("screentext")?;
            let mut rows = text.lines().rev().map(str::trim).filter(|row| !row.is_empty());
            Ok((rows.next() == Some("/ #")).then_some(()))
        })?;
    }
    desktop.xdotool(&["mousemove", "0", "0"])?;
    desktop.shows(&mut guest, 1)?;
    desktop.framed(&window)?.write_png(to)
}

/// The first question of Debian's graphical installer.
fn installer(program: &Path, to: &Path) -> Result<()> {
    let image = disks::image("installer-gtk.iso").context("installer-gtk.iso was not made")?;
    let keys = format!("wait 45s; wait screen stable 20s; screenshot \"{}\"; quit", text(to)?);
    glassbox(program, &[text(&image)?, "--memory", "1G", "--keys", &keys, "--timeout", "600s"]).map(|_| ())
}
