//! `--monitor`: commands on standard input, or from a client.

use super::{Monitor, PROMPT};
use crate::terminal::tell;
use anyhow::{Context, bail};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, ToSocketAddrs};
use std::path::PathBuf;

/// Longer lines are no commands.
const LONGEST_LINE: u64 = 64 << 10;

/// Where commands come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MonitorTarget {
    Stdio,
    /// `HOST:PORT`, where it listens; an address of this host alone.
    Tcp(String),
    Unix(PathBuf),
}

impl MonitorTarget {
    /// Parses the value of `--monitor`.
    ///
    /// # Errors
    /// What there is instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            None if text == "stdio" => Ok(Self::Stdio),
            Some(("tcp", at)) if at.contains(':') => Ok(Self::Tcp(at.into())),
            Some(("unix", path)) if !path.is_empty() => Ok(Self::Unix(path.into())),
            _ => Err("give stdio, tcp=127.0.0.1:PORT or unix=PATH".into()),
        }
    }

    /// Begins to take commands.
    ///
    /// # Errors
    /// Where nobody could connect, or anybody from elsewhere.
    pub fn serve(&self, monitor: Monitor) -> anyhow::Result<()> {
        match self {
            Self::Stdio => spawn(move || monitor.use_stdio()),
            Self::Tcp(at) => {
                let addresses: Vec<_> = at
                    .to_socket_addrs()
                    .with_context(|| format!("--monitor tcp={at}: this is no address"))?
                    .collect();
                if !addresses.iter().all(|address| address.ip().is_loopback()) {
                    bail!("--monitor tcp={at}: commands reach files of this host: give a loopback address");
                }
                let listener = TcpListener::bind(addresses.as_slice())
                    .with_context(|| format!("cannot listen at {at} for --monitor"))?;
                if let Ok(address) = listener.local_addr() {
                    tell(&format!("glassbox: the monitor listens at {address}"));
                }
                spawn(move || {
                    while let Ok((client, _)) = listener.accept() {
                        if let Ok(output) = client.try_clone() {
                            converse(client, output, &monitor);
                        }
                    }
                })
            }
            Self::Unix(path) => serve_unix(path, monitor),
        }
    }
}

fn spawn(work: impl FnOnce() + Send + 'static) -> anyhow::Result<()> {
    let thread = std::thread::Builder::new().name("monitor".into()).spawn(work);
    thread.map(drop).context("cannot start a thread for the monitor")
}

#[cfg(unix)]
fn serve_unix(path: &std::path::Path, monitor: Monitor) -> anyhow::Result<()> {
    let listener = std::os::unix::net::UnixListener::bind(path).with_context(|| {
        format!("cannot listen at {}: give --monitor unix= a path where nothing is yet", path.display())
    })?;
    spawn(move || {
        while let Ok((client, _)) = listener.accept() {
            if let Ok(output) = client.try_clone() {
                converse(client, output, &monitor);
            }
        }
    })
}

#[cfg(not(unix))]
fn serve_unix(_path: &std::path::Path, _monitor: Monitor) -> anyhow::Result<()> {
    bail!("this host has no Unix sockets: take --monitor tcp=127.0.0.1:PORT");
}

/// Carries out what comes line by line, until the client hangs up or the machine ends.
pub(super) fn converse(input: impl Read, mut output: impl Write, monitor: &Monitor) {
    let mut input = BufReader::new(input);
    loop {
        if write!(output, "{PROMPT}").and_then(|()| output.flush()).is_err() {
            return;
        }
        let mut line = Vec::new();
        match input.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line) {
            Ok(1..) => {}
            _ => return,
        }
        let answer = monitor.execute(&String::from_utf8_lossy(&line));
        if output.write_all(answer.as_bytes()).is_err() || monitor.is_over() {
            let _ = output.flush();
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::display::KeyPlayer;
    use glassbox_input::Layout;
    use glassbox_machine::Control;

    #[test]
    fn commands_come_line_by_line_and_mistakes_do_not_end_it() {
        let control = Control::new();
        let player = KeyPlayer::new(Layout::Us, control.clone());
        let monitor = Monitor::new(control.clone(), player, Vec::new());
        let mut output = Vec::new();
        converse(&b"fly\n\npause\neject cdrom0\nquit\nhelp\n"[..], &mut output, &monitor);
        let output = String::from_utf8(output).unwrap();
        let answers: Vec<&str> = output.split(PROMPT).collect();
        let expected = [
            "",
            "`fly` is no command: `help` lists them\n",
            "",
            "",
            "there is no drive `cdrom0`: `info block` lists them\n",
            "",
        ];
        assert_eq!(answers, expected, "nothing is done after quit");
        assert!(control.is_paused());
    }

    #[test]
    fn only_this_host_is_listened_to() {
        let control = Control::new();
        let monitor = Monitor::new(control.clone(), KeyPlayer::new(Layout::Us, control), Vec::new());
        let error = MonitorTarget::Tcp("0.0.0.0:0".into()).serve(monitor).unwrap_err();
        assert!(error.to_string().contains("loopback"), "{error}");
        assert!(MonitorTarget::parse("tcp=1").is_err() && MonitorTarget::parse("pty").is_err());
    }
}
