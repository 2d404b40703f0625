//! One run of a machine whose serial console is its standard input and output.

use super::qemu::Monitor;
use anyhow::{Context, Result, bail};
use regex::Regex;
use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// How often a screen is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// A peer may take this long.
const PATIENCE: Duration = Duration::from_secs(900);
/// How much of a console a message shows.
const SHOWN_LINES: usize = 25;

/// What a machine that does not do so itself is watched for.
pub struct Watch {
    pub monitor: Monitor,
    /// Ends the run.
    pub expect: Option<Regex>,
    /// A key, and what has to be on the screen before.
    pub key: Option<(&'static str, &'static str)>,
}

impl Watch {
    /// Looks at the screen and at what the console has said. True when the run is over.
    fn look(&mut self, console: &str) -> Result<bool> {
        if self.expect.is_none() && self.key.is_none() {
            return Ok(false);
        }
        let screen = self.monitor.screen()?;
        if let Some((_, key)) =
            self.key.take_if(|(text, _)| screen.contains(*text) || console.contains(*text))
        {
            self.monitor.key(key)?;
        }
        let seen = |expect: &Regex| screen.lines().chain(console.lines()).any(|line| expect.is_match(line));
        Ok(self.expect.as_ref().is_some_and(seen))
    }
}

/// What is typed for what the console says.
struct Dialogue {
    open: &'static [(&'static str, &'static str)],
    /// How much of the console was read.
    from: usize,
}

impl Dialogue {
    fn answer(&mut self, console: &[u8], to: &mut ChildStdin) -> Result<()> {
        while let [(question, answer), rest @ ..] = self.open {
            let fresh = &console[self.from..];
            let Some(at) = fresh.windows(question.len()).position(|w| w == question.as_bytes()) else {
                break;
            };
            self.from += at + question.len();
            to.write_all(answer.as_bytes())?;
            self.open = rest;
        }
        Ok(())
    }
}

/// A child that does not outlive its run.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a pipe says, in pieces.
fn pieces(mut pipe: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut chunk = [0; 4096];
        while let Ok(count @ 1..) = pipe.read(&mut chunk) {
            if sender.send(chunk[..count].to_vec()).is_err() {
                break;
            }
        }
    });
    receiver
}

/// Runs a machine to its end, or until what it is watched for was seen, and has
/// the dialogue. Returns how long that took.
///
/// # Errors
/// Where the dialogue was not finished or the machine failed, with the end of the console.
pub fn run(
    mut command: Command,
    dialogue: &'static [(&'static str, &'static str)],
    watch: Option<&dyn Fn() -> Result<Watch>>,
) -> Result<Duration> {
    let start = Instant::now();
    let child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    let mut child = Running(child);
    let errors = pieces(child.0.stderr.take().context("errors are piped")?);
    let output = pieces(child.0.stdout.take().context("the console is piped")?);
    let mut input = child.0.stdin.take().context("the keyboard is piped")?;
    let mut watch = watch.map(|connect| connect()).transpose()?;
    let mut dialogue = Dialogue { open: dialogue, from: 0 };
    let mut console = Vec::new();
    let over = loop {
        match output.recv_timeout(LOOK) {
            Ok(piece) => {
                console.extend_from_slice(&piece);
                dialogue.answer(&console, &mut input)?;
            }
            Err(RecvTimeoutError::Disconnected) => break false,
            Err(RecvTimeoutError::Timeout) => {}
        }
        if let Some(watch) = &mut watch {
            if start.elapsed() > PATIENCE {
                break false;
            }
            if watch.look(&String::from_utf8_lossy(&console))? {
                break true;
            }
        }
    };
    let time = start.elapsed();
    let text = String::from_utf8_lossy(&console).replace('\r', "");
    let shown = || {
        let lines: Vec<_> = text.lines().collect();
        let errors: Vec<u8> = errors.try_iter().flatten().collect();
        let end = lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n");
        format!("{end}\n{}", String::from_utf8_lossy(&errors))
    };
    if let Some((question, _)) = dialogue.open.first() {
        bail!("the console never said {question:?}; it ends:\n{}", shown());
    }
    if over {
        return Ok(time);
    }
    if start.elapsed() > PATIENCE {
        bail!("it took longer than {} s; the console ends:\n{}", PATIENCE.as_secs(), shown());
    }
    let status = child.0.wait()?;
    if status.code() != Some(0) || watch.is_some_and(|watch| watch.expect.is_some()) {
        bail!("{status}; the console ends:\n{}", shown());
    }
    Ok(time)
}
