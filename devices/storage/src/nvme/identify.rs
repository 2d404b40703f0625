//! Data structures of IDENTIFY (NVM Express 1.4, 5.15).

use glassbox_device_api::Medium;

use super::events::{MAX_ERRORS, MAX_REQUESTS};
use super::registers::VERSION;
use super::{BLOCK, IDENTITY, MAX_IN_FLIGHT, MAX_TRANSFER, Nvme};

/// Bytes of each data structure.
pub(super) const SIZE: usize = 4096;
const MODEL: &str = "Glassbox NVMe";
/// Kelvin: a warm 40 °C, warning at 70 °C, critical at 80 °C.
pub(super) const TEMPERATURE: u16 = 313;
pub(super) const WARNING_TEMPERATURE: u16 = 343;
const CRITICAL_TEMPERATURE: u16 = 353;

/// Optional commands: COMPARE, DATASET MANAGEMENT, WRITE ZEROES, the select field of
/// GET FEATURES, VERIFY.
const OPTIONAL_COMMANDS: u16 = 1 << 0 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 7;

struct Page(Vec<u8>);

impl Page {
    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// ASCII, padded with spaces.
    fn put_text(&mut self, at: usize, len: usize, text: &str) {
        self.0[at..at + len].fill(b' ');
        let text = text.bytes().filter(|byte| (b' '..=b'~').contains(byte));
        for (to, from) in self.0[at..at + len].iter_mut().zip(text) {
            *to = from;
        }
    }
}

impl Nvme {
    /// CNS 01h: the controller.
    pub(super) fn identify_controller(&self) -> Vec<u8> {
        let mut page = Page(vec![0; SIZE]);
        page.put(0, &IDENTITY.vendor.to_le_bytes());
        page.put(2, &IDENTITY.subsystem_vendor.to_le_bytes());
        page.put_text(4, 20, &self.serial);
        page.put_text(24, 40, MODEL);
        page.put_text(64, 8, env!("CARGO_PKG_VERSION"));
        // Recommended arbitration burst (2^6), IEEE identifier (a local one).
        page.put(72, &[6, 0x00, 0x54, 0x52]);
        // MDTS, in the smallest pages.
        page.put(77, &[(MAX_TRANSFER / 4096).ilog2() as u8]);
        page.put(80, &VERSION.to_le_bytes());
        // An I/O controller.
        page.put(111, &[1]);
        // Abort limit 4, event limit, slot 1 of firmware is read-only.
        page.put(258, &[3, MAX_REQUESTS as u8 - 1, 0x03]);
        // Logs for namespaces, commands supported, offsets into logs; error log entries.
        page.put(261, &[0x07, MAX_ERRORS as u8 - 1]);
        page.put(266, &WARNING_TEMPERATURE.to_le_bytes());
        page.put(268, &CRITICAL_TEMPERATURE.to_le_bytes());
        // Entry sizes: exactly 2^6 and 2^4 bytes.
        page.put(512, &[0x66, 0x44]);
        page.put(514, &(MAX_IN_FLIGHT as u16).to_le_bytes());
        page.put(516, &1u32.to_le_bytes());
        page.put(520, &OPTIONAL_COMMANDS.to_le_bytes());
        // A volatile write cache; FLUSH for all namespaces works too.
        page.put(525, &[0x07]);
        let name = format!("nqn.2014-08.org.nvmexpress:uuid:{}", self.uuid_text());
        page.put(768, name.as_bytes());
        // Power state 0: 25 W.
        page.put(2048, &2500u16.to_le_bytes());
        page.0
    }

    /// CNS 00h: the namespace.
    pub(super) fn identify_namespace(&self, medium: Medium) -> Vec<u8> {
        let mut page = Page(vec![0; SIZE]);
        let blocks = medium.bytes / BLOCK;
        for at in [0, 8, 16] {
            page.put(at, &blocks.to_le_bytes());
        }
        // WRITE ZEROES can deallocate; what deallocated blocks read as is not told.
        page.put(33, &[1 << 3]);
        page.put(99, &[u8::from(medium.read_only)]);
        page.put(120, &self.eui64());
        // The one format: blocks of 2^9 bytes without metadata.
        page.put(128, &[0, 0, BLOCK.ilog2() as u8, 0]);
        page.0
    }

    /// CNS 02h: active namespaces above `after`.
    pub(super) fn identify_list(&self, after: u32) -> Vec<u8> {
        let mut page = Page(vec![0; SIZE]);
        if after < 1 {
            page.put(0, &1u32.to_le_bytes());
        }
        page.0
    }

    /// CNS 03h: identifiers of the namespace.
    pub(super) fn identify_descriptors(&self) -> Vec<u8> {
        let mut page = Page(vec![0; SIZE]);
        page.put(0, &[1, 8, 0, 0]);
        page.put(4, &self.eui64());
        page.put(12, &[3, 16, 0, 0]);
        page.put(16, &self.uuid());
        page.0
    }

    /// 64 bits that are the same for the same serial number (FNV-1a).
    fn hash(&self, salt: u8) -> u64 {
        self.serial
            .bytes()
            .chain([salt])
            .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    }

    /// An identifier with the bit of locally administered ones.
    fn eui64(&self) -> [u8; 8] {
        let mut id = self.hash(0).to_be_bytes();
        id[0] = id[0] & !1 | 2;
        id
    }

    /// In the form of a random one (RFC 4122, 4.4).
    fn uuid(&self) -> [u8; 16] {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.hash(1).to_be_bytes());
        id[8..].copy_from_slice(&self.hash(2).to_be_bytes());
        id[6] = id[6] & 0x0f | 0x40;
        id[8] = id[8] & 0x3f | 0x80;
        id
    }

    fn uuid_text(&self) -> String {
        let hex: String = self.uuid().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }
}
