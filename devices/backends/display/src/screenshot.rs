//! Pictures in files.

use std::io::{self, Write};

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

#[cfg(test)]
mod tests {
    use super::*;

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
