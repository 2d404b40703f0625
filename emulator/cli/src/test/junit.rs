//! Results as JUnit XML, which continuous integration services read.

use super::case::Case;
use super::runner::{Report, Verdict};
use std::io::{self, Write};
use std::time::Duration;

/// Text for an attribute or an element. What XML 1.0 cannot hold (2.2) is replaced.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' => escaped.push_str("&#10;"),
            '\t' => escaped.push('\t'),
            '\0'..='\x1F' | '\u{FFFE}' | '\u{FFFF}' => escaped.push('\u{FFFD}'),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Element text: as [`escape`], with lines left as lines.
fn escape_lines(text: &str) -> String {
    text.lines().map(escape).collect::<Vec<_>>().join("\n")
}

/// Writes all results.
///
/// # Errors
/// What the writer says.
pub fn write(out: &mut dyn Write, results: &[(Case, Report)], wall: Duration) -> io::Result<()> {
    let count = |of: fn(&Verdict) -> bool| results.iter().filter(|(_, report)| of(&report.verdict)).count();
    let totals = format!(
        "name=\"glassbox\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"0\" time=\"{:.3}\"",
        results.len(),
        count(|verdict| matches!(verdict, Verdict::Failed(_))),
        count(|verdict| matches!(verdict, Verdict::Error(_))),
        wall.as_secs_f64()
    );
    writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
    writeln!(out, "<testsuites {totals}>\n  <testsuite {totals}>")?;
    for (case, report) in results {
        writeln!(
            out,
            "    <testcase name=\"{}\" classname=\"{}\" time=\"{:.3}\">",
            escape(&case.name),
            escape(&case.group),
            report.wall.as_secs_f64()
        )?;
        let instructions = report.instructions;
        writeln!(
            out,
            "      <properties><property name=\"instructions\" value=\"{instructions}\"/></properties>"
        )?;
        let (element, faults) = match &report.verdict {
            Verdict::Passed => ("", String::new()),
            Verdict::Failed(faults) => ("failure", faults.join("\n")),
            Verdict::Error(message) => ("error", message.clone()),
        };
        if !element.is_empty() {
            let text = format!("{faults}\n{}reproduce: {}", report.details, case.reproduce);
            let message = escape(faults.lines().next().unwrap_or_default());
            writeln!(out, "      <{element} message=\"{message}\">{}</{element}>", escape_lines(&text))?;
        }
        writeln!(out, "    </testcase>")?;
    }
    writeln!(out, "  </testsuite>\n</testsuites>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_breaks_the_markup() {
        assert_eq!(escape("<a b=\"c\">&\n\x1b\0"), "&lt;a b=&quot;c&quot;&gt;&amp;&#10;\u{FFFD}\u{FFFD}");
        assert_eq!(escape_lines("a\n]]>\n"), "a\n]]&gt;");
    }
}
