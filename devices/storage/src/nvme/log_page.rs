//! GET LOG PAGE (NVM Express 1.4, 5.14).

use serde::{Deserialize, Serialize};

use super::admin::ADMIN_COMMANDS;
use super::command::{Command, Status};
use super::identify::TEMPERATURE;
use super::io::IO_COMMANDS;
use super::{BLOCK, Nvme};

const ERROR_INFORMATION: u8 = 0x01;
const SMART: u8 = 0x02;
const FIRMWARE_SLOT: u8 = 0x03;
const COMMANDS_SUPPORTED: u8 = 0x05;
/// The host wants to be told of the page's events only once more.
const RETAIN_EVENT: u32 = 1 << 15;

const NANOSECONDS_PER_HOUR: u64 = 3_600_000_000_000;

/// What the SMART log counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counters {
    pub blocks_read: u64,
    pub blocks_written: u64,
    pub reads: u64,
    pub writes: u64,
    pub media_errors: u64,
}

impl Nvme {
    pub(super) fn get_log_page(&mut self, command: &Command) -> Result<u32, Status> {
        let namespace = command.namespace();
        if namespace > 1 && namespace != u32::MAX {
            return Err(Status::INVALID_NAMESPACE);
        }
        let which = command.cdw(10) as u8;
        let page = match which {
            ERROR_INFORMATION => self.s.errors.page(),
            SMART => self.smart_page(),
            FIRMWARE_SLOT => firmware_page(),
            COMMANDS_SUPPORTED => commands_page(),
            _ => return Err(Status::INVALID_LOG_PAGE),
        };
        let dwords = u64::from(command.cdw(10) >> 16) | u64::from(command.cdw(11) & 0xffff) << 16;
        let offset = command.qword(12);
        let rest = usize::try_from(offset).ok().and_then(|offset| page.get(offset..));
        let rest = rest.filter(|_| offset & 3 == 0).ok_or(Status::INVALID_FIELD)?;
        let len = rest.len().min(usize::try_from((dwords + 1) * 4).unwrap_or(usize::MAX));
        self.transfer_to_host(command, &rest[..len])?;
        if command.cdw(10) & RETAIN_EVENT == 0 {
            self.s.events.clear(which);
            self.deliver_events();
        }
        Ok(0)
    }

    /// SMART / health information.
    fn smart_page(&self) -> Vec<u8> {
        let mut page = vec![0; 512];
        page[0] = self.s.features.critical_warning();
        page[1..3].copy_from_slice(&TEMPERATURE.to_le_bytes());
        // Spare capacity, in percent, and its threshold.
        page[3] = 100;
        page[4] = 10;
        let counters = &self.s.counters;
        // Data units are thousands of 512 bytes, rounded up.
        let units = |blocks: u64| (blocks * (BLOCK / 512)).div_ceil(1000);
        for (at, value) in [
            (32, units(counters.blocks_read)),
            (48, units(counters.blocks_written)),
            (64, counters.reads),
            (80, counters.writes),
            (112, 1),
            (128, self.clock.now().0 / NANOSECONDS_PER_HOUR),
            (160, counters.media_errors),
            (176, self.s.errors.count),
        ] {
            page[at..at + 8].copy_from_slice(&value.to_le_bytes());
        }
        page
    }
}

/// Firmware slot 1 is active.
fn firmware_page() -> Vec<u8> {
    let mut page = vec![0; 512];
    page[0] = 1;
    let revision = env!("CARGO_PKG_VERSION").bytes().chain(std::iter::repeat(b' '));
    for (to, from) in page[8..16].iter_mut().zip(revision) {
        *to = from;
    }
    page
}

/// Commands supported and effects.
fn commands_page() -> Vec<u8> {
    const SUPPORTED: u32 = 1 << 0;
    const CHANGES_BLOCKS: u32 = 1 << 1;
    let mut page = vec![0; 4096];
    let mut put = |at: usize, effects: u32| page[at..at + 4].copy_from_slice(&effects.to_le_bytes());
    for opcode in ADMIN_COMMANDS {
        put(4 * usize::from(opcode), SUPPORTED);
    }
    for (opcode, changes) in IO_COMMANDS {
        let effects = if changes { SUPPORTED | CHANGES_BLOCKS } else { SUPPORTED };
        put(1024 + 4 * usize::from(opcode), effects);
    }
    page
}
