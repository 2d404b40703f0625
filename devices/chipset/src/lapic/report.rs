//! A local APIC in words.

use std::fmt;

use super::LocalApic;
use super::regs::{LVT_LEVEL, LVT_MASKED, SVR_ENABLE};
use super::vectors::VectorSet;

const LVT_NAMES: [&str; 6] = ["timer", "thermal", "performance", "LINT0", "LINT1", "error"];

/// What a person wants to know.
impl fmt::Display for LocalApic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = match (self.globally_enabled(), self.x2apic()) {
            (false, _) => "off",
            (true, true) => "x2APIC",
            (true, false) => "xAPIC",
        };
        let enabled = if self.svr & SVR_ENABLE != 0 { "enabled" } else { "disabled by software" };
        writeln!(f, "local APIC {} ({mode}, {enabled}), base {:#x}", self.config.id, self.apic_base)?;
        let (tpr, ppr, spurious) = (self.tpr, self.ppr(), self.svr as u8);
        writeln!(
            f,
            "tpr {tpr:#04x} ppr {ppr:#04x} ldr {:#x} dfr {:#x} spurious {spurious:#04x}",
            self.ldr, self.dfr
        )?;
        for (name, lvt) in LVT_NAMES.iter().zip(self.lvt) {
            let masked = if lvt & LVT_MASKED != 0 { "masked" } else { "open" };
            let level = if lvt & LVT_LEVEL != 0 { "level" } else { "edge" };
            writeln!(f, "  {name}: vector {:#04x} mode {} {level} {masked}", lvt as u8, lvt >> 8 & 7)?;
        }
        let (initial, divide) = (self.timer.initial(), self.timer.divide());
        writeln!(f, "  timer: initial {initial:#x} divide {divide} deadline {:#x}", self.timer.deadline())?;
        for (name, set) in [("irr", &self.irr), ("isr", &self.isr), ("tmr", &self.tmr)] {
            write!(f, "  {name}:")?;
            write_set(f, set)?;
        }
        Ok(())
    }
}

fn write_set(f: &mut fmt::Formatter<'_>, set: &VectorSet) -> fmt::Result {
    for vector in (0..=u8::MAX).filter(|vector| set.contains(*vector)) {
        write!(f, " {vector:#04x}")?;
    }
    writeln!(f)
}
