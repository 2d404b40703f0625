//! What a guest writes to a port: kept for the report, and matched.

use crate::watch::Lines;
use glassbox_device_api::CharBackend;
use glassbox_machine::{Control, Stop};
use regex::bytes::Regex;
use std::collections::VecDeque;
use std::fmt::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Of what a guest writes so many bytes are kept.
const KEPT: usize = 64 << 10;
/// Lines that a report shows.
const SHOWN: usize = 20;
/// Characters of a line that a report shows.
const SHOWN_WIDTH: usize = 300;

/// The texts that a run waits for, on all of its ports: it ends with the last.
#[derive(Clone, Debug)]
pub struct Goal {
    missing: Arc<AtomicUsize>,
    ends_run: bool,
    control: Control,
}

impl Goal {
    /// `count` texts are waited for; when all have come, the run ends if `ends_run`.
    pub fn new(count: usize, ends_run: bool, control: Control) -> Self {
        Self { missing: Arc::new(AtomicUsize::new(count)), ends_run, control }
    }

    /// One of the texts has come, in this line.
    pub fn seen(&self, line: &[u8]) {
        if self.missing.fetch_sub(1, Ordering::Relaxed) == 1 && self.ends_run {
            self.control.stop(Stop::Expected(String::from_utf8_lossy(line).into_owned()));
        }
    }
}

impl Goal {
    /// Text has come that must not, in this line.
    pub fn fail(&self, line: &str) {
        self.control.stop(Stop::Failed(line.to_owned()));
    }
}

#[derive(Debug)]
struct State {
    kept: VecDeque<u8>,
    lines: Lines,
    /// What is waited for and has not come.
    wanted: Vec<Regex>,
    forbidden: Vec<Regex>,
    /// A line that should not have come, and the pattern that it matches.
    offence: Option<(String, String)>,
    goal: Goal,
}

/// What one port has written; clones are the same capture.
#[derive(Clone, Debug)]
pub struct Capture(Arc<Mutex<State>>);

impl Capture {
    /// Nothing written yet.
    pub fn new(wanted: &[Regex], forbidden: &[Regex], goal: Goal) -> Self {
        Self(Arc::new(Mutex::new(State {
            kept: VecDeque::new(),
            lines: Lines::new(),
            wanted: wanted.to_vec(),
            forbidden: forbidden.to_vec(),
            offence: None,
            goal,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is wrong with what was written; `port` is what the port is called.
    pub fn faults(&self, port: &str) -> Vec<String> {
        let state = self.lock();
        let mut faults = Vec::new();
        if let Some((line, pattern)) = &state.offence {
            faults.push(format!("{port} says `{}`, which matches `{pattern}`", printable(line)));
        }
        faults.extend(state.wanted.iter().map(|regex| format!("no line of {port} matches `{regex}`")));
        faults
    }

    /// The last lines, indented, to be shown to a person; empty where nothing was written.
    pub fn last_lines(&self) -> String {
        let state = self.lock();
        let bytes: Vec<u8> = state.kept.iter().copied().collect();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().collect();
        let mut shown = String::new();
        for line in &lines[lines.len().saturating_sub(SHOWN)..] {
            let _ = writeln!(shown, "  {}", printable(line));
        }
        shown
    }
}

/// Guest text that does nothing to a terminal.
fn printable(line: &str) -> String {
    let mut text = String::new();
    for c in line.chars().filter(|&c| c != '\r').take(SHOWN_WIDTH) {
        if c.is_control() && c != '\t' {
            let _ = write!(text, "\\x{:02x}", u32::from(c));
        } else {
            text.push(c);
        }
    }
    text
}

impl State {
    fn write(&mut self, byte: u8) {
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(byte);
        let Self { lines, wanted, forbidden, offence, goal, .. } = self;
        let Some(line) = lines.feed(byte) else { return };
        if let Some(regex) = forbidden.iter().find(|regex| regex.is_match(line)) {
            let text = String::from_utf8_lossy(line).into_owned();
            goal.fail(&text);
            // Later bytes show more of the same line.
            *offence = Some((text, regex.to_string()));
        }
        wanted.retain(|regex| {
            let found = regex.is_match(line);
            if found {
                goal.seen(line);
            }
            !found
        });
    }
}

impl CharBackend for Capture {
    fn write(&mut self, bytes: &[u8]) {
        let mut state = self.lock();
        for &byte in bytes {
            state.write(byte);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capture(wanted: &[&str], forbidden: &[&str], output: &[u8]) -> Capture {
        let compile = |list: &[&str]| list.iter().map(|text| Regex::new(text).unwrap()).collect::<Vec<_>>();
        let goal = Goal::new(wanted.len(), true, Control::new());
        let mut capture = Capture::new(&compile(wanted), &compile(forbidden), goal);
        capture.write(output);
        capture
    }

    #[test]
    fn what_is_missing_and_what_should_not_be_there_is_named() {
        assert!(capture(&["^two$", "one"], &["three"], b"one\r\ntwo\r\n").faults("COM1").is_empty());
        let faults = capture(&["^two$", "four"], &["th..e"], b"two\nthree\n").faults("COM1");
        assert_eq!(faults, ["COM1 says `three`, which matches `th..e`", "no line of COM1 matches `four`"]);
    }

    #[test]
    fn a_report_keeps_little_and_is_harmless() {
        let mut output = vec![b'x'; 3 * KEPT];
        for n in 0..100 {
            output.extend_from_slice(format!("\nline \x1b[2J{n}").as_bytes());
        }
        let shown = capture(&[], &[], &output).last_lines();
        assert_eq!(shown.lines().count(), SHOWN);
        assert!(shown.ends_with("  line \\x1b[2J99\n"), "{shown}");
        assert!(capture(&[], &[], &[b'y'; 3 * KEPT]).last_lines().len() < 400);
    }
}
