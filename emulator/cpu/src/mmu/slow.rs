//! The slow path of memory access: TLB fills, page crossings, MMIO, ROM, code
//! pages, alignment checks, data breakpoints and observers.

use super::tlb::{BESIDE_CODE, Entry, Table};
use super::walk::{Access, Translation};
use crate::state::{SEG_FLAT_STACK, SegReg};
use crate::{Cpu, Exception};
use glassbox_memory::{Atomic, Backing, BackingKind, Gpa, Gva, PAGE_MASK, PAGE_SIZE, Pod, WriteTarget};
use glassbox_x86_spec::control::{Cr0, Flags};

/// One page's share of an access.
#[derive(Clone, Copy)]
struct Part {
    gpa: Gpa,
    len: usize,
}

/// Bytes of the widest access (FXSAVE areas are accessed in pieces).
const WIDEST: usize = 64;

impl Cpu {
    #[cold]
    #[inline(never)]
    pub(crate) fn load_slow<T: Pod>(&mut self, seg: u8, gva: u64) -> Result<T, Exception> {
        self.load_as(self.current_table(), seg, gva)
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn store_slow<T: Pod>(&mut self, seg: u8, gva: u64, value: T) -> Result<(), Exception> {
        // Small programs keep their variables and their stack where their code is.
        let entry = self.tlb.entry(gva);
        let last = gva.wrapping_add(size_of::<T>() as u64 - 1);
        if entry.write == self.tlb.tag(last) ^ BESIDE_CODE && !self.slow_access {
            let offset = self.ram_offset(entry, gva);
            if self.memory.is_beside_code(offset, size_of::<T>() as u64) {
                self.memory.write(offset, value);
                return Ok(());
            }
        }
        self.store_as(self.current_table(), seg, gva, value)
    }

    /// Loads with the rights of `table`.
    pub(crate) fn load_as<T: Pod>(&mut self, table: Table, seg: u8, gva: u64) -> Result<T, Exception> {
        let entry = *self.tlb.entry_mut(table, gva);
        if entry.read == self.tlb.tag(gva.wrapping_add(size_of::<T>() as u64 - 1)) && !self.slow_access {
            return Ok(self.memory.read(self.ram_offset(&entry, gva)));
        }
        let mut value = T::zeroed();
        self.read_linear(table, seg, gva, bytemuck::bytes_of_mut(&mut value))?;
        Ok(value)
    }

    /// Stores with the rights of `table`.
    pub(crate) fn store_as<T: Pod>(
        &mut self,
        table: Table,
        seg: u8,
        gva: u64,
        value: T,
    ) -> Result<(), Exception> {
        let entry = *self.tlb.entry_mut(table, gva);
        if entry.write == self.tlb.tag(gva.wrapping_add(size_of::<T>() as u64 - 1)) && !self.slow_access {
            self.memory.write(self.ram_offset(&entry, gva), value);
            return Ok(());
        }
        self.write_linear(table, seg, gva, bytemuck::bytes_of(&value))
    }

    fn read_linear(&mut self, table: Table, seg: u8, gva: u64, to: &mut [u8]) -> Result<(), Exception> {
        let parts = self.parts(table, seg, gva, to.len(), Access::Read)?;
        let mut done = 0;
        for part in parts {
            let piece = &mut to[done..done + part.len];
            self.read_physical(part.gpa, piece);
            done += part.len;
        }
        self.touched(gva, to, false);
        Ok(())
    }

    fn write_linear(&mut self, table: Table, seg: u8, gva: u64, from: &[u8]) -> Result<(), Exception> {
        let parts = self.parts(table, seg, gva, from.len(), Access::Write)?;
        self.touched(gva, from, true);
        let mut done = 0;
        for part in parts {
            self.write_physical(part.gpa, &from[done..done + part.len]);
            done += part.len;
        }
        Ok(())
    }

    /// Checks that a store of `size` bytes would succeed, without storing.
    ///
    /// # Errors
    /// What the store would raise.
    pub(crate) fn probe_write(&mut self, seg: u8, gva: u64, size: u64) -> Result<(), Exception> {
        // What the store's fast path asks: it would be taken.
        let last = gva.wrapping_add(size.saturating_sub(1));
        if self.tlb.entry(gva).write == self.tlb.tag(last) && !self.slow_access {
            return Ok(());
        }
        self.parts(self.current_table(), seg, gva, size as usize, Access::Write).map(|_| ())
    }

    /// Checks and translates all pages of an access before any of it is done.
    /// The second part is empty when one page holds it all.
    fn parts(
        &mut self,
        table: Table,
        seg: u8,
        gva: u64,
        size: usize,
        access: Access,
    ) -> Result<[Part; 2], Exception> {
        debug_assert!(size <= WIDEST);
        let last = gva.wrapping_add(size as u64 - 1);
        // Tables and inner stacks of long mode have wide addresses even while
        // compatibility-mode code runs.
        let wide = self.state.long_mode() && (self.state.is_64bit() || gva > u64::from(u32::MAX));
        if wide && (!self.is_canonical(gva) || !self.is_canonical(last)) {
            let stack = seg == SEG_FLAT_STACK || seg == SegReg::Ss as u8;
            return Err(if stack { Exception::SS0 } else { Exception::GP0 });
        }
        self.check_alignment(table, gva, size)?;
        let first = self.fill(Gva(gva), access, table)?;
        if gva & PAGE_MASK == last & PAGE_MASK {
            return Ok([Part { gpa: first.gpa, len: size }, Part { gpa: Gpa(0), len: 0 }]);
        }
        let second_page = last & PAGE_MASK;
        let second_page = if wide { second_page } else { second_page & 0xFFFF_FFFF };
        let second = self.fill(Gva(second_page), access, table)?;
        let len = (PAGE_SIZE - (gva & !PAGE_MASK)) as usize;
        Ok([Part { gpa: first.gpa, len }, Part { gpa: second.gpa, len: size - len }])
    }

    /// #AC (Intel SDM Vol. 3A 7.15): CPL 3, CR0.AM, EFLAGS.AC.
    fn check_alignment(&self, table: Table, gva: u64, size: usize) -> Result<(), Exception> {
        let natural = match size {
            10 => 8,
            16.. => return Ok(()),
            _ => size,
        };
        let checks = table == Table::User
            && self.state.cpl == 3
            && self.state.system_flags.contains(Flags::AC)
            && self.state.cr0.contains(Cr0::AM);
        if checks && natural.is_power_of_two() && gva & (natural as u64 - 1) != 0 {
            return Err(Exception::AC);
        }
        Ok(())
    }

    /// Translates and remembers the translation in the TLB.
    pub(crate) fn fill(&mut self, gva: Gva, access: Access, table: Table) -> Result<Translation, Exception> {
        let found = self.translate(gva, access, table)?;
        self.tlb.fills += 1;
        let generation = self.memory.generation();
        if self.device_pages.contains(found.gpa, generation) {
            return Ok(found);
        }
        let Some(backing) = self.memory.lookup(found.gpa) else {
            // Shadow memory may be there for stores only.
            if matches!(self.memory.lookup_write(found.gpa), WriteTarget::Bus) {
                self.device_pages.insert(found.gpa, generation);
            }
            return Ok(found);
        };
        let (tag, at) = (self.tlb.tag(gva.0), self.memory.host_address(backing.offset));
        if access == Access::Write {
            // Who watches the page for writes is told now, not at each of them.
            self.memory.mark_dirty(backing.offset, 1);
        }
        let is_ram = found.writable && backing.kind == BackingKind::Ram;
        let may_write = is_ram && self.memory.is_open(backing.offset);
        let beside_code = is_ram && self.memory.is_closed_by_code(backing.offset);
        let readable = access != Access::Fetch || self.readable_beside_fetch(table, gva);
        self.tlb.note_size(gva.0, found.shift);
        if may_write {
            self.tlb.note_writable(at);
        }
        let entry = Entry {
            read: if readable { tag } else { 0 },
            write: match may_write {
                _ if !readable => 0,
                true => tag,
                false if beside_code => tag ^ BESIDE_CODE,
                false => 0,
            },
            exec: if found.executable { tag } else { 0 },
            addend: at.wrapping_sub(gva.0),
        };
        self.tlb.replace(table, gva.0, entry);
        Ok(found)
    }

    /// Whether a page that was just translated for a fetch may be read, too:
    /// SMAP may deny data what SMEP, being off, allows to fetch.
    fn readable_beside_fetch(&mut self, table: Table, gva: Gva) -> bool {
        use glassbox_x86_spec::control::Cr4;
        if table != Table::Supervisor
            || !self.state.cr4.contains(Cr4::SMAP)
            || self.state.cr4.contains(Cr4::SMEP)
        {
            return true;
        }
        let cr2 = self.state.cr2;
        let readable = self.translate(gva, Access::Read, table).is_ok();
        self.state.cr2 = cr2;
        readable
    }

    /// What backs a byte: as the memory's map says, but for pages known to be a device's.
    fn backing(&self, at: Gpa) -> Option<Backing> {
        let device = self.device_pages.contains(at, self.memory.generation());
        if device { None } else { self.memory.lookup(at) }
    }

    /// Reads physical memory or a device. The bytes lie in one page.
    pub(crate) fn read_physical(&mut self, at: Gpa, to: &mut [u8]) {
        if to.is_empty() {
            return;
        }
        match self.backing(at) {
            Some(backing) => match to.len() {
                8 => to.copy_from_slice(&self.memory.read::<[u8; 8]>(backing.offset)),
                4 => to.copy_from_slice(&self.memory.read::<[u8; 4]>(backing.offset)),
                _ => self.memory.read_slice_at(backing.offset, to),
            },
            None => {
                for_device_chunks(at, to.len(), |at, range| {
                    let size = range.len() as u8;
                    let value = self.outside(|bus| bus.mmio_read(at, size)).to_le_bytes();
                    let len = range.len();
                    to[range].copy_from_slice(&value[..len]);
                });
            }
        }
    }

    /// Writes physical memory or a device. The bytes lie in one page.
    pub(crate) fn write_physical(&mut self, at: Gpa, from: &[u8]) {
        if from.is_empty() {
            return;
        }
        let target = match self.device_pages.contains(at, self.memory.generation()) {
            true => WriteTarget::Bus,
            false => self.memory.lookup_write(at),
        };
        match target {
            WriteTarget::Ram(offset) => {
                if let Some(journal) = &mut self.journal {
                    let mut old = vec![0; from.len()];
                    self.memory.read_slice_at(offset, &mut old);
                    journal.push((offset, old));
                }
                match from.len() {
                    1 => self.memory.write(offset, from[0]),
                    // One host store for what the guest stores at once.
                    2 => self.memory.write(offset, [from[0], from[1]]),
                    4 => self.memory.write(offset, [from[0], from[1], from[2], from[3]]),
                    8 => self.memory.write(offset, bytemuck::pod_read_unaligned::<u64>(from)),
                    _ => self.memory.write_slice_at(offset, from),
                }
                self.memory.mark_dirty(offset, from.len() as u64);
                if self.memory.has_code(offset) && self.memory.code_written(offset, from.len() as u64) {
                    self.leave_block = true;
                }
            }
            WriteTarget::Dropped => {}
            WriteTarget::Bus => {
                for_device_chunks(at, from.len(), |at, range| {
                    let size = range.len() as u8;
                    let mut value = [0; 8];
                    value[..range.len()].copy_from_slice(&from[range]);
                    self.outside(|bus| bus.mmio_write(at, size, u64::from_le_bytes(value)));
                });
            }
        }
    }

    /// Tells data breakpoints and the observer of an access.
    fn touched(&mut self, gva: u64, bytes: &[u8], write: bool) {
        if !self.slow_access {
            return;
        }
        self.check_data_breakpoints(gva, bytes.len() as u64, write);
        if let Some(observer) = &mut self.observer {
            observer.memory(gva, bytes, write);
        }
    }

    /// Atomic read-modify-write of a memory operand at `gva`: stores
    /// `change(old)` and returns `old`. Used by LOCK forms and XCHG.
    ///
    /// # Errors
    /// What a store to the operand raises; then nothing was stored.
    pub(crate) fn update_locked<T: Atomic>(
        &mut self,
        seg: u8,
        gva: u64,
        mut change: impl FnMut(T) -> T,
    ) -> Result<T, Exception> {
        let size = size_of::<T>();
        let entry = *self.tlb.entry(gva);
        let last = gva.wrapping_add(size as u64 - 1);
        let offset = if entry.write == self.tlb.tag(last) && !self.slow_access {
            self.ram_offset(&entry, gva)
        } else {
            let parts = self.parts(self.current_table(), seg, gva, size, Access::Write)?;
            let backing = self.memory.lookup(parts[0].gpa);
            match backing {
                Some(b) if parts[1].len == 0 && b.kind == BackingKind::Ram && !self.slow_access => {
                    if self.memory.has_code(b.offset) && self.memory.code_written(b.offset, size as u64) {
                        self.leave_block = true;
                    }
                    b.offset
                }
                _ => {
                    // Split, ROM, device or watched: not atomic towards other processors.
                    let table = self.current_table();
                    let old = self.load_as(table, seg, gva)?;
                    self.store_as(table, seg, gva, change(old))?;
                    return Ok(old);
                }
            }
        };
        let mut old: T = self.memory.read(offset);
        loop {
            match self.memory.compare_exchange(offset, old, change(old)) {
                Ok(seen) => return Ok(seen),
                Err(seen) => old = seen,
            }
        }
    }
}

impl Cpu {
    /// CMPXCHG16B: 16 aligned bytes at `gva` become `new` if they are `expected`;
    /// returns what they were.
    ///
    /// # Errors
    /// What a store to the operand raises; then nothing was stored.
    pub(crate) fn exchange_wide(
        &mut self,
        seg: u8,
        gva: u64,
        expected: [u64; 2],
        new: [u64; 2],
    ) -> Result<[u64; 2], Exception> {
        let parts = self.parts(self.current_table(), seg, gva, 16, Access::Write)?;
        match self.memory.lookup(parts[0].gpa) {
            Some(b) if b.kind == BackingKind::Ram && !self.slow_access => {
                if self.memory.has_code(b.offset) && self.memory.code_written(b.offset, 16) {
                    self.leave_block = true;
                }
                let (Ok(old) | Err(old)) = self.memory.compare_exchange_locked(b.offset, expected, new);
                Ok(old)
            }
            _ => {
                let table = self.current_table();
                let old: [u64; 2] = self.load_as(table, seg, gva)?;
                self.store_as(table, seg, gva, if old == expected { new } else { old })?;
                Ok(old)
            }
        }
    }

    /// The RAM offset of `gva` if the fast path may be used on the rest of its
    /// page with this access: for bulk string instructions.
    pub(crate) fn fast_span(&mut self, seg: u8, gva: u64, access: Access) -> Option<u64> {
        if self.slow_access {
            return None;
        }
        let usable = |cpu: &Self| {
            let entry = cpu.tlb.entry(gva);
            let tag = if access == Access::Write { entry.write } else { entry.read };
            (tag == cpu.tlb.tag(gva)).then(|| cpu.ram_offset(entry, gva))
        };
        usable(self).or_else(|| {
            // A fault is raised by the ordinary path, which comes next.
            let cr2 = self.state.cr2;
            if self.parts(self.current_table(), seg, gva, 1, access).is_err() {
                self.state.cr2 = cr2;
            }
            usable(self)
        })
    }

    /// Where the elements of `size` bytes from `gva` on, within one page, are in
    /// physical memory, if that page is known to be a device's and the first element
    /// raises nothing.
    pub(crate) fn device_span(&mut self, seg: u8, gva: u64, size: u64, access: Access) -> Option<Gpa> {
        if self.slow_access {
            return None;
        }
        let cr2 = self.state.cr2;
        let Ok([part, rest]) = self.parts(self.current_table(), seg, gva, size as usize, access) else {
            self.state.cr2 = cr2;
            return None;
        };
        let device = self.device_pages.contains(part.gpa, self.memory.generation());
        (device && rest.len == 0).then_some(part.gpa)
    }
}

/// Splits a device access into naturally sized pieces of at most 8 bytes.
fn for_device_chunks(at: Gpa, len: usize, mut each: impl FnMut(Gpa, std::ops::Range<usize>)) {
    let mut done = 0;
    while done < len {
        let left = len - done;
        let at = at.add(done as u64);
        let align = 1usize << at.0.trailing_zeros().min(3);
        let whole = left == 2 || left == 4 || left == 8;
        let size = if whole { left } else { align.min(1 << left.ilog2()).min(8) };
        each(at, done..done + size);
        done += size;
    }
}
