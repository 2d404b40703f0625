//! Documentation that quotes the sources has to quote what is there.

use anyhow::Result;
use std::fs;
use std::path::Path;

/// Faults in the quotes of one Markdown file: Rust blocks whose first line is a
/// comment with a path. The lines below it must be in that file, in this order,
/// with anything between them.
pub fn check(root: &Path, file: &Path) -> Result<Vec<String>> {
    let text = fs::read_to_string(file)?;
    let mut faults = Vec::new();
    for block in text.split("\n```rust\n").skip(1).filter_map(|rest| rest.split("\n```").next()) {
        let mut lines = block.lines();
        let Some(path) = lines.next().and_then(|line| line.strip_prefix("// ")) else { continue };
        let Ok(source) = fs::read_to_string(root.join(path)) else {
            faults.push(format!("{}: there is no {path} to quote", file.display()));
            continue;
        };
        if let Some(line) = first_missing(lines, &source) {
            faults.push(format!("{}: {path} does not say (here): {line}", file.display()));
        }
    }
    Ok(faults)
}

/// The first quoted line that does not follow the ones before it in `source`.
fn first_missing<'a>(quoted: impl Iterator<Item = &'a str>, source: &str) -> Option<&'a str> {
    let mut rest = source.lines().map(str::trim);
    quoted.filter(|line| !line.trim().is_empty()).find(|line| !rest.any(|there| there == line.trim()))
}

#[cfg(test)]
mod tests {
    use super::first_missing;

    #[test]
    fn quotes_may_leave_lines_out_but_not_change_or_reorder_them() {
        let source = "fn a() {\n    one();\n    two();\n}\n";
        assert_eq!(first_missing("one();\n}".lines(), source), None);
        assert_eq!(first_missing("two();\none();".lines(), source), Some("one();"));
        assert_eq!(first_missing("three();".lines(), source), Some("three();"));
    }
}
