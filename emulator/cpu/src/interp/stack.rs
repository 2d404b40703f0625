//! PUSH, POP, PUSHA, POPA, LEAVE, ENTER. Segment registers and flags are
//! pushed and popped in `segment.rs` and `flag_ops.rs`.

use super::Width;
use super::operand::{by_size, operand_bits};
use crate::mmu::Access;
use crate::state::{SEG_FLAT_STACK, SegReg, gpr};
use crate::{Cpu, Exception, Handler, Op};
use iced_x86::{Code, Instruction, Mnemonic, OpKind};

fn push_rm<T: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let value: T = cpu.read_rm(op, op.dst)?;
    cpu.push(value)
}

fn push_imm<T: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.push(T::truncate(op.imm))
}

fn pop_reg<T: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    // POP RSP gets the popped value, not the incremented pointer.
    let value: T = cpu.pop()?;
    cpu.set_reg(op.dst, value);
    Ok(())
}

/// POP to memory: the address is computed with the incremented stack pointer.
fn pop_mem<T: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let rsp = cpu.state.regs[gpr::RSP];
    let value: T = cpu.pop()?;
    let stored = cpu.store_operand(op, value);
    if stored.is_err() {
        cpu.state.regs[gpr::RSP] = rsp;
    }
    stored
}

/// PUSHA pushes the stack pointer as it was before.
fn pusha<T: Width>(cpu: &mut Cpu, _: &Op) -> Result<(), Exception> {
    let rsp = cpu.state.regs[gpr::RSP];
    for n in 0..8 {
        let value = if n == gpr::RSP as u8 { T::truncate(rsp) } else { cpu.reg(n) };
        if let Err(fault) = cpu.push(value) {
            cpu.state.regs[gpr::RSP] = rsp;
            return Err(fault);
        }
    }
    Ok(())
}

/// POPA drops the popped stack pointer.
fn popa<T: Width>(cpu: &mut Cpu, _: &Op) -> Result<(), Exception> {
    let size = size_of::<T>() as u64;
    let mut values = [T::ZERO; 8];
    for (n, value) in values.iter_mut().enumerate() {
        *value = cpu.peek(n as u64 * size)?;
    }
    cpu.release_stack(8 * size);
    for n in (0..8).filter(|&n| n != gpr::RSP) {
        cpu.set_reg(n as u8, values[7 - n]);
    }
    Ok(())
}

fn leave<T: Width>(cpu: &mut Cpu, _: &Op) -> Result<(), Exception> {
    let rsp = cpu.state.regs[gpr::RSP];
    cpu.set_stack_pointer(cpu.state.regs[gpr::RBP]);
    match cpu.pop::<T>() {
        Ok(value) => {
            cpu.set_reg(gpr::RBP as u8, value);
            Ok(())
        }
        Err(fault) => {
            cpu.state.regs[gpr::RSP] = rsp;
            Err(fault)
        }
    }
}

/// ENTER (Intel SDM Vol. 2A, "ENTER").
fn enter<T: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let rsp = cpu.state.regs[gpr::RSP];
    let done = enter_frame::<T>(cpu, op.imm & 0xFFFF, op.aux & 31);
    if done.is_err() {
        cpu.state.regs[gpr::RSP] = rsp;
    }
    done
}

fn enter_frame<T: Width>(cpu: &mut Cpu, locals: u64, level: u8) -> Result<(), Exception> {
    let size = size_of::<T>() as u64;
    let mask = cpu.mode.stack_mask();
    let mut rbp = cpu.state.regs[gpr::RBP];
    cpu.push(T::truncate(rbp))?;
    let frame = cpu.state.regs[gpr::RSP];
    for _ in 1..level {
        rbp = rbp.wrapping_sub(size);
        let link: T = cpu.load_seg(SegReg::Ss as u8, rbp & mask)?;
        cpu.push(link)?;
    }
    if level > 0 {
        cpu.push(T::truncate(frame))?;
    }
    cpu.set_stack_pointer(cpu.state.regs[gpr::RSP].wrapping_sub(locals));
    // The new top must be writable, or a later push would fault without a frame.
    let top = cpu.state.regs[gpr::RSP] & mask;
    let seg = if cpu.mode.is_64bit() { SEG_FLAT_STACK } else { SegReg::Ss as u8 };
    let gva = cpu.segmented(seg, top, size, Access::Write)?;
    cpu.probe_write(seg, gva, size)?;
    cpu.set_reg(gpr::RBP as u8, T::truncate(frame));
    Ok(())
}

pub(crate) fn select(i: &Instruction) -> Option<Handler> {
    use Code::*;
    let to_segment = i.op0_kind() == OpKind::Register && i.op0_register().is_segment_register();
    if to_segment {
        return None;
    }
    Some(match i.mnemonic() {
        Mnemonic::Push => match (i.op0_kind(), i.code()) {
            (OpKind::Register | OpKind::Memory, _) => by_size!(operand_bits(i, 0), push_rm),
            (_, Push_imm16 | Pushw_imm8) => push_imm::<u16>,
            (_, Pushd_imm32 | Pushd_imm8) => push_imm::<u32>,
            _ => push_imm::<u64>,
        },
        Mnemonic::Pop if i.op0_kind() == OpKind::Register => by_size!(operand_bits(i, 0), pop_reg),
        Mnemonic::Pop => by_size!(operand_bits(i, 0), pop_mem),
        Mnemonic::Pusha => pusha::<u16>,
        Mnemonic::Pushad => pusha::<u32>,
        Mnemonic::Popa => popa::<u16>,
        Mnemonic::Popad => popa::<u32>,
        Mnemonic::Leave => match i.code() {
            Leavew => leave::<u16>,
            Leaved => leave::<u32>,
            _ => leave::<u64>,
        },
        Mnemonic::Enter => match i.code() {
            Enterw_imm16_imm8 => enter::<u16>,
            Enterd_imm16_imm8 => enter::<u32>,
            _ => enter::<u64>,
        },
        _ => return None,
    })
}
