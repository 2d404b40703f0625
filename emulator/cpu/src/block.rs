//! The cache of decoded blocks.
//!
//! A block is a run of instructions without a branch inside, keyed by the RAM
//! offset of its first byte and the decoding [`Mode`]: linear addresses and
//! privilege do not matter, so a block serves every mapping of its page.

use crate::address_map::AddressMap;
use crate::mode::Mode;
use crate::op::Op;
use glassbox_memory::{PAGE_MASK, PAGE_SHIFT};
use iced_x86::{Code, Mnemonic};
use std::cell::Cell;
use std::sync::Arc;

/// Index of a block in the cache.
pub type BlockId = u32;

const FRONT: usize = 1 << 15;
/// Ops kept before the cache is emptied and filled anew: about 128 MiB.
const MAX_OPS: usize = 4 << 20;
/// What a block itself takes, in ops.
const BLOCK_COST: usize = 4;

/// Decoded code.
pub struct Block {
    /// The instructions, at least one.
    pub ops: Arc<[Op]>,
    /// RAM offset of the first byte.
    pub start: u64,
    /// RAM offset of the page in which the last instruction ends, when that is
    /// not the page it starts in.
    pub second_page: Option<u64>,
    /// Mode it was decoded in.
    pub mode: Mode,
    /// Ends without an instruction that could change the mode, mappings, flags
    /// that matter to interrupts, or whether the processor runs at all.
    pub plain: bool,
    /// Times it was entered while an engine for hot code listened; saturates.
    pub heat: u16,
    /// What that engine notes of it; 0 at first.
    pub note: Cell<u64>,
    /// Where execution went from here the last two times it differed.
    links: [Link; 2],
}

/// A remembered successor: only a hint, checked against the TLB when followed.
#[derive(Clone, Copy, Default)]
struct Link {
    rip: u64,
    id: BlockId,
    /// The cache's epoch in which `id` meant that block; 0 is never current.
    epoch: u32,
}

impl Block {
    /// A block without successors.
    pub fn new(ops: Vec<Op>, start: u64, second_page: Option<u64>, mode: Mode) -> Self {
        let plain = ops.last().is_some_and(|op| op.flags & Op::ENDS_BLOCK == 0 || is_near_branch(op.code));
        Self {
            ops: ops.into(),
            start,
            second_page,
            mode,
            plain,
            heat: 0,
            note: Cell::new(0),
            links: [Link::default(); 2],
        }
    }

    /// Bytes of code.
    #[inline(always)]
    pub fn code_bytes(&self) -> u64 {
        self.ops.last().map_or(0, |op| u64::from(op.end))
    }
}

#[derive(Clone, Copy)]
struct FrontEntry {
    key: u64,
    id: BlockId,
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
    /// A block without ops is free.
    blocks: Vec<Block>,
    /// Counts removals: a link of an older epoch may name a reused index.
    epoch: u32,
    free: Vec<BlockId>,
    front: Box<[FrontEntry]>,
    by_key: AddressMap<u64, BlockId>,
    /// Blocks that have bytes in a page.
    by_page: AddressMap<u64, Vec<BlockId>>,
    ops: usize,
    /// Blocks decoded since power-on.
    pub decoded: u64,
    /// Blocks dropped because their bytes were written.
    pub invalidated: u64,
}

const NO_KEY: u64 = u64::MAX;

fn key(start: u64, mode: Mode) -> u64 {
    start << 5 | u64::from(mode.key())
}

fn front_slot(key: u64) -> usize {
    ((key ^ key >> 17) >> 2) as usize & (FRONT - 1)
}

impl BlockCache {
    /// An empty cache.
    pub fn new() -> Self {
        Self {
            blocks: Vec::new(),
            epoch: 1,
            free: Vec::new(),
            front: vec![FrontEntry { key: NO_KEY, id: 0 }; FRONT].into_boxed_slice(),
            by_key: AddressMap::default(),
            by_page: AddressMap::default(),
            ops: 0,
            decoded: 0,
            invalidated: 0,
        }
    }

    /// The block that starts at RAM offset `start` in `mode`.
    #[inline(always)]
    pub fn find(&mut self, start: u64, mode: Mode) -> Option<BlockId> {
        let key = key(start, mode);
        let entry = &self.front[front_slot(key)];
        if entry.key == key { Some(entry.id) } else { self.find_behind(key) }
    }

    #[cold]
    fn find_behind(&mut self, key: u64) -> Option<BlockId> {
        let &id = self.by_key.get(&key)?;
        self.front[front_slot(key)] = FrontEntry { key, id };
        Some(id)
    }

    /// A block by its index, while nothing was invalidated since it was found.
    #[inline(always)]
    pub fn get(&self, id: BlockId) -> Option<&Block> {
        self.blocks.get(id as usize)
    }

    /// Counts one more entry into a block and returns how many there were.
    #[inline(always)]
    pub fn warm(&mut self, id: BlockId) -> u16 {
        let Some(block) = self.blocks.get_mut(id as usize) else { return 0 };
        block.heat = block.heat.saturating_add(1);
        block.heat
    }

    /// The block that followed `from` when execution went on at `rip` before.
    #[inline(always)]
    pub fn successor(&self, from: BlockId, rip: u64) -> Option<BlockId> {
        let links = &self.blocks.get(from as usize)?.links;
        let link = if links[0].rip == rip { &links[0] } else { &links[1] };
        (link.rip == rip && link.epoch == self.epoch).then_some(link.id)
    }

    /// Remembers that `to` followed `from` at `rip`.
    pub fn link(&mut self, from: BlockId, rip: u64, to: BlockId) {
        let epoch = self.epoch;
        if let Some(block) = self.blocks.get_mut(from as usize) {
            block.links.swap(0, 1);
            block.links[0] = Link { rip, id: to, epoch };
        }
    }

    /// Adds a block.
    pub fn insert(&mut self, block: Block) -> BlockId {
        if self.ops > MAX_OPS {
            self.clear();
        }
        let key = key(block.start, block.mode);
        // The same code was decoded anew, because the segment's limit or the page
        // it runs into is another.
        if let Some(&old) = self.by_key.get(&key) {
            self.remove(old);
        }
        self.decoded += 1;
        self.ops += block.ops.len() + BLOCK_COST;
        let pages = pages_of(&block);
        let id = match self.free.pop() {
            Some(id) => {
                self.blocks[id as usize] = block;
                id
            }
            None => {
                self.blocks.push(block);
                (self.blocks.len() - 1) as BlockId
            }
        };
        for page in pages.into_iter().flatten() {
            self.by_page.entry(page).or_default().push(id);
        }
        self.by_key.insert(key, id);
        self.front[front_slot(key)] = FrontEntry { key, id };
        id
    }

    /// Drops the blocks with bytes in `len` bytes at RAM offset `start`.
    pub fn invalidate(&mut self, start: u64, len: u64) {
        let Some(ids) = self.by_page.get(&(start >> PAGE_SHIFT)) else { return };
        let hit: Vec<_> = ids.iter().copied().filter(|&id| self.touches(id, start, len)).collect();
        for id in hit {
            self.remove(id);
            self.invalidated += 1;
        }
    }

    fn touches(&self, id: BlockId, start: u64, len: u64) -> bool {
        let Some(block) = self.get(id) else { return false };
        let bytes = block.code_bytes();
        let end = start + len;
        if let Some(second) = block.second_page {
            let first_page_end = (block.start & PAGE_MASK) + (1 << PAGE_SHIFT);
            let tail = block.start + bytes - first_page_end;
            return start < first_page_end && block.start < end || start < second + tail && second < end;
        }
        start < block.start + bytes && block.start < end
    }

    fn remove(&mut self, id: BlockId) {
        let free = Block::new(Vec::new(), u64::MAX, None, Mode::default());
        let block = std::mem::replace(&mut self.blocks[id as usize], free);
        self.new_epoch();
        self.ops -= block.ops.len() + BLOCK_COST;
        let key = key(block.start, block.mode);
        self.by_key.remove(&key);
        let front = &mut self.front[front_slot(key)];
        if front.key == key {
            front.key = NO_KEY;
        }
        for page in pages_of(&block).into_iter().flatten() {
            if let Some(ids) = self.by_page.get_mut(&page) {
                ids.retain(|&other| other != id);
                if ids.is_empty() {
                    self.by_page.remove(&page);
                }
            }
        }
        self.free.push(id);
    }

    fn new_epoch(&mut self) {
        // After a wrap an old link could look current; there are none in a new cache.
        self.epoch = self.epoch.wrapping_add(1).max(1);
    }

    /// Drops everything.
    pub fn clear(&mut self) {
        self.new_epoch();
        self.blocks.clear();
        self.free.clear();
        self.by_key.clear();
        self.by_page.clear();
        self.front.fill(FrontEntry { key: NO_KEY, id: 0 });
        self.ops = 0;
    }
}

fn pages_of(block: &Block) -> [Option<u64>; 2] {
    [Some(block.start >> PAGE_SHIFT), block.second_page.map(|p| p >> PAGE_SHIFT)]
}
