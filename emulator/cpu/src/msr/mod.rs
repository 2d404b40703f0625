//! Model-specific registers: which there are, what they accept (Intel SDM Vol.
//! 4; AMD APM Vol. 2 Appendix A).
//!
//! Families answer `None` for a register that is not theirs. A register that
//! no family knows raises #GP(0) and is logged once.

mod amd;
mod efer;
mod machine_check;
mod memory_type;
mod syscall;
#[cfg(test)]
mod tests;
mod timing;

use crate::cpuid::Feature;
use crate::{Cpu, Exception};
use glassbox_x86_spec::msr;

/// A read: the value or the fault, or `None` if the register is another family's.
type Read = Option<Result<u64, Exception>>;
/// A write, likewise.
type Write = Option<Result<(), Exception>>;

impl Cpu {
    /// Reads an MSR as RDMSR does.
    ///
    /// # Errors
    /// #GP(0) where it does not exist.
    pub fn read_msr(&mut self, index: u32) -> Result<u64, Exception> {
        let value = self
            .read_syscall_msr(index)
            .or_else(|| self.read_timing_msr(index))
            .or_else(|| self.read_apic_msr(index))
            .or_else(|| self.read_memory_type_msr(index))
            .or_else(|| self.read_efer(index))
            .or_else(|| self.read_machine_check_msr(index))
            .or_else(|| self.read_amd_msr(index))
            .or_else(|| self.read_other_msr(index));
        value.unwrap_or_else(|| Err(self.unknown_msr(index, None)))
    }

    /// Writes an MSR as WRMSR does. The caller calls [`Cpu::sync`].
    ///
    /// # Errors
    /// #GP(0) where it does not exist or does not take the value.
    pub fn write_msr(&mut self, index: u32, value: u64) -> Result<(), Exception> {
        let done = self
            .write_syscall_msr(index, value)
            .or_else(|| self.write_timing_msr(index, value))
            .or_else(|| self.write_apic_msr(index, value))
            .or_else(|| self.write_memory_type_msr(index, value))
            .or_else(|| self.write_efer(index, value))
            .or_else(|| self.write_machine_check_msr(index, value))
            .or_else(|| self.write_amd_msr(index, value))
            .or_else(|| self.write_other_msr(index, value));
        done.unwrap_or_else(|| Err(self.unknown_msr(index, Some(value))))
    }

    fn unknown_msr(&mut self, index: u32, written: Option<u64>) -> Exception {
        /// A guest that probes them all does not make the set grow without bound.
        const REMEMBERED: usize = 1024;
        if self.reported_msrs.len() < REMEMBERED && self.reported_msrs.insert(index) {
            match written {
                Some(value) => log::debug!("write of {value:#x} to unknown MSR {index:#x}: #GP"),
                None => log::debug!("read of unknown MSR {index:#x}: #GP"),
            }
        }
        Exception::GP0
    }

    fn read_apic_msr(&mut self, index: u32) -> Read {
        is_apic(index).then(|| {
            self.publish_time();
            self.bus.apic_msr_read(index).ok_or(Exception::GP0)
        })
    }

    fn write_apic_msr(&mut self, index: u32, value: u64) -> Write {
        is_apic(index).then(|| {
            self.publish_time();
            self.bus.apic_msr_write(index, value).ok_or(Exception::GP0)
        })
    }

    fn read_other_msr(&mut self, index: u32) -> Read {
        Some(Ok(match index {
            // Written by Intel's firmware interface before it is read; AMD's patch level.
            msr::BIOS_SIGN_ID => self.model.patch_level(),
            msr::DEBUG_CTL => self.state.msr.debug_ctl,
            // Branches are not recorded.
            msr::LAST_BRANCH_FROM..=msr::LAST_EXCEPTION_TO => 0,
            msr::MISC_ENABLE if self.is_intel() => self.state.msr.misc_enable,
            msr::PLATFORM_ID if self.is_intel() => 0,
            msr::XSS if self.model.has(Feature::Xsaves) => self.state.msr.xss,
            _ => return None,
        }))
    }

    fn write_other_msr(&mut self, index: u32, value: u64) -> Write {
        /// LBR, BTF and the bits beside them: kept; there is no branch record.
        const DEBUG_CTL_BITS: u64 = 0x3F;
        /// Fast strings, XD disable and the other enables that software changes.
        const MISC_ENABLE_BITS: u64 = 0x04_0045_1889;
        match index {
            msr::BIOS_SIGN_ID => {}
            msr::DEBUG_CTL if value & !DEBUG_CTL_BITS == 0 => self.state.msr.debug_ctl = value,
            msr::DEBUG_CTL => return Some(Err(Exception::GP0)),
            msr::MISC_ENABLE if self.is_intel() => self.state.msr.misc_enable = value & MISC_ENABLE_BITS,
            // No supervisor state components are offered.
            msr::XSS if self.model.has(Feature::Xsaves) && value == 0 => {}
            // An indirect branch prediction barrier: there is no predictor that leaks.
            msr::PRED_CMD if self.model.has(Feature::Ibpb) && value & !1 == 0 => {}
            _ => return None,
        }
        Some(Ok(()))
    }

    fn is_intel(&self) -> bool {
        self.model.vendor() == crate::cpuid::Vendor::Intel
    }
}

fn is_apic(index: u32) -> bool {
    index == msr::APIC_BASE || (msr::X2APIC_FIRST..=msr::X2APIC_LAST).contains(&index)
}
