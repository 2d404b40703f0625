//! RAM, and what the page tables map.

use glassbox_cpu::Cpu;
use glassbox_memory::{Gpa, GuestMemory};
use glassbox_x86_spec::control::{Cr0, Cr4, Efer};
use std::fmt::{self, Write};

/// Ranges that are listed at most.
const MOST_RANGES: usize = 400;
/// Page table entries that are read at most: tables may lead to themselves.
const MOST_ENTRIES: u64 = 4 << 20;
const PRESENT: u64 = 1 << 0;
const WRITABLE: u64 = 1 << 1;
const USER: u64 = 1 << 2;
const LARGE: u64 = 1 << 7;
const NO_EXECUTE: u64 = 1 << 63;

/// Consecutive linear addresses with the same rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    start: u64,
    len: u64,
    /// Writable, user and no-execute bits.
    rights: u64,
}

/// How page tables are laid out (Intel SDM Vol. 3A 4.2).
struct Layout {
    levels: u32,
    /// Linear address bits that a table translates.
    bits: u32,
    entry: u64,
    /// Address bits of an entry.
    address: u64,
    /// No-execute counts.
    nx: bool,
    /// From which level on an entry may be a large page.
    large: fn(u32) -> bool,
}

pub(super) fn write_memory(cpu: &Cpu, out: &mut String) -> fmt::Result {
    let memory = &cpu.memory;
    writeln!(out, "{:016x}-{:014x}  RAM", 0, memory.low_ram_size() - 1)?;
    if memory.high_ram_size() != 0 {
        writeln!(out, "{:016x}-{:016x}  RAM", 1u64 << 32, (1u64 << 32) + memory.high_ram_size() - 1)?;
    }
    let state = &cpu.state;
    if !state.cr0.contains(Cr0::PG) {
        return writeln!(out, "paging is off");
    }
    let (pae, long) = (state.cr4.contains(Cr4::PAE), state.efer.contains(Efer::LMA));
    let layout = Layout {
        levels: match (long, pae) {
            (true, _) if state.cr4.contains(Cr4::LA57) => 5,
            (true, _) => 4,
            (false, true) => 3,
            (false, false) => 2,
        },
        bits: if pae { 9 } else { 10 },
        entry: if pae { 8 } else { 4 },
        address: if pae { 0x000F_FFFF_FFFF_F000 } else { 0xFFFF_F000 },
        nx: pae && state.efer.contains(Efer::NXE),
        large: match (long, pae, state.cr4.contains(Cr4::PSE)) {
            (true, ..) => |level| level == 1 || level == 2,
            (false, true, _) | (false, false, true) => |level| level == 1,
            (false, false, false) => |_| false,
        },
    };
    let root = match (long, pae) {
        (false, true) => state.cr3 & 0xFFFF_FFE0,
        _ => state.cr3 & layout.address,
    };
    let mut walk = Walk { memory, layout, ranges: Vec::new(), left: MOST_ENTRIES };
    walk.table(walk.layout.levels - 1, root, 0, WRITABLE | USER);
    for range in walk.ranges.iter().take(MOST_RANGES) {
        let has = |bit, yes, no| if range.rights & bit != 0 { yes } else { no };
        let (user, write, execute) =
            (has(USER, 'u', '-'), has(WRITABLE, 'w', '-'), has(NO_EXECUTE, '-', 'x'));
        let last = range.start.wrapping_add(range.len - 1);
        writeln!(out, "{:016x}-{last:016x}  {user}r{write}{execute}  {:#x}", range.start, range.len)?;
    }
    if walk.ranges.len() > MOST_RANGES || walk.left == 0 {
        writeln!(out, "and more")?;
    }
    Ok(())
}

struct Walk<'a> {
    memory: &'a GuestMemory,
    layout: Layout,
    ranges: Vec<Range>,
    left: u64,
}

impl Walk<'_> {
    /// Lists what the table at `at` maps; level 0 has pages of 4 KiB. `rights` are
    /// those that the levels above leave.
    fn table(&mut self, level: u32, at: u64, start: u64, rights: u64) {
        let Layout { levels, bits, entry, .. } = self.layout;
        let top = level + 1 == levels;
        // The table of four pointers that PAE begins with has no rights.
        let pointers = levels == 3 && top;
        let entries = if pointers { 4 } else { 1u64 << bits };
        let shift = 12 + level * bits;
        for index in 0..entries {
            if self.left == 0 || self.ranges.len() > MOST_RANGES {
                return;
            }
            self.left -= 1;
            let mut bytes = [0; 8];
            let from = Gpa(at.wrapping_add(index * entry));
            if self.memory.read_bytes(from, &mut bytes[..entry as usize]).is_err() {
                return;
            }
            let value = u64::from_le_bytes(bytes);
            if value & PRESENT == 0 {
                continue;
            }
            let linear = start | index << shift;
            let nx = if self.layout.nx { (rights | value) & NO_EXECUTE } else { 0 };
            let rights = if pointers { rights } else { rights & value & (WRITABLE | USER) | nx };
            if level == 0 || value & LARGE != 0 && (self.layout.large)(level) {
                self.add(Range { start: canonical(linear, levels, bits), len: 1 << shift, rights });
            } else {
                self.table(level - 1, value & self.layout.address, linear, rights);
            }
        }
    }

    fn add(&mut self, range: Range) {
        match self.ranges.last_mut() {
            Some(last) if last.start.wrapping_add(last.len) == range.start && last.rights == range.rights => {
                last.len += range.len;
            }
            _ => self.ranges.push(range),
        }
    }
}

/// The address as software writes it: its upper bits repeat the highest one that is translated.
fn canonical(linear: u64, levels: u32, bits: u32) -> u64 {
    if levels < 4 {
        return linear;
    }
    let unused = 64 - (12 + levels * bits);
    ((linear << unused) as i64 >> unused) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_with_the_same_rights_are_one_range() {
        let memory = GuestMemory::new(1 << 20).unwrap();
        let put = |at: u64, value: u64| memory.write_bytes(Gpa(at), &value.to_le_bytes()).unwrap();
        // The last entry of each table but the lowest: the addresses are negative.
        for (table, next) in [(0x1000, 0x2000), (0x2000, 0x3000), (0x3000, 0x4000)] {
            put(table + 511 * 8, next | PRESENT | WRITABLE);
        }
        put(0x4000, 0x9000 | PRESENT | WRITABLE);
        put(0x4008, 0x5000 | PRESENT | WRITABLE);
        put(0x4010, 0x7000 | PRESENT);
        put(0x4020, 0x7000 | PRESENT | NO_EXECUTE);
        let layout = Layout {
            levels: 4,
            bits: 9,
            entry: 8,
            address: 0x000F_FFFF_FFFF_F000,
            nx: true,
            large: |level| level == 1,
        };
        let mut walk = Walk { memory: &memory, layout, ranges: Vec::new(), left: MOST_ENTRIES };
        walk.table(3, 0x1000, 0, WRITABLE | USER);
        let base = 0xFFFF_FFFF_FFE0_0000;
        let expected = [
            Range { start: base, len: 0x2000, rights: WRITABLE },
            Range { start: base + 0x2000, len: 0x1000, rights: 0 },
            Range { start: base + 0x4000, len: 0x1000, rights: NO_EXECUTE },
        ];
        assert_eq!(walk.ranges, expected);
    }
}
