//! Reading, writing, comparing, formatting.

use glassbox_device_api::BlockError;

use super::*;

/// READ DATA of sectors `first` to `last` of cylinder 0, side `head`.
fn read(head: u8, first: u8, last: u8) -> [u8; 9] {
    [0x46, head << 2, 0, head, first, 2, last, 0x1b, 0xff]
}

fn with_code(code: u8, mut command: [u8; 9]) -> [u8; 9] {
    command[0] = code;
    command
}

#[test]
fn read_ends_by_terminal_count_and_tells_the_next_sector() {
    let mut pc = Pc::new(image(1440));
    pc.dma.program(vec![0; 1024]);
    assert_eq!(pc.run(&read(0, 3, 18)), [0, 0, 0, 0, 0, 5, 2]);
    assert_eq!(pc.dma.memory(), pc.sectors(2, 2));
}

#[test]
fn terminal_count_within_a_sector_ends_after_it() {
    let mut pc = Pc::new(image(1440));
    pc.dma.program(vec![0; 600]);
    assert_eq!(pc.run(&read(0, 1, 18)), [0, 0, 0, 0, 0, 3, 2]);
    assert_eq!(pc.dma.memory(), pc.sectors(0, 2)[..600]);
}

#[test]
fn end_of_track_without_terminal_count_is_an_error() {
    let mut pc = Pc::new(image(1440));
    pc.dma.program(vec![0; 10_000]);
    assert_eq!(pc.run(&read(0, 17, 18)), [0x40, 0x80, 0, 1, 0, 1, 2]);
    assert_eq!(pc.dma.position(), 1024);
}

#[test]
fn multi_track_goes_on_at_the_other_side() {
    let mut pc = Pc::new(image(1440));
    pc.dma.program(vec![0; 36 * 512]);
    assert_eq!(pc.run(&with_code(0xe6, read(0, 1, 18))), [0x04, 0, 0, 1, 0, 1, 2]);
    assert_eq!(pc.dma.memory(), pc.sectors(0, 36));
    pc.dma.program(vec![0; 18 * 512]);
    assert_eq!(pc.run(&with_code(0xe6, read(0, 1, 18))), [0, 0, 0, 0, 1, 1, 2], "side 1 is next");
    pc.dma.program(vec![0; 512]);
    assert_eq!(pc.run(&with_code(0xc6, read(1, 18, 18))), [0x04, 0, 0, 1, 0, 1, 2]);
}

#[test]
fn what_is_not_there_is_told_as_the_data_sheet_does() {
    let mut pc = Pc::new(image(1440));
    pc.dma.program(vec![0; 512]);
    let mut wrong = |change: fn(&mut [u8; 9])| {
        let mut command = read(0, 1, 18);
        change(&mut command);
        pc.run(&command)
    };
    assert_eq!(wrong(|c| c[4] = 19), [0x40, 0x04, 0, 0, 0, 19, 2], "sector");
    assert_eq!(wrong(|c| c[4] = 0), [0x40, 0x04, 0, 0, 0, 0, 2], "sector 0");
    assert_eq!(wrong(|c| c[3] = 1), [0x40, 0x04, 0, 0, 1, 1, 2], "head");
    assert_eq!(wrong(|c| c[5] = 1), [0x40, 0x04, 0, 0, 0, 1, 1], "size");
    assert_eq!(wrong(|c| c[2] = 5), [0x40, 0x04, 0x10, 5, 0, 1, 2], "cylinder");
    assert_eq!(wrong(|c| c[0] = 0x06), [0x40, 0x01, 0, 0, 0, 1, 2], "FM");
    assert_eq!(wrong(|c| c[1] = 1), [0x41, 0x01, 0, 0, 0, 1, 2], "no such drive");
    assert_eq!(pc.dma.position(), 0);
    pc.seek(81);
    assert_eq!(pc.run(&read(0, 1, 18))[..2], [0x40, 0x01], "behind the last cylinder");
}

#[test]
fn a_diskette_that_does_not_turn_is_not_read() {
    let mut pc = Pc::new(image(1440));
    pc.floppy.out8(DIGITAL_OUTPUT, 0x0c);
    assert_eq!(pc.run(&read(0, 1, 18))[..3], [0x40, 0x01, 0]);
    pc.floppy.out8(DIGITAL_OUTPUT, 0x1c);
    pc.disk.remove();
    assert_eq!(pc.run(&read(0, 1, 18))[..3], [0x40, 0x01, 0]);
}

#[test]
fn write_stores_and_pads_the_last_sector() {
    let mut pc = Pc::new(image(1440));
    pc.dma.program(vec![0xee; 700]);
    assert_eq!(pc.run(&with_code(0xc5, read(1, 2, 18))), [0x04, 0, 0, 0, 1, 4, 2]);
    let mut expected = vec![0xee; 700];
    expected.resize(1024, 0);
    assert_eq!(pc.sectors(19, 2), expected);
    assert_eq!(pc.sectors(21, 1), image(1440)[21 * 512..22 * 512]);
    assert_eq!(pc.disk.flushes(), 0);
    pc.floppy.out8(DIGITAL_OUTPUT, 0x0c);
    assert_eq!(pc.disk.flushes(), 1, "when the motor stops");
}

#[test]
fn protected_diskettes_are_not_written() {
    let mut pc = Pc::new(image(1440));
    pc.disk.insert(image(1440), true);
    pc.dma.program(vec![1; 512]);
    assert_eq!(pc.run(&with_code(0x45, read(0, 1, 18))), [0x40, 0x02, 0, 0, 0, 1, 2]);
    assert_eq!(pc.run(&[0x4d, 0, 2, 18, 0x1b, 0xf6])[..2], [0x40, 0x02]);
    assert_eq!(pc.dma.position(), 0);
}

#[test]
fn host_errors_are_data_errors_and_faults() {
    let mut pc = Pc::new(image(1440));
    pc.dma.program(vec![0; 512]);
    pc.disk.fail_next(BlockError::Host("broken".into()));
    assert_eq!(pc.run(&read(0, 1, 18)), [0x40, 0x20, 0x20, 0, 0, 1, 2]);
    pc.disk.fail_next(BlockError::NoSpace);
    assert_eq!(pc.run(&with_code(0x45, read(0, 1, 18))), [0x50, 0, 0, 0, 0, 1, 2]);
}

#[test]
fn implied_seek_goes_where_the_command_says() {
    let mut pc = Pc::new(image(1440));
    pc.command(&[0x13, 0, 0x40, 0]);
    pc.dma.program(vec![0; 512]);
    let mut command = read(0, 1, 18);
    command[2] = 30;
    assert_eq!(pc.run(&command), [0, 0, 0, 30, 0, 2, 2]);
    assert_eq!(pc.dma.memory(), pc.sectors(30 * 36, 1));
    pc.command(&[0x0e]);
    assert_eq!(pc.result()[0], 30);
}

#[test]
fn read_track_takes_sectors_as_they_come() {
    let mut pc = Pc::new(image(1440));
    pc.dma.program(vec![0; 4 * 512]);
    assert_eq!(pc.run(&with_code(0x42, read(0, 2, 18)))[..3], [0, 0, 0]);
    assert_eq!(pc.dma.memory(), pc.sectors(0, 4), "from the index hole");
    pc.dma.program(vec![0; 10_000]);
    assert_eq!(pc.run(&with_code(0x42, read(0, 99, 3)))[..3], [0x40, 0x84, 0], "sector 99 was not met");
    assert_eq!(pc.dma.position(), 3 * 512);
}

#[test]
fn deleted_marks_do_not_exist() {
    let mut pc = Pc::new(image(1440));
    pc.dma.program(vec![0; 1024]);
    assert_eq!(pc.run(&with_code(0x4c, read(0, 3, 18))), [0, 0, 0x40, 0, 0, 3, 2]);
    assert_eq!(pc.dma.position(), 512, "the sector was read, and was the last");
    assert_eq!(pc.run(&with_code(0x6c, read(0, 3, 4)))[..3], [0x40, 0x80, 0x40], "skipped to the end");
    assert_eq!(pc.dma.position(), 512);
}

#[test]
fn verify_moves_nothing_and_counts() {
    let mut pc = Pc::new(image(1440));
    pc.dma.program(vec![7; 512]);
    assert_eq!(pc.run(&with_code(0x56, read(0, 1, 18))), [0, 0, 0, 1, 0, 1, 2]);
    let mut counted = with_code(0x56, read(0, 1, 18));
    (counted[1], counted[8]) = (0x80, 3);
    assert_eq!(pc.run(&counted), [0, 0, 0, 0, 0, 4, 2]);
    counted[8] = 19;
    assert_eq!(pc.run(&counted)[..2], [0x40, 0x80], "more than the track has");
    assert_eq!(pc.run(&with_code(0x56, read(0, 1, 19)))[..2], [0x40, 0x04]);
    assert_eq!(pc.dma.position(), 0);
}

#[test]
fn scan_compares() {
    let mut pc = Pc::new(image(1440));
    let mut scan = |code: u8, bytes: Vec<u8>, step: u8| {
        pc.dma.program(bytes);
        let mut command = with_code(code, read(0, 1, 4));
        command[8] = step;
        pc.run(&command)
    };
    // Sector n of the track is filled with n - 1.
    assert_eq!(scan(0x51, [vec![9; 512], vec![1; 512]].concat(), 1), [0, 0, 0x08, 0, 0, 3, 2]);
    assert_eq!(scan(0x51, vec![9; 2048], 1), [0, 0, 0x04, 1, 0, 1, 2]);
    assert_eq!(scan(0x51, vec![0xff; 512], 1)[2], 0x08, "FFh matches anything");
    assert_eq!(scan(0x59, vec![5; 2048], 1), [0, 0, 0, 0, 0, 2, 2], "0 is lower");
    assert_eq!(scan(0x5d, vec![2; 2048], 2), [0, 0, 0x08, 1, 0, 1, 2], "sector 3, every second");
    assert_eq!(scan(0x5d, vec![8; 1024], 1)[2], 0x04, "terminal count before a hit");
}

#[test]
fn format_fills_the_track_in_any_order() {
    let mut pc = Pc::new(image(1440));
    pc.seek(2);
    let ids = |sectors: &[u8]| sectors.iter().flat_map(|s| [2, 1, *s, 2]).collect::<Vec<u8>>();
    let interleaved: Vec<u8> = (0..18).map(|i| i % 2 * 9 + i / 2 + 1).collect();
    pc.dma.program(ids(&interleaved));
    assert_eq!(pc.run(&[0x4d, 4, 2, 18, 0x1b, 0xf6])[..3], [0x04, 0, 0]);
    assert_eq!(pc.sectors(2 * 36 + 18, 18), vec![0xf6; 18 * 512]);
    assert_eq!(pc.sectors(2 * 36 + 17, 1), image(1440)[(2 * 36 + 17) * 512..(2 * 36 + 18) * 512]);
    // What an image cannot hold is refused.
    pc.dma.program(ids(&interleaved[..9]));
    assert_eq!(pc.run(&[0x4d, 4, 2, 9, 0x1b, 0xe5])[..2], [0x44, 0x04]);
    pc.dma.program(ids(&[1; 18]));
    assert_eq!(pc.run(&[0x4d, 4, 2, 18, 0x1b, 0xe5])[..2], [0x44, 0x04]);
    assert_eq!(pc.sectors(2 * 36 + 18, 18), vec![0xf6; 18 * 512]);
}

#[test]
fn read_id_sees_the_sectors_pass() {
    let mut pc = Pc::new(image(1440));
    pc.seek(4);
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..100 {
        let id = pc.run(&[0x4a, 4]);
        assert_eq!((&id[..5], id[6]), (&[0x04, 0, 0, 4, 1][..], 2));
        assert!((1..=18).contains(&id[5]));
        seen.insert(id[5]);
        pc.bench.pass(VmTime(70_000));
    }
    assert!(seen.len() > 9, "{seen:?}");
}

#[test]
fn a_late_dma_channel_is_waited_for_but_not_for_ever() {
    let mut pc = Pc::new(image(1440));
    pc.dma.program(vec![0; 512]);
    pc.dma.mask(true);
    pc.command(&read(0, 1, 18));
    pc.bench.run(&mut pc.floppy, VmTime(5_000_000));
    assert_eq!(pc.floppy.in8(MSR), 0x10);
    assert!(pc.dma.0.lock().unwrap().request);
    pc.dma.mask(false);
    pc.wait();
    assert_eq!(pc.result()[..2], [0, 0]);
    pc.dma.program(vec![0; 512]);
    pc.dma.mask(true);
    assert_eq!(pc.run(&read(0, 1, 18))[..2], [0x40, 0x10]);
    assert!(!pc.dma.0.lock().unwrap().request);
}

#[test]
fn an_answer_may_take_the_back_end_long() {
    let mut pc = Pc::new(image(1440));
    pc.dma.program(vec![0; 512]);
    pc.disk.hold(true);
    pc.command(&read(0, 1, 18));
    pc.bench.run(&mut pc.floppy, VmTime::SECOND);
    assert_eq!((pc.floppy.in8(MSR), pc.floppy.next_deadline()), (0x10, None));
    pc.disk.release();
    pc.floppy.poll_host();
    assert_eq!(pc.result()[..2], [0, 0]);
    assert_eq!(pc.dma.memory(), pc.sectors(0, 1));
}

#[test]
fn a_reset_aborts_and_a_late_answer_is_ignored() {
    let mut pc = Pc::new(image(1440));
    pc.dma.program(vec![0; 512]);
    pc.disk.hold(true);
    pc.command(&read(0, 1, 18));
    pc.bench.run(&mut pc.floppy, VmTime::SECOND);
    pc.floppy.out8(DIGITAL_OUTPUT, 0x18);
    pc.disk.release();
    pc.floppy.poll_host();
    pc.disk.hold(false);
    pc.wake();
    assert_eq!(pc.run(&read(0, 7, 18)), [0, 0, 0, 0, 0, 8, 2]);
    assert_eq!(pc.dma.memory(), pc.sectors(6, 1), "not sector 1");
}

#[test]
fn a_request_under_way_is_made_again_after_a_restore() {
    let mut pc = Pc::new(image(1440));
    pc.disk.hold(true);
    pc.dma.program(vec![0x5a; 512]);
    pc.command(&with_code(0x45, read(0, 4, 18)));
    pc.bench.run(&mut pc.floppy, VmTime::SECOND);
    let saved = glassbox_device_api::SaveRestore::save(&pc.floppy);
    let mut other = Pc::new(image(1440));
    glassbox_device_api::SaveRestore::restore(&mut other.floppy, saved).unwrap();
    other.floppy.poll_host();
    other.wait();
    assert_eq!(other.result()[..2], [0, 0]);
    assert_eq!(other.sectors(3, 1), [0x5a; 512]);
}

#[test]
fn non_dma_mode_interrupts_for_each_byte_or_fifo_load() {
    let mut pc = Pc::new(image(1440));
    pc.command(&[0x03, 0xdf, 0x03]);
    pc.command(&read(0, 5, 5));
    pc.wait();
    pc.bench.take();
    let mut bytes = Vec::new();
    for _ in 0..512 {
        assert_eq!(pc.floppy.in8(MSR), 0xf0);
        assert!(pc.bench.level(IRQ));
        bytes.push(pc.floppy.in8(DATA));
    }
    assert_eq!(pc.bench.take_rises(IRQ), 512, "511 more bytes and the result");
    assert_eq!(bytes, pc.sectors(4, 1));
    assert_eq!(pc.result(), [0x40, 0x80, 0, 1, 0, 1, 2], "nobody gives a terminal count");

    pc.command(&[0x13, 0, 0x00, 0]);
    pc.command(&with_code(0x45, read(0, 6, 6)));
    pc.wait();
    pc.bench.take();
    for i in 0..512 {
        assert_eq!(pc.floppy.in8(MSR), 0xb0);
        pc.floppy.out8(DATA, i as u8);
    }
    assert_eq!(pc.bench.take_rises(IRQ), 32, "31 more loads of 16 bytes and the result");
    assert_eq!(pc.result()[..2], [0x40, 0x80]);
    assert_eq!(pc.sectors(5, 1), (0..512).map(|i| i as u8).collect::<Vec<_>>());
}
