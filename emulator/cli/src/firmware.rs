//! `--firmware`: foreign firmware and the file that keeps its variables.

use anyhow::{Context, bail};
use glassbox_block::{Drive, DriveOptions, Execution, Format};
use glassbox_device_api::BlockBackend;
use glassbox_machine::{ClockMode, Control, Firmware};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::run::read_file;

/// Where Debian and Ubuntu have the display's option ROM for SeaBIOS.
const DISPLAY_ROM: &str = "/usr/share/seabios/vgabios-stdvga.bin";

/// What `--firmware` says: `F[,vars=V]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirmwareArg {
    /// The code.
    pub code: PathBuf,
    /// The variables.
    pub vars: Option<PathBuf>,
}

impl FirmwareArg {
    /// Parses the flag's value. A comma in a path is written twice.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = split(text).into_iter();
        let code = parts.next().filter(|code| !code.is_empty()).ok_or("names no file")?;
        let mut vars = None;
        for part in parts {
            match part.split_once('=') {
                Some(("vars", path)) if !path.is_empty() && vars.is_none() => vars = Some(path.into()),
                _ => return Err(format!("`{part}` is not vars=FILE")),
            }
        }
        Ok(Self { code: code.into(), vars })
    }

    /// Reads the code.
    pub fn load(&self) -> anyhow::Result<Firmware> {
        let image = read_file(&self.code, "a firmware image")?;
        Ok(Firmware { image, ..Firmware::default() })
    }

    /// Opens the file of the variables, which nobody else may write meanwhile.
    pub fn open_vars(
        &self,
        clock: ClockMode,
        control: &Control,
    ) -> anyhow::Result<Option<Box<dyn BlockBackend>>> {
        let Some(path) = &self.vars else { return Ok(None) };
        if !path.exists() {
            bail!(
                "{} is not there: copy the firmware's template first, as in \
                 `cp /usr/share/OVMF/OVMF_VARS_4M.fd {0}`",
                path.display()
            );
        }
        let execution = match clock {
            ClockMode::Instructions { .. } => Execution::Synchronous,
            ClockMode::Host => Execution::Worker,
        };
        let options = DriveOptions { format: Some(Format::Raw), discard: false, ..DriveOptions::new(path) };
        let control = control.clone();
        let drive = Drive::open(&options, execution, Arc::new(move || control.input_ready()))
            .with_context(|| format!("--firmware vars={}", path.display()))?;
        Ok(Some(drive.client()))
    }
}

/// The display's option ROM, which firmware needs to show anything; empty where
/// the package is not installed.
pub fn display_rom() -> Vec<u8> {
    let rom = std::fs::read(Path::new(DISPLAY_ROM)).ok().filter(|rom| rom.starts_with(&[0x55, 0xAA]));
    if rom.is_none() {
        log::warn!("{DISPLAY_ROM} is not there: SeaBIOS will show nothing on the screen");
    }
    rom.unwrap_or_default()
}

/// Splits at single commas.
fn split(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, parts.last_mut()) {
            (',', _) if chars.next_if_eq(&',').is_none() => parts.push(String::new()),
            (c, Some(last)) => last.push(c),
            _ => {}
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_and_variables_are_told_apart() {
        let parse = FirmwareArg::parse;
        assert_eq!(parse("bios.bin").unwrap(), FirmwareArg { code: "bios.bin".into(), vars: None });
        let both = FirmwareArg { code: "a,b".into(), vars: Some("v=w".into()) };
        assert_eq!(parse("a,,b,vars=v=w").unwrap(), both);
        assert!(parse("").is_err() && parse("a,vars=").is_err() && parse("a,b").is_err());
        assert!(parse("a,vars=b,vars=c").is_err());
    }

    #[test]
    fn variables_that_are_not_there_are_explained() {
        let arg = FirmwareArg::parse("code,vars=/nowhere/vars.fd").unwrap();
        let error = arg.open_vars(ClockMode::Host, &Control::new()).err().unwrap().to_string();
        assert!(error.contains("OVMF_VARS"), "{error}");
    }
}
