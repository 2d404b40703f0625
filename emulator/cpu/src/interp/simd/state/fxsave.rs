//! FXSAVE and FXRSTOR (Intel SDM Vol. 2; AMD APM Vol. 2 11.4.4).

use super::area::{Area, LEGACY_SIZE};
use super::checked_mxcsr;
use crate::mmu::Access;
use crate::{Cpu, Exception, Op};
use glassbox_x86_spec::control::{Cr0, Cr4};

fn fx_ready(cpu: &Cpu) -> Result<(), Exception> {
    if cpu.state.cr0.intersects(Cr0::EM | Cr0::TS) { Err(Exception::NM) } else { Ok(()) }
}

/// FXSAVE. Without CR4.OSFXSR, AMD processors leave out the SSE state.
pub(super) fn fxsave<const WIDE: bool>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    fx_ready(cpu)?;
    let place = cpu.save_area(op, LEGACY_SIZE, 16, Access::Write)?;
    cpu.probe_area(place, LEGACY_SIZE)?;
    let mut area = Area::new();
    cpu.save_x87(&mut area, WIDE);
    cpu.save_mxcsr(&mut area);
    cpu.save_xmm(&mut area);
    let registers_end = if cpu.state.cr4.contains(Cr4::OSFXSR) { 160 + 16 * cpu.xmm_count() } else { 160 };
    // Byte 5 is reserved, but a zero is written there as silicon does.
    cpu.write_area(place, &area, 0..registers_end)
}

pub(super) fn fxrstor<const WIDE: bool>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    fx_ready(cpu)?;
    let place = cpu.save_area(op, LEGACY_SIZE, 16, Access::Read)?;
    let mut area = Area::new();
    cpu.read_area(place, &mut area, 0..LEGACY_SIZE)?;
    if cpu.state.cr4.contains(Cr4::OSFXSR) {
        cpu.state.mxcsr = checked_mxcsr(area.u32(24))?;
        cpu.restore_xmm(&area);
    }
    cpu.restore_x87(&area, WIDE);
    Ok(())
}
