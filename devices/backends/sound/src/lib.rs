//! What the guest's PC speaker says, on the host: as a file, and with the feature
//! `host` as sound.
//!
//! [`Sampler`] makes samples of the speaker's waves, each exactly the mean of its
//! time; [`WavSpeaker`] writes them. Time is the guest's: two runs with a clock of
//! instructions write the same file.

#[cfg(feature = "host")]
mod host;
#[cfg(feature = "host")]
mod queue;
mod sampler;
mod wav;

#[cfg(feature = "host")]
pub use host::{HostSoundError, HostSpeaker};
pub use sampler::Sampler;
pub use wav::{SAMPLE_RATE, WavSpeaker};
