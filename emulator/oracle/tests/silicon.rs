//! Every user-mode form that our processor and the host both have, in random
//! states, must come out the same on both: undefined flags too, where the host
//! is the family of processor that we name ourselves after.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use glassbox_oracle::report::Report;
use glassbox_oracle::{Session, forms};

/// Cases of each form, and with `GLASSBOX_FULL_TESTS` (`cargo xtask test --full`).
const CASES: u64 = 60;
const FULL_CASES: u64 = 1500;
const SEED: u64 = 0x6C61_7373_626F_7801;

#[test]
fn interpreter_and_silicon_agree() {
    let mut session = Session::new().expect("this host can run cases");
    let mut report = Report::default();
    let full = std::env::var_os("GLASSBOX_FULL_TESTS").is_some();
    let each = if full { FULL_CASES } else { CASES };
    for bits in [64, 32, 16] {
        for code in forms::forms(bits) {
            session.run_form(code, bits, each, SEED, &mut report);
        }
    }
    let (forms, cases) = (report.forms.len(), report.cases());
    println!("{forms} forms, {cases} cases, {} forms not implemented", report.unimplemented.len());
    assert!(forms > 1000, "only {forms} forms were generated");
    assert_eq!(report.mismatches(), 0, "{}", report.text());
    if glassbox_oracle::host_is_amd() {
        assert_eq!(report.undefined(), 0, "{}", report.text());
    }
}
