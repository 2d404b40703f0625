//! A display that any bytes drive, for tests and fuzz targets.

use glassbox_device_api::{AccessSize, Device, Mmio, PciFunction, PortIo, SaveRestore, VmTime};
use glassbox_display::{Frame, Vga, VgaConfig, VideoMemory};
use glassbox_pci::PciDevice;
use glassbox_testkit::Bench;

/// Bytes of video memory.
const MEMORY: u32 = 1 << 20;
/// Bytes of an access in a script.
pub const STEP: usize = 8;
/// Pictures in a script: more do not show more.
const PICTURES: usize = 12;
/// The widest line of the CRT controller: 256 characters of 9 dots, each shown twice.
pub const WIDEST: u32 = 256 * 9 * 2;
/// And its most lines: eleven bits, counted by two.
pub const HIGHEST: u32 = 1024 * 2;

/// What a script did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Pictures that were made.
    pub pictures: usize,
    /// Pixels of these.
    pub pixels: u64,
}

/// Drives a display through everything that a guest reaches: each eight bytes are an
/// access (what and how wide, where, and a value), time that passes, a look at the
/// picture, or a snapshot that is restored.
pub fn hostile(script: &[u8]) -> Done {
    let bench = Bench::new();
    let memory = VideoMemory::standalone(MEMORY).expect("a MiB");
    let mut vga = Vga::new(bench.vm_clock(), memory, VgaConfig::default());
    let mut frame = Frame::new();
    let mut done = Done::default();
    for [what, at_low, at_high, size, v0, v1, v2, v3] in script.as_chunks::<STEP>().0 {
        let at = u16::from_le_bytes([*at_low, *at_high]);
        let value = u32::from_le_bytes([*v0, *v1, *v2, *v3]);
        access(&mut vga, &bench, what & 0x0F, at, width(*size), value);
        if what & 0x70 == 0 && done.pictures < PICTURES {
            look(&mut vga, &mut frame);
            done.pictures += 1;
            done.pixels += frame.pixels().len() as u64;
        }
    }
    look(&mut vga, &mut frame);
    done
}

fn width(size: u8) -> AccessSize {
    [AccessSize::Byte, AccessSize::Word, AccessSize::Dword, AccessSize::Qword][usize::from(size & 3)]
}

fn access(vga: &mut Vga, bench: &Bench, what: u8, at: u16, size: AccessSize, value: u32) {
    // Ports, DISPI's behind the VGA's, are aligned as a bus splits them.
    let port_size = size.min(AccessSize::Dword);
    let port = at & 0x3F & !(port_size.bytes() as u16 - 1);
    let wide = u64::from(value) << 32 | u64::from(value);
    let offset = u64::from(at) & !(size.bytes() - 1);
    match what {
        0..=3 => vga.port_write(port, port_size, value),
        4 => drop(vga.port_read(port, port_size)),
        5..=7 => vga.mmio_write(offset | u64::from(what & 1) << 16, size, wide),
        8 => drop(vga.mmio_read(offset, size)),
        9 => vga.bar_write(0, offset << 4, size, wide),
        10 => vga.bar_write(2, offset & 0xFFF, size, wide),
        11 => drop(vga.bar_read(2, offset & 0xFFF, size)),
        12 => vga.config_write(at as u8 & !3, value, (value >> 28) as u8),
        13 => bench.pass(VmTime(u64::from(value) << 4)),
        14 => {
            vga.poll_host();
            drop(vga.text_screen());
        }
        _ => {
            let saved = vga.save();
            vga.restore(saved).expect("a state that was just saved");
        }
    }
}

fn look(vga: &mut Vga, frame: &mut Frame) {
    let size = vga.dimensions();
    vga.frame(frame);
    assert_eq!((frame.width(), frame.height()), size);
    assert!(size.0 <= WIDEST && size.1 <= HIGHEST, "{size:?} is more than a CRT controller counts");
}
