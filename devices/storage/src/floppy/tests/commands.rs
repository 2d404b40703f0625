//! Registers, resets, seeks and the commands without data.

use super::*;

#[test]
fn a_reset_ends_with_one_interrupt_and_four_statuses() {
    let mut pc = Pc::untouched(MemoryDisk::new(image(1440)));
    assert_eq!(pc.floppy.in8(MSR), 0, "held in reset");
    pc.floppy.out8(DATA, 0x10);
    pc.wake();
    assert_eq!(pc.floppy.in8(MSR), 0x80);
    assert_eq!(pc.sense(), [0x80]);
    assert_eq!(pc.bench.take_rises(IRQ), 1);
    // The reset bit of DSR does the same, and clears itself.
    pc.floppy.out8(DSR, 0x80);
    pc.wait();
    assert_eq!(pc.sense(), [0xc0, 0]);
    assert!(!pc.bench.level(IRQ));
    assert_eq!(pc.sense(), [0xc1, 0]);
}

#[test]
fn polling_is_off_only_when_configured_right_after_the_reset() {
    let mut pc = Pc::new(image(1440));
    // Linux configures it off and resets later, by DSR.
    pc.command(&[0x13, 0, 0x1a, 0]);
    pc.floppy.out8(DSR, 0x80);
    pc.wait();
    assert_eq!(pc.sense(), [0xc0, 0]);
    pc.floppy.out8(DIGITAL_OUTPUT, 0x18);
    pc.floppy.out8(DIGITAL_OUTPUT, 0x1c);
    pc.command(&[0x13, 0, 0x10, 0]);
    pc.bench.run(&mut pc.floppy, VmTime::SECOND);
    assert!(!pc.bench.level(IRQ));
    assert_eq!(pc.sense(), [0x80]);
}

#[test]
fn the_dma_gate_holds_the_interrupt_back() {
    let mut pc = Pc::untouched(MemoryDisk::new(image(1440)));
    pc.floppy.out8(DIGITAL_OUTPUT, 0x14);
    pc.bench.run(&mut pc.floppy, VmTime::SECOND);
    assert!(!pc.bench.level(IRQ));
    pc.floppy.out8(DIGITAL_OUTPUT, 0x1c);
    assert!(pc.bench.level(IRQ));
    assert_eq!(pc.floppy.in8(DIGITAL_OUTPUT), 0x1c);
}

#[test]
fn seeks_take_time_and_tell_their_cylinder() {
    let mut pc = Pc::new(image(1440));
    pc.command(&[0x0f, 0, 40]);
    assert_eq!(pc.floppy.in8(MSR), 0x81, "drive 0 is busy, the controller is not");
    let start = pc.bench.now();
    pc.wait();
    assert!(pc.bench.now() > start + VmTime(100_000));
    assert_eq!(pc.floppy.in8(MSR), 0x80);
    assert_eq!(pc.sense(), [0x20, 40]);
    pc.command(&[0x07, 0]);
    pc.wait();
    assert_eq!(pc.sense(), [0x20, 0]);
    pc.command(&[0xcf, 0, 5]);
    pc.wait();
    assert_eq!(pc.sense(), [0x20, 5]);
    pc.command(&[0x8f, 0, 2]);
    pc.wait();
    assert_eq!(pc.sense(), [0x20, 3]);
}

#[test]
fn recalibrating_a_drive_that_is_not_there_fails() {
    let mut pc = Pc::new(image(1440));
    pc.command(&[0x07, 1]);
    pc.wait();
    assert_eq!(pc.sense(), [0x71, 0]);
    pc.command(&[0x04, 1]);
    assert_eq!(pc.result(), [0x29]);
}

#[test]
fn recalibrate_makes_79_steps_at_most() {
    let mut pc = Pc::new(image(1440));
    pc.seek(83);
    pc.command(&[0x07, 0]);
    pc.wait();
    assert_eq!(pc.sense(), [0x70, 0], "track 0 not reached");
    pc.command(&[0x07, 0]);
    pc.wait();
    assert_eq!(pc.sense(), [0x20, 0]);
}

#[test]
fn overlapped_seeks_interrupt_one_after_the_other() {
    let disk = |kib| Some(FloppyDrive::new(Box::new(MemoryDisk::new(image(kib)))));
    let mut pc = Pc::new(image(1440));
    let drives = [disk(1440), disk(1440)];
    pc.floppy = Floppy::new(pc.bench.vm_clock(), pc.bench.line(IRQ), Box::new(pc.dma.clone()), drives);
    pc.wake();
    pc.command(&[0x0f, 0, 10]);
    pc.command(&[0x0f, 1, 10]);
    assert_eq!(pc.floppy.in8(MSR), 0x83);
    pc.bench.run(&mut pc.floppy, VmTime::SECOND);
    pc.bench.take();
    assert_eq!(pc.sense(), [0x20, 10]);
    assert_eq!(pc.bench.take_rises(IRQ), 1, "the other one");
    assert_eq!(pc.sense(), [0x21, 10]);
    assert_eq!(pc.bench.take_rises(IRQ), 0);
}

#[test]
fn drive_status_tells_track_0_and_write_protect() {
    let mut pc = Pc::new(image(1440));
    pc.command(&[0x04, 4]);
    assert_eq!(pc.result(), [0x3c]);
    pc.seek(3);
    pc.disk.insert(image(1440), true);
    pc.command(&[0x04, 0]);
    assert_eq!(pc.result(), [0x68]);
    assert_eq!(pc.floppy.in8(STATUS_A) & 0x12, 0x10, "not at track 0, protected");
}

#[test]
fn linux_tells_an_82077() {
    let mut pc = Pc::new(image(1440));
    pc.command(&[0x0e]);
    assert_eq!(pc.result().len(), 10);
    pc.command(&[0x10]);
    assert_eq!(pc.result(), [0x90]);
    pc.command(&[0x13, 0, 0x1a, 0]);
    pc.command(&[0x12, 0]);
    assert_eq!(pc.floppy.in8(MSR), 0x80, "PERPENDICULAR has no result");
    pc.command(&[0x14]);
    assert_eq!(pc.result(), [0x00]);
    pc.command(&[0x18]);
    assert_eq!(pc.result(), [0x80], "PART ID is a later controller's");
}

#[test]
fn dumpreg_shows_what_was_set() {
    let mut pc = Pc::new(image(1440));
    pc.seek(7);
    pc.command(&[0x03, 0xaf, 0x1e]);
    pc.command(&[0x13, 0, 0x57, 0x11]);
    pc.command(&[0x12, 0x84 | 0x02]);
    pc.command(&[0x12, 0x3d]);
    pc.command(&[0x94]);
    assert_eq!(pc.result(), [0x10]);
    pc.command(&[0x0e]);
    assert_eq!(pc.result(), [7, 0, 0, 0, 0xaf, 0x1e, 0, 0x85, 0x57, 0x11]);
    // LOCK protects the FIFO's settings from a software reset.
    pc.floppy.out8(DSR, 0x80);
    pc.command(&[0x0e]);
    assert_eq!(pc.result()[7..], [0x84, 0x07, 0x11], "GAP and WGATE are cleared");
    pc.command(&[0x14]);
    pc.result();
    pc.floppy.out8(DSR, 0x80);
    pc.command(&[0x0e]);
    assert_eq!(pc.result()[7..], [0x04, 0x20, 0]);
    pc.floppy.reset(ResetKind::Warm);
    pc.floppy.out8(DIGITAL_OUTPUT, 0x0c);
    pc.command(&[0x0e]);
    assert_eq!(pc.result(), [0, 0, 0, 0, 0, 0, 0, 0, 0x20, 0]);
}

#[test]
fn invalid_commands_result_in_80_and_no_interrupt() {
    let mut pc = Pc::new(image(1440));
    pc.bench.take();
    for byte in [0x00, 0x01, 0x0b, 0x1f, 0x2e, 0x33, 0x45 | 0x20, 0x88, 0xff] {
        pc.command(&[byte]);
        assert_eq!(pc.result(), [0x80], "{byte:#x}");
    }
    assert_eq!(pc.bench.take_rises(IRQ), 0);
}

#[test]
fn registers_that_only_read() {
    let mut pc = Pc::new(image(1440));
    pc.floppy.out8(TAPE_DRIVE, 0xff);
    assert_eq!(pc.floppy.in8(TAPE_DRIVE), 0xff);
    pc.floppy.out8(TAPE_DRIVE, 1);
    assert_eq!(pc.floppy.in8(TAPE_DRIVE), 0xfd);
    assert_eq!(pc.floppy.in8(STATUS_B), 0xc1, "motor 0");
    assert_eq!(pc.floppy.in8(STATUS_A), 0x46, "no drive B, track 0");
}
