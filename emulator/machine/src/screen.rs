//! Looking at the screen while the guest runs.

use crate::bus::processor::lock;
use crate::{Look, Machine, ScreenWatcher};
use glassbox_device_api::VmTime;
use glassbox_display::Frame;

/// Guest time between two looks at text.
const TEXT_INTERVAL: VmTime = VmTime(50_000_000);
/// Guest time between two pictures: 60 a second.
const PICTURE_INTERVAL: VmTime = VmTime(16_666_667);

/// Who looks, and when next.
#[derive(Default)]
pub(crate) struct ScreenLook {
    watchers: Vec<Box<dyn ScreenWatcher>>,
    frame: Option<Box<Frame>>,
    next: VmTime,
    /// Instructions that had retired at the last look: without more of them
    /// nothing has changed.
    seen: u64,
}

impl ScreenLook {
    pub fn new(watchers: Vec<Box<dyn ScreenWatcher>>) -> Self {
        Self { watchers, ..Self::default() }
    }

    fn deadline(&self) -> Option<VmTime> {
        self.watchers.iter().filter_map(|watcher| watcher.deadline()).min()
    }
}

impl Machine {
    /// Looks, if it is time.
    pub(crate) fn look_at_screen(&mut self) {
        if self.screen.watchers.is_empty() {
            return;
        }
        let now = self.clock.now();
        let wanted = self.screen.deadline().is_some_and(|deadline| deadline <= now);
        if now < self.screen.next && !wanted {
            return;
        }
        let pictures = self.screen.watchers.iter().any(|watcher| watcher.wants_pictures());
        if pictures {
            self.screen.frame.get_or_insert_default();
        }
        let interval = if pictures { PICTURE_INTERVAL } else { TEXT_INTERVAL };
        self.screen.next = now + interval;
        self.screen.seen = self.cpu.state.retired;
        let board = lock(&self.board);
        let frame = self.screen.frame.as_mut().filter(|_| pictures);
        let changes = frame.and_then(|frame| board.frame(frame));
        let (text, size) = (board.text_screen(), board.screen_size());
        drop(board);
        let picture = self.screen.frame.as_deref().zip(changes.as_ref());
        let look = Look { now, retired: self.cpu.state.retired, size, text: text.as_ref(), picture };
        for watcher in &mut self.screen.watchers {
            watcher.look(&look);
        }
    }

    /// When a processor that waits is to look once more, at the latest.
    pub(crate) fn next_look(&self) -> Option<VmTime> {
        let ran = !self.screen.watchers.is_empty() && self.screen.seen != self.cpu.state.retired;
        [ran.then_some(self.screen.next), self.screen.deadline()].into_iter().flatten().min()
    }
}
