//! The report of a crash: what the processor was doing, and how it came there.

use glassbox_cpu::{Cpu, CpuState, FaultRecord, SegReg};
use iced_x86::{Decoder, DecoderOptions, Formatter, Instruction, IntelFormatter};
use std::fmt;

/// Code bytes that a report shows.
const CODE_BYTES: usize = 64;
/// Instructions that a report shows.
const CODE_LINES: usize = 8;
/// Names of the general-purpose registers in encoding order.
pub(crate) const GPR_NAMES: [&str; 16] = [
    "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
    "r15",
];
const SEGMENT_NAMES: [&str; 6] = ["es", "cs", "ss", "ds", "fs", "gs"];
const EXCEPTION_NAMES: [&str; 22] = [
    "#DE divide error",
    "#DB debug",
    "NMI",
    "#BP breakpoint",
    "#OF overflow",
    "#BR bound range",
    "#UD invalid opcode",
    "#NM no x87",
    "#DF double fault",
    "coprocessor segment overrun",
    "#TS invalid TSS",
    "#NP segment not present",
    "#SS stack fault",
    "#GP general protection",
    "#PF page fault",
    "reserved",
    "#MF x87 error",
    "#AC alignment check",
    "#MC machine check",
    "#XM SIMD error",
    "#VE virtualization",
    "#CP control protection",
];

/// Width of the code that `state` executes: 16, 32 or 64 bits.
pub(crate) fn code_bits(state: &CpuState) -> u32 {
    use glassbox_x86_spec::segment::DB;
    match (state.is_64bit(), state.seg(SegReg::Cs).attr & DB != 0) {
        (true, _) => 64,
        (false, true) => 32,
        (false, false) => 16,
    }
}

/// Disassembles the instructions in `bytes`, which lie at `rip`: address, bytes, text.
pub(crate) fn disassemble(bytes: &[u8], bits: u32, rip: u64) -> Vec<(u64, Vec<u8>, String)> {
    let mut decoder = Decoder::with_ip(bits, bytes, rip, DecoderOptions::NONE);
    let mut formatter = IntelFormatter::new();
    formatter.options_mut().set_space_after_operand_separator(true);
    formatter.options_mut().set_hex_prefix("0x");
    formatter.options_mut().set_hex_suffix("");
    formatter.options_mut().set_uppercase_hex(false);
    formatter.options_mut().set_branch_leading_zeros(false);
    let mut lines = Vec::new();
    let mut instruction = Instruction::default();
    while decoder.can_decode() {
        let from = decoder.position();
        decoder.decode_out(&mut instruction);
        let mut text = String::new();
        formatter.format(&instruction, &mut text);
        lines.push((instruction.ip(), bytes[from..decoder.position()].to_vec(), text));
    }
    lines
}

/// The name of an exception or interrupt vector.
pub(crate) fn vector_name(vector: u8) -> &'static str {
    EXCEPTION_NAMES.get(usize::from(vector)).copied().unwrap_or("interrupt")
}

/// What a processor was doing. `Display` gives the whole report.
#[derive(Clone, Debug)]
pub struct CrashReport {
    /// The processor's state.
    pub state: CpuState,
    /// The last faults, oldest first.
    pub faults: Vec<FaultRecord>,
    /// The bytes at CS:RIP, as far as they can be read.
    pub code: Vec<u8>,
}

impl CrashReport {
    pub(crate) fn of(cpu: &Cpu) -> Self {
        let state = cpu.state.clone();
        let base = if state.is_64bit() { 0 } else { state.seg(SegReg::Cs).base };
        let mut code = vec![0; CODE_BYTES];
        let len = cpu.peek_code(state.rip.wrapping_add(base), &mut code);
        code.truncate(len);
        Self { state, faults: cpu.fault_chain.iter().copied().collect(), code }
    }

    fn write_faults(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for fault in &self.faults {
            write!(f, "  {} at {:04x}:{:#x}", vector_name(fault.vector), fault.cs, fault.rip)?;
            if let Some(error) = fault.error {
                write!(f, ", error code {error:#x}")?;
            }
            if fault.vector == 14 {
                write!(f, ", address {:#x}", fault.cr2)?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

/// Registers, segments and control registers of `s`.
pub(crate) fn write_registers(s: &CpuState, f: &mut dyn fmt::Write) -> fmt::Result {
    for (row, names) in GPR_NAMES.chunks(4).enumerate() {
        for (n, name) in names.iter().enumerate() {
            write!(f, "  {name:>3} {:016x}", s.regs[4 * row + n])?;
        }
        writeln!(f)?;
    }
    writeln!(f, "  rip {:016x}  flags {:08x}  cpl {}", s.rip, s.rflags().bits(), s.cpl)?;
    let (cr0, cr4, efer) = (s.cr0.bits(), s.cr4.bits(), s.efer.bits());
    writeln!(f, "  cr0 {cr0:08x}  cr2 {:016x}  cr3 {:016x}  cr4 {cr4:08x}  efer {efer:x}", s.cr2, s.cr3)?;
    let named = SEGMENT_NAMES.iter().zip(&s.segs);
    for (name, seg) in named.chain([(&"ldtr", &s.ldtr), (&"tr", &s.tr)]) {
        let (base, limit) = (seg.base, seg.limit);
        writeln!(f, "  {name:>4} {:04x} base {base:x} limit {limit:x} attr {:04x}", seg.selector, seg.attr)?;
    }
    writeln!(f, "  gdt {:x}+{:x}  idt {:x}+{:x}", s.gdtr.base, s.gdtr.limit, s.idtr.base, s.idtr.limit)
}

impl fmt::Display for CrashReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = code_bits(&self.state);
        writeln!(f, "after {} instructions, in {bits}-bit code. Last faults:", self.state.retired)?;
        self.write_faults(f)?;
        writeln!(f, "registers:")?;
        write_registers(&self.state, f)?;
        writeln!(f, "code:")?;
        if self.code.is_empty() {
            writeln!(f, "  there is no readable memory at rip")?;
        }
        for (at, bytes, text) in disassemble(&self.code, bits, self.state.rip).into_iter().take(CODE_LINES) {
            writeln!(f, "  {at:016x}  {:<24}  {text}", hex(&bytes))?;
        }
        Ok(())
    }
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_disassembled_in_its_own_width() {
        let line = |bits| disassemble(&[0x48, 0x89, 0xD8], bits, 0x1000).remove(0);
        assert_eq!(line(64), (0x1000, vec![0x48, 0x89, 0xD8], "mov rax, rbx".into()));
        assert_eq!(line(32).2, "dec eax");
        assert_eq!(disassemble(&[0xB8, 1], 32, 0).len(), 1, "a cut instruction is one line");
    }

    #[test]
    fn a_report_names_the_faults_and_shows_the_code() {
        let fault = |vector, cr2| FaultRecord { vector, error: Some(2), cs: 8, rip: 0x1234, cr2 };
        let mut state = CpuState::reset(0);
        state.rip = 0x10;
        let report = CrashReport { state, faults: vec![fault(14, 0xDEAD), fault(8, 0)], code: vec![0xF4] };
        let text = report.to_string();
        assert!(text.contains("#PF page fault at 0008:0x1234, error code 0x2, address 0xdead"), "{text}");
        assert!(text.contains("#DF double fault"));
        assert!(text.contains("0000000000000010  f4"), "{text}");
        assert!(text.contains("hlt"));
    }
}
