//! System control port A (92h): fast A20 gate and fast processor reset.
//!
//! One port, offset 0, conventionally at 92h ([`SystemControlA::WINDOWS`]). The
//! A20 line is high while the register enables address bit 20; the board masks
//! bit 20 only while neither this nor the keyboard controller's A20 line is high.
//!
//! Source: Intel 82371AB (PIIX4) data sheet 4.2.7.2 (port 92 register).

use glassbox_device_api::{
    AccessSize, Device, IrqLine, PortIo, PortWindow, ResetKind, RestoreError, SaveRestore,
};
use serde::{Deserialize, Serialize};

use crate::bytes::{read_bytes, write_bytes};

const FAST_INIT: u8 = 1 << 0;
const FAST_A20: u8 = 1 << 1;

/// Port 92h.
#[derive(Debug)]
pub struct SystemControlA {
    reset: IrqLine,
    a20: IrqLine,
    value: u8,
}

/// Saved state of [`SystemControlA`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SystemControlASavedV1 {
    value: u8,
}

impl SystemControlA {
    /// Where a PC has the port.
    pub const WINDOWS: [PortWindow; 1] = [PortWindow { port: 0x92, len: 1, offset: 0 }];

    /// The port; `reset` is pulsed to initialise the processor, `a20` is high
    /// while address bit 20 is enabled from here.
    pub fn new(reset: IrqLine, a20: IrqLine) -> Self {
        Self { reset, a20, value: 0 }
    }

    fn write(&mut self, value: u8) {
        let began = value & !self.value & FAST_INIT != 0;
        self.value = value & (FAST_INIT | FAST_A20);
        self.a20.set(self.value & FAST_A20 != 0);
        if began {
            self.reset.pulse();
        }
    }
}

impl Device for SystemControlA {
    fn name(&self) -> &'static str {
        "port92"
    }

    fn reset(&mut self, _kind: ResetKind) {
        self.value = 0;
        self.a20.lower();
        self.reset.lower();
    }
}

impl PortIo for SystemControlA {
    fn port_read(&mut self, offset: u16, size: AccessSize) -> u32 {
        read_bytes(offset, size, |offset| if offset == 0 { self.value } else { 0xff })
    }

    fn port_write(&mut self, offset: u16, size: AccessSize, value: u32) {
        write_bytes(offset, size, value, |offset, byte| {
            if offset == 0 {
                self.write(byte);
            }
        });
    }
}

impl SaveRestore for SystemControlA {
    type Saved = SystemControlASavedV1;

    fn save(&self) -> SystemControlASavedV1 {
        let Self { reset: _, a20: _, value } = self;
        SystemControlASavedV1 { value: *value }
    }

    fn restore(&mut self, saved: SystemControlASavedV1) -> Result<(), RestoreError> {
        let SystemControlASavedV1 { value } = saved;
        if value & !(FAST_INIT | FAST_A20) != 0 {
            return Err(RestoreError::Invalid { device: "port92", field: "value" });
        }
        self.value = value;
        self.a20.set(value & FAST_A20 != 0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use glassbox_testkit::{Bench, PortBus, check_save_restore_ports, fuzz_port_device};

    use super::*;

    fn port(bench: &Bench) -> SystemControlA {
        SystemControlA::new(bench.line(1), bench.line(2))
    }

    #[test]
    fn bit_1_gates_a20_and_reads_back() {
        let bench = Bench::new();
        let mut port = port(&bench);
        port.out8(0, 0x02);
        assert!(bench.level(2));
        assert_eq!(port.in8(0), 0x02);
        port.out8(0, 0x00);
        assert!(!bench.level(2));
    }

    #[test]
    fn the_rise_of_bit_0_resets_once() {
        let bench = Bench::new();
        let mut port = port(&bench);
        port.out8(0, 0x01);
        port.out8(0, 0x01);
        assert_eq!(bench.take_rises(1), 1);
        port.out8(0, 0x00);
        port.out8(0, 0x01);
        assert_eq!(bench.take_rises(1), 1);
    }

    #[test]
    fn generic_checks() {
        fuzz_port_device(1, port);
        check_save_restore_ports(1, port);
    }
}
