//! INT 13h for floppy drives.

use crate::bda;
use crate::call::{Call, GuestFault};
use crate::drive::{Drive, Geometry, SECTOR};
use crate::int13::{
    Buffer, Done, Failure, Status, chs, floppy_type, put_floppy_table, put_geometry, read_sectors, status_of,
    write_sectors,
};

/// What a channel of the 8237 counts through: its page register stays. No transfer here
/// needs it, but programs expect to be told, and those that take care never see it.
const DMA_PAGE: u64 = 0x1_0000;
/// Ticks until the motor is switched off.
const MOTOR_TICKS: u8 = 0x25;
/// What formatting leaves in a sector.
const FILL: u8 = 0xF6;

/// A diskette parameter table: step rate, 512-byte sectors, gaps, the fill byte
/// and settling times of a drive with so many sectors a track.
pub(crate) fn parameter_table(sectors: u8) -> [u8; 11] {
    [0xAF, 0x02, MOTOR_TICKS, 0x02, sectors, 0x1B, 0xFF, 0x6C, FILL, 0x0F, 0x08]
}

/// A function of a drive that is there.
pub(crate) fn function(drive: &mut Drive, count: u8, call: &mut Call<'_>, function: u8) -> Done {
    match function {
        0x00 => {
            call.set_bda_u8(bda::FLOPPY_CALIBRATED, 0)?;
            Ok(())
        }
        0x02..=0x04 => transfer(drive, call, function),
        0x05 => format(drive, call),
        0x08 => {
            let geometry = drive.geometry();
            call.regs.ax.set_word(0);
            call.regs.bx.set_word(floppy_type(drive).into());
            put_geometry(call, geometry);
            call.regs.dx.set_low(count);
            put_floppy_table(call)?;
            Ok(())
        }
        0x15 => {
            // A drive with a change line.
            call.regs.ax.set_high(0x02);
            Err(Status::Ok.into())
        }
        0x16 => {
            if drive.medium().is_none() {
                return Err(Status::Timeout.into());
            }
            if drive.changed() { Err(Status::MediaChanged.into()) } else { Ok(()) }
        }
        0x17 => {
            if (1..=4).contains(&call.regs.ax.low()) {
                drive.changed();
                Ok(())
            } else {
                Err(Status::InvalidFunction.into())
            }
        }
        0x18 => set_media_type(drive, call),
        _ => Err(Status::InvalidFunction.into()),
    }
}

/// The medium is there and the caller knows which.
fn ready(drive: &mut Drive, call: &mut Call<'_>) -> Result<Geometry, Failure> {
    motor_on(call)?;
    if drive.medium().is_none() {
        drive.changed();
        return Err(Status::Timeout.into());
    }
    if drive.changed() {
        return Err(Status::MediaChanged.into());
    }
    Ok(drive.geometry())
}

/// The tick switches the motor off again.
fn motor_on(call: &mut Call<'_>) -> Result<(), GuestFault> {
    let number = call.regs.dx.low() & 3;
    let motors = call.bda_u8(bda::FLOPPY_MOTORS)?;
    call.set_bda_u8(bda::FLOPPY_MOTORS, motors & 0x0F | 1 << number)?;
    call.set_bda_u8(bda::FLOPPY_MOTOR_COUNT, MOTOR_TICKS)?;
    let calibrated = call.bda_u8(bda::FLOPPY_CALIBRATED)?;
    call.set_bda_u8(bda::FLOPPY_CALIBRATED, calibrated | 1 << number)
}

/// Read, write and verify.
fn transfer(drive: &mut Drive, call: &mut Call<'_>, function: u8) -> Done {
    let count = u64::from(call.regs.ax.low());
    let (cylinder, head, sector) = chs(call);
    // Ten bits of cylinder are for hard disks.
    let cylinder = cylinder & 0xFF;
    if count == 0 {
        return Err(Status::InvalidFunction.into());
    }
    let geometry = match ready(drive, call) {
        Ok(geometry) => geometry,
        Err(failure) => {
            call.regs.ax.set_low(0);
            return Err(failure);
        }
    };
    let start = geometry.lba(cylinder, head, sector).filter(|lba| *lba < drive.sectors());
    let Some(lba) = start else {
        call.regs.ax.set_low(0);
        return Err(Status::SectorNotFound.into());
    };
    let at = call.linear(call.regs.es, call.regs.bx.word());
    if function != 0x04 && u64::from(at & 0xFFFF) + count * SECTOR > DMA_PAGE {
        call.regs.ax.set_low(0);
        return Err(Status::DmaBoundary.into());
    }
    let buffer = Buffer::Linear(at);
    let (done, status) = match function {
        0x02 => read_sectors(drive, call, (lba, count), buffer)?,
        0x03 => write_sectors(drive, call, (lba, count), buffer)?,
        _ => verify(drive, lba, count),
    };
    call.regs.ax.set_low(done as u8);
    if status == Status::Ok { Ok(()) } else { Err(status.into()) }
}

fn verify(drive: &mut Drive, lba: u64, count: u64) -> (u64, Status) {
    match drive.read(lba * SECTOR, (count * SECTOR) as usize) {
        Ok(_) => (count, Status::Ok),
        Err(error) => (0, status_of(&error, false)),
    }
}

/// Formats a track: its sectors are named by ES:BX and filled.
fn format(drive: &mut Drive, call: &mut Call<'_>) -> Done {
    let geometry = ready(drive, call)?;
    let (cylinder, head, _) = chs(call);
    let Some(lba) = geometry.lba(cylinder & 0xFF, head, 1) else {
        return Err(Status::SectorNotFound.into());
    };
    let count = call.regs.ax.low();
    if count > geometry.sectors {
        return Err(Status::InvalidMedia.into());
    }
    // The list is read as the controller would; only whole tracks of this
    // format can be made on an image.
    let mut list = vec![0; 4 * usize::from(count)];
    call.read(call.linear(call.regs.es, call.regs.bx.word()), &mut list)?;
    if list.chunks_exact(4).any(|id| id[3] != 2 || id[2] == 0 || id[2] > geometry.sectors) {
        return Err(Status::InvalidMedia.into());
    }
    let bytes = vec![FILL; usize::from(geometry.sectors) * SECTOR as usize];
    drive.write(lba * SECTOR, bytes).map_err(|error| status_of(&error, true).into())
}

/// Says how the medium will be formatted; here only as it is.
fn set_media_type(drive: &mut Drive, call: &mut Call<'_>) -> Done {
    if drive.medium().is_none() {
        return Err(Status::Timeout.into());
    }
    let geometry = drive.geometry();
    let (cylinder, _, sector) = chs(call);
    if cylinder + 1 != geometry.cylinders || sector != geometry.sectors {
        return Err(Status::InvalidMedia.into());
    }
    put_floppy_table(call)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::bios::BiosConfig;
    use crate::drive::{Drive, DriveKind};
    use crate::int13::service;
    use crate::registers::SegmentRegister;
    use crate::testing::Bench;
    use glassbox_testkit::MemoryDisk;

    fn bench(size: usize) -> (Bench, MemoryDisk) {
        let bytes = (0..size).map(|at| (at / 512) as u8).collect();
        let disk = MemoryDisk::new(bytes);
        let drives = vec![Drive::new(DriveKind::Floppy, "a.img", Box::new(disk.clone()))];
        (Bench::with(BiosConfig { drives, ..BiosConfig::default() }), disk)
    }

    fn call(bench: &mut Bench, ax: u16, cx: u16, dx: u16) -> u8 {
        bench.regs.ax.0 = ax.into();
        bench.regs.cx.0 = cx.into();
        bench.regs.dx.0 = dx.into();
        bench.regs.bx.0 = 0x200;
        bench.regs.es = SegmentRegister::real(0x1000);
        bench.run_with(service).unwrap();
        assert_eq!(bench.carry(), bench.regs.ax.high() != 0);
        bench.regs.ax.high()
    }

    #[test]
    fn sectors_are_read_by_cylinder_head_and_sector() {
        let (mut bench, _) = bench(1_474_560);
        assert_eq!(call(&mut bench, 0x0203, 0x0112, 0x0100), 0);
        // Cylinder 1, head 1, sector 18 is 71; two more follow.
        assert_eq!(bench.regs.ax.low(), 3);
        assert_eq!([0, 0x200, 0x400].map(|at| bench.host.memory[0x1_0200 + at]), [71, 72, 73]);
        assert_eq!(bench.host.bda_u8(0x41), 0);
        assert_ne!(bench.host.bda_u8(0x40), 0, "the motor is on for a while");
    }

    #[test]
    fn what_lies_outside_of_the_disk_is_not_found() {
        let (mut bench, _) = bench(1_474_560);
        assert_eq!(call(&mut bench, 0x0201, 0x0013, 0x0000), 4, "sector 19");
        assert_eq!(call(&mut bench, 0x0202, 0x4F12, 0x0100), 4, "one behind the last");
        assert_eq!(bench.regs.ax.low(), 1);
        assert_eq!(bench.host.bda_u8(0x41), 4);
        assert_eq!(call(&mut bench, 0x0100, 0, 0), 4, "the last status");
    }

    #[test]
    fn a_transfer_ends_at_a_multiple_of_64_kib_at_the_latest() {
        let (mut bench, _) = bench(1_474_560);
        // The buffer is 512 bytes behind one: 127 sectors fill what is left.
        assert_eq!(call(&mut bench, 0x027F, 0x0001, 0x0000), 0);
        assert_eq!(bench.regs.ax.low(), 127);
        for function in [0x0200, 0x0300] {
            assert_eq!(call(&mut bench, function | 128, 0x0001, 0x0000), 0x09);
            assert_eq!(bench.regs.ax.low(), 0, "nothing was transferred");
        }
        assert_eq!(call(&mut bench, 0x0480, 0x0001, 0x0000), 0, "verifying needs no memory");
    }

    #[test]
    fn another_disk_is_reported_once_and_an_empty_drive_times_out() {
        let (mut bench, disk) = bench(1_474_560);
        disk.insert(vec![7; 737_280], true);
        assert_eq!(call(&mut bench, 0x0201, 0x0001, 0), 6);
        assert_eq!(call(&mut bench, 0x0201, 0x0001, 0), 0);
        assert_eq!(call(&mut bench, 0x0301, 0x0001, 0), 3, "write-protected");
        disk.remove();
        assert_eq!(call(&mut bench, 0x0201, 0x0001, 0), 0x80);
        assert_eq!(call(&mut bench, 0x0201, 0x0001, 1), 0x80, "no such drive");
    }

    #[test]
    fn drive_parameters_tell_type_geometry_and_count() {
        let (mut bench, _) = bench(1_474_560);
        assert_eq!(call(&mut bench, 0x0800, 0, 0), 0);
        let r = &bench.regs;
        assert_eq!((r.bx.word(), r.cx.word(), r.dx.word()), (4, 0x4F12, 0x0101));
        assert_eq!((r.es.selector, r.di.word()), (0xF000, 0xEFC7));
        assert_eq!(call(&mut bench, 0x1500, 0, 1), 0, "no second drive");
        bench.regs.ax.0 = 0x1500;
        bench.regs.dx.0 = 0;
        bench.run_with(service).unwrap();
        assert_eq!((bench.regs.ax.high(), bench.carry()), (2, false));
    }

    #[test]
    fn a_track_is_formatted_and_written_sectors_stay() {
        let (mut bench, disk) = bench(1_474_560);
        for n in 0..18 {
            let id = 0x1_0200 + 4 * n;
            bench.host.memory[id..id + 4].copy_from_slice(&[2, 0, n as u8 + 1, 2]);
        }
        assert_eq!(call(&mut bench, 0x0512, 0x0200, 0), 0);
        assert!(disk.bytes()[72 * 512..90 * 512].iter().all(|b| *b == 0xF6));
        assert_eq!(disk.bytes()[90 * 512], 90);
        bench.host.memory[0x1_0200..0x1_0400].fill(0x5A);
        assert_eq!(call(&mut bench, 0x0301, 0x0201, 0), 0);
        assert_eq!(disk.bytes()[72 * 512], 0x5A);
    }
}
