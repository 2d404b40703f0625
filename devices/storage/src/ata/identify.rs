//! The words of IDENTIFY DEVICE (ACS-3 7.12; words 1 to 6 and 54 to 58 from ATA-5 8.12).

use super::geometry::Geometry;
use super::settings::Settings;

/// The bus that a drive is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attachment {
    /// A parallel cable of 80 conductors.
    Parallel,
    /// Serial ATA, 6 Gbit/s, with native command queuing.
    Serial,
}

/// Who a drive says it is. Strings are cut, and padded with blanks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DriveIdentity {
    /// Model, up to 40 characters.
    pub model: String,
    /// Serial number, up to 20 characters.
    pub serial: String,
    /// Firmware revision, up to 8 characters.
    pub firmware: String,
}

impl DriveIdentity {
    /// A drive of this emulator with a serial number.
    pub fn new(model: &str, serial: &str) -> Self {
        Self { model: model.into(), serial: serial.into(), firmware: "1.0".into() }
    }
}

/// Sectors that READ and WRITE MULTIPLE move in one block at most.
pub const MOST_MULTIPLE: u8 = 16;
/// Blocks of 512 bytes of ranges that one DATA SET MANAGEMENT takes at most.
pub const MOST_TRIM_BLOCKS: u16 = 8;
/// Commands that can be queued.
pub const QUEUE_DEPTH: u8 = 32;

/// 256 words being filled in.
pub(crate) struct Words([u16; 256]);

impl Words {
    pub fn new() -> Self {
        Self([0; 256])
    }

    pub fn set(&mut self, at: usize, value: u16) {
        if let Some(word) = self.0.get_mut(at) {
            *word = value;
        }
    }

    pub fn set_u32(&mut self, at: usize, value: u32) {
        self.set(at, value as u16);
        self.set(at + 1, (value >> 16) as u16);
    }

    /// A string of `words` words: the first character is in the high byte.
    pub fn set_text(&mut self, at: usize, words: usize, text: &str) {
        let printable = |c: char| if c.is_ascii() && !c.is_ascii_control() { c as u8 } else { b'?' };
        let mut bytes = text.chars().map(printable).chain(std::iter::repeat(b' '));
        for word in self.0.iter_mut().skip(at).take(words) {
            let mut next = || bytes.next().unwrap_or(b' ');
            *word = u16::from_be_bytes([next(), next()]);
        }
    }

    pub fn set_identity(&mut self, identity: &DriveIdentity) {
        self.set_text(10, 10, &identity.serial);
        self.set_text(23, 4, &identity.firmware);
        self.set_text(27, 20, &identity.model);
    }

    /// Word 93: the result of the hardware reset, as device 0 on a cable of 80 conductors.
    pub fn set_cable(&mut self, attachment: Attachment) {
        if attachment == Attachment::Parallel {
            self.set(93, 0x6001);
        }
    }

    /// The modes that can be chosen and the one that is: words 63 to 68 and 88.
    pub fn set_modes(&mut self, settings: &Settings) {
        let chosen = |kind: u8| match settings.transfer_mode {
            mode if mode & 0xf8 == kind => 0x100 << (mode & 7),
            _ => 0,
        };
        self.set(63, 0x0007 | chosen(0x20));
        self.set(64, 0x0003);
        for at in 65..=68 {
            self.set(at, 120);
        }
        self.set(88, 0x003f | chosen(0x40));
    }

    /// The 512 bytes, with signature and checksum in word 255.
    pub fn into_bytes(self) -> Vec<u8> {
        let mut bytes: Vec<u8> = self.0.iter().flat_map(|word| word.to_le_bytes()).collect();
        bytes[510] = 0xa5;
        bytes[511] = checksum(&bytes[..511]);
        bytes
    }
}

/// The byte that makes the sum of `bytes` and itself zero.
pub(crate) fn checksum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0u8, |sum, byte| sum.wrapping_sub(*byte))
}

/// What IDENTIFY DEVICE tells of a disk.
pub(crate) struct DiskFacts<'a> {
    pub identity: &'a DriveIdentity,
    pub attachment: Attachment,
    pub sectors: u64,
    pub read_only: bool,
    pub settings: &'a Settings,
    pub smart_enabled: bool,
}

/// The 512 bytes of IDENTIFY DEVICE.
pub(crate) fn identify_disk(facts: &DiskFacts<'_>) -> Vec<u8> {
    let DiskFacts { identity, attachment, sectors, read_only, settings, smart_enabled } = facts;
    let mut words = Words::new();
    let default = Geometry::of_capacity(*sectors);
    let current = settings.geometry;
    words.set(0, 0x0040);
    words.set(1, default.cylinders);
    // No SET FEATURES is needed to spin up, and this answer is complete.
    words.set(2, 0xc837);
    words.set(3, default.heads.into());
    words.set(4, 512 * u16::from(default.sectors));
    words.set(5, 512);
    words.set(6, default.sectors.into());
    words.set_identity(identity);
    words.set(20, 3);
    words.set(21, 512);
    words.set(22, 4);
    words.set(47, 0x8000 | u16::from(MOST_MULTIPLE));
    // Bit 0, doubleword I/O in ATA-1, says Trusted Computing since ATA8.
    words.set(48, 0x4000);
    // DMA, LBA, IORDY that can be disabled, standard standby timer.
    words.set(49, 0x2f00);
    words.set(50, 0x4000);
    words.set(51, 0x0200);
    words.set(52, 0x0200);
    words.set(53, 0x0007);
    words.set(54, current.cylinders);
    words.set(55, current.heads.into());
    words.set(56, current.sectors.into());
    words.set_u32(57, current.capacity());
    if settings.multiple > 0 {
        words.set(59, 0x0100 | u16::from(settings.multiple));
    }
    words.set_u32(60, (*sectors).min(0x0fff_ffff) as u32);
    words.set_modes(settings);
    if *attachment == Attachment::Serial {
        words.set(75, u16::from(QUEUE_DEPTH) - 1);
        // 1.5, 3 and 6 Gbit/s, native command queuing.
        words.set(76, 0x010e);
        words.set(222, 0x107e);
    }
    // ATA-4 to ATA8-ACS.
    words.set(80, 0x01f0);
    // SMART, power management, write cache, look-ahead, NOP.
    let look_ahead = u16::from(settings.look_ahead) << 6;
    let write_cache = u16::from(settings.write_cache) << 5;
    words.set(82, 0x4069);
    words.set(85, 0x4008 | look_ahead | write_cache | u16::from(*smart_enabled));
    // 48-bit addresses, FLUSH CACHE and FLUSH CACHE EXT.
    words.set(83, 0x7400);
    words.set(86, 0x3400);
    // SMART error log and self-test, general purpose logging, WRITE DMA FUA EXT.
    words.set(84, 0x4063);
    words.set(87, 0x4063);
    words.set_cable(*attachment);
    words.set_u32(100, *sectors as u32);
    words.set_u32(102, (*sectors >> 32) as u32);
    words.set(106, 0x4000);
    words.set(119, 0x4000);
    words.set(120, 0x4000);
    if !read_only {
        words.set(105, MOST_TRIM_BLOCKS);
        words.set(169, 1);
    }
    // It does not rotate.
    words.set(217, 1);
    words.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(bytes: &[u8], at: usize) -> u16 {
        u16::from_le_bytes([bytes[2 * at], bytes[2 * at + 1]])
    }

    fn identify(attachment: Attachment, sectors: u64, settings: &Settings) -> Vec<u8> {
        let identity = DriveIdentity::new("Model", "S1");
        identify_disk(&DiskFacts {
            identity: &identity,
            attachment,
            sectors,
            read_only: false,
            settings,
            smart_enabled: true,
        })
    }

    #[test]
    fn strings_are_swapped_padded_and_cut() {
        let mut words = Words::new();
        words.set_text(10, 2, "ABCDE");
        words.set_text(20, 2, "X\u{e9}");
        let bytes = words.into_bytes();
        assert_eq!(&bytes[20..24], b"BADC");
        assert_eq!(&bytes[40..44], b"?X  ");
    }

    #[test]
    fn capacity_is_cut_at_28_bits_and_whole_at_48() {
        let bytes = identify(Attachment::Parallel, 0x1_2345_6789, &Settings::new(0x1_2345_6789));
        assert_eq!((word(&bytes, 60), word(&bytes, 61)), (0xffff, 0x0fff));
        assert_eq!((word(&bytes, 100), word(&bytes, 101), word(&bytes, 102)), (0x6789, 0x2345, 1));
        assert_eq!(bytes.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte)), 0);
        assert_eq!(bytes[510], 0xa5);
    }

    #[test]
    fn queuing_is_told_on_the_serial_bus_only() {
        let settings = Settings::new(1000);
        let (parallel, serial) =
            (identify(Attachment::Parallel, 1000, &settings), identify(Attachment::Serial, 1000, &settings));
        assert_eq!((word(&parallel, 75), word(&parallel, 76), word(&parallel, 93)), (0, 0, 0x6001));
        assert_eq!((word(&serial, 75), word(&serial, 76) & 0x100, word(&serial, 93)), (31, 0x100, 0));
    }

    #[test]
    fn chosen_modes_are_told() {
        let mut settings = Settings::new(1000);
        settings.transfer_mode = 0x42;
        settings.multiple = 8;
        settings.write_cache = false;
        let bytes = identify(Attachment::Parallel, 1000, &settings);
        assert_eq!((word(&bytes, 63), word(&bytes, 88)), (0x0007, 0x043f));
        assert_eq!(word(&bytes, 59), 0x0108);
        assert_eq!((word(&bytes, 82) & 0x20, word(&bytes, 85) & 0x20), (0x20, 0));
    }
}
