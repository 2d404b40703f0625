use glassbox_testkit::Rng;

use super::Counter;

fn counter(mode: u8, count: u16) -> Counter {
    let mut counter = Counter::new(true);
    counter.write_control(3 << 4 | mode << 1);
    write(&mut counter, count);
    counter
}

fn write(counter: &mut Counter, count: u16) {
    let [low, high] = count.to_le_bytes();
    counter.write(low);
    counter.write(high);
}

fn read(counter: &mut Counter) -> u16 {
    counter.latch_count();
    u16::from_le_bytes([counter.read(), counter.read()])
}

/// OUT at each of the ticks from `from` on, `#` for high.
fn wave(counter: &mut Counter, from: u64, ticks: u64) -> String {
    (from..from + ticks)
        .map(|tick| {
            counter.fold(tick);
            if counter.out() { '#' } else { '.' }
        })
        .collect()
}

#[test]
fn mode_0_goes_high_one_tick_and_the_count_after_the_write() {
    let mut c = counter(0, 4);
    assert_eq!(wave(&mut c, 0, 9), ".....####");
    assert_eq!(read(&mut c), 0xfffd, "the element wraps and counts on");
    let mut c = counter(0, 4);
    c.fold(1);
    assert_eq!(read(&mut c), 4);
    c.fold(5);
    assert_eq!(read(&mut c), 0);
}

#[test]
fn mode_0_gate_low_suspends_the_count() {
    let mut c = counter(0, 4);
    c.fold(3);
    c.set_gate(false);
    assert_eq!(wave(&mut c, 4, 10), "..........");
    assert_eq!(read(&mut c), 2);
    c.set_gate(true);
    assert_eq!(wave(&mut c, 14, 3), ".##");
}

#[test]
fn mode_0_first_byte_of_a_new_count_stops_and_lowers_out() {
    let mut c = counter(0, 2);
    assert_eq!(wave(&mut c, 0, 5), "...##");
    c.write(3);
    assert!(!c.out());
    c.fold(50);
    c.write(0);
    assert_eq!(wave(&mut c, 50, 6), "....##");
}

#[test]
fn mode_1_is_a_retriggerable_one_shot() {
    let mut c = counter(1, 3);
    assert_eq!(wave(&mut c, 0, 4), "####", "waits for the gate");
    c.set_gate(false);
    c.set_gate(true);
    assert_eq!(wave(&mut c, 4, 5), "...##");
    c.set_gate(false);
    c.set_gate(true);
    assert_eq!(wave(&mut c, 9, 2), "..");
    c.set_gate(false);
    c.set_gate(true);
    assert_eq!(wave(&mut c, 11, 4), "...#");
}

#[test]
fn mode_2_is_low_for_the_last_tick_of_each_period() {
    let mut c = counter(2, 4);
    assert_eq!(wave(&mut c, 0, 13), "####.###.###.");
    c.fold(13);
    assert_eq!(read(&mut c), 4);
    c.fold(15);
    assert_eq!(read(&mut c), 2);
}

#[test]
fn mode_2_takes_a_new_count_at_the_end_of_the_period() {
    let mut c = counter(2, 4);
    c.fold(2);
    write(&mut c, 6);
    assert_eq!(wave(&mut c, 2, 10), "##.#####.#");
}

#[test]
fn mode_2_gate_low_forces_out_high_and_its_rise_reloads() {
    let mut c = counter(2, 3);
    c.fold(3);
    assert!(!c.out());
    c.set_gate(false);
    assert!(c.out());
    c.fold(20);
    c.set_gate(true);
    assert_eq!(wave(&mut c, 20, 6), "###.##");
}

#[test]
fn mode_3_is_a_square_wave_and_an_odd_count_is_high_one_tick_longer() {
    let mut c = counter(3, 4);
    assert_eq!(wave(&mut c, 0, 10), "###..##..#");
    let mut c = counter(3, 5);
    assert_eq!(wave(&mut c, 0, 12), "####..###..#");
}

#[test]
fn mode_3_counts_by_two() {
    let mut c = counter(3, 8);
    let mut seen = Vec::new();
    for tick in 1..9 {
        c.fold(tick);
        seen.push(read(&mut c));
    }
    assert_eq!(seen, [8, 6, 4, 2, 8, 6, 4, 2]);
    let mut c = counter(3, 5);
    let mut seen = Vec::new();
    for tick in 1..6 {
        c.fold(tick);
        seen.push(read(&mut c));
    }
    assert_eq!(seen, [4, 2, 0, 4, 2]);
}

#[test]
fn mode_4_strobes_low_for_one_tick_once() {
    let mut c = counter(4, 3);
    assert_eq!(wave(&mut c, 0, 9), "####.####");
}

#[test]
fn mode_5_strobes_after_the_trigger() {
    let mut c = counter(5, 3);
    assert_eq!(wave(&mut c, 0, 3), "###");
    c.set_gate(false);
    c.set_gate(true);
    assert_eq!(wave(&mut c, 3, 6), "###.##");
}

#[test]
fn a_count_of_zero_is_the_longest() {
    let mut c = counter(0, 0);
    c.fold(0x1_0000);
    assert!(!c.out());
    c.fold(0x1_0001);
    assert!(c.out());
}

#[test]
fn bcd_counts_in_decimal() {
    let mut c = Counter::new(true);
    c.write_control(3 << 4 | 2 << 1 | 1);
    write(&mut c, 0x1000);
    c.fold(2);
    assert_eq!(read(&mut c), 0x0999);
    c.write_control(3 << 4 | 1);
    write(&mut c, 0);
    c.fold(9_999 + 3);
    assert!(!c.out());
    c.fold(10_000 + 3);
    assert!(c.out());
}

#[test]
fn a_latched_count_stays_until_it_was_read_and_a_second_latch_is_ignored() {
    let mut c = counter(2, 100);
    c.fold(11);
    c.latch_count();
    c.fold(51);
    c.latch_count();
    assert_eq!((c.read(), c.read()), (90, 0));
    assert_eq!((c.read(), c.read()), (50, 0), "live again");
}

#[test]
fn the_status_shows_out_null_count_and_the_control_word() {
    let mut c = counter(2, 100);
    c.latch_status();
    assert_eq!(c.read(), 0xf4, "the count has not reached the element");
    c.fold(1);
    c.latch_status();
    c.latch_count();
    assert_eq!(c.read(), 0xb4);
    assert_eq!(c.read(), 100, "the latched count comes after the status");
}

#[test]
fn hours_of_a_fast_period_fold_at_once_and_stay_in_phase() {
    for mode in [2, 3] {
        let mut slow = counter(mode, 7);
        let mut fast = slow.clone();
        for tick in 0..1_000 {
            slow.fold(tick);
        }
        assert!(fast.fold(999));
        assert_eq!(fast, slow, "mode {mode}");
        assert!(fast.fold(1 << 45));
    }
}

/// The counter is folded over long spans at once; that must equal stepping it tick by tick.
#[test]
fn folding_equals_ticking_whatever_is_programmed() {
    for seed in 0..400 {
        let mut rng = Rng::new(seed);
        let mut ticked = Counter::new(true);
        let mut folded = Counter::new(true);
        let mut tick = 0;
        for step in 0..60 {
            let operation = rng.below(8);
            let value = if rng.one_in(3) { rng.next_u64() as u8 } else { rng.below(12) as u8 };
            for counter in [&mut ticked, &mut folded] {
                match operation {
                    0 => counter.write_control(0x10 | value & 0x2f),
                    1 => counter.set_gate(value & 1 != 0),
                    2 => counter.latch_count(),
                    3 => counter.latch_status(),
                    _ => counter.write(value),
                }
            }
            let longest = if rng.one_in(8) { 3_000 } else { 24 };
            let end = tick + rng.below(longest);
            let mut rose = false;
            while tick < end {
                tick += 1;
                rose |= ticked.fold(tick);
            }
            assert_eq!(folded.fold(end), rose, "seed {seed}, step {step}");
            assert_eq!(folded, ticked, "seed {seed}, step {step}");
            assert_eq!(folded.clone().read(), ticked.clone().read());
        }
    }
}
