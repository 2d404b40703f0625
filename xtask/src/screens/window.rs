//! The window under a window manager: what it shows, what it takes, how it ends.

use super::desktop::{Desktop, SIZE, missing};
use super::guest::Guest;
use super::session::Session;
use super::until;
use crate::disks;
use crate::runner::Outcome;
use anyhow::{Context, Result, bail};
use std::path::Path;

const TEXT: (usize, usize) = (720, 400);

/// GRUB's prompt in a window: its picture to the pixel, keys shorter than a frame,
/// another size, full screen, a grab, a mode of the guest's with another size, the
/// window's loss, and the end.
pub fn window(program: &Path) -> Result<Outcome> {
    let Some(image) = disks::image("grub.iso") else {
        return Ok(Outcome::Skipped("grub.iso was not made".into()));
    };
    if let Some(skipped) = missing(&[]) {
        return Ok(skipped);
    }
    let image = image.to_str().context("a path that is no text")?;
    let desktop = Desktop::start()?;
    let display = [("DISPLAY", desktop.display.as_str())];
    let mut guest = Session::start(program, &[image, "--memory", "64M", "--display", "window"], &display)?;
    guest.shows("grub>")?;
    let window = desktop.window("Glassbox")?;
    desktop.sized(&window, TEXT)?;
    desktop.shows(&mut guest, 1)?;
    desktop.titled(&window, "MIPS")?;
    desktop.type_line(
        "echo \"The QUICK (brown) fox, 'jumps' over 13 <lazy> {dogs|cats} & [$grub_cpu] = 5%?\"",
    )?;
    guest.shows("The QUICK (brown) fox, 'jumps' over 13 <lazy> {dogs|cats} & [i386] = 5%?")?;
    // A mode of another size, until a key is pressed: the window follows.
    desktop.type_line("videotest 800x600")?;
    desktop.sized(&window, (800, 600))?;
    desktop.shows(&mut guest, 1)?;
    desktop.xdotool(&["key", "q"])?;
    desktop.sized(&window, TEXT)?;
    desktop.shows(&mut guest, 1)?;

    desktop.xdotool(&["windowsize", "--sync", &window, "1440", "800"])?;
    desktop.shows(&mut guest, 2)?;
    desktop.xdotool(&["key", "ctrl+alt+f"])?;
    desktop.sized(&window, SIZE)?;
    // Squares for pixels, in the middle of the screen.
    desktop.xdotool(&["key", "ctrl+alt+s"])?;
    desktop.shows(&mut guest, 2)?;
    desktop.xdotool(&["key", "ctrl+alt+f"])?;
    desktop.sized(&window, (1440, 800))?;
    desktop.type_line("echo still-$grub_platform")?;
    guest.shows("still-pc")?;

    desktop.xdotool(&["key", "ctrl+alt+g"])?;
    desktop.titled(&window, "Ctrl-Alt-G frees the mouse")?;
    // The pointer does not get out.
    desktop.xdotool(&["mousemove", "0", "0"])?;
    let place = desktop.xdotool(&["getmouselocation"])?;
    if place.starts_with("x:0 y:0 ") {
        bail!("the mouse is not grabbed");
    }
    desktop.xdotool(&["key", "ctrl+alt+g"])?;
    until("the mouse is free", || {
        desktop.xdotool(&["mousemove", "0", "0"])?;
        Ok(desktop.xdotool(&["getmouselocation"])?.starts_with("x:0 y:0 ").then_some(()))
    })?;

    held_keys_are_let_go(&desktop, &window, &mut guest)?;

    // Somebody takes the window away: another one comes, which says what was asked of
    // the guest. GRUB knows nothing of it: it has no ACPI.
    desktop.xdotool(&["windowclose", &window])?;
    let window = desktop.window("Glassbox: was asked to power off")?;
    desktop.sized(&window, TEXT)?;
    desktop.shows(&mut guest, 1)?;
    guest.ask("info status")?;
    desktop.xdotool(&["key", "alt+F4"])?;
    let status = guest.end()?;
    if status.code() != Some(0) {
        bail!("the machine ended with {status}");
    }
    Ok(Outcome::Passed)
}

/// A key that goes up while the window has no focus does not repeat for ever.
fn held_keys_are_let_go(desktop: &Desktop, window: &str, guest: &mut Session) -> Result<()> {
    let typed = |guest: &mut Session| -> Result<usize> {
        let text = guest.ask("screentext")?;
        let row = text.lines().rev().find(|row| row.starts_with("grub>")).unwrap_or_default();
        Ok(row.matches('z').count())
    };
    desktop.xdotool(&["keydown", "z"])?;
    until("a key that repeats", || Ok((typed(guest)? > 3).then_some(())))?;
    desktop.xdotool(&["windowminimize", "--sync", window])?;
    desktop.xdotool(&["keyup", "z"])?;
    // Longer than a keyboard waits before it repeats a key.
    std::thread::sleep(std::time::Duration::from_millis(300));
    let before = typed(guest)?;
    std::thread::sleep(std::time::Duration::from_millis(700));
    if typed(guest)? != before {
        bail!("a key goes on repeating after the window lost the focus");
    }
    desktop.xdotool(&["windowmap", "--sync", window])?;
    desktop.xdotool(&["windowactivate", "--sync", window])?;
    Ok(())
}

/// Closing the window is the power button of a Linux guest, which switches itself off.
pub fn power_button(program: &Path) -> Result<Outcome> {
    const INIT: &str = include_str!("../../guest/power.sh");
    if let Some(skipped) = missing(&[]) {
        return Ok(skipped);
    }
    let Some(mut guest) = Guest::new("power", INIT, &["button", "evdev"], &[])? else {
        return Ok(Outcome::Skipped("the generic kernel or busybox was not fetched".into()));
    };
    guest.append("console=tty0");
    let desktop = Desktop::start()?;
    let display = [("DISPLAY", desktop.display.as_str())];
    let mut guest = guest.start(program, &["--display", "window"], &display)?;
    guest.shows("READY")?;
    desktop.window("Glassbox")?;
    desktop.xdotool(&["key", "alt+F4"])?;
    let status = guest.end()?;
    if status.code() != Some(0) {
        bail!("the machine ended with {status}");
    }
    Ok(Outcome::Passed)
}
