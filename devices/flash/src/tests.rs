//! The command sets of firmware drivers, and what reaches the host.

use glassbox_device_api::{AccessSize, BlockError, Device, Mmio, ResetKind};
use glassbox_testkit::{MemoryDisk, check_save_restore_mmio, fuzz_mmio_device};

use crate::{CfiFlash, FlashError};

const SIZE: usize = 0x84000;

fn chip() -> (MemoryDisk, CfiFlash) {
    let disk = MemoryDisk::new((0..SIZE).map(|i| (i % 251) as u8).collect());
    let flash = CfiFlash::new(Box::new(disk.clone())).unwrap();
    (disk, flash)
}

fn write(flash: &mut CfiFlash, at: u64, bytes: &[u8]) {
    bytes.iter().for_each(|byte| flash.mmio_write(at, AccessSize::Byte, (*byte).into()));
}

fn read(flash: &mut CfiFlash, at: u64) -> u8 {
    flash.mmio_read(at, AccessSize::Byte) as u8
}

#[test]
fn it_reads_as_memory() {
    let (_, mut flash) = chip();
    assert_eq!(read(&mut flash, 250), 250);
    assert_eq!(flash.mmio_read(0, AccessSize::Dword), 0x0302_0100);
    assert_eq!(read(&mut flash, SIZE as u64), 0xff, "behind the end");
}

/// How OVMF finds out that there is a chip and not RAM or ROM.
#[test]
fn the_probe_of_ovmf_finds_flash() {
    let (disk, mut flash) = chip();
    let before = disk.bytes();
    let original = read(&mut flash, 0x20);
    write(&mut flash, 0x20, &[0x50]);
    assert_eq!(read(&mut flash, 0x20), original);
    write(&mut flash, 0x20, &[0x70]);
    assert_eq!(read(&mut flash, 0x20), 0, "what OVMF expects of QEMU's chip");
    write(&mut flash, 0x20, &[0xff]);
    assert_eq!(read(&mut flash, 0x20), original);
    assert_eq!(disk.bytes(), before);
}

#[test]
fn bits_are_cleared_by_programming_and_set_by_erasing_a_sector() {
    let (disk, mut flash) = chip();
    write(&mut flash, 0x1005, &[0x20, 0xd0]);
    assert_eq!(read(&mut flash, 0x1005), 0x80, "ready");
    write(&mut flash, 0x1005, &[0xff]);
    assert!((0x1000..0x2000).all(|at| read(&mut flash, at) == 0xff));
    assert_ne!((read(&mut flash, 0xfff), read(&mut flash, 0x2000)), (0xff, 0xff));
    write(&mut flash, 0x1005, &[0x10, 0x3c, 0x40, 0xa5, 0xff]);
    assert_eq!(read(&mut flash, 0x1005), 0x3c & 0xa5);
    assert_eq!(disk.bytes()[0x1005], 0x3c & 0xa5);
    assert_eq!(disk.bytes()[0x1004], 0xff);
}

#[test]
fn a_buffer_is_programmed_when_it_is_confirmed() {
    let (disk, mut flash) = chip();
    write(&mut flash, 0x3000, &[0x20, 0xd0, 0xe8]);
    assert_eq!(read(&mut flash, 0x3000), 0x80);
    write(&mut flash, 0x3000, &[3]);
    for n in 0..4 {
        write(&mut flash, 0x3010 + n, &[n as u8]);
    }
    assert_eq!(disk.bytes()[0x3010], 0xff);
    write(&mut flash, 0x3000, &[0xd0]);
    assert_eq!(read(&mut flash, 0x3000), 0x80);
    assert_eq!(disk.bytes()[0x3010..0x3014], [0, 1, 2, 3]);
}

#[test]
fn wrong_sequences_are_errors_until_they_are_cleared() {
    let (disk, mut flash) = chip();
    let before = disk.bytes();
    write(&mut flash, 0, &[0x20, 0xff]);
    assert_eq!(read(&mut flash, 0), 0x80 | 0x30);
    write(&mut flash, 0, &[0xe8, 0]);
    write(&mut flash, 0x5000, &[0]);
    write(&mut flash, 0, &[0xd0, 0x70]);
    assert_eq!(read(&mut flash, 0), 0x80 | 0x30, "another sector than the command's");
    write(&mut flash, 0, &[0x50, 0x70]);
    assert_eq!(read(&mut flash, 0), 0);
    assert_eq!(disk.bytes(), before);
}

#[test]
fn it_says_what_it_is() {
    let (_, mut flash) = chip();
    write(&mut flash, 0, &[0x90]);
    assert_eq!((read(&mut flash, 0), read(&mut flash, 1)), (0x89, 0x18));
    write(&mut flash, 0, &[0x98]);
    let query: Vec<u8> = (0x10..0x31).map(|at| read(&mut flash, at)).collect();
    assert_eq!(&query[..5], b"QRY\x01\0");
    assert_eq!(query[0x17], 20, "2^20 bytes");
    assert_eq!(query[0x1a..], [8, 0, 1, 0x83, 0, 0x10, 0], "buffer of 256, 84h sectors of 4 KiB");
    flash.reset(ResetKind::Warm);
    assert_eq!(read(&mut flash, 0x10), 0x10);
}

#[test]
fn changes_reach_the_host_in_order_and_are_flushed() {
    let (disk, mut flash) = chip();
    disk.hold(true);
    write(&mut flash, 0, &[0x20, 0xd0]);
    write(&mut flash, 0x9000, &[0x10, 0]);
    assert_eq!(disk.bytes()[0], 0);
    disk.release();
    assert_eq!((disk.bytes()[0], disk.bytes()[0x9000]), (0xff, (0x9000 % 251) as u8), "one at a time");
    for _ in 0..12 {
        flash.poll_host();
        disk.release();
    }
    assert_eq!(disk.bytes()[0x9000], 0);
    assert_eq!(disk.flushes(), 1);
    write(&mut flash, 0x20, &[0x10, 0]);
    drop(flash);
    assert_eq!((disk.bytes()[0x20], disk.flushes()), (0, 2), "the end of the machine waits");
}

#[test]
fn a_host_that_fails_is_seen_by_the_guest() {
    let (disk, mut flash) = chip();
    disk.fail_next(BlockError::NoSpace);
    write(&mut flash, 0, &[0x10, 0]);
    write(&mut flash, 0, &[0x10, 0]);
    assert_eq!(read(&mut flash, 0), 0x80 | 0x10);
    write(&mut flash, 0, &[0x20, 0xd0]);
    assert_eq!(read(&mut flash, 0), 0x80 | 0x30);
}

#[test]
fn a_read_only_file_protects_the_chip() {
    let disk = MemoryDisk::empty();
    disk.insert(vec![1; 8192], true);
    let mut flash = CfiFlash::new(Box::new(disk.clone())).unwrap();
    write(&mut flash, 0, &[0x10, 0]);
    assert_eq!(read(&mut flash, 0), 0x80 | 0x10 | 8);
    write(&mut flash, 0, &[0xff]);
    assert_eq!(read(&mut flash, 0), 1);
}

#[test]
fn impossible_sizes_are_refused() {
    let build = |disk: MemoryDisk| CfiFlash::new(Box::new(disk)).err();
    assert_eq!(build(MemoryDisk::empty()), Some(FlashError::Size(0)));
    assert_eq!(build(MemoryDisk::new(vec![0; 4608])), Some(FlashError::Size(4608)));
    let broken = MemoryDisk::new(vec![0; 4096]);
    broken.fail_next(BlockError::Host("gone".into()));
    assert_eq!(build(broken), Some(FlashError::Read("gone".into())));
}

#[test]
fn random_accesses() {
    let small =
        |_: &glassbox_testkit::Bench| CfiFlash::new(Box::new(MemoryDisk::new(vec![0x5a; 0x4000]))).unwrap();
    fuzz_mmio_device(0x4100, small);
    check_save_restore_mmio(0x4000, small);
}
