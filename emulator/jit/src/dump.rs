//! Blocks in words: guest code, steps, host code.

use crate::ir::{Code, show};
use crate::lift::Source;
use glassbox_memory::PAGE_MASK;
use iced_x86::{Decoder, DecoderOptions, Formatter, IntelFormatter};

/// Disassembles `bytes` at `at`, one instruction a line.
fn disassemble(bits: u32, bytes: &[u8], at: u64) -> String {
    let mut formatter = IntelFormatter::new();
    let options = formatter.options_mut();
    options.set_hex_prefix("0x");
    options.set_hex_suffix("");
    options.set_space_after_operand_separator(true);
    let mut text = String::new();
    for instruction in &mut Decoder::with_ip(bits, bytes, at, DecoderOptions::AMD) {
        let mut line = String::new();
        formatter.format(&instruction, &mut line);
        text += &format!("    {:x}: {line}\n", instruction.ip());
    }
    text
}

/// The guest code and the steps of a block on the page of `rip`.
pub fn guest(source: Source<'_>, code: &Code, rip: u64) -> String {
    let page = if source.mode.is_relative() { rip & PAGE_MASK } else { 0 };
    let at = page.wrapping_add(source.rip);
    format!(
        "block {at:#x}: guest code\n{}steps\n{}",
        disassemble(source.mode.code_bits(), source.bytes, at),
        show(code)
    )
}

/// Host code executed at `base`, addresses from its start.
pub fn host(bytes: &[u8]) -> String {
    let text = if cfg!(target_arch = "x86_64") { disassemble(64, bytes, 0) } else { words(bytes) };
    format!("host code, {} bytes\n{text}", bytes.len())
}

/// Host code of an architecture that nobody disassembles here: for `objdump`.
fn words(bytes: &[u8]) -> String {
    let word = |(n, b): (usize, &[u8])| match *b {
        [a, b, c, d] => format!("    {:x}: .inst {:#010x}\n", 4 * n, u32::from_le_bytes([a, b, c, d])),
        _ => String::new(),
    };
    bytes.chunks(4).enumerate().map(word).collect()
}
