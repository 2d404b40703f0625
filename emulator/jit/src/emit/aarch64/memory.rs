//! Memory access: the one place that knows how a linear address becomes a host's.
//!
//! A probe leaves the access's host address as [`Cell`]: the sum of two registers.
//! It looks the page up in the TLB's current table (`glassbox_cpu`, `mmu/tlb.rs`);
//! the tag compared is that of the last byte's page, so that one comparison also
//! finds accesses across pages. The host's flags are not touched.
//!
//! Loads and stores are plain ones: there is one processor, and what devices on
//! other threads wrote is seen behind a lock of theirs.

use super::encode::{By, Field, op};
use super::map::{ADDRESS, GENERATION, INDEX, OTHER, TABLE, VALUE, host};
use super::{Emitter, Outline};
use crate::ir::{Address, NONE, Share, Size};
use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi, dynasm};
use glassbox_cpu::compiled::layout;

/// Where the last probe's memory is: the sum of two host registers.
#[derive(Clone, Copy, Debug)]
pub struct Cell {
    /// One of them.
    pub base: u8,
    /// The other one.
    pub index: u8,
}

impl Emitter<'_> {
    /// Computes an address without its segment in `to`. Uses VALUE.
    pub fn address(&mut self, to: u8, at: &Address) {
        self.wide_address(to, at);
        if at.word {
            self.extract(Field::Unsigned, false, to, to, 0, 16);
        }
    }

    fn wide_address(&mut self, to: u8, at: &Address) {
        let wide = !at.narrow;
        let value = at.disp;
        match (at.base, at.index) {
            (NONE, NONE) => {
                let value = if wide { value as u64 } else { u64::from(value as u32) };
                self.constant(to, value);
                return;
            }
            (base, NONE) => {
                self.add_constant(wide, to, host(base), value);
                return;
            }
            (NONE, index) => self.lsl(wide, to, host(index), at.scale),
            (base, index) => {
                self.shifted(op::ADD, wide, to, host(base), host(index), (By::Lsl, at.scale));
            }
        }
        if value != 0 {
            self.add_constant(wide, to, to, value);
        }
    }

    /// A register that holds the linear address: ADDRESS, or a guest's. Uses VALUE.
    fn linear(&mut self, at: &Address) -> u8 {
        if at.base != NONE && at.index == NONE && at.seg == NONE && at.disp == 0 && !at.narrow {
            return host(at.base);
        }
        self.address(ADDRESS, at);
        if at.seg != NONE {
            self.load_field(Size::B64, VALUE, layout::segment_base(at.seg));
            self.rrr(op::ADD, true, ADDRESS, ADDRESS, VALUE);
        }
        ADDRESS
    }

    /// One [`Probe`](crate::ir::Inst::Probe).
    pub fn probe(&mut self, at: &Address, bytes: u8, write: bool, aligned: bool, share: Share) {
        let slow = self.slow_path();
        match share {
            Share::Alone if at.checked => {
                self.probe_segment(at, bytes, write, aligned, slow);
                self.cell = Cell { base: ADDRESS, index: INDEX };
            }
            Share::Alone => {
                let linear = self.linear(at);
                if aligned {
                    self.check_alignment(linear, bytes, slow);
                }
                self.lookup(linear, 0, i64::from(bytes), write, slow);
                self.cell = Cell { base: linear, index: INDEX };
            }
            Share::Lead { slot, low, high, write: stores } => {
                let (miss, resume) = (self.asm.new_dynamic_label(), self.asm.new_dynamic_label());
                let linear = self.linear(at);
                if aligned {
                    self.check_alignment(linear, bytes, slow);
                }
                self.lookup(linear, i64::from(low), i64::from(high), stores, miss);
                self.store_field(Size::B64, INDEX, layout::slot(slot));
                dynasm!(self.asm; .arch aarch64; =>resume);
                let outline = Outline::Lookup {
                    from: miss,
                    back: resume,
                    slow,
                    bytes,
                    write,
                    clear: Some(slot),
                    linear,
                    at: None,
                };
                self.outlines.push(outline);
                self.cell = Cell { base: linear, index: INDEX };
            }
            Share::Member { slot } => {
                let (miss, resume) = (self.asm.new_dynamic_label(), self.asm.new_dynamic_label());
                self.load_field(Size::B64, INDEX, layout::slot(slot));
                dynasm!(self.asm; .arch aarch64; cbz X(INDEX), =>miss; =>resume);
                if at.index != NONE {
                    self.shifted(op::ADD, true, INDEX, INDEX, host(at.index), (By::Lsl, at.scale));
                }
                if at.disp != 0 {
                    self.add_constant(true, INDEX, INDEX, at.disp);
                }
                let outline = Outline::Lookup {
                    from: miss,
                    back: resume,
                    slow,
                    bytes,
                    write,
                    clear: None,
                    linear: ADDRESS,
                    at: Some(*at),
                };
                self.outlines.push(outline);
                self.cell = Cell { base: host(at.base), index: INDEX };
            }
        }
    }

    /// Goes to the slow path unless an address is a multiple of `bytes`. Uses VALUE.
    pub fn check_alignment(&mut self, linear: u8, bytes: u8, slow: DynamicLabel) {
        if bytes > 1 {
            self.logic_constant(op::AND, true, VALUE, linear, u64::from(bytes) - 1);
            dynasm!(self.asm; .arch aarch64; cbnz X(VALUE), =>slow);
        }
    }

    /// Looks up the page of `linear + low` for an access up to `linear + high`:
    /// INDEX turns linear addresses into the host's, or it goes to `miss`. Uses
    /// VALUE and OTHER.
    pub fn lookup(&mut self, linear: u8, low: i64, high: i64, write: bool, miss: DynamicLabel) {
        let tag = if write { layout::ENTRY_WRITE } else { layout::ENTRY_READ };
        let mut first = linear;
        if low != 0 {
            self.add_constant(true, OTHER, linear, low);
            first = OTHER;
        }
        self.extract(Field::Unsigned, true, INDEX, first, 12, layout::ENTRIES.trailing_zeros() as u8);
        self.shifted(op::ADD, true, INDEX, TABLE, INDEX, (By::Lsl, layout::ENTRY_SHIFT as u8));
        self.add_constant(true, OTHER, linear, high - 1);
        self.load_at(Size::B64, VALUE, INDEX, tag);
        self.extract(Field::Insert, true, OTHER, GENERATION, 0, 12);
        self.rrr(op::SUB, true, VALUE, VALUE, OTHER);
        dynasm!(self.asm; .arch aarch64; cbnz X(VALUE), =>miss);
        self.load_at(Size::B64, INDEX, INDEX, layout::ENTRY_ADDEND);
    }

    /// Behind the block: a lookup of one access alone, for a group that does not
    /// lie on one page.
    pub fn lookup_outline(&mut self, outline: &Outline) {
        let Outline::Lookup { from, back, slow, bytes, write, clear, linear, at } = *outline else { return };
        dynasm!(self.asm; .arch aarch64; =>from);
        if let Some(slot) = clear {
            self.store_field(Size::B64, super::map::ZERO, layout::slot(slot));
        }
        let linear = at.map_or(linear, |at| self.linear(&at));
        self.lookup(linear, 0, i64::from(bytes), write, slow);
        dynasm!(self.asm; .arch aarch64; b =>back);
    }

    /// Loads the cell, zero-extended.
    pub fn load_cell(&mut self, size: Size, to: u8) {
        let Cell { base, index } = self.cell;
        self.load(size, to, base, index);
    }

    /// Stores to the cell.
    pub fn store_cell(&mut self, size: Size, from: u8) {
        let Cell { base, index } = self.cell;
        self.store(size, from, base, index);
    }

    /// INDEX = the cell's host address.
    pub fn cell_address(&mut self) {
        let Cell { base, index } = self.cell;
        self.rrr(op::ADD, true, INDEX, base, index);
    }
}
