//! Sizes, durations and numbers as people write them.

use glassbox_machine::{ClockMode, DEFAULT_MIPS};
use std::time::Duration;

/// `512M`, `2G`, `64K`; a bare number is in MiB, as in QEMU.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let shift = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "b" => 0,
        "k" | "kb" | "kib" => 10,
        "" | "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        unit => return Err(format!("unknown unit `{unit}`: write it as 512M or 2G")),
    };
    let count: u64 = digits.parse().map_err(|_| "not a size: write it as 512M or 2G".to_owned())?;
    count.checked_mul(1 << shift).ok_or_else(|| "more than can be addressed".to_owned())
}

/// `500ms`, `120s`, `2m`, `1h`; a bare number is in seconds.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let seconds = match &text[number.len()..] {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        unit => return Err(format!("unknown unit `{unit}`: write it as 500ms, 120s or 2m")),
    };
    let count: f64 =
        number.parse().map_err(|_| "not a duration: write it as 500ms, 120s or 2m".to_owned())?;
    Duration::try_from_secs_f64(count * seconds).map_err(|_| "not a duration that can be waited".to_owned())
}

/// `1000000`, `1_000_000`, `10M`, `2G`: thousands, not 1024s.
pub fn parse_count(text: &str) -> Result<u64, String> {
    let plain = text.replace('_', "");
    let digits = plain.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit: u64 = match &plain[digits.len()..] {
        "" => 1,
        "k" | "K" => 1_000,
        "m" | "M" => 1_000_000,
        "g" | "G" => 1_000_000_000,
        unit => return Err(format!("unknown unit `{unit}`: write it as 1000000 or 10M")),
    };
    let count: u64 = digits.parse().map_err(|_| "not a number: write it as 1000000 or 10M".to_owned())?;
    count.checked_mul(unit).ok_or_else(|| "more than 64 bits can hold".to_owned())
}

/// An I/O port, decimal or with `0x`.
pub fn parse_port(text: &str) -> Result<u16, String> {
    let parsed = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => u16::from_str_radix(hex, 16),
        None => text.parse(),
    };
    parsed.map_err(|_| "not an I/O port: give 0 to 0xffff, such as 0xf4".to_owned())
}

/// An exit code that the debug-exit port can give: `v << 1 | 1`.
pub fn parse_debug_status(text: &str) -> Result<u32, String> {
    let status: u32 =
        text.parse().map_err(|_| "not an exit code: give an odd number such as 33".to_owned())?;
    if status & 1 == 0 {
        return Err(format!("no guest can end with {status}: one that writes v ends with (v << 1) | 1"));
    }
    Ok(status)
}

/// `host`, `instructions` or `instructions=MIPS`.
pub fn parse_clock(text: &str) -> Result<ClockMode, String> {
    match text.split_once('=') {
        None if text == "host" => Ok(ClockMode::Host),
        None if text == "instructions" => Ok(ClockMode::Instructions { mips: DEFAULT_MIPS }),
        Some(("instructions", mips)) => match mips.parse() {
            Ok(0) | Err(_) => Err("MIPS is a whole number from 1 up, as in instructions=100".to_owned()),
            Ok(mips) => Ok(ClockMode::Instructions { mips }),
        },
        _ => Err("give host, instructions or instructions=MIPS".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(parse_size("512M"), Ok(512 << 20));
        assert_eq!(parse_size("2g"), Ok(2 << 30));
        assert_eq!(parse_size("64"), Ok(64 << 20));
        assert_eq!(parse_size("4096K"), Ok(4 << 20));
        for bad in ["", "M", "1X", "-1M", "1.5G", "99999999999999T"] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn durations() {
        assert_eq!(parse_duration("120s"), Ok(Duration::from_secs(120)));
        assert_eq!(parse_duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("1.5"), Ok(Duration::from_millis(1500)));
        for bad in ["", "s", "5d", "-1s", "NaN", "1e400s"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn counts_ports_and_clocks() {
        assert_eq!(parse_count("1_000"), Ok(1000));
        assert_eq!(parse_count("10M"), Ok(10_000_000));
        assert!(parse_count("10Q").is_err() && parse_count("99999999999G").is_err());
        assert_eq!(parse_port("0xf4"), Ok(0xF4));
        assert_eq!(parse_port("1281"), Ok(1281));
        assert!(parse_port("0x10000").is_err() && parse_port("com1").is_err());
        assert_eq!(parse_clock("instructions=7"), Ok(ClockMode::Instructions { mips: 7 }));
        assert_eq!(parse_clock("host"), Ok(ClockMode::Host));
        assert!(parse_clock("instructions=0").is_err() && parse_clock("host=1").is_err());
    }
}
