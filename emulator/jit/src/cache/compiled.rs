//! Compiled blocks, and what they are known by.

use crate::lift::RELATIVE;
use glassbox_cpu::{Cpu, Op, hash};
use glassbox_memory::{PAGE_MASK, PAGE_SHIFT, PAGE_SIZE};
use std::sync::Arc;

/// What a block is known by: address in the code segment, or in the page
/// [where blocks run wherever that is](crate::lift::Mode::is_relative); RAM offset; and the number of the [code key](glassbox_cpu::compiled::CodeKey).
pub type Key = (u64, u64, u8);

/// The key of the code at CS:RIP, which is at RAM offset `start`.
pub fn key_at(cpu: &Cpu, start: u64) -> Key {
    let relative = RELATIVE && cpu.mode().is_64bit();
    let rip = if relative { cpu.state.rip & !PAGE_MASK } else { cpu.state.rip };
    (rip, start, cpu.code_key().number())
}

/// The key of the code at `to` if that is on the same page as that of `key`, however the
/// page is mapped and wherever the code segment begins.
pub fn neighbour(key: Key, to: u64) -> Option<Key> {
    let start = key.1.wrapping_add(to.wrapping_sub(key.0));
    (start >> PAGE_SHIFT == key.1 >> PAGE_SHIFT).then_some((to, start, key.2))
}

/// One compiled block. All that is looked at to enter it is in one line of the host's cache.
#[repr(C, align(64))]
pub struct Compiled {
    /// RAM offset of its first byte, as in its key; none's where it was dropped, or has a
    /// successor: nothing finds it any more.
    pub start: u64,
    /// The rest of its key.
    rip: u64,
    code_key: u8,
    /// Bytes of guest code.
    pub len: u8,
    /// How often it was the next to run when compiled code stopped.
    pub samples: u16,
    /// Number of the page that it runs into.
    second: u32,
    /// Host address of its first instruction.
    pub code: usize,
    /// What the code refers to.
    pub ops: Arc<[Op]>,
    /// Where the exit is that a dead block's entry jumps to, from `code` on.
    dead: i32,
    /// Number of the nest whose code it is part of; 0 is none.
    pub nest: u32,
}

const _: () = assert!(size_of::<Compiled>() == 64);
/// No second page.
const NO_PAGE: u32 = u32::MAX;
/// The RAM offset of no block.
pub const NOWHERE: u64 = u64::MAX;

impl Compiled {
    /// A block whose code is at `code`; at `dead` is the exit that a dead block's entry
    /// jumps to. `second` is the RAM offset of the page that it runs into.
    pub fn new(key: Key, second: Option<u64>, ops: Arc<[Op]>, code: usize, dead: usize) -> Self {
        Self {
            start: key.1,
            rip: key.0,
            code_key: key.2,
            len: ops.last().map_or(0, |op| op.end),
            samples: 0,
            second: second.map_or(NO_PAGE, |offset| (offset >> PAGE_SHIFT) as u32),
            code,
            ops,
            dead: dead.wrapping_sub(code) as i32,
            nest: 0,
        }
    }

    /// As a part of nest number `nest`; the samples count on from `samples`.
    pub fn of_nest(self, nest: u32, samples: u16) -> Self {
        Self { nest, samples, ..self }
    }

    /// What it is known by.
    pub fn key(&self) -> Key {
        (self.rip, self.start, self.code_key)
    }

    /// RAM offset of the page that it runs into.
    pub fn second(&self) -> Option<u64> {
        (self.second != NO_PAGE).then_some(u64::from(self.second) << PAGE_SHIFT)
    }

    /// Host addresses of the entry, and of the exit that it is to jump to when it is dead.
    pub fn ends(&self) -> (usize, usize) {
        (self.code, self.code.wrapping_add_signed(self.dead as isize))
    }

    /// The pages of RAM that it is in.
    pub fn pages(&self) -> impl Iterator<Item = u64> + use<> {
        [Some(self.start), self.second()].into_iter().flatten().map(|offset| offset >> PAGE_SHIFT)
    }

    pub fn touches(&self, start: u64, len: u64) -> bool {
        let meets = |at: u64, bytes: u64| at < start + len && start < at + bytes;
        match self.second() {
            None => meets(self.start, self.len.into()),
            Some(second) => {
                let in_page = PAGE_SIZE - (self.start & !PAGE_MASK);
                meets(self.start, in_page) || meets(second, u64::from(self.len).saturating_sub(in_page))
            }
        }
    }
}

/// Which block: its region, and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockId(pub u32);

impl BlockId {
    /// No region has so many blocks: each has more than 32 bytes of code.
    const NUMBER_BITS: u32 = 27;

    pub fn new(region: usize, number: usize) -> Self {
        Self((region as u32) << Self::NUMBER_BITS | number as u32)
    }

    pub fn region(self) -> usize {
        (self.0 >> Self::NUMBER_BITS) as usize
    }

    pub fn number(self) -> usize {
        (self.0 & ((1 << Self::NUMBER_BITS) - 1)) as usize
    }
}

/// The hash of a key: the same page, wherever it is mapped, has its own part of the table.
pub fn hash_of(key: Key) -> u32 {
    hash(key.1, key.0.wrapping_sub(key.1) ^ u64::from(key.2))
}
