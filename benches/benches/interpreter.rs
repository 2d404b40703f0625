//! Instructions per second of the interpreter on small loops.
#![allow(missing_docs)]

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use glassbox_benches::machine;
use glassbox_cpu::Interpreter;

const COUNT: u64 = 1_000_000;

/// `add rax, rcx; dec rcx; jnz $-6`
const ALU: &[u8] = &[0x48, 0x01, 0xC8, 0x48, 0xFF, 0xC9, 0x75, 0xF8, 0xEB, 0xF6];
/// `mov rdx, [rsi]; add rdx, [rsi+8]; mov [rsi+16], rdx; add rsi, 8; and esi, 0xffff8; or esi, 0x300000; jmp`
const MEMORY: &[u8] = &[
    0x48, 0x8B, 0x16, 0x48, 0x03, 0x56, 0x08, 0x48, 0x89, 0x56, 0x10, 0x48, 0x83, 0xC6, 0x08, 0x81, 0xE6,
    0xF8, 0xFF, 0x0F, 0x00, 0x81, 0xCE, 0x00, 0x00, 0x30, 0x00, 0xEB, 0xE3,
];
/// `call +2; jmp $-5; push rbx; pop rbx; ret`
const CALLS: &[u8] = &[0xE8, 0x02, 0x00, 0x00, 0x00, 0xEB, 0xF9, 0x53, 0x5B, 0xC3];

fn interpreter(c: &mut Criterion) {
    let mut group = c.benchmark_group("interpreter");
    group.throughput(Throughput::Elements(COUNT));
    for (name, code) in [("alu", ALU), ("memory", MEMORY), ("calls", CALLS)] {
        group.bench_function(name, |b| {
            let mut cpu = machine(code);
            let mut engine = Interpreter::new();
            engine.run(&mut cpu, COUNT);
            b.iter(|| engine.run(&mut cpu, COUNT));
        });
    }
    group.bench_function("first-run", |b| {
        b.iter_batched(
            || (machine(ALU), Interpreter::new()),
            |(mut cpu, mut engine)| engine.run(&mut cpu, 1000),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

/// Bytes to ops: a block of 24 instructions that is overwritten each time.
fn decoding(c: &mut Criterion) {
    let code: Vec<u8> = [ALU.get(..6), MEMORY.get(..15), CALLS.get(7..9)]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .concat()
        .repeat(3);
    let mut cpu = machine(&code);
    let mut engine = Interpreter::new();
    let block = engine.block_at(&mut cpu).expect("the code is mapped");
    let (start, count) = (block.start, block.ops.len() as u64);
    let mut group = c.benchmark_group("decoding");
    group.throughput(Throughput::Elements(count));
    group.bench_function("block", |b| {
        b.iter(|| {
            cpu.memory.code_written(start, 1);
            engine.block_at(&mut cpu).map(|block| block.ops.len())
        });
    });
    group.finish();
}

criterion_group!(benches, interpreter, decoding);
criterion_main!(benches);
