//! `--screenshot-every DUR,DIR`.

use super::copy;
use crate::units::parse_duration;
use anyhow::Context;
use crossbeam_channel::{Sender, bounded};
use glassbox_device_api::VmTime;
use glassbox_machine::{Look, ScreenWatcher};
use glassbox_screen::{Picture, write_png};
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::Duration;

/// Pictures that wait to be written; a slow disk holds the guest up.
const WAITING: usize = 4;

/// How often, and where to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Periodic {
    /// Guest time between two pictures.
    pub every: Duration,
    /// The folder; it is made.
    pub folder: PathBuf,
}

impl Periodic {
    /// Parses `DUR,DIR`.
    ///
    /// # Errors
    /// What is not understood.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (every, folder) = text.split_once(',').ok_or("give a time and a folder, as in 10s,pictures")?;
        let every = parse_duration(every)?;
        if every.is_zero() {
            return Err("no time is between two pictures: give one, as in 10s,pictures".into());
        }
        if folder.is_empty() {
            return Err("give a folder, as in 10s,pictures".into());
        }
        Ok(Self { every, folder: folder.into() })
    }

    /// Makes the folder and what writes into it.
    ///
    /// # Errors
    /// Where the folder cannot be made.
    pub fn start(&self) -> anyhow::Result<Album> {
        let about = || format!("cannot make the folder {} for --screenshot-every", self.folder.display());
        std::fs::create_dir_all(&self.folder).with_context(about)?;
        let (pictures, waiting) = bounded::<(u64, Picture)>(WAITING);
        let folder = self.folder.clone();
        let writer = std::thread::Builder::new().name("screenshots".into()).spawn(move || {
            for (number, picture) in waiting {
                if let Err(error) = write(&folder, number, &picture) {
                    return log::error!("--screenshot-every: no more pictures are written: {error}");
                }
            }
        });
        let every = VmTime(u64::try_from(self.every.as_nanos()).unwrap_or(u64::MAX));
        let writer = Some(writer.context("cannot start a thread for pictures")?);
        Ok(Album { every, next: every, number: 0, pictures: Some(pictures), writer })
    }
}

fn write(folder: &Path, number: u64, picture: &Picture) -> std::io::Result<()> {
    let file = File::create(folder.join(format!("{number:06}.png")))?;
    write_png(picture, BufWriter::new(file))
}

/// Keeps a picture every so often, numbered from 1.
#[derive(Debug)]
pub struct Album {
    every: VmTime,
    next: VmTime,
    number: u64,
    pictures: Option<Sender<(u64, Picture)>>,
    writer: Option<JoinHandle<()>>,
}

impl ScreenWatcher for Album {
    fn look(&mut self, look: &Look<'_>) {
        let Some((frame, _)) = look.picture.filter(|_| look.now >= self.next) else { return };
        self.number += 1;
        // Pictures that were missed are not made up for.
        let periods = (look.now - self.next).0 / self.every.0 + 1;
        self.next = self.next + VmTime(periods.saturating_mul(self.every.0));
        let mut picture = Picture::default();
        copy(frame, &mut picture);
        if let Some(pictures) = &self.pictures {
            // The writer is gone where the folder cannot be written; that was said.
            let _ = pictures.send((self.number, picture));
        }
    }

    fn wants_pictures(&self) -> bool {
        true
    }

    fn deadline(&self) -> Option<VmTime> {
        Some(self.next)
    }
}

impl Drop for Album {
    /// What was taken is written before the run's end.
    fn drop(&mut self) {
        self.pictures = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_and_a_folder_are_needed() {
        let parsed = Periodic::parse("500ms,a,b");
        assert_eq!(parsed, Ok(Periodic { every: Duration::from_millis(500), folder: "a,b".into() }));
        for bad in ["10s", "0s,a", "a,b", "10s,"] {
            assert!(Periodic::parse(bad).is_err(), "{bad}");
        }
    }
}
