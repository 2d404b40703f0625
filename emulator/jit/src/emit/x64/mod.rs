//! The x86-64 back end.
//!
//! Guest registers are host registers (`map`), guest flags the host's where
//! they can be (`flags`), guest vectors the host's (`vectors`). What a step
//! leaves to the interpreter is called from behind the block, so that the
//! straight way has no jumps.

mod alu;
mod asm;
mod carry;
mod control;
mod encode;
mod flags;
mod floors;
mod map;
mod memory;
mod muldiv;
mod native;
mod nest;
mod privilege;
mod returns;
mod search;
mod segments;
mod sites;
#[cfg(test)]
mod sizes;
mod system;
pub mod thunks;
mod vectors;
mod x87;

use super::{Destination, Entry, Part};
use crate::ir::{ACC, Code, FlagSet, Inst, NONE, Place, Reg};
use crate::lift::native::File;
use crate::lift::x87::Plan;
use crate::lift::{Forms, Source};
use asm::Asm;
use dynasmrt::{DynamicLabel, DynasmLabelApi, dynasm};
use encode::Rm;
use flags::{FlagState, Recipe};
use glassbox_cpu::Op;
use glassbox_cpu::compiled::layout;
use iced_x86::CpuidFeature;
use memory::Kept;
use sites::{SiteMiss, Sites};
use thunks::Thunks;
use vectors::Vectors;
use x87::Stack;

/// The offset of register `n` from the processor.
fn slot(n: Reg) -> usize {
    layout::REGS + 8 * (n & 31) as usize
}

/// A piece of code behind the block: the op is run by the interpreter.
struct SlowPath {
    from: DynamicLabel,
    back: DynamicLabel,
    part: usize,
    index: usize,
    flags: FlagState,
    vectors: Vectors,
    flags_after: FlagState,
    vectors_after: Vectors,
    stacks: [Stack; 2],
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
        /// The group's translation, which is void.
        clear: Option<Kept>,
        /// The address, if it is not in RAX.
        at: Option<crate::ir::Address>,
        /// The flags that it finds are the guest's, and those that it leaves.
        keeps: bool,
    },
    /// Looks up one access of a loop and keeps the translation.
    Site(SiteMiss),
    /// Makes the loop's own translations void if they are another loop's.
    Claim { from: DynamicLabel, back: DynamicLabel },
    /// A store on a page that holds code.
    BesideCode { from: DynamicLabel, back: DynamicLabel, slow: DynamicLabel, bytes: i32 },
    /// Loads MXCSR.
    Float { from: DynamicLabel, back: DynamicLabel, refused: DynamicLabel },
    /// Clears the host's x87 exception flags.
    ClearX87 { from: DynamicLabel, back: DynamicLabel },
    /// The host's stack is full of calls that have not returned.
    Overflow { from: DynamicLabel, back: DynamicLabel },
    /// Searches for a call's target, in RAX.
    Find { from: DynamicLabel, back: DynamicLabel },
    /// A return to elsewhere than behind the last call: to the address in RCX.
    ReturnMiss { from: DynamicLabel, slow: DynamicLabel, pop: u32 },
    /// The interpreter runs an op that ends the block; all is stored.
    Interpret { from: DynamicLabel, part: usize, index: usize },
    /// Leaves between two blocks of a loop.
    Between(nest::Between),
    /// Leaves compiled code at a target.
    Stop { from: DynamicLabel, target: u64 },
    /// Leaves compiled code for want of a target's code.
    Link { from: DynamicLabel, site: DynamicLabel, target: u64 },
}

/// What of the SIMD state a block needs.
#[derive(Clone, Copy, Debug, Default)]
struct Uses {
    sse: bool,
    avx: bool,
    float: bool,
}

/// Several blocks can be emitted together.
pub const NESTS: bool = true;

/// What the back end gets.
pub type Target<'a> = super::Target<'a, Thunks>;

/// What the back end leaves.
pub type Emitted = super::Emitted<Room>;

/// What the emitter writes to, allocated once.
#[derive(Default)]
pub struct Room {
    asm: Asm,
    slow: Vec<SlowPath>,
    outlines: Vec<Outline>,
    heads: Vec<nest::Head>,
}

/// Emits one block.
struct Emitter<'a> {
    asm: Asm,
    /// Where the code will be executed.
    base: usize,
    source: Source<'a>,
    thunks: Thunks,
    targets: usize,
    destination: &'a dyn Fn(u64) -> Destination,
    /// Unused high bits of a linear address.
    unused_bits: i8,
    slow: Vec<SlowPath>,
    outlines: Vec<Outline>,
    /// Where the block is entered.
    entrance: DynamicLabel,
    /// Leaves before the block has begun, its instructions given back.
    blocked: DynamicLabel,
    /// Leaves for the interpreter.
    refused: DynamicLabel,
    /// Leaves; nothing to give back.
    stopped: DynamicLabel,
    /// The op being emitted, and where its slow path comes back.
    index: usize,
    /// The step of its block.
    number: usize,
    back: DynamicLabel,
    op_slow: Option<DynamicLabel>,
    flags: FlagState,
    /// Flags that matter behind the running step, and before it.
    live: FlagSet,
    live_before: FlagSet,
    vectors: Vectors,
    /// Where the last probe's memory is.
    cell: Rm,
    /// RAX and RCX are taken by it.
    cell_live: bool,
    uses: Uses,
    /// The blocks jump to each other, or the only one to itself: they keep vectors in
    /// registers.
    looping: bool,
    loop_vectors: Vectors,
    /// The blocks, what leads to each from within, and which is being emitted.
    parts: &'a [Part<'a>],
    heads: Vec<nest::Head>,
    part: usize,
    sites: Option<Sites>,
    /// Where the translations of groups are.
    kept: [Kept; crate::opt::SLOTS],
    /// How the flags of the round before can be made, in a loop that stores none.
    loop_flags: Option<Recipe>,
    bmi2: bool,
    x87_plan: Option<Plan>,
    /// The x87 stack in the host's: in the first round of a loop, and in later ones.
    stacks: [Stack; 2],
}

/// Emits host code of one block, or of several that jump to each other.
pub fn emit(parts: &[Part<'_>], target: &Target<'_>, emitted: &mut Emitted) -> Option<()> {
    let Part { code, source } = *parts.first()?;
    let Room { mut asm, mut slow, mut outlines, mut heads } = std::mem::take(&mut emitted.room);
    asm.begin(target.base);
    slow.clear();
    outlines.clear();
    heads.clear();
    let mut label = || asm.new_dynamic_label();
    let (entrance, blocked, refused, stopped, back) = (label(), label(), label(), label(), label());
    let (uses, vectors) = needs(parts);
    let looping = parts.len() > 1
        || !code.frozen
            && code.x87.is_none_or(|plan| plan.balanced)
            && code.successors().contains(&Some(source.rip));
    if looping {
        heads.extend(nest::heads(parts, &mut label));
    }
    let mut e = Emitter {
        asm,
        base: target.base,
        source,
        thunks: if source.mode.is_segmented() { target.thunks.segmented() } else { target.thunks },
        targets: target.targets,
        destination: target.destination,
        unused_bits: if target.la57 { 7 } else { 16 },
        slow,
        outlines,
        entrance,
        blocked,
        refused,
        stopped,
        index: 0,
        number: 0,
        back,
        op_slow: None,
        flags: Emitter::initial_flags(),
        live: 0,
        live_before: 0,
        vectors: Vectors::default(),
        cell: Rm::Reg(0),
        cell_live: false,
        uses,
        looping,
        loop_vectors: vectors,
        parts,
        heads,
        part: 0,
        sites: None,
        kept: [Kept::Slot(0); crate::opt::SLOTS],
        loop_flags: None,
        bmi2: std::arch::is_x86_feature_detected!("bmi2"),
        x87_plan: code.x87,
        stacks: [Stack::default(); 2],
    };
    let probes = |part: &Part<'_>| part.code.insts.iter().any(|inst| matches!(inst, Inst::Probe { .. }));
    if looping && parts.iter().any(probes) {
        e.sites = Some(Sites { owner: target.number, used: 0, claim: e.asm.new_dynamic_label() });
    }
    emitted.entries.clear();
    if parts.len() == 1 {
        e.prologue(code);
        if let Some(second) = target.second {
            e.check_second_page(second);
        }
        e.head(0);
        e.body(code);
        e.behind();
        emitted.entries.push(Entry { at: 0, dead: e.refusals(target.second.is_some()) });
    } else {
        for part in 0..parts.len() {
            emitted.entries.push(e.entry(part));
        }
        for (part, Part { code, .. }) in parts.iter().enumerate() {
            e.head(part);
            e.body(code);
        }
        e.behind();
    }
    let Emitter { mut asm, slow, outlines, heads, .. } = e;
    let done = asm.finish(&mut emitted.code);
    emitted.room = Room { asm, slow, outlines, heads };
    done
}

/// What blocks need, and the vectors that they use.
fn needs(parts: &[Part<'_>]) -> (Uses, Vectors) {
    let (mut uses, mut vectors) = (Uses::default(), Vectors::default());
    for inst in parts.iter().flat_map(|part| &part.code.insts) {
        let Inst::Native(native) = inst else { continue };
        if !native.is_vector() {
            continue;
        }
        uses.avx |= native.vex;
        uses.sse |= !native.vex;
        uses.float |= native.float;
        for field in native.fields() {
            let long = field.file == File::Ymm || native.vex && field.writes;
            if matches!(field.file, File::Xmm | File::Ymm) {
                note(&mut vectors, field.n, long, field.writes);
            }
        }
        if native.fourth != NONE {
            note(&mut vectors, native.fourth, native.fourth_long, false);
        }
    }
    (uses, vectors)
}

fn note(vectors: &mut Vectors, n: u8, long: bool, written: bool) {
    let bit = 1 << n;
    vectors.loaded |= bit;
    vectors.long |= if long { bit } else { 0 };
    vectors.dirty |= if written { bit } else { 0 };
    vectors.dirty_long |= if written && long { bit } else { 0 };
}

impl Emitter<'_> {
    /// The steps of the running block.
    fn body(&mut self, code: &Code) {
        for (n, inst) in code.insts.iter().enumerate() {
            self.number = n;
            self.live = code.live[n];
            self.live_before = if n == 0 { crate::ir::flags::ALL } else { code.live[n - 1] };
            self.step(inst);
            if matches!(inst, Inst::Begin(_)) {
                let rest = code.insts[n + 1..].iter().take_while(|inst| !matches!(inst, Inst::Begin(_)));
                if rest.into_iter().any(|inst| matches!(inst, Inst::X87(x87) if !x87.status)) {
                    self.x87_begin();
                }
            }
        }
        // No op of another block comes back here.
        self.end_op();
    }

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
            part: self.part,
            index: self.index,
            flags: self.flags,
            vectors: self.vectors,
            flags_after: FlagState::default(),
            vectors_after: Vectors::default(),
            stacks: self.stacks,
        });
        from
    }

    /// Ends an op: slow paths come back here.
    fn end_op(&mut self) {
        self.cell_live = false;
        if self.op_slow.take().is_some()
            && let Some(slow) = self.slow.last_mut()
        {
            slow.flags_after = self.flags;
            slow.vectors_after = self.vectors;
            dynasm!(self.asm; .arch x64; =>self.back);
            self.back = self.asm.new_dynamic_label();
        }
    }

    fn step(&mut self, inst: &Inst) {
        if !matches!(inst, Inst::Divide { .. }) && !inst.ends() {
            self.flags_before(inst);
        }
        match *inst {
            Inst::Begin(n) => {
                self.end_op();
                self.index = n as usize;
            }
            Inst::Probe { at, bytes, write, aligned, share } => {
                self.probe(&at, bytes, write, aligned, share);
                return;
            }
            Inst::Move { size, to, from } => {
                if to == Place::Reg(ACC) && !self.cell_live {
                    // RAX is taken from here on, and saving flags needs it.
                    self.before_clobber();
                }
                self.mov(size, to, from);
            }
            Inst::Const { to, value } => self.set(to, value),
            Inst::StoreNext(next) => self.store_next(next),
            Inst::Extend { to, size, from, of, signed } => {
                if to == ACC && !self.cell_live {
                    self.before_clobber();
                }
                self.extend(to, size, from, of, signed);
            }
            Inst::Lea { to, size, at } => self.lea(to, size, &at),
            Inst::High { to, of } => self.high(to, of),
            Inst::SetHigh { to, from } => self.set_high(to, from),
            Inst::Alu { op, size, to, from } => self.alu(op, size, to, from),
            Inst::Unary { op, size, to } => self.unary(op, size, to),
            Inst::Bswap { to, size } => self.bswap(to, size),
            Inst::Shift { op, size, to, by } => self.shift(op, size, to, by),
            Inst::DoubleShift { left, size, to, fill, by } => self.double_shift(left, size, to, fill, by),
            Inst::Multiply { size, to, a, b } => self.multiply(size, to, a, b),
            Inst::MultiplyWide { signed, size, by } => self.multiply_wide(signed, size, by),
            Inst::MultiplyApart { size, high, low, by } => self.multiply_apart(size, high, low, by),
            Inst::Divide { signed, size, by } => self.divide(inst, signed, size, by),
            Inst::SignFill { size } => self.sign_fill(size),
            Inst::SetIf { cc, to } => self.set_if(cc, to),
            Inst::MoveIf { cc, size, to, from } => self.move_if(cc, size, to, from),
            Inst::BitTest { op, size, to, bit } => self.bit_test(op, size, to, bit),
            Inst::BitString { size, to, number, locked } => self.bit_string(size, to, number, locked),
            Inst::Carry(op) => self.carry(op),
            Inst::Exchange { size, with } => self.exchange(size, with),
            Inst::LockedAlu { op, size, from } => self.locked_alu(op, size, from),
            Inst::LockedUnary { op, size } => self.locked_unary(op, size),
            Inst::LockedBit { op, size, bit } => self.locked_bit(op, size, bit),
            Inst::ExchangeAdd { size, with, locked } => self.exchange_add(size, with, locked),
            Inst::CompareExchangeWide { locked } => self.compare_exchange_wide(locked),
            Inst::CompareExchange { size, with, locked } => self.compare_exchange(size, with, locked),
            Inst::Native(native) => self.native(&native),
            Inst::X87(x87) => self.x87(&x87),
            Inst::Fence => dynasm!(self.asm; .arch x64; mfence),
            Inst::Canonical(n) => self.canonical(n),
            Inst::InCode(target) => self.in_code(target),
            Inst::Upwards => self.upwards(),
            Inst::LoadSegment { seg, from, high } => self.load_segment(seg, from, high),
            Inst::Flags { to } => self.flags_word(to),
            Inst::Selector { to, seg } => self.selector(to, seg),
            Inst::Interpret => self.interpret(),
            Inst::Jump(to) => {
                if self.source.ops[self.index].flags & Op::ENDS_BLOCK == 0 {
                    self.end_op();
                }
                self.jump(to);
            }
            Inst::Branch { cc, to, next } => self.branch(cc, to, next),
            Inst::BranchZero { of, size, zero, to, next } => self.branch_zero(of, size, zero, to, next),
            Inst::JumpTo(n) => self.jump_to(n),
            Inst::Call { to, next } => self.call(to, next),
            Inst::CallTo { to, next } => self.call_to(to, next),
            Inst::Return { to, pop } => self.return_to(to, pop),
            // The interpreter's op has left.
            Inst::Leave => {}
        }
        if matches!(inst, Inst::Divide { .. }) {
            self.flags = FlagState { host: true, ..FlagState::default() };
        } else if !inst.ends() {
            self.flags_after(inst);
        }
    }
}

/// STI is compiled.
pub const STI: bool = true;

/// Bit instructions with bit strings in memory are compiled.
pub const BIT_STRINGS: bool = true;

/// Code in segments is compiled.
pub const SEGMENTS: bool = true;

/// Instructions that cross into another page are compiled.
pub const CROSSING: bool = true;

/// The forms that this processor executes as they are.
pub fn forms() -> Forms {
    Forms::new(host_supports)
}

/// What makes the jump or call that ends at `site` lead to `to`: where to write, and
/// what; none where that is too far.
pub fn link(site: usize, to: usize) -> Option<(usize, [u8; 4])> {
    let relative = i32::try_from((to as i64).wrapping_sub(site as i64)).ok()?;
    Some((site - 4, relative.to_le_bytes()))
}

/// A jump to `to` for the patchable place `from`; none where that is too far.
pub fn jump(from: usize, to: usize) -> Option<[u8; 5]> {
    let relative = i32::try_from((to as i64).wrapping_sub(from as i64 + 5)).ok()?;
    let [a, b, c, d] = relative.to_le_bytes();
    Some([0xE9, a, b, c, d])
}

/// Whether this processor has what a guest instruction of this kind needs.
pub fn host_supports(feature: CpuidFeature) -> bool {
    use CpuidFeature as F;
    use std::arch::is_x86_feature_detected as has;
    match feature {
        F::SSE | F::SSE2 => true,
        F::SSE3 => has!("sse3"),
        F::SSSE3 => has!("ssse3"),
        F::SSE4_1 => has!("sse4.1"),
        F::SSE4_2 => has!("sse4.2"),
        F::AVX => has!("avx"),
        F::AVX2 => has!("avx2"),
        F::FMA => has!("fma"),
        F::F16C => has!("f16c"),
        F::AES => has!("aes"),
        F::PCLMULQDQ => has!("pclmulqdq"),
        F::SHA => has!("sha"),
        F::GFNI => has!("gfni"),
        F::VAES => has!("vaes"),
        F::VPCLMULQDQ => has!("vpclmulqdq"),
        F::BMI1 => has!("bmi1"),
        F::BMI2 => has!("bmi2"),
        F::LZCNT => has!("lzcnt"),
        F::POPCNT => has!("popcnt"),
        F::ADX => has!("adx"),
        F::CMPXCHG16B => has!("cmpxchg16b"),
        F::MOVBE => has!("movbe"),
        _ => false,
    }
}
