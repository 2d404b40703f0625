//! `--drive file=F,if=ahci,…`: what the user says of a drive.

use glassbox_block::{Cache, Format};
use std::path::PathBuf;

/// Where a drive is connected, as users write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Bus {
    /// The PIIX's IDE channels: every system has a driver
    Ide,
    /// A SATA adapter
    #[value(alias = "sata")]
    Ahci,
    /// virtio-blk: the fastest
    Virtio,
    /// NVM Express
    Nvme,
    /// The floppy disk controller
    Floppy,
}

/// What goes into the drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    Disk,
    Cdrom,
    Floppy,
}

/// One drive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DriveSpec {
    pub file: PathBuf,
    pub bus: Option<Bus>,
    pub media: Option<Media>,
    pub format: Option<Format>,
    pub read_only: bool,
    pub ephemeral: bool,
    pub cache: Cache,
    pub serial: Option<String>,
    pub boot_index: Option<u32>,
}

impl DriveSpec {
    /// A drive of which nothing is said but its file.
    pub fn of(file: impl Into<PathBuf>) -> Self {
        Self {
            file: file.into(),
            bus: None,
            media: None,
            format: None,
            read_only: false,
            ephemeral: false,
            cache: Cache::default(),
            serial: None,
            boot_index: None,
        }
    }

    /// Parses the value of `--drive`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut drive = Self::of(PathBuf::new());
        for part in split(text) {
            let (key, value) = part.split_once('=').unwrap_or((part.as_str(), ""));
            match (key, value) {
                ("file", file) if !file.is_empty() => drive.file = file.into(),
                ("if" | "bus", bus) => {
                    let parsed = <Bus as clap::ValueEnum>::from_str(bus, true);
                    drive.bus = Some(
                        parsed.map_err(|_| format!("if={bus}: give ide, ahci, virtio, nvme or floppy"))?,
                    );
                }
                ("media", "disk") => drive.media = Some(Media::Disk),
                ("media", "cdrom") => drive.media = Some(Media::Cdrom),
                ("media", other) => return Err(format!("media={other}: give disk or cdrom")),
                ("format", format) => drive.format = Some(format.parse()?),
                ("readonly" | "ephemeral", value) => {
                    let on = switch(key, value)?;
                    if key == "readonly" { drive.read_only = on } else { drive.ephemeral = on }
                }
                ("cache", "writeback") => drive.cache = Cache::Writeback,
                ("cache", "writethrough") => drive.cache = Cache::Writethrough,
                ("cache", "unsafe") => drive.cache = Cache::Unsafe,
                ("cache", other) => {
                    return Err(format!("cache={other}: give writeback, writethrough or unsafe"));
                }
                ("serial", serial) if serial.len() <= 20 && serial.bytes().all(|b| b.is_ascii_graphic()) => {
                    drive.serial = Some(serial.to_owned());
                }
                ("serial", _) => return Err("serial: give at most 20 printable ASCII characters".into()),
                ("bootindex", n) => {
                    let index = n.parse().map_err(|_| format!("bootindex={n}: give a number from 0"))?;
                    drive.boot_index = Some(index);
                }
                ("file", _) => return Err("file=: name the image".into()),
                (key, _) => {
                    return Err(format!(
                        "`{key}` is no option of a drive: there are file, if, media, format, readonly, \
                         ephemeral, cache, serial and bootindex"
                    ));
                }
            }
        }
        if drive.file.as_os_str().is_empty() {
            return Err("name the image, as in file=disk.qcow2".into());
        }
        if drive.bus == Some(Bus::Floppy) {
            if drive.media.is_some_and(|media| media != Media::Floppy) {
                return Err("if=floppy has no other media".into());
            }
            drive.media = Some(Media::Floppy);
        }
        Ok(drive)
    }
}

/// A flag that may be left bare.
fn switch(key: &str, value: &str) -> Result<bool, String> {
    match value {
        "" | "on" => Ok(true),
        "off" => Ok(false),
        other => Err(format!("{key}={other}: give on or off")),
    }
}

/// Splits at commas; two of them are one that belongs to the text.
pub fn split(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let last = parts.len() - 1;
        if c != ',' {
            parts[last].push(c);
        } else if chars.next_if_eq(&',').is_some() {
            parts[last].push(',');
        } else {
            parts.push(String::new());
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_can_be_said_is_understood() {
        let drive = DriveSpec::parse(
            "file=a,,b=c.img,if=sata,media=cdrom,format=raw,readonly,ephemeral=off,serial=X1,bootindex=2",
        )
        .unwrap();
        let expected = DriveSpec {
            bus: Some(Bus::Ahci),
            media: Some(Media::Cdrom),
            format: Some(Format::Raw),
            read_only: true,
            serial: Some("X1".into()),
            boot_index: Some(2),
            ..DriveSpec::of("a,b=c.img")
        };
        assert_eq!(drive, expected);
        assert_eq!(DriveSpec::parse("file=a,if=floppy").unwrap().media, Some(Media::Floppy));
    }

    #[test]
    fn mistakes_say_what_there_is() {
        for (text, says) in [
            ("", "file=disk.qcow2"),
            ("disk.img", "`disk.img` is no option"),
            ("file=a,if=scsi", "virtio"),
            ("file=a,media=tape", "cdrom"),
            ("file=a,format=zip", "qcow2"),
            ("file=a,readonly=maybe", "on or off"),
            ("file=a,if=floppy,media=cdrom", "no other media"),
            ("file=a,bootindex=x", "number"),
        ] {
            let error = DriveSpec::parse(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
