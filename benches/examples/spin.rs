//! Runs a small loop, or a program in a flat file that is put at 1 MiB, for a profiler:
//! `cargo run --release --example spin -- 500 jit [FILE]`.

use glassbox_benches::machine;
use glassbox_cpu::{Cpu, Interpreter};
use glassbox_x86_spec::control::Cr4;

/// `add rax, rcx; dec rcx; jnz $-6; jmp $-8`
const LOOP: &[u8] = &[0x48, 0x01, 0xC8, 0x48, 0xFF, 0xC9, 0x75, 0xF8, 0xEB, 0xF6];

#[cfg(all(any(target_arch = "x86_64", target_arch = "aarch64"), any(unix, windows)))]
fn run_compiled(cpu: &mut Cpu, count: u64) {
    let mut jit = glassbox_jit::Jit::new(16 << 20).expect("a code buffer");
    jit.run(cpu, count);
    println!("{:?}", jit.counters());
}

#[cfg(not(all(any(target_arch = "x86_64", target_arch = "aarch64"), any(unix, windows))))]
fn run_compiled(_: &mut Cpu, _: u64) {
    panic!("there is no compiler for this host");
}

fn main() {
    let mut args = std::env::args().skip(1);
    let millions = args.next().and_then(|n| n.parse().ok()).unwrap_or(100);
    let engine = args.next();
    let program = args.next().map(|file| std::fs::read(file).expect("a readable file"));
    let mut cpu = machine(program.as_deref().unwrap_or(LOOP));
    cpu.state.cr4 |= Cr4::OSXSAVE;
    cpu.state.xcr0 = 7;
    cpu.sync();
    let start = std::time::Instant::now();
    if engine.is_some_and(|engine| engine == "jit") {
        run_compiled(&mut cpu, millions * 1_000_000);
    } else {
        Interpreter::new().run(&mut cpu, millions * 1_000_000);
    }
    println!("{:.1} MIPS", millions as f64 / start.elapsed().as_secs_f64());
}
