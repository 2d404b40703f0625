//! Whatever a guest executes, in whatever state it brought about: the processor
//! neither panics nor hangs.

mod common;

use common::{Rng, random_code};

/// Runs, and with `GLASSBOX_FULL_TESTS` (`cargo xtask test --full`).
const RUNS: u64 = 5000;
const FULL_RUNS: u64 = 100_000;

#[test]
fn random_code_in_random_states_never_panics() {
    let mut retired = 0;
    let full = std::env::var_os("GLASSBOX_FULL_TESTS").is_some();
    let runs = if full { FULL_RUNS } else { RUNS };
    for seed in 0..runs {
        let mut rng = Rng(seed.wrapping_mul(0xA076_1D64_78BD_642F));
        let code = random_code(&mut rng);
        let result = std::panic::catch_unwind(|| common::hostile(&code, seed));
        match result {
            Ok(count) => retired += count,
            Err(_) => panic!("seed {seed}: code {code:02x?}"),
        }
    }
    // A test in which nothing executes proves nothing.
    assert!(retired > runs, "only {retired} instructions ran");
}
