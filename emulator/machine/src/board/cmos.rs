//! What setup leaves in the CMOS memory about drives (IBM PC AT Technical
//! Reference, "Real-time clock/CMOS RAM information"; bytes 38h and 3Dh as Bochs'
//! and QEMU's firmware have them).

use super::storage::Placed;
use crate::{DriveInterface, DriveMedia};
use glassbox_chipset::Rtc;
use glassbox_storage::floppy::Floppy;

const FLOPPY_TYPES: u8 = 0x10;
const DISK_TYPES: u8 = 0x12;
const EQUIPMENT: u8 = 0x14;
/// Types of the disks whose nibble in [`DISK_TYPES`] is 15.
const DISK_TYPES_EXTENDED: [u8; 2] = [0x19, 0x1A];
/// Parameters of disks of type 47: nine bytes each.
const DISK_PARAMETERS: [u8; 2] = [0x1B, 0x24];
const CHECKED: std::ops::Range<u8> = 0x10..0x2E;
const CHECKSUM: u8 = 0x2E;
const BOOT_ORDER_THIRD: u8 = 0x38;
/// How the parameters of disks are translated: LBA, two bits a disk.
const TRANSLATION: u8 = 0x39;
const BOOT_ORDER: u8 = 0x3D;

/// A type whose parameters are in the CMOS.
const USER_TYPE: u8 = 47;
const EQUIPMENT_FLOPPY: u8 = 1 << 0;
const EQUIPMENT_FPU: u8 = 1 << 1;
const EQUIPMENT_MOUSE: u8 = 1 << 2;

/// Describes drives, boot order and equipment.
pub(crate) fn describe(rtc: &mut Rtc, floppy: Option<&Floppy>, placed: &[Placed]) {
    let kinds = [0, 1].map(|unit| floppy.and_then(|f| f.drive_type(unit)).map_or(0, |kind| kind.cmos_code()));
    rtc.set_cmos(FLOPPY_TYPES, kinds[0] << 4 | kinds[1]);
    let mut equipment = EQUIPMENT_FPU | EQUIPMENT_MOUSE;
    match kinds.iter().filter(|kind| **kind != 0).count() as u8 {
        0 => {}
        count => equipment |= EQUIPMENT_FLOPPY | (count - 1) << 6,
    }
    rtc.set_cmos(EQUIPMENT, equipment);

    let mut types = 0;
    for unit in 0..2u8 {
        let here = DriveInterface::Ide { channel: 0, unit };
        let disk = placed.iter().find(|p| p.config.interface == here && p.config.media == DriveMedia::Disk);
        let Some(disk) = disk else { continue };
        let sectors = disk.config.source.client().medium().map_or(0, |medium| medium.bytes / 512);
        types |= 0xF0 >> (4 * unit);
        rtc.set_cmos(DISK_TYPES_EXTENDED[usize::from(unit)], USER_TYPE);
        let [low, high] = ((sectors / (16 * 63)).min(16383) as u16).to_le_bytes();
        // Cylinders, heads, no write precompensation, more than eight heads,
        // landing zone, sectors.
        let parameters = [low, high, 16, 0xFF, 0xFF, 0xC8, low, high, 63];
        for (at, value) in (DISK_PARAMETERS[usize::from(unit)]..).zip(parameters) {
            rtc.set_cmos(at, value);
        }
        rtc.set_cmos(TRANSLATION, rtc.cmos(TRANSLATION) | 1 << (2 * unit));
    }
    rtc.set_cmos(DISK_TYPES, types);

    let [first, second, third] = boot_order(placed);
    rtc.set_cmos(BOOT_ORDER, second << 4 | first);
    // Bit 0: a floppy need not have a signature.
    rtc.set_cmos(BOOT_ORDER_THIRD, third << 4 | 1);

    let sum = CHECKED.fold(0u16, |sum, at| sum.wrapping_add(rtc.cmos(at).into()));
    let [low, high] = sum.to_le_bytes();
    rtc.set_cmos(CHECKSUM, high);
    rtc.set_cmos(CHECKSUM + 1, low);
}

/// The kinds of drives in the order in which they are tried: 1 floppy, 2 disk,
/// 3 CD-ROM, 0 none. Those with a boot index come first; without any, disks,
/// CD-ROMs, floppies.
fn boot_order(placed: &[Placed]) -> [u8; 3] {
    let mut drives: Vec<(u32, u8)> = placed
        .iter()
        .map(|p| {
            let (rank, code) = match p.config.media {
                DriveMedia::Disk => (0, 2),
                DriveMedia::Cdrom => (1, 3),
                DriveMedia::Floppy => (2, 1),
            };
            (p.config.boot_index.unwrap_or(u32::MAX - 2 + rank), code)
        })
        .collect();
    drives.sort_unstable();
    let mut order = [0; 3];
    let mut next = 0;
    for (_, code) in drives {
        if !order.contains(&code) && next < order.len() {
            order[next] = code;
            next += 1;
        }
    }
    order
}
