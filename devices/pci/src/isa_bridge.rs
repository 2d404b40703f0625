//! The ISA bridge (Intel 82371SB, "PIIX3", function 0).

use glassbox_device_api::{Device, PciFunction, ResetKind, RestoreError, SaveRestore};
use serde::{Deserialize, Serialize};

use crate::config::offset;
use crate::{ConfigSpace, ConfigSpaceSavedV1, Identity, PciDevice, Pirq};

/// PIRQRC[A:D], the routing registers (82371SB, function 0, offsets 60h to 63h).
const PIRQ_ROUTE: u8 = 0x60;
const ROUTE_DISABLED: u8 = 1 << 7;
/// The IRQs that a PCI interrupt can be routed to: 3 to 7, 9 to 12, 14, 15.
const ROUTABLE: u16 = 0xdef8;

/// Function 00:01.0.
#[derive(Debug)]
pub struct IsaBridge {
    config: ConfigSpace,
}

impl Default for IsaBridge {
    fn default() -> Self {
        Self::new()
    }
}

impl IsaBridge {
    /// An ISA bridge after reset: no PCI interrupt is routed.
    pub fn new() -> Self {
        let mut config = ConfigSpace::new(Identity {
            vendor: 0x8086,
            device: 0x7000,
            class: 0x06_0100,
            revision: 0,
            subsystem_vendor: 0,
            subsystem: 0,
        });
        // I/O, memory and mastering are hard-wired on; special cycles can be chosen.
        config.set_u16(offset::COMMAND, 0x0007);
        config.set_writable(offset::COMMAND, &[0x08, 0x00]);
        config.set_u16(offset::STATUS, 0x0200);
        config.set_u8(offset::HEADER_TYPE, 0x80);
        config.set_writable(offset::CACHE_LINE, &[0, 0]);
        config.set_writable(offset::INTERRUPT_LINE, &[0]);
        // Registers that are kept but act on nothing here, with their reset values:
        // I/O recovery, X-bus chip select, top of memory, motherboard IRQ and DMA,
        // programmable chip select, deterministic latency, power management.
        for (at, value, writable) in [
            (0x4c, 0x4d, 0xff),
            (0x4e, 0x03, 0xff),
            (0x4f, 0x00, 0x01),
            (0x69, 0x02, 0xfe),
            (0x70, 0x80, 0xef),
            (0x76, 0x0c, 0x8f),
            (0x77, 0x0c, 0x8f),
            (0x78, 0x02, 0xff),
            (0x79, 0x00, 0xff),
            (0x82, 0x00, 0x0f),
            (0xa0, 0x08, 0x1f),
            (0xa2, 0x00, 0xff),
            (0xa4, 0x00, 0xff),
            (0xa5, 0x00, 0xff),
            (0xa7, 0x00, 0xe0),
            (0xa8, 0x0f, 0xff),
            (0xac, 0x00, 0xff),
            (0xae, 0x00, 0xff),
        ] {
            config.set_u8(at, value);
            config.set_writable(at, &[writable]);
        }
        for wire in Pirq::ALL {
            let at = PIRQ_ROUTE + wire.index() as u8;
            config.set_u8(at, ROUTE_DISABLED);
            config.set_writable(at, &[0x8f]);
        }
        Self { config }
    }

    /// The 8259A input that a PCI interrupt wire goes to; `None` when it is not
    /// routed or the IRQ is one that no PCI interrupt can have.
    pub fn pirq_route(&self, wire: Pirq) -> Option<u8> {
        let route = self.config.u8(PIRQ_ROUTE + wire.index() as u8);
        let irq = route & 0xf;
        (route & ROUTE_DISABLED == 0 && ROUTABLE & 1 << irq != 0).then_some(irq)
    }
}

impl Device for IsaBridge {
    fn name(&self) -> &'static str {
        "isa-bridge"
    }

    fn reset(&mut self, _kind: ResetKind) {
        self.config.reset();
    }
}

impl PciFunction for IsaBridge {
    fn config_read(&mut self, offset: u8) -> u32 {
        self.config.read(offset)
    }

    fn config_write(&mut self, offset: u8, value: u32, byte_enables: u8) {
        self.config.write(offset, value, byte_enables);
    }
}

impl PciDevice for IsaBridge {}

/// Saved state of an [`IsaBridge`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IsaBridgeSavedV1 {
    config: ConfigSpaceSavedV1,
}

impl SaveRestore for IsaBridge {
    type Saved = IsaBridgeSavedV1;

    fn save(&self) -> IsaBridgeSavedV1 {
        let Self { config } = self;
        IsaBridgeSavedV1 { config: config.save() }
    }

    fn restore(&mut self, saved: IsaBridgeSavedV1) -> Result<(), RestoreError> {
        let IsaBridgeSavedV1 { config } = saved;
        self.config.restore(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_a_multi_function_piix3() {
        let mut bridge = IsaBridge::new();
        assert_eq!(bridge.config_read(0), 0x7000_8086);
        assert_eq!(bridge.config_read(8), 0x0601_0000);
        assert_eq!(bridge.config_read(0xc), 0x0080_0000);
        bridge.config_write(4, 0, 0xf);
        assert_eq!(bridge.config_read(4), 0x0200_0007);
    }

    #[test]
    fn routes_are_disabled_after_reset_and_take_valid_irqs_only() {
        let mut bridge = IsaBridge::new();
        assert_eq!(bridge.config_read(0x60), 0x8080_8080);
        assert!(Pirq::ALL.iter().all(|wire| bridge.pirq_route(*wire).is_none()));
        bridge.config_write(0x60, 0x0d8a_0b0a, 0xf);
        assert_eq!(bridge.pirq_route(Pirq::A), Some(10));
        assert_eq!(bridge.pirq_route(Pirq::B), Some(11));
        assert_eq!(bridge.pirq_route(Pirq::C), None, "disabled");
        assert_eq!(bridge.pirq_route(Pirq::D), None, "IRQ 13 is the coprocessor's");
        for irq in 0..16u32 {
            bridge.config_write(0x60, irq, 1);
            let valid = matches!(irq, 3..=7 | 9..=12 | 14 | 15);
            assert_eq!(bridge.pirq_route(Pirq::A).is_some(), valid, "IRQ {irq}");
        }
    }

    #[test]
    fn saved_state_comes_back() {
        let mut bridge = IsaBridge::new();
        bridge.config_write(0x60, 0x0505_0505, 0xf);
        let mut other = IsaBridge::new();
        other.restore(bridge.save()).unwrap();
        assert_eq!(other.pirq_route(Pirq::C), Some(5));
        assert_eq!(other.save(), bridge.save());
    }
}
