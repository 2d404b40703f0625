//! Whether a screen has come to rest.

use glassbox_device_api::VmTime;
use glassbox_machine::Look;
use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Pictures that are remembered; a guest that shows more of them is not at rest.
const MOST: usize = 1024;

/// What a screen has shown since it began to be watched.
#[derive(Debug, Default)]
pub struct Steady {
    seen: BTreeSet<u64>,
    /// When something new was shown last.
    since: VmTime,
}

impl Steady {
    /// Whether nothing new has been shown for `time`. What alternates, such as a
    /// blinking cursor, is new once.
    pub fn has_been(&mut self, time: VmTime, look: &Look<'_>) -> bool {
        let mut hasher = DefaultHasher::new();
        let shown = match (look.text, look.picture) {
            // Without the blinking of cursor and characters.
            (Some(text), _) => {
                text.cells.iter().for_each(|cell| (cell.code, cell.attribute).hash(&mut hasher));
                true
            }
            (None, Some((frame, changes))) if self.seen.is_empty() || !changes.is_empty() => {
                (frame.width(), frame.pixels()).hash(&mut hasher);
                true
            }
            _ => false,
        };
        if shown && self.seen.insert(hasher.finish()) {
            self.since = look.now;
            if self.seen.len() > MOST {
                self.seen.clear();
            }
        }
        !self.seen.is_empty() && look.now >= self.since + time
    }

    /// When it has been at rest for `time`, if nothing happens.
    pub fn deadline(&self, time: VmTime) -> VmTime {
        if self.seen.is_empty() { VmTime::default() } else { self.since + time }
    }
}
