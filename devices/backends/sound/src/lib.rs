//! What the guest's PC speaker says, on the host: for now as a file.
//!
//! [`Sampler`] makes samples of the speaker's waves, each exactly the mean of its
//! time; [`WavSpeaker`] writes them. Time is the guest's: two runs with a clock of
//! instructions write the same file.

mod sampler;
mod wav;

pub use sampler::Sampler;
pub use wav::{SAMPLE_RATE, WavSpeaker};
