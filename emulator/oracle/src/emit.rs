//! Makes data files out of cases that the host has confirmed.

use crate::case::Case;
use crate::user::{UserState, X87};
use iced_x86::{Code, CpuidFeature, InstructionInfoFactory, Mnemonic};

/// The data file that a form belongs to, named as the interpreter's families are.
pub fn family(code: Code) -> &'static str {
    use CpuidFeature::*;
    use Mnemonic::*;
    let features = code.cpuid_features();
    if features.contains(&FPU) || features.contains(&FPU287) || features.contains(&FPU387) {
        return "x87";
    }
    if features.iter().any(|f| matches!(f, BMI1 | BMI2 | ADX)) && code.mnemonic() != Tzcnt {
        return "bmi";
    }
    if features.iter().any(|f| matches!(f, AES | PCLMULQDQ | SHA | GFNI)) {
        return "crypto";
    }
    if features.contains(&MMX) {
        return "mmx";
    }
    if features.iter().any(|f| matches!(f, SSE | SSE2 | SSE3 | SSSE3 | SSE4_1 | SSE4_2 | SSE4A))
        && !matches!(code.mnemonic(), Crc32 | Movnti | Popcnt)
    {
        return "simd";
    }
    match code.mnemonic() {
        Add | Or | Adc | Sbb | And | Sub | Xor | Cmp | Test | Inc | Dec | Neg | Not => "alu",
        Shl | Sal | Shr | Sar | Rol | Ror | Rcl | Rcr | Shld | Shrd => "shift",
        Mul | Imul | Div | Idiv => "muldiv",
        Bt | Bts | Btr | Btc | Bsf | Bsr | Popcnt | Lzcnt | Tzcnt | Crc32 => "bits",
        Daa | Das | Aaa | Aas | Aam | Aad => "bcd",
        Xadd | Cmpxchg | Cmpxchg8b | Cmpxchg16b => "atomic",
        Push | Pop | Pusha | Pushad | Popa | Popad | Enter | Leave | Pushf | Pushfd | Pushfq | Popf
        | Popfd | Popfq => "stack",
        _ if code.condition_code() != iced_x86::ConditionCode::None && !code.is_jcc_short_or_near() => {
            "conditional"
        }
        _ if code.flow_control() != iced_x86::FlowControl::Next => "branch",
        _ if code.op_code().can_use_rep_prefix() => "strings",
        _ => "data",
    }
}

/// The case with everything that its instruction does not name at its default, so
/// that the text stays short; `None` for cases with a lot of memory.
pub fn shorten(case: &Case) -> Option<Case> {
    if case.memory.iter().any(|(_, bytes)| bytes.len() > 128) {
        return None;
    }
    let i = case.instruction();
    let default = UserState { rip: case.state.rip, ..UserState::default() };
    let mut state = UserState { flags: case.state.flags, ..default };
    let (mut x87, mut vector) = (family(case.form) == "x87", false);
    for used in InstructionInfoFactory::new().info(&i).used_registers() {
        let full = used.register().full_register();
        let n = full.number();
        if full.is_gpr() {
            state.gpr[n] = case.state.gpr[n];
        } else if full.is_vector_register() && n < 16 {
            state.vec[n] = [case.state.vec[n][0], case.state.vec[n][1], 0, 0];
            vector = true;
        }
        x87 |= full.is_mm() || full.is_st();
    }
    state.x87 = if x87 { case.state.x87 } else { X87::default() };
    if vector || matches!(case.form.mnemonic(), Mnemonic::Ldmxcsr | Mnemonic::Stmxcsr) {
        state.mxcsr = case.state.mxcsr;
    }
    Some(Case { state, ..case.clone() })
}
