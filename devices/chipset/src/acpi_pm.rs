//! ACPI power management (PIIX4, Intel 82371AB chapter 7.2; ACPI specification 4.8).
//!
//! The fixed hardware block at PMBASE, and the APM ports B2h and B3h by which
//! the operating system takes over from the BIOS. There is no SMM firmware: the
//! device itself carries out the two commands that a BIOS would. The PM timer
//! has 32 bits (the FADT has to set `TMR_VAL_EXT`), where the PIIX4 has 24.

use glassbox_device_api::{
    AccessSize, Device, IrqLine, PortIo, PortWindow, ResetKind, RestoreError, SaveRestore, VmClock, VmTime,
};
use serde::{Deserialize, Serialize};

use crate::bytes::{read_bytes, write_bytes};

/// Frequency of the PM timer in Hz.
pub const PM_TIMER_HZ: u64 = 3_579_545;
/// PMBASE: the first port of the register block.
pub const PM_BASE: u16 = 0x600;
/// Bytes of the register block.
pub const PM_BLOCK_SIZE: u16 = 64;
/// Offset of PM1a_EVT_BLK (4 bytes).
pub const PM1_EVENT_OFFSET: u16 = 0x00;
/// Offset of PM1a_CNT_BLK (2 bytes).
pub const PM1_CONTROL_OFFSET: u16 = 0x04;
/// Offset of PM_TMR_BLK (4 bytes).
pub const PM_TIMER_OFFSET: u16 = 0x08;
/// Offset of GPE0_BLK (4 bytes: status, enable).
pub const GPE0_OFFSET: u16 = 0x0c;
/// SLP_TYP of soft off, for the DSDT's `\_S5`.
pub const SLP_TYP_S5: u8 = 0;
/// The command that enables ACPI, written to port B2h.
pub const SMI_ACPI_ENABLE: u8 = 0xf1;
/// The command that disables ACPI, written to port B2h.
pub const SMI_ACPI_DISABLE: u8 = 0xf0;

/// Offset of the APM control port behind the block, followed by the status port (82371AB APMC, APMS).
const APM_CONTROL: u16 = PM_BLOCK_SIZE;
const APM_STATUS: u16 = APM_CONTROL + 1;

const TIMER_STATUS: u16 = 1 << 0;
const GLOBAL_STATUS: u16 = 1 << 5;
const POWER_BUTTON_STATUS: u16 = 1 << 8;
const RTC_STATUS: u16 = 1 << 10;
const WAKE_STATUS: u16 = 1 << 15;
const STATUS_BITS: u16 = TIMER_STATUS | GLOBAL_STATUS | POWER_BUTTON_STATUS | RTC_STATUS | WAKE_STATUS;
/// Events that raise the SCI; the wake status does not.
const ENABLE_BITS: u16 = TIMER_STATUS | GLOBAL_STATUS | POWER_BUTTON_STATUS | RTC_STATUS;

const SCI_EN: u16 = 1 << 0;
const BUS_MASTER_RELOAD: u16 = 1 << 1;
const GLOBAL_RELEASE: u16 = 1 << 2;
const SLP_TYP: u16 = 7 << 10;
const SLP_EN: u16 = 1 << 13;
const CONTROL_BITS: u16 = SCI_EN | BUS_MASTER_RELOAD | SLP_TYP;

/// The power management block.
#[derive(Debug)]
pub struct AcpiPm {
    clock: VmClock,
    sci: IrqLine,
    status: u16,
    enable: u16,
    control: u16,
    gpe_status: u16,
    gpe_enable: u16,
    /// Times that bit 31 of the timer changed, as far as the status bit knows.
    toggles_seen: u64,
    apm_command: u8,
    apm_status: u8,
    power_off: bool,
    warned: bool,
}

impl AcpiPm {
    /// Where a PC has the ports: the block at PMBASE, the APM ports at B2h.
    pub const WINDOWS: [PortWindow; 2] = [
        PortWindow { port: PM_BASE, len: PM_BLOCK_SIZE, offset: 0 },
        PortWindow { port: 0xb2, len: 2, offset: APM_CONTROL },
    ];

    /// The block after power-on, in legacy mode, with its SCI wire.
    pub fn new(clock: VmClock, sci: IrqLine) -> Self {
        let toggles_seen = toggles(clock.now());
        Self {
            clock,
            sci,
            status: 0,
            enable: 0,
            control: 0,
            gpe_status: 0,
            gpe_enable: 0,
            toggles_seen,
            apm_command: 0,
            apm_status: 0,
            power_off: false,
            warned: false,
        }
    }

    /// The user pressed the power button.
    pub fn power_button(&mut self) {
        self.raise(POWER_BUTTON_STATUS);
    }

    /// The alarm of the real-time clock went off.
    pub fn rtc_alarm(&mut self) {
        self.raise(RTC_STATUS);
    }

    /// A general-purpose event (0 to 15).
    pub fn raise_gpe(&mut self, event: u8) {
        self.gpe_status |= 1u16.checked_shl(event.into()).unwrap_or(0);
        self.update_sci();
    }

    /// Whether the guest has switched the machine off. Stays until reset.
    pub fn power_off_requested(&self) -> bool {
        self.power_off
    }

    /// Whether the machine is in ACPI mode.
    pub fn acpi_enabled(&self) -> bool {
        self.control & SCI_EN != 0
    }

    fn raise(&mut self, status: u16) {
        self.status |= status;
        self.update_sci();
    }

    fn update_sci(&self) {
        let event = self.status & self.enable & ENABLE_BITS != 0 || self.gpe_status & self.gpe_enable != 0;
        self.sci.set(self.acpi_enabled() && event);
    }

    fn catch_up(&mut self, now: VmTime) {
        let toggles = toggles(now);
        if toggles != self.toggles_seen {
            self.toggles_seen = toggles;
            self.raise(TIMER_STATUS);
        }
    }

    fn warn_once(&mut self, what: std::fmt::Arguments<'_>) {
        if !std::mem::replace(&mut self.warned, true) {
            log::warn!("acpi pm: {what}");
        }
    }

    fn read_byte(&mut self, offset: u16) -> u8 {
        match offset {
            APM_CONTROL => return self.apm_command,
            APM_STATUS => return self.apm_status,
            _ => {}
        }
        let register = match offset & !1 {
            0x00 => self.status,
            0x02 => self.enable,
            0x04 => self.control,
            0x0c => self.gpe_status,
            0x0e => self.gpe_enable,
            _ => {
                self.warn_once(format_args!("read of unimplemented register {offset:#x}"));
                0
            }
        };
        register.to_le_bytes()[usize::from(offset & 1)]
    }

    fn write_byte(&mut self, offset: u16, value: u8) {
        let shift = (offset & 1) * 8;
        let bits = u16::from(value) << shift;
        let merge = |old: u16| old & !(0xff << shift) | bits;
        match offset & !1 {
            0x00 => self.status &= !bits,
            0x02 => self.enable = merge(self.enable) & ENABLE_BITS,
            0x04 => {
                self.control = merge(self.control) & CONTROL_BITS;
                if bits & GLOBAL_RELEASE != 0 {
                    // The release of the global lock would raise an SMI; no firmware waits for it.
                    log::debug!("acpi pm: global lock released");
                }
                if bits & SLP_EN != 0 {
                    self.sleep();
                }
            }
            0x0c => self.gpe_status &= !bits,
            0x0e => self.gpe_enable = merge(self.gpe_enable),
            APM_CONTROL if offset == APM_CONTROL => self.apm_write(value),
            APM_CONTROL => self.apm_status = value,
            // The timer is read-only.
            0x08 | 0x0a => {}
            _ => self.warn_once(format_args!("write of {value:#x} to unimplemented register {offset:#x}")),
        }
        self.update_sci();
    }

    fn sleep(&mut self) {
        let sleep_type = (self.control & SLP_TYP) >> 10;
        if sleep_type == u16::from(SLP_TYP_S5) {
            self.power_off = true;
        } else {
            // No other state is offered. Whoever enters one is woken at once instead of lost.
            self.warn_once(format_args!("sleep type {sleep_type} is not supported"));
            self.status |= WAKE_STATUS;
        }
    }

    fn apm_write(&mut self, command: u8) {
        self.apm_command = command;
        match command {
            SMI_ACPI_ENABLE => self.control |= SCI_EN,
            SMI_ACPI_DISABLE => self.control &= !SCI_EN,
            _ => log::debug!("acpi pm: no firmware takes SMI command {command:#x}"),
        }
        self.update_sci();
    }
}

/// How often bit 31 of the timer has changed by `now`.
fn toggles(now: VmTime) -> u64 {
    now.ticks(PM_TIMER_HZ) >> 31
}

impl Device for AcpiPm {
    fn name(&self) -> &'static str {
        "acpi-pm"
    }

    fn reset(&mut self, _kind: ResetKind) {
        let Self { clock, sci, warned, .. } = self;
        *self = Self { warned: *warned, ..Self::new(clock.clone(), sci.clone()) };
        self.update_sci();
    }

    fn next_deadline(&self) -> Option<VmTime> {
        // Without an SCI to raise, the status bit is brought up to date when it is read.
        let wanted =
            self.acpi_enabled() && self.enable & TIMER_STATUS != 0 && self.status & TIMER_STATUS == 0;
        wanted.then(|| VmTime::of_ticks((self.toggles_seen + 1) << 31, PM_TIMER_HZ))
    }

    fn advance(&mut self, now: VmTime) {
        self.catch_up(now);
    }
}

impl PortIo for AcpiPm {
    fn port_read(&mut self, offset: u16, size: AccessSize) -> u32 {
        let now = self.clock.now();
        self.catch_up(now);
        // One moment for the whole access.
        let timer = (now.ticks(PM_TIMER_HZ) as u32).to_le_bytes();
        read_bytes(offset, size, |at| match at {
            PM_TIMER_OFFSET..=0x0b => timer[usize::from(at & 3)],
            at => self.read_byte(at),
        })
    }

    fn port_write(&mut self, offset: u16, size: AccessSize, value: u32) {
        self.catch_up(self.clock.now());
        write_bytes(offset, size, value, |at, byte| self.write_byte(at, byte));
    }
}

/// Saved state of an [`AcpiPm`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcpiPmSavedV1 {
    status: u16,
    enable: u16,
    control: u16,
    gpe_status: u16,
    gpe_enable: u16,
    toggles_seen: u64,
    apm_command: u8,
    apm_status: u8,
    power_off: bool,
}

impl SaveRestore for AcpiPm {
    type Saved = AcpiPmSavedV1;

    fn save(&self) -> AcpiPmSavedV1 {
        let Self {
            clock: _,
            sci: _,
            status,
            enable,
            control,
            gpe_status,
            gpe_enable,
            toggles_seen,
            apm_command,
            apm_status,
            power_off,
            warned: _,
        } = self;
        AcpiPmSavedV1 {
            status: *status,
            enable: *enable,
            control: *control,
            gpe_status: *gpe_status,
            gpe_enable: *gpe_enable,
            toggles_seen: *toggles_seen,
            apm_command: *apm_command,
            apm_status: *apm_status,
            power_off: *power_off,
        }
    }

    fn restore(&mut self, saved: AcpiPmSavedV1) -> Result<(), RestoreError> {
        let AcpiPmSavedV1 {
            status,
            enable,
            control,
            gpe_status,
            gpe_enable,
            toggles_seen,
            apm_command,
            apm_status,
            power_off,
        } = saved;
        let check = |good: bool, field: &'static str| {
            if good { Ok(()) } else { Err(RestoreError::Invalid { device: "acpi-pm", field }) }
        };
        check(status & !STATUS_BITS == 0, "status")?;
        check(enable & !ENABLE_BITS == 0, "enable")?;
        check(control & !CONTROL_BITS == 0, "control")?;
        check(toggles_seen <= toggles(VmTime(u64::MAX)), "toggles_seen")?;
        self.status = status;
        self.enable = enable;
        self.control = control;
        self.gpe_status = gpe_status;
        self.gpe_enable = gpe_enable;
        self.toggles_seen = toggles_seen;
        self.apm_command = apm_command;
        self.apm_status = apm_status;
        self.power_off = power_off;
        self.update_sci();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use glassbox_testkit::{Bench, PortBus, check_save_restore_ports, fuzz_port_device};

    use super::*;

    const SCI: u32 = 9;

    fn new(bench: &Bench) -> AcpiPm {
        AcpiPm::new(bench.vm_clock(), bench.line(SCI))
    }

    fn in_acpi_mode(bench: &Bench) -> AcpiPm {
        let mut pm = new(bench);
        pm.out8(APM_CONTROL, SMI_ACPI_ENABLE);
        pm
    }

    #[test]
    fn smi_commands_switch_between_legacy_and_acpi_mode() {
        let bench = Bench::new();
        let mut pm = new(&bench);
        assert_eq!(pm.in16(4), 0);
        pm.out8(APM_CONTROL, 0xf1);
        assert_eq!(pm.in16(4), 1, "SCI_EN");
        assert_eq!(pm.in8(APM_CONTROL), 0xf1);
        pm.out8(APM_STATUS, 0x5a);
        assert_eq!(pm.in16(APM_CONTROL), 0x5af1);
        pm.out8(APM_CONTROL, 0xf0);
        assert_eq!(pm.in16(4), 0);
    }

    #[test]
    fn timer_runs_at_three_and_a_half_megahertz_with_32_bits() {
        let bench = Bench::new();
        let mut pm = new(&bench);
        bench.pass(VmTime::SECOND);
        assert_eq!(pm.in32(8), 3_579_545);
        assert_eq!(pm.in16(8), 3_579_545_u32 as u16);
        bench.pass(VmTime(1_200 * VmTime::SECOND.0));
        assert_eq!(pm.in32(8), (1_201 * PM_TIMER_HZ) as u32, "wraps at 2^32");
        pm.out32(8, 0);
        assert_ne!(pm.in32(8), 0, "read-only");
    }

    #[test]
    fn timer_status_is_set_when_the_top_bit_changes_and_raises_the_sci() {
        let bench = Bench::new();
        let mut pm = in_acpi_mode(&bench);
        assert_eq!(pm.next_deadline(), None, "not enabled");
        pm.out16(2, 1);
        let due = pm.next_deadline().unwrap();
        assert_eq!(due, VmTime::of_ticks(1 << 31, PM_TIMER_HZ));
        assert_eq!(bench.run(&mut pm, due), 1);
        assert_eq!(pm.in32(8), 1 << 31);
        assert!(bench.level(SCI));
        assert_eq!(pm.in16(0), 1);
        pm.out16(0, 1);
        assert!(!bench.level(SCI));
        assert_eq!(pm.next_deadline(), Some(VmTime::of_ticks(2 << 31, PM_TIMER_HZ)));
    }

    #[test]
    fn power_button_raises_the_sci_when_enabled_in_acpi_mode_only() {
        let bench = Bench::new();
        let mut pm = new(&bench);
        pm.out16(2, 1 << 8);
        pm.power_button();
        assert!(!bench.level(SCI));
        pm.out8(APM_CONTROL, 0xf1);
        assert!(bench.level(SCI));
        pm.out8(1, 1);
        assert_eq!(pm.in16(0), 0, "a byte write clears in its byte");
        assert!(!bench.level(SCI));
    }

    #[test]
    fn soft_off_is_a_state_and_other_sleep_types_wake_at_once() {
        let bench = Bench::new();
        let mut pm = in_acpi_mode(&bench);
        pm.out16(4, 1 | 1 << 10 | SLP_EN);
        assert!(!pm.power_off_requested());
        assert_eq!(pm.in16(0), WAKE_STATUS);
        assert_eq!(pm.in16(4), 1 | 1 << 10, "SLP_EN reads zero");
        pm.out16(4, 1 | SLP_EN);
        assert!(pm.power_off_requested());
        pm.reset(ResetKind::Cold);
        assert!(!pm.power_off_requested());
    }

    #[test]
    fn general_purpose_event_is_enabled_shown_and_cleared() {
        let bench = Bench::new();
        let mut pm = in_acpi_mode(&bench);
        pm.raise_gpe(3);
        assert!(!bench.level(SCI));
        pm.out16(0xe, 8);
        assert!(bench.level(SCI));
        assert_eq!(pm.in16(0xc), 8);
        pm.out16(0xc, 8);
        assert!(!bench.level(SCI));
        pm.raise_gpe(200);
        assert_eq!(pm.in16(0xc), 0);
    }

    #[test]
    fn fuzz_survives() {
        fuzz_port_device(PM_BLOCK_SIZE + 2, new);
    }

    #[test]
    fn saved_state_is_complete() {
        check_save_restore_ports(PM_BLOCK_SIZE + 2, in_acpi_mode);
    }
}
