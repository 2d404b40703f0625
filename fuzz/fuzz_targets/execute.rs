//! Decoding and executing arbitrary bytes in arbitrary states: no panic, no hang.
//! The first eight bytes of the input choose the state, the rest is code. The same
//! property runs with fixed seeds in `emulator/cpu/tests/no_panic.rs`.
#![no_main]

#[path = "../../emulator/cpu/tests/common/mod.rs"]
mod common;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Some((seed, code)) = data.split_first_chunk::<8>() {
        common::hostile(&code[..code.len().min(512)], u64::from_le_bytes(*seed));
    }
});
