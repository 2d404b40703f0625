//! The machine check architecture, with no banks: nothing here fails.

use super::{Read, Write};
use crate::cpuid::Feature;
use crate::{Cpu, Exception};
use glassbox_x86_spec::msr;

/// Pentium machine check address and type, kept for compatibility.
const P5_MC_ADDR: u32 = 0;
const P5_MC_TYPE: u32 = 1;
/// MCG_STATUS: RIPV, EIPV, MCIP.
const STATUS_BITS: u64 = 7;

impl Cpu {
    pub(super) fn read_machine_check_msr(&self, index: u32) -> Read {
        Some(Ok(match index {
            P5_MC_ADDR | P5_MC_TYPE if self.model.has(Feature::Mce) => 0,
            msr::MCG_CAP if self.model.has(Feature::Mca) => 0,
            msr::MCG_STATUS if self.model.has(Feature::Mca) => self.state.msr.mcg_status,
            _ => return None,
        }))
    }

    pub(super) fn write_machine_check_msr(&mut self, index: u32, value: u64) -> Write {
        Some(match index {
            P5_MC_ADDR | P5_MC_TYPE if self.model.has(Feature::Mce) => Ok(()),
            msr::MCG_CAP if self.model.has(Feature::Mca) => Err(Exception::GP0),
            msr::MCG_STATUS if self.model.has(Feature::Mca) => {
                if value & !STATUS_BITS == 0 {
                    self.state.msr.mcg_status = value;
                    Ok(())
                } else {
                    Err(Exception::GP0)
                }
            }
            _ => return None,
        })
    }
}
