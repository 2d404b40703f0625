//! Runs a small loop for a profiler: `cargo run --release --example spin -- 500 jit`.

use glassbox_cpu::Interpreter;
use glassbox_jit::Jit;

fn main() {
    let mut args = std::env::args().skip(1);
    let millions = args.next().and_then(|n| n.parse().ok()).unwrap_or(100);
    let jit = args.next().is_some_and(|engine| engine == "jit");
    let mut cpu = glassbox_benches::machine(&[0x48, 0x01, 0xC8, 0x48, 0xFF, 0xC9, 0x75, 0xF8, 0xEB, 0xF6]);
    let start = std::time::Instant::now();
    let mut engine = Jit::new(16 << 20).expect("a code buffer");
    if jit {
        engine.run(&mut cpu, millions * 1_000_000);
    } else {
        Interpreter::new().run(&mut cpu, millions * 1_000_000);
    }
    println!(
        "{:.0} MIPS {:x?} {:?}",
        millions as f64 / start.elapsed().as_secs_f64(),
        &cpu.state.regs[..2],
        engine.counters()
    );
}
