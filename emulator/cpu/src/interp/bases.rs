//! SWAPGS, RDFSBASE, WRFSBASE, RDGSBASE, WRGSBASE.

use super::Width;
use crate::state::SegReg;
use crate::{Cpu, Exception, Handler, Op};
use glassbox_x86_spec::control::Cr4;
use iced_x86::{Code, Instruction};

fn swapgs(cpu: &mut Cpu, _: &Op) -> Result<(), Exception> {
    cpu.require_cpl0()?;
    let state = &mut cpu.state;
    std::mem::swap(&mut state.segs[SegReg::Gs as usize].base, &mut state.msr.kernel_gs_base);
    Ok(())
}

fn check_enabled(cpu: &Cpu) -> Result<(), Exception> {
    if cpu.state.cr4.contains(Cr4::FSGSBASE) { Ok(()) } else { Err(Exception::UD) }
}

fn read<T: Width>(cpu: &mut Cpu, op: &Op, seg: SegReg) -> Result<(), Exception> {
    check_enabled(cpu)?;
    cpu.set_reg(op.dst, T::truncate(cpu.state.seg(seg).base));
    Ok(())
}

fn write<T: Width>(cpu: &mut Cpu, op: &Op, seg: SegReg) -> Result<(), Exception> {
    check_enabled(cpu)?;
    let base = cpu.reg::<T>(op.dst).zext();
    if !cpu.is_canonical(base) {
        return Err(Exception::GP0);
    }
    cpu.state.segs[seg as usize].base = base;
    Ok(())
}

pub(crate) fn select(i: &Instruction) -> Option<Handler> {
    Some(match i.code() {
        Code::Swapgs => swapgs,
        Code::Rdfsbase_r32 => |cpu, op| read::<u32>(cpu, op, SegReg::Fs),
        Code::Rdfsbase_r64 => |cpu, op| read::<u64>(cpu, op, SegReg::Fs),
        Code::Rdgsbase_r32 => |cpu, op| read::<u32>(cpu, op, SegReg::Gs),
        Code::Rdgsbase_r64 => |cpu, op| read::<u64>(cpu, op, SegReg::Gs),
        Code::Wrfsbase_r32 => |cpu, op| write::<u32>(cpu, op, SegReg::Fs),
        Code::Wrfsbase_r64 => |cpu, op| write::<u64>(cpu, op, SegReg::Fs),
        Code::Wrgsbase_r32 => |cpu, op| write::<u32>(cpu, op, SegReg::Gs),
        Code::Wrgsbase_r64 => |cpu, op| write::<u64>(cpu, op, SegReg::Gs),
        _ => return None,
    })
}
