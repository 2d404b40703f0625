//! Linux' bochs-drm draws a pattern that the screenshot shows to the pixel, and
//! its input drivers see clicks where they were made.

use super::guest::Guest;
use super::picture::Image;
use crate::guests;
use crate::runner::Outcome;
use anyhow::{Context, Result, bail};
use std::path::Path;

const INIT: &str = include_str!("../../guest/screen.sh");
const MODULES: &[&str] = &["bochs", "evdev", "psmouse", "virtio_pci", "virtio_input"];
const WIDTH: usize = 1024;
const HEIGHT: usize = 768;

fn pattern() -> Image {
    let pixel = |n: usize| {
        let (x, y) = (n % WIDTH, n / WIDTH);
        [(x * 255 / (WIDTH - 1)) as u8, (y * 255 / (HEIGHT - 1)) as u8, (x ^ y) as u8]
    };
    Image { width: WIDTH, height: HEIGHT, pixels: (0..WIDTH * HEIGHT).map(pixel).collect() }
}

/// Event types and codes (Linux' input-event-codes.h).
const KEY: &str = "1";
const RELATIVE: &str = "2";
const ABSOLUTE: &str = "3";
const BTN_LEFT: u32 = 0x110;
const BTN_RIGHT: u32 = 0x111;
const BTN_SIDE: u32 = 0x113;
const BTN_EXTRA: u32 = 0x114;
const KEY_A: u32 = 30;

/// Keyboard and pointer, and what Linux says of them.
struct Input {
    /// The value of `--input`.
    option: &'static str,
    keyboard: &'static str,
    pointer: &'static str,
    /// What the pointer does.
    keys: &'static str,
    events: Vec<(&'static str, u32, i32)>,
}

/// What pointers that know places do, and what is seen of it where the largest
/// coordinate is `most`.
fn places(option: &'static str, keyboard: &'static str, pointer: &'static str, most: usize) -> Input {
    let place = |at: usize, size: usize| (at * most / (size - 1)) as i32;
    let keys = "move 100,200; click 512,384 right; wheel 1";
    let events = vec![
        (ABSOLUTE, 0, place(100, WIDTH)),
        (ABSOLUTE, 1, place(200, HEIGHT)),
        (ABSOLUTE, 0, place(512, WIDTH)),
        (ABSOLUTE, 1, place(384, HEIGHT)),
        (KEY, BTN_RIGHT, 1),
        (KEY, BTN_RIGHT, 0),
        // One step towards the user.
        (RELATIVE, 8, -1),
    ];
    Input { option, keyboard, pointer, keys, events }
}

const PS2_KEYBOARD: &str = "AT Translated Set 2 keyboard";

/// The pointer of VMware's backdoor, and a PS/2 keyboard.
pub fn vmmouse(program: &Path) -> Result<Outcome> {
    run(program, &places("vmmouse", PS2_KEYBOARD, "VirtualPS/2 VMware VMMouse", 0xFFFF))
}

/// The tablet and the keyboard behind virtio.
pub fn virtio(program: &Path) -> Result<Outcome> {
    run(program, &places("virtio", "Glassbox Virtio Keyboard", "Glassbox Virtio Tablet", 0x7FFF))
}

/// A PS/2 mouse with a wheel and five buttons.
pub fn explorer(program: &Path) -> Result<Outcome> {
    let keys = "move +30,-7; click left; click back; click forward; wheel 2; wheel -1";
    let events = vec![
        (RELATIVE, 0, 30),
        (RELATIVE, 1, -7),
        (KEY, BTN_LEFT, 1),
        (KEY, BTN_LEFT, 0),
        (KEY, BTN_SIDE, 1),
        (KEY, BTN_SIDE, 0),
        (KEY, BTN_EXTRA, 1),
        (KEY, BTN_EXTRA, 0),
        (RELATIVE, 8, -2),
        (RELATIVE, 8, 1),
    ];
    let pointer = "ImExPS/2 Generic Explorer Mouse";
    run(program, &Input { option: "ps2", keyboard: PS2_KEYBOARD, pointer, keys, events })
}

fn run(program: &Path, input: &Input) -> Result<Outcome> {
    let option = input.option;
    let expected = pattern();
    let bytes = expected.pixels.iter().flat_map(|[red, green, blue]| [*blue, *green, *red, 0]);
    let shot = guests::folder().join(format!("screen-{option}.png"));
    let Some(mut guest) =
        Guest::new(&format!("screen-{option}"), INIT, MODULES, &[("pattern", bytes.collect())])?
    else {
        return Ok(Outcome::Skipped("the generic kernel or busybox was not fetched".into()));
    };
    guest.args(&["--input", option, "--keys", &format!("wait \"LISTENING\"; {}; key a", input.keys)]);
    guest.args(&["--screenshot", shot.to_str().context("a path that is no text")?]);
    let console = guest.run(program)?;
    let seen = |device: &str, (kind, code, value): (&str, u32, i32)| {
        // The guest prints values as 16 bits without a sign.
        format!("EVENT {device}: {kind} {code} {}\n", value as u16)
    };
    let frame_buffer = "FRAMEBUFFER bochs-drmdrmfb 1024,768\n".to_owned();
    let events = input.events.iter().map(|event| seen(input.pointer, *event));
    let key = seen(input.keyboard, (KEY, KEY_A, 1));
    for wanted in [frame_buffer].into_iter().chain(events).chain([key]) {
        if !console.contains(&wanted) {
            bail!(
                "the console never said {wanted:?}:
{console}"
            );
        }
    }
    if Image::read_png(&shot)? != expected {
        bail!("the picture in {} is not what the guest drew", shot.display());
    }
    Ok(Outcome::Passed)
}
