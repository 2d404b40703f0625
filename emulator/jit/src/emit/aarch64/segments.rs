//! Segments: how far an access may reach, loads of segment registers in real mode,
//! and the code segment's limit.

use super::encode::{Field, op};
use super::map::{ADDRESS, INDEX, OTHER, VALUE, host};
use super::{Emitter, Outline};
use crate::ir::{Address, CS, Reg, Size, Value};
use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi, dynasm};
use glassbox_cpu::compiled::layout;
use glassbox_x86_spec::control::Flags;
use glassbox_x86_spec::segment as attr;

/// The sign of a difference of numbers that are smaller by far.
const SIGN: u32 = 63;

impl Emitter<'_> {
    /// One probe in a segment, whose reach it has to lie in: INDEX turns the linear
    /// address, in ADDRESS, into the host's.
    pub fn probe_segment(&mut self, at: &Address, bytes: u8, write: bool, aligned: bool, slow: DynamicLabel) {
        self.address(ADDRESS, at);
        self.load_field(Size::B64, VALUE, layout::reach(at.seg, write));
        self.add_constant(true, INDEX, ADDRESS, i64::from(bytes));
        self.rrr(op::SUB, true, VALUE, VALUE, INDEX);
        dynasm!(self.asm; .arch aarch64; tbnz X(VALUE), SIGN, =>slow);
        self.load_field(Size::B32, VALUE, layout::segment_base(at.seg));
        self.rrr(op::ADD, false, ADDRESS, ADDRESS, VALUE);
        if aligned {
            self.check_alignment(ADDRESS, bytes, slow);
        }
        if !write {
            return self.lookup(ADDRESS, 0, i64::from(bytes), write, slow);
        }
        let (from, back) = (self.asm.new_dynamic_label(), self.asm.new_dynamic_label());
        self.lookup(ADDRESS, 0, i64::from(bytes), write, from);
        dynasm!(self.asm; .arch aarch64; =>back);
        self.outlines.push(Outline::BesideCode { from, back, slow, bytes });
    }

    /// Behind the block: a store that found no entry for OTHER at INDEX may be one beside
    /// the code that its page holds, as variables and stacks of small programs are.
    pub fn beside_code(&mut self, from: DynamicLabel, back: DynamicLabel, slow: DynamicLabel, bytes: u8) {
        dynasm!(self.asm; .arch aarch64; =>from);
        self.logic_constant(op::EOR, true, OTHER, OTHER, 1 << layout::BESIDE_CODE_BIT);
        self.load_at(Size::B64, VALUE, INDEX, layout::ENTRY_WRITE);
        self.rrr(op::SUB, true, VALUE, VALUE, OTHER);
        dynasm!(self.asm; .arch aarch64; cbnz X(VALUE), =>slow);
        self.load_at(Size::B64, INDEX, INDEX, layout::ENTRY_ADDEND);
        // One bit for each 64 bytes.
        for last in [0, i64::from(bytes) - 1] {
            self.rrr(op::ADD, true, OTHER, ADDRESS, INDEX);
            self.add_constant(true, OTHER, OTHER, last);
            self.lsr(true, OTHER, OTHER, 9);
            self.load_field(Size::B64, VALUE, layout::CODE_LINES);
            self.load(Size::B8, VALUE, VALUE, OTHER);
            self.rrr(op::ADD, true, OTHER, ADDRESS, INDEX);
            self.add_constant(true, OTHER, OTHER, last);
            self.extract(Field::Unsigned, true, OTHER, OTHER, 6, 3);
            self.rrr(op::LSRV, false, VALUE, VALUE, OTHER);
            dynasm!(self.asm; .arch aarch64; tbnz W(VALUE), 0, =>slow);
        }
        dynasm!(self.asm; .arch aarch64; b =>back);
    }

    /// Where a block begins that the code segment may not hold whole.
    pub fn check_code_limit(&mut self) {
        let last = self.source.ops.last().map_or(0, |op| u64::from(op.end) - 1);
        let refused = self.refused;
        self.below_limit(self.source.rip.wrapping_add(last) as u32, refused);
    }

    /// Goes elsewhere if an offset lies behind the code segment's limit.
    fn below_limit(&mut self, offset: u32, to: DynamicLabel) {
        self.constant(INDEX, u64::from(offset));
        self.load_field(Size::B32, VALUE, layout::segment_limit(CS));
        self.rrr(op::SUB, true, VALUE, VALUE, INDEX);
        dynasm!(self.asm; .arch aarch64; tbnz X(VALUE), SIGN, =>to);
    }

    /// Goes to the slow path unless a branch target lies in the code segment.
    pub fn in_code(&mut self, target: Value) {
        let slow = self.slow_path();
        match target {
            Value::Imm(to) => self.below_limit(to as u32, slow),
            Value::Reg(n) => {
                self.load_field(Size::B32, VALUE, layout::segment_limit(CS));
                self.mov(false, INDEX, host(n));
                self.rrr(op::SUB, true, VALUE, VALUE, INDEX);
                dynasm!(self.asm; .arch aarch64; tbnz X(VALUE), SIGN, =>slow);
            }
            Value::Cell => {}
        }
    }

    /// Goes to the slow path if string instructions go downwards.
    pub fn upwards(&mut self) {
        let slow = self.slow_path();
        let bit = Flags::DF.bits().trailing_zeros();
        self.load_field(Size::B32, VALUE, layout::SYSTEM_FLAGS);
        dynasm!(self.asm; .arch aarch64; tbnz X(VALUE), bit, =>slow);
    }

    /// Loads a segment register by shifting the selector, if it has attributes.
    pub fn load_segment(&mut self, seg: u8, from: Value, high: bool) {
        let slow = self.slow_path();
        let bit = attr::P.trailing_zeros();
        self.load_field(Size::B16, VALUE, layout::segment_attributes(seg));
        dynasm!(self.asm; .arch aarch64; tbz X(VALUE), bit, =>slow);
        let from = self.get(from, Size::B16, OTHER);
        self.extract(Field::Unsigned, false, OTHER, from, if high { 16 } else { 0 }, 16);
        self.store_field(Size::B16, OTHER, layout::selector(seg));
        self.lsl(false, OTHER, OTHER, 4);
        self.store_field(Size::B64, OTHER, layout::segment_base(seg));
    }

    /// `to` = a selector.
    pub fn selector(&mut self, to: Reg, seg: u8) {
        self.load_field(Size::B16, host(to), layout::selector(seg));
    }
}
