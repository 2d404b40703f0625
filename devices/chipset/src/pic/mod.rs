//! The pair of 8259A interrupt controllers of a PC, with the chipset's
//! edge/level control registers.
//!
//! | offset | conventional port | register |
//! | --- | --- | --- |
//! | 0, 1 | 20h, 21h | master: command, data |
//! | 2, 3 | A0h, A1h | slave: command, data |
//! | 4, 5 | 4D0h, 4D1h | ELCR1 (IRQ 0-7), ELCR2 (IRQ 8-15) |
//!
//! The slave's INT output is wired to the master's IR2. The board forwards the
//! devices' lines with [`Pic::set_irq`], offers [`Pic::intr`] to the processor
//! and answers its acknowledge cycle with [`Pic::acknowledge`].
//!
//! Sources: Intel 8259A data sheet; Intel 82371AB (PIIX4) data sheet 4.2.3 and 4.2.6.

mod chip;

use chip::Chip;
use glassbox_device_api::{AccessSize, Device, PortIo, PortWindow, ResetKind, RestoreError, SaveRestore};
use serde::{Deserialize, Serialize};
use std::fmt;

use crate::bytes::{read_bytes, write_bytes};

/// The master's input that the slave is wired to.
const CASCADE: u8 = 2;
/// IRQ 0, 1 and 2 cannot be level triggered (PIIX4 4.2.6).
const ELCR1_WRITABLE: u8 = 0xf8;
/// IRQ 8 and 13 cannot be level triggered.
const ELCR2_WRITABLE: u8 = 0xde;

/// Master and slave 8259A with ELCR.
#[derive(Debug)]
pub struct Pic {
    master: Chip,
    slave: Chip,
}

/// Saved state of [`Pic`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PicSavedV1 {
    master: Chip,
    slave: Chip,
}

/// What a person wants to know of both chips.
impl fmt::Display for Pic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, chip) in [("master", &self.master), ("slave", &self.slave)] {
            let Chip { lines, irr, isr, imr, elcr, .. } = chip;
            write!(f, "{name}: vectors from {:#04x}, lines {lines:08b}, irr {irr:08b}, ", chip.vector(0))?;
            writeln!(f, "isr {isr:08b}, imr {imr:08b}, level {elcr:08b}")?;
        }
        Ok(())
    }
}

impl Default for Pic {
    fn default() -> Self {
        Self::new()
    }
}

impl Pic {
    /// Where a PC has the ports.
    pub const WINDOWS: [PortWindow; 3] = [
        PortWindow { port: 0x20, len: 2, offset: 0 },
        PortWindow { port: 0xa0, len: 2, offset: 2 },
        PortWindow { port: 0x4d0, len: 2, offset: 4 },
    ];

    /// Both chips in the power-on state, all inputs low.
    pub fn new() -> Self {
        Self { master: Chip::new(), slave: Chip::new() }
    }

    /// Drives ISA interrupt `line` (0 to 15). Line 2 is the cascade and goes
    /// nowhere, like any number above 15.
    pub fn set_irq(&mut self, line: u32, level: bool) {
        match line {
            2 | 16.. => return,
            0..8 => self.master.set_line(line as u8, level),
            _ => self.slave.set_line(line as u8 - 8, level),
        }
        self.cascade();
    }

    /// The INTR output to the processor.
    #[inline]
    pub fn intr(&self) -> bool {
        self.master.int()
    }

    /// The processor's interrupt acknowledge cycle: the vector.
    ///
    /// When the request is gone, that of IRQ 7 (or 15), without an in-service bit.
    pub fn acknowledge(&mut self) -> u8 {
        let Some(ir) = self.master.acknowledge() else { return self.master.vector(7) };
        if ir != CASCADE || !self.master.has_slave(ir) {
            return self.master.vector(ir);
        }
        let vector = match self.slave.acknowledge() {
            Some(ir) => self.slave.vector(ir),
            None => self.slave.vector(7),
        };
        // INT falls with the acknowledge, so that what else waits in the slave is a new edge.
        self.master.set_cascade(CASCADE, false);
        self.cascade();
        vector
    }

    /// Whether `line` is level triggered by the ELCR.
    pub fn is_level_triggered(&self, line: u32) -> bool {
        line < 16 && (u16::from(self.slave.elcr) << 8 | u16::from(self.master.elcr)) & (1 << line) != 0
    }

    /// Wires the slave's INT output to the master.
    fn cascade(&mut self) {
        self.master.set_cascade(CASCADE, self.slave.int());
    }

    fn read(&mut self, offset: u16) -> u8 {
        let value = match offset {
            0 | 1 => self.master.read(offset == 1),
            2 | 3 => self.slave.read(offset == 3),
            4 => self.master.elcr,
            5 => self.slave.elcr,
            _ => 0xff,
        };
        self.cascade();
        value
    }

    fn write(&mut self, offset: u16, value: u8) {
        match offset {
            0 => self.master.write_command(value),
            1 => self.master.write_data(value),
            2 => self.slave.write_command(value),
            3 => self.slave.write_data(value),
            4 => self.master.set_elcr(value & ELCR1_WRITABLE),
            5 => self.slave.set_elcr(value & ELCR2_WRITABLE),
            _ => {}
        }
        self.cascade();
    }
}

impl Device for Pic {
    fn name(&self) -> &'static str {
        "pic"
    }

    fn reset(&mut self, _kind: ResetKind) {
        self.master.reset();
        self.slave.reset();
        self.cascade();
    }
}

impl PortIo for Pic {
    fn port_read(&mut self, offset: u16, size: AccessSize) -> u32 {
        read_bytes(offset, size, |offset| self.read(offset))
    }

    fn port_write(&mut self, offset: u16, size: AccessSize, value: u32) {
        write_bytes(offset, size, value, |offset, byte| self.write(offset, byte));
    }
}

impl SaveRestore for Pic {
    type Saved = PicSavedV1;

    fn save(&self) -> PicSavedV1 {
        let Self { master, slave } = self;
        PicSavedV1 { master: master.clone(), slave: slave.clone() }
    }

    fn restore(&mut self, saved: PicSavedV1) -> Result<(), RestoreError> {
        let PicSavedV1 { master, slave } = saved;
        master.check()?;
        slave.check()?;
        *self = Self { master, slave };
        Ok(())
    }
}

#[cfg(test)]
mod tests;
