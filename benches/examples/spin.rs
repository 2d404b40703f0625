//! Runs a small loop for a profiler: `cargo run --release --example spin -- 500`.

use glassbox_cpu::Interpreter;

fn main() {
    let millions = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(100);
    let mut cpu = glassbox_benches::machine(&[0x48, 0x01, 0xC8, 0x48, 0xFF, 0xC9, 0x75, 0xF8, 0xEB, 0xF6]);
    let start = std::time::Instant::now();
    Interpreter::new().run(&mut cpu, millions * 1_000_000);
    println!("{:.0} MIPS", millions as f64 / start.elapsed().as_secs_f64());
}
