//! The host's sound, through cpal.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use cpal::traits::{DeviceTrait, HostTrait, StreamTrait};
use cpal::{FromSample, SampleFormat, SizedSample, Stream, SupportedStreamConfig};
use glassbox_chipset::{SpeakerSink, Wave};
use glassbox_device_api::VmTime;
use thiserror::Error;

use crate::queue::Queue;
use crate::sampler::Sampler;

/// Why nothing is heard.
#[derive(Debug, Error)]
#[error("the host plays no sound: {0}; --sound wav=F writes it to a file")]
pub struct HostSoundError(String);

/// Plays what the speaker says, about a tenth of a second late.
pub struct HostSpeaker {
    sampler: Sampler,
    queue: Arc<Mutex<Queue>>,
    /// The thread that has the stream ends when this is dropped.
    _playing: Sender<()>,
}

impl HostSpeaker {
    /// Plays on the host's default device.
    ///
    /// # Errors
    /// Where there is none, or where it takes no samples that we have.
    pub fn open() -> Result<Self, HostSoundError> {
        let (opened, answer) = channel();
        let (playing, ended) = channel::<()>();
        // Streams of some hosts stay on the thread that made them.
        let thread = thread::Builder::new().name("sound".into()).spawn(move || match stream() {
            Err(error) => drop(opened.send(Err(error))),
            Ok((stream, queue, rate)) => {
                let _ = opened.send(Ok((queue, rate)));
                // Until nobody is there who could send something.
                let _ = ended.recv();
                drop(stream);
            }
        });
        thread.map_err(|error| HostSoundError(error.to_string()))?;
        let gone = || Err(HostSoundError("its thread is gone".into()));
        let (queue, rate) = answer.recv().unwrap_or_else(|_| gone())?;
        Ok(Self { sampler: Sampler::new(rate), queue, _playing: playing })
    }
}

type Opened = (Stream, Arc<Mutex<Queue>>, u32);

fn stream() -> Result<Opened, HostSoundError> {
    let failed = |error: cpal::Error| HostSoundError(error.to_string());
    let device = cpal::default_host().default_output_device();
    let device = device.ok_or_else(|| HostSoundError("it has no device for that".into()))?;
    let config = device.default_output_config().map_err(failed)?;
    let rate = config.sample_rate();
    let queue = Arc::new(Mutex::new(Queue::new(rate)));
    let stream = match config.sample_format() {
        SampleFormat::F32 => build::<f32>(&device, &config, &queue),
        SampleFormat::I16 => build::<i16>(&device, &config, &queue),
        SampleFormat::U16 => build::<u16>(&device, &config, &queue),
        SampleFormat::I32 => build::<i32>(&device, &config, &queue),
        other => return Err(HostSoundError(format!("its samples are {other}"))),
    };
    let stream = stream.map_err(failed)?;
    stream.play().map_err(failed)?;
    Ok((stream, queue, rate))
}

fn build<T: SizedSample + FromSample<i16>>(
    device: &cpal::Device,
    config: &SupportedStreamConfig,
    queue: &Arc<Mutex<Queue>>,
) -> Result<Stream, cpal::Error> {
    let queue = Arc::clone(queue);
    let channels = usize::from(config.channels()).max(1);
    let fill = move |data: &mut [T], _: &cpal::OutputCallbackInfo| {
        let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
        for frame in data.chunks_mut(channels) {
            frame.fill(T::from_sample(queue.next()));
        }
    };
    device.build_output_stream(config.config(), fill, |error| log::warn!("sound: {error}"), None)
}

impl SpeakerSink for HostSpeaker {
    fn play(&mut self, wave: Wave) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        self.sampler.play(&wave, |samples| queue.push(samples));
    }

    fn patience(&self) -> Option<VmTime> {
        Some(VmTime(20_000_000))
    }
}
