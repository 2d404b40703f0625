use glassbox_device_api::{Device, ResetKind, SaveRestore, VmTime};
use glassbox_testkit::{Bench, MmioBus, Rng, check_save_restore_mmio, fuzz_mmio_device};

use super::*;
use crate::message::{DeliveryMode, Shorthand, TriggerMode};

const TSC_HZ: u64 = 2_500_000_000;
const X2APIC: u64 = 0xfee0_0d00;

fn config(id: u32) -> LocalApicConfig {
    LocalApicConfig { id, bsp: id == 0, tsc_hz: TSC_HZ, physical_address_bits: 40 }
}

fn fresh(bench: &Bench, id: u32) -> LocalApic {
    LocalApic::new(config(id), bench.vm_clock())
}

fn enabled(bench: &Bench, id: u32) -> LocalApic {
    let mut apic = fresh(bench, id);
    apic.write32(0xf0, 0x1ff);
    apic
}

fn x2apic(bench: &Bench, id: u32) -> LocalApic {
    let mut apic = enabled(bench, id);
    let bsp = if id == 0 { 0x100 } else { 0 };
    apic.write_msr(0x1b, X2APIC & !0x100 | bsp).unwrap();
    apic
}

fn edge(apic: &mut LocalApic, vector: u8) -> bool {
    apic.accept(vector, TriggerMode::Edge, DeliveryMode::Fixed)
}

#[test]
fn registers_after_power_on() {
    let bench = Bench::new();
    let mut apic = fresh(&bench, 3);
    assert_eq!(apic.read32(0x20), 3 << 24);
    assert_eq!(apic.read32(0x30), 0x0005_0014);
    assert_eq!(apic.read32(0xd0), 0);
    assert_eq!(apic.read32(0xe0), u32::MAX);
    assert_eq!(apic.read32(0xf0), 0xff);
    for lvt in (0x320..=0x370).step_by(16) {
        assert_eq!(apic.read32(lvt), 0x1_0000, "{lvt:#x}");
    }
    assert_eq!(apic.read_msr(0x1b), Ok(0xfee0_0800));
    assert_eq!(fresh(&bench, 0).read_msr(0x1b), Ok(0xfee0_0900));
    assert_eq!(apic.mmio_base(), Some(0xfee0_0000));
}

#[test]
fn software_disabled_apic_masks_its_lvt_and_accepts_no_vectors_but_nmi() {
    let bench = Bench::new();
    let mut apic = fresh(&bench, 0);
    apic.write32(0x350, 0x700);
    assert_eq!(apic.read32(0x350), 0x1_0700, "mask bit cannot be cleared");
    assert!(!edge(&mut apic, 0x40));
    assert!(apic.accept(0, TriggerMode::Edge, DeliveryMode::Nmi));
    assert!(apic.take_signals().nmi);
    apic.write32(0xf0, 0x1ff);
    apic.write32(0x350, 0x700);
    apic.write32(0xf0, 0x0ff);
    assert_eq!(apic.read32(0x350), 0x1_0700, "disabling sets the mask");
}

#[test]
fn the_highest_class_above_ppr_is_served_first() {
    let bench = Bench::new();
    let mut apic = enabled(&bench, 0);
    assert!(edge(&mut apic, 0x41) && edge(&mut apic, 0x62) && edge(&mut apic, 0x4f));
    assert_eq!(apic.read32(0x220), 1 << 1 | 1 << 15, "IRR 95:64");
    assert_eq!(apic.acknowledge(), Ack::Vector(0x62));
    assert_eq!(apic.ppr(), 0x60);
    assert!(!apic.interrupt_requested(), "0x4f is below the class in service");
    assert!(edge(&mut apic, 0x6f));
    assert!(!apic.interrupt_requested(), "same class does not nest");
    assert!(edge(&mut apic, 0x70));
    assert_eq!(apic.acknowledge(), Ack::Vector(0x70));
    apic.write32(0xb0, 0);
    assert!(!apic.interrupt_requested());
    apic.write32(0xb0, 0);
    for vector in [0x6f, 0x4f, 0x41] {
        assert_eq!(apic.acknowledge(), Ack::Vector(vector));
        apic.write32(0xb0, 0);
    }
    assert_eq!(apic.acknowledge(), Ack::Spurious(0xff));
}

#[test]
fn task_priority_holds_back_its_class_and_cr8_is_its_high_half() {
    let bench = Bench::new();
    let mut apic = enabled(&bench, 0);
    apic.write32(0x80, 0x45);
    assert_eq!((apic.cr8(), apic.read32(0xa0)), (4, 0x45));
    assert!(edge(&mut apic, 0x4f));
    assert!(!apic.interrupt_requested());
    apic.set_cr8(3);
    assert_eq!(apic.tpr(), 0x30);
    assert_eq!(apic.pending_vector(), Some(0x4f));
}

#[test]
fn arbitration_priority_follows_the_formula_of_the_manual() {
    let bench = Bench::new();
    let mut apic = enabled(&bench, 0);
    apic.write32(0x80, 0x52);
    assert_eq!(apic.read32(0x90), 0x52);
    assert!(edge(&mut apic, 0x81));
    assert_eq!(apic.read32(0x90), 0x80);
}

#[test]
fn eoi_of_a_level_interrupt_is_broadcast_of_an_edge_is_not() {
    let bench = Bench::new();
    let mut apic = enabled(&bench, 0);
    apic.accept(0x51, TriggerMode::Level, DeliveryMode::Fixed);
    assert_eq!(apic.read32(0x1a0), 1 << 17, "TMR");
    apic.acknowledge();
    apic.write32(0xb0, 0);
    assert_eq!(apic.take_outgoing().eoi_broadcasts, [0x51]);
    edge(&mut apic, 0x51);
    assert_eq!(apic.read32(0x1a0), 0, "an edge clears the TMR bit");
    apic.acknowledge();
    apic.write32(0xb0, 0);
    apic.write32(0xb0, 0);
    assert!(!apic.has_outgoing());
}

#[test]
fn errors_show_after_a_write_to_the_esr_and_raise_the_error_interrupt_once() {
    let bench = Bench::new();
    let mut apic = enabled(&bench, 0);
    apic.write32(0x370, 0xfe);
    apic.write32(0x300, 0x0000_000f);
    assert!(!apic.has_outgoing());
    assert_eq!(apic.acknowledge(), Ack::Vector(0xfe));
    apic.write32(0xb0, 0);
    assert!(!edge(&mut apic, 5));
    assert!(!apic.interrupt_requested(), "not rearmed");
    assert_eq!(apic.read32(0x280), 0);
    apic.write32(0x280, 0);
    assert_eq!(apic.read32(0x280), 0x60);
    assert_eq!(apic.read32(0x280), 0x60, "reading does not clear");
    apic.write32(0x280, 0);
    assert_eq!(apic.read32(0x280), 0);
    apic.read32(0x3d0);
    apic.write32(0x280, 0);
    assert_eq!(apic.read32(0x280), 0x80, "reserved register");
}

#[test]
fn command_register_sends_to_destinations_and_shorthands() {
    let bench = Bench::new();
    let mut apic = enabled(&bench, 0);
    apic.write32(0x310, 0x0500_0000);
    apic.write32(0x300, 0x0000_4830);
    let sent = apic.take_outgoing().messages;
    assert_eq!(sent.len(), 1);
    assert_eq!((sent[0].dest, sent[0].logical, sent[0].vector), (5, true, 0x30));
    apic.write32(0x300, 0x000c_4500);
    assert_eq!(apic.take_outgoing().messages[0].shorthand, Shorthand::AllExcludingSelf);
    apic.write32(0x300, 0x0000_8500);
    assert!(!apic.has_outgoing(), "INIT level de-assert does nothing");
    apic.write32(0x300, 0x0004_4031);
    assert!(!apic.has_outgoing());
    assert_eq!(apic.acknowledge(), Ack::Vector(0x31), "self");
    assert_eq!(apic.read32(0x300) & 1 << 12, 0, "delivery status is idle");
    apic.write32(0x300, 0x0004_4500);
    assert!(!apic.take_signals().any(), "INIT to oneself is invalid");
}

#[test]
fn init_and_startup_reach_another_processor() {
    let bench = Bench::new();
    let mut apics = [enabled(&bench, 0), fresh(&bench, 1)];
    apics[0].write32(0x310, 1 << 24);
    for command in [0x4500, 0x4608] {
        apics[0].write32(0x300, command);
        for message in apics[0].take_outgoing().messages {
            assert!(deliver(&mut apics, Some(0), &message));
        }
    }
    let signals = apics[1].take_signals();
    assert!(signals.init);
    assert_eq!(signals.startup, Some(8));
    assert!(!apics[0].take_signals().any());
}

#[test]
fn init_keeps_the_id_and_the_base() {
    let bench = Bench::new();
    let mut apic = x2apic(&bench, 7);
    apic.set_tpr(0x50);
    apic.init();
    assert!(apic.x2apic());
    assert_eq!((apic.tpr(), apic.read_msr(0x802)), (0, Ok(7)));
}

#[test]
fn lowest_priority_goes_to_the_least_busy_enabled_apic() {
    let bench = Bench::new();
    let mut apics = [enabled(&bench, 0), enabled(&bench, 1), fresh(&bench, 2)];
    apics[0].set_tpr(0x60);
    apics[1].set_tpr(0x20);
    let message = InterruptMessage::new(0xff, false, DeliveryMode::LowestPriority, 0x71, TriggerMode::Edge);
    assert_eq!(lowest_priority(apics.iter(), None, &message), Some(1));
    assert!(deliver(&mut apics, None, &message));
    assert_eq!(apics.each_ref().map(|a| a.pending_vector()), [None, Some(0x71), None]);
}

#[test]
fn timer_counts_at_one_gigahertz_through_the_divider() {
    let bench = Bench::new();
    let mut apic = enabled(&bench, 0);
    for (config, divisor) in [(0, 2), (1, 4), (2, 8), (3, 16), (8, 32), (9, 64), (10, 128), (11, 1)] {
        apic.write32(0x3e0, config);
        apic.write32(0x380, 1000);
        bench.pass(VmTime(100 * divisor + divisor - 1));
        assert_eq!(apic.read32(0x390), 900, "divide configuration {config:#b}");
    }
}

#[test]
fn one_shot_fires_once_exactly() {
    let bench = Bench::new();
    let mut apic = enabled(&bench, 0);
    apic.write32(0x3e0, 0xb);
    apic.write32(0x320, 0x40);
    apic.write32(0x380, 5000);
    assert_eq!(apic.next_deadline(), Some(VmTime(5000)));
    bench.run(&mut apic, VmTime(4999));
    assert!(!apic.interrupt_requested());
    assert_eq!(bench.run(&mut apic, VmTime(20_000)), 1);
    assert_eq!(apic.acknowledge(), Ack::Vector(0x40));
    assert_eq!((apic.read32(0x390), apic.read32(0x380)), (0, 5000));
    assert_eq!(apic.next_deadline(), None);
}

#[test]
fn periodic_timer_keeps_its_phase_when_served_late() {
    let bench = Bench::new();
    let mut apic = enabled(&bench, 0);
    apic.write32(0x3e0, 0xb);
    apic.write32(0x320, 0x2_0040);
    apic.write32(0x380, 1000);
    bench.pass(VmTime(3500));
    apic.advance(bench.now());
    assert_eq!(apic.next_deadline(), Some(VmTime(4000)));
    assert_eq!(apic.read32(0x390), 500);
    apic.write32(0x380, 0);
    assert_eq!(apic.next_deadline(), None, "initial count 0 stops");
}

#[test]
fn masked_timer_runs_silently() {
    let bench = Bench::new();
    let mut apic = enabled(&bench, 0);
    apic.write32(0x3e0, 0xb);
    apic.write32(0x320, 0x1_0040);
    apic.write32(0x380, 1000);
    assert_eq!(apic.next_deadline(), None);
    bench.pass(VmTime(1000));
    apic.write32(0x320, 0x40);
    assert!(!apic.interrupt_requested(), "what fell due while masked is gone");
    assert_eq!(apic.next_deadline(), None);
}

#[test]
fn tsc_deadline_is_due_at_the_first_moment_the_counter_is_there() {
    let bench = Bench::new();
    let mut apic = enabled(&bench, 0);
    apic.write_msr(0x6e0, 77).unwrap();
    assert_eq!(apic.read_msr(0x6e0), Ok(0), "ignored in one-shot mode");
    apic.write32(0x320, 0x4_0040);
    apic.set_tsc_offset(1000);
    apic.write_msr(0x6e0, 1000 + 2501).unwrap();
    apic.write32(0x380, 5);
    assert_eq!(apic.next_deadline(), Some(VmTime(1001)), "2501 ticks of 2.5 GHz");
    assert_eq!(apic.read32(0x390), 0);
    bench.run(&mut apic, VmTime(2000));
    assert_eq!(apic.acknowledge(), Ack::Vector(0x40));
    assert_eq!(apic.read_msr(0x6e0), Ok(0), "disarmed");
    apic.write32(0xb0, 0);
    apic.write_msr(0x6e0, 1).unwrap();
    assert!(apic.interrupt_requested(), "a deadline in the past is due at once");
    apic.write_msr(0x6e0, u64::MAX).unwrap();
    apic.write32(0x320, 0x40);
    assert_eq!(apic.next_deadline(), None, "a mode change disarms");
}

#[test]
fn ext_int_passes_through_lint0_regardless_of_priority() {
    let bench = Bench::new();
    let mut apic = fresh(&bench, 0);
    apic.set_virtual_wire_mode();
    apic.set_tpr(0xff);
    apic.set_lint(0, true);
    assert!(apic.interrupt_requested());
    assert_eq!(apic.acknowledge(), Ack::ExtInt);
    assert!(apic.interrupt_requested(), "INTR stays until the PIC drops it");
    apic.set_lint(0, false);
    assert!(!apic.interrupt_requested());
    apic.write32(0x350, 0x1_0700);
    apic.set_lint(0, true);
    assert!(!apic.interrupt_requested(), "masked");
    apic.write_msr(0x1b, 0xfee0_0100).unwrap();
    assert!(apic.interrupt_requested(), "a disabled APIC leaves INTR as it is");
}

#[test]
fn lint1_is_nmi_on_its_edge() {
    let bench = Bench::new();
    let mut apic = fresh(&bench, 0);
    apic.set_virtual_wire_mode();
    apic.set_lint(1, true);
    assert!(apic.take_signals().nmi);
    apic.set_lint(1, true);
    assert!(!apic.take_signals().nmi);
}

#[test]
fn level_lint_holds_remote_irr_until_eoi_and_comes_again() {
    let bench = Bench::new();
    let mut apic = enabled(&bench, 0);
    apic.write32(0x350, 0x8055);
    apic.set_lint(0, true);
    assert_eq!(apic.read32(0x350), 0xc055);
    assert_eq!(apic.acknowledge(), Ack::Vector(0x55));
    apic.write32(0xb0, 0);
    assert_eq!(apic.acknowledge(), Ack::Vector(0x55));
    apic.set_lint(0, false);
    apic.write32(0xb0, 0);
    assert_eq!(apic.read32(0x350), 0x8055);
    assert!(!apic.interrupt_requested());
}

#[test]
fn ext_int_message_is_acknowledged_once() {
    let bench = Bench::new();
    let mut apic = enabled(&bench, 0);
    assert!(apic.accept(0, TriggerMode::Edge, DeliveryMode::ExtInt));
    assert_eq!(apic.acknowledge(), Ack::ExtInt);
    assert!(!apic.interrupt_requested());
}

#[test]
fn apic_base_allows_only_the_transitions_of_the_manual() {
    let bench = Bench::new();
    let mut apic = enabled(&bench, 0);
    assert_eq!(apic.write_msr(0x1b, 0xfee0_0500), Err(MsrFault), "x2APIC without enable");
    assert_eq!(apic.write_msr(0x1b, 0xfee0_0901), Err(MsrFault), "reserved bit");
    assert_eq!(apic.write_msr(0x1b, 1 << 40 | 0x900), Err(MsrFault), "above MAXPHYADDR");
    assert_eq!(apic.write_msr(0x1b, X2APIC), Ok(()));
    assert_eq!(apic.mmio_base(), None);
    assert_eq!(apic.write_msr(0x1b, 0xfee0_0900), Err(MsrFault), "x2APIC to xAPIC");
    assert_eq!(apic.write_msr(0x1b, 0xfee0_0100), Ok(()), "x2APIC to disabled");
    assert_eq!(apic.write_msr(0x1b, X2APIC), Err(MsrFault), "disabled to x2APIC");
    assert_eq!(apic.write_msr(0x1b, 0xd000_0900), Ok(()));
    assert_eq!(apic.mmio_base(), Some(0xd000_0000));
    assert_eq!(apic.read32(0xf0), 0xff, "state was lost");
}

#[test]
fn x2apic_registers_fault_where_the_manual_says_so() {
    let bench = Bench::new();
    let mut apic = enabled(&bench, 0);
    assert_eq!(apic.read_msr(0x802), Err(MsrFault), "not in x2APIC mode");
    let mut apic = x2apic(&bench, 0x123);
    assert_eq!(apic.read_msr(0x802), Ok(0x123));
    assert_eq!(apic.read_msr(0x80d), Ok(0x0012_0008), "logical ID from the ID");
    for read in [0x800, 0x809, 0x80b, 0x80e, 0x831, 0x83f, 0x840, 0x8ff] {
        assert_eq!(apic.read_msr(read), Err(MsrFault), "{read:#x}");
    }
    for (msr, value) in [
        (0x802, 0),
        (0x803, 0),
        (0x80d, 0),
        (0x80b, 1),
        (0x828, 1),
        (0x808, 0x100),
        (0x830, 1 << 12),
        (0x832, 1 << 19),
    ] {
        assert_eq!(apic.write_msr(msr, value), Err(MsrFault), "{msr:#x}");
    }
    assert_eq!(apic.write_msr(0x80b, 0), Ok(()));
    apic.write_msr(0x830, 0x1234_5678_0000_4041).unwrap();
    let sent = apic.take_outgoing().messages;
    assert_eq!((sent[0].dest, sent[0].wide), (0x1234_5678, true));
    apic.write_msr(0x83f, 0x66).unwrap();
    assert_eq!(apic.pending_vector(), Some(0x66));
}

#[test]
fn performance_interrupt_masks_itself() {
    let bench = Bench::new();
    let mut apic = enabled(&bench, 0);
    apic.write32(0x340, 0x400);
    apic.signal_performance_counter();
    assert!(apic.take_signals().nmi);
    assert_eq!(apic.read32(0x340), 0x1_0400);
}

#[test]
fn reset_returns_to_xapic_mode() {
    let bench = Bench::new();
    let mut apic = x2apic(&bench, 0);
    apic.reset(ResetKind::Warm);
    assert_eq!(apic.read_msr(0x1b), Ok(0xfee0_0900));
}

#[test]
fn hostile_saved_state_is_refused() {
    let bench = Bench::new();
    let mut apic = enabled(&bench, 0);
    let good = apic.save();
    edge(&mut apic, 0x40);
    let good = {
        assert_ne!(good, apic.save());
        good
    };
    let mut bad = apic.save();
    bad.irr = VectorSet::default();
    bad.irr.insert(3);
    assert!(apic.restore(bad).is_err());
    assert!(apic.restore(good).is_ok());
    assert!(!apic.interrupt_requested());
}

#[test]
fn fuzz_survives() {
    fuzz_mmio_device(0x1000, |bench| enabled(bench, 0));
}

#[test]
fn fuzz_of_msrs_messages_and_pins_keeps_the_invariants() {
    for seed in 0..24 {
        let bench = Bench::new();
        let mut apic = enabled(&bench, 0);
        let mut rng = Rng::new(seed);
        for _ in 0..3_000 {
            let random = rng.next_u64();
            match rng.below(10) {
                0 => {
                    let base = [0xfee0_0900, X2APIC, 0xfee0_0100, random][rng.below(4) as usize];
                    let _ = apic.write_msr(0x1b, base);
                }
                1 => {
                    let _ = apic.write_msr(0x6e0, random >> rng.below(64));
                }
                2..5 => {
                    let _ = apic.write_msr(0x800 + rng.below(0x100) as u32, rng.value());
                }
                5 => {
                    let _ = apic.read_msr(0x800 + rng.below(0x100) as u32);
                }
                6 => apic.set_lint(rng.below(3) as usize, rng.one_in(2)),
                7 => {
                    let trigger = if rng.one_in(2) { TriggerMode::Edge } else { TriggerMode::Level };
                    let mode = DeliveryMode::from_message_bits(random as u32 >> 8);
                    apic.accept(random as u8, trigger, mode.unwrap_or(DeliveryMode::StartUp));
                }
                8 => {
                    let pending = apic.pending_vector();
                    if let Ack::Vector(vector) = apic.acknowledge() {
                        assert_eq!(Some(vector), pending);
                        assert!(apic.ppr() >> 4 >= vector >> 4, "a served class is held back");
                    }
                }
                _ => {
                    bench.run(&mut apic, VmTime(rng.below(50)));
                }
            }
            if let Some(vector) = apic.pending_vector() {
                assert!(vector >= 16 && vector >> 4 > apic.ppr() >> 4);
            }
        }
        let mut other = fresh(&bench, 0);
        other.restore(apic.save()).unwrap();
        assert_eq!(other.save(), apic.save());
        assert_eq!(other.next_deadline(), apic.next_deadline());
    }
}

#[test]
fn saved_state_is_complete() {
    check_save_restore_mmio(0x400, |bench| enabled(bench, 0));
}
