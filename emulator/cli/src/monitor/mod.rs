//! The monitor: commands to a running machine, from a terminal (`Ctrl-A c`) or
//! through `--monitor`.

mod command;
mod console;
mod door;
mod socket;

pub use door::Door;
pub use socket::MonitorTarget;

use crate::display::{self, KeyPlayer};
use crate::outcome;
use crate::stats::RunStats;
use anyhow::{Context, bail};
use command::{Command, HELP, OWN_TOPICS};
use glassbox_machine::{Control, Machine, Stop, Topic};
use glassbox_screen::{Picture, PictureHash};
use std::path::Path;
use std::sync::Arc;

/// What is written before a command.
const PROMPT: &str = "(glassbox) ";

/// Carries commands out; clones do so on the same machine.
#[derive(Clone)]
pub struct Monitor {
    control: Control,
    player: KeyPlayer,
    doors: Arc<Vec<Door>>,
}

impl Monitor {
    /// A monitor of the machine behind `control`, with the drives behind `doors`.
    pub fn new(control: Control, player: KeyPlayer, doors: Vec<Door>) -> Self {
        Self { control, player, doors: Arc::new(doors) }
    }

    /// Carries out one line; what there is to say about it, in whole lines.
    pub fn execute(&self, line: &str) -> String {
        let result = Command::parse(line).map_err(anyhow::Error::msg);
        match result.and_then(|command| self.obey(command)) {
            Ok(text) if text.is_empty() || text.ends_with('\n') => text,
            Ok(text) => text + "\n",
            Err(error) => format!("{error:#}\n"),
        }
    }

    /// Whether the machine is to end: no further command makes sense.
    fn is_over(&self) -> bool {
        self.control.is_hurried()
    }

    /// Asks the machine.
    fn ask<R: Send + 'static>(
        &self,
        f: impl FnOnce(&mut Machine) -> R + Send + 'static,
    ) -> anyhow::Result<R> {
        self.control.ask(f).context("the machine has ended")
    }

    fn obey(&self, command: Command) -> anyhow::Result<String> {
        match command {
            Command::Nothing => {}
            Command::Help => return Ok(help()),
            Command::Inspect(topic) => return self.ask(move |machine| machine.inspect(topic)),
            Command::Dump { address, len } => {
                return self.ask(move |machine| machine.dump_memory(address, len));
            }
            Command::Block => return Ok(self.doors.iter().map(Door::describe).collect()),
            Command::Screen => {
                let picture = self.picture()?;
                let hash = PictureHash::of(&picture);
                return Ok(format!("{}x{}, hash {hash}", picture.width, picture.height));
            }
            Command::Stats => {
                let running = outcome::STILL_RUNNING;
                return self.ask(move |machine| RunStats::new(&machine.stats(), running).to_text());
            }
            Command::Screenshot(path) => display::write_picture(&self.picture()?, &path)?,
            Command::ScreenText(path) => return self.screen_text(path.as_deref()),
            Command::Play(script) => self.player.add(&script)?,
            Command::Pause => self.control.set_paused(true),
            Command::Resume => self.control.set_paused(false),
            Command::Reset => self.ask(Machine::reset)??,
            Command::PowerDown => self.control.press_power_button(),
            Command::Eject { drive, force } => self.door(&drive)?.eject(force)?,
            Command::Insert { drive, file } => self.door(&drive)?.insert(&file)?,
            Command::Quit => self.control.stop(Stop::Quit),
        }
        Ok(String::new())
    }

    fn picture(&self) -> anyhow::Result<Picture> {
        self.ask(|machine| display::picture(machine))?
            .context("this machine has no display; add --display vga")
    }

    fn screen_text(&self, path: Option<&Path>) -> anyhow::Result<String> {
        let Some(rows) = self.ask(|machine| machine.screen_rows())? else {
            bail!("there is no screen: this machine has no display; add --display vga");
        };
        let text: String = rows.into_iter().map(|row| row + "\n").collect();
        match path {
            None => Ok(text),
            Some(path) => {
                std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
                Ok(String::new())
            }
        }
    }

    fn door(&self, name: &str) -> anyhow::Result<&Door> {
        let door = self.doors.iter().find(|door| door.name() == name);
        door.with_context(|| format!("there is no drive `{name}`: `info block` lists them"))
    }
}

fn help() -> String {
    let line = |(word, what): (&str, &str)| format!("  {word:20} {what}\n");
    let commands: String = HELP.iter().copied().map(line).collect();
    let topics = Topic::ALL.iter().map(|(name, _, what)| (*name, *what));
    let topics: String = topics.chain(OWN_TOPICS.iter().copied()).map(line).collect();
    format!("{commands}Topics of info:\n{topics}")
}
