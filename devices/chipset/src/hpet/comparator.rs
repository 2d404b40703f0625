//! One timer of the HPET (specification 2.3.8 and 2.3.9).

use serde::{Deserialize, Serialize};

use super::HPET_PINS;

const LEVEL: u64 = 1 << 1;
const INTERRUPT: u64 = 1 << 2;
const PERIODIC: u64 = 1 << 3;
const PERIODIC_CAPABLE: u64 = 1 << 4;
const WIDE_CAPABLE: u64 = 1 << 5;
const VAL_SET: u64 = 1 << 6;
const FORCE_32: u64 = 1 << 8;
const ROUTE_SHIFT: u32 = 9;
const ROUTE: u64 = 0x1f << ROUTE_SHIFT;

/// A comparator and its configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comparator {
    /// The writable bits.
    config: u64,
    /// This one can be periodic.
    periodic_capable: bool,
    comparator: u64,
    /// The last value written to the comparator: what a periodic timer adds.
    period: u64,
    /// The upper half of an accumulator write in two halves is still to come.
    upper_half_open: bool,
    /// Ticks from the start of the counter to the next match.
    next: Option<u64>,
}

impl Comparator {
    /// The timer with number `index` after reset.
    pub fn new(index: usize) -> Self {
        Self {
            config: 0,
            periodic_capable: index == 0,
            comparator: u64::MAX,
            period: 0,
            upper_half_open: false,
            next: None,
        }
    }

    /// The configuration and capability register.
    pub fn config(&self) -> u64 {
        let periodic = if self.periodic_capable { PERIODIC_CAPABLE } else { 0 };
        u64::from(HPET_PINS) << 32 | WIDE_CAPABLE | periodic | self.config
    }

    /// The comparator register.
    pub fn comparator(&self) -> u64 {
        self.comparator & self.width()
    }

    /// The I/O APIC pin of the routing field.
    pub fn route(&self) -> usize {
        ((self.config & ROUTE) >> ROUTE_SHIFT) as usize
    }

    /// Level-triggered.
    pub fn is_level(&self) -> bool {
        self.config & LEVEL != 0
    }

    /// Allowed to interrupt.
    pub fn interrupts(&self) -> bool {
        self.config & INTERRUPT != 0
    }

    fn is_periodic(&self) -> bool {
        self.config & PERIODIC != 0
    }

    /// The bits of the counter that are compared.
    fn width(&self) -> u64 {
        if self.config & FORCE_32 != 0 { 0xffff_ffff } else { u64::MAX }
    }

    /// Ticks from the start of the counter to the next match, at the earliest now.
    pub fn next_match(&self) -> Option<u64> {
        self.next
    }

    /// Writes the configuration; true when matches come at other times now.
    pub fn write_config(&mut self, value: u64, mask: u64) -> bool {
        let old = self.config;
        let mut writable = LEVEL | INTERRUPT | VAL_SET | FORCE_32 | ROUTE;
        if self.periodic_capable {
            writable |= PERIODIC;
        }
        self.config = (old & !mask | value & mask) & writable;
        // VAL_SET means something in periodic mode only.
        if !self.is_periodic() {
            self.config &= !VAL_SET;
        }
        (old ^ self.config) & (PERIODIC | FORCE_32) != 0
    }

    /// Writes the bytes of the comparator that `mask` selects. A periodic timer
    /// takes them as its period; as its accumulator too when VAL_SET was set,
    /// which clears itself. A 64-bit value may come in two halves, lower first.
    pub fn write_comparator(&mut self, value: u64, mask: u64) {
        let merge = |old: u64| old & !mask | value & mask;
        let val_set = self.config & VAL_SET != 0;
        let upper_only = mask & 0xffff_ffff == 0;
        if !self.is_periodic() || val_set || upper_only && self.upper_half_open {
            self.comparator = merge(self.comparator);
        }
        self.period = merge(self.period);
        self.upper_half_open = val_set && mask >> 32 == 0;
        self.config &= !VAL_SET;
    }

    /// Finds the next match: the counter stands at `counter`, `elapsed` ticks after its start.
    pub fn schedule(&mut self, counter: u64, elapsed: u64) {
        let wait = self.comparator.wrapping_sub(counter) & self.width();
        self.next = elapsed.checked_add(wait);
    }

    /// Whether a match fell due within `elapsed` ticks of the start. Matches that
    /// went by unseen count as one.
    pub fn serve(&mut self, elapsed: u64) -> bool {
        let Some(next) = self.next.filter(|next| *next <= elapsed) else { return false };
        let period = self.period & self.width();
        let step = if self.is_periodic() && period != 0 {
            let matches = (elapsed - next) / period + 1;
            let step = matches.saturating_mul(period);
            self.comparator = self.comparator.wrapping_add(step) & self.width();
            Some(step)
        } else {
            // The counter has to come round: 2^32 ticks, or never.
            let round = self.width().checked_add(1);
            round.map(|round| ((elapsed - next) / round + 1).saturating_mul(round))
        };
        self.next = step.and_then(|step| next.checked_add(step));
        true
    }

    /// Whether a saved comparator could be the timer with number `index`.
    pub fn is_valid(&self, index: usize) -> bool {
        let writable = LEVEL | INTERRUPT | VAL_SET | FORCE_32 | ROUTE | PERIODIC;
        self.config & !writable == 0
            && self.periodic_capable == (index == 0)
            && (self.periodic_capable || self.config & PERIODIC == 0)
            && (self.is_periodic() || self.config & VAL_SET == 0)
    }
}
