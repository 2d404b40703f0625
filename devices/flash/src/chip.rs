//! The command state machine.

use glassbox_device_api::{AccessSize, BlockBackend, Device, Mmio, ResetKind, RestoreError, SaveRestore};
use serde::{Deserialize, Serialize};

use crate::FlashError;
use crate::store::Store;

/// Commands (P30 datasheet, "Command bus cycles").
mod command {
    pub const PROGRAM: u8 = 0x40;
    pub const PROGRAM_ALTERNATE: u8 = 0x10;
    pub const ERASE: u8 = 0x20;
    pub const CLEAR_STATUS: u8 = 0x50;
    pub const LOCK_SETUP: u8 = 0x60;
    pub const READ_STATUS: u8 = 0x70;
    pub const READ_IDENTIFIER: u8 = 0x90;
    pub const QUERY: u8 = 0x98;
    pub const SUSPEND: u8 = 0xb0;
    pub const CONFIRM: u8 = 0xd0;
    pub const BUFFERED_PROGRAM: u8 = 0xe8;
    pub const READ_ARRAY: u8 = 0xff;
    /// After [`LOCK_SETUP`].
    pub const LOCK: u8 = 0x01;
    pub const LOCK_DOWN: u8 = 0x2f;
    pub const SET_CONFIGURATION: u8 = 0x03;
}

/// Status register bits.
mod status {
    pub const READY: u8 = 1 << 7;
    pub const ERASE_ERROR: u8 = 1 << 5;
    pub const PROGRAM_ERROR: u8 = 1 << 4;
    /// Programming voltage too low: the chip is write-protected as a whole.
    pub const VOLTAGE: u8 = 1 << 3;
    pub const LOCKED: u8 = 1 << 1;
    pub const ERRORS: u8 = ERASE_ERROR | PROGRAM_ERROR | VOLTAGE | LOCKED;
}

/// Manufacturer (Intel) and device, as the identifier mode shows them.
const MANUFACTURER: u8 = 0x89;
const DEVICE: u8 = 0x18;
/// Bytes of the buffer for programming, a power of two.
const BUFFER: usize = 256;

/// What reads give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum ReadMode {
    Array,
    Status,
    Identifier,
    Query,
}

/// What the next write is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum WriteMode {
    /// A command.
    Command,
    /// The byte to program.
    Program,
    /// The confirmation of an erase.
    Erase,
    /// The second byte of a lock command.
    Lock,
    /// The number of bytes, less one, of a buffered program.
    Count { sector: u64 },
    /// Data of a buffered program: so many bytes to come.
    Data { sector: u64, left: u16, data: Vec<(u64, u8)> },
    /// The confirmation of a buffered program.
    ConfirmData { sector: u64, data: Vec<(u64, u8)> },
}

/// One chip.
///
/// An access wider than a byte is several to neighbouring bytes; a command is the
/// lowest byte.
#[derive(Debug)]
pub struct CfiFlash {
    store: Store,
    read: ReadMode,
    write: WriteMode,
    status: u8,
    query: Vec<u8>,
}

impl CfiFlash {
    /// Bytes of a sector, the unit of erasing.
    pub const SECTOR: u64 = 4096;

    /// A chip with the contents, and of the size, of the medium of `backend`.
    ///
    /// # Errors
    /// [`FlashError`] where the size is not that of a chip, or the contents
    /// cannot be read.
    pub fn new(backend: Box<dyn BlockBackend>) -> Result<Self, FlashError> {
        let store = Store::load(backend, Self::SECTOR)?;
        let query = query(store.bytes().len() as u64);
        Ok(Self { store, read: ReadMode::Array, write: WriteMode::Command, status: status::READY, query })
    }

    /// Bytes of the chip.
    pub fn size(&self) -> u64 {
        self.store.bytes().len() as u64
    }

    /// Waits until the host has stored every change.
    pub fn flush(&mut self) {
        self.store.finish();
    }

    fn read_byte(&self, at: u64) -> u8 {
        match self.read {
            ReadMode::Array => {
                usize::try_from(at).ok().and_then(|at| self.store.bytes().get(at)).copied().unwrap_or(0xff)
            }
            ReadMode::Status => self.status,
            ReadMode::Identifier => match at % Self::SECTOR {
                0 => MANUFACTURER,
                1 => DEVICE,
                // Block lock status: unlocked. Read configuration: asynchronous.
                _ => 0,
            },
            ReadMode::Query => {
                usize::try_from(at).ok().and_then(|at| self.query.get(at)).copied().unwrap_or(0)
            }
        }
    }

    fn fail(&mut self, bits: u8) {
        self.status |= bits | status::READY;
    }

    /// Whether the chip takes changes; sets the error bits where it does not.
    fn is_writable(&mut self, error: u8) -> bool {
        if self.store.is_read_only() {
            self.fail(error | status::VOLTAGE);
        } else if self.store.has_failed() {
            self.fail(error);
        }
        !self.store.is_read_only() && !self.store.has_failed()
    }

    /// Programming clears bits and never sets any.
    fn program(&mut self, at: u64, value: u8) {
        if let Ok(at) = usize::try_from(at) {
            self.store.change(at, 1, |byte| byte[0] &= value);
        }
    }

    fn first_cycle(&mut self, at: u64, value: u8) {
        self.read = ReadMode::Status;
        let sector = at / Self::SECTOR;
        match value {
            command::PROGRAM | command::PROGRAM_ALTERNATE => self.write = WriteMode::Program,
            command::ERASE => self.write = WriteMode::Erase,
            command::LOCK_SETUP => self.write = WriteMode::Lock,
            command::BUFFERED_PROGRAM => {
                self.status |= status::READY;
                self.write = WriteMode::Count { sector };
            }
            // Programs and erases are over at once: nothing is there to suspend or to resume.
            command::READ_STATUS | command::SUSPEND | command::CONFIRM => {}
            command::CLEAR_STATUS => {
                // The ready bit goes too, until the next program or erase is done. A P30
                // keeps it; but QEMU's chip does so, and OVMF takes that for the sign
                // that there is flash at all.
                self.status = 0;
                self.read = ReadMode::Array;
            }
            command::READ_IDENTIFIER => self.read = ReadMode::Identifier,
            command::QUERY => self.read = ReadMode::Query,
            command::READ_ARRAY => self.read = ReadMode::Array,
            // The P30 ignores what it does not know; OVMF probes with 00h.
            _ => {
                if value != 0 {
                    log::debug!("flash: unknown command {value:#04x}");
                }
                self.read = ReadMode::Array;
            }
        }
    }

    fn write_byte(&mut self, at: u64, value: u8) {
        match std::mem::replace(&mut self.write, WriteMode::Command) {
            WriteMode::Command => self.first_cycle(at, value),
            WriteMode::Program => {
                self.status |= status::READY;
                if self.is_writable(status::PROGRAM_ERROR) {
                    self.program(at, value);
                }
            }
            WriteMode::Erase if value == command::CONFIRM => {
                self.status |= status::READY;
                if self.is_writable(status::ERASE_ERROR) {
                    let start = (at / Self::SECTOR * Self::SECTOR) as usize;
                    self.store.change(start, Self::SECTOR as usize, |bytes| bytes.fill(0xff));
                }
            }
            // A wrong sequence: both error bits.
            WriteMode::Erase => self.fail(status::ERASE_ERROR | status::PROGRAM_ERROR),
            WriteMode::Lock => match value {
                command::LOCK | command::CONFIRM | command::LOCK_DOWN | command::SET_CONFIGURATION => {
                    // Locks are volatile, and this chip's blocks come up and stay unlocked.
                    log::debug!("flash: lock command {value:#04x} has no effect");
                }
                _ => self.fail(status::ERASE_ERROR | status::PROGRAM_ERROR),
            },
            WriteMode::Count { sector } => {
                if usize::from(value) < BUFFER {
                    let left = u16::from(value) + 1;
                    self.write = WriteMode::Data { sector, left, data: Vec::new() };
                }
            }
            WriteMode::Data { sector, left, mut data } => {
                data.push((at, value));
                self.write = match left - 1 {
                    0 => WriteMode::ConfirmData { sector, data },
                    left => WriteMode::Data { sector, left, data },
                };
            }
            WriteMode::ConfirmData { sector, data } => {
                self.status |= status::READY;
                let inside = data.iter().all(|(at, _)| at / Self::SECTOR == sector);
                if value != command::CONFIRM || !inside {
                    self.fail(status::ERASE_ERROR | status::PROGRAM_ERROR);
                } else if self.is_writable(status::PROGRAM_ERROR) {
                    data.into_iter().for_each(|(at, value)| self.program(at, value));
                }
            }
        }
    }
}

/// The query structure (CFI, chapter 2), byte for byte from address 0.
fn query(size: u64) -> Vec<u8> {
    let mut table = vec![0; 0x40];
    let mut put = |at: usize, bytes: &[u8]| table[at..at + bytes.len()].copy_from_slice(bytes);
    put(0x00, &[MANUFACTURER, DEVICE]);
    put(0x10, b"QRY");
    // The Intel command set; its extended table; no alternate one.
    put(0x13, &[0x01, 0x00, 0x31, 0x00, 0, 0, 0, 0]);
    // Voltages from 1.7 to 2.0 V, no programming voltage.
    put(0x1b, &[0x17, 0x20, 0, 0]);
    // Typical times as powers of two: program in µs, buffer in µs, erase in ms; and
    // how many times these at most.
    put(0x1f, &[0x08, 0x09, 0x09, 0x00, 0x01, 0x01, 0x01, 0x00]);
    put(0x27, &[size.next_power_of_two().ilog2() as u8, 0x00, 0x00]);
    put(0x2a, &(BUFFER.ilog2() as u16).to_le_bytes());
    // One region: blocks less one, and their size in units of 256 bytes.
    put(0x2c, &[1]);
    let blocks = (size / CfiFlash::SECTOR).saturating_sub(1) as u16;
    put(0x2d, &blocks.to_le_bytes());
    put(0x2f, &((CfiFlash::SECTOR / 256) as u16).to_le_bytes());
    put(0x31, b"PRI1.0");
    table
}

impl Device for CfiFlash {
    fn name(&self) -> &'static str {
        "flash"
    }

    fn reset(&mut self, _kind: ResetKind) {
        self.read = ReadMode::Array;
        self.write = WriteMode::Command;
        self.status = status::READY;
    }

    fn poll_host(&mut self) {
        self.store.poll();
    }
}

impl Mmio for CfiFlash {
    fn mmio_read(&mut self, offset: u64, size: AccessSize) -> u64 {
        (0..size.bytes())
            .fold(0, |value, i| value | u64::from(self.read_byte(offset.wrapping_add(i))) << (8 * i))
    }

    fn mmio_write(&mut self, offset: u64, size: AccessSize, value: u64) {
        if offset >= self.size() {
            return;
        }
        let takes_data = matches!(self.write, WriteMode::Program | WriteMode::Data { .. });
        let bytes = if takes_data { size.bytes() } else { 1 };
        for (i, byte) in (0..bytes).zip(value.to_le_bytes()) {
            // A word is programmed as a whole.
            if i > 0 && self.write == WriteMode::Command {
                self.write = WriteMode::Program;
            }
            self.write_byte(offset.wrapping_add(i), byte);
        }
    }
}

/// Saved state of a [`CfiFlash`], with its contents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CfiFlashSavedV1 {
    contents: Vec<u8>,
    read: ReadMode,
    write: WriteMode,
    status: u8,
}

impl SaveRestore for CfiFlash {
    type Saved = CfiFlashSavedV1;

    fn save(&self) -> CfiFlashSavedV1 {
        let Self { store, read, write, status, query: _ } = self;
        CfiFlashSavedV1 {
            contents: store.bytes().to_vec(),
            read: *read,
            write: write.clone(),
            status: *status,
        }
    }

    fn restore(&mut self, saved: CfiFlashSavedV1) -> Result<(), RestoreError> {
        let CfiFlashSavedV1 { contents, read, write, status } = saved;
        let invalid = |field| RestoreError::Invalid { device: "flash", field };
        if contents.len() as u64 != self.size() {
            return Err(invalid("contents"));
        }
        if status & !(status::READY | status::ERRORS) != 0 {
            return Err(invalid("status"));
        }
        let possible = match &write {
            WriteMode::Data { left, data, .. } => *left > 0 && data.len() + usize::from(*left) <= BUFFER,
            WriteMode::ConfirmData { data, .. } => data.len() <= BUFFER,
            _ => true,
        };
        if !possible {
            return Err(invalid("write"));
        }
        self.store.replace(contents);
        self.read = read;
        self.write = write;
        self.status = status;
        Ok(())
    }
}
