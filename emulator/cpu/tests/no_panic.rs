//! Whatever a guest executes, in whatever state it brought about: the processor
//! neither panics nor hangs.

mod common;

use common::Rng;

/// Runs, and with `GLASSBOX_FULL_TESTS` (`cargo xtask test --full`).
const RUNS: u64 = 5000;
const FULL_RUNS: u64 = 100_000;

/// Random bytes, with the prefixes and escapes that make instructions of them.
fn random_code(rng: &mut Rng) -> Vec<u8> {
    let mut code = Vec::new();
    for _ in 0..1 + rng.below(40) {
        match rng.below(8) {
            0 => code.extend([0x0F, rng.bits() as u8]),
            1 => code.extend([0x66, 0x0F, rng.bits() as u8]),
            2 => code.extend([[0xF2, 0xF3][rng.below(2) as usize], 0x0F, rng.bits() as u8]),
            3 => code.push(0x40 | rng.bits() as u8 & 15),
            4 => code.extend([0xD8 | rng.bits() as u8 & 7, rng.bits() as u8]),
            _ => {}
        }
        for _ in 0..rng.below(4) {
            code.push(rng.bits() as u8);
        }
    }
    code.push(0xF4);
    code
}

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
