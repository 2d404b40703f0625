//! READ, WRITE and VERIFY in all their forms (ACS-3 7.24 to 7.70).

use glassbox_device_api::{BlockCompletion, BlockError};
use serde::{Deserialize, Serialize};

use super::command::{Access, AccessKind, Protocol};
use super::disk::{COMMAND_TAG, Disk, Job};
use super::geometry::SECTOR;
use super::interface::{Interface, Phase};
use super::registers::{Registers, device, error, status};
use super::settings::Settings;
use super::span::{CHUNK, Span, SpanStep};

/// Sectors that move by PIO for each request of the back end.
const PIO_CHUNK: u32 = 128;

/// A command of the read and write family under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Transfer {
    kind: AccessKind,
    protocol: Protocol,
    ext: bool,
    fua: bool,
    span: Span,
    /// Sectors of a block at the data register.
    block: u32,
}

impl Transfer {
    fn data_phase(&self) -> Phase {
        match (self.kind, self.protocol) {
            (AccessKind::Write, Protocol::Dma) => Phase::DmaOut,
            (AccessKind::Write, _) => Phase::PioOut,
            (_, Protocol::Dma) => Phase::DmaIn,
            (_, _) => Phase::PioIn,
        }
    }

    /// Bytes of a block: DMA moves a chunk at once.
    fn block_bytes(&self) -> usize {
        match self.protocol {
            Protocol::Dma => CHUNK as usize * SECTOR as usize,
            Protocol::Pio | Protocol::PioMultiple => self.block as usize * SECTOR as usize,
        }
    }

    /// Whether a disk of `sectors` sectors can be at this point. A transfer that
    /// waits for its back end is not resumed, so nothing is asked of it.
    pub(super) fn is_possible(&self, sectors: u64, interface: &Interface) -> bool {
        let chunk = match self.kind {
            AccessKind::Write => interface.data_len() == self.span.chunk() as usize * SECTOR as usize,
            AccessKind::Read | AccessKind::Verify => true,
        };
        let here = interface.phase() == self.data_phase() && self.span.is_possible(sectors) && chunk;
        (1..=16).contains(&self.block) && (here || interface.phase() == Phase::Busy)
    }
}

/// Shows an address as the command that is over gave it.
fn show_address(registers: &mut Registers, settings: &Settings, ext: bool, lba: u64) {
    if ext {
        registers.set_lba48(lba);
    } else if registers.device & device::LBA != 0 {
        registers.set_lba28(lba);
    } else {
        let (cylinder, head, sector) = settings.geometry.of_lba(lba);
        registers.lba_low.now = sector;
        registers.lba_mid.now = cylinder as u8;
        registers.lba_high.now = (cylinder >> 8) as u8;
        registers.device = registers.device & 0xf0 | head & 0x0f;
    }
}

impl Disk {
    pub(super) fn start_transfer(&mut self, access: Access) {
        let Access { kind, protocol, ext, fua } = access;
        let multiple = u32::from(self.settings.multiple);
        if protocol == Protocol::PioMultiple && multiple == 0 || kind == AccessKind::Write && self.read_only {
            return self.interface.abort();
        }
        let count = match (ext, self.interface.registers.count.word(), self.interface.registers.count.now) {
            (true, 0, _) => 0x1_0000,
            (true, count, _) => count.into(),
            (false, _, 0) => 0x100,
            (false, _, count) => u32::from(count),
        };
        let start = self.address(ext);
        let Some(lba) = start.filter(|lba| lba.saturating_add(count.into()) <= self.sectors) else {
            // The first sector that is not there.
            let missing = start.map_or(0, |lba| lba.max(self.sectors));
            if start.is_some() {
                show_address(&mut self.interface.registers, &self.settings, ext, missing);
            }
            return self.interface.fail(error::IDNF);
        };
        let limit = match (kind, protocol) {
            (AccessKind::Verify, _) | (_, Protocol::Dma) => CHUNK,
            _ => PIO_CHUNK,
        };
        let block = if protocol == Protocol::PioMultiple { multiple } else { 1 };
        let span = Span::new(lba, count, limit);
        self.job = Job::Transfer(Transfer { kind, protocol, ext, fua, span, block });
        self.next_chunk();
        // The host waits for the first block of a write without an interrupt.
        self.interface.interrupt = false;
    }

    /// Fetches the next chunk, asks for it, or ends the command.
    fn next_chunk(&mut self) {
        let Job::Transfer(transfer) = &self.job else { return };
        if transfer.span.left == 0 {
            return self.end_transfer();
        }
        if transfer.kind != AccessKind::Write {
            let request = transfer.span.read(COMMAND_TAG);
            return self.submit(request);
        }
        let data = vec![0; transfer.span.chunk() as usize * SECTOR as usize];
        self.interface.start_data(transfer.data_phase(), data, transfer.block_bytes());
        self.interface.interrupt = !self.interface.phase().is_dma();
    }

    /// All sectors were moved: count 0 and the address of the last one (ATA-5 7.2).
    fn end_transfer(&mut self) {
        let Job::Transfer(transfer) = &self.job else { return };
        let phase = transfer.data_phase();
        let (ext, verify) = (transfer.ext, transfer.kind == AccessKind::Verify);
        let last = transfer.span.lba.saturating_sub(1);
        show_address(&mut self.interface.registers, &self.settings, ext, last);
        self.interface.registers.count.set(0);
        self.finish();
        // The last block of a read by PIO has had its interrupt.
        self.interface.interrupt = phase != Phase::PioIn || verify;
    }

    pub(super) fn transfer_block_done(&mut self) {
        let Job::Transfer(transfer) = &mut self.job else { return };
        let (phase, block) = (transfer.data_phase(), transfer.block_bytes());
        if self.interface.rest() > 0 {
            self.interface.next_block(phase, block);
            self.interface.interrupt = true;
        } else if transfer.kind == AccessKind::Write {
            let data = self.interface.take_data();
            let fua = transfer.fua || !self.settings.write_cache;
            let request = transfer.span.write(COMMAND_TAG, data, fua);
            self.submit(request);
        } else {
            self.next_chunk();
        }
    }

    pub(super) fn transfer_answered(&mut self, answer: BlockCompletion) {
        let Job::Transfer(transfer) = &mut self.job else { return };
        match transfer.span.answered(answer) {
            SpanStep::Again(request) => self.submit(request),
            SpanStep::Moved(data) if transfer.kind == AccessKind::Read => {
                let (phase, block) = (transfer.data_phase(), transfer.block_bytes());
                self.interface.start_data(phase, data, block);
                self.interface.interrupt = phase == Phase::PioIn;
            }
            SpanStep::Moved(_) => self.next_chunk(),
            SpanStep::Failed(reason) => {
                let (kind, ext, lba, left) =
                    (transfer.kind, transfer.ext, transfer.span.lba, transfer.span.left);
                log::warn!("disk {}: sector {lba}: {kind:?} failed: {reason}", self.identity.serial);
                show_address(&mut self.interface.registers, &self.settings, ext, lba);
                self.interface.registers.count.set(left as u16);
                self.job = Job::None;
                let (status, error) = failure(kind, &reason);
                self.interface.end_command(status, error);
                self.interface.interrupt = true;
            }
        }
    }
}

/// Status and error registers of a failed access. A write that the host could not
/// store is a device fault: no bit of the error register says more than ABRT.
pub(super) fn failure(kind: AccessKind, reason: &BlockError) -> (u8, u8) {
    let failed = status::DRDY | status::DSC | status::ERR;
    match reason {
        BlockError::ReadOnly | BlockError::NoMedium => (failed, error::ABRT),
        BlockError::OutOfRange => (failed, error::IDNF),
        BlockError::NoSpace | BlockError::Host(_) if kind == AccessKind::Write => {
            (failed | status::DF, error::ABRT)
        }
        BlockError::NoSpace | BlockError::Host(_) => (failed, error::UNC),
    }
}
