//! Test bench for devices: recorded interrupt lines, a manual clock, generic fuzz and snapshot checks.
//!
//! A device under test is built on a [`Bench`]: it takes its clock from
//! [`Bench::vm_clock`] and its wires from [`Bench::line`], and is driven through
//! [`PortBus`] or [`MmioBus`] like the bus of a machine would. The generic checks
//! ([`fuzz_port_device`], [`check_save_restore_ports`] and their MMIO twins) take
//! a closure that builds the device, and seed their own random numbers, so a
//! failure repeats.

mod bench;
mod bus;
mod disk;
mod fuzz;
mod rng;
mod snapshot;

pub use bench::{Bench, run_until};
pub use bus::{MmioBus, PortBus};
pub use disk::MemoryDisk;
pub use fuzz::{fuzz_mmio_device, fuzz_port_device};
pub use rng::Rng;
pub use snapshot::{check_save_restore_mmio, check_save_restore_ports};
