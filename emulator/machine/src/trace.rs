//! The execution trace: one line an instruction.
//!
//! ```text
//! 0000000000100000  b801000000    mov eax, 1             rax=1
//! 0000000000100005  8903          mov [ebx], eax         w[9000]=01000000
//!         -- #PF page fault (vector 0xe) at 0008:100007, error code 0x2
//!         -> 0008:8924 rsp=7bc8 r[b4f0]=24891800008e0000 w[7be8]=1000000000000000
//! ```

use crate::report::{GPR_NAMES, code_bits, disassemble, hex, vector_name};
use glassbox_cpu::{CpuState, Observer, SegReg, gpr};
use std::fmt::Write as _;
use std::io::{BufWriter, Write};

/// Bytes of one access that a line shows.
const BYTES_SHOWN: usize = 32;
/// A line names no further accesses after so many characters: string
/// instructions make thousands.
const TOUCHED_LIMIT: usize = 400;

/// Writes what a processor does to a file or pipe.
///
/// A failing writer is reported once, and the trace ends there.
pub struct TraceWriter<W: Write + Send> {
    out: BufWriter<W>,
    /// Memory accesses of the instruction under way.
    touched: String,
    failed: bool,
}

impl<W: Write + Send> TraceWriter<W> {
    /// A trace into `out`, buffered; what is left is written when it is dropped.
    pub fn new(out: W) -> Self {
        Self { out: BufWriter::new(out), touched: String::new(), failed: false }
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        if self.failed {
            return;
        }
        let line = line.to_string();
        if let Err(error) = writeln!(self.out, "{}", line.trim_end()) {
            self.failed = true;
            log::error!("the trace cannot be written ({error}): it ends here");
        }
    }
}

/// What changed from `before` to `after`, such as ` rax=1 flags=46`.
fn changes(before: &CpuState, after: &CpuState) -> String {
    let mut text = String::new();
    let mut note = |name: &str, old: u64, new: u64| {
        if old != new {
            let _ = write!(text, " {name}={new:x}");
        }
    };
    for (n, name) in GPR_NAMES.iter().enumerate() {
        note(name, before.regs[n], after.regs[n]);
    }
    note("flags", before.rflags().bits().into(), after.rflags().bits().into());
    note("cr0", before.cr0.bits(), after.cr0.bits());
    note("cr3", before.cr3, after.cr3);
    note("cr4", before.cr4.bits(), after.cr4.bits());
    note("efer", before.efer.bits(), after.efer.bits());
    for (n, name) in ["es", "cs", "ss", "ds", "fs", "gs"].iter().enumerate() {
        note(name, before.segs[n].selector.into(), after.segs[n].selector.into());
    }
    for (n, (old, new)) in before.vec.iter().zip(&after.vec).enumerate() {
        if old != new {
            let _ = write!(text, " ymm{n}={:016x}{:016x}{:016x}{:016x}", new[3], new[2], new[1], new[0]);
        }
    }
    for (n, (old, new)) in before.fpu.regs.iter().zip(&after.fpu.regs).enumerate() {
        if old != new {
            let _ = write!(text, " fpr{n}={:04x}.{:016x}", new.sign_exponent, new.significand);
        }
    }
    text
}

impl<W: Write + Send> Observer for TraceWriter<W> {
    fn memory(&mut self, address: u64, bytes: &[u8], write: bool) {
        let kind = if write { 'w' } else { 'r' };
        if self.touched.len() < TOUCHED_LIMIT {
            let shown = &bytes[..bytes.len().min(BYTES_SHOWN)];
            let rest = if shown.len() < bytes.len() { "..." } else { "" };
            let _ = write!(self.touched, " {kind}[{address:x}]={}{rest}", hex(shown));
        }
    }

    fn event(&mut self, state: &CpuState, vector: u8, error: Option<u32>) {
        let (cs, rip) = (state.seg(SegReg::Cs).selector, state.rip);
        let code = error.map_or(String::new(), |error| format!(", error code {error:#x}"));
        // What the instruction that faults has touched before.
        let touched = std::mem::take(&mut self.touched);
        self.line(format_args!(
            "        -- {} (vector {vector:#x}) at {cs:04x}:{rip:x}{code}{touched}",
            vector_name(vector)
        ));
    }

    fn delivered(&mut self, state: &CpuState) {
        let touched = std::mem::take(&mut self.touched);
        let (cs, rip, rsp) = (state.seg(SegReg::Cs).selector, state.rip, state.regs[gpr::RSP]);
        self.line(format_args!("        -> {cs:04x}:{rip:x} rsp={rsp:x}{touched}"));
    }

    fn retired(&mut self, before: &CpuState, after: &CpuState, bytes: &[u8]) {
        let touched = std::mem::take(&mut self.touched);
        let first = disassemble(bytes, code_bits(before), before.rip).into_iter().next();
        let (_, code, text) = first.unwrap_or((before.rip, Vec::new(), "(unreadable)".into()));
        let changed = changes(before, after);
        self.line(format_args!("{:016x}  {:<20}  {text:<40}{changed}{touched}", before.rip, hex(&code)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_shows_the_instruction_and_what_it_changed() {
        let out = Shared::default();
        let mut trace = TraceWriter::new(out.clone());
        let before = CpuState::reset(0);
        let mut after = before.clone();
        after.regs[0] = 0x1234;
        trace.memory(0x9000, &[0x34, 0x12], false);
        trace.retired(&before, &after, &[0xA1, 0x00, 0x90, 0xCC]);
        trace.event(&before, 13, Some(8));
        drop(trace);
        let text = String::from_utf8(out.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("000000000000fff0  a10090"), "{text}");
        assert!(
            lines[0].contains("mov ax, [0x9000]") && lines[0].ends_with(" rax=1234 r[9000]=3412"),
            "{text}"
        );
        assert!(lines[1].contains("#GP") && lines[1].ends_with("error code 0x8"), "{text}");
    }

    #[test]
    fn what_delivery_touches_is_not_the_handlers() {
        let out = Shared::default();
        let mut trace = TraceWriter::new(out.clone());
        let state = CpuState::reset(0);
        trace.event(&state, 0x40, None);
        trace.memory(0x7000, &[1], true);
        trace.delivered(&state);
        trace.retired(&state, &state, &[0x90]);
        drop(trace);
        let text = String::from_utf8(out.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].contains("vector 0x40"), "{text}");
        assert!(lines[1].contains("->") && lines[1].ends_with("w[7000]=01"), "{text}");
        assert!(lines[2].ends_with("nop"), "{text}");
    }
}
