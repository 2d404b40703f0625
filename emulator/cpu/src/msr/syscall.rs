//! Segment bases and the targets of SYSCALL and SYSENTER.

use super::{Read, Write};
use crate::cpuid::Feature;
use crate::state::SegReg;
use crate::{Cpu, Exception};
use glassbox_x86_spec::msr;

impl Cpu {
    fn has_syscall_msr(&self, index: u32) -> bool {
        match index {
            msr::SYSENTER_CS..=msr::SYSENTER_EIP => self.model.has(Feature::Sep),
            msr::TSC_AUX => self.model.has(Feature::Rdtscp) || self.model.has(Feature::Rdpid),
            msr::STAR => self.model.has(Feature::Syscall),
            msr::LSTAR..=msr::FMASK | msr::FS_BASE..=msr::KERNEL_GS_BASE => self.model.has(Feature::Lm),
            _ => false,
        }
    }

    pub(super) fn read_syscall_msr(&self, index: u32) -> Read {
        if !self.has_syscall_msr(index) {
            return None;
        }
        let m = &self.state.msr;
        Some(Ok(match index {
            msr::SYSENTER_CS => m.sysenter_cs,
            msr::SYSENTER_ESP => m.sysenter_esp,
            msr::SYSENTER_EIP => m.sysenter_eip,
            msr::STAR => m.star,
            msr::LSTAR => m.lstar,
            msr::CSTAR => m.cstar,
            msr::FMASK => m.fmask,
            msr::FS_BASE => self.state.seg(SegReg::Fs).base,
            msr::GS_BASE => self.state.seg(SegReg::Gs).base,
            msr::KERNEL_GS_BASE => m.kernel_gs_base,
            _ => m.tsc_aux,
        }))
    }

    pub(super) fn write_syscall_msr(&mut self, index: u32, value: u64) -> Write {
        if !self.has_syscall_msr(index) {
            return None;
        }
        let is_address = matches!(
            index,
            msr::SYSENTER_ESP
                | msr::SYSENTER_EIP
                | msr::LSTAR
                | msr::CSTAR
                | msr::FS_BASE
                | msr::GS_BASE
                | msr::KERNEL_GS_BASE
        );
        if is_address && !self.is_canonical(value) || index == msr::TSC_AUX && value >> 32 != 0 {
            return Some(Err(Exception::GP0));
        }
        let m = &mut self.state.msr;
        match index {
            msr::SYSENTER_CS => m.sysenter_cs = value & 0xFFFF_FFFF,
            msr::SYSENTER_ESP => m.sysenter_esp = value,
            msr::SYSENTER_EIP => m.sysenter_eip = value,
            msr::STAR => m.star = value,
            msr::LSTAR => m.lstar = value,
            msr::CSTAR => m.cstar = value,
            msr::FMASK => m.fmask = value & 0xFFFF_FFFF,
            msr::FS_BASE => self.state.segs[SegReg::Fs as usize].base = value,
            msr::GS_BASE => self.state.segs[SegReg::Gs as usize].base = value,
            msr::KERNEL_GS_BASE => m.kernel_gs_base = value,
            _ => m.tsc_aux = value,
        }
        Some(Ok(()))
    }
}
