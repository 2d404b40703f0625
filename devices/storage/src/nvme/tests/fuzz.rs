//! Whatever a guest does, the controller neither panics nor hangs.

use glassbox_testkit::{Rng, check_save_restore_mmio, fuzz_mmio_device};

use super::*;

fn started(bench: &Bench) -> Bar {
    let memory = GuestMemory::new(RAM).unwrap();
    let mut rng = Rng::new(7);
    // Queues full of commands, most of them nearly right.
    let bytes: Vec<u8> = (0..RAM / 64).flat_map(|_| random_command(&mut rng).bytes()).collect();
    memory.write_bytes(Gpa(0), &bytes[..0xa_0000]).unwrap();
    memory.write_bytes(Gpa(0x10_0000), &bytes[0x10_0000..]).unwrap();
    let mut bar = device(bench, &memory, &disk());
    bar.write32(0x24, 0x00ff_00ff);
    bar.write64(0x28, ASQ);
    bar.write64(0x30, 0x4_0000);
    bar.write32(0x14, 0x0046_0001);
    bar
}

fn random_command(rng: &mut Rng) -> Sqe {
    let opcodes = [0, 1, 2, 4, 5, 6, 8, 9, 0xa, 0xc, 0x80];
    let address = |rng: &mut Rng| match rng.below(8) {
        0 => rng.value(),
        1 => rng.below(RAM) & !7,
        _ => rng.below(RAM) & !0xfff,
    };
    let mut sqe = sqe(opcodes[rng.below(opcodes.len() as u64) as usize]);
    if rng.one_in(16) {
        sqe = sqe.with(rng.below(16) as usize, rng.value() as u32);
    }
    let id = rng.below(64) as u32;
    let (first, second) = (address(rng), address(rng));
    sqe = sqe.with(0, sqe.0[0] | id << 16).prp(first, second);
    let small = |rng: &mut Rng| if rng.one_in(4) { rng.value() as u32 } else { rng.below(8) as u32 };
    let queue = (rng.below(40) as u32) << 16 | rng.below(4) as u32;
    sqe.with(10, if rng.one_in(2) { queue } else { small(rng) })
        .with(11, (rng.below(4) as u32) << 16 | rng.below(4) as u32)
        .with(12, if rng.one_in(2) { rng.below(2048) as u32 } else { small(rng) })
}

#[test]
fn generic_fuzz() {
    fuzz_mmio_device(BAR_SIZE, started);
}

#[test]
fn saved_state_is_complete() {
    // Commands see memory, which is no part of the saved state: it is empty here.
    check_save_restore_mmio(BAR_SIZE, |bench| {
        let memory = GuestMemory::new(1 << 20).unwrap();
        device(bench, &memory, &disk())
    });
}

#[test]
fn random_commands_are_answered_or_refused() {
    for seed in 0..20 {
        let bench = Bench::new();
        let mut bar = started(&bench);
        let mut rng = Rng::new(seed);
        for _ in 0..2000 {
            let queue = rng.below(6);
            let value = rng.below(64);
            match rng.below(12) {
                0..6 => bar.write32(0x1000 + 8 * queue, value as u32),
                6..10 => bar.write32(0x1004 + 8 * queue, value as u32),
                10 => {
                    bench.pass(VmTime(10_000));
                    bar.advance(bench.now());
                }
                _ => bar.0.poll_host(),
            }
            if rng.one_in(200) || bar.read32(0x1c) & 2 != 0 {
                bar.write32(0x14, 0);
                bar.write32(0x14, 0x0046_0001);
            }
            assert!(bar.0.in_flight.len() <= MAX_IN_FLIGHT + 40);
        }
        let saved = bar.save();
        bar.restore(saved).unwrap();
    }
}

#[test]
fn hostile_saved_states_are_refused() {
    let mut pc = Pc::new();
    let good = pc.bar.save();
    let changed = |change: &dyn Fn(&mut State)| {
        let mut bad = pc.bar.save();
        change(&mut bad.state);
        bad
    };
    let bad = [
        changed(&|s| s.page = 3),
        changed(&|s| s.page = 1 << 20),
        changed(&|s| {
            s.submissions.insert(40, SubmissionQueue::new(0, 8, 0));
        }),
        changed(&|s| {
            s.submissions.insert(1, SubmissionQueue::new(0, 1, 0));
        }),
        changed(&|s| {
            s.completions.insert(1, CompletionQueue::new(0, 1 << 20, None));
        }),
        changed(&|s| {
            s.completions.insert(1, CompletionQueue::new(0, 8, Some(33)));
        }),
    ];
    for bad in bad {
        assert!(pc.bar.restore(bad).is_err());
    }
    pc.bar.restore(good).unwrap();
}
