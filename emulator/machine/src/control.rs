//! How other threads stop, wake and feed a running machine.

use crate::Machine;
use glassbox_cpu::CpuSignals;
use glassbox_input::InputEvent;
use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

/// Why somebody outside of the guest ended the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The user asked to quit.
    Quit,
    /// The host wants the run to end: this is why.
    Interrupted(&'static str),
    /// Output that was waited for has come: this text.
    Expected(String),
    /// Output that means failure has come: this text.
    Failed(String),
}

/// What the thread that runs the machine is to do with it.
type Task = Box<dyn FnOnce(&mut Machine) + Send>;

/// Tasks that wait, oldest first.
#[derive(Default)]
struct Tasks {
    waiting: VecDeque<Task>,
    /// Nobody will do any.
    closed: bool,
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tasks").field("waiting", &self.waiting.len()).field("closed", &self.closed).finish()
    }
}

#[derive(Debug, Default)]
struct Inner {
    processors: Mutex<Vec<Arc<CpuSignals>>>,
    stop: Mutex<Option<Stop>>,
    stop_requested: AtomicBool,
    input: AtomicBool,
    /// Keys and pointer, oldest first.
    events: Mutex<VecDeque<InputEvent>>,
    power_button: AtomicBool,
    tasks: Mutex<Tasks>,
    has_tasks: AtomicBool,
    paused: AtomicBool,
    /// When the run under way is out of time.
    end: Mutex<Option<Instant>>,
    woken: Mutex<bool>,
    wake: Condvar,
}

/// Events that wait for the guest.
const MOST_EVENTS: usize = 4096;

/// A handle on a machine for other threads and for host back ends. Made before
/// the machine, given to it in its configuration; clones are the same handle.
#[derive(Clone, Debug, Default)]
pub struct Control(Arc<Inner>);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Control {
    /// A handle that no machine listens to yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends the run. The first reason counts.
    pub fn stop(&self, reason: Stop) {
        lock(&self.0.stop).get_or_insert(reason);
        self.0.stop_requested.store(true, Ordering::Release);
        self.wake();
    }

    /// A character back end has something to read.
    pub fn input_ready(&self) {
        self.0.input.store(true, Ordering::Release);
        self.wake();
    }

    /// A person pressed a key or moved the pointer. What a guest leaves lying for
    /// too long is lost.
    pub fn send_input(&self, event: InputEvent) {
        let mut events = lock(&self.0.events);
        if events.len() < MOST_EVENTS {
            events.push_back(event);
        }
        drop(events);
        self.input_ready();
    }

    /// A person presses the power button: an operating system with ACPI switches
    /// the machine off in order.
    pub fn press_power_button(&self) {
        self.0.power_button.store(true, Ordering::Release);
        self.input_ready();
    }

    /// Stops the guest and its time, or lets it go on.
    pub fn set_paused(&self, paused: bool) {
        self.0.paused.store(paused, Ordering::Release);
        self.wake();
    }

    /// Whether the guest is to stand still.
    pub fn is_paused(&self) -> bool {
        self.0.paused.load(Ordering::Acquire)
    }

    /// Has the thread that runs the machine call `question` with it, between two
    /// instructions, and waits for the answer. `None` where no machine runs any more.
    pub fn ask<R: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Machine) -> R + Send + 'static,
    ) -> Option<R> {
        let (answer, answered) = mpsc::channel();
        {
            let mut tasks = lock(&self.0.tasks);
            if tasks.closed {
                return None;
            }
            tasks.waiting.push_back(Box::new(move |machine| {
                // Whoever asked may have gone.
                let _ = answer.send(question(machine));
            }));
        }
        self.0.has_tasks.store(true, Ordering::Release);
        self.wake();
        answered.recv().ok()
    }

    pub(crate) fn next_task(&self) -> Option<Task> {
        if !self.0.has_tasks.load(Ordering::Acquire) {
            return None;
        }
        let mut tasks = lock(&self.0.tasks);
        let task = tasks.waiting.pop_front();
        self.0.has_tasks.store(!tasks.waiting.is_empty(), Ordering::Release);
        task
    }

    /// From here on tasks are done, or refused; those that wait are dropped then.
    pub(crate) fn set_takes_tasks(&self, takes: bool) {
        let mut tasks = lock(&self.0.tasks);
        tasks.closed = !takes;
        if !takes {
            tasks.waiting.clear();
        }
    }

    pub(crate) fn take_power_button(&self) -> bool {
        self.0.power_button.swap(false, Ordering::AcqRel)
    }

    pub(crate) fn next_event(&self) -> Option<InputEvent> {
        lock(&self.0.events).pop_front()
    }

    /// For the event that found no room.
    pub(crate) fn put_back(&self, event: InputEvent) {
        lock(&self.0.events).push_front(event);
    }

    pub(crate) fn has_events(&self) -> bool {
        !lock(&self.0.events).is_empty()
    }

    /// Makes the run loop look at the world again, asleep or not.
    pub fn wake(&self) {
        for processor in lock(&self.0.processors).iter() {
            processor.request_exit();
        }
        *lock(&self.0.woken) = true;
        self.0.wake.notify_all();
    }

    /// Whether the run is to end now, whatever is left to do: somebody wants it,
    /// or its time limit is over. What the guest itself leads to, such as text
    /// that was waited for, leaves time for the rest of its output.
    pub fn is_hurried(&self) -> bool {
        let stop = self.stop_reason();
        matches!(stop, Some(Stop::Quit | Stop::Interrupted(_)))
            || lock(&self.0.end).is_some_and(|end| Instant::now() >= end)
    }

    pub(crate) fn set_end(&self, end: Option<Instant>) {
        *lock(&self.0.end) = end;
    }

    pub(crate) fn attach(&self, processor: Arc<CpuSignals>) {
        lock(&self.0.processors).push(processor);
    }

    pub(crate) fn stop_reason(&self) -> Option<Stop> {
        if self.0.stop_requested.load(Ordering::Acquire) { lock(&self.0.stop).clone() } else { None }
    }

    pub(crate) fn take_input(&self) -> bool {
        self.0.input.load(Ordering::Relaxed) && self.0.input.swap(false, Ordering::AcqRel)
    }

    /// Waits until somebody calls [`wake`](Self::wake), at most for `limit`. A
    /// wake that came since the last sleep counts.
    pub(crate) fn sleep(&self, limit: Option<Duration>) {
        let mut woken = lock(&self.0.woken);
        while !*woken {
            match limit {
                Some(limit) => {
                    woken = self.0.wake.wait_timeout(woken, limit).unwrap_or_else(PoisonError::into_inner).0;
                    break;
                }
                None => woken = self.0.wake.wait(woken).unwrap_or_else(PoisonError::into_inner),
            }
        }
        *woken = false;
    }
}
