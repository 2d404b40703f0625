//! Whatever a guest does to the display: no panic, and no picture that takes long.

mod common;

use common::{Done, HIGHEST, STEP, WIDEST};
use glassbox_device_api::{AccessSize, PortIo};
use glassbox_display::{Frame, Vga, VgaConfig, VideoMemory};
use glassbox_testkit::{Bench, Rng};
use std::time::{Duration, Instant};

/// Scripts, and with `GLASSBOX_FULL_TESTS` (`cargo xtask test --full`).
const RUNS: u64 = 300;
const FULL_RUNS: u64 = 10_000;
/// Accesses of a script.
const STEPS: usize = 400;

/// Index and data ports, as offsets from 3B0h and behind these DISPI's.
const PAIRS: [u16; 4] = [0x14, 0x1E, 0x24, 0x30];

/// Bytes that reach registers more often than chance would.
fn script(rng: &mut Rng) -> Vec<u8> {
    let mut script = Vec::new();
    for _ in 0..STEPS {
        let mut step = (rng.next_u64() >> 1).to_le_bytes();
        if rng.one_in(2) {
            // A word to an index port: a register and its value.
            let port = PAIRS[rng.below(4) as usize];
            let [low, high] = port.to_le_bytes();
            step = [rng.below(128) as u8 & 0x73, low, high, 1, rng.below(0x1A) as u8, step[5], 0, 0];
            if port == 0x30 {
                script.extend([0x70, 0x30, 0, 1, rng.below(11) as u8, 0, 0, 0]);
                step = [0x70, 0x31, 0, 0, step[4], step[5], 0, 0];
            }
        }
        script.extend(step);
    }
    script
}

#[test]
fn random_accesses_never_panic() {
    let runs = if std::env::var_os("GLASSBOX_FULL_TESTS").is_some() { FULL_RUNS } else { RUNS };
    let mut all = Done::default();
    for seed in 0..runs {
        let script = script(&mut Rng::new(seed));
        assert!(script.len() >= STEPS * STEP);
        let done = std::panic::catch_unwind(|| common::hostile(&script));
        let done = done.unwrap_or_else(|_| panic!("seed {seed}"));
        all.pictures += done.pictures;
        all.pixels += done.pixels;
    }
    // Scripts that show nothing prove nothing.
    assert!(all.pictures as u64 > runs && all.pixels > 100_000 * runs, "{all:?}");
}

#[test]
fn the_largest_picture_takes_bounded_time() {
    let bench = Bench::new();
    let mut vga = Vga::new(bench.vm_clock(), VideoMemory::standalone(1 << 20).unwrap(), VgaConfig::default());
    let mut set = |port: u16, index: u16, value: u16| {
        vga.port_write(port - 0x3B0, AccessSize::Word, (value << 8 | index).into());
    };
    // Color ports; 9 dots at half the clock; 256 characters; 1024 lines, counted by two; text.
    set(0x3C2, 1, 0);
    set(0x3C4, 1, 0x08);
    for (index, value) in [(0x11, 0), (1, 0xFF), (7, 0xFF), (0x12, 0xFF), (0x17, 0xE7), (9, 0x1F)] {
        set(0x3D4, index, value);
    }
    vga.port_read(0x2A, AccessSize::Byte);
    vga.port_write(0x10, AccessSize::Byte, 0x20);
    let start = Instant::now();
    let mut frame = Frame::new();
    let changes = vga.frame(&mut frame);
    assert_eq!((frame.width(), frame.height()), (WIDEST, HIGHEST));
    assert!(changes.resized);
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
}
