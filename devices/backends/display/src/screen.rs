//! The picture that is shown now, and the copies that clients have of it.

use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

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

    /// Width and height.
    pub fn size(&self) -> (usize, usize) {
        (self.width, self.height)
    }

    /// The pixels of a row.
    #[cfg(feature = "window")]
    pub(crate) fn row(&self, row: usize) -> &[u32] {
        &self.pixels[row * self.width..][..self.width]
    }

    /// Where the pixels of some rows are; an empty place for rows that are not there.
    fn pixels_of(&self, rows: &Range<usize>) -> Range<usize> {
        let end = rows.end.min(self.height);
        rows.start.min(end) * self.width..end * self.width
    }
}

/// All rows of a picture, as one run.
pub(crate) fn whole(picture: &Picture) -> Vec<Range<usize>> {
    std::iter::once(0..picture.height).collect()
}

/// Appends pixels as bytes.
pub(crate) fn put_bytes(pixels: &[u32], bytes: fn(u32) -> [u8; 4], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + pixels.len() * 4, 0);
    for (to, pixel) in out[start..].as_chunks_mut::<4>().0.iter_mut().zip(pixels) {
        *to = bytes(pixel & 0xff_ffff);
    }
}

#[derive(Debug, Default)]
struct State {
    picture: Picture,
    /// The version that changed each row last.
    rows: Vec<u64>,
    /// How often something was published.
    version: u64,
    /// How often clients were woken for other reasons.
    wakes: u64,
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
        let all = whole(&state.picture);
        self.told(state, all);
    }

    /// Takes some rows of a picture of this size over, and tells those who wait for
    /// that. All rows count where the screen had another size.
    pub fn publish_rows(
        &self,
        (width, height): (usize, usize),
        pixels: &[u32],
        rows: impl IntoIterator<Item = Range<usize>>,
    ) {
        let mut state = self.state();
        if state.picture.size() != (width, height) || pixels.len() != state.picture.pixels.len() {
            drop(state);
            return self.publish(|now| *now = Picture { width, height, pixels: pixels.to_vec() });
        }
        let rows: Vec<_> = rows.into_iter().collect();
        for rows in &rows {
            let place = state.picture.pixels_of(rows);
            state.picture.pixels[place.clone()].copy_from_slice(&pixels[place]);
        }
        self.told(state, rows);
    }

    fn told(&self, mut state: MutexGuard<'_, State>, rows: impl IntoIterator<Item = Range<usize>>) {
        state.version += 1;
        let State { picture, rows: versions, version, .. } = &mut *state;
        versions.resize(picture.height, *version);
        for rows in rows {
            let end = rows.end.min(versions.len());
            versions[rows.start.min(end)..end].fill(*version);
        }
        self.0.1.notify_all();
    }

    /// Wakes all who wait, for good.
    pub(crate) fn close(&self) {
        self.state().closed = true;
        self.0.1.notify_all();
    }

    /// Wakes all who wait, once: something else than the picture changed.
    pub fn wake(&self) {
        self.state().wakes += 1;
        self.0.1.notify_all();
    }

    pub(crate) fn size(&self) -> (usize, usize) {
        self.state().picture.size()
    }
}

/// A client's copy of the screen.
#[derive(Debug)]
pub(crate) struct Mirror {
    screen: Screen,
    /// What the screen showed at the last refresh.
    pub picture: Picture,
    version: u64,
    wakes: u64,
}

impl Mirror {
    /// A copy of which everything is still to come.
    pub fn of(screen: &Screen) -> Self {
        Self { screen: screen.clone(), picture: Picture::default(), version: 0, wakes: 0 }
    }

    /// Waits until the screen is woken, or with `pictures` shows something new, or
    /// until that time. False when the screen is closed.
    pub fn wait(&mut self, pictures: bool, until: Option<Instant>) -> bool {
        let (mutex, changed) = &*self.screen.0;
        let mut state = mutex.lock().unwrap_or_else(PoisonError::into_inner);
        while !state.closed && state.wakes == self.wakes && !(pictures && state.version != self.version) {
            let Some(until) = until else {
                state = changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
            else {
                break;
            };
            state = changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        self.wakes = state.wakes;
        !state.closed
    }

    /// Takes over what is new, and says which rows that is: all, where the picture
    /// has another size. Nothing but copying is done while the screen is locked.
    pub fn refresh(&mut self) -> Vec<Range<usize>> {
        let state = self.screen.state();
        let mut runs: Vec<Range<usize>> = Vec::new();
        if state.picture.size() == self.picture.size() {
            let changed = (0..state.rows.len()).filter(|row| state.rows[*row] > self.version);
            for row in changed {
                match runs.last_mut() {
                    Some(run) if run.end == row => run.end = row + 1,
                    _ => runs.push(row..row + 1),
                }
            }
            for run in &runs {
                let place = state.picture.pixels_of(run);
                self.picture.pixels[place.clone()].copy_from_slice(&state.picture.pixels[place]);
            }
        } else {
            self.picture.clone_from(&state.picture);
            runs = whole(&self.picture);
        }
        self.version = state.version;
        runs
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_copy_is_told_the_rows_that_changed_since_it_looked() {
        let screen = Screen::new(Picture::black(4, 10));
        let mut mirror = Mirror::of(&screen);
        assert_eq!(mirror.refresh(), whole(&Picture::black(4, 10)));
        assert_eq!(mirror.refresh(), []);
        let new: Vec<u32> = (0..40).collect();
        screen.publish_rows((4, 10), &new, [1..3, 9..99]);
        screen.publish_rows((4, 10), &new, std::iter::once(3..4));
        assert_eq!(mirror.refresh(), [1..4, 9..10]);
        assert_eq!(mirror.picture.pixels[4..16], new[4..16]);
        assert_eq!(mirror.picture.pixels[16..36], [0; 20], "what was not said to change is not copied");
        screen.publish_rows((2, 2), &[7; 4], []);
        assert_eq!((mirror.refresh(), mirror.picture.size()), (whole(&Picture::black(2, 2)), (2, 2)));
    }

    #[test]
    fn a_picture_that_does_not_fit_its_size_is_not_shown() {
        let screen = Screen::new(Picture::black(4, 4));
        screen.publish_rows((100, 100), &[1; 5], []);
        assert_eq!(screen.size(), (0, 0));
        screen.publish(|picture| *picture = Picture { width: usize::MAX, height: 2, pixels: vec![] });
        assert_eq!(screen.size(), (0, 0));
    }

    #[test]
    fn a_wake_before_the_wait_is_not_lost() {
        let screen = Screen::new(Picture::black(1, 1));
        let mut mirror = Mirror::of(&screen);
        screen.wake();
        assert!(mirror.wait(false, None), "returns at once");
        let start = Instant::now();
        assert!(mirror.wait(false, Some(start + Duration::from_millis(20))));
        assert!(
            start.elapsed() >= Duration::from_millis(20),
            "there was one wake, and a picture is not waited for"
        );
        assert!(mirror.wait(true, None), "the picture is new");
        screen.close();
        assert!(!mirror.wait(false, None));
    }
}
