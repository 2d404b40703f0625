//! How a run ends, and what the process says about it.

use crate::common::{Bench, FOREVER, HALT, POWER_OFF, glassbox_with_input, parts, print, run};
use std::time::{Duration, Instant};

#[test]
fn power_off_ends_with_0_and_all_output() {
    let bench = Bench::new();
    let text = "x".repeat(3000);
    let guest = bench.guest(&[&print(&text), POWER_OFF]);
    assert_eq!(run(&guest, &[]), (0, text, String::new()));
}

#[test]
fn the_exit_device_gives_an_odd_code_only_when_asked_for() {
    let bench = Bench::new();
    // mov al, 21h; out F4h, al
    let guest = bench.guest(&[&[0xB0, 0x21, 0xE6, 0xF4], POWER_OFF]);
    assert_eq!(run(&guest, &["--debug-exit"]).0, 0x21 << 1 | 1);
    assert_eq!(run(&guest, &[]).0, 0);
    // mov dx, 501h; mov eax, 0; out dx, eax
    let guest = bench.guest(&[&[0x66, 0xBA, 0x01, 0x05, 0xB8, 0, 0, 0, 0, 0xEF], POWER_OFF]);
    assert_eq!(run(&guest, &["--debug-exit", "0x501"]).0, 1);
}

#[test]
fn a_triple_fault_is_reported_with_its_cause() {
    let bench = Bench::new();
    // mov eax, 12345678h; ud2
    let guest = bench.guest(&[&[0xB8, 0x78, 0x56, 0x34, 0x12, 0x0F, 0x0B]]);
    let (code, _, report) = run(&guest, &[]);
    assert_eq!(code, 3);
    for part in ["triple fault", "#UD invalid opcode", "rax 0000000012345678", "rip 0000000000100025", "ud2"]
    {
        assert!(report.contains(part), "{part} in:\n{report}");
    }
}

#[test]
fn a_time_limit_ends_busy_and_halted_guests() {
    let bench = Bench::new();
    for (code, clock) in
        [(FOREVER, "host"), (HALT, "host"), (FOREVER, "instructions"), (HALT, "instructions")]
    {
        let guest = bench.guest(&[code]);
        let start = Instant::now();
        let (code, _, message) = run(&guest, &["--timeout", "300ms", "--clock", clock]);
        assert_eq!(code, 124, "{message}");
        assert!(start.elapsed() >= Duration::from_millis(300));
    }
}

#[test]
fn an_instruction_limit_is_exact() {
    let bench = Bench::new();
    let guest = bench.guest(&[FOREVER]);
    let stats = bench.path("stats");
    for clock in ["host", "instructions"] {
        for limit in [1, 99_999, 2_345_678] {
            let flags = ["--max-instructions", &limit.to_string(), "--clock", clock];
            let (code, ..) = run(&guest, &[&flags[..], &["--stats-json", stats.to_str().unwrap()]].concat());
            assert_eq!(code, 124);
            assert_eq!(bench.stats()["instructions"], limit);
            assert_eq!(bench.stats()["exit"], "max-instructions");
        }
    }
}

#[test]
fn what_is_expected_ends_the_run_at_once() {
    let bench = Bench::new();
    let guest = bench.guest(&[&print("booting\r\nlogin: "), FOREVER]);
    assert_eq!(run(&guest, &["--expect", "^login: $"]).0, 0);
    let (code, out, message) = run(&guest, &["--fail-on", "boot.ng"]);
    assert_eq!(code, 3, "{message}");
    assert!(message.contains("--fail-on") && out.starts_with("boot"), "{message}");
    assert_eq!(run(&guest, &["--expect", "never", "--timeout", "300ms"]).0, 124);
}

#[test]
fn the_second_serial_port_is_watched_and_written_too() {
    let bench = Bench::new();
    // mov dx, 2F8h; mov al, '2'; out dx, al
    let guest = bench.guest(&[&[0x66, 0xBA, 0xF8, 0x02, 0xB0, b'2', 0xEE], &print("1"), POWER_OFF]);
    let file = format!("file={}", bench.path("com2").display());
    assert_eq!(run(&guest, &["--serial", "stdio", "--serial", &file]), (0, "1".into(), String::new()));
    assert_eq!(std::fs::read(bench.path("com2")).unwrap(), b"2");
    let forever = bench.guest(&[&[0x66, 0xBA, 0xF8, 0x02, 0xB0, b'2', 0xEE], FOREVER]);
    assert_eq!(run(&forever, &["--serial", "none", "--serial", &file, "--expect", "2"]).0, 0);
}

#[test]
fn standard_input_reaches_the_guest_and_its_end_does_not_end_it() {
    // Polls the line status and sends back what it receives.
    const ECHO: &[u8] = &[
        0x66, 0xBA, 0xFD, 0x03, 0xEC, 0xA8, 0x01, 0x74, 0xF7, 0x66, 0xBA, 0xF8, 0x03, 0xEC, 0xEE, 0xEB, 0xEF,
    ];
    let bench = Bench::new();
    let guest = bench.guest(&[ECHO]);
    let input = "0123456789".repeat(1000) + "end";
    let args = ["-m", "16M", "--timeout", "60s", "--expect", "end", &guest];
    let (code, out, message) = parts(&glassbox_with_input(&args, input.as_bytes()));
    assert_eq!((code, out), (0, input), "{message}");
}

#[test]
fn a_reset_starts_the_kernel_again_and_keeps_the_cmos() {
    // Prints A, marks the CMOS and resets through CF9h; with the mark prints B and powers off.
    const REBOOT: &[u8] = &[
        0xB0, 0x40, 0xE6, 0x70, 0xE4, 0x71, 0x66, 0xBA, 0xF8, 0x03, 0x84, 0xC0, 0x75, 0x14, 0xB0, 0x41, 0xEE,
        0xB0, 0x40, 0xE6, 0x70, 0xB0, 0x01, 0xE6, 0x71, 0x66, 0xBA, 0xF9, 0x0C, 0xB0, 0x06, 0xEE, 0xEB, 0xFE,
        0xB0, 0x42, 0xEE, 0x66, 0xBA, 0x04, 0x06, 0x66, 0xB8, 0x00, 0x20, 0x66, 0xEF, 0xEB, 0xFE,
    ];
    let bench = Bench::new();
    let guest = bench.guest(&[REBOOT]);
    let stats = bench.path("stats");
    let result = run(&guest, &["--stats-json", stats.to_str().unwrap()]);
    assert_eq!(result, (0, "AB".into(), String::new()));
    assert_eq!(bench.stats()["devices"]["resets"], 1);
}

#[test]
fn port_e9_is_not_there_and_an_open_bus_reads_ones() {
    let bench = Bench::new();
    // in al, E9h; cmp al, FFh; jne $; print and power off
    let guest = bench.guest(&[&[0xE4, 0xE9, 0x3C, 0xFF, 0x75, 0xFE], &print("open"), POWER_OFF]);
    assert_eq!(run(&guest, &[]).1, "open");
}

#[test]
fn statistics_have_the_keys_that_scripts_rely_on() {
    let bench = Bench::new();
    let guest = bench.guest(&[&print("x"), POWER_OFF]);
    let stats = bench.path("stats");
    let (code, _, text) = run(&guest, &["--stats", "--stats-json", stats.to_str().unwrap()]);
    assert_eq!(code, 0);
    let stats = bench.stats();
    // The print is three instructions, the switch-off three; the firmware's come on top.
    assert!((6..100).contains(&stats["instructions"].as_u64().unwrap()), "{stats}");
    for number in ["wall_s", "cpu_s", "mips", "peak_rss_bytes"] {
        assert!(stats[number].is_number(), "{number} in {stats}");
    }
    for object in ["engine", "tlb", "jit", "devices", "exits"] {
        assert!(stats[object].is_object(), "{object} in {stats}");
    }
    assert_eq!(stats["exit"], "power-off");
    assert!(stats["devices"]["port_writes"].as_u64().unwrap() >= 2);
    assert!(text.contains("MIPS"), "{text}");
}
