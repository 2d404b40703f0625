//! MOV, PUSH and POP of segment registers, LDS and kin.

use super::Width;
use super::operand::{by_size, operand_bits};
use crate::state::SegReg;
use crate::transfer::Frame;
use crate::{Cpu, Exception, Handler, Op, gpr};
use iced_x86::{Code, Instruction, Mnemonic, OpKind};

/// MOV to a segment register. CS cannot be loaded this way.
fn mov_to(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let selector: u16 = cpu.read_rm(op, op.src)?;
    load(cpu, op.dst, selector)
}

fn load(cpu: &mut Cpu, index: u8, selector: u16) -> Result<(), Exception> {
    let seg = SegReg::from_index(index);
    if seg == SegReg::Cs {
        return Err(Exception::UD);
    }
    cpu.load_segment(seg, selector)?;
    if seg == SegReg::Ss {
        // The next instruction loads the stack pointer undisturbed.
        cpu.state.interrupt_shadow = true;
        cpu.state.debug_shadow = true;
    }
    Ok(())
}

/// MOV from a segment register: memory gets 16 bits, a register its whole width.
fn mov_from<T: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let selector = cpu.state.seg(SegReg::from_index(op.src)).selector;
    if op.is_mem() {
        cpu.store_operand(op, selector)
    } else {
        cpu.set_reg(op.dst, T::truncate(u64::from(selector)));
        Ok(())
    }
}

/// PUSH of a segment register, zero-extended to the operand size. Recent Intel
/// processors write only the low half of a 32-bit slot; AMD's write it whole,
/// as measured on one.
fn push<T: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let selector = cpu.state.seg(SegReg::from_index(op.dst)).selector;
    cpu.push(T::truncate(u64::from(selector)))
}

/// POP to a segment register: the selector is the low half of the slot.
fn pop<T: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let selector: T = cpu.peek(0)?;
    // A 16-bit stack may become a 32-bit one: the width in force now counts.
    let mut frame = Frame::current(cpu);
    frame.skip(i64::from(T::BITS / 8));
    load(cpu, op.dst, selector.zext() as u16)?;
    cpu.state.regs[gpr::RSP] = frame.rsp();
    Ok(())
}

/// LDS, LES, LFS, LGS, LSS. LSS casts no interrupt shadow: it loads both halves.
fn load_far<T: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let seg = match op.code.mnemonic() {
        Mnemonic::Lds => SegReg::Ds,
        Mnemonic::Les => SegReg::Es,
        Mnemonic::Lfs => SegReg::Fs,
        Mnemonic::Lgs => SegReg::Gs,
        _ => SegReg::Ss,
    };
    let (selector, offset) = cpu.far_pointer::<T>(op)?;
    cpu.load_segment(seg, selector)?;
    cpu.set_reg(op.dst, T::truncate(offset));
    Ok(())
}

pub(crate) fn select(i: &Instruction) -> Option<Handler> {
    use Code::*;
    let is_segment = |n| i.op_kind(n) == OpKind::Register && i.op_register(n).is_segment_register();
    Some(match i.mnemonic() {
        Mnemonic::Mov if is_segment(0) => mov_to,
        Mnemonic::Mov if is_segment(1) => by_size!(operand_bits(i, 0), mov_from),
        Mnemonic::Push if is_segment(0) => by_size!(i.stack_pointer_increment().unsigned_abs() * 8, push),
        Mnemonic::Pop if is_segment(0) => by_size!(i.stack_pointer_increment().unsigned_abs() * 8, pop),
        Mnemonic::Lds | Mnemonic::Les | Mnemonic::Lfs | Mnemonic::Lgs | Mnemonic::Lss => match i.code() {
            Lds_r16_m1616 | Les_r16_m1616 | Lfs_r16_m1616 | Lgs_r16_m1616 | Lss_r16_m1616 => load_far::<u16>,
            // AMD has no m16:64 form: REX.W changes nothing (AMD APM Vol. 3 "LxS").
            _ => load_far::<u32>,
        },
        _ => return None,
    })
}
