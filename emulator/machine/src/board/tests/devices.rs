//! Drives, the display, and windows of PCI functions.

use super::Bench;
use crate::{DisplayConfig, DriveConfig, DriveInterface, DriveMedia, MachineError};
use glassbox_cpu::MmioString;
use glassbox_device_api::{AccessSize, ResetKind, VmTime};
use glassbox_memory::Gpa;
use glassbox_testkit::MemoryDisk;
use std::sync::Arc;

const VGA: u32 = 2 << 11;
const IDE: u32 = 1 << 11 | 1 << 8;
const COMMAND: u32 = 0x04;
const BAR0: u32 = 0x10;
const BAR4: u32 = 0x20;

fn drive(interface: DriveInterface, media: DriveMedia) -> DriveConfig {
    let mut bytes = vec![0; 4 << 20];
    bytes[..4].copy_from_slice(b"DISK");
    DriveConfig {
        interface,
        media,
        source: Arc::new(MemoryDisk::new(bytes)),
        serial: "12345".into(),
        boot_index: None,
        name: "disk.img".into(),
    }
}

fn primary_master() -> DriveConfig {
    drive(DriveInterface::Ide { channel: 0, unit: 0 }, DriveMedia::Disk)
}

impl Bench {
    fn config_write(&mut self, function: u32, register: u32, value: u32) {
        self.board.port_write(0xCF8, 4, 1 << 31 | function | register);
        self.board.port_write(0xCFC, 4, value);
        self.board.settle();
    }

    fn config_read(&mut self, function: u32, register: u32) -> u32 {
        self.board.port_write(0xCF8, 4, 1 << 31 | function | register);
        self.board.port_read(0xCFC, 4)
    }
}

#[test]
fn a_disk_on_the_first_channel_answers_at_its_ports_and_interrupts() {
    let mut bench = Bench::with(vec![primary_master()], None);
    bench.start_pics(1 << 2 | 1 << 14);
    assert_eq!(bench.board.port_read(0x1F7, 1), 0xFF, "not decoded after reset");
    bench.config_write(IDE, COMMAND, 5);
    bench.config_write(IDE, 0x40, 0x8000_8000);
    bench.out(0x1F6, 0xE0);
    for (port, value) in [(0x1F2, 1), (0x1F3, 0), (0x1F4, 0), (0x1F5, 0), (0x1F7, 0x20)] {
        bench.out(port, value);
    }
    bench.pass(VmTime::SECOND);
    assert_eq!(bench.take(), Some(0x2E));
    assert_eq!(bench.board.port_read(0x1F7, 1) & 0x89, 8, "data request");
    assert_eq!(bench.board.port_read(0x1F0, 4), u32::from_le_bytes(*b"DISK"));
}

#[test]
fn windows_in_io_space_follow_their_register_and_go_with_reset() {
    let mut bench = Bench::with(vec![primary_master()], None);
    bench.config_write(IDE, COMMAND, 5);
    for base in [0xC000, 0xD010] {
        bench.config_write(IDE, BAR4, base);
        let port = base as u16;
        assert_eq!(bench.board.port_read(port + 2, 1), 0, "bus master status at {base:#x}");
        bench.board.port_write(port + 4, 4, 0x1234_5000);
        assert_eq!(bench.board.port_read(port + 4, 4), 0x1234_5000);
    }
    assert_eq!(bench.board.port_read(0xC002, 1), 0xFF, "moved away");
    bench.board.reset(ResetKind::Warm);
    assert_eq!(bench.board.port_read(0xD012, 1), 0xFF);
    assert_eq!(bench.config_read(IDE, BAR4), 1);
}

#[test]
fn the_framebuffer_is_memory_where_its_register_says() {
    let mut bench = Bench::with(Vec::new(), Some(DisplayConfig::default()));
    assert!(bench.memory.lookup(Gpa(0xE000_0000)).is_none());
    bench.config_write(VGA, COMMAND, 3);
    bench.config_write(VGA, BAR0, 0xE000_0000);
    bench.memory.write_bytes(Gpa(0xE000_1000), b"pixels").unwrap();
    bench.config_write(VGA, BAR0, 0xE100_0000);
    assert!(bench.memory.lookup(Gpa(0xE000_1000)).is_none());
    assert_eq!(bench.memory.read_at::<6>(Gpa(0xE100_1000)).unwrap(), *b"pixels");
    bench.config_write(VGA, COMMAND, 0);
    assert!(bench.memory.lookup(Gpa(0xE100_1000)).is_none());
    // The registers' window is the device's.
    bench.config_write(VGA, BAR0 + 8, 0xFEB0_0000);
    bench.config_write(VGA, COMMAND, 3);
    assert_eq!(bench.board.mmio_read(0, 0xFEB0_0000, AccessSize::Dword), 0xFFFF_FF00, "EDID's header");
}

#[test]
fn a_chain_4_mode_is_memory_at_a0000() {
    let mut bench = Bench::with(Vec::new(), Some(DisplayConfig::default()));
    let is_memory = |bench: &Bench| bench.memory.lookup(Gpa(0xA_0000)).is_some();
    assert!(!is_memory(&bench));
    // Chain 4 over all planes; graphics at A0000h.
    bench.out(0x3C2, 0x63);
    for (port, index, value) in [(0x3C4, 4, 0x0E), (0x3C4, 2, 0x0F), (0x3CE, 5, 0x40), (0x3CE, 6, 0x05)] {
        bench.board.port_write(port, 2, value << 8 | index);
    }
    for (index, value) in [(0, 0), (1, 0), (3, 0), (7, 0x0F), (8, 0xFF)] {
        bench.board.port_write(0x3CE, 2, value << 8 | index);
    }
    assert!(is_memory(&bench));
    bench.memory.write_bytes(Gpa(0xA_0003), &[7]).unwrap();
    assert_eq!(bench.board.mmio_read(0, 0xA_0003, AccessSize::Byte), 7, "the same memory");
    bench.board.port_write(0x3C4, 2, 0x0604);
    assert!(!is_memory(&bench));
}

#[test]
fn strings_in_planar_memory_go_through_the_latches() {
    let mut bench = Bench::with(Vec::new(), Some(DisplayConfig::default()));
    bench.out(0x3C2, 0x63);
    // Planes at A0000h, all of them written; set/reset gives three of them ones.
    for (port, index, value) in
        [(0x3C4, 4, 6), (0x3C4, 2, 0x0F), (0x3CE, 6, 5), (0x3CE, 5, 0), (0x3CE, 8, 0xFF)]
    {
        bench.board.port_write(port, 2, value << 8 | index);
    }
    let at = Gpa(0xA_0100);
    let fill = MmioString::Fill { at, value: 0xAA55 };
    assert_eq!(bench.board.planes_string(0, AccessSize::Word, 8, fill), Some(8));
    bench.board.port_write(0x3C4, 2, 0x0102);
    let store = MmioString::Store { at, from: &[1, 2, 3] };
    assert_eq!(bench.board.planes_string(0, AccessSize::Byte, 3, store), Some(3));
    // Write mode 1 copies all planes.
    bench.board.port_write(0x3C4, 2, 0x0F02);
    bench.board.port_write(0x3CE, 2, 0x0105);
    let copy = MmioString::Copy { from: at, to: Gpa(0xA_0200) };
    assert_eq!(bench.board.planes_string(0, AccessSize::Byte, 16, copy), Some(16));
    for (plane, expected) in [(0, [1, 2, 3, 0xAA]), (3, [0x55, 0xAA, 0x55, 0xAA])] {
        bench.board.port_write(0x3CE, 2, plane << 8 | 4);
        let mut bytes = [0; 4];
        let load = MmioString::Load { at: Gpa(0xA_0200), to: &mut bytes };
        assert_eq!(bench.board.planes_string(0, AccessSize::Dword, 1, load), Some(1));
        assert_eq!(bytes, expected, "plane {plane}");
    }
    let beyond = MmioString::Fill { at: Gpa(0xB_FFFF), value: 0 };
    assert_eq!(bench.board.planes_string(0, AccessSize::Word, 1, beyond), None);
    let elsewhere = MmioString::Fill { at: Gpa(0xFEC0_0000), value: 0 };
    assert_eq!(bench.board.planes_string(0, AccessSize::Byte, 1, elsewhere), None);
}

#[test]
fn what_is_placed_without_firmware_is_apart_and_enabled() {
    let others = [DriveInterface::VirtioBlk, DriveInterface::Ahci { port: 0 }, DriveInterface::Nvme];
    let mut drives = vec![primary_master()];
    drives.extend(others.map(|interface| drive(interface, DriveMedia::Disk)));
    let mut bench = Bench::with(drives, Some(DisplayConfig::default()));
    bench.board.place_windows([10, 10, 11, 11]);
    let framebuffer = bench.config_read(VGA, BAR0) & !0xF;
    assert!((0xE000_0000..0xFE00_0000).contains(&framebuffer));
    assert!(bench.memory.lookup(Gpa(framebuffer.into())).is_some());
    let virtio = 3 << 11;
    assert_eq!(bench.config_read(virtio, 0), 0x1001_1AF4, "transitional");
    let ports = (bench.config_read(virtio, BAR0) & !3) as u16;
    let bus_master = (bench.config_read(IDE, BAR4) & !3) as u16;
    assert!(ports >= 0xC000 && bus_master >= 0xC000 && ports.abs_diff(bus_master) >= 16);
    assert_eq!(bench.board.port_read(ports + 20, 4), (4 << 20) / 512, "the disk's capacity");
    // AHCI's registers and NVMe's, whose register is one of 64 bits.
    let registers = u64::from(bench.config_read(4 << 11, 0x24));
    assert_eq!(bench.board.mmio_read(0, registers + 0x10, AccessSize::Dword), 0x0001_0200, "AHCI 1.2");
    let registers = u64::from(bench.config_read(5 << 11, BAR0) & !0xF);
    assert_eq!(bench.board.mmio_read(0, registers + 8, AccessSize::Dword), 0x0001_0400, "NVMe 1.4");
    // Slot 3, INTA#: PIRQ D, IRQ 11.
    assert_eq!(bench.config_read(virtio, 0x3C), 0x010B);
}

#[test]
fn a_drive_is_refused_where_none_can_be() {
    let ide = |channel, unit| DriveInterface::Ide { channel, unit };
    let refused = |drives| Bench::try_with(drives, None).err().map(|error| error.to_string());
    assert!(refused(vec![drive(ide(0, 0), DriveMedia::Floppy)]).is_some_and(|e| e.contains("disk.img")));
    assert!(refused(vec![drive(ide(2, 0), DriveMedia::Disk)]).is_some());
    assert!(refused(vec![drive(DriveInterface::VirtioBlk, DriveMedia::Cdrom)]).is_some());
    let twice = Bench::try_with(vec![primary_master(), primary_master()], None);
    assert!(matches!(twice.err(), Some(MachineError::DriveTaken { .. })));
}

#[test]
fn the_cmos_describes_the_drives() {
    let mut drives = vec![primary_master(), drive(DriveInterface::Floppy { unit: 0 }, DriveMedia::Floppy)];
    drives[1].boot_index = Some(0);
    let bench = Bench::with(drives, None);
    let rtc = &bench.board.devices.rtc;
    assert_eq!(rtc.cmos(0x10) >> 4, 4, "A is a 1.44 MB drive");
    assert_eq!((rtc.cmos(0x12), rtc.cmos(0x19)), (0xF0, 47));
    assert_eq!((rtc.cmos(0x1B), rtc.cmos(0x1D), rtc.cmos(0x23)), (8, 16, 63));
    assert_eq!((rtc.cmos(0x14) & 0xC1, rtc.cmos(0x3D)), (1, 0x21), "floppy first, then disk");
    let sum: u16 = (0x10..0x2E).map(|at| u16::from(rtc.cmos(at))).sum();
    assert_eq!(sum.to_be_bytes(), [rtc.cmos(0x2E), rtc.cmos(0x2F)]);
}
