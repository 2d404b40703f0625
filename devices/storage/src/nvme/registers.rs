//! Controller registers (NVM Express 1.4, 3.1): what the guest wrote, and what it reads.

use serde::{Deserialize, Serialize};

/// Offsets in BAR 0.
pub(super) mod offset {
    pub const CAP: u64 = 0x00;
    pub const CAP_HIGH: u64 = 0x04;
    pub const VS: u64 = 0x08;
    pub const INTMS: u64 = 0x0c;
    pub const INTMC: u64 = 0x10;
    pub const CC: u64 = 0x14;
    pub const CSTS: u64 = 0x1c;
    pub const NSSR: u64 = 0x20;
    pub const AQA: u64 = 0x24;
    pub const ASQ: u64 = 0x28;
    pub const ASQ_HIGH: u64 = 0x2c;
    pub const ACQ: u64 = 0x30;
    pub const ACQ_HIGH: u64 = 0x34;
    /// Doorbells: submission queue 0, completion queue 0, submission queue 1, ...
    pub const DOORBELLS: u64 = 0x1000;
}

/// NVM Express 1.4.
pub(super) const VERSION: u32 = 0x0001_0400;
/// Entries of the largest queue.
pub(super) const MAX_ENTRIES: u32 = 1024;
/// Entries of the largest admin queue.
pub(super) const MAX_ADMIN_ENTRIES: u32 = 4096;
/// Memory pages are 4 KiB to 64 KiB.
const MAX_PAGE_SHIFT: u32 = 4;

/// CAP: queue entries, contiguous queues, 7.5 s to get ready, subsystem reset, NVM
/// command set, page sizes.
const CAPABILITIES: u64 =
    (MAX_ENTRIES - 1) as u64 | 1 << 16 | 15 << 24 | 1 << 36 | 1 << 37 | (MAX_PAGE_SHIFT as u64) << 52;

pub(super) const CC_ENABLE: u32 = 1 << 0;
const CC_WRITABLE: u32 = 0x00ff_fff1;
pub(super) const CSTS_READY: u32 = 1 << 0;
pub(super) const CSTS_FATAL: u32 = 1 << 1;
const CSTS_SHUTDOWN: u32 = 3 << 2;
pub(super) const CSTS_SHUTDOWN_OCCURRING: u32 = 1 << 2;
pub(super) const CSTS_SHUTDOWN_COMPLETE: u32 = 2 << 2;
pub(super) const CSTS_SUBSYSTEM_RESET: u32 = 1 << 4;
/// "NVMe", which resets the subsystem.
pub(super) const SUBSYSTEM_RESET: u32 = 0x4e56_4d65;
/// IOSQES and IOCQES: the logarithms of the entries' sizes.
const ENTRY_SIZES: u32 = 6 << 16 | 4 << 20;

/// What a write asks the controller to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Nothing,
    Enable,
    Disable,
    Shutdown,
    ResetSubsystem,
    /// The mask of the interrupt pin changed.
    Interrupt,
}

/// The registers of a controller.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Registers {
    pub interrupt_mask: u32,
    pub configuration: u32,
    pub status: u32,
    pub admin_attributes: u32,
    pub admin_submission: u64,
    pub admin_completion: u64,
}

impl Registers {
    pub fn read(&self, at: u64) -> u32 {
        match at {
            offset::CAP => CAPABILITIES as u32,
            offset::CAP_HIGH => (CAPABILITIES >> 32) as u32,
            offset::VS => VERSION,
            offset::INTMS | offset::INTMC => self.interrupt_mask,
            offset::CC => self.configuration,
            offset::CSTS => self.status,
            offset::AQA => self.admin_attributes,
            offset::ASQ => self.admin_submission as u32,
            offset::ASQ_HIGH => (self.admin_submission >> 32) as u32,
            offset::ACQ => self.admin_completion as u32,
            offset::ACQ_HIGH => (self.admin_completion >> 32) as u32,
            // No memory buffers, boot partitions or persistent memory.
            _ => 0,
        }
    }

    pub fn write(&mut self, at: u64, value: u32) -> Action {
        let low = |old: u64| old & !0xffff_ffff | u64::from(value & !0xfff);
        let high = |old: u64| old & 0xffff_ffff | u64::from(value) << 32;
        match at {
            offset::INTMS => self.interrupt_mask |= value,
            offset::INTMC => self.interrupt_mask &= !value,
            offset::CC => return self.write_configuration(value),
            offset::CSTS => self.status &= !(value & CSTS_SUBSYSTEM_RESET),
            offset::NSSR if value == SUBSYSTEM_RESET => return Action::ResetSubsystem,
            offset::AQA => self.admin_attributes = value & 0x0fff_0fff,
            offset::ASQ => self.admin_submission = low(self.admin_submission),
            offset::ASQ_HIGH => self.admin_submission = high(self.admin_submission),
            offset::ACQ => self.admin_completion = low(self.admin_completion),
            offset::ACQ_HIGH => self.admin_completion = high(self.admin_completion),
            _ => {}
        }
        if matches!(at, offset::INTMS | offset::INTMC) { Action::Interrupt } else { Action::Nothing }
    }

    fn write_configuration(&mut self, value: u32) -> Action {
        let old = std::mem::replace(&mut self.configuration, value & CC_WRITABLE);
        let shutdown = |cc: u32| cc >> 14 & 3;
        if value & !old & CC_ENABLE != 0 {
            Action::Enable
        } else if old & !value & CC_ENABLE != 0 {
            Action::Disable
        } else if shutdown(value) != 0 && shutdown(value) != shutdown(old) {
            Action::Shutdown
        } else {
            Action::Nothing
        }
    }

    /// Entries of the admin submission and completion queue.
    pub fn admin_entries(&self) -> (u32, u32) {
        ((self.admin_attributes & 0xfff) + 1, (self.admin_attributes >> 16 & 0xfff) + 1)
    }

    /// Whether the controller can start with this configuration: the NVM command
    /// set, round robin, a page size it has and admin queues of two entries at least.
    pub fn can_enable(&self) -> bool {
        let cc = self.configuration;
        let (submission, completion) = self.admin_entries();
        let command_set = cc >> 4 & 7;
        let arbitration = cc >> 11 & 7;
        command_set == 0
            && arbitration == 0
            && self.page_shift() <= MAX_PAGE_SHIFT
            && submission >= 2
            && completion >= 2
    }

    fn page_shift(&self) -> u32 {
        self.configuration >> 7 & 0xf
    }

    /// Bytes of a memory page.
    pub fn page_size(&self) -> u64 {
        4096 << self.page_shift().min(MAX_PAGE_SHIFT)
    }

    /// Whether I/O queues have entries of the sizes that there are.
    pub fn has_entry_sizes(&self) -> bool {
        self.configuration & 0xff << 16 == ENTRY_SIZES
    }

    pub fn set_shutdown(&mut self, status: u32) {
        self.status = self.status & !CSTS_SHUTDOWN | status;
    }

    pub fn is_ready(&self) -> bool {
        self.status & (CSTS_READY | CSTS_FATAL) == CSTS_READY
    }
}
