//! What is to be compiled: a block's instructions and where they are.

use crate::cache::{Key, key_at};
use crate::emit::SecondPage;
use crate::lift::{Mode, Source};
use glassbox_cpu::{Block, Cpu, Op};
use glassbox_memory::{PAGE_MASK, PAGE_SIZE};

/// Guest code that becomes a block.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    pub ops: &'a [Op],
    pub mode: Mode,
    pub key: Key,
    /// RAM offset of the page that it runs into.
    pub second: Option<u64>,
}

impl<'a> Wanted<'a> {
    pub fn new(cpu: &Cpu, block: &Block, ops: &'a [Op], mode: Mode) -> Self {
        Self { ops, mode, key: key_at(cpu, block.start), second: block.second_page() }
    }

    pub fn source<'b>(&self, bytes: &'b [u8]) -> Source<'b>
    where
        'a: 'b,
    {
        Source { bytes, ops: self.ops, rip: self.key.0, mode: self.mode }
    }

    /// Its bytes, into `bytes`.
    pub fn read(&self, cpu: &Cpu, bytes: &mut Vec<u8>) {
        bytes.resize(self.ops.last().map_or(0, |op| usize::from(op.end)), 0);
        let start = self.key.1;
        match self.second {
            None => cpu.memory.read_slice_at(start, bytes),
            Some(second) => {
                let in_page = (PAGE_SIZE - (start & !PAGE_MASK)) as usize;
                let middle = bytes.len().min(in_page);
                let (first, rest) = bytes.split_at_mut(middle);
                cpu.memory.read_slice_at(start, first);
                cpu.memory.read_slice_at(second, rest);
            }
        }
    }

    /// Where the rest of it has to be when it runs.
    pub fn second_page(&self) -> Option<SecondPage> {
        let address = self.mode.wrap((self.key.0 & PAGE_MASK).wrapping_add(PAGE_SIZE));
        self.second.map(|offset| SecondPage { address, offset })
    }
}
