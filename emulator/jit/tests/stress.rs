//! What is hardest on compiled code: programs that rewrite themselves, interrupts
//! and breakpoints anywhere, a code buffer that is too small. Whatever happens, the
//! outcome is the interpreter's.
#![cfg(all(any(target_arch = "x86_64", target_arch = "aarch64"), any(unix, windows)))]

mod programs;

use glassbox_cpu::{Cpu, Interpreter};
use glassbox_jit::{Jit, Verify};
use glassbox_oracle::rng::Rng;
use programs::{Program, breakpoints, interrupts, outcome, prepare};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Random programs of each kind, with `GLASSBOX_FULL_TESTS`, and with
/// `GLASSBOX_QUICK_TESTS`, on emulated hosts.
fn programs() -> u64 {
    let given = |name| std::env::var_os(name).is_some();
    if given("GLASSBOX_FULL_TESTS") {
        2000
    } else if given("GLASSBOX_QUICK_TESTS") {
        10
    } else {
        60
    }
}

/// Runs until the program waits at its end.
fn to_the_end(cpu: &mut Cpu, end: u64, mut run: impl FnMut(&mut Cpu)) {
    for _ in 0..1_000_000 {
        run(cpu);
        if cpu.state.rip == end {
            return;
        }
    }
    panic!("the program does not end: RIP is {:#x}", cpu.state.rip);
}

#[test]
fn programs_that_rewrite_themselves_run_as_written() {
    let (mut compiled, mut nests) = (0, 0);
    for seed in 0..programs() {
        let mut rng = Rng::new(seed);
        let program = Program::that_rewrites_itself(&mut rng);
        let budget = 800 * program.instructions;
        let mut expected = prepare(&program);
        Interpreter::new().run(&mut expected, budget);
        // One stretch, many with nests compiled at once, a small buffer, and in lock-step.
        let mut got = prepare(&program);
        let mut jit = Jit::new(1 << 20).expect("a code buffer");
        jit.run(&mut got, budget);
        assert_eq!(outcome(&got), outcome(&expected), "seed {seed}");
        compiled += u64::from(jit.counters().invalidations > 0);
        for mut jit in [Jit::eager(1 << 20), Jit::new(0)].map(|jit| jit.expect("a code buffer")) {
            let mut got = prepare(&program);
            while got.state.retired < budget {
                let some = (1 + rng.below(500)).min(budget - got.state.retired);
                jit.run(&mut got, some);
            }
            assert_eq!(outcome(&got), outcome(&expected), "seed {seed} in stretches");
            nests += jit.counters().nests;
        }
        let mut got = prepare(&program);
        let mut engine = Verify::new(1 << 20).expect("a code buffer");
        engine.run(&mut got, budget);
        assert_eq!(engine.difference(), None, "seed {seed}");
        assert_eq!(outcome(&got), outcome(&expected), "seed {seed} in lock-step");
    }
    assert!(compiled > programs() / 4, "only {compiled} programs overwrote compiled code");
    assert!(nests > programs() / 2 || !cfg!(target_arch = "x86_64"), "only {nests} nests were compiled");
}

#[test]
fn interrupts_at_any_boundary_are_taken_where_the_interpreter_takes_them() {
    let mut taken = 0;
    for seed in 0..programs() {
        let mut rng = Rng::new(seed ^ 0x5EED);
        let program = Program::of_many_blocks(&mut rng);
        let (mut expected, mut got) = (prepare(&program), prepare(&program));
        let mut interpreter = Interpreter::new();
        let jit = if seed % 2 == 0 { Jit::new(1 << 20) } else { Jit::eager(1 << 20) };
        let mut jit = jit.expect("a code buffer");
        for _ in 0..400 {
            let most = rng.pick(&[3, 30, 300]);
            let some = 1 + rng.below(most);
            if rng.one_in(2) {
                expected.signals.raise_nmi();
                got.signals.raise_nmi();
            }
            interpreter.run(&mut expected, some);
            jit.run(&mut got, some);
            assert_eq!(got.state.rip, expected.state.rip, "seed {seed}");
        }
        assert_eq!(outcome(&got), outcome(&expected), "seed {seed}");
        assert!(jit.counters().entries > 0, "seed {seed} was never compiled");
        taken += interrupts(&expected);
    }
    assert!(taken > 20 * programs(), "only {taken} interrupts were taken");
}

#[test]
fn interrupts_from_another_thread_change_nothing_but_their_own_counter() {
    let mut taken = 0;
    for seed in 0..programs() / 10 {
        let mut rng = Rng::new(seed ^ 0x7412EAD);
        let program = Program::of_many_blocks(&mut rng);
        let (mut expected, mut got) = (prepare(&program), prepare(&program));
        for cpu in [&mut expected, &mut got] {
            cpu.state.regs[15] = 100_000;
        }
        let mut interpreter = Interpreter::new();
        to_the_end(&mut expected, program.end, |cpu| _ = interpreter.run(cpu, 1000));
        let [begun, done] = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
        let thread = {
            let (signals, begun, done) = (Arc::clone(&got.signals), Arc::clone(&begun), Arc::clone(&done));
            std::thread::spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    signals.raise_nmi();
                    begun.store(true, Ordering::Relaxed);
                    std::thread::yield_now();
                }
            })
        };
        // A busy host may start it late.
        while !begun.load(Ordering::Relaxed) {
            std::thread::yield_now();
        }
        let mut jit = Jit::eager(1 << 20).expect("a code buffer");
        to_the_end(&mut got, program.end, |cpu| _ = jit.run(cpu, 1000));
        done.store(true, Ordering::Relaxed);
        thread.join().expect("the thread ends");
        taken += interrupts(&got);
        // The handler's instructions count, and how often the last jump was taken.
        got.state.retired = expected.state.retired;
        assert_eq!(outcome(&got), outcome(&expected), "seed {seed}");
    }
    assert!(taken > 0, "no interrupt was taken");
}

#[test]
fn breakpoints_set_and_cleared_while_hot_are_hit_as_often_as_interpreted() {
    let mut hits = 0;
    for seed in 0..programs() {
        let mut rng = Rng::new(seed ^ 0xB4EA);
        let program = Program::of_many_blocks(&mut rng);
        let (mut expected, mut got) = (prepare(&program), prepare(&program));
        let mut interpreter = Interpreter::new();
        let mut jit = Jit::eager(1 << 20).expect("a code buffer");
        for _ in 0..60 {
            // Execution, or a store to the program's data; half of the time none.
            let (at, bits) = match rng.below(4) {
                0 => (rng.pick(&program.starts), 0x402),
                1 => (programs::DATA + 8 * rng.below(8), 0x9_0402),
                _ => (0, 0x400),
            };
            for cpu in [&mut expected, &mut got] {
                cpu.state.dr[0] = at;
                cpu.state.dr[7] = bits;
                cpu.sync();
            }
            let some = 200 + rng.below(2000);
            interpreter.run(&mut expected, some);
            jit.run(&mut got, some);
        }
        assert_eq!(outcome(&got), outcome(&expected), "seed {seed}");
        assert_eq!(got.state.dr, expected.state.dr, "seed {seed}");
        assert!(jit.counters().entries > 0, "seed {seed} was never compiled");
        hits += breakpoints(&expected);
    }
    assert!(hits > 10 * programs(), "only {hits} breakpoints were hit");
}

#[test]
fn a_code_buffer_that_is_too_small_is_used_again_and_again() {
    for seed in 0..programs() / 10 {
        let mut rng = Rng::new(seed ^ 0xF111);
        let program = Program::with_many_functions(&mut rng);
        let (mut expected, mut got) = (prepare(&program), prepare(&program));
        for cpu in [&mut expected, &mut got] {
            cpu.state.regs[15] = 40_000;
        }
        let mut jit = Jit::new(0).expect("a code buffer");
        Interpreter::new().run(&mut expected, 1_500_000);
        jit.run(&mut got, 1_500_000);
        assert_eq!(outcome(&got), outcome(&expected), "seed {seed}");
        let counters = jit.counters();
        assert!(counters.evictions > 2, "seed {seed}: {counters:?}");
        assert!(counters.retired > 500_000, "seed {seed}: {counters:?}");
    }
}
