//! Disks, floppies, and the text screen.

use crate::common::{Bench, glassbox, parts};

/// A boot sector that writes `text` by INT 10h and halts.
fn boot_sector(text: &str) -> Vec<u8> {
    let mut sector = vec![
        0x31, 0xDB, // xor bx, bx
        0x31, 0xC0, // xor ax, ax
        0x8E, 0xD8, // mov ds, ax
        0xBE, 0x17, 0x7C, // mov si, text
        0xAC, // next: lodsb
        0x08, 0xC0, // or al, al
        0x74, 0x06, // jz end
        0xB4, 0x0E, // mov ah, 0Eh
        0xCD, 0x10, // int 10h
        0xEB, 0xF5, // jmp next
        0xF4, // end: hlt
        0xEB, 0xFD, // jmp end
    ];
    sector.extend_from_slice(text.as_bytes());
    sector.resize(510, 0);
    sector.extend_from_slice(&[0x55, 0xAA]);
    sector
}

fn image(bench: &Bench, name: &str, size: usize, text: &str) -> String {
    let mut bytes = boot_sector(text);
    bytes.resize(size, 0);
    bench.file(name, &bytes)
}

fn run(args: &[&str]) -> (i32, String, String) {
    parts(&glassbox(&[&["-m", "16M", "--timeout", "100s", "--serial", "none"], args].concat()))
}

const DISK: usize = 4 << 20;
const FLOPPY: usize = 1440 << 10;

#[test]
fn a_floppy_boots_and_its_screen_is_matched_and_written() {
    let bench = Bench::new();
    let floppy = image(&bench, "floppy.img", FLOPPY, "hello from a floppy");
    let screen = bench.path("screen").to_str().unwrap().to_owned();
    let (code, _, error) = run(&[&floppy, "--expect", "^hello from a floppy$", "--screen-text", &screen]);
    assert_eq!(code, 0, "{error}");
    let text = std::fs::read_to_string(&screen).unwrap();
    assert!(text.lines().any(|row| row == "hello from a floppy"), "{text}");
    let (code, _, _) = run(&[&floppy, "--fail-on", "hello"]);
    assert_eq!(code, 3);
}

#[test]
fn a_disk_boots_on_every_bus() {
    let bench = Bench::new();
    let disk = image(&bench, "disk.img", DISK, "hello from a disk");
    for bus in ["ide", "ahci", "virtio", "nvme"] {
        let (code, _, error) = run(&[&disk, "--disk-bus", bus, "--expect", "hello from a disk"]);
        assert_eq!(code, 0, "{bus}: {error}");
    }
}

#[test]
fn the_boot_order_decides_and_what_is_named_comes_first() {
    let bench = Bench::new();
    let disk = image(&bench, "disk.img", DISK, "this is the disk");
    let floppy = image(&bench, "floppy.img", FLOPPY, "this is the floppy");
    let drive = format!("file={disk},readonly");
    let expect = |args: &[&str], text: &str| {
        let (code, _, error) = run(&[args, &["--expect", text]].concat());
        assert_eq!(code, 0, "{args:?}: {error}");
    };
    expect(&[&floppy, "--drive", &drive], "this is the floppy");
    expect(&["--floppy", &floppy, "--drive", &drive], "this is the disk");
    expect(&["--floppy", &floppy, "--drive", &drive, "--boot", "floppy,disk"], "this is the floppy");
    let last = format!("{drive},bootindex=2");
    let second = image(&bench, "second.img", DISK, "this is the other");
    let first = format!("file={second},bootindex=1");
    expect(&["--drive", &last, "--drive", &first], "this is the other");
}

#[test]
fn what_cannot_be_booted_or_used_is_said_in_one_line() {
    let bench = Bench::new();
    let blank = bench.file("blank.img", &vec![0; DISK]);
    let disk = image(&bench, "disk.img", DISK, "");
    let missing = bench.path("missing.img").to_str().unwrap().to_owned();
    for (args, says) in [
        (vec![blank.as_str()], "--cdrom installer.iso"),
        (vec![missing.as_str()], "check the path"),
        (vec![disk.as_str(), "--append", "quiet"], "for a kernel"),
        (vec!["--drive", "file=a,if=scsi"], "give ide"),
        (vec![disk.as_str(), "--cdrom", disk.as_str()], "disk.img"),
    ] {
        let (code, _, error) = run(&args);
        assert!(matches!(code, 1 | 2), "{args:?}: {code}");
        assert!(error.contains(says), "{args:?}: {error}");
    }
}
