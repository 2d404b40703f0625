//! The instruction data files of the processor, each case compiled alone, and each
//! in the middle of a random block.
#![cfg(all(any(target_arch = "x86_64", target_arch = "aarch64"), any(unix, windows)))]

use glassbox_cpu::{Cpu, CpuModel, Exception, Interpreter};
use glassbox_jit::Jit;
use glassbox_oracle::case::Case;
use glassbox_oracle::compare::{Difference, What, differences};
use glassbox_oracle::data::{Known, parse};
use glassbox_oracle::emulated::{Emulated, LONGEST};
use glassbox_oracle::rng::Rng;
use iced_x86::{Decoder, DecoderOptions, FlowControl, OpKind};
use std::path::Path;

/// Blocks that each case is put into, and with `GLASSBOX_FULL_TESTS`.
const BLOCKS: usize = 4;
const FULL_BLOCKS: usize = 100;
/// A string instruction is entered again at most this often.
const REENTRIES: u32 = 10_000;

/// All cases, with where they are from.
fn cases() -> Vec<(String, Known)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cpu/tests/data");
    let mut all = Vec::new();
    for entry in std::fs::read_dir(&folder).expect("the data folder exists") {
        let path = entry.expect("a readable folder").path();
        if path.extension().is_some_and(|extension| extension == "ins") {
            let text = std::fs::read_to_string(&path).expect("a readable file");
            let known = parse(&text).expect("a data file").into_iter();
            all.extend(known.map(|known| (format!("{}:{}", path.display(), known.line), known)));
        }
    }
    all.sort_by(|a, b| a.0.cmp(&b.0));
    assert!(all.len() > 1000, "only {} cases were found", all.len());
    all
}

fn lines(found: &[Difference]) -> String {
    found.iter().map(|f| format!("    {f}")).collect::<Vec<_>>().join("\n")
}

#[test]
fn compiled_code_agrees_with_the_data_files() {
    let mut machine = Emulated::new(CpuModel::default());
    let mut jit = Jit::new(1 << 20).expect("a code buffer");
    let (all, mut failures) = (cases(), Vec::new());
    for (place, known) in &all {
        let got = machine.run_by(&known.case, &mut |cpu| jit.execute_one(cpu));
        let found = differences(&known.case, (&known.outcome, &known.data), (&got, machine.data()));
        if !found.is_empty() {
            failures.push(format!("{place}\n{}", lines(&found)));
        }
    }
    let counters = jit.counters();
    let compiled = counters.instructions - counters.interpreted;
    assert!(compiled > 500, "only {compiled} of {} were compiled: {counters:?}", all.len());
    assert!(failures.is_empty(), "{} of {} differ:\n{}", failures.len(), all.len(), failures.join("\n"));
}

/// Whether a case can stand beside others: it goes on behind itself.
fn goes_on(case: &Case) -> bool {
    case.instruction().flow_control() == FlowControl::Next
}

/// Whether it has no memory operand, so that it does not end the block early.
fn touches_no_memory(case: &Case) -> bool {
    let i = case.instruction();
    i.op_kinds().all(|kind| matches!(kind, OpKind::Register) || kind <= OpKind::Immediate32to64)
}

/// What an empty register of the x87 holds, compiled blocks do not keep.
fn matters(found: &Difference, full: u8, status: u16) -> bool {
    match found.what {
        What::St(n) => full >> ((usize::from(status >> 11) + n) & 7) & 1 != 0,
        _ => true,
    }
}

/// Runs `count` instructions, as many at a time as `some` likes.
fn run(
    cpu: &mut Cpu,
    count: u64,
    some: &mut dyn FnMut(&mut Cpu, u64) -> Result<(), Exception>,
) -> Result<(), Exception> {
    let end = cpu.state.retired + count;
    for _ in 0..REENTRIES {
        if cpu.state.retired >= end {
            break;
        }
        some(cpu, end - cpu.state.retired)?;
    }
    Ok(())
}

#[test]
fn compiled_blocks_of_the_cases_agree_with_the_interpreter() {
    let all = cases();
    let mut rng = Rng::new(0x626C_6F63_6B73);
    let (mut reference, mut machine) =
        (Emulated::new(CpuModel::default()), Emulated::new(CpuModel::default()));
    let mut interpreter = Interpreter::new();
    let mut jit = Jit::new(1 << 20).expect("a code buffer");
    let blocks = if std::env::var_os("GLASSBOX_FULL_TESTS").is_some() { FULL_BLOCKS } else { BLOCKS };
    let mut failures = Vec::new();
    for bits in [64, 32, 16] {
        let beside: Vec<&Case> =
            all.iter().map(|(_, k)| &k.case).filter(|c| c.bits == bits && goes_on(c)).collect();
        let registers: Vec<&Case> = beside.iter().copied().filter(|c| touches_no_memory(c)).collect();
        for (place, known) in all.iter().filter(|(_, k)| k.case.bits == bits) {
            for _ in 0..blocks {
                let mut bytes = Vec::new();
                for _ in 0..rng.below(4) {
                    bytes.extend(&rng.pick(&registers).bytes);
                }
                bytes.extend(&known.case.bytes);
                for _ in 0..rng.below(4) {
                    bytes.extend(&rng.pick(&beside).bytes);
                }
                assert!(bytes.len() < LONGEST);
                let case = Case { bytes, ..known.case.clone() };
                let count = Decoder::new(bits, &case.bytes, DecoderOptions::AMD).iter().count() as u64;
                let expected = reference.run_by(&case, &mut |cpu| {
                    run(cpu, count, &mut |cpu, left| interpreter.run_block(cpu, left))
                });
                let got = machine.run_by(&case, &mut |cpu| {
                    run(cpu, count, &mut |cpu, left| jit.execute(cpu, left as usize))
                });
                let mut found = differences(&case, (&expected, reference.data()), (&got, machine.data()));
                let x87 = &expected.state.x87;
                found.retain(|found| matters(found, x87.full, x87.status));
                if !found.is_empty() {
                    let code: Vec<_> = Decoder::new(bits, &case.bytes, DecoderOptions::AMD)
                        .iter()
                        .map(|i| format!("    {:?}", i.code()))
                        .collect();
                    failures.push(format!("{place}\n{}\n{}", code.join("\n"), lines(&found)));
                }
            }
        }
    }
    let counters = jit.counters();
    assert!(counters.instructions > 10_000, "hardly anything was compiled: {counters:?}");
    failures.truncate(20);
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
