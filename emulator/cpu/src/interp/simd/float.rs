//! Single and double precision: environment, arithmetic, and how elements are
//! spread over lanes. Conversions and comparisons are in files of their own.

use crate::{Cpu, Exception, Handler, Op};
use glassbox_softfloat::{Env, F32, F64, Rounding, SseFloat};
use glassbox_x86_spec::control::Cr4;
use iced_x86::{Instruction, Mnemonic};

/// A floating-point format as the elements of a lane.
pub(crate) trait Format: SseFloat {
    /// Elements in a lane.
    const COUNT: usize;
    /// +0.
    const ZERO: Self;
    /// Element `n`, 0 in the lowest bits.
    fn get(lane: u128, n: usize) -> Self;
    /// A lane of `f(0)`, `f(1)` and so on, called in that order.
    fn build(f: impl FnMut(usize) -> Self) -> u128;
    /// A mask as wide as an element.
    fn mask(set: bool) -> Self;
    /// The scalar source operand: the lowest element of a register, or memory.
    fn source(cpu: &mut Cpu, op: &Op) -> Result<Self, Exception>;
    /// Writes the lowest element of an XMM register, keeping the rest.
    fn set_low(self, cpu: &mut Cpu, n: u8);
}

impl Format for F32 {
    const COUNT: usize = 4;
    const ZERO: Self = F32(0);
    #[inline(always)]
    fn get(lane: u128, n: usize) -> Self {
        F32((lane >> (32 * n)) as u32)
    }
    #[inline(always)]
    fn build(mut f: impl FnMut(usize) -> Self) -> u128 {
        bytemuck::cast([f(0).0, f(1).0, f(2).0, f(3).0])
    }
    #[inline(always)]
    fn mask(set: bool) -> Self {
        F32(u32::from(set).wrapping_neg())
    }
    #[inline(always)]
    fn source(cpu: &mut Cpu, op: &Op) -> Result<Self, Exception> {
        Ok(F32(cpu.xmm_source32(op)?))
    }
    #[inline(always)]
    fn set_low(self, cpu: &mut Cpu, n: u8) {
        cpu.set_xmm_low(n, cpu.xmm_low(n) & !0xFFFF_FFFF | u64::from(self.0));
    }
}

impl Format for F64 {
    const COUNT: usize = 2;
    const ZERO: Self = F64(0);
    #[inline(always)]
    fn get(lane: u128, n: usize) -> Self {
        F64((lane >> (64 * n)) as u64)
    }
    #[inline(always)]
    fn build(mut f: impl FnMut(usize) -> Self) -> u128 {
        bytemuck::cast([f(0).0, f(1).0])
    }
    #[inline(always)]
    fn mask(set: bool) -> Self {
        F64(u64::from(set).wrapping_neg())
    }
    #[inline(always)]
    fn source(cpu: &mut Cpu, op: &Op) -> Result<Self, Exception> {
        Ok(F64(cpu.xmm_source64(op)?))
    }
    #[inline(always)]
    fn set_low(self, cpu: &mut Cpu, n: u8) {
        cpu.set_xmm_low(n, self.0);
    }
}

/// `f` of each pair of elements.
#[inline(always)]
pub(crate) fn zip<T: Format>(a: u128, b: u128, env: &mut Env, f: impl Fn(T, T, &mut Env) -> T) -> u128 {
    T::build(|n| f(T::get(a, n), T::get(b, n), env))
}

/// `f` of each element.
#[inline(always)]
pub(crate) fn map<T: Format>(a: u128, env: &mut Env, f: impl Fn(T, &mut Env) -> T) -> u128 {
    T::build(|n| f(T::get(a, n), env))
}

/// HADDPS and kin: `f` of neighbours, those of `a` below those of `b`.
#[inline(always)]
pub(crate) fn horizontal<T: Format>(
    a: u128,
    b: u128,
    env: &mut Env,
    f: impl Fn(T, T, &mut Env) -> T,
) -> u128 {
    T::build(|n| {
        let half = T::COUNT / 2;
        let (source, n) = if n < half { (a, n) } else { (b, n - half) };
        f(T::get(source, 2 * n), T::get(source, 2 * n + 1), env)
    })
}

/// ADDSUBPS, ADDSUBPD: even elements are subtracted, odd ones added.
#[inline(always)]
pub(crate) fn add_sub<T: Format>(a: u128, b: u128, env: &mut Env) -> u128 {
    T::build(|n| {
        let (a, b) = (T::get(a, n), T::get(b, n));
        if n & 1 == 0 { a.sub(b, env) } else { a.add(b, env) }
    })
}

/// The environment of ROUNDPS and kin: bit 2 of the immediate chooses MXCSR's
/// rounding mode over bits 0 and 1.
#[inline]
pub(crate) fn round_env(env: Env, imm: u8) -> Env {
    if imm & 4 != 0 { env } else { env.with_rounding(Rounding::from_bits(u32::from(imm))) }
}

/// ROUNDPS and kin on one element; bit 3 of the immediate keeps PE quiet.
#[inline]
pub(crate) fn round<T: Format>(a: T, imm: u8, env: &mut Env) -> T {
    a.round_to_integral(imm & 8 == 0, env)
}

/// One step of DPPS and DPPD: what it raises ends the instruction if unmasked.
type Step<'a> = &'a mut dyn FnMut(&mut dyn FnMut(&mut Env)) -> Result<(), Exception>;

/// DPPS and DPPD (Intel SDM Vol. 2, "DPPS"): the products that bits 4 to 7 of
/// `imm` choose are added in pairs, then the pairs; the sum goes to the elements
/// that bits 0 to 3 choose. Multiplication and each addition report exceptions
/// for themselves, in this order, for all lanes at once, through `step`.
pub(crate) fn dot_product<T: Format, const LANES: usize>(
    a: [u128; LANES],
    b: [u128; LANES],
    imm: u8,
    step: Step<'_>,
) -> Result<[u128; LANES], Exception> {
    let mut terms = [[T::ZERO; 4]; LANES];
    step(&mut |env| {
        for (lane, terms) in terms.iter_mut().enumerate() {
            for (n, term) in terms.iter_mut().enumerate().take(T::COUNT) {
                if imm >> (4 + n) & 1 != 0 {
                    *term = T::get(a[lane], n).mul(T::get(b[lane], n), env);
                }
            }
        }
    })?;
    let mut count = T::COUNT;
    while count > 1 {
        count /= 2;
        step(&mut |env| {
            for terms in &mut terms {
                for n in 0..count {
                    terms[n] = terms[2 * n].add(terms[2 * n + 1], env);
                }
            }
        })?;
    }
    Ok(terms.map(|terms| T::build(|n| if imm >> n & 1 != 0 { terms[0] } else { T::ZERO })))
}

impl Cpu {
    /// The environment of an instruction under the present MXCSR.
    #[inline(always)]
    pub(crate) fn float_env(&self) -> Env {
        Env::from_mxcsr(self.state.mxcsr)
    }

    /// Sets the flags that an instruction raised. To be called before its
    /// destination is written.
    ///
    /// # Errors
    /// #XM for an unmasked exception, #UD where the system does not know #XM
    /// (Intel SDM Vol. 3A 14.1.3).
    #[inline(always)]
    pub(crate) fn finish_float(&mut self, env: &Env) -> Result<(), Exception> {
        let raised = env.raised();
        if raised == 0 {
            return Ok(());
        }
        self.state.mxcsr |= u32::from(raised);
        if env.unmasked() == 0 { Ok(()) } else { Err(self.float_fault()) }
    }

    #[cold]
    fn float_fault(&self) -> Exception {
        if self.state.cr4.contains(Cr4::OSXMMEXCPT) { Exception::XM } else { Exception::UD }
    }
}

/// `dst = f(dst, src)` on whole lanes.
#[inline(always)]
fn packed(cpu: &mut Cpu, op: &Op, f: impl FnOnce(u128, u128, &mut Env) -> u128) -> Result<(), Exception> {
    cpu.sse_ready()?;
    let b = cpu.xmm_source(op)?;
    let mut env = cpu.float_env();
    let value = f(cpu.xmm(op.dst), b, &mut env);
    cpu.finish_float(&env)?;
    cpu.set_xmm(op.dst, value);
    Ok(())
}

/// `dst = f(dst, src)` on the lowest element.
#[inline(always)]
fn scalar<T: Format>(cpu: &mut Cpu, op: &Op, f: impl FnOnce(T, T, &mut Env) -> T) -> Result<(), Exception> {
    cpu.sse_ready()?;
    let b = T::source(cpu, op)?;
    let mut env = cpu.float_env();
    let value = f(T::get(cpu.xmm(op.dst), 0), b, &mut env);
    cpu.finish_float(&env)?;
    value.set_low(cpu, op.dst);
    Ok(())
}

fn round_packed<T: Format>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.sse_ready()?;
    let b = cpu.xmm_source(op)?;
    let mut env = round_env(cpu.float_env(), op.imm as u8);
    let value = map::<T>(b, &mut env, |b, env| round(b, op.imm as u8, env));
    cpu.finish_float(&env)?;
    cpu.set_xmm(op.dst, value);
    Ok(())
}

fn round_scalar<T: Format>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.sse_ready()?;
    let b = T::source(cpu, op)?;
    let mut env = round_env(cpu.float_env(), op.imm as u8);
    let value = round(b, op.imm as u8, &mut env);
    cpu.finish_float(&env)?;
    value.set_low(cpu, op.dst);
    Ok(())
}

fn dot<T: Format>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.sse_ready()?;
    let b = cpu.xmm_source(op)?;
    let a = cpu.xmm(op.dst);
    let [value] = dot_product::<T, 1>([a], [b], op.imm as u8, &mut |step| {
        let mut env = cpu.float_env();
        step(&mut env);
        cpu.finish_float(&env)
    })?;
    cpu.set_xmm(op.dst, value);
    Ok(())
}

/// The packed handler of a two-operand operation on elements.
macro_rules! each {
    ($t:ty, $f:ident) => {
        |cpu, op| packed(cpu, op, |a, b, env| zip(a, b, env, <$t>::$f))
    };
}

pub(super) fn select(i: &Instruction, _: bool) -> Option<Handler> {
    use Mnemonic::*;
    let handler: Handler = match i.mnemonic() {
        Addps => each!(F32, add),
        Addpd => each!(F64, add),
        Addss => |cpu, op| scalar(cpu, op, F32::add),
        Addsd => |cpu, op| scalar(cpu, op, F64::add),
        Subps => each!(F32, sub),
        Subpd => each!(F64, sub),
        Subss => |cpu, op| scalar(cpu, op, F32::sub),
        Subsd => |cpu, op| scalar(cpu, op, F64::sub),
        Mulps => each!(F32, mul),
        Mulpd => each!(F64, mul),
        Mulss => |cpu, op| scalar(cpu, op, F32::mul),
        Mulsd => |cpu, op| scalar(cpu, op, F64::mul),
        Divps => each!(F32, div),
        Divpd => each!(F64, div),
        Divss => |cpu, op| scalar(cpu, op, F32::div),
        Divsd => |cpu, op| scalar(cpu, op, F64::div),
        Minps => each!(F32, min),
        Minpd => each!(F64, min),
        Minss => |cpu, op| scalar(cpu, op, F32::min),
        Minsd => |cpu, op| scalar(cpu, op, F64::min),
        Maxps => each!(F32, max),
        Maxpd => each!(F64, max),
        Maxss => |cpu, op| scalar(cpu, op, F32::max),
        Maxsd => |cpu, op| scalar(cpu, op, F64::max),
        Sqrtps => |cpu, op| packed(cpu, op, |_, b, env| map(b, env, F32::sqrt)),
        Sqrtpd => |cpu, op| packed(cpu, op, |_, b, env| map(b, env, F64::sqrt)),
        Sqrtss => |cpu, op| scalar(cpu, op, |_, b: F32, env| b.sqrt(env)),
        Sqrtsd => |cpu, op| scalar(cpu, op, |_, b: F64, env| b.sqrt(env)),
        Haddps => |cpu, op| packed(cpu, op, |a, b, env| horizontal(a, b, env, F32::add)),
        Haddpd => |cpu, op| packed(cpu, op, |a, b, env| horizontal(a, b, env, F64::add)),
        Hsubps => |cpu, op| packed(cpu, op, |a, b, env| horizontal(a, b, env, F32::sub)),
        Hsubpd => |cpu, op| packed(cpu, op, |a, b, env| horizontal(a, b, env, F64::sub)),
        Addsubps => |cpu, op| packed(cpu, op, add_sub::<F32>),
        Addsubpd => |cpu, op| packed(cpu, op, add_sub::<F64>),
        Roundps => round_packed::<F32>,
        Roundpd => round_packed::<F64>,
        Roundss => round_scalar::<F32>,
        Roundsd => round_scalar::<F64>,
        Dpps => dot::<F32>,
        Dppd => dot::<F64>,
        _ => return None,
    };
    Some(handler)
}
