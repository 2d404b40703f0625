//! The medium comes and goes: GET EVENT STATUS NOTIFICATION and MECHANISM STATUS
//! (MMC-3 6.7 and 6.16).

use serde::{Deserialize, Serialize};

use super::cdb::Cdb;
use super::sense::Sense;

/// The class of media events, and its bit in the masks of classes.
const MEDIA_CLASS: u8 = 4;
const MEDIA_BIT: u8 = 1 << MEDIA_CLASS;

/// The last event that was not fetched yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum MediaEvent {
    /// None.
    #[default]
    None,
    /// A medium was put in.
    New,
    /// The medium was taken out.
    Removed,
}

/// GET EVENT STATUS NOTIFICATION; takes the event.
pub fn get_event_status(
    cdb: Cdb,
    event: &mut MediaEvent,
    present: bool,
    tray_open: bool,
) -> Result<Vec<u8>, Sense> {
    // Only polling: there is no queue of commands.
    if !cdb.bit(1, 0) {
        return Err(Sense::INVALID_FIELD);
    }
    if cdb.byte(4) & MEDIA_BIT == 0 {
        // No event available of the classes asked for.
        return Ok(vec![0, 2, 0x80, MEDIA_BIT]);
    }
    // With no room for the event it is not taken.
    let code = match event {
        MediaEvent::None => 0,
        MediaEvent::New => 2,
        MediaEvent::Removed => 3,
    };
    if cdb.be16(7) > 4 {
        *event = MediaEvent::None;
    }
    let status = u8::from(present) << 1 | u8::from(tray_open);
    Ok(vec![0, 6, MEDIA_CLASS, MEDIA_BIT, code, status, 0, 0])
}

/// MECHANISM STATUS: no changer, idle.
pub fn mechanism_status(tray_open: bool) -> Vec<u8> {
    vec![0, u8::from(tray_open) << 4, 0, 0, 0, 0, 0, 0]
}
