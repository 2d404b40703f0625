//! Runs the built binary on tiny guests.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// `mov dx, 604h; mov ax, 2000h; out dx, ax; jmp $`: ACPI soft off.
pub const POWER_OFF: &[u8] = &[0x66, 0xBA, 0x04, 0x06, 0x66, 0xB8, 0x00, 0x20, 0x66, 0xEF, 0xEB, 0xFE];
/// `jmp $`
pub const FOREVER: &[u8] = &[0xEB, 0xFE];
/// `cli; hlt`
pub const HALT: &[u8] = &[0xFA, 0xF4];

const LOAD: u32 = 0x10_0000;
const HEADER: usize = 32;

/// Code that writes `text` to COM1.
pub fn print(text: &str) -> Vec<u8> {
    // mov dx, 3F8h; then for each byte: mov al, byte; out dx, al
    let mut code = vec![0x66, 0xBA, 0xF8, 0x03];
    for byte in text.bytes() {
        code.extend_from_slice(&[0xB0, byte, 0xEE]);
    }
    code
}

/// A multiboot kernel of 32-bit code that is entered at its first byte, at 100020h.
pub fn multiboot(code: &[u8]) -> Vec<u8> {
    let (magic, flags) = (0x1BAD_B002u32, 1u32 << 16);
    let checksum = 0u32.wrapping_sub(magic).wrapping_sub(flags);
    let end = LOAD + (HEADER + code.len()) as u32;
    let fields = [magic, flags, checksum, LOAD, LOAD, end, end, LOAD + HEADER as u32];
    let mut image: Vec<u8> = fields.iter().flat_map(|field| field.to_le_bytes()).collect();
    image.extend_from_slice(code);
    image
}

/// A folder for the files of one test.
pub struct Bench {
    folder: TempDir,
}

impl Bench {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder can be made") }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file; returns its path.
    pub fn file(&self, name: &str, bytes: &[u8]) -> String {
        std::fs::write(self.path(name), bytes).expect("a file can be written");
        self.path(name).to_str().expect("the path is text").to_owned()
    }

    /// Writes a guest; returns its path.
    pub fn guest(&self, parts: &[&[u8]]) -> String {
        self.file("guest", &multiboot(&parts.concat()))
    }

    /// What the run so far has written with `--stats-json`.
    pub fn stats(&self) -> serde_json::Value {
        let text = std::fs::read_to_string(self.path("stats")).expect("statistics were written");
        serde_json::from_str(&text).expect("they are JSON")
    }
}

/// Runs `glassbox` with `args`, with little memory and a time limit that no test should reach.
pub fn glassbox(args: &[&str]) -> Output {
    glassbox_with_input(args, b"")
}

/// As [`glassbox`], with `input` on standard input.
pub fn glassbox_with_input(args: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_glassbox"))
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut stdin = child.stdin.take().expect("it is piped");
    // A guest that ends at once does not read.
    let _ = stdin.write_all(input);
    drop(stdin);
    child.wait_with_output().expect("the binary ends")
}

/// Exit code, standard output, standard error.
pub fn parts(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().expect("it was not killed"), text(&output.stdout), text(&output.stderr))
}

/// Runs a guest with 16 MiB.
pub fn run(image: &str, flags: &[&str]) -> (i32, String, String) {
    parts(&glassbox(&[&["-m", "16M", "--timeout", "60s", image], flags].concat()))
}
