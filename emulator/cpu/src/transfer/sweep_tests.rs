//! The `protection` ROM: every kind of selector through everything that loads one.
//!
//! `sweep.golden` has a line for each snippet, ring and outcome with the
//! selectors that had it. The outcomes were compared with another emulator's,
//! and where they differed with the manuals and, for LAR and LSS, with silicon.
//! After a deliberate change: `GLASSBOX_BLESS=1 cargo test -p glassbox-cpu`.

use crate::testing::{cpu_with_bus, go, log_bus, put};
use crate::{Exit, Segment};
use std::collections::BTreeMap;

const ROM: &[u8] = include_bytes!("../../../../test-roms/protection/protection.bin");
const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/transfer/sweep.golden");
const CASES: usize = 4440;

/// The snippets in the ROM's order.
const SNIPPETS: [&str; 20] = [
    "mov ds",
    "mov ss",
    "pop fs",
    "lldt",
    "ltr",
    "jmp far",
    "call far",
    "lar, lsl",
    "verr, verw",
    "retf",
    "iret to cs",
    "iret to ss",
    "int gate",
    "task gate",
    "arpl",
    "back link",
    "SS0",
    "call far 16",
    "lss",
    "retf 16",
];

/// The outcome in a log line: `ran`, `DF task` or the exception with its error.
fn outcome(line: &str, selector: u16) -> String {
    let Some((_, rest)) = line.split_once(':') else { return line.to_owned() };
    if rest.starts_with('D') {
        return "DF task".to_owned();
    }
    let error = u16::from_str_radix(&rest[2..6], 16).expect("hexadecimal");
    let name = match &rest[..2] {
        "40" => return "ran".to_owned(),
        "0A" => "TS",
        "0B" => "NP",
        "0C" => "SS",
        "0D" => "GP",
        other => other,
    };
    if error == selector & !3 { format!("{name}(selector)") } else { format!("{name}({error:04X})") }
}

/// FNV-1a over everything that the lines say.
fn hash(hash: u32, line: &str) -> u32 {
    line.bytes().fold(hash, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[test]
fn every_selector_through_everything_that_loads_one() {
    let (bus, log) = log_bus();
    let mut cpu = cpu_with_bus(bus);
    for seg in &mut cpu.state.segs[..6] {
        *seg = Segment::real(0, 0);
    }
    cpu.state.rip = 0x8000;
    cpu.sync();
    put(&cpu, 0x8000, ROM);
    assert_eq!(go(&mut cpu, 60_000_000), Exit::Halted, "{:?}", cpu.fault_chain);

    let log = String::from_utf8(log.lock().expect("one user").clone()).expect("text");
    let mut groups: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    let mut hashes: BTreeMap<String, u32> = BTreeMap::new();
    let lines: Vec<_> = log.lines().filter(|line| line.len() > 9).collect();
    assert_eq!(lines.len(), CASES);
    for line in lines {
        let number = usize::from_str_radix(&line[..2], 16).expect("hexadecimal");
        let case = format!("ring {} {}", &line[3..4], SNIPPETS[number]);
        let selector = u16::from_str_radix(&line[4..8], 16).expect("hexadecimal");
        groups.entry((case.clone(), outcome(line, selector))).or_default().push(format!("{selector:X}"));
        let seen = hashes.entry(case).or_insert(0x811C_9DC5);
        *seen = hash(*seen, line);
    }
    let mut found = String::new();
    for ((case, outcome), selectors) in groups {
        found += &format!("{case}: {outcome}: {}\n", selectors.join(" "));
    }
    for (case, hash) in hashes {
        found += &format!("{case}: details {hash:08X}\n");
    }
    if std::env::var_os("GLASSBOX_BLESS").is_some() {
        std::fs::write(GOLDEN, &found).expect("the golden file can be written");
    }
    let expected = std::fs::read_to_string(GOLDEN).expect("the golden file is there");
    for (found, expected) in found.lines().zip(expected.lines()) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.lines().count(), expected.lines().count());
}
