//! Saved state of the local APIC.

use glassbox_device_api::{RestoreError, SaveRestore};
use serde::{Deserialize, Serialize};

use super::regs::{self, Lvt};
use super::{LocalApic, MAX_OUTGOING, Outgoing, ProcessorSignals, Timer, VectorSet};
use crate::message::InterruptMessage;

/// Saved state of a [`LocalApic`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalApicSavedV1 {
    tsc_offset: u64,
    apic_base: u64,
    xapic_id: u8,
    tpr: u8,
    ldr: u32,
    dfr: u32,
    svr: u32,
    isr: VectorSet,
    tmr: VectorSet,
    pub(super) irr: VectorSet,
    errors: u32,
    esr: u32,
    icr: u64,
    lvt: [u32; Lvt::COUNT],
    timer: Timer,
    lint: [bool; 2],
    ext_int: bool,
    signals: ProcessorSignals,
    messages: Vec<InterruptMessage>,
    eoi_broadcasts: Vec<u8>,
}

impl SaveRestore for LocalApic {
    type Saved = LocalApicSavedV1;

    fn save(&self) -> LocalApicSavedV1 {
        let Self {
            clock: _,
            config: _,
            tsc_offset,
            apic_base,
            xapic_id,
            tpr,
            ldr,
            dfr,
            svr,
            isr,
            tmr,
            irr,
            errors,
            esr,
            icr,
            lvt,
            timer,
            lint,
            ext_int,
            signals,
            outgoing: Outgoing { messages, eoi_broadcasts },
            warned: _,
        } = self;
        LocalApicSavedV1 {
            tsc_offset: *tsc_offset,
            apic_base: *apic_base,
            xapic_id: *xapic_id,
            tpr: *tpr,
            ldr: *ldr,
            dfr: *dfr,
            svr: *svr,
            isr: *isr,
            tmr: *tmr,
            irr: *irr,
            errors: *errors,
            esr: *esr,
            icr: *icr,
            lvt: *lvt,
            timer: *timer,
            lint: *lint,
            ext_int: *ext_int,
            signals: *signals,
            messages: messages.clone(),
            eoi_broadcasts: eoi_broadcasts.clone(),
        }
    }

    fn restore(&mut self, saved: LocalApicSavedV1) -> Result<(), RestoreError> {
        let LocalApicSavedV1 {
            tsc_offset,
            apic_base,
            xapic_id,
            tpr,
            ldr,
            dfr,
            svr,
            isr,
            tmr,
            irr,
            errors,
            esr,
            icr,
            lvt,
            timer,
            lint,
            ext_int,
            signals,
            messages,
            eoi_broadcasts,
        } = saved;
        let check = |good: bool, field: &'static str| {
            if good { Ok(()) } else { Err(RestoreError::Invalid { device: "lapic", field }) }
        };
        let flags = regs::APIC_BASE_BSP | regs::APIC_BASE_X2APIC | regs::APIC_BASE_ENABLE;
        let mode = apic_base & (regs::APIC_BASE_X2APIC | regs::APIC_BASE_ENABLE);
        check(
            apic_base & !(flags | self.physical_address_mask() & !0xfff) == 0
                && mode != regs::APIC_BASE_X2APIC,
            "apic_base",
        )?;
        check(ldr & 0x00ff_ffff == 0, "ldr")?;
        check(dfr & 0x0fff_ffff == 0x0fff_ffff, "dfr")?;
        check(svr & !regs::SVR_WRITABLE == 0, "svr")?;
        check(!isr.has_reserved(), "isr")?;
        check(!tmr.has_reserved(), "tmr")?;
        check(!irr.has_reserved(), "irr")?;
        check(errors & !regs::ESR_ALL == 0, "errors")?;
        check(esr & !regs::ESR_ALL == 0, "esr")?;
        check(icr as u32 & !regs::ICR_WRITABLE == 0, "icr")?;
        let entries = [Lvt::Timer, Lvt::Thermal, Lvt::Performance, Lvt::Lint0, Lvt::Lint1, Lvt::Error];
        check(
            entries.iter().zip(&lvt).all(|(entry, value)| {
                value & !(entry.writable() | entry.read_only() & regs::LVT_REMOTE_IRR) == 0
            }),
            "lvt",
        )?;
        check(timer.is_valid(), "timer")?;
        check(messages.len() <= MAX_OUTGOING, "messages")?;
        check(eoi_broadcasts.len() <= MAX_OUTGOING, "eoi_broadcasts")?;
        self.tsc_offset = tsc_offset;
        self.apic_base = apic_base;
        self.xapic_id = xapic_id;
        self.tpr = tpr;
        self.ldr = ldr;
        self.dfr = dfr;
        self.svr = svr;
        self.isr = isr;
        self.tmr = tmr;
        self.irr = irr;
        self.errors = errors;
        self.esr = esr;
        self.icr = icr;
        self.lvt = lvt;
        self.timer = timer;
        self.lint = lint;
        self.ext_int = ext_int;
        self.signals = signals;
        self.outgoing = Outgoing { messages, eoi_broadcasts };
        Ok(())
    }
}
