//! What is compiled: which instructions have a lowering, and what they do to flags.

use glassbox_cpu::Op;
use iced_x86::{Code, ConditionCode, Instruction, Mnemonic, OpKind};

/// Where the second operand of a two-operand instruction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A register number.
    Register(u8),
    /// A constant, sign-extended.
    Immediate(i32),
    /// The memory operand.
    Memory,
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
    Shl,
    Shr,
    Sar,
    Rol,
    Ror,
}

/// How an instruction is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Lowering {
    /// The interpreter's function is called.
    Interpret,
    Nop,
    Alu {
        op: Alu,
        bits: u32,
        source: Source,
    },
    /// Destination in memory.
    AluMem {
        op: Alu,
        bits: u32,
        source: Source,
    },
    Unary {
        op: Unary,
        bits: u32,
    },
    UnaryMem {
        op: Unary,
        bits: u32,
    },
    ShiftImm {
        op: Shift,
        bits: u32,
        count: u8,
    },
    ShiftCl {
        op: Shift,
        bits: u32,
    },
    Mov {
        bits: u32,
        source: Source,
    },
    MovImm64,
    Store {
        bits: u32,
        source: Source,
    },
    Extend {
        to: u32,
        from: u32,
        signed: bool,
    },
    Lea {
        bits: u32,
    },
    Imul {
        bits: u32,
        source: Source,
    },
    /// IMUL r, r/m, imm: the first factor is `source`.
    ImulImm {
        bits: u32,
        source: Source,
    },
    Cmov {
        bits: u32,
        source: Source,
        cc: ConditionCode,
    },
    Set {
        cc: ConditionCode,
    },
    SetMem {
        cc: ConditionCode,
    },
    /// CDQE, CWDE: sign-extends within rAX.
    ExtendAccumulator {
        bits: u32,
    },
    /// CDQ, CQO.
    SignToRdx {
        bits: u32,
    },
    Push {
        source: Source,
    },
    Pop,
    Leave,
    Jmp,
    JmpIndirect {
        source: Source,
    },
    Jcc {
        cc: ConditionCode,
    },
    Call,
    CallIndirect {
        source: Source,
    },
    Ret,
}

impl Lowering {
    /// Touches guest memory, or calls out: the guest's flags must be in place.
    pub fn may_leave(self, op: &Op) -> bool {
        matches!(self, Self::Interpret | Self::Push { .. } | Self::Pop | Self::Leave | Self::Ret)
            || matches!(self, Self::Call | Self::CallIndirect { .. } | Self::JmpIndirect { .. })
            || op.is_mem() && !matches!(self, Self::Lea { .. } | Self::Nop)
    }

    /// Replaces all six status flags, whatever they were.
    pub fn writes_flags(self) -> bool {
        matches!(
            self,
            Self::Alu { .. }
                | Self::AluMem { .. }
                | Self::Unary { .. }
                | Self::UnaryMem { .. }
                | Self::ShiftImm { .. }
                | Self::ShiftCl { .. }
                | Self::Imul { .. }
                | Self::ImulImm { .. }
        ) && !matches!(self, Self::Unary { op: Unary::Not, .. } | Self::UnaryMem { op: Unary::Not, .. })
    }
}

/// A general-purpose register by its number as ops have it; byte registers AH to BH have none.
fn plain(n: u8) -> Option<u8> {
    (n < 16).then_some(n)
}

fn source(i: &Instruction, op: &Op, operand: u32) -> Option<Source> {
    match i.op_kind(operand) {
        OpKind::Register if i.op_register(operand).is_gpr() => {
            let n = if operand == 0 { op.dst } else { op.src };
            plain(n).map(Source::Register)
        }
        OpKind::Memory => Some(Source::Memory),
        OpKind::Register => None,
        _ => {
            let bits = width(i, 0);
            let value = op.imm as i64;
            let value = match bits {
                8 => i64::from(value as i8),
                16 => i64::from(value as i16),
                32 => i64::from(value as i32),
                _ => value,
            };
            i32::try_from(value).ok().map(Source::Immediate)
        }
    }
}

fn width(i: &Instruction, operand: u32) -> u32 {
    match i.op_kind(operand) {
        OpKind::Register => i.op_register(operand).size() as u32 * 8,
        _ => i.memory_size().size() as u32 * 8,
    }
}

/// How to compile one instruction of 64-bit code.
pub fn lowering(i: &Instruction, op: &Op) -> Lowering {
    try_lowering(i, op).unwrap_or(Lowering::Interpret)
}

fn try_lowering(i: &Instruction, op: &Op) -> Option<Lowering> {
    // Locked operands are exchanged atomically by the interpreter's function.
    if op.locked() || op.is_mem() && op.flags & Op::DISP_FROM_END != 0 {
        return None;
    }
    let to_register = i.op_count() > 0 && i.op0_kind() == OpKind::Register;
    if to_register && (!i.op0_register().is_gpr() || plain(op.dst).is_none()) {
        return None;
    }
    let bits = if i.op_count() > 0 { width(i, 0) } else { 64 };
    let alu = |alu| {
        let source = source(i, op, 1)?;
        Some(if to_register {
            Lowering::Alu { op: alu, bits, source }
        } else {
            Lowering::AluMem { op: alu, bits, source }
        })
    };
    let unary =
        |op| Some(if to_register { Lowering::Unary { op, bits } } else { Lowering::UnaryMem { op, bits } });
    let shift = |kind| {
        if !to_register {
            return None;
        }
        if i.op1_kind() == OpKind::Register {
            return (bits >= 32).then_some(Lowering::ShiftCl { op: kind, bits });
        }
        let count = op.imm as u8 & if bits == 64 { 63 } else { 31 };
        (count != 0 && u32::from(count) < bits).then_some(Lowering::ShiftImm { op: kind, bits, count })
    };
    if i.is_jcc_short_or_near() && i.op0_kind() == OpKind::NearBranch64 {
        return Some(Lowering::Jcc { cc: i.condition_code() });
    }
    match i.mnemonic() {
        Mnemonic::Add => alu(Alu::Add),
        Mnemonic::Or => alu(Alu::Or),
        Mnemonic::Adc => alu(Alu::Adc),
        Mnemonic::Sbb => alu(Alu::Sbb),
        Mnemonic::And => alu(Alu::And),
        Mnemonic::Sub => alu(Alu::Sub),
        Mnemonic::Xor => alu(Alu::Xor),
        Mnemonic::Cmp => alu(Alu::Cmp),
        Mnemonic::Test => alu(Alu::Test),
        Mnemonic::Inc => unary(Unary::Inc),
        Mnemonic::Dec => unary(Unary::Dec),
        Mnemonic::Neg => unary(Unary::Neg),
        Mnemonic::Not => unary(Unary::Not),
        Mnemonic::Shl | Mnemonic::Sal => shift(Shift::Shl),
        Mnemonic::Shr => shift(Shift::Shr),
        Mnemonic::Sar => shift(Shift::Sar),
        Mnemonic::Rol => shift(Shift::Rol),
        Mnemonic::Ror => shift(Shift::Ror),
        Mnemonic::Mov => mov(i, op, to_register, bits),
        Mnemonic::Movzx | Mnemonic::Movsx | Mnemonic::Movsxd => {
            source(i, op, 1)?;
            Some(Lowering::Extend { to: bits, from: width(i, 1), signed: i.mnemonic() != Mnemonic::Movzx })
        }
        Mnemonic::Lea => Some(Lowering::Lea { bits }),
        Mnemonic::Imul if i.op_count() == 2 => Some(Lowering::Imul { bits, source: source(i, op, 1)? }),
        Mnemonic::Imul if i.op_count() == 3 => Some(Lowering::ImulImm { bits, source: source(i, op, 1)? }),
        Mnemonic::Cdqe => Some(Lowering::ExtendAccumulator { bits: 64 }),
        Mnemonic::Cwde => Some(Lowering::ExtendAccumulator { bits: 32 }),
        Mnemonic::Cdq => Some(Lowering::SignToRdx { bits: 32 }),
        Mnemonic::Cqo => Some(Lowering::SignToRdx { bits: 64 }),
        Mnemonic::Nop | Mnemonic::Endbr64 | Mnemonic::Pause => Some(Lowering::Nop),
        Mnemonic::Push => match i.code() {
            Code::Push_r64 => Some(Lowering::Push { source: Source::Register(plain(op.dst)?) }),
            Code::Push_rm64 if op.is_mem() => Some(Lowering::Push { source: Source::Memory }),
            Code::Push_rm64 => Some(Lowering::Push { source: Source::Register(plain(op.dst)?) }),
            Code::Pushq_imm8 | Code::Pushq_imm32 => {
                Some(Lowering::Push { source: Source::Immediate(i32::try_from(op.imm as i64).ok()?) })
            }
            _ => None,
        },
        Mnemonic::Pop if i.code() == Code::Pop_r64 => Some(Lowering::Pop),
        Mnemonic::Leave if i.code() == Code::Leaveq => Some(Lowering::Leave),
        Mnemonic::Ret if matches!(i.code(), Code::Retnq | Code::Retnq_imm16) => Some(Lowering::Ret),
        Mnemonic::Jmp if i.op0_kind() == OpKind::NearBranch64 => Some(Lowering::Jmp),
        Mnemonic::Jmp if i.code() == Code::Jmp_rm64 => {
            Some(Lowering::JmpIndirect { source: source(i, op, 0)? })
        }
        Mnemonic::Call if i.op0_kind() == OpKind::NearBranch64 => Some(Lowering::Call),
        Mnemonic::Call if i.code() == Code::Call_rm64 => {
            Some(Lowering::CallIndirect { source: source(i, op, 0)? })
        }
        _ => conditional(i, op, to_register, bits),
    }
}

fn mov(i: &Instruction, op: &Op, to_register: bool, bits: u32) -> Option<Lowering> {
    if i.code() == Code::Mov_r64_imm64 {
        return Some(Lowering::MovImm64);
    }
    if i.op0_kind() == OpKind::Memory && i.op1_kind() == OpKind::Register && !i.op1_register().is_gpr() {
        return None;
    }
    let source = source(i, op, 1)?;
    if i.memory_displ_size() == 8 {
        // MOV moffs: the address is in the immediate.
        return None;
    }
    Some(if to_register { Lowering::Mov { bits, source } } else { Lowering::Store { bits, source } })
}

fn conditional(i: &Instruction, op: &Op, to_register: bool, bits: u32) -> Option<Lowering> {
    use Mnemonic::*;
    let cc = i.condition_code();
    match i.mnemonic() {
        Seto | Setno | Setb | Setae | Sete | Setne | Setbe | Seta | Sets | Setns | Setp | Setnp | Setl
        | Setge | Setle | Setg => {
            Some(if to_register { Lowering::Set { cc } } else { Lowering::SetMem { cc } })
        }
        Cmovo | Cmovno | Cmovb | Cmovae | Cmove | Cmovne | Cmovbe | Cmova | Cmovs | Cmovns | Cmovp
        | Cmovnp | Cmovl | Cmovge | Cmovle | Cmovg => {
            Some(Lowering::Cmov { bits, source: source(i, op, 1)?, cc })
        }
        _ => None,
    }
}
