//! MOV, MOVZX, MOVSX, MOVSXD, LEA, XCHG, NOP, BSWAP, MOVBE and the sign extensions of the accumulator.

use super::Width;
use super::operand::{Form, by_form, by_width, form_of, operand_bits};
use crate::state::gpr::{RAX, RDX};
use crate::{Cpu, Exception, Handler, Op};
use iced_x86::{Code, Instruction, Mnemonic, OpKind};

fn mov<T: Width, F: Form>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let value: T = F::source(cpu, op)?;
    if F::DST_MEM {
        cpu.store_operand(op, value)
    } else {
        cpu.set_reg(op.dst, value);
        Ok(())
    }
}

/// MOVZX: `S` is the source's width.
fn movzx<T: Width, S: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let value: S = cpu.read_rm(op, op.src)?;
    cpu.set_reg(op.dst, T::truncate(value.zext()));
    Ok(())
}

/// MOVSX and MOVSXD.
fn movsx<T: Width, S: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let value: S = cpu.read_rm(op, op.src)?;
    cpu.set_reg(op.dst, T::truncate(value.sext()));
    Ok(())
}

fn lea<T: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let address = cpu.effective_address(op);
    cpu.set_reg(op.dst, T::truncate(address));
    Ok(())
}

/// XCHG with memory is locked with or without the prefix.
fn xchg<T: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    if !op.is_mem() {
        let (a, b) = (cpu.reg::<T>(op.dst), cpu.reg::<T>(op.src));
        cpu.set_reg(op.dst, b);
        cpu.set_reg(op.src, a);
        return Ok(());
    }
    let gva = cpu.linear_address(op, size_of::<T>() as u64, crate::mmu::Access::Write)?;
    let register = op.dst | op.src;
    let new: T = cpu.reg(register);
    let old = cpu.update_locked(op.seg(), gva, |_| new)?;
    cpu.set_reg(register, old);
    Ok(())
}

fn nop(_: &mut Cpu, _: &Op) -> Result<(), Exception> {
    Ok(())
}

fn bswap32(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let value: u32 = cpu.reg(op.dst);
    cpu.set_reg(op.dst, value.swap_bytes());
    Ok(())
}

fn bswap64(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let value: u64 = cpu.reg(op.dst);
    cpu.set_reg(op.dst, value.swap_bytes());
    Ok(())
}

/// BSWAP of a 16-bit register is undefined; silicon writes zero.
fn bswap16(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.set_reg(op.dst, 0u16);
    Ok(())
}

fn movbe<T: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let swap = |v: T| T::truncate(v.zext().swap_bytes() >> (64 - T::BITS));
    if op.flags & Op::MEM == 0 {
        return Err(Exception::UD);
    }
    if matches!(op.code, Code::Movbe_m16_r16 | Code::Movbe_m32_r32 | Code::Movbe_m64_r64) {
        let value = swap(cpu.reg(op.src));
        cpu.store_operand(op, value)
    } else {
        let value = cpu.load_operand(op)?;
        cpu.set_reg(op.dst, swap(value));
        Ok(())
    }
}

/// CBW, CWDE, CDQE: `T` is the width of the destination, `S` half of it.
fn extend_accumulator<T: Width, S: Width>(cpu: &mut Cpu, _: &Op) -> Result<(), Exception> {
    let value: S = cpu.reg(RAX as u8);
    cpu.set_reg(RAX as u8, T::truncate(value.sext()));
    Ok(())
}

/// CWD, CDQ, CQO: fills rDX with the sign of rAX.
fn sign_to_rdx<T: Width>(cpu: &mut Cpu, _: &Op) -> Result<(), Exception> {
    let value: T = cpu.reg(RAX as u8);
    cpu.set_reg(RDX as u8, if value.msb() { !T::ZERO } else { T::ZERO });
    Ok(())
}

macro_rules! by_source {
    ($i:expr, $name:ident) => {
        match (operand_bits($i, 0), operand_bits($i, 1)) {
            (16, 8) => $name::<u16, u8> as Handler,
            (32, 8) => $name::<u32, u8>,
            (64, 8) => $name::<u64, u8>,
            (16, 16) => $name::<u16, u16>,
            (32, 16) => $name::<u32, u16>,
            (64, 16) => $name::<u64, u16>,
            (16, 32) => $name::<u16, u32>,
            (32, 32) => $name::<u32, u32>,
            _ => $name::<u64, u32>,
        }
    };
}

pub(crate) fn select(i: &Instruction) -> Option<Handler> {
    let bits = operand_bits(i, 0);
    Some(match i.mnemonic() {
        Mnemonic::Mov if is_general(i) => by_form!(form_of(i), bits, mov),
        Mnemonic::Movzx => by_source!(i, movzx),
        // The 16-bit form of MOVSXD reads 32 bits on AMD processors.
        Mnemonic::Movsxd if bits == 16 => movsx::<u16, u32>,
        Mnemonic::Movsx | Mnemonic::Movsxd => by_source!(i, movsx),
        Mnemonic::Lea => by_width!(bits, lea),
        Mnemonic::Xchg => by_width!(bits, xchg),
        Mnemonic::Nop | Mnemonic::Fnop if i.mnemonic() == Mnemonic::Nop => nop,
        Mnemonic::Endbr64 | Mnemonic::Endbr32 | Mnemonic::Pause => nop,
        // PREFETCHW's opcode with a register is undefined on AMD processors.
        Mnemonic::Reservednop if !is_prefetch_opcode(i) => nop,
        Mnemonic::Bswap => match bits {
            16 => bswap16,
            32 => bswap32,
            _ => bswap64,
        },
        Mnemonic::Movbe => by_width!(bits, movbe),
        Mnemonic::Cbw => extend_accumulator::<u16, u8>,
        Mnemonic::Cwde => extend_accumulator::<u32, u16>,
        Mnemonic::Cdqe => extend_accumulator::<u64, u32>,
        Mnemonic::Cwd => sign_to_rdx::<u16>,
        Mnemonic::Cdq => sign_to_rdx::<u32>,
        Mnemonic::Cqo => sign_to_rdx::<u64>,
        _ => return None,
    })
}

fn is_prefetch_opcode(i: &Instruction) -> bool {
    use iced_x86::Code::*;
    let prefetch = [Reservednop_rm16_r16_0F0D, Reservednop_rm32_r32_0F0D, Reservednop_rm64_r64_0F0D];
    prefetch.contains(&i.code()) && i.op0_kind() == OpKind::Register
}

/// MOV between general-purpose registers, memory and immediates.
fn is_general(i: &Instruction) -> bool {
    (0..2).all(|n| i.op_kind(n) != OpKind::Register || i.op_register(n).is_gpr())
}
