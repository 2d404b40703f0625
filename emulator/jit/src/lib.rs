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

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod cache;
mod dump;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod engine;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod verify;

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
pub use engine::{Jit, JitCounters};
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
pub use verify::Verify;
