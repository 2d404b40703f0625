//! PIC, I/O APIC and local APICs together, wired as a board wires them.

use glassbox_chipset::lapic::{Ack, deliver};
use glassbox_chipset::{InterruptMessage, IoApic, LocalApic, LocalApicConfig, Pic};
use glassbox_device_api::{Device, VmTime};
use glassbox_testkit::{Bench, MmioBus, PortBus};

struct Board {
    bench: Bench,
    pic: Pic,
    ioapic: IoApic,
    apics: Vec<LocalApic>,
}

impl Board {
    fn new(processors: u32) -> Self {
        let bench = Bench::new();
        let apic = |id| {
            let config =
                LocalApicConfig { id, bsp: id == 0, tsc_hz: 1_000_000_000, physical_address_bits: 40 };
            LocalApic::new(config, bench.vm_clock())
        };
        let apics = (0..processors).map(apic).collect();
        Self { pic: Pic::new(), ioapic: IoApic::new(), apics, bench }
    }

    /// What a board does after each access.
    fn settle(&mut self) {
        let intr = self.pic.intr();
        self.apics[0].set_lint(0, intr);
        loop {
            let mut quiet = true;
            for message in self.ioapic.take_outgoing() {
                quiet = false;
                if !deliver(&mut self.apics, None, &message) {
                    self.ioapic.not_accepted(&message);
                }
            }
            for sender in 0..self.apics.len() {
                let outgoing = self.apics[sender].take_outgoing();
                quiet &= outgoing.messages.is_empty() && outgoing.eoi_broadcasts.is_empty();
                for message in &outgoing.messages {
                    deliver(&mut self.apics, Some(sender), message);
                }
                for vector in outgoing.eoi_broadcasts {
                    self.ioapic.eoi(vector);
                }
            }
            if quiet {
                return;
            }
        }
    }

    fn route(&mut self, pin: u32, low: u32, destination: u32) {
        for (register, value) in [(0x11 + 2 * pin, destination << 24), (0x10 + 2 * pin, low)] {
            self.ioapic.write32(0, register);
            self.ioapic.write32(0x10, value);
        }
        self.settle();
    }

    fn eoi(&mut self, apic: usize) {
        self.apics[apic].write32(0xb0, 0);
        self.settle();
    }
}

#[test]
fn virtual_wire_mode_asks_the_8259a_for_the_vector() {
    let mut board = Board::new(1);
    for (port, value) in [(0, 0x11), (1, 0x20), (1, 4), (1, 1), (1, 0xfe)] {
        board.pic.out8(port, value);
    }
    board.apics[0].set_virtual_wire_mode();
    board.pic.set_irq(0, true);
    board.settle();
    assert!(board.apics[0].interrupt_requested());
    assert_eq!(board.apics[0].acknowledge(), Ack::ExtInt);
    assert_eq!(board.pic.acknowledge(), 0x20);
    board.settle();
    assert!(!board.apics[0].interrupt_requested());
}

#[test]
fn a_level_interrupt_repeats_until_its_source_is_served() {
    let mut board = Board::new(2);
    board.apics[1].write32(0xf0, 0x1ff);
    board.route(16, 0xa061, 1);
    board.ioapic.set_pin(16, true);
    board.settle();
    for _ in 0..3 {
        assert_eq!(board.apics[1].acknowledge(), Ack::Vector(0x61));
        assert!(!board.apics[1].interrupt_requested());
        board.eoi(1);
    }
    assert_eq!(board.apics[1].acknowledge(), Ack::Vector(0x61));
    board.ioapic.set_pin(16, false);
    board.eoi(1);
    assert!(!board.apics[1].interrupt_requested());
    assert!(!board.apics[0].interrupt_requested());
}

#[test]
fn a_level_interrupt_to_a_disabled_apic_is_not_lost_for_ever() {
    let mut board = Board::new(1);
    board.route(16, 0x8061, 0);
    board.ioapic.set_pin(16, true);
    board.settle();
    assert!(!board.apics[0].interrupt_requested());
    board.apics[0].write32(0xf0, 0x1ff);
    board.ioapic.set_pin(16, true);
    board.settle();
    assert_eq!(board.apics[0].acknowledge(), Ack::Vector(0x61));
}

#[test]
fn logical_flat_destinations_reach_their_processors() {
    let mut board = Board::new(3);
    for (i, apic) in board.apics.iter_mut().enumerate() {
        apic.write32(0xf0, 0x1ff);
        apic.write32(0xd0, 1 << (24 + i));
    }
    let message = InterruptMessage::from_msi(0xfee0_6004, 0x0045).unwrap();
    assert!(deliver(&mut board.apics, None, &message));
    let pending: Vec<_> = board.apics.iter().map(LocalApic::pending_vector).collect();
    assert_eq!(pending, [None, Some(0x45), Some(0x45)]);
}

#[test]
fn broadcast_ipi_reaches_all_but_its_sender() {
    let mut board = Board::new(3);
    for apic in &mut board.apics {
        apic.write32(0xf0, 0x1ff);
    }
    board.apics[1].write32(0x300, 0x000c_40fd);
    board.settle();
    let pending: Vec<_> = board.apics.iter().map(LocalApic::pending_vector).collect();
    assert_eq!(pending, [Some(0xfd), None, Some(0xfd)]);
}

#[test]
fn apic_timer_is_calibrated_against_guest_time() {
    let mut board = Board::new(1);
    let apic = &mut board.apics[0];
    apic.write32(0xf0, 0x1ff);
    apic.write32(0x3e0, 0x3);
    apic.write32(0x320, 0x1_00ec);
    apic.write32(0x380, u32::MAX);
    board.bench.pass(VmTime(100_000_000));
    let counted = u32::MAX - apic.read32(0x390);
    assert_eq!(counted, 6_250_000, "100 ms of 1 GHz divided by 16");
    apic.write32(0x320, 0x2_00ec);
    apic.write32(0x380, counted / 100);
    assert_eq!(board.bench.run(apic, VmTime(10_000_000)), 10, "every millisecond");
    assert!(apic.next_deadline().is_some());
    assert_eq!(apic.acknowledge(), Ack::Vector(0xec));
}
