//! The AArch64 back end.
//!
//! All guest registers are host registers (`map`); of the guest's flags four are
//! the host's and two are made of what they depend on (`flags`). What a step
//! leaves to the interpreter is called from behind the block, so that the
//! straight way has no jumps.

mod alu;
mod atomic;
mod bits;
mod control;
mod encode;
mod flags;
mod map;
mod memory;
mod muldiv;
mod segments;
mod shift;
mod simd;
mod system;
pub mod thunks;
mod vectors;

use super::{Destination, Entry, Part};
use crate::ir::{Code, Count, FlagSet, Inst, Value};
use crate::lift::{Forms, Source};
use dynasmrt::aarch64::Aarch64Relocation;
use dynasmrt::{DynamicLabel, DynasmLabelApi, VecAssembler, dynasm};
use flags::FlagState;
use memory::Cell;
use simd::Check;
use thunks::Thunks;
use vectors::Vectors;

/// What the back end leaves.
pub type Emitted = super::Emitted;

/// What the back end gets.
pub type Target<'a> = super::Target<'a, Thunks>;

/// A piece of code behind the block: the op is run by the interpreter.
struct SlowPath {
    from: DynamicLabel,
    back: DynamicLabel,
    index: usize,
    flags: FlagState,
    flags_after: FlagState,
    vectors: Vectors,
    vectors_after: Vectors,
    /// Vectors that the op writes.
    written: u16,
}

/// Another piece of code behind the block.
enum Outline {
    /// Looks up one access alone.
    Lookup {
        from: DynamicLabel,
        back: DynamicLabel,
        slow: DynamicLabel,
        bytes: u8,
        write: bool,
        /// The group's slot, which is void.
        clear: Option<u8>,
        /// The register that holds the linear address, unless there is `at`.
        linear: u8,
        /// What the address has to be computed from.
        at: Option<crate::ir::Address>,
    },
    /// A store to a page that holds code, too.
    BesideCode { from: DynamicLabel, back: DynamicLabel, slow: DynamicLabel, bytes: u8 },
    /// Looks at a number once more.
    Number(Check),
    /// Looks whether what became zero is a number.
    NotANumber { from: DynamicLabel, back: DynamicLabel, slow: DynamicLabel, v: u8, double: bool },
    /// Has FPCR and FPSR be the guest's, if that may be.
    Float { from: DynamicLabel, back: DynamicLabel },
    /// The interpreter runs an op that ends the block; flags are stored.
    Interpret { from: DynamicLabel, index: usize },
    /// Leaves compiled code at a target.
    Stop { from: DynamicLabel, target: u64 },
    /// Leaves compiled code for want of a target's code.
    Link { from: DynamicLabel, site: DynamicLabel, target: u64 },
}

/// Emits one block.
struct Emitter<'a> {
    asm: VecAssembler<Aarch64Relocation>,
    base: usize,
    source: Source<'a>,
    thunks: Thunks,
    targets: usize,
    destination: &'a dyn Fn(u64) -> Destination,
    /// Unused high bits of a linear address.
    unused_bits: u8,
    slow: Vec<SlowPath>,
    outlines: Vec<Outline>,
    /// Leaves before the block has begun, its instructions given back.
    blocked: DynamicLabel,
    /// Leaves for the interpreter, which is to run the whole block.
    refused: DynamicLabel,
    uses: Uses,
    /// Where the block's ops and RIP are, for calls of the interpreter.
    literals: DynamicLabel,
    /// The op being emitted, and where its slow path comes back.
    index: usize,
    back: DynamicLabel,
    op_slow: Option<DynamicLabel>,
    flags: FlagState,
    vectors: Vectors,
    /// Vectors that the op has written.
    written: u16,
    /// Flags that matter behind the running step.
    live: FlagSet,
    /// Where the last probe's memory is.
    cell: Cell,
}

/// What SIMD state a block works on.
#[derive(Clone, Copy, Debug, Default)]
struct Uses {
    sse: bool,
    avx: bool,
    /// MXCSR.
    float: bool,
}

impl Uses {
    fn of(code: &Code) -> Self {
        let mut uses = Self::default();
        for inst in &code.insts {
            let Inst::Native(native) = inst else { continue };
            let vector = native.is_vector();
            uses.sse |= vector && !native.vex;
            uses.avx |= vector && native.vex;
            uses.float |= native.float;
        }
        uses
    }
}

/// Several blocks are not emitted together.
pub const NESTS: bool = false;

/// Emits a block's host code.
pub fn emit(parts: &[Part<'_>], target: &Target<'_>, emitted: &mut Emitted) -> Option<()> {
    let [Part { code, source }] = *parts else { return None };
    let mut asm = VecAssembler::new(target.base);
    let mut label = || asm.new_dynamic_label();
    let (blocked, refused, literals, back) = (label(), label(), label(), label());
    let mut e = Emitter {
        asm,
        base: target.base,
        source,
        thunks: if source.mode.is_segmented() { target.thunks.segmented() } else { target.thunks },
        targets: target.targets,
        destination: target.destination,
        unused_bits: if target.la57 { 7 } else { 16 },
        slow: Vec::new(),
        outlines: Vec::new(),
        blocked,
        refused,
        uses: Uses::of(code),
        literals,
        index: 0,
        back,
        op_slow: None,
        flags: FlagState::STORED,
        vectors: Vectors::default(),
        written: 0,
        live: 0,
        cell: Cell { base: map::ADDRESS, index: map::INDEX },
    };
    e.prologue();
    if let Some(second) = target.second {
        e.check_second_page(second);
    }
    let (mut n, mut interpreted) = (0, 0);
    while let Some(inst) = code.insts.get(n) {
        n += 1;
        e.live = code.live[n - 1];
        let Inst::Begin(index) = *inst else {
            e.step(inst);
            continue;
        };
        e.end_op();
        e.index = index as usize;
        // An op of which the host has not all is the interpreter's, as a whole.
        let steps = code.insts[n..].iter().take_while(|inst| !matches!(inst, Inst::Begin(_)));
        let count = steps.clone().take_while(|inst| !inst.ends()).count();
        if steps.zip(&code.live[n..]).any(|(inst, live)| !lowers(inst, *live)) {
            e.interpret();
            interpreted += 1;
            n += count;
        }
    }
    emitted.entries.clear();
    emitted.entries.push(Entry { at: 0, dead: e.behind(target.second.is_some()) });
    emitted.interpreted = interpreted;
    emitted.code = e.asm.finalize().ok()?;
    Some(())
}

/// Whether a step is lowered, with these flags mattering behind it.
fn lowers(inst: &Inst, live: FlagSet) -> bool {
    match inst {
        Inst::Shift { .. } | Inst::DoubleShift { .. } => shift::lowers(inst, live != 0),
        Inst::X87(_) | Inst::Flags { .. } | Inst::CompareExchangeWide { .. } => false,
        Inst::Native(native) => simd::lowers(native),
        _ => true,
    }
}

impl Emitter<'_> {
    /// A label that leads to the interpreter's version of the running op.
    fn slow_path(&mut self) -> DynamicLabel {
        if let Some(label) = self.op_slow {
            return label;
        }
        let from = self.asm.new_dynamic_label();
        self.op_slow = Some(from);
        self.slow.push(SlowPath {
            from,
            back: self.back,
            index: self.index,
            flags: self.flags,
            flags_after: FlagState::default(),
            vectors: self.vectors,
            vectors_after: Vectors::default(),
            written: 0,
        });
        from
    }

    /// Ends an op: slow paths come back here.
    fn end_op(&mut self) {
        if self.op_slow.take().is_some()
            && let Some(slow) = self.slow.last_mut()
        {
            slow.flags_after = self.flags;
            slow.vectors_after = self.vectors;
            slow.written = self.written;
            dynasm!(self.asm; .arch aarch64; =>self.back);
            self.back = self.asm.new_dynamic_label();
        }
        self.written = 0;
    }

    fn step(&mut self, inst: &Inst) {
        match *inst {
            // The caller's.
            Inst::Begin(_) => {}
            Inst::Probe { at, bytes, write, aligned, share } => {
                self.probe(&at, bytes, write, aligned, share);
            }
            Inst::Move { size, to, from } => self.move_to(size, to, from),
            Inst::Const { to, value } => self.constant(map::host(to), value),
            Inst::StoreNext(next) => self.store_const(next),
            Inst::Extend { to, size, from, of, signed } => self.extend(to, size, from, of, signed),
            Inst::Lea { to, size, at } => self.lea(to, size, &at),
            Inst::High { to, of } => self.high(to, of),
            Inst::SetHigh { to, from } => self.set_high(to, from),
            Inst::Alu { op, size, to, from } => self.alu(op, size, to, from),
            Inst::Unary { op, size, to } => self.unary(op, size, to),
            Inst::Bswap { to, size } => self.bswap(to, size),
            Inst::Shift { op, size, to, by } => self.shift(op, size, to, by),
            Inst::DoubleShift { left, size, to, fill, by: Count::Imm(n) } => {
                self.double_shift(left, size, to, fill, n);
            }
            Inst::Multiply { size, to, a, b } => self.multiply(size, to, a, b),
            Inst::MultiplyWide { signed, size, by } => self.multiply_wide(signed, size, by),
            Inst::MultiplyApart { size, high, low, by } => self.multiply_apart(size, high, low, by),
            Inst::Divide { signed, size, by } => self.divide(signed, size, by),
            Inst::SignFill { size } => self.sign_fill(size),
            Inst::SetIf { cc, to } => self.set_if(cc, to),
            Inst::MoveIf { cc, size, to, from } => self.move_if(cc, size, to, from),
            Inst::BitTest { op, size, to, bit } => self.bit_test(op, size, to, bit),
            Inst::Carry(op) => self.carry(op),
            Inst::Exchange { size, with } => self.exchange(size, with),
            Inst::LockedAlu { op, size, from } => self.locked_alu(op, size, from),
            Inst::LockedUnary { op, size } => self.locked_unary(op, size),
            Inst::LockedBit { op, size, bit: Value::Imm(bit) } => self.locked_bit(op, size, bit as u8),
            Inst::ExchangeAdd { size, with, .. } => self.exchange_add(size, with),
            Inst::CompareExchange { size, with, .. } => self.compare_exchange(size, with),
            Inst::Fence => dynasm!(self.asm; .arch aarch64; dmb ish),
            Inst::Canonical(n) => self.canonical(n),
            Inst::Native(native) if bits::translates(native.code) => self.bits(&native),
            Inst::Native(native) => self.simd(&native),
            Inst::InCode(target) => self.in_code(target),
            Inst::Upwards => self.upwards(),
            Inst::LoadSegment { seg, from, high } => self.load_segment(seg, from, high),
            Inst::Selector { to, seg } => self.selector(to, seg),
            Inst::Interpret
            | Inst::X87(_)
            | Inst::BitString { .. }
            | Inst::LockedBit { .. }
            | Inst::Flags { .. }
            | Inst::CompareExchangeWide { .. }
            | Inst::DoubleShift { .. } => {
                self.interpret();
            }
            Inst::Jump(to) => {
                if !self.source.ops[self.index].ends_block() {
                    self.end_op();
                }
                self.jump(to);
            }
            Inst::Branch { cc, to, next } => self.branch(cc, to, next),
            Inst::BranchZero { of, size, zero, to, next } => self.branch_zero(of, size, zero, to, next),
            Inst::Call { to, .. } => self.jump(to),
            Inst::JumpTo(n) | Inst::CallTo { to: n, .. } => self.jump_to(n),
            Inst::Return { to, pop } => self.return_to(to, pop),
            // The interpreter's op has left.
            Inst::Leave => {}
        }
    }
}

/// STI is the interpreter's.
pub const STI: bool = false;

/// Bit instructions with bit strings in memory are the interpreter's.
pub const BIT_STRINGS: bool = false;

/// Code in segments is compiled.
pub const SEGMENTS: bool = true;

/// Instructions that cross into another page are compiled.
pub const CROSSING: bool = true;

/// The forms that the lifter may take for [`Inst::Native`].
pub fn forms() -> Forms {
    Forms::translated(|code| bits::translates(code) || simd::translation(code).is_some())
}

/// What makes the jump at `site` lead to `to`: where to write, and what.
pub fn link(site: usize, to: usize) -> Option<(usize, [u8; 4])> {
    Some((site, jump(site, to)?))
}

/// A jump to `to` for the patchable place `from`.
pub fn jump(from: usize, to: usize) -> Option<[u8; 4]> {
    Some(encode::branch(false, from, to).to_le_bytes())
}
