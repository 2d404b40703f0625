//! Near jumps, calls and returns, Jcc, LOOP, JrCXZ.

use super::Width;
use super::conditional::{Condition, by_condition};
use crate::mmu::Access;
use crate::state::{REG_BLOCK, SEG_FLAT_STACK, SegReg, gpr};
use crate::{Cpu, Exception, Handler, Op};
use iced_x86::{Code, Instruction, Mnemonic, OpKind};

impl Cpu {
    /// Checks a near branch target: canonical in 64-bit mode, inside the CS
    /// limit elsewhere.
    ///
    /// # Errors
    /// #GP(0).
    #[inline(always)]
    pub(crate) fn check_target(&self, target: u64) -> Result<(), Exception> {
        let ok = if self.mode.is_64bit() {
            self.is_canonical(target)
        } else {
            target <= u64::from(self.state.segs[SegReg::Cs as usize].limit)
        };
        if ok { Ok(()) } else { Err(Exception::GP0) }
    }

    /// Goes to a near branch target after [`check_target`](Self::check_target).
    #[inline(always)]
    pub(crate) fn jump(&mut self, target: u64) -> Result<(), Exception> {
        self.check_target(target)?;
        self.state.rip = target;
        Ok(())
    }

    /// The target of a relative branch in operand size `T`.
    #[inline(always)]
    fn relative_target<T: Width>(&self, op: &Op) -> u64 {
        T::truncate(self.state.regs[REG_BLOCK as usize].wrapping_add(op.imm)).zext()
    }
}

fn jmp<T: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.jump(cpu.relative_target::<T>(op))
}

fn jmp_indirect<T: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let target: T = cpu.read_rm(op, op.dst)?;
    cpu.jump(target.zext())
}

fn jcc<T: Width, C: Condition>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    if C::holds(cpu.state.status) { cpu.jump(cpu.relative_target::<T>(op)) } else { Ok(()) }
}

fn call<T: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let target = cpu.relative_target::<T>(op);
    call_to::<T>(cpu, op, target)
}

fn call_indirect<T: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let target: T = cpu.read_rm(op, op.dst)?;
    call_to::<T>(cpu, op, target.zext())
}

#[inline(always)]
fn call_to<T: Width>(cpu: &mut Cpu, op: &Op, target: u64) -> Result<(), Exception> {
    if let Err(fault) = cpu.check_target(target) {
        return Err(call_fault::<T>(cpu, fault));
    }
    cpu.push(T::truncate(cpu.next_rip(op)))?;
    cpu.state.rip = target;
    Ok(())
}

/// What a call to where no code can be raises: the push comes first on AMD
/// silicon, and so does its fault.
#[cold]
fn call_fault<T: Width>(cpu: &mut Cpu, target: Exception) -> Exception {
    let size = size_of::<T>() as u64;
    let to = cpu.state.regs[gpr::RSP].wrapping_sub(size);
    let pushed = if cpu.mode.is_64bit() {
        cpu.probe_write(SEG_FLAT_STACK, to, size)
    } else {
        let ss = SegReg::Ss as u8;
        let stack = cpu.segmented(ss, to & cpu.mode.stack_mask(), size, Access::Write);
        stack.and_then(|gva| cpu.probe_write(ss, gva, size))
    };
    pushed.err().unwrap_or(target)
}

/// RET and RET imm16.
fn ret<T: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let target = cpu.peek::<T>(0)?.zext();
    cpu.jump(target)?;
    cpu.release_stack(size_of::<T>() as u64 + op.imm);
    Ok(())
}

/// Which LOOP.
fn loop_condition(cpu: &Cpu, op: &Op) -> bool {
    use Code::*;
    match op.code {
        Loope_rel8_16_CX | Loope_rel8_32_CX | Loope_rel8_16_ECX | Loope_rel8_32_ECX | Loope_rel8_64_ECX
        | Loope_rel8_16_RCX | Loope_rel8_64_RCX => cpu.state.status.zf(),
        Loopne_rel8_16_CX | Loopne_rel8_32_CX | Loopne_rel8_16_ECX | Loopne_rel8_32_ECX
        | Loopne_rel8_64_ECX | Loopne_rel8_16_RCX | Loopne_rel8_64_RCX => !cpu.state.status.zf(),
        _ => true,
    }
}

/// LOOP, LOOPE, LOOPNE: `T` is the operand size, the counter has the address size.
fn loop_rel<T: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let rcx = gpr::RCX as u8;
    let count = match op.address_bits() {
        16 => u64::from(cpu.reg::<u16>(rcx).wrapping_sub(1)),
        32 => u64::from(cpu.reg::<u32>(rcx).wrapping_sub(1)),
        _ => cpu.reg::<u64>(rcx).wrapping_sub(1),
    };
    if count != 0 && loop_condition(cpu, op) {
        cpu.jump(cpu.relative_target::<T>(op))?;
    }
    match op.address_bits() {
        16 => cpu.set_reg(rcx, count as u16),
        32 => cpu.set_reg(rcx, count as u32),
        _ => cpu.set_reg(rcx, count),
    }
    Ok(())
}

/// JCXZ, JECXZ, JRCXZ.
fn jcxz<T: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let count = cpu.state.regs[gpr::RCX] & (u64::MAX >> (64 - op.address_bits()));
    if count == 0 { cpu.jump(cpu.relative_target::<T>(op)) } else { Ok(()) }
}

/// Operand size of a near branch, 16, 32 or 64.
fn branch_bits(i: &Instruction) -> u32 {
    match i.op0_kind() {
        _ if i.mnemonic() == Mnemonic::Ret => match i.code() {
            Code::Retnw | Code::Retnw_imm16 => 16,
            Code::Retnd | Code::Retnd_imm16 => 32,
            _ => 64,
        },
        OpKind::NearBranch16 => 16,
        OpKind::NearBranch32 => 32,
        OpKind::NearBranch64 => 64,
        OpKind::Register => i.op0_register().size() as u32 * 8,
        OpKind::Memory => i.memory_size().size() as u32 * 8,
        _ => 64,
    }
}

macro_rules! by_branch {
    ($bits:expr, $name:ident) => {
        match $bits {
            16 => $name::<u16> as Handler,
            32 => $name::<u32>,
            _ => $name::<u64>,
        }
    };
}

pub(crate) fn select(i: &Instruction) -> Option<Handler> {
    let bits = branch_bits(i);
    if i.is_jcc_short_or_near() {
        let cc = i.condition_code();
        return Some(match bits {
            16 => by_condition!(cc, jcc, u16),
            32 => by_condition!(cc, jcc, u32),
            _ => by_condition!(cc, jcc, u64),
        });
    }
    if i.is_jmp_short_or_near() {
        return Some(by_branch!(bits, jmp));
    }
    if i.is_jmp_near_indirect() {
        return Some(by_branch!(bits, jmp_indirect));
    }
    if i.is_call_near() {
        return Some(by_branch!(bits, call));
    }
    if i.is_call_near_indirect() {
        return Some(by_branch!(bits, call_indirect));
    }
    Some(match i.mnemonic() {
        Mnemonic::Ret => by_branch!(bits, ret),
        Mnemonic::Loop | Mnemonic::Loope | Mnemonic::Loopne => by_branch!(bits, loop_rel),
        Mnemonic::Jcxz | Mnemonic::Jecxz | Mnemonic::Jrcxz => by_branch!(bits, jcxz),
        _ => return None,
    })
}
