//! What a kind of virtio device is, and how it reaches its queues.

use glassbox_memory::GuestMemory;

use crate::queue::Queue;
use crate::{Chain, QueueError};

/// What a device says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceKind {
    /// Virtio device ID (Virtio 1.2, chapter 5): 1 network, 2 block, 3 console, …
    pub id: u16,
    /// PCI class code, `0xccsspp`.
    pub class: u32,
    /// PCI device ID of a transitional device (Virtio 1.2, 4.1.2.1); `None` for
    /// kinds that have no legacy interface.
    pub transitional: Option<u16>,
}

/// A kind of virtio device, without its transport.
///
/// It is called with its queues only while the driver has them running and the
/// device may access memory.
pub trait VirtioDevice: Send {
    /// A short name for logs and statistics.
    fn name(&self) -> &'static str;

    /// What it is.
    fn kind(&self) -> DeviceKind;

    /// The features that it offers; the transport adds its own.
    fn features(&self) -> u64;

    /// The largest size of each of its queues, in entries: powers of two, at most 32768.
    fn queue_sizes(&self) -> Vec<u16>;

    /// Fills `to` from its configuration structure; bytes beyond it are zero.
    /// `features` are those that the driver has accepted so far.
    fn config_read(&self, features: u64, offset: u64, to: &mut [u8]);

    /// The driver writes to the configuration structure.
    fn config_write(&mut self, features: u64, offset: u64, from: &[u8]) {
        let _ = (features, offset, from);
    }

    /// Returns to the state after power-on. No buffer is accessed or given back from here on.
    fn reset(&mut self);

    /// As [`reset`](Self::reset), for the buffers of one queue.
    fn reset_queue(&mut self, queue: u16) {
        let _ = queue;
    }

    /// The driver says that there is something in a queue.
    fn notify(&mut self, queue: u16, rings: &mut Rings<'_>);

    /// The host may have something for the device.
    fn poll_host(&mut self, rings: &mut Rings<'_>) {
        let _ = rings;
    }
}

/// A device's queues, for the time of one call.
#[derive(Debug)]
pub struct Rings<'a> {
    pub(crate) memory: &'a GuestMemory,
    pub(crate) queues: &'a mut [Queue],
    pub(crate) features: u64,
    pub(crate) broken: Option<(u16, QueueError)>,
    pub(crate) config_changed: bool,
    /// Buffers that may still be taken: a driver on another processor that adds
    /// them as fast as the device takes them does not keep it forever.
    pub(crate) budget: u32,
    /// Queues that were left when the budget was used up.
    pub(crate) left: Vec<u16>,
}

impl<'a> Rings<'a> {
    pub(crate) fn new(memory: &'a GuestMemory, queues: &'a mut [Queue], features: u64) -> Self {
        let budget = queues.iter().map(|q| 2 * u32::from(q.size)).sum();
        Self { memory, queues, features, broken: None, config_changed: false, budget, left: Vec::new() }
    }

    /// The features that driver and device agreed on.
    pub fn features(&self) -> u64 {
        self.features
    }

    /// Guest memory.
    pub fn memory(&self) -> &'a GuestMemory {
        self.memory
    }

    fn running(&mut self, queue: u16) -> Option<&mut Queue> {
        let alive = self.broken.is_none();
        self.queues.get_mut(usize::from(queue)).filter(|q| q.enabled && q.size != 0 && alive)
    }

    /// Takes the next buffer that the driver made available, if there is one.
    pub fn pop(&mut self, queue: u16) -> Option<Chain> {
        let (memory, features) = (self.memory, self.features);
        if self.budget == 0 {
            self.left.push(queue);
            return None;
        }
        let popped = self.running(queue)?.pop(memory, features);
        self.budget -= 1;
        popped.unwrap_or_else(|error| {
            self.fail(queue, error);
            None
        })
    }

    /// Reads a buffer again that was taken before a snapshot.
    pub fn again(&mut self, queue: u16, head: u16) -> Option<Chain> {
        let (memory, features) = (self.memory, self.features);
        match self.running(queue)?.again(memory, features, head) {
            Ok(chain) => Some(chain),
            Err(error) => {
                self.fail(queue, error);
                None
            }
        }
    }

    /// Gives a buffer back with `written` bytes in it.
    pub fn push(&mut self, queue: u16, head: u16, written: u32) {
        let memory = self.memory;
        if let Some(Err(error)) = self.running(queue).map(|q| q.push(memory, head, written)) {
            self.fail(queue, error);
        }
    }

    /// The driver broke the rules: the device stops until it is reset.
    pub fn fail(&mut self, queue: u16, error: QueueError) {
        self.broken.get_or_insert((queue, error));
    }

    /// Whether the device has to stop.
    pub fn is_broken(&self) -> bool {
        self.broken.is_some()
    }

    /// The configuration structure is another one than before: the driver is told.
    pub fn config_changed(&mut self) {
        self.config_changed = true;
    }
}
