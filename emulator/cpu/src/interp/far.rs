//! Far JMP, CALL and RET, IRET.

use super::Width;
use crate::mmu::Access;
use crate::transfer::Far;
use crate::{Cpu, Exception, Handler, Op};
use iced_x86::{Code, Instruction};

/// Direct: the offset is in the low half of the immediate, the selector above.
fn jmp_direct<T: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    direct::<T>(cpu, op, Far::Jump)
}

fn call_direct<T: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    direct::<T>(cpu, op, Far::Call)
}

fn direct<T: Width>(cpu: &mut Cpu, op: &Op, kind: Far) -> Result<(), Exception> {
    let offset = T::truncate(op.imm & 0xFFFF_FFFF).zext();
    cpu.far_transfer(kind, (op.imm >> 32) as u16, offset, size_of::<T>() as u8)
}

fn jmp_indirect<T: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let (selector, offset) = cpu.far_pointer::<T>(op)?;
    cpu.far_transfer(Far::Jump, selector, offset, size_of::<T>() as u8)
}

fn call_indirect<T: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let (selector, offset) = cpu.far_pointer::<T>(op)?;
    cpu.far_transfer(Far::Call, selector, offset, size_of::<T>() as u8)
}

fn retf<T: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.far_return(size_of::<T>() as u8, op.imm as u16)
}

fn iret<T: Width>(cpu: &mut Cpu, _: &Op) -> Result<(), Exception> {
    cpu.interrupt_return(size_of::<T>() as u8)
}

impl Cpu {
    /// Loads a far pointer: offset of width `T`, then a selector.
    pub(super) fn far_pointer<T: Width>(&mut self, op: &Op) -> Result<(u16, u64), Exception> {
        let size = size_of::<T>() as u64;
        let gva = self.linear_address(op, size + 2, Access::Read)?;
        let mask = if self.mode.is_64bit() { u64::MAX } else { 0xFFFF_FFFF };
        let offset: T = self.load(op.seg(), gva)?;
        let selector: u16 = self.load(op.seg(), gva.wrapping_add(size) & mask)?;
        Ok((selector, offset.zext()))
    }
}

pub(crate) fn select(i: &Instruction) -> Option<Handler> {
    use Code::*;
    Some(match i.code() {
        Jmp_ptr1616 => jmp_direct::<u16>,
        Jmp_ptr1632 => jmp_direct::<u32>,
        Call_ptr1616 => call_direct::<u16>,
        Call_ptr1632 => call_direct::<u32>,
        Jmp_m1616 => jmp_indirect::<u16>,
        // AMD has no m16:64 form: REX.W changes nothing.
        Jmp_m1632 | Jmp_m1664 => jmp_indirect::<u32>,
        Call_m1616 => call_indirect::<u16>,
        Call_m1632 | Call_m1664 => call_indirect::<u32>,
        Retfw | Retfw_imm16 => retf::<u16>,
        Retfd | Retfd_imm16 => retf::<u32>,
        Retfq | Retfq_imm16 => retf::<u64>,
        Iretw => iret::<u16>,
        Iretd => iret::<u32>,
        Iretq => iret::<u64>,
        _ => return None,
    })
}
