//! The intermediate form between guest instructions and host code.
//!
//! A block is a list of [`Inst`]s over the guest's registers, without control
//! flow inside. What host code has to get right is explicit: each memory operand
//! is checked by a [`Inst::Probe`] before anything of its instruction is done and
//! then is the [`Cell`](Value::Cell); each instruction's effect on the status
//! flags is [`Inst::effect`]. Where a probe or another check fails, or an
//! [`Inst::Interpret`] stands, the interpreter runs the whole guest instruction
//! that began with the last [`Inst::Begin`].

mod effect;
mod text;

pub use effect::{Effect, FlagSet, flags};
pub use text::show;

use crate::lift::native::Native;
use crate::lift::x87::{Plan, X87};

/// A guest register: 0 to 15, or a temporary.
pub type Reg = u8;

/// A temporary that lives as long as its guest instruction.
pub const T0: Reg = 18;
/// Another one.
pub const T1: Reg = 19;
/// A temporary that lives until the next [`Inst::Probe`]: a host register.
pub const ACC: Reg = 20;
/// Linear address of the page whose code runs, where blocks are
/// [position-independent](crate::lift::Mode::is_relative).
pub const PAGE: Reg = 21;
/// No register, in an [`Address`].
pub const NONE: Reg = 255;

/// Width of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Size {
    B8,
    B16,
    B32,
    B64,
}

impl Size {
    /// The size of `bits`, if it is one.
    pub fn of(bits: u32) -> Option<Self> {
        match bits {
            8 => Some(Self::B8),
            16 => Some(Self::B16),
            32 => Some(Self::B32),
            64 => Some(Self::B64),
            _ => None,
        }
    }

    /// 8 to 64.
    pub fn bits(self) -> u8 {
        8 << self as u8
    }

    /// 1 to 8.
    pub fn bytes(self) -> u8 {
        1 << self as u8
    }
}

/// What an instruction reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// A register's low bits.
    Reg(Reg),
    /// A constant, sign-extended.
    Imm(i32),
    /// The memory that the last probe checked. At most one instruction uses it.
    Cell,
}

/// What an instruction writes, or reads and writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A register: 32 bits clear the upper half, 8 and 16 keep what is above.
    Reg(Reg),
    /// The memory that the last probe checked.
    Cell,
}

impl Place {
    /// The same as something to read.
    pub fn value(self) -> Value {
        match self {
            Self::Reg(n) => Value::Reg(n),
            Self::Cell => Value::Cell,
        }
    }
}

/// ES to GS and the registers that instructions name without saying so.
pub const ES: u8 = 0;
/// The code segment.
pub const CS: u8 = 1;
/// The stack segment.
pub const SS: u8 = 2;
/// The data segment.
pub const DS: u8 = 3;
/// The first segment register of later processors.
pub const FS: u8 = 4;
/// The second one.
pub const GS: u8 = 5;
/// Accumulator.
pub const RAX: Reg = 0;
/// Counter.
pub const RCX: Reg = 1;
/// Stack pointer.
pub const RSP: Reg = 4;
/// Frame pointer.
pub const RBP: Reg = 5;
/// Source index.
pub const RSI: Reg = 6;
/// Destination index.
pub const RDI: Reg = 7;

/// A linear address: `segment + low bits of (base + index << scale + disp)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// Base register or [`NONE`].
    pub base: Reg,
    /// Index register or [`NONE`].
    pub index: Reg,
    /// log2 of the index scale.
    pub scale: u8,
    /// Segment whose base is added: 0 to 5, or [`NONE`].
    pub seg: u8,
    /// The access has to lie in the segment, and the base is added in 32 bits.
    pub checked: bool,
    /// The sum is cut to 32 bits, or to 16, before the segment's base is added.
    pub narrow: bool,
    /// To 16.
    pub word: bool,
    /// Displacement; the whole address where there are no registers. Fits 32
    /// signed bits where there are.
    pub disp: i64,
}

impl Address {
    /// `[base + disp]`.
    pub fn at(base: Reg, disp: i32, narrow: bool) -> Self {
        let disp = i64::from(disp);
        Self { base, index: NONE, scale: 0, seg: NONE, checked: false, narrow, word: false, disp }
    }
}

/// How a probe is done; chosen by [`crate::opt`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// Looked up in the TLB.
    Alone,
    /// Looked up for all of `low..high` around the address at once and kept in `slot`.
    Lead {
        /// Where the translation is kept.
        slot: u8,
        /// First byte, from the address: zero or negative.
        low: i16,
        /// Behind the last byte, from the address.
        high: i16,
        /// Some of the group store.
        write: bool,
    },
    /// Uses what the lead of `slot` found; aligned if the lead is. Base, index and scale are the lead's; the
    /// displacement need not be.
    Member {
        /// Where the translation is kept.
        slot: u8,
    },
}

/// The operation of a two-operand ALU instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Alu {
    Add,
    Or,
    Adc,
    Sbb,
    And,
    Sub,
    Xor,
    Cmp,
    Test,
}

impl Alu {
    /// The destination is only read.
    pub fn compares(self) -> bool {
        matches!(self, Self::Cmp | Self::Test)
    }

    /// Reads CF.
    pub fn carries(self) -> bool {
        matches!(self, Self::Adc | Self::Sbb)
    }
}

/// The operation of a one-operand instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Unary {
    Inc,
    Dec,
    Neg,
    Not,
}

/// A shift or rotate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Shift {
    Rol,
    Ror,
    Rcl,
    Rcr,
    Shl,
    Shr,
    Sar,
}

/// How far to shift.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// By a constant, masked already and not zero.
    Imm(u8),
    /// By CL.
    Cl,
}

/// What BT and its kin do to the bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Bit {
    Test,
    Set,
    Reset,
    Complement,
}

/// A condition, numbered as instructions encode it: O, NO, B, AE, E, NE, BE, A,
/// S, NS, P, NP, L, GE, LE, G.
pub type Cond = u8;

/// One step of a block.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Inst {
    /// Guest instruction `n` of the block begins.
    Begin(u8),
    /// Checks that `bytes` at an address may be accessed without more ado.
    /// `aligned`: a misaligned address fails.
    Probe {
        at: Address,
        bytes: u8,
        write: bool,
        aligned: bool,
        share: Share,
    },
    Move {
        size: Size,
        to: Place,
        from: Value,
    },
    Const {
        to: Reg,
        value: u64,
    },
    /// Stores the address of the next instruction to the cell, in 64 bits.
    StoreNext(u64),
    Extend {
        to: Reg,
        size: Size,
        from: Value,
        of: Size,
        signed: bool,
    },
    /// The address without its segment.
    Lea {
        to: Reg,
        size: Size,
        at: Address,
    },
    /// `to` = bits 8 to 15 of a register.
    High {
        to: Reg,
        of: Reg,
    },
    /// Bits 8 to 15 of `to` = the low byte of `from`.
    SetHigh {
        to: Reg,
        from: Reg,
    },
    Alu {
        op: Alu,
        size: Size,
        to: Place,
        from: Value,
    },
    Unary {
        op: Unary,
        size: Size,
        to: Place,
    },
    Bswap {
        to: Reg,
        size: Size,
    },
    Shift {
        op: Shift,
        size: Size,
        to: Place,
        by: Count,
    },
    /// SHLD, SHRD.
    DoubleShift {
        left: bool,
        size: Size,
        to: Reg,
        fill: Reg,
        by: Count,
    },
    /// IMUL with two or three operands.
    Multiply {
        size: Size,
        to: Reg,
        a: Value,
        b: Value,
    },
    /// MUL, IMUL with one operand.
    MultiplyWide {
        signed: bool,
        size: Size,
        by: Value,
    },
    /// MULX: the product of rDX and a factor goes to two registers; `high` is written last.
    MultiplyApart {
        size: Size,
        high: Reg,
        low: Reg,
        by: Value,
    },
    /// DIV, IDIV; fails where they would raise #DE.
    Divide {
        signed: bool,
        size: Size,
        by: Value,
    },
    /// rDX = the sign of rAX.
    SignFill {
        size: Size,
    },
    SetIf {
        cc: Cond,
        to: Place,
    },
    MoveIf {
        cc: Cond,
        size: Size,
        to: Reg,
        from: Value,
    },
    /// BT, BTS, BTR, BTC of a register, or of the cell; by a register's number modulo the
    /// width.
    BitTest {
        op: Bit,
        size: Size,
        to: Place,
        bit: Value,
    },
    /// `to` moves by so many whole operands as the signed bit number in `number` says, and
    /// T1 is the bit in that operand if it is `locked`.
    BitString {
        size: Size,
        to: Reg,
        number: Reg,
        locked: bool,
    },
    /// CF = 0, 1 or its complement.
    Carry(CarryOp),
    /// XCHG with the cell.
    Exchange {
        size: Size,
        with: Reg,
    },
    /// A locked ALU operation on the cell.
    LockedAlu {
        op: Alu,
        size: Size,
        from: Value,
    },
    /// A locked INC, DEC, NEG or NOT of the cell.
    LockedUnary {
        op: Unary,
        size: Size,
    },
    /// A locked BTS, BTR or BTC of the cell, by a constant or by a register that holds a
    /// number below the width.
    LockedBit {
        op: Bit,
        size: Size,
        bit: Value,
    },
    /// XADD with the cell.
    ExchangeAdd {
        size: Size,
        with: Reg,
        locked: bool,
    },
    /// CMPXCHG of the cell.
    CompareExchange {
        size: Size,
        with: Reg,
        locked: bool,
    },
    /// CMPXCHG16B of the cell.
    CompareExchangeWide {
        locked: bool,
    },
    /// An instruction that a host of the same architecture executes as it is.
    Native(Native),
    /// An x87 instruction, likewise.
    X87(X87),
    /// Everything before is visible to other processors before anything behind.
    Fence,
    /// Fails unless the register holds a canonical address.
    Canonical(Reg),
    /// Fails unless a branch target lies in the code segment.
    InCode(Value),
    /// Fails if string instructions go downwards.
    Upwards,
    /// Loads a segment register as real mode does, by a selector in the low or the high
    /// half of 32 bits; fails where it has no attributes that could be kept.
    LoadSegment {
        seg: u8,
        from: Value,
        high: bool,
    },
    /// `to` = EFLAGS as PUSHF stores them, RF and VM clear.
    Flags {
        to: Reg,
    },
    /// `to` = the selector in a segment register.
    Selector {
        to: Reg,
        seg: u8,
    },
    /// The interpreter runs the guest instruction.
    Interpret,
    /// Ends the block: goes on at a fixed address.
    Jump(u64),
    /// Ends the block: goes on at `to` if the condition holds, else at `next`.
    Branch {
        cc: Cond,
        to: u64,
        next: u64,
    },
    /// Ends the block: goes on at `to` if a register is (not) zero, else at `next`.
    BranchZero {
        of: Reg,
        size: Size,
        zero: bool,
        to: u64,
        next: u64,
    },
    /// Ends the block: goes on at the address in a register.
    JumpTo(Reg),
    /// As [`Jump`](Self::Jump), for a call that is to return to `next`.
    Call {
        to: u64,
        next: u64,
    },
    /// As [`JumpTo`](Self::JumpTo), for a call that is to return to `next`.
    CallTo {
        to: Reg,
        next: u64,
    },
    /// Ends the block: adds `pop` to RSP and goes on at the address in a register.
    /// Fails unless it is canonical.
    Return {
        to: Reg,
        pop: u32,
    },
    /// Ends the block after an interpreted instruction, which set RIP.
    Leave,
}

/// CLC, STC, CMC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum CarryOp {
    Clear,
    Set,
    Complement,
}

impl Code {
    /// Where the block goes on by direct jumps.
    pub fn successors(&self) -> [Option<u64>; 2] {
        match self.insts.last() {
            Some(&Inst::Jump(to)) => [Some(to), None],
            Some(&(Inst::Branch { to, next, .. } | Inst::BranchZero { to, next, .. })) => {
                [Some(to), Some(next)]
            }
            _ => [None, None],
        }
    }
}

/// A compiled block's steps and what the back end has to know beside them.
#[derive(Clone, Debug, Default)]
pub struct Code {
    /// The steps.
    pub insts: Vec<Inst>,
    /// For each step, the flags that matter behind it. Filled by [`crate::opt`].
    pub live: Vec<FlagSet>,
    /// How many guest instructions are interpreted.
    pub interpreted: u32,
    /// One of them may change the SIMD state; what uses that behind it is interpreted.
    pub frozen: bool,
    /// One of them sees the x87 state.
    pub sees_x87: bool,
    /// What the x87 instructions need of their stack.
    pub x87: Option<Plan>,
}
