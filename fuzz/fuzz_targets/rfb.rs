//! Clients of the VNC server that say arbitrary bytes: no panic, and the next client is
//! served. The first byte of the input says how much of a proper handshake comes
//! before. The same property runs bounded in `devices/backends/display/tests/hostile.rs`.
#![no_main]

#[path = "../../devices/backends/display/tests/common/mod.rs"]
mod common;

use libfuzzer_sys::fuzz_target;
use std::sync::OnceLock;

fuzz_target!(|data: &[u8]| {
    static SERVER: OnceLock<(glassbox_screen::VncServer, glassbox_screen::Screen)> = OnceLock::new();
    let (server, _) = SERVER.get_or_init(|| common::server(None));
    if let Some((greeting, bytes)) = data.split_first() {
        common::hostile(server, usize::from(greeting % 15), bytes);
        common::is_well(server);
    }
});
