//! Tier 1: compiles hot blocks to host code.
//!
//! [`Jit`] wraps the interpreter and takes over blocks that were entered often.
//! [`lift`] turns their instructions into the linear form of [`ir`], [`opt`] finds
//! out which flags and registers matter and which accesses share a TLB lookup, and
//! [`emit`] makes host code of it. What has no lowering, and every access that the
//! TLB does not answer, calls the interpreter's function for that instruction,
//! which also raises whatever there is to raise: compiled code changes nothing
//! before.

// What `dynasm!` expands to converts numbers that are of the right type already.
#![allow(clippy::useless_conversion)]

pub mod emit;
pub mod ir;
pub mod lift;
pub mod opt;

#[cfg(all(any(target_arch = "x86_64", target_arch = "aarch64"), any(unix, windows)))]
mod cache;
mod counters;
#[cfg(all(any(target_arch = "x86_64", target_arch = "aarch64"), any(unix, windows)))]
mod dump;
#[cfg(all(any(target_arch = "x86_64", target_arch = "aarch64"), any(unix, windows)))]
mod engine;
#[cfg(all(any(target_arch = "x86_64", target_arch = "aarch64"), any(unix, windows)))]
mod host;
#[cfg(all(any(target_arch = "x86_64", target_arch = "aarch64"), any(unix, windows)))]
mod verify;

/// On a host without a back end.
#[cfg(not(all(any(target_arch = "x86_64", target_arch = "aarch64"), any(unix, windows))))]
#[path = "none.rs"]
mod engine;
#[cfg(not(all(any(target_arch = "x86_64", target_arch = "aarch64"), any(unix, windows))))]
use engine as verify;

pub use counters::JitStats;
pub use engine::Jit;
pub use verify::Verify;
