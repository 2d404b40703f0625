//! The silicon oracle: random instructions in random states, executed by our
//! processor and by the host's, and compared bit by bit: registers, flags, the
//! x87 and vector state, memory, faults with their error codes.
//!
//! The host's side needs x86-64 Linux; elsewhere only our side is there, which
//! runs the cases in data files, too. It is one of the few crates with `unsafe`:
//! running arbitrary instruction bytes cannot be anything else. All of it is in
//! `native`.
//!
//! Start at `Session` and [`emulated::Emulated`]. `cargo xtask oracle` runs it at
//! length.

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub mod campaign;
pub mod case;
pub mod compare;
pub mod data;
pub mod emit;
pub mod emulated;
pub mod encode;
pub mod forms;
pub mod generate;
pub mod layout;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub mod native;
pub mod report;
pub mod rng;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod session;
pub mod shrink;
pub mod user;
pub mod values;

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub use session::Session;

/// Whether the host's undefined flags, and other things that manuals leave to
/// the processor, are those that we imitate.
#[cfg(target_arch = "x86_64")]
pub fn host_is_amd() -> bool {
    let leaf = std::arch::x86_64::__cpuid(0);
    (leaf.ebx, leaf.edx, leaf.ecx) == (0x6874_7541, 0x6974_6E65, 0x444D_4163)
}
