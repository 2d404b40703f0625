//! The instruction data files in `tests/data`, run by every engine that there is.
//! Their format is described in `tests/data/README.md`.

use glassbox_cpu::CpuModel;
use glassbox_oracle::case::{Case, Outcome};
use glassbox_oracle::compare::differences;
use glassbox_oracle::data::{Known, parse};
use glassbox_oracle::emulated::Emulated;
use std::path::Path;

/// What runs a case: the state and fault after it, and the writable data.
trait Engine {
    fn run(&mut self, case: &Case) -> (Outcome, Vec<u8>);
}

impl Engine for Emulated {
    fn run(&mut self, case: &Case) -> (Outcome, Vec<u8>) {
        let outcome = Emulated::run(self, case);
        (outcome, self.data().to_vec())
    }
}

/// All data files, by name.
fn files() -> Vec<(String, Vec<Known>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let entries = std::fs::read_dir(&folder).expect("the data folder exists");
    let mut files = Vec::new();
    for path in entries.map(|entry| entry.expect("a readable folder").path()) {
        if path.extension().is_some_and(|extension| extension == "ins") {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let text = std::fs::read_to_string(&path).expect("a readable file");
            let known = parse(&text).unwrap_or_else(|message| panic!("{name}: {message}"));
            files.push((name, known));
        }
    }
    files.sort_by(|a, b| a.0.cmp(&b.0));
    files
}

fn run_all(engine: &mut dyn Engine) {
    let mut failures = Vec::new();
    let mut cases = 0;
    for (name, known) in files() {
        cases += known.len();
        for known in known {
            let (got, data) = engine.run(&known.case);
            let found = differences(&known.case, (&known.outcome, &known.data), (&got, &data));
            if !found.is_empty() {
                let found: Vec<_> = found.iter().map(|f| format!("    {f}")).collect();
                failures.push(format!("{name}:{}\n{}", known.line, found.join("\n")));
            }
        }
    }
    assert!(cases > 1000, "only {cases} cases were found");
    assert!(failures.is_empty(), "{} of {cases} differ:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn the_interpreter_agrees_with_the_data_files() {
    run_all(&mut Emulated::new(CpuModel::default()));
}
