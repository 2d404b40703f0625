//! Which status flags matter behind each step.

use crate::ir::{Code, flags};

/// Fills [`Code::live`]. At the block's end all flags matter: the next block may
/// be interrupted before its first instruction, which then pushes them.
pub fn flags(code: &mut Code) {
    code.live.clear();
    code.live.resize(code.insts.len(), 0);
    let mut live = flags::ALL;
    for (inst, after) in code.insts.iter().zip(&mut code.live).rev() {
        *after = live;
        let effect = inst.effect();
        live = live & !effect.writes | effect.reads;
        if effect.leaves {
            live = flags::ALL;
        }
    }
}
