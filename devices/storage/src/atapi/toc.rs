//! READ TOC/PMA/ATIP, READ SUB-CHANNEL, READ DISC INFORMATION, READ TRACK INFORMATION,
//! READ HEADER (MMC-3 6.25 to 6.33).

use super::cdb::Cdb;
use super::disc::{Disc, address, msf};
use super::sense::Sense;

/// Control and ADR of a data track: Q mode 1, data, no copying.
const DATA_TRACK: u8 = 0x14;
const LEAD_OUT: u8 = 0xaa;

/// Fills in the length of what follows it, in the first two bytes.
pub(super) fn with_length(mut bytes: Vec<u8>) -> Vec<u8> {
    let length = (bytes.len().saturating_sub(2) as u16).to_be_bytes();
    for (to, from) in bytes.iter_mut().zip(length) {
        *to = from;
    }
    bytes
}

/// READ TOC/PMA/ATIP.
pub fn read_toc(cdb: Cdb, disc: Disc) -> Result<Vec<u8>, Sense> {
    let as_msf = cdb.bit(1, 1);
    // Drives before MMC have the format in the control byte.
    let format = match cdb.byte(2) & 0x0f {
        0 => cdb.byte(9) >> 6,
        format => format,
    };
    match format {
        0 => tracks(cdb.byte(6), as_msf, disc),
        1 => {
            let mut toc = vec![0, 0, 1, 1, 0, DATA_TRACK, 1, 0];
            toc.extend(address(0, as_msf));
            Ok(with_length(toc))
        }
        2 => Ok(full_toc(disc)),
        _ => Err(Sense::INVALID_FIELD),
    }
}

/// Format 0: tracks from `first` on, and the lead-out.
fn tracks(first: u8, as_msf: bool, disc: Disc) -> Result<Vec<u8>, Sense> {
    if first > 1 && first != LEAD_OUT {
        return Err(Sense::INVALID_FIELD);
    }
    let mut toc = vec![0, 0, 1, 1];
    let all = [(1, 0), (LEAD_OUT, disc.sectors)];
    for (track, lba) in all.into_iter().filter(|(track, _)| *track >= first) {
        toc.extend([0, DATA_TRACK, track, 0]);
        toc.extend(address(lba, as_msf));
    }
    Ok(with_length(toc))
}

/// Format 2: the entries of the lead-in, addresses as minute, second and frame.
fn full_toc(disc: Disc) -> Vec<u8> {
    let mut toc = vec![0, 0, 1, 1];
    let entries = [(0xa0, [1, 0, 0]), (0xa1, [1, 0, 0]), (0xa2, msf(disc.sectors)), (0x01, msf(0))];
    for (point, at) in entries {
        toc.extend([1, DATA_TRACK, 0, point, 0, 0, 0, 0]);
        toc.extend(at);
    }
    with_length(toc)
}

/// READ SUB-CHANNEL: no audio plays.
pub fn read_sub_channel(cdb: Cdb) -> Result<Vec<u8>, Sense> {
    const NO_AUDIO_STATUS: u8 = 0x15;
    let mut data = vec![0, NO_AUDIO_STATUS, 0, 0];
    if cdb.bit(2, 6) {
        match cdb.byte(3) {
            0x01 => {
                data.extend([0x01, DATA_TRACK, 1, 1]);
                data.extend(address(0, cdb.bit(1, 1)));
                data.extend([0; 4]);
            }
            // Media catalogue number and ISRC: the disc has none.
            format @ (0x02 | 0x03) => {
                data.extend([format, 0, 0, 0]);
                data.extend([0; 16]);
            }
            _ => return Err(Sense::INVALID_FIELD),
        }
    }
    let length = (data.len() as u16 - 4).to_be_bytes();
    data[2..4].copy_from_slice(&length);
    Ok(data)
}

/// READ DISC INFORMATION: a finished disc of one session.
pub fn read_disc_information() -> Vec<u8> {
    let mut info = vec![0; 34];
    // Last session complete, disc finalised.
    info[2] = 0x0e;
    info[3] = 1;
    info[4] = 1;
    info[5] = 1;
    info[6] = 1;
    // Unrestricted use.
    info[7] = 0x20;
    // No lead-in and lead-out to be written.
    info[16..24].fill(0xff);
    with_length(info)
}

/// READ TRACK INFORMATION: of the only track, by its address, number or session.
pub fn read_track_information(cdb: Cdb, disc: Disc) -> Result<Vec<u8>, Sense> {
    let known = match (cdb.byte(1) & 3, cdb.be32(2)) {
        (0, lba) => disc.contains(lba, 1),
        (1 | 2, 1) => true,
        _ => false,
    };
    if !known {
        return Err(Sense::INVALID_FIELD);
    }
    let mut info = vec![0; 36];
    info[2] = 1;
    info[3] = 1;
    // A data track, recorded uninterrupted; data mode 1.
    info[5] = 0x04;
    info[6] = 0x01;
    info[24..28].copy_from_slice(&disc.sectors.to_be_bytes());
    Ok(with_length(info))
}

/// READ HEADER.
pub fn read_header(cdb: Cdb, disc: Disc) -> Result<Vec<u8>, Sense> {
    let lba = cdb.be32(2);
    if !disc.contains(lba, 1) {
        return Err(Sense::OUT_OF_RANGE);
    }
    let mut header = vec![1, 0, 0, 0];
    header.extend(address(lba, cdb.bit(1, 1)));
    Ok(header)
}
