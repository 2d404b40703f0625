//! The command block registers of one drive (ATA8-APT 6, ACS-3 chapter 6).

use serde::{Deserialize, Serialize};

/// Bits of the status register.
pub mod status {
    /// Busy: the drive owns the registers.
    pub const BSY: u8 = 1 << 7;
    /// Ready to take commands.
    pub const DRDY: u8 = 1 << 6;
    /// Device fault.
    pub const DF: u8 = 1 << 5;
    /// Seek complete; "service" of packet drives.
    pub const DSC: u8 = 1 << 4;
    /// Data can be moved.
    pub const DRQ: u8 = 1 << 3;
    /// The error register says why the command failed.
    pub const ERR: u8 = 1 << 0;
}

/// Bits of the error register.
pub mod error {
    /// Uncorrectable data.
    pub const UNC: u8 = 1 << 6;
    /// No sector with this address.
    pub const IDNF: u8 = 1 << 4;
    /// The command was aborted.
    pub const ABRT: u8 = 1 << 2;
    /// What diagnostics leave when all is well.
    pub const PASSED: u8 = 0x01;
}

/// Bits of the device register.
pub mod device {
    /// The address is an LBA.
    pub const LBA: u8 = 1 << 6;
    /// Device 1 is selected.
    pub const DEV: u8 = 1 << 4;
}

/// One register of two bytes: writing it moves what it held to the previous
/// content, which the 48-bit commands use too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    /// What was written last.
    pub now: u8,
    /// What was written before.
    pub before: u8,
}

impl Pair {
    /// A write of the host.
    pub fn push(&mut self, value: u8) {
        self.before = self.now;
        self.now = value;
    }

    /// Both bytes.
    pub const fn word(self) -> u16 {
        (self.before as u16) << 8 | self.now as u16
    }

    /// Sets both bytes.
    pub fn set(&mut self, value: u16) {
        self.before = (value >> 8) as u8;
        self.now = value as u8;
    }
}

/// The registers through which commands go to a drive and their outcome comes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registers {
    /// Features: written only.
    pub features: Pair,
    /// Sector count; the interrupt reason of packet commands.
    pub count: Pair,
    /// LBA bits 7:0 and 31:24; the sector number.
    pub lba_low: Pair,
    /// LBA bits 15:8 and 39:32; cylinder low.
    pub lba_mid: Pair,
    /// LBA bits 23:16 and 47:40; cylinder high.
    pub lba_high: Pair,
    /// Device and head.
    pub device: u8,
    /// Status: read only.
    pub status: u8,
    /// Error: read only.
    pub error: u8,
}

impl Registers {
    /// The address of a 28-bit command.
    pub fn lba28(&self) -> u64 {
        u64::from(self.device & 0x0f) << 24 | self.low_24(|pair| pair.now)
    }

    /// The address of a 48-bit command.
    pub fn lba48(&self) -> u64 {
        self.low_24(|pair| pair.before) << 24 | self.low_24(|pair| pair.now)
    }

    fn low_24(&self, byte: impl Fn(Pair) -> u8) -> u64 {
        u64::from(byte(self.lba_high)) << 16
            | u64::from(byte(self.lba_mid)) << 8
            | u64::from(byte(self.lba_low))
    }

    /// Sets the address of a 28-bit command.
    pub fn set_lba28(&mut self, lba: u64) {
        self.lba_low.now = lba as u8;
        self.lba_mid.now = (lba >> 8) as u8;
        self.lba_high.now = (lba >> 16) as u8;
        self.device = self.device & 0xf0 | (lba >> 24) as u8 & 0x0f;
    }

    /// Sets the address of a 48-bit command.
    pub fn set_lba48(&mut self, lba: u64) {
        self.lba_low = Pair { now: lba as u8, before: (lba >> 24) as u8 };
        self.lba_mid = Pair { now: (lba >> 8) as u8, before: (lba >> 32) as u8 };
        self.lba_high = Pair { now: (lba >> 16) as u8, before: (lba >> 40) as u8 };
    }

    /// Sets what tells one kind of drive from another after a reset: sector count
    /// and number 1, and the cylinder registers (ACS-3 table 301).
    pub fn set_signature(&mut self, cylinder: u16) {
        self.count.set(1);
        self.lba_low.set(1);
        self.lba_mid.set(cylinder & 0xff);
        self.lba_high.set(cylinder >> 8);
        self.device &= device::DEV;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_spread_over_the_registers() {
        let mut registers = Registers::default();
        registers.set_lba48(0x1234_5678_9abc);
        assert_eq!(registers.lba48(), 0x1234_5678_9abc);
        assert_eq!((registers.lba_low.now, registers.lba_low.before), (0xbc, 0x56));
        assert_eq!((registers.lba_high.now, registers.lba_high.before), (0x78, 0x12));
        registers.device = 0xf5;
        registers.set_lba28(0x0abc_def1);
        assert_eq!((registers.lba28(), registers.device), (0x0abc_def1, 0xfa));
    }

    #[test]
    fn a_second_write_keeps_the_first_as_the_previous_content() {
        let mut pair = Pair::default();
        pair.push(0x12);
        pair.push(0x34);
        assert_eq!(pair.word(), 0x1234);
    }
}
