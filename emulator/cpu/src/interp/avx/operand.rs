//! Operands of VEX-encoded instructions: availability, vectors of one or two
//! lanes, sources.

use crate::interp::Width;
use crate::interp::simd::operand::File;
use crate::state::VectorRegister;
use crate::{Cpu, Exception, Op};
use glassbox_memory::Pod;
use glassbox_softfloat::Env;
use glassbox_x86_spec::control::{Cr0, Cr4};
use iced_x86::Instruction;

/// XCR0: the SSE and AVX components are enabled.
const SSE_AND_AVX: u64 = 6;

impl Cpu {
    /// Whether VEX-encoded SIMD instructions may run now. The decoder has refused
    /// them in real and virtual-8086 mode already; CR0.EM and CR4.OSFXSR do not
    /// count.
    ///
    /// # Errors
    /// #UD by CR4.OSXSAVE and XCR0, then #NM by CR0.TS (Intel SDM Vol. 2A 2.4).
    #[inline(always)]
    pub(crate) fn avx_ready(&self) -> Result<(), Exception> {
        let enabled =
            self.state.cr4.bits() & Cr4::OSXSAVE.bits() != 0 && self.state.xcr0 & SSE_AND_AVX == SSE_AND_AVX;
        let blocked = self.state.cr0.bits() & Cr0::TS.bits() != 0;
        match (enabled, blocked) {
            (true, false) => Ok(()),
            (true, true) => Err(Exception::NM),
            (false, _) => Err(Exception::UD),
        }
    }

    /// Writes an XMM register and clears the upper half of YMM.
    #[inline(always)]
    pub(crate) fn set_xmm_cleared(&mut self, n: u8, value: u128) {
        self.state.vec[(n & 15) as usize] = [value as u64, (value >> 64) as u64, 0, 0];
    }

    /// A YMM register.
    #[inline(always)]
    pub(crate) fn ymm(&self, n: u8) -> VectorRegister {
        self.state.vec[(n & 15) as usize]
    }

    /// Register `n`, or the memory operand if there is one.
    #[inline(always)]
    pub(crate) fn vector_source<V: Vector>(&mut self, op: &Op, n: u8) -> Result<V, Exception> {
        if op.is_mem() { self.load_operand(op) } else { Ok(V::get(self, n)) }
    }
}

/// XMM registers as VEX-encoded instructions use them.
pub(crate) struct Vex;

impl File for Vex {
    #[inline(always)]
    fn ready(cpu: &mut Cpu) -> Result<(), Exception> {
        cpu.avx_ready()
    }
    #[inline(always)]
    fn get(cpu: &Cpu, n: u8) -> u128 {
        cpu.xmm(n)
    }
    #[inline(always)]
    fn set(cpu: &mut Cpu, n: u8, value: u128) {
        cpu.set_xmm_cleared(n, value);
    }
    #[inline(always)]
    fn source(cpu: &mut Cpu, op: &Op) -> Result<u128, Exception> {
        cpu.vector_source(op, op.src)
    }
}

/// A vector of 128 or 256 bits, as lanes.
pub(crate) trait Vector: Pod {
    /// 1 or 2.
    const LANES: usize;
    /// Bytes.
    const SIZE: u64 = 16 * Self::LANES as u64;
    /// Reads a register.
    fn get(cpu: &Cpu, n: u8) -> Self;
    /// Writes a register, and clears what lies above.
    fn set(self, cpu: &mut Cpu, n: u8);
    /// A vector of `f(0)` and `f(1)`, called in that order.
    fn build(f: impl FnMut(usize) -> u128) -> Self;
    /// Lane `n`.
    fn lane(&self, n: usize) -> u128;
}

/// 256 bits.
pub(crate) type Long = [u128; 2];

impl Vector for u128 {
    const LANES: usize = 1;
    #[inline(always)]
    fn get(cpu: &Cpu, n: u8) -> Self {
        cpu.xmm(n)
    }
    #[inline(always)]
    fn set(self, cpu: &mut Cpu, n: u8) {
        cpu.set_xmm_cleared(n, self);
    }
    #[inline(always)]
    fn build(mut f: impl FnMut(usize) -> u128) -> Self {
        f(0)
    }
    #[inline(always)]
    fn lane(&self, _: usize) -> u128 {
        *self
    }
}

impl Vector for Long {
    const LANES: usize = 2;
    #[inline(always)]
    fn get(cpu: &Cpu, n: u8) -> Self {
        bytemuck::cast(cpu.ymm(n))
    }
    #[inline(always)]
    fn set(self, cpu: &mut Cpu, n: u8) {
        cpu.state.vec[(n & 15) as usize] = bytemuck::cast(self);
    }
    #[inline(always)]
    fn build(mut f: impl FnMut(usize) -> u128) -> Self {
        [f(0), f(1)]
    }
    #[inline(always)]
    fn lane(&self, n: usize) -> u128 {
        self[n & 1]
    }
}

/// Whether an instruction's vector length is 256 bits: it has such a register, or
/// narrows that many bits of memory.
pub(crate) fn is_long(i: &Instruction) -> bool {
    (0..i.op_count()).any(|n| i.op_register(n).is_ymm())
        || i.memory_index().is_ymm()
        || i.memory_size().size() == 32
}

/// Element `n` of a register, counted in elements of type `T`.
#[inline(always)]
pub(crate) fn element<T: Width>(register: &VectorRegister, n: usize) -> T {
    let bit = n as u32 * T::BITS;
    T::truncate(register[(bit >> 6 & 3) as usize] >> (bit % 64))
}

/// Replaces element `n` of a register.
#[inline(always)]
pub(crate) fn set_element<T: Width>(register: &mut VectorRegister, n: usize, value: T) {
    let bit = n as u32 * T::BITS;
    let mask = (!T::ZERO).zext() << (bit % 64);
    let word = &mut register[(bit >> 6 & 3) as usize];
    *word = *word & !mask | value.zext() << (bit % 64);
}

/// `dst = f(src1, src2)`, lane by lane.
#[inline(always)]
pub(crate) fn binary<V: Vector>(
    cpu: &mut Cpu,
    op: &Op,
    f: impl Fn(u128, u128) -> u128,
) -> Result<(), Exception> {
    cpu.avx_ready()?;
    let b: V = cpu.vector_source(op, op.aux)?;
    let a = V::get(cpu, op.src);
    V::build(|n| f(a.lane(n), b.lane(n))).set(cpu, op.dst);
    Ok(())
}

/// `dst = f(src)`, lane by lane.
#[inline(always)]
pub(crate) fn unary<V: Vector>(cpu: &mut Cpu, op: &Op, f: impl Fn(u128) -> u128) -> Result<(), Exception> {
    cpu.avx_ready()?;
    let b: V = cpu.vector_source(op, op.src)?;
    V::build(|n| f(b.lane(n))).set(cpu, op.dst);
    Ok(())
}

/// `dst = f(src1, src2, imm8)`, lane by lane; the upper lane's immediate begins
/// `shift` bits further up.
#[inline(always)]
pub(crate) fn binary_imm<V: Vector>(
    cpu: &mut Cpu,
    op: &Op,
    shift: usize,
    f: impl Fn(u128, u128, u8) -> u128,
) -> Result<(), Exception> {
    cpu.avx_ready()?;
    let b: V = cpu.vector_source(op, op.aux)?;
    let a = V::get(cpu, op.src);
    V::build(|n| f(a.lane(n), b.lane(n), op.imm as u8 >> (shift * n))).set(cpu, op.dst);
    Ok(())
}

/// `dst = f(src, imm8)`; `shift` as in [`binary_imm`].
#[inline(always)]
pub(crate) fn unary_imm<V: Vector>(
    cpu: &mut Cpu,
    op: &Op,
    shift: usize,
    f: impl Fn(u128, u8) -> u128,
) -> Result<(), Exception> {
    cpu.avx_ready()?;
    let b: V = cpu.vector_source(op, op.src)?;
    V::build(|n| f(b.lane(n), op.imm as u8 >> (shift * n))).set(cpu, op.dst);
    Ok(())
}

/// As [`binary`] with floating-point arithmetic.
#[inline(always)]
pub(crate) fn binary_float<V: Vector>(
    cpu: &mut Cpu,
    op: &Op,
    f: impl Fn(u128, u128, &mut Env) -> u128,
) -> Result<(), Exception> {
    cpu.avx_ready()?;
    let b: V = cpu.vector_source(op, op.aux)?;
    let a = V::get(cpu, op.src);
    let mut env = cpu.float_env();
    let value = V::build(|n| f(a.lane(n), b.lane(n), &mut env));
    cpu.finish_float(&env)?;
    value.set(cpu, op.dst);
    Ok(())
}

/// As [`unary`] with floating-point arithmetic in the environment that `adapt`
/// makes of MXCSR's.
#[inline(always)]
pub(crate) fn unary_float<V: Vector>(
    cpu: &mut Cpu,
    op: &Op,
    adapt: impl Fn(Env) -> Env,
    f: impl Fn(u128, &mut Env) -> u128,
) -> Result<(), Exception> {
    cpu.avx_ready()?;
    let b: V = cpu.vector_source(op, op.src)?;
    let mut env = adapt(cpu.float_env());
    let value = V::build(|n| f(b.lane(n), &mut env));
    cpu.finish_float(&env)?;
    value.set(cpu, op.dst);
    Ok(())
}

/// MXCSR's environment as it is.
#[inline(always)]
pub(crate) fn as_is(env: Env) -> Env {
    env
}

/// The handler `kind::<V>(cpu, op, arguments)` for the vector length.
macro_rules! vex {
    ($long:expr, $kind:ident $(, $argument:expr)*) => {
        if $long {
            |cpu, op| $kind::<crate::interp::avx::operand::Long>(cpu, op $(, $argument)*)
        } else {
            |cpu, op| $kind::<u128>(cpu, op $(, $argument)*)
        }
    };
}
/// The handler `name::<V, ...>` for the vector length.
macro_rules! by_length {
    ($long:expr, $name:ident $(, $extra:ty)*) => {
        if $long {
            $name::<crate::interp::avx::operand::Long $(, $extra)*>
        } else {
            $name::<u128 $(, $extra)*>
        }
    };
}
pub(crate) use {by_length, vex};
