//! The register file, and its xAPIC page (Intel SDM Vol. 3A 11.4.1).

use glassbox_device_api::{AccessSize, Mmio};

use super::regs::{self, Lvt};
use super::{LocalApic, TimerMode};

impl LocalApic {
    /// Reads a register that both register files have. `None` when there is none.
    pub(super) fn read_common(&mut self, register: u8) -> Option<u32> {
        let value = match register {
            regs::VERSION => regs::VERSION_VALUE,
            regs::TPR => self.tpr.into(),
            regs::PPR => self.ppr().into(),
            regs::LDR => self.ldr(),
            regs::SVR => self.svr,
            regs::ISR..=regs::ISR_LAST => self.isr.register((register - regs::ISR).into()),
            regs::TMR..=regs::TMR_LAST => self.tmr.register((register - regs::TMR).into()),
            regs::IRR..=regs::IRR_LAST => self.irr.register((register - regs::IRR).into()),
            regs::ESR => self.esr,
            regs::INITIAL_COUNT => self.timer.initial(),
            regs::CURRENT_COUNT => self.current_count(),
            regs::DIVIDE => self.timer.divide(),
            _ => self.lvt[Lvt::of_register(register)? as usize],
        };
        Some(value)
    }

    fn current_count(&mut self) -> u32 {
        if !self.timer_mode().counts() {
            return 0;
        }
        let now = self.clock.now();
        self.serve_timer(now);
        self.timer.current(now)
    }

    /// Writes a register that both register files have; false when there is none that can be written.
    pub(super) fn write_common(&mut self, register: u8, value: u32) -> bool {
        let now = self.clock.now();
        match register {
            regs::TPR => self.tpr = value as u8,
            regs::EOI => self.end_of_interrupt(),
            regs::SVR => self.write_svr(value),
            regs::ESR => {
                self.esr = std::mem::take(&mut self.errors);
            }
            regs::INITIAL_COUNT => {
                self.serve_timer(now);
                if self.timer_mode().counts() {
                    self.timer.start(now, value);
                }
            }
            regs::DIVIDE => {
                self.serve_timer(now);
                self.timer.set_divide(now, value);
            }
            _ => {
                let Some(entry) = Lvt::of_register(register) else { return false };
                self.serve_timer(now);
                self.write_lvt(entry, value);
            }
        }
        true
    }

    fn write_svr(&mut self, value: u32) {
        self.svr = value & regs::SVR_WRITABLE;
        if !self.software_enabled() {
            // Intel SDM Vol. 3A 11.4.7.2.
            for lvt in &mut self.lvt {
                *lvt |= regs::LVT_MASKED;
            }
        }
    }

    fn write_lvt(&mut self, entry: Lvt, value: u32) {
        let lvt = &mut self.lvt[entry as usize];
        let old = *lvt;
        *lvt = value & entry.writable() | old & regs::LVT_REMOTE_IRR;
        if self.svr & regs::SVR_ENABLE == 0 {
            *lvt |= regs::LVT_MASKED;
        }
        match entry {
            Lvt::Timer => {
                let (old, new) = (TimerMode::of_lvt(old), TimerMode::of_lvt(value));
                if old != new && (old == TimerMode::TscDeadline || new == TimerMode::TscDeadline) {
                    self.timer.disarm();
                }
            }
            Lvt::Lint0 | Lvt::Lint1 => {
                if !self.lint_is_level(entry) {
                    self.lvt[entry as usize] &= !regs::LVT_REMOTE_IRR;
                }
                self.service_level_lint(entry);
            }
            _ => {}
        }
    }

    fn read_page(&mut self, register: u8) -> u32 {
        match register {
            regs::ID => u32::from(self.xapic_id) << 24,
            regs::APR => self.apr().into(),
            // Remote read is not offered: there is never any data.
            regs::EOI | regs::RRD => 0,
            regs::DFR => self.dfr,
            regs::ICR => self.icr as u32,
            regs::ICR_HIGH => (self.icr >> 32) as u32,
            _ => self.read_common(register).unwrap_or_else(|| {
                self.error(regs::ESR_REGISTER);
                0
            }),
        }
    }

    fn write_page(&mut self, register: u8, value: u32) {
        match register {
            regs::ID => self.xapic_id = (value >> 24) as u8,
            regs::LDR => self.ldr = value & 0xff00_0000,
            regs::DFR => self.dfr = value | 0x0fff_ffff,
            regs::ICR => {
                self.icr = self.icr & !0xffff_ffff | u64::from(value & regs::ICR_WRITABLE);
                self.send_command();
            }
            regs::ICR_HIGH => {
                self.icr = self.icr & 0xffff_ffff | u64::from(value & 0xff00_0000) << 32;
            }
            // Read-only registers ignore writes.
            regs::VERSION
            | regs::APR
            | regs::PPR
            | regs::RRD
            | regs::ISR..=regs::IRR_LAST
            | regs::CURRENT_COUNT => {}
            _ => {
                if !self.write_common(register, value) {
                    self.error(regs::ESR_REGISTER);
                }
            }
        }
    }
}

impl Mmio for LocalApic {
    /// Registers are dwords on 16-byte boundaries; a narrower read gives its part
    /// of one, the gaps between them read zero.
    fn mmio_read(&mut self, offset: u64, size: AccessSize) -> u64 {
        let within = offset & 0xf;
        if within >= 4 || offset >= 0x1000 {
            return 0;
        }
        if offset >= 0x400 {
            self.error(regs::ESR_REGISTER);
            return 0;
        }
        u64::from(self.read_page((offset >> 4) as u8)) >> (within * 8) & size.mask()
    }

    fn mmio_write(&mut self, offset: u64, size: AccessSize, value: u64) {
        if offset & 0xf != 0 || size < AccessSize::Dword || offset >= 0x1000 {
            self.warn_once(format_args!("{size:?} write at {offset:#x} is not to a register"));
            return;
        }
        if offset >= 0x400 {
            self.error(regs::ESR_REGISTER);
            return;
        }
        self.write_page((offset >> 4) as u8, value as u32);
    }
}
