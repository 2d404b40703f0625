//! Mode pages (MMC-3 7.4; SPC-2 8.3 and 8.4).

use serde::{Deserialize, Serialize};

use super::cdb::Cdb;
use super::sense::Sense;

const ERROR_RECOVERY: u8 = 0x01;
const AUDIO_CONTROL: u8 = 0x0e;
const POWER_CONDITION: u8 = 0x1a;
const TIMEOUT: u8 = 0x1d;
const CAPABILITIES: u8 = 0x2a;
const ALL_PAGES: u8 = 0x3f;
const PAGES: [u8; 5] = [ERROR_RECOVERY, AUDIO_CONTROL, POWER_CONDITION, TIMEOUT, CAPABILITIES];

/// Speed in kB/s: 24 times that of an audio CD.
const SPEED: u16 = 24 * 176;

/// The parameters that MODE SELECT changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameters {
    /// Error recovery: behaviour and retries.
    recovery: [u8; 2],
    /// Audio output: channel and volume of four ports.
    audio: [u8; 8],
}

impl Default for Parameters {
    fn default() -> Self {
        Self { recovery: [0, 5], audio: [1, 0xff, 2, 0xff, 0, 0, 0, 0] }
    }
}

/// What the pages tell of the drive.
#[derive(Clone, Copy, Debug)]
pub struct ModeFacts {
    pub present: bool,
    pub tray_open: bool,
    pub locked: bool,
}

/// The two lengths of MODE SENSE and MODE SELECT.
fn is_short(cdb: Cdb) -> bool {
    matches!(cdb.code(), 0x15 | 0x1a)
}

impl Parameters {
    /// MODE SENSE (6) and (10).
    pub fn sense(&self, cdb: Cdb, facts: ModeFacts) -> Result<Vec<u8>, Sense> {
        let page = cdb.byte(2) & 0x3f;
        let values = match cdb.byte(2) >> 6 {
            0 => *self,
            // Which bits can be changed.
            1 => Self { recovery: [0xff; 2], audio: [0x0f, 0xff, 0x0f, 0xff, 0x0f, 0xff, 0x0f, 0xff] },
            2 => Self::default(),
            _ => return Err(Sense::NOT_SAVED),
        };
        let changeable = cdb.byte(2) >> 6 == 1;
        let medium = match facts {
            ModeFacts { tray_open: true, .. } => 0x71,
            ModeFacts { present: true, .. } => 0x01,
            ModeFacts { .. } => 0x70,
        };
        let mut data = if is_short(cdb) { vec![0, medium, 0, 0] } else { vec![0, 0, medium, 0, 0, 0, 0, 0] };
        let header = data.len();
        for code in PAGES.into_iter().filter(|code| page == *code || page == ALL_PAGES) {
            let body = values.page(code, changeable, facts);
            data.extend([code, body.len() as u8]);
            data.extend(body);
        }
        if data.len() == header {
            return Err(Sense::INVALID_FIELD);
        }
        if is_short(cdb) {
            data[0] = (data.len() - 1) as u8;
        } else {
            let length = (data.len() as u16 - 2).to_be_bytes();
            data[..2].copy_from_slice(&length);
        }
        Ok(data)
    }

    fn page(&self, code: u8, changeable: bool, facts: ModeFacts) -> Vec<u8> {
        match code {
            ERROR_RECOVERY => vec![self.recovery[0], self.recovery[1], 0, 0, 0, 0],
            AUDIO_CONTROL => {
                // Immediate.
                let mut page = vec![if changeable { 0 } else { 0x04 }, 0, 0, 0, 0, 0];
                page.extend(self.audio);
                page
            }
            POWER_CONDITION => vec![0; 10],
            TIMEOUT => vec![0; 8],
            _ if changeable => vec![0; 18],
            _ => capabilities(facts),
        }
    }

    /// MODE SELECT (6) and (10): all of the list is checked before any of it counts.
    pub fn select(&mut self, cdb: Cdb, list: &[u8]) -> Result<(), Sense> {
        let mut chosen = *self;
        let header = if is_short(cdb) { 4 } else { 8 };
        let descriptors = match list {
            [] => return Ok(()),
            [_, _, _, length, ..] if is_short(cdb) => usize::from(*length),
            [_, _, _, _, _, _, high, low, ..] if !is_short(cdb) => {
                usize::from(u16::from_be_bytes([*high, *low]))
            }
            _ => return Err(Sense::LIST_LENGTH),
        };
        let mut pages = list.get(header + descriptors..).ok_or(Sense::LIST_LENGTH)?;
        while let [code, length, rest @ ..] = pages {
            let Some((body, next)) = rest.split_at_checked(usize::from(*length)) else {
                return Err(Sense::LIST_LENGTH);
            };
            match (code & 0x3f, body) {
                (ERROR_RECOVERY, [behaviour, retries, _, _, _, _]) => {
                    chosen.recovery = [*behaviour, *retries];
                }
                (AUDIO_CONTROL, [_, _, _, _, _, _, ports @ ..]) if ports.len() == 8 => {
                    for (to, from) in chosen.audio.iter_mut().zip(ports) {
                        *to = *from;
                    }
                }
                // Nothing of these can be changed; their present values may be sent back.
                (POWER_CONDITION, body) if body.len() == 10 => {}
                (TIMEOUT, body) if body.len() == 8 => {}
                (CAPABILITIES, body) if body.len() >= 18 => {}
                _ => return Err(Sense::INVALID_PARAMETER),
            }
            pages = next;
        }
        *self = chosen;
        Ok(())
    }
}

/// CD/DVD capabilities and mechanical status (MMC-3 annex E.3.3).
fn capabilities(facts: ModeFacts) -> Vec<u8> {
    let [max_high, max_low] = SPEED.to_be_bytes();
    vec![
        // Reads CD-R, CD-RW and DVD-ROM; writes nothing.
        0x0b,
        0x00,
        // Mode 2 form 1 and 2, multi-session.
        0x70,
        0x00,
        // A tray; ejects, locks.
        0x29 | u8::from(facts.locked) << 1,
        0x00,
        max_high,
        max_low,
        0,
        0,
        // A buffer of 512 kB.
        0x02,
        0x00,
        max_high,
        max_low,
        0,
        0,
        0,
        0,
    ]
}
