//! Tests through the shell, as a guest reaches the device.

mod dispi;
mod generic;
mod memory;
mod modes;
mod ports;
mod render;
mod text;

use glassbox_testkit::{Bench, MmioBus, PortBus};

use crate::{Vga, VgaConfig, VideoMemory};

/// Offsets of ports from 3B0h.
pub(super) const fn at(port: u16) -> u16 {
    port - 0x3b0
}

pub(super) fn vga(bench: &Bench) -> Vga {
    let memory = VideoMemory::standalone(1 << 20).unwrap();
    Vga::new(bench.vm_clock(), memory, VgaConfig::default())
}

/// Writes an index and data pair.
pub(super) fn set(vga: &mut Vga, port: u16, index: u8, value: u8) {
    vga.out16(at(port), u16::from(index) | u16::from(value) << 8);
}

pub(super) fn get(vga: &mut Vga, port: u16, index: u8) -> u8 {
    vga.out8(at(port), index);
    vga.in8(at(port) + 1)
}

pub(super) fn set_attribute(vga: &mut Vga, index: u8, value: u8) {
    vga.in8(at(0x3da));
    vga.out8(at(0x3c0), index);
    vga.out8(at(0x3c0), value);
    vga.out8(at(0x3c0), 0x20);
}

pub(super) fn set_dispi(vga: &mut Vga, index: u16, value: u16) {
    vga.out16(0x30, index);
    vga.out16(0x31, value);
}

pub(super) fn get_dispi(vga: &mut Vga, index: u16) -> u16 {
    vga.out16(0x30, index);
    vga.in16(0x31)
}

/// A DISPI mode with a linear framebuffer.
pub(super) fn set_dispi_mode(vga: &mut Vga, width: u16, height: u16, bits: u16) {
    set_dispi(vga, 4, 0);
    set_dispi(vga, 1, width);
    set_dispi(vga, 2, height);
    set_dispi(vga, 3, bits);
    set_dispi(vga, 4, 0x41);
    vga.in8(at(0x3da));
    vga.out8(at(0x3c0), 0x20);
}

/// Loads a font in which line n of character c is c rotated left by n.
pub(super) fn load_font(vga: &mut Vga) {
    set(vga, 0x3c4, 2, 4);
    set(vga, 0x3c4, 4, 7);
    set(vga, 0x3ce, 5, 0);
    set(vga, 0x3ce, 6, 0);
    for code in 0..=255u8 {
        for line in 0..32 {
            vga.write8(u64::from(code) * 32 + u64::from(line), code.rotate_left(line));
        }
    }
    set(vga, 0x3c4, 2, 3);
    set(vga, 0x3c4, 4, 2);
    set(vga, 0x3ce, 5, 0x10);
    set(vga, 0x3ce, 6, 0x0e);
}

/// The 16 colours of EGA and the first DAC entries, which modes use by default.
pub(super) fn load_palette(vga: &mut Vga) {
    vga.out8(at(0x3c8), 0);
    for color in 0..64u8 {
        for (high, low) in [(0x04, 0x20), (0x02, 0x10), (0x01, 0x08)] {
            let level = if color & high != 0 { 42 } else { 0 } + if color & low != 0 { 21 } else { 0 };
            vga.out8(at(0x3c9), level);
        }
    }
    for entry in 64..=255u8 {
        for level in [entry >> 2, entry & 0x3f, 63 - (entry >> 2)] {
            vga.out8(at(0x3c9), level);
        }
    }
}
