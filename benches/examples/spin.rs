//! Runs a small loop for a profiler: `cargo run --release --example spin -- 500 jit`.

use glassbox_cpu::{Cpu, Interpreter};

/// `add rax, rcx; dec rcx; jnz $-6; jmp $-8`
const LOOP: &[u8] = &[0x48, 0x01, 0xC8, 0x48, 0xFF, 0xC9, 0x75, 0xF8, 0xEB, 0xF6];

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
fn run_compiled(cpu: &mut Cpu, count: u64) {
    let mut jit = glassbox_jit::Jit::new(16 << 20).expect("a code buffer");
    jit.run(cpu, count);
    println!("{:?}", jit.counters());
}

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
fn run_compiled(_: &mut Cpu, _: u64) {
    panic!("there is no compiler for this host");
}

fn main() {
    let mut args = std::env::args().skip(1);
    let millions = args.next().and_then(|n| n.parse().ok()).unwrap_or(100);
    let mut cpu = glassbox_benches::machine(LOOP);
    let start = std::time::Instant::now();
    if args.next().is_some_and(|engine| engine == "jit") {
        run_compiled(&mut cpu, millions * 1_000_000);
    } else {
        Interpreter::new().run(&mut cpu, millions * 1_000_000);
    }
    println!("{:.0} MIPS", millions as f64 / start.elapsed().as_secs_f64());
}
