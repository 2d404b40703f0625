//! A WAV file: 16 bits, one channel (Microsoft RIFF, `WAVE_FORMAT_PCM`).

use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};

use glassbox_chipset::{SpeakerSink, Wave};

use crate::sampler::{Sampler, Samples};

/// Samples a second.
pub const SAMPLE_RATE: u32 = 44_100;
const HEADER: u64 = 44;
const BYTES: u64 = 2;
/// Sizes in the header have 32 bits: about 13 hours.
const MOST_SAMPLES: u64 = (u32::MAX as u64 - HEADER) / BYTES;

/// Writes what the speaker says to a file.
#[derive(Debug)]
pub struct WavSpeaker {
    file: BufWriter<File>,
    sampler: Sampler,
    /// Samples so far, those that are still to be written as silence included.
    samples: u64,
    silence: u64,
    failed: bool,
}

impl WavSpeaker {
    /// Begins the file.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn new(file: File) -> io::Result<Self> {
        let sampler = Sampler::new(SAMPLE_RATE);
        let mut wav = Self { file: BufWriter::new(file), sampler, samples: 0, silence: 0, failed: false };
        wav.write_header()?;
        Ok(wav)
    }

    fn write_header(&mut self) -> io::Result<()> {
        let data = (self.samples * BYTES) as u32;
        let rate = SAMPLE_RATE;
        let mut header = Vec::new();
        header.extend_from_slice(b"RIFF");
        header.extend_from_slice(&(data + HEADER as u32 - 8).to_le_bytes());
        header.extend_from_slice(b"WAVEfmt ");
        header.extend_from_slice(&16u32.to_le_bytes());
        // PCM, one channel.
        header.extend_from_slice(&[1, 0, 1, 0]);
        header.extend_from_slice(&rate.to_le_bytes());
        header.extend_from_slice(&(rate * BYTES as u32).to_le_bytes());
        header.extend_from_slice(&[BYTES as u8, 0, 16, 0]);
        header.extend_from_slice(b"data");
        header.extend_from_slice(&data.to_le_bytes());
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(&header)
    }

    fn write(&mut self, samples: Samples) -> io::Result<()> {
        match samples {
            Samples::Silence(count) => self.silence += count,
            Samples::One(sample) => {
                if self.silence != 0 {
                    // A hole in the file reads as silence.
                    self.file.seek(SeekFrom::Start(HEADER + self.samples * BYTES))?;
                    self.silence = 0;
                }
                self.file.write_all(&sample.to_le_bytes())?;
            }
        }
        self.samples += match samples {
            Samples::Silence(count) => count,
            Samples::One(_) => 1,
        };
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        self.file.flush()?;
        self.file.get_ref().set_len(HEADER + self.samples * BYTES)?;
        self.write_header()?;
        self.file.flush()
    }

    fn fail(&mut self, why: &dyn std::fmt::Display) {
        log::error!("--sound: no more is written: {why}");
        self.failed = true;
    }
}

impl SpeakerSink for WavSpeaker {
    fn play(&mut self, wave: Wave) {
        if self.failed {
            return;
        }
        let mut sampler = self.sampler.clone();
        let mut result = Ok(());
        sampler.play(&wave, |samples| {
            let count = if let Samples::Silence(count) = samples { count } else { 1 };
            if result.is_ok() && self.samples + count > MOST_SAMPLES {
                result = Err(io::Error::other("a WAV file holds no more than 13 hours"));
            }
            if result.is_ok() {
                result = self.write(samples);
            }
        });
        self.sampler = sampler;
        if let Err(error) = result {
            self.fail(&error);
        }
    }
}

impl Drop for WavSpeaker {
    fn drop(&mut self) {
        if let Err(error) = self.finish() {
            self.fail(&error);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use glassbox_chipset::PIT_HZ;

    #[test]
    fn a_file_has_header_silence_and_tone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("beep.wav");
        let mut wav = WavSpeaker::new(File::create(&path).unwrap()).unwrap();
        wav.play(Wave { from: 0, ticks: PIT_HZ, level: false, first: 0, period: 0 });
        wav.play(Wave { from: PIT_HZ, ticks: PIT_HZ, level: true, first: 597, period: 1193 });
        wav.play(Wave { from: 2 * PIT_HZ, ticks: PIT_HZ, level: false, first: 0, period: 0 });
        drop(wav);
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(
            (&bytes[..4], &bytes[8..16], &bytes[36..40]),
            (&b"RIFF"[..], &b"WAVEfmt "[..], &b"data"[..])
        );
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        assert_eq!((word(4) as usize, word(40), word(24)), (bytes.len() - 8, 3 * 88_200, SAMPLE_RATE));
        let second = |n: usize| &bytes[44 + n * 88_200..44 + (n + 1) * 88_200];
        assert!(second(0).iter().all(|byte| *byte == 0));
        assert!(second(1).iter().any(|byte| *byte != 0));
        assert!(second(2)[80_000..].iter().all(|byte| *byte == 0));
    }
}
