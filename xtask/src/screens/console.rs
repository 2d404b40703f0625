//! Linux' framebuffer console, read off its pictures.

use super::guest::Guest;
use super::picture::Image;
use crate::guests;
use crate::runner::Outcome;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;

const INIT: &str = include_str!("../../guest/console.sh");
/// Colours on and off, a blank line, and what a font of 256 characters has beside ASCII.
const LINES: &str = "\x1b[31mred on\x1b[0m \x1b[7m inverse \x1b[0m \x1b[1;44m bold on blue \x1b[0m\n\
                     \n\
                     ╔═══╗ ┌─┬┐ ░▒▓█ äöüß é «» £¥ ½¼ ≤≥ π\n";
const READ: [&str; 3] = ["red on  inverse   bold on blue", "", "╔═══╗ ┌─┬┐ ░▒▓  äöüß é «» £¥ ½¼ ≤≥ π"];

/// bochs-drm's console, of 1024 by 768.
pub fn bochs(program: &Path) -> Result<Outcome> {
    run(program, "bochs", &["bochs"], "", "bochs-drmdrmfb")
}

/// vesafb's, in a mode that the kernel's setup code has set: 1024 by 768 with 24 bits a
/// pixel.
pub fn vesafb(program: &Path) -> Result<Outcome> {
    run(program, "vesafb", &[], "vga=0x318", "VESA VGA")
}

fn run(program: &Path, name: &str, modules: &[&str], words: &str, frame_buffer: &str) -> Result<Outcome> {
    let ascii: Vec<String> =
        (0x21..0x7F).collect::<Vec<u8>>().chunks(32).map(|row| String::from_utf8_lossy(row).into()).collect();
    let text = format!("{}\n{LINES}", ascii.join("\n"));
    let name = format!("screen-console-{name}");
    let Some(mut guest) = Guest::new(&name, INIT, modules, &[("text", text.into_bytes())])? else {
        return Ok(Outcome::Skipped("the generic kernel or busybox was not fetched".into()));
    };
    guest.append(words);
    let path = |extension: &str| guests::folder().join(format!("{name}.{extension}"));
    let (said, shot) = (path("txt"), path("png"));
    let text = |path: &Path| path.to_str().map(str::to_owned).context("a path that is no text");
    guest.args(&[
        "--expect",
        "^glassbox login:$",
        "--screen-text",
        &text(&said)?,
        "--screenshot",
        &text(&shot)?,
    ]);
    let console = guest.run(program)?;
    if !console.contains(&format!("FRAMEBUFFER {frame_buffer}\n")) {
        bail!("this is another framebuffer:\n{console}");
    }
    let mut expected = ascii.iter().map(String::as_str).chain(READ).collect::<Vec<_>>().join("\n");
    expected += "\nglassbox login:\n";
    let said = fs::read_to_string(&said)?;
    if said != expected {
        bail!("the guest wrote:\n{expected}\nthe screen was read as:\n{said}");
    }
    let picture = Image::read_png(&shot)?;
    if (picture.width, picture.height) != (1024, 768) {
        bail!("the picture is {} by {}", picture.width, picture.height);
    }
    Ok(Outcome::Passed)
}
