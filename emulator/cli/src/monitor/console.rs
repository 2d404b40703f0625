//! The monitor on a terminal: lines that can be edited, a history, completion.

use super::command::{HELP, OWN_TOPICS};
use super::socket::converse;
use super::{Monitor, PROMPT};
use crate::terminal::{Cooked, KeyFilter, Pressed, tell};
use glassbox_machine::Topic;
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::history::MemHistory;
use rustyline::{
    Cmd, ConditionalEventHandler, Config, Context, Editor, Event, EventContext, EventHandler, Helper,
    Highlighter, Hinter, KeyCode, KeyEvent, RepeatCount, Validator,
};
use std::io::IsTerminal;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const WELCOME: &str = "the monitor: `help` lists the commands, Ctrl-D or Ctrl-A c goes back to the guest";

/// Completes words of commands.
#[derive(Helper, Hinter, Highlighter, Validator)]
struct Words;

impl Completer for Words {
    type Candidate = String;

    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        let typed = &line[..at];
        let start = typed.rfind(' ').map_or(0, |space| space + 1);
        let known: Vec<&str> = match &typed[..start] {
            "" => HELP.iter().filter_map(|(word, _)| word.split(' ').next()).collect(),
            "info " => {
                Topic::ALL.iter().map(|(name, ..)| *name).chain(OWN_TOPICS.iter().map(|(n, _)| *n)).collect()
            }
            _ => Vec::new(),
        };
        let fits = |word: &&str| word.starts_with(&typed[start..]);
        Ok((start, known.into_iter().filter(fits).map(str::to_owned).collect()))
    }
}

/// Ctrl-A c and Ctrl-A x, as everywhere: notes it, and ends the line.
#[derive(Clone, Default)]
struct Prefixed(Arc<Mutex<(KeyFilter, Option<Pressed>)>>);

impl Prefixed {
    fn lock(&self) -> MutexGuard<'_, (KeyFilter, Option<Pressed>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ConditionalEventHandler for Prefixed {
    fn handle(&self, event: &Event, _: RepeatCount, _: bool, _: &EventContext<'_>) -> Option<Cmd> {
        let key = event.get(0)?;
        let character = match key {
            KeyEvent(KeyCode::Char(c), _) => Some(*c),
            _ => None,
        };
        let (filter, asked) = &mut *self.lock();
        match filter.key(*key == KeyEvent::ctrl('A'), character) {
            Pressed::Guest => None,
            pressed @ (Pressed::Monitor | Pressed::Quit) => {
                *asked = Some(pressed);
                Some(Cmd::Interrupt)
            }
            Pressed::Nothing | Pressed::Help => Some(Cmd::Noop),
        }
    }
}

impl Monitor {
    /// Takes commands from standard input to its end: with a line editor where it
    /// is a terminal.
    pub(super) fn use_stdio(&self) {
        if std::io::stdin().is_terminal() {
            self.talk();
        } else {
            converse(std::io::stdin(), std::io::stdout(), self);
        }
    }

    /// Talks to the person at the terminal, which was the guest's, until that is
    /// wanted back.
    pub fn open(&self) {
        let cooked = Cooked::new();
        tell(WELCOME);
        self.talk();
        drop(cooked);
        tell("back to the guest");
    }

    fn talk(&self) {
        let config = Config::builder().auto_add_history(true).build();
        let editor = Editor::<Words, MemHistory>::with_history(config, MemHistory::new());
        let mut editor = match editor {
            Ok(editor) => editor,
            Err(error) => return tell(&format!("glassbox: no monitor on this terminal: {error}")),
        };
        editor.set_helper(Some(Words));
        let prefixed = Prefixed::default();
        editor.bind_sequence(Event::Any, EventHandler::Conditional(Box::new(prefixed.clone())));
        while !self.is_over() {
            match editor.readline(PROMPT) {
                Ok(line) => print!("{}", self.execute(&line)),
                Err(ReadlineError::Interrupted) => match prefixed.lock().1.take() {
                    // Ctrl-C gives the line up.
                    None => {}
                    Some(Pressed::Quit) => drop(self.execute("quit")),
                    Some(_) => return,
                },
                Err(_) => return,
            }
        }
    }
}
