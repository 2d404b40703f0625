//! The local APIC of one logical processor (Intel SDM Vol. 3A chapter 11).
//!
//! One core with two register files over it: the xAPIC page (put at
//! [`LocalApic::mmio_base`]) and the x2APIC MSRs ([`LocalApic::read_msr`]).
//! What leaves the APIC is collected: messages to other APICs and end-of-interrupt
//! broadcasts ([`LocalApic::take_outgoing`]), and what its own processor has to do
//! besides taking a vector ([`LocalApic::take_signals`]). [`deliver`] and
//! [`lowest_priority`] carry a message to the APICs of a machine.

mod deliver;
mod interrupt;
mod ipi;
mod mmio;
mod msr;
mod regs;
mod report;
mod save;
#[cfg(test)]
mod tests;
mod timer;
mod vectors;

use glassbox_device_api::{Device, ResetKind, VmClock, VmTime};

use crate::message::{ApicAddress, InterruptMessage};
pub use deliver::{deliver, lowest_priority};
pub use interrupt::{Ack, ProcessorSignals};
pub use msr::MsrFault;
use regs::Lvt;
pub use save::LocalApicSavedV1;
use timer::TimerMode;
pub use timer::{APIC_TIMER_HZ, Countdown, Timer};
pub use vectors::VectorSet;

/// Messages and broadcasts kept for a board that does not drain them.
const MAX_OUTGOING: usize = 1024;

/// What is fixed about a local APIC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalApicConfig {
    /// The initial APIC ID, as CPUID leaf 0Bh reports it.
    pub id: u32,
    /// This is the bootstrap processor.
    pub bsp: bool,
    /// Frequency of the guest's time-stamp counter in Hz.
    pub tsc_hz: u64,
    /// MAXPHYADDR: address bits above it are reserved in `IA32_APIC_BASE`.
    pub physical_address_bits: u8,
}

/// What a local APIC sends into the machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outgoing {
    /// Interprocessor interrupts, oldest first. Those to itself alone are not among them.
    pub messages: Vec<InterruptMessage>,
    /// Vectors of level-triggered interrupts that ended, for the I/O APICs.
    pub eoi_broadcasts: Vec<u8>,
}

/// A local APIC.
#[derive(Debug)]
pub struct LocalApic {
    clock: VmClock,
    config: LocalApicConfig,
    tsc_offset: u64,
    apic_base: u64,
    /// The xAPIC ID register, bits 31:24 as an ID.
    xapic_id: u8,
    tpr: u8,
    ldr: u32,
    dfr: u32,
    svr: u32,
    isr: VectorSet,
    tmr: VectorSet,
    irr: VectorSet,
    /// Errors since the last write to the ESR.
    errors: u32,
    /// What the ESR reads: the errors at its last write.
    esr: u32,
    icr: u64,
    lvt: [u32; Lvt::COUNT],
    timer: Timer,
    lint: [bool; 2],
    /// An ExtINT message came in and was not yet acknowledged.
    ext_int: bool,
    signals: ProcessorSignals,
    outgoing: Outgoing,
    warned: bool,
}

impl LocalApic {
    /// A local APIC after power-on.
    pub fn new(config: LocalApicConfig, clock: VmClock) -> Self {
        let mut apic = Self {
            clock,
            config,
            tsc_offset: 0,
            apic_base: 0,
            xapic_id: 0,
            tpr: 0,
            ldr: 0,
            dfr: 0,
            svr: 0,
            isr: VectorSet::default(),
            tmr: VectorSet::default(),
            irr: VectorSet::default(),
            errors: 0,
            esr: 0,
            icr: 0,
            lvt: [0; Lvt::COUNT],
            timer: Timer::default(),
            lint: [false; 2],
            ext_int: false,
            signals: ProcessorSignals::default(),
            outgoing: Outgoing::default(),
            warned: false,
        };
        apic.power_up();
        apic
    }

    fn power_up(&mut self) {
        let bsp = if self.config.bsp { regs::APIC_BASE_BSP } else { 0 };
        self.apic_base = regs::APIC_BASE_DEFAULT | regs::APIC_BASE_ENABLE | bsp;
        self.xapic_id = self.config.id as u8;
        self.signals = ProcessorSignals::default();
        self.outgoing = Outgoing::default();
        self.reset_registers();
    }

    /// The state after reset and INIT but for the ID (Intel SDM Vol. 3A 11.4.7.1, 11.4.7.3).
    fn reset_registers(&mut self) {
        self.tpr = 0;
        self.ldr = 0;
        self.dfr = u32::MAX;
        self.svr = 0xff;
        self.isr = VectorSet::default();
        self.tmr = VectorSet::default();
        self.irr = VectorSet::default();
        self.errors = 0;
        self.esr = 0;
        self.icr = 0;
        self.lvt = [regs::LVT_MASKED; Lvt::COUNT];
        self.timer = Timer::default();
        self.ext_int = false;
    }

    /// The processor takes an INIT: everything but the ID and `IA32_APIC_BASE` is reset.
    /// A start-up message that came after the INIT stays.
    pub fn init(&mut self) {
        self.reset_registers();
    }

    /// What a BIOS leaves behind on the bootstrap processor (Intel MP specification 3.6.2.2):
    /// enabled, the 8259A's INTR through LINT0, NMI through LINT1.
    pub fn set_virtual_wire_mode(&mut self) {
        self.svr = regs::SVR_ENABLE | 0xff;
        self.lvt[Lvt::Lint0 as usize] = regs::LVT_LEVEL | 0x700;
        self.lvt[Lvt::Lint1 as usize] = 0x400;
    }

    /// What the guest's time-stamp counter shows beyond guest time (wrapping).
    /// An armed deadline is counted anew.
    pub fn set_tsc_offset(&mut self, offset: u64) {
        self.tsc_offset = offset;
        let deadline = self.timer.deadline();
        if deadline != 0 {
            self.arm_deadline(deadline);
        }
    }

    /// The base address of the register page; `None` when it is not there.
    pub fn mmio_base(&self) -> Option<u64> {
        (self.globally_enabled() && !self.x2apic())
            .then(|| self.apic_base & self.physical_address_mask() & !0xfff)
    }

    /// `IA32_APIC_BASE` bit 11.
    pub fn globally_enabled(&self) -> bool {
        self.apic_base & regs::APIC_BASE_ENABLE != 0
    }

    /// In x2APIC mode.
    pub fn x2apic(&self) -> bool {
        self.apic_base & regs::APIC_BASE_X2APIC != 0
    }

    fn software_enabled(&self) -> bool {
        self.svr & regs::SVR_ENABLE != 0
    }

    fn physical_address_mask(&self) -> u64 {
        u64::MAX >> (64 - u32::from(self.config.physical_address_bits.clamp(36, 52)))
    }

    /// How messages find this APIC.
    pub fn address(&self) -> ApicAddress {
        let x2apic = self.x2apic();
        ApicAddress {
            id: if x2apic { self.config.id } else { self.xapic_id.into() },
            logical_id: if x2apic { self.ldr() } else { self.ldr >> 24 },
            cluster: self.dfr >> 28 == 0,
            x2apic,
        }
    }

    /// The LDR as it reads; x2APIC mode derives it from the ID (Intel SDM Vol. 3A 11.12.10.2).
    fn ldr(&self) -> u32 {
        let id = self.config.id;
        if self.x2apic() { (id >> 4) << 16 | 1 << (id & 15) } else { self.ldr }
    }

    /// Takes what the APIC wants to send; to be drained after each access.
    pub fn take_outgoing(&mut self) -> Outgoing {
        std::mem::take(&mut self.outgoing)
    }

    /// Whether [`take_outgoing`](Self::take_outgoing) has anything.
    pub fn has_outgoing(&self) -> bool {
        !self.outgoing.messages.is_empty() || !self.outgoing.eoi_broadcasts.is_empty()
    }

    fn warn_once(&mut self, what: std::fmt::Arguments<'_>) {
        if !std::mem::replace(&mut self.warned, true) {
            log::warn!("lapic {}: {what}", self.config.id);
        }
    }

    // Timer.

    fn timer_mode(&self) -> TimerMode {
        TimerMode::of_lvt(self.lvt[Lvt::Timer as usize])
    }

    fn serve_timer(&mut self, now: VmTime) {
        if self.timer.serve(now, self.timer_mode()) {
            self.deliver_local(Lvt::Timer);
        }
    }

    fn guest_tsc(&self, now: VmTime) -> u64 {
        now.ticks(self.config.tsc_hz).wrapping_add(self.tsc_offset)
    }

    fn arm_deadline(&mut self, tsc: u64) {
        let now = self.clock.now();
        // A deadline in the past is due at once.
        let wait = tsc.saturating_sub(self.guest_tsc(now));
        let at = match wait {
            0 => now,
            _ => VmTime::of_ticks(now.ticks(self.config.tsc_hz).saturating_add(wait), self.config.tsc_hz),
        };
        self.timer.set_deadline(tsc, at);
        self.serve_timer(now);
    }
}

impl Device for LocalApic {
    fn name(&self) -> &'static str {
        "lapic"
    }

    fn reset(&mut self, _kind: ResetKind) {
        self.power_up();
    }

    fn next_deadline(&self) -> Option<VmTime> {
        let masked = self.lvt[Lvt::Timer as usize] & regs::LVT_MASKED != 0;
        // Masked, the timer still runs, but what it does shows only when a register is read.
        if masked { None } else { self.timer.due(self.timer_mode()) }
    }

    fn advance(&mut self, now: VmTime) {
        self.serve_timer(now);
    }
}
