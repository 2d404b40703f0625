//! `--display text` in a terminal, which is tmux.

use super::until;
use crate::runner::Outcome;
use crate::{disks, shell};
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

/// A server of tmux with one terminal, which ends with the value.
struct Terminal(String);

impl Terminal {
    /// A terminal of 100 by 40 characters with a shell that waits for a command.
    fn start(name: &str) -> Result<Self> {
        let terminal = Self(format!("glassbox-{name}-{}", std::process::id()));
        terminal.tmux(&["new-session", "-d", "-x", "100", "-y", "40", "env", "PS1=> ", "sh"])?;
        // Not to end with its shell.
        terminal.tmux(&["set-option", "-g", "remain-on-exit", "on"])?;
        // What is typed before the shell prompts is shown before it does, and its answer
        // behind the prompt.
        terminal.shows(">")?;
        Ok(terminal)
    }

    fn tmux(&self, args: &[&str]) -> Result<String> {
        shell::output(Command::new("tmux").args(["-L", &self.0, "-f", "/dev/null"]).args(args))
    }

    /// What is to be seen, with `colours` as escape sequences.
    fn text(&self, colours: bool) -> Result<String> {
        self.tmux(if colours { &["capture-pane", "-p", "-e"] } else { &["capture-pane", "-p"] })
    }

    /// Types a line.
    fn type_line(&self, text: &str) -> Result<()> {
        self.tmux(&["send-keys", "-l", text])?;
        self.keys(&["Enter"])
    }

    /// Presses keys by tmux' names.
    fn keys(&self, keys: &[&str]) -> Result<()> {
        self.tmux(&[&["send-keys"], keys].concat()).map(|_| ())
    }

    /// Waits for a row that is just this.
    fn shows(&self, row: &str) -> Result<()> {
        let mut last = String::new();
        let seen = until(row, || {
            last = self.text(false)?;
            Ok(last.lines().any(|line| line.trim() == row).then_some(()))
        });
        seen.with_context(|| format!("the terminal shows:\n{last}"))
    }

    /// Types lines while the program is told again and again that the terminal has
    /// another size, as somebody who drags a corner of it does.
    fn is_heard_between_resizes(&self) -> Result<()> {
        let shell = self.pid()?;
        let typed = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !typed.load(Ordering::Relaxed) {
                    let _ = Command::new("pkill").args(["-WINCH", "-P", &shell]).status();
                }
            });
            let lines = (0..20).try_for_each(|line| {
                self.type_line(&format!("echo line-{line}-$grub_cpu"))?;
                self.shows(&format!("line-{line}-i386"))
            });
            typed.store(true, Ordering::Relaxed);
            lines
        })
    }

    /// The process that the terminal was started with.
    fn pid(&self) -> Result<String> {
        Ok(self.tmux(&["display-message", "-p", "#{pane_pid}"])?.trim().into())
    }

    /// Whether the terminal shows what programs show that use all of it.
    fn is_taken(&self) -> Result<bool> {
        Ok(self.tmux(&["display-message", "-p", "#{alternate_on}"])?.trim() == "1")
    }

    /// Runs a command, and once `shown` is there does something that ends it, which
    /// has to leave the terminal as it was, with this exit code.
    fn lends(&self, command: &str, shown: &str, code: u8, end: impl FnOnce() -> Result<()>) -> Result<()> {
        self.type_line("stty -g > /tmp/$$.before; echo before")?;
        self.shows("before")?;
        self.type_line(&format!(
            "{command}; echo ended-$?; stty -g | cmp - /tmp/$$.before && echo same; rm /tmp/$$.before"
        ))?;
        self.shows(shown)?;
        if !self.is_taken()? {
            bail!("the guest's screen is among the shell's lines");
        }
        end()?;
        self.shows(&format!("ended-{code}"))?;
        self.shows("same")?;
        if self.is_taken()? {
            bail!("the terminal was not given back");
        }
        if self.tmux(&["display-message", "-p", "#{cursor_flag}"])?.trim() != "1" {
            bail!("the cursor is still hidden");
        }
        self.shows("before")?;
        self.tmux(&["send-keys", "-R"]).map(|_| ())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.tmux(&["kill-server"]);
    }
}

/// GRUB's prompt in a terminal: text, colours, keys, another size; the terminal as it
/// was after the end, and after a signal; and an end when the terminal is gone.
pub fn text(program: &Path) -> Result<Outcome> {
    let Some(image) = disks::image("grub.iso") else {
        return Ok(Outcome::Skipped("grub.iso was not made".into()));
    };
    if !shell::has("tmux") {
        return Ok(Outcome::Skipped("apt-get install tmux".into()));
    }
    let run =
        format!("{} run {} --memory 64M --timeout 300s --display text", program.display(), image.display());
    let terminal = Terminal::start("text")?;
    terminal.lends(&run, "grub>", 0, || {
        terminal.type_line("echo typed-$grub_cpu")?;
        terminal.shows("typed-i386")?;
        terminal.type_line("set color_normal=yellow/blue; clear; echo colour-$grub_cpu")?;
        terminal.shows("colour-i386")?;
        // Yellow is a terminal's colour 11 and blue is 4.
        let text = terminal.text(true)?;
        let row = text.lines().find(|row| row.contains("colour-i386")).unwrap_or_default();
        if !row.contains("\x1b[38;5;11m") || !row.contains("\x1b[48;5;4m") {
            bail!("the colours are others: {row:?}");
        }
        // In a small terminal the cursor is in sight.
        terminal.tmux(&["resize-window", "-x", "60", "-y", "12"])?;
        terminal.type_line("echo small-$grub_cpu")?;
        terminal.shows("small-i386")?;
        terminal.is_heard_between_resizes()?;
        terminal.tmux(&["resize-window", "-x", "100", "-y", "40"])?;
        terminal.shows("Ctrl-A: x quits, c monitor, Ctrl-A sends itself")?;
        terminal.keys(&["C-a", "x"])
    })?;
    terminal.lends(&run, "grub>", 1, || {
        shell::output(Command::new("pkill").args(["-TERM", "-P", &terminal.pid()?])).map(|_| ())
    })?;
    is_missed(&run)?;
    Ok(Outcome::Passed)
}

/// A machine whose terminal is gone ends.
fn is_missed(run: &str) -> Result<()> {
    let terminal = Terminal::start("gone")?;
    terminal.type_line(run)?;
    terminal.shows("grub>")?;
    let program = shell::output(Command::new("pgrep").args(["-P", &terminal.pid()?]))?;
    drop(terminal);
    until("the program's end", || {
        let runs = Command::new("kill").args(["-0", program.trim()]).stderr(Stdio::null()).status()?;
        Ok((!runs.success()).then_some(()))
    })
}
