//! A desktop of one's own: Xvfb with a window manager, keys by xdotool, pictures by xwd.

use super::picture::Image;
use super::session::Session;
use super::{Running, until};
use crate::runner::Outcome;
use crate::{guests, shell};
use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

const TOOLS: [(&str, &str); 5] = [
    ("Xvfb", "xvfb"),
    ("openbox", "openbox"),
    ("xdotool", "xdotool"),
    ("xwd", "x11-apps"),
    ("xwininfo", "x11-utils"),
];
/// A property of the root window, set when windows are managed.
const READY: &str = "GLASSBOX_READY";
/// Width and height of the desktop.
pub const SIZE: (usize, usize) = (1600, 1000);

/// What of a desktop's programs and of `more` is missing, in words for the report.
pub fn missing(more: &[(&str, &str)]) -> Option<Outcome> {
    let gone: Vec<&str> =
        TOOLS.iter().chain(more).filter(|(tool, _)| !shell::has(tool)).map(|(_, package)| *package).collect();
    (!gone.is_empty()).then(|| Outcome::Skipped(format!("apt-get install {}", gone.join(" "))))
}

/// A display with a window manager.
pub struct Desktop {
    pub display: String,
    _manager: Running,
    _server: Running,
}

impl Desktop {
    /// Starts one on a display that nobody else has.
    pub fn start() -> Result<Self> {
        let screen = format!("{}x{}x24", SIZE.0, SIZE.1);
        let mut server = Command::new("Xvfb");
        server.args(["-displayfd", "1", "-screen", "0", &screen, "-nolisten", "tcp"]);
        // It begins anew when its last client goes, and nobody is there at first.
        server.arg("-noreset");
        let mut server = Running::start(server.stdout(Stdio::piped()))?;
        let mut number = String::new();
        BufReader::new(server.0.stdout.take().context("Xvfb is piped")?).read_line(&mut number)?;
        if number.trim().is_empty() {
            bail!("Xvfb found no free display");
        }
        let display = format!(":{}", number.trim());
        // Openbox says that it is there before it is: a window that appears in between
        // is left alone for good.
        let mut manager = Command::new("openbox");
        manager.args(["--startup", &format!("xprop -root -f {READY} 8s -set {READY} yes")]);
        let manager = Running::start(manager.env("DISPLAY", &display).stdout(Stdio::null()))?;
        let desktop = Self { display, _manager: manager, _server: server };
        until("the window manager", || {
            let root = desktop.tool("xprop", &["-root", READY])?;
            Ok(root.contains("\"yes\"").then_some(()))
        })?;
        Ok(desktop)
    }

    fn tool(&self, program: &str, args: &[&str]) -> Result<String> {
        Ok(shell::output(Command::new(program).env("DISPLAY", &self.display).args(args))?.trim().to_owned())
    }

    pub fn xdotool(&self, args: &[&str]) -> Result<String> {
        self.tool("xdotool", args)
    }

    /// The window whose title begins so, once it is there, with the focus.
    pub fn window(&self, title: &str) -> Result<String> {
        let pattern = format!("^{title}");
        let id = until("the window", || {
            let found = self.xdotool(&["search", "--onlyvisible", "--name", &pattern]);
            Ok(found.ok().and_then(|ids| ids.lines().last().map(str::to_owned)))
        });
        let windows = || self.tool("xwininfo", &["-root", "-tree"]).unwrap_or_else(|error| error.to_string());
        let id = id.with_context(|| format!("the desktop has these windows:\n{}", windows()))?;
        self.xdotool(&["windowactivate", "--sync", &id])?;
        Ok(id)
    }

    /// Types a line. A key is down for 4 ms and up for 4 ms: several come within a
    /// frame of the window.
    pub fn type_line(&self, text: &str) -> Result<()> {
        self.xdotool(&["type", "--delay", "8", text])?;
        self.xdotool(&["key", "--delay", "8", "Return"])?;
        Ok(())
    }

    /// Waits until a window's title has this in it.
    pub fn titled(&self, window: &str, part: &str) -> Result<()> {
        let mut title = String::new();
        let seen = until(part, || {
            title = self.xdotool(&["getwindowname", window])?;
            Ok(title.contains(part).then_some(()))
        });
        seen.with_context(|| format!("the title is {title:?}"))
    }

    /// Waits until a window has this size.
    pub fn sized(&self, window: &str, size: (usize, usize)) -> Result<()> {
        let wanted = format!("Geometry: {}x{}", size.0, size.1);
        let mut geometry = String::new();
        let seen = until(&wanted, || {
            geometry = self.xdotool(&["getwindowgeometry", window])?;
            Ok(geometry.contains(&wanted).then_some(()))
        });
        seen.with_context(|| format!("the window: {geometry}"))
    }

    /// What the whole display shows.
    pub fn picture(&self) -> Result<Image> {
        let file = guests::folder().join(format!("desktop{}.xwd", self.display.replace(':', "-")));
        let mut xwd = Command::new("xwd");
        shell::output(xwd.env("DISPLAY", &self.display).args(["-root", "-silent", "-out"]).arg(&file))?;
        let image = Image::read_xwd(&file);
        let _ = std::fs::remove_file(&file);
        image
    }

    /// A window as it is on the desktop, with its frame.
    pub fn framed(&self, window: &str) -> Result<Image> {
        let numbers = |text: &str| -> Result<Vec<usize>> {
            let numbers = text.split(|c: char| !c.is_ascii_digit()).filter(|number| !number.is_empty());
            numbers.map(|number| Ok(number.parse()?)).collect()
        };
        let about = self.tool("xwininfo", &["-id", window])?;
        let value = |name: &str| {
            let line = about.lines().find_map(|line| line.trim().strip_prefix(name)).unwrap_or_default();
            numbers(line)?.first().copied().with_context(|| format!("no {name} in:\n{about}"))
        };
        let frame = self.tool("xprop", &["-notype", "-id", window, "_NET_FRAME_EXTENTS"])?;
        let [left, right, top, bottom] = numbers(&frame)?[..] else { bail!("no frame: {frame}") };
        let (x, y) = (value("Absolute upper-left X:")?, value("Absolute upper-left Y:")?);
        let (width, height) = (value("Width:")? + left + right, value("Height:")? + top + bottom);
        self.picture()?.part([x - left, y - top, width, height])
    }

    /// Waits until the desktop shows the guest's picture, each pixel as a square of
    /// `factor`, and nothing else of it differs. The cursor blinks: one of several
    /// looks is right.
    pub fn shows(&self, guest: &mut Session, factor: usize) -> Result<()> {
        until("the guest's picture on the desktop", || {
            let picture = guest.picture()?.enlarged(factor);
            Ok(self.picture()?.find(&picture).map(|_| ()))
        })
    }
}
