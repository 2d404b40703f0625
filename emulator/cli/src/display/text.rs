//! What the screen says: matched while the guest runs, and written out at the end.

use crate::watch::Patterns;
use anyhow::Context;
use glassbox_machine::{Control, Look, ScreenWatcher, Stop};
use std::fs::File;
use std::io::Write;

/// What the patterns say of a screen.
pub fn verdict(patterns: &Patterns, rows: &[String]) -> Option<Stop> {
    let verdicts: Vec<Stop> = rows.iter().filter_map(|row| patterns.verdict(row.as_bytes())).collect();
    let failed = verdicts.iter().find(|stop| matches!(stop, Stop::Failed(_)));
    failed.or(verdicts.first()).cloned()
}

/// Stops the machine when a pattern is on the screen.
pub struct WatchedScreen {
    patterns: Patterns,
    control: Control,
    seen: Vec<String>,
}

impl WatchedScreen {
    /// Stops the machine behind `control`.
    pub fn new(patterns: Patterns, control: Control) -> Self {
        Self { patterns, control, seen: Vec::new() }
    }
}

impl ScreenWatcher for WatchedScreen {
    fn look(&mut self, look: &Look<'_>) {
        if look.rows == self.seen {
            return;
        }
        if let Some(stop) = verdict(&self.patterns, look.rows) {
            self.control.stop(stop);
        }
        self.seen = look.rows.to_vec();
    }

    fn wants_text(&self) -> bool {
        true
    }
}

/// Writes the screen to a file, a row a line.
///
/// # Errors
/// Where the file cannot be written.
pub fn write_text(rows: &[String], mut file: File) -> anyhow::Result<()> {
    let text: String = rows.iter().flat_map(|row| [row, "\n"]).collect();
    file.write_all(text.as_bytes()).context("--screen-text cannot be written: is the disk full?")
}

#[cfg(test)]
mod tests {
    use super::*;
    use regex::bytes::Regex;

    #[test]
    fn patterns_are_matched_row_by_row_and_failure_counts_first() {
        let regex = |text: &str| Some(Regex::new(text).unwrap());
        let patterns = Patterns { expect: regex("^grub>$"), fail_on: regex("error") };
        let says = |rows: [&str; 3]| verdict(&patterns, &rows.map(str::to_owned));
        assert_eq!(says(["", "grub>", ""]), Some(Stop::Expected("grub>".into())));
        assert_eq!(says(["grub>", "an error", ""]), Some(Stop::Failed("an error".into())));
        assert_eq!(says(["gr", "ub>", ""]), None);
    }
}
