use glassbox_device_api::{Device, ResetKind, VmTime};
use glassbox_input::Key;
use glassbox_testkit::{Bench, PortBus, check_save_restore_ports, fuzz_port_device};

use super::{BYTE_TIME, I8042, I8042Lines};

const RESET: u32 = 100;
const A20: u32 = 101;

fn i8042(bench: &Bench) -> I8042 {
    let lines = I8042Lines {
        keyboard_irq: bench.line(1),
        mouse_irq: bench.line(12),
        reset: bench.line(RESET),
        a20: bench.line(A20),
    };
    I8042::new(bench.vm_clock(), lines)
}

/// Reads all that comes within a second of silence.
fn drain(bench: &Bench, i8042: &mut I8042) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        if i8042.in8(1) & 1 == 0 && bench.run_to_deadline(i8042).is_none() {
            return bytes;
        }
        if i8042.in8(1) & 1 != 0 {
            bytes.push(i8042.in8(0));
        }
    }
}

/// Presses a key and lets it go.
fn tap(i8042: &mut I8042, key: Key) -> bool {
    i8042.key(key, true) && i8042.key(key, false)
}

fn controller(bench: &Bench, i8042: &mut I8042, command: u8) -> Vec<u8> {
    i8042.out8(1, command);
    drain(bench, i8042)
}

fn keyboard(bench: &Bench, i8042: &mut I8042, bytes: &[u8]) -> Vec<u8> {
    let mut answer = Vec::new();
    for byte in bytes {
        i8042.out8(0, *byte);
        answer.extend(drain(bench, i8042));
    }
    answer
}

fn mouse(bench: &Bench, i8042: &mut I8042, bytes: &[u8]) -> Vec<u8> {
    let mut answer = Vec::new();
    for byte in bytes {
        i8042.out8(1, 0xd4);
        i8042.out8(0, *byte);
        answer.extend(drain(bench, i8042));
    }
    answer
}

#[test]
fn controller_tests_pass_and_the_system_flag_follows() {
    let bench = Bench::new();
    let mut i8042 = i8042(&bench);
    assert_eq!(i8042.in8(1), 0x10);
    assert_eq!(controller(&bench, &mut i8042, 0xaa), [0x55]);
    assert_eq!(i8042.in8(1), 0x1c);
    assert_eq!(controller(&bench, &mut i8042, 0xab), [0]);
    assert_eq!(controller(&bench, &mut i8042, 0xa9), [0]);
}

#[test]
fn the_command_byte_reads_back_with_the_port_enables() {
    let bench = Bench::new();
    let mut i8042 = i8042(&bench);
    i8042.out8(1, 0x60);
    i8042.out8(0, 0x47);
    assert_eq!(controller(&bench, &mut i8042, 0x20), [0x47]);
    i8042.out8(1, 0xad);
    i8042.out8(1, 0xa7);
    assert_eq!(controller(&bench, &mut i8042, 0x20), [0x77]);
    i8042.out8(1, 0xae);
    i8042.out8(1, 0xa8);
    assert_eq!(controller(&bench, &mut i8042, 0x20), [0x47]);
}

#[test]
fn linux_finds_an_aux_port_by_its_loopback() {
    let bench = Bench::new();
    let mut i8042 = i8042(&bench);
    i8042.out8(1, 0xd3);
    i8042.out8(0, 0x5a);
    assert_eq!(i8042.in8(1) & 0x21, 0x21);
    assert!(bench.level(12) && !bench.level(1));
    assert_eq!(i8042.in8(0), 0x5a);
    assert!(!bench.level(12));
}

#[test]
fn keyboard_commands_are_answered() {
    let bench = Bench::new();
    let mut i8042 = i8042(&bench);
    for (bytes, answer) in [
        (&[0xff][..], &[0xfa, 0xaa][..]),
        (&[0xf2], &[0xfa, 0xab, 0x83]),
        (&[0xee], &[0xee]),
        (&[0xed, 0x05], &[0xfa, 0xfa]),
        (&[0xf3, 0x20], &[0xfa, 0xfa]),
        (&[0xf0, 0x00], &[0xfa, 0xfa, 0x02]),
        (&[0xf0, 0x03], &[0xfa, 0xfa]),
        (&[0xf0, 0x04], &[0xfa, 0xfe]),
        (&[0xfe], &[0xfa]),
        (&[0xf5], &[0xfa]),
        (&[0xf4], &[0xfa]),
        (&[0x12], &[0xfe]),
    ] {
        assert_eq!(keyboard(&bench, &mut i8042, bytes), answer, "{bytes:02x?}");
    }
    assert_eq!(i8042.leds(), 5);
}

#[test]
fn each_key_byte_interrupts_and_arrives_a_byte_time_after_the_last_was_read() {
    let bench = Bench::new();
    let mut i8042 = i8042(&bench);
    assert!(tap(&mut i8042, Key::A));
    assert_eq!(bench.take_rises(1), 1);
    assert_eq!(i8042.in8(0), 0x1c);
    assert!(!bench.level(1));
    assert_eq!(i8042.in8(0), 0x1c, "a second reader finds the same byte");
    assert_eq!(bench.run_to_deadline(&mut i8042), Some(BYTE_TIME));
    assert!(bench.level(1));
    assert_eq!(drain(&bench, &mut i8042), [0xf0, 0x1c]);
}

#[test]
fn translation_gives_set_1() {
    let bench = Bench::new();
    let mut i8042 = i8042(&bench);
    i8042.out8(1, 0x60);
    i8042.out8(0, 0x45);
    tap(&mut i8042, Key::A);
    tap(&mut i8042, Key::ArrowUp);
    assert_eq!(drain(&bench, &mut i8042), [0x1e, 0x9e, 0xe0, 0x48, 0xe0, 0xc8]);
    assert_eq!(keyboard(&bench, &mut i8042, &[0xf2]), [0xfa, 0xab, 0x41]);
}

#[test]
fn keys_wait_while_the_interface_is_off_and_the_buffer_is_bounded() {
    let bench = Bench::new();
    let mut i8042 = i8042(&bench);
    i8042.out8(1, 0xad);
    for _ in 0..5 {
        assert!(tap(&mut i8042, Key::A));
    }
    assert!(i8042.key(Key::B, true));
    assert!(!i8042.key(Key::B, false), "two bytes more than there is room for");
    assert_eq!(i8042.in8(1) & 1, 0);
    i8042.out8(1, 0xae);
    i8042.in8(0);
    assert!(bench.run_to_deadline(&mut i8042).is_some());
    i8042.in8(0);
    assert!(bench.run_to_deadline(&mut i8042).is_some());
    assert!(i8042.key(Key::B, false));
    assert_eq!(drain(&bench, &mut i8042).len(), 16);
}

#[test]
fn a_disabled_keyboard_ignores_keys() {
    let bench = Bench::new();
    let mut i8042 = i8042(&bench);
    keyboard(&bench, &mut i8042, &[0xf5]);
    assert!(tap(&mut i8042, Key::A));
    assert!(drain(&bench, &mut i8042).is_empty());
}

#[test]
fn the_output_port_gates_a20() {
    let bench = Bench::new();
    let mut i8042 = i8042(&bench);
    assert!(bench.level(A20));
    i8042.out8(1, 0xd1);
    i8042.out8(0, 0xdd);
    assert!(!bench.level(A20) && !i8042.a20());
    assert_eq!(controller(&bench, &mut i8042, 0xd0)[0] & 0x02, 0);
    i8042.out8(1, 0xd1);
    i8042.out8(0, 0xdf);
    assert!(bench.level(A20));
    i8042.out8(1, 0xdd);
    assert!(!bench.level(A20));
    i8042.reset(ResetKind::Warm);
    assert!(bench.level(A20));
}

#[test]
fn pulsing_output_bit_0_or_writing_it_low_resets() {
    let bench = Bench::new();
    let mut i8042 = i8042(&bench);
    i8042.out8(1, 0xff);
    assert_eq!(bench.take_rises(RESET), 0);
    i8042.out8(1, 0xfe);
    assert_eq!(bench.take_rises(RESET), 1);
    i8042.out8(1, 0xd1);
    i8042.out8(0, 0xfe);
    assert_eq!(bench.take_rises(RESET), 1);
}

#[test]
fn mouse_commands_are_answered_through_the_aux_interrupt() {
    let bench = Bench::new();
    let mut i8042 = i8042(&bench);
    for (bytes, answer) in [
        (&[0xff][..], &[0xfa, 0xaa, 0x00][..]),
        (&[0xf2], &[0xfa, 0x00]),
        (&[0xe9], &[0xfa, 0x00, 0x02, 100]),
        (&[0xe8, 0x03], &[0xfa, 0xfa]),
        (&[0xf3, 40], &[0xfa, 0xfa]),
        (&[0xe7], &[0xfa]),
        (&[0xf0], &[0xfa]),
        (&[0xf4], &[0xfa]),
        (&[0xe9], &[0xfa, 0x70, 0x03, 40]),
        (&[0xf3, 41], &[0xfa, 0xfe]),
        (&[0xee, 0x42, 0xec], &[0xfa, 0x42, 0xfa]),
        (&[0x10], &[0xfe]),
    ] {
        assert_eq!(mouse(&bench, &mut i8042, bytes), answer, "{bytes:02x?}");
    }
    assert!(bench.take_rises(12) > 10);
}

#[test]
fn the_intellimouse_knock_unlocks_wheel_and_buttons() {
    let bench = Bench::new();
    let mut i8042 = i8042(&bench);
    mouse(&bench, &mut i8042, &[0xff, 0xf3, 200, 0xf3, 100, 0xf3, 80]);
    assert_eq!(mouse(&bench, &mut i8042, &[0xf2]), [0xfa, 3]);
    mouse(&bench, &mut i8042, &[0xf3, 200, 0xf3, 200, 0xf3, 80]);
    assert_eq!(mouse(&bench, &mut i8042, &[0xf2]), [0xfa, 4]);
    mouse(&bench, &mut i8042, &[0xf4]);
    i8042.mouse_motion(0, 0, -1, 0x10);
    assert_eq!(drain(&bench, &mut i8042), [0x08, 0, 0, 0x2f]);
}

#[test]
fn movement_is_reported_in_packets_once_enabled() {
    let bench = Bench::new();
    let mut i8042 = i8042(&bench);
    i8042.mouse_motion(5, 5, 0, 0);
    assert!(drain(&bench, &mut i8042).is_empty());
    mouse(&bench, &mut i8042, &[0xf4]);
    i8042.mouse_motion(300, -2, 0, 0x01);
    assert_eq!(drain(&bench, &mut i8042), [0x29, 255, 0xfe, 0x09, 45, 0]);
    mouse(&bench, &mut i8042, &[0xf0]);
    i8042.mouse_motion(1, 1, 0, 0);
    assert!(drain(&bench, &mut i8042).is_empty(), "remote mode waits to be asked");
    assert_eq!(mouse(&bench, &mut i8042, &[0xeb]), [0xfa, 0x08, 1, 1]);
}

#[test]
fn interrupts_follow_the_command_byte() {
    let bench = Bench::new();
    let mut i8042 = i8042(&bench);
    i8042.out8(1, 0x60);
    i8042.out8(0, 0x00);
    i8042.key(Key::A, true);
    assert!(!bench.level(1));
    i8042.out8(1, 0x60);
    i8042.out8(0, 0x01);
    assert!(bench.level(1));
    bench.pass(VmTime(1));
    i8042.reset(ResetKind::Cold);
    assert!(!bench.level(1));
}

#[test]
fn random_accesses_do_no_harm() {
    fuzz_port_device(2, |bench| {
        let mut i8042 = i8042(bench);
        i8042.mouse_motion(i32::MAX, i32::MIN, 9, 0xff);
        tap(&mut i8042, Key::A);
        i8042.key(Key::B, true);
        i8042
    });
}

#[test]
fn a_restored_controller_is_the_saved_one() {
    check_save_restore_ports(2, |bench| {
        let mut i8042 = i8042(bench);
        tap(&mut i8042, Key::A);
        i8042.key(Key::B, true);
        i8042
    });
}

#[test]
fn a_held_key_repeats_at_the_rate_that_was_set_until_another_goes_down() {
    let bench = Bench::new();
    let mut i8042 = i8042(&bench);
    // 250 ms, then 30 a second.
    keyboard(&bench, &mut i8042, &[0xf3, 0x00]);
    const MS: u64 = 1_000_000;
    i8042.key(Key::A, true);
    for (wait, arrives) in [(1, true), (248, false), (2, true), (31, false), (4, true)] {
        bench.run(&mut i8042, VmTime(wait * MS));
        assert_eq!(i8042.in8(1) & 1 != 0, arrives, "after {wait} ms more");
        i8042.in8(0);
    }
    i8042.key(Key::ShiftLeft, true);
    i8042.key(Key::ShiftLeft, false);
    i8042.key(Key::A, false);
    assert_eq!(drain(&bench, &mut i8042), [0x12, 0xf0, 0x12, 0xf0, 0x1c], "nothing repeats any more");
}

#[test]
fn in_set_3_each_key_has_a_type() {
    let bench = Bench::new();
    let mut i8042 = i8042(&bench);
    keyboard(&bench, &mut i8042, &[0xf0, 3]);
    assert_eq!(keyboard(&bench, &mut i8042, &[0xf0, 0]), [0xfa, 0xfa, 3]);
    tap(&mut i8042, Key::A);
    tap(&mut i8042, Key::F1);
    tap(&mut i8042, Key::ShiftLeft);
    assert_eq!(drain(&bench, &mut i8042), [0x1c, 0x07, 0x12, 0xf0, 0x12]);
    keyboard(&bench, &mut i8042, &[0xf8]);
    tap(&mut i8042, Key::A);
    assert_eq!(drain(&bench, &mut i8042), [0x1c, 0xf0, 0x1c]);
    // Make only, for A alone.
    keyboard(&bench, &mut i8042, &[0xfd, 0x1c, 0xf4]);
    tap(&mut i8042, Key::A);
    tap(&mut i8042, Key::B);
    assert_eq!(drain(&bench, &mut i8042), [0x1c, 0x32, 0xf0, 0x32]);
}
