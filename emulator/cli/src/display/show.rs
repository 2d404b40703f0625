//! The screen for people: published for VNC clients and the window.

use anyhow::{Context, bail};
use glassbox_input::Layout;
use glassbox_machine::{Control, Look, ScreenWatcher};
use glassbox_screen::{InputSink, Screen, VncServer};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
#[cfg(feature = "window")]
use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// Where VNC clients connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VncArgs {
    /// Address and port to listen at.
    pub address: SocketAddr,
    /// Its first line is the password.
    pub password_file: Option<PathBuf>,
}

impl VncArgs {
    /// Parses `ADDRESS:PORT[,password-file=F]`.
    ///
    /// # Errors
    /// What is not understood.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (address, rest) = text.split_once(',').unwrap_or((text, ""));
        let address = address
            .parse()
            .map_err(|_| format!("`{address}` is no address with a port, as in 127.0.0.1:5900"))?;
        let password_file = match rest {
            "" => None,
            rest => match rest.strip_prefix("password-file=") {
                Some(file) => Some(file.into()),
                None => return Err(format!("`{rest}` is not known: there is password-file=F")),
            },
        };
        Ok(Self { address, password_file })
    }

    /// Starts to listen.
    ///
    /// # Errors
    /// Where the address or the password cannot be used.
    pub fn start(&self, layout: Layout, screen: &Screen, control: &Control) -> anyhow::Result<VncServer> {
        let password = self.password_file.as_ref().map(|file| {
            let text = std::fs::read_to_string(file)
                .with_context(|| format!("cannot read the password in {}", file.display()))?;
            match text.lines().next().map(str::trim_end) {
                Some(line) if !line.is_empty() => Ok(line.to_owned()),
                _ => bail!("{} has no password in its first line", file.display()),
            }
        });
        let password = password.transpose()?;
        let sink = input_sink(control);
        Ok(VncServer::start(self.address, password, layout, "Glassbox", screen.clone(), sink)?)
    }
}

/// Hands what people do to the machine.
pub fn input_sink(control: &Control) -> InputSink {
    let control = control.clone();
    Arc::new(move |event| control.send_input(event))
}

/// How fast the guest runs, for whoever shows it.
#[derive(Debug, Default)]
pub struct Speed {
    retired: AtomicU64,
    /// Instructions and nanoseconds at the last question.
    #[cfg(feature = "window")]
    asked: Mutex<(u64, Duration)>,
}

impl Speed {
    /// Millions of instructions a second since the last question; `now` is any time
    /// that goes on.
    #[cfg(feature = "window")]
    pub fn mips(&self, now: Duration) -> u64 {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, then) = *asked;
        let retired = self.retired.load(Ordering::Relaxed);
        *asked = (retired, now);
        let micros = now.saturating_sub(then).as_micros().max(1) as u64;
        retired.saturating_sub(count) / micros
    }
}

/// Publishes the guest's pictures.
pub struct Published {
    pub screen: Screen,
    pub speed: Arc<Speed>,
}

impl ScreenWatcher for Published {
    fn look(&mut self, look: &Look<'_>) {
        self.speed.retired.store(look.retired, Ordering::Relaxed);
        if let Some((frame, changes)) = look.picture
            && !changes.is_empty()
        {
            let rows = changes.rows.iter().map(|rows| rows.start as usize..rows.end as usize);
            let size = (frame.width() as usize, frame.height() as usize);
            self.screen.publish_rows(size, frame.pixels(), rows);
        }
    }

    fn wants_pictures(&self) -> bool {
        true
    }
}
