//! Makes a case as small as it can be without losing what makes it interesting.

use crate::case::Case;
use crate::user::{UserState, X87};

/// Tries a change and keeps it if the case stays interesting.
fn attempt(case: &mut Case, keep: &mut dyn FnMut(&Case) -> bool, change: impl FnOnce(&mut Case)) {
    let mut smaller = case.clone();
    change(&mut smaller);
    if smaller != *case && keep(&smaller) {
        *case = smaller;
    }
}

/// The smallest case that `keep` accepts, found greedily: registers and control
/// words go to their defaults, values lose bits, memory and prefixes disappear.
/// `keep` is never asked about `case` itself.
pub fn shrink(case: &Case, keep: &mut dyn FnMut(&Case) -> bool) -> Case {
    let mut best = case.clone();
    // What one change makes superfluous, another round finds.
    for _ in 0..3 {
        let before = best.clone();
        shrink_state(&mut best, keep);
        shrink_memory(&mut best, keep);
        shrink_prefixes(&mut best, keep);
        if best == before {
            break;
        }
    }
    best
}

fn shrink_state(case: &mut Case, keep: &mut dyn FnMut(&Case) -> bool) {
    let plain = UserState::default();
    attempt(case, keep, |case| case.state.x87 = X87::default());
    attempt(case, keep, |case| case.state.mxcsr = plain.mxcsr);
    attempt(case, keep, |case| case.state.flags = 0);
    attempt(case, keep, |case| case.state.vec = plain.vec);
    for bit in [0, 2, 4, 6, 7, 10, 11] {
        attempt(case, keep, |case| case.state.flags &= !(1 << bit));
    }
    for n in 0..16 {
        attempt(case, keep, |case| case.state.gpr[n] = 0);
        attempt(case, keep, |case| case.state.gpr[n] &= 0xFFFF_FFFF);
        attempt(case, keep, |case| case.state.gpr[n] &= 0xFF);
        attempt(case, keep, |case| case.state.vec[n] = [0; 4]);
        for lane in 0..4 {
            attempt(case, keep, |case| case.state.vec[n][lane] = 0);
        }
    }
    for n in 0..8 {
        attempt(case, keep, |case| case.state.x87.st[n] = (0, 0));
    }
    attempt(case, keep, |case| case.state.x87.status &= 0x3800);
    attempt(case, keep, |case| case.state.x87.control = X87::default().control);
}

fn shrink_memory(case: &mut Case, keep: &mut dyn FnMut(&Case) -> bool) {
    for n in (0..case.memory.len()).rev() {
        attempt(case, keep, |case| {
            case.memory.remove(n);
        });
    }
    for n in 0..case.memory.len() {
        attempt(case, keep, |case| case.memory[n].1.fill(0));
        // Halves: long images are mostly beside the point.
        while case.memory[n].1.len() > 1 {
            let len = case.memory[n].1.len();
            attempt(case, keep, |case| case.memory[n].1.truncate(len / 2));
            if case.memory[n].1.len() == len {
                break;
            }
        }
    }
}

/// Leaves out bytes in front of the opcode. The form must stay the same.
fn shrink_prefixes(case: &mut Case, keep: &mut dyn FnMut(&Case) -> bool) {
    let code = case.instruction().code();
    for n in (0..case.bytes.len().min(4)).rev() {
        attempt(
            case,
            &mut |smaller: &Case| {
                let i = smaller.instruction();
                i.code() == code && i.len() == smaller.bytes.len() && keep(smaller)
            },
            |case| {
                if case.bytes.len() > 1 && n < case.bytes.len() {
                    case.bytes.remove(n);
                }
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::{DATA, entry};

    #[test]
    fn only_what_matters_stays() {
        let mut state = UserState { rip: entry(64), flags: 0x8D5, ..UserState::default() };
        state.gpr = [0x1234_5678_9ABC_DEF0; 16];
        state.vec = [[7; 4]; 16];
        // ds: add ecx, [rbx]
        let case = Case {
            form: iced_x86::Code::Add_r32_rm32,
            bits: 64,
            bytes: vec![0x3E, 0x03, 0x0B],
            state,
            memory: vec![(DATA, vec![1; 64]), (DATA + 64, vec![2; 4])],
        };
        let small = shrink(&case, &mut |case| {
            let fourth = case.memory.first().and_then(|(_, bytes)| bytes.get(3));
            case.state.gpr[3] >> 60 == 1 && case.state.vec[2][1] == 7 && fourth == Some(&1)
        });
        assert_eq!(small.bytes, [0x03, 0x0B]);
        assert_eq!(small.state.gpr.iter().filter(|value| **value != 0).count(), 1);
        assert_eq!((small.state.vec[2], small.state.flags), ([0, 7, 0, 0], 0));
        assert_eq!(small.memory, [(DATA, vec![1; 4])]);
    }
}
