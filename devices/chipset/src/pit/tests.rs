use glassbox_device_api::{Device, VmTime};
use glassbox_testkit::{Bench, PortBus, check_save_restore_ports, fuzz_port_device};

use super::{PIT_HZ, Pit, SpeakerSink, Wave};
use std::sync::{Arc, Mutex};

fn pit(bench: &Bench) -> Pit {
    Pit::new(bench.vm_clock(), bench.line(0), bench.line(100))
}

fn at(tick: u64) -> VmTime {
    VmTime::of_ticks(tick, PIT_HZ)
}

#[test]
fn a_thousand_hertz_tick_arrives_a_thousand_times_a_second() {
    let bench = Bench::new();
    let mut pit = pit(&bench);
    pit.out8(3, 0x34);
    pit.out8(0, (1193 & 0xff) as u8);
    pit.out8(0, (1193 >> 8) as u8);
    bench.take();
    bench.run(&mut pit, VmTime::SECOND);
    assert_eq!(bench.take_rises(0), 1000);
}

#[test]
fn a_one_shot_raises_the_line_at_its_exact_tick() {
    let bench = Bench::new();
    let mut pit = pit(&bench);
    pit.out8(3, 0x30);
    assert!(!bench.level(0));
    pit.out8(0, 100);
    pit.out8(0, 0);
    while bench.run_to_deadline(&mut pit).is_some() && !bench.level(0) {}
    assert_eq!(bench.now(), at(101));
    assert_eq!(pit.next_deadline(), None, "nothing more to come");
}

#[test]
fn a_late_call_delivers_one_edge_for_all_that_was_missed() {
    let bench = Bench::new();
    let mut pit = pit(&bench);
    pit.out8(3, 0x34);
    pit.out8(0, 0);
    pit.out8(0, 1);
    bench.take();
    bench.pass(VmTime(3_600 * VmTime::SECOND.0));
    pit.advance(bench.now());
    assert_eq!(bench.take_rises(0), 1);
}

#[test]
fn linux_calibrates_the_tsc_through_counter_2_and_port_61() {
    let bench = Bench::new();
    let mut pit = pit(&bench);
    // Gate on, speaker off; mode 0; 50 ms; then wait for OUT2 in port 61h.
    let before = pit.in8(4);
    pit.out8(4, before & !0x02 | 0x01);
    pit.out8(3, 0xb0);
    let count = PIT_HZ / 20;
    pit.out8(2, count as u8);
    pit.out8(2, (count >> 8) as u8);
    assert_eq!(pit.in8(4) & 0x20, 0);
    bench.set_time(at(count));
    assert_eq!(pit.in8(4) & 0x20, 0);
    bench.set_time(at(count + 1));
    assert_eq!(pit.in8(4) & 0x20, 0x20);
}

#[test]
fn counter_2_stands_still_while_port_61_holds_its_gate_low() {
    let bench = Bench::new();
    let mut pit = pit(&bench);
    pit.out8(3, 0xb0);
    pit.out8(2, 10);
    pit.out8(2, 0);
    bench.pass(VmTime::SECOND);
    assert_eq!(pit.in8(4) & 0x20, 0);
    assert_eq!(pit.in8(2), 10);
}

#[test]
fn the_refresh_bit_toggles_every_15_microseconds() {
    let bench = Bench::new();
    let mut pit = pit(&bench);
    let mut toggles = 0;
    let mut last = pit.in8(4) & 0x10;
    for _ in 0..1_000 {
        bench.pass(VmTime(1_000));
        let bit = pit.in8(4) & 0x10;
        toggles += u32::from(bit != last);
        last = bit;
    }
    assert_eq!(toggles, 66);
}

#[test]
fn read_back_latches_status_and_count_of_several_counters() {
    let bench = Bench::new();
    let mut pit = pit(&bench);
    pit.out8(3, 0x34);
    pit.out8(3, 0x74);
    for counter in [0, 1] {
        pit.out8(counter, 200);
        pit.out8(counter, 0);
    }
    bench.set_time(at(11));
    pit.out8(3, 0xc6);
    bench.set_time(at(50));
    for counter in [0, 1] {
        assert_eq!([pit.in8(counter), pit.in8(counter), pit.in8(counter)], [0xb4, 190, 0]);
    }
}

#[test]
fn a_system_error_raises_the_nmi_until_it_is_disabled() {
    let bench = Bench::new();
    let mut pit = pit(&bench);
    pit.signal_serr();
    assert!(bench.level(100));
    assert_eq!(pit.in8(4) & 0xc0, 0x80);
    pit.out8(4, 0x04);
    assert!(!bench.level(100));
    pit.signal_serr();
    assert!(!bench.level(100));
    pit.out8(4, 0);
    pit.signal_io_check();
    assert_eq!(pit.in8(4) & 0xc0, 0x40);
}

#[test]
fn random_accesses_do_no_harm() {
    fuzz_port_device(5, pit);
}

#[test]
fn a_restored_pit_is_the_saved_one() {
    check_save_restore_ports(5, pit);
}

/// Keeps what the speaker hears.
#[derive(Clone, Default)]
struct Ear(Arc<Mutex<Vec<Wave>>>);

impl SpeakerSink for Ear {
    fn play(&mut self, wave: Wave) {
        self.0.lock().unwrap().push(wave);
    }
}

/// As [`Ear`], at once.
struct ImpatientEar;

impl SpeakerSink for ImpatientEar {
    fn play(&mut self, _: Wave) {}

    fn patience(&self) -> Option<VmTime> {
        Some(VmTime(5_000_000))
    }
}

#[test]
fn a_speaker_that_plays_at_once_is_told_of_a_tone_while_it_lasts() {
    let bench = Bench::new();
    let mut pit = pit(&bench);
    pit.set_speaker(Some(Box::new(ImpatientEar)));
    assert_eq!(pit.next_deadline(), None, "it is not connected");
    bench.set_time(VmTime(1_000_000));
    pit.out8(4, 3);
    assert_eq!(pit.next_deadline(), Some(VmTime(6_000_000)));
    bench.set_time(VmTime(6_000_000));
    pit.advance(bench.now());
    assert_eq!(pit.next_deadline(), Some(VmTime(11_000_000)));
    pit.set_speaker(Some(Box::new(Ear::default())));
    assert_eq!(pit.next_deadline(), None, "this one waits");
}

#[test]
fn the_speaker_hears_all_waves_without_gaps_and_a_beep_at_its_frequency() {
    let bench = Bench::new();
    let mut pit = pit(&bench);
    let ear = Ear::default();
    pit.set_speaker(Some(Box::new(ear.clone())));
    bench.set_time(at(500));
    pit.out8(3, 0xb6);
    pit.out8(2, (1193 & 0xff) as u8);
    pit.out8(2, (1193 >> 8) as u8);
    pit.out8(4, 3);
    bench.set_time(at(500 + 1193 * 1000));
    pit.out8(4, 0);
    bench.set_time(at(3_000_000));
    pit.advance(bench.now());
    let waves = ear.0.lock().unwrap().clone();
    let mut end = 0;
    for wave in &waves {
        assert_eq!(wave.from, end, "{waves:?}");
        end += wave.ticks;
    }
    assert_eq!(end, 3_000_000);
    let beep: Vec<&Wave> = waves.iter().filter(|wave| wave.period != 0).collect();
    assert_eq!(beep.len(), 1);
    assert_eq!((beep[0].period, beep[0].first), (1193, 597));
    let high: u64 = waves.iter().map(|wave| wave.high_time(wave.ticks, 1)).sum();
    assert!((596_000..=597_600).contains(&high), "half of the time: {high}");
    assert!(!waves.last().unwrap().level, "silence after it");
}
