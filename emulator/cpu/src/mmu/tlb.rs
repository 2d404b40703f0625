//! The software TLB.
//!
//! Direct-mapped, one table for each way in which accesses are made
//! ([`Table`]), so that a ring change flushes nothing. An entry's tags hold the
//! page address with a *generation* in the low 12 bits. A flush moves to a fresh
//! generation instead of touching entries; each PCID keeps its own, so that a
//! CR3 switch between live PCIDs finds its entries again.

use glassbox_memory::{Gva, PAGE_MASK, PAGE_SHIFT};
use std::collections::HashMap;

/// Entries in each table; a power of two.
pub const ENTRIES: usize = 16384;
/// PCIDs that differ in this have entries of their own, so that two processes in
/// turns do not evict each other's; a power of two.
const BANKS: usize = 4;
/// Entries from where a table begins to where the next does: tables overlap. In an entry
/// that two of them have, the same page is at another place of either, so that neither
/// takes the other's translation for its own. Each may use nearly all there is.
pub const STRIDE: usize = ENTRIES / 16;
/// Entries of all tables: four for each bank, of which three are used.
const ALL_ENTRIES: usize = ENTRIES + STRIDE * 4 * BANKS;
const _: () = assert!(ALL_ENTRIES.is_power_of_two());
const GENERATIONS: u16 = 4096;
const PAGE_WORDS: usize = 1024;
/// Host pages that are told apart by [`Tlb::note_writable`]; a power of two.
const WRITTEN_PAGES: usize = 1 << 16;
const LARGE_SHIFT: u32 = 21;
const HUGE_SHIFT: u32 = 30;

/// Which rights an access is made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Table {
    /// CPL 3.
    User = 0,
    /// Supervisor; SMAP, where on, denies user pages. Implicit accesses too.
    Supervisor = 1,
    /// Supervisor with EFLAGS.AC set: SMAP does not deny.
    SupervisorAc = 2,
}

/// Changed in a tag whose page holds code. No address has this bit unlike those around
/// it, so that the tag matches no store.
pub const BESIDE_CODE: u64 = 1 << 62;

/// One translation. A tag of 0 never matches: generation 0 is never current.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Entry {
    /// Page | generation if loads may use the fast path.
    pub read: u64,
    /// Page | generation if stores may: writable, dirty, no code, no ROM, not
    /// watched for writes. With [`BESIDE_CODE`] if they may but for code that is there.
    pub write: u64,
    /// Page | generation if instructions may be fetched.
    pub exec: u64,
    /// Host address minus linear address.
    pub addend: u64,
}

/// The TLB of one logical processor.
pub struct Tlb {
    entries: Box<[Entry; ALL_ENTRIES]>,
    /// The table that plain accesses use.
    selected: Table,
    /// Index of the current table's first entry.
    base: usize,
    /// Host address of that entry, for compiled code.
    table: usize,
    /// The current generation, 1 to 4095; page tags hold it in bits 0 to 11.
    generation: u64,
    /// Generation, privilege, count of changes and code key: while it is the same, fetches
    /// translate and are allowed as before, and lead to the same compiled code.
    context: u64,
    /// Single invalidations of code and reuses of generations, in `context` above bit 13.
    changes: u64,
    /// What compiled code is for, in `context` above bit 56.
    code_key: u8,
    next_generation: u16,
    /// Generations of PCIDs that were switched away from.
    pcids: HashMap<u16, u16>,
    current_pcid: u16,
    /// Hashed sets of the 2 MiB and 1 GiB regions in which large pages were
    /// filled: INVLPG of a page there drops all its 4 KiB pieces.
    large: Box<[u64; 64]>,
    huge: Box<[u64; 64]>,
    /// By a hash of host pages, the youngest generation in which an entry was given the right
    /// to write there; 0 is none.
    writable: Vec<u16>,
    /// Hashed set of the linear pages that fetches may have been translated for.
    fetchable: Box<[u64; PAGE_WORDS]>,
    /// The compiled loop that keeps translations of its own, which hold while this
    /// is that loop's number: every change of what is translated sets it to 0.
    owner: u64,
    /// Fills since power-on.
    pub fills: u64,
    /// Flushes of everything or of one PCID.
    pub flushes: u64,
}

impl Tlb {
    /// Where compiled code finds the current table's address.
    pub(crate) const TABLE_OFFSET: usize = std::mem::offset_of!(Self, table);
    /// Where compiled code finds the current generation.
    pub(crate) const GENERATION_OFFSET: usize = std::mem::offset_of!(Self, generation);
    /// Where compiled code finds the current context.
    pub(crate) const CONTEXT_OFFSET: usize = std::mem::offset_of!(Self, context);

    /// Where compiled code that changes privileges finds which table is current, and
    /// what goes with that.
    pub(crate) const SELECTED_OFFSET: usize = std::mem::offset_of!(Self, selected);
    /// The index of its first entry.
    pub(crate) const BASE_OFFSET: usize = std::mem::offset_of!(Self, base);
    /// The bit of the context that says supervisor.
    pub(crate) const SUPERVISOR_BIT: u32 = 12;

    /// Where the code key is in the context.
    pub(crate) const CODE_KEY_SHIFT: u32 = 56;

    /// Where compiled code keeps the number of the loop whose translations hold.
    pub(crate) const OWNER_OFFSET: usize = std::mem::offset_of!(Self, owner);

    /// An empty TLB.
    pub fn new() -> Self {
        let entries = vec![Entry::default(); ALL_ENTRIES].into_boxed_slice();
        Self {
            entries: entries.try_into().unwrap_or_else(|_| unreachable!("the length is the constant's")),
            selected: Table::User,
            base: 0,
            table: 0,
            generation: 1,
            context: 1,
            changes: 0,
            code_key: 0,
            next_generation: 2,
            pcids: HashMap::new(),
            current_pcid: 0,
            large: Box::new([0; 64]),
            huge: Box::new([0; 64]),
            writable: vec![0; WRITTEN_PAGES],
            fetchable: Box::new([0; PAGE_WORDS]),
            owner: 0,
            fills: 0,
            flushes: 0,
        }
    }

    /// Selects the table that plain accesses use. `code_key`, the number of a
    /// [`CodeKey`](crate::compiled::CodeKey), becomes part of the context.
    #[inline(always)]
    pub fn select(&mut self, table: Table, code_key: u8) {
        self.selected = table;
        self.code_key = code_key;
        self.base = self.first(table);
        self.table = self.entries.as_ptr() as usize + self.base * size_of::<Entry>();
        self.update_context();
    }

    /// A number that is the same again only when fetches translate and are
    /// allowed as they were.
    pub fn context(&self) -> u64 {
        self.context
    }

    #[inline(always)]
    fn update_context(&mut self) {
        self.owner = 0;
        let changes = self.changes << 13 & ((1 << Self::CODE_KEY_SHIFT) - 1);
        // EFLAGS.AC lets a supervisor at users' data, and has no say in fetches.
        self.context = self.generation
            | u64::from(self.selected != Table::User) << Self::SUPERVISOR_BIT
            | changes
            | u64::from(self.code_key) << Self::CODE_KEY_SHIFT;
    }

    /// Index of a table's first entry, for the current PCID.
    #[inline(always)]
    fn first(&self, table: Table) -> usize {
        ((self.current_pcid as usize & (BANKS - 1)) * 4 + table as usize) * STRIDE
    }

    /// The entry that `gva` maps to in the current table.
    #[inline(always)]
    pub fn entry(&self, gva: u64) -> &Entry {
        &self.entries[(self.base + slot(gva)) & (ALL_ENTRIES - 1)]
    }

    /// The tag that a valid entry for `gva` bears.
    #[inline(always)]
    pub fn tag(&self, gva: u64) -> u64 {
        gva & PAGE_MASK | self.generation
    }

    /// Translations that compiled loops keep no longer hold.
    pub fn disown_loops(&mut self) {
        self.owner = 0;
    }

    /// Replaces the entry that `gva` maps to in `table`.
    pub fn replace(&mut self, table: Table, gva: u64, entry: Entry) {
        self.owner = 0;
        if entry.exec != 0 {
            let (word, bit) = page_bit(gva);
            self.fetchable[word] |= bit;
        }
        *self.entry_mut(table, gva) = entry;
    }

    /// The entry that `gva` maps to in `table`.
    pub fn entry_mut(&mut self, table: Table, gva: u64) -> &mut Entry {
        let at = self.first(table) + slot(gva);
        &mut self.entries[at & (ALL_ENTRIES - 1)]
    }

    /// Notes that the translation of `gva` comes from a page of `1 << shift` bytes.
    pub fn note_size(&mut self, gva: u64, shift: u32) {
        if shift > PAGE_SHIFT {
            set_bit(&mut self.large, gva >> LARGE_SHIFT);
        }
        // 4 MiB pages span two of the 2 MiB regions: they count as huge.
        if shift > LARGE_SHIFT {
            set_bit(&mut self.huge, gva >> HUGE_SHIFT);
        }
    }

    /// Drops every translation, of all PCIDs and global ones too.
    pub fn flush_all(&mut self) {
        self.pcids.clear();
        self.fresh_generation();
    }

    /// Drops the translations of `pcid`.
    pub fn flush_pcid(&mut self, pcid: u16) {
        if pcid == self.current_pcid {
            self.fresh_generation();
        } else {
            self.pcids.remove(&pcid);
        }
    }

    /// Makes `pcid` current, keeping its live translations.
    pub fn switch_pcid(&mut self, pcid: u16) {
        if pcid == self.current_pcid {
            return;
        }
        self.pcids.insert(self.current_pcid, self.generation as u16);
        self.current_pcid = pcid;
        match self.pcids.get(&pcid) {
            Some(&generation) => self.generation = u64::from(generation),
            None => self.fresh_generation(),
        }
        self.select(self.selected, self.code_key);
    }

    /// The current PCID.
    pub fn pcid(&self) -> u16 {
        self.current_pcid
    }

    /// Drops the translations of one linear page, whatever their PCID.
    pub fn invalidate(&mut self, gva: Gva) {
        let pages = if has_bit(&self.huge, gva.0 >> HUGE_SHIFT) {
            self.flush_all();
            return;
        } else if has_bit(&self.large, gva.0 >> LARGE_SHIFT) {
            1 << (LARGE_SHIFT - PAGE_SHIFT)
        } else {
            1
        };
        let (word, bit) = page_bit(gva.0);
        if pages > 1 || self.fetchable[word] & bit != 0 {
            self.changes += 1;
        }
        self.update_context();
        let first = gva.0 & !((pages << PAGE_SHIFT) - 1);
        for page in 0..pages {
            let gva = first + (page << PAGE_SHIFT);
            for table in 0..4 * BANKS {
                let entry = &mut self.entries[(table * STRIDE + slot(gva)) & (ALL_ENTRIES - 1)];
                if (entry.read | entry.exec) & PAGE_MASK == gva & PAGE_MASK {
                    *entry = Entry::default();
                }
            }
        }
    }

    /// Takes write permission from every entry that leads to the page at host address
    /// `at`: it now holds cached code.
    pub fn protect_page(&mut self, at: u64) {
        let page = at & PAGE_MASK;
        let noted = u64::from(self.writable[written(at)]);
        self.owner = 0;
        if noted == 0 {
            return;
        }
        // Other PCIDs start anew: to look through all their entries takes longer
        // than to fill the few that are used again.
        self.pcids.clear();
        if noted < self.generation {
            // Nor has any entry of the current generation, or it would have been noted.
            return;
        }
        let first = self.first(Table::User);
        for entry in &mut self.entries[first..first + ENTRIES + 2 * STRIDE] {
            if entry.write != 0 && (entry.write & PAGE_MASK).wrapping_add(entry.addend) == page {
                entry.write = 0;
            }
        }
    }

    /// Notes that an entry gets the right to write the page at host address `at`.
    #[inline(always)]
    pub fn note_writable(&mut self, at: u64) {
        let youngest = &mut self.writable[written(at)];
        *youngest = (*youngest).max(self.generation as u16);
    }

    fn fresh_generation(&mut self) {
        self.flushes += 1;
        if self.next_generation == GENERATIONS {
            self.entries.fill(Entry::default());
            self.pcids.clear();
            self.large.fill(0);
            self.huge.fill(0);
            self.writable.fill(0);
            self.fetchable.fill(0);
            self.next_generation = 1;
            self.changes += 1;
        }
        self.generation = u64::from(self.next_generation);
        self.next_generation += 1;
        self.update_context();
    }
}

#[inline(always)]
fn slot(gva: u64) -> usize {
    (gva >> PAGE_SHIFT) as usize & (ENTRIES - 1)
}

/// Where the page of a host address is among those that may be written.
#[inline(always)]
fn written(at: u64) -> usize {
    (at >> PAGE_SHIFT) as usize & (WRITTEN_PAGES - 1)
}

/// Where the page of a linear address is in a hashed set of pages.
#[inline(always)]
fn page_bit(at: u64) -> (usize, u64) {
    let page = (at >> PAGE_SHIFT) as usize;
    (page >> 6 & (PAGE_WORDS - 1), 1 << (page & 63))
}

fn set_bit(set: &mut [u64; 64], region: u64) {
    set[(region >> 6 & 63) as usize] |= 1 << (region & 63);
}

fn has_bit(set: &[u64; 64], region: u64) -> bool {
    set[(region >> 6 & 63) as usize] >> (region & 63) & 1 != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(tlb: &mut Tlb, gva: u64) {
        let tag = tlb.tag(gva);
        *tlb.entry_mut(Table::User, gva) = Entry { read: tag, write: tag, exec: tag, addend: 0 };
    }

    fn hit(tlb: &Tlb, gva: u64) -> bool {
        tlb.entry(gva).read == tlb.tag(gva)
    }

    #[test]
    fn pcids_keep_their_entries_and_flushes_drop_them() {
        let mut tlb = Tlb::new();
        tlb.select(Table::User, 0);
        fill(&mut tlb, 0x1000);
        tlb.switch_pcid(1);
        assert!(!hit(&tlb, 0x1000));
        fill(&mut tlb, 0x2000);
        tlb.switch_pcid(0);
        assert!(hit(&tlb, 0x1000) && !hit(&tlb, 0x2000));
        tlb.flush_pcid(1);
        assert!(hit(&tlb, 0x1000));
        tlb.switch_pcid(1);
        assert!(!hit(&tlb, 0x2000));
        tlb.flush_all();
        tlb.switch_pcid(0);
        assert!(!hit(&tlb, 0x1000));
    }

    #[test]
    fn generations_wrap_without_reviving_old_entries() {
        let mut tlb = Tlb::new();
        for n in 0..3 * u64::from(GENERATIONS) {
            assert!(!hit(&tlb, 0x5000), "stale hit after {n} flushes");
            fill(&mut tlb, 0x5000);
            assert!(hit(&tlb, 0x5000));
            tlb.flush_all();
        }
    }

    #[test]
    fn tables_overlap_and_never_answer_for_each_other() {
        let mut tlb = Tlb::new();
        tlb.select(Table::User, 0);
        fill(&mut tlb, 0x7000);
        for page in 0..2 * ENTRIES as u64 {
            let gva = page << PAGE_SHIFT;
            for table in [Table::User, Table::Supervisor, Table::SupervisorAc] {
                let found = tlb.entry_mut(table, gva).read == tlb.tag(gva);
                assert_eq!(found, table == Table::User && gva == 0x7000, "{table:?} {gva:#x}");
            }
        }
    }

    #[test]
    fn a_page_that_gets_code_is_written_by_no_entry_of_any_pcid() {
        const HOST: u64 = 0x1234_5000;
        let writable = |tlb: &Tlb| tlb.entry(0x9000).write == tlb.tag(0x9000);
        let mut tlb = Tlb::new();
        tlb.select(Table::User, 0);
        let fill = |tlb: &mut Tlb| {
            let tag = tlb.tag(0x9000);
            tlb.note_writable(HOST);
            let entry = Entry { read: tag, write: tag, exec: 0, addend: HOST - 0x9000 };
            tlb.replace(Table::User, 0x9000, entry);
        };
        for last in [0, 1, 2] {
            // The older PCID's entry is the younger note, and the reverse.
            for pcid in [0, 1, 0] {
                tlb.switch_pcid(pcid);
                fill(&mut tlb);
            }
            tlb.switch_pcid(last);
            assert_eq!(writable(&tlb), last != 2);
            tlb.protect_page(HOST);
            for pcid in [last, 0, 1, 2] {
                tlb.switch_pcid(pcid);
                assert!(!writable(&tlb), "PCID {pcid} after protecting in {last}");
            }
        }
    }

    #[test]
    fn invlpg_inside_a_large_page_drops_all_its_pieces() {
        let mut tlb = Tlb::new();
        tlb.note_size(0x40_0000, 21);
        fill(&mut tlb, 0x40_3000);
        fill(&mut tlb, 0x80_1000);
        tlb.invalidate(Gva(0x41_0000));
        assert!(!hit(&tlb, 0x40_3000));
        assert!(hit(&tlb, 0x80_1000));
    }
}
