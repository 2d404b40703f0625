//! Generic fuzz: whatever a guest does to a device, it neither panics nor stalls time.

use glassbox_device_api::{AccessSize, Device, Mmio, PortIo, ResetKind, VmTime};

use crate::bench::serve;
use crate::{Bench, Rng};

/// Independent runs, each from a fresh device.
const RUNS: u64 = 32;
/// Accesses and time steps of one run.
const STEPS: usize = 2_000;
/// Deadlines served within one time step at most; a fast timer may have many.
const DEADLINES_PER_STEP: usize = 200;

/// Drives the device that `build` makes with random port accesses in `0..window`,
/// time steps and resets.
///
/// # Panics
/// When the device panics, answers with bits beyond the width of the access, or
/// has a deadline that stays due after [`Device::advance`].
pub fn fuzz_port_device<D: Device + PortIo>(window: u16, build: impl Fn(&Bench) -> D) {
    fuzz(build, |device, rng| {
        port_access(device, rng, window);
    });
}

/// Drives the device that `build` makes with random accesses in `0..window`,
/// aligned to their size, time steps and resets.
///
/// # Panics
/// As [`fuzz_port_device`].
pub fn fuzz_mmio_device<D: Device + Mmio>(window: u64, build: impl Fn(&Bench) -> D) {
    fuzz(build, |device, rng| {
        mmio_access(device, rng, window);
    });
}

fn fuzz<D: Device>(build: impl Fn(&Bench) -> D, mut access: impl FnMut(&mut D, &mut Rng)) {
    for seed in 0..RUNS {
        let bench = Bench::new();
        let mut device = build(&bench);
        let mut rng = Rng::new(seed);
        for _ in 0..STEPS {
            match rng.below(64) {
                0 => device.reset(if rng.one_in(2) { ResetKind::Cold } else { ResetKind::Warm }),
                1..12 => pass_time(&bench, &mut device, &mut rng),
                _ => access(&mut device, &mut rng),
            }
        }
    }
}

/// One random access; returns what was read (0 for a write).
pub(crate) fn port_access(device: &mut impl PortIo, rng: &mut Rng, window: u16) -> u64 {
    let size = rng.size(AccessSize::Dword);
    let offset = rng.below(window.into()) as u16;
    if rng.one_in(2) {
        let value = u64::from(device.port_read(offset, size));
        assert_eq!(value & !size.mask(), 0, "read of {offset:#x} is wider than {size:?}");
        value
    } else {
        device.port_write(offset, size, (rng.value() & size.mask()) as u32);
        0
    }
}

/// One random access; returns what was read (0 for a write).
pub(crate) fn mmio_access(device: &mut impl Mmio, rng: &mut Rng, window: u64) -> u64 {
    let size = rng.size(AccessSize::Qword);
    let offset = rng.below(window) & !(size.bytes() - 1);
    if rng.one_in(2) {
        let value = device.mmio_read(offset, size);
        assert_eq!(value & !size.mask(), 0, "read of {offset:#x} is wider than {size:?}");
        value
    } else {
        device.mmio_write(offset, size, rng.value() & size.mask());
        0
    }
}

/// Lets a random span pass. Mostly deadline by deadline; sometimes the machine
/// was late (stopped by its host) and the device has to catch up in one call.
pub(crate) fn pass_time(bench: &Bench, device: &mut dyn Device, rng: &mut Rng) {
    let end = bench.now() + VmTime(rng.span_ns());
    if rng.one_in(4) {
        bench.set_time(end);
        serve(bench, device);
        return;
    }
    for _ in 0..DEADLINES_PER_STEP {
        let Some(due) = device.next_deadline().filter(|due| *due <= end) else { break };
        bench.set_time(due);
        serve(bench, device);
    }
}
