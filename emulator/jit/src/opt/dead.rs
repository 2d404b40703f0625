//! Writes to registers that nobody reads before they are overwritten.

use crate::ir::{Inst, T0};

/// Removes steps that only write a register which is replaced before it is read,
/// and before anything could hand over to the interpreter.
pub fn remove(insts: &mut Vec<Inst>) {
    // Bit n: register n is overwritten before it is read. Temporaries die at the end.
    let mut dead: u32 = 0xF << T0;
    let mut keep = vec![true; insts.len()];
    let mut any = false;
    for (inst, keep) in insts.iter().zip(&mut keep).rev() {
        if matches!(inst, Inst::Begin(_)) {
            dead |= 0xF << T0;
            continue;
        }
        if inst.effect().leaves {
            dead &= 0xF << T0;
        }
        match inst.written() {
            Some((n, _)) if n < 32 && dead >> n & 1 != 0 && inst.is_pure() => {
                *keep = false;
                any = true;
                continue;
            }
            Some((n, true)) if n < 32 => dead |= 1 << n,
            _ => {}
        }
        inst.for_reads(|n| {
            if n < 32 {
                dead &= !(1 << n);
            }
        });
    }
    if any {
        let mut keep = keep.iter();
        insts.retain(|_| keep.next().is_none_or(|&keep| keep));
    }
}
