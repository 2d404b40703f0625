//! Host code for each [`Lowering`].

use crate::emitter::{Destination, Emitter};
use crate::map::{RAX, RCX, RDX};
use crate::plan::{Alu, Lowering, Shift, Source, Unary};
use dynasmrt::{DynasmApi, DynasmLabelApi, dynasm};
use glassbox_cpu::gpr;
use iced_x86::ConditionCode;

const GUEST_RAX: u8 = gpr::RAX as u8;
const GUEST_RCX: u8 = gpr::RCX as u8;
const GUEST_RDX: u8 = gpr::RDX as u8;
const GUEST_RSP: u8 = gpr::RSP as u8;
const GUEST_RBP: u8 = gpr::RBP as u8;

/// `op dst, src` between registers, register and immediate, register and the
/// memory at RAX, or the memory at RAX and a register or immediate.
macro_rules! two_operands {
    ($asm:expr, $name:ident, $bits:expr, rr $a:expr, $b:expr) => {
        match $bits {
            8 => dynasm!($asm; .arch x64; $name Rb($a), Rb($b)),
            16 => dynasm!($asm; .arch x64; $name Rw($a), Rw($b)),
            32 => dynasm!($asm; .arch x64; $name Rd($a), Rd($b)),
            _ => dynasm!($asm; .arch x64; $name Rq($a), Rq($b)),
        }
    };
    ($asm:expr, $name:ident, $bits:expr, ri $a:expr, $b:expr) => {
        match $bits {
            8 => dynasm!($asm; .arch x64; $name Rb($a), $b as i8),
            16 => dynasm!($asm; .arch x64; $name Rw($a), $b as i16),
            32 => dynasm!($asm; .arch x64; $name Rd($a), $b),
            _ => dynasm!($asm; .arch x64; $name Rq($a), $b),
        }
    };
    ($asm:expr, $name:ident, $bits:expr, mr $b:expr) => {
        match $bits {
            8 => dynasm!($asm; .arch x64; $name [rax], Rb($b)),
            16 => dynasm!($asm; .arch x64; $name [rax], Rw($b)),
            32 => dynasm!($asm; .arch x64; $name [rax], Rd($b)),
            _ => dynasm!($asm; .arch x64; $name [rax], Rq($b)),
        }
    };
    ($asm:expr, $name:ident, $bits:expr, mi $b:expr) => {
        match $bits {
            8 => dynasm!($asm; .arch x64; $name BYTE [rax], $b as i8),
            16 => dynasm!($asm; .arch x64; $name WORD [rax], $b as i16),
            32 => dynasm!($asm; .arch x64; $name DWORD [rax], $b),
            _ => dynasm!($asm; .arch x64; $name QWORD [rax], $b),
        }
    };
}

/// Picks the host's instruction for an [`Alu`] operation.
macro_rules! alu {
    ($op:expr, $asm:expr, $bits:expr, $form:ident $($operand:expr),*) => {
        match $op {
            Alu::Add => two_operands!($asm, add, $bits, $form $($operand),*),
            Alu::Or => two_operands!($asm, or, $bits, $form $($operand),*),
            Alu::Adc => two_operands!($asm, adc, $bits, $form $($operand),*),
            Alu::Sbb => two_operands!($asm, sbb, $bits, $form $($operand),*),
            Alu::And => two_operands!($asm, and, $bits, $form $($operand),*),
            Alu::Sub => two_operands!($asm, sub, $bits, $form $($operand),*),
            Alu::Xor => two_operands!($asm, xor, $bits, $form $($operand),*),
            Alu::Cmp => two_operands!($asm, cmp, $bits, $form $($operand),*),
            Alu::Test => two_operands!($asm, test, $bits, $form $($operand),*),
        }
    };
}

macro_rules! by_condition {
    ($cc:expr, $asm:expr, $o:ident $no:ident $b:ident $ae:ident $e:ident $ne:ident $be:ident $a:ident $s:ident $ns:ident
     $p:ident $np:ident $l:ident $ge:ident $le:ident $g:ident, $($operands:tt)*) => {
        match $cc {
            ConditionCode::o => dynasm!($asm; .arch x64; $o $($operands)*),
            ConditionCode::no => dynasm!($asm; .arch x64; $no $($operands)*),
            ConditionCode::b => dynasm!($asm; .arch x64; $b $($operands)*),
            ConditionCode::ae => dynasm!($asm; .arch x64; $ae $($operands)*),
            ConditionCode::e => dynasm!($asm; .arch x64; $e $($operands)*),
            ConditionCode::ne => dynasm!($asm; .arch x64; $ne $($operands)*),
            ConditionCode::be => dynasm!($asm; .arch x64; $be $($operands)*),
            ConditionCode::a => dynasm!($asm; .arch x64; $a $($operands)*),
            ConditionCode::s => dynasm!($asm; .arch x64; $s $($operands)*),
            ConditionCode::ns => dynasm!($asm; .arch x64; $ns $($operands)*),
            ConditionCode::p => dynasm!($asm; .arch x64; $p $($operands)*),
            ConditionCode::np => dynasm!($asm; .arch x64; $np $($operands)*),
            ConditionCode::l => dynasm!($asm; .arch x64; $l $($operands)*),
            ConditionCode::ge => dynasm!($asm; .arch x64; $ge $($operands)*),
            ConditionCode::le => dynasm!($asm; .arch x64; $le $($operands)*),
            _ => dynasm!($asm; .arch x64; $g $($operands)*),
        }
    };
}

/// Flags of the guest are in the host's flags when `host_flags` says so.
/// `destination` tells where a direct branch of the block leads.
pub fn emit(e: &mut Emitter<'_>, how: Lowering, host_flags: bool, destination: &dyn Fn(u64) -> Destination) {
    let op = e.ops[e.index];
    match how {
        Lowering::Interpret => e.interpret(),
        Lowering::Nop => {}
        Lowering::Alu { op: alu, bits, source } => register_alu(e, alu, bits, source, host_flags),
        Lowering::AluMem { op: alu, bits, source } => memory_alu(e, alu, bits, source),
        Lowering::Unary { op: unary, bits } => register_unary(e, unary, bits, host_flags),
        Lowering::UnaryMem { op: unary, bits } => memory_unary(e, unary, bits),
        Lowering::ShiftImm { op: shift, bits, count } => {
            if !host_flags && matches!(shift, Shift::Rol | Shift::Ror) {
                e.load_flags();
            }
            let at = e.get(op.dst, RAX);
            shift_imm(e, shift, bits, at, count as i8);
            e.put(op.dst, at, bits);
        }
        Lowering::ShiftCl { op: shift, bits } => {
            if !host_flags {
                e.load_flags();
            }
            let count = e.get(GUEST_RCX, RCX);
            dynasm!(e.asm; .arch x64; mov ecx, Rd(count));
            let at = e.get(op.dst, RAX);
            shift_cl(e, shift, bits, at);
            e.put(op.dst, at, bits);
        }
        Lowering::Mov { bits, source } => match source {
            Source::Register(n) => {
                let from = e.get(n, RAX);
                e.put(op.dst, from, bits);
            }
            Source::Immediate(value) => {
                e.constant(RAX, if bits == 64 { value as i64 as u64 } else { u64::from(value as u32) });
                e.put(op.dst, RAX, bits);
            }
            Source::Memory => {
                e.operand(bits / 8, false);
                two_operands_load(e, bits);
                e.put(op.dst, RAX, bits);
            }
        },
        Lowering::MovImm64 => {
            e.constant(RAX, op.imm);
            e.put(op.dst, RAX, 64);
        }
        Lowering::Store { bits, source } => {
            e.operand(bits / 8, true);
            match source {
                Source::Immediate(value) => two_operands!(e.asm, mov, bits, mi value),
                Source::Register(n) => {
                    let from = e.get(n, RCX);
                    two_operands!(e.asm, mov, bits, mr from);
                }
                Source::Memory => {}
            }
        }
        Lowering::Extend { to, from, signed } => extend(e, to, from, signed),
        Lowering::Lea { bits } => {
            e.address();
            e.put(op.dst, RAX, bits);
        }
        Lowering::Imul { bits, source } => {
            if !host_flags && source != Source::Memory {
                e.load_flags();
            }
            let by = multiplicand(e, bits, source);
            let at = e.get(op.dst, RAX);
            match bits {
                16 => dynasm!(e.asm; .arch x64; imul Rw(at), Rw(by)),
                32 => dynasm!(e.asm; .arch x64; imul Rd(at), Rd(by)),
                _ => dynasm!(e.asm; .arch x64; imul Rq(at), Rq(by)),
            }
            e.put(op.dst, at, bits);
        }
        Lowering::ImulImm { bits, source } => {
            if !host_flags && source != Source::Memory {
                e.load_flags();
            }
            let by = multiplicand(e, bits, source);
            let value = op.imm as i32;
            match bits {
                16 => dynasm!(e.asm; .arch x64; imul ax, Rw(by), value as i16),
                32 => dynasm!(e.asm; .arch x64; imul eax, Rd(by), value),
                _ => dynasm!(e.asm; .arch x64; imul rax, Rq(by), value),
            }
            e.put(op.dst, RAX, bits);
        }
        Lowering::Cmov { bits, source, cc } => cmov(e, bits, source, cc, host_flags),
        Lowering::Set { cc } => {
            if !host_flags {
                e.load_flags();
            }
            by_condition!(cc, e.asm, seto setno setb setae sete setne setbe seta sets setns setp setnp setl setge setle setg, al);
            e.put(op.dst, RAX, 8);
        }
        Lowering::SetMem { cc } => {
            e.operand(1, true);
            dynasm!(e.asm; .arch x64; mov rcx, rax);
            e.load_flags();
            by_condition!(cc, e.asm, seto setno setb setae sete setne setbe seta sets setns setp setnp setl setge setle setg, BYTE [rcx]);
        }
        Lowering::ExtendAccumulator { bits } => {
            let from = e.get(GUEST_RAX, RAX);
            match bits {
                64 => dynasm!(e.asm; .arch x64; movsxd rax, Rd(from)),
                _ => dynasm!(e.asm; .arch x64; movsx eax, Rw(from)),
            }
            e.put(GUEST_RAX, RAX, bits);
        }
        Lowering::SignToRdx { bits } => {
            let from = e.get(GUEST_RAX, RAX);
            // Flags stay: the sign is spread by the instruction that does just that.
            dynasm!(e.asm; .arch x64; mov rax, Rq(from));
            match bits {
                64 => dynasm!(e.asm; .arch x64; cqo),
                _ => dynasm!(e.asm; .arch x64; cdq),
            }
            e.put(GUEST_RDX, RDX, bits);
        }
        Lowering::Push { source } => {
            if source == Source::Memory {
                e.operand(8, false);
                // Two translations: the value waits in memory of ours.
                dynasm!(e.asm; .arch x64; mov rax, [rax]; mov [rsp], rax);
            }
            stack_top(e, -8);
            e.translate(8, true);
            match source {
                Source::Register(n) => {
                    let from = e.get(n, RCX);
                    dynasm!(e.asm; .arch x64; mov [rax], Rq(from));
                }
                Source::Immediate(value) => dynasm!(e.asm; .arch x64; mov QWORD [rax], value),
                Source::Memory => dynasm!(e.asm; .arch x64; mov rcx, [rsp]; mov [rax], rcx),
            }
            move_stack(e, -8);
        }
        Lowering::Pop => {
            stack_top(e, 0);
            e.translate(8, false);
            dynasm!(e.asm; .arch x64; mov rcx, [rax]);
            move_stack(e, 8);
            e.put(op.dst, RCX, 64);
        }
        Lowering::Leave => {
            let frame = e.get(GUEST_RBP, RAX);
            dynasm!(e.asm; .arch x64; mov rax, Rq(frame));
            e.translate(8, false);
            dynasm!(e.asm; .arch x64; mov rcx, [rax]);
            let frame = e.get(GUEST_RBP, RAX);
            dynasm!(e.asm; .arch x64; lea rax, [Rq(frame) + 8]);
            e.put(GUEST_RSP, RAX, 64);
            e.put(GUEST_RBP, RCX, 64);
        }
        Lowering::Jmp => {
            let target = e.rip.wrapping_add(op.imm);
            e.leave_to(target, destination(target));
        }
        Lowering::JmpIndirect { source } => {
            indirect_target(e, source);
            e.check_canonical();
            e.leave_indirect();
        }
        Lowering::Jcc { cc } => {
            if !host_flags {
                e.load_flags();
            }
            let taken = e.asm.new_dynamic_label();
            by_condition!(cc, e.asm, jo jno jb jae je jne jbe ja js jns jp jnp jl jge jle jg, =>taken);
            let next = e.rip.wrapping_add(u64::from(op.end));
            e.leave_to(next, destination(next));
            dynasm!(e.asm; .arch x64; =>taken);
            let target = e.rip.wrapping_add(op.imm);
            e.leave_to(target, destination(target));
        }
        Lowering::Call => {
            push_return(e);
            let target = e.rip.wrapping_add(op.imm);
            e.leave_to(target, destination(target));
        }
        Lowering::CallIndirect { source } => {
            indirect_target(e, source);
            e.check_canonical();
            dynasm!(e.asm; .arch x64; mov [rsp], rax);
            push_return(e);
            dynasm!(e.asm; .arch x64; mov rax, [rsp]);
            e.leave_indirect();
        }
        Lowering::Ret => {
            stack_top(e, 0);
            e.translate(8, false);
            dynasm!(e.asm; .arch x64; mov rax, [rax]);
            e.check_canonical();
            move_stack(e, 8 + op.imm as i32);
            e.leave_indirect();
        }
    }
}

fn register_alu(e: &mut Emitter<'_>, op: Alu, bits: u32, source: Source, host_flags: bool) {
    let dst = e.ops[e.index].dst;
    if source == Source::Memory {
        e.operand(bits / 8, false);
        two_operands_load_rcx(e, bits);
    }
    if matches!(op, Alu::Adc | Alu::Sbb) && (!host_flags || source == Source::Memory) {
        e.load_carry();
    }
    let at = e.get(dst, RAX);
    match source {
        Source::Register(n) => {
            let from = e.get(n, RCX);
            alu!(op, e.asm, bits, rr at, from);
        }
        Source::Immediate(value) => alu!(op, e.asm, bits, ri at, value),
        Source::Memory => alu!(op, e.asm, bits, rr at, RCX),
    }
    if !matches!(op, Alu::Cmp | Alu::Test) {
        e.put(dst, at, bits);
    }
}

fn memory_alu(e: &mut Emitter<'_>, op: Alu, bits: u32, source: Source) {
    e.operand(bits / 8, !matches!(op, Alu::Cmp | Alu::Test));
    if matches!(op, Alu::Adc | Alu::Sbb) {
        e.load_carry();
    }
    match source {
        Source::Register(n) => {
            let from = e.get(n, RCX);
            alu!(op, e.asm, bits, mr from);
        }
        Source::Immediate(value) => alu!(op, e.asm, bits, mi value),
        Source::Memory => {}
    }
}

fn register_unary(e: &mut Emitter<'_>, op: Unary, bits: u32, host_flags: bool) {
    let dst = e.ops[e.index].dst;
    if matches!(op, Unary::Inc | Unary::Dec) && !host_flags {
        e.load_carry();
    }
    let at = e.get(dst, RAX);
    macro_rules! unary {
        ($name:ident) => {
            match bits {
                8 => dynasm!(e.asm; .arch x64; $name Rb(at)),
                16 => dynasm!(e.asm; .arch x64; $name Rw(at)),
                32 => dynasm!(e.asm; .arch x64; $name Rd(at)),
                _ => dynasm!(e.asm; .arch x64; $name Rq(at)),
            }
        };
    }
    match op {
        Unary::Inc => unary!(inc),
        Unary::Dec => unary!(dec),
        Unary::Neg => unary!(neg),
        Unary::Not => unary!(not),
    }
    e.put(dst, at, bits);
}

fn memory_unary(e: &mut Emitter<'_>, op: Unary, bits: u32) {
    e.operand(bits / 8, true);
    if matches!(op, Unary::Inc | Unary::Dec) {
        e.load_carry();
    }
    macro_rules! unary {
        ($name:ident) => {
            match bits {
                8 => dynasm!(e.asm; .arch x64; $name BYTE [rax]),
                16 => dynasm!(e.asm; .arch x64; $name WORD [rax]),
                32 => dynasm!(e.asm; .arch x64; $name DWORD [rax]),
                _ => dynasm!(e.asm; .arch x64; $name QWORD [rax]),
            }
        };
    }
    match op {
        Unary::Inc => unary!(inc),
        Unary::Dec => unary!(dec),
        Unary::Neg => unary!(neg),
        Unary::Not => unary!(not),
    }
}

fn shift_imm(e: &mut Emitter<'_>, op: Shift, bits: u32, at: u8, count: i8) {
    macro_rules! shift {
        ($name:ident) => {
            match bits {
                8 => dynasm!(e.asm; .arch x64; $name Rb(at), count),
                16 => dynasm!(e.asm; .arch x64; $name Rw(at), count),
                32 => dynasm!(e.asm; .arch x64; $name Rd(at), count),
                _ => dynasm!(e.asm; .arch x64; $name Rq(at), count),
            }
        };
    }
    match op {
        Shift::Shl => shift!(shl),
        Shift::Shr => shift!(shr),
        Shift::Sar => shift!(sar),
        Shift::Rol => shift!(rol),
        Shift::Ror => shift!(ror),
    }
}

fn shift_cl(e: &mut Emitter<'_>, op: Shift, bits: u32, at: u8) {
    macro_rules! shift {
        ($name:ident) => {
            match bits {
                32 => dynasm!(e.asm; .arch x64; $name Rd(at), cl),
                _ => dynasm!(e.asm; .arch x64; $name Rq(at), cl),
            }
        };
    }
    match op {
        Shift::Shl => shift!(shl),
        Shift::Shr => shift!(shr),
        Shift::Sar => shift!(sar),
        Shift::Rol => shift!(rol),
        Shift::Ror => shift!(ror),
    }
}

/// Loads the value at RAX into RAX, zero-extended.
fn two_operands_load(e: &mut Emitter<'_>, bits: u32) {
    match bits {
        8 => dynasm!(e.asm; .arch x64; movzx eax, BYTE [rax]),
        16 => dynasm!(e.asm; .arch x64; movzx eax, WORD [rax]),
        32 => dynasm!(e.asm; .arch x64; mov eax, [rax]),
        _ => dynasm!(e.asm; .arch x64; mov rax, [rax]),
    }
}

/// Loads the value at RAX into RCX, zero-extended.
fn two_operands_load_rcx(e: &mut Emitter<'_>, bits: u32) {
    match bits {
        8 => dynasm!(e.asm; .arch x64; movzx ecx, BYTE [rax]),
        16 => dynasm!(e.asm; .arch x64; movzx ecx, WORD [rax]),
        32 => dynasm!(e.asm; .arch x64; mov ecx, [rax]),
        _ => dynasm!(e.asm; .arch x64; mov rcx, [rax]),
    }
}

fn extend(e: &mut Emitter<'_>, to: u32, from: u32, signed: bool) {
    let op = e.ops[e.index];
    if op.is_mem() {
        e.operand(from / 8, false);
        match (from, signed) {
            (8, false) => dynasm!(e.asm; .arch x64; movzx eax, BYTE [rax]),
            (16, false) => dynasm!(e.asm; .arch x64; movzx eax, WORD [rax]),
            (8, true) => dynasm!(e.asm; .arch x64; movsx rax, BYTE [rax]),
            (16, true) => dynasm!(e.asm; .arch x64; movsx rax, WORD [rax]),
            _ => dynasm!(e.asm; .arch x64; movsxd rax, DWORD [rax]),
        }
    } else {
        let n = e.get(op.src, RCX);
        match (from, signed) {
            (8, false) => dynasm!(e.asm; .arch x64; movzx eax, Rb(n)),
            (16, false) => dynasm!(e.asm; .arch x64; movzx eax, Rw(n)),
            (8, true) => dynasm!(e.asm; .arch x64; movsx rax, Rb(n)),
            (16, true) => dynasm!(e.asm; .arch x64; movsx rax, Rw(n)),
            _ => dynasm!(e.asm; .arch x64; movsxd rax, Rd(n)),
        }
    }
    e.put(op.dst, RAX, to);
}

/// The register that holds the second factor, never RAX. Flags that IMUL keeps
/// are in the host's.
fn multiplicand(e: &mut Emitter<'_>, bits: u32, source: Source) -> u8 {
    match source {
        Source::Register(n) => e.get(n, RCX),
        Source::Immediate(value) => {
            e.constant(RCX, value as i64 as u64);
            RCX
        }
        Source::Memory => {
            e.operand(bits / 8, false);
            two_operands_load_rcx(e, bits);
            e.load_flags();
            RCX
        }
    }
}

fn cmov(e: &mut Emitter<'_>, bits: u32, source: Source, cc: ConditionCode, host_flags: bool) {
    let dst = e.ops[e.index].dst;
    let from = match source {
        Source::Memory => {
            e.operand(bits / 8, false);
            two_operands_load_rcx(e, bits);
            e.load_flags();
            RCX
        }
        Source::Register(n) => {
            if !host_flags {
                e.load_flags();
            }
            e.get(n, RCX)
        }
        Source::Immediate(_) => return,
    };
    let old = e.get(dst, RAX);
    if old != RAX {
        dynasm!(e.asm; .arch x64; mov rax, Rq(old));
    }
    match bits {
        64 => {
            by_condition!(cc, e.asm, cmovo cmovno cmovb cmovae cmove cmovne cmovbe cmova cmovs cmovns cmovp cmovnp cmovl cmovge cmovle cmovg, rax, Rq(from));
        }
        _ => {
            by_condition!(cc, e.asm, cmovo cmovno cmovb cmovae cmove cmovne cmovbe cmova cmovs cmovns cmovp cmovnp cmovl cmovge cmovle cmovg, eax, Rd(from));
        }
    }
    e.put(dst, RAX, bits);
}

/// RAX = guest RSP + `by`.
fn stack_top(e: &mut Emitter<'_>, by: i32) {
    let rsp = e.get(GUEST_RSP, RAX);
    dynasm!(e.asm; .arch x64; lea rax, [Rq(rsp) + by]);
}

/// Guest RSP += `by`. Flags and RAX stay.
fn move_stack(e: &mut Emitter<'_>, by: i32) {
    let rsp = e.get(GUEST_RSP, RDX);
    dynasm!(e.asm; .arch x64; lea Rq(rsp), [Rq(rsp) + by]);
    e.put(GUEST_RSP, rsp, 64);
}

/// Loads an indirect branch's target into RAX.
fn indirect_target(e: &mut Emitter<'_>, source: Source) {
    match source {
        Source::Register(n) => {
            let from = e.get(n, RAX);
            if from != RAX {
                dynasm!(e.asm; .arch x64; mov rax, Rq(from));
            }
        }
        Source::Memory => {
            e.operand(8, false);
            dynasm!(e.asm; .arch x64; mov rax, [rax]);
        }
        Source::Immediate(_) => {}
    }
}

/// Pushes the address behind the op.
fn push_return(e: &mut Emitter<'_>) {
    let next = e.rip.wrapping_add(u64::from(e.ops[e.index].end));
    stack_top(e, -8);
    e.translate(8, true);
    e.constant(RCX, next);
    dynasm!(e.asm; .arch x64; mov [rax], rcx);
    move_stack(e, -8);
}
