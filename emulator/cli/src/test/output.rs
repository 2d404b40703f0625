//! Results for a person, or as TAP 14 for a program.

use super::case::Case;
use super::runner::{Report, Verdict};
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

/// Where results go while tests run.
pub struct Output {
    tap: bool,
    progress: bool,
    total: usize,
    done: usize,
    written: usize,
}

impl Output {
    /// Begins with `total` tests.
    ///
    /// # Errors
    /// Where standard output cannot be written.
    pub fn start(tap: bool, total: usize) -> io::Result<Self> {
        if tap {
            println_all(&format!("TAP version 14\n1..{total}\n"))?;
        }
        let progress = io::stderr().is_terminal();
        let output = Self { tap, progress, total, done: 0, written: 0 };
        output.show_progress();
        Ok(output)
    }

    /// A test has ended, perhaps before others that are written first.
    pub fn ended(&mut self) {
        self.done += 1;
        self.show_progress();
    }

    /// Writes the result of the next test.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn result(&mut self, case: &Case, report: &Report) -> io::Result<()> {
        self.written += 1;
        self.clear_progress();
        let text = if self.tap { tap(self.written, case, report) } else { plain(case, report) };
        println_all(&text)?;
        self.show_progress();
        Ok(())
    }

    /// All results are written.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn finish(&self, results: &[(Case, Report)], wall: Duration) -> io::Result<()> {
        self.clear_progress();
        if self.tap {
            return Ok(());
        }
        let count = |of: fn(&Verdict) -> bool| results.iter().filter(|(_, r)| of(&r.verdict)).count();
        let passed = count(|verdict| matches!(verdict, Verdict::Passed));
        let failed = count(|verdict| matches!(verdict, Verdict::Failed(_)));
        let errors = results.len() - passed - failed;
        let errors = if errors == 0 { String::new() } else { format!(", {errors} could not be run") };
        println_all(&format!("{passed} passed, {failed} failed{errors} in {:.1} s\n", wall.as_secs_f64()))
    }

    fn show_progress(&self) {
        if self.progress && self.done < self.total {
            // The line is redrawn in place.
            let _ = write!(io::stderr(), "\r\x1b[K[{}/{}]", self.done, self.total);
        }
    }

    fn clear_progress(&self) {
        if self.progress {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

fn println_all(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

fn cost(report: &Report) -> String {
    let (seconds, instructions) = (report.wall.as_secs_f64(), report.instructions);
    format!("{seconds:.2} s, {instructions} instructions")
}

fn indented(text: &str, by: &str) -> String {
    text.lines().map(|line| format!("{by}{line}\n")).collect()
}

fn plain(case: &Case, report: &Report) -> String {
    let Case { name, reproduce, .. } = case;
    match &report.verdict {
        Verdict::Passed => format!("ok      {name} ({})\n", cost(report)),
        Verdict::Failed(faults) => {
            let text = format!("{}\n{}reproduce: {reproduce}", faults.join("\n"), report.details);
            format!("FAILED  {name} ({})\n{}", cost(report), indented(&text, "    "))
        }
        Verdict::Error(message) => {
            format!("ERROR   {name}\n{}", indented(&format!("{message}\nreproduce: {reproduce}"), "    "))
        }
    }
}

/// One test point, with what else there is to say as comments.
fn tap(number: usize, case: &Case, report: &Report) -> String {
    let name = case.name.replace('\\', "\\\\").replace('#', "\\#").replace(['\r', '\n'], " ");
    let (word, text) = match &report.verdict {
        Verdict::Passed => ("ok", String::new()),
        Verdict::Failed(faults) => ("not ok", format!("{}\n{}", faults.join("\n"), report.details)),
        Verdict::Error(message) => ("not ok", format!("error: {message}\n")),
    };
    let text = if text.is_empty() { text } else { format!("{text}reproduce: {}", case.reproduce) };
    format!("{word} {number} - {name}\n{}", indented(&text, "# "))
}
