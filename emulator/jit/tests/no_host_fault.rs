//! Whatever a guest executes, in whatever state it brought about: compiling it and
//! running what came out leaves the host alone. A fault of the host's would end the
//! test's process.
#![cfg(all(target_arch = "x86_64", target_os = "linux"))]

#[path = "../../cpu/tests/common/mod.rs"]
mod common;

mod hostile;

use common::{Rng, random_code};

/// Runs, and with `GLASSBOX_FULL_TESTS` (`cargo xtask test --full`).
const RUNS: u64 = 3000;
const FULL_RUNS: u64 = 100_000;

#[test]
fn random_code_in_random_states_compiles_to_what_leaves_the_host_alone() {
    let full = std::env::var_os("GLASSBOX_FULL_TESTS").is_some();
    let runs = if full { FULL_RUNS } else { RUNS };
    let (mut retired, mut compiled) = (0, 0);
    for seed in 0..runs {
        let mut rng = Rng(seed.wrapping_mul(0xA076_1D64_78BD_642F));
        let code = random_code(&mut rng);
        let (count, stats) = hostile::compiled(&code, seed);
        retired += count;
        compiled += stats.instructions - stats.interpreted;
    }
    // A test in which nothing executes proves nothing.
    assert!(retired > runs && compiled > runs, "{retired} instructions ran, {compiled} were compiled");
}
