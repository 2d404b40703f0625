//! EFER (AMD APM Vol. 2 3.1.7; Intel SDM Vol. 3A 2.2.1).

use super::{Read, Write};
use crate::cpuid::Feature;
use crate::{Cpu, Exception};
use glassbox_x86_spec::control::{Cr0, Efer};
use glassbox_x86_spec::msr;

impl Cpu {
    fn has_efer(&self) -> bool {
        [Feature::Syscall, Feature::Nx, Feature::Lm].iter().any(|&f| self.model.has(f))
    }

    pub(super) fn read_efer(&self, index: u32) -> Read {
        (index == msr::EFER && self.has_efer()).then(|| Ok(self.state.efer.bits()))
    }

    /// LMA is the processor's: what is written there is ignored.
    pub(super) fn write_efer(&mut self, index: u32, value: u64) -> Write {
        if index != msr::EFER || !self.has_efer() {
            return None;
        }
        let mut allowed = Efer::LMA;
        for (feature, bit) in [
            (Feature::Syscall, Efer::SCE),
            (Feature::Lm, Efer::LME),
            (Feature::Nx, Efer::NXE),
            (Feature::AutoIbrs, Efer::AIBRSE),
        ] {
            if self.model.has(feature) {
                allowed |= bit;
            }
        }
        let old = self.state.efer;
        let Some(new) = Efer::from_bits(value).filter(|&new| allowed.contains(new)) else {
            return Some(Err(Exception::GP0));
        };
        let changed = old ^ new;
        if changed.contains(Efer::LME) && self.state.cr0.contains(Cr0::PG) {
            return Some(Err(Exception::GP0));
        }
        self.state.efer = (new - Efer::LMA) | (old & Efer::LMA);
        if changed.contains(Efer::NXE) {
            self.tlb.flush_all();
        }
        self.sync();
        Some(Ok(()))
    }
}
