//! DISPI by ports, and the PCI function.

use glassbox_device_api::{AccessSize, PciFunction};
use glassbox_pci::PciDevice;
use glassbox_testkit::{Bench, MmioBus, PortBus};

use super::{at, get, get_dispi, set_dispi, set_dispi_mode, vga};
use crate::{Edid, Vga, VgaConfig, VideoMemory};

#[test]
fn versions_are_those_of_bochs() {
    let mut vga = vga(&Bench::new());
    assert_eq!(get_dispi(&mut vga, 0), 0xb0c5);
    for (id, read) in [(0xb0c0, 0xb0c0), (0xb0c4, 0xb0c4), (0xb0c6, 0xb0c4), (0, 0xb0c4), (0xb0c5, 0xb0c5)] {
        set_dispi(&mut vga, 0, id);
        assert_eq!(get_dispi(&mut vga, 0), read);
    }
    assert_eq!(get_dispi(&mut vga, 10), 16, "1 MiB in units of 64 KiB");
}

#[test]
fn capabilities_are_read_instead_of_the_mode_on_request() {
    let mut vga = vga(&Bench::new());
    set_dispi_mode(&mut vga, 640, 400, 8);
    set_dispi(&mut vga, 4, 0x43);
    assert_eq!([1, 2, 3].map(|i| get_dispi(&mut vga, i)), [2560, 1600, 32]);
    set_dispi(&mut vga, 4, 0x41);
    assert_eq!([1, 2, 3].map(|i| get_dispi(&mut vga, i)), [640, 400, 8]);
}

#[test]
fn geometry_is_fitted_into_memory() {
    let mut vga = vga(&Bench::new());
    set_dispi_mode(&mut vga, 1023, 768, 16);
    assert_eq!([1, 2, 6, 7].map(|i| get_dispi(&mut vga, i)), [1016, 516, 1016, 516]);
    set_dispi_mode(&mut vga, 640, 400, 8);
    set_dispi(&mut vga, 6, 1024);
    assert_eq!(get_dispi(&mut vga, 7), 1024);
    set_dispi(&mut vga, 8, 1000);
    set_dispi(&mut vga, 9, 1000);
    assert_eq!([8, 9].map(|i| get_dispi(&mut vga, i)), [384, 624]);
    set_dispi_mode(&mut vga, 0, 0, 7);
    assert_eq!([1, 2, 3].map(|i| get_dispi(&mut vga, i)), [8, 1, 8]);
    set_dispi_mode(&mut vga, u16::MAX, u16::MAX, u16::MAX);
    assert_eq!([1, 2, 3, 6].map(|i| get_dispi(&mut vga, i)), [2560, 409, 8, 2560]);
    set_dispi(&mut vga, 5, u16::MAX);
    assert_eq!(get_dispi(&mut vga, 5), 15);
}

#[test]
fn enabling_clears_the_picture_unless_told_otherwise() {
    let mut vga = vga(&Bench::new());
    vga.memory().write(0, &[0xaa; 1000]);
    set_dispi(&mut vga, 1, 32);
    set_dispi(&mut vga, 2, 8);
    set_dispi(&mut vga, 3, 24);
    set_dispi(&mut vga, 4, 0xc1);
    let byte = |vga: &Vga, at| {
        let mut byte = [0];
        vga.memory().read(at, &mut byte);
        byte[0]
    };
    assert_eq!(byte(&vga, 0), 0xaa);
    set_dispi(&mut vga, 4, 0);
    set_dispi(&mut vga, 4, 0x41);
    assert_eq!((byte(&vga, 0), byte(&vga, 767), byte(&vga, 768)), (0, 0, 0xaa));
}

#[test]
fn banks_show_64_kib_at_a_time() {
    let mut vga = vga(&Bench::new());
    vga.out8(at(0x3c2), 0x63);
    set_dispi_mode(&mut vga, 640, 480, 8);
    super::set(&mut vga, 0x3ce, 8, 0xff);
    set_dispi(&mut vga, 5, 2);
    vga.write32(0x10, 0x0403_0201);
    let mut bytes = [0; 4];
    vga.memory().read(0x2_0010, &mut bytes);
    assert_eq!(bytes, [1, 2, 3, 4]);
    set_dispi(&mut vga, 5, 0);
    assert_eq!(vga.read32(0x10), 0);
    set_dispi(&mut vga, 4, 0);
    assert_eq!(get_dispi(&mut vga, 5), 0, "disabling returns to bank 0");
}

#[test]
fn the_vga_follows_the_mode() {
    let mut vga = vga(&Bench::new());
    vga.out8(at(0x3c2), 0x67);
    set_dispi_mode(&mut vga, 800, 480, 8);
    assert_eq!(get(&mut vga, 0x3ce, 6) & 0xd, 5);
    assert_eq!(get(&mut vga, 0x3c4, 4) & 8, 8);
    assert_eq!((get(&mut vga, 0x3d4, 1), get(&mut vga, 0x3d4, 0x12)), (99, 0xdf));
}

#[test]
fn the_dac_has_eight_bits_when_chosen() {
    let mut vga = vga(&Bench::new());
    set_dispi(&mut vga, 4, 0x20);
    vga.out8(at(0x3c8), 0);
    for value in [0xff, 0x81, 0x40] {
        vga.out8(at(0x3c9), value);
    }
    vga.out8(at(0x3c7), 0);
    assert_eq!([(); 3].map(|()| vga.in8(at(0x3c9))), [0xff, 0x81, 0x40]);
}

#[test]
fn registers_and_edid_are_in_the_third_window() {
    let mut vga = vga(&Bench::new());
    let read = |vga: &mut Vga, offset, size| vga.bar_read(2, offset, size);
    let edid: Vec<u8> = (0..128).map(|i| read(&mut vga, i, AccessSize::Byte) as u8).collect();
    assert_eq!(edid, Edid::default().bytes());
    assert_eq!(read(&mut vga, 128, AccessSize::Dword), 0, "no extension");
    assert_eq!(read(&mut vga, 0x500, AccessSize::Word), 0xb0c5);
    vga.bar_write(2, 0x502, AccessSize::Dword, 600 << 16 | 800);
    assert_eq!([1, 2].map(|i| get_dispi(&mut vga, i)), [800, 600]);
    vga.bar_write(2, 0x503, AccessSize::Byte, 4);
    assert_eq!(read(&mut vga, 0x502, AccessSize::Qword), 600 << 16 | 1056);
    vga.bar_write(2, 0x402, AccessSize::Byte, 0xe3);
    assert_eq!(vga.in8(at(0x3cc)), 0xe3);
    assert_eq!(read(&mut vga, 0x40c, AccessSize::Byte), 0xe3);
    assert_eq!(read(&mut vga, 0x600, AccessSize::Qword), 0x1e1e_1e1e_0000_0008);
    assert_eq!(read(&mut vga, 0xfff, AccessSize::Byte), 0);
}

#[test]
fn the_function_is_what_drivers_look_for() {
    let bench = Bench::new();
    let memory = VideoMemory::standalone(1 << 20).unwrap();
    let config = VgaConfig { option_rom: vec![0x55; 0x9a00], ..VgaConfig::default() };
    let mut vga = Vga::new(bench.vm_clock(), memory, config);
    assert_eq!((vga.config_read(0), vga.config_read(8)), (0x1111_1234, 0x0300_0002));
    for (register, mask) in [(0x10, 0xfff0_0008u32), (0x14, 0), (0x18, 0xffff_f000), (0x30, 0xffff_0001)] {
        vga.config_write(register, u32::MAX, 0xf);
        assert_eq!(vga.config_read(register), mask, "{register:#x}");
    }
    vga.config_write(0x10, 0xfd00_0000, 0xf);
    vga.config_write(0x18, 0xfeb0_0000, 0xf);
    vga.config_write(0x30, 0xfec0_0001, 0xf);
    vga.config_write(4, 2, 3);
    let bases: Vec<_> = vga.mappings().iter().map(|m| (m.bar.index, m.base)).collect();
    assert_eq!(bases, [(0, 0xfd00_0000), (2, 0xfeb0_0000), (6, 0xfec0_0000)]);
    vga.bar_write(0, 0x1_2345, AccessSize::Dword, 0xdead_beef);
    assert_eq!(vga.bar_read(0, 0x1_2346, AccessSize::Byte), 0xbe);
    assert_eq!(vga.bar_read(6, 0x99ff, AccessSize::Word), 0xff55, "behind the image the ROM is empty");
}
