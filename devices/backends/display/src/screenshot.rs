//! Pictures in files, and their hashes.

use std::fmt;
use std::io::{self, Write};
use std::str::FromStr;

use sha2::{Digest, Sha256};

use crate::Picture;

/// Writes a picture as PNG, 8 bits a colour.
///
/// # Errors
/// Where `to` cannot be written, and for a picture without pixels.
pub fn write_png(picture: &Picture, to: impl Write) -> io::Result<()> {
    let size = |pixels: usize| u32::try_from(pixels).map_err(io::Error::other);
    let mut encoder = png::Encoder::new(to, size(picture.width)?, size(picture.height)?);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    let bytes: Vec<u8> = picture.pixels.iter().flat_map(|pixel| pixel.to_be_bytes()[1..].to_vec()).collect();
    writer.write_image_data(&bytes)?;
    Ok(writer.finish()?)
}

/// What a picture is compared by: SHA-256 of the picture as a binary PPM file without
/// comments, `P6\nWIDTH HEIGHT\n255\n` and three bytes a pixel.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PictureHash([u8; 32]);

impl PictureHash {
    /// The hash of a picture.
    pub fn of(picture: &Picture) -> Self {
        let mut hash = Sha256::new();
        hash.update(format!("P6\n{} {}\n255\n", picture.width, picture.height));
        for row in picture.pixels.chunks(picture.width.max(1)) {
            let bytes: Vec<u8> =
                row.iter().flat_map(|pixel| pixel.to_be_bytes().into_iter().skip(1)).collect();
            hash.update(bytes);
        }
        Self(hash.finalize().into())
    }
}

impl fmt::Display for PictureHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PictureHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text is not 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a hash has 64 hexadecimal digits")]
pub struct NotAHash;

impl FromStr for PictureHash {
    type Err = NotAHash;

    fn from_str(text: &str) -> Result<Self, NotAHash> {
        let digits = text.chars().map(|c| c.to_digit(16).map(|digit| digit as u8));
        let digits: Vec<u8> = digits.collect::<Option<_>>().ok_or(NotAHash)?;
        let pairs: Vec<u8> = digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
        let whole = if digits.len().is_multiple_of(2) { pairs } else { Vec::new() };
        Ok(Self(whole.try_into().map_err(|_| NotAHash)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_the_picture_as_ppm() {
        let picture = Picture { width: 2, height: 1, pixels: vec![0x12_3456, 0xff_00ff] };
        // printf 'P6\n2 1\n255\n\x12\x34\x56\xff\0\xff' | sha256sum
        let text = "dba84cf6454b69e87fc2e729d139c0f041c1c4d47404df474e9496b494df336a";
        assert_eq!(PictureHash::of(&picture).to_string(), text);
        assert_eq!(text.to_uppercase().parse(), Ok(PictureHash::of(&picture)));
        for bad in ["", "12", &text[1..], &format!("{text}0"), &text.replace('1', "x")] {
            assert_eq!(bad.parse::<PictureHash>(), Err(NotAHash), "{bad}");
        }
    }

    #[test]
    fn a_picture_is_read_back_as_it_was() {
        let picture = Picture { width: 2, height: 1, pixels: vec![0x12_3456, 0xff_00ff] };
        let mut file = Vec::new();
        write_png(&picture, &mut file).unwrap();
        let mut reader = png::Decoder::new(io::Cursor::new(file)).read_info().unwrap();
        let mut pixels = [0; 6];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((info.width, info.height), (2, 1));
        assert_eq!(pixels, [0x12, 0x34, 0x56, 0xff, 0, 0xff]);
        assert!(write_png(&Picture::default(), Vec::new()).is_err());
    }
}
