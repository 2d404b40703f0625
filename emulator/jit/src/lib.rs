//! Tier 1: compiles hot blocks of 64-bit code to x86-64 host code.
//!
//! [`Jit`] wraps the interpreter and takes over blocks that were entered often.
//! Guest registers RAX to R10 live in host registers for the whole time in
//! compiled code, the guest's status flags in the host's between neighbouring
//! instructions. An instruction without a lowering, and every access that the
//! TLB does not answer, calls the interpreter's function for that op, which
//! also raises whatever there is to raise: compiled code changes nothing before.

// What `dynasm!` expands to converts numbers that are of the right type already.
#![allow(clippy::useless_conversion)]

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod buffer;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod emitter;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod engine;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod lower;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod map;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod plan;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod thunks;

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
pub use engine::{Jit, JitCounters};
