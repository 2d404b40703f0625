//! A serial port on a socket: Glassbox listens, one client at a time.

use super::stdio::Inbox;
use super::{Flush, Pump, WhenFull};
use anyhow::Context;
use crossbeam_channel::{Sender, bounded};
use glassbox_device_api::CharBackend;
use glassbox_machine::Control;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Reads from the client that wait for the guest.
const WAITING_READS: usize = 16;

/// A connection that can be read in one thread and written in another.
trait Stream: Read + Write + Send + 'static {
    fn second_handle(&self) -> std::io::Result<Box<dyn Write + Send>>;
}

impl Stream for TcpStream {
    fn second_handle(&self) -> std::io::Result<Box<dyn Write + Send>> {
        Ok(Box::new(self.try_clone()?))
    }
}

#[cfg(unix)]
impl Stream for std::os::unix::net::UnixStream {
    fn second_handle(&self) -> std::io::Result<Box<dyn Write + Send>> {
        Ok(Box::new(self.try_clone()?))
    }
}

/// The client that is connected now, if any.
#[derive(Clone, Default)]
struct Client {
    /// Locked for as long as a write to a slow client takes.
    output: Arc<Mutex<Option<Box<dyn Write + Send>>>>,
    /// Carrier, which the device asks for and must not wait for.
    connected: Arc<AtomicBool>,
}

impl Client {
    fn set(&self, client: Option<Box<dyn Write + Send>>) {
        self.connected.store(client.is_some(), Ordering::Relaxed);
        *self.output.lock().unwrap_or_else(PoisonError::into_inner) = client;
    }

    fn is_connected(&self) -> bool {
        self.connected.load(Ordering::Relaxed)
    }
}

/// Output goes to the client; with nobody there it is lost, as on a real line.
impl Write for Client {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut client = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stream) = &mut *client
            && stream.write_all(bytes).is_err()
        {
            *client = None;
            self.connected.store(false, Ordering::Relaxed);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The device's side.
pub struct Socket {
    output: Pump,
    input: Inbox,
    client: Client,
}

impl CharBackend for Socket {
    fn write(&mut self, bytes: &[u8]) {
        self.output.write(bytes);
    }

    fn read(&mut self, buffer: &mut [u8]) -> usize {
        self.input.read(buffer)
    }

    fn is_connected(&self) -> bool {
        self.client.is_connected()
    }
}

/// Listens at `HOST:PORT`.
pub fn tcp(at: &str, control: Control, flush: &mut Flush) -> anyhow::Result<Socket> {
    let listener = TcpListener::bind(at).with_context(|| {
        format!("cannot listen at {at}: give --serial tcp= an address of this host that is free")
    })?;
    let accept = move || {
        let (stream, _) = listener.accept()?;
        // Keys one by one, not in packets.
        stream.set_nodelay(true)?;
        Ok(stream)
    };
    serve(accept, control, flush)
}

/// Listens at a path.
#[cfg(unix)]
pub fn unix(path: &Path, control: Control, flush: &mut Flush) -> anyhow::Result<Socket> {
    use std::os::unix::fs::FileTypeExt;
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|m| m.file_type().is_socket());
    if is_socket && std::os::unix::net::UnixStream::connect(path).is_err() {
        // Left over from a process that is gone.
        let _ = std::fs::remove_file(path);
    }
    let listener = std::os::unix::net::UnixListener::bind(path).with_context(|| {
        format!("cannot listen at {}: give --serial unix= a path that is free", path.display())
    })?;
    serve(move || Ok(listener.accept()?.0), control, flush)
}

#[cfg(not(unix))]
pub fn unix(_: &Path, _: Control, _: &mut Flush) -> anyhow::Result<Socket> {
    anyhow::bail!("this host has no Unix sockets: give --serial tcp=HOST:PORT")
}

fn serve<S: Stream>(
    accept: impl Fn() -> std::io::Result<S> + Send + 'static,
    control: Control,
    flush: &mut Flush,
) -> anyhow::Result<Socket> {
    let (sender, receiver) = bounded(WAITING_READS);
    let client = Client::default();
    let output = Pump::start(client.clone(), WhenFull::Drop, flush)?;
    let theirs = client.clone();
    std::thread::Builder::new()
        .name("serial-socket".into())
        .spawn(move || {
            while let Ok(stream) = accept() {
                talk(stream, &theirs, &sender, &control);
            }
        })
        .context("cannot start a thread for a serial port")?;
    Ok(Socket { output, input: Inbox::new(receiver), client })
}

/// Serves one client until it hangs up.
fn talk(mut stream: impl Stream, client: &Client, guest: &Sender<Vec<u8>>, control: &Control) {
    let Ok(output) = stream.second_handle() else { return };
    client.set(Some(output));
    control.input_ready();
    let mut buffer = [0; 4096];
    while let Ok(len @ 1..) = stream.read(&mut buffer) {
        control.input_ready();
        if guest.send(buffer[..len].to_vec()).is_err() {
            break;
        }
        control.input_ready();
    }
    client.set(None);
    control.input_ready();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_reads_output_and_its_input_arrives() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let mut flush = Flush::new(Control::new());
        let mut port = serve(move || Ok(listener.accept()?.0), Control::new(), &mut flush).unwrap();
        assert!(!port.is_connected());
        let mut client = TcpStream::connect(at).unwrap();
        client.write_all(b"in").unwrap();
        let mut buffer = [0; 8];
        let mut got = Vec::new();
        while got.len() < 2 {
            let count = port.read(&mut buffer);
            got.extend_from_slice(&buffer[..count]);
            std::thread::yield_now();
        }
        assert_eq!(got, b"in");
        assert!(port.is_connected());
        port.write(b"out");
        let mut reply = [0; 3];
        client.read_exact(&mut reply).unwrap();
        assert_eq!(&reply, b"out");
    }
}
