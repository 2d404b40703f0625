//! What is mapped where outside of ordinary RAM: ROM images, video memory, and
//! the shadowed segments below 1 MiB.
//!
//! Mappings do not hide each other: the one that was made first is there.
//! RAM from 0 to A0000h, from 1 MiB and from 4 GiB up is not in here: nothing can
//! lie above it, as on a PC the host bridge claims these addresses before any
//! other bus does.

use crate::{Backing, BackingKind, Gpa};

/// First address of the segments between conventional and extended memory.
pub(crate) const LEGACY_START: u64 = 0xA_0000;
/// End of those segments.
pub(crate) const LEGACY_END: u64 = 0x10_0000;
const SEGMENT_SHIFT: u32 = 14;
const SEGMENTS: usize = ((LEGACY_END - LEGACY_START) >> SEGMENT_SHIFT) as usize;

/// Where accesses to a shadowed segment go, as the host bridge's PAM and SMRAM
/// registers say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shadow {
    /// Reads come from RAM; otherwise from what is mapped there.
    pub read_ram: bool,
    /// Writes go to RAM; otherwise to what is mapped there.
    pub write_ram: bool,
}

impl Shadow {
    /// Plain RAM.
    pub const RAM: Self = Self { read_ram: true, write_ram: true };
    /// What is mapped there: ROM, a device's memory, or nothing.
    pub const BUS: Self = Self { read_ram: false, write_ram: false };
}

/// Where a store goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteTarget {
    /// Into memory at this RAM offset.
    Ram(u64),
    /// Nowhere.
    Dropped,
    /// To whichever device answers at the address.
    Bus,
}

/// Names something mapped, so that it can be unmapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MappingId(pub(crate) u64);

#[derive(Clone, Copy, Debug)]
pub(crate) struct Mapping {
    pub id: MappingId,
    pub start: u64,
    pub end: u64,
    /// RAM offset of the first byte.
    pub offset: u64,
    pub kind: BackingKind,
}

/// Mappings, the oldest first, and the shadowed segments.
#[derive(Debug)]
pub(crate) struct MemoryMap {
    mappings: Vec<Mapping>,
    shadows: [Shadow; SEGMENTS],
    last_id: u64,
}

impl MemoryMap {
    /// Nothing mapped; C0000h to FFFFFh are RAM.
    pub fn new() -> Self {
        let shadow = |segment| {
            if (segment as u64) << SEGMENT_SHIFT < 0xC_0000 - LEGACY_START {
                Shadow::BUS
            } else {
                Shadow::RAM
            }
        };
        Self { mappings: Vec::new(), shadows: std::array::from_fn(shadow), last_id: 0 }
    }

    /// Puts something below what is mapped already.
    pub fn map(&mut self, start: u64, end: u64, offset: u64, kind: BackingKind) -> MappingId {
        self.last_id += 1;
        let id = MappingId(self.last_id);
        self.mappings.push(Mapping { id, start, end, offset, kind });
        id
    }

    /// Takes something away; tells whether it was there.
    pub fn unmap(&mut self, id: MappingId) -> bool {
        let before = self.mappings.len();
        self.mappings.retain(|mapping| mapping.id != id);
        self.mappings.len() != before
    }

    /// Redirects the segments of 16 KiB that lie wholly in a range; tells whether
    /// that was a change.
    pub fn set_shadow(&mut self, start: u64, len: u64, shadow: Shadow) -> bool {
        let mut changed = false;
        for (segment, old) in self.shadows.iter_mut().enumerate() {
            let at = LEGACY_START + ((segment as u64) << SEGMENT_SHIFT);
            let inside = at >= start && at.wrapping_sub(start).wrapping_add(1 << SEGMENT_SHIFT) <= len;
            changed |= inside && *old != shadow;
            if inside {
                *old = shadow;
            }
        }
        changed
    }

    /// What is mapped, what is on top first: start, length, kind.
    pub fn mappings(&self) -> Vec<(u64, u64, BackingKind)> {
        self.mappings.iter().map(|m| (m.start, m.end - m.start, m.kind)).collect()
    }

    fn shadow(&self, at: u64) -> Shadow {
        let segment = at.wrapping_sub(LEGACY_START) >> SEGMENT_SHIFT;
        self.shadows.get(segment as usize).copied().unwrap_or(Shadow::BUS)
    }

    fn find(&self, at: u64) -> Option<Backing> {
        let m = self.mappings.iter().find(|m| (m.start..m.end).contains(&at))?;
        Some(Backing { offset: at - m.start + m.offset, kind: m.kind })
    }

    /// What a load reads.
    pub fn lookup(&self, Gpa(at): Gpa) -> Option<Backing> {
        match self.shadow(at) {
            Shadow { read_ram: true, write_ram } => {
                let kind = if write_ram { BackingKind::Ram } else { BackingKind::Rom };
                Some(Backing { offset: at, kind })
            }
            Shadow { write_ram: true, .. } => {
                // Stores go elsewhere: the fast path must not make them.
                self.find(at).map(|b| Backing { kind: BackingKind::Rom, ..b })
            }
            _ => self.find(at),
        }
    }

    /// Where a store goes.
    pub fn lookup_write(&self, Gpa(at): Gpa) -> WriteTarget {
        if self.shadow(at).write_ram {
            return WriteTarget::Ram(at);
        }
        match self.find(at) {
            Some(Backing { offset, kind: BackingKind::Ram }) => WriteTarget::Ram(offset),
            Some(Backing { kind: BackingKind::Rom, .. }) => WriteTarget::Dropped,
            Some(Backing { kind: BackingKind::RomDevice, .. }) | None => WriteTarget::Bus,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_mapping_is_on_top_and_comes_off_again() {
        let mut map = MemoryMap::new();
        let rom = map.map(0xE000_1000, 0xE000_2000, 0x20_0000, BackingKind::Rom);
        map.map(0xE000_0000, 0xE000_2000, 0x10_0000, BackingKind::Ram);
        let at = |map: &MemoryMap, at| map.lookup(Gpa(at)).map(|b| b.offset);
        assert_eq!(at(&map, 0xE000_1004), Some(0x20_0004));
        assert_eq!(map.lookup_write(Gpa(0xE000_1004)), WriteTarget::Dropped);
        assert!(map.unmap(rom) && !map.unmap(rom));
        assert_eq!(at(&map, 0xE000_1004), Some(0x10_1004));
        assert_eq!(map.lookup_write(Gpa(0xE000_2000)), WriteTarget::Bus);
    }

    #[test]
    fn shadowed_segments_read_and_write_apart() {
        let mut map = MemoryMap::new();
        map.map(0xF_0000, 0x10_0000, 0x20_0000, BackingKind::Rom);
        let read_rom_write_ram = Shadow { read_ram: false, write_ram: true };
        assert!(map.set_shadow(0xF_0000, 0x1_0000, read_rom_write_ram));
        assert!(!map.set_shadow(0xF_0000, 0x1_0000, read_rom_write_ram), "no change");
        assert_eq!(
            map.lookup(Gpa(0xF_0010)),
            Some(Backing { offset: 0x20_0010, kind: BackingKind::Rom }),
            "a store is not made where it is read"
        );
        assert_eq!(map.lookup_write(Gpa(0xF_0010)), WriteTarget::Ram(0xF_0010));
        map.set_shadow(0xF_0000, 0x1_0000, Shadow { read_ram: true, write_ram: false });
        assert_eq!(map.lookup(Gpa(0xF_0010)), Some(Backing { offset: 0xF_0010, kind: BackingKind::Rom }));
        assert_eq!(map.lookup_write(Gpa(0xF_0010)), WriteTarget::Dropped);
        assert_eq!(map.lookup(Gpa(0xE_FFFF)).map(|b| b.kind), Some(BackingKind::Ram), "its neighbour");
    }

    #[test]
    fn flash_is_read_as_memory_and_written_as_a_device() {
        let mut map = MemoryMap::new();
        map.map(0xFFC0_0000, 0x1_0000_0000, 0, BackingKind::RomDevice);
        assert_eq!(map.lookup_write(Gpa(0xFFFF_FFF0)), WriteTarget::Bus);
        assert_eq!(map.lookup(Gpa(0xFFFF_FFF0)).map(|b| b.offset), Some(0x3F_FFF0));
    }
}
