//! Compiled blocks: where their code is, how they are found, how they go.

mod buffer;

pub use buffer::CodeBuffer;

use glassbox_cpu::Op;
use glassbox_memory::PAGE_SHIFT;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

/// Entries of the table of indirect branch targets.
pub const TARGETS: usize = 32768;

/// One known target, read by compiled code: 32 bytes.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Target {
    /// Linear address.
    pub rip: u64,
    /// The [fetch context](glassbox_cpu::Cpu::fetch_context) in which it led here.
    pub context: u64,
    /// Host address of its compiled code; never 0 where `context` is current.
    pub code: u64,
    /// RAM offset of its code.
    pub start: u64,
}

impl Default for Target {
    /// No target: address 0 is one that guests may have code at, but no RAM begins
    /// at this offset.
    fn default() -> Self {
        Self { rip: 0, context: 0, code: 0, start: u64::MAX }
    }
}

/// The slot of `rip` in the table of targets; compiled code computes the same.
pub fn target_slot(rip: u64) -> usize {
    (rip as u32 ^ rip as u32 >> 12) as usize & (TARGETS - 1)
}

/// What a block is known by: linear address, RAM offset and mode.
pub type Key = (u64, u64, u8);

/// One compiled block.
pub struct Compiled {
    /// What it is known by.
    pub key: Key,
    /// Bytes of guest code.
    pub len: u64,
    /// Host address of its first instruction.
    pub code: usize,
    /// Host address of the exit that a dead block's entry jumps to.
    pub dead: usize,
    /// What the code refers to.
    pub ops: Arc<[Op]>,
}

impl Compiled {
    /// RAM offset of its first byte.
    pub fn start(&self) -> u64 {
        self.key.1
    }

    fn touches(&self, start: u64, len: u64) -> bool {
        self.start() < start + len && start < self.start() + self.len
    }
}

/// Multiplies and folds: keys are addresses, and nobody gains from collisions.
#[derive(Default)]
pub struct AddressHasher(u64);

impl Hasher for AddressHasher {
    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 32
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, n: u64) {
        self.0 = (self.0.rotate_left(5) ^ n).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    fn write_u8(&mut self, n: u8) {
        self.write_u64(u64::from(n));
    }
}

type Map<K, V> = HashMap<K, V, BuildHasherDefault<AddressHasher>>;

/// The blocks of one engine.
pub struct Blocks {
    blocks: Vec<Compiled>,
    by_key: Map<Key, u32>,
    by_page: Map<u64, Vec<u32>>,
    targets: Box<[Target; TARGETS]>,
}

impl Blocks {
    /// None yet.
    pub fn new() -> Self {
        Self {
            blocks: Vec::new(),
            by_key: Map::default(),
            by_page: Map::default(),
            targets: vec![Target::default(); TARGETS]
                .into_boxed_slice()
                .try_into()
                .unwrap_or_else(|_| unreachable!("the length is the constant's")),
        }
    }

    /// Host address of the table of targets.
    pub fn targets(&self) -> usize {
        self.targets.as_ptr() as usize
    }

    /// The block of a key.
    pub fn find(&self, key: Key) -> Option<usize> {
        self.by_key.get(&key).map(|&index| index as usize)
    }

    /// A block by its index.
    pub fn get(&self, index: usize) -> &Compiled {
        &self.blocks[index]
    }

    /// The block whose code holds the host address `at`.
    pub fn at_code(&self, at: usize) -> Option<&Compiled> {
        let after = self.blocks.partition_point(|block| block.code <= at);
        after.checked_sub(1).map(|index| &self.blocks[index])
    }

    /// Adds a block whose code lies behind all others'.
    pub fn insert(&mut self, block: Compiled) -> usize {
        let index = self.blocks.len() as u32;
        self.by_key.insert(block.key, index);
        self.by_page.entry(block.start() >> PAGE_SHIFT).or_default().push(index);
        self.blocks.push(block);
        index as usize
    }

    /// Makes a block known to indirect branches, found in `context`.
    pub fn remember(&mut self, index: usize, context: u64) {
        let block = &self.blocks[index];
        let (rip, start, _) = block.key;
        self.targets[target_slot(rip)] = Target { rip, context, code: block.code as u64, start };
    }

    /// Takes out the blocks with bytes in `len` bytes at RAM offset `start`, and
    /// returns the host addresses of entry and dead exit of each.
    pub fn remove(&mut self, start: u64, len: u64) -> Vec<(usize, usize)> {
        let Some(ids) = self.by_page.get_mut(&(start >> PAGE_SHIFT)) else { return Vec::new() };
        let blocks = &self.blocks;
        let dead: Vec<u32> = ids.extract_if(.., |id| blocks[*id as usize].touches(start, len)).collect();
        let mut entries = Vec::new();
        for id in dead {
            let block = &self.blocks[id as usize];
            if self.by_key.get(&block.key) == Some(&id) {
                self.by_key.remove(&block.key);
            }
            let target = &mut self.targets[target_slot(block.key.0)];
            if target.code == block.code as u64 {
                *target = Target::default();
            }
            entries.push((block.code, block.dead));
        }
        entries
    }

    /// Forgets targets: blocks of another mode may be at the same addresses.
    pub fn forget_targets(&mut self) {
        self.targets.fill(Target::default());
    }

    /// Drops all.
    pub fn clear(&mut self) {
        self.blocks.clear();
        self.by_key.clear();
        self.by_page.clear();
        self.forget_targets();
    }
}
