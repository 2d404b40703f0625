//! INT 13h for CD-ROMs, for drives that a CD emulates, and El Torito's own
//! functions 4Ah to 4Dh.

use crate::bios::Bios;
use crate::boot;
use crate::call::{Call, GuestFault};
use crate::drive::{Drive, Geometry};
use crate::eltorito::{CD_SECTOR, Emulation, Media, catalog_sector};
use crate::int13::{Buffer, Done, Status, chs, put_floppy_table, put_geometry, status_of};
use crate::{int13, int13_disk, int13_edd};
use glassbox_device_api::BlockError;

/// Bytes of a specification packet.
const PACKET: u8 = 0x13;

/// A function of a CD-ROM drive by its own number.
pub(crate) fn function(drive: &mut Drive, call: &mut Call<'_>, function: u8) -> Done {
    match function {
        0x00 | 0x09 | 0x0D | 0x10 | 0x11 | 0x14 => {
            if drive.medium().is_some() {
                Ok(())
            } else {
                Err(Status::NotReady.into())
            }
        }
        0x15 => {
            // A removable drive with a change line.
            call.regs.ax.set_high(0x02);
            Err(Status::Ok.into())
        }
        0x03 | 0x05 | 0x43 => Err(Status::WriteProtected.into()),
        0x41..=0x49 | 0x4E => int13_edd::function(drive, call, function),
        _ => Err(Status::InvalidFunction.into()),
    }
}

/// A function of the floppy or hard disk that a CD emulates.
pub(crate) fn emulated(
    e: &Emulation,
    drive: &mut Drive,
    (floppies, disks): (u8, u8),
    call: &mut Call<'_>,
    function: u8,
) -> Done {
    let (Media::Floppy(geometry) | Media::Disk(geometry)) = e.media else {
        return Err(Status::InvalidFunction.into());
    };
    let is_floppy = matches!(e.media, Media::Floppy(_));
    match function {
        0x00 | 0x09 | 0x0C | 0x0D | 0x10 | 0x11 | 0x14 | 0x16 => {
            if drive.medium().is_some() {
                Ok(())
            } else {
                Err(Status::NotReady.into())
            }
        }
        0x02 | 0x04 => read(e, drive, geometry, call, function),
        0x03 | 0x05 => Err(Status::WriteProtected.into()),
        0x08 if is_floppy => {
            let kind = match geometry.sectors {
                15 => 2,
                18 => 4,
                _ => 5,
            };
            call.regs.ax.set_word(0);
            call.regs.bx.set_word(kind);
            put_geometry(call, geometry);
            call.regs.dx.set_low(floppies);
            put_floppy_table(call)?;
            Ok(())
        }
        0x08 => {
            int13_disk::parameters(geometry, disks, call);
            Ok(())
        }
        0x15 => {
            if !is_floppy {
                let sectors = size(geometry);
                call.regs.cx.set_word((sectors >> 16) as u16);
                call.regs.dx.set_word(sectors as u16);
            }
            call.regs.ax.set_high(if is_floppy { 0x01 } else { 0x03 });
            Err(Status::Ok.into())
        }
        _ => Err(Status::InvalidFunction.into()),
    }
}

fn size(g: Geometry) -> u64 {
    u64::from(g.cylinders) * u64::from(g.heads) * u64::from(g.sectors)
}

/// Reads or verifies sectors of 512 bytes.
fn read(e: &Emulation, drive: &mut Drive, g: Geometry, call: &mut Call<'_>, function: u8) -> Done {
    let count = u64::from(call.regs.ax.low());
    let (cylinder, head, sector) = chs(call);
    call.regs.ax.set_low(0);
    let start = g.lba(cylinder, head, sector).filter(|lba| lba + count <= size(g) && count > 0);
    let Some(lba) = start else { return Err(Status::SectorNotFound.into()) };
    if function == 0x02 {
        let buffer = call.linear(call.regs.es, call.regs.bx.word());
        match load(e.lba, drive, lba, count, call, Buffer::Linear(buffer))? {
            Ok(()) => {}
            Err(error) => return Err(status_of(&error, false).into()),
        }
    }
    call.regs.ax.set_low(count as u8);
    Ok(())
}

/// Copies `count` sectors of 512 bytes of the image at CD sector `image`. Those
/// behind the end of the disc read as zeroes: images are often cut short.
pub(crate) fn load(
    image: u32,
    drive: &mut Drive,
    lba: u64,
    count: u64,
    call: &mut Call<'_>,
    buffer: Buffer,
) -> Result<Result<(), BlockError>, GuestFault> {
    let Buffer::Linear(mut at) = buffer else { return Ok(Err(BlockError::OutOfRange)) };
    let end = drive.medium().map_or(0, |m| m.bytes);
    let start = u64::from(image) * CD_SECTOR + lba * 512;
    for n in 0..count {
        let offset = start + n * 512;
        let bytes = if offset >= end { Ok(vec![0; 512]) } else { drive.read(offset, 512) };
        match bytes {
            Ok(bytes) => call.write(at, &bytes)?,
            Err(error) => return Ok(Err(error)),
        }
        at = at.wrapping_add(512);
    }
    Ok(Ok(()))
}

/// Functions 4Ah to 4Dh.
pub(crate) fn el_torito(bios: &mut Bios, call: &mut Call<'_>, function: u8) -> Done {
    let packet = call.linear(call.regs.ds, call.regs.si.word());
    match (function, call.regs.ax.low()) {
        (0x4A, 0x00) | (0x4C, 0x00) => start(bios, call, packet, function == 0x4C),
        (0x4B, 0x00 | 0x01) => status(bios, call, packet),
        (0x4D, 0x00) => catalog(bios, call, packet),
        _ => Err(Status::InvalidFunction.into()),
    }
}

/// Ends emulation, or only tells what is emulated.
fn status(bios: &mut Bios, call: &mut Call<'_>, packet: u32) -> Done {
    let number = call.regs.dx.low();
    // Number 7Fh means all drives.
    let asked = bios.emulation.filter(|e| e.number == number || number == 0x7F);
    let Some(e) = asked else { return Err(Status::InvalidFunction.into()) };
    let mut bytes = [0u8; PACKET as usize];
    bytes[0] = PACKET;
    bytes[1] = e.media_byte;
    bytes[2] = e.number;
    bytes[4..8].copy_from_slice(&e.lba.to_le_bytes());
    if let Some(crate::drive::DriveBus::Ata { channel, device, .. }) =
        bios.cds.get(e.drive).and_then(|d| d.bus)
    {
        bytes[3] = channel;
        bytes[8] = device;
    }
    bytes[0x0C..0x0E].copy_from_slice(&e.segment.to_le_bytes());
    bytes[0x0E..0x10].copy_from_slice(&e.count.to_le_bytes());
    if let Media::Floppy(g) | Media::Disk(g) = e.media {
        let last = g.cylinders.clamp(1, 1024) - 1;
        bytes[0x10] = last as u8;
        bytes[0x11] = g.sectors | (last >> 2) as u8 & 0xC0;
        bytes[0x12] = (g.heads - 1) as u8;
    }
    call.write(packet, &bytes)?;
    if call.regs.ax.low() == 0 {
        if e.media == Media::None {
            return Err(Status::InvalidFunction.into());
        }
        bios.emulation = None;
        int13::put_counts(bios, call)?;
    }
    Ok(())
}

/// Begins emulation as a packet says, and boots from it where asked to.
fn start(bios: &mut Bios, call: &mut Call<'_>, packet: u32, boot: bool) -> Done {
    let mut bytes = [0u8; PACKET as usize];
    call.read(packet, &mut bytes)?;
    let lba = u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
    let word = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
    let heads = u16::from(bytes[0x12]) + 1;
    let cylinders = (u16::from(bytes[0x10]) | u16::from(bytes[0x11] & 0xC0) << 2) + 1;
    let own = Geometry { cylinders, heads: heads.min(255), sectors: (bytes[0x11] & 63).max(1) };
    let media = match bytes[1] & 15 {
        0 => Media::None,
        1 => Media::Floppy(Geometry { cylinders: 80, heads: 2, sectors: 15 }),
        2 => Media::Floppy(Geometry::FLOPPY_1440),
        3 => Media::Floppy(Geometry { cylinders: 80, heads: 2, sectors: 36 }),
        4 => Media::Disk(own),
        _ => return Err(Status::InvalidFunction.into()),
    };
    let drive = bios.cds.iter().position(|cd| match cd.bus {
        Some(crate::drive::DriveBus::Ata { channel, device, .. }) => {
            channel == bytes[3] && device == bytes[8] & 1
        }
        _ => true,
    });
    let Some(drive) = drive else { return Err(Status::InvalidFunction.into()) };
    let number = match media {
        Media::None => 0xE0 + drive as u8,
        Media::Floppy(_) => 0x00,
        Media::Disk(_) => 0x80,
    };
    let segment = if word(0x0C) == 0 { crate::eltorito::DEFAULT_SEGMENT } else { word(0x0C) };
    let count = word(0x0E).max(1);
    bios.emulation = Some(Emulation { media, media_byte: bytes[1] & 15, drive, number, lba, segment, count });
    int13::put_counts(bios, call)?;
    if !boot {
        return Ok(());
    }
    boot::load_emulated(bios, call)?.map_err(|_| Status::InvalidFunction.into())
}

/// Copies sectors of the boot catalog.
fn catalog(bios: &mut Bios, call: &mut Call<'_>, packet: u32) -> Done {
    let number = call.regs.dx.low();
    let index = match bios.emulation {
        Some(e) if e.number == number => e.drive,
        _ => usize::from(number.wrapping_sub(0xE0)),
    };
    let mut bytes = [0u8; 8];
    call.read(packet, &mut bytes)?;
    let Some(drive) = bios.cds.get_mut(index) else { return Err(Status::InvalidFunction.into()) };
    let Ok(catalog) = catalog_sector(drive) else { return Err(Status::NotReady.into()) };
    let (count, first) = (u64::from(bytes[1]), u64::from(u16::from_le_bytes([bytes[6], bytes[7]])));
    let buffer = u32::from_le_bytes([bytes[2], bytes[3], bytes[4], bytes[5]]);
    let at = (buffer >> 16 << 4) + (buffer & 0xFFFF);
    for n in 0..count {
        let offset = (u64::from(catalog) + first + n) * CD_SECTOR;
        match drive.read(offset, CD_SECTOR as usize) {
            Ok(bytes) => call.write(at.wrapping_add((n * CD_SECTOR) as u32), &bytes)?,
            Err(error) => return Err(status_of(&error, false).into()),
        }
    }
    Ok(())
}
