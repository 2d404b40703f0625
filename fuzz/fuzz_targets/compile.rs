//! Compiling arbitrary bytes and running what came out, in arbitrary states: never
//! a fault of the host's. The first eight bytes of the input choose the state, the
//! rest is code. The same property runs with fixed seeds in
//! `emulator/jit/tests/no_host_fault.rs`.
#![no_main]

#[path = "../../emulator/cpu/tests/common/mod.rs"]
mod common;
#[path = "../../emulator/jit/tests/hostile/mod.rs"]
mod hostile;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Some((seed, code)) = data.split_first_chunk::<8>() {
        hostile::compiled(&code[..code.len().min(512)], u64::from_le_bytes(*seed));
    }
});
