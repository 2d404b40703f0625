//! Compiled blocks: where their code is, how they are found, how they go.

mod buffer;
mod compiled;
mod targets;

pub use buffer::CodeBuffer;
pub use compiled::{BlockId, Compiled, Key, key_at, neighbour};
pub use targets::{TARGET_HASH, TARGET_SHIFT, TARGETS, Target, target_of, target_slot};

use crate::ir::PAGE;
use compiled::{NOWHERE, hash_of};
use glassbox_cpu::compiled::layout;
use glassbox_cpu::{Block, Cpu, IdTable};
use glassbox_memory::{AddressMap as Map, PAGE_MASK, PAGE_SHIFT};
use std::ops::Range;

/// A region of the code buffer has about this size: emptying one takes no longer
/// than a millisecond or two.
const REGION: usize = 128 << 10;
const LEAST_REGIONS: usize = 2;
/// Of a large buffer regions are larger: jumps between them cost upkeep.
const MOST_REGIONS: usize = 32;

/// Pages are remembered as rewritten, at most so many.
const MOST_RESTLESS: usize = 4096;
/// After so many times that a page's compiled code was overwritten, the rest of it
/// has to be hotter; twice as hot after as many again.
const RESTLESS: u32 = 16;
/// Entries into a block that begin it, doubled with each step.
const RESTLESS_HEAT: u16 = 64;

/// Takes blocks out of a page's list.
fn unlist(by_page: &mut Map<u64, Vec<BlockId>>, page: u64, is_gone: impl Fn(&BlockId) -> bool) {
    if let Some(ids) = by_page.get_mut(&page) {
        ids.retain(|id| !is_gone(id));
        if ids.is_empty() {
            by_page.remove(&page);
        }
    }
}

/// A part of the code buffer. All its blocks go at once, and what is known of them.
#[derive(Default)]
struct Region {
    /// Host addresses.
    code: Range<usize>,
    /// Sorted by where their code is.
    blocks: Vec<Compiled>,
    /// Where that is, for searches: close together.
    starts: Vec<usize>,
    /// For each page of the code, the first block that begins there or behind.
    pages: Vec<usize>,
    /// Jumps of other regions that lead here.
    incoming: Vec<Incoming>,
    /// Counts how often it was emptied.
    epoch: u32,
}

/// A jump that was patched to lead to another region.
struct Incoming {
    site: usize,
    /// What was there before.
    was: Vec<u8>,
    /// The region that it is in, and that region's epoch.
    from: u32,
    epoch: u32,
}

/// The blocks of one engine. Their code fills one region of the buffer after the
/// other; when all are full, the one that was filled first is used again.
pub struct Blocks {
    regions: Vec<Region>,
    /// The region being filled.
    current: usize,
    /// Which block has a key.
    by_key: IdTable,
    by_page: Map<u64, Vec<BlockId>>,
    /// How often compiled code of a page was overwritten.
    overwritten: Map<u64, u32>,
    targets: Box<[Target; TARGETS]>,
}

impl Blocks {
    /// None yet, and no room for any before [`divide`](Self::divide).
    pub fn new() -> Self {
        Self {
            regions: Vec::new(),
            current: 0,
            by_key: IdTable::default(),
            by_page: Map::default(),
            overwritten: Map::default(),
            targets: vec![Target::default(); TARGETS]
                .into_boxed_slice()
                .try_into()
                .unwrap_or_else(|_| unreachable!("the length is the constant's")),
        }
    }

    /// Makes regions of the host addresses `code`, and returns the first.
    pub fn divide(&mut self, code: Range<usize>) -> Range<usize> {
        let count = (code.len() / REGION).clamp(LEAST_REGIONS, MOST_REGIONS);
        let size = (code.len() / count) & !4095;
        self.regions.clear();
        for n in 0..count {
            let start = code.start + n * size;
            let end = if n + 1 == count { code.end } else { start + size };
            self.regions.push(Region { code: start..end, ..Region::default() });
        }
        self.current = 0;
        self.regions[0].code.clone()
    }

    /// Whether there is code in the region that [`advance`](Self::advance) goes to.
    pub fn next_is_used(&self) -> bool {
        !self.regions[(self.current + 1) % self.regions.len()].blocks.is_empty()
    }

    /// Goes on to the region that was filled longest ago: its blocks are gone. Returns
    /// its addresses, and what to write back where other regions lead into it.
    pub fn advance(&mut self) -> (Range<usize>, Vec<(usize, Vec<u8>)>) {
        self.current = (self.current + 1) % self.regions.len();
        let links = self.empty(self.current);
        (self.regions[self.current].code.clone(), links)
    }

    fn empty(&mut self, which: usize) -> Vec<(usize, Vec<u8>)> {
        let region = &mut self.regions[which];
        region.epoch = region.epoch.wrapping_add(1);
        let blocks = std::mem::take(&mut region.blocks);
        let incoming = std::mem::take(&mut region.incoming);
        region.starts.clear();
        region.pages.clear();
        let code = region.code.clone();
        for (number, block) in blocks.iter().enumerate() {
            self.by_key.remove(hash_of(block.key()), BlockId::new(which, number).0);
            for page in block.pages() {
                unlist(&mut self.by_page, page, |id| id.region() == which);
            }
        }
        for target in self.targets.iter_mut().filter(|target| code.contains(&(target.code as usize))) {
            *target = Target::default();
        }
        let alive = incoming.into_iter().filter(|link| self.regions[link.from as usize].epoch == link.epoch);
        alive.map(|link| (link.site, link.was)).collect()
    }

    /// How often a block at RAM offset `start` has to have been entered before it is
    /// compiled: ever more often on a page whose code is rewritten again and again.
    pub fn patience(&self, start: u64) -> u16 {
        match self.overwritten.get(&(start >> PAGE_SHIFT)) {
            Some(times) => (RESTLESS_HEAT << (times / RESTLESS).min(6)) / 2,
            None => 0,
        }
    }

    /// Whether the code at `at` goes together with a block.
    pub fn goes_with(&self, at: usize, id: BlockId) -> bool {
        self.regions[id.region()].code.contains(&at)
    }

    /// The jump at `site`, which was `was` before, leads to a block of another region.
    pub fn note_link(&mut self, site: usize, was: Vec<u8>, to: BlockId) {
        let Some(from) = self.region_at(site) else { return };
        let epoch = self.regions[from].epoch;
        let incoming = Incoming { site, was, from: from as u32, epoch };
        self.regions[to.region()].incoming.push(incoming);
    }

    fn region_at(&self, at: usize) -> Option<usize> {
        let first = &self.regions.first()?.code;
        // All have the same size, but the last, which may be larger.
        let number = (at.wrapping_sub(first.start) / first.len().max(1)).min(self.regions.len() - 1);
        self.regions[number].code.contains(&at).then_some(number)
    }

    /// Host address of the table of targets.
    pub fn targets(&self) -> usize {
        self.targets.as_ptr() as usize
    }

    /// The block of a key.
    pub fn find(&self, key: Key) -> Option<BlockId> {
        self.by_key.find(hash_of(key), |id| self.get(BlockId(id)).key() == key).map(BlockId)
    }

    /// The same for the interpreter's `block`, which keeps a note of it: another block may
    /// be what that names by now.
    pub fn find_noted(&self, key: Key, block: &Block) -> Option<BlockId> {
        let id = BlockId(block.note.get());
        let noted = self.regions.get(id.region()).and_then(|region| region.blocks.get(id.number()));
        if noted.is_some_and(|noted| noted.key() == key) {
            return Some(id);
        }
        let id = self.find(key)?;
        block.note.set(id.0);
        Some(id)
    }

    /// A block.
    pub fn get(&self, id: BlockId) -> &Compiled {
        &self.regions[id.region()].blocks[id.number()]
    }

    /// Counts that a block was the next to run when compiled code stopped.
    pub fn sample(&mut self, id: BlockId) -> u16 {
        let block = &mut self.regions[id.region()].blocks[id.number()];
        block.samples = block.samples.saturating_add(1);
        block.samples
    }

    /// How many blocks belong to the nest of a block.
    pub fn size_of_nest(&self, id: BlockId) -> usize {
        let block = self.get(id);
        let ids = self.by_page.get(&(block.start >> PAGE_SHIFT));
        ids.into_iter().flatten().filter(|other| self.get(**other).nest == block.nest).count()
    }

    /// Takes out a block that has a successor, and returns the host addresses of its
    /// entry and dead exit.
    pub fn retire(&mut self, key: Key) -> Option<(usize, usize)> {
        let id = self.find(key)?;
        self.by_key.remove(hash_of(key), id.0);
        let block = &mut self.regions[id.region()].blocks[id.number()];
        for page in block.pages() {
            unlist(&mut self.by_page, page, |other| *other == id);
        }
        block.start = NOWHERE;
        Some(block.ends())
    }

    /// The block whose code holds the host address `at`.
    pub fn at_code(&self, at: usize) -> Option<&Compiled> {
        let region = &self.regions[self.region_at(at)?];
        let page = (at - region.code.start) >> PAGE_SHIFT;
        let begin = |page: usize| region.pages.get(page).copied().unwrap_or(region.starts.len());
        let here = begin(page)..begin(page + 1);
        let after = here.start + region.starts[here].partition_point(|start| *start <= at);
        after.checked_sub(1).map(|index| &region.blocks[index])
    }

    /// Adds a block whose code lies behind all others' of the present region.
    pub fn insert(&mut self, block: Compiled) -> BlockId {
        let region = &mut self.regions[self.current];
        let page = (block.code - region.code.start) >> PAGE_SHIFT;
        if region.pages.len() <= page {
            region.pages.resize(page + 1, region.starts.len());
        }
        region.starts.push(block.code);
        let blocks = &mut region.blocks;
        let id = BlockId::new(self.current, blocks.len());
        self.by_key.insert(hash_of(block.key()), id.0);
        for page in block.pages() {
            self.by_page.entry(page).or_default().push(id);
        }
        blocks.push(block);
        id
    }

    /// Makes a block known to indirect branches to `rip`, found in `context`. It may be
    /// known by other addresses, too.
    pub fn remember(&mut self, id: BlockId, rip: u64, context: u64) {
        let block = self.get(id);
        let target = Target { rip, context, code: block.code as u64, start: block.start };
        let known = &mut self.targets[target_slot(rip)];
        if *known != target {
            *known = target;
        }
    }

    /// Finds the code at CS:RIP for compiled code that did not, and makes it known to
    /// indirect branches: its host address. Its page is the one that runs.
    pub fn search(&mut self, cpu: &mut Cpu) -> Option<usize> {
        let start = cpu.code_offset()?;
        cpu.state.regs[usize::from(PAGE)] = cpu.state.rip & PAGE_MASK;
        let (rip, context) = (target_of(cpu), cpu.fetch_context());
        let target = &mut self.targets[target_slot(rip)];
        let same_key = (target.context ^ context) >> layout::CODE_KEY_SHIFT == 0;
        if same_key && (target.rip, target.start) == (rip, start) {
            // Only the TLB did not have it.
            target.context = context;
            return Some(target.code as usize);
        }
        let id = self.find(key_at(cpu, start))?;
        self.remember(id, rip, context);
        Some(self.get(id).code)
    }

    /// Takes out the blocks with bytes in `len` bytes at RAM offset `start`, and
    /// returns the host addresses of entry and dead exit of each.
    pub fn remove(&mut self, start: u64, len: u64) -> Vec<(usize, usize)> {
        let page = start >> PAGE_SHIFT;
        let Some(ids) = self.by_page.get_mut(&page) else { return Vec::new() };
        let regions = &self.regions;
        let block = |id: BlockId| &regions[id.region()].blocks[id.number()];
        let mut dead: Vec<BlockId> = ids.extract_if(.., |id| block(*id).touches(start, len)).collect();
        // The blocks of a nest jump to each other where nothing can be patched.
        let nests: Vec<u32> = dead.iter().map(|id| block(*id).nest).filter(|nest| *nest != 0).collect();
        if !nests.is_empty() {
            dead.extend(ids.extract_if(.., |id| nests.contains(&block(*id).nest)));
        }
        if ids.is_empty() {
            self.by_page.remove(&page);
        }
        if !dead.is_empty() {
            if self.overwritten.len() > MOST_RESTLESS {
                self.overwritten.clear();
            }
            let times = self.overwritten.entry(page).or_default();
            *times = times.saturating_add(1);
        }
        let mut entries = Vec::new();
        for id in dead {
            let block = &mut self.regions[id.region()].blocks[id.number()];
            self.by_key.remove(hash_of(block.key()), id.0);
            for other in block.pages().filter(|other| *other != page) {
                unlist(&mut self.by_page, other, |listed| *listed == id);
            }
            block.start = NOWHERE;
            entries.push(block.ends());
        }
        entries
    }

    /// Drops all, and returns the first region's addresses.
    pub fn clear(&mut self) -> Range<usize> {
        for region in &mut self.regions {
            region.blocks.clear();
            region.starts.clear();
            region.pages.clear();
            region.incoming.clear();
            region.epoch = region.epoch.wrapping_add(1);
        }
        self.current = 0;
        self.by_key.clear();
        self.by_page.clear();
        self.targets.fill(Target::default());
        self.regions.first().map_or(0..0, |region| region.code.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn block(rip: u64, code: usize) -> Compiled {
        let mut block = Compiled::new((rip, rip, 0), None, Arc::default(), code, code + 8);
        block.len = 4;
        block
    }

    #[test]
    fn the_region_that_was_filled_first_goes_with_all_that_is_known_of_it() {
        let mut blocks = Blocks::new();
        let first = blocks.divide(0x10_0000..0x10_0000 + 3 * REGION);
        let old = blocks.insert(block(0x1000, first.start));
        blocks.remember(old, 0x1000, 7);
        assert!(!blocks.next_is_used());
        let (second, links) = blocks.advance();
        assert!(second.start == first.end && links.is_empty());
        let young = blocks.insert(block(0x1010, second.start));
        blocks.remember(young, 0x1010, 7);
        blocks.note_link(second.start + 5, vec![1, 2], old);
        blocks.note_link(first.start + 5, vec![3], young);
        assert!(!blocks.goes_with(second.start + 5, old) && blocks.goes_with(second.start + 5, young));
        // The third, and the first again.
        assert!(blocks.advance().1.is_empty());
        assert!(blocks.next_is_used());
        let (again, links) = blocks.advance();
        assert_eq!((again, links), (first.clone(), vec![(second.start + 5, vec![1, 2])]));
        assert!(blocks.find((0x1000, 0x1000, 0)).is_none() && blocks.at_code(first.start).is_none());
        assert_eq!(blocks.targets[target_slot(0x1000)].start, u64::MAX);
        assert_eq!(blocks.find((0x1010, 0x1010, 0)), Some(young));
        // The jump from the first region went with it: nothing to write back.
        assert!(blocks.advance().1.is_empty());
        assert!(blocks.by_page.is_empty() && blocks.by_key.is_empty());
    }

    #[test]
    fn a_note_of_a_block_that_is_gone_leads_to_its_successor() {
        let mut blocks = Blocks::new();
        let code = blocks.divide(0x10_0000..0x10_0000 + LEAST_REGIONS * REGION);
        let interpreted = Block::new(&[], 0x1000, None, glassbox_cpu::Mode::default());
        let key = (0x1000, 0x1000, 0);
        blocks.insert(block(0x2000, code.start));
        // What is noted at first names another block.
        assert_eq!(blocks.find_noted(key, &interpreted), None);
        let first = blocks.insert(block(0x1000, code.start + 16));
        assert_eq!(blocks.find_noted(key, &interpreted), Some(first));
        assert_eq!(blocks.find_noted(key, &interpreted), Some(first));
        assert_eq!(blocks.retire(key), Some((code.start + 16, code.start + 24)));
        assert_eq!(blocks.find_noted(key, &interpreted), None);
        let second = blocks.insert(block(0x1000, code.start + 32));
        assert_eq!(blocks.find_noted(key, &interpreted), Some(second));
        assert_eq!(blocks.remove(0x1001, 1).len(), 1);
        assert_eq!(blocks.find_noted(key, &interpreted), None);
        let third = blocks.insert(block(0x1000, code.start + 48));
        assert_eq!(blocks.find_noted(key, &interpreted), Some(third));
        blocks.advance();
        blocks.advance();
        assert_eq!(blocks.find_noted(key, &interpreted), None);
    }

    #[test]
    fn a_page_whose_code_is_overwritten_again_and_again_has_to_be_hotter() {
        let mut blocks = Blocks::new();
        let code = blocks.divide(0x10_0000..0x10_0000 + LEAST_REGIONS * REGION);
        let mut last = 0;
        for times in 1..=8 * RESTLESS {
            blocks.insert(block(0x1000, code.start + 16 * times as usize));
            assert_eq!(blocks.remove(0x1002, 1).len(), 1);
            let now = blocks.patience(0x1FF0);
            assert!(now >= last && now <= RESTLESS_HEAT << 5, "{now} after {last}");
            last = now;
        }
        assert_eq!((last, blocks.patience(0x2000)), (RESTLESS_HEAT << 5, 0));
    }
}
