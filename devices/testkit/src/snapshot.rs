//! Generic check of saved state: a restored device is the device that was saved.

use std::fmt::Debug;

use glassbox_device_api::{Device, Mmio, PortIo, SaveRestore};

use crate::fuzz::{mmio_access, pass_time, port_access};
use crate::{Bench, Rng, run_until};

const RUNS: u64 = 24;
const STEPS: usize = 400;

/// Saves a device in a random state, restores it into another that was driven
/// elsewhere, and then drives both alike by port accesses in `0..window`.
///
/// # Panics
/// When the restored device saves differently, leaves its lines at other levels,
/// or later reads, signals or schedules anything else than the first.
pub fn check_save_restore_ports<D: Device + PortIo + SaveRestore>(window: u16, build: impl Fn(&Bench) -> D) {
    check(build, |device, rng| port_access(device, rng, window));
}

/// As [`check_save_restore_ports`] by aligned memory accesses in `0..window`.
///
/// # Panics
/// As [`check_save_restore_ports`].
pub fn check_save_restore_mmio<D: Device + Mmio + SaveRestore>(window: u64, build: impl Fn(&Bench) -> D) {
    check(build, |device, rng| mmio_access(device, rng, window));
}

fn check<D: Device + SaveRestore>(
    build: impl Fn(&Bench) -> D,
    mut access: impl FnMut(&mut D, &mut Rng) -> u64,
) {
    for seed in 0..RUNS {
        let (bench, other_bench) = (Bench::new(), Bench::new());
        let (mut device, mut other) = (build(&bench), build(&other_bench));
        let mut rng = Rng::new(seed);
        for _ in 0..rng.below(STEPS as u64) {
            drive(&bench, &mut device, &mut rng, &mut access);
        }
        let saved = device.save();
        let name = device.name();

        // The other device is driven elsewhere, in the time that has passed already.
        let mut other_rng = Rng::new(!seed);
        for _ in 0..STEPS {
            access(&mut other, &mut other_rng);
        }
        run_until_late(&other_bench, &mut other, &bench);
        other.restore(saved.clone()).unwrap_or_else(|error| panic!("{name}, seed {seed}: {error}"));
        same(name, seed, "state", &other.save(), &saved);
        device
            .restore(saved.clone())
            .unwrap_or_else(|error| panic!("{name}, seed {seed}, into itself: {error}"));
        same(name, seed, "state restored into itself", &device.save(), &saved);
        same(name, seed, "asserted lines", &other_bench.asserted(), &bench.asserted());
        bench.take();
        other_bench.take();

        let mut other_rng = rng.clone();
        for _ in 0..STEPS {
            let read = drive(&bench, &mut device, &mut rng, &mut access);
            let other_read = drive(&other_bench, &mut other, &mut other_rng, &mut access);
            same(name, seed, "value read", &other_read, &read);
            same(name, seed, "signals", &other_bench.take(), &bench.take());
            same(name, seed, "deadline", &other.next_deadline(), &device.next_deadline());
        }
        same(name, seed, "state in the end", &other.save(), &device.save());
    }
}

fn drive<D: Device>(
    bench: &Bench,
    device: &mut D,
    rng: &mut Rng,
    access: &mut impl FnMut(&mut D, &mut Rng) -> u64,
) -> u64 {
    if rng.one_in(8) {
        pass_time(bench, device, rng);
        0
    } else {
        access(device, rng)
    }
}

/// Brings `bench` to the time of `to` in one late call: its deadlines may be many.
fn run_until_late(bench: &Bench, device: &mut dyn Device, to: &Bench) {
    bench.set_time(to.now());
    run_until(bench, device, to.now());
}

fn same<T: PartialEq + Debug>(device: &str, seed: u64, what: &str, restored: &T, original: &T) {
    assert!(
        restored == original,
        "{device}, seed {seed}: {what} differs\nrestored {restored:?}\noriginal {original:?}"
    );
}
