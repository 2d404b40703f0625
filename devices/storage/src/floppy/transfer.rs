//! The execution phase of commands that work on the data of a track.
//!
//! Each sector goes through the steps *search*, *fetch* and *to host*, or *search*,
//! *from host* and *store*. Fetch and store wait for the back end, the host's
//! steps for the DMA channel or, in non-DMA mode, for accesses to the FIFO.

use glassbox_device_api::{BlockError, BlockOp, BlockRequest, DmaBurst, VmTime};

use super::command::Access;
use super::control::{ST0_ABNORMAL, ST0_EQUIPMENT_CHECK, seek_time};
use super::execution::{Execution, SectorId, Step};
use super::format::SECTOR;
use super::search::{
    NotFound, ST1_DATA_ERROR, ST1_MISSING_ADDRESS_MARK, ST1_NO_DATA, ST1_NOT_WRITABLE, ST1_OVERRUN,
    ST2_CONTROL_MARK, ST2_DATA_ERROR,
};
use super::{CONFIG_IMPLIED_SEEK, CONFIG_NO_FIFO, CONFIG_THRESHOLD, DOR_DMA_GATE, Floppy, Phase};

/// From one sector to the next.
pub(super) const SECTOR_TIME: VmTime = VmTime(100_000);
/// Until the first sector comes.
const LATENCY: VmTime = VmTime(300_000);
/// When the DMA channel did not answer, it is asked again after this time, and so
/// often that a revolution of a real diskette has passed.
const DMA_RETRY: VmTime = VmTime(500_000);
const DMA_RETRIES: u16 = 400;
/// Bytes of the FIFO.
const FIFO: u8 = 16;

impl Floppy {
    pub(super) fn start_execution(&mut self, mut x: Execution) {
        self.r.end_of_track = x.end_of_track;
        self.r.head = x.head;
        let mut due = self.clock.now() + LATENCY;
        let from = self.r.cylinders[usize::from(x.drive & 3)];
        if self.r.config & CONFIG_IMPLIED_SEEK != 0 && x.access.seeks() && x.id.cylinder != from {
            due = due + seek_time(from.abs_diff(x.id.cylinder));
            self.step_to(x.drive, x.id.cylinder);
        }
        x.due = Some(due);
        self.r.phase = Phase::Execution(x);
    }

    /// Goes on with the command under way as far as possible.
    pub(super) fn execute(&mut self) {
        let phase = std::mem::replace(&mut self.r.phase, Phase::IDLE);
        let Phase::Execution(mut x) = phase else {
            self.r.phase = phase;
            return;
        };
        match self.work(&mut x) {
            None => self.r.phase = Phase::Execution(x),
            Some(st0) => self.finish(x, st0),
        }
    }

    fn finish(&mut self, x: Execution, st0: u8) {
        self.dma.set_request(false);
        self.r.head = x.head;
        let SectorId { cylinder, head, sector, size } = x.id;
        let mut st1 = x.st1;
        if x.access == Access::ReadTrack && !x.met && x.sectors_done > 0 {
            st1 |= ST1_NO_DATA;
        }
        self.result(&[st0 | x.head << 2 | x.drive, st1, x.st2, cylinder, head, sector, size]);
        if let Phase::Result { announced, .. } = &mut self.r.phase {
            *announced = true;
        }
        self.set_interrupt(true);
    }

    /// Makes steps until one has to wait (`None`) or the command ends (bits of ST0).
    fn work(&mut self, x: &mut Execution) -> Option<u8> {
        loop {
            // Steps that wait for time have `due` set; it is cleared when the time has come.
            if x.due.is_some() {
                return None;
            }
            let end = match x.step {
                Step::Search => self.search(x),
                Step::Fetch | Step::Store => {
                    let answer = self.take_answer(x.drive)?;
                    self.answered(x, answer)
                }
                Step::ToHost | Step::FromHost if x.is_crossed() => self.crossed(x),
                Step::ToHost | Step::FromHost if self.is_non_dma() => return None,
                Step::ToHost | Step::FromHost => self.cross_by_dma(x),
            };
            if end.is_some() {
                return end;
            }
        }
    }

    /// A sector, or what the command is for, passes under the head.
    fn search(&mut self, x: &mut Execution) -> Option<u8> {
        match self.find(x) {
            Ok(end) => end,
            Err(NotFound { st1, st2 }) => {
                x.st1 |= st1;
                x.st2 |= st2;
                Some(ST0_ABNORMAL)
            }
        }
    }

    fn find(&mut self, x: &mut Execution) -> Result<Option<u8>, NotFound> {
        let track = self.track(x)?;
        if x.access == Access::ReadId {
            x.id = self.next_id(track);
            return Ok(Some(0));
        }
        if x.access.writes() && track.diskette.read_only {
            return Err(NotFound { st1: ST1_NOT_WRITABLE, st2: 0 });
        }
        if x.access == Access::Format {
            self.ask_host(x, 4 * usize::from(x.end_of_track));
            return Ok(None);
        }
        x.offset = self.sector(x, track)?;
        x.met |= x.id == track.id((x.sectors_done % u16::from(track.diskette.format.sectors)) as u8 + 1);
        match x.access {
            Access::ReadDeleted if x.skips => {
                // All marks are normal ones: this command skips every sector.
                x.st2 |= ST2_CONTROL_MARK;
                x.due = Some(self.clock.now() + SECTOR_TIME);
                return Ok(x.sector_done());
            }
            Access::Write | Access::WriteDeleted => self.ask_host(x, SECTOR),
            _ if x.offset >= track.diskette.bytes => {
                // A truncated image reads as if zeroes followed.
                x.sector = vec![0; SECTOR];
                return Ok(self.fetched(x));
            }
            _ => {
                x.step = Step::Fetch;
                self.submit(x);
            }
        }
        Ok(None)
    }

    /// Asks the host for `bytes` bytes.
    fn ask_host(&mut self, x: &mut Execution, bytes: usize) {
        x.step = Step::FromHost;
        x.buffer = vec![0; bytes];
        x.position = 0;
        x.refusals = 0;
        self.request_host();
    }

    /// The sector was read.
    fn fetched(&mut self, x: &mut Execution) -> Option<u8> {
        match x.access {
            Access::Verify => {
                x.due = Some(self.clock.now() + SECTOR_TIME);
                return x.sector_done();
            }
            Access::Scan(_) => self.ask_host(x, SECTOR),
            _ => {
                x.step = Step::ToHost;
                x.buffer = std::mem::take(&mut x.sector);
                x.position = 0;
                x.refusals = 0;
                self.request_host();
            }
        }
        None
    }

    fn request_host(&mut self) {
        if self.is_non_dma() {
            self.set_interrupt(true);
        } else {
            self.dma.set_request(true);
        }
    }

    /// All bytes of the buffer went to or came from the host.
    fn crossed(&mut self, x: &mut Execution) -> Option<u8> {
        self.dma.set_request(false);
        match x.access {
            Access::Write | Access::WriteDeleted => {
                // What the host did not fill after TC is zero.
                x.step = Step::Store;
                self.submit(x);
                None
            }
            Access::Format => {
                let track = match self.track(x) {
                    Ok(track) if x.formats(track) => track,
                    _ => {
                        log::warn!("floppy: a raw image cannot hold the format that the guest asks for");
                        x.st1 |= ST1_NO_DATA;
                        return Some(ST0_ABNORMAL);
                    }
                };
                x.id = track.id(track.diskette.format.sectors);
                x.offset = track.sector_offset(1);
                x.buffer = vec![x.last; usize::from(track.diskette.format.sectors) * SECTOR];
                x.step = Step::Store;
                self.submit(x);
                None
            }
            _ => self.next_sector(x),
        }
    }

    fn next_sector(&mut self, x: &mut Execution) -> Option<u8> {
        let end = x.sector_done();
        x.due = Some(self.clock.now() + SECTOR_TIME);
        end
    }

    fn cross_by_dma(&mut self, x: &mut Execution) -> Option<u8> {
        let rest = &mut x.buffer[x.position..];
        let open = self.r.dor & DOR_DMA_GATE != 0;
        let burst = match x.step {
            _ if !open => DmaBurst::default(),
            Step::ToHost => self.dma.device_to_memory(rest),
            _ => self.dma.memory_to_device(rest),
        };
        x.position += burst.bytes;
        x.terminal_count |= burst.terminal_count;
        if x.is_crossed() {
            return None;
        }
        // The channel is masked. A driver that programs it late is waited for.
        x.refusals += 1;
        if x.refusals > DMA_RETRIES {
            x.st1 |= ST1_OVERRUN;
            return Some(ST0_ABNORMAL);
        }
        x.due = Some(self.clock.now() + DMA_RETRY);
        None
    }

    /// The FIFO is read in the execution phase.
    pub(super) fn data_to_host(&mut self) -> u8 {
        let non_dma = self.is_non_dma();
        let Phase::Execution(x) = &mut self.r.phase else { return 0xff };
        let byte = match x.buffer.get(x.position) {
            Some(byte) if non_dma && x.step == Step::ToHost => *byte,
            _ => return 0xff,
        };
        x.position += 1;
        self.byte_crossed();
        byte
    }

    /// The FIFO is written in the execution phase.
    pub(super) fn data_from_host(&mut self, value: u8) {
        let non_dma = self.is_non_dma();
        let Phase::Execution(x) = &mut self.r.phase else { return };
        match x.buffer.get_mut(x.position) {
            Some(byte) if non_dma && x.step == Step::FromHost => *byte = value,
            _ => return,
        }
        x.position += 1;
        self.byte_crossed();
    }

    /// A byte crossed in non-DMA mode: an interrupt asks for the next FIFO load.
    fn byte_crossed(&mut self) {
        let load = match self.r.config & CONFIG_NO_FIFO {
            0 => FIFO - (self.r.config & CONFIG_THRESHOLD),
            _ => 1,
        };
        let Phase::Execution(x) = &self.r.phase else { return };
        let (crossed, position) = (x.is_crossed(), x.position);
        if crossed || position.is_multiple_of(load.into()) {
            self.set_interrupt(false);
        }
        if crossed {
            self.execute();
        } else if position.is_multiple_of(load.into()) {
            self.set_interrupt(true);
        }
    }

    /// Gives the step that waits for the back end its request.
    pub(super) fn submit(&mut self, x: &Execution) {
        self.last_tag += 1;
        let request = if x.step == Step::Store {
            BlockRequest::write(self.last_tag, x.offset, x.buffer.clone())
        } else {
            BlockRequest::read(self.last_tag, x.offset, SECTOR)
        };
        if let Some(drive) = self.drive(x.drive) {
            drive.backend.submit(request);
        }
    }

    /// The answer to the last request, when it is there.
    fn take_answer(&mut self, drive: u8) -> Option<Result<Vec<u8>, BlockError>> {
        let tag = self.last_tag;
        let drive = self.drive(drive)?;
        while let Some(answer) = drive.backend.poll() {
            if answer.result.is_ok() && answer.request.op == BlockOp::Write {
                drive.state.dirty = true;
            }
            // Others are to requests that a reset aborted, and to flushes.
            if answer.request.tag == tag {
                return Some(answer.result.map(|()| answer.request.buffer));
            }
        }
        None
    }

    /// The back end did what the step asked for.
    fn answered(&mut self, x: &mut Execution, answer: Result<Vec<u8>, BlockError>) -> Option<u8> {
        match answer {
            Ok(_) if x.access == Access::Format => Some(0),
            Ok(_) if x.step == Step::Store => self.next_sector(x),
            Ok(sector) => {
                x.sector = sector;
                self.fetched(x)
            }
            Err(error) => {
                log::debug!("floppy: {error}");
                let is_read = x.step == Step::Fetch;
                let (st0, st1, st2) = match error {
                    BlockError::NoMedium => (0, ST1_MISSING_ADDRESS_MARK, 0),
                    BlockError::ReadOnly => (0, ST1_NOT_WRITABLE, 0),
                    _ if is_read => (0, ST1_DATA_ERROR, ST2_DATA_ERROR),
                    // The drive's fault line.
                    _ => (ST0_EQUIPMENT_CHECK, 0, 0),
                };
                x.st1 |= st1;
                x.st2 |= st2;
                Some(ST0_ABNORMAL | st0)
            }
        }
    }

    /// The host may have answered.
    pub(super) fn fetch_answers(&mut self) {
        if matches!(&self.r.phase, Phase::Execution(x) if matches!(x.step, Step::Fetch | Step::Store)) {
            self.execute();
        }
    }
}
