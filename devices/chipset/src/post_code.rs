//! The POST code port (80h): a latch that keeps the last byte written.
//!
//! One port, offset 0 ([`PostCode::WINDOWS`]). In a PC it is the unused page
//! register of the DMA controller, hence readable; firmware writes its progress
//! there and operating systems use it for a short delay.

use glassbox_device_api::{AccessSize, Device, PortIo, PortWindow, ResetKind, RestoreError, SaveRestore};
use serde::{Deserialize, Serialize};

use crate::bytes::{read_bytes, write_bytes};

/// Port 80h.
#[derive(Debug, Default)]
pub struct PostCode {
    code: u8,
}

/// Saved state of [`PostCode`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PostCodeSavedV1 {
    code: u8,
}

impl PostCode {
    /// Where a PC has the port.
    pub const WINDOWS: [PortWindow; 1] = [PortWindow { port: 0x80, len: 1, offset: 0 }];

    /// A latch that holds 0.
    pub fn new() -> Self {
        Self::default()
    }

    /// The last code written.
    pub fn code(&self) -> u8 {
        self.code
    }
}

impl Device for PostCode {
    fn name(&self) -> &'static str {
        "post-code"
    }

    fn reset(&mut self, kind: ResetKind) {
        // The code of what hung survives the reset button.
        if kind == ResetKind::Cold {
            self.code = 0;
        }
    }
}

impl PortIo for PostCode {
    fn port_read(&mut self, offset: u16, size: AccessSize) -> u32 {
        read_bytes(offset, size, |offset| if offset == 0 { self.code } else { 0xff })
    }

    fn port_write(&mut self, offset: u16, size: AccessSize, value: u32) {
        write_bytes(offset, size, value, |offset, byte| {
            if offset == 0 {
                self.code = byte;
            }
        });
    }
}

impl SaveRestore for PostCode {
    type Saved = PostCodeSavedV1;

    fn save(&self) -> PostCodeSavedV1 {
        let Self { code } = self;
        PostCodeSavedV1 { code: *code }
    }

    fn restore(&mut self, saved: PostCodeSavedV1) -> Result<(), RestoreError> {
        let PostCodeSavedV1 { code } = saved;
        self.code = code;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use glassbox_testkit::{PortBus, check_save_restore_ports, fuzz_port_device};

    use super::*;

    #[test]
    fn the_last_code_is_kept_over_a_warm_reset() {
        let mut port = PostCode::new();
        port.out8(0, 0x55);
        port.out8(0, 0xaa);
        port.reset(ResetKind::Warm);
        assert_eq!((port.in8(0), port.code()), (0xaa, 0xaa));
        port.reset(ResetKind::Cold);
        assert_eq!(port.in8(0), 0);
    }

    #[test]
    fn generic_checks() {
        fuzz_port_device(1, |_| PostCode::new());
        check_save_restore_ports(1, |_| PostCode::new());
    }
}
