//! The picture that is shown now.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A picture: rows of pixels `0x00RRGGBB`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Picture {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `width * height` pixels.
    pub pixels: Vec<u32>,
}

impl Picture {
    /// A black picture.
    pub fn black(width: usize, height: usize) -> Self {
        Self { width, height, pixels: vec![0; width * height] }
    }
}

#[derive(Debug, Default)]
struct State {
    picture: Picture,
    version: u64,
    closed: bool,
}

/// What clients see; clones are the same screen.
#[derive(Clone, Debug, Default)]
pub struct Screen(Arc<(Mutex<State>, Condvar)>);

impl Screen {
    /// A screen that shows `picture`.
    pub fn new(picture: Picture) -> Self {
        let screen = Self::default();
        screen.publish(|now| *now = picture);
        screen
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the picture, and tells those who wait for that. A picture whose
    /// pixels do not fit its size is not shown.
    pub fn publish(&self, change: impl FnOnce(&mut Picture)) {
        let mut state = self.state();
        change(&mut state.picture);
        let Picture { width, height, pixels } = &state.picture;
        if width.checked_mul(*height) != Some(pixels.len()) {
            state.picture = Picture::default();
        }
        state.version += 1;
        self.0.1.notify_all();
    }

    /// Wakes all who wait, for good.
    pub(crate) fn close(&self) {
        self.state().closed = true;
        self.0.1.notify_all();
    }

    /// Wakes all who wait, once.
    pub(crate) fn wake(&self) {
        self.0.1.notify_all();
    }

    pub(crate) fn size(&self) -> (usize, usize) {
        let state = self.state();
        (state.picture.width, state.picture.height)
    }

    /// Hands out the picture with its version.
    #[cfg(feature = "window")]
    pub(crate) fn look<R>(&self, look: impl FnOnce(u64, &Picture) -> R) -> R {
        let state = self.state();
        look(state.version, &state.picture)
    }

    /// Waits for another version than `seen`, or to be woken, and hands out the
    /// picture. `None` when the screen is closed.
    pub(crate) fn wait<R>(&self, seen: u64, look: impl FnOnce(u64, &Picture) -> R) -> Option<R> {
        let mut state = self.state();
        if !state.closed && state.version == seen {
            // A wake that comes between two waits is made up for soon.
            let patience = Duration::from_millis(100);
            state = self.0.1.wait_timeout(state, patience).unwrap_or_else(PoisonError::into_inner).0;
        }
        (!state.closed).then(|| look(state.version, &state.picture))
    }
}
