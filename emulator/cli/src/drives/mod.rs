//! Drives: what the command line names, where each is connected, and the host's
//! end of it.

mod recognise;
mod spec;

pub use recognise::{Kind, recognise};
pub use spec::{Bus, DriveSpec, Media};

use anyhow::{Context, bail};
use glassbox_block::{Drive, DriveKind, DriveOptions, Execution};
use glassbox_machine::{ClockMode, Control, DriveConfig, DriveInterface, DriveMedia};
use std::sync::Arc;

/// Places of IDE drives in the order in which disks and CD-ROMs take them.
const IDE_DISKS: [(u8, u8); 4] = [(0, 0), (0, 1), (1, 1), (1, 0)];
const IDE_CDROMS: [(u8, u8); 4] = [(1, 0), (1, 1), (0, 1), (0, 0)];
const AHCI_PORTS: u8 = 6;
/// Boot indices that follow from the kind of drive come behind those that were given.
const BY_KIND: u32 = 1000;

/// A drive of the machine, and the host's end of it.
pub struct Opened {
    pub config: DriveConfig,
    pub drive: Arc<Drive>,
}

/// Opens drives, with places for those that have none, in order.
///
/// # Errors
/// An image that cannot be used, or a place that does not exist or is taken.
pub fn open_all(
    specs: &[DriveSpec],
    order: &[Media],
    clock: ClockMode,
    control: &Control,
) -> anyhow::Result<Vec<Opened>> {
    let mut drives: Vec<Opened> = Vec::new();
    for (number, spec) in specs.iter().enumerate() {
        let media = media_of(spec)?;
        let taken = |place: &DriveInterface| match place {
            // Each has a controller of its own.
            DriveInterface::VirtioBlk | DriveInterface::Nvme => false,
            place => drives.iter().any(|opened| opened.config.interface == *place),
        };
        let Some(interface) = places(spec, media).find(|place| !taken(place)) else {
            bail!("{}: no room on this bus: give another with if=", spec.file.display());
        };
        let rank = order.iter().position(|kind| *kind == media);
        let drive = Arc::new(open(spec, media, clock, control)?);
        let config = DriveConfig {
            interface,
            media: match media {
                Media::Disk => DriveMedia::Disk,
                Media::Cdrom => DriveMedia::Cdrom,
                Media::Floppy => DriveMedia::Floppy,
            },
            source: Arc::clone(&drive) as _,
            serial: spec.serial.clone().unwrap_or_else(|| format!("GB{:05}", number + 1)),
            boot_index: spec.boot_index.or_else(|| {
                let rank = u32::try_from(rank?).ok()?;
                Some(BY_KIND * (rank + 1) + number as u32)
            }),
            name: spec.file.file_name().unwrap_or(spec.file.as_os_str()).to_string_lossy().into_owned(),
        };
        drives.push(Opened { config, drive });
    }
    Ok(drives)
}

/// What goes into a drive of which only the file is known.
fn media_of(spec: &DriveSpec) -> anyhow::Result<Media> {
    match spec.media {
        Some(media) => Ok(media),
        // An image of a CD is one wherever it was named.
        None => match recognise(&spec.file)? {
            Kind::Drive(Media::Cdrom) if spec.format.is_none() => Ok(Media::Cdrom),
            _ => Ok(Media::Disk),
        },
    }
}

/// Where a drive may be connected, in the order in which it is tried.
fn places(spec: &DriveSpec, media: Media) -> impl Iterator<Item = DriveInterface> {
    let bus = spec.bus.unwrap_or(if media == Media::Floppy { Bus::Floppy } else { Bus::Ide });
    let ide = if media == Media::Cdrom { IDE_CDROMS } else { IDE_DISKS };
    let places: Vec<DriveInterface> = match bus {
        Bus::Ide => ide.map(|(channel, unit)| DriveInterface::Ide { channel, unit }).into(),
        Bus::Ahci => (0..AHCI_PORTS).map(|port| DriveInterface::Ahci { port }).collect(),
        Bus::Floppy => (0..2).map(|unit| DriveInterface::Floppy { unit }).collect(),
        Bus::Virtio => vec![DriveInterface::VirtioBlk],
        Bus::Nvme => vec![DriveInterface::Nvme],
    };
    places.into_iter()
}

fn open(spec: &DriveSpec, media: Media, clock: ClockMode, control: &Control) -> anyhow::Result<Drive> {
    if media == Media::Cdrom && matches!(spec.bus, Some(Bus::Virtio | Bus::Nvme | Bus::Floppy)) {
        bail!("{}: CD-ROM drives are on ide or ahci: give one of these with if=", spec.file.display());
    }
    let options = DriveOptions {
        format: spec.format,
        kind: match media {
            Media::Disk => DriveKind::Disk,
            Media::Cdrom => DriveKind::Cdrom,
            Media::Floppy => DriveKind::Floppy,
        },
        read_only: spec.read_only,
        ephemeral: spec.ephemeral,
        cache: spec.cache,
        ..DriveOptions::new(&spec.file)
    };
    // What is to repeat must not depend on how fast the host is.
    let execution = match clock {
        ClockMode::Host => Execution::Worker,
        ClockMode::Instructions { .. } => Execution::Synchronous,
    };
    let control = control.clone();
    let waker = Arc::new(move || control.input_ready());
    Drive::open(&options, execution, waker).with_context(|| "cannot use a drive".to_owned())
}

/// Parses `--boot`: kinds of drives, or their letters as in other emulators.
pub fn parse_boot(text: &str) -> Result<Vec<Media>, String> {
    let word = |word: &str| match word {
        "floppy" => Some(Media::Floppy),
        "disk" => Some(Media::Disk),
        "cdrom" | "cd" => Some(Media::Cdrom),
        _ => None,
    };
    let letter = |c: char| match c {
        'a' => Some(Media::Floppy),
        'c' => Some(Media::Disk),
        'd' => Some(Media::Cdrom),
        _ => None,
    };
    let words: Option<Vec<_>> = text.split(',').map(word).collect();
    let parsed = words.or_else(|| text.chars().map(letter).collect());
    parsed
        .filter(|order| !order.is_empty())
        .ok_or_else(|| "give floppy, disk and cdrom in the order to try, as in cdrom,disk".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interfaces(specs: &[(&str, Option<Bus>, Media)]) -> Vec<DriveInterface> {
        let folder = tempfile::tempdir().unwrap();
        let specs: Vec<_> = specs
            .iter()
            .map(|(name, bus, media)| {
                let file = folder.path().join(name);
                std::fs::write(&file, vec![0; 1440 << 10]).unwrap();
                DriveSpec { bus: *bus, media: Some(*media), ..DriveSpec::of(file) }
            })
            .collect();
        let clock = ClockMode::Instructions { mips: 1 };
        let drives = open_all(&specs, &[], clock, &Control::new()).unwrap();
        drives.iter().map(|opened| opened.config.interface).collect()
    }

    #[test]
    fn drives_take_the_usual_places() {
        let ide = |channel, unit| DriveInterface::Ide { channel, unit };
        let found = interfaces(&[
            ("a", None, Media::Disk),
            ("b", None, Media::Cdrom),
            ("c", None, Media::Disk),
            ("d", Some(Bus::Virtio), Media::Disk),
            ("e", None, Media::Floppy),
            ("f", Some(Bus::Ahci), Media::Cdrom),
            ("g", None, Media::Disk),
        ]);
        let expected = [
            ide(0, 0),
            ide(1, 0),
            ide(0, 1),
            DriveInterface::VirtioBlk,
            DriveInterface::Floppy { unit: 0 },
            DriveInterface::Ahci { port: 0 },
            ide(1, 1),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn boot_orders_are_words_or_letters() {
        assert_eq!(parse_boot("cdrom,disk"), Ok(vec![Media::Cdrom, Media::Disk]));
        assert_eq!(parse_boot("dca"), Ok(vec![Media::Cdrom, Media::Disk, Media::Floppy]));
        assert!(parse_boot("").is_err() && parse_boot("usb").is_err());
    }
}
