//! Every user-mode form that our processor and the host both have, compiled alone,
//! in random states, must come out as on the host.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use glassbox_cpu::{Cpu, Exception};
use glassbox_jit::Jit;
use glassbox_oracle::emulated::Execute;
use glassbox_oracle::report::Report;
use glassbox_oracle::{Session, forms};

/// Cases of each form, and with `GLASSBOX_FULL_TESTS` (`cargo xtask test --full`).
const CASES: u64 = 30;
const FULL_CASES: u64 = 1000;
const SEED: u64 = 0x6C61_7373_626F_7802;

struct Compiled(Jit);

impl Execute for Compiled {
    fn execute_one(&mut self, cpu: &mut Cpu) -> Result<(), Exception> {
        self.0.execute_one(cpu)
    }
}

#[test]
fn compiled_code_and_silicon_agree() {
    let jit = Jit::new(1 << 20).expect("a code buffer");
    let mut session = Session::on(Box::new(Compiled(jit))).expect("this host can run cases");
    let mut report = Report::default();
    let each = if std::env::var_os("GLASSBOX_FULL_TESTS").is_some() { FULL_CASES } else { CASES };
    for bits in [64, 32, 16] {
        for code in forms::forms(bits) {
            session.run_form(code, bits, each, SEED, &mut report);
        }
    }
    assert!(report.forms.len() > 1000, "only {} forms were generated", report.forms.len());
    assert_eq!(report.mismatches(), 0, "{}", report.text());
    if glassbox_oracle::host_is_amd() {
        assert_eq!(report.undefined(), 0, "{}", report.text());
    }
}
