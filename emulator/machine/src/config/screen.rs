//! Who looks at the screen while the guest runs.

use glassbox_device_api::VmTime;
use glassbox_display::{Changes, Frame, TextScreen};

/// What there is to see.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    /// Guest time.
    pub now: VmTime,
    /// Instructions that have retired.
    pub retired: u64,
    /// Width and height of the picture in pixels; `None` without a display.
    pub size: Option<(u32, u32)>,
    /// The text screen; `None` in graphics modes.
    pub text: Option<&'a TextScreen>,
    /// Rows of text, blanks at their ends left out: of the text screen, or what can be
    /// read off the picture. Empty where nobody [wants](ScreenWatcher::wants_text) them.
    pub rows: &'a [String],
    /// The picture and what of it changed since the last look; `None` where nobody
    /// [wants](ScreenWatcher::wants_pictures) it.
    pub picture: Option<(&'a Frame, &'a Changes)>,
}

/// Looks at the screen.
pub trait ScreenWatcher: Send {
    /// Called about every 50 ms of guest time in which the guest has run, every
    /// 16 ms where somebody wants pictures, and at the [`deadline`](Self::deadline).
    fn look(&mut self, look: &Look<'_>);

    /// Whether pictures are to be made from now on. Asked before each look.
    fn wants_pictures(&self) -> bool {
        false
    }

    /// Whether rows of text are to be read from now on. Asked before each look.
    fn wants_text(&self) -> bool {
        false
    }

    /// When the next look is wanted even if the guest sleeps.
    fn deadline(&self) -> Option<VmTime> {
        None
    }
}
