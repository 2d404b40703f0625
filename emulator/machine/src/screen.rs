//! Looking at the screen while the guest runs.

use crate::bus::processor::lock;
use crate::{Look, Machine, ScreenWatcher};
use glassbox_device_api::VmTime;
use glassbox_display::{Changes, Frame, TextReader, TextScreen};
use glassbox_services::fonts::{CODE_PAGE_437, Height, font};

/// Guest time between two looks at text.
const TEXT_INTERVAL: VmTime = VmTime(50_000_000);
/// Guest time between two pictures: 60 a second.
const PICTURE_INTERVAL: VmTime = VmTime(16_666_667);

/// Who looks, and when next.
#[derive(Default)]
pub(crate) struct ScreenLook {
    watchers: Vec<Box<dyn ScreenWatcher>>,
    frame: Option<Box<Frame>>,
    /// Reads text in graphics modes, once it was wanted.
    reader: Option<Box<TextReader>>,
    next: VmTime,
    /// Instructions that had retired at the last look: without more of them
    /// nothing has changed.
    seen: u64,
}

impl ScreenLook {
    pub fn new(watchers: Vec<Box<dyn ScreenWatcher>>) -> Self {
        Self { watchers, ..Self::default() }
    }

    /// Rows of text in the picture, where they are wanted; the reader hears of `changes`
    /// in any case.
    fn read(&mut self, changes: Option<&Changes>, wanted: bool, now: VmTime) -> Vec<String> {
        if wanted && self.reader.is_none() {
            self.reader = Some(Box::new(text_reader()));
        }
        let (Some(frame), Some(reader)) = (&self.frame, &mut self.reader) else { return Vec::new() };
        if let Some(changes) = changes {
            reader.note(changes);
        }
        if wanted { trimmed(reader.read(frame, now)) } else { Vec::new() }
    }

    fn deadline(&self) -> Option<VmTime> {
        self.watchers.iter().filter_map(|watcher| watcher.deadline()).min()
    }
}

/// A reader that knows our BIOS's fonts, too.
fn text_reader() -> TextReader {
    let mut reader = TextReader::new();
    for height in [Height::Sixteen, Height::Fourteen, Height::Eight] {
        reader.add_font(CODE_PAGE_437, &font(height));
    }
    reader
}

/// Rows without blanks at their ends, and without empty rows at the end.
fn trimmed<'a>(rows: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut rows: Vec<String> = rows.map(|row| row.trim_end().to_owned()).collect();
    while rows.last().is_some_and(String::is_empty) {
        rows.pop();
    }
    rows
}

fn rows_of(screen: &TextScreen) -> Vec<String> {
    trimmed(screen.lines().iter().map(String::as_str))
}

impl Machine {
    /// What the screen says, row by row, blanks at the ends left out: the text screen, or
    /// in a graphics mode what can be read off it. `None` without a display.
    pub fn screen_rows(&self) -> Option<Vec<String>> {
        if let Some(screen) = self.text_screen() {
            return Some(rows_of(&screen));
        }
        let mut frame = Frame::new();
        self.frame(&mut frame)?;
        Some(trimmed(text_reader().read(&frame, VmTime::default())))
    }

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
        let wants_text = self.screen.watchers.iter().any(|watcher| watcher.wants_text());
        let interval = if pictures { PICTURE_INTERVAL } else { TEXT_INTERVAL };
        self.screen.next = now + interval;
        self.screen.seen = self.cpu.state.retired;
        let board = lock(&self.board);
        let (text, size) = (board.text_screen(), board.screen_size());
        let reads = wants_text && text.is_none() && size.is_some();
        let mut changes = None;
        if pictures || reads {
            changes = board.frame(self.screen.frame.get_or_insert_default());
        }
        drop(board);
        let rows = match &text {
            Some(screen) if wants_text => rows_of(screen),
            _ => self.screen.read(changes.as_ref(), reads, now),
        };
        let picture = self.screen.frame.as_deref().zip(changes.as_ref()).filter(|_| pictures);
        let look =
            Look { now, retired: self.cpu.state.retired, size, text: text.as_ref(), rows: &rows, picture };
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
