//! What the screen says: matched while the guest runs, and kept for the report.

use super::capture::Goal;
use glassbox_machine::{Look, ScreenWatcher};
use regex::bytes::Regex;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Debug)]
struct State {
    rows: Vec<String>,
    /// What is waited for and has not been seen.
    wanted: Vec<Regex>,
    forbidden: Vec<Regex>,
    /// A row that should not have been there, and the pattern that it matches.
    offence: Option<(String, String)>,
    goal: Goal,
}

/// The screen of one machine; clones are the same.
#[derive(Clone, Debug)]
pub struct ScreenCapture(Arc<Mutex<State>>);

impl ScreenCapture {
    /// Nothing seen yet.
    pub fn new(wanted: &[Regex], forbidden: &[Regex], goal: Goal) -> Self {
        let (wanted, forbidden) = (wanted.to_vec(), forbidden.to_vec());
        Self(Arc::new(Mutex::new(State { rows: Vec::new(), wanted, forbidden, offence: None, goal })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is wrong with what was shown.
    pub fn faults(&self) -> Vec<String> {
        let state = self.lock();
        let mut faults = Vec::new();
        if let Some((row, pattern)) = &state.offence {
            faults.push(format!("the screen says `{row}`, which matches `{pattern}`"));
        }
        faults.extend(state.wanted.iter().map(|regex| format!("no row of the screen matches `{regex}`")));
        faults
    }

    /// The last screen, indented; empty where there was none.
    pub fn shown(&self) -> String {
        self.lock().rows.iter().map(|row| format!("  {row}\n")).collect()
    }
}

impl ScreenWatcher for ScreenCapture {
    fn look(&mut self, look: &Look<'_>) {
        self.take(look.rows);
    }

    fn wants_text(&self) -> bool {
        true
    }
}

impl ScreenCapture {
    /// Takes what the screen says now.
    pub fn take(&self, rows: &[String]) {
        let mut state = self.lock();
        let State { rows: seen, wanted, forbidden, offence, goal } = &mut *state;
        if *seen == rows {
            return;
        }
        for row in rows {
            if let Some(regex) = forbidden.iter().find(|regex| regex.is_match(row.as_bytes())) {
                goal.fail(row);
                offence.get_or_insert_with(|| (row.clone(), regex.to_string()));
            }
            wanted.retain(|regex| {
                let found = regex.is_match(row.as_bytes());
                if found {
                    goal.seen(row.as_bytes());
                }
                !found
            });
        }
        *seen = rows.to_vec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use glassbox_machine::Control;

    #[test]
    fn rows_are_matched_and_what_is_missing_is_named() {
        let regex = |text: &str| vec![Regex::new(text).unwrap()];
        let capture = ScreenCapture::new(&regex("^C:"), &regex("error"), Goal::new(1, true, Control::new()));
        capture.take(&["an error".to_owned()]);
        let faults = capture.faults();
        assert_eq!(
            faults,
            ["the screen says `an error`, which matches `error`", "no row of the screen matches `^C:`"]
        );
        capture.take(&["C:\\>".to_owned()]);
        assert_eq!((capture.faults().len(), capture.shown()), (1, "  C:\\>\n".into()));
    }
}
