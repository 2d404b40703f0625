//! The bell: a tone on the speaker while the caller waits.

use crate::call::{Call, Flow};
use glassbox_device_api::VmTime;

use super::Video;

/// How long it lasts.
const LENGTH: VmTime = VmTime(200_000_000);
/// 1193182 Hz over this: about 900 Hz.
const DIVISOR: u16 = 1331;
/// Counter 2: both bytes, square wave.
const CONTROL: u8 = 0xb6;

const PIT_CONTROL: u16 = 0x43;
const PIT_COUNTER_2: u16 = 0x42;
const PORT_B: u16 = 0x61;
/// Gate of counter 2 and speaker data.
const SPEAKER: u8 = 3;

/// Starts the tone, waits, and ends it: the service is entered again meanwhile.
pub(super) fn beep(video: &mut Video, call: &mut Call<'_>) -> Flow {
    let now = call.host.now();
    let port_b = call.in8(PORT_B);
    match video.beep_until {
        Some(until) if now < until => Flow::Wait,
        Some(_) => {
            video.beep_until = None;
            call.out8(PORT_B, port_b & !SPEAKER);
            Flow::Done
        }
        None => {
            call.out8(PIT_CONTROL, CONTROL);
            DIVISOR.to_le_bytes().into_iter().for_each(|byte| call.out8(PIT_COUNTER_2, byte));
            call.out8(PORT_B, port_b | SPEAKER);
            video.beep_until = Some(now + LENGTH);
            Flow::Wait
        }
    }
}
