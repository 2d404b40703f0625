//! The time stamp counter, its adjustment and the deadline that is compared with it.

use super::{Read, Write};
use crate::Cpu;
use crate::Exception;
use crate::cpuid::Feature;
use glassbox_x86_spec::msr;

impl Cpu {
    fn has_timing_msr(&self, index: u32) -> bool {
        match index {
            msr::TSC => self.model.has(Feature::Tsc),
            msr::TSC_ADJUST => self.model.has(Feature::TscAdjust),
            msr::TSC_DEADLINE => self.model.has(Feature::TscDeadline),
            _ => false,
        }
    }

    pub(super) fn read_timing_msr(&mut self, index: u32) -> Read {
        if !self.has_timing_msr(index) {
            return None;
        }
        Some(match index {
            msr::TSC => Ok(self.guest_tsc()),
            msr::TSC_ADJUST => Ok(self.state.msr.tsc_adjust),
            _ => self.read_deadline(),
        })
    }

    /// Writing the counter moves TSC_ADJUST by the same amount, and the other
    /// way round (Intel SDM Vol. 3B 18.17.3).
    pub(super) fn write_timing_msr(&mut self, index: u32, value: u64) -> Write {
        if !self.has_timing_msr(index) {
            return None;
        }
        Some(match index {
            msr::TSC => {
                let moved = value.wrapping_sub(self.guest_tsc());
                self.move_tsc(moved);
                Ok(())
            }
            msr::TSC_ADJUST => {
                self.move_tsc(value.wrapping_sub(self.state.msr.tsc_adjust));
                Ok(())
            }
            _ => self.write_deadline(value),
        })
    }

    fn move_tsc(&mut self, by: u64) {
        let m = &mut self.state.msr;
        m.tsc_offset = m.tsc_offset.wrapping_add(by);
        m.tsc_adjust = m.tsc_adjust.wrapping_add(by);
    }

    /// The local APIC counts in the bus's counter: deadlines are converted.
    fn read_deadline(&mut self) -> Result<u64, Exception> {
        self.publish_time();
        let deadline = self.bus.apic_msr_read(msr::TSC_DEADLINE).ok_or(Exception::GP0)?;
        Ok(if deadline == 0 { 0 } else { deadline.wrapping_add(self.state.msr.tsc_offset) })
    }

    fn write_deadline(&mut self, value: u64) -> Result<(), Exception> {
        self.publish_time();
        let deadline = if value == 0 {
            0
        } else {
            let now = self.bus.tsc();
            let ahead = value.saturating_sub(now.wrapping_add(self.state.msr.tsc_offset));
            // Zero would disarm the timer; what is past is due now.
            now.saturating_add(ahead).max(1)
        };
        self.bus.apic_msr_write(msr::TSC_DEADLINE, deadline).ok_or(Exception::GP0)
    }
}
