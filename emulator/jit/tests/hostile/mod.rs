//! Arbitrary bytes compiled and run, for the tests and for the fuzz target.

use crate::common::hostile_by;
use glassbox_cpu::Activity;
use glassbox_jit::{Jit, JitStats};

/// Blocks that are compiled and run in a row.
const BLOCKS: u32 = 40;
/// Instructions of each at most.
const LONGEST: usize = 64;

/// Compiles and runs `code`, block by block, in a processor whose state is made from
/// `seed`. Returns the instructions retired, and what was compiled.
pub fn compiled(code: &[u8], seed: u64) -> (u64, JitStats) {
    let mut jit = Jit::new(0).expect("a code buffer");
    let retired = hostile_by(code, seed, |cpu| {
        for _ in 0..BLOCKS {
            if cpu.state.activity != Activity::Active || cpu.signals.attention() {
                break;
            }
            if let Err(fault) = jit.execute(cpu, LONGEST) {
                cpu.deliver_fault(fault);
            }
        }
    });
    (retired, jit.counters())
}
