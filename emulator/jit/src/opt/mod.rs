//! What is known of a block as a whole: which flags and registers matter behind
//! each step, and which memory accesses can share a TLB lookup.

mod liveness;
mod sharing;

#[cfg(test)]
mod tests;

pub use sharing::SLOTS;

use crate::ir::Code;

/// Optimises a block and fills [`Code::live`].
pub fn optimise(code: &mut Code) {
    liveness::find(code);
    sharing::share(&mut code.insts);
}
