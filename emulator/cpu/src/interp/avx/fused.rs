//! FMA: multiplication and addition with one rounding (Intel SDM Vol. 1 14.5).
//!
//! The digits of a mnemonic say which operand plays which part: with 132 the
//! first is multiplied by the third and the second added, and so on.

use super::operand::{Vector, by_length};
use super::scalar;
use crate::interp::simd::float::Format;
use crate::{Cpu, Exception, Handler, Op};
use glassbox_softfloat::{Env, F32, F64};
use iced_x86::{Instruction, Mnemonic};

/// Multiplicand, multiplier and addend of the three operands.
trait Order {
    fn arrange<T>(one: T, two: T, three: T) -> [T; 3];
}
struct O132;
struct O213;
struct O231;

impl Order for O132 {
    #[inline(always)]
    fn arrange<T>(one: T, two: T, three: T) -> [T; 3] {
        [one, three, two]
    }
}
impl Order for O213 {
    #[inline(always)]
    fn arrange<T>(one: T, two: T, three: T) -> [T; 3] {
        [two, one, three]
    }
}
impl Order for O231 {
    #[inline(always)]
    fn arrange<T>(one: T, two: T, three: T) -> [T; 3] {
        [two, three, one]
    }
}

/// The signs of product and addend, in element `n`.
trait Signs {
    fn negated(n: usize) -> (bool, bool);
}
/// VFMADD.
struct MulAdd;
/// VFMSUB.
struct MulSub;
/// VFNMADD.
struct NegMulAdd;
/// VFNMSUB.
struct NegMulSub;
/// VFMADDSUB: odd elements are added, even ones subtracted.
struct MulAddSub;
/// VFMSUBADD: the other way round.
struct MulSubAdd;

impl Signs for MulAdd {
    fn negated(_: usize) -> (bool, bool) {
        (false, false)
    }
}
impl Signs for MulSub {
    fn negated(_: usize) -> (bool, bool) {
        (false, true)
    }
}
impl Signs for NegMulAdd {
    fn negated(_: usize) -> (bool, bool) {
        (true, false)
    }
}
impl Signs for NegMulSub {
    fn negated(_: usize) -> (bool, bool) {
        (true, true)
    }
}
impl Signs for MulAddSub {
    fn negated(n: usize) -> (bool, bool) {
        (false, n & 1 == 0)
    }
}
impl Signs for MulSubAdd {
    fn negated(n: usize) -> (bool, bool) {
        (false, n & 1 != 0)
    }
}

/// One element. NaNs go through with their signs.
#[inline(always)]
fn element<O: Order, S: Signs, T: Format>(n: usize, one: T, two: T, three: T, env: &mut Env) -> T {
    let [a, b, c] = O::arrange(one, two, three);
    let (product, addend) = S::negated(n);
    let a = if product { a.negated_unless_nan() } else { a };
    let c = if addend { c.negated_unless_nan() } else { c };
    a.mul_add(b, c, env)
}

fn packed<V: Vector, O: Order, S: Signs, T: Format>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.avx_ready()?;
    let three: V = cpu.vector_source(op, op.aux)?;
    let (one, two) = (V::get(cpu, op.dst), V::get(cpu, op.src));
    let mut env = cpu.float_env();
    let value = V::build(|lane| {
        let [one, two, three] = [one, two, three].map(|v| v.lane(lane));
        T::build(|n| element::<O, S, T>(n, T::get(one, n), T::get(two, n), T::get(three, n), &mut env))
    });
    cpu.finish_float(&env)?;
    value.set(cpu, op.dst);
    Ok(())
}

/// The rest of the lane stays as it is in the destination.
fn single<O: Order, S: Signs, T: Format>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.avx_ready()?;
    let three: T = scalar::source(cpu, op, op.aux)?;
    let (one, two) = (T::get(cpu.xmm(op.dst), 0), T::get(cpu.xmm(op.src), 0));
    let mut env = cpu.float_env();
    let value = element::<O, S, T>(0, one, two, three, &mut env);
    cpu.finish_float(&env)?;
    cpu.set_xmm_cleared(op.dst, cpu.xmm(op.dst));
    value.set_low(cpu, op.dst);
    Ok(())
}

pub(super) fn select(i: &Instruction, long: bool) -> Option<Handler> {
    use Mnemonic::*;
    let handler: Handler = match i.mnemonic() {
        Vfmadd132ps => by_length!(long, packed, O132, MulAdd, F32),
        Vfmadd132pd => by_length!(long, packed, O132, MulAdd, F64),
        Vfmadd132ss => single::<O132, MulAdd, F32>,
        Vfmadd132sd => single::<O132, MulAdd, F64>,
        Vfmadd213ps => by_length!(long, packed, O213, MulAdd, F32),
        Vfmadd213pd => by_length!(long, packed, O213, MulAdd, F64),
        Vfmadd213ss => single::<O213, MulAdd, F32>,
        Vfmadd213sd => single::<O213, MulAdd, F64>,
        Vfmadd231ps => by_length!(long, packed, O231, MulAdd, F32),
        Vfmadd231pd => by_length!(long, packed, O231, MulAdd, F64),
        Vfmadd231ss => single::<O231, MulAdd, F32>,
        Vfmadd231sd => single::<O231, MulAdd, F64>,
        Vfmsub132ps => by_length!(long, packed, O132, MulSub, F32),
        Vfmsub132pd => by_length!(long, packed, O132, MulSub, F64),
        Vfmsub132ss => single::<O132, MulSub, F32>,
        Vfmsub132sd => single::<O132, MulSub, F64>,
        Vfmsub213ps => by_length!(long, packed, O213, MulSub, F32),
        Vfmsub213pd => by_length!(long, packed, O213, MulSub, F64),
        Vfmsub213ss => single::<O213, MulSub, F32>,
        Vfmsub213sd => single::<O213, MulSub, F64>,
        Vfmsub231ps => by_length!(long, packed, O231, MulSub, F32),
        Vfmsub231pd => by_length!(long, packed, O231, MulSub, F64),
        Vfmsub231ss => single::<O231, MulSub, F32>,
        Vfmsub231sd => single::<O231, MulSub, F64>,
        Vfnmadd132ps => by_length!(long, packed, O132, NegMulAdd, F32),
        Vfnmadd132pd => by_length!(long, packed, O132, NegMulAdd, F64),
        Vfnmadd132ss => single::<O132, NegMulAdd, F32>,
        Vfnmadd132sd => single::<O132, NegMulAdd, F64>,
        Vfnmadd213ps => by_length!(long, packed, O213, NegMulAdd, F32),
        Vfnmadd213pd => by_length!(long, packed, O213, NegMulAdd, F64),
        Vfnmadd213ss => single::<O213, NegMulAdd, F32>,
        Vfnmadd213sd => single::<O213, NegMulAdd, F64>,
        Vfnmadd231ps => by_length!(long, packed, O231, NegMulAdd, F32),
        Vfnmadd231pd => by_length!(long, packed, O231, NegMulAdd, F64),
        Vfnmadd231ss => single::<O231, NegMulAdd, F32>,
        Vfnmadd231sd => single::<O231, NegMulAdd, F64>,
        Vfnmsub132ps => by_length!(long, packed, O132, NegMulSub, F32),
        Vfnmsub132pd => by_length!(long, packed, O132, NegMulSub, F64),
        Vfnmsub132ss => single::<O132, NegMulSub, F32>,
        Vfnmsub132sd => single::<O132, NegMulSub, F64>,
        Vfnmsub213ps => by_length!(long, packed, O213, NegMulSub, F32),
        Vfnmsub213pd => by_length!(long, packed, O213, NegMulSub, F64),
        Vfnmsub213ss => single::<O213, NegMulSub, F32>,
        Vfnmsub213sd => single::<O213, NegMulSub, F64>,
        Vfnmsub231ps => by_length!(long, packed, O231, NegMulSub, F32),
        Vfnmsub231pd => by_length!(long, packed, O231, NegMulSub, F64),
        Vfnmsub231ss => single::<O231, NegMulSub, F32>,
        Vfnmsub231sd => single::<O231, NegMulSub, F64>,
        Vfmaddsub132ps => by_length!(long, packed, O132, MulAddSub, F32),
        Vfmaddsub132pd => by_length!(long, packed, O132, MulAddSub, F64),
        Vfmaddsub213ps => by_length!(long, packed, O213, MulAddSub, F32),
        Vfmaddsub213pd => by_length!(long, packed, O213, MulAddSub, F64),
        Vfmaddsub231ps => by_length!(long, packed, O231, MulAddSub, F32),
        Vfmaddsub231pd => by_length!(long, packed, O231, MulAddSub, F64),
        Vfmsubadd132ps => by_length!(long, packed, O132, MulSubAdd, F32),
        Vfmsubadd132pd => by_length!(long, packed, O132, MulSubAdd, F64),
        Vfmsubadd213ps => by_length!(long, packed, O213, MulSubAdd, F32),
        Vfmsubadd213pd => by_length!(long, packed, O213, MulSubAdd, F64),
        Vfmsubadd231ps => by_length!(long, packed, O231, MulSubAdd, F32),
        Vfmsubadd231pd => by_length!(long, packed, O231, MulSubAdd, F64),
        _ => return None,
    };
    Some(handler)
}
