//! Registers of AMD processors that kernels read and write without asking
//! CPUID first (AMD PPR, "MSRs"; BIOS and Kernel Developer's Guides).

use super::{Read, Write};
use crate::Cpu;
use crate::Exception;
use crate::cpuid::Vendor;
use glassbox_x86_spec::msr;

/// SYSCFG: MtrrFixDramEn, MtrrFixDramModEn, MtrrVarDramEn, MtrrTom2En,
/// Tom2ForceMemTypeWB. Memory encryption is not there.
const SYSCFG_BITS: u64 = 0x7C_0000;
/// HWCR.TscFreqSel: the counter runs at the P0 frequency. Read-only, always set.
const HWCR_TSC_FREQ_SEL: u64 = 1 << 24;
/// HWCR bits that software may change without effect: SmmLock and the hint bits
/// below it, McStatusWrEn, CpbDis, IRPerfEn.
const HWCR_BITS: u64 = 0x4204_01FF;
/// DE_CFG.LfenceSerialize: read-only, always set.
const DE_CFG_LFENCE: u64 = 1 << 1;
/// VM_CR.LOCK and VM_CR.SVMDIS.
const VM_CR_SVM_DISABLED: u64 = 1 << 3 | 1 << 4;

impl Cpu {
    pub(super) fn read_amd_msr(&self, index: u32) -> Read {
        if self.model.vendor() != Vendor::Amd {
            return None;
        }
        let m = &self.state.msr;
        Some(Ok(match index {
            msr::SYSCFG => m.syscfg,
            msr::HWCR => m.hwcr | HWCR_TSC_FREQ_SEL,
            msr::DE_CFG => DE_CFG_LFENCE,
            // Top of memory: firmware describes memory by other means.
            msr::TOP_MEM | msr::TOP_MEM2 => 0,
            // I/O range registers, SMM base and mask: none in use.
            msr::IORR_FIRST..=msr::IORR_LAST => 0,
            // No SMM memory.
            msr::SMM_ADDR | msr::SMM_MASK => 0,
            // Four legacy counters that never count, see the write.
            msr::K7_EVENT_FIRST..=msr::K7_COUNTER_LAST => 0,
            // C1E is never entered.
            msr::INT_PENDING_MSG | msr::MMIO_CONFIG_BASE => 0,
            msr::PSTATE_CURRENT_LIMIT | msr::PSTATE_STATUS => 0,
            msr::VM_CR => VM_CR_SVM_DISABLED,
            msr::LS_CFG | msr::IC_CFG | msr::DC_CFG | msr::BU_CFG | msr::BU_CFG2 => 0,
            msr::FP_CFG | msr::NB_CFG => 0,
            _ => return None,
        }))
    }

    pub(super) fn write_amd_msr(&mut self, index: u32, value: u64) -> Write {
        if self.model.vendor() != Vendor::Amd {
            return None;
        }
        let m = &mut self.state.msr;
        match index {
            msr::SYSCFG if value & !SYSCFG_BITS == 0 => m.syscfg = value,
            msr::HWCR if value & !(HWCR_BITS | HWCR_TSC_FREQ_SEL) == 0 => {
                m.hwcr = value & HWCR_BITS;
            }
            msr::SYSCFG | msr::HWCR => return Some(Err(Exception::GP0)),
            msr::DE_CFG | msr::INT_PENDING_MSG => {}
            msr::TOP_MEM | msr::TOP_MEM2 | msr::IORR_FIRST..=msr::IORR_LAST | msr::MMIO_CONFIG_BASE => {}
            msr::SMM_ADDR | msr::SMM_MASK => {}
            // Counters read back as zero: that is how kernels find them missing.
            msr::K7_EVENT_FIRST..=msr::K7_COUNTER_LAST => {}
            msr::LS_CFG | msr::IC_CFG | msr::DC_CFG | msr::BU_CFG | msr::BU_CFG2 => {}
            msr::FP_CFG | msr::NB_CFG => {}
            // A microcode update is taken and changes nothing.
            msr::PATCH_LOADER => {}
            msr::VM_CR if value & !VM_CR_SVM_DISABLED == 0 => {}
            _ => return None,
        }
        Some(Ok(()))
    }
}
