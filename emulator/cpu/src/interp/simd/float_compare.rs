//! CMPPS and kin, COMISS and kin.

use super::float::Format;
use super::operand::{File, Xmm};
use crate::flags::LazyFlags;
use crate::{Cpu, Exception, Handler, Op};
use glassbox_softfloat::{Env, F32, F64, Relation};
use iced_x86::{Instruction, Mnemonic};

const LESS: u8 = 1;
const EQUAL: u8 = 2;
const GREATER: u8 = 4;
const UNORDERED: u8 = 8;

/// The relations that satisfy predicates 0 to 15; 16 to 31 are the same ones
/// with the other treatment of quiet NaNs (Intel SDM Vol. 2, "CMPPD", table 3-1).
const SATISFYING: [u8; 16] = [
    EQUAL,
    LESS,
    LESS | EQUAL,
    UNORDERED,
    LESS | GREATER | UNORDERED,
    EQUAL | GREATER | UNORDERED,
    GREATER | UNORDERED,
    LESS | EQUAL | GREATER,
    EQUAL | UNORDERED,
    LESS | UNORDERED,
    LESS | EQUAL | UNORDERED,
    0,
    LESS | GREATER,
    EQUAL | GREATER,
    GREATER,
    LESS | EQUAL | GREATER | UNORDERED,
];

/// Whether `a` and `b` satisfy a predicate, 0 to 31.
#[inline(always)]
pub(crate) fn satisfies<T: Format>(a: T, b: T, predicate: u8, env: &mut Env) -> bool {
    // LT, LE, and their complements and mirrors signal quiet NaNs.
    let signalling = matches!(predicate & 3, 1 | 2) != (predicate & 16 != 0);
    let relation = match a.compare(b, signalling, env) {
        Relation::Less => LESS,
        Relation::Equal => EQUAL,
        Relation::Greater => GREATER,
        Relation::Unordered => UNORDERED,
    };
    SATISFYING[usize::from(predicate & 15)] & relation != 0
}

/// CMPPS, CMPPD: legacy forms have predicates 0 to 7.
fn packed<T: Format>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.sse_ready()?;
    let b = cpu.xmm_source(op)?;
    let a = cpu.xmm(op.dst);
    let mut env = cpu.float_env();
    let value =
        super::float::zip::<T>(a, b, &mut env, |a, b, env| T::mask(satisfies(a, b, op.imm as u8 & 7, env)));
    cpu.finish_float(&env)?;
    cpu.set_xmm(op.dst, value);
    Ok(())
}

fn scalar<T: Format>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.sse_ready()?;
    let b = T::source(cpu, op)?;
    let a = T::get(cpu.xmm(op.dst), 0);
    let mut env = cpu.float_env();
    let value = T::mask(satisfies(a, b, op.imm as u8 & 7, &mut env));
    cpu.finish_float(&env)?;
    value.set_low(cpu, op.dst);
    Ok(())
}

const CF: u32 = 1;
const PF: u32 = 1 << 2;
const ZF: u32 = 1 << 6;

/// COMISS and kin: CF, PF and ZF tell the relation, the other flags are clear.
pub(crate) fn to_flags<R: File, T: Format, const SIGNALLING: bool>(
    cpu: &mut Cpu,
    op: &Op,
) -> Result<(), Exception> {
    R::ready(cpu)?;
    let b = T::source(cpu, op)?;
    let a = T::get(cpu.xmm(op.dst), 0);
    let mut env = cpu.float_env();
    let relation = a.compare(b, SIGNALLING, &mut env);
    cpu.finish_float(&env)?;
    cpu.state.status = LazyFlags::from_bits(match relation {
        Relation::Less => CF,
        Relation::Equal => ZF,
        Relation::Greater => 0,
        Relation::Unordered => CF | PF | ZF,
    });
    Ok(())
}

pub(super) fn select(i: &Instruction, _: bool) -> Option<Handler> {
    use Mnemonic::*;
    Some(match i.mnemonic() {
        Cmpps => packed::<F32>,
        Cmppd => packed::<F64>,
        Cmpss => scalar::<F32>,
        Cmpsd => scalar::<F64>,
        Comiss => to_flags::<Xmm, F32, true>,
        Comisd => to_flags::<Xmm, F64, true>,
        Ucomiss => to_flags::<Xmm, F32, false>,
        Ucomisd => to_flags::<Xmm, F64, false>,
        _ => return None,
    })
}
