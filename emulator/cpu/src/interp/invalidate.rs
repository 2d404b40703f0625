//! TLB and cache maintenance: INVLPG, INVPCID, WBINVD, INVD, CLFLUSH, CLWB,
//! prefetches. There are no caches to maintain; rights are checked all the same.

use crate::mmu::Access;
use crate::{Cpu, Exception, Handler, Op};
use glassbox_memory::Gva;
use glassbox_x86_spec::control::Cr4;
use iced_x86::{Code, Instruction, Mnemonic};

/// INVLPG checks neither segments nor rights; a non-canonical address does nothing.
fn invlpg(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.require_cpl0()?;
    let base = cpu.state.segs[usize::from(op.seg() & 7)].base;
    let gva = cpu.wrap_linear(cpu.effective_address(op).wrapping_add(base));
    if cpu.is_canonical(gva) {
        cpu.tlb.invalidate(Gva(gva));
    }
    Ok(())
}

/// INVPCID (Intel SDM Vol. 2A, "INVPCID"). The TLB does not keep global pages
/// apart, so that types 2 and 3 are one.
fn invpcid(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.require_cpl0()?;
    let kind = if op.code == Code::Invpcid_r64_m128 {
        cpu.reg::<u64>(op.dst)
    } else {
        u64::from(cpu.reg::<u32>(op.dst))
    };
    let gva = cpu.linear_address(op, 16, Access::Read)?;
    let high = cpu.wrap_linear(gva.wrapping_add(8));
    let pcid = cpu.load::<u64>(op.seg(), gva)?;
    let address = cpu.load::<u64>(op.seg(), high)?;
    let needs_pcids = kind < 2 && pcid != 0 && !cpu.state.cr4.contains(Cr4::PCIDE);
    if kind > 3 || pcid > 0xFFF || needs_pcids {
        return Err(Exception::GP0);
    }
    match kind {
        0 if !cpu.is_canonical(address) => return Err(Exception::GP0),
        0 => cpu.tlb.invalidate(Gva(address)),
        1 => cpu.tlb.flush_pcid(pcid as u16),
        _ => cpu.tlb.flush_all(),
    }
    Ok(())
}

fn privileged_nop(cpu: &mut Cpu, _: &Op) -> Result<(), Exception> {
    cpu.require_cpl0()
}

/// CLFLUSH, CLFLUSHOPT and CLWB fault as a load of the byte does.
fn flush_line(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.load_operand::<u8>(op).map(|_| ())
}

fn nop(_: &mut Cpu, _: &Op) -> Result<(), Exception> {
    Ok(())
}

pub(crate) fn select(i: &Instruction) -> Option<Handler> {
    use Mnemonic::*;
    Some(match i.mnemonic() {
        Invlpg => invlpg,
        Invpcid => invpcid,
        Invd | Wbinvd | Wbnoinvd => privileged_nop,
        Clflush | Clflushopt | Clwb => flush_line,
        Prefetch | Prefetchw | Prefetchwt1 | Prefetchnta | Prefetcht0 | Prefetcht1 | Prefetcht2
        | Prefetchit0 | Prefetchit1 | Cldemote => nop,
        _ => return None,
    })
}
