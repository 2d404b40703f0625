//! INT 13h for hard disks: cylinders, heads and sectors. Functions 41h and up
//! are in `int13_edd`.

use crate::call::Call;
use crate::drive::{Drive, Geometry, SECTOR};
use crate::int13::{Buffer, Done, Status, chs, put_geometry, read_sectors, status_of, write_sectors};
use crate::int13_edd;

/// A function of a disk that is there.
pub(crate) fn function(drive: &mut Drive, count: u8, call: &mut Call<'_>, function: u8) -> Done {
    match function {
        // Reset, initialise, alternate reset, recalibrate, diagnostics: always ready.
        0x00 | 0x09 | 0x0D | 0x11 | 0x14 => ready(drive),
        0x02..=0x04 => transfer(drive, call, function),
        0x08 => {
            let geometry = drive.geometry();
            put_geometry(call, geometry);
            call.regs.dx.set_low(count);
            call.regs.ax.set_word(0);
            Ok(())
        }
        0x0C => {
            ready(drive)?;
            let (cylinder, head, _) = chs(call);
            let found = drive.geometry().lba(cylinder, head, 1).is_some_and(|lba| lba < drive.sectors());
            if found { Ok(()) } else { Err(Status::SectorNotFound.into()) }
        }
        0x10 => ready(drive),
        0x15 => {
            let g = drive.geometry();
            let sectors = u32::from(g.cylinders) * u32::from(g.heads) * u32::from(g.sectors);
            call.regs.cx.set_word((sectors >> 16) as u16);
            call.regs.dx.set_word(sectors as u16);
            // A fixed disk.
            call.regs.ax.set_high(0x03);
            Err(Status::Ok.into())
        }
        0x41..=0x49 | 0x4E => int13_edd::function(drive, call, function),
        _ => Err(Status::InvalidFunction.into()),
    }
}

fn ready(drive: &Drive) -> Done {
    if drive.medium().is_some() { Ok(()) } else { Err(Status::NotReady.into()) }
}

fn transfer(drive: &mut Drive, call: &mut Call<'_>, function: u8) -> Done {
    let count = u64::from(call.regs.ax.low());
    if count == 0 || count > 128 {
        return Err(Status::InvalidFunction.into());
    }
    let (cylinder, head, sector) = chs(call);
    let start = drive.geometry().lba(cylinder, head, sector);
    let Some(lba) = start else {
        call.regs.ax.set_low(0);
        return Err(Status::SectorNotFound.into());
    };
    let buffer = Buffer::Linear(call.linear(call.regs.es, call.regs.bx.word()));
    let (done, status) = match function {
        0x02 => read_sectors(drive, call, (lba, count), buffer)?,
        0x03 => write_sectors(drive, call, (lba, count), buffer)?,
        _ => match drive.check(lba * SECTOR, count * SECTOR) {
            Ok(()) => (count, Status::Ok),
            Err(error) => (0, status_of(&error, false)),
        },
    };
    call.regs.ax.set_low(done as u8);
    if status == Status::Ok { Ok(()) } else { Err(status.into()) }
}

/// AH=08h for an emulated disk.
pub(crate) fn parameters(geometry: Geometry, count: u8, call: &mut Call<'_>) {
    put_geometry(call, geometry);
    call.regs.dx.set_low(count);
    call.regs.ax.set_word(0);
}

#[cfg(test)]
mod tests {
    use crate::bios::BiosConfig;
    use crate::call::Flow;
    use crate::drive::{Drive, DriveKind};
    use crate::int13::service;
    use crate::registers::SegmentRegister;
    use crate::testing::Bench;
    use glassbox_device_api::BlockError;
    use glassbox_testkit::MemoryDisk;

    fn bench() -> (Bench, MemoryDisk) {
        let bytes = (0..16 << 20).map(|at| (at / 512) as u8).collect();
        let disk = MemoryDisk::new(bytes);
        let drives = vec![Drive::new(DriveKind::Disk, "c.img", Box::new(disk.clone()))];
        (Bench::with(BiosConfig { drives, ..BiosConfig::default() }), disk)
    }

    fn call(bench: &mut Bench, ax: u16, cx: u16, dx: u16) -> u8 {
        bench.regs.ax.0 = ax.into();
        bench.regs.cx.0 = cx.into();
        bench.regs.dx.0 = dx.into();
        bench.regs.bx.0 = 0;
        bench.regs.es = SegmentRegister::real(0x1000);
        bench.run_with(service).unwrap();
        bench.regs.ax.high()
    }

    #[test]
    fn a_disk_is_read_and_written_by_chs() {
        let (mut bench, disk) = bench();
        // 16 heads, 63 sectors: 1/0/1 is sector 1008.
        assert_eq!(call(&mut bench, 0x0202, 0x0101, 0x0080), 0);
        assert_eq!((bench.host.memory[0x1_0000], bench.host.memory[0x1_0200]), (240, 241));
        bench.host.memory[0x1_0000] = 0x77;
        assert_eq!(call(&mut bench, 0x0301, 0x0101, 0x0080), 0);
        assert_eq!(disk.bytes()[1008 * 512], 0x77);
        disk.fail_next(BlockError::NoSpace);
        assert_eq!(call(&mut bench, 0x0301, 0x0101, 0x0080), 0xCC);
        assert!(bench.carry());
    }

    #[test]
    fn a_slow_host_is_waited_for_with_interrupts_enabled() {
        let (mut bench, disk) = bench();
        disk.hold(true);
        let enter = |bench: &mut Bench| {
            (bench.regs.ax.0, bench.regs.cx.0, bench.regs.dx.0, bench.regs.bx.0) =
                (0x0280, 0x0101, 0x0080, 0);
            bench.regs.es = SegmentRegister::real(0x1000);
            bench.run_with(service).unwrap()
        };
        assert_eq!(enter(&mut bench), Flow::Spin);
        assert_eq!(bench.regs.ax.word(), 0x0280, "the same call can be made again");
        assert_eq!(enter(&mut bench), Flow::Spin);
        disk.release();
        assert_eq!(enter(&mut bench), Flow::Done);
        assert_eq!((bench.regs.ax.word(), bench.host.memory[0x1_0000]), (0x0080, 240));
        // Another call comes in between: it waits for the first, which begins anew.
        assert_eq!(enter(&mut bench), Flow::Spin);
        disk.hold(false);
        assert_eq!(call(&mut bench, 0x0201, 0x0201, 0x0080), 0);
        assert_eq!(bench.host.memory[0x1_0000], 224);
        assert_eq!(enter(&mut bench), Flow::Done);
        assert_eq!(bench.host.memory[0x1_0000], 240);
    }

    #[test]
    fn parameters_count_the_disks_and_absent_ones_fail() {
        let (mut bench, _) = bench();
        assert_eq!(call(&mut bench, 0x0800, 0, 0x0080), 0);
        // 32 cylinders.
        assert_eq!((bench.regs.cx.word(), bench.regs.dx.word()), (0x1F3F, 0x0F01));
        assert_eq!(call(&mut bench, 0x0800, 0, 0x0081), 1);
        assert!(bench.carry());
        assert_eq!(call(&mut bench, 0x1500, 0, 0x0080), 3);
        assert_eq!(u32::from(bench.regs.cx.word()) << 16 | u32::from(bench.regs.dx.word()), 32 * 16 * 63);
        assert!(!bench.carry());
    }
}
