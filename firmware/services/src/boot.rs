//! INT 19h and INT 18h: finding something to boot, and saying why there is nothing.

use crate::bios::{Bios, BootDevice};
use crate::call::{Call, Flow, GuestFault, ServiceResult};
use crate::drive::Drive;
use crate::eltorito::{self, BootEntry, Emulation, Media};
use crate::int13::{self, Buffer};
use crate::int13_cdrom;
use crate::post::far_call;
use crate::registers::{Registers, SegmentRegister};
use crate::rom::Point;
use glassbox_device_api::BlockError;
use std::collections::VecDeque;

/// Where a boot sector is loaded and entered.
const BOOT_ADDRESS: u32 = 0x7C00;
/// Where the memory for boot images ends: the EBDA.
const MEMORY_END: u64 = crate::bda::EBDA as u64;
/// Failed boots that are logged.
const MOST_LOGGED: u32 = 16;
const SIGNATURE: [u8; 2] = [0x55, 0xAA];

/// One thing to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Candidate {
    Floppy(usize),
    Cd(usize),
    Disk(usize),
    /// A bootstrap entry vector of an option ROM.
    Rom(u16, u16),
}

/// Where booting is.
#[derive(Debug, Default)]
pub(crate) struct BootState {
    left: Vec<Candidate>,
    /// What was tried and why it failed, one line each.
    failures: Vec<String>,
    /// What is still to be shown, once everything was tried.
    message: Option<VecDeque<u8>>,
}

/// INT 19h: begins with the first candidate, unless the host has something to boot.
pub(crate) fn bootstrap(bios: &mut Bios, call: &mut Call<'_>) -> ServiceResult {
    let mut candidates = Vec::new();
    for &device in &bios.boot_order {
        match device {
            BootDevice::Floppy => candidates.extend((0..bios.floppies.len().min(1)).map(Candidate::Floppy)),
            BootDevice::CdRom => candidates.extend((0..bios.cds.len()).map(Candidate::Cd)),
            BootDevice::Disk => candidates.extend((0..bios.disks.len()).map(Candidate::Disk)),
        }
    }
    if bios.boot_order.is_empty() {
        candidates = by_index(bios);
    }
    candidates.extend(bios.scan.bootstraps.iter().map(|&(cs, ip)| Candidate::Rom(cs, ip)));
    candidates.reverse();
    bios.boot = BootState { left: candidates, ..BootState::default() };
    bios.emulation = None;
    int13::put_counts(bios, call)?;
    if bios.host_boots {
        return Ok(Flow::HandOver);
    }
    next(bios, call)
}

/// The drives by their boot index; then disks, CD-ROMs and the first floppy.
fn by_index(bios: &Bios) -> Vec<Candidate> {
    let indexed = |drives: &[Drive], candidate: fn(usize) -> Candidate| {
        let each = drives.iter().enumerate().map(|(n, drive)| (drive.boot_index, candidate(n)));
        each.collect::<Vec<_>>()
    };
    let mut drives = indexed(&bios.disks, Candidate::Disk);
    drives.extend(indexed(&bios.cds, Candidate::Cd));
    drives.extend(indexed(&bios.floppies, Candidate::Floppy).into_iter().take(1));
    drives.sort_by_key(|(index, _)| index.map_or(u64::MAX, u64::from));
    drives.into_iter().map(|(_, candidate)| candidate).collect()
}

/// INT 18h: what was booted gives up; the next candidate.
pub(crate) fn gave_up(bios: &mut Bios, call: &mut Call<'_>) -> ServiceResult {
    let Some(message) = &mut bios.boot.message else { return next(bios, call) };
    match message.pop_front() {
        Some(c) => {
            call.regs.ax.set_word(0x0E00 | u16::from(c));
            call.regs.bx.set_word(0x0007);
            Ok(Flow::Done)
        }
        None => {
            bios.boot.message = None;
            Ok(Flow::Point(Point::WaitForKey))
        }
    }
}

/// Tries candidates until one is loaded.
fn next(bios: &mut Bios, call: &mut Call<'_>) -> ServiceResult {
    while let Some(&candidate) = bios.boot.left.last() {
        let outcome = attempt(bios, call, candidate)?;
        bios.boot.left.pop();
        match outcome {
            Ok(flow) => {
                bios.boot.failures.push(format!("{}: it was started and gave up", name(bios, candidate)));
                return Ok(flow);
            }
            Err(reason) => {
                let line = format!("{}: {reason}", name(bios, candidate));
                bios.boots_logged = bios.boots_logged.saturating_add(1);
                if bios.boots_logged <= MOST_LOGGED {
                    log::warn!("boot: {line}");
                }
                bios.boot.failures.push(line);
            }
        }
    }
    if bios.boot.failures.is_empty() {
        bios.boot.failures.push("there is no floppy, CD-ROM or disk".into());
    }
    let mut text = String::from("\r\nNothing to boot from:\r\n");
    for line in &bios.boot.failures {
        text.push_str("  ");
        text.push_str(line);
        text.push_str("\r\n");
    }
    text.push_str("Press a key to try again.\r\n");
    bios.boot.message = Some(text.chars().map(|c| if c.is_ascii() { c as u8 } else { b'?' }).collect());
    enter(call, 0, 0);
    Ok(Flow::Point(Point::NoBoot))
}

fn name(bios: &Bios, candidate: Candidate) -> String {
    let named = |kind: &str, drive: Option<&Drive>| match drive {
        Some(drive) if !drive.name.is_empty() => format!("{kind} ({})", drive.name),
        _ => kind.to_owned(),
    };
    match candidate {
        Candidate::Floppy(n) => named("floppy", bios.floppies.get(n)),
        Candidate::Cd(n) => named("CD-ROM", bios.cds.get(n)),
        Candidate::Disk(n) => named("disk", bios.disks.get(n)),
        Candidate::Rom(segment, _) => format!("option ROM at {segment:04X}0h"),
    }
}

type Attempt = Result<Result<Flow, String>, GuestFault>;

fn attempt(bios: &mut Bios, call: &mut Call<'_>, candidate: Candidate) -> Attempt {
    match candidate {
        Candidate::Floppy(n) => sector(bios.floppies.get_mut(n), 0x00, call),
        Candidate::Disk(n) => sector(bios.disks.get_mut(n), 0x80u8.wrapping_add(n as u8), call),
        Candidate::Cd(n) => cd(bios, n, call),
        Candidate::Rom(cs, ip) => {
            enter(call, 0, 0);
            let back = bios.rom().offset(Point::NoBoot);
            far_call(call, back, cs, ip).map(Ok)
        }
    }
}

/// The first sector of a floppy or disk.
fn sector(drive: Option<&mut Drive>, number: u8, call: &mut Call<'_>) -> Attempt {
    let Some(drive) = drive else { return Ok(Err("it is not there".into())) };
    let bytes = match drive.read(0, 512) {
        Ok(bytes) => bytes,
        Err(BlockError::NoMedium) => return Ok(Err("the drive is empty".into())),
        Err(error) => return Ok(Err(format!("its first sector cannot be read: {error}"))),
    };
    drive.changed();
    if let Err(reason) = check_sector(&bytes, number) {
        return Ok(Err(reason.into()));
    }
    call.write(BOOT_ADDRESS, &bytes)?;
    enter(call, number, 0);
    Ok(Ok(Flow::Far { cs: 0, ip: BOOT_ADDRESS as u16 }))
}

/// Floppies from before the signature came into use are recognised as the AT did
/// it: code begins with something, and not with the same word ten times.
fn check_sector(bytes: &[u8], number: u8) -> Result<(), &'static str> {
    if bytes[510..512] == SIGNATURE {
        return Ok(());
    }
    if number >= 0x80 {
        return Err("its first sector has no boot signature (55h AAh at the end)");
    }
    let all_same = bytes[..20].chunks_exact(2).all(|word| word == &bytes[..2]);
    if bytes[0] < 6 || all_same { Err("its first sector is no boot sector") } else { Ok(()) }
}

fn cd(bios: &mut Bios, n: usize, call: &mut Call<'_>) -> Attempt {
    let Some(drive) = bios.cds.get_mut(n) else { return Ok(Err("it is not there".into())) };
    let BootEntry { media, media_byte, segment, count, lba } = match eltorito::boot_entry(drive) {
        Ok(entry) => entry,
        Err(error) => return Ok(Err(error.to_string())),
    };
    drive.changed();
    let number = match media {
        Media::None => 0xE0u8.wrapping_add(n as u8),
        Media::Floppy(_) => 0x00,
        Media::Disk(_) => 0x80,
    };
    let before =
        bios.emulation.replace(Emulation { media, media_byte, drive: n, number, lba, segment, count });
    match load_emulated(bios, call)? {
        Ok(()) => {
            // Linear 7C00h as 0000:7C00h, which is what most loaders want.
            let address = u32::from(segment) << 4;
            let (cs, ip) = ((address >> 4 & 0xF000) as u16, address as u16);
            int13::put_counts(bios, call)?;
            enter(call, number, 0);
            Ok(Ok(Flow::Far { cs, ip }))
        }
        Err(reason) => {
            bios.emulation = before;
            Ok(Err(reason))
        }
    }
}

/// Loads the boot image of the emulated drive.
pub(crate) fn load_emulated(bios: &mut Bios, call: &mut Call<'_>) -> Result<Result<(), String>, GuestFault> {
    let Some(e) = bios.emulation else { return Ok(Err("nothing is emulated".into())) };
    let start = u64::from(e.segment) << 4;
    if start < 0x500 || start + u64::from(e.count) * 512 > MEMORY_END {
        return Ok(Err(format!(
            "its boot image ({} sectors at {start:#x}) does not fit into memory",
            e.count
        )));
    }
    let Some(drive) = bios.cds.get_mut(e.drive) else { return Ok(Err("the drive is gone".into())) };
    let buffer = Buffer::Linear(start as u32);
    let loaded = int13_cdrom::load(e.lba, drive, 0, e.count.into(), call, buffer)?;
    Ok(loaded.map_err(|error| format!("its boot image cannot be read: {error}")))
}

/// The registers with which a boot sector starts.
fn enter(call: &mut Call<'_>, number: u8, segment: u16) {
    let data = SegmentRegister::real(segment);
    let flags = call.regs.flags | Registers::IF;
    call.regs = Registers { cs: call.regs.cs, ip: call.regs.ip, flags, ..Registers::default() };
    // PnP BIOS 1.0A, 3.1 has ES:DI point to the installation check structure. Nobody
    // looks there, but boot sectors that set no ES themselves count on zero.
    (call.regs.ds, call.regs.es, call.regs.ss) = (data, data, data);
    call.regs.ax.0 = 0xAA55;
    call.regs.dx.0 = number.into();
    call.regs.sp.0 = BOOT_ADDRESS;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bios::BiosConfig;
    use crate::drive::DriveKind;
    use crate::eltorito::tests::{disc, drive};
    use crate::testing::Bench;
    use glassbox_testkit::MemoryDisk;

    fn disk(kind: DriveKind, signature: bool) -> Drive {
        let mut bytes = vec![0; 1_474_560];
        bytes[0] = 0xEB;
        if signature {
            bytes[510..512].copy_from_slice(&SIGNATURE);
        }
        Drive::new(kind, "x.img", Box::new(MemoryDisk::new(bytes)))
    }

    fn bench(drives: Vec<Drive>, boot_order: Vec<BootDevice>) -> Bench {
        Bench::with(BiosConfig { drives, boot_order, ..BiosConfig::default() })
    }

    fn shown(bench: &mut Bench) -> String {
        let mut text = String::new();
        while bench.run_with(gave_up) == Ok(Flow::Done) {
            assert_eq!(bench.regs.ax.high(), 0x0E);
            text.push(char::from(bench.regs.ax.low()));
        }
        text
    }

    #[test]
    fn the_first_drive_with_a_boot_sector_is_entered_with_its_number() {
        let drives =
            vec![disk(DriveKind::Disk, true), disk(DriveKind::Floppy, false).with_boot_index(Some(3))];
        let mut b = bench(drives, vec![]);
        assert_eq!(b.run_with(bootstrap), Ok(Flow::Far { cs: 0, ip: 0x7C00 }));
        assert_eq!((b.regs.dx.low(), b.regs.ss.selector, b.host.memory[0x7C00]), (0x00, 0, 0xEB));
        // It gives up: the disk is next.
        assert_eq!(b.run_with(gave_up), Ok(Flow::Far { cs: 0, ip: 0x7C00 }));
        assert_eq!(b.regs.dx.low(), 0x80);
    }

    #[test]
    fn what_failed_is_shown_with_its_reason() {
        let empty = Drive::new(DriveKind::Floppy, "", Box::new(MemoryDisk::empty()));
        let mut b = bench(vec![empty, disk(DriveKind::Disk, false)], vec![]);
        assert_eq!(b.run_with(bootstrap), Ok(Flow::Point(Point::NoBoot)));
        let text = shown(&mut b);
        assert!(text.contains("floppy: the drive is empty"), "{text}");
        assert!(text.contains("disk (x.img): its first sector has no boot signature"), "{text}");
        let mut b = bench(vec![], vec![]);
        b.run_with(bootstrap).unwrap();
        assert!(shown(&mut b).contains("there is no floppy"));
    }

    #[test]
    fn a_cd_is_loaded_as_its_catalog_says_and_canonicalised() {
        let mut b = bench(vec![drive(disc(0, 0, 4))], vec![BootDevice::CdRom]);
        assert_eq!(b.run_with(bootstrap), Ok(Flow::Far { cs: 0, ip: 0x7C00 }));
        assert_eq!(b.regs.dx.low(), 0xE0);
        assert_eq!([0x7C00, 0x7E00, 0x8200].map(|at| b.host.memory[at]), [0, 1, 3]);
        assert_eq!(b.host.memory[0x8401], 0, "no more than four sectors");
    }

    #[test]
    fn an_emulated_floppy_takes_the_first_number_and_moves_the_others() {
        let mut b = bench(vec![drive(disc(2, 0, 1)), disk(DriveKind::Floppy, true)], vec![BootDevice::CdRom]);
        assert_eq!(b.run_with(bootstrap), Ok(Flow::Far { cs: 0, ip: 0x7C00 }));
        assert_eq!((b.regs.dx.low(), b.bios.drive_count(true)), (0, 2));
        assert_eq!(b.host.bda_u16(0x10) & 0xC1, 0x41, "INT 11h counts it");
        b.regs.ax.0 = 0x0201;
        b.regs.cx.0 = 0x0004;
        b.regs.es = SegmentRegister::real(0x1000);
        b.regs.bx.0 = 0;
        b.run_with(crate::int13::service).unwrap();
        assert_eq!((b.regs.ax.word(), b.host.memory[0x1_0000]), (1, 3));
        b.regs.ax.0 = 0x0301;
        b.run_with(crate::int13::service).unwrap();
        assert_eq!((b.regs.ax.high(), b.carry()), (3, true), "a CD cannot be written");
        // The specification packet, and the end of it.
        b.regs.ds = SegmentRegister::real(0x1000);
        b.regs.si.0 = 0;
        b.regs.ax.0 = 0x4B00;
        b.run_with(crate::int13::service).unwrap();
        assert!(!b.carry());
        assert_eq!(b.host.memory[0x1_0000..0x1_0003], [0x13, 2, 0]);
        assert_eq!((b.bios.drive_count(true), b.host.bda_u16(0x10) & 0xC1), (1, 0x01));
    }

    #[test]
    fn a_boot_image_that_would_cover_the_bios_data_is_refused() {
        for (segment, count) in [(0x0001, 1), (0x9FC0, 1), (0x07C0, 0xFFFF)] {
            let mut b = bench(vec![drive(disc(0, segment, count))], vec![BootDevice::CdRom]);
            assert_eq!(b.run_with(bootstrap), Ok(Flow::Point(Point::NoBoot)));
        }
    }
}
