//! The wiring, seen from the processor.

mod devices;

use super::{Board, Input, Parts};
use crate::{DisplayConfig, DriveConfig, MachineError};
use glassbox_cpu::CpuSignals;
use glassbox_device_api::{AccessSize, ManualClock, VmClock, VmTime};
use glassbox_memory::{BackingKind, Gpa, GuestMemory, WriteTarget};
use std::sync::Arc;

/// A little more than 1193 ticks of the timer and the one in which it is loaded.
const MS: VmTime = VmTime(1_001_000);

struct Bench {
    board: Board,
    clock: Arc<ManualClock>,
    processor: Arc<CpuSignals>,
    memory: GuestMemory,
}

impl Bench {
    fn new() -> Self {
        Self::with(Vec::new(), None)
    }

    fn with(drives: Vec<DriveConfig>, display: Option<DisplayConfig>) -> Self {
        Self::try_with(drives, display).expect("nothing is in the way")
    }

    fn try_with(drives: Vec<DriveConfig>, display: Option<DisplayConfig>) -> Result<Self, MachineError> {
        let clock = Arc::new(ManualClock::default());
        let processor = Arc::new(CpuSignals::default());
        let memory = GuestMemory::new(64 << 20).expect("64 MiB can be mapped");
        let board = Board::new(Parts {
            clock: VmClock::new(clock.clone()),
            processors: vec![processor.clone()],
            serial: [None, None],
            debug_console: None,
            debug_exit: None,
            for_qemu: false,
            memory: memory.clone(),
            rtc_seconds: 0,
            services: false,
            legacy: true,
            drives,
            display,
            virtio_input: true,
        })?;
        let mut bench = Self { board, clock, processor, memory };
        bench.board.interrupts.lapics[0].set_virtual_wire_mode();
        bench.board.service(VmTime(0));
        Ok(bench)
    }

    fn out(&mut self, port: u16, value: u8) {
        self.board.port_write(port, 1, value.into());
        self.board.settle();
    }

    fn write(&mut self, at: u64, value: u32) {
        self.board.mmio_write(0, at, AccessSize::Dword, value.into());
        self.board.settle();
    }

    /// Both 8259As, vectors from 20h and 28h, everything masked but `irqs`.
    fn start_pics(&mut self, irqs: u16) {
        for (port, base, wiring) in [(0x20, 0x20, 4), (0xA0, 0x28, 2)] {
            self.out(port, 0x11);
            for value in [base, wiring, 1] {
                self.out(port + 1, value);
            }
        }
        let [low, high] = (!irqs).to_le_bytes();
        self.out(0x21, low);
        self.out(0xA1, high);
    }

    /// Counter 0: mode 2 with this count.
    fn start_timer(&mut self, count: u16) {
        self.out(0x43, 0x34);
        for byte in count.to_le_bytes() {
            self.out(0x40, byte);
        }
    }

    fn io_apic(&mut self, pin: u32, entry: u64) {
        for (half, value) in [(0, entry as u32), (1, (entry >> 32) as u32)] {
            self.write(0xFEC0_0000, 0x10 + 2 * pin + half);
            self.write(0xFEC0_0010, value);
        }
    }

    fn pass(&mut self, time: VmTime) {
        self.clock.advance(time);
        self.board.service(self.clock_now());
    }

    fn clock_now(&self) -> VmTime {
        glassbox_device_api::TimeSource::now(&*self.clock)
    }

    /// The vector that the processor is given, if it is asked.
    fn take(&mut self) -> Option<u8> {
        let vector = self.processor.intr().then(|| self.board.interrupts.acknowledge(0)).flatten();
        self.board.settle();
        vector
    }
}

#[test]
fn the_timer_interrupts_through_the_8259a_and_lint0() {
    let mut bench = Bench::new();
    bench.start_pics(1);
    bench.start_timer(1193);
    assert_eq!(bench.take(), None);
    bench.pass(MS);
    assert_eq!(bench.take(), Some(0x20));
    assert_eq!(bench.take(), None, "INTR falls with the acknowledge");
    bench.pass(MS);
    assert_eq!(bench.take(), None, "no EOI yet");
    bench.out(0x20, 0x20);
    assert_eq!(bench.take(), Some(0x20));
}

#[test]
fn the_timer_is_input_2_of_the_io_apic() {
    let mut bench = Bench::new();
    bench.io_apic(2, 0x51);
    bench.start_timer(1193);
    bench.pass(MS);
    assert_eq!(bench.take(), Some(0x51));
}

#[test]
fn an_access_that_makes_something_due_earlier_ends_the_run() {
    let mut bench = Bench::new();
    bench.start_timer(60_000);
    bench.pass(MS);
    bench.processor.take_attention();
    bench.board.port_read(0x61, 1);
    bench.board.settle();
    assert!(!bench.processor.attention(), "nothing changed");
    bench.start_timer(100);
    assert!(bench.processor.attention());
}

#[test]
fn a_pci_interrupt_goes_where_the_isa_bridge_routes_it_and_to_its_gsi() {
    let mut bench = Bench::new();
    let intb = bench.board.interrupts.wires.connect(Input::Pirq(1));
    bench.start_pics(1 << 2 | 1 << 11);
    // PIRQB to IRQ 11, which is level triggered.
    bench.board.port_write(0xCF8, 4, 0x8000_0860);
    bench.board.port_write(0xCFD, 1, 11);
    bench.out(0x4D1, 8);
    bench.io_apic(17, 1 << 15 | 0x61);
    intb.raise();
    bench.board.settle();
    let mut vectors = [bench.take(), bench.take()];
    vectors.sort();
    assert_eq!(vectors, [Some(0x2B), Some(0x61)]);
    intb.lower();
    bench.board.settle();
    bench.out(0xA0, 0x20);
    bench.out(0x20, 0x20);
    assert_eq!(bench.take(), None);
}

#[test]
fn a_level_interrupt_comes_again_after_its_eoi_while_it_is_asserted() {
    let mut bench = Bench::new();
    let line = bench.board.interrupts.wires.connect(Input::Isa(9));
    bench.io_apic(9, 1 << 15 | 0x49);
    line.raise();
    bench.board.settle();
    assert_eq!(bench.take(), Some(0x49));
    bench.write(0xFEE0_00B0, 0);
    assert_eq!(bench.take(), Some(0x49), "still asserted");
    line.lower();
    bench.write(0xFEE0_00B0, 0);
    assert_eq!(bench.take(), None);
}

#[test]
fn the_hpet_takes_the_timers_place() {
    let mut bench = Bench::new();
    bench.io_apic(2, 0x52);
    bench.start_timer(1193);
    bench.write(0xFED0_0010, 2);
    bench.pass(MS + MS);
    assert_eq!(bench.take(), None, "the PIT is cut off");
    // Timer 0: interrupt enabled, at 1 ms of 100 MHz from now.
    bench.write(0xFED0_0100, 1 << 2);
    bench.write(0xFED0_0108, 100_000);
    bench.write(0xFED0_010C, 0);
    bench.write(0xFED0_0010, 3);
    bench.pass(MS);
    assert_eq!(bench.take(), Some(0x52));
}

#[test]
fn nmi_comes_through_lint1_unless_the_rtc_port_masks_it() {
    let mut bench = Bench::new();
    bench.out(0x70, 0x80);
    bench.out(0x61, 0);
    bench.board.devices.pit.signal_serr();
    bench.board.settle();
    assert!(!bench.processor.nmi());
    bench.out(0x70, 0);
    bench.board.settle();
    assert!(bench.processor.take_nmi());
}

#[test]
fn the_host_bridge_shadows_segments_below_a_mebibyte() {
    let mut bench = Bench::new();
    let rom = vec![0x55; 0x1_0000];
    bench.memory.map_rom(Gpa(0xF_0000), &rom).unwrap();
    let backing = |bench: &Bench, at| bench.memory.lookup(Gpa(at)).map(|b| (b.offset == at, b.kind));
    assert_eq!(backing(&bench, 0xF_0000), Some((false, BackingKind::Rom)), "ROM after reset");
    assert_eq!(backing(&bench, 0xC_0000), None);
    // PAM0: read ROM, write RAM; PAM1: C0000h is RAM, C4000h can be read only.
    bench.board.port_write(0xCF8, 4, 0x8000_0058);
    bench.board.port_write(0xCFD, 1, 0x20);
    bench.board.port_write(0xCFE, 1, 0x13);
    assert_eq!(backing(&bench, 0xF_FFFF), Some((false, BackingKind::Rom)));
    assert_eq!(bench.memory.lookup_write(Gpa(0xF_FFFF)), WriteTarget::Ram(0xF_FFFF));
    assert_eq!(backing(&bench, 0xC_0000), Some((true, BackingKind::Ram)));
    assert_eq!(backing(&bench, 0xC_4000), Some((true, BackingKind::Rom)));
    assert_eq!(bench.memory.lookup_write(Gpa(0xC_8000)), WriteTarget::Bus);
    // SMRAM, open: RAM behind the VGA window.
    assert_eq!(backing(&bench, 0xA_0000), None);
    bench.board.port_write(0xCF8, 4, 0x8000_0070);
    bench.board.port_write(0xCFE, 1, 0x4A);
    assert_eq!(backing(&bench, 0xB_FFFF), Some((true, BackingKind::Ram)));
    bench.board.reset(glassbox_device_api::ResetKind::Warm);
    assert_eq!((backing(&bench, 0xA_0000), backing(&bench, 0xC_0000)), (None, None));
}

#[test]
fn a_store_to_the_message_window_is_an_interrupt() {
    let mut bench = Bench::new();
    bench.write(0xFEE1_0000 | 0xF_0000, 0x71);
    assert_eq!(bench.take(), None, "destination F1h is somebody else");
    bench.board.interrupts.message_write(0xFEE0_0000, 0x72);
    bench.board.settle();
    assert_eq!(bench.take(), Some(0x72));
}

#[test]
fn cf9_resets_and_a_dword_at_cf8_does_not() {
    let mut bench = Bench::new();
    bench.board.port_write(0xCF8, 4, 0x8000_0600);
    bench.board.settle();
    assert!(!bench.board.interrupts.requests.reset);
    assert_eq!(bench.board.port_read(0xCF8, 4), 0x8000_0600);
    bench.out(0xCF9, 6);
    assert!(bench.board.interrupts.requests.reset && bench.processor.attention());
}

#[test]
fn a20_is_on_while_either_source_enables_it() {
    let mut bench = Bench::new();
    assert!(bench.board.a20(), "the keyboard controller enables it from reset on");
    // Command D1h: write the output port, A20 off.
    bench.out(0x64, 0xD1);
    bench.out(0x60, 0xDD);
    assert!(!bench.board.a20());
    bench.out(0x92, 2);
    assert!(bench.board.a20());
}

#[test]
fn the_bus_splits_accesses_and_floats_high() {
    let mut bench = Bench::new();
    bench.out(0x92, 2);
    assert_eq!(bench.board.port_read(0x92, 2), 0xFF02, "port 92h and nobody");
    assert_eq!(bench.board.port_read(0x1234, 4), u32::MAX);
    assert_eq!(bench.board.mmio_read(0, 0xE000_0000, AccessSize::Word), 0xFFFF);
    bench.board.mmio_write(0, 0xE000_0000, AccessSize::Qword, 1);
}

#[test]
fn a_moved_local_apic_is_found_at_its_new_place_only() {
    let mut bench = Bench::new();
    const VERSION: u64 = 0x30;
    let here = bench.board.mmio_read(0, 0xFEE0_0000 + VERSION, AccessSize::Dword);
    assert_ne!(here, 0xFFFF_FFFF);
    bench.board.interrupts.lapics[0].write_msr(0x1B, 0xD000_0900).unwrap();
    assert_eq!(bench.board.mmio_read(0, 0xD000_0000 + VERSION, AccessSize::Dword), here);
    assert_eq!(bench.board.mmio_read(0, 0xFEE0_0000 + VERSION, AccessSize::Dword), 0xFFFF_FFFF);
}
