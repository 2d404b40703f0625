//! The interrupt pin and messages.

use glassbox_device_api::{PciFunction, Signal};
use glassbox_testkit::{Bench, MmioBus};

use super::rig::*;
use crate::ide::tests::rig::{disk, numbered};

const FLUSH: Command<'static> = Command { code: 0xe7, ..COMMAND };

#[test]
fn the_pin_follows_enables_and_both_status_registers() {
    let bench = Bench::new();
    let mut rig = Rig::new(&bench, disk(&numbered(8)));
    rig.write32(PX_IE, 0);
    rig.issue(FLUSH);
    assert_eq!((rig.read32(PX_IS), rig.read32(IS), bench.level(INTX)), (1, 0, false));
    rig.write32(PX_IE, 1);
    assert_eq!((rig.read32(IS), bench.level(INTX)), (1, true));
    rig.write32(GHC, 1 << 31);
    assert!(!bench.level(INTX));
    rig.write32(GHC, 1 << 31 | 2);
    rig.write32(IS, 1);
    assert!(bench.level(INTX), "the port still asks");
    rig.write32(PX_IS, 1);
    assert!(bench.level(INTX), "the summary was set again");
    rig.write32(IS, 1);
    assert!(!bench.level(INTX));
}

#[test]
fn messages_are_sent_for_what_is_new() {
    let bench = Bench::new();
    let mut rig = Rig::new(&bench, disk(&numbered(8)));
    let at = (rig.ahci.config_read(0x34) & 0xff) as u8;
    rig.ahci.config_write(at + 4, 0xfee0_0000, 0xf);
    rig.ahci.config_write(at + 12, 0x41, 0x3);
    rig.ahci.config_write(at, 1 << 16, 0xc);
    bench.take();
    let message = Signal::Msi { address: 0xfee0_0000, data: 0x41 };
    rig.issue(FLUSH);
    assert_eq!(bench.take(), [message]);
    rig.issue(FLUSH);
    assert_eq!(bench.take(), [], "not told yet");
    rig.write32(IS, 1);
    assert_eq!(bench.take(), [message], "and still pending");
    rig.take_interrupts();
    assert_eq!(bench.take(), []);
    rig.issue(FLUSH);
    assert_eq!(bench.take(), [message]);
    assert!(!bench.level(INTX));
}
