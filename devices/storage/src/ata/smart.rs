//! Self-monitoring (ACS-3 7.48; the data structures from ATA-5 8.41).

use serde::{Deserialize, Serialize};

use super::identify::checksum;

/// LBA mid and high that every SMART command has.
pub const KEY: (u8, u8) = (0x4f, 0xc2);

/// The log of self-tests has this many entries.
const TESTS: usize = 21;

/// What SMART keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Smart {
    /// SMART commands are taken.
    pub enabled: bool,
    autosave: bool,
    /// Numbers of the self-tests that were run, the newest last.
    tests: Vec<u8>,
    power_cycles: u16,
}

/// What comes of a SMART command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SmartReply {
    /// Done.
    Done,
    /// Sectors for the host.
    Data(Vec<u8>),
    /// RETURN STATUS: no threshold is exceeded.
    Healthy,
    /// Unknown, or disabled.
    Abort,
}

/// ID, flags and worst value of the attributes. Each is at its best: an emulated
/// disk neither wears nor reallocates.
const ATTRIBUTES: [(u8, u16, u8); 5] =
    [(1, 0x000f, 6), (5, 0x0033, 10), (12, 0x0032, 0), (197, 0x0012, 0), (198, 0x0010, 0)];

impl Default for Smart {
    fn default() -> Self {
        Self { enabled: true, autosave: true, tests: Vec::new(), power_cycles: 1 }
    }
}

impl Smart {
    /// Carries out the subcommand in the features register.
    pub fn execute(&mut self, subcommand: u8, count: u8, lba_low: u8) -> SmartReply {
        match subcommand {
            0xd8 => self.enabled = true,
            _ if !self.enabled => return SmartReply::Abort,
            0xd0 => return SmartReply::Data(self.data()),
            0xd1 => return SmartReply::Data(thresholds()),
            0xd2 if count == 0 || count == 0xf1 => self.autosave = count == 0xf1,
            // SAVE ATTRIBUTE VALUES: there are none that change.
            0xd3 => {}
            0xd4 => return self.test(lba_low),
            0xd5 => return self.log(lba_low, count),
            0xd9 => self.enabled = false,
            0xda => return SmartReply::Healthy,
            _ => return SmartReply::Abort,
        }
        SmartReply::Done
    }

    /// EXECUTE OFF-LINE IMMEDIATE: a self-test is over at once.
    fn test(&mut self, number: u8) -> SmartReply {
        match number {
            0x00 | 0x7f => {}
            0x01 | 0x02 | 0x81 | 0x82 => {
                if self.tests.len() == TESTS {
                    self.tests.remove(0);
                }
                self.tests.push(number);
            }
            _ => return SmartReply::Abort,
        }
        SmartReply::Done
    }

    fn data(&self) -> Vec<u8> {
        let mut data = vec![0; 512];
        data[0] = 0x10;
        for (entry, (id, flags, _)) in data[2..].chunks_mut(12).zip(ATTRIBUTES) {
            entry[0] = id;
            entry[1..3].copy_from_slice(&flags.to_le_bytes());
            entry[3] = 100;
            entry[4] = 100;
            if id == 12 {
                entry[5..7].copy_from_slice(&self.power_cycles.to_le_bytes());
            }
        }
        // Off-line collection was completed; self-test completed without error.
        data[362] = if self.autosave { 0x82 } else { 0x02 };
        data[364] = 1;
        // Off-line immediate, self-tests.
        data[367] = 0x11;
        // Attributes are saved; autosave can be set; errors are logged.
        data[368] = 0x03;
        data[370] = 0x01;
        data[372] = 1;
        data[373] = 1;
        data[511] = checksum(&data[..511]);
        data
    }

    /// READ LOG: directory, error log and self-test log.
    fn log(&self, address: u8, count: u8) -> SmartReply {
        let Some(log) = self.log_page(address) else { return SmartReply::Abort };
        if count == 1 { SmartReply::Data(log) } else { SmartReply::Abort }
    }

    /// One sector of a log that SMART READ LOG knows.
    fn log_page(&self, address: u8) -> Option<Vec<u8>> {
        let mut log = vec![0; 512];
        match address {
            // Logs 1 and 6 have one sector each.
            0x00 => {
                log[0] = 1;
                log[2] = 1;
                log[12] = 1;
                return Some(log);
            }
            // Summary error log: no errors.
            0x01 => log[0] = 1,
            0x06 => {
                log[0] = 1;
                for (entry, test) in log[2..].chunks_mut(24).zip(&self.tests) {
                    entry[0] = *test;
                }
                log[508] = self.tests.len() as u8;
            }
            _ => return None,
        }
        log[511] = checksum(&log[..511]);
        Some(log)
    }

    /// Whether a drive can hold this.
    pub fn is_possible(&self) -> bool {
        self.tests.len() <= TESTS && self.tests.iter().all(|test| matches!(test, 1 | 2 | 0x81 | 0x82))
    }
}

fn thresholds() -> Vec<u8> {
    let mut data = vec![0; 512];
    data[0] = 0x10;
    for (entry, (id, _, threshold)) in data[2..].chunks_mut(12).zip(ATTRIBUTES) {
        entry[0] = id;
        entry[1] = threshold;
    }
    data[511] = checksum(&data[..511]);
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(data: &[u8]) -> u8 {
        data.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
    }

    #[test]
    fn structures_have_checksums() {
        let mut smart = Smart::default();
        for (subcommand, lba_low) in [(0xd0, 0), (0xd1, 0), (0xd5, 1), (0xd5, 6)] {
            let SmartReply::Data(data) = smart.execute(subcommand, 1, lba_low) else { panic!() };
            assert_eq!((data.len(), sum(&data)), (512, 0), "{subcommand:#x}");
        }
    }

    #[test]
    fn disabled_smart_takes_enable_only() {
        let mut smart = Smart::default();
        assert_eq!(smart.execute(0xd9, 0, 0), SmartReply::Done);
        assert_eq!(smart.execute(0xda, 0, 0), SmartReply::Abort);
        assert_eq!(smart.execute(0xd8, 0, 0), SmartReply::Done);
        assert_eq!(smart.execute(0xda, 0, 0), SmartReply::Healthy);
    }

    #[test]
    fn self_tests_are_logged_and_the_oldest_forgotten() {
        let mut smart = Smart::default();
        assert_eq!(smart.execute(0xd4, 0, 9), SmartReply::Abort);
        for _ in 0..30 {
            smart.execute(0xd4, 0, 2);
        }
        smart.execute(0xd4, 0, 1);
        let SmartReply::Data(log) = smart.execute(0xd5, 1, 6) else { panic!() };
        assert_eq!((log[2], log[2 + 20 * 24], log[508]), (2, 1, 21));
        assert!(smart.is_possible());
    }
}
