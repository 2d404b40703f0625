//! The text screen: matched while the guest runs, and written out at the end.

use crate::watch::Patterns;
use anyhow::Context;
use glassbox_machine::{Control, Look, ScreenWatcher, Stop, TextScreen};
use std::fs::File;
use std::io::Write;

/// Its rows as text, blanks at their ends left out.
pub fn rows(screen: &TextScreen) -> Vec<String> {
    let mut rows: Vec<String> = screen.lines().iter().map(|row| row.trim_end().to_owned()).collect();
    while rows.last().is_some_and(String::is_empty) {
        rows.pop();
    }
    rows
}

/// What the patterns say of a screen.
pub fn verdict(patterns: &Patterns, screen: &TextScreen) -> Option<Stop> {
    verdict_of_rows(patterns, &rows(screen))
}

fn verdict_of_rows(patterns: &Patterns, rows: &[String]) -> Option<Stop> {
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
        let Some(screen) = look.text else { return };
        let rows = rows(screen);
        if rows == self.seen {
            return;
        }
        if let Some(stop) = verdict_of_rows(&self.patterns, &rows) {
            self.control.stop(stop);
        }
        self.seen = rows;
    }
}

/// Writes the screen to a file, a row a line.
///
/// # Errors
/// Where the file cannot be written.
pub fn write_text(screen: Option<&TextScreen>, mut file: File) -> anyhow::Result<()> {
    let mut text = String::new();
    for row in screen.map(rows).unwrap_or_default() {
        text.push_str(&row);
        text.push('\n');
    }
    file.write_all(text.as_bytes()).context("--screen-text cannot be written: is the disk full?")
}

#[cfg(test)]
mod tests {
    use super::*;
    use glassbox_machine::TextCell;
    use regex::bytes::Regex;

    fn screen(rows: [&str; 3]) -> TextScreen {
        let cells = rows.iter().flat_map(|row| format!("{row:20}").into_bytes());
        let cells = cells.map(|code| TextCell { code, attribute: 7 }).collect();
        TextScreen { columns: 20, rows: 3, cells, ..TextScreen::default() }
    }

    #[test]
    fn patterns_are_matched_row_by_row_and_failure_counts_first() {
        let regex = |text: &str| Some(Regex::new(text).unwrap());
        let patterns = Patterns { expect: regex("^grub>$"), fail_on: regex("error") };
        let says = |rows| verdict(&patterns, &screen(rows));
        assert_eq!(says(["", "grub>", ""]), Some(Stop::Expected("grub>".into())));
        assert_eq!(says(["grub>", "an error", ""]), Some(Stop::Failed("an error".into())));
        assert_eq!(says(["gr", "ub>", ""]), None);
    }

    #[test]
    fn blanks_at_the_ends_are_left_out() {
        assert_eq!(rows(&screen(["a  b ", "", ""])), ["a  b"]);
    }
}
