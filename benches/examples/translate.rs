//! What translating a program's code costs, by stages, and what becomes of it:
//! `cargo run --release --example translate -- CODE`, code as `objcopy -O binary -j .text`
//! leaves it.

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
fn main() {
    use glassbox_benches::{CODE, machine};
    use glassbox_cpu::Interpreter;
    use glassbox_jit::emit::x64::{Emitted, emit, host_supports, thunks::Thunks};
    use glassbox_jit::emit::{Destination, Part, Target};
    use glassbox_jit::ir::Code;
    use glassbox_jit::lift::{Forms, Mode, Source, lift};
    use glassbox_jit::opt::optimise;
    use std::time::{Duration, Instant};

    let path = std::env::args().nth(1).expect("a file of code");
    let mut bytes = std::fs::read(path).expect("the file is read");
    bytes.truncate(768 << 10);
    let mut cpu = machine(&bytes);
    let mut interpreter = Interpreter::new();
    let mut blocks = Vec::new();
    let mut at = 0;
    while at + 32 < bytes.len() {
        cpu.state.rip = CODE + at as u64;
        cpu.sync();
        match interpreter.block_at(&mut cpu) {
            Ok(block) => {
                let ops = block.ops.clone();
                let len = block.code_bytes() as usize;
                blocks.push((at, len, ops));
                at += len;
            }
            Err(_) => at += 1,
        }
    }
    let instructions: usize = blocks.iter().map(|(_, _, ops)| ops.len()).sum();
    println!("{} blocks, {instructions} instructions", blocks.len());
    let mut forms = Forms::new(host_supports);
    let mut code = Code::default();
    let mut best = [Duration::MAX; 3];
    let mut host = 0;
    let mut emitted = Emitted::default();
    for _ in 0..15 {
        let mut spent = [Duration::ZERO; 3];
        host = 0;
        for (at, len, ops) in &blocks {
            let rip = *at as u64 & 0xFFF;
            let source = Source { bytes: &bytes[*at..at + len], ops, rip, mode: Mode::Long };
            let t0 = Instant::now();
            lift(source, &mut forms, &mut code);
            let t1 = Instant::now();
            optimise(&mut code);
            let t2 = Instant::now();
            let target = Target {
                base: 0x10_0000,
                thunks: Thunks::default(),
                targets: 0x20_0000,
                la57: false,
                number: 1,
                second: None,
                destination: &|to| {
                    if to >> 12 == 0 { Destination::Linkable } else { Destination::Far }
                },
            };
            emit(&[Part { code: &code, source }], &target, &mut emitted).expect("the block is emitted");
            let t3 = Instant::now();
            host += emitted.code.len();
            for (sum, one) in spent.iter_mut().zip([t1 - t0, t2 - t1, t3 - t2]) {
                *sum += one;
            }
        }
        for (best, spent) in best.iter_mut().zip(spent) {
            *best = (*best).min(spent);
        }
    }
    for (what, spent) in ["lift", "optimise", "emit"].iter().zip(best) {
        println!("{what:<9} {:.0} ns an instruction", spent.as_nanos() as f64 / instructions as f64);
    }
    println!("{:.1} bytes an instruction", host as f64 / instructions as f64);
}

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
fn main() {}
