//! x87 instructions that a host of the same architecture executes as they are,
//! and what a block of them needs of the register stack.

use super::Lifter;
use crate::ir::{Address, Code as Steps, Inst};
use glassbox_cpu::{SEG_FLAT, SEG_FLAT_STACK};
use iced_x86::{Code, CpuidFeature, Instruction, OpKind};

/// One x87 instruction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct X87 {
    /// The 11 opcode bits that FOP keeps: escape byte and ModRM.
    pub fop: u16,
    /// Offset of the instruction in its block.
    pub at: u8,
    /// Its memory operand.
    pub memory: Option<Address>,
    /// The segment register of that.
    pub segment: u8,
    /// Pushes one register.
    pub pushes: bool,
    /// Pops so many.
    pub pops: u8,
    /// Registers read, a bit for each ST(i), before pushing or popping.
    pub reads: u8,
    /// Registers written, likewise; a pushed one not among them.
    pub writes: u8,
    /// Changes C1.
    pub c1: bool,
    /// Changes C0, C2 and C3.
    pub codes: bool,
    /// Replaces the status flags.
    pub flags: bool,
    /// FNSTSW AX: no instruction of the stack at all.
    pub status: bool,
}

/// What a block needs of the stack. Registers count from ST(0) at its beginning;
/// pushes go below.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Tag bits that matter, as if TOP were 0 at the beginning.
    pub mask: u16,
    /// What they have to be.
    pub expected: u16,
    /// ST(0) to this one may be touched; none if negative.
    pub deepest: i8,
    /// ST(0) at the end.
    pub end: i8,
    /// The tags at the end are those of the beginning.
    pub balanced: bool,
}

/// The tag bits of register `n`.
pub fn tag(n: i8) -> u16 {
    3 << (2 * (n & 7))
}

pub(super) fn lift(l: &mut Lifter<'_>, i: &Instruction) -> Option<()> {
    use Code::*;
    if !l.x87 || l.code.frozen {
        return None;
    }
    let mut x87 = X87 {
        fop: l.op.imm as u16,
        at: l.op.end - l.op.len,
        memory: None,
        segment: 3,
        pushes: false,
        pops: 0,
        reads: 0,
        writes: 0,
        c1: true,
        codes: false,
        flags: false,
        status: false,
    };
    let other = 1u8 << (x87.fop & 7);
    match i.code() {
        Fld_m32fp | Fld_m64fp | Fld_m80fp | Fild_m16int | Fild_m32int | Fild_m64int | Fld1 | Fldz | Fldpi
        | Fldl2t | Fldl2e | Fldlg2 | Fldln2 => x87.pushes = true,
        Fld_sti => (x87.pushes, x87.reads) = (true, other),
        Fst_m32fp | Fst_m64fp | Fist_m16int | Fist_m32int => x87.reads = 1,
        Fstp_m32fp | Fstp_m64fp | Fstp_m80fp | Fistp_m16int | Fistp_m32int | Fistp_m64int | Fisttp_m16int
        | Fisttp_m32int | Fisttp_m64int => (x87.reads, x87.pops) = (1, 1),
        Fst_sti => (x87.reads, x87.writes) = (1, other),
        Fstp_sti => (x87.reads, x87.writes, x87.pops) = (1, other, 1),
        Fxch_st0_sti => (x87.reads, x87.writes) = (1 | other, 1 | other),
        Fadd_m32fp | Fadd_m64fp | Fiadd_m16int | Fiadd_m32int | Fmul_m32fp | Fmul_m64fp | Fimul_m16int
        | Fimul_m32int | Fsub_m32fp | Fsub_m64fp | Fisub_m16int | Fisub_m32int | Fsubr_m32fp
        | Fsubr_m64fp | Fisubr_m16int | Fisubr_m32int | Fdiv_m32fp | Fdiv_m64fp | Fidiv_m16int
        | Fidiv_m32int | Fdivr_m32fp | Fdivr_m64fp | Fidivr_m16int | Fidivr_m32int | Fchs | Fabs | Fsqrt
        | Frndint => (x87.reads, x87.writes) = (1, 1),
        Fadd_st0_sti | Fmul_st0_sti | Fsub_st0_sti | Fsubr_st0_sti | Fdiv_st0_sti | Fdivr_st0_sti => {
            (x87.reads, x87.writes) = (1 | other, 1);
        }
        Fadd_sti_st0 | Fmul_sti_st0 | Fsub_sti_st0 | Fsubr_sti_st0 | Fdiv_sti_st0 | Fdivr_sti_st0 => {
            (x87.reads, x87.writes) = (1 | other, other);
        }
        // A result that is popped stays in the empty register, which is not kept here.
        Faddp_sti_st0 | Fmulp_sti_st0 | Fsubp_sti_st0 | Fsubrp_sti_st0 | Fdivp_sti_st0 | Fdivrp_sti_st0
            if other != 1 =>
        {
            (x87.reads, x87.writes, x87.pops) = (1 | other, other, 1)
        }
        Fucomi_st0_sti | Fcomi_st0_sti => (x87.reads, x87.flags, x87.c1) = (1 | other, true, false),
        Fucomip_st0_sti | Fcomip_st0_sti => {
            (x87.reads, x87.flags, x87.c1, x87.pops) = (1 | other, true, false, 1);
        }
        Fucom_st0_sti | Fcom_st0_sti => (x87.reads, x87.codes) = (1 | other, true),
        Fucomp_st0_sti | Fcomp_st0_sti => (x87.reads, x87.codes, x87.pops) = (1 | other, true, 1),
        Fucompp | Fcompp => (x87.reads, x87.codes, x87.pops) = (3, true, 2),
        Fcom_m32fp | Fcom_m64fp => (x87.reads, x87.codes) = (1, true),
        Fcomp_m32fp | Fcomp_m64fp => (x87.reads, x87.codes, x87.pops) = (1, true, 1),
        Ftst => (x87.reads, x87.codes) = (1, true),
        Fnstsw_AX => x87.status = true,
        _ => return None,
    }
    if l.op.is_mem() {
        let at = l.address()?;
        let bytes = u8::try_from(i.memory_size().size()).ok()?;
        debug_assert!(i.op0_kind() == OpKind::Memory || i.op1_kind() == OpKind::Memory);
        // What only loads has its operand second, or only ever reads it.
        let stores = x87.writes == 0 && !x87.pushes && !x87.codes;
        l.probe(at, bytes, stores);
        x87.memory = Some(at);
        // A flat operand does not tell which of the flat segments it is in.
        x87.segment = match l.op.seg() {
            SEG_FLAT => 3,
            SEG_FLAT_STACK => 2,
            seg => seg,
        };
    }
    l.push(Inst::X87(x87));
    Some(())
}

/// Whether an instruction that is interpreted sees or changes the x87 or MMX state.
pub(super) fn concerns(i: &Instruction) -> bool {
    use CpuidFeature as F;
    let mm = (0..i.op_count()).any(|n| i.op_kind(n) == OpKind::Register && i.op_register(n).is_mm());
    mm || i.cpuid_features().iter().any(|f| {
        matches!(
            f,
            F::FPU
                | F::FPU287
                | F::FPU287XL_ONLY
                | F::FPU387
                | F::FPU387SL_ONLY
                | F::MMX
                | F::FXSR
                | F::XSAVE
                | F::XSAVEC
                | F::XSAVEOPT
                | F::XSAVES
        )
    })
}

/// Follows the stack through a block. `None` where an instruction would overflow
/// or underflow it, or too much of it is touched.
pub(super) fn plan(code: &Steps) -> Option<Plan> {
    // Registers -8 to 7, known to be used or empty, or as they were.
    let mut known: [Option<bool>; 16] = [None; 16];
    let mut plan = Plan { deepest: -1, ..Plan::default() };
    let (mut top, mut lowest) = (0i8, 0i8);
    for inst in &code.insts {
        let Inst::X87(x87) = inst else { continue };
        let mut require = |known: &mut [Option<bool>; 16], n: i8, used: bool| {
            if !(-8..8).contains(&n) {
                return None;
            }
            match known[(n + 8) as usize] {
                Some(is) if is != used => return None,
                Some(_) => {}
                None => {
                    known[(n + 8) as usize] = Some(used);
                    plan.mask |= tag(n);
                    plan.expected |= if used { 0 } else { tag(n) };
                }
            }
            Some(())
        };
        for i in (0..8).filter(|i| (x87.reads | x87.writes) >> i & 1 != 0) {
            require(&mut known, top + i, true)?;
            plan.deepest = plan.deepest.max(top + i);
        }
        if x87.pushes {
            top -= 1;
            require(&mut known, top, false)?;
            known[(top + 8) as usize] = Some(true);
            lowest = lowest.min(top);
        }
        for _ in 0..x87.pops {
            known[(top + 8) as usize] = Some(false);
            top += 1;
        }
    }
    // The same register counted from both ends would be two.
    if plan.deepest - lowest >= 7 {
        return None;
    }
    plan.end = top;
    plan.balanced = top == 0
        && (-8..8)
            .all(|n: i8| known[(n + 8) as usize].is_none_or(|used| used == (plan.expected & tag(n) == 0)));
    Some(plan)
}
