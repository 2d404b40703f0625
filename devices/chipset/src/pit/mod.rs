//! 8254 programmable interval timer and system control port B.
//!
//! | offset | conventional port | register |
//! | --- | --- | --- |
//! | 0, 1, 2 | 40h, 41h, 42h | counters 0 to 2 |
//! | 3 | 43h | control word |
//! | 4 | 61h | system control port B: counter 2's gate, speaker, refresh toggle, NMI status |
//!
//! Counter 0 drives an interrupt line with its OUT pin, at the exact tick. Its
//! gate and that of counter 1 are tied high. Port 61h is here because it holds
//! counter 2's gate and shows its output.
//!
//! Sources: Intel 8254 data sheet; Intel 82371AB (PIIX4) data sheet 4.2.2 (timer)
//! and 4.2.5.1 (NMI status and control).

mod counter;
mod port61;
mod speaker;

use counter::Counter;
use glassbox_device_api::{
    AccessSize, Device, IrqLine, PortIo, PortWindow, ResetKind, RestoreError, SaveRestore, VmClock, VmTime,
};
use port61::Port61;
use serde::{Deserialize, Serialize};
use std::fmt;

use crate::bytes::{read_bytes, write_bytes};

pub use speaker::{SpeakerSink, Wave};

/// The timer's clock in Hz: a twelfth of 14.31818 MHz.
pub const PIT_HZ: u64 = 1_193_182;

const CONTROL: u16 = 3;
const PORT_61: u16 = 4;
/// Read-back command: a control word for "counter 3".
const READ_BACK: u8 = 3;
const READ_BACK_NO_COUNT: u8 = 1 << 5;
const READ_BACK_NO_STATUS: u8 = 1 << 4;

/// Three counters and port 61h.
pub struct Pit {
    clock: VmClock,
    irq0: IrqLine,
    nmi: IrqLine,
    counters: [Counter; 3],
    port61: Port61,
    speaker: Option<Box<dyn SpeakerSink>>,
    /// Up to when the speaker has heard everything.
    folded: VmTime,
}

impl fmt::Debug for Pit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { counters, port61, .. } = self;
        f.debug_struct("Pit").field("counters", counters).field("port61", port61).finish_non_exhaustive()
    }
}

/// Saved state of [`Pit`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PitSavedV1 {
    counters: [Counter; 3],
    port61: Port61,
}

impl Pit {
    /// Where a PC has the ports.
    pub const WINDOWS: [PortWindow; 2] =
        [PortWindow { port: 0x40, len: 4, offset: 0 }, PortWindow { port: 0x61, len: 1, offset: PORT_61 }];

    /// A timer whose counter 0 drives `irq0`; `nmi` is the line of port 61h's error sources.
    ///
    /// Counter 0's output is high from power-on, so `irq0` is raised at once.
    pub fn new(clock: VmClock, irq0: IrqLine, nmi: IrqLine) -> Self {
        let (counters, port61) = (Self::power_on(), Port61::default());
        let mut pit = Self { clock, irq0, nmi, counters, port61, speaker: None, folded: VmTime::default() };
        pit.fold();
        pit
    }

    fn power_on() -> [Counter; 3] {
        [Counter::new(true), Counter::new(true), Counter::new(false)]
    }

    /// The system error input (PCI SERR#) was pulsed: an NMI, unless port 61h disables it.
    pub fn signal_serr(&mut self) {
        self.port61.signal_serr();
        self.nmi.set(self.port61.nmi());
    }

    /// The ISA I/O check input (IOCHK#) was pulsed: an NMI, unless port 61h disables it.
    pub fn signal_io_check(&mut self) {
        self.port61.signal_io_check();
        self.nmi.set(self.port61.nmi());
    }

    /// Lets the speaker be heard from now on.
    pub fn set_speaker(&mut self, speaker: Option<Box<dyn SpeakerSink>>) {
        self.fold();
        self.speaker = speaker;
    }

    /// Whether the speaker is connected to counter 2's output.
    pub fn speaker_enabled(&self) -> bool {
        self.port61.speaker_enabled()
    }

    fn now(&self) -> u64 {
        self.clock.now().ticks(PIT_HZ)
    }

    /// Brings all counters to the present and drives the lines.
    fn fold(&mut self) {
        self.folded = self.clock.now();
        let now = self.folded.ticks(PIT_HZ);
        let [counter0, counter1, counter2] = &mut self.counters;
        if counter0.fold(now) {
            // However late we are called: the edges of the past are one edge.
            self.irq0.lower();
            self.irq0.raise();
        }
        self.irq0.set(counter0.out());
        counter1.fold(now);
        match &mut self.speaker {
            None => counter2.fold(now),
            Some(speaker) => {
                let connected = self.port61.speaker_enabled();
                counter2.fold_heard(now, &mut |wave| {
                    // What is not connected is low.
                    let (level, period) = if connected { (wave.level, wave.period) } else { (false, 0) };
                    if wave.ticks != 0 {
                        speaker.play(Wave { level, period, ..wave });
                    }
                })
            }
        };
    }

    fn read(&mut self, offset: u16) -> u8 {
        self.fold();
        match offset {
            0..=2 => self.counters[usize::from(offset)].read(),
            PORT_61 => self.port61.read(self.now(), self.counters[2].out()),
            // The control word cannot be read: the bus floats.
            _ => 0xff,
        }
    }

    fn write(&mut self, offset: u16, value: u8) {
        self.fold();
        match offset {
            0..=2 => self.counters[usize::from(offset)].write(value),
            CONTROL => self.write_control(value),
            PORT_61 => {
                self.port61.write(value);
                self.counters[2].set_gate(self.port61.gate());
                self.nmi.set(self.port61.nmi());
            }
            _ => {}
        }
        self.irq0.set(self.counters[0].out());
    }

    fn write_control(&mut self, value: u8) {
        let select = value >> 6;
        if select == READ_BACK {
            for (i, counter) in self.counters.iter_mut().enumerate() {
                if value & (2 << i) == 0 {
                    continue;
                }
                if value & READ_BACK_NO_COUNT == 0 {
                    counter.latch_count();
                }
                if value & READ_BACK_NO_STATUS == 0 {
                    counter.latch_status();
                }
            }
            return;
        }
        let counter = &mut self.counters[usize::from(select)];
        if value & 0x30 == 0 {
            counter.latch_count();
        } else {
            counter.write_control(value);
        }
    }
}

impl Device for Pit {
    fn name(&self) -> &'static str {
        "pit"
    }

    fn reset(&mut self, _kind: ResetKind) {
        let now = self.now();
        self.fold();
        self.counters = Self::power_on().map(|mut counter| {
            counter.fold(now);
            counter
        });
        self.port61 = Port61::default();
        self.irq0.lower();
        self.nmi.lower();
        self.fold();
    }

    fn next_deadline(&self) -> Option<VmTime> {
        let change = self.counters[0].next_change().map(|tick| VmTime::of_ticks(tick, PIT_HZ));
        let heard = self.speaker.as_ref().filter(|_| self.port61.speaker_enabled());
        let heard = heard.and_then(|speaker| Some(self.folded + speaker.patience()?));
        change.into_iter().chain(heard).min()
    }

    fn advance(&mut self, _now: VmTime) {
        self.fold();
    }
}

impl PortIo for Pit {
    fn port_read(&mut self, offset: u16, size: AccessSize) -> u32 {
        read_bytes(offset, size, |offset| self.read(offset))
    }

    fn port_write(&mut self, offset: u16, size: AccessSize, value: u32) {
        write_bytes(offset, size, value, |offset, byte| self.write(offset, byte));
    }
}

impl SaveRestore for Pit {
    type Saved = PitSavedV1;

    fn save(&self) -> PitSavedV1 {
        let Self { clock: _, irq0: _, nmi: _, counters, port61, speaker: _, folded: _ } = self;
        PitSavedV1 { counters: counters.clone(), port61: port61.clone() }
    }

    fn restore(&mut self, saved: PitSavedV1) -> Result<(), RestoreError> {
        let PitSavedV1 { counters, port61 } = saved;
        for counter in &counters {
            counter.check(self.now())?;
        }
        if counters[2].gate() != port61.gate() {
            return Err(RestoreError::Invalid { device: "pit", field: "gate" });
        }
        self.counters = counters;
        self.port61 = port61;
        self.irq0.set(self.counters[0].out());
        self.nmi.set(self.port61.nmi());
        Ok(())
    }
}

#[cfg(test)]
mod tests;
