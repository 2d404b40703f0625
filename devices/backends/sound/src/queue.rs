//! Samples between the machine, which makes them in pieces, and the host, which plays
//! them at its own pace.

use std::collections::VecDeque;

use crate::sampler::Samples;

/// Samples that wait to be played.
#[derive(Debug)]
pub struct Queue {
    waiting: VecDeque<i16>,
    /// So many wait before playing begins, so that it does not stop at once; or for
    /// the time in which so many would be played.
    cushion: usize,
    /// More than this is late, and dropped: the guest's clock runs faster than the host's.
    most: usize,
    /// Whether it is played.
    plays: bool,
    /// Samples of silence that were played since something waits.
    waited: usize,
}

impl Queue {
    /// An empty one for `rate` samples a second: a cushion of 60 ms, at most half a second.
    pub fn new(rate: u32) -> Self {
        let rate = rate as usize;
        Self { waiting: VecDeque::new(), cushion: rate * 60 / 1000, most: rate / 2, plays: false, waited: 0 }
    }

    /// Adds what the speaker says. Silence counts only between sounds.
    pub fn push(&mut self, samples: Samples) {
        let (sample, count) = match samples {
            Samples::One(sample) => (sample, 1),
            Samples::Silence(_) if self.waiting.is_empty() => return,
            Samples::Silence(count) => (0, usize::try_from(count).unwrap_or(usize::MAX)),
        };
        let room = self.most.saturating_sub(self.waiting.len());
        self.waiting.extend(std::iter::repeat_n(sample, count.min(room)));
    }

    /// The next sample to play.
    pub fn next(&mut self) -> i16 {
        if !self.plays {
            if self.waiting.is_empty() {
                return 0;
            }
            self.waited += 1;
            if self.waiting.len() < self.cushion && self.waited < self.cushion {
                return 0;
            }
            (self.plays, self.waited) = (true, 0);
        }
        let sample = self.waiting.pop_front();
        self.plays = sample.is_some();
        sample.unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn played(queue: &mut Queue, count: usize) -> Vec<i16> {
        (0..count).map(|_| queue.next()).collect()
    }

    #[test]
    fn a_sound_begins_with_its_cushion_and_goes_on_without_gaps() {
        let mut queue = Queue::new(1000);
        (1..=59).for_each(|n| queue.push(Samples::One(n)));
        assert_eq!(played(&mut queue, 3), [0; 3], "one is missing");
        (60..=100).for_each(|n| queue.push(Samples::One(n)));
        assert_eq!(played(&mut queue, 100), (1..=100).collect::<Vec<_>>());
        assert_eq!(played(&mut queue, 2), [0; 2]);
    }

    #[test]
    fn a_click_is_played_though_nothing_follows_it() {
        let mut queue = Queue::new(1000);
        queue.push(Samples::One(7));
        let heard = played(&mut queue, 100);
        assert_eq!(heard.iter().position(|sample| *sample == 7), Some(59));
    }

    #[test]
    fn silence_before_a_sound_is_not_waited_for_and_too_much_is_dropped() {
        let mut queue = Queue::new(1000);
        queue.push(Samples::Silence(u64::MAX));
        queue.push(Samples::One(1));
        queue.push(Samples::Silence(u64::MAX));
        queue.push(Samples::One(2));
        let heard = played(&mut queue, 600);
        assert_eq!(
            (heard[0], heard.iter().filter(|sample| **sample != 0).count()),
            (1, 1),
            "half a second waits"
        );
    }
}
