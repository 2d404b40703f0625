//! The Gregorian calendar and its encoding in the clock's registers.

use super::registers::{B_24_HOUR, B_BINARY};

/// Seconds of a day.
const DAY: i64 = 86_400;
/// Seconds after which a calendar with a two-digit century repeats, weekdays included.
const CYCLE: i64 = 10_000 / 400 * 146_097 * DAY;
/// 0000-01-01 in Unix days.
const YEAR_0: i64 = -719_528;
const PM: u8 = 0x80;

/// The time registers, in the order second, minute, hour, weekday, day, month, year, century.
pub(super) type Fields = [u8; 8];

/// A date and time of day; weekday 1 is Sunday.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Civil {
    pub(super) year: i64,
    pub(super) month: i64,
    pub(super) day: i64,
    pub(super) hour: i64,
    pub(super) minute: i64,
    pub(super) second: i64,
    pub(super) weekday: i64,
}

/// Unix seconds within the years 0 to 9999, which is all that the registers hold.
pub(super) fn normalise(seconds: i64) -> i64 {
    let start = YEAR_0 * DAY;
    seconds.saturating_sub(start).rem_euclid(CYCLE) + start
}

/// Second of the day.
pub(super) fn time_of_day(seconds: i64) -> u32 {
    seconds.rem_euclid(DAY) as u32
}

/// Days since 1970 of a date, counting years from March so that leap days come last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

impl Civil {
    /// The date and time at `seconds`; `weekday_shift` is how far the guest set the weekday off.
    pub(super) fn at(seconds: i64, weekday_shift: u8) -> Self {
        let seconds = normalise(seconds);
        let unix_day = seconds.div_euclid(DAY);
        let day = unix_day + 719_468;
        let (era, day_of_era) = (day.div_euclid(146_097), day.rem_euclid(146_097));
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let month = (month_from_march + 2) % 12 + 1;
        let time = i64::from(time_of_day(seconds));
        Self {
            year: era * 400 + year_of_era + i64::from(month <= 2),
            month,
            day: day_of_year - (153 * month_from_march + 2) / 5 + 1,
            hour: time / 3_600,
            minute: time / 60 % 60,
            second: time % 60,
            weekday: (unix_day + 4 + i64::from(weekday_shift)).rem_euclid(7) + 1,
        }
    }

    /// Unix seconds, and how far the weekday is off the calendar's.
    fn seconds(&self) -> (i64, u8) {
        let unix_day = days(self.year, self.month, self.day);
        let shift = (self.weekday - 1 - (unix_day + 4)).rem_euclid(7) as u8;
        (unix_day * DAY + self.hour * 3_600 + self.minute * 60 + self.second, shift)
    }

    /// The registers in the format that register B selects.
    pub(super) fn encode(&self, b: u8) -> Fields {
        let number = |n: i64| if b & B_BINARY != 0 { n as u8 } else { ((n / 10) * 16 + n % 10) as u8 };
        let hour = if b & B_24_HOUR != 0 {
            number(self.hour)
        } else {
            let pm = if self.hour >= 12 { PM } else { 0 };
            number((self.hour + 11) % 12 + 1) | pm
        };
        [
            number(self.second),
            number(self.minute),
            hour,
            self.weekday as u8,
            number(self.day),
            number(self.month),
            number(self.year % 100),
            number(self.year / 100),
        ]
    }
}

/// A register's number in the format of register B; `None` for a digit above 9.
pub(super) fn decode_number(value: u8, b: u8) -> Option<u8> {
    if b & B_BINARY != 0 {
        Some(value)
    } else {
        (value >> 4 <= 9 && value & 0xf <= 9).then(|| (value >> 4) * 10 + (value & 0xf))
    }
}

/// The hour register's hour of the day in the format of register B.
pub(super) fn decode_hour(value: u8, b: u8) -> Option<u8> {
    if b & B_24_HOUR != 0 {
        return decode_number(value, b);
    }
    let hour = decode_number(value & !PM, b)?;
    (1..=12).contains(&hour).then(|| hour % 12 + if value & PM != 0 { 12 } else { 0 })
}

/// Unix seconds and weekday shift of the registers. The guest may have written
/// anything: what is no date becomes the nearest one.
pub(super) fn decode(fields: Fields, b: u8) -> (i64, u8) {
    let [second, minute, hour, weekday, day, month, year, century] = fields;
    let number = |value| i64::from(decode_number(value, b).unwrap_or(0));
    let year = number(century) % 100 * 100 + number(year) % 100;
    let month = number(month).clamp(1, 12);
    let (next_year, next_month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    let month_length = days(next_year, next_month, 1) - days(year, month, 1);
    Civil {
        year,
        month,
        day: number(day).clamp(1, month_length),
        hour: i64::from(decode_hour(hour, b).unwrap_or(0)).min(23),
        minute: number(minute).min(59),
        second: number(second).min(59),
        weekday: i64::from(weekday).clamp(1, 7),
    }
    .seconds()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_dates_encode_in_all_four_formats() {
        // 2024-02-29 23:59:58, a Thursday.
        let civil = Civil::at(1_709_251_198, 0);
        assert_eq!(civil.encode(B_24_HOUR), [0x58, 0x59, 0x23, 5, 0x29, 0x02, 0x24, 0x20]);
        assert_eq!(civil.encode(B_24_HOUR | B_BINARY), [58, 59, 23, 5, 29, 2, 24, 20]);
        assert_eq!(civil.encode(0)[2], 0x91);
        assert_eq!(civil.encode(B_BINARY)[2], 0x8b);
        assert_eq!(Civil::at(1_709_251_200, 0).encode(0)[..6], [0, 0, 0x12, 6, 0x01, 0x03]);
        assert_eq!(Civil::at(0, 0).encode(B_24_HOUR), [0, 0, 0, 5, 1, 1, 0x70, 0x19]);
    }

    #[test]
    fn every_date_survives_encoding() {
        for b in [0, B_24_HOUR, B_BINARY, B_24_HOUR | B_BINARY] {
            for seconds in (-50_000_000_000_i64..250_000_000_000).step_by(1_234_567_891) {
                assert_eq!(decode(Civil::at(seconds, 3).encode(b), b), (normalise(seconds), 3));
            }
        }
    }

    #[test]
    fn what_is_no_date_becomes_one() {
        let (seconds, _) = decode([0xff; 8], B_BINARY | B_24_HOUR);
        let civil = Civil::at(seconds, 0);
        assert_eq!((civil.month, civil.day, civil.hour, civil.second), (12, 31, 23, 59));
        let (seconds, _) = decode([0, 0, 0, 0, 0x31, 0x02, 0x23, 0x20], B_24_HOUR);
        assert_eq!(Civil::at(seconds, 0).day, 28);
    }

    #[test]
    fn the_year_after_9999_is_0() {
        let (last, shift) = decode([59, 59, 23, 1, 31, 12, 99, 99], B_BINARY | B_24_HOUR);
        assert_eq!(Civil::at(last + 1, shift).year, 0);
        normalise(i64::MIN);
        normalise(i64::MAX);
    }
}
