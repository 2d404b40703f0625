//! The memory map that INT 15h AX=E820h, the Linux zero page, PVH and multiboot
//! all report.

use glassbox_memory::Gpa;
use std::fmt;

/// First byte of the extended BIOS data area: base memory is 639 KiB.
pub const EBDA_START: u64 = 0x9_FC00;
/// Where extended memory begins.
pub const ONE_MIB: u64 = 0x10_0000;
const FOUR_GIB: u64 = 1 << 32;
const IOAPIC: (u64, u64) = (0xFEC0_0000, 0x1000);
const LOCAL_APIC: (u64, u64) = (0xFEE0_0000, 0x1000);
const FLASH: (u64, u64) = (0xFFC0_0000, 0x40_0000);

/// What an address range is for (ACPI 6.5, table 15.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum E820Kind {
    /// RAM that the operating system may use.
    Ram = 1,
    /// Not to be used: devices, firmware, or nothing.
    Reserved = 2,
    /// RAM that holds ACPI tables; usable once they have been read.
    AcpiReclaim = 3,
    /// RAM that must be kept across sleep.
    AcpiNvs = 4,
    /// RAM with errors in it.
    Unusable = 5,
}

/// One range of the map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct E820Entry {
    /// First byte.
    pub start: Gpa,
    /// Bytes; never 0 in a built map.
    pub len: u64,
    /// What the range is for.
    pub kind: E820Kind,
}

impl E820Entry {
    /// The address just past the range, saturating at the top of the address
    /// space.
    pub fn end(&self) -> u64 {
        self.start.0.saturating_add(self.len)
    }

    /// The 20 bytes that E820h returns and that the Linux zero page holds.
    pub fn to_bytes(&self) -> [u8; 20] {
        let mut bytes = [0; 20];
        bytes[..8].copy_from_slice(&self.start.0.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.len.to_le_bytes());
        bytes[16..].copy_from_slice(&(self.kind as u32).to_le_bytes());
        bytes
    }
}

impl fmt::Display for E820Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#018x}-{:#018x} {:?}", self.start.0, self.end().saturating_sub(1), self.kind)
    }
}

/// Builds a sorted map without overlaps. What is added later covers what was
/// there before.
#[derive(Clone, Debug, Default)]
pub struct E820Map {
    entries: Vec<E820Entry>,
}

impl E820Map {
    /// An empty map.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives `len` bytes from `start` the kind `kind`, whatever they were
    /// before. An empty range changes nothing; one that would pass the top of
    /// the address space ends there.
    pub fn add(&mut self, start: Gpa, len: u64, kind: E820Kind) -> &mut Self {
        let end = start.0.saturating_add(len);
        if end == start.0 {
            return self;
        }
        let mut kept = Vec::with_capacity(self.entries.len() + 2);
        for old in self.entries.drain(..) {
            let (old_start, old_end) = (old.start.0, old.end());
            if old_start < start.0 {
                let len = old_end.min(start.0) - old_start;
                kept.push(E820Entry { len, ..old });
            }
            if old_end > end {
                let from = old_start.max(end);
                kept.push(E820Entry { start: Gpa(from), len: old_end - from, ..old });
            }
        }
        kept.push(E820Entry { start, len: end - start.0, kind });
        kept.sort_by_key(|e| e.start);
        self.entries = kept;
        self
    }

    /// The map: ascending, disjoint, neighbours of one kind joined.
    pub fn build(&self) -> Vec<E820Entry> {
        let mut built: Vec<E820Entry> = Vec::with_capacity(self.entries.len());
        for entry in &self.entries {
            match built.last_mut() {
                Some(last) if last.kind == entry.kind && last.end() == entry.start.0 => last.len += entry.len,
                _ => built.push(*entry),
            }
        }
        built
    }
}

/// The map of a PC with `low_ram` bytes below 4 GiB and `high_ram` bytes from
/// there up, with everything else that a board has fixed in place: the EBDA,
/// A0000h to FFFFFh, the I/O APIC, the local APICs and the flash.
/// `extra` is laid over it, in order.
pub fn pc_memory_map(low_ram: u64, high_ram: u64, extra: &[E820Entry]) -> Vec<E820Entry> {
    let mut map = E820Map::new();
    map.add(Gpa(0), low_ram, E820Kind::Ram).add(Gpa(FOUR_GIB), high_ram, E820Kind::Ram).add(
        Gpa(EBDA_START),
        ONE_MIB - EBDA_START,
        E820Kind::Reserved,
    );
    for (start, len) in [IOAPIC, LOCAL_APIC, FLASH] {
        map.add(Gpa(start), len, E820Kind::Reserved);
    }
    for entry in extra {
        map.add(entry.start, entry.len, entry.kind);
    }
    map.build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry(start: u64, len: u64, kind: E820Kind) -> E820Entry {
        E820Entry { start: Gpa(start), len, kind }
    }

    #[test]
    fn a_pc_with_memory_above_the_gap() {
        use E820Kind::{Ram, Reserved};
        assert_eq!(
            pc_memory_map(0xC000_0000, 0x4000_0000, &[]),
            vec![
                entry(0, 0x9_FC00, Ram),
                entry(0x9_FC00, 0x6_0400, Reserved),
                entry(0x10_0000, 0xBFF0_0000, Ram),
                entry(0xFEC0_0000, 0x1000, Reserved),
                entry(0xFEE0_0000, 0x1000, Reserved),
                entry(0xFFC0_0000, 0x40_0000, Reserved),
                entry(0x1_0000_0000, 0x4000_0000, Ram),
            ]
        );
    }

    #[test]
    fn extra_ranges_cut_ram_in_two() {
        let map = pc_memory_map(64 << 20, 0, &[entry(0x200_0000, 0x1000, E820Kind::AcpiReclaim)]);
        assert_eq!(map[2], entry(0x10_0000, 0x1F0_0000, E820Kind::Ram));
        assert_eq!(map[3], entry(0x200_0000, 0x1000, E820Kind::AcpiReclaim));
        assert_eq!(map[4], entry(0x200_1000, 0x1FF_F000, E820Kind::Ram));
    }

    #[test]
    fn neighbours_of_one_kind_are_joined() {
        let mut map = E820Map::new();
        map.add(Gpa(0), 0x1000, E820Kind::Ram).add(Gpa(0x1000), 0x1000, E820Kind::Ram);
        assert_eq!(map.build(), vec![entry(0, 0x2000, E820Kind::Ram)]);
    }

    #[test]
    fn an_entry_is_twenty_bytes_in_the_order_of_the_bios_call() {
        let bytes = entry(0x1122_3344_5566_7788, 0x99, E820Kind::AcpiNvs).to_bytes();
        assert_eq!(bytes[..8], [0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11]);
        assert_eq!(bytes[8..], [0x99, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0]);
    }

    fn any_kind() -> impl Strategy<Value = E820Kind> {
        prop_oneof![Just(E820Kind::Ram), Just(E820Kind::Reserved), Just(E820Kind::AcpiNvs)]
    }

    proptest! {
        #[test]
        fn a_built_map_is_sorted_disjoint_and_the_last_word_wins(
            ranges in prop::collection::vec((0u64..200, 0u64..60, any_kind()), 0..12)
        ) {
            let mut map = E820Map::new();
            let mut model = [None; 300];
            for (start, len, kind) in &ranges {
                map.add(Gpa(*start), *len, *kind);
                model[*start as usize..(start + len) as usize].fill(Some(*kind));
            }
            let built = map.build();
            prop_assert!(built.windows(2).all(|w| w[0].end() <= w[1].start.0));
            for (at, expected) in model.iter().enumerate() {
                let found = built.iter().find(|e| (e.start.0..e.end()).contains(&(at as u64)));
                prop_assert_eq!(found.map(|e| e.kind), *expected);
            }
        }
    }
}
