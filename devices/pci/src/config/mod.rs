//! The 256 bytes of a function's configuration space (PCI Local Bus specification 3.0, chapter 6).

mod bar;
mod save;
#[cfg(test)]
mod tests;

use glassbox_device_api::IrqLine;

pub use bar::{Bar, BarKind, BarMapping};
pub use save::ConfigSpaceSavedV1;

/// Offsets in the type 0 header.
pub mod offset {
    /// Vendor ID, 16 bits.
    pub const VENDOR: u8 = 0x00;
    /// Device ID, 16 bits.
    pub const DEVICE: u8 = 0x02;
    /// Command, 16 bits.
    pub const COMMAND: u8 = 0x04;
    /// Status, 16 bits.
    pub const STATUS: u8 = 0x06;
    /// Revision, 8 bits, then the class code, 24 bits.
    pub const REVISION: u8 = 0x08;
    /// Cache line size, 8 bits.
    pub const CACHE_LINE: u8 = 0x0c;
    /// Latency timer, 8 bits.
    pub const LATENCY: u8 = 0x0d;
    /// Header type, 8 bits.
    pub const HEADER_TYPE: u8 = 0x0e;
    /// The first of six base address registers, 32 bits each.
    pub const BAR0: u8 = 0x10;
    /// Subsystem vendor ID, 16 bits.
    pub const SUBSYSTEM_VENDOR: u8 = 0x2c;
    /// Subsystem ID, 16 bits.
    pub const SUBSYSTEM: u8 = 0x2e;
    /// Expansion ROM base address, 32 bits.
    pub const ROM: u8 = 0x30;
    /// Capabilities pointer, 8 bits.
    pub const CAPABILITIES: u8 = 0x34;
    /// Interrupt line, 8 bits.
    pub const INTERRUPT_LINE: u8 = 0x3c;
    /// Interrupt pin, 8 bits.
    pub const INTERRUPT_PIN: u8 = 0x3d;
}

/// Command register: responds to I/O, to memory, masters the bus.
const COMMAND_IO: u16 = 1 << 0;
const COMMAND_MEMORY: u16 = 1 << 1;
const COMMAND_MASTER: u16 = 1 << 2;
const COMMAND_PARITY: u16 = 1 << 6;
const COMMAND_SERR: u16 = 1 << 8;
const COMMAND_INTX_DISABLE: u16 = 1 << 10;
/// Status register: the interrupt pin is asserted (whatever the disable bit says).
const STATUS_INTERRUPT: u16 = 1 << 3;
const STATUS_CAPABILITIES: u16 = 1 << 4;
/// Status bits that a write of one clears.
const STATUS_RW1C: u16 = 0xf900;

/// Where capabilities may begin.
const FIRST_CAPABILITY: usize = 0x40;

/// What a function says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Vendor ID.
    pub vendor: u16,
    /// Device ID.
    pub device: u16,
    /// Base class, subclass, programming interface: `0xccsspp`.
    pub class: u32,
    /// Revision.
    pub revision: u8,
    /// Subsystem vendor ID.
    pub subsystem_vendor: u16,
    /// Subsystem ID.
    pub subsystem: u16,
}

/// Configuration space with what each bit of it can do.
///
/// A bit is read-only, writable, cleared by writing one, or driven by the device
/// ([`set_driven`](Self::set_driven)).
#[derive(Clone, Debug)]
pub struct ConfigSpace {
    bytes: [u8; 256],
    reset: [u8; 256],
    writable: [u8; 256],
    clear: [u8; 256],
    driven: [u8; 256],
    bars: Vec<Bar>,
    last_capability: u8,
    next_capability: usize,
    mappings: Vec<BarMapping>,
    mapping_version: u64,
    intx: IrqLine,
}

impl ConfigSpace {
    /// A type 0 header with the usual command, status, cache line, latency and
    /// interrupt line bits, no BARs and no interrupt pin.
    pub fn new(identity: Identity) -> Self {
        let mut space = Self {
            bytes: [0; 256],
            reset: [0; 256],
            writable: [0; 256],
            clear: [0; 256],
            driven: [0; 256],
            bars: Vec::new(),
            last_capability: offset::CAPABILITIES,
            next_capability: FIRST_CAPABILITY,
            mappings: Vec::new(),
            mapping_version: 0,
            intx: IrqLine::unconnected(),
        };
        space.set_u16(offset::VENDOR, identity.vendor);
        space.set_u16(offset::DEVICE, identity.device);
        space.set_u32(offset::REVISION, identity.class << 8 | u32::from(identity.revision));
        space.set_u16(offset::SUBSYSTEM_VENDOR, identity.subsystem_vendor);
        space.set_u16(offset::SUBSYSTEM, identity.subsystem);
        let command = COMMAND_IO
            | COMMAND_MEMORY
            | COMMAND_MASTER
            | COMMAND_PARITY
            | COMMAND_SERR
            | COMMAND_INTX_DISABLE;
        space.set_writable(offset::COMMAND, &command.to_le_bytes());
        space.put(Field::Clear, offset::STATUS, &STATUS_RW1C.to_le_bytes());
        space.set_writable(offset::CACHE_LINE, &[0xff, 0xf8]);
        space.set_writable(offset::INTERRUPT_LINE, &[0xff]);
        space
    }

    // Building. These set the reset value too.

    /// Sets the value that a byte has after reset, and now.
    pub fn set_u8(&mut self, at: u8, value: u8) {
        self.put(Field::Value, at, &[value]);
    }

    /// Sets the value that a word has after reset, and now.
    pub fn set_u16(&mut self, at: u8, value: u16) {
        self.put(Field::Value, at, &value.to_le_bytes());
    }

    /// Sets the value that a dword has after reset, and now.
    pub fn set_u32(&mut self, at: u8, value: u32) {
        self.put(Field::Value, at, &value.to_le_bytes());
    }

    /// Says which bits from `at` on the guest can write.
    pub fn set_writable(&mut self, at: u8, mask: &[u8]) {
        self.put(Field::Writable, at, mask);
    }

    /// Says which bits from `at` on the guest clears by writing one.
    pub fn set_write_one_to_clear(&mut self, at: u8, mask: &[u8]) {
        self.put(Field::Clear, at, mask);
    }

    fn put(&mut self, field: Field, at: u8, bytes: &[u8]) {
        for (i, byte) in (usize::from(at)..256).zip(bytes) {
            match field {
                Field::Value => {
                    self.bytes[i] = *byte;
                    self.reset[i] = *byte;
                }
                Field::Writable => self.writable[i] = *byte,
                Field::Clear => self.clear[i] = *byte,
            }
        }
    }

    /// Gives the function an interrupt pin (1 for INTA# to 4 for INTD#) and its wire.
    pub fn set_interrupt_pin(&mut self, pin: u8, line: IrqLine) {
        self.set_u8(offset::INTERRUPT_PIN, pin);
        self.put_driven(offset::STATUS, STATUS_INTERRUPT);
        self.intx = line;
    }

    /// Adds a capability (its first byte is the ID, its second is filled in) and
    /// returns its offset; `None` when there is no room. `writable` is its mask.
    pub fn add_capability(&mut self, body: &[u8], writable: &[u8]) -> Option<u8> {
        let at = u8::try_from(self.next_capability).ok()?;
        let end = self.next_capability.checked_add(body.len().next_multiple_of(4))?;
        if body.len() < 2 || end > 256 {
            return None;
        }
        self.put(Field::Value, at, body);
        self.put(Field::Value, at + 1, &[0]);
        self.put(Field::Writable, at, writable);
        self.put(Field::Writable, at, &[0, 0]);
        let link = if self.last_capability == offset::CAPABILITIES {
            offset::CAPABILITIES
        } else {
            self.last_capability + 1
        };
        self.set_u8(link, at);
        self.last_capability = at;
        self.next_capability = end;
        let status = self.reset_u16(offset::STATUS) | STATUS_CAPABILITIES;
        self.set_u16(offset::STATUS, status);
        Some(at)
    }

    fn reset_u16(&self, at: u8) -> u16 {
        let at = usize::from(at);
        u16::from_le_bytes([self.reset[at & 0xff], self.reset[(at + 1) & 0xff]])
    }

    fn put_driven(&mut self, at: u8, mask: u16) {
        for (i, byte) in (usize::from(at)..256).zip(mask.to_le_bytes()) {
            self.driven[i] |= byte;
        }
    }

    // Access.

    /// A byte as it reads.
    pub fn u8(&self, at: u8) -> u8 {
        self.bytes[usize::from(at)]
    }

    /// A word as it reads.
    pub fn u16(&self, at: u8) -> u16 {
        u16::from_le_bytes([self.u8(at), self.u8(at.wrapping_add(1))])
    }

    /// A dword as it reads.
    pub fn u32(&self, at: u8) -> u32 {
        u32::from(self.u16(at)) | u32::from(self.u16(at.wrapping_add(2))) << 16
    }

    /// For [`PciFunction::config_read`](glassbox_device_api::PciFunction::config_read).
    pub fn read(&self, at: u8) -> u32 {
        self.u32(at & !3)
    }

    /// For [`PciFunction::config_write`](glassbox_device_api::PciFunction::config_write).
    pub fn write(&mut self, at: u8, value: u32, byte_enables: u8) {
        let at = at & !3;
        for (i, byte) in (usize::from(at)..).zip(value.to_le_bytes()) {
            if byte_enables & 1 << (i & 3) == 0 {
                continue;
            }
            let old = self.bytes[i];
            let writable = self.writable[i];
            self.bytes[i] = (old & !writable | byte & writable) & !(byte & self.clear[i]);
        }
        if at < 0x34 {
            self.update_mappings();
        }
        self.update_intx();
    }

    /// The device changes bits of a byte that the guest cannot write, such as a
    /// status bit; they count as part of the saved state.
    pub fn set_driven(&mut self, at: u8, mask: u8, value: u8) {
        let at = usize::from(at);
        self.driven[at] |= mask;
        self.bytes[at] = self.bytes[at] & !mask | value & mask;
    }

    /// The command register lets the function master the bus (DMA and MSI).
    pub fn is_bus_master(&self) -> bool {
        self.u16(offset::COMMAND) & COMMAND_MASTER != 0
    }

    /// Drives the interrupt pin. The guest's disable bit holds back the wire, not the status bit.
    pub fn set_interrupt(&mut self, level: bool) {
        let bit = STATUS_INTERRUPT as u8;
        self.set_driven(offset::STATUS, bit, if level { bit } else { 0 });
        self.update_intx();
    }

    /// Whether the device asserts its interrupt pin.
    pub fn interrupt(&self) -> bool {
        self.u16(offset::STATUS) & STATUS_INTERRUPT != 0
    }

    fn update_intx(&self) {
        self.intx.set(self.interrupt() && self.u16(offset::COMMAND) & COMMAND_INTX_DISABLE == 0);
    }

    /// Back to the reset values; releases the interrupt wire.
    pub fn reset(&mut self) {
        self.bytes = self.reset;
        self.update_mappings();
        self.update_intx();
    }
}

enum Field {
    Value,
    Writable,
    Clear,
}
