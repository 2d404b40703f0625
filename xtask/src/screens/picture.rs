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
}
