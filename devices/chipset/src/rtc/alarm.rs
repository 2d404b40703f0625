//! The alarm: when the time of day matches three registers, any of which may be "don't care".

use super::calendar::{decode_hour, decode_number};

/// Both high bits set: every value matches.
const DONT_CARE: u8 = 0xc0;
const DAY: u32 = 86_400;

/// What one unit of the time of day has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Match {
    Any,
    Only(u32),
    /// The register holds no such number.
    Never,
}

impl Match {
    fn new(value: u8, limit: u32, decode: impl Fn(u8) -> Option<u8>) -> Self {
        if value & DONT_CARE == DONT_CARE {
            return Self::Any;
        }
        match decode(value).map(u32::from) {
            Some(number) if number < limit => Self::Only(number),
            _ => Self::Never,
        }
    }

    fn allows(self, number: u32) -> bool {
        self == Self::Any || self == Self::Only(number)
    }
}

/// The decoded alarm registers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Alarm {
    second: Match,
    minute: Match,
    hour: Match,
}

impl Alarm {
    /// The alarm of the three registers in the format of register B.
    pub(super) fn new(second: u8, minute: u8, hour: u8, b: u8) -> Self {
        Self {
            second: Match::new(second, 60, |value| decode_number(value, b)),
            minute: Match::new(minute, 60, |value| decode_number(value, b)),
            hour: Match::new(hour, 24, |value| decode_hour(value, b)),
        }
    }

    /// Seconds (1 to a day) from the second of the day `time` to the next match.
    pub(super) fn next_after(self, time: u32) -> Option<u32> {
        if [self.second, self.minute, self.hour].contains(&Match::Never) {
            return None;
        }
        let start = (time + 1) % DAY;
        let mut at = start;
        // Each step goes to the next hour, minute or second: at most 24 + 60 + 60 of them.
        let mut wait = 1;
        while wait <= DAY {
            let step = if !self.hour.allows(at / 3_600) {
                3_600 - at % 3_600
            } else if !self.minute.allows(at / 60 % 60) {
                60 - at % 60
            } else if !self.second.allows(at % 60) {
                1
            } else {
                return Some(wait);
            };
            wait += step;
            at = (at + step) % DAY;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtc::registers::B_24_HOUR;

    const MIDNIGHT: u32 = 0;

    fn at(hour: u32, minute: u32, second: u32) -> u32 {
        hour * 3_600 + minute * 60 + second
    }

    #[test]
    fn a_full_alarm_matches_once_a_day() {
        let alarm = Alarm::new(0x56, 0x34, 0x12, B_24_HOUR);
        assert_eq!(alarm.next_after(MIDNIGHT), Some(at(12, 34, 56)));
        assert_eq!(alarm.next_after(at(12, 34, 55)), Some(1));
        assert_eq!(alarm.next_after(at(12, 34, 56)), Some(DAY));
        assert_eq!(alarm.next_after(at(23, 59, 59)), Some(at(12, 34, 56) + 1));
    }

    #[test]
    fn dont_care_repeats_each_hour_minute_or_second() {
        assert_eq!(Alarm::new(0x10, 0x05, 0xff, 2).next_after(at(1, 5, 10)), Some(3_600));
        assert_eq!(Alarm::new(0x10, 0xc0, 0xff, 2).next_after(at(1, 5, 10)), Some(60));
        assert_eq!(Alarm::new(0xff, 0xff, 0xff, 2).next_after(at(1, 5, 10)), Some(1));
    }

    #[test]
    fn afternoon_in_12_hour_format() {
        assert_eq!(Alarm::new(0, 0, 0x81, 0).next_after(MIDNIGHT), Some(at(13, 0, 0)));
        assert_eq!(Alarm::new(0, 0, 0x12, 0).next_after(at(13, 0, 0)), Some(at(11, 0, 0)));
    }

    #[test]
    fn what_is_no_time_never_matches() {
        assert_eq!(Alarm::new(0x60, 0, 0, B_24_HOUR).next_after(0), None);
        assert_eq!(Alarm::new(0, 0x0a, 0, B_24_HOUR).next_after(0), None);
        assert_eq!(Alarm::new(0, 0, 0x24, B_24_HOUR).next_after(0), None);
    }
}
