//! Command codes (ACS-3 chapter 7; older ones ATA-5 chapter 8).

/// NOP: always aborts.
pub const NOP: u8 = 0x00;
/// DATA SET MANAGEMENT.
pub const DATA_SET_MANAGEMENT: u8 = 0x06;
/// DEVICE RESET: packet drives only.
pub const DEVICE_RESET: u8 = 0x08;
/// READ NATIVE MAX ADDRESS EXT.
pub const READ_NATIVE_MAX_EXT: u8 = 0x27;
/// READ LOG EXT.
pub const READ_LOG_EXT: u8 = 0x2f;
/// READ LOG DMA EXT.
pub const READ_LOG_DMA_EXT: u8 = 0x47;
/// READ FPDMA QUEUED.
pub const READ_FPDMA_QUEUED: u8 = 0x60;
/// WRITE FPDMA QUEUED.
pub const WRITE_FPDMA_QUEUED: u8 = 0x61;
/// EXECUTE DEVICE DIAGNOSTIC: goes to both drives.
pub const EXECUTE_DIAGNOSTIC: u8 = 0x90;
/// INITIALIZE DEVICE PARAMETERS.
pub const INITIALIZE_PARAMETERS: u8 = 0x91;
/// PACKET.
pub const PACKET: u8 = 0xa0;
/// IDENTIFY PACKET DEVICE.
pub const IDENTIFY_PACKET: u8 = 0xa1;
/// SMART.
pub const SMART: u8 = 0xb0;
/// SET MULTIPLE MODE.
pub const SET_MULTIPLE: u8 = 0xc6;
/// FLUSH CACHE.
pub const FLUSH_CACHE: u8 = 0xe7;
/// FLUSH CACHE EXT.
pub const FLUSH_CACHE_EXT: u8 = 0xea;
/// IDENTIFY DEVICE.
pub const IDENTIFY: u8 = 0xec;
/// SET FEATURES.
pub const SET_FEATURES: u8 = 0xef;
/// READ NATIVE MAX ADDRESS.
pub const READ_NATIVE_MAX: u8 = 0xf8;

/// What a command of the read and write family does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// Read, write or verify.
    pub kind: AccessKind,
    /// How data moves.
    pub protocol: Protocol,
    /// A 48-bit command.
    pub ext: bool,
    /// Forced unit access.
    pub fua: bool,
}

/// What happens to the sectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum AccessKind {
    /// To the host.
    Read,
    /// From the host.
    Write,
    /// Read, but not moved.
    Verify,
}

/// How the data of a command moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Protocol {
    /// By the data register, a sector a block.
    Pio,
    /// By the data register, the sectors of SET MULTIPLE MODE a block.
    PioMultiple,
    /// By DMA.
    Dma,
}

impl Access {
    /// What `command` does, if it is of this family.
    pub const fn of(command: u8) -> Option<Self> {
        use AccessKind::{Read, Verify, Write};
        use Protocol::{Dma, Pio, PioMultiple};
        let (kind, protocol, ext) = match command {
            0x20 | 0x21 => (Read, Pio, false),
            0x24 => (Read, Pio, true),
            0x25 => (Read, Dma, true),
            0x29 => (Read, PioMultiple, true),
            0x30 | 0x31 => (Write, Pio, false),
            0x34 => (Write, Pio, true),
            0x35 | 0x3d => (Write, Dma, true),
            0x39 | 0xce => (Write, PioMultiple, true),
            0x40 | 0x41 => (Verify, Pio, false),
            0x42 => (Verify, Pio, true),
            0xc4 => (Read, PioMultiple, false),
            0xc5 => (Write, PioMultiple, false),
            0xc8 | 0xc9 => (Read, Dma, false),
            0xca | 0xcb => (Write, Dma, false),
            _ => return None,
        };
        Some(Self { kind, protocol, ext, fua: matches!(command, 0x3d | 0xce) })
    }
}
