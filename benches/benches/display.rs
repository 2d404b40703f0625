//! What a picture of the screen costs, and writing to the planes.
#![allow(missing_docs)]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use glassbox_device_api::{AccessSize, Device, Mmio, PortIo};
use glassbox_display::{Frame, Vga, VgaConfig, VideoMemory};
use glassbox_memory::GuestMemory;
use glassbox_testkit::Bench;

const WIDTH: usize = 1024;
const HEIGHT: usize = 768;
/// Bytes of a picture of 32 bits a pixel.
const BYTES: usize = WIDTH * HEIGHT * 4;

/// A display whose memory is watched, as a machine's is.
fn display(bench: &Bench) -> Vga {
    let memory = GuestMemory::new(64 << 20).expect("64 MiB");
    let block = memory.allocate(16 << 20).expect("video memory");
    Vga::new(bench.vm_clock(), VideoMemory::watched(memory, block), VgaConfig::default())
}

/// Writes an index and its value to ports; `port` as in the port map.
fn set(vga: &mut Vga, port: u16, index: u16, value: u16) {
    vga.port_write(port - 0x3B0, AccessSize::Word, (value << 8 | index).into());
}

fn dispi(vga: &mut Vga, bits: u32) {
    for (index, value) in [(4, 0), (1, WIDTH as u32), (2, HEIGHT as u32), (3, bits), (4, 0x41)] {
        vga.port_write(0x30, AccessSize::Word, index);
        vga.port_write(0x31, AccessSize::Word, value);
    }
    show(vga);
}

/// The attribute controller belongs to the display.
fn show(vga: &mut Vga) {
    vga.port_read(0x2A, AccessSize::Byte);
    vga.port_write(0x10, AccessSize::Byte, 0x20);
}

/// An update as the run loop makes it, with the copy for whoever shows it.
fn update(vga: &mut Vga, frame: &mut Frame, shown: &mut Vec<u32>) {
    vga.poll_host();
    if !vga.frame(frame).is_empty() {
        shown.clear();
        shown.extend_from_slice(frame.pixels());
    }
}

fn pictures(c: &mut Criterion) {
    let mut group = c.benchmark_group("picture-1024x768");
    for bits in [8, 16, 32] {
        let bench = Bench::new();
        let mut vga = display(&bench);
        dispi(&mut vga, bits);
        let size = BYTES / 32 * bits as usize;
        let pictures = [vec![0x35; size], vec![0xCA; size]];
        let (mut frame, mut shown, mut count) = (Frame::new(), Vec::new(), 0);
        group.bench_function(format!("{bits}-bit-all-new"), |b| {
            b.iter_custom(|times| {
                let mut spent = std::time::Duration::ZERO;
                for _ in 0..times {
                    // The guest's writes are not the picture's cost.
                    vga.memory().write(0, &pictures[count % 2]);
                    count += 1;
                    let start = std::time::Instant::now();
                    update(&mut vga, &mut frame, &mut shown);
                    spent += start.elapsed();
                }
                spent
            });
        });
        if bits == 32 {
            group.bench_function("32-bit-a-line-of-text-new", |b| {
                let row = [vec![1; WIDTH * 4 * 16], vec![2; WIDTH * 4 * 16]];
                b.iter(|| {
                    vga.memory().write(100 * WIDTH as u32 * 4, &row[count % 2]);
                    count += 1;
                    update(&mut vga, &mut frame, &mut shown);
                });
            });
            group.bench_function("32-bit-nothing-new", |b| {
                b.iter(|| update(&mut vga, &mut frame, &mut shown));
            });
        }
    }
    group.finish();
}

/// 640 by 480 in 16 colours (mode 12h), written byte by byte and dword by dword.
fn planes(c: &mut Criterion) {
    const PLANE: u64 = 640 * 480 / 8;
    let bench = Bench::new();
    let mut vga = display(&bench);
    for (port, index, value) in
        [(0x3C4, 2, 0x0F), (0x3C4, 4, 6), (0x3CE, 5, 0), (0x3CE, 6, 5), (0x3CE, 8, 0xFF)]
    {
        set(&mut vga, port, index, value);
    }
    vga.port_write(0x12, AccessSize::Byte, 0xE3);
    let mut group = c.benchmark_group("planes-640x480");
    group.throughput(Throughput::Bytes(PLANE));
    for (name, size, mode) in [
        ("fill-bytes", AccessSize::Byte, 0),
        ("fill-dwords", AccessSize::Dword, 0),
        ("colour-bytes", AccessSize::Byte, 2),
    ] {
        set(&mut vga, 0x3CE, 5, mode);
        group.bench_function(name, |b| {
            b.iter(|| {
                for at in (0..PLANE).step_by(size.bytes() as usize) {
                    vga.mmio_write(at, size, 0x5A5A_5A5A);
                }
            });
        });
    }
    set(&mut vga, 0x3CE, 5, 1);
    group.bench_function("scroll-by-latches", |b| {
        b.iter(|| {
            for at in 80..PLANE {
                let latched = vga.mmio_read(at, AccessSize::Byte);
                vga.mmio_write(at - 80, AccessSize::Byte, latched);
            }
        });
    });
    group.finish();
}

criterion_group!(benches, pictures, planes);
criterion_main!(benches);
