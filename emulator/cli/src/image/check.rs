//! `glassbox image check`.

use super::args::CheckArgs;
use super::info::write_out;
use crate::outcome;
use glassbox_block::CheckReport;
use glassbox_block::tools;
use serde_json::json;

/// The tables contradict each other: data is in danger.
const DAMAGED: u8 = 2;
/// Room is lost, but no data.
const LEAKS: u8 = 3;
/// The format has no tables.
const NOTHING_TO_CHECK: u8 = 63;

pub fn run(args: &CheckArgs) -> anyhow::Result<u8> {
    let image = args.image.display();
    let Some(report) = tools::check(&args.image, args.format)? else {
        write_out(&if args.json {
            format!("{:#}\n", json!({ "image": args.image, "checked": false }))
        } else {
            format!("{image}: a format with nothing to check\n")
        })?;
        return Ok(NOTHING_TO_CHECK);
    };
    let text = if args.json {
        let value = json!({
            "image": args.image,
            "checked": true,
            "errors": report.errors,
            "leaks": report.leaks,
            "clusters": report.clusters,
            "allocated": report.allocated,
            "compressed": report.compressed,
            "messages": report.messages,
        });
        format!("{value:#}\n")
    } else {
        as_text(&image.to_string(), &report)
    };
    write_out(&text)?;
    Ok(match (report.errors, report.leaks) {
        (0, 0) => outcome::SUCCESS,
        (0, _) => LEAKS,
        _ => DAMAGED,
    })
}

fn as_text(image: &str, report: &CheckReport) -> String {
    let mut text: String = report.messages.iter().map(|message| format!("{message}\n")).collect();
    let found = report.errors + report.leaks;
    let shown = report.messages.len() as u64;
    if found > shown {
        text += &format!("and {} more\n", found - shown);
    }
    let share = 100.0 * report.allocated as f64 / report.clusters.max(1) as f64;
    let stored = format!(
        "{} of {} clusters stored ({share:.1} %), {} compressed",
        report.allocated, report.clusters, report.compressed
    );
    text + &match (report.errors, report.leaks) {
        (0, 0) => format!("{image}: no errors; {stored}\n"),
        (0, leaks) => format!(
            "{image}: {leaks} clusters are lost room, no data is in danger; {stored}\n\
             `qemu-img check -r leaks {image}` gives them back\n"
        ),
        (errors, leaks) => format!(
            "{image}: {errors} errors, {leaks} lost clusters; {stored}\n\
             copy it, then try `qemu-img check -r all {image}`\n"
        ),
    }
}
