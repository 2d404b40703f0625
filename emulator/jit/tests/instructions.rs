//! The instruction data files of the processor, each case compiled alone.
#![cfg(all(target_arch = "x86_64", target_os = "linux"))]

use glassbox_cpu::CpuModel;
use glassbox_jit::Jit;
use glassbox_oracle::compare::differences;
use glassbox_oracle::data::parse;
use glassbox_oracle::emulated::Emulated;
use std::path::Path;

#[test]
fn compiled_code_agrees_with_the_data_files() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cpu/tests/data");
    let mut machine = Emulated::new(CpuModel::default());
    let mut jit = Jit::new(1 << 20).expect("a code buffer");
    let (mut cases, mut failures) = (0, Vec::new());
    for entry in std::fs::read_dir(&folder).expect("the data folder exists") {
        let path = entry.expect("a readable folder").path();
        if path.extension().is_none_or(|extension| extension != "ins") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("a readable file");
        for known in parse(&text).expect("a data file") {
            cases += 1;
            let got = machine.run_by(&known.case, &mut |cpu| jit.execute_one(cpu));
            let found = differences(&known.case, (&known.outcome, &known.data), (&got, machine.data()));
            if !found.is_empty() {
                let found: Vec<_> = found.iter().map(|f| format!("    {f}")).collect();
                failures.push(format!("{}:{}\n{}", path.display(), known.line, found.join("\n")));
            }
        }
    }
    assert!(cases > 1000, "only {cases} cases were found");
    let counters = jit.counters();
    let compiled = counters.instructions - counters.interpreted;
    assert!(compiled > 500, "only {compiled} of {cases} were compiled: {counters:?}");
    assert!(failures.is_empty(), "{} of {cases} differ:\n{}", failures.len(), failures.join("\n"));
}
