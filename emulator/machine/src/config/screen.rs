//! Who looks at the screen while the guest runs.

use glassbox_display::TextScreen;

/// Looks at the text screen.
pub trait ScreenWatcher: Send {
    /// What it says now. Called about every 50 ms of guest time in which the guest
    /// has run, and not at all in graphics modes.
    fn look(&mut self, screen: &TextScreen);
}
