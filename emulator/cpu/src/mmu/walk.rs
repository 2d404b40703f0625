//! Page walks: 32-bit, PAE, 4-level and 5-level paging
//! (Intel SDM Vol. 3A ch. 5; AMD APM Vol. 2 ch. 5).

use super::tlb::Table;
use crate::{Cpu, Exception};
use glassbox_memory::{Gpa, Gva};
use glassbox_x86_spec::control::{Cr0, Cr4, Efer};
use glassbox_x86_spec::paging::*;

/// What an access wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Load.
    Read,
    /// Store, or load of a read-modify-write.
    Write,
    /// Instruction fetch.
    Fetch,
}

/// Where a linear address leads and what may be done there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Translation {
    /// The physical address, A20 applied.
    pub gpa: Gpa,
    /// Stores are allowed and the dirty bit is set.
    pub writable: bool,
    /// Fetches are allowed.
    pub executable: bool,
    /// log2 of the page size.
    pub shift: u32,
}

/// What one level of a paging mode looks like.
struct Level {
    /// Lowest linear address bit of the index.
    shift: u32,
    /// Bits of the index.
    bits: u32,
    /// A set PS bit ends the walk here.
    may_be_large: bool,
    /// R/W, U/S and NX of entries at this level count.
    has_rights: bool,
}

impl Cpu {
    /// Physical address bits, as CPUID 8000_0008h says. Not more: UEFI firmware maps all
    /// that they reach, and with 46 bits its page tables alone would take up 256 MiB.
    pub const PHYSICAL_BITS: u32 = 40;

    /// Physical addresses as they leave the processor: A20 may be masked.
    #[inline(always)]
    pub(crate) fn a20(&self, at: u64) -> Gpa {
        Gpa(if self.state.a20 { at } else { at & !(1 << 20) })
    }

    /// Whether a linear address is canonical in the current mode.
    #[inline(always)]
    pub(crate) fn is_canonical(&self, at: u64) -> bool {
        let unused = if self.state.cr4.contains(Cr4::LA57) { 7 } else { 16 };
        ((at << unused) as i64 >> unused) as u64 == at
    }

    /// Translates one linear address with the rights of `table`, setting
    /// accessed and dirty bits as the access does.
    ///
    /// # Errors
    /// #PF with its error code; CR2 is set.
    pub(crate) fn translate(
        &mut self,
        gva: Gva,
        access: Access,
        table: Table,
    ) -> Result<Translation, Exception> {
        if !self.state.cr0.contains(Cr0::PG) {
            let gpa = self.a20(gva.0 & 0xFFFF_FFFF);
            return Ok(Translation { gpa, writable: true, executable: true, shift: 12 });
        }
        if let Some(found) = self.walk_plainly(gva, access, table) {
            return Ok(found);
        }
        self.walk(gva, access, table).map_err(|bits| {
            self.state.cr2 = gva.0;
            let write = if access == Access::Write { PF_W } else { 0 };
            let user = if table == Table::User { PF_U } else { 0 };
            let nx = self.state.efer.contains(Efer::NXE) && self.state.cr4.contains(Cr4::PAE);
            let tells_fetch = nx || self.state.cr4.contains(Cr4::SMEP);
            let fetch = if access == Access::Fetch && tells_fetch { PF_I } else { 0 };
            Exception::pf(bits | write | user | fetch)
        })
    }

    /// A 4-level walk through tables in ordinary RAM in which nothing is refused and all
    /// accessed and dirty bits are set: what most are. `None` is for [`walk`](Self::walk).
    #[inline]
    fn walk_plainly(&self, gva: Gva, access: Access, table: Table) -> Option<Translation> {
        let state = &self.state;
        if !state.long_mode() || state.cr4.contains(Cr4::LA57) || !state.a20 {
            return None;
        }
        let nxe = state.efer.contains(Efer::NXE);
        let reserved = reserved_above() | if nxe { 0 } else { NX };
        let (mut base, mut rights, mut denied) = (state.cr3 & ADDRESS, RW | US, 0);
        for shift in [39, 30, 21, 12] {
            let at = self.memory.ram_offset(Gpa(base + (gva.0 >> shift & 0x1FF) * 8))?;
            let entry = self.memory.read::<u64>(at);
            if entry & (P | A) != P | A || entry & reserved != 0 {
                return None;
            }
            rights &= entry;
            denied |= entry & NX;
            base = entry & ADDRESS;
            let large = shift != 12 && entry & PS != 0;
            if large || shift == 12 {
                let mask = (1u64 << shift) - 1;
                let bad_frame = large && (shift == 39 || entry & (mask & !0x1FFF) != 0);
                if bad_frame || access == Access::Write && entry & D == 0 {
                    return None;
                }
                let may_write = self.check_rights(access, table, rights, denied != 0).ok()?;
                return Some(Translation {
                    gpa: Gpa(base & !mask | gva.0 & mask),
                    writable: may_write && entry & D != 0,
                    executable: self.may_fetch(table, rights, denied != 0),
                    shift,
                });
            }
        }
        None
    }

    /// The walk itself. `Err` holds the P and RSVD bits of the error code.
    fn walk(&mut self, gva: Gva, access: Access, table: Table) -> Result<Translation, u32> {
        const fn level(shift: u32, bits: u32, may_be_large: bool, has_rights: bool) -> Level {
            Level { shift, bits, may_be_large, has_rights }
        }
        const FIVE: [Level; 5] = [
            level(48, 9, false, true),
            level(39, 9, false, true),
            level(30, 9, true, true),
            level(21, 9, true, true),
            level(12, 9, false, true),
        ];
        const PAE: [Level; 3] =
            [level(30, 2, false, false), level(21, 9, true, true), level(12, 9, false, true)];
        const LEGACY: [Level; 2] = [level(22, 10, false, true), level(12, 10, false, true)];
        const LEGACY_PSE: [Level; 2] = [level(22, 10, true, true), level(12, 10, false, true)];

        let cr4 = self.state.cr4;
        let long = self.state.long_mode();
        let pae = long || cr4.contains(Cr4::PAE);
        let (levels, root): (&[Level], u64) = if long {
            let levels = if cr4.contains(Cr4::LA57) { &FIVE[..] } else { &FIVE[1..] };
            (levels, self.state.cr3 & ADDRESS)
        } else if pae {
            (&PAE, self.state.cr3 & 0xFFFF_FFE0)
        } else {
            (if cr4.contains(Cr4::PSE) { &LEGACY_PSE } else { &LEGACY }, self.state.cr3 & 0xFFFF_F000)
        };
        let nxe = self.state.efer.contains(Efer::NXE);
        let above = reserved_above();

        let mut base = root;
        let mut rights = RW | US;
        let mut no_execute = false;
        let mut trail = [(Gpa(0), 0u64); 5];
        for (depth, level) in levels.iter().enumerate() {
            let index = gva.0 >> level.shift & ((1 << level.bits) - 1);
            let at = self.a20(base + index * if pae { 8 } else { 4 });
            let entry = self.read_entry(at, pae);
            trail[depth] = (at, entry);
            if entry & P == 0 {
                return Err(0);
            }
            let large = level.may_be_large && entry & PS != 0;
            let leaf = large || level.shift == 12;
            let reserved = if !pae {
                // PSE-36: bits 13 to 20 of a 4 MiB entry are address bits 32 to 39; bit 21 is reserved.
                if large { 1 << 21 } else { 0 }
            } else {
                let mut bits = above;
                if !nxe || !level.has_rights {
                    bits |= NX;
                }
                if !level.has_rights {
                    bits |= 0b1_1110_0110;
                }
                if !long {
                    bits |= IGNORED_HIGH;
                }
                if large {
                    bits |= (1 << level.shift) - (1 << 13);
                } else if !leaf && level.has_rights && !level.may_be_large {
                    bits |= PS;
                }
                bits
            };
            if entry & reserved != 0 {
                return Err(PF_P | PF_RSVD);
            }
            if level.has_rights {
                rights &= entry;
                no_execute |= pae && nxe && entry & NX != 0;
            }
            if !leaf {
                base = if pae { entry & ADDRESS } else { entry & 0xFFFF_F000 };
                continue;
            }

            let writable = self.check_rights(access, table, rights, no_execute)?;
            let mut dirty = entry & D != 0;
            if access == Access::Write && !dirty {
                trail[depth].1 |= D;
                dirty = true;
            }
            for (step, &(at, seen)) in trail[..=depth].iter().enumerate() {
                // PAE page-directory-pointer entries have no accessed bit.
                if levels[step].has_rights {
                    let old = if step == depth { entry } else { seen };
                    self.set_entry_bits(at, old, seen | A, pae);
                }
            }
            let mask = (1u64 << level.shift) - 1;
            let frame = if pae {
                entry & ADDRESS & !mask
            } else if large {
                entry & 0xFFC0_0000 | (entry >> 13 & 0xFF) << 32
            } else {
                entry & 0xFFFF_F000
            };
            return Ok(Translation {
                gpa: self.a20(frame | gva.0 & mask),
                writable: writable && dirty,
                executable: self.may_fetch(table, rights, no_execute),
                shift: level.shift,
            });
        }
        Err(0)
    }

    /// Checks R/W, U/S, NX, WP, SMEP and SMAP (Intel SDM Vol. 3A 5.6). Says
    /// whether a store would be allowed.
    fn check_rights(&self, access: Access, table: Table, rights: u64, no_execute: bool) -> Result<bool, u32> {
        let user_page = rights & US != 0;
        let user = table == Table::User;
        let wp = user || self.state.cr0.contains(Cr0::WP);
        let writable = rights & RW != 0 || !wp;
        let denied = match access {
            _ if user && !user_page => true,
            Access::Fetch => no_execute || !user && user_page && self.state.cr4.contains(Cr4::SMEP),
            _ if !user && user_page && table == Table::Supervisor && self.state.cr4.contains(Cr4::SMAP) => {
                true
            }
            Access::Write => !writable,
            Access::Read => false,
        };
        if denied { Err(PF_P) } else { Ok(writable) }
    }

    /// Whether an access that was allowed says that fetches are, too.
    fn may_fetch(&self, table: Table, rights: u64, no_execute: bool) -> bool {
        let user_page = rights & US != 0;
        let user = table == Table::User;
        !no_execute && if user { user_page } else { !user_page || !self.state.cr4.contains(Cr4::SMEP) }
    }

    fn read_entry(&mut self, at: Gpa, wide: bool) -> u64 {
        match self.memory.lookup(at) {
            Some(backing) if wide => self.memory.read::<u64>(backing.offset),
            Some(backing) => u64::from(self.memory.read::<u32>(backing.offset)),
            None => self.outside(|bus| bus.mmio_read(at, if wide { 8 } else { 4 })),
        }
    }

    /// Sets accessed and dirty bits in an entry unless someone changed it meanwhile.
    fn set_entry_bits(&mut self, at: Gpa, old: u64, new: u64, wide: bool) {
        if old == new {
            return;
        }
        let Some(backing) = self.memory.lookup(at) else { return };
        if backing.kind != glassbox_memory::BackingKind::Ram {
            return;
        }
        // A lost race leaves the bit clear; the other processor's entry stands.
        if wide {
            let _ = self.memory.compare_exchange(backing.offset, old, new);
        } else {
            let _ = self.memory.compare_exchange(backing.offset, old as u32, new as u32);
        }
        self.memory.mark_dirty(backing.offset, 8);
        if self.memory.has_code(backing.offset) {
            self.memory.code_written(backing.offset, 8);
        }
    }
}

/// Address bits that no memory has, in a PAE or long-mode entry.
const fn reserved_above() -> u64 {
    !((1u64 << Cpu::PHYSICAL_BITS) - 1) & !NX & !IGNORED_HIGH
}

/// Address bits of a PAE or long-mode entry.
const ADDRESS: u64 = 0x000F_FFFF_FFFF_F000;
/// Bits 52 to 62: ignored in long mode, reserved in PAE.
const IGNORED_HIGH: u64 = 0x7FF0_0000_0000_0000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::cpu64;

    /// Entries of every kind: absent, not accessed, not dirty, reserved bits, large pages
    /// at levels that have them and that do not, tables outside of RAM.
    #[test]
    fn the_plain_walk_finds_what_the_walk_finds_and_leaves_all_else_to_it() {
        const TABLES: [u64; 4] = [0x1_0000, 0x1_1000, 0x1_2000, 0x1_3000];
        let mut cpu = cpu64();
        cpu.state.cr3 = TABLES[0];
        let mut seed = 0x2545_F491_4F6C_DD1D_u64;
        let mut random = move || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed
        };
        let (mut plain, mut faults, mut others) = (0, 0, 0);
        for _ in 0..20_000 {
            let gva = random() & 0x7FFF_FFFF_FFFF;
            for (level, table) in TABLES.iter().enumerate() {
                // Most are as they have to be, so that most walks get far.
                let next = TABLES.get(level + 1).copied().unwrap_or(0x4_5000);
                let mut entry = next | P | A | D | RW | US;
                match random() % 32 {
                    0 => entry ^= 1 << (random() % 64),
                    1 => entry ^= 1 << (random() % 9),
                    2 => entry |= PS,
                    3 => entry = entry & 0xFFF | PS | 0x40_0000,
                    _ => {}
                }
                let at = Gpa(table + (gva >> (39 - 9 * level) & 0x1FF) * 8);
                cpu.memory.write_bytes(at, &entry.to_le_bytes()).expect("RAM");
            }
            let bits = random();
            cpu.state.efer.set(Efer::NXE, bits & 1 != 0);
            cpu.state.cr0.set(Cr0::WP, bits & 2 != 0);
            cpu.state.cr4.set(Cr4::SMEP, bits & 4 != 0);
            cpu.state.cr4.set(Cr4::SMAP, bits & 8 != 0);
            let access = [Access::Read, Access::Write, Access::Fetch][(bits >> 8) as usize % 3];
            let table = [Table::User, Table::Supervisor, Table::SupervisorAc][(bits >> 16) as usize % 3];
            let mut before = vec![0; 0x4000];
            cpu.memory.read_slice_at(TABLES[0], &mut before);
            let found = cpu.walk_plainly(Gva(gva), access, table);
            let walked = cpu.walk(Gva(gva), access, table);
            let mut after = vec![0; 0x4000];
            cpu.memory.read_slice_at(TABLES[0], &mut after);
            match (found, walked) {
                (Some(found), walked) => {
                    assert_eq!(Ok(found), walked, "{gva:#x} {access:?} {table:?}");
                    assert!(before == after, "the walk had bits to set at {gva:#x} {access:?}");
                    plain += 1;
                }
                (None, Err(_)) => faults += 1,
                // Bits had to be set, or a table is not in RAM.
                (None, Ok(_)) => {
                    assert!(before != after, "a plain walk was not seen as one: {gva:#x} {access:?}");
                    others += 1;
                }
            }
        }
        assert!(plain > 10_000 && faults > 500 && others > 100, "{plain} {faults} {others}");
    }
}
