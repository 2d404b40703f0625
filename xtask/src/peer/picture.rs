//! The peer's picture of its screen.

use super::Picture;
use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Child;

/// Has QEMU write its screen to `file`, by the monitor on its standard input, and end.
///
/// # Errors
/// Where QEMU has ended, or writes nothing.
pub fn take(child: &mut Child, file: &Path) -> Result<Vec<u8>> {
    if file.exists() {
        fs::remove_file(file)?;
    }
    let monitor = child.stdin.as_mut().context("the peer has no monitor")?;
    writeln!(monitor, "screendump {}\nquit", file.display())?;
    child.wait()?;
    fs::read(file).with_context(|| format!("the peer wrote no picture to {}", file.display()))
}

impl Picture {
    /// Compares the picture in `found`, a binary PPM file, with the manifest's; what to say of it.
    pub fn compare(&self, found: &[u8], file: &Path) -> Option<Result<String, String>> {
        if let Some(reason) = &self.not_compared {
            return Some(Ok(format!("picture not compared: {reason}")));
        }
        let hash: String = Sha256::digest(found).iter().map(|byte| format!("{byte:02x}")).collect();
        Some(if hash == self.hash {
            Ok("the same picture".into())
        } else {
            Err(format!("another picture: {}", file.display()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_the_file() {
        let hash = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
        let picture = |not_compared| Picture { hash: hash.into(), not_compared };
        let compare = |picture: Picture, found: &[u8]| picture.compare(found, Path::new("p.ppm"));
        assert_eq!(compare(picture(None), b"hello"), Some(Ok("the same picture".into())));
        assert_eq!(compare(picture(None), b"hell"), Some(Err("another picture: p.ppm".into())));
        let reason = Some(Ok("picture not compared: so".into()));
        assert_eq!(compare(picture(Some("so".into())), b"hell"), reason);
    }
}
