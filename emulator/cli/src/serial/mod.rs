//! Host ends of the serial ports.

mod pump;
mod socket;
mod stdio;

use crate::monitor::Monitor;
use anyhow::{Context, bail};
use glassbox_device_api::CharBackend;
use glassbox_machine::Control;
use std::fs::File;
use std::path::PathBuf;

pub use pump::{Flush, Pump, WhenFull};

/// What a serial port is connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SerialTarget {
    Stdio,
    None,
    File(PathBuf),
    Tcp(String),
    Unix(PathBuf),
}

impl SerialTarget {
    /// Parses the value of `--serial`.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            None if text == "stdio" => Ok(Self::Stdio),
            None if text == "none" => Ok(Self::None),
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.into())),
            Some(("tcp", at)) if at.contains(':') => Ok(Self::Tcp(at.into())),
            Some(("unix", path)) if !path.is_empty() => Ok(Self::Unix(path.into())),
            _ => Err("give stdio, none, file=F, tcp=HOST:PORT or unix=PATH".to_owned()),
        }
    }

    /// Opens the host end; `None` where there is to be no port.
    pub fn open(
        &self,
        control: &Control,
        monitor: &Monitor,
        flush: &mut Flush,
    ) -> anyhow::Result<Option<Box<dyn CharBackend>>> {
        Ok(match self {
            Self::None => None,
            Self::Stdio => Some(Box::new(stdio::open(control.clone(), monitor.clone(), flush)?)),
            Self::File(path) => {
                let file = File::create(path).with_context(|| {
                    format!("cannot write {}: give --serial a path that can be written", path.display())
                })?;
                Some(Box::new(Pump::start(file, WhenFull::Wait, flush)?))
            }
            Self::Tcp(at) => Some(Box::new(socket::tcp(at, control.clone(), flush)?)),
            Self::Unix(path) => Some(Box::new(socket::unix(path, control.clone(), flush)?)),
        })
    }
}

/// Opens the host ends of COM1 and COM2.
pub fn open_all(
    targets: &[SerialTarget],
    control: &Control,
    monitor: &Monitor,
    flush: &mut Flush,
) -> anyhow::Result<[Option<Box<dyn CharBackend>>; 2]> {
    if targets.len() > 2 {
        bail!("there are two serial ports: give --serial at most twice");
    }
    if targets.iter().filter(|t| **t == SerialTarget::Stdio).count() > 1 {
        bail!(
            "both serial ports cannot have stdio: give one of them file=F, tcp=HOST:PORT, unix=PATH or none"
        );
    }
    let mut ports = [None, None];
    for (port, target) in ports.iter_mut().zip(targets) {
        *port = target.open(control, monitor, flush)?;
    }
    Ok(ports)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_parsed() {
        assert_eq!(SerialTarget::parse("stdio"), Ok(SerialTarget::Stdio));
        assert_eq!(SerialTarget::parse("file=a=b"), Ok(SerialTarget::File("a=b".into())));
        assert_eq!(SerialTarget::parse("tcp=localhost:4000"), Ok(SerialTarget::Tcp("localhost:4000".into())));
        for bad in ["", "file", "file=", "tcp=4000", "pty", "stdio=1"] {
            assert!(SerialTarget::parse(bad).is_err(), "{bad}");
        }
    }
}
