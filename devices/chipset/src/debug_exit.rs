//! The `isa-debug-exit` port by which test programs end the machine with a status.
//!
//! Offsets 0 to 3; the conventional places are F4h (4 ports) and 501h (2 ports).
//! A write of `v` of any width asks to exit with status `v << 1 | 1`, as QEMU's
//! device of that name does, so that a test can never report status 0. Reads give 0.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use glassbox_device_api::{AccessSize, Device, PortIo, PortWindow, ResetKind};

/// Set in the cell beside a status.
const REQUESTED: u64 = 1 << 32;

/// Where the request to exit is left; clones share it.
#[derive(Clone, Debug, Default)]
pub struct ExitRequest(Arc<AtomicU64>);

impl ExitRequest {
    /// No request.
    pub fn new() -> Self {
        Self::default()
    }

    /// The exit status asked for first, if any; the request stays.
    #[inline]
    pub fn status(&self) -> Option<u32> {
        let cell = self.0.load(Ordering::Acquire);
        (cell & REQUESTED != 0).then_some(cell as u32)
    }

    fn set(&self, status: u32) {
        let request = REQUESTED | u64::from(status);
        // The first request counts: the machine is about to stop.
        let _ = self.0.compare_exchange(0, request, Ordering::AcqRel, Ordering::Acquire);
    }
}

/// The debug exit port. It has no state to save.
#[derive(Debug)]
pub struct DebugExit(ExitRequest);

impl DebugExit {
    /// The place that most test programs write to.
    pub const WINDOWS: [PortWindow; 1] = [PortWindow { port: 0xf4, len: 4, offset: 0 }];

    /// A port that leaves its request in `request`.
    pub fn new(request: ExitRequest) -> Self {
        Self(request)
    }
}

impl Device for DebugExit {
    fn name(&self) -> &'static str {
        "debug-exit"
    }

    fn reset(&mut self, _kind: ResetKind) {}
}

impl PortIo for DebugExit {
    fn port_read(&mut self, _offset: u16, _size: AccessSize) -> u32 {
        0
    }

    fn port_write(&mut self, _offset: u16, _size: AccessSize, value: u32) {
        self.0.set(value.wrapping_shl(1) | 1);
    }
}

#[cfg(test)]
mod tests {
    use glassbox_testkit::{PortBus, fuzz_port_device};

    use super::*;

    #[test]
    fn the_status_is_the_value_doubled_plus_one() {
        for (value, status) in [(0, 1), (0x10, 0x21), (0xff, 0x1ff)] {
            let request = ExitRequest::new();
            let mut port = DebugExit::new(request.clone());
            assert_eq!(request.status(), None);
            port.out8(0, value);
            assert_eq!(request.status(), Some(status));
            port.out32(0, 7);
            assert_eq!(request.status(), Some(status), "the first write counts");
        }
    }

    #[test]
    fn random_accesses_do_no_harm() {
        fuzz_port_device(4, |_| DebugExit::new(ExitRequest::new()));
    }
}
