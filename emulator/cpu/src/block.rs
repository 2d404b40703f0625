//! The cache of decoded blocks.
//!
//! A block is a run of instructions without a branch inside, keyed by the RAM
//! offset of its first byte and the decoding [`Mode`]: linear addresses and
//! privilege do not matter, so a block serves every mapping of its page.

use crate::id_table::{IdTable, hash};
use crate::mode::Mode;
use crate::op::Op;
use glassbox_memory::{AddressMap, PAGE_MASK, PAGE_SHIFT};
use iced_x86::{Code, Mnemonic};
use std::cell::Cell;
use std::sync::Arc;

/// Index of a block in the cache.
pub type BlockId = u32;

/// Ops kept before the cache is emptied and filled anew: about 128 MiB.
const MAX_OPS: usize = 4 << 20;
/// What a block itself takes, in ops.
const BLOCK_COST: usize = 3;
/// Blocks are allocated together, so many at once: they never move.
const CHUNK: usize = 1 << CHUNK_SHIFT;
const CHUNK_SHIFT: u32 = 10;
/// No block.
const NONE: BlockId = BlockId::MAX;
/// No second page.
const NO_PAGE: u32 = u32::MAX;

/// Decoded code. All that is looked at to find and begin a block is in one line of the
/// host's cache: cold code waits for little else.
#[repr(C, align(64))]
pub struct Block {
    /// The instructions, at least one.
    pub ops: Arc<[Op]>,
    /// RAM offset of the first byte.
    pub start: u64,
    /// Where execution went from here the last two times it differed.
    links: Cell<[Link; 2]>,
    /// Number of the page in which the last instruction ends, if it is another.
    second: u32,
    /// What an engine for hot code notes of it; 0 at first.
    pub note: Cell<u32>,
    /// The next one that begins on the same page.
    next: BlockId,
    /// Times it was entered while an engine for hot code listened; saturates.
    heat: Cell<u16>,
    /// Mode it was decoded in.
    pub mode: Mode,
    /// Ends without an instruction that could change the mode, mappings, flags
    /// that matter to interrupts, or whether the processor runs at all.
    pub plain: bool,
    /// Bytes of code.
    bytes: u8,
}

const _: () = assert!(size_of::<Block>() == 64);

/// A remembered successor: only a hint. Whoever follows it compares what is there with
/// what the TLB says is to run: it may be free by now, or another block.
#[derive(Clone, Copy, Default)]
struct Link {
    /// The low half of RIP.
    rip: u32,
    id: BlockId,
}

impl Block {
    /// A block without successors. `second_page` is the RAM offset of the page in which
    /// the last instruction ends, when that is not the page it starts in.
    pub fn new(ops: &[Op], start: u64, second_page: Option<u64>, mode: Mode) -> Self {
        let plain = ops.last().is_some_and(|op| op.flags & Op::ENDS_BLOCK == 0 || is_near_branch(op.code));
        Self {
            plain,
            bytes: ops.last().map_or(0, |op| op.end),
            ..Self::bare(ops.into(), start, second_page, mode)
        }
    }

    fn bare(ops: Arc<[Op]>, start: u64, second_page: Option<u64>, mode: Mode) -> Self {
        Self {
            ops,
            start,
            links: Cell::default(),
            second: second_page.map_or(NO_PAGE, |offset| (offset >> PAGE_SHIFT) as u32),
            note: Cell::new(0),
            next: NONE,
            heat: Cell::new(0),
            mode,
            plain: false,
            bytes: 0,
        }
    }

    /// What is in the place of a block that is gone.
    fn free() -> Self {
        Self::bare(Arc::default(), u64::MAX, None, Mode::default())
    }

    /// Bytes of code.
    #[inline(always)]
    pub fn code_bytes(&self) -> u64 {
        u64::from(self.bytes)
    }

    /// RAM offset of the page in which the last instruction ends, when that is
    /// not the page it starts in.
    #[inline(always)]
    pub fn second_page(&self) -> Option<u64> {
        (self.second != NO_PAGE).then_some(u64::from(self.second) << PAGE_SHIFT)
    }

    /// Times it was entered while an engine for hot code listened; saturates.
    #[inline(always)]
    pub fn heat(&self) -> u16 {
        self.heat.get()
    }

    /// Counts one more entry and returns how many there were.
    #[inline(always)]
    pub fn warm(&self) -> u16 {
        let heat = self.heat.get().saturating_add(1);
        self.heat.set(heat);
        heat
    }

    fn hash(&self) -> u32 {
        hash(self.start, self.mode.key().into())
    }

    /// The page that it begins on.
    fn page(&self) -> u64 {
        self.start >> PAGE_SHIFT
    }

    /// Whether any of its bytes are among `len` bytes at RAM offset `start`.
    fn touches(&self, start: u64, len: u64) -> bool {
        let (bytes, end) = (self.code_bytes(), start + len);
        if let Some(second) = self.second_page() {
            let first_page_end = (self.start & PAGE_MASK) + (1 << PAGE_SHIFT);
            let tail = self.start + bytes - first_page_end;
            return start < first_page_end && self.start < end || start < second + tail && second < end;
        }
        start < self.start + bytes && self.start < end
    }
}

/// Whether an instruction sets RIP and nothing else that blocks depend on.
pub(crate) fn is_near_branch(code: Code) -> bool {
    code.is_jcc_short_or_near()
        || code.is_jmp_short_or_near()
        || code.is_jmp_near_indirect()
        || code.is_call_near()
        || code.is_call_near_indirect()
        || code.mnemonic() == Mnemonic::Ret
}

/// All decoded blocks of one engine.
pub struct BlockCache {
    /// Free ones among them have no ops.
    chunks: Vec<Vec<Block>>,
    free: Vec<BlockId>,
    /// Blocks by RAM offset and mode.
    table: IdTable,
    /// The first block that begins on a page; the others follow from there.
    pages: AddressMap<u64, BlockId>,
    /// Blocks that end on a page and begin on another.
    crossing: AddressMap<u64, Vec<BlockId>>,
    ops: usize,
    /// Blocks decoded since power-on.
    pub decoded: u64,
    /// Blocks dropped because their bytes were written.
    pub invalidated: u64,
}

impl BlockCache {
    /// An empty cache.
    pub fn new() -> Self {
        Self {
            chunks: Vec::new(),
            free: Vec::new(),
            table: IdTable::default(),
            pages: AddressMap::default(),
            crossing: AddressMap::default(),
            ops: 0,
            decoded: 0,
            invalidated: 0,
        }
    }

    /// The block that starts at RAM offset `start` in `mode`.
    #[inline(always)]
    pub fn find(&self, start: u64, mode: Mode) -> Option<BlockId> {
        let is_it = |id| self.get(id).is_some_and(|block| block.start == start && block.mode == mode);
        self.table.find(hash(start, mode.key().into()), is_it)
    }

    /// A block by its index, while nothing was invalidated since it was found.
    #[inline(always)]
    pub fn get(&self, id: BlockId) -> Option<&Block> {
        self.chunks.get((id >> CHUNK_SHIFT) as usize)?.get(id as usize & (CHUNK - 1))
    }

    fn get_mut(&mut self, id: BlockId) -> Option<&mut Block> {
        self.chunks.get_mut((id >> CHUNK_SHIFT) as usize)?.get_mut(id as usize & (CHUNK - 1))
    }

    /// What followed `from` when execution went on at `rip` before: that block, if it still
    /// is there, or another.
    #[inline(always)]
    pub fn successor(&self, from: BlockId, rip: u64) -> Option<BlockId> {
        let links = self.get(from)?.links.get();
        links.into_iter().find(|link| link.rip == rip as u32).map(|link| link.id)
    }

    /// Remembers that `to` followed `from` at `rip`.
    pub fn link(&self, from: BlockId, rip: u64, to: BlockId) {
        if let Some(block) = self.get(from) {
            block.links.set([Link { rip: rip as u32, id: to }, block.links.get()[0]]);
        }
    }

    /// Adds a block.
    pub fn insert(&mut self, block: Block) -> BlockId {
        if self.ops > MAX_OPS {
            self.clear();
        }
        // The same code was decoded anew, because the segment's limit or the page
        // it runs into is another.
        if let Some(old) = self.find(block.start, block.mode) {
            self.unlist(block.page(), |id, _| id == old);
            self.remove(old);
        }
        self.decoded += 1;
        self.ops += block.ops.len() + BLOCK_COST;
        let (page, second, hash) = (block.page(), block.second_page(), block.hash());
        let id = self.place(block);
        let first = self.pages.insert(page, id);
        if let Some((first, block)) = first.zip(self.get_mut(id)) {
            block.next = first;
        }
        if let Some(second) = second {
            self.crossing.entry(second >> PAGE_SHIFT).or_default().push(id);
        }
        self.table.insert(hash, id);
        id
    }

    fn place(&mut self, block: Block) -> BlockId {
        if let Some(id) = self.free.pop()
            && let Some(free) = self.get_mut(id)
        {
            *free = block;
            return id;
        }
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        let number = self.chunks.len() - 1;
        let chunk = &mut self.chunks[number];
        chunk.push(block);
        (number << CHUNK_SHIFT | (chunk.len() - 1)) as BlockId
    }

    /// Drops the blocks with bytes in `len` bytes at RAM offset `start`, on one page.
    pub fn invalidate(&mut self, start: u64, len: u64) {
        let page = start >> PAGE_SHIFT;
        let mut gone = self.unlist(page, |_, block| block.touches(start, len));
        let crossing = self.crossing.get(&page).into_iter().flatten();
        let ending = crossing.filter_map(|&id| {
            self.get(id).filter(|block| block.touches(start, len)).map(|block| (id, block.page()))
        });
        for (id, first) in ending.collect::<Vec<_>>() {
            if first != page {
                gone.extend(self.unlist(first, |other, _| other == id));
            }
        }
        for id in gone {
            self.remove(id);
            self.invalidated += 1;
        }
    }

    /// Takes blocks out of the list of a page, and returns them.
    fn unlist(&mut self, page: u64, is_gone: impl Fn(BlockId, &Block) -> bool) -> Vec<BlockId> {
        let (mut gone, mut kept) = (Vec::new(), NONE);
        let mut at = self.pages.get(&page).copied().unwrap_or(NONE);
        while let Some(block) = self.get_mut(at) {
            let next = block.next;
            if is_gone(at, block) {
                gone.push(at);
            } else {
                block.next = kept;
                kept = at;
            }
            at = next;
        }
        if kept == NONE {
            self.pages.remove(&page);
        } else {
            self.pages.insert(page, kept);
        }
        gone
    }

    /// Forgets a block that is in no page's list any more.
    fn remove(&mut self, id: BlockId) {
        let Some(place) = self.get_mut(id) else { return };
        let block = std::mem::replace(place, Block::free());
        self.ops -= block.ops.len() + BLOCK_COST;
        self.table.remove(block.hash(), id);
        if let Some(second) = block.second_page().map(|offset| offset >> PAGE_SHIFT)
            && let Some(ids) = self.crossing.get_mut(&second)
        {
            ids.retain(|&other| other != id);
            if ids.is_empty() {
                self.crossing.remove(&second);
            }
        }
        self.free.push(id);
    }

    /// Drops everything.
    fn clear(&mut self) {
        let (decoded, invalidated) = (self.decoded, self.invalidated);
        *self = Self { decoded, invalidated, ..Self::new() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CpuModel;
    use crate::decode::{Decoded, decode};

    /// A block of `count` NOPs in 64-bit mode.
    fn block(start: u64, count: u8, second: Option<u64>) -> Block {
        let (mode, model) = (Mode::default(), CpuModel::default());
        let op = |n| match decode(&[0x90], mode, n, &model) {
            Decoded::Op(op) => op,
            Decoded::MoreBytes => unreachable!("a NOP is one byte"),
        };
        Block::new(&(0..count).map(op).collect::<Vec<_>>(), start, second, mode)
    }

    fn is_there(cache: &BlockCache, start: u64) -> bool {
        cache.find(start, Mode::default()).is_some()
    }

    #[test]
    fn a_write_drops_the_blocks_with_bytes_in_it_and_no_others() {
        let mut cache = BlockCache::new();
        for n in 0..3000 {
            cache.insert(block(0x1000 + 0x10 * n, 0x10, None));
        }
        cache.invalidate(0x1FFF, 1);
        cache.invalidate(0x1018, 0x10);
        cache.invalidate(0x80_0000, 8);
        assert_eq!(cache.invalidated, 3);
        let gone: Vec<u64> =
            (0..3000).map(|n| 0x1000 + 0x10 * n).filter(|&at| !is_there(&cache, at)).collect();
        assert_eq!(gone, [0x1010, 0x1020, 0x1FF0]);
        // All the rest of the page is still listed.
        cache.invalidate(0x1000, 0x1000);
        assert_eq!(cache.invalidated, 0x100);
        assert!(is_there(&cache, 0x2000));
    }

    #[test]
    fn a_block_on_two_pages_goes_with_its_bytes_on_either() {
        let mut cache = BlockCache::new();
        // Seven bytes, of which five are on a page elsewhere.
        let there = |cache: &mut BlockCache, write: u64| {
            cache.insert(block(0x1FFE, 7, Some(0x9000)));
            cache.invalidate(write, 1);
            is_there(cache, 0x1FFE)
        };
        for (write, stays) in
            [(0x1FFD, true), (0x1FFE, false), (0x2000, true), (0x9004, false), (0x9005, true)]
        {
            assert_eq!(there(&mut cache, write), stays, "{write:#x}");
        }
        cache.invalidate(0x9000, 1);
        assert!(cache.pages.is_empty() && cache.crossing.is_empty() && cache.table.is_empty());
    }

    #[test]
    fn what_is_decoded_anew_replaces_what_was_there() {
        let mut cache = BlockCache::new();
        let old = cache.insert(block(0x1000, 4, None));
        let from = cache.insert(block(0x3000, 1, None));
        cache.link(from, 0x40_1000, old);
        let new = cache.insert(block(0x1000, 2, None));
        assert_eq!(cache.find(0x1000, Mode::default()), Some(new));
        assert_eq!(cache.get(new).map(Block::code_bytes), Some(2));
        cache.invalidate(0x1001, 1);
        // The link leads to a free place, which is no block's.
        let link = cache.successor(from, 0x40_1000).and_then(|id| cache.get(id));
        assert!(link.is_some_and(|free| free.start == u64::MAX && free.ops.is_empty()));
        assert_eq!(cache.successor(from, 0x40_1004), None);
    }
}
