//! Linux' bochs-drm draws a pattern that the screenshot shows to the pixel, and
//! its input drivers see clicks where they were made.

use super::picture::Image;
use super::{glassbox, modules};
use crate::guests;
use crate::initramfs::busybox;
use crate::runner::Outcome;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;

const INIT: &str = include_str!("../../guest/screen.sh");
const MODULES: &[&str] = &["bochs", "evdev", "psmouse", "virtio_pci", "virtio_input"];
const WIDTH: usize = 1024;
const HEIGHT: usize = 768;
/// What the script does with the pointer, and an A.
const KEYS: &str = "wait \"LISTENING\"; move 100,200; click 512,384 right; wheel 1; key a";

fn pattern() -> Image {
    let pixel = |n: usize| {
        let (x, y) = (n % WIDTH, n / WIDTH);
        [(x * 255 / (WIDTH - 1)) as u8, (y * 255 / (HEIGHT - 1)) as u8, (x ^ y) as u8]
    };
    Image { width: WIDTH, height: HEIGHT, pixels: (0..WIDTH * HEIGHT).map(pixel).collect() }
}

/// The pointer of VMware's backdoor, and a PS/2 keyboard.
pub fn vmmouse(program: &Path) -> Result<Outcome> {
    let place = |at: usize, size: usize| at * 0xFFFF / (size - 1);
    run(program, "vmmouse", "VirtualPS/2 VMware VMMouse", "AT Translated Set 2 keyboard", place)
}

/// The tablet and the keyboard behind virtio.
pub fn virtio(program: &Path) -> Result<Outcome> {
    let place = |at: usize, size: usize| at * 0x7FFF / (size - 1);
    run(program, "virtio", "Glassbox Virtio Tablet", "Glassbox Virtio Keyboard", place)
}

fn run(
    program: &Path,
    input: &str,
    pointer: &str,
    keyboard: &str,
    place: fn(usize, usize) -> usize,
) -> Result<Outcome> {
    let (Some(kernel), Some(shell)) = (guests::kernel("generic"), guests::busybox("busybox")) else {
        return Ok(Outcome::Skipped("the generic kernel or busybox was not fetched".into()));
    };
    let expected = pattern();
    let bytes: Vec<u8> =
        expected.pixels.iter().flat_map(|[red, green, blue]| [*blue, *green, *red, 0]).collect();
    let modules = modules::with_dependencies("generic", MODULES)?;
    let named = modules.iter().enumerate().map(|(n, (name, data))| (format!("module-{n:02}-{name}"), data));
    let named: Vec<(String, &Vec<u8>)> = named.collect();
    let mut files: Vec<(&str, &[u8])> = vec![("pattern", &bytes)];
    files.extend(named.iter().map(|(name, data)| (name.as_str(), data.as_slice())));
    let initrd = guests::folder().join(format!("screen-{input}.initrd.gz"));
    fs::write(&initrd, busybox(&fs::read(shell)?, INIT, &files)?)?;
    let shot = guests::folder().join(format!("screen-{input}.png"));
    let path = |path: &Path| path.to_str().map(str::to_owned).context("a path that is no text");
    let (kernel, initrd, file) = (path(&kernel)?, path(&initrd)?, path(&shot)?);
    let args = [
        kernel.as_str(),
        "--initrd",
        &initrd,
        "--append",
        "console=ttyS0 panic=-1 quiet",
        "--memory",
        "512M",
        "--display",
        "vga",
        "--input",
        input,
        "--keys",
        KEYS,
        "--screenshot",
        &file,
        "--timeout",
        "120s",
        "--fail-on",
        "Kernel panic|GUEST-FAILED",
    ];
    let console = glassbox(program, &args)?;
    let at = |kind: &str, code: u32, value: usize| format!("EVENT {pointer}: {kind} {code} {value}\n");
    let wanted = [
        "FRAMEBUFFER bochs-drmdrmfb 1024,768\n".to_owned(),
        at("3", 0, place(100, WIDTH)),
        at("3", 1, place(200, HEIGHT)),
        at("3", 0, place(512, WIDTH)),
        at("3", 1, place(384, HEIGHT)),
        at("1", 0x111, 1),
        at("1", 0x111, 0),
        // One step towards the user: -1 in 16 bits.
        at("2", 8, 0xFFFF),
        format!("EVENT {keyboard}: 1 30 1\n"),
    ];
    for wanted in wanted {
        if !console.contains(&wanted) {
            bail!("the console never said {wanted:?}:\n{console}");
        }
    }
    if Image::read_png(&shot)? != expected {
        bail!("the picture in {} is not what the guest drew", shot.display());
    }
    Ok(Outcome::Passed)
}
