//! Looking at the text screen while the guest runs.

use crate::bus::processor::lock;
use crate::{Machine, ScreenWatcher};
use glassbox_device_api::VmTime;

/// Guest time between two looks.
const INTERVAL: VmTime = VmTime(50_000_000);

/// Who looks, and when next.
#[derive(Default)]
pub(crate) struct ScreenLook {
    watcher: Option<Box<dyn ScreenWatcher>>,
    next: VmTime,
    /// Instructions that had retired at the last look: without more of them
    /// nothing has changed.
    seen: u64,
}

impl ScreenLook {
    pub fn new(watcher: Option<Box<dyn ScreenWatcher>>) -> Self {
        Self { watcher, ..Self::default() }
    }
}

impl Machine {
    /// Looks, if it is time.
    pub(crate) fn look_at_screen(&mut self) {
        if self.screen.watcher.is_none() || self.clock.now() < self.screen.next {
            return;
        }
        self.screen.next = self.clock.now() + INTERVAL;
        self.screen.seen = self.cpu.state.retired;
        let text = lock(&self.board).text_screen();
        if let (Some(text), Some(watcher)) = (text, &mut self.screen.watcher) {
            watcher.look(&text);
        }
    }

    /// When a processor that waits is to look once more, at the latest.
    pub(crate) fn next_look(&self) -> Option<VmTime> {
        let stale = self.screen.watcher.is_some() && self.screen.seen != self.cpu.state.retired;
        stale.then_some(self.screen.next)
    }
}
