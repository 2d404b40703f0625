//! The block device (Virtio 1.2, 5.2).

mod config;
mod request;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use glassbox_device_api::{BlockBackend, BlockCompletion, RestoreError, SaveRestore};
use serde::{Deserialize, Serialize};

use self::config::{
    F_BLK_SIZE, F_CONFIG_WCE, F_DISCARD, F_FLUSH, F_GEOMETRY, F_MQ, F_READ_ONLY, F_SEG_MAX, F_SIZE_MAX,
    F_TOPOLOGY, F_WRITE_ZEROES, Fields, WRITEBACK,
};
use self::request::{ID, Request, Status};
use crate::{DeviceKind, Rings, VirtioDevice};

/// The unit of offsets and sizes, whatever the block size.
const SECTOR: u64 = 512;
/// Entries of a queue.
const QUEUE_SIZE: u16 = 256;
/// Buffers of requests on their way take up about so many bytes at most; further
/// ones stay in their queues.
const MAX_BYTES: u64 = 32 << 20;

/// What a block device is like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtioBlockConfig {
    /// The ID that the driver can ask for; up to 20 bytes count.
    pub serial: String,
    /// Request queues, 1 to 64: one for each processor is best.
    pub queues: u16,
    /// Logical block size in bytes: a power of two of 512 to 4096.
    pub block_size: u32,
    /// Physical block size in bytes: not below the logical one.
    pub physical_block_size: u32,
}

impl Default for VirtioBlockConfig {
    fn default() -> Self {
        Self { serial: String::new(), queues: 1, block_size: 512, physical_block_size: 4096 }
    }
}

/// A disk behind virtqueues.
pub struct VirtioBlock {
    backend: Box<dyn BlockBackend>,
    config: VirtioBlockConfig,
    id: [u8; ID],
    read_only: bool,
    /// The size that the driver was told of.
    bytes: u64,
    /// The cache holds writes back until a flush.
    writeback: bool,
    next_tag: u64,
    under_way: BTreeMap<u64, Request>,
    /// What buffers of requests take up.
    held: u64,
    /// Queues with more than was taken.
    starved: BTreeSet<u16>,
    /// Requests that a saved state had on their way, by queue and head: to be done again.
    again: BTreeSet<(u16, u16)>,
}

impl std::fmt::Debug for VirtioBlock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VirtioBlock")
            .field("config", &self.config)
            .field("bytes", &self.bytes)
            .field("under_way", &self.under_way.len())
            .finish_non_exhaustive()
    }
}

impl VirtioBlock {
    /// A disk over `backend`.
    pub fn new(backend: Box<dyn BlockBackend>, mut config: VirtioBlockConfig) -> Self {
        let mut id = [0; ID];
        id.iter_mut().zip(config.serial.bytes()).for_each(|(to, byte)| *to = byte);
        config.queues = config.queues.clamp(1, 64);
        config.block_size = config.block_size.clamp(512, 4096).next_power_of_two();
        config.physical_block_size =
            config.physical_block_size.clamp(config.block_size, 1 << 20).next_power_of_two();
        let medium = backend.medium();
        Self {
            backend,
            config,
            id,
            read_only: medium.is_some_and(|medium| medium.read_only),
            bytes: medium.map_or(0, |medium| medium.bytes),
            writeback: true,
            next_tag: 0,
            under_way: BTreeMap::new(),
            held: 0,
            starved: BTreeSet::new(),
            again: BTreeSet::new(),
        }
    }

    /// Whether a write is stable before it is answered (Virtio 1.2, 5.2.6.2).
    fn writes_through(&self, features: u64) -> bool {
        if features & F_CONFIG_WCE != 0 { !self.writeback } else { features & F_FLUSH == 0 }
    }

    /// Whether further requests have to wait. A driver that keeps to its queues
    /// never has more on their way than the queues have entries.
    fn is_full(&self) -> bool {
        let entries = usize::from(self.config.queues) * usize::from(QUEUE_SIZE);
        self.held >= MAX_BYTES || self.under_way.len() >= entries
    }

    /// Takes what a queue has, as long as there is room.
    fn serve(&mut self, queue: u16, rings: &mut Rings<'_>) {
        self.starved.remove(&queue);
        loop {
            if self.is_full() {
                self.starved.insert(queue);
                return;
            }
            let Some(chain) = rings.pop(queue) else { return };
            self.begin(queue, chain, rings);
        }
    }

    fn begin(&mut self, queue: u16, chain: crate::Chain, rings: &mut Rings<'_>) {
        let medium = self.backend.medium();
        match Request::parse(rings.memory(), queue, chain, rings.features(), medium) {
            Ok((request, Ok(()))) => {
                self.held += request.cost();
                self.go_on(request, rings);
            }
            Ok((request, Err(status))) => self.finish(&request, status, rings),
            Err(error) => rings.fail(queue, error),
        }
    }

    /// Sends the request's next part, or gives it back.
    fn go_on(&mut self, mut request: Request, rings: &mut Rings<'_>) {
        let fua = self.writes_through(rings.features());
        let tag = self.next_tag;
        match request.next(rings.memory(), tag, fua) {
            Ok(Some(part)) => {
                self.next_tag = tag.wrapping_add(1);
                self.under_way.insert(tag, request);
                self.backend.submit(part);
            }
            Ok(None) => {
                self.held -= request.cost();
                self.finish(&request, Status::Ok, rings);
            }
            Err(error) => {
                self.held -= request.cost();
                rings.fail(request.queue, error);
            }
        }
    }

    fn finish(&self, request: &Request, status: Status, rings: &mut Rings<'_>) {
        match request.finish(rings.memory(), status, &self.id) {
            Ok(written) => rings.push(request.queue, request.chain.head, written),
            Err(error) => rings.fail(request.queue, error),
        }
    }

    /// Fetches the back end's answers, and what now finds room.
    fn collect(&mut self, rings: &mut Rings<'_>) {
        while !rings.is_broken() {
            if let Some(answer) = self.backend.poll() {
                self.answered(answer, rings);
            } else if !self.is_full()
                && let Some(queue) = self.starved.pop_first()
            {
                self.serve(queue, rings);
            } else {
                return;
            }
        }
    }

    fn answered(&mut self, answer: BlockCompletion, rings: &mut Rings<'_>) {
        // What was given up by a reset has no request any more.
        let Some(mut request) = self.under_way.remove(&answer.request.tag) else { return };
        if let Err(error) = answer.result {
            log::debug!("virtio-block: {error}");
            self.held -= request.cost();
            self.finish(&request, Status::IoError, rings);
            return;
        }
        match request.answered(rings.memory(), &answer.request) {
            Ok(()) => self.go_on(request, rings),
            Err(error) => {
                self.held -= request.cost();
                rings.fail(request.queue, error);
            }
        }
    }

    /// Waits for what is on its way, so that nothing of it happens later, and
    /// forgets the requests of `queue`, or of all queues.
    fn give_up(&mut self, queue: Option<u16>) {
        let is_meant = |number: u16| queue.is_none_or(|queue| queue == number);
        if self.under_way.values().any(|request| is_meant(request.queue)) {
            self.backend.drain();
        }
        self.under_way.retain(|_, request| !is_meant(request.queue));
        self.held = self.under_way.values().map(Request::cost).sum();
        self.starved.retain(|number| !is_meant(*number));
        self.again.retain(|(number, _)| !is_meant(*number));
    }
}

impl VirtioDevice for VirtioBlock {
    fn name(&self) -> &'static str {
        "virtio-block"
    }

    fn kind(&self) -> DeviceKind {
        DeviceKind { id: 2, class: 0x01_0000, transitional: Some(0x1001) }
    }

    fn features(&self) -> u64 {
        let always = F_SIZE_MAX | F_SEG_MAX | F_GEOMETRY | F_BLK_SIZE | F_FLUSH | F_TOPOLOGY | F_CONFIG_WCE;
        let several = if self.config.queues > 1 { F_MQ } else { 0 };
        let written = if self.read_only { F_READ_ONLY } else { F_DISCARD | F_WRITE_ZEROES };
        always | several | written
    }

    fn queue_sizes(&self) -> Vec<u16> {
        vec![QUEUE_SIZE; self.config.queues.into()]
    }

    fn config_read(&self, features: u64, offset: u64, to: &mut [u8]) {
        let fields = Fields {
            bytes: self.bytes,
            block_size: self.config.block_size,
            physical_block_size: self.config.physical_block_size,
            writeback: !self.writes_through(features),
            queues: self.config.queues,
        };
        let bytes = fields.bytes();
        let from = bytes.get(usize::try_from(offset).unwrap_or(usize::MAX)..).unwrap_or(&[]);
        to.fill(0);
        to.iter_mut().zip(from).for_each(|(to, byte)| *to = *byte);
    }

    fn config_write(&mut self, features: u64, offset: u64, from: &[u8]) {
        if let (WRITEBACK, [value, ..]) = (offset, from)
            && features & F_CONFIG_WCE != 0
        {
            self.writeback = *value & 1 != 0;
        }
    }

    fn reset(&mut self) {
        self.give_up(None);
        self.writeback = true;
    }

    fn reset_queue(&mut self, queue: u16) {
        self.give_up(Some(queue));
    }

    fn notify(&mut self, queue: u16, rings: &mut Rings<'_>) {
        self.serve(queue, rings);
        self.collect(rings);
    }

    fn poll_host(&mut self, rings: &mut Rings<'_>) {
        for (queue, head) in std::mem::take(&mut self.again) {
            if let Some(chain) = rings.again(queue, head) {
                self.begin(queue, chain, rings);
            }
        }
        self.collect(rings);
        let bytes = self.backend.medium().map_or(0, |medium| medium.bytes);
        if bytes != self.bytes {
            self.bytes = bytes;
            rings.config_changed();
        }
    }
}

/// Saved state of a [`VirtioBlock`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VirtioBlockSavedV1 {
    writeback: bool,
    bytes: u64,
    /// Requests on their way: queue and head.
    under_way: BTreeSet<(u16, u16)>,
    starved: BTreeSet<u16>,
}

impl SaveRestore for VirtioBlock {
    type Saved = VirtioBlockSavedV1;

    fn save(&self) -> VirtioBlockSavedV1 {
        let Self {
            backend: _,
            config: _,
            id: _,
            read_only: _,
            bytes,
            writeback,
            next_tag: _,
            under_way,
            held: _,
            starved,
            again,
        } = self;
        let heads = under_way.values().map(|request| (request.queue, request.chain.head));
        VirtioBlockSavedV1 {
            writeback: *writeback,
            bytes: *bytes,
            under_way: heads.chain(again.iter().copied()).collect(),
            starved: starved.clone(),
        }
    }

    /// What was on its way is carried out again, from the start.
    fn restore(&mut self, saved: VirtioBlockSavedV1) -> Result<(), RestoreError> {
        let VirtioBlockSavedV1 { writeback, bytes, under_way, starved } = saved;
        let queues = self.config.queues;
        let possible = |(queue, head): &(u16, u16)| *queue < queues && *head < QUEUE_SIZE;
        if !under_way.iter().all(possible) {
            return Err(RestoreError::Invalid { device: "virtio-block", field: "under_way" });
        }
        if starved.iter().any(|queue| *queue >= queues) {
            return Err(RestoreError::Invalid { device: "virtio-block", field: "starved" });
        }
        self.give_up(None);
        self.writeback = writeback;
        self.bytes = bytes;
        self.again = under_way;
        self.starved = starved;
        Ok(())
    }
}
