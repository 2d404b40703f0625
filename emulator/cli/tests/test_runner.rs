//! `glassbox test` on tiny hand-assembled ROMs.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// `mov al, 0; out F4h, al`
const PASS: &[u8] = &[0xB0, 0x00, 0xE6, 0xF4];
/// `mov al, 1; out F4h, al`
const FAIL: &[u8] = &[0xB0, 0x01, 0xE6, 0xF4];
/// `jmp $`
const HANG: &[u8] = &[0xEB, 0xFE];
/// `cli; hlt`
const HALT: &[u8] = &[0xFA, 0xF4];
/// `lidt [7DF0h]`, where a boot sector has zeros; `int3`
const CRASH: &[u8] = &[0x0F, 0x01, 0x1E, 0xF0, 0x7D, 0xCC];
/// `mov dx, 604h; mov ax, 2000h; out dx, ax`
const POWER_OFF: &[u8] = &[0xBA, 0x04, 0x06, 0xB8, 0x00, 0x20, 0xEF];

/// 16-bit code that writes `text` to COM1.
fn print(text: &str) -> Vec<u8> {
    // mov dx, 3F8h; then for each byte: mov al, byte; out dx, al
    let mut code = vec![0xBA, 0xF8, 0x03];
    for byte in text.bytes() {
        code.extend_from_slice(&[0xB0, byte, 0xEE]);
    }
    code
}

/// A boot sector of these pieces of code.
fn sector(parts: &[&[u8]]) -> Vec<u8> {
    let mut sector = parts.concat();
    assert!(sector.len() <= 0x1F0, "the end has to stay zero");
    sector.resize(510, 0);
    sector.extend_from_slice(&[0x55, 0xAA]);
    sector
}

/// A multiboot kernel of 32-bit code that is entered at its first byte.
fn multiboot(code: &[u8]) -> Vec<u8> {
    let (magic, flags, load) = (0x1BAD_B002u32, 1u32 << 16, 0x10_0000u32);
    let checksum = 0u32.wrapping_sub(magic).wrapping_sub(flags);
    let end = load + 32 + code.len() as u32;
    let mut image: Vec<u8> = [magic, flags, checksum, load, load, end, end, load + 32]
        .iter()
        .flat_map(|f| f.to_le_bytes())
        .collect();
    image.extend_from_slice(code);
    image
}

/// How a run of `glassbox test` ended.
struct Run {
    code: i32,
    out: String,
    err: String,
}

impl Run {
    #[track_caller]
    fn expect(self, code: i32, parts: &[&str]) -> Self {
        let both = format!("{}\n--- standard error\n{}", self.out, self.err);
        assert_eq!(self.code, code, "{both}");
        for part in parts {
            assert!(both.contains(part), "{part:?} in:\n{both}");
        }
        self
    }
}

/// A folder of ROMs.
struct Bench(TempDir);

impl Bench {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> &Self {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), bytes).unwrap();
        self
    }

    /// Runs the tests of `what`, relative to the folder.
    fn test(&self, what: &str, flags: &[&str]) -> Run {
        let output = Command::new(env!("CARGO_BIN_EXE_glassbox"))
            .current_dir(self.0.path())
            .args(["test", what])
            .args(flags)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Run { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Runs a manifest.
    fn manifest(&self, text: &str, flags: &[&str]) -> Run {
        self.file("manifest.toml", text).test("manifest.toml", flags)
    }
}

#[test]
fn a_rom_passes_with_debug_exit_or_power_off_and_fails_with_any_other_end() {
    let bench = Bench::new();
    bench.file("pass", sector(&[PASS])).test("pass", &[]).expect(0, &["ok      pass", "1 passed, 0 failed"]);
    bench.file("off", sector(&[POWER_OFF])).test("off", &[]).expect(0, &["ok      off"]);
    bench.file("fail", sector(&[&print("why\n"), &[0xB0, 0x42, 0xE6, 0x80], FAIL]));
    bench.test("fail", &[]).expect(
        3,
        &[
            "FAILED  fail",
            "debug-exit 3 (the guest wrote 0x1), expected was debug-exit 1",
            "  why",
            "POST codes: 01 10 20 30 40 50 42",
        ],
    );
    bench.test("fail", &["--success-exit", "3"]).expect(0, &["1 passed"]);
    bench
        .test("pass", &["--success-exit", "33"])
        .expect(3, &["reproduce: glassbox test pass --success-exit 33"]);
}

#[test]
fn a_crash_is_shown_with_registers_code_and_faults() {
    let bench = Bench::new();
    // mov ax, 1234h
    bench.file("crash", sector(&[&[0xB8, 0x34, 0x12], CRASH])).test("crash", &[]).expect(
        3,
        &[
            "crash (triple fault)",
            "rax 0000000000001234",
            "int3",
            "#DF double fault",
            "reproduce: glassbox test crash\n",
        ],
    );
}

#[test]
fn a_rom_that_hangs_or_halts_is_ended() {
    let bench = Bench::new();
    let start = Instant::now();
    bench.file("hang", sector(&[HANG]));
    bench.test("hang", &["--max-instructions", "12345"]).expect(3, &["timed out after 12345 instructions"]);
    bench.test("hang", &["--timeout", "300ms"]).expect(3, &["timed out after ", "the time is over"]);
    bench.file("halt", sector(&[HALT])).test("halt", &[]).expect(3, &["the end was halt for good"]);
    // mov al, FFh; out 21h, al; out A1h, al; sti; hlt; jmp to hlt: nothing interrupts.
    let idle = [0xB0, 0xFF, 0xE6, 0x21, 0xE6, 0xA1, 0xFB, 0xF4, 0xEB, 0xFD];
    bench.file("idle", sector(&[&idle])).test("idle", &[]).expect(3, &["timed out after"]);
    // Resets through CF9h, again and again.
    bench.file("reset", sector(&[&[0xB0, 0x06, 0xBA, 0xF9, 0x0C, 0xEE], HANG]));
    bench
        .test("reset", &["--max-instructions", "200"])
        .expect(3, &["after 200 instructions", "resets of the machine: "]);
    assert!(start.elapsed() < Duration::from_secs(30), "far from the default limit of a minute");
    let manifest = "[[test]]\nrom = 'halt'\nexpect.exit = 'halt'";
    bench.manifest(manifest, &[]).expect(0, &["ok      halt"]);
    bench
        .manifest("[[test]]\nrom = 'hang'\nclock = 'host'\ntimeout = '300ms'", &[])
        .expect(3, &["timed out after "]);
}

#[test]
fn every_kind_of_rom_starts_as_its_convention_says() {
    let bench = Bench::new();
    // cmp dl, 80h; jne $; int 12h; cmp ax, 639; jne $
    let code = [0x80, 0xFA, 0x80, 0x75, 0xFE, 0xCD, 0x12, 0x3D, 0x7F, 0x02, 0x75, 0xFE];
    bench.file("sector", sector(&[&code, PASS])).test("sector", &[]).expect(0, &[]);
    // A disk whose second sector is read to 7E00h:
    // mov ax, 201h; mov cx, 2; mov bx, 7E00h; int 13h; jmp bx
    let load = [0xB8, 0x01, 0x02, 0xB9, 0x02, 0x00, 0xBB, 0x00, 0x7E, 0xCD, 0x13, 0xFF, 0xE3];
    let mut disk = [sector(&[&load]), PASS.to_vec()].concat();
    disk.resize(1 << 20, 0);
    bench.file("disk", disk).test("disk", &[]).expect(0, &[]);
    // cmp dword [412h], 0; je $: the memory size of the BIOS data area
    let code = [0x83, 0x3D, 0x12, 0x04, 0x00, 0x00, 0x00, 0x74, 0xFE];
    bench.file("kernel", multiboot(&[&code, PASS].concat())).test("kernel", &[]).expect(0, &[]);
    // mov ax, cs; cmp ax, 2000h; jne $; call next; pop ax; cmp ax, 348Dh; jne $
    let flat = [0x8C, 0xC8, 0x3D, 0x00, 0x20, 0x75, 0xFE, 0xE8, 0, 0, 0x58, 0x3D, 0x8A, 0x34, 0x75, 0xFE];
    bench.file("flat", [&flat, PASS].concat());
    bench.manifest("[[test]]\nrom = 'flat'\nkind = 'flat'\naddress = 0x23480", &[]).expect(0, &[]);
    bench.test("flat", &[]).expect(1, &["no ROM that is recognised", "kind = \"flat\""]);
    for size in [64 << 10, 128 << 10] {
        let mut bios = vec![0xFF; size];
        let base = size - 0x1_0000;
        // jmp F000:E000
        bios[size - 16..][..5].copy_from_slice(&[0xEA, 0x00, 0xE0, 0x00, 0xF0]);
        // mov byte cs:[E100h], 0; cmp byte cs:[E100h], FFh; jne $
        let code = [0x2E, 0xC6, 0x06, 0, 0xE1, 0, 0x2E, 0x80, 0x3E, 0, 0xE1, 0xFF, 0x75, 0xFE];
        bios[base + 0xE000..][..code.len()].copy_from_slice(&code);
        bios[base + 0xE000 + code.len()..][..PASS.len()].copy_from_slice(PASS);
        bench.file("bios", bios).test("bios", &[]).expect(0, &[]);
        let manifest = "[[test]]\nrom = 'bios'\nexpect.memory = [{ address = 0xFFFFFFF0, bytes = 'EA00E0 00F0' },\n\
                        { address = 0xFFFF0, bytes = 'EA' }]";
        bench.manifest(manifest, &[]).expect(0, &[]);
    }
    bench.file("odd", vec![0; 1000]);
    bench.manifest("[[test]]\nrom = 'odd'\nkind = 'bios'", &[]).expect(1, &["BIOS image of 1000 bytes"]);
}

#[test]
fn serial_debug_console_and_memory_are_compared() {
    let bench = Bench::new();
    // in al, E9h; out E9h, al; mov byte [500h], ABh
    let code = [0xE4, 0xE9, 0xE6, 0xE9, 0xC6, 0x06, 0x00, 0x05, 0xAB];
    bench.file("rom", sector(&[&print("ok 1\nnot ok 2\n"), &code, PASS]));
    let good = "[[test]]\nrom = 'rom'\n[test.expect]\nexit = 1\nserial = ['^ok', '2$']\nserial-not = 'panic'\n\
                debugcon = '(?-u)\\xE9'\nmemory = [{ address = 0x500, bytes = 'AB 00' }]";
    bench.manifest(good, &[]).expect(0, &[]);
    bench
        .manifest(&good.replace("'panic'", "'not ok'"), &[])
        .expect(3, &["COM1 says `not ok", "matches `not ok`"]);
    bench.manifest(&good.replace("'2$'", "'3$'"), &[]).expect(3, &["no line of COM1 matches `3$`"]);
    bench.manifest(&good.replace("AB 00", "AC"), &[]).expect(3, &["memory at 0x500 is AB, expected was AC"]);
    bench
        .manifest(&good.replace("exit = 1", "exit = 'power-off'"), &[])
        .expect(3, &["expected was power-off"]);
    bench
        .manifest(&good.replace("0x500", "0xF8000000"), &[])
        .expect(3, &["memory at 0xf8000000 cannot be read"]);
}

#[test]
fn text_without_an_end_to_expect_ends_the_run() {
    let bench = Bench::new();
    bench.file("ready", sector(&[&print("ready\n"), HANG]));
    let manifest = "[[test]]\nrom = 'ready'\nexpect.serial = '^ready'";
    bench.manifest(manifest, &[]).expect(0, &["1 passed"]);
    bench
        .manifest(&format!("{manifest}\nexpect.exit = 1\nmax-instructions = '10k'"), &[])
        .expect(3, &["timed out after 10000 instructions"]);
    bench.file("ready", sector(&[POWER_OFF]));
    bench.manifest(manifest, &[]).expect(3, &["no line of COM1 matches `^ready`"]);
}

#[test]
fn disks_boot_and_their_screen_is_matched() {
    let bench = Bench::new();
    // mov ax, 0E41h; xor bx, bx; int 10h; hlt; jmp $-1
    let code: &[u8] = &[0xB8, 0x41, 0x0E, 0x31, 0xDB, 0xCD, 0x10, 0xF4, 0xEB, 0xFD];
    let mut disk = sector(&[code]);
    disk.resize(1 << 20, 0);
    bench.file("disk", &disk);
    let manifest = "[[test]]\nrom = 'disk'\nkind = 'disk'\nmemory = '16M'\nexpect.screen";
    bench.manifest(&format!("{manifest} = 'A$'"), &[]).expect(0, &["1 passed"]);
    bench
        .manifest(&format!("{manifest} = 'B$'\ntimeout = '20s'\nmax-instructions = '20M'"), &[])
        .expect(3, &["no row of the screen matches `B$`"]);
    bench.manifest(&format!("{manifest}-not = '^A$'"), &[]).expect(3, &["the screen says `A`"]);
    assert_eq!(fs::read(bench.path("disk")).unwrap(), disk);
}

/// 16-bit code that writes a word to a port.
fn out16(port: u16, value: u16) -> Vec<u8> {
    let ([p, q], [v, w]) = (port.to_le_bytes(), value.to_le_bytes());
    vec![0xBA, p, q, 0xB8, v, w, 0xEF]
}

#[test]
fn the_picture_at_the_end_is_compared_and_saved() {
    /// Of 16 by 8 pixels in 001234h and black; see [`glassbox_screen::PictureHash`].
    const HASH: &str = "4f2c5ad5093de2b83d78003e337249cc1d79f70a2e2f7cb84dd47491fc595ee2";
    let bench = Bench::new();
    let mode = [(1, 16), (2, 8), (3, 32), (4, 1)];
    let mode: Vec<u8> = mode.iter().flat_map(|&(i, v)| [out16(0x1CE, i), out16(0x1CF, v)].concat()).collect();
    let bit_mask = out16(0x3CE, 0xFF08);
    // Memory on; mov dx, 3DAh; in al, dx; mov dx, 3C0h; mov al, 20h; out dx, al;
    // mov ax, A000h; mov ds, ax; mov word [0], 1234h
    let screen = [
        0xBA, 0xC2, 0x03, 0xB0, 0x63, 0xEE, 0xBA, 0xDA, 0x03, 0xEC, 0xBA, 0xC0, 0x03, 0xB0, 0x20, 0xEE, 0xB8,
        0x00, 0xA0, 0x8E, 0xD8, 0xC7, 0x06, 0x00, 0x00, 0x34, 0x12,
    ];
    bench.file("show", sector(&[&mode, &bit_mask, &screen, PASS]));
    let manifest = |hash: &str| format!("[[test]]\nname = 'a/b'\nrom = 'show'\nexpect.picture = '{hash}'");
    bench.manifest(&manifest(HASH), &[]).expect(0, &["1 passed"]);
    bench
        .manifest(&manifest(&HASH.replace('4', "5")), &["--screenshots", "shots/new"])
        .expect(3, &[&format!("the picture (16x8) is {HASH}, expected was 5f2c5ad5")]);
    let png = fs::read(bench.path("shots/new/a-b.png")).unwrap();
    assert!(png.starts_with(b"\x89PNG") && png[16..24] == [0, 0, 0, 16, 0, 0, 0, 8]);
    bench.file("pass", sector(&[PASS])).test("pass", &["--screenshots", "plain"]).expect(0, &[]);
    assert_eq!(fs::read_dir(bench.path("plain")).unwrap().count(), 1, "boot sectors find a screen");
    bench.test("pass", &["--screenshots", "pass"]).expect(1, &["--screenshots"]);
}

#[test]
fn a_triple_fault_restarts_where_the_manifest_says_so() {
    let bench = Bench::new();
    // mov al, F0h; out 70h, al; in al, 71h; cmp al, A5h; je pass; mov al, A5h; out 71h, al;
    // lidt cs:[E100h] (zeros); int3
    let code = [
        0xB0, 0xF0, 0xE6, 0x70, 0xE4, 0x71, 0x3C, 0xA5, 0x74, 0x0B, 0xB0, 0xA5, 0xE6, 0x71, 0x2E, 0x0F, 0x01,
        0x1E, 0x00, 0xE1, 0xCC,
    ];
    let mut bios = vec![0; 64 << 10];
    bios[0xFFF0..][..5].copy_from_slice(&[0xEA, 0x00, 0xE0, 0x00, 0xF0]);
    bios[0xE000..][..code.len()].copy_from_slice(&code);
    bios[0xE000 + code.len()..][..PASS.len()].copy_from_slice(PASS);
    let manifest = "[[test]]\nrom = 'bios'\ncpus = 1\ntriple-fault";
    bench.file("bios", bios).manifest(&format!("{manifest} = 'restart'"), &[]).expect(0, &["1 passed"]);
    bench.manifest(&format!("{manifest} = 'crash'"), &[]).expect(3, &["crash (triple fault)"]);
}

#[test]
fn the_engine_can_be_chosen_and_does_not_change_the_result() {
    let bench = Bench::new();
    // mov cx, FFFFh; loop $
    bench.file("spin", sector(&[&[0xB9, 0xFF, 0xFF, 0xE2, 0xFE].repeat(10), FAIL]));
    let run = |engine| bench.test("spin", &["--engine", engine]).expect(3, &["in 16-bit code"]).out;
    let end = |out: &str| out.lines().find(|line| line.contains("after 655")).unwrap().to_owned();
    let interpreted = run("interp");
    assert!(interpreted.contains("reproduce: glassbox test spin --engine interp\n"));
    if cfg!(all(target_arch = "x86_64", target_os = "linux")) {
        assert_eq!(end(&run("jit")), end(&interpreted));
        assert_eq!(end(&run("verify")), end(&interpreted));
    }
    bench.test("spin", &["--engine", "steam"]).expect(2, &["steam"]);
}

#[test]
fn a_folder_is_its_manifests_or_else_what_boots_in_it() {
    let bench = Bench::new();
    bench.file("b/pass", sector(&[PASS])).file("a/kernel.elf", multiboot(PASS)).file("notes.txt", "none");
    let run = bench.test(".", &["--jobs", "1"]).expect(0, &["2 passed"]);
    assert!(run.out.find("a/kernel.elf") < run.out.find("b/pass"), "{}", run.out);
    bench.file(
        "b/manifest.toml",
        "[[test]]\nname = 'one'\nrom = 'pass'\n[[test]]\nname = 'two'\nrom = 'pass'",
    );
    bench.test(".", &[]).expect(0, &["b/one", "b/two", "2 passed"]);
    bench.test(".", &["--filter", "/t"]).expect(0, &["b/two", "1 passed"]);
    bench.test(".", &["--filter", "three"]).expect(1, &["--filter three"]);
    fs::create_dir(bench.path("empty")).unwrap();
    bench.test("empty", &[]).expect(1, &["neither a manifest.toml nor a file that boots"]);
    bench.test("nowhere", &[]).expect(1, &["cannot read nowhere"]);
}

#[test]
fn what_a_manifest_says_wrong_is_named_with_its_line() {
    let bench = Bench::new();
    bench.file("rom", sector(&[PASS]));
    for (text, parts) in [
        ("[[test]]\nrom = 'rom'\nromm = 'x'", ["romm", "line 3"]),
        ("[[test]]\nrom = 'rom'\n[test.expect]\npicture = 'x'", ["picture", "line 4"]),
        (
            "[[test]]\nrom = 'rom'\n\ncpus = 2",
            ["2 processors cannot be built, one processor is the limit", "line 4"],
        ),
        ("[[test]]\nrom = 'rom'\ncpus = 0", ["0 processors", "line 3"]),
        ("[[test]]\nrom = 'rom'\ntriple-fault = 'ignore'", ["`crash` or `restart`", "line 3"]),
        ("[[test]]\nrom = 'rom'\nexpect.picture = '12'", ["64 hexadecimal digits", "line 3"]),
        ("[[test]]\nrom = 'rom'\ncpu = 'z80'", ["z80", "line 3"]),
        ("[[test]]\nrom = 'rom'\nmemory = '1X'", ["unknown unit `x`", "line 3"]),
        ("[[test]]\nrom = 'rom'\nexpect.serial = '('", ["unclosed group", "line 3"]),
        ("[[test]]\nrom = 'rom'\nexpect.exit = 2", ["no guest can end with 2", "line 3"]),
        ("[[test]]\nrom = 'rom'\nexpect.exit = 'well'", ["`well` is no end", "line 3"]),
        ("[[test]]\nrom = 'rom'\nexpect.memory = [{ address = 1, bytes = 'A' }]", ["55 AA", "line 3"]),
        ("[[test]]\nrom = 'rom'\n[[test]]\nrom = 'rom'", ["a second test `rom`", "line 3"]),
        ("[[test]]\nrom = 'rom'\nkind = 'flat'", ["`address`", "line 1"]),
        ("[[test]]\nrom = 'rom'\nname = \"\\u0000\"", ["can be printed", "line 1"]),
        ("[[test]]\nname = 'x'", ["`rom`", "line 1"]),
        ("[[test", ["manifest.toml", "line 1"]),
        ("", ["no [[test]]", "manifest.toml"]),
    ] {
        bench.manifest(text, &[]).expect(1, &parts);
    }
}

#[test]
fn a_file_that_is_no_rom_is_an_error_and_the_others_still_run() {
    let bench = Bench::new();
    bench.file("empty", "").file("pass", sector(&[PASS])).file("fail", sector(&[FAIL]));
    File::create(bench.path("sparse")).unwrap().set_len(5 << 30).unwrap();
    bench.test("empty", &[]).expect(1, &["ERROR   empty", "empty is empty"]);
    bench.test("sparse", &[]).expect(1, &["5368709120 bytes", "at most 2 GiB"]);
    bench
        .test("sparse", &["pass", "fail"])
        .expect(1, &["ok      pass", "1 passed, 1 failed, 1 could not be run"]);
    bench.test(".", &[]).expect(3, &["1 passed, 1 failed in"]);
    bench.manifest("[[test]]\nrom = 'absent'", &[]).expect(1, &["cannot read absent"]);
    bench.manifest("[[test]]\nrom = 'pass'\nmemory = '4K'", &[]).expect(1, &["ERROR   pass"]);
    bench.test("pass", &["--junit", "no/such/folder.xml"]).expect(1, &["--junit"]);
}

/// Six tests of all verdicts; their names and output try to break the formats.
fn mixed() -> (Bench, &'static str) {
    let bench = Bench::new();
    bench
        .file("pass", sector(&[&print("hello\n"), PASS]))
        .file("fail", sector(&[&print("<&\x1b]]>\"\n"), FAIL]));
    bench.file("hang", sector(&[HANG])).file("crash", sector(&[CRASH])).file("empty", "");
    let manifest = "[[test]]\nrom = 'hang'\nmax-instructions = 3000000\n[[test]]\nrom = 'pass'\n\
        [[test]]\nrom = 'fail'\nname = 'a <\"fail\"> # & more'\n[[test]]\nrom = 'crash'\n[[test]]\nrom = 'empty'\n\
        [[test]]\nname = 'reads the clock'\nrom = 'pass'";
    (bench, manifest)
}

#[test]
fn tap_has_a_plan_and_a_line_for_each_test_in_order() {
    let (bench, manifest) = mixed();
    let run = bench.manifest(manifest, &["--tap", "--jobs", "3"]).expect(1, &[]);
    let lines: Vec<&str> = run.out.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(
        lines,
        [
            "TAP version 14",
            "1..6",
            "not ok 1 - hang",
            "ok 2 - pass",
            "not ok 3 - a <\"fail\"> \\# & more",
            "not ok 4 - crash",
            "not ok 5 - empty",
            "ok 6 - reads the clock",
        ]
    );
    assert!(run.out.contains("\n# timed out after 3000000 instructions"), "{}", run.out);
    assert!(
        run.out.contains("\n# reproduce: glassbox test manifest.toml --filter '^crash$'\n"),
        "{}",
        run.out
    );
}

/// The elements of an XML text in order, `/` before those that end; panics where
/// it is not well-formed as far as we use XML.
fn elements(xml: &str) -> Vec<String> {
    let mut rest = xml.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n").expect("a declaration");
    let (mut names, mut open) = (Vec::new(), Vec::new());
    while let Some((text, after)) = rest.split_once('<') {
        assert!(!text.contains('>') && text.chars().all(|c| c >= ' ' || c == '\n' || c == '\t'), "{text}");
        for entity in text.split('&').skip(1) {
            let (name, _) = entity.split_once(';').expect("an entity ends");
            assert!(["amp", "lt", "gt", "quot", "#10"].contains(&name), "{name}");
        }
        let (tag, after) = after.split_once('>').expect("a tag ends");
        assert!(!tag.contains('<') && tag.matches('"').count().is_multiple_of(2), "{tag}");
        let name = tag.trim_end_matches('/').split(' ').next().unwrap();
        names.push(name.to_owned());
        match name.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name.to_owned())),
            None if tag.ends_with('/') => {}
            None => open.push(name.to_owned()),
        }
        rest = after;
    }
    assert!(open.is_empty() && rest.trim().is_empty(), "{open:?} {rest}");
    names
}

#[test]
fn junit_is_well_formed_and_counts() {
    let (bench, manifest) = mixed();
    bench.manifest(manifest, &["--junit", "out.xml"]).expect(1, &[]);
    let xml = fs::read_to_string(bench.path("out.xml")).unwrap();
    let elements = elements(&xml);
    let count = |name: &str| elements.iter().filter(|e| *e == name).count();
    assert_eq!((count("testcase"), count("failure"), count("error")), (6, 3, 1), "{xml}");
    for part in
        ["tests=\"6\" failures=\"3\" errors=\"1\"", "name=\"a &lt;&quot;fail&quot;&gt; # &amp; more\""]
    {
        assert!(xml.contains(part), "{part} in:\n{xml}");
    }
}

#[test]
fn side_by_side_tests_do_the_same_as_one_by_one() {
    let bench = Bench::new();
    // sti is not needed: rdtsc; the low byte goes to COM1, four times.
    let clock = [0xBA, 0xF8, 0x03, 0x0F, 0x31, 0xBA, 0xF8, 0x03, 0x24, 0x0F, 0x04, b'A', 0xEE].repeat(4);
    // mov cx, FFFFh; loop $
    let spin = [0xB9, 0xFF, 0xFF, 0xE2, 0xFE].repeat(20);
    bench.file("rom", sector(&[&clock, &spin, &clock, FAIL]));
    let manifest: String = (0..8).map(|n| format!("[[test]]\nname = 'n{n}'\nrom = 'rom'\n")).collect();
    let one = bench.manifest(&manifest, &["--tap", "--jobs", "1"]).expect(3, &["after 13107"]);
    let many = bench.manifest(&manifest, &["--tap", "--jobs", "8"]).expect(3, &[]);
    assert_eq!(one.out, many.out);
}

#[track_caller]
fn suite_passes(engine: &str) {
    let roms = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../test-roms");
    let flags = ["--engine", engine];
    Bench::new().test(roms.to_str().unwrap(), &flags).expect(0, &["ok      tour", " 0 failed"]);
}

#[test]
fn the_roms_of_this_repository_pass() {
    suite_passes("interp");
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
#[test]
fn the_roms_of_this_repository_pass_in_compiled_code() {
    suite_passes("jit");
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
#[test]
fn the_roms_of_this_repository_pass_with_both_engines_in_lock_step() {
    suite_passes("verify");
}
