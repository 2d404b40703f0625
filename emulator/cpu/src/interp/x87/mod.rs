//! The x87 instructions.
//!
//! Arithmetic is [`glassbox_softfloat`]'s; here are the register stack, the
//! exceptions and memory. Where manuals leave a choice (what an unmasked
//! exception keeps from changing, what becomes of C1) it is a Zen 5's.
//!
//! An unmasked exception sets ES and is reported by the next waiting
//! instruction: as #MF with CR0.NE set, else through FERR# and IRQ 13. The
//! interrupt is taken before that instruction if it can be; if it is masked,
//! the instruction goes on as if IGNNE# were asserted, where a real processor
//! would wait.

mod arithmetic;
mod compare;
mod control;
mod environment;
mod function;
#[cfg(test)]
mod tests;
mod transfer;
mod unit;

use crate::state::{SEG_FLAT, SEG_FLAT_STACK, SegReg};
use crate::{Cpu, Exception, Handler, Op};
use glassbox_softfloat::{F32, F64};
use glassbox_x86_spec::control::{Cr0, Flags};
use iced_x86::{Code, Instruction};

/// #NM where the x87 is absent or another task's (Intel SDM Vol. 3A 2.5).
fn available(cpu: &Cpu) -> Result<(), Exception> {
    if cpu.state.cr0.intersects(Cr0::EM | Cr0::TS) { Err(Exception::NM) } else { Ok(()) }
}

/// Reports an exception that waits. Also what MMX instructions and FWAIT do.
pub(crate) fn check_pending(cpu: &mut Cpu) -> Result<(), Exception> {
    if !cpu.state.fpu.exception_pending() {
        return Ok(());
    }
    if cpu.state.cr0.contains(Cr0::NE) {
        return Err(Exception::MF);
    }
    cpu.publish_time();
    cpu.bus.ferr(true);
    if cpu.signals.intr() && cpu.state.system_flags.contains(Flags::IF) {
        return Err(Exception::INTERRUPT_FIRST);
    }
    Ok(())
}

/// What a waiting instruction begins with.
fn wait(cpu: &mut Cpu) -> Result<(), Exception> {
    available(cpu)?;
    check_pending(cpu)
}

/// Takes FERR# back once no exception is pending any more.
pub(crate) fn release_ferr(cpu: &mut Cpu) {
    if !cpu.state.cr0.contains(Cr0::NE) {
        cpu.publish_time();
        cpu.bus.ferr(false);
    }
}

/// Notes the last instruction and its memory operand, for FSTENV and FXSAVE.
/// Control instructions are not noted.
fn record(cpu: &mut Cpu, op: &Op) {
    let ip = cpu.this_rip(op);
    let state = &mut cpu.state;
    state.fpu.opcode = op.imm as u16;
    state.fpu.ip = ip;
    state.fpu.cs = state.segs[SegReg::Cs as usize].selector;
    if op.is_mem() {
        // A flat operand does not tell which of the flat segments it is in.
        let seg = match op.seg() {
            SEG_FLAT => SegReg::Ds as u8,
            SEG_FLAT_STACK => SegReg::Ss as u8,
            seg => seg,
        };
        cpu.state.fpu.ds = cpu.state.segs[(seg & 7) as usize].selector;
        cpu.state.fpu.dp = cpu.effective_address(op);
    }
}

pub(crate) fn select(i: &Instruction) -> Option<Handler> {
    use Code::*;
    let code = i.code();
    Some(match code {
        Fld_m32fp => transfer::load::<transfer::Single>,
        Fld_m64fp => transfer::load::<transfer::Double>,
        Fld_m80fp => transfer::load::<transfer::Extended>,
        Fild_m16int => transfer::load::<transfer::Word>,
        Fild_m32int => transfer::load::<transfer::Dword>,
        Fild_m64int => transfer::load::<transfer::Qword>,
        Fbld_m80bcd => transfer::load::<transfer::Decimal>,
        Fld_sti => transfer::load_register,
        Fst_m32fp => transfer::store::<transfer::Single>,
        Fst_m64fp => transfer::store::<transfer::Double>,
        Fist_m16int => transfer::store::<transfer::Word>,
        Fist_m32int => transfer::store::<transfer::Dword>,
        Fstp_m32fp => transfer::store_pop::<transfer::Single>,
        Fstp_m64fp => transfer::store_pop::<transfer::Double>,
        Fstp_m80fp => transfer::store_pop::<transfer::Extended>,
        Fistp_m16int => transfer::store_pop::<transfer::Word>,
        Fistp_m32int => transfer::store_pop::<transfer::Dword>,
        Fistp_m64int => transfer::store_pop::<transfer::Qword>,
        Fbstp_m80bcd => transfer::store_pop::<transfer::Decimal>,
        Fisttp_m16int => transfer::store_truncated::<transfer::Word>,
        Fisttp_m32int => transfer::store_truncated::<transfer::Dword>,
        Fisttp_m64int => transfer::store_truncated::<transfer::Qword>,
        Fst_sti => transfer::store_register::<false>,
        Fstpnce_sti => transfer::store_register_unchecked,
        Fstp_sti | Fstp_sti_DFD0 | Fstp_sti_DFD8 => transfer::store_register::<true>,
        Fxch_st0_sti | Fxch_st0_sti_DDC8 | Fxch_st0_sti_DFC8 => transfer::exchange,
        Fld1 => transfer::fld1,
        Fldl2t => transfer::fldl2t,
        Fldl2e => transfer::fldl2e,
        Fldpi => transfer::fldpi,
        Fldlg2 => transfer::fldlg2,
        Fldln2 => transfer::fldln2,
        Fldz => transfer::fldz,
        _ => return select_arithmetic(code).or_else(|| select_compare(code)).or_else(|| select_rest(code)),
    })
}

fn select_arithmetic(code: Code) -> Option<Handler> {
    use Code::*;
    use arithmetic::{Add, Divide, DivideReversed, Multiply, Subtract, SubtractReversed};
    use arithmetic::{memory, register, register_pop};
    Some(match code {
        Fadd_m32fp => memory::<Add, F32>,
        Fadd_m64fp => memory::<Add, F64>,
        Fiadd_m16int => memory::<Add, i16>,
        Fiadd_m32int => memory::<Add, i32>,
        Fadd_st0_sti | Fadd_sti_st0 => register::<Add>,
        Faddp_sti_st0 => register_pop::<Add>,
        Fmul_m32fp => memory::<Multiply, F32>,
        Fmul_m64fp => memory::<Multiply, F64>,
        Fimul_m16int => memory::<Multiply, i16>,
        Fimul_m32int => memory::<Multiply, i32>,
        Fmul_st0_sti | Fmul_sti_st0 => register::<Multiply>,
        Fmulp_sti_st0 => register_pop::<Multiply>,
        Fsub_m32fp => memory::<Subtract, F32>,
        Fsub_m64fp => memory::<Subtract, F64>,
        Fisub_m16int => memory::<Subtract, i16>,
        Fisub_m32int => memory::<Subtract, i32>,
        Fsub_st0_sti | Fsub_sti_st0 => register::<Subtract>,
        Fsubp_sti_st0 => register_pop::<Subtract>,
        Fsubr_m32fp => memory::<SubtractReversed, F32>,
        Fsubr_m64fp => memory::<SubtractReversed, F64>,
        Fisubr_m16int => memory::<SubtractReversed, i16>,
        Fisubr_m32int => memory::<SubtractReversed, i32>,
        Fsubr_st0_sti | Fsubr_sti_st0 => register::<SubtractReversed>,
        Fsubrp_sti_st0 => register_pop::<SubtractReversed>,
        Fdiv_m32fp => memory::<Divide, F32>,
        Fdiv_m64fp => memory::<Divide, F64>,
        Fidiv_m16int => memory::<Divide, i16>,
        Fidiv_m32int => memory::<Divide, i32>,
        Fdiv_st0_sti | Fdiv_sti_st0 => register::<Divide>,
        Fdivp_sti_st0 => register_pop::<Divide>,
        Fdivr_m32fp => memory::<DivideReversed, F32>,
        Fdivr_m64fp => memory::<DivideReversed, F64>,
        Fidivr_m16int => memory::<DivideReversed, i16>,
        Fidivr_m32int => memory::<DivideReversed, i32>,
        Fdivr_st0_sti | Fdivr_sti_st0 => register::<DivideReversed>,
        Fdivrp_sti_st0 => register_pop::<DivideReversed>,
        _ => return None,
    })
}

fn select_compare(code: Code) -> Option<Handler> {
    use super::conditional as condition;
    use Code::*;
    Some(match code {
        Fcom_m32fp => compare::memory::<F32, 0>,
        Fcom_m64fp => compare::memory::<F64, 0>,
        Ficom_m16int => compare::memory::<i16, 0>,
        Ficom_m32int => compare::memory::<i32, 0>,
        Fcomp_m32fp => compare::memory::<F32, 1>,
        Fcomp_m64fp => compare::memory::<F64, 1>,
        Ficomp_m16int => compare::memory::<i16, 1>,
        Ficomp_m32int => compare::memory::<i32, 1>,
        Fcom_st0_sti | Fcom_st0_sti_DCD0 => compare::fcom::<0>,
        Fcomp_st0_sti | Fcomp_st0_sti_DCD8 | Fcomp_st0_sti_DED0 => compare::fcom::<1>,
        Fcompp => compare::fcompp,
        Fucom_st0_sti => compare::fucom::<0>,
        Fucomp_st0_sti => compare::fucom::<1>,
        Fucompp => compare::fucompp,
        Ftst => compare::ftst,
        Fxam => compare::fxam,
        Fcomi_st0_sti => compare::fcomi::<false>,
        Fcomip_st0_sti => compare::fcomi::<true>,
        Fucomi_st0_sti => compare::fucomi::<false>,
        Fucomip_st0_sti => compare::fucomi::<true>,
        Fcmovb_st0_sti => compare::fcmov::<condition::B>,
        Fcmove_st0_sti => compare::fcmov::<condition::E>,
        Fcmovbe_st0_sti => compare::fcmov::<condition::Be>,
        Fcmovu_st0_sti => compare::fcmov::<condition::P>,
        Fcmovnb_st0_sti => compare::fcmov::<condition::Ae>,
        Fcmovne_st0_sti => compare::fcmov::<condition::Ne>,
        Fcmovnbe_st0_sti => compare::fcmov::<condition::A>,
        Fcmovnu_st0_sti => compare::fcmov::<condition::Np>,
        _ => return None,
    })
}

fn select_rest(code: Code) -> Option<Handler> {
    use Code::*;
    use environment::{Bits16, Bits32};
    Some(match code {
        Fchs => function::fchs,
        Fabs => function::fabs,
        Fsqrt => function::fsqrt,
        Frndint => function::frndint,
        Fscale => function::fscale,
        Fxtract => function::fxtract,
        Fprem => function::fprem,
        Fprem1 => function::fprem1,
        F2xm1 => function::f2xm1,
        Fyl2x => function::fyl2x,
        Fyl2xp1 => function::fyl2xp1,
        Fsin => function::fsin,
        Fcos => function::fcos,
        Fsincos => function::fsincos,
        Fptan => function::fptan,
        Fpatan => function::fpatan,
        // WAIT is an instruction of its own: only the forms without it decode.
        Fninit => control::fninit,
        Fnclex => control::fnclex,
        Fldcw_m2byte => control::fldcw,
        Fnstcw_m2byte => control::fnstcw,
        Fnstsw_m2byte => control::fnstsw,
        Fnstsw_AX => control::fnstsw_ax,
        Wait => control::fwait,
        Fnop => control::fnop,
        Fneni | Fndisi | Fnsetpm => control::ignored,
        Ffree_sti => control::ffree,
        Ffreep_sti => control::ffreep,
        Fincstp => control::fincstp,
        Fdecstp => control::fdecstp,
        Fnstenv_m14byte => environment::fnstenv::<Bits16>,
        Fnstenv_m28byte => environment::fnstenv::<Bits32>,
        Fldenv_m14byte => environment::fldenv::<Bits16>,
        Fldenv_m28byte => environment::fldenv::<Bits32>,
        Fnsave_m94byte => environment::fnsave::<Bits16>,
        Fnsave_m108byte => environment::fnsave::<Bits32>,
        Frstor_m94byte => environment::frstor::<Bits16>,
        Frstor_m108byte => environment::frstor::<Bits32>,
        _ => return None,
    })
}
