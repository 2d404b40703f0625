//! A machine that is asked and told through its monitor while it runs.

use super::picture::Image;
use super::until;
use crate::guests;
use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};

const PROMPT: &str = "(glassbox) ";

/// A machine with its monitor on a pipe.
pub struct Session {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// Where its pictures go.
    shot: PathBuf,
}

impl Session {
    /// Starts `glassbox run` with these arguments.
    pub fn start(program: &Path, args: &[&str], environment: &[(&str, &str)]) -> Result<Self> {
        let mut child = Command::new(program)
            .arg("run")
            .args(args)
            .args(["--monitor", "stdio", "--timeout", "300s"])
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("starting glassbox")?;
        let commands = child.stdin.take().context("the monitor is piped")?;
        let answers = BufReader::new(child.stdout.take().context("the monitor is piped")?);
        let shot = guests::folder().join(format!("session-{}.png", child.id()));
        let mut session = Self { child, commands, answers, shot };
        session.answer()?;
        Ok(session)
    }

    /// What is said up to the next prompt.
    fn answer(&mut self) -> Result<String> {
        let mut text = Vec::new();
        while !text.ends_with(PROMPT.as_bytes()) {
            if self.answers.read_until(b' ', &mut text)? == 0 {
                bail!("the machine has ended: {}", String::from_utf8_lossy(&text));
            }
        }
        text.truncate(text.len() - PROMPT.len());
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// The answer to a command.
    pub fn ask(&mut self, command: &str) -> Result<String> {
        writeln!(self.commands, "{command}")?;
        self.answer()
    }

    /// Waits for a row of the text screen that is just this.
    pub fn shows(&mut self, row: &str) -> Result<()> {
        let mut last = String::new();
        let seen = until(row, || {
            last = self.ask("screentext")?;
            Ok(last.lines().any(|line| line.trim() == row).then_some(()))
        });
        seen.with_context(|| format!("the screen says:\n{last}"))
    }

    /// What `--screenshot` would write now.
    pub fn picture(&mut self) -> Result<Image> {
        let command = format!("screenshot {}", self.shot.display());
        self.ask(&command)?;
        Image::read_png(&self.shot)
    }

    /// The end of the run.
    pub fn end(&mut self) -> Result<ExitStatus> {
        until("the machine's end", || Ok(self.child.try_wait()?))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.shot);
    }
}
