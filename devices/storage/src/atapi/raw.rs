//! Sectors as they are on the disc: mode 1 with its error codes (ECMA-130 chapter 14, annex A).

use super::disc::{DATA, msf};

/// Bytes of a whole sector.
pub const RAW: usize = 2352;

const SYNC: usize = 12;
const HEADER: usize = 4;
const EDC_AT: usize = SYNC + HEADER + DATA as usize;
const P_AT: usize = EDC_AT + 4 + 8;
const Q_AT: usize = P_AT + 2 * 86;

/// Which fields of a sector READ CD fetches (MMC-3 table 300).
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Layout {
    /// The synchronisation pattern, 12 bytes.
    pub sync: bool,
    /// The header, 4 bytes.
    pub header: bool,
    /// User data, 2048 bytes.
    pub data: bool,
    /// Error detection and correction, 288 bytes.
    pub codes: bool,
}

impl Layout {
    /// User data alone.
    pub const DATA: Self = Self { sync: false, header: false, data: true, codes: false };

    /// Bytes for each sector.
    pub fn len(self) -> usize {
        let Self { sync, header, data, codes } = self;
        usize::from(sync) * SYNC
            + usize::from(header) * HEADER
            + usize::from(data) * DATA as usize
            + usize::from(codes) * (RAW - EDC_AT)
    }

    /// Appends the chosen fields of the sector at `lba`.
    pub fn append(self, to: &mut Vec<u8>, lba: u32, data: &[u8]) {
        let raw = if self.codes { mode_1(lba, data) } else { without_codes(lba, data) };
        let Self { sync, header, data, codes } = self;
        for (chosen, range) in [
            (sync, 0..SYNC),
            (header, SYNC..SYNC + HEADER),
            (data, SYNC + HEADER..EDC_AT),
            (codes, EDC_AT..RAW),
        ] {
            if chosen {
                to.extend_from_slice(&raw[range]);
            }
        }
    }
}

fn bcd(value: u8) -> u8 {
    ((value / 10 % 10) << 4) | (value % 10)
}

fn without_codes(lba: u32, data: &[u8]) -> [u8; RAW] {
    let mut sector = [0; RAW];
    sector[1..11].fill(0xff);
    let [minute, second, frame] = msf(lba);
    sector[SYNC..SYNC + HEADER].copy_from_slice(&[bcd(minute), bcd(second), bcd(frame), 1]);
    for (to, from) in sector[SYNC + HEADER..EDC_AT].iter_mut().zip(data) {
        *to = *from;
    }
    sector
}

/// A whole sector of mode 1.
fn mode_1(lba: u32, data: &[u8]) -> [u8; RAW] {
    let mut sector = without_codes(lba, data);
    let edc = edc(&sector[..EDC_AT]);
    sector[EDC_AT..EDC_AT + 4].copy_from_slice(&edc.to_le_bytes());
    // P: 86 columns of 24 bytes; Q: 52 diagonals of 43 bytes, over P too.
    parity(&mut sector, P_AT, 86, 24, 2, 86);
    parity(&mut sector, Q_AT, 52, 43, 86, 88);
    sector
}

/// The CRC with the polynomial (x^16 + x^15 + x^2 + 1)(x^16 + x^2 + x + 1), least bit first.
fn edc(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| crc >> 1 ^ (0xd801_8001 * (crc & 1)))
    })
}

/// Multiplies by x in GF(2^8) with x^8 + x^4 + x^3 + x^2 + 1.
fn double(value: u8) -> u8 {
    value << 1 ^ (0x1d * (value >> 7))
}

/// Divides by x + 1, the inverse of `v ^ double(v)`.
fn divide_by_3(value: u8) -> u8 {
    // 1 / (x + 1) is F4h in this field.
    (0..8).rev().fold(0, |product, bit| double(product) ^ (value * (0xf4u8 >> bit & 1)))
}

/// Appends two parity bytes to each of `vectors` vectors of `len` bytes. The bytes
/// from the header on are numbered in pairs: vector `v` begins at `v`'s pair, and
/// goes on by `step`.
fn parity(sector: &mut [u8; RAW], at: usize, vectors: usize, len: usize, start: usize, step: usize) {
    let size = vectors * len;
    for vector in 0..vectors {
        let mut index = (vector >> 1) * start + (vector & 1);
        let (mut a, mut b) = (0, 0);
        for _ in 0..len {
            let byte = sector[SYNC + index];
            index += step;
            if index >= size {
                index -= size;
            }
            a = double(a ^ byte);
            b ^= byte;
        }
        a = divide_by_3(double(a) ^ b);
        sector[at + vector] = a;
        sector[at + vector + vectors] = a ^ b;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each P and Q vector with its parity has syndromes zero: the sum of its bytes,
    /// and the sum of its bytes times powers of x.
    fn syndromes_are_zero(
        sector: &[u8; RAW],
        at: usize,
        vectors: usize,
        len: usize,
        start: usize,
        step: usize,
    ) {
        for vector in 0..vectors {
            let mut index = (vector >> 1) * start + (vector & 1);
            let (mut sum, mut weighted) = (0, 0);
            let mut add = |byte: u8| {
                sum ^= byte;
                weighted = double(weighted) ^ byte;
            };
            for _ in 0..len {
                add(sector[SYNC + index]);
                index = (index + step) % (vectors * len);
            }
            add(sector[at + vector]);
            add(sector[at + vector + vectors]);
            assert_eq!((sum, weighted), (0, 0), "vector {vector} at {at}");
        }
    }

    #[test]
    fn codes_of_a_raw_sector_agree_with_its_data() {
        let data: Vec<u8> = (0..2048u32).map(|i| ((i * i) >> 3) as u8).collect();
        let sector = mode_1(16, &data);
        assert_eq!(sector[..16], [0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 2, 0x16, 1]);
        assert_eq!(edc(&sector[..EDC_AT + 4]), 0);
        syndromes_are_zero(&sector, P_AT, 86, 24, 2, 86);
        syndromes_are_zero(&sector, Q_AT, 52, 43, 86, 88);
        assert_eq!(divide_by_3(3), 1);
    }

    #[test]
    fn fields_are_appended_in_order() {
        let layout = Layout { sync: true, header: true, data: true, codes: true };
        let mut bytes = Vec::new();
        layout.append(&mut bytes, 0, &[7; 2048]);
        assert_eq!((bytes.len(), layout.len(), bytes[15], bytes[16]), (RAW, RAW, 1, 7));
        assert_eq!(Layout::DATA.len(), 2048);
    }
}
