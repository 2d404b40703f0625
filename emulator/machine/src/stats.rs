//! Counters of a run.

pub use glassbox_jit::JitStats;
use serde::Serialize;
use std::time::Duration;

/// What the devices were asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DeviceStats {
    /// Reads of I/O ports.
    pub port_reads: u64,
    /// Writes to I/O ports.
    pub port_writes: u64,
    /// Reads of device memory.
    pub mmio_reads: u64,
    /// Writes to device memory.
    pub mmio_writes: u64,
    /// Interrupts that processors acknowledged.
    pub interrupts: u64,
    /// Resets of the machine.
    pub resets: u64,
}

/// What the execution engine did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EngineStats {
    /// Blocks entered.
    pub blocks_run: u64,
    /// Blocks decoded.
    pub blocks_decoded: u64,
    /// Blocks dropped because their code was written.
    pub blocks_invalidated: u64,
}

/// What the software TLB did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TlbStats {
    /// Translations that were looked up in the page tables and kept.
    pub fills: u64,
    /// Flushes, of everything or of one address space.
    pub flushes: u64,
}

/// Why the engine returned to the run loop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ExitStats {
    /// The instruction budget was used up.
    pub budget: u64,
    /// A device or another thread asked.
    pub requested: u64,
    /// HLT.
    pub halted: u64,
    /// Shutdown.
    pub stopped: u64,
    /// Times that the host thread slept.
    pub sleeps: u64,
}

/// Counters of a machine since it was built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Stats {
    /// Instructions retired, exact.
    pub instructions: u64,
    /// Host time inside of the run loop.
    #[serde(skip)]
    pub wall: Duration,
    /// The engine.
    pub engine: EngineStats,
    /// The TLB.
    pub tlb: TlbStats,
    /// The JIT.
    pub jit: JitStats,
    /// Exits of the engine by kind.
    pub exits: ExitStats,
    /// The devices.
    pub devices: DeviceStats,
}
