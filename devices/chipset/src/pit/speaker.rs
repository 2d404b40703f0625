//! What the speaker gets from counter 2 and port 61h.

use glassbox_device_api::VmTime;

/// Ticks of the timer's clock in which the speaker's input is constant, or a
/// steady wave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wave {
    /// The first tick since power-on.
    pub from: u64,
    /// So many ticks.
    pub ticks: u64,
    /// The level at the beginning.
    pub level: bool,
    /// Ticks that it stays there in each period.
    pub first: u32,
    /// Ticks of a period; 0 where the level stays.
    pub period: u32,
}

impl Wave {
    /// How long the level is high in the first `time` of the wave, all times in
    /// units of a `unit`th of a tick.
    pub fn high_time(&self, time: u64, unit: u64) -> u64 {
        if self.period == 0 {
            return if self.level { time } else { 0 };
        }
        let (first, period) = (u64::from(self.first) * unit, u64::from(self.period) * unit);
        let (whole, rest) = (time / period, time % period);
        let at_first_level = whole * first + rest.min(first);
        if self.level { at_first_level } else { time - at_first_level }
    }
}

/// The speaker: hears all waves in order, without gaps, late.
pub trait SpeakerSink: Send {
    /// The next wave.
    fn play(&mut self, wave: Wave);

    /// How late a wave may come while the speaker is connected; `None`: it waits.
    fn patience(&self) -> Option<VmTime> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::Wave;

    #[test]
    fn high_time_is_exact_within_periods() {
        let wave = Wave { from: 0, ticks: 100, level: true, first: 3, period: 10 };
        assert_eq!([0, 2, 3, 9, 10, 12, 100].map(|t| wave.high_time(t, 1)), [0, 2, 3, 3, 3, 5, 30]);
        let low = Wave { level: false, ..wave };
        assert_eq!([2, 3, 10, 15].map(|t| low.high_time(t, 1)), [0, 0, 7, 9]);
        assert_eq!(wave.high_time(25, 10), 25, "2.5 ticks");
        let steady = Wave { period: 0, ..wave };
        assert_eq!(steady.high_time(77, 1), 77);
    }
}
