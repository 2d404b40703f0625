//! `IA32_APIC_BASE`, `IA32_TSC_DEADLINE` and the x2APIC MSRs (Intel SDM Vol. 3A 11.12).

use super::regs::{self, Lvt};
use super::{LocalApic, TimerMode};

/// The access is not allowed: the processor raises #GP(0).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MsrFault;

impl std::fmt::Display for MsrFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("local APIC MSR access raises #GP")
    }
}

impl std::error::Error for MsrFault {}

impl LocalApic {
    /// Whether the MSR is one of the APIC's: 1Bh, 6E0h, 800h to 8FFh.
    pub const fn owns_msr(msr: u32) -> bool {
        matches!(
            msr,
            regs::APIC_BASE_MSR | regs::TSC_DEADLINE_MSR | regs::X2APIC_MSR_FIRST..=regs::X2APIC_MSR_LAST
        )
    }

    /// RDMSR.
    ///
    /// # Errors
    /// [`MsrFault`] where the processor raises #GP: not one of the APIC's MSRs, not
    /// in x2APIC mode, a reserved or a write-only register.
    pub fn read_msr(&mut self, msr: u32) -> Result<u64, MsrFault> {
        match msr {
            regs::APIC_BASE_MSR => return Ok(self.apic_base),
            regs::TSC_DEADLINE_MSR => {
                let now = self.clock.now();
                self.serve_timer(now);
                return Ok(self.timer.deadline());
            }
            _ => {}
        }
        match self.x2apic_register(msr)? {
            regs::ID => Ok(self.config.id.into()),
            regs::ICR => Ok(self.icr),
            register => self.read_common(register).map(u64::from).ok_or(MsrFault),
        }
    }

    /// WRMSR.
    ///
    /// # Errors
    /// [`MsrFault`] where the processor raises #GP: not one of the APIC's MSRs, not
    /// in x2APIC mode, a reserved or read-only register, reserved bits, or a mode
    /// change that is not allowed. Nothing changed then.
    pub fn write_msr(&mut self, msr: u32, value: u64) -> Result<(), MsrFault> {
        match msr {
            regs::APIC_BASE_MSR => return self.write_apic_base(value),
            regs::TSC_DEADLINE_MSR => {
                let now = self.clock.now();
                self.serve_timer(now);
                // Ignored in the counting modes (Intel SDM Vol. 3A 11.5.4.1).
                if self.timer_mode() == TimerMode::TscDeadline {
                    self.arm_deadline(value);
                }
                return Ok(());
            }
            _ => {}
        }
        let register = self.x2apic_register(msr)?;
        let allowed: u64 = match register {
            regs::TPR | regs::SELF_IPI => 0xff,
            regs::EOI | regs::ESR => 0,
            regs::SVR => regs::SVR_WRITABLE.into(),
            regs::ICR => 0xffff_ffff << 32 | u64::from(regs::ICR_WRITABLE),
            regs::INITIAL_COUNT => 0xffff_ffff,
            regs::DIVIDE => 0b1011,
            _ => {
                let entry = Lvt::of_register(register).ok_or(MsrFault)?;
                (entry.writable() | entry.read_only()).into()
            }
        };
        if value & !allowed != 0 {
            return Err(MsrFault);
        }
        match register {
            regs::ICR => {
                self.icr = value;
                self.send_command();
            }
            regs::SELF_IPI => self.send_self(value as u8),
            _ => {
                self.write_common(register, value as u32);
            }
        }
        Ok(())
    }

    fn x2apic_register(&self, msr: u32) -> Result<u8, MsrFault> {
        match msr.checked_sub(regs::X2APIC_MSR_FIRST) {
            Some(register @ 0..=0x3f) if self.x2apic() => Ok(register as u8),
            _ => Err(MsrFault),
        }
    }

    /// The mode changes of Intel SDM Vol. 3A figure 11-27: x2APIC mode is entered
    /// from xAPIC mode only and left by disabling only.
    fn write_apic_base(&mut self, value: u64) -> Result<(), MsrFault> {
        let flags = regs::APIC_BASE_BSP | regs::APIC_BASE_X2APIC | regs::APIC_BASE_ENABLE;
        if value & !(flags | self.physical_address_mask() & !0xfff) != 0 {
            return Err(MsrFault);
        }
        let mode = |base: u64| (base & regs::APIC_BASE_ENABLE != 0, base & regs::APIC_BASE_X2APIC != 0);
        match (mode(self.apic_base), mode(value)) {
            (_, (false, true)) => return Err(MsrFault),
            ((false, _), (true, true)) => return Err(MsrFault),
            ((true, true), (true, false)) => return Err(MsrFault),
            _ => {}
        }
        let was_enabled = self.globally_enabled();
        self.apic_base = value;
        if was_enabled && !self.globally_enabled() {
            // The APIC loses its state and is as after reset when enabled again (11.4.3).
            self.reset_registers();
            self.xapic_id = self.config.id as u8;
        }
        Ok(())
    }
}
