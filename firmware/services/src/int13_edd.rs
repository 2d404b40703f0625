//! INT 13h functions 41h to 4Eh: Enhanced Disk Drive Services 3.0.

use crate::call::Call;
use crate::drive::{Drive, DriveBus, DriveKind};
use crate::int13::{Buffer, Done, Status, read_sectors, status_of, write_sectors};

/// EDD 3.0.
const VERSION: u8 = 0x30;
/// Packets, removable drives, the drive's own data.
const INTERFACES: u16 = 0x07;
/// Locks that a drive counts.
const MOST_LOCKS: u8 = 0xFF;

/// A function of a drive that is there.
pub(crate) fn function(drive: &mut Drive, call: &mut Call<'_>, function: u8) -> Done {
    match function {
        0x41 => {
            if call.regs.bx.word() != 0x55AA {
                return Err(Status::InvalidFunction.into());
            }
            call.regs.bx.set_word(0xAA55);
            call.regs.cx.set_word(INTERFACES);
            call.regs.ax.set_high(VERSION);
            Err(Status::Ok.into())
        }
        0x42..=0x44 | 0x47 => packet(drive, call, function),
        0x45 => lock(drive, call),
        0x46 => eject(drive),
        0x48 => parameters(drive, call),
        0x49 => {
            if drive.medium().is_none() {
                return Err(Status::NoMedia.into());
            }
            if drive.changed() { Err(Status::MediaChanged.into()) } else { Ok(()) }
        }
        // Prefetch and DMA on or off: nothing here depends on it.
        0x4E => match call.regs.ax.low() {
            0x01 | 0x03 | 0x04 | 0x06 => {
                call.regs.ax.set_low(0);
                Ok(())
            }
            _ => Err(Status::InvalidFunction.into()),
        },
        _ => Err(Status::InvalidFunction.into()),
    }
}

/// Read, write, verify and seek by the disk address packet at DS:SI. Its count
/// becomes what was transferred.
fn packet(drive: &mut Drive, call: &mut Call<'_>, function: u8) -> Done {
    let at = call.linear(call.regs.ds, call.regs.si.word());
    let size = call.read_u8(at)?;
    if size < 0x10 {
        return Err(Status::InvalidFunction.into());
    }
    let count = call.read_u16(at + 2)?;
    let (offset, segment) = (call.read_u16(at + 4)?, call.read_u16(at + 6)?);
    let lba = call.read_u64(at + 8)?;
    let buffer = if size >= 0x18 && (segment, offset) == (0xFFFF, 0xFFFF) {
        Buffer::Physical(call.read_u64(at + 0x10)?)
    } else {
        Buffer::Linear((u32::from(segment) << 4) + u32::from(offset))
    };
    let sectors = (lba, u64::from(count));
    let size = drive.sector_size();
    let (done, status) = match function {
        0x42 => read_sectors(drive, call, sectors, buffer)?,
        0x43 if call.regs.ax.low() > 2 => (0, Status::InvalidFunction),
        0x43 => write_sectors(drive, call, sectors, buffer)?,
        _ => {
            let range = lba.checked_mul(size).map(|offset| drive.check(offset, u64::from(count) * size));
            match range {
                Some(Ok(())) => (count.into(), Status::Ok),
                Some(Err(error)) => (0, status_of(&error, false)),
                None => (0, Status::SectorNotFound),
            }
        }
    };
    if function != 0x47 {
        call.write_u16(at + 2, done as u16)?;
    }
    if status == Status::Ok { Ok(()) } else { Err(status.into()) }
}

fn lock(drive: &mut Drive, call: &mut Call<'_>) -> Done {
    if drive.kind == DriveKind::Disk {
        return Err(Status::NotRemovable.into());
    }
    match call.regs.ax.low() {
        0 if drive.locks == MOST_LOCKS => return Err(Status::TooManyLocks.into()),
        0 => {
            drive.locks += 1;
            drive.lock_medium(true);
        }
        1 if drive.locks == 0 => return Err(Status::NotLocked.into()),
        1 => {
            drive.locks -= 1;
            if drive.locks == 0 {
                drive.lock_medium(false);
            }
        }
        2 => {}
        _ => return Err(Status::InvalidFunction.into()),
    }
    call.regs.ax.set_low(u8::from(drive.locks > 0));
    Ok(())
}

fn eject(drive: &mut Drive) -> Done {
    if drive.kind == DriveKind::Disk {
        return Err(Status::NotRemovable.into());
    }
    if drive.locks > 0 {
        return Err(Status::Locked.into());
    }
    if drive.medium().is_none() {
        return Err(Status::NoMedia.into());
    }
    if drive.eject() { Ok(()) } else { Err(Status::Timeout.into()) }
}

/// The result buffer at DS:SI, as much of it as the caller has room for.
fn parameters(drive: &mut Drive, call: &mut Call<'_>) -> Done {
    let at = call.linear(call.regs.ds, call.regs.si.word());
    let room = usize::from(call.read_u16(at)?);
    if room < 0x1A {
        return Err(Status::InvalidFunction.into());
    }
    let mut bytes = [0u8; 0x42];
    let len = match room {
        0x42.. => 0x42,
        0x1E.. => 0x1E,
        _ => 0x1A,
    };
    bytes[..2].copy_from_slice(&(len as u16).to_le_bytes());
    let removable = drive.kind != DriveKind::Disk;
    let geometry = drive.geometry();
    // The geometry is valid; or: removable, with a change line, lockable, no geometry.
    let flags: u16 = if removable { 0x74 } else { 0x02 };
    bytes[2..4].copy_from_slice(&flags.to_le_bytes());
    let (cylinders, heads, sectors) = if removable {
        (u32::MAX, u32::MAX, u32::MAX)
    } else {
        let track = u64::from(geometry.heads) * u64::from(geometry.sectors);
        let cylinders = (drive.sectors() / track.max(1)).min(16_383) as u32;
        (cylinders, geometry.heads.into(), geometry.sectors.into())
    };
    for (n, value) in [cylinders, heads, sectors].into_iter().enumerate() {
        bytes[4 + 4 * n..8 + 4 * n].copy_from_slice(&value.to_le_bytes());
    }
    let total = if drive.medium().is_none() { u64::MAX } else { drive.sectors() };
    bytes[0x10..0x18].copy_from_slice(&total.to_le_bytes());
    bytes[0x18..0x1A].copy_from_slice(&(drive.sector_size() as u16).to_le_bytes());
    // No device parameter table extension.
    bytes[0x1A..0x1E].copy_from_slice(&[0xFF; 4]);
    device_path(drive.bus, &mut bytes);
    call.write(at, &bytes[..len])?;
    Ok(())
}

/// The device path information from offset 1Eh on.
fn device_path(bus: Option<DriveBus>, bytes: &mut [u8; 0x42]) {
    let Some(bus) = bus else { return };
    bytes[0x1E..0x20].copy_from_slice(&0xBEDDu16.to_le_bytes());
    bytes[0x20] = 36;
    bytes[0x24..0x28].copy_from_slice(b"PCI ");
    let (pci, interface, channel) = match bus {
        DriveBus::Ata { pci, channel, .. } => (pci, b"ATA     ", channel),
        DriveBus::Pci { pci, .. } => (pci, b"SCSI    ", 0),
    };
    bytes[0x28..0x30].copy_from_slice(interface);
    bytes[0x30..0x34].copy_from_slice(&[(pci >> 8) as u8, (pci >> 3 & 0x1F) as u8, (pci & 7) as u8, channel]);
    match bus {
        DriveBus::Ata { device, .. } => bytes[0x38] = device,
        DriveBus::Pci { unit, .. } => bytes[0x38..0x40].copy_from_slice(&unit.to_le_bytes()),
    }
    let sum = bytes[0x1E..0x41].iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    bytes[0x41] = sum.wrapping_neg();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bios::BiosConfig;
    use crate::int13::service;
    use crate::registers::SegmentRegister;
    use crate::testing::Bench;
    use glassbox_testkit::MemoryDisk;
    use proptest::prelude::*;

    const PACKET: usize = 0x600;

    fn bench() -> (Bench, MemoryDisk) {
        let bytes = (0..2 << 20).map(|at| (at / 512) as u8).collect();
        let disk = MemoryDisk::new(bytes);
        let bus = DriveBus::Ata { pci: 9, channel: 1, device: 0 };
        let drive = Drive::new(DriveKind::Disk, "c", Box::new(disk.clone())).on(bus);
        let mut bench = Bench::with(BiosConfig { drives: vec![drive], ..BiosConfig::default() });
        bench.regs.ds = SegmentRegister::real(0);
        bench.regs.si.0 = PACKET as u32;
        bench.regs.dx.0 = 0x80;
        (bench, disk)
    }

    fn put(bench: &mut Bench, size: u8, count: u16, buffer: u32, lba: u64, flat: u64) {
        let memory = &mut bench.host.memory;
        memory[PACKET] = size;
        memory[PACKET + 2..PACKET + 4].copy_from_slice(&count.to_le_bytes());
        memory[PACKET + 4..PACKET + 8].copy_from_slice(&buffer.to_le_bytes());
        memory[PACKET + 8..PACKET + 16].copy_from_slice(&lba.to_le_bytes());
        memory[PACKET + 16..PACKET + 24].copy_from_slice(&flat.to_le_bytes());
    }

    fn call(bench: &mut Bench, ax: u16) -> u8 {
        bench.regs.ax.0 = ax.into();
        bench.run_with(service).unwrap();
        bench.regs.ax.high()
    }

    #[test]
    fn the_extensions_are_there_when_asked_properly() {
        let (mut bench, _) = bench();
        bench.regs.bx.0 = 0x55AA;
        assert_eq!(call(&mut bench, 0x4100), 0x30);
        assert_eq!((bench.regs.bx.word(), bench.regs.cx.word(), bench.carry()), (0xAA55, 7, false));
        bench.regs.bx.0 = 0;
        assert_eq!((call(&mut bench, 0x4100), bench.carry()), (1, true));
    }

    #[test]
    fn packets_name_their_buffers_by_segment_or_by_physical_address() {
        let (mut bench, disk) = bench();
        put(&mut bench, 0x10, 2, 0x1000_0010, 5, 0);
        assert_eq!(call(&mut bench, 0x4200), 0);
        assert_eq!((bench.host.memory[0x1_0010], bench.host.memory[0x1_0210]), (5, 6));
        put(&mut bench, 0x18, 1, u32::MAX, 9, 0x10_0000);
        assert_eq!(call(&mut bench, 0x4200), 0);
        assert_eq!(bench.host.memory[0x10_0000], 9);
        bench.host.memory[0x10_0000] = 0xEE;
        assert_eq!(call(&mut bench, 0x4300), 0);
        assert_eq!(disk.bytes()[9 * 512], 0xEE);
    }

    #[test]
    fn a_transfer_over_the_end_tells_how_far_it_came() {
        let (mut bench, _) = bench();
        put(&mut bench, 0x10, 4, 0x1000_0000, 4094, 0);
        assert_eq!(call(&mut bench, 0x4200), 4);
        assert_eq!(bench.host.memory[PACKET + 2], 2);
        assert!(bench.carry());
    }

    #[test]
    fn parameters_fill_the_room_that_there_is() {
        let (mut bench, _) = bench();
        for (room, len) in [(0x1A, 0x1A), (0x20, 0x1E), (0x42, 0x42), (0xFFFF, 0x42)] {
            bench.host.memory[PACKET..PACKET + 0x50].fill(0x99);
            bench.host.memory[PACKET..PACKET + 2].copy_from_slice(&u16::to_le_bytes(room));
            assert_eq!(call(&mut bench, 0x4800), 0);
            let buffer = &bench.host.memory[PACKET..];
            assert_eq!((usize::from(buffer[0]), buffer[len]), (len, 0x99));
            assert_eq!(u64::from_le_bytes(buffer[0x10..0x18].try_into().unwrap()), 4096);
        }
        let path = &bench.host.memory[PACKET + 0x1E..PACKET + 0x42];
        assert_eq!((path[..2].to_vec(), &path[6..10]), (vec![0xDD, 0xBE], &b"PCI "[..]));
        assert_eq!(path.iter().fold(0u8, |sum, b| sum.wrapping_add(*b)), 0);
        assert_eq!(path[0x12..0x16], [0, 1, 1, 1], "bus 0, device 1, function 1, channel 1");
    }

    #[test]
    fn a_fixed_disk_is_not_locked_or_ejected() {
        let (mut bench, _) = bench();
        assert_eq!((call(&mut bench, 0x4500), call(&mut bench, 0x4600)), (0xB2, 0xB2));
    }

    proptest! {
        #[test]
        fn no_packet_does_harm(packet in prop::array::uniform32(any::<u8>()), ah in 0x41u8..0x50, dl: u8) {
            let (mut bench, _) = bench();
            bench.host.memory[PACKET..PACKET + 32].copy_from_slice(&packet);
            bench.regs.ax.0 = u32::from(ah) << 8;
            bench.regs.dx.0 = dl.into();
            let _ = bench.run_with(service);
        }
    }
}
