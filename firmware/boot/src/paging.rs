//! Identity page tables for entry in long mode.

use crate::BootError;
use crate::placement::Placement;
use glassbox_memory::{Gpa, GuestMemory, PAGE_SIZE};

const PRESENT_WRITABLE: u64 = 0b11;
const PAGE_2M: u64 = 1 << 7;
const GIBIBYTES: u64 = 4;
const ENTRIES: u64 = 512;

/// Maps the first 4 GiB onto themselves with 2 MiB pages (Intel SDM Vol. 3A
/// 4.5) and returns the address of the PML4.
///
/// # Errors
/// [`BootError::MemoryTooSmall`] where there is no room for the six tables.
pub fn identity_map(memory: &GuestMemory, placement: &mut Placement) -> Result<Gpa, BootError> {
    let pml4 = placement.reserve((2 + GIBIBYTES) * PAGE_SIZE, PAGE_SIZE, "page tables")?;
    let pdpt = pml4.add(PAGE_SIZE);
    let directories = pdpt.add(PAGE_SIZE);

    let mut tables = vec![0u64; ((2 + GIBIBYTES) * ENTRIES) as usize];
    tables[0] = pdpt.0 | PRESENT_WRITABLE;
    for gib in 0..GIBIBYTES {
        tables[(ENTRIES + gib) as usize] = (directories.0 + gib * PAGE_SIZE) | PRESENT_WRITABLE;
    }
    for page in 0..GIBIBYTES * ENTRIES {
        tables[(2 * ENTRIES + page) as usize] = (page << 21) | PAGE_2M | PRESENT_WRITABLE;
    }
    let bytes: Vec<u8> = tables.iter().flat_map(|e| e.to_le_bytes()).collect();
    memory.write_bytes(pml4, &bytes)?;
    Ok(pml4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use glassbox_tables::pc_memory_map;

    #[test]
    fn every_address_below_four_gib_walks_to_itself() {
        let memory = GuestMemory::new(2 << 20).unwrap();
        let mut placement = Placement::new(&pc_memory_map(2 << 20, 0, &[]));
        let cr3 = identity_map(&memory, &mut placement).unwrap();
        let entry = |table: u64, index: u64| {
            u64::from_le_bytes(memory.read_at(Gpa((table & !0xFFF) + index * 8)).unwrap())
        };
        for address in [0u64, 0x1F_FFFF, 0x10_0000, 0x3FFF_FFFF, 0x4000_0000, 0xFEE0_0123, 0xFFFF_FFFF] {
            let pml4e = entry(cr3.0, address >> 39);
            let pdpte = entry(pml4e, (address >> 30) & 511);
            let pde = entry(pdpte, (address >> 21) & 511);
            assert_eq!([pml4e & 0x83, pdpte & 0x83, pde & 0xFFF], [3, 3, 0x83]);
            assert_eq!((pde & !0x1F_FFFF) | (address & 0x1F_FFFF), address);
        }
        assert_eq!(entry(entry(cr3.0, 0), 4), 0, "nothing is mapped at 4 GiB");
        assert_eq!(entry(cr3.0, 1), 0);
    }
}
