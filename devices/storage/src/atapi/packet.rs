//! What a command packet asks for, and what comes of it.

use super::cdb::Cdb;
use super::cdrom::Cdrom;
use super::configuration::{get_configuration, inquiry, read_dvd_structure};
use super::disc::{DATA, Disc};
use super::events::{MediaEvent, get_event_status, mechanism_status};
use super::mode::ModeFacts;
use super::read::Read;
use super::sense::Sense;
use super::toc::{read_disc_information, read_header, read_sub_channel, read_toc, read_track_information};

/// What comes of a packet.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// It is done.
    Done,
    /// This goes to the host, cut to so many bytes.
    Data(Vec<u8>, usize),
    /// Sectors go to the host.
    Read(Read),
    /// A list of parameters of so many bytes comes from the host.
    List(usize),
}

const REQUEST_SENSE: u8 = 0x03;

impl Cdrom {
    /// Carries out a packet.
    pub(super) fn packet(&mut self, cdb: Cdb) -> Result<Reply, Sense> {
        self.notice_medium();
        let code = cdb.code();
        // INQUIRY, GET CONFIGURATION and GET EVENT STATUS answer whatever happened
        // (SPC-2 5.6.1, MMC-3 6.6 and 6.7); REQUEST SENSE tells it.
        if !matches!(code, REQUEST_SENSE | 0x12 | 0x46 | 0x4a)
            && let Some(attention) = self.unit.attention.take()
        {
            return Err(attention);
        }
        if code == REQUEST_SENSE {
            let sense = std::mem::take(&mut self.unit.sense);
            let told = if sense == Sense::NONE { self.unit.attention.take().unwrap_or(sense) } else { sense };
            return Ok(Reply::Data(told.to_bytes(), cdb.byte(4).into()));
        }
        self.unit.sense = Sense::NONE;
        let long = || usize::from(cdb.be16(7));
        let reply = match code {
            // TEST UNIT READY.
            0x00 => self.disc().map(|_| Reply::Done)?,
            0x12 => {
                let identity = &self.identity;
                let data = inquiry(cdb, &identity.model, &identity.serial, &identity.firmware)?;
                Reply::Data(data, cdb.byte(4).into())
            }
            // MODE SELECT, MODE SENSE.
            0x15 => Reply::List(cdb.byte(4).into()),
            0x55 => Reply::List(long()),
            0x1a => Reply::Data(self.unit.parameters.sense(cdb, self.mode_facts())?, cdb.byte(4).into()),
            0x5a => Reply::Data(self.unit.parameters.sense(cdb, self.mode_facts())?, long()),
            0x1b => self.start_stop(cdb)?,
            // PREVENT ALLOW MEDIUM REMOVAL.
            0x1e => {
                self.lock(cdb.bit(4, 0));
                Reply::Done
            }
            // READ CAPACITY.
            0x25 => {
                let mut data = (self.disc()?.sectors - 1).to_be_bytes().to_vec();
                data.extend((DATA as u32).to_be_bytes());
                let len = data.len();
                Reply::Data(data, len)
            }
            0x28 | 0xa8 => Reply::Read(Read::of_read(cdb, self.disc()?)?),
            0xbe => Reply::Read(Read::of_read_cd(cdb, self.disc()?)?),
            0xb9 => Reply::Read(Read::of_read_cd_msf(cdb, self.disc()?)?),
            // SEEK, VERIFY.
            0x2b => self.in_range(cdb.be32(2), 1)?,
            0x2f => self.in_range(cdb.be32(2), cdb.be16(7).into())?,
            0x42 => {
                self.disc()?;
                Reply::Data(read_sub_channel(cdb)?, long())
            }
            0x43 => Reply::Data(read_toc(cdb, self.disc()?)?, long()),
            0x44 => Reply::Data(read_header(cdb, self.disc()?)?, long()),
            0x46 => Reply::Data(get_configuration(cdb, self.disc().ok())?, long()),
            0x4a => {
                let (present, open) = (self.disc().is_ok(), self.unit.tray_open);
                Reply::Data(get_event_status(cdb, &mut self.unit.event, present, open)?, long())
            }
            // STOP PLAY/SCAN: nothing plays.
            0x4e => Reply::Done,
            0x51 => {
                self.disc()?;
                Reply::Data(read_disc_information(), long())
            }
            0x52 => Reply::Data(read_track_information(cdb, self.disc()?)?, long()),
            0xad => Reply::Data(read_dvd_structure(cdb, self.disc()?)?, cdb.be16(8).into()),
            // SET CD SPEED: it is as fast as the host.
            0xbb => Reply::Done,
            0xbd => Reply::Data(mechanism_status(self.unit.tray_open), cdb.be16(8).into()),
            _ => {
                log::debug!("CD-ROM: packet {code:#04x} is unknown");
                return Err(Sense::UNKNOWN_COMMAND);
            }
        };
        Ok(reply)
    }

    /// The list of parameters that a packet asked for has come.
    pub(super) fn list(&mut self, cdb: Cdb, list: &[u8]) -> Result<(), Sense> {
        self.unit.parameters.select(cdb, list)
    }

    /// The disc in the drive.
    pub(super) fn disc(&self) -> Result<Disc, Sense> {
        match self.backend.medium().and_then(Disc::of) {
            _ if self.unit.tray_open => Err(Sense::TRAY_OPEN),
            Some(disc) => Ok(disc),
            None => Err(Sense::NO_MEDIUM),
        }
    }

    fn in_range(&self, lba: u32, count: u32) -> Result<Reply, Sense> {
        if self.disc()?.contains(lba, count) { Ok(Reply::Done) } else { Err(Sense::OUT_OF_RANGE.at(lba)) }
    }

    fn mode_facts(&self) -> ModeFacts {
        ModeFacts { present: self.disc().is_ok(), tray_open: self.unit.tray_open, locked: self.unit.locked }
    }

    /// Compares the medium with the one that was there at the last packet.
    fn notice_medium(&mut self) {
        let generation = self.backend.medium().map(|medium| medium.generation);
        if generation == self.unit.generation {
            return;
        }
        self.unit.generation = generation;
        if generation.is_some() {
            self.unit.tray_open = false;
            self.unit.event = MediaEvent::New;
            self.unit.attention = Some(Sense::MEDIUM_CHANGED);
        } else {
            self.unit.event = MediaEvent::Removed;
        }
    }

    pub(super) fn lock(&mut self, locked: bool) {
        self.unit.locked = locked;
        self.backend.lock_medium(locked);
    }

    /// START STOP UNIT: spins up and down, opens and closes the tray.
    fn start_stop(&mut self, cdb: Cdb) -> Result<Reply, Sense> {
        let (start, load_eject) = (cdb.bit(4, 0), cdb.bit(4, 1));
        match (load_eject, start) {
            // A power condition.
            _ if cdb.byte(4) >> 4 != 0 => {}
            (false, false) => {}
            (false, true) => return self.disc().map(|_| Reply::Done),
            (true, true) => self.unit.tray_open = false,
            (true, false) if self.unit.locked => return Err(Sense::REMOVAL_PREVENTED),
            (true, false) => {
                if self.backend.medium().is_some() && !self.backend.eject() {
                    return Err(Sense::REMOVAL_PREVENTED);
                }
                self.unit.tray_open = true;
                self.notice_medium();
            }
        }
        Ok(Reply::Done)
    }
}
