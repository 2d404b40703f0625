//! Registers, PIO, interrupts, resets and absent drives.

use glassbox_device_api::{AccessSize, BlockError, Device, PciFunction, PortIo, ResetKind, SaveRestore};
use glassbox_testkit::{Bench, MemoryDisk, PortBus};

use super::rig::{CONTROL, IRQ14, IRQ15, Rig, SECONDARY, disk, numbered};

#[test]
fn ports_answer_when_firmware_has_enabled_them() {
    let bench = Bench::new();
    let mut rig = Rig::with_disk(&bench, &numbered(16));
    assert_eq!((rig.ide.config_read(0), rig.ide.config_read(8)), (0x7010_8086, 0x0101_8000));
    assert_eq!(rig.in8(7), 0x50);
    rig.ide.config_write(0x40, 0, 0x3);
    assert_eq!(rig.in8(7), 0xff, "IDETIM says no");
    rig.ide.config_write(0x40, 0x8000, 0x3);
    rig.ide.config_write(4, 0x4, 0x3);
    assert_eq!(rig.in16(0), 0xffff, "I/O is disabled");
}

#[test]
fn firmware_that_does_not_enable_them_finds_them_enabled() {
    let bench = Bench::new();
    let mut rig = Rig::with_disk(&bench, &numbered(16));
    rig.ide.decode_after_reset();
    rig.ide.reset(ResetKind::Cold);
    assert_eq!(rig.ide.config_read(0x40), 0x8000_8000);
    rig.ide.config_write(4, 1, 0x3);
    assert_ne!(rig.in8(7), 0xff);
}

#[test]
fn disk_shows_its_signature_and_identity() {
    let bench = Bench::new();
    let mut rig = Rig::with_disk(&bench, &numbered(20_160));
    assert_eq!((rig.in8(1), rig.in8(2), rig.in8(3), rig.in8(4), rig.in8(5)), (1, 1, 1, 0, 0));
    let words = rig.identify();
    assert_eq!(rig.alternate_status(), 0x50);
    assert_eq!((words[1], words[3], words[6]), (20, 16, 63));
    assert_eq!((words[60], words[61], words[100]), (20_160, 0, 20_160));
    assert_eq!(&words[10..13], [0x4742, 0x3030, 0x3031], "GB0001, high byte first");
    assert_eq!(words[49] & 0x0300, 0x0300);
}

#[test]
fn an_empty_cable_floats_and_an_absent_device_1_reads_status_0() {
    let bench = Bench::new();
    let mut rig = Rig::with_disk(&bench, &numbered(16));
    for register in 1..=8 {
        rig.out8(SECONDARY + register.min(6), 0x55);
        assert_eq!(rig.in8(SECONDARY + register), 0x7f);
    }
    rig.out8(SECONDARY + 7, 0xec);
    assert_eq!(rig.in8(SECONDARY + 7) & 0x80, 0, "not busy");
    rig.out8(6, 0xb0);
    assert_eq!((rig.in8(7), rig.in8(CONTROL)), (0, 0));
    rig.out8(3, 0xaa);
    assert_eq!(rig.in8(3), 0xaa, "device 0 answers for the others");
    rig.out8(7, 0xec);
    assert_eq!(rig.in8(7), 0, "nobody carries out the command");
    rig.out8(6, 0xa0);
    assert_eq!(rig.in8(7), 0x50);
    assert_eq!(bench.asserted(), []);
}

#[test]
fn pio_read_interrupts_for_each_sector_and_status_clears_it() {
    let bench = Bench::new();
    let mut rig = Rig::with_disk(&bench, &numbered(300));
    rig.command(0x20, 130, 2);
    for sector in [130u8, 131] {
        assert!(bench.level(IRQ14));
        assert_eq!(rig.alternate_status(), 0x58);
        assert!(bench.level(IRQ14), "the alternate status does not clear it");
        assert_eq!(rig.status(), 0x58);
        assert!(!bench.level(IRQ14));
        let data = rig.read_block(512);
        assert_eq!((data[0], data[4], data.len()), (sector, 0x5a, 512));
    }
    assert!(!bench.level(IRQ14), "no interrupt after the last block");
    assert_eq!((rig.status(), rig.in8(2), rig.in8(3)), (0x50, 0, 131));
    assert_eq!(rig.in16(0), 0, "no more data");
}

#[test]
fn long_pio_reads_cross_the_chunks_of_the_back_end() {
    let bench = Bench::new();
    let mut rig = Rig::with_disk(&bench, &numbered(600));
    rig.command(0x20, 7, 0);
    for sector in 7..7 + 256u32 {
        assert_eq!(rig.status(), 0x58);
        let data: Vec<_> = (0..128).flat_map(|_| rig.in32(0).to_le_bytes()).collect();
        assert_eq!(data[..4], sector.to_le_bytes());
    }
    assert_eq!(rig.status(), 0x50);
    rig.command_ext(0x24, 0, 300);
    for sector in 0..300u32 {
        assert_eq!(rig.read_block(512)[..4], sector.to_le_bytes());
    }
    assert_eq!(rig.status(), 0x50);
}

#[test]
fn pio_write_takes_the_first_block_without_an_interrupt() {
    let bench = Bench::new();
    let backend = numbered(300);
    let mut rig = Rig::with_disk(&bench, &backend);
    rig.command(0x30, 10, 2);
    assert_eq!(rig.alternate_status(), 0x58);
    assert!(!bench.level(IRQ14));
    rig.write_block(&[0x11; 512]);
    assert!(bench.level(IRQ14));
    assert_eq!(rig.status(), 0x58);
    rig.write_block(&[0x22; 512]);
    assert!(bench.level(IRQ14));
    assert_eq!(rig.status(), 0x50);
    let bytes = backend.bytes();
    assert!(bytes[5120..5632].iter().all(|byte| *byte == 0x11));
    assert!(bytes[5632..6144].iter().all(|byte| *byte == 0x22));
    assert_eq!(bytes[6144..6148], 12u32.to_le_bytes());
}

#[test]
fn data_in_runs_is_that_of_single_words_and_ends_with_its_block() {
    let bench = Bench::new();
    let backend = numbered(300);
    let mut rig = Rig::with_disk(&bench, &backend);
    let mut data = [0; 2048];
    assert_eq!(rig.port_read_run(0, AccessSize::Word, &mut data), 0, "no command");
    rig.command(0x20, 130, 2);
    rig.status();
    assert_eq!(rig.port_read_run(1, AccessSize::Word, &mut data), 0, "another register");
    assert_eq!(rig.port_read_run(0, AccessSize::Byte, &mut data), 0, "a byte takes a word off the cable");
    assert_eq!(rig.port_write_run(0, AccessSize::Word, &data), 0, "the other direction");
    assert_eq!(rig.in16(0), 130);
    assert_eq!(rig.port_read_run(0, AccessSize::Dword, &mut data[..15]), 3, "whole elements only");
    assert_eq!(data[..5], [0, 0, 0x5a, 0x5a, 0x5a]);
    assert!(!bench.level(IRQ14));
    assert_eq!(rig.port_read_run(0, AccessSize::Word, &mut data), 249, "to the end of the block");
    assert!(bench.level(IRQ14), "which the next one follows");
    assert_eq!(rig.port_read_run(0, AccessSize::Dword, &mut data), 128);
    assert_eq!((data[0], rig.status(), rig.in16(0)), (131, 0x50, 0));
    rig.command(0x30, 10, 2);
    let bytes: Vec<u8> = (0..1024).map(|n| (n / 3) as u8).collect();
    assert_eq!(rig.port_write_run(0, AccessSize::Word, &bytes), 256);
    assert!(bench.level(IRQ14));
    assert_eq!(rig.status(), 0x58);
    assert_eq!(rig.port_write_run(0, AccessSize::Dword, &bytes[512..]), 128);
    assert_eq!(rig.status(), 0x50);
    assert_eq!(backend.bytes()[5120..6144], bytes);
}

#[test]
fn multiple_mode_has_to_be_set_and_makes_larger_blocks() {
    let bench = Bench::new();
    let backend = numbered(300);
    let mut rig = Rig::with_disk(&bench, &backend);
    rig.command(0xc4, 0, 4);
    assert_eq!((rig.status(), rig.in8(1)), (0x51, 0x04));
    for (count, status) in [(3, 0x51), (32, 0x51), (4, 0x50)] {
        rig.command(0xc6, 0, count);
        assert_eq!(rig.status(), status, "{count} sectors");
    }
    assert_eq!(rig.identify()[59], 0x0104);
    bench.take();
    rig.command(0xc4, 20, 6);
    assert_eq!(bench.take_rises(IRQ14), 1);
    rig.status();
    assert_eq!(rig.read_block(4 * 512)[3 * 512], 23);
    assert_eq!(bench.take_rises(IRQ14), 1);
    assert_eq!(rig.status(), 0x58);
    assert_eq!(rig.read_block(2 * 512)[512], 25);
    assert_eq!(rig.status(), 0x50);
    rig.command(0xc5, 0, 6);
    rig.write_block(&[1; 4 * 512]);
    rig.write_block(&[2; 2 * 512]);
    assert_eq!(rig.status(), 0x50);
    assert_eq!((backend.bytes()[4 * 512 - 1], backend.bytes()[6 * 512 - 1]), (1, 2));
}

#[test]
fn cylinders_heads_and_sectors_follow_the_chosen_geometry() {
    let bench = Bench::new();
    let mut rig = Rig::with_disk(&bench, &numbered(4000));
    let read = |rig: &mut Rig, cylinder: u8, head: u8, sector: u8| {
        for (register, value) in [(6, 0xa0 | head), (2, 1), (3, sector), (4, cylinder), (5, 0)] {
            rig.out8(register, value);
        }
        rig.out8(7, 0x20);
        match rig.status() {
            0x58 => Ok(u32::from_le_bytes(rig.read_block(512)[..4].try_into().unwrap())),
            status => Err((status, rig.in8(1))),
        }
    };
    assert_eq!(read(&mut rig, 1, 2, 3), Ok((16 + 2) * 63 + 2));
    assert_eq!(read(&mut rig, 0, 0, 0), Err((0x51, 0x10)));
    for (register, value) in [(6, 0xa3), (2, 17), (7, 0x91)] {
        rig.out8(register, value);
    }
    assert_eq!(rig.status(), 0x50);
    assert_eq!(read(&mut rig, 10, 3, 17), Ok(10 * 68 + 3 * 17 + 16));
    assert_eq!((rig.in8(3), rig.in8(4), rig.in8(6)), (17, 10, 0xa3));
    assert_eq!(read(&mut rig, 0, 4, 1), Err((0x51, 0x10)), "no such head");
    let words = rig.identify();
    assert_eq!(words[54..59], [58, 4, 17, 58 * 4 * 17, 0]);
    assert_eq!(words[3], 16, "the default geometry stays");
}

#[test]
fn addresses_beyond_the_end_are_not_found() {
    let bench = Bench::new();
    let mut rig = Rig::with_disk(&bench, &numbered(100));
    for (code, lba, count) in [(0x20, 100, 1), (0x30, 99, 2), (0xc8, 0x0fff_ffff, 0), (0x40, 98, 3)] {
        rig.command(code, lba, count);
        assert_eq!((rig.status(), rig.in8(1)), (0x51, 0x10), "{code:#x}");
    }
    rig.command_ext(0x25, 0xffff_ffff_ffff, 0);
    assert_eq!((rig.status(), rig.in8(1)), (0x51, 0x10));
    rig.command(0x40, 98, 2);
    assert_eq!(rig.status(), 0x50);
}

#[test]
fn commands_are_busy_until_the_back_end_answers() {
    let bench = Bench::new();
    let backend = numbered(100);
    let mut rig = Rig::with_disk(&bench, &backend);
    backend.hold(true);
    rig.command(0x20, 5, 1);
    assert_eq!(rig.status() & 0x88, 0x80);
    rig.out8(3, 0x77);
    rig.out8(7, 0xec);
    assert!(!bench.level(IRQ14));
    backend.release();
    rig.poll_host();
    assert!(bench.level(IRQ14));
    assert_eq!((rig.status(), rig.read_block(512)[0]), (0x58, 5));
    rig.command(0xe7, 0, 0);
    assert_eq!(rig.alternate_status() & 0x80, 0x80);
    backend.release();
    assert_eq!(rig.alternate_status(), 0x50, "who polls the status sees the answer");
    assert_eq!(backend.flushes(), 1);
}

#[test]
fn host_errors_are_errors_of_the_drive() {
    let bench = Bench::new();
    let backend = numbered(100);
    let mut rig = Rig::with_disk(&bench, &backend);
    let host = || BlockError::Host("bad cable".into());
    backend.fail_next(host());
    rig.command(0x20, 42, 1);
    assert!(bench.level(IRQ14));
    assert_eq!((rig.status(), rig.in8(1), rig.in8(3)), (0x51, 0x40, 42));
    backend.fail_next(BlockError::NoSpace);
    rig.command(0x30, 43, 1);
    rig.write_block(&[0; 512]);
    assert_eq!((rig.status(), rig.in8(1), rig.in8(3)), (0x71, 0x04, 43), "write fault");
    backend.fail_next(host());
    rig.command(0xe7, 0, 0);
    assert_eq!((rig.status(), rig.in8(1)), (0x51, 0x04));
    rig.command(0x20, 42, 1);
    assert_eq!(rig.status(), 0x58);
}

#[test]
fn read_only_disks_abort_writes() {
    let bench = Bench::new();
    let backend = MemoryDisk::empty();
    backend.insert(vec![0; 51_200], true);
    let mut rig = Rig::with_disk(&bench, &backend);
    rig.command(0x30, 0, 1);
    assert_eq!((rig.status(), rig.in8(1)), (0x51, 0x04));
}

#[test]
fn disabled_interrupts_stay_pending() {
    let bench = Bench::new();
    let mut rig = Rig::with_disk(&bench, &numbered(100));
    rig.out8(CONTROL, 0x02);
    rig.command(0x20, 0, 1);
    assert!(!bench.level(IRQ14));
    rig.out8(CONTROL, 0x00);
    assert!(bench.level(IRQ14));
    rig.out8(6, 0xf0);
    assert!(!bench.level(IRQ14), "device 1 does not drive the line");
}

#[test]
fn software_reset_is_busy_while_held_and_ends_commands() {
    let bench = Bench::new();
    let (backend, second) = (numbered(100), numbered(50));
    let mut rig = Rig::new(&bench, [disk(&backend), disk(&second), None, None]);
    backend.hold(true);
    rig.command(0x20, 5, 1);
    rig.out8(CONTROL, 0x04);
    assert_eq!(rig.status() & 0x80, 0x80);
    rig.out8(7, 0xec);
    rig.out8(CONTROL, 0x00);
    for device in [0xa0, 0xb0] {
        rig.out8(6, device);
        let signature = (rig.status(), rig.in8(1), rig.in8(2), rig.in8(3), rig.in8(4), rig.in8(5));
        assert_eq!(signature, (0x50, 1, 1, 1, 0, 0));
    }
    rig.poll_host();
    assert!(!bench.level(IRQ14));
}

#[test]
fn diagnostics_are_for_both_drives_and_device_0_answers() {
    let bench = Bench::new();
    let mut rig = Rig::new(&bench, [disk(&numbered(9)), disk(&numbered(9)), None, disk(&numbered(9))]);
    rig.out8(6, 0xb0);
    rig.out8(3, 9);
    rig.out8(7, 0x90);
    assert!(bench.level(IRQ14));
    assert_eq!((rig.in8(6), rig.in8(1), rig.in8(3), rig.status()), (0xa0, 1, 1, 0x50));
    assert!(!bench.level(IRQ14));
    rig.out8(6, 0xb0);
    assert_eq!(rig.in8(3), 1);
    rig.out8(SECONDARY + 6, 0xb0);
    assert_eq!(rig.in8(SECONDARY + 7), 0x50, "a lone device 1");
    rig.out8(SECONDARY + 7, 0xec);
    assert!(bench.level(IRQ15));
    rig.out8(SECONDARY + 6, 0xa0);
    assert_eq!(rig.in8(SECONDARY + 7), 0x7f);
}

#[test]
fn previous_contents_are_read_by_hob() {
    let bench = Bench::new();
    let mut rig = Rig::with_disk(&bench, &numbered(9));
    rig.out8(3, 0x12);
    rig.out8(3, 0x34);
    rig.out8(CONTROL, 0x80);
    assert_eq!(rig.in8(3), 0x12);
    rig.out8(2, 0);
    assert_eq!(rig.in8(3), 0x34, "a write of the command block clears HOB");
    assert_eq!(rig.port_read(2, AccessSize::Word), 0x3400);
}

#[test]
fn saved_state_continues_a_transfer_and_is_refused_by_another_disk() {
    let bench = Bench::new();
    let backend = numbered(100);
    let mut rig = Rig::with_disk(&bench, &backend);
    rig.command(0x30, 10, 2);
    rig.write_block(&[0x77; 600]);
    let saved = rig.save();
    let other_bench = Bench::new();
    let mut other = Rig::with_disk(&other_bench, &backend);
    other.restore(saved.clone()).unwrap();
    assert!(other_bench.level(IRQ14));
    assert_eq!(other.status(), 0x58);
    other.write_block(&[0x77; 424]);
    assert_eq!(other.status(), 0x50);
    assert!(backend.bytes()[5120..6144].iter().all(|byte| *byte == 0x77));
    assert!(Rig::with_disk(&other_bench, &numbered(99)).restore(saved.clone()).is_err());
    assert!(Rig::new(&other_bench, [None, None, None, None]).restore(saved).is_err());
}

#[test]
fn quiesced_state_has_no_command_that_waits() {
    let bench = Bench::new();
    let backend = numbered(4000);
    let mut rig = Rig::with_disk(&bench, &backend);
    backend.hold(true);
    rig.command(0x40, 0, 0);
    rig.ide.quiesce();
    let saved = rig.save();
    backend.hold(false);
    let mut other = Rig::with_disk(&Bench::new(), &backend);
    other.restore(saved).unwrap();
    assert_eq!(other.status(), 0x50);
}
