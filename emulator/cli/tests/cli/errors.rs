//! What is wrong with the command line or its files is said in one line.

use crate::common::{Bench, POWER_OFF, glassbox, multiboot, parts};

/// Runs; asserts the code and one line on standard error; returns that line.
fn refused(args: &[&str], code: i32) -> String {
    let (got, out, message) = parts(&glassbox(args));
    assert_eq!((got, out.as_str()), (code, ""), "{args:?}: {message}");
    if code == 1 {
        assert_eq!(message.lines().count(), 1, "{args:?}: {message}");
        assert!(message.starts_with("glassbox: "), "{args:?}: {message}");
    }
    message
}

#[test]
fn files_that_cannot_be_booted() {
    let bench = Bench::new();
    for (name, bytes, says) in [
        ("empty", &b""[..], "not a kernel"),
        ("text", b"hello, world", "not a kernel"),
        ("gzip", b"\x1F\x8B\x08\0\0\0\0\0\0\0", "gzip"),
        ("elf", b"\x7FELF\x02\x01\x01", "ELF"),
    ] {
        let file = bench.file(name, bytes);
        let message = refused(&[&file], 1);
        assert!(message.contains(says), "{name}: {message}");
    }
    assert!(refused(&[bench.path("missing").to_str().unwrap()], 1).contains("missing"));
    assert!(refused(&[bench.path("").to_str().unwrap()], 1).contains("folder"));
    let mut cut = multiboot(POWER_OFF);
    cut.truncate(34);
    let cut = bench.file("cut", &cut);
    assert!(refused(&[&cut], 1).contains("truncated"));
}

#[test]
fn settings_that_no_machine_can_have() {
    let bench = Bench::new();
    let guest = bench.guest(&[POWER_OFF]);
    refused(&["-m", "4K", &guest], 1);
    refused(&["-m", "2T", &guest], 1);
    assert!(refused(&["--debug-exit", "0x3f8", &guest], 1).contains("0x3f8"));
    refused(&["--initrd", "/nowhere/initrd", &guest], 1);
    refused(&["--serial", "file=/nowhere/out", &guest], 1);
    refused(&["--serial", "stdio", "--serial", "stdio", &guest], 1);
    refused(&["--trace", "/nowhere/trace", &guest], 1);
    refused(&["--stats-json", "/nowhere/stats", &guest], 1);
}

#[test]
fn usage_errors_end_with_2() {
    for args in [
        &["--no-such-flag"][..],
        &["-m", "lots", "x"],
        &["--clock", "wall", "x"],
        &["--serial", "pty", "x"],
        &["--expect", "(", "x"],
        &["--engine", "kvm", "x"],
        &["--cpu", "no-such-model", "x"],
        &["--cpu", "max,+no-such-feature", "x"],
        &["--smp", "2", "x"],
        &["--kernel", "a", "b"],
    ] {
        refused(args, 2);
    }
}

#[test]
fn help_version_and_completions_are_printed() {
    for (args, says) in [
        (&["--help"][..], "--memory"),
        (&["run", "--help"], "--debug-exit"),
        (&["--version"], "glassbox"),
        (&["completions", "bash"], "complete"),
        (&["completions", "zsh"], "compdef"),
    ] {
        let (code, out, _) = parts(&glassbox(args));
        assert_eq!(code, 0, "{args:?}");
        assert!(out.contains(says), "{args:?}: {out}");
    }
}

#[test]
fn a_trace_has_a_line_for_each_instruction() {
    let bench = Bench::new();
    let guest = bench.guest(&[&[0xB8, 5, 0, 0, 0], POWER_OFF]);
    let trace = bench.path("trace");
    let args = ["-m", "16M", "--trace", trace.to_str().unwrap(), "--timeout", "60s", &guest];
    assert_eq!(parts(&glassbox(&args)).0, 0);
    let text = std::fs::read_to_string(trace).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("000000000000fff0"), "the firmware comes first: {text}");
    let start = lines.iter().position(|line| line.contains("mov eax, 5")).unwrap();
    assert!(lines[start].ends_with("rax=5"), "{text}");
    assert!(lines[start + 3].contains("out dx, ax"), "{text}");
}
