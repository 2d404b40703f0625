//! What the compiler counts.

use serde::Serialize;

/// What the compiler did; all zero without one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct JitStats {
    /// Blocks compiled.
    pub blocks: u64,
    /// Guest instructions in them.
    pub instructions: u64,
    /// Of those, how many call the interpreter's function.
    pub interpreted: u64,
    /// Host bytes emitted.
    pub bytes: u64,
    /// Nests of loops, each of several blocks that were compiled once more together.
    pub nests: u64,
    /// Jumps patched to lead straight to their target.
    pub links: u64,
    /// Blocks dropped because their code was overwritten.
    pub invalidations: u64,
    /// Times all code was dropped, for another width of linear addresses.
    pub flushes: u64,
    /// Times the oldest code made room for new code.
    pub evictions: u64,
    /// Times that compiled code was entered from the run loop.
    pub entries: u64,
    /// Guest instructions that retired in compiled blocks, those among them that
    /// call the interpreter included.
    pub retired: u64,
    /// Blocks compared with the interpreter, by the engine that does that.
    pub compared: u64,
    /// Seconds spent compiling.
    pub compile_s: f64,
}
