//! Pictures that scenarios compare.

use anyhow::{Context, Result, bail, ensure};
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

/// Rows of red, green and blue.
#[derive(Debug, PartialEq, Eq)]
pub struct Image {
    pub width: usize,
    pub height: usize,
    pub pixels: Vec<[u8; 3]>,
}

impl Image {
    /// Reads what `--screenshot` wrote.
    pub fn read_png(path: &Path) -> Result<Self> {
        let about = || format!("reading {}", path.display());
        let file = File::open(path).with_context(about)?;
        let mut reader = png::Decoder::new(BufReader::new(file)).read_info().with_context(about)?;
        let mut bytes = vec![0; reader.output_buffer_size().context("a picture that is too large")?];
        let info = reader.next_frame(&mut bytes)?;
        if info.color_type != png::ColorType::Rgb {
            bail!("{} has other pixels than ours", path.display());
        }
        let (width, height) = (info.width as usize, info.height as usize);
        let pixels = bytes[..width * height * 3].as_chunks().0.to_vec();
        Ok(Self { width, height, pixels })
    }

    /// Reads what `xwd` wrote of a display with 24-bit colours (`XWDFile.h`, version 7).
    pub fn read_xwd(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
        let word = |n: usize| -> Result<usize> {
            let word = bytes.get(n * 4..n * 4 + 4).context("a short file of xwd")?;
            Ok(u32::from_be_bytes(word.try_into()?) as usize)
        };
        let (header, width, height, bits, stride, colors) =
            (word(0)?, word(4)?, word(5)?, word(11)?, word(12)?, word(19)?);
        if bits != 32 {
            bail!("xwd has {bits} bits a pixel");
        }
        let start = header + colors * 12;
        let mut pixels = Vec::with_capacity(width * height);
        for y in 0..height {
            let row =
                bytes.get(start + y * stride..start + y * stride + width * 4).context("a short file")?;
            pixels.extend(row.as_chunks::<4>().0.iter().map(|[blue, green, red, _]| [*red, *green, *blue]));
        }
        Ok(Self { width, height, pixels })
    }

    fn row(&self, y: usize) -> &[[u8; 3]] {
        &self.pixels[y * self.width..(y + 1) * self.width]
    }

    /// Where `part` is in this picture, to the pixel.
    pub fn find(&self, part: &Self) -> Option<(usize, usize)> {
        let (right, bottom) = (self.width.checked_sub(part.width)?, self.height.checked_sub(part.height)?);
        let is_at =
            |x: usize, y: usize| (0..part.height).all(|n| self.row(y + n)[x..x + part.width] == *part.row(n));
        (0..=bottom).flat_map(|y| (0..=right).map(move |x| (x, y))).find(|&(x, y)| is_at(x, y))
    }

    /// The picture with a square of `factor` by `factor` for each pixel.
    pub fn enlarged(&self, factor: usize) -> Self {
        let (width, height) = (self.width * factor, self.height * factor);
        let pixel = |n: usize| self.pixels[n / width / factor * self.width + n % width / factor];
        Self { width, height, pixels: (0..width * height).map(pixel).collect() }
    }

    /// Writes it as PNG, as small as may be.
    pub fn write_png(&self, path: &Path) -> Result<()> {
        let file = File::create(path).with_context(|| format!("writing {}", path.display()))?;
        let mut encoder = png::Encoder::new(file, u32::try_from(self.width)?, u32::try_from(self.height)?);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::High);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(self.pixels.as_flattened())?;
        Ok(writer.finish()?)
    }

    /// A rectangle of it: left, top, width, height.
    pub fn part(&self, [left, top, width, height]: [usize; 4]) -> Result<Self> {
        let inside = left + width <= self.width && top + height <= self.height;
        ensure!(inside, "a picture of {} by {} has no such part", self.width, self.height);
        let rows = self.pixels.chunks_exact(self.width).skip(top).take(height);
        let pixels = rows.flat_map(|row| &row[left..left + width]).copied().collect();
        Ok(Self { width, height, pixels })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_cut_out_of_the_whole() {
        let pixels = (0..12).map(|n| [n, 0, 0]).collect();
        let whole = Image { width: 4, height: 3, pixels };
        let part = whole.part([1, 1, 2, 2]).unwrap();
        assert_eq!(part.pixels.iter().map(|pixel| pixel[0]).collect::<Vec<_>>(), [5, 6, 9, 10]);
        assert!(whole.part([3, 0, 2, 1]).is_err());
    }

    #[test]
    fn a_part_is_found_where_it_is() {
        let pixels = (0..12).map(|n| [n, 0, 0]).collect();
        let whole = Image { width: 4, height: 3, pixels };
        let part = |from: u8| Image { width: 2, height: 1, pixels: vec![[from, 0, 0], [from + 1, 0, 0]] };
        assert_eq!(whole.find(&part(9)), Some((1, 2)));
        assert_eq!(whole.find(&part(3)), None, "not over an edge");
        let squares = part(9).enlarged(2);
        assert_eq!((squares.width, squares.height), (4, 2));
        assert_eq!(squares.pixels.concat(), [[9, 0, 0, 9, 0, 0, 10, 0, 0, 10, 0, 0]; 2].concat());
    }
}
