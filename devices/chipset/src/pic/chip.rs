//! One 8259A programmable interrupt controller: the register core, which knows no bus.
//!
//! Source: Intel 8259A data sheet (231468). Initialisation asks for a fresh
//! low-to-high transition on edge inputs. One deviation is deliberate: the data
//! sheet wants an edge input to stay high until it is acknowledged and answers
//! IR7 otherwise; here the edge stays latched, because a device's pulse has no
//! width on our lines and must not be lost. A level input, and the slave on its
//! master, withdraws its request as the data sheet says.

use glassbox_device_api::RestoreError;
use serde::{Deserialize, Serialize};

/// ICW1, when A0 is low.
const ICW1: u8 = 1 << 4;
const ICW1_NEED_ICW4: u8 = 1 << 0;
const ICW1_SINGLE: u8 = 1 << 1;
const ICW4_AUTO_EOI: u8 = 1 << 1;
const ICW4_SPECIAL_FULLY_NESTED: u8 = 1 << 4;
/// OCW3 when A0 and bit 4 are low, else OCW2.
const OCW3: u8 = 1 << 3;
const OCW3_READ_REGISTER: u8 = 1 << 1;
const OCW3_READ_ISR: u8 = 1 << 0;
const OCW3_POLL: u8 = 1 << 2;
const OCW3_CHANGE_SPECIAL_MASK: u8 = 1 << 6;
const OCW3_SPECIAL_MASK: u8 = 1 << 5;

/// Which initialisation word the data port takes next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum InitStep {
    /// Initialised (or never begun): the data port is OCW1, the mask.
    #[default]
    Done,
    /// The vector base.
    Icw2,
    /// The cascade wiring.
    Icw3,
    /// The mode.
    Icw4,
}

/// One 8259A. Bit n of each register is input IRn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Chip {
    /// Levels on the inputs.
    pub(super) lines: u8,
    /// Interrupt request register.
    pub(super) irr: u8,
    /// In-service register.
    pub(super) isr: u8,
    /// Interrupt mask register.
    pub(super) imr: u8,
    /// Inputs that are level triggered (the chipset's ELCR).
    pub(super) elcr: u8,
    vector_base: u8,
    /// The input with the lowest priority; the next one up has the highest.
    lowest: u8,
    step: InitStep,
    icw1: u8,
    icw3: u8,
    auto_eoi: bool,
    rotate_on_auto_eoi: bool,
    special_fully_nested: bool,
    special_mask: bool,
    read_isr: bool,
    poll: bool,
}

impl Chip {
    /// A chip before its first initialisation. The data sheet leaves the mask
    /// undefined then; all masked keeps an uninitialised chip quiet.
    pub(super) fn new() -> Self {
        Self {
            lines: 0,
            irr: 0,
            isr: 0,
            imr: 0xff,
            elcr: 0,
            vector_base: 0,
            lowest: 7,
            step: InitStep::Done,
            icw1: 0,
            icw3: 0,
            auto_eoi: false,
            rotate_on_auto_eoi: false,
            special_fully_nested: false,
            special_mask: false,
            read_isr: false,
            poll: false,
        }
    }

    /// Power-on state; what other devices drive onto the inputs stays.
    pub(super) fn reset(&mut self) {
        *self = Self { lines: self.lines, ..Self::new() };
    }

    /// Whether `ir` cascades a slave on this (master) chip.
    pub(super) fn has_slave(&self, ir: u8) -> bool {
        self.icw1 & ICW1_SINGLE == 0 && self.icw3 & (1 << ir) != 0
    }

    /// Drives input `ir` from a slave's INT output, which withdraws its request when it falls.
    pub(super) fn set_cascade(&mut self, ir: u8, int: bool) {
        self.set_line(ir, int);
        if !int {
            self.irr &= !(1 << ir);
        }
    }

    /// Drives input `ir` from a device.
    pub(super) fn set_line(&mut self, ir: u8, level: bool) {
        let bit = 1 << ir;
        if !level {
            self.lines &= !bit;
            self.irr &= !(bit & self.elcr);
        } else {
            if self.elcr & bit != 0 || self.lines & bit == 0 {
                self.irr |= bit;
            }
            self.lines |= bit;
        }
    }

    /// Selects the trigger mode of the inputs.
    pub(super) fn set_elcr(&mut self, elcr: u8) {
        self.elcr = elcr;
        self.irr |= self.lines & elcr;
    }

    /// The first set bit of `bits` in order of priority, as (input, rank); rank 0 is the highest.
    fn first(&self, bits: u8) -> Option<(u8, u8)> {
        let highest = (self.lowest + 1) & 7;
        let rank = bits.rotate_right(highest.into()).trailing_zeros() as u8;
        (rank < 8).then_some(((highest + rank) & 7, rank))
    }

    /// The request that would be acknowledged now.
    fn pending(&self) -> Option<u8> {
        let (ir, rank) = self.first(self.irr & !self.imr)?;
        let mut blocking = self.isr;
        if self.special_mask {
            // Special mask mode: a level that is masked does not hold back others.
            blocking &= !self.imr;
        }
        if self.special_fully_nested && self.has_slave(ir) {
            // A slave may interrupt its own service routine.
            blocking &= !(1 << ir);
        }
        match self.first(blocking) {
            Some((_, served)) if served <= rank => None,
            _ => Some(ir),
        }
    }

    /// The INT output.
    pub(super) fn int(&self) -> bool {
        self.pending().is_some()
    }

    /// Both INTA pulses: the input served, or `None` when the request is gone (IR7 by default).
    pub(super) fn acknowledge(&mut self) -> Option<u8> {
        let ir = self.pending()?;
        let bit = 1 << ir;
        if self.elcr & bit == 0 {
            self.irr &= !bit;
        }
        if !self.auto_eoi {
            self.isr |= bit;
        } else if self.rotate_on_auto_eoi {
            self.lowest = ir;
        }
        Some(ir)
    }

    /// The vector of input `ir`.
    pub(super) fn vector(&self, ir: u8) -> u8 {
        self.vector_base | ir
    }

    /// Reads with A0 low (`false`) or high.
    pub(super) fn read(&mut self, a0: bool) -> u8 {
        if std::mem::take(&mut self.poll) {
            return self.acknowledge().map_or(7, |ir| 0x80 | ir);
        }
        match (a0, self.read_isr) {
            (true, _) => self.imr,
            (false, true) => self.isr,
            (false, false) => self.irr,
        }
    }

    /// Writes with A0 low.
    pub(super) fn write_command(&mut self, value: u8) {
        if value & ICW1 != 0 {
            self.begin_init(value);
        } else if value & OCW3 != 0 {
            self.poll = value & OCW3_POLL != 0;
            if value & OCW3_READ_REGISTER != 0 {
                self.read_isr = value & OCW3_READ_ISR != 0;
            }
            if value & OCW3_CHANGE_SPECIAL_MASK != 0 {
                self.special_mask = value & OCW3_SPECIAL_MASK != 0;
            }
        } else {
            self.end_of_interrupt(value);
        }
    }

    fn begin_init(&mut self, icw1: u8) {
        *self = Self {
            lines: self.lines,
            elcr: self.elcr,
            irr: self.lines & self.elcr,
            imr: 0,
            icw1,
            step: InitStep::Icw2,
            vector_base: self.vector_base,
            ..Self::new()
        };
    }

    /// OCW2: rotate, specific and end-of-interrupt bits, and a level.
    fn end_of_interrupt(&mut self, ocw2: u8) {
        let level = ocw2 & 7;
        match ocw2 >> 5 {
            0b000 => self.rotate_on_auto_eoi = false,
            0b100 => self.rotate_on_auto_eoi = true,
            0b001 => {
                self.end_highest();
            }
            0b101 => {
                if let Some(ir) = self.end_highest() {
                    self.lowest = ir;
                }
            }
            0b011 => self.isr &= !(1 << level),
            0b111 => {
                self.isr &= !(1 << level);
                self.lowest = level;
            }
            0b110 => self.lowest = level,
            _ => {} // 010: no operation.
        }
    }

    /// Non-specific end of interrupt. In special mask mode a masked in-service
    /// bit is not cleared by it.
    fn end_highest(&mut self) -> Option<u8> {
        let served = if self.special_mask { self.isr & !self.imr } else { self.isr };
        let (ir, _) = self.first(served)?;
        self.isr &= !(1 << ir);
        Some(ir)
    }

    /// Writes with A0 high.
    pub(super) fn write_data(&mut self, value: u8) {
        match self.step {
            InitStep::Done => self.imr = value,
            InitStep::Icw2 => {
                self.vector_base = value & 0xf8;
                self.step = if self.icw1 & ICW1_SINGLE == 0 { InitStep::Icw3 } else { self.after_icw3() };
            }
            InitStep::Icw3 => {
                self.icw3 = value;
                self.step = self.after_icw3();
            }
            InitStep::Icw4 => {
                // Bit 0 clear is the mode of the MCS-80, which answers a CALL in three
                // cycles. An x86 runs two: vectors are formed as in its own mode.
                self.auto_eoi = value & ICW4_AUTO_EOI != 0;
                self.special_fully_nested = value & ICW4_SPECIAL_FULLY_NESTED != 0;
                self.step = InitStep::Done;
            }
        }
    }

    fn after_icw3(&self) -> InitStep {
        if self.icw1 & ICW1_NEED_ICW4 != 0 { InitStep::Icw4 } else { InitStep::Done }
    }

    /// Whether this could be the state of a chip.
    pub(super) fn check(&self) -> Result<(), RestoreError> {
        let field = match self {
            Self { lowest: 8.., .. } => "lowest",
            Self { vector_base, .. } if vector_base & 7 != 0 => "vector_base",
            _ => return Ok(()),
        };
        Err(RestoreError::Invalid { device: "pic", field })
    }
}
