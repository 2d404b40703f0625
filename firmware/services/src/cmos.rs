//! The battery-backed memory of the real-time clock, through its ports.

use crate::call::Call;

const INDEX: u16 = 0x70;
const DATA: u16 = 0x71;

pub const SECONDS: u8 = 0x00;
pub const SECONDS_ALARM: u8 = 0x01;
pub const MINUTES: u8 = 0x02;
pub const MINUTES_ALARM: u8 = 0x03;
pub const HOURS: u8 = 0x04;
pub const HOURS_ALARM: u8 = 0x05;
pub const DAY: u8 = 0x07;
pub const MONTH: u8 = 0x08;
pub const YEAR: u8 = 0x09;
pub const STATUS_A: u8 = 0x0A;
pub const STATUS_B: u8 = 0x0B;
pub const STATUS_C: u8 = 0x0C;
/// What POST does after a reset that was not asked for.
pub const SHUTDOWN: u8 = 0x0F;
pub const FLOPPY_TYPES: u8 = 0x10;
pub const EQUIPMENT: u8 = 0x14;
pub const CHECKSUM: u8 = 0x2E;
pub const CENTURY: u8 = 0x32;

/// Status A: an update of the time is under way.
pub const UPDATING: u8 = 0x80;
/// Status B: no updates.
pub const SET: u8 = 0x80;
/// Status B and C: periodic interrupt.
pub const PERIODIC: u8 = 0x40;
/// Status B and C: alarm.
pub const ALARM: u8 = 0x20;
/// Status B: 24 hours.
pub const HOURS_24: u8 = 0x02;
/// Status B: daylight saving.
pub const DAYLIGHT: u8 = 0x01;

/// Reads a byte.
pub fn read(call: &mut Call<'_>, index: u8) -> u8 {
    call.out8(INDEX, index);
    call.in8(DATA)
}

/// Writes a byte.
pub fn write(call: &mut Call<'_>, index: u8, value: u8) {
    call.out8(INDEX, index);
    call.out8(DATA, value);
}

/// BCD to binary; digits above 9 count as what they are.
pub fn from_bcd(value: u8) -> u32 {
    u32::from(value >> 4) * 10 + u32::from(value & 15)
}
