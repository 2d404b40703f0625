//! Any accesses to the display, pictures between them: no panic, no hang. Each eight
//! bytes of the input are an access. The same property runs with fixed seeds in
//! `devices/display/tests/no_panic.rs`.
#![no_main]

#[path = "../../devices/display/tests/common/mod.rs"]
mod common;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    common::hostile(&data[..data.len().min(4096 * common::STEP)]);
});
