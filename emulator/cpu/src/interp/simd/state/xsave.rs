//! XSAVE, XSAVEOPT, XSAVEC, XSAVES, XRSTOR, XRSTORS (Intel SDM Vol. 1 13.7 to 13.12).

use super::area::{AREA_SIZE, AVX, AVX_AREA, Area, COMPACTED, HEADER, Place, SSE, X87, initial_x87};
use super::{MXCSR_INIT, checked_mxcsr};
use crate::mmu::Access;
use crate::{Cpu, Exception, Op};
use glassbox_x86_spec::control::{Cr0, Cr4};

fn xsave_ready(cpu: &Cpu) -> Result<(), Exception> {
    if !cpu.state.cr4.contains(Cr4::OSXSAVE) {
        Err(Exception::UD)
    } else if cpu.state.cr0.contains(Cr0::TS) {
        Err(Exception::NM)
    } else {
        Ok(())
    }
}

/// Bytes of the area that hold `components`, header included.
fn area_size(components: u64) -> usize {
    if components & AVX != 0 { AREA_SIZE } else { AVX_AREA }
}

impl Cpu {
    /// Writes `components` of `area`'s image.
    fn write_components(&mut self, place: Place, components: u64, wide: bool) -> Result<(), Exception> {
        let mut area = Area::new();
        if components & X87 != 0 {
            self.save_x87(&mut area, wide);
            self.write_area(place, &area, 0..24)?;
            self.write_area(place, &area, 32..160)?;
        }
        if components & SSE != 0 {
            self.save_xmm(&mut area);
            self.write_area(place, &area, 160..160 + 16 * self.xmm_count())?;
        }
        if components & AVX != 0 {
            self.save_ymm(&mut area);
            self.write_area(place, &area, AVX_AREA..AVX_AREA + 16 * self.xmm_count())?;
        }
        Ok(())
    }

    fn write_mxcsr(&mut self, place: Place) -> Result<(), Exception> {
        let mut area = Area::new();
        self.save_mxcsr(&mut area);
        self.write_area(place, &area, 24..32)
    }
}

/// XSAVE, and XSAVEOPT, which leaves out what is in its initial configuration.
pub(super) fn xsave<const WIDE: bool, const OPTIMISED: bool>(
    cpu: &mut Cpu,
    op: &Op,
) -> Result<(), Exception> {
    xsave_ready(cpu)?;
    let requested = cpu.requested();
    let place = cpu.save_area(op, area_size(requested), 64, Access::Write)?;
    cpu.probe_area(place, area_size(requested))?;
    let in_use = cpu.in_use();
    let header: u64 = cpu.load(place.seg, place.gva.wrapping_add(HEADER as u64))?;
    let written = if OPTIMISED { requested & in_use } else { requested };
    cpu.write_components(place, written, WIDE)?;
    if requested & (SSE | AVX) != 0 {
        cpu.write_mxcsr(place)?;
    }
    let header = header & !requested | requested & in_use;
    cpu.store(place.seg, place.gva.wrapping_add(HEADER as u64), header)
}

/// XSAVEC and XSAVES: the compacted form, without what is in its initial configuration.
pub(super) fn xsave_compacted<const WIDE: bool, const SUPERVISOR: bool>(
    cpu: &mut Cpu,
    op: &Op,
) -> Result<(), Exception> {
    xsave_ready(cpu)?;
    if SUPERVISOR && cpu.state.cpl != 0 {
        return Err(Exception::GP0);
    }
    let requested = cpu.requested();
    let place = cpu.save_area(op, area_size(requested), 64, Access::Write)?;
    cpu.probe_area(place, area_size(requested))?;
    let mut in_use = cpu.in_use();
    if cpu.state.mxcsr != MXCSR_INIT {
        in_use |= SSE;
    }
    let written = requested & in_use;
    cpu.write_components(place, written, WIDE)?;
    if written & SSE != 0 {
        cpu.write_mxcsr(place)?;
    }
    let header = place.gva.wrapping_add(HEADER as u64);
    cpu.store(place.seg, header, written)?;
    cpu.store(place.seg, header.wrapping_add(8), requested | COMPACTED)
}

/// XRSTOR and XRSTORS. Everything is read and checked before any state changes.
pub(super) fn xrstor<const WIDE: bool, const SUPERVISOR: bool>(
    cpu: &mut Cpu,
    op: &Op,
) -> Result<(), Exception> {
    xsave_ready(cpu)?;
    if SUPERVISOR && cpu.state.cpl != 0 {
        return Err(Exception::GP0);
    }
    let requested = cpu.requested();
    let place = cpu.save_area(op, AVX_AREA, 64, Access::Read)?;
    let mut area = Area::new();
    cpu.read_area(place, &mut area, HEADER..AVX_AREA)?;
    let (present, layout) = (area.u64(HEADER), area.u64(HEADER + 8));
    let compacted = layout & COMPACTED != 0;
    let reserved_from = if compacted { HEADER + 16 } else { HEADER + 8 };
    let reserved_to = if compacted { AVX_AREA } else { HEADER + 24 };
    let allowed = if compacted { layout & !COMPACTED } else { cpu.state.xcr0 };
    if (SUPERVISOR && !compacted)
        || (compacted && layout & !COMPACTED & !cpu.state.xcr0 != 0)
        || present & !allowed != 0
        || area.0[reserved_from..reserved_to].iter().any(|&byte| byte != 0)
    {
        return Err(Exception::GP0);
    }
    let loaded = requested & present;
    cpu.read_area(place, &mut area, 0..HEADER)?;
    if loaded & AVX != 0 {
        let place = cpu.save_area(op, AREA_SIZE, 64, Access::Read)?;
        cpu.read_area(place, &mut area, AVX_AREA..AREA_SIZE)?;
    }
    // The standard form loads MXCSR even where SSE itself is initialised.
    let mxcsr = match compacted {
        false if requested & (SSE | AVX) != 0 => checked_mxcsr(area.u32(24))?,
        true if loaded & SSE != 0 => checked_mxcsr(area.u32(24))?,
        true if requested & SSE != 0 => MXCSR_INIT,
        _ => cpu.state.mxcsr,
    };
    cpu.state.mxcsr = mxcsr;
    let initial = Area::new();
    if loaded & X87 != 0 {
        cpu.restore_x87(&area, WIDE);
    } else if requested & X87 != 0 {
        cpu.state.fpu = initial_x87();
    }
    if requested & SSE != 0 {
        cpu.restore_xmm(if loaded & SSE != 0 { &area } else { &initial });
    }
    if requested & AVX != 0 {
        cpu.restore_ymm(if loaded & AVX != 0 { &area } else { &initial });
    }
    Ok(())
}
