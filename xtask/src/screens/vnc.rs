//! VNC clients of Debian's.

use super::desktop::{Desktop, missing};
use super::session::Session;
use super::{Running, until};
use crate::runner::Outcome;
use crate::{disks, guests};
use anyhow::{Context, Result, bail};
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};

const VIEWER: (&str, &str) = ("xtigervncviewer", "tigervnc-viewer");
/// `glassbox` as `vncpasswd -f` writes it.
const PASSWORD: [u8; 8] = [0x1f, 0x43, 0x20, 0xae, 0x7a, 0xfb, 0x0d, 0x7d];

/// A TCP port that is free.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// TigerVNC's viewer, with more options.
fn viewer(desktop: &Desktop, port: u16, options: &[&str]) -> Result<Running> {
    let mut client = Command::new(VIEWER.0);
    client.env("DISPLAY", &desktop.display).args(options).arg(format!("127.0.0.1::{port}"));
    Running::start(client.stdout(Stdio::null()))
}

/// TigerVNC shows the guest to the pixel with compressed and with raw updates, follows
/// a mode of another size, takes keys; two of them at once, one of them stopped, and
/// one client that never reads.
pub fn clients(program: &Path) -> Result<Outcome> {
    let Some(image) = disks::image("grub.iso") else {
        return Ok(Outcome::Skipped("grub.iso was not made".into()));
    };
    if let Some(skipped) = missing(&[VIEWER]) {
        return Ok(skipped);
    }
    let image = image.to_str().context("a path that is no text")?;
    let (first, second) = (Desktop::start()?, Desktop::start()?);
    let port = free_port()?;
    let vnc = format!("vnc=127.0.0.1:{port}");
    let mut guest = Session::start(program, &[image, "--memory", "64M", "--display", &vnc], &[])?;
    guest.shows("grub>")?;
    let one = viewer(&first, port, &["-PreferredEncoding", "ZRLE", "-AutoSelect=0"])?;
    first.window("Glassbox")?;
    first.shows(&mut guest, 1)?;
    first.type_line("echo typed-$grub_cpu")?;
    guest.shows("typed-i386")?;
    first.shows(&mut guest, 1)?;

    let _two = viewer(&second, port, &["-PreferredEncoding", "Raw", "-AutoSelect=0"])?;
    second.window("Glassbox")?;
    second.shows(&mut guest, 1)?;
    let _deaf = deaf_client(port)?;
    one.signal("STOP")?;
    second.type_line("echo again-$grub_platform")?;
    guest.shows("again-pc")?;
    second.shows(&mut guest, 1)?;
    // A picture in another size, until a key is pressed.
    second.type_line("videotest 800x600")?;
    until("a mode of 800 by 600", || {
        let picture = guest.picture()?;
        Ok(((picture.width, picture.height) == (800, 600)).then_some(()))
    })?;
    second.shows(&mut guest, 1)?;
    one.signal("CONT")?;
    first.shows(&mut guest, 1)?;
    guest.ask("quit").err().context("the monitor goes on after quit")?;
    Ok(Outcome::Passed)
}

/// A client that asks for everything again and again and never looks at it.
fn deaf_client(port: u16) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.write_all(b"RFB 003.008\n\x01\x01")?;
    // Up to the server's name, which shows that it talks.
    let mut init = [0; 12 + 2 + 4 + 24];
    stream.read_exact(&mut init)?;
    for _ in 0..1000 {
        stream.write_all(&[3, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff])?;
    }
    Ok(stream)
}

/// With a password only who knows it gets in.
pub fn password(program: &Path) -> Result<Outcome> {
    let Some(image) = disks::image("grub.iso") else {
        return Ok(Outcome::Skipped("grub.iso was not made".into()));
    };
    if let Some(skipped) = missing(&[VIEWER]) {
        return Ok(skipped);
    }
    let image = image.to_str().context("a path that is no text")?;
    let [plain, right, wrong] =
        ["plain", "right", "wrong"].map(|name| guests::folder().join(format!("vnc-{name}")));
    fs::write(&plain, "glassbox\n")?;
    fs::write(&right, PASSWORD)?;
    fs::write(&wrong, [0; 8])?;
    let path = |path: &Path| path.to_str().map(str::to_owned).context("a path that is no text");
    let desktop = Desktop::start()?;
    let port = free_port()?;
    let vnc = format!("vnc=127.0.0.1:{port},password-file={}", path(&plain)?);
    let mut guest = Session::start(program, &[image, "--memory", "64M", "--display", &vnc], &[])?;
    guest.shows("grub>")?;
    let mut stranger =
        viewer(&desktop, port, &["-AlertOnFatalError=0", "-ReconnectOnError=0", "-passwd", &path(&wrong)?])?;
    until("the end of who does not know the password", || Ok(stranger.0.try_wait()?))?;
    let mut known = viewer(&desktop, port, &["-passwd", &path(&right)?])?;
    desktop.window("Glassbox")?;
    desktop.shows(&mut guest, 1)?;
    if let Some(status) = known.0.try_wait()? {
        bail!("the client that knows the password ended: {status}");
    }
    Ok(Outcome::Passed)
}
