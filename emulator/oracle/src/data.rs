//! Cases with their outcomes as text: the instruction data files.
//!
//! The format is described in `emulator/cpu/tests/data/README.md`.

use crate::case::{Case, Outcome};
use crate::layout::{DATA, DATA_LEN, background_image, entry};
use crate::report::disassemble;
use crate::user::{Fault, UserState};
use std::fmt::Write;

const GPR: [&str; 16] = [
    "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
    "r15",
];

/// A case and what has to come of it.
#[derive(Clone, Debug)]
pub struct Known {
    /// Line in its file, 0 for one that was not read from a file.
    pub line: usize,
    /// The case.
    pub case: Case,
    /// State and fault afterwards.
    pub outcome: Outcome,
    /// All writable data afterwards.
    pub data: Vec<u8>,
}

/// The writable data as a case begins with it.
pub fn initial_data(case: &Case) -> Vec<u8> {
    let mut data = background_image(DATA_LEN);
    for (at, bytes) in &case.memory {
        let start = (at - DATA) as usize;
        data[start..start + bytes.len()].copy_from_slice(bytes);
    }
    data
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(" ")
}

/// ` name=value` for everything in which `new` differs from `old`.
fn state_text(old: &UserState, new: &UserState) -> String {
    let mut out = String::new();
    let mut field = |name: &str, old: u64, new: u64| {
        if old != new {
            let _ = write!(out, " {name}={new:x}");
        }
    };
    for (n, name) in GPR.iter().enumerate() {
        field(name, old.gpr[n], new.gpr[n]);
    }
    field("rip", old.rip, new.rip);
    field("flags", old.flags.into(), new.flags.into());
    field("mxcsr", old.mxcsr.into(), new.mxcsr.into());
    field("fcw", old.x87.control.into(), new.x87.control.into());
    field("fsw", old.x87.status.into(), new.x87.status.into());
    field("full", old.x87.full.into(), new.x87.full.into());
    for (n, (old, new)) in old.x87.st.iter().zip(&new.x87.st).enumerate() {
        if old != new {
            let _ = write!(out, " st{n}={:x}:{:x}", new.1, new.0);
        }
    }
    for (n, (old, new)) in old.vec.iter().zip(&new.vec).enumerate() {
        if old != new {
            let _ = write!(out, " v{n}={:x}:{:x}:{:x}:{:x}", new[3], new[2], new[1], new[0]);
        }
    }
    out
}

/// A case in the data format.
pub fn write(case: &Case, outcome: &Outcome, data: &[u8]) -> String {
    let mut out = format!("case {} {} ; {}\n", case.bits, hex(&case.bytes), disassemble(case));
    let default = UserState { rip: entry(case.bits), ..UserState::default() };
    let before = state_text(&default, &case.state);
    if !before.is_empty() {
        let _ = writeln!(out, "in{before}");
    }
    for (at, bytes) in &case.memory {
        let _ = writeln!(out, "mem {at:x} {}", hex(bytes));
    }
    let after = state_text(&case.state, &outcome.state);
    let _ = writeln!(out, "out{after}");
    let initial = initial_data(case);
    let mut n = 0;
    while n < data.len() {
        let run = data[n..].iter().zip(&initial[n..]).take_while(|(a, b)| a != b).count();
        if run > 0 {
            let _ = writeln!(out, "memout {:x} {}", DATA + n as u64, hex(&data[n..n + run]));
        }
        n += run + 1;
    }
    if let Some(fault) = outcome.fault {
        let _ = writeln!(out, "fault {} {:x} {:x}", fault.vector, fault.error, fault.cr2);
    }
    out
}

/// Reads a data file.
///
/// # Errors
/// A message with the number of the line that makes no sense.
pub fn parse(text: &str) -> Result<Vec<Known>, String> {
    let mut all: Vec<Known> = Vec::new();
    for (n, line) in text.lines().enumerate() {
        let line = line.split([';', '#']).next().unwrap_or_default();
        let mut words = line.split_whitespace();
        let Some(key) = words.next() else { continue };
        let words: Vec<&str> = words.collect();
        let done = if key == "case" {
            first_line(&words, n + 1).map(|known| all.push(known))
        } else {
            all.last_mut().and_then(|known| next_line(known, key, &words))
        };
        done.ok_or_else(|| format!("line {}: {line}", n + 1))?;
    }
    Ok(all)
}

fn number(text: &str) -> Option<u64> {
    u64::from_str_radix(text, 16).ok()
}

fn byte_list(words: &[&str]) -> Option<Vec<u8>> {
    words.iter().map(|w| u8::from_str_radix(w, 16).ok()).collect()
}

fn first_line(words: &[&str], line: usize) -> Option<Known> {
    let (bits, bytes) = words.split_first()?;
    let bits: u32 = bits.parse().ok().filter(|bits| [16, 32, 64].contains(bits))?;
    let bytes = byte_list(bytes).filter(|b| (1..=15).contains(&b.len()))?;
    let state = UserState { rip: entry(bits), ..UserState::default() };
    let mut case = Case { form: iced_x86::Code::INVALID, bits, bytes, state: state.clone(), memory: vec![] };
    case.form = case.instruction().code();
    let outcome = Outcome { state, fault: None };
    let data = initial_data(&case);
    Some(Known { line, case, outcome, data })
}

fn next_line(known: &mut Known, key: &str, words: &[&str]) -> Option<()> {
    match key {
        "in" => {
            words.iter().try_for_each(|word| set_field(&mut known.case.state, word))?;
            known.outcome.state = known.case.state.clone();
        }
        "out" => words.iter().try_for_each(|word| set_field(&mut known.outcome.state, word))?,
        "mem" | "memout" => {
            let (at, bytes) = words.split_first()?;
            let (at, bytes) = (number(at)?, byte_list(bytes)?);
            let start = usize::try_from(at.checked_sub(DATA)?).ok()?;
            known.data.get_mut(start..start.checked_add(bytes.len())?)?.copy_from_slice(&bytes);
            if key == "mem" {
                known.case.memory.push((at, bytes));
            }
        }
        "fault" => {
            let [vector, error, cr2] = words else { return None };
            let vector = vector.parse().ok()?;
            known.outcome.fault = Some(Fault { vector, error: number(error)? as u32, cr2: number(cr2)? });
        }
        _ => return None,
    }
    Some(())
}

fn set_field(state: &mut UserState, word: &str) -> Option<()> {
    let (name, text) = word.split_once('=')?;
    if let Some(n) = GPR.iter().position(|gpr| *gpr == name) {
        state.gpr[n] = number(text)?;
        return Some(());
    }
    let parts: Option<Vec<u64>> = text.split(':').map(number).collect();
    let parts = parts?;
    match (name, parts.as_slice()) {
        ("rip", &[value]) => state.rip = value,
        ("flags", &[value]) => state.flags = value as u32,
        ("mxcsr", &[value]) => state.mxcsr = value as u32,
        ("fcw", &[value]) => state.x87.control = value as u16,
        ("fsw", &[value]) => state.x87.status = value as u16,
        ("full", &[value]) => state.x87.full = value as u8,
        (name, &[exponent, significand]) => {
            let n: usize = name.strip_prefix("st")?.parse().ok()?;
            *state.x87.st.get_mut(n)? = (significand, exponent as u16);
        }
        (name, &[d, c, b, a]) => {
            let n: usize = name.strip_prefix('v')?.parse().ok()?;
            *state.vec.get_mut(n)? = [a, b, c, d];
        }
        _ => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let text = "case 64 48 01 d8 ; add rax,rbx\nin rax=1 rbx=2 flags=1 st3=3fff:8000000000000000\n\
                    mem 21000010 01 02\nout rax=3 rip=20001003 flags=4\nmemout 21000011 77\nfault 14 7 123\n";
        let known = &parse(text).unwrap()[0];
        assert_eq!(known.outcome.state.gpr[0], 3);
        assert_eq!(known.outcome.state.x87.st[3], (1 << 63, 0x3FFF));
        assert_eq!(known.data[0x10..0x12], [1, 0x77]);
        assert_eq!(write(&known.case, &known.outcome, &known.data), text);
    }

    #[test]
    fn nonsense_names_its_line() {
        assert!(parse("case 64 90\nin rxx=1\n").unwrap_err().starts_with("line 2"));
    }
}
