use glassbox_device_api::{Device, ResetKind, VmTime};
use glassbox_testkit::{Bench, PortBus, Rng, check_save_restore_ports, fuzz_port_device};

use super::Rtc;

/// 2024-02-29 23:59:58 UTC.
const LEAP_DAY_EVE: i64 = 1_709_251_198;
const MS: u64 = 1_000_000;

fn rtc(bench: &Bench) -> Rtc {
    Rtc::new(bench.vm_clock(), bench.line(8), LEAP_DAY_EVE)
}

fn get(rtc: &mut Rtc, index: u8) -> u8 {
    rtc.out8(0, index);
    rtc.in8(1)
}

fn put(rtc: &mut Rtc, index: u8, value: u8) {
    rtc.out8(0, index);
    rtc.out8(1, value);
}

fn date(rtc: &mut Rtc) -> [u8; 8] {
    [0x32, 9, 8, 7, 6, 4, 2, 0].map(|index| get(rtc, index))
}

#[test]
fn the_calendar_follows_guest_time_over_a_leap_day() {
    let bench = Bench::new();
    let mut rtc = rtc(&bench);
    assert_eq!(date(&mut rtc), [0x20, 0x24, 0x02, 0x29, 5, 0x23, 0x59, 0x58]);
    bench.pass(VmTime(2_500 * MS));
    assert_eq!(date(&mut rtc), [0x20, 0x24, 0x03, 0x01, 6, 0, 0, 0]);
    assert_eq!(rtc.unix_seconds(), LEAP_DAY_EVE + 2);
}

#[test]
fn linux_sets_the_time_and_it_starts_half_a_second_after_the_divider() {
    let bench = Bench::new();
    let mut rtc = rtc(&bench);
    let (a, b) = (get(&mut rtc, 0x0a), get(&mut rtc, 0x0b));
    put(&mut rtc, 0x0b, b | 0x80);
    put(&mut rtc, 0x0a, a | 0x70);
    for (index, value) in [(0x32, 0x19), (9, 0x99), (8, 0x12), (7, 0x31), (4, 0x23), (2, 0x59), (0, 0x59)] {
        put(&mut rtc, index, value);
    }
    bench.pass(VmTime(5_000 * MS));
    assert_eq!(get(&mut rtc, 0), 0x59, "the time stands still while SET");
    put(&mut rtc, 0x0b, b);
    put(&mut rtc, 0x0a, a);
    bench.pass(VmTime(499 * MS));
    assert_eq!(get(&mut rtc, 0), 0x59);
    bench.pass(VmTime(MS));
    assert_eq!(date(&mut rtc), [0x20, 0, 1, 1, 6, 0, 0, 0]);
}

#[test]
fn set_alone_keeps_the_phase_of_the_seconds() {
    let bench = Bench::new();
    let mut rtc = rtc(&bench);
    bench.pass(VmTime(300 * MS));
    put(&mut rtc, 0x0b, 0x82);
    put(&mut rtc, 0, 0x10);
    put(&mut rtc, 0x0b, 0x02);
    bench.pass(VmTime(699 * MS));
    assert_eq!(get(&mut rtc, 0), 0x10);
    bench.pass(VmTime(MS));
    assert_eq!(get(&mut rtc, 0), 0x11);
}

#[test]
fn update_in_progress_shows_before_the_second_changes() {
    let bench = Bench::new();
    let mut rtc = rtc(&bench);
    bench.set_time(VmTime(1_000 * MS - 2_229_000));
    assert_eq!(get(&mut rtc, 0x0a) & 0x80, 0);
    bench.pass(VmTime(1_000));
    assert_eq!(get(&mut rtc, 0x0a) & 0x80, 0x80);
    bench.set_time(VmTime(1_000 * MS));
    assert_eq!(get(&mut rtc, 0x0a) & 0x80, 0);
    put(&mut rtc, 0x0b, 0x82);
    bench.set_time(VmTime(1_999 * MS));
    assert_eq!(get(&mut rtc, 0x0a) & 0x80, 0, "not while SET");
}

#[test]
fn formats_are_bcd_or_binary_and_12_or_24_hours() {
    let bench = Bench::new();
    let mut rtc = rtc(&bench);
    put(&mut rtc, 0x0b, 0x06);
    assert_eq!((get(&mut rtc, 4), get(&mut rtc, 0)), (23, 58));
    put(&mut rtc, 0x0b, 0x00);
    assert_eq!(get(&mut rtc, 4), 0x91);
}

#[test]
fn the_update_interrupt_comes_each_second_once_register_c_was_read() {
    let bench = Bench::new();
    let mut rtc = rtc(&bench);
    put(&mut rtc, 0x0b, 0x12);
    assert_eq!(bench.run_to_deadline(&mut rtc), Some(VmTime::SECOND));
    assert!(bench.level(8));
    assert_eq!(rtc.next_deadline(), None, "nothing changes before it is acknowledged");
    assert_eq!(get(&mut rtc, 0x0c), 0xd0, "the periodic flag is set too, though not enabled");
    assert!(!bench.level(8));
    assert_eq!(get(&mut rtc, 0x0c), 0);
    assert_eq!(bench.run_to_deadline(&mut rtc), Some(VmTime(2_000 * MS)));
}

#[test]
fn the_periodic_interrupt_keeps_its_rate() {
    let bench = Bench::new();
    let mut rtc = rtc(&bench);
    put(&mut rtc, 0x0b, 0x42);
    let mut ticks = 0;
    while bench.run_to_deadline(&mut rtc).is_some_and(|at| at <= VmTime::SECOND) {
        ticks += 1;
        assert_eq!(get(&mut rtc, 0x0c) & 0xc0, 0xc0);
    }
    assert_eq!(ticks, 1024);
    for (rate, period_us) in [(0x1, 3_906), (0x2, 7_812), (0x3, 122), (0xf, 500_000)] {
        put(&mut rtc, 0x0a, 0x20 | rate);
        get(&mut rtc, 0x0c);
        bench.run_to_deadline(&mut rtc);
        get(&mut rtc, 0x0c);
        let from = bench.now();
        bench.run_to_deadline(&mut rtc);
        assert_eq!((bench.now() - from).0 / 1_000, period_us, "rate {rate}");
        get(&mut rtc, 0x0c);
    }
}

#[test]
fn the_alarm_interrupts_at_its_time() {
    let bench = Bench::new();
    let mut rtc = rtc(&bench);
    for (index, value) in [(1, 0x05), (3, 0x00), (5, 0x00), (0x0b, 0x22)] {
        put(&mut rtc, index, value);
    }
    assert_eq!(bench.run_to_deadline(&mut rtc), Some(VmTime(7_000 * MS)));
    assert!(bench.level(8));
    assert_eq!(get(&mut rtc, 0x0c) & 0xa0, 0xa0);
}

#[test]
fn flags_are_set_without_being_enabled() {
    let bench = Bench::new();
    let mut rtc = rtc(&bench);
    for index in [1, 3, 5] {
        put(&mut rtc, index, 0xff);
    }
    bench.pass(VmTime(1_100 * MS));
    assert_eq!(get(&mut rtc, 0x0c), 0x70);
    assert!(!bench.level(8));
}

#[test]
fn reset_disables_interrupts_and_keeps_time_and_memory() {
    let bench = Bench::new();
    let mut rtc = rtc(&bench);
    put(&mut rtc, 0x40, 0xa5);
    put(&mut rtc, 0x0b, 0x72);
    bench.run_to_deadline(&mut rtc);
    rtc.reset(ResetKind::Cold);
    assert!(!bench.level(8));
    assert_eq!((get(&mut rtc, 0x0b), get(&mut rtc, 0x40), get(&mut rtc, 0x0d)), (0x02, 0xa5, 0x80));
    assert_eq!(get(&mut rtc, 0), 0x58);
}

#[test]
fn memory_sizes_are_where_firmware_puts_them() {
    let bench = Bench::new();
    let mut rtc = rtc(&bench);
    rtc.set_memory_size(128 << 20, 1 << 30);
    let word = |rtc: &mut Rtc, index| u16::from_le_bytes([get(rtc, index), get(rtc, index + 1)]);
    assert_eq!(word(&mut rtc, 0x15), 640);
    assert_eq!(word(&mut rtc, 0x17), 0xffff);
    assert_eq!(word(&mut rtc, 0x34), 112 * 16);
    assert_eq!((word(&mut rtc, 0x5b), get(&mut rtc, 0x5d)), (0x4000, 0));
}

#[test]
fn bit_7_of_the_index_masks_nmi() {
    let bench = Bench::new();
    let mut rtc = rtc(&bench);
    rtc.out8(0, 0x8d);
    assert!(rtc.nmi_masked());
    assert_eq!(rtc.in8(1), 0x80);
    rtc.out8(0, 0x0d);
    assert!(!rtc.nmi_masked());
    assert_eq!(rtc.in8(0), 0xff, "the index cannot be read");
}

/// The flags are worked out when somebody looks; that must equal looking all the time.
#[test]
fn a_clock_left_alone_has_the_flags_of_one_that_was_watched() {
    for seed in 0..100 {
        let mut rng = Rng::new(seed);
        let (bench, other_bench) = (Bench::new(), Bench::new());
        let (mut watched, mut alone) = (rtc(&bench), rtc(&other_bench));
        let alarm = [rng.below(4), rng.below(2), rng.below(2)].map(|field| match field {
            3 => 0xff,
            field => field as u8,
        });
        let (rate, enables) = (rng.below(16) as u8, rng.below(8) as u8);
        for rtc in [&mut watched, &mut alone] {
            for (index, value) in [1, 3, 5].into_iter().zip(alarm) {
                put(rtc, index, value);
            }
            put(rtc, 0x0a, 0x20 | rate);
            put(rtc, 0x0b, 0x02 | (enables << 4));
        }
        for _ in 0..20 {
            let end = bench.now() + VmTime(rng.below(8_000 * MS));
            while bench.now() < end {
                bench.pass(VmTime(rng.below(400 * MS)).min(end - bench.now()));
                watched.advance(bench.now());
            }
            other_bench.set_time(end);
            assert_eq!(get(&mut alone, 0x0c), get(&mut watched, 0x0c), "seed {seed} at {end:?}");
            assert_eq!(date(&mut alone), date(&mut watched));
        }
    }
}

#[test]
fn random_accesses_do_no_harm() {
    fuzz_port_device(2, rtc);
}

#[test]
fn a_restored_clock_is_the_saved_one() {
    check_save_restore_ports(2, rtc);
}
