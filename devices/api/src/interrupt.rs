//! Interrupt lines and message-signalled interrupts.
//!
//! A device may raise a line while the bus has borrowed it, so a line does not
//! call the interrupt controller: it queues a [`Signal`], and the board drains
//! the queue into the controllers after each access. The order of signals is
//! kept, so a pulse is seen as one.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What a device did on its interrupt wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// A line changed its level.
    Line {
        /// Which line, in the numbering of whoever made the [`IrqLine`].
        line: u32,
        /// True for asserted.
        level: bool,
    },
    /// A write to the message address space (Intel SDM Vol. 3A 11.11).
    Msi {
        /// Message address.
        address: u64,
        /// Message data.
        data: u32,
    },
}

type Waker = Box<dyn Fn() + Send + Sync>;

/// The signals that devices raised and the board has yet to deliver.
#[derive(Default)]
pub struct InterruptQueue {
    pending: AtomicBool,
    signals: Mutex<VecDeque<Signal>>,
    waker: Mutex<Option<Waker>>,
}

impl std::fmt::Debug for InterruptQueue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InterruptQueue").field("pending", &self.pending).finish_non_exhaustive()
    }
}

impl InterruptQueue {
    /// An empty queue.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Called whenever a signal is queued, from any thread: ends a processor's sleep.
    pub fn set_waker(&self, waker: Waker) {
        *self.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(waker);
    }

    /// Whether there is anything to [`pop`](Self::pop).
    #[inline]
    pub fn is_pending(&self) -> bool {
        self.pending.load(Ordering::Acquire)
    }

    /// The oldest signal.
    #[inline]
    pub fn pop(&self) -> Option<Signal> {
        // The board asks after each access; mostly there is nothing.
        if !self.is_pending() {
            return None;
        }
        let mut signals = self.signals.lock().unwrap_or_else(PoisonError::into_inner);
        let signal = signals.pop_front();
        self.pending.store(!signals.is_empty(), Ordering::Release);
        signal
    }

    fn push(&self, signal: Signal) {
        {
            let mut signals = self.signals.lock().unwrap_or_else(PoisonError::into_inner);
            signals.push_back(signal);
            self.pending.store(true, Ordering::Release);
        }
        if let Some(wake) = &*self.waker.lock().unwrap_or_else(PoisonError::into_inner) {
            wake();
        }
    }

    /// A new line with the given number, low.
    pub fn line(self: &Arc<Self>, line: u32) -> IrqLine {
        IrqLine(Some(Arc::new(Line { queue: Arc::clone(self), line, level: AtomicBool::new(false) })))
    }

    /// A target for messages.
    pub fn msi(self: &Arc<Self>) -> MsiTarget {
        MsiTarget(Arc::clone(self))
    }
}

#[derive(Debug)]
struct Line {
    queue: Arc<InterruptQueue>,
    line: u32,
    level: AtomicBool,
}

/// A wire from a device to whatever listens. Clones share the wire.
#[derive(Clone, Debug, Default)]
pub struct IrqLine(Option<Arc<Line>>);

impl IrqLine {
    /// A wire that leads nowhere.
    pub fn unconnected() -> Self {
        Self(None)
    }

    /// Drives the wire; only a change is passed on.
    pub fn set(&self, level: bool) {
        if let Some(line) = &self.0
            && line.level.swap(level, Ordering::AcqRel) != level
        {
            line.queue.push(Signal::Line { line: line.line, level });
        }
    }

    /// Asserts the wire.
    pub fn raise(&self) {
        self.set(true);
    }

    /// Releases the wire.
    pub fn lower(&self) {
        self.set(false);
    }

    /// One edge: asserts, then releases.
    pub fn pulse(&self) {
        self.set(true);
        self.set(false);
    }
}

/// Where a device sends message-signalled interrupts.
#[derive(Clone, Debug)]
pub struct MsiTarget(Arc<InterruptQueue>);

impl MsiTarget {
    /// Sends one message.
    pub fn send(&self, address: u64, data: u32) {
        self.0.push(Signal::Msi { address, data });
    }
}
