//! What memory accesses cost: the TLB hit, missed and flushed, and accesses that
//! cross a page, by both engines.
#![allow(missing_docs)]

use criterion::{
    BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime,
};
use glassbox_benches::machine;
use glassbox_cpu::{Cpu, Interpreter};

const COUNT: u64 = 1_000_000;

/// `mov rdx, [rsi]; add rdx, [rsi+64]; mov [rsi+128], rdx; jmp`: one page.
const HIT: &[u8] =
    &[0x48, 0x8B, 0x16, 0x48, 0x03, 0x56, 0x40, 0x48, 0x89, 0x96, 0x80, 0x00, 0x00, 0x00, 0xEB, 0xF0];
/// `mov rdx, [rsi]; add esi, 4096; and esi, 3FFFFFFh; jmp`: more pages than the TLB holds.
const MISS: &[u8] =
    &[0x48, 0x8B, 0x16, 0x81, 0xC6, 0x00, 0x10, 0x00, 0x00, 0x81, 0xE6, 0xFF, 0xFF, 0xFF, 0x03, 0xEB, 0xEF];
/// `mov rdx, [rsi]; invlpg [rsi]; jmp`: the page walked anew each time.
const FLUSHED: &[u8] = &[0x48, 0x8B, 0x16, 0x0F, 0x01, 0x3E, 0xEB, 0xF8];
/// `mov rdx, [rsi+0FFCh]; jmp`: across a page.
const SPLIT: &[u8] = &[0x48, 0x8B, 0x96, 0xFC, 0x0F, 0x00, 0x00, 0xEB, 0xF7];

const PROGRAMS: [(&str, &[u8]); 4] = [("hit", HIT), ("miss", MISS), ("flushed", FLUSHED), ("split", SPLIT)];

fn measure(group: &mut BenchmarkGroup<'_, WallTime>, engine: &str, mut run: impl FnMut(&mut Cpu, bool)) {
    for (name, code) in PROGRAMS {
        group.bench_function(format!("{name}-{engine}"), |b| {
            let mut cpu = machine(code);
            cpu.state.regs[6] = 0x40_0000;
            run(&mut cpu, true);
            b.iter(|| run(&mut cpu, false));
        });
    }
}

fn memory(c: &mut Criterion) {
    let mut group = c.benchmark_group("memory");
    group.throughput(Throughput::Elements(COUNT));
    let mut interpreter = Interpreter::new();
    measure(&mut group, "interpreted", |cpu, anew| {
        if anew {
            interpreter = Interpreter::new();
        }
        interpreter.run(cpu, COUNT);
    });
    // There is no compiler for every host.
    if let Ok(mut jit) = glassbox_jit::Jit::new(1 << 20) {
        measure(&mut group, "compiled", |cpu, anew| {
            if anew && let Ok(new) = glassbox_jit::Jit::new(1 << 20) {
                jit = new;
            }
            jit.run(cpu, COUNT);
        });
    }
    group.finish();
}

criterion_group!(benches, memory);
criterion_main!(benches);
