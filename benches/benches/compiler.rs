//! What translating costs, and what compiled code executes.
#![allow(missing_docs)]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
fn compiler(c: &mut Criterion) {
    use glassbox_benches::{CODE, machine};
    use glassbox_cpu::Interpreter;
    use glassbox_jit::emit::x64::{Emitted, emit, host_supports, thunks::Thunks};
    use glassbox_jit::emit::{Destination, Part, Target};
    use glassbox_jit::ir::Code;
    use glassbox_jit::lift::{Forms, Mode, Source, lift};
    use glassbox_jit::{Jit, opt::optimise};

    /// A function's beginning: pushes, loads, a comparison, SSE, a branch.
    const BLOCK: &[u8] = &[
        0x55, 0x53, 0x48, 0x83, 0xEC, 0x18, 0x48, 0x8B, 0x07, 0x48, 0x8B, 0x4F, 0x08, 0x48, 0x01, 0xC8, 0x48,
        0x89, 0x47, 0x10, 0xF2, 0x0F, 0x10, 0x46, 0x08, 0xF2, 0x0F, 0x58, 0xC1, 0x48, 0x39, 0xC8, 0x74, 0x05,
    ];
    /// `mov rdx, [rsi]; add rdx, [rsi+8]; mov [rsi+16], rdx; add rsi, 8; and esi, 0xffff8;
    /// or esi, 0x300000; jmp`
    const MEMORY: &[u8] = &[
        0x48, 0x8B, 0x16, 0x48, 0x03, 0x56, 0x08, 0x48, 0x89, 0x56, 0x10, 0x48, 0x83, 0xC6, 0x08, 0x81, 0xE6,
        0xF8, 0xFF, 0x0F, 0x00, 0x81, 0xCE, 0x00, 0x00, 0x30, 0x00, 0xEB, 0xE3,
    ];
    const COUNT: u64 = 1_000_000;

    let mut cpu = machine(BLOCK);
    let mut interpreter = Interpreter::new();
    let ops = interpreter.block_at(&mut cpu).expect("the code is mapped").ops.clone();
    let source = Source { bytes: BLOCK, ops: &ops, rip: CODE, mode: Mode::Long };
    let mut forms = Forms::new(host_supports);
    let mut code = Code::default();
    let mut group = c.benchmark_group("compiler");
    group.throughput(Throughput::Elements(ops.len() as u64));
    group.bench_function("lift", |b| b.iter(|| lift(source, &mut forms, &mut code)));
    group.bench_function("lift-and-optimise", |b| {
        b.iter(|| {
            lift(source, &mut forms, &mut code);
            optimise(&mut code);
        });
    });
    group.bench_function("emit", |b| {
        lift(source, &mut forms, &mut code);
        optimise(&mut code);
        let target = Target {
            base: 0x10_0000,
            thunks: Thunks::default(),
            targets: 0x20_0000,
            la57: false,
            number: 1,
            second: None,
            destination: &|_| Destination::Linkable,
        };
        let mut emitted = Emitted::default();
        b.iter(|| {
            emit(&[Part { code: &code, source }], &target, &mut emitted).expect("the block is emitted")
        });
    });
    group.throughput(Throughput::Elements(COUNT));
    group.bench_function("run-memory", |b| {
        let mut cpu = machine(MEMORY);
        let mut jit = Jit::new(1 << 20).expect("a code buffer");
        jit.run(&mut cpu, COUNT);
        b.iter(|| jit.run(&mut cpu, COUNT));
    });
    group.finish();
}

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
fn compiler(_: &mut Criterion) {}

criterion_group!(benches, compiler);
criterion_main!(benches);
