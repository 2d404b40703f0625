//! Bit layouts, MSR numbers, vectors and CPUID leaves of the x86-64
//! architecture: names and numbers, no logic.
#![no_std]

pub mod control;
pub mod msr;
pub mod paging;
pub mod segment;
pub mod vector;
