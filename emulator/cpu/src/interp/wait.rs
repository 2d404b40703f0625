//! HLT, MONITOR, MWAIT, fences, PAUSE's kin, and instructions that are defined
//! to be undefined.

use crate::state::gpr::{RAX, RCX};
use crate::{Activity, Cpu, Exception, Handler, Op};
use glassbox_x86_spec::control::Flags;
use iced_x86::{Instruction, Mnemonic};

/// Halts until an interrupt comes. One that is there already goes in at once.
fn halt(cpu: &mut Cpu) {
    cpu.state.activity = Activity::Halted;
    cpu.interrupts_may_be_open();
}

fn hlt(cpu: &mut Cpu, _: &Op) -> Result<(), Exception> {
    cpu.require_cpl0()?;
    halt(cpu);
    Ok(())
}

/// MONITOR and MWAIT at privilege levels above 0 are undefined on AMD
/// processors (HWCR.MonMwaitUserEn is not offered).
fn check_monitor(cpu: &Cpu) -> Result<(), Exception> {
    if cpu.state.cpl == 0 { Ok(()) } else { Err(Exception::UD) }
}

/// MONITOR accesses its byte as a load does. ECX holds extensions, none of which exist.
fn monitor(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    check_monitor(cpu)?;
    if cpu.reg::<u32>(RCX as u8) != 0 {
        return Err(Exception::GP0);
    }
    let address = cpu.state.regs[RAX] & (u64::MAX >> (64 - op.address_bits()));
    cpu.load_seg::<u8>(op.seg(), address).map(|_| ())
}

/// MWAIT. Stores of other processors are not watched: with more than one
/// processor the wait ends at once, which the architecture allows at any time.
/// A lone processor halts, unless it asked to be woken by masked interrupts.
fn mwait(cpu: &mut Cpu, _: &Op) -> Result<(), Exception> {
    check_monitor(cpu)?;
    let extensions = cpu.reg::<u32>(RCX as u8);
    if extensions > 1 {
        return Err(Exception::GP0);
    }
    let interruptible = cpu.state.system_flags.contains(Flags::IF);
    if cpu.model.topology().processors == 1 && (interruptible || extensions == 0) {
        halt(cpu);
    }
    Ok(())
}

/// MFENCE and SERIALIZE order earlier stores before later loads. The weaker
/// fences ask for nothing that an op by op execution does not give anyway.
fn fence(_: &mut Cpu, _: &Op) -> Result<(), Exception> {
    std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
    Ok(())
}

fn nop(_: &mut Cpu, _: &Op) -> Result<(), Exception> {
    Ok(())
}

pub(crate) fn select(i: &Instruction) -> Option<Handler> {
    use Mnemonic::*;
    Some(match i.mnemonic() {
        Hlt => hlt,
        Monitor => monitor,
        Mwait => mwait,
        Mfence | Serialize => fence,
        // RDSSP: shadow stacks are not offered, which makes it a reserved NOP.
        Lfence | Sfence | Pause | Rdsspd | Rdsspq => nop,
        Ud0 | Ud1 | Ud2 | Rsm => super::undefined,
        _ => return None,
    })
}
