//! Pictures that scenarios compare.

use anyhow::{Context, Result, bail};
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

/// Rows of red, green and blue.
#[derive(PartialEq, Eq)]
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
}
