//! The high precision event timer (IA-PC HPET specification 1.0a).
//!
//! One 64-bit counter at 100 MHz and three comparators; the first one can be
//! periodic. Message (FSB) delivery is not offered.
//!
//! A timer with an edge-triggered interrupt pulses its wire; a level-triggered
//! one holds it until its status bit is cleared.

mod comparator;
mod save;
#[cfg(test)]
mod tests;

use glassbox_device_api::{AccessSize, Device, IrqLine, Mmio, ResetKind, VmClock, VmTime};

use comparator::Comparator;
pub use save::HpetSavedV1;

/// Where PCs have the HPET in physical memory.
pub const HPET_BASE: u64 = 0xfed0_0000;
/// Bytes of the register block.
pub const HPET_SIZE: u64 = 0x400;
/// Frequency of the main counter in Hz.
pub const HPET_HZ: u64 = 100_000_000;
/// Comparators.
pub const HPET_TIMERS: usize = 3;
/// I/O APIC pins that the routing fields can choose, as a bit mask: 20 to 23.
pub const HPET_PINS: u32 = 0x00f0_0000;

/// 10 ns in femtoseconds; PCI vendor 8086h; legacy routing; 64 bits; three timers; revision 1.
const CAPABILITIES: u64 =
    10_000_000 << 32 | 0x8086 << 16 | 1 << 15 | 1 << 13 | (HPET_TIMERS as u64 - 1) << 8 | 1;
/// ENABLE_CNF: the counter runs and timers may interrupt.
const ENABLE: u64 = 1 << 0;
/// LEG_RT_CNF: timers 0 and 1 take the places of the PIT and the RTC.
const LEGACY: u64 = 1 << 1;

/// The wires out of the HPET.
#[derive(Clone, Debug)]
pub struct HpetLines {
    /// IRQ0 for timer 0 in legacy replacement mode (I/O APIC pin 2).
    pub legacy_irq0: IrqLine,
    /// IRQ8 for timer 1 in legacy replacement mode.
    pub legacy_irq8: IrqLine,
    /// The I/O APIC's pins by number; only those of [`HPET_PINS`] are driven.
    pub pins: [IrqLine; 24],
}

/// The HPET.
#[derive(Debug)]
pub struct Hpet {
    clock: VmClock,
    lines: HpetLines,
    config: u64,
    /// Status bits of level-triggered timers.
    status: u32,
    /// The main counter when it was last started, stopped or written.
    counter: u64,
    /// When that was.
    since: VmTime,
    timers: [Comparator; HPET_TIMERS],
    warned: bool,
}

impl Hpet {
    /// An HPET after power-on: halted at zero.
    pub fn new(clock: VmClock, lines: HpetLines) -> Self {
        let since = clock.now();
        Self {
            clock,
            lines,
            config: 0,
            status: 0,
            counter: 0,
            since,
            timers: std::array::from_fn(Comparator::new),
            warned: false,
        }
    }

    /// Legacy replacement mode is on: the PIT's IRQ0 and the RTC's IRQ8 are cut off.
    pub fn legacy_replacement(&self) -> bool {
        self.config & LEGACY != 0
    }

    fn enabled(&self) -> bool {
        self.config & ENABLE != 0
    }

    /// Ticks since the counter was started.
    fn elapsed(&self, now: VmTime) -> u64 {
        if self.enabled() { (now - self.since).ticks(HPET_HZ) } else { 0 }
    }

    fn counter_at(&self, now: VmTime) -> u64 {
        self.counter.wrapping_add(self.elapsed(now))
    }

    /// The wire that a timer drives with its present routing.
    fn line(&self, timer: usize) -> Option<&IrqLine> {
        match timer {
            0 if self.legacy_replacement() => Some(&self.lines.legacy_irq0),
            1 if self.legacy_replacement() => Some(&self.lines.legacy_irq8),
            _ => {
                let pin = self.timers.get(timer)?.route();
                if HPET_PINS & 1 << pin != 0 { self.lines.pins.get(pin) } else { None }
            }
        }
    }

    /// Serves the matches up to `now`.
    fn catch_up(&mut self, now: VmTime) {
        if !self.enabled() {
            return;
        }
        let elapsed = self.elapsed(now);
        for i in 0..HPET_TIMERS {
            if !self.timers[i].serve(elapsed) {
                continue;
            }
            if self.timers[i].is_level() {
                self.status |= 1 << i;
            } else if self.timers[i].interrupts()
                && let Some(line) = self.line(i)
            {
                line.pulse();
            }
        }
        self.update_lines();
    }

    /// Drives the wires of level-triggered timers, which several may share, and releases all others.
    fn update_lines(&self) {
        let asserted = |i: usize| {
            self.enabled()
                && self.timers[i].is_level()
                && self.timers[i].interrupts()
                && self.status & 1 << i != 0
        };
        let legacy = self.legacy_replacement();
        self.lines.legacy_irq0.set(legacy && asserted(0));
        self.lines.legacy_irq8.set(legacy && asserted(1));
        for (pin, line) in self.lines.pins.iter().enumerate() {
            let routed = |i: usize| (i == 2 || !legacy) && self.timers[i].route() == pin;
            line.set(HPET_PINS & 1 << pin != 0 && (0..HPET_TIMERS).any(|i| routed(i) && asserted(i)));
        }
    }

    /// Takes the counter's present value as its new start and looks for matches from there.
    fn rebase(&mut self, now: VmTime, counter: u64) {
        self.counter = counter;
        self.since = now;
        for timer in &mut self.timers {
            timer.schedule(counter, 0);
        }
    }

    fn warn_once(&mut self, what: std::fmt::Arguments<'_>) {
        if !std::mem::replace(&mut self.warned, true) {
            log::warn!("hpet: {what}");
        }
    }

    fn read_register(&mut self, offset: u64, now: VmTime) -> u64 {
        match offset {
            0x000 => CAPABILITIES,
            0x010 => self.config,
            0x020 => self.status.into(),
            0x0f0 => self.counter_at(now),
            0x100..0x160 => {
                let timer = &self.timers[((offset - 0x100) / 0x20) as usize];
                match offset & 0x18 {
                    0x00 => timer.config(),
                    0x08 => timer.comparator(),
                    // The FSB route register does nothing without the capability.
                    _ => 0,
                }
            }
            _ => 0,
        }
    }

    /// Writes the bytes of a register that `mask` selects.
    fn write_register(&mut self, offset: u64, value: u64, mask: u64, now: VmTime) {
        match offset {
            0x010 => {
                let new = (self.config & !mask | value & mask) & (ENABLE | LEGACY);
                let counter = self.counter_at(now);
                let switched = (self.config ^ new) & ENABLE != 0;
                self.config = new;
                if switched {
                    self.rebase(now, counter);
                    self.catch_up(now);
                }
            }
            0x020 => self.status &= !((value & mask) as u32),
            0x0f0 if self.enabled() => {
                self.warn_once(format_args!("write to the running main counter ignored"));
            }
            0x0f0 => self.rebase(now, self.counter & !mask | value & mask),
            0x100..0x160 => {
                let i = ((offset - 0x100) / 0x20) as usize;
                let counter = self.counter_at(now);
                let elapsed = self.elapsed(now);
                let timer = &mut self.timers[i];
                match offset & 0x18 {
                    0x00 => {
                        if timer.write_config(value, mask) {
                            timer.schedule(counter, elapsed);
                        }
                        if !timer.is_level() {
                            self.status &= !(1 << i);
                        }
                    }
                    0x08 => {
                        timer.write_comparator(value, mask);
                        timer.schedule(counter, elapsed);
                    }
                    _ => {}
                }
                self.catch_up(now);
            }
            _ => {}
        }
        self.update_lines();
    }
}

impl Device for Hpet {
    fn name(&self) -> &'static str {
        "hpet"
    }

    fn reset(&mut self, _kind: ResetKind) {
        let Self { clock, lines, warned, .. } = self;
        *self = Self { warned: *warned, ..Self::new(clock.clone(), lines.clone()) };
        self.update_lines();
    }

    fn next_deadline(&self) -> Option<VmTime> {
        if !self.enabled() {
            return None;
        }
        // Without an interrupt, a match shows only when a register is read.
        let due = self.timers.iter().filter(|t| t.interrupts()).filter_map(Comparator::next_match).min()?;
        Some(self.since + VmTime::of_ticks(due, HPET_HZ))
    }

    fn advance(&mut self, now: VmTime) {
        self.catch_up(now);
    }
}

impl Mmio for Hpet {
    fn mmio_read(&mut self, offset: u64, size: AccessSize) -> u64 {
        let now = self.clock.now();
        self.catch_up(now);
        self.read_register(offset & !7, now) >> ((offset & 7) * 8) & size.mask()
    }

    fn mmio_write(&mut self, offset: u64, size: AccessSize, value: u64) {
        let now = self.clock.now();
        self.catch_up(now);
        let shift = (offset & 7) * 8;
        self.write_register(offset & !7, value << shift, size.mask() << shift, now);
    }
}
