//! What differs between two outcomes.

use crate::case::{Case, Outcome};
use crate::layout::DATA;
use crate::user::Fault;
use glassbox_x86_spec::paging::PF_P;
use iced_x86::{Code, Instruction, RflagsBits};
use std::fmt;

/// One thing that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What it is.
    pub what: What,
    /// Ours, as text.
    pub got: String,
    /// The host's, as text.
    pub expected: String,
}

/// The part of the state that differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Whether and how it faulted.
    Fault,
    /// Instruction pointer.
    Rip,
    /// A general-purpose register.
    Gpr(usize),
    /// Flags that the manuals define: their EFLAGS bits.
    Flags(u32),
    /// Flags that the manuals leave undefined: their EFLAGS bits.
    UndefinedFlags(u32),
    /// MXCSR.
    Mxcsr,
    /// A vector register.
    Vector(usize),
    /// x87 control word.
    Control,
    /// x87 status word.
    Status,
    /// Which x87 registers are empty.
    Tags,
    /// ST(n).
    St(usize),
    /// A byte of memory.
    Memory(u64),
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: host {}, ours {}", self.what, self.expected, self.got)
    }
}

/// EFLAGS bits that this instruction leaves undefined by the manuals.
pub fn undefined_flags(i: &Instruction) -> u32 {
    let bits = i.rflags_undefined();
    [
        (RflagsBits::CF, 0),
        (RflagsBits::PF, 2),
        (RflagsBits::AF, 4),
        (RflagsBits::ZF, 6),
        (RflagsBits::SF, 7),
        (RflagsBits::OF, 11),
    ]
    .iter()
    .map(|&(flag, bit)| if bits & flag != 0 { 1 << bit } else { 0 })
    .sum()
}

/// The names of EFLAGS bits.
pub fn flag_names(bits: u32) -> String {
    let names = [(0, "CF"), (2, "PF"), (4, "AF"), (6, "ZF"), (7, "SF"), (10, "DF"), (11, "OF")];
    let set: Vec<_> = names.iter().filter(|(bit, _)| bits >> bit & 1 != 0).map(|&(_, name)| name).collect();
    if set.is_empty() { "-".into() } else { set.join(" ") }
}

/// Linux reports every user access to a kernel address as a protection fault.
fn comparable(fault: Option<Fault>) -> Option<Fault> {
    fault.map(|mut fault| {
        if fault.cr2 >> 47 != 0 {
            fault.error |= PF_P;
        }
        fault
    })
}

fn is_transcendental(form: Code) -> bool {
    use Code::*;
    matches!(form, F2xm1 | Fyl2x | Fyl2xp1 | Fptan | Fpatan | Fsin | Fcos | Fsincos)
}

/// Units in the last place between two extended reals of the same sign.
fn ulps(a: (u64, u16), b: (u64, u16)) -> u128 {
    if (a.1 ^ b.1) >> 15 != 0 {
        return u128::MAX;
    }
    let ordinal = |(significand, exponent): (u64, u16)| {
        u128::from(exponent & 0x7FFF) << 63 | u128::from(significand & u64::MAX >> 1)
    };
    ordinal(a).abs_diff(ordinal(b))
}

/// Everything that differs, `expected` being the host's.
pub fn differences(
    case: &Case,
    (expected, expected_data): (&Outcome, &[u8]),
    (got, got_data): (&Outcome, &[u8]),
) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut note = |what, expected: String, got: String| found.push(Difference { what, got, expected });
    let (e, g) = (&expected.state, &got.state);
    if comparable(expected.fault) != comparable(got.fault) {
        note(What::Fault, format!("{:x?}", expected.fault), format!("{:x?}", got.fault));
    }
    if e.rip != g.rip {
        note(What::Rip, format!("{:#x}", e.rip), format!("{:#x}", g.rip));
    }
    // A POPA that faults on AMD silicon has loaded some registers; it starts over
    // with the same stack pointer, so nobody can tell.
    let partial = matches!(case.form, Code::Popaw | Code::Popad) && expected.fault.is_some();
    for n in 0..16 {
        if e.gpr[n] != g.gpr[n] && !partial {
            note(What::Gpr(n), format!("{:#x}", e.gpr[n]), format!("{:#x}", g.gpr[n]));
        }
    }
    let changed = e.flags ^ g.flags;
    if changed != 0 {
        let undefined = undefined_flags(&case.instruction());
        for (bits, what) in [
            (changed & !undefined, What::Flags(changed & !undefined)),
            (changed & undefined, What::UndefinedFlags(changed & undefined)),
        ] {
            if bits != 0 {
                note(what, flag_names(e.flags), flag_names(g.flags));
            }
        }
    }
    if e.mxcsr != g.mxcsr {
        note(What::Mxcsr, format!("{:#x}", e.mxcsr), format!("{:#x}", g.mxcsr));
    }
    for n in 0..16 {
        if e.vec[n] != g.vec[n] {
            note(What::Vector(n), format!("{:016x?}", e.vec[n]), format!("{:016x?}", g.vec[n]));
        }
    }
    // The host computes transcendental functions to within an ulp, not exactly.
    let tolerant = is_transcendental(case.form);
    let c1 = if tolerant { 1 << 9 } else { 0 };
    let words = [
        (What::Control, e.x87.control, g.x87.control),
        (What::Status, e.x87.status, g.x87.status),
        (What::Tags, u16::from(e.x87.full), u16::from(g.x87.full)),
    ];
    for (what, e, g) in words {
        let ignored = if what == What::Status { c1 } else { 0 };
        if (e ^ g) & !ignored != 0 {
            note(what, format!("{e:#x}"), format!("{g:#x}"));
        }
    }
    for n in 0..8 {
        let near = tolerant && n < 2 && ulps(e.x87.st[n], g.x87.st[n]) <= 1;
        if e.x87.st[n] != g.x87.st[n] && !near {
            let text = |(s, x): (u64, u16)| format!("{x:04x}:{s:016x}");
            note(What::St(n), text(e.x87.st[n]), text(g.x87.st[n]));
        }
    }
    if expected_data != got_data {
        let pairs = expected_data.iter().zip(got_data).enumerate().filter(|(_, (e, g))| e != g);
        for (n, (e, g)) in pairs.take(8) {
            note(What::Memory(DATA + n as u64), format!("{e:02x}"), format!("{g:02x}"));
        }
    }
    found
}
