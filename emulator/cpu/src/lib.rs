//! The logical processor: architectural state, decoding, MMU, exceptions,
//! interrupts and the interpreter.
//!
//! Start at [`Cpu`] (state and memory access), [`Op`] (what a decoded
//! instruction is) and [`Interpreter`] (how ops are run).

mod block;
mod bus;
mod code_key;
pub mod compiled;
mod cpu;
pub mod cpuid;
mod debug;
mod decode;
mod delivery;
mod event;
mod exception;
mod flags;
mod id_table;
mod interp;
mod mmu;
mod mode;
mod msr;
mod op;
mod peek;
mod segment;
mod state;
#[cfg(test)]
mod testing;
mod transfer;

pub use block::Block;
pub use bus::{CpuBus, CpuSignals, MmioString, OpenBus};
pub use cpu::{Cpu, FaultRecord, Observer};
pub use cpuid::{CpuModel, Topology};
pub use exception::Exception;
pub use flags::LazyFlags;
pub use id_table::{IdTable, hash};
pub use interp::{Exit, HotCode, Interpreter, is_implemented};
pub use mode::Mode;
pub use op::{Handler, Op};
pub use state::*;
