//! Counts and examples of what differed, by form.

use crate::case::{Case, Outcome};
use crate::compare::{Difference, What, flag_names};
use iced_x86::{Code, Formatter, Instruction, InstructionInfoFactory, IntelFormatter};
use std::collections::BTreeMap;
use std::fmt::Write;

/// A case with its outcomes.
#[derive(Clone, Debug)]
pub struct Mismatch {
    /// The case.
    pub case: Case,
    /// The host's outcome.
    pub expected: Outcome,
    /// What differs.
    pub differences: Vec<Difference>,
}

/// What happened to one form.
#[derive(Clone, Debug, Default)]
pub struct FormReport {
    /// The CPUID feature that brought it, as iced-x86 names it.
    pub family: String,
    /// Cases run.
    pub cases: u64,
    /// Cases in which the host raised a fault.
    pub faults: u64,
    /// Cases in which something defined differs.
    pub mismatches: u64,
    /// Cases in which only undefined flags differ.
    pub undefined: u64,
    /// The undefined flags that differed at least once.
    pub undefined_flags: u32,
    /// The mismatch with the fewest differences.
    pub example: Option<Mismatch>,
    /// A case with differing undefined flags.
    pub undefined_example: Option<Mismatch>,
}

/// All forms of a session.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// By the form's name.
    pub forms: BTreeMap<String, FormReport>,
    /// Forms that our processor does not implement.
    pub unimplemented: Vec<Code>,
    /// Forms of which chance found no encoding.
    pub not_generated: Vec<Code>,
}

impl FormReport {
    /// Counts one case.
    pub fn add(&mut self, case: &Case, expected: &Outcome, differences: Vec<Difference>) {
        self.cases += 1;
        self.faults += u64::from(expected.fault.is_some());
        if differences.is_empty() {
            return;
        }
        let mut undefined_only = true;
        for difference in &differences {
            match difference.what {
                What::UndefinedFlags(bits) => self.undefined_flags |= bits,
                _ => undefined_only = false,
            }
        }
        let slot = if undefined_only {
            self.undefined += 1;
            &mut self.undefined_example
        } else {
            self.mismatches += 1;
            &mut self.example
        };
        let weight = |m: &Mismatch| (m.differences.len(), m.expected.fault.is_some(), m.case.memory.len());
        let new = Mismatch { case: case.clone(), expected: expected.clone(), differences };
        if slot.as_ref().is_none_or(|old| weight(&new) < weight(old)) {
            *slot = Some(new);
        }
    }
}

/// The counts of one family of forms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Family {
    /// Forms, one for each code size.
    pub forms: u64,
    /// Cases run.
    pub cases: u64,
    /// Cases in which the host raised a fault.
    pub faults: u64,
    /// Cases in which anything differs, undefined flags too.
    pub mismatches: u64,
}

impl std::ops::AddAssign for Family {
    fn add_assign(&mut self, other: Self) {
        self.forms += other.forms;
        self.cases += other.cases;
        self.faults += other.faults;
        self.mismatches += other.mismatches;
    }
}

impl Report {
    /// The counts by family.
    pub fn families(&self) -> BTreeMap<&str, Family> {
        let mut families = BTreeMap::<&str, Family>::new();
        for form in self.forms.values() {
            let mismatches = form.mismatches + form.undefined;
            *families.entry(&form.family).or_default() +=
                Family { forms: 1, cases: form.cases, faults: form.faults, mismatches };
        }
        families
    }

    /// Cases run.
    pub fn cases(&self) -> u64 {
        self.forms.values().map(|f| f.cases).sum()
    }

    /// Cases in which something defined differs.
    pub fn mismatches(&self) -> u64 {
        self.forms.values().map(|f| f.mismatches).sum()
    }

    /// Cases in which only undefined flags differ.
    pub fn undefined(&self) -> u64 {
        self.forms.values().map(|f| f.undefined).sum()
    }

    /// Forms with mismatches, one example each, and the table of undefined flags.
    pub fn text(&self) -> String {
        let mut out = String::new();
        for (name, form) in &self.forms {
            if let Some(example) = &form.example {
                let _ = writeln!(out, "\n{name}: {} of {} differ", form.mismatches, form.cases);
                out.push_str(&describe(example));
            }
        }
        let mut table = String::new();
        for (name, form) in &self.forms {
            if form.undefined != 0 {
                let flags = flag_names(form.undefined_flags);
                let _ = writeln!(table, "  {name}: {} of {}: {flags}", form.undefined, form.cases);
            }
        }
        if !table.is_empty() {
            let _ = writeln!(out, "\nundefined flags that differ:\n{table}");
        }
        out
    }
}

/// The instruction in Intel syntax.
pub fn disassemble(case: &Case) -> String {
    let mut text = String::new();
    IntelFormatter::new().format(&case.instruction(), &mut text);
    text
}

/// A mismatch as text: bytes, disassembly, the state it depends on, what differs.
pub fn describe(mismatch: &Mismatch) -> String {
    let case = &mismatch.case;
    let i = case.instruction();
    let mut out = String::new();
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(" ");
    let _ = writeln!(out, "  {}    {}", hex(&case.bytes), disassemble(case));
    let s = &case.state;
    let mut line = format!("  flags {}", flag_names(s.flags));
    let mut factory = InstructionInfoFactory::new();
    let mut seen = Vec::new();
    let (mut x87, mut sse) = (false, false);
    for used in factory.info(&i).used_registers() {
        let full = used.register().full_register();
        if full.is_gpr() && !seen.contains(&full) {
            seen.push(full);
            let _ = write!(line, ", {full:?}={:#x}", s.gpr[full.number()]);
        } else if full.is_vector_register() && full.number() < 16 && !seen.contains(&full) {
            seen.push(full);
            sse = true;
            let v = s.vec[full.number()];
            let _ = write!(line, ", XMM{}={:016x}_{:016x}", full.number(), v[1], v[0]);
        }
        x87 |= full.is_st() || full.is_mm();
    }
    if sse {
        let _ = write!(line, ", MXCSR={:#x}", s.mxcsr);
    }
    if x87 || matches!(i.encoding(), iced_x86::EncodingKind::Legacy) && i.fpu_writes_top() {
        let x = &s.x87;
        let _ = write!(line, ", FCW={:#x} FSW={:#x} full={:08b}", x.control, x.status, x.full);
        for (n, (significand, exponent)) in x.st.iter().enumerate() {
            let _ = write!(line, " ST{n}={exponent:04x}:{significand:016x}");
        }
    }
    let _ = writeln!(out, "{line}");
    for (at, bytes) in &case.memory {
        let _ = writeln!(out, "  [{at:#x}] = {}", hex(&bytes[..bytes.len().min(64)]));
    }
    for difference in &mismatch.differences {
        let _ = writeln!(out, "    {difference}");
    }
    out
}

trait FpuTop {
    fn fpu_writes_top(&self) -> bool;
}

impl FpuTop for Instruction {
    fn fpu_writes_top(&self) -> bool {
        self.cpuid_features().iter().any(|f| format!("{f:?}").starts_with("FPU"))
    }
}
