//! What differs between two states, in words.

use glassbox_cpu::{CpuState, X87Register};

const REGISTERS: [&str; 16] = [
    "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
    "r15",
];
const SEGMENTS: [&str; 6] = ["es", "cs", "ss", "ds", "fs", "gs"];
const FLAGS: [(u32, &str); 6] =
    [(1 << 11, "OF"), (1 << 7, "SF"), (1 << 6, "ZF"), (1 << 4, "AF"), (1 << 2, "PF"), (1, "CF")];

/// The fields of a state that are compared as they are.
macro_rules! plain_fields {
    ($visit:ident) => {
        $visit!(rip retired system_flags cr0 cr2 cr3 cr4 efer xcr0 cpl mxcsr msr dr activity
            activity interrupt_shadow debug_shadow ldtr tr gdtr idtr nmi_blocked a20 entropy)
    };
}

/// Whether a guest could not tell two states apart.
pub fn same(a: &CpuState, b: &CpuState) -> bool {
    macro_rules! all {
        ($($field:ident)*) => { $(a.$field == b.$field)&&* };
    }
    a.regs[..16] == b.regs[..16]
        && a.status.bits() == b.status.bits()
        && plain_fields!(all)
        && a.segs[..6] == b.segs[..6]
        && a.vec == b.vec
        && (a.fpu == b.fpu || without_empty(a).fpu == without_empty(b).fpu)
}

/// What an empty x87 register holds, compiled code does not keep.
fn without_empty(state: &CpuState) -> CpuState {
    let mut state = state.clone();
    for n in 0..8 {
        if state.fpu.tag >> (2 * n) & 3 == 3 {
            state.fpu.regs[n] = X87Register::default();
        }
    }
    state
}

/// Status flags by name.
pub fn flag_names(bits: u32) -> String {
    let set: Vec<_> = FLAGS.iter().filter(|(bit, _)| bits & bit != 0).map(|(_, name)| *name).collect();
    if set.is_empty() { "none".into() } else { set.join(" ") }
}

/// What differs: name, and the value in `a` and in `b`.
pub fn differences(a: &CpuState, b: &CpuState) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    let (a, b) = (&without_empty(a), &without_empty(b));
    let mut check = |name: &str, a: &dyn std::fmt::Debug, b: &dyn std::fmt::Debug, same: bool| {
        if !same {
            found.push((name.to_owned(), format!("{a:x?}"), format!("{b:x?}")));
        }
    };
    for (n, name) in REGISTERS.iter().enumerate() {
        check(name, &a.regs[n], &b.regs[n], a.regs[n] == b.regs[n]);
    }
    for n in 0..16 {
        check(&format!("ymm{n}"), &a.vec[n], &b.vec[n], a.vec[n] == b.vec[n]);
    }
    for (n, name) in SEGMENTS.iter().enumerate() {
        check(name, &a.segs[n], &b.segs[n], a.segs[n] == b.segs[n]);
    }
    macro_rules! fields {
        ($($field:ident)*) => {
            $(check(stringify!($field), &a.$field, &b.$field, a.$field == b.$field);)*
        };
    }
    plain_fields!(fields);
    check("x87", &a.fpu, &b.fpu, a.fpu == b.fpu);
    let (x, y) = (a.status.bits(), b.status.bits());
    if x != y {
        found.push(("flags".into(), flag_names(x), flag_names(y)));
    }
    found
}

/// The general-purpose registers and flags, four to a line.
pub fn registers(state: &CpuState) -> String {
    let mut text = String::new();
    for (n, name) in REGISTERS.iter().enumerate() {
        let end = if n % 4 == 3 { '\n' } else { ' ' };
        text += &format!("  {name:<3} {:016x}{end}", state.regs[n]);
    }
    let flags = flag_names(state.status.bits());
    text + &format!("  flags {flags}; the others {:?}; cpl {}\n", state.system_flags, state.cpl)
}

#[cfg(test)]
mod tests {
    use super::*;
    use glassbox_cpu::LazyFlags;

    #[test]
    fn whatever_differs_is_named_and_empty_x87_registers_do_not_count() {
        let mut a = CpuState::reset(0);
        a.fpu.tag = 0xFFFF;
        let mut b = a.clone();
        b.fpu.regs[3].significand = 1;
        assert!(same(&a, &b) && differences(&a, &b).is_empty());
        b.regs[9] = 7;
        b.status = LazyFlags::from_bits(0x41);
        b.fpu.tag = 0xFF3F;
        b.debug_shadow = true;
        assert!(!same(&a, &b));
        let names: Vec<_> = differences(&a, &b).into_iter().map(|found| found.0).collect();
        assert_eq!(names, ["r9", "debug_shadow", "x87", "flags"]);
        assert_eq!(flag_names(0x41), "ZF CF");
    }
}
