//! `--expect` and `--fail-on`: watches what the guest writes.

use glassbox_device_api::CharBackend;
use glassbox_machine::{Control, Stop};
use regex::bytes::Regex;

/// Of a longer line only the last so many bytes are looked at.
const LINE_LIMIT: usize = 4096;

/// What to look for.
#[derive(Clone, Debug)]
pub struct Patterns {
    pub expect: Option<Regex>,
    pub fail_on: Option<Regex>,
}

impl Patterns {
    /// Whether there is nothing to look for.
    pub fn is_empty(&self) -> bool {
        self.expect.is_none() && self.fail_on.is_none()
    }

    /// What a line means, as it is now.
    pub fn verdict(&self, line: &[u8]) -> Option<Stop> {
        let text = || String::from_utf8_lossy(line).into_owned();
        let matches = |regex: &Option<Regex>| regex.as_ref().is_some_and(|r| r.is_match(line));
        if matches(&self.fail_on) {
            Some(Stop::Failed(text()))
        } else if matches(&self.expect) {
            Some(Stop::Expected(text()))
        } else {
            None
        }
    }
}

/// Where in an ECMA-48 escape sequence the output is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Escape {
    None,
    Started,
    Csi,
    /// An operating system command: text up to BEL or ESC \.
    Osc,
}

/// Output as lines that a person sees: colours and other escape sequences are
/// left out.
#[derive(Debug)]
pub struct Lines {
    line: Vec<u8>,
    escape: Escape,
}

impl Lines {
    /// Nothing written yet.
    pub fn new() -> Self {
        Self { line: Vec::new(), escape: Escape::None }
    }

    /// Takes one byte; gives the line as it is now where that made it longer.
    pub fn feed(&mut self, byte: u8) -> Option<&[u8]> {
        self.escape = match (self.escape, byte) {
            (Escape::None, 0x1B) => Escape::Started,
            (Escape::None, _) => return self.text(byte),
            (Escape::Started, b'[') => Escape::Csi,
            (Escape::Started, b']') => Escape::Osc,
            // Intermediate bytes, as in the choice of a character set.
            (Escape::Started, 0x20..=0x2F) => Escape::Started,
            (Escape::Csi, 0x20..=0x3F) => Escape::Csi,
            (Escape::Osc, 0x1B) => Escape::Started,
            (Escape::Osc, 0x20..) => Escape::Osc,
            _ => Escape::None,
        };
        None
    }

    fn text(&mut self, byte: u8) -> Option<&[u8]> {
        match byte {
            b'\n' => {
                self.line.clear();
                return None;
            }
            b'\r' | 0 => return None,
            byte => self.line.push(byte),
        }
        if self.line.len() > LINE_LIMIT {
            self.line.drain(..LINE_LIMIT / 2);
        }
        Some(&self.line)
    }
}

/// Matches output byte by byte: `$` also matches the end of what has been
/// written of a line so far.
#[derive(Debug)]
struct LineWatcher {
    patterns: Patterns,
    lines: Lines,
}

impl LineWatcher {
    fn new(patterns: Patterns) -> Self {
        Self { patterns, lines: Lines::new() }
    }

    fn feed(&mut self, byte: u8) -> Option<Stop> {
        self.patterns.verdict(self.lines.feed(byte)?)
    }
}

/// A backend whose output is watched.
pub struct Watched {
    inner: Box<dyn CharBackend>,
    watcher: LineWatcher,
    control: Control,
}

impl Watched {
    /// Stops the machine behind `control` when a pattern is seen.
    pub fn new(inner: Box<dyn CharBackend>, patterns: Patterns, control: Control) -> Self {
        Self { inner, watcher: LineWatcher::new(patterns), control }
    }
}

impl CharBackend for Watched {
    fn write(&mut self, bytes: &[u8]) {
        self.inner.write(bytes);
        for &byte in bytes {
            if let Some(stop) = self.watcher.feed(byte) {
                self.control.stop(stop);
            }
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> usize {
        self.inner.read(buffer)
    }

    fn is_connected(&self) -> bool {
        self.inner.is_connected()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch(expect: &str, output: &[u8]) -> Option<Stop> {
        let patterns = Patterns { expect: Some(Regex::new(expect).unwrap()), fail_on: None };
        let mut watcher = LineWatcher::new(patterns);
        output.iter().find_map(|&byte| watcher.feed(byte))
    }

    fn seen(text: &str) -> Option<Stop> {
        Some(Stop::Expected(text.into()))
    }

    #[test]
    fn a_prompt_is_seen_before_its_line_ends() {
        assert_eq!(watch("login: $", b"Debian\r\n\r\nhost login: "), seen("host login: "));
        assert_eq!(watch("^done", b"not done\ndone"), seen("done"));
        assert_eq!(watch("a.*b", b"a\nb\n"), None, "a match does not span lines");
    }

    #[test]
    fn colours_are_not_part_of_a_line() {
        assert_eq!(watch(r"\[ OK \] S", b"[\x1b[0;32m OK \x1b[0m] Started"), seen("[ OK ] S"));
        assert_eq!(watch("^ab$", b"\x1b]0;title\x07\x1b(Bab"), seen("ab"));
    }

    #[test]
    fn the_end_of_an_endless_line_is_still_seen() {
        let mut output = vec![b'.'; 100 * LINE_LIMIT];
        output.extend_from_slice(b"ready");
        assert!(matches!(watch("ready", &output), Some(Stop::Expected(line)) if line.len() <= LINE_LIMIT));
    }

    #[test]
    fn failure_goes_before_success() {
        let regex = || Some(Regex::new("x").unwrap());
        let patterns = Patterns { expect: regex(), fail_on: regex() };
        assert_eq!(patterns.verdict(b"x"), Some(Stop::Failed("x".into())));
    }
}
