use glassbox_device_api::{Device, ResetKind, SaveRestore, VmTime};
use glassbox_testkit::{Bench, MmioBus, check_save_restore_mmio, fuzz_mmio_device};

use super::*;

const IRQ0: u32 = 100;
const IRQ8: u32 = 108;
const PIN_20: u64 = 20 << 9;

const LEVEL: u64 = 2;
const INTERRUPT: u64 = 4;
const PERIODIC: u64 = 8;
const VAL_SET: u64 = 0x40;
const FORCE_32: u64 = 0x100;

fn new(bench: &Bench) -> Hpet {
    let lines = HpetLines {
        legacy_irq0: bench.line(IRQ0),
        legacy_irq8: bench.line(IRQ8),
        pins: std::array::from_fn(|pin| bench.line(pin as u32)),
    };
    Hpet::new(bench.vm_clock(), lines)
}

#[test]
fn capabilities_tell_period_width_timers_and_routes() {
    let bench = Bench::new();
    let mut hpet = new(&bench);
    assert_eq!(hpet.read32(4), 10_000_000, "femtoseconds");
    assert_eq!(hpet.read32(0), 0x8086_a201);
    assert_eq!(hpet.read64(0x100), 0x00f0_0000_0000_0030);
    assert_eq!(hpet.read64(0x120), 0x00f0_0000_0000_0020);
    assert_eq!(hpet.read64(0x108), u64::MAX);
    hpet.write64(0, 0);
    assert_eq!(hpet.read32(0), 0x8086_a201);
}

#[test]
fn counter_runs_only_when_enabled_and_can_be_set_when_halted() {
    let bench = Bench::new();
    let mut hpet = new(&bench);
    bench.pass(VmTime(1005));
    assert_eq!(hpet.read64(0xf0), 0);
    hpet.write32(0xf4, 1);
    hpet.write32(0xf0, 0xffff_fff0);
    hpet.write64(0x10, 1);
    bench.pass(VmTime(200));
    assert_eq!(hpet.read64(0xf0), 0x2_0000_0004);
    hpet.write64(0xf0, 0);
    assert_eq!(hpet.read64(0xf0), 0x2_0000_0004, "not while it runs");
    hpet.write64(0x10, 0);
    bench.pass(VmTime(200));
    assert_eq!(hpet.read32(0xf4), 2);
}

#[test]
fn one_shot_edge_pulses_its_routed_pin_at_the_match() {
    let bench = Bench::new();
    let mut hpet = new(&bench);
    hpet.write64(0x140, INTERRUPT | PIN_20);
    hpet.write64(0x148, 50);
    hpet.write64(0x10, 1);
    assert_eq!(hpet.next_deadline(), Some(VmTime(500)));
    bench.run(&mut hpet, VmTime(499));
    assert_eq!(bench.take_rises(20), 0);
    bench.run(&mut hpet, VmTime(1));
    assert_eq!(bench.take_rises(20), 1);
    assert!(!bench.level(20));
    assert_eq!(hpet.read64(0x20), 0, "edge has no status");
    assert_eq!(hpet.next_deadline(), None, "a 64-bit counter does not come round");
}

#[test]
fn comparator_in_the_past_does_not_match() {
    let bench = Bench::new();
    let mut hpet = new(&bench);
    hpet.write64(0x140, INTERRUPT | PIN_20);
    hpet.write64(0x10, 1);
    bench.pass(VmTime(1000));
    bench.take();
    hpet.write64(0x148, 99);
    bench.run(&mut hpet, VmTime(100_000));
    assert_eq!(bench.take_rises(20), 0);
}

#[test]
fn level_is_held_until_the_status_bit_is_cleared() {
    let bench = Bench::new();
    let mut hpet = new(&bench);
    hpet.write64(0x120, INTERRUPT | LEVEL | PIN_20);
    hpet.write64(0x128, 10);
    hpet.write64(0x10, 1);
    bench.run(&mut hpet, VmTime(100));
    assert!(bench.level(20));
    assert_eq!(hpet.read32(0x20), 2);
    hpet.write64(0x120, LEVEL | PIN_20);
    assert!(!bench.level(20), "interrupt disabled");
    hpet.write64(0x120, INTERRUPT | LEVEL | 21 << 9);
    assert!(bench.level(21), "rerouted");
    hpet.write32(0x20, 1);
    assert!(bench.level(21), "another timer's bit");
    hpet.write32(0x20, 2);
    assert!(!bench.level(21));
}

#[test]
fn periodic_adds_the_period_to_the_accumulator() {
    let bench = Bench::new();
    let mut hpet = new(&bench);
    hpet.write64(0x100, INTERRUPT | PERIODIC | VAL_SET | PIN_20);
    hpet.write64(0x108, 100);
    assert_eq!(hpet.read64(0x100) & VAL_SET, 0, "clears itself");
    hpet.write64(0x10, 1);
    assert_eq!(bench.run(&mut hpet, VmTime(10_000)), 10);
    assert_eq!(bench.take_rises(20), 10);
    assert_eq!(hpet.read64(0x108), 1100);
}

#[test]
fn linux_sets_the_accumulator_then_the_period() {
    let bench = Bench::new();
    let mut hpet = new(&bench);
    hpet.write32(0x10, 3);
    bench.pass(VmTime(5000));
    hpet.write32(0x100, (INTERRUPT | PERIODIC | VAL_SET | FORCE_32) as u32);
    hpet.write32(0x108, 500 + 1000);
    bench.pass(VmTime(1000));
    hpet.write32(0x108, 1000);
    assert_eq!(hpet.next_deadline(), Some(VmTime(15_000)));
    bench.run(&mut hpet, VmTime(30_000));
    assert_eq!(bench.take_rises(IRQ0), 3);
    assert_eq!(hpet.read32(0x108), 4500);
}

#[test]
fn val_set_covers_both_halves_of_a_64_bit_accumulator() {
    let bench = Bench::new();
    let mut hpet = new(&bench);
    hpet.write64(0x100, PERIODIC | VAL_SET);
    hpet.write32(0x108, 7);
    hpet.write32(0x10c, 1);
    assert_eq!(hpet.read64(0x108), 0x1_0000_0007);
    hpet.write32(0x108, 9);
    hpet.write32(0x10c, 2);
    assert_eq!(hpet.read64(0x108), 0x1_0000_0007, "only the period changed");
}

#[test]
fn timers_one_and_two_are_not_periodic() {
    let bench = Bench::new();
    let mut hpet = new(&bench);
    hpet.write64(0x120, PERIODIC | VAL_SET);
    assert_eq!(hpet.read32(0x120), 0x20);
}

#[test]
fn a_32_bit_timer_matches_again_when_the_counter_comes_round() {
    let bench = Bench::new();
    let mut hpet = new(&bench);
    hpet.write64(0x140, INTERRUPT | FORCE_32 | PIN_20);
    hpet.write64(0x148, 0xffff_ffff_0000_0010);
    assert_eq!(hpet.read64(0x148), 0x10);
    hpet.write64(0x10, 1);
    bench.run(&mut hpet, VmTime(160));
    assert_eq!(bench.take_rises(20), 1);
    assert_eq!(hpet.next_deadline(), Some(VmTime((0x1_0000_0000 + 0x10) * 10)));
}

#[test]
fn legacy_replacement_moves_timers_zero_and_one() {
    let bench = Bench::new();
    let mut hpet = new(&bench);
    assert!(!hpet.legacy_replacement());
    for timer in [0x100, 0x120] {
        hpet.write64(timer, INTERRUPT | PIN_20);
        hpet.write64(timer + 8, 10);
    }
    hpet.write64(0x10, 3);
    assert!(hpet.legacy_replacement());
    bench.run(&mut hpet, VmTime(100));
    let seen = bench.take();
    let rises = |wire| seen.contains(&glassbox_device_api::Signal::Line { line: wire, level: true });
    assert!(rises(IRQ0) && rises(IRQ8) && !rises(20));
}

#[test]
fn late_service_keeps_the_phase() {
    let bench = Bench::new();
    let mut hpet = new(&bench);
    hpet.write64(0x100, INTERRUPT | PERIODIC | VAL_SET | PIN_20);
    hpet.write64(0x108, 100);
    hpet.write64(0x10, 1);
    bench.pass(VmTime(10_500));
    hpet.advance(bench.now());
    assert_eq!(hpet.next_deadline(), Some(VmTime(11_000)));
}

#[test]
fn reset_halts_and_releases() {
    let bench = Bench::new();
    let mut hpet = new(&bench);
    hpet.write64(0x120, INTERRUPT | LEVEL | PIN_20);
    hpet.write64(0x128, 0);
    hpet.write64(0x10, 1);
    assert!(bench.level(20), "matches at once");
    hpet.reset(ResetKind::Warm);
    assert!(!bench.level(20));
    assert_eq!(hpet.save(), new(&bench).save());
}

#[test]
fn fuzz_survives() {
    fuzz_mmio_device(HPET_SIZE, new);
    fuzz_mmio_device(0x160, new);
}

#[test]
fn saved_state_is_complete() {
    check_save_restore_mmio(0x160, new);
}
