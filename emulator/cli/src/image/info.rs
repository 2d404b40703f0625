//! `glassbox image info`.

use super::args::InfoArgs;
use crate::outcome;
use anyhow::Context;
use glassbox_block::tools::{self, ImageInfo};
use serde_json::{Value, json};
use std::io::Write;

pub fn run(args: &InfoArgs) -> anyhow::Result<u8> {
    let info = tools::info(&args.image, args.format)?;
    let text = if args.json { format!("{:#}\n", as_json(&info)) } else { as_text(&info) };
    write_out(&text)?;
    Ok(outcome::SUCCESS)
}

/// Writes to standard output; who has read enough of it is no error.
pub fn write_out(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        result => result.context("cannot write to standard output"),
    }
}

/// `10 GiB`, `1.5 MiB`, `700 bytes`.
fn size(bytes: u64) -> String {
    let units = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
    match units.iter().find(|(shift, _)| bytes >> shift != 0) {
        Some((shift, unit)) => {
            let tenths = (u128::from(bytes) * 10) >> shift;
            match (tenths / 10, tenths % 10) {
                (whole, 0) => format!("{whole} {unit}"),
                (whole, tenth) => format!("{whole}.{tenth} {unit}"),
            }
        }
        None => format!("{bytes} bytes"),
    }
}

fn as_text(info: &ImageInfo) -> String {
    let mut lines = vec![
        ("image", info.path.display().to_string()),
        ("format", info.format.to_string()),
        ("disk", format!("{} ({} bytes)", size(info.size), info.size)),
        ("stored", size(info.stored)),
    ];
    if let Some(qcow2) = &info.qcow2 {
        lines[1].1 = format!("qcow2, version {}, clusters of {}", qcow2.version, size(qcow2.cluster_size));
        if let Some((name, _, format)) = &qcow2.backing {
            let format = format.map_or("format found by content".to_owned(), |format| format.to_string());
            lines.push(("stands on", format!("{name} ({format})")));
        }
        if qcow2.snapshots != 0 {
            lines.push(("snapshots", qcow2.snapshots.to_string()));
        }
        if qcow2.needs_repair {
            lines.push((
                "state",
                "left unfinished by another program: `qemu-img check -r all` repairs it".into(),
            ));
        }
    }
    if !info.format.is_writable() {
        lines.push(("writing", "only with `ephemeral`".into()));
    }
    lines.iter().map(|(name, value)| format!("{:<11}{value}\n", format!("{name}:"))).collect()
}

fn as_json(info: &ImageInfo) -> Value {
    let mut value = json!({
        "image": info.path,
        "format": info.format.name(),
        "disk_bytes": info.size,
        "stored_bytes": info.stored,
        "writable_format": info.format.is_writable(),
    });
    if let Some(qcow2) = &info.qcow2 {
        value["qcow2"] = json!({
            "version": qcow2.version,
            "cluster_bytes": qcow2.cluster_size,
            "compression": qcow2.compression,
            "snapshots": qcow2.snapshots,
            "refcount_bits": qcow2.refcount_bits,
            "needs_repair": qcow2.needs_repair,
            "backing": qcow2.backing.as_ref().map(|(name, path, format)| json!({
                "name": name,
                "path": path,
                "format": format.map(|format| format.name()),
            })),
        });
    }
    value
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_are_written_as_people_read_them() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (512, "512 bytes"),
            (1024, "1 KiB"),
            (1536, "1.5 KiB"),
            (10 << 30, "10 GiB"),
            ((10 << 30) + 1, "10 GiB"),
            (u64::MAX, "16777215.9 TiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }
}
