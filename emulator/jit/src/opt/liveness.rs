//! Which status flags matter behind each step, and which steps only write registers
//! that nobody reads before they are overwritten.

use crate::ir::{Code, FlagSet, Inst, T0, flags};

/// Temporaries, as a set of registers: they die where an instruction ends.
const TEMPORARIES: u32 = 0xF << T0;

/// Removes steps that only write a register which is replaced before it is read, and
/// before anything could hand over to the interpreter; fills [`Code::live`]. At the
/// block's end all flags matter: the next block may be interrupted before its first
/// instruction, which then pushes them.
pub fn find(code: &mut Code) {
    let Code { insts, live, .. } = code;
    live.clear();
    live.resize(insts.len(), 0);
    let mut wanted: FlagSet = flags::ALL;
    // Registers that are overwritten before they are read.
    let mut dead = TEMPORARIES;
    // Steps are kept from here on.
    let mut kept = insts.len();
    for n in (0..insts.len()).rev() {
        let inst = &insts[n];
        let effect = inst.effect();
        if matches!(inst, Inst::Begin(_)) {
            dead |= TEMPORARIES;
        } else {
            if effect.leaves {
                dead &= TEMPORARIES;
            }
            if let Some((reg, whole)) = inst.written() {
                let bit = 1u32.checked_shl(reg.into()).unwrap_or(0);
                if dead & bit != 0 && inst.is_pure() {
                    continue;
                }
                dead |= if whole { bit } else { 0 };
            }
            inst.for_reads(|reg| dead &= !1u32.checked_shl(reg.into()).unwrap_or(0));
        }
        kept -= 1;
        live[kept] = wanted;
        if kept != n {
            insts.swap(kept, n);
        }
        wanted = if effect.leaves { flags::ALL } else { wanted & !effect.writes | effect.reads };
    }
    insts.drain(..kept);
    live.drain(..kept);
}
