//! What the drive is and can: INQUIRY, GET CONFIGURATION, READ DVD STRUCTURE
//! (SPC-2 7.3, MMC-3 6.6 and 6.28).

use super::cdb::Cdb;
use super::disc::{Disc, PROFILE_CD, PROFILE_DVD};
use super::sense::Sense;
use super::toc::with_length;

fn padded(text: &str, len: usize) -> Vec<u8> {
    let printable = |c: char| if c.is_ascii_graphic() { c as u8 } else { b' ' };
    text.chars().map(printable).chain(std::iter::repeat(b' ')).take(len).collect()
}

/// INQUIRY: standard data, or the pages of vital product data.
pub fn inquiry(cdb: Cdb, model: &str, serial: &str, revision: &str) -> Result<Vec<u8>, Sense> {
    const CD_ROM: u8 = 5;
    let (vendor, product) = model.split_once(' ').unwrap_or((model, ""));
    if !cdb.bit(1, 0) {
        if cdb.byte(2) != 0 {
            return Err(Sense::INVALID_FIELD);
        }
        // Removable; ATAPI version 2, response data format 1.
        let mut data = vec![CD_ROM, 0x80, 0x00, 0x21, 31, 0, 0, 0];
        data.extend(padded(vendor, 8));
        data.extend(padded(product, 16));
        data.extend(padded(revision, 4));
        return Ok(data);
    }
    let page = match cdb.byte(2) {
        0x00 => vec![0x00, 0x80, 0x83],
        0x80 => padded(serial, 20),
        // One designator: T10 vendor ID, in ASCII.
        0x83 => {
            let mut designator = vec![0x02, 0x01, 0x00, 28];
            designator.extend(padded(vendor, 8));
            designator.extend(padded(serial, 20));
            designator
        }
        _ => return Err(Sense::INVALID_FIELD),
    };
    let mut data = vec![CD_ROM, cdb.byte(2), 0, page.len() as u8];
    data.extend(page);
    Ok(data)
}

/// A feature: version and flags, and what follows.
struct Feature {
    code: u16,
    version: u8,
    persistent: bool,
    current: bool,
    body: Vec<u8>,
}

fn features(disc: Option<Disc>) -> Vec<Feature> {
    let is = |profile| disc.is_some_and(|disc| disc.profile() == profile);
    let (cd, dvd) = (is(PROFILE_CD), is(PROFILE_DVD));
    let any = disc.is_some();
    let feature = |code, version, persistent, current, body: &[u8]| Feature {
        code,
        version,
        persistent,
        current,
        body: body.to_vec(),
    };
    let mut profiles = Vec::new();
    for (profile, current) in [(PROFILE_DVD, dvd), (PROFILE_CD, cd)] {
        profiles.extend(profile.to_be_bytes());
        profiles.extend([u8::from(current), 0]);
    }
    vec![
        feature(0x0000, 0, true, true, &profiles),
        // Core: ATAPI.
        feature(0x0001, 1, true, true, &[0, 0, 0, 2, 1, 0, 0, 0]),
        // Morphing: events are polled.
        feature(0x0002, 1, true, true, &[0x02, 0, 0, 0]),
        // Removable: a tray that ejects and locks.
        feature(0x0003, 0, true, true, &[0x29, 0, 0, 0]),
        // Random readable: blocks of 2048 bytes.
        feature(0x0010, 0, false, any, &[0, 0, 8, 0, 0, 1, 0, 0]),
        // Multi-read.
        feature(0x001d, 0, false, cd, &[]),
        // CD read, DVD read.
        feature(0x001e, 1, false, cd, &[0, 0, 0, 0]),
        feature(0x001f, 0, false, dvd, &[]),
        // Power management, timeout.
        feature(0x0100, 0, true, true, &[]),
        feature(0x0105, 0, true, true, &[]),
    ]
}

/// GET CONFIGURATION: all features from a first one on, the current ones, or one.
pub fn get_configuration(cdb: Cdb, disc: Option<Disc>) -> Result<Vec<u8>, Sense> {
    let first = cdb.be16(2);
    let wanted = |feature: &Feature| match cdb.byte(1) & 3 {
        0 => feature.code >= first,
        1 => feature.code >= first && feature.current,
        _ => feature.code == first,
    };
    if cdb.byte(1) & 3 == 3 {
        return Err(Sense::INVALID_FIELD);
    }
    let mut data = vec![0; 6];
    data.extend(disc.map_or(0, Disc::profile).to_be_bytes());
    for Feature { code, version, persistent, current, body } in features(disc).iter().filter(|f| wanted(f)) {
        data.extend(code.to_be_bytes());
        data.extend([version << 2 | u8::from(*persistent) << 1 | u8::from(*current), body.len() as u8]);
        data.extend(body);
    }
    let length = (data.len() as u32 - 4).to_be_bytes();
    data[..4].copy_from_slice(&length);
    Ok(data)
}

/// READ DVD STRUCTURE: physical format, copyright, and the list of these.
pub fn read_dvd_structure(cdb: Cdb, disc: Disc) -> Result<Vec<u8>, Sense> {
    /// DVD Format Information of media kind 0, layer 0.
    const FIRST_PSN: u32 = 0x03_0000;
    if !disc.is_dvd() {
        // "Cannot read medium: incompatible format".
        return Err(Sense { key: 0x5, code: 0x30, qualifier: 0x02, lba: None });
    }
    if cdb.byte(1) & 0x0f != 0 || cdb.byte(6) != 0 && cdb.byte(7) == 0 {
        return Err(Sense::INVALID_FIELD);
    }
    let mut data = vec![0; 4];
    match cdb.byte(7) {
        0x00 => {
            let last = FIRST_PSN.saturating_add(disc.sectors - 1).min(0xff_ffff);
            // DVD-ROM 1.0; 120 mm, 2.52 Mbit/s; one layer, parallel, embossed.
            data.extend([0x01, 0x0f, 0x01, 0x00]);
            data.extend(FIRST_PSN.to_be_bytes());
            data.extend(last.to_be_bytes());
            data.extend([0; 4]);
            data.resize(4 + 2048, 0);
        }
        // No copyright protection, playable everywhere.
        0x01 => data.extend([0; 4]),
        // No manufacturer's data.
        0x04 => data.resize(4 + 2048, 0),
        // Structures that can be read, with their lengths.
        0xff => {
            for (format, length) in [(0x00, 2052u16), (0x01, 8), (0x04, 2052)] {
                data.extend([format, 0x40]);
                data.extend(length.to_be_bytes());
            }
        }
        _ => return Err(Sense::INVALID_FIELD),
    }
    Ok(with_length(data))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structures_of_a_dvd_tell_its_last_sector() {
        let disc = Disc { sectors: 2_000_000 };
        let ask = |format| read_dvd_structure(Cdb([0xad, 0, 0, 0, 0, 0, 0, format, 8, 4, 0, 0]), disc);
        let physical = ask(0).unwrap();
        assert_eq!((physical.len(), &physical[..2]), (2052, &2050u16.to_be_bytes()[..]));
        assert_eq!(physical[12..16], (0x03_0000u32 + 1_999_999).to_be_bytes());
        assert_eq!(ask(1).unwrap(), [0, 6, 0, 0, 0, 0, 0, 0]);
        assert_eq!(ask(0xff).unwrap().len(), 16);
        assert_eq!(ask(0x55), Err(Sense::INVALID_FIELD));
    }
}
