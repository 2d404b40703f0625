//! Comparisons with the processor the tests run on.
#![cfg(target_arch = "x86_64")]
#![allow(unsafe_code)]

mod random;
mod sse;
mod transcendental;
mod x87;
