//! GET FEATURES and SET FEATURES (NVM Express 1.4, 5.13 and 5.21).

use serde::{Deserialize, Serialize};

use super::command::{Command, Status};
use super::events::Event;
use super::identify::{TEMPERATURE, WARNING_TEMPERATURE};
use super::{MAX_IO_QUEUES, MAX_VECTORS, Nvme};

/// Feature identifiers.
mod feature {
    pub const ARBITRATION: u8 = 0x01;
    pub const POWER_MANAGEMENT: u8 = 0x02;
    pub const TEMPERATURE_THRESHOLD: u8 = 0x04;
    pub const ERROR_RECOVERY: u8 = 0x05;
    pub const VOLATILE_WRITE_CACHE: u8 = 0x06;
    pub const NUMBER_OF_QUEUES: u8 = 0x07;
    pub const INTERRUPT_COALESCING: u8 = 0x08;
    pub const INTERRUPT_VECTOR: u8 = 0x09;
    pub const WRITE_ATOMICITY: u8 = 0x0a;
    pub const ASYNC_EVENTS: u8 = 0x0b;
}

/// Async event configuration: critical warnings of the temperature.
const EVENT_TEMPERATURE: u32 = 1 << 1;
/// Interrupt vector configuration: coalescing disable.
const COALESCING_DISABLE: u32 = 1 << 16;
/// Of no command set: all namespaces.
const ALL: u32 = u32::MAX;

/// The settings; all but queues, thresholds and cache are only kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Features {
    arbitration: u32,
    /// Kelvin.
    over: u16,
    under: u16,
    error_recovery: u32,
    pub write_cache: bool,
    coalescing: u32,
    /// Vectors without coalescing, as bits.
    uncoalesced: u64,
    write_atomicity: u32,
    events: u32,
}

impl Default for Features {
    fn default() -> Self {
        Self {
            // Bursts without limit.
            arbitration: 7,
            over: WARNING_TEMPERATURE,
            under: 0,
            error_recovery: 0,
            write_cache: true,
            coalescing: 0,
            uncoalesced: 0,
            write_atomicity: 0,
            events: 0,
        }
    }
}

impl Features {
    /// The value that dword 0 tells; `select` is command dword 11.
    fn get(&self, id: u8, select: u32) -> Result<u32, Status> {
        Ok(match id {
            feature::ARBITRATION => self.arbitration,
            feature::POWER_MANAGEMENT => 0,
            // The composite temperature; no other sensor is there.
            feature::TEMPERATURE_THRESHOLD if select >> 16 & 0xf != 0 => return Err(Status::INVALID_FIELD),
            feature::TEMPERATURE_THRESHOLD => match select >> 20 & 3 {
                0 => self.over.into(),
                1 => self.under.into(),
                _ => return Err(Status::INVALID_FIELD),
            },
            feature::ERROR_RECOVERY => self.error_recovery,
            feature::VOLATILE_WRITE_CACHE => self.write_cache.into(),
            feature::NUMBER_OF_QUEUES => QUEUES_GRANTED,
            feature::INTERRUPT_COALESCING => self.coalescing,
            feature::INTERRUPT_VECTOR => {
                let vector = select & 0xffff;
                if vector >= u32::from(MAX_VECTORS) {
                    return Err(Status::INVALID_FIELD);
                }
                let disabled = self.uncoalesced & 1 << vector != 0;
                vector | if disabled { COALESCING_DISABLE } else { 0 }
            }
            feature::WRITE_ATOMICITY => self.write_atomicity,
            feature::ASYNC_EVENTS => self.events,
            _ => return Err(Status::INVALID_FIELD),
        })
    }

    /// The critical warning byte of the SMART log.
    pub fn critical_warning(&self) -> u8 {
        let too_warm = TEMPERATURE >= self.over && self.over != 0;
        u8::from(too_warm || TEMPERATURE <= self.under) << 1
    }
}

/// NUMBER OF QUEUES: submission and completion queues, 0-based.
const QUEUES_GRANTED: u32 = (MAX_IO_QUEUES as u32 - 1) << 16 | (MAX_IO_QUEUES as u32 - 1);

impl Nvme {
    pub(super) fn get_features(&mut self, command: &Command) -> Result<u32, Status> {
        let id = command.cdw(10) as u8;
        let select = command.cdw(11);
        let namespace = command.namespace();
        if id == feature::ERROR_RECOVERY && namespace != 1 {
            return Err(Status::INVALID_NAMESPACE);
        }
        match command.cdw(10) >> 8 & 7 {
            0 => self.s.features.get(id, select),
            // Nothing is saveable: what is saved is the default.
            1 | 2 => Features::default().get(id, select),
            3 => {
                Features::default().get(id, select)?;
                let changeable = 1 << 2;
                let of_namespace = u32::from(id == feature::ERROR_RECOVERY) << 1;
                Ok(changeable | of_namespace)
            }
            _ => Err(Status::INVALID_FIELD),
        }
    }

    pub(super) fn set_features(&mut self, command: &Command) -> Result<u32, Status> {
        let id = command.cdw(10) as u8;
        let value = command.cdw(11);
        // Whether the feature exists; the low bits of a threshold select nothing.
        let select = if id == feature::TEMPERATURE_THRESHOLD { 0 } else { value };
        Features::default().get(id, select)?;
        if command.cdw(10) & 1 << 31 != 0 {
            return Err(Status::NOT_SAVEABLE);
        }
        let namespace = command.namespace();
        if id == feature::ERROR_RECOVERY {
            if namespace != 1 && namespace != ALL {
                return Err(Status::INVALID_NAMESPACE);
            }
        } else if namespace != 0 && namespace != ALL {
            return Err(Status::NOT_NAMESPACE_SPECIFIC);
        }
        let io_queues = self.s.submissions.len() > 1 || self.s.completions.len() > 1;
        let features = &mut self.s.features;
        match id {
            feature::ARBITRATION => features.arbitration = value & 0xffff_ff07,
            feature::POWER_MANAGEMENT if value & 0x1f != 0 => return Err(Status::INVALID_FIELD),
            feature::TEMPERATURE_THRESHOLD => {
                let sensor = value >> 16 & 0xf;
                // No. 15 stands for all sensors; the others do not exist.
                if sensor != 0 && sensor != 0xf {
                    return Err(Status::INVALID_FIELD);
                }
                match value >> 20 & 3 {
                    0 => features.over = value as u16,
                    1 => features.under = value as u16,
                    _ => return Err(Status::INVALID_FIELD),
                }
            }
            // Errors for deallocated blocks are not offered.
            feature::ERROR_RECOVERY if value & 1 << 16 != 0 => return Err(Status::INVALID_FIELD),
            feature::ERROR_RECOVERY => features.error_recovery = value & 0xffff,
            feature::VOLATILE_WRITE_CACHE => features.write_cache = value & 1 != 0,
            feature::NUMBER_OF_QUEUES => {
                if value & 0xffff == 0xffff || value >> 16 == 0xffff {
                    return Err(Status::INVALID_FIELD);
                }
                if io_queues {
                    return Err(Status::SEQUENCE_ERROR);
                }
                return Ok(QUEUES_GRANTED);
            }
            // A hint: every completion interrupts as soon as there is one.
            feature::INTERRUPT_COALESCING => features.coalescing = value & 0xffff,
            feature::INTERRUPT_VECTOR => {
                let bit = 1 << (value & 63);
                let disabled = value & COALESCING_DISABLE != 0;
                features.uncoalesced = features.uncoalesced & !bit | if disabled { bit } else { 0 };
            }
            feature::WRITE_ATOMICITY => features.write_atomicity = value & 1,
            feature::ASYNC_EVENTS => features.events = value & 0xff,
            _ => {}
        }
        let warned = features.critical_warning() != 0 && features.events & EVENT_TEMPERATURE != 0;
        if warned && matches!(id, feature::TEMPERATURE_THRESHOLD | feature::ASYNC_EVENTS) {
            self.s.events.report(Event::TEMPERATURE);
            self.deliver_events();
        }
        Ok(0)
    }
}
