//! From decoded guest instructions to the intermediate form: one file a family.
//!
//! Each family has a `lift` that appends the steps of an instruction and says
//! whether it could. What no family takes is interpreted.

mod alu;
mod atomic;
mod bits;
mod branch;
mod conditional;
mod data;
mod muldiv;
pub mod native;
mod segment;
mod shift;
mod simd;
mod stack;
mod strings;
pub mod x87;

use crate::ir::{ACC, Address, Code, Inst, NONE, PAGE, Place, Reg, Share, Size, T0, T1, Value};
use crate::ir::{DS, ES, FS, GS, RSP, SS};
use glassbox_cpu::{Op, REG_BLOCK, REG_ZERO};
use iced_x86::{Code as Form, Decoder, DecoderOptions, Instruction, OpKind};

use crate::emit::host::STI;
pub use native::Forms;

/// This host's back end emits position-independent blocks.
pub const RELATIVE: bool = cfg!(target_arch = "x86_64");

/// How the guest decodes and addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// 64-bit code.
    Long,
    /// 32-bit code, stack and flat segments.
    Flat32,
    /// Code with segments that are looked at.
    Segmented(Segmented),
}

/// What of the segments is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Segmented {
    /// 32-bit code, else 16-bit.
    pub code32: bool,
    /// A 32-bit stack, else a 16-bit one.
    pub stack32: bool,
    /// ES, SS and DS need no checks.
    pub flat_data: bool,
    /// No branch of the code's own width can miss the code segment.
    pub whole_code: bool,
    /// Real or virtual-8086 mode.
    pub real: bool,
}

/// A block to be lifted.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// Its bytes.
    pub bytes: &'a [u8],
    /// Its instructions.
    pub ops: &'a [Op],
    /// Address of the first: in the code segment, or from the page it is on if the
    /// [mode](Mode::is_relative) says so.
    pub rip: u64,
    /// How they decode.
    pub mode: Mode,
}

impl Source<'_> {
    /// Whether the last instruction runs in the shadow of the one before it, which ends
    /// every other block: the interpreter runs both in one go.
    pub fn shadowed(&self) -> bool {
        matches!(self.ops, [.., before, _] if casts_shadow(before)) && !self.opens_interrupts()
    }

    /// Whether the instruction before the last one is an STI that back ends know: if an
    /// interrupt waits, the interpreter runs both, and else there is no shadow.
    pub fn opens_interrupts(&self) -> bool {
        let sti = matches!(self.ops, [.., before, _] if before.code == Form::Sti);
        STI && sti && self.mode == Mode::Long
    }

    /// Whether the interpreter's run of instruction `index` ends the block.
    pub fn ends_with(&self, index: usize) -> bool {
        let last = self.ops.len() - 1;
        if self.shadowed() { index + 1 == last } else { index == last && self.ops[last].ends_block() }
    }

    /// The instructions that are lifted one by one.
    fn lifted(&self) -> &[Op] {
        &self.ops[..self.ops.len() - usize::from(self.shadowed())]
    }
}

/// The families, those that take most first.
const FAMILIES: &[fn(&mut Lifter<'_>, &Instruction) -> Option<()>] = &[
    data::lift,
    alu::lift,
    branch::lift,
    stack::lift,
    segment::lift,
    strings::lift,
    conditional::lift,
    shift::lift,
    simd::lift,
    muldiv::lift,
    bits::lift,
    atomic::lift,
    x87::lift,
];

/// Whether an instruction ends its block only for holding interrupts off behind it:
/// STI, and loads of SS, which may change how code decodes in protected mode.
pub fn casts_shadow(op: &Op) -> bool {
    use Form::*;
    let to_stack = matches!(op.code, Mov_Sreg_rm16 | Mov_Sreg_r32m16 | Mov_Sreg_r64m16) && op.dst == SS;
    op.code == Sti || to_stack || matches!(op.code, Popw_SS | Popd_SS)
}

/// Lifts a block.
pub fn lift(source: Source<'_>, forms: &mut Forms, code: &mut Code) {
    // The x87 remembers where its operands are by segment and offset.
    let x87 = forms.has_x87() && !source.mode.is_segmented();
    lift_steps(source, forms, code, x87);
    code.x87 = None;
    if code.insts.iter().any(|inst| matches!(inst, Inst::X87(_))) {
        code.x87 = x87::plan(code);
        // Interpreted instructions do not see what is in the host's registers.
        if code.sees_x87 || code.x87.is_none() {
            code.x87 = None;
            lift_steps(source, forms, code, false);
        }
    }
}

fn lift_steps(source: Source<'_>, forms: &mut Forms, code: &mut Code, x87: bool) {
    code.insts.clear();
    code.live.clear();
    code.interpreted = 0;
    code.frozen = false;
    code.sees_x87 = false;
    let mut decoder = Decoder::new(source.mode.code_bits(), source.bytes, DecoderOptions::AMD);
    let mut instruction = Instruction::default();
    for (index, op) in source.lifted().iter().enumerate() {
        code.insts.push(Inst::Begin(index as u8));
        let at = usize::from(op.end - op.len);
        // An op whose bytes were rewritten under us decodes to something else.
        let decoded = decoder.set_position(at).is_ok() && {
            decoder.decode_out(&mut instruction);
            instruction.code() == op.code
        };
        let keep = code.insts.len();
        let bytes = source.bytes.get(at..usize::from(op.end)).unwrap_or_default();
        let mut lifter = Lifter { code, op: *op, bytes, rip: source.rip, mode: source.mode, forms, x87 };
        let done = decoded
            && FAMILIES.iter().any(|family| {
                lifter.code.insts.truncate(keep);
                family(&mut lifter, &instruction).is_some()
            });
        if !done {
            code.insts.truncate(keep);
            code.insts.push(Inst::Interpret);
            code.interpreted += 1;
            // What may change MXCSR or the rest of the SIMD state: what follows
            // in this block was compiled for the old one.
            code.frozen |= decoded && changes_simd_state(&instruction);
            code.sees_x87 |= !decoded || x87::concerns(&instruction);
        }
    }
    let Some(last) = source.ops.last() else { return };
    if !code.insts.last().is_some_and(Inst::ends) {
        let next = source.rip.wrapping_add(u64::from(last.end));
        let interpreted = code.insts.last() == Some(&Inst::Interpret);
        let leave = interpreted && (source.shadowed() || last.ends_block());
        code.insts.push(if leave { Inst::Leave } else { Inst::Jump(source.mode.wrap(next)) });
    }
}

impl Mode {
    /// Cuts an address to the width of this mode's.
    pub fn wrap(self, address: u64) -> u64 {
        if self == Self::Long { address } else { address & 0xFFFF_FFFF }
    }

    /// Addresses of code are counted from the page that the block is on, so that it
    /// runs wherever that page is mapped: processes have the same code at other addresses.
    pub fn is_relative(self) -> bool {
        self == Self::Long && RELATIVE
    }

    /// Default code size: 16, 32 or 64.
    pub fn code_bits(self) -> u32 {
        match self {
            Self::Long => 64,
            Self::Segmented(Segmented { code32: false, .. }) => 16,
            _ => 32,
        }
    }

    /// Width of the stack pointer.
    pub fn stack(self) -> Size {
        match self {
            Self::Long => Size::B64,
            Self::Segmented(Segmented { stack32: false, .. }) => Size::B16,
            _ => Size::B32,
        }
    }

    /// Addresses of code are not linear ones, or may be others.
    pub fn is_segmented(self) -> bool {
        matches!(self, Self::Segmented(_))
    }

    /// Whether the code segment's limit has to be looked at.
    pub fn bounds_code(self) -> bool {
        matches!(self, Self::Segmented(Segmented { whole_code: false, .. }))
    }

    /// What of segment `seg` (0 to 7) addresses have to say: the segment whose base is
    /// added, and whether it is looked at how far it reaches.
    fn segment(self, seg: u8) -> (Reg, bool) {
        let data = matches!(seg, ES | SS | DS);
        match self {
            Self::Long if matches!(seg, FS | GS) => (seg, false),
            Self::Long => (NONE, false),
            _ if seg > GS => (NONE, false),
            Self::Flat32 if data => (NONE, false),
            Self::Segmented(mode) if mode.flat_data && data => (NONE, false),
            _ => (seg, true),
        }
    }
}

fn changes_simd_state(i: &Instruction) -> bool {
    use iced_x86::Mnemonic::*;
    matches!(i.mnemonic(), Ldmxcsr | Vldmxcsr | Fxrstor | Fxrstor64 | Xrstor | Xrstor64 | Xrstors | Xrstors64)
}

/// Lifts one instruction.
pub struct Lifter<'a> {
    code: &'a mut Code,
    /// The instruction as decoded by the interpreter.
    pub op: Op,
    bytes: &'a [u8],
    rip: u64,
    mode: Mode,
    forms: &'a mut Forms,
    /// x87 instructions are lifted.
    x87: bool,
}

impl Lifter<'_> {
    fn push(&mut self, inst: Inst) {
        self.code.insts.push(inst);
    }

    /// The address of the instruction behind this one.
    fn next(&self) -> u64 {
        self.mode.wrap(self.rip.wrapping_add(u64::from(self.op.end)))
    }

    /// The target of a direct branch of operand size `size`.
    fn target(&self, size: Size) -> u64 {
        let target = self.rip.wrapping_add(self.op.imm);
        match size {
            Size::B16 => target & 0xFFFF,
            Size::B32 => target & 0xFFFF_FFFF,
            _ => target,
        }
    }

    /// Checks that a branch target lies inside the code segment, or is canonical.
    fn check_target(&mut self, target: Value, size: Size) {
        match self.mode {
            Mode::Long => {
                if let Value::Reg(n) = target {
                    self.push(Inst::Canonical(n));
                }
            }
            Mode::Flat32 => {}
            Mode::Segmented(mode) => {
                let short = size == Size::B16
                    || mode.code32
                    || matches!(target, Value::Imm(to) if (0..=0xFFFF).contains(&to));
                if !(mode.whole_code && short) {
                    self.push(Inst::InCode(target));
                }
            }
        }
    }

    /// The memory operand's address.
    fn address(&self) -> Option<Address> {
        let op = &self.op;
        let bits = op.address_bits();
        let (narrow, word) = (bits != 64, bits == 16);
        let (seg, checked) = self.mode.segment(op.seg());
        let index = if op.index == REG_ZERO { NONE } else { op.index };
        let (scale, disp) = (op.scale_seg & 3, i64::from(op.disp));
        let mut at = Address { base: op.base, index, scale, seg, checked, narrow, word, disp };
        if op.flags & Op::DISP_FROM_END != 0 {
            // MOV moffs has its whole address in the immediate.
            let from_end = op.base == REG_BLOCK;
            at.base = if from_end { self.code_base() } else { NONE };
            at.disp =
                if from_end { i64::from(op.disp).wrapping_add(self.next() as i64) } else { op.imm as i64 };
        } else if op.base == REG_BLOCK {
            at.base = self.code_base();
            at.disp = at.disp.wrapping_add(self.rip as i64);
        } else if op.base == REG_ZERO {
            at.base = NONE;
        }
        let has_registers = at.index != NONE || at.base == PAGE;
        if has_registers && i32::try_from(at.disp).is_err() {
            return None;
        }
        if narrow && at.base == NONE && at.index == NONE {
            at.disp &= if word { 0xFFFF } else { 0xFFFF_FFFF };
            (at.narrow, at.word) = (false, false);
        }
        Some(at)
    }

    /// What addresses of code are counted from.
    fn code_base(&self) -> Reg {
        if self.mode.is_relative() { PAGE } else { NONE }
    }

    fn probe(&mut self, at: Address, bytes: u8, write: bool) {
        self.push(Inst::Probe { at, bytes, write, aligned: false, share: Share::Alone });
    }

    /// As [`probe`](Self::probe), for locked operands: split ones are the interpreter's.
    fn probe_aligned(&mut self, at: Address, bytes: u8, write: bool) {
        self.push(Inst::Probe { at, bytes, write, aligned: bytes > 1, share: Share::Alone });
    }

    /// The number of a register operand, 0 to 15, or a high byte register.
    fn register(&self, i: &Instruction, operand: u32) -> Option<Reg> {
        (i.op_kind(operand) == OpKind::Register && i.op_register(operand).is_gpr()).then_some(match operand {
            0 => self.op.dst,
            1 => self.op.src,
            _ => self.op.aux,
        })
    }

    /// Width of an operand.
    fn size(&self, i: &Instruction, operand: u32) -> Option<Size> {
        Size::of(match i.op_kind(operand) {
            OpKind::Register => i.op_register(operand).size() as u32 * 8,
            _ => i.memory_size().size() as u32 * 8,
        })
    }

    /// An operand to read. Memory is probed, high bytes are fetched to a temporary.
    fn value(&mut self, i: &Instruction, operand: u32, size: Size) -> Option<Value> {
        match i.op_kind(operand) {
            OpKind::Register => {
                let n = self.register(i, operand)?;
                if n & Op::HIGH_BYTE != 0 {
                    self.push(Inst::High { to: T1, of: n & 3 });
                    return Some(Value::Reg(T1));
                }
                Some(Value::Reg(n))
            }
            OpKind::Memory => {
                let at = self.address()?;
                self.probe(at, size.bytes(), false);
                Some(Value::Cell)
            }
            _ => self.immediate(size).map(Value::Imm),
        }
    }

    /// The immediate as an operation of `size` takes it.
    fn immediate(&self, size: Size) -> Option<i32> {
        let value = self.op.imm as i64;
        i32::try_from(match size {
            Size::B8 => i64::from(value as i8),
            Size::B16 => i64::from(value as i16),
            Size::B32 => i64::from(value as i32),
            Size::B64 => value,
        })
        .ok()
    }

    /// Operand 0 to be read and written, or only read: `f` gets its place. High
    /// bytes go through a temporary.
    fn update(
        &mut self,
        i: &Instruction,
        size: Size,
        write: bool,
        f: impl FnOnce(&mut Self, Place) -> Option<()>,
    ) -> Option<()> {
        if i.op0_kind() == OpKind::Memory {
            let at = self.address()?;
            self.probe(at, size.bytes(), write);
            return f(self, Place::Cell);
        }
        let n = self.register(i, 0)?;
        if n & Op::HIGH_BYTE == 0 {
            return f(self, Place::Reg(n));
        }
        self.push(Inst::High { to: T0, of: n & 3 });
        f(self, Place::Reg(T0))?;
        if write {
            self.push(Inst::SetHigh { to: n & 3, from: T0 });
        }
        Some(())
    }

    /// `seg:[base + disp]` by an address of `width`.
    fn offset_in(&self, seg: u8, base: Reg, disp: i32, width: Size) -> Address {
        let (seg, checked) = self.mode.segment(seg);
        let word = width == Size::B16;
        Address { seg, checked, word, ..Address::at(base, disp, width != Size::B64) }
    }

    /// A stack slot's address: RSP + `by`.
    fn stack(&self, by: i32) -> Address {
        self.offset_in(SS, RSP, by, self.mode.stack())
    }

    /// RSP += `by`.
    fn move_stack(&mut self, by: i32) {
        let at = Address::at(RSP, by, false);
        self.push(Inst::Lea { to: RSP, size: self.mode.stack(), at });
    }

    /// The target of an indirect branch, in `to`.
    fn target_register(&mut self, i: &Instruction, size: Size, to: Reg) -> Option<Reg> {
        let from = self.value(i, 0, size)?;
        let to = if matches!(from, Value::Reg(_)) && to == T0 { T0 } else { to };
        self.push_target(size, to, from);
        debug_assert!(to == T0 || to == ACC);
        Some(to)
    }

    /// `to` = an address to branch to of `size`.
    fn push_target(&mut self, size: Size, to: Reg, from: Value) {
        self.push(match size {
            Size::B16 => Inst::Extend { to, size: Size::B32, from, of: size, signed: false },
            _ => Inst::Move { size, to: Place::Reg(to), from },
        });
    }
}
