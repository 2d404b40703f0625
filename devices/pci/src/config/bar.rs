//! Base address registers (PCI Local Bus specification 3.0, 6.2.5).

use super::{COMMAND_IO, COMMAND_MEMORY, ConfigSpace, Field, offset};

/// The register number that stands for the expansion ROM among the BARs.
const ROM_INDEX: usize = 6;

/// What a base address register maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BarKind {
    /// I/O ports.
    Io,
    /// Memory below 4 GiB.
    Memory32 {
        /// Reads have no side effects.
        prefetchable: bool,
    },
    /// Memory anywhere; takes the next register too.
    Memory64 {
        /// Reads have no side effects.
        prefetchable: bool,
    },
    /// The expansion ROM.
    Rom,
}

/// One base address register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bar {
    /// Its number, 0 to 5; 6 for the expansion ROM.
    pub index: usize,
    /// What it maps.
    pub kind: BarKind,
    /// Bytes of the window, a power of two.
    pub size: u64,
}

/// A window that a function responds to now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BarMapping {
    /// The register behind it.
    pub bar: Bar,
    /// First port or address.
    pub base: u64,
}

impl Bar {
    fn register(&self) -> u8 {
        if self.index == ROM_INDEX { offset::ROM } else { offset::BAR0 + 4 * self.index as u8 }
    }
}

impl ConfigSpace {
    /// Adds a base address register. `size` is rounded up to a power of two of at
    /// least 4 ports, 16 bytes of memory, or 2 KiB of ROM. False when the register
    /// (or the pair) does not exist or is taken, or the size does not fit the kind.
    pub fn add_bar(&mut self, index: usize, kind: BarKind, size: u64) -> bool {
        let (least, most, type_bits) = match kind {
            BarKind::Io => (4, 256, 1),
            BarKind::Memory32 { prefetchable } => (16, 1 << 31, u32::from(prefetchable) << 3),
            BarKind::Memory64 { prefetchable } => (16, 1 << 46, u32::from(prefetchable) << 3 | 4),
            BarKind::Rom => (2048, 1 << 24, 0),
        };
        let last = match kind {
            BarKind::Memory64 { .. } => index + 1,
            _ => index,
        };
        let in_place = if kind == BarKind::Rom { index == ROM_INDEX } else { last < ROM_INDEX };
        let taken = self.bars.iter().any(|bar| {
            let end = bar.index + usize::from(matches!(bar.kind, BarKind::Memory64 { .. }));
            index <= end && bar.index <= last
        });
        if !in_place || taken || size > most {
            return false;
        }
        let bar = Bar { index, kind, size: size.max(least).next_power_of_two() };
        let address_bits = !(bar.size - 1);
        let enable = u64::from(kind == BarKind::Rom);
        let register = bar.register();
        self.set_u32(register, type_bits);
        self.put(Field::Writable, register, &((address_bits | enable) as u32).to_le_bytes());
        if last != index {
            self.put(Field::Writable, register + 4, &((address_bits >> 32) as u32).to_le_bytes());
        }
        self.bars.push(bar);
        true
    }

    /// The windows that the function responds to: decoding enabled and placed.
    pub fn mappings(&self) -> &[BarMapping] {
        &self.mappings
    }

    /// The base of a register's window while the function responds to it.
    pub fn mapping(&self, index: usize) -> Option<u64> {
        self.mappings.iter().find(|m| m.bar.index == index).map(|m| m.base)
    }

    /// Counts up whenever [`mappings`](Self::mappings) changes.
    pub fn mapping_version(&self) -> u64 {
        self.mapping_version
    }

    pub(super) fn update_mappings(&mut self) {
        let mappings: Vec<_> = self
            .bars
            .iter()
            .filter_map(|bar| Some(BarMapping { bar: *bar, base: self.base(bar)? }))
            .collect();
        if mappings != self.mappings {
            self.mappings = mappings;
            self.mapping_version = self.mapping_version.wrapping_add(1);
        }
    }

    /// Where a register puts its window. A register that holds zero was never
    /// placed: what lies at address zero answers before any PCI function.
    fn base(&self, bar: &Bar) -> Option<u64> {
        let command = self.u16(offset::COMMAND);
        let low = self.u32(bar.register());
        let (enabled, raw, limit) = match bar.kind {
            // The processor has 64 Ki ports.
            BarKind::Io => (command & COMMAND_IO != 0, u64::from(low), 0x1_0000),
            BarKind::Memory32 { .. } => (command & COMMAND_MEMORY != 0, u64::from(low), 1 << 32),
            BarKind::Memory64 { .. } => {
                let high = u64::from(self.u32(bar.register().wrapping_add(4)));
                (command & COMMAND_MEMORY != 0, high << 32 | u64::from(low), u64::MAX)
            }
            BarKind::Rom => (command & COMMAND_MEMORY != 0 && low & 1 != 0, u64::from(low), 1 << 32),
        };
        let base = raw & !(bar.size - 1);
        let fits = base.checked_add(bar.size).is_some_and(|end| end <= limit);
        (enabled && base != 0 && fits).then_some(base)
    }
}
