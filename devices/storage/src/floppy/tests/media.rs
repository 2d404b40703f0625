//! Formats, data rates and changing diskettes.

use super::*;

/// Reads the first sector of a track at the drive's present cylinder.
fn read_first(pc: &mut Pc, cylinder: u8, head: u8) -> Vec<u8> {
    pc.dma.program(vec![0; 512]);
    pc.run(&[0x46, head << 2, cylinder, head, 1, 2, 1, 0x1b, 0xff])
}

#[test]
fn every_format_is_read_at_its_rate_and_no_other() {
    for (kib, cylinders, heads, sectors, rate) in [
        (160, 40, 1, 8, 2),
        (180, 40, 1, 9, 2),
        (320, 40, 2, 8, 2),
        (360, 40, 2, 9, 2),
        (720, 80, 2, 9, 2),
        (1200, 80, 2, 15, 0),
        (1440, 80, 2, 18, 0),
        (1680, 80, 2, 21, 0),
        (1722, 82, 2, 21, 0),
        (2880, 80, 2, 36, 3),
    ] {
        let mut pc = Pc::new(image(kib));
        pc.seek(cylinders - 1);
        for other in 0..4u8 {
            pc.floppy.out8(CCR, other);
            let found = read_first(&mut pc, cylinders - 1, heads - 1);
            assert_eq!(found[1] & 1, u8::from(other != rate), "{kib} KiB at rate {other}: {found:x?}");
        }
        pc.floppy.out8(DSR, rate);
        let last = usize::from(cylinders) * usize::from(heads) * sectors - sectors;
        assert_eq!(read_first(&mut pc, cylinders - 1, heads - 1)[0] & 0xc0, 0);
        assert_eq!(pc.dma.memory(), pc.sectors(last, 1), "{kib} KiB");
        pc.dma.program(vec![0; 512]);
        let end = sectors as u8;
        let select = (heads - 1) << 2;
        let command = [0x46, select, cylinders - 1, heads - 1, end, 2, end, 0x1b, 0xff];
        assert_eq!(pc.run(&command)[0] & 0xc0, 0, "{kib} KiB, last sector");
        assert_eq!(pc.dma.memory(), pc.sectors(kib * 2 - 1, 1));
    }
}

#[test]
fn single_sided_diskettes_have_no_second_side() {
    let mut pc = Pc::new(image(180));
    pc.floppy.out8(CCR, 2);
    assert_eq!(read_first(&mut pc, 0, 1)[..2], [0x44, 0x01]);
}

#[test]
fn wide_tracks_need_double_steps_in_a_high_density_drive() {
    let mut pc = Pc::new(image(1200));
    pc.disk.insert(image(360), false);
    pc.floppy.out8(CCR, 1);
    pc.seek(20);
    assert_eq!(read_first(&mut pc, 10, 0)[..2], [0, 0]);
    assert_eq!(pc.dma.memory(), pc.sectors(10 * 18, 1));
    pc.seek(21);
    assert_eq!(read_first(&mut pc, 10, 0)[..2], [0x40, 0x01]);
}

#[test]
fn the_change_line_is_reset_by_a_step_with_a_diskette_in() {
    let mut pc = Pc::new(image(1440));
    assert_eq!(pc.floppy.in8(DIR) & 0x80, 0x80, "after power-on");
    pc.command(&[0x07, 0]);
    pc.wait();
    pc.sense();
    assert_eq!(pc.floppy.in8(DIR) & 0x80, 0x80, "no step was made");
    pc.seek(1);
    assert_eq!(pc.floppy.in8(DIR) & 0x80, 0);
    pc.disk.remove();
    assert_eq!(pc.floppy.in8(DIR) & 0x80, 0x80);
    pc.seek(0);
    assert_eq!(pc.floppy.in8(DIR) & 0x80, 0x80, "the drive is empty");
    pc.disk.insert(image(720), false);
    assert_eq!(pc.floppy.in8(DIR) & 0x80, 0x80);
    pc.seek(1);
    assert_eq!(pc.floppy.in8(DIR) & 0x80, 0);
    // Another diskette between two looks.
    pc.disk.remove();
    pc.disk.insert(image(720), false);
    assert_eq!(pc.floppy.in8(DIR) & 0x80, 0x80);
    pc.floppy.out8(DIGITAL_OUTPUT, 0x0c);
    assert_eq!(pc.floppy.in8(DIR) & 0x80, 0, "not selected");
    pc.floppy.out8(DIGITAL_OUTPUT, 0x2d);
    assert_eq!(pc.floppy.in8(DIR) & 0x80, 0, "no drive B");
}

#[test]
fn a_truncated_image_reads_zeroes_behind_its_end() {
    let mut pc = Pc::new(vec![0xaa; 5 * KIB]);
    pc.dma.program(vec![1; 1024]);
    assert_eq!(pc.run(&[0x46, 0, 0, 0, 10, 2, 18, 0x1b, 0xff])[..2], [0, 0]);
    assert_eq!(pc.dma.memory(), [vec![0xaa; 512], vec![0; 512]].concat());
    pc.dma.program(vec![1; 512]);
    assert_eq!(pc.run(&[0x45, 0, 0, 0, 11, 2, 18, 0x1b, 0xff])[..2], [0x40, 0x04]);
}

#[test]
fn drives_have_types() {
    let pc = Pc::new(image(360));
    assert_eq!(pc.floppy.drive_type(0), Some(DriveType::Inch5Dd));
    assert_eq!(pc.floppy.drive_type(1), None);
    assert_eq!(pc.floppy.drive_type(2), None);
}
