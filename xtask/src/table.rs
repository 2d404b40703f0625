//! The table of `cargo xtask bench`: text, Markdown, JSON.

/// One work, and what both took for it.
#[derive(Clone, Debug)]
pub struct Row {
    /// What was done.
    pub name: String,
    /// Ours, median.
    pub ours: f64,
    /// The peer's.
    pub theirs: Option<f64>,
    /// The ratio that is wanted at least.
    pub least: f64,
    /// Of both.
    pub unit: &'static str,
}

impl Row {
    /// The peer's by ours: above 1 we are better.
    fn ratio(&self) -> Option<f64> {
        self.theirs.map(|theirs| theirs / self.ours)
    }
}

/// All rows.
#[derive(Debug, Default)]
pub struct Table {
    /// In the order they are shown.
    pub rows: Vec<Row>,
}

impl Table {
    /// The geometric mean of all ratios of times.
    fn mean(&self) -> Option<f64> {
        let ratios: Vec<f64> =
            self.rows.iter().filter(|row| row.unit == "s").filter_map(Row::ratio).collect();
        let sum: f64 = ratios.iter().map(|ratio| ratio.ln()).sum();
        (!ratios.is_empty()).then(|| (sum / ratios.len() as f64).exp())
    }

    /// For a terminal.
    pub fn text(&self) -> String {
        let mut text = format!(
            "{:<10} {:>12} {:>12} {:>8} {:>9}\n",
            "work", "Glassbox", "QEMU TCG", "ratio", "at least"
        );
        for row in &self.rows {
            let theirs = row.theirs.map_or_else(|| "-".into(), |t| format!("{t:.3} {}", row.unit));
            let ratio = row.ratio().map_or_else(|| "-".into(), |r| format!("{r:.2}"));
            let ours = format!("{:.3} {}", row.ours, row.unit);
            text += &format!("{:<10} {ours:>12} {theirs:>12} {ratio:>8} {:>9}\n", row.name, row.least);
        }
        if let Some(mean) = self.mean() {
            text += &format!("geometric mean of times: {mean:.2}\n");
        }
        text
    }

    /// For a report.
    pub fn markdown(&self) -> String {
        let mut text = String::from(
            "| work | Glassbox | QEMU TCG | TCG ÷ Glassbox | at least |\n| --- | --- | --- | --- | --- |\n",
        );
        for row in &self.rows {
            let theirs = row.theirs.map_or_else(String::new, |t| format!("{t:.3} {}", row.unit));
            let ratio = row.ratio().map_or_else(String::new, |r| format!("{r:.2}"));
            text += &format!(
                "| {} | {:.3} {} | {theirs} | {ratio} | {} |\n",
                row.name, row.ours, row.unit, row.least
            );
        }
        if let Some(mean) = self.mean() {
            text += &format!("| geometric mean | | | {mean:.2} | 2.5 |\n");
        }
        text
    }

    /// For programs.
    pub fn json(&self) -> String {
        let rows: Vec<String> = self
            .rows
            .iter()
            .map(|row| {
                let number = |n: Option<f64>| n.map_or_else(|| "null".into(), |n| format!("{n:.6}"));
                format!(
                    "    {{\"work\": \"{}\", \"unit\": \"{}\", \"glassbox\": {:.6}, \"tcg\": {}, \"ratio\": {}, \"least\": {}}}",
                    row.name, row.unit, row.ours, number(row.theirs), number(row.ratio()), row.least
                )
            })
            .collect();
        let mean = self.mean().map_or_else(|| "null".into(), |mean| format!("{mean:.6}"));
        format!("{{\n  \"rows\": [\n{}\n  ],\n  \"geometric_mean\": {mean}\n}}\n", rows.join(",\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_the_peers_by_ours_and_memory_is_not_in_the_mean() {
        let row = |name: &str, ours, theirs, unit| Row {
            name: name.into(),
            ours,
            theirs: Some(theirs),
            least: 1.0,
            unit,
        };
        let table =
            Table { rows: vec![row("a", 1.0, 2.0, "s"), row("b", 1.0, 8.0, "s"), row("m", 1.0, 1.0, "MiB")] };
        assert!((table.mean().unwrap() - 4.0).abs() < 1e-9);
        assert!(
            table.text().contains("4.00")
                && table.markdown().contains("| a | 1.000 s | 2.000 s | 2.00 | 1 |")
        );
        assert!(table.json().contains("\"ratio\": 8.000000"));
    }
}
