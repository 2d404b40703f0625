//! Commands of a disk that move no sectors.

use glassbox_testkit::MemoryDisk;

use super::*;

fn disk() -> Disk {
    let backend = Box::new(MemoryDisk::new(vec![0; 1 << 20]));
    Disk::new(backend, DriveIdentity::new("Model", "1"), Attachment::Parallel)
}

/// Executes a command and returns status and error.
fn run(disk: &mut Disk, code: u8, features: u8, count: u8) -> (u8, u8) {
    let registers = &mut disk.interface.registers;
    registers.features.set(features.into());
    registers.count.set(count.into());
    disk.execute(code);
    let registers = &disk.interface.registers;
    (registers.status, registers.error)
}

const GOOD: (u8, u8) = (0x50, 0x00);
const ABORTED: (u8, u8) = (0x51, 0x04);

#[test]
fn unknown_and_refused_commands_abort_with_an_interrupt() {
    let mut disk = disk();
    // NOP, DEVICE RESET, PACKET, IDENTIFY PACKET, DOWNLOAD MICROCODE, the SECURITY
    // commands, SET MAX, queued commands and codes that nobody uses.
    for code in [
        0x00, 0x08, 0xa0, 0xa1, 0x92, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf9, 0x60, 0x61, 0x22, 0x32, 0x80,
        0xff,
    ] {
        assert_eq!(run(&mut disk, code, 0, 1), ABORTED, "{code:#x}");
        assert!(disk.interface.interrupt);
    }
    assert_eq!(run(&mut disk, 0x10, 0, 0), GOOD);
}

#[test]
fn features_are_set_or_refused() {
    let mut disk = disk();
    for (subcommand, count, result) in [
        (0x03, 0x22, GOOD),
        (0x03, 0x45, GOOD),
        (0x03, 0x46, ABORTED),
        (0x03, 0x0c, GOOD),
        (0x82, 0, GOOD),
        (0xaa, 0, GOOD),
        (0x66, 0, GOOD),
        (0x05, 0, ABORTED),
        (0x99, 0, ABORTED),
    ] {
        assert_eq!(run(&mut disk, 0xef, subcommand, count), result, "{subcommand:#x} {count:#x}");
    }
    assert_eq!((disk.settings.transfer_mode, disk.settings.write_cache), (0x45, false));
}

#[test]
fn power_modes_are_told_and_sleep_lasts_until_a_reset() {
    let mut disk = disk();
    let mode = |disk: &mut Disk| {
        assert_eq!(run(disk, 0xe5, 0, 0), GOOD);
        disk.interface.registers.count.now
    };
    assert_eq!(mode(&mut disk), 0xff);
    run(&mut disk, 0xe0, 0, 0);
    assert_eq!(mode(&mut disk), 0x00);
    run(&mut disk, 0xe1, 0, 0);
    assert_eq!(mode(&mut disk), 0x80);
    disk.interface.registers.set_signature(0);
    run(&mut disk, 0xe7, 0, 0);
    assert_eq!(mode(&mut disk), 0xff);
    run(&mut disk, 0xe6, 0, 0);
    disk.interface.interrupt = false;
    run(&mut disk, 0xec, 0, 0);
    assert!(!disk.interface.interrupt, "asleep");
    disk.software_reset();
    assert_eq!(mode(&mut disk), 0xff);
}

#[test]
fn native_size_is_told_in_both_lengths() {
    let mut disk = disk();
    disk.interface.registers.device = 0xe0;
    assert_eq!(run(&mut disk, 0xf8, 0, 0), GOOD);
    assert_eq!(disk.interface.registers.lba28(), 2047);
    assert_eq!(run(&mut disk, 0x27, 0, 0), GOOD);
    assert_eq!(disk.interface.registers.lba48(), 2047);
}

#[test]
fn smart_wants_its_key_and_says_healthy() {
    let mut disk = disk();
    assert_eq!(run(&mut disk, 0xb0, 0xda, 0), ABORTED);
    disk.interface.registers.lba_mid.push(0x4f);
    disk.interface.registers.lba_high.push(0xc2);
    assert_eq!(run(&mut disk, 0xb0, 0xda, 0), GOOD);
    let registers = &disk.interface.registers;
    assert_eq!((registers.lba_mid.now, registers.lba_high.now), (0x4f, 0xc2));
    run(&mut disk, 0xb0, 0xd0, 0);
    assert_eq!((disk.interface.phase(), disk.interface.block().len()), (Phase::PioIn, 512));
}

#[test]
fn a_disk_without_write_cache_forces_writes_through() {
    let mut disk = disk();
    run(&mut disk, 0xef, 0x82, 0);
    disk.interface.registers.set_lba48(0);
    disk.interface.registers.device = 0x40;
    assert_eq!(run(&mut disk, 0x30, 0, 1).0, 0x58);
    assert!(!disk.settings.write_cache);
    disk.interface.advance(512);
    disk.block_done();
    assert_eq!(disk.interface.registers.status, 0x50);
}

#[test]
fn log_directory_is_read_and_other_logs_are_refused() {
    let mut disk = disk();
    disk.interface.registers.set_lba48(0);
    assert_eq!(run(&mut disk, 0x2f, 0, 1).0, 0x58);
    assert_eq!(disk.interface.block()[..2], [1, 0]);
    disk.interface.advance(512);
    disk.block_done();
    disk.interface.registers.set_lba48(0x10);
    assert_eq!(run(&mut disk, 0x2f, 0, 1), ABORTED, "there is no queue on this cable");
}
