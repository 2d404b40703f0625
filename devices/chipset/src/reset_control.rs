//! Reset control register (CF9h).
//!
//! One port, offset 0, conventionally at CF9h ([`ResetControl::WINDOWS`]). It lies
//! inside the dword of the PCI configuration address; only byte accesses to CF9h
//! are for this register.
//!
//! Sources: Intel 82371AB (PIIX4) data sheet 4.2.7.1; Intel ICH9 data sheet 13.7.5
//! (full reset).

use glassbox_device_api::{
    AccessSize, Device, IrqLine, PortIo, PortWindow, ResetKind, RestoreError, SaveRestore,
};
use serde::{Deserialize, Serialize};

use crate::bytes::{read_bytes, write_bytes};

/// Reset the system (1) or only the processor (0).
const SYSTEM: u8 = 1 << 1;
/// The rise of this bit starts the reset.
const RESET_CPU: u8 = 1 << 2;
/// Also cycle the power.
const FULL: u8 = 1 << 3;
const WRITABLE: u8 = SYSTEM | RESET_CPU | FULL;

/// Port CF9h.
#[derive(Debug)]
pub struct ResetControl {
    soft: IrqLine,
    hard: IrqLine,
    value: u8,
}

/// Saved state of [`ResetControl`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResetControlSavedV1 {
    value: u8,
}

impl ResetControl {
    /// Where a PC has the port.
    pub const WINDOWS: [PortWindow; 1] = [PortWindow { port: 0xcf9, len: 1, offset: 0 }];

    /// The register; `soft` is pulsed to initialise the processor alone, `hard` to
    /// reset the system.
    pub fn new(soft: IrqLine, hard: IrqLine) -> Self {
        Self { soft, hard, value: 0 }
    }

    /// Whether the last hard reset asked for a power cycle too ([`ResetKind::Cold`]).
    pub fn is_full(&self) -> bool {
        self.value & FULL != 0
    }

    fn write(&mut self, value: u8) {
        let began = value & !self.value & RESET_CPU != 0;
        self.value = value & WRITABLE;
        if began {
            let line = if value & SYSTEM != 0 { &self.hard } else { &self.soft };
            line.pulse();
        }
    }
}

impl Device for ResetControl {
    fn name(&self) -> &'static str {
        "reset-control"
    }

    fn reset(&mut self, _kind: ResetKind) {
        self.value = 0;
        self.soft.lower();
        self.hard.lower();
    }
}

impl PortIo for ResetControl {
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

impl SaveRestore for ResetControl {
    type Saved = ResetControlSavedV1;

    fn save(&self) -> ResetControlSavedV1 {
        let Self { soft: _, hard: _, value } = self;
        ResetControlSavedV1 { value: *value }
    }

    fn restore(&mut self, saved: ResetControlSavedV1) -> Result<(), RestoreError> {
        let ResetControlSavedV1 { value } = saved;
        if value & !WRITABLE != 0 {
            return Err(RestoreError::Invalid { device: "reset-control", field: "value" });
        }
        self.value = value;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use glassbox_testkit::{Bench, PortBus, check_save_restore_ports, fuzz_port_device};

    use super::*;

    const SOFT: u32 = 1;
    const HARD: u32 = 2;

    fn port(bench: &Bench) -> ResetControl {
        ResetControl::new(bench.line(SOFT), bench.line(HARD))
    }

    #[test]
    fn linux_reboot_by_cf9_is_one_hard_reset() {
        let bench = Bench::new();
        let mut port = port(&bench);
        // Linux: request a hard reset, then start it.
        let cf9 = port.in8(0) & !0x0e;
        port.out8(0, cf9 | 0x02);
        assert!(bench.take().is_empty());
        port.out8(0, cf9 | 0x06);
        assert_eq!(bench.take_rises(HARD), 1);
        assert!(!port.is_full());
    }

    #[test]
    fn without_the_system_bit_only_the_processor_is_reset() {
        let bench = Bench::new();
        let mut port = port(&bench);
        port.out8(0, 0x04);
        assert_eq!(bench.take_rises(SOFT), 1);
        port.out8(0, 0x0e);
        assert!(bench.take().is_empty(), "no rise of bit 2");
        assert!(port.is_full());
    }

    #[test]
    fn generic_checks() {
        fuzz_port_device(1, port);
        check_save_restore_ports(1, port);
    }
}
