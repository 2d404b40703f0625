//! `--display text`: the guest's text screen in the terminal, whose keys are the
//! guest's.

mod draw;
mod keys;

use crate::monitor::Monitor;
use crate::terminal::{self, KeyFilter, RawMode};
use anyhow::{Context, bail};
use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use draw::Shown;
use glassbox_input::{InputEvent, Layout};
use glassbox_machine::{Control, Look, ScreenWatcher, Stop};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use std::io::{IsTerminal, Stdout, stdin, stdout};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Time between two looks at a screen that changes.
const FRAME: Duration = Duration::from_millis(30);
/// Time from one keystroke to the next: text that is pasted comes all at once, and a
/// BIOS drops what its buffer of 15 keys does not hold.
const STROKE: Duration = Duration::from_millis(15);
/// The keys that are ours.
const HELP: &str = "Ctrl-A: x quits, c monitor, Ctrl-A sends itself";

/// What is to be drawn; the guest never waits for the terminal.
#[derive(Clone, Default)]
struct Latest(Arc<Mutex<Option<Shown>>>);

impl Latest {
    fn lock(&self) -> MutexGuard<'_, Option<Shown>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hands the guest's screen over.
struct Teller {
    latest: Latest,
    last: Shown,
}

impl ScreenWatcher for Teller {
    fn look(&mut self, look: &Look<'_>) {
        let now = match (look.text, look.size) {
            (Some(text), _) => Shown::Text(text.clone()),
            (None, Some((width @ 1.., height))) => Shown::Graphics { width, height },
            (None, _) => Shown::Nothing,
        };
        if now != self.last {
            self.last = now.clone();
            *self.latest.lock() = Some(now);
        }
    }
}

/// The terminal while it shows the guest's screen.
pub struct TextDisplay {
    ended: Arc<AtomicBool>,
    /// The terminal is the monitor's, where a person may be about to type.
    lent: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl TextDisplay {
    /// Takes the terminal over; gives what has to look at the screen, too.
    ///
    /// # Errors
    /// Where there is no terminal.
    pub fn start(
        layout: Layout,
        control: &Control,
        monitor: Monitor,
    ) -> anyhow::Result<(Self, Box<dyn ScreenWatcher>)> {
        if !stdin().is_terminal() || !stdout().is_terminal() {
            bail!("--display text needs a terminal: without one take --screen-text or --display vnc=");
        }
        let latest = Latest::default();
        let ended = Arc::new(AtomicBool::new(false));
        let lent = Arc::new(AtomicBool::new(false));
        let mut session = Session {
            screen: Some(Open::new()?),
            shown: Shown::Nothing,
            filter: KeyFilter::default(),
            layout,
            last_stroke: None,
            control: control.clone(),
            monitor,
            latest: latest.clone(),
            ended: Arc::clone(&ended),
            lent: Arc::clone(&lent),
        };
        let thread = std::thread::Builder::new()
            .name("text-display".into())
            .spawn(move || {
                if let Err(error) = session.run() {
                    session.screen = None;
                    terminal::tell(&format!("glassbox: the terminal is gone: {error}"));
                    session.control.stop(Stop::Interrupted("the terminal is gone"));
                }
            })
            .context("cannot start a thread for the terminal")?;
        let teller = Teller { latest, last: Shown::Nothing };
        Ok((Self { ended, lent, thread: Some(thread) }, Box::new(teller)))
    }
}

impl Drop for TextDisplay {
    /// The terminal is as it was before anything else is said.
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take().filter(|_| !self.lent.load(Ordering::Acquire)) {
            let _ = thread.join();
        }
    }
}

/// The alternate screen of a raw terminal.
struct Open {
    terminal: Terminal<CrosstermBackend<Stdout>>,
    _raw: Option<RawMode>,
}

impl Open {
    fn new() -> anyhow::Result<Self> {
        let raw = RawMode::enter();
        terminal::enter_alternate().context("the terminal cannot be used")?;
        let mut terminal = Terminal::new(CrosstermBackend::new(stdout()))?;
        terminal.clear()?;
        Ok(Self { terminal, _raw: raw })
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        terminal::leave();
    }
}

/// What the terminal's thread works with.
struct Session {
    /// `None` while the terminal is the monitor's.
    screen: Option<Open>,
    shown: Shown,
    filter: KeyFilter,
    layout: Layout,
    last_stroke: Option<Instant>,
    control: Control,
    monitor: Monitor,
    latest: Latest,
    ended: Arc<AtomicBool>,
    lent: Arc<AtomicBool>,
}

impl Session {
    fn run(&mut self) -> anyhow::Result<()> {
        let mut redraw = true;
        while !self.ended.load(Ordering::Acquire) {
            if let Some(now) = self.latest.lock().take() {
                self.shown = now;
                redraw = true;
            }
            if std::mem::take(&mut redraw)
                && let Some(open) = &mut self.screen
            {
                let shown = &self.shown;
                open.terminal.draw(|frame| draw::draw(frame, shown, HELP))?;
            }
            if crossterm::event::poll(FRAME)? {
                match crossterm::event::read()? {
                    Event::Key(key) if key.kind != KeyEventKind::Release => self.key(key)?,
                    Event::Resize(..) => {}
                    _ => continue,
                }
                redraw = true;
            }
        }
        self.screen = None;
        Ok(())
    }

    fn key(&mut self, key: KeyEvent) -> anyhow::Result<()> {
        match self.filter.key(is_prefix(key), plain(key)) {
            terminal::Pressed::Guest => self.press(key),
            terminal::Pressed::Nothing => {}
            terminal::Pressed::Quit => self.control.stop(Stop::Quit),
            // The last line says what the keys are, always.
            terminal::Pressed::Help => {}
            terminal::Pressed::Monitor => {
                self.screen = None;
                self.lent.store(true, Ordering::Release);
                self.monitor.open();
                self.lent.store(false, Ordering::Release);
                self.screen = Some(Open::new()?);
            }
        }
        Ok(())
    }

    fn press(&mut self, key: KeyEvent) {
        let Some(keys) = keys::strokes(key, self.layout) else { return terminal::ring_bell() };
        if let Some(last) = self.last_stroke {
            std::thread::sleep(STROKE.saturating_sub(last.elapsed()));
        }
        self.last_stroke = Some(Instant::now());
        for key in &keys {
            self.control.send_input(InputEvent::Key { key: *key, down: true });
        }
        for key in keys.iter().rev() {
            self.control.send_input(InputEvent::Key { key: *key, down: false });
        }
    }
}

fn is_prefix(key: KeyEvent) -> bool {
    key.code == KeyCode::Char('a') && key.modifiers == KeyModifiers::CONTROL
}

fn plain(key: KeyEvent) -> Option<char> {
    match key.code {
        KeyCode::Char(c) => Some(c),
        _ => None,
    }
}
