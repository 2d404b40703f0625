//! INT 13h: disks. Every bus is the same here: a service goes to the drive's
//! back end, not to a controller.
//!
//! Numbers: floppies from 00h, hard disks from 80h, CD-ROMs from E0h. A CD that
//! was booted with emulation takes number 00h or 80h, and those behind it move
//! up by one (El Torito 1.0, section 5).

use crate::asm::Assembler;
use crate::bda;
use crate::bios::Bios;
use crate::call::{Call, Flow, GuestFault, ServiceResult};
use crate::drive::{Drive, Geometry, SECTOR, Transfer};
use crate::eltorito::{Emulation, Media};
use crate::post::rom_vector;
use crate::registers::SegmentRegister;
use crate::rom::entry;
use crate::{int13_cdrom, int13_disk, int13_floppy};
use glassbox_device_api::BlockError;

/// What a function leaves in AH (Ralf Brown's interrupt list, table 00234).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
#[repr(u8)]
pub(crate) enum Status {
    Ok = 0x00,
    InvalidFunction = 0x01,
    WriteProtected = 0x03,
    SectorNotFound = 0x04,
    MediaChanged = 0x06,
    /// A transfer over a multiple of 64 KiB, which the 8237 cannot do.
    DmaBoundary = 0x09,
    InvalidMedia = 0x0C,
    ControllerFailed = 0x20,
    NoMedia = 0x31,
    Timeout = 0x80,
    NotReady = 0xAA,
    NotLocked = 0xB0,
    Locked = 0xB1,
    NotRemovable = 0xB2,
    TooManyLocks = 0xB4,
    WriteFault = 0xCC,
}

/// How a function ended where it did not end well.
pub(crate) enum Failure {
    Status(Status),
    Fault(GuestFault),
    /// The host is still working: the call is to be made again.
    Wait,
}

impl From<GuestFault> for Failure {
    fn from(fault: GuestFault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}

/// What a function returns beside its registers.
pub(crate) type Done = Result<(), Failure>;

/// Sectors that are transferred at once.
pub(crate) const CHUNK: u64 = 128;

/// What a back end's error is called here.
pub(crate) fn status_of(error: &BlockError, write: bool) -> Status {
    match error {
        BlockError::NoMedium => Status::NoMedia,
        BlockError::OutOfRange => Status::SectorNotFound,
        BlockError::ReadOnly => Status::WriteProtected,
        BlockError::NoSpace => Status::WriteFault,
        BlockError::Host(_) if write => Status::WriteFault,
        BlockError::Host(_) => Status::ControllerFailed,
    }
}

/// Who answers to a drive number.
pub(crate) enum Target<'a> {
    Floppy(&'a mut Drive),
    Disk(&'a mut Drive),
    Cd(&'a mut Drive),
    /// A floppy or disk that is a part of a CD.
    Emulated(&'a Emulation, &'a mut Drive),
}

impl Bios {
    /// The drive with a number.
    pub(crate) fn target(&mut self, number: u8) -> Option<Target<'_>> {
        let emulation = self.emulation.as_ref();
        if let Some(e) = emulation
            && e.media != Media::None
            && e.number == number
        {
            return self.cds.get_mut(e.drive).map(|drive| Target::Emulated(e, drive));
        }
        let shift = |is_floppy: bool| {
            emulation.is_some_and(|e| e.media != Media::None && (e.number < 0x80) == is_floppy) as u8
        };
        match number {
            0x00..0x80 => {
                let index = number.checked_sub(shift(true))?;
                self.floppies.get_mut(usize::from(index)).map(Target::Floppy)
            }
            0x80..0xE0 => {
                let index = (number - 0x80).checked_sub(shift(false))?;
                self.disks.get_mut(usize::from(index)).map(Target::Disk)
            }
            _ => self.cds.get_mut(usize::from(number - 0xE0)).map(Target::Cd),
        }
    }

    /// How many floppies (or hard disks) software finds.
    pub(crate) fn drive_count(&self, floppies: bool) -> u8 {
        let own = if floppies { self.floppies.len() } else { self.disks.len() };
        let emulated =
            self.emulation.as_ref().is_some_and(|e| e.media != Media::None && (e.number < 0x80) == floppies);
        (own + usize::from(emulated)).min(96) as u8
    }
}

/// Places the diskette parameter table.
pub(crate) fn place(rom: &mut Assembler) {
    rom.org(entry::FLOPPY_TABLE);
    rom.bytes(&int13_floppy::parameter_table(18));
}

/// What the CMOS and AH=08h call the kind of a floppy drive: the smallest one
/// that takes the medium in it, 1.44 MB if it is empty.
pub(crate) fn floppy_type(drive: &Drive) -> u8 {
    match drive.medium() {
        Some(medium) => match Geometry::of_floppy(medium.bytes) {
            Geometry { cylinders: 40, .. } => 1,
            Geometry { sectors: 15, .. } => 2,
            Geometry { sectors: 0..=10, .. } => 3,
            Geometry { sectors: 36.., .. } => 5,
            _ => 4,
        },
        None => 4,
    }
}

/// How many drives there are, in the data area: emulated ones count.
pub(crate) fn put_counts(bios: &Bios, call: &mut Call<'_>) -> Result<(), GuestFault> {
    call.set_bda_u8(bda::DISK_COUNT, bios.drive_count(false))?;
    let floppies = u16::from(bios.drive_count(true).min(4));
    let equipment = call.bda_u16(bda::EQUIPMENT)? & !0x00C1;
    let word = if floppies > 0 { 1 | (floppies - 1) << 6 } else { 0 };
    call.set_bda_u16(bda::EQUIPMENT, equipment | word)
}

/// POST: counts in the data area, parameter tables of two disks.
pub(crate) fn post(bios: &mut Bios, call: &mut Call<'_>) -> Result<(), GuestFault> {
    put_counts(bios, call)?;
    // Both drives have a change line and take several data rates.
    call.set_bda_u8(bda::FLOPPY_CONTROLLER, 0x77)?;
    for n in 0..2 {
        // 1.44 MB in a 1.44 MB drive, established.
        call.set_bda_u8(bda::FLOPPY_MEDIA + n, 0x17)?;
    }
    for (n, disk) in bios.disks.iter_mut().take(2).enumerate() {
        let table = bda::DISK_TABLES + 16 * n as u32;
        let g = disk.geometry();
        let mut bytes = [0u8; 16];
        bytes[..2].copy_from_slice(&g.cylinders.to_le_bytes());
        bytes[2] = g.heads.min(255) as u8;
        bytes[5..7].copy_from_slice(&0xFFFFu16.to_le_bytes());
        bytes[8] = 0xC0 | u8::from(g.heads > 8) << 3;
        bytes[12..14].copy_from_slice(&g.cylinders.to_le_bytes());
        bytes[14] = g.sectors;
        call.write(table, &bytes)?;
        let vector = if n == 0 { 0x41 } else { 0x46 };
        let pointer = u32::from(bda::EBDA_SEGMENT) << 16 | (table - bda::EBDA);
        call.write_u32(4 * vector, pointer)?;
    }
    Ok(())
}

/// INT 13h.
pub(crate) fn service(bios: &mut Bios, call: &mut Call<'_>) -> ServiceResult {
    let (function, number) = (call.regs.ax.high(), call.regs.dx.low());
    let status_at = if number < 0x80 { bda::FLOPPY_STATUS } else { bda::DISK_STATUS };
    if function == 0x01 {
        let last = call.bda_u8(status_at)?;
        call.regs.ax.set_high(last);
        call.set_carry(last != 0)?;
        return Ok(Flow::Done);
    }
    let before = call.regs;
    let done = if (0x4A..=0x4D).contains(&function) {
        int13_cdrom::el_torito(bios, call, function)
    } else {
        dispatch(bios, call, function, number)
    };
    if matches!(done, Err(Failure::Wait)) {
        // Interrupts come in, and the same call is made again.
        call.regs = before;
        return Ok(Flow::Spin);
    }
    finish(call, status_at, done)
}

fn dispatch(bios: &mut Bios, call: &mut Call<'_>, function: u8, number: u8) -> Done {
    let counts = (bios.drive_count(true), bios.drive_count(false));
    match bios.target(number) {
        Some(Target::Floppy(drive)) => int13_floppy::function(drive, counts.0, call, function),
        Some(Target::Disk(drive)) => int13_disk::function(drive, counts.1, call, function),
        Some(Target::Cd(drive)) => int13_cdrom::function(drive, call, function),
        Some(Target::Emulated(e, drive)) => int13_cdrom::emulated(e, drive, counts, call, function),
        None => absent(call, function, number, counts),
    }
}

/// A drive that is not there: programs count drives with AH=08h and AH=15h.
fn absent(call: &mut Call<'_>, function: u8, number: u8, counts: (u8, u8)) -> Done {
    match function {
        0x15 => {
            call.regs.ax.set_high(0);
            return Err(Status::Ok.into());
        }
        0x08 if number < 0x80 => {
            let empty = SegmentRegister::real(0);
            (call.regs.es, call.regs.bx, call.regs.cx, call.regs.di) =
                (empty, Default::default(), Default::default(), Default::default());
            call.regs.dx.set_word(counts.0.into());
            call.regs.ax.set_word(0);
            return Ok(());
        }
        0x08 => {
            call.regs.ax.set_low(0);
            return Err(Status::InvalidFunction.into());
        }
        0x00 if number < 0x80 => return Err(Status::Timeout.into()),
        _ => {}
    }
    Err(if number < 0x80 { Status::Timeout } else { Status::InvalidFunction }.into())
}

/// Leaves the status in AH, in CF and in the data area. AH=15h leaves a number in
/// AH that is no status, and says so by [`Status::Ok`] as a failure.
fn finish(call: &mut Call<'_>, status_at: u16, done: Done) -> ServiceResult {
    let status = match done {
        Ok(()) => Status::Ok,
        Err(Failure::Status(Status::Ok)) => {
            call.set_bda_u8(status_at, 0)?;
            call.set_carry(false)?;
            return Ok(Flow::Done);
        }
        Err(Failure::Status(status)) => status,
        Err(Failure::Fault(fault)) => return Err(fault),
        Err(Failure::Wait) => return Ok(Flow::Spin),
    };
    call.regs.ax.set_high(status as u8);
    call.set_bda_u8(status_at, status as u8)?;
    call.set_carry(status != Status::Ok)?;
    Ok(Flow::Done)
}

/// Cylinder, head and sector as INT 13h has them in CX and DH.
pub(crate) fn chs(call: &Call<'_>) -> (u16, u8, u8) {
    let cx = call.regs.cx.word();
    (cx >> 8 | (cx & 0xC0) << 2, call.regs.dx.high(), cx as u8 & 0x3F)
}

/// Puts the last cylinder and sector into CX and the last head into DH.
pub(crate) fn put_geometry(call: &mut Call<'_>, g: Geometry) {
    let cylinder = g.cylinders.clamp(1, 1024) - 1;
    call.regs.cx.set_high(cylinder as u8);
    call.regs.cx.set_low(g.sectors | (cylinder >> 2) as u8 & 0xC0);
    call.regs.dx.set_high((g.heads.clamp(1, 256) - 1) as u8);
}

/// ES:DI to a diskette parameter table of the ROM.
pub(crate) fn put_floppy_table(call: &mut Call<'_>) -> Result<(), GuestFault> {
    let vector = rom_vector(entry::FLOPPY_TABLE);
    call.regs.es = SegmentRegister::real((vector >> 16) as u16);
    call.regs.di.set_word(vector as u16);
    Ok(())
}

/// Where on the medium the next piece of a transfer is, in bytes, and how many sectors
/// it has; nothing where no medium reaches.
fn next_piece(size: u64, (lba, count): (u64, u64), done: u64) -> Option<(u64, u64)> {
    let offset = lba.checked_add(done)?.checked_mul(size)?;
    Some((offset, (count - done).min(CHUNK * SECTOR / size)))
}

/// Reads `count` sectors from `lba` into memory. Returns how many were
/// transferred, and the status if it was not all of them.
pub(crate) fn read_sectors(
    drive: &mut Drive,
    call: &mut Call<'_>,
    (lba, count): (u64, u64),
    buffer: Buffer,
) -> Result<(u64, Status), Failure> {
    let size = drive.sector_size();
    let transfer = Transfer { write: false, sectors: (lba, count), stack: call.stack(0) };
    let mut done = drive.resume(transfer);
    while done < count {
        let Some((offset, n)) = next_piece(size, (lba, count), done) else {
            return Ok((done, Status::SectorNotFound));
        };
        // Up to the end of the medium, as a controller would.
        let left = drive.sectors().saturating_sub(lba + done);
        let now = n.min(left);
        if now == 0 {
            let none = drive.medium().is_none();
            return Ok((done, if none { Status::NoMedia } else { Status::SectorNotFound }));
        }
        match drive.begin_read(offset, (now * size) as usize) {
            None => {
                drive.suspend(transfer, done);
                return Err(Failure::Wait);
            }
            Some(Ok(bytes)) => {
                // A page fault of the buffer is retried from here.
                drive.suspend(transfer, done);
                if !buffer.write(call, done * size, &bytes)? {
                    drive.resume(transfer);
                    return Ok((done, Status::InvalidFunction));
                }
                drive.resume(transfer);
            }
            Some(Err(error)) => return Ok((done, status_of(&error, false))),
        }
        done += now;
    }
    Ok((done, Status::Ok))
}

/// Writes `count` sectors at `lba` from memory.
pub(crate) fn write_sectors(
    drive: &mut Drive,
    call: &mut Call<'_>,
    (lba, count): (u64, u64),
    buffer: Buffer,
) -> Result<(u64, Status), Failure> {
    let size = drive.sector_size();
    let transfer = Transfer { write: true, sectors: (lba, count), stack: call.stack(0) };
    let mut done = drive.resume(transfer);
    while done < count {
        let Some((offset, n)) = next_piece(size, (lba, count), done) else {
            return Ok((done, Status::SectorNotFound));
        };
        let mut bytes = vec![0; (n * size) as usize];
        drive.suspend(transfer, done);
        if !buffer.read(call, done * size, &mut bytes)? {
            drive.resume(transfer);
            return Ok((done, Status::InvalidFunction));
        }
        match drive.begin_write(offset, bytes) {
            None => return Err(Failure::Wait),
            Some(result) => {
                drive.resume(transfer);
                if let Err(error) = result {
                    return Ok((done, status_of(&error, true)));
                }
            }
        }
        done += n;
    }
    Ok((done, Status::Ok))
}

/// Where a caller's data is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Buffer {
    /// A linear address.
    Linear(u32),
    /// A physical address.
    Physical(u64),
}

impl Buffer {
    fn write(self, call: &mut Call<'_>, offset: u64, bytes: &[u8]) -> Result<bool, GuestFault> {
        match self {
            Self::Linear(at) => call.write(at.wrapping_add(offset as u32), bytes).map(|()| true),
            Self::Physical(at) => {
                Ok(at.checked_add(offset).is_some_and(|at| call.host.write_physical(at, bytes)))
            }
        }
    }

    fn read(self, call: &mut Call<'_>, offset: u64, bytes: &mut [u8]) -> Result<bool, GuestFault> {
        match self {
            Self::Linear(at) => call.read(at.wrapping_add(offset as u32), bytes).map(|()| true),
            Self::Physical(at) => {
                Ok(at.checked_add(offset).is_some_and(|at| call.host.read_physical(at, bytes)))
            }
        }
    }
}
