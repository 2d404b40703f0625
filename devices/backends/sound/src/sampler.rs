//! Samples of the speaker's waves.

use glassbox_chipset::{PIT_HZ, Wave};

/// What a full swing of the level is in a sample.
const SWING: f32 = 16_000.0;
/// How much of its position the cone keeps from one sample to the next: a
/// speaker does not move for a level that stays (a corner at about 35 Hz).
const KEEP: f32 = 0.995;

/// Makes samples of waves. Times are in units of one second divided by the timer's
/// frequency and by the sample rate, in which ticks and samples are whole.
#[derive(Clone, Debug)]
pub struct Sampler {
    rate: u64,
    /// What of the sample under way has passed, and in how much of it the level was high.
    passed: u64,
    high: u64,
    /// The last mean level, and the cone's position.
    level: f32,
    cone: f32,
}

impl Sampler {
    /// A sampler at `rate` samples a second, from the timer's first tick on.
    pub fn new(rate: u32) -> Self {
        Self { rate: rate.max(1).into(), passed: 0, high: 0, level: 0.0, cone: 0.0 }
    }

    /// Goes through a wave, and hands out each sample that ends in it. Silence that
    /// goes on comes as a number of samples.
    pub fn play(&mut self, wave: &Wave, mut each: impl FnMut(Samples)) {
        let end = wave.ticks.saturating_mul(self.rate);
        let mut at = 0;
        while end - at >= PIT_HZ - self.passed {
            let next = at + (PIT_HZ - self.passed);
            let silent = !wave.level && wave.period == 0 && self.high == 0 && self.is_at_rest();
            if silent {
                let count = 1 + (end - next) / PIT_HZ;
                each(Samples::Silence(count));
                at = next + (count - 1) * PIT_HZ;
            } else {
                self.high += wave.high_time(next, self.rate) - wave.high_time(at, self.rate);
                each(Samples::One(self.sample()));
                at = next;
            }
            self.passed = 0;
            self.high = 0;
        }
        self.high += wave.high_time(end, self.rate) - wave.high_time(at, self.rate);
        self.passed += end - at;
    }

    fn is_at_rest(&self) -> bool {
        self.level == 0.0 && self.cone.abs() < 0.5
    }

    fn sample(&mut self) -> i16 {
        let level = self.high as f32 / PIT_HZ as f32 * SWING;
        self.cone = level - self.level + KEEP * self.cone;
        self.level = level;
        self.cone as i16
    }
}

/// What [`Sampler::play`] hands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Samples {
    /// A sample.
    One(i16),
    /// So many samples of nothing.
    Silence(u64),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(waves: &[Wave]) -> Vec<i16> {
        let mut sampler = Sampler::new(44_100);
        let mut all = Vec::new();
        for wave in waves {
            sampler.play(wave, |samples| match samples {
                Samples::One(sample) => all.push(sample),
                Samples::Silence(count) => all.resize(all.len() + count as usize, 0),
            });
        }
        all
    }

    fn wave(ticks: u64, level: bool, first: u32, period: u32) -> Wave {
        Wave { from: 0, ticks, level, first, period }
    }

    #[test]
    fn a_second_has_as_many_samples_as_the_rate_however_it_is_cut() {
        assert_eq!(samples(&[wave(PIT_HZ, false, 0, 0)]).len(), 44_100);
        let cut: Vec<Wave> = (0..PIT_HZ / 7).map(|_| wave(7, false, 0, 0)).collect();
        assert_eq!(samples(&cut).len(), (PIT_HZ / 7 * 7 * 44_100 / PIT_HZ) as usize);
    }

    #[test]
    fn a_wave_sounds_the_same_in_one_piece_and_in_many() {
        let period = 1193;
        let whole = samples(&[wave(u64::from(period) * 100, true, 597, period)]);
        let pieces: Vec<Wave> =
            (0..100).flat_map(|_| [wave(597, true, 0, 0), wave(596, false, 0, 0)]).collect();
        assert_eq!(whole, samples(&pieces));
    }

    #[test]
    fn a_tone_crosses_zero_as_often_as_it_should_and_a_level_falls_silent() {
        let tone = samples(&[wave(PIT_HZ, true, 597, 1193)]);
        let rises = tone.windows(2).filter(|pair| pair[0] < 0 && pair[1] >= 0).count();
        assert!((999..=1001).contains(&rises), "{rises} in a second of 1 kHz");
        let held = samples(&[wave(PIT_HZ, true, 0, 0)]);
        assert!(held[0] > 10_000 && held[44_099] == 0, "{} {}", held[0], held[44_099]);
    }
}
