//! What the compiler counts.

use std::time::Duration;

/// What the compiler did.
#[derive(Clone, Copy, Debug, Default)]
pub struct JitCounters {
    /// Blocks compiled.
    pub blocks: u64,
    /// Guest instructions in them.
    pub instructions: u64,
    /// Of those, how many call the interpreter.
    pub interpreted: u64,
    /// Host bytes emitted.
    pub bytes: u64,
    /// Jumps patched to lead straight to their target.
    pub links: u64,
    /// Blocks dropped because their code was overwritten.
    pub invalidations: u64,
    /// Times the code buffer was full and emptied.
    pub flushes: u64,
    /// Times that compiled code was entered from the run loop.
    pub entries: u64,
    /// Guest instructions that retired in compiled blocks.
    pub retired: u64,
    /// Time spent compiling.
    pub time: Duration,
}
