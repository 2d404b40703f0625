//! The register core of a 16550A: no bus, no host; time is handed in.

use std::collections::VecDeque;

use glassbox_device_api::{RestoreError, VmTime};
use serde::{Deserialize, Serialize};

/// Depth of the receive FIFO.
pub(crate) const FIFO_DEPTH: usize = 16;
/// Rate of a divisor of 1: 1.8432 MHz / 16.
const BASE_BAUD: u64 = 115_200;

/// Register bits, by the data sheet's names.
pub(crate) mod bits {
    pub(crate) const IER_RECEIVED: u8 = 1 << 0;
    pub(crate) const IER_THR_EMPTY: u8 = 1 << 1;
    pub(crate) const IER_LINE_STATUS: u8 = 1 << 2;
    pub(crate) const IER_MODEM_STATUS: u8 = 1 << 3;

    pub(crate) const IIR_NONE: u8 = 0x01;
    pub(crate) const IIR_MODEM_STATUS: u8 = 0x00;
    pub(crate) const IIR_THR_EMPTY: u8 = 0x02;
    pub(crate) const IIR_RECEIVED: u8 = 0x04;
    pub(crate) const IIR_LINE_STATUS: u8 = 0x06;
    pub(crate) const IIR_TIMEOUT: u8 = 0x0c;
    pub(crate) const IIR_FIFOS: u8 = 0xc0;

    pub(crate) const FCR_ENABLE: u8 = 1 << 0;
    pub(crate) const FCR_RESET_RX: u8 = 1 << 1;

    pub(crate) const LCR_STOP_BITS: u8 = 1 << 2;
    pub(crate) const LCR_PARITY: u8 = 1 << 3;
    pub(crate) const LCR_BREAK: u8 = 1 << 6;
    pub(crate) const LCR_DLAB: u8 = 1 << 7;

    pub(crate) const MCR_DTR: u8 = 1 << 0;
    pub(crate) const MCR_RTS: u8 = 1 << 1;
    pub(crate) const MCR_OUT1: u8 = 1 << 2;
    pub(crate) const MCR_OUT2: u8 = 1 << 3;
    pub(crate) const MCR_LOOP: u8 = 1 << 4;

    pub(crate) const LSR_DATA_READY: u8 = 1 << 0;
    pub(crate) const LSR_OVERRUN: u8 = 1 << 1;
    pub(crate) const LSR_PARITY: u8 = 1 << 2;
    pub(crate) const LSR_FRAMING: u8 = 1 << 3;
    pub(crate) const LSR_BREAK: u8 = 1 << 4;
    pub(crate) const LSR_THR_EMPTY: u8 = 1 << 5;
    pub(crate) const LSR_TRANSMITTER_EMPTY: u8 = 1 << 6;
    pub(crate) const LSR_FIFO_ERROR: u8 = 1 << 7;

    pub(crate) const MSR_DELTA_CTS: u8 = 1 << 0;
    pub(crate) const MSR_DELTA_DSR: u8 = 1 << 1;
    pub(crate) const MSR_RING_ENDED: u8 = 1 << 2;
    pub(crate) const MSR_DELTA_DCD: u8 = 1 << 3;
    pub(crate) const MSR_CTS: u8 = 1 << 4;
    pub(crate) const MSR_DSR: u8 = 1 << 5;
    pub(crate) const MSR_RI: u8 = 1 << 6;
    pub(crate) const MSR_DCD: u8 = 1 << 7;
}
use bits::*;

/// Errors that travel with a character.
const CHARACTER_ERRORS: u8 = LSR_PARITY | LSR_FRAMING | LSR_BREAK;
const LINE_ERRORS: u8 = LSR_OVERRUN | CHARACTER_ERRORS;

/// A received character and its `LSR` error bits.
type Received = (u8, u8);

/// The registers of a 16550A.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Registers {
    ier: u8,
    lcr: u8,
    mcr: u8,
    scr: u8,
    divisor: u16,
    fifos: bool,
    /// Characters in the FIFO at which "received data available" is signalled.
    trigger: u8,
    received: VecDeque<Received>,
    /// What the receive buffer read last; it reads so again when nothing is there.
    last: u8,
    /// Error bits of `LSR`, until it is read.
    errors: u8,
    /// The transmitter became empty and nobody has looked yet.
    thr_empty_pending: bool,
    /// When the character timeout strikes.
    timeout_at: Option<VmTime>,
    timeout_pending: bool,
    /// The modem inputs on the pins, as the high bits of `MSR`.
    inputs: u8,
    msr: u8,
}

impl Registers {
    /// After master reset. The transmitter is empty; the divisor is undefined
    /// by the data sheet and that of 9600 baud here.
    pub(crate) fn new() -> Self {
        Self {
            ier: 0,
            lcr: 0,
            mcr: 0,
            scr: 0,
            divisor: 12,
            fifos: false,
            trigger: 1,
            received: VecDeque::new(),
            last: 0,
            errors: 0,
            thr_empty_pending: false,
            timeout_at: None,
            timeout_pending: false,
            inputs: 0,
            msr: 0,
        }
    }

    /// Master reset; the pins stay as they are driven from outside.
    pub(crate) fn reset(&mut self) {
        let inputs = self.inputs;
        *self = Self { inputs, msr: inputs, ..Self::new() };
    }

    /// Whether characters from the line reach the receiver.
    pub(crate) fn is_looped(&self) -> bool {
        self.mcr & MCR_LOOP != 0
    }

    /// What of a byte the line carries: 5 to 8 bits, and the receiver fills up with
    /// zeros (PC16550D 8.5, bits 0 and 1).
    pub(crate) fn character(&self, byte: u8) -> u8 {
        byte & 0xff >> (3 - (self.lcr & 3))
    }

    /// How many characters the receiver takes before it overruns.
    pub(crate) fn receive_room(&self) -> usize {
        let depth = if self.fifos { FIFO_DEPTH } else { 1 };
        depth.saturating_sub(self.received.len())
    }

    /// Time of `characters` on the line at the programmed rate and format.
    fn line_time(&self, characters: u64) -> VmTime {
        let data = 5 + u64::from(self.lcr & 3);
        let parity = u64::from(self.lcr & LCR_PARITY != 0);
        let stop = 1 + u64::from(self.lcr & LCR_STOP_BITS != 0);
        let divisor = u64::from(self.divisor.max(1));
        VmTime(characters * (1 + data + parity + stop) * divisor * VmTime::SECOND.0 / BASE_BAUD)
    }

    /// The next time at which [`fold`](Self::fold) has something to do.
    pub(crate) fn deadline(&self) -> Option<VmTime> {
        self.timeout_at
    }

    /// Moves on to `now`.
    pub(crate) fn fold(&mut self, now: VmTime) {
        if self.timeout_at.is_some_and(|at| at <= now) {
            self.timeout_at = None;
            self.timeout_pending = true;
        }
    }

    /// The timeout counts four character times from the last arrival or read.
    fn restart_timeout(&mut self, now: VmTime) {
        self.timeout_at = (self.fifos && !self.received.is_empty()).then(|| now + self.line_time(4));
    }

    /// A character came off the line (or around the loop), with `LSR` error bits.
    pub(crate) fn receive(&mut self, now: VmTime, character: u8, errors: u8) {
        if self.receive_room() == 0 {
            self.errors |= LSR_OVERRUN;
            if self.fifos {
                return; // The FIFO stays; what was in the shift register is lost.
            }
            self.received.clear();
        }
        self.received.push_back((character, errors & CHARACTER_ERRORS));
        if self.received.len() == 1 {
            self.reveal();
        }
        self.restart_timeout(now);
    }

    /// A character's errors show in `LSR` when it is the next to be read.
    fn reveal(&mut self) {
        if let Some((_, errors)) = self.received.front_mut() {
            self.errors |= std::mem::take(errors);
        }
    }

    /// Drives the modem input pins (high bits of `MSR`).
    pub(crate) fn set_inputs(&mut self, inputs: u8) {
        self.inputs = inputs & 0xf0;
        self.update_msr();
    }

    fn update_msr(&mut self) {
        let level = if self.is_looped() {
            [(MCR_RTS, MSR_CTS), (MCR_DTR, MSR_DSR), (MCR_OUT1, MSR_RI), (MCR_OUT2, MSR_DCD)]
                .into_iter()
                .filter(|(output, _)| self.mcr & output != 0)
                .fold(0, |level, (_, input)| level | input)
        } else {
            self.inputs
        };
        let changed = level ^ self.msr & 0xf0;
        let mut delta = changed >> 4 & (MSR_DELTA_CTS | MSR_DELTA_DSR | MSR_DELTA_DCD);
        if changed & MSR_RI != 0 && level & MSR_RI == 0 {
            delta |= MSR_RING_ENDED;
        }
        self.msr = level | self.msr & 0x0f | delta;
    }

    /// The identification of the interrupt with the highest priority.
    fn identify(&self) -> u8 {
        let available = self.received.len() >= usize::from(if self.fifos { self.trigger } else { 1 });
        if self.ier & IER_LINE_STATUS != 0 && self.errors & LINE_ERRORS != 0 {
            IIR_LINE_STATUS
        } else if self.ier & IER_RECEIVED != 0 && available {
            IIR_RECEIVED
        } else if self.ier & IER_RECEIVED != 0 && self.timeout_pending {
            IIR_TIMEOUT
        } else if self.ier & IER_THR_EMPTY != 0 && self.thr_empty_pending {
            IIR_THR_EMPTY
        } else if self.ier & IER_MODEM_STATUS != 0 && self.msr & 0x0f != 0 {
            IIR_MODEM_STATUS
        } else {
            IIR_NONE
        }
    }

    /// The interrupt request as a PC wires it: gated by OUT2, which loopback disconnects.
    pub(crate) fn interrupt(&self) -> bool {
        self.mcr & (MCR_OUT2 | MCR_LOOP) == MCR_OUT2 && self.identify() != IIR_NONE
    }

    /// Reads the register at `offset` (0 to 7).
    pub(crate) fn read(&mut self, now: VmTime, offset: u16) -> u8 {
        let dlab = self.lcr & LCR_DLAB != 0;
        match offset {
            0 if dlab => self.divisor as u8,
            0 => self.read_buffer(now),
            1 if dlab => (self.divisor >> 8) as u8,
            1 => self.ier,
            2 => {
                let id = self.identify();
                if id == IIR_THR_EMPTY {
                    self.thr_empty_pending = false;
                }
                if self.fifos { id | IIR_FIFOS } else { id }
            }
            3 => self.lcr,
            4 => self.mcr,
            5 => {
                let status = self.line_status();
                self.errors = 0;
                status
            }
            6 => {
                let status = self.msr;
                self.msr &= 0xf0;
                status
            }
            7 => self.scr,
            _ => 0xff,
        }
    }

    fn read_buffer(&mut self, now: VmTime) -> u8 {
        if let Some((character, _)) = self.received.pop_front() {
            self.last = character;
            self.reveal();
        }
        self.timeout_pending = false;
        self.restart_timeout(now);
        self.last
    }

    fn line_status(&self) -> u8 {
        let mut status = self.errors | LSR_THR_EMPTY | LSR_TRANSMITTER_EMPTY;
        if !self.received.is_empty() {
            status |= LSR_DATA_READY;
        }
        let in_fifo = self.received.iter().fold(self.errors, |all, (_, errors)| all | errors);
        if self.fifos && in_fifo & CHARACTER_ERRORS != 0 {
            status |= LSR_FIFO_ERROR;
        }
        status
    }

    /// Whether a write to `offset` is one to the transmit holding register.
    pub(crate) fn is_transmit(&self, offset: u16) -> bool {
        offset == 0 && self.lcr & LCR_DLAB == 0
    }

    /// A character goes into the transmit holding register.
    pub(crate) fn begin_transmit(&mut self) {
        self.thr_empty_pending = false;
    }

    /// The transmitter has sent its character and is empty again.
    pub(crate) fn end_transmit(&mut self) {
        self.thr_empty_pending = true;
    }

    /// Writes the register at `offset` (0 to 7), other than the transmit holding register.
    pub(crate) fn write(&mut self, now: VmTime, offset: u16, value: u8) {
        let dlab = self.lcr & LCR_DLAB != 0;
        match offset {
            0 => self.divisor = self.divisor & 0xff00 | u16::from(value),
            1 if dlab => self.divisor = self.divisor & 0x00ff | u16::from(value) << 8,
            1 => {
                let was = std::mem::replace(&mut self.ier, value & 0x0f);
                // Enabling the interrupt while the transmitter is empty raises it
                // once more: drivers start (and test for) transmission so.
                if self.ier & !was & IER_THR_EMPTY != 0 {
                    self.thr_empty_pending = true;
                }
            }
            2 => self.write_fifo_control(value),
            3 => {
                let begun = value & !self.lcr & LCR_BREAK != 0;
                self.lcr = value;
                if begun && self.is_looped() {
                    self.receive(now, 0, LSR_BREAK);
                }
            }
            4 => {
                self.mcr = value & 0x1f;
                self.update_msr();
            }
            7 => self.scr = value,
            // LSR and MSR are written in factory tests only.
            _ => {}
        }
    }

    fn write_fifo_control(&mut self, value: u8) {
        let enable = value & FCR_ENABLE != 0;
        if enable != self.fifos || enable && value & FCR_RESET_RX != 0 {
            self.received.clear();
            self.timeout_at = None;
            self.timeout_pending = false;
        }
        self.fifos = enable;
        // The other bits are not programmed while the FIFOs are off.
        if enable {
            self.trigger = [1, 4, 8, 14][usize::from(value >> 6)];
        }
    }

    /// Whether this could be the state of a UART.
    pub(crate) fn check(&self) -> Result<(), RestoreError> {
        let depth = if self.fifos { FIFO_DEPTH } else { 1 };
        let field = match self {
            Self { ier: 0x10.., .. } => "ier",
            Self { mcr: 0x20.., .. } => "mcr",
            Self { trigger, .. } if ![1, 4, 8, 14].contains(trigger) => "trigger",
            Self { received, .. } if received.len() > depth => "received",
            Self { received, errors, .. }
                if errors & !LINE_ERRORS != 0 || received.iter().any(|(_, e)| e & !CHARACTER_ERRORS != 0) =>
            {
                "errors"
            }
            Self { inputs, .. } if inputs & 0x0f != 0 => "inputs",
            _ => return Ok(()),
        };
        Err(RestoreError::Invalid { device: "uart", field })
    }
}
