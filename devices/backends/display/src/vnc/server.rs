//! The listener, and the threads of its clients.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use glassbox_input::Layout;
use thiserror::Error;

use super::client;
use super::handshake::shake_hands;
use crate::{InputSink, Screen};

/// More clients than this at once are sent away.
const MOST_CLIENTS: usize = 16;
/// A client that says nothing for so long during the handshake is sent away.
const HANDSHAKE_TIME: Duration = Duration::from_secs(30);
/// A client that takes nothing for so long is gone.
const WRITE_TIME: Duration = Duration::from_secs(30);

/// Why the server could not start.
#[derive(Debug, Error)]
pub enum VncError {
    /// The address is taken or not ours.
    #[error(
        "cannot listen for VNC clients at {address}: {source}; give another port, as in vnc=127.0.0.1:5901"
    )]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// Anybody could see and use the machine.
    #[error("VNC at {0} can be reached by others: give a password-file, or listen at 127.0.0.1")]
    Open(SocketAddr),
}

struct Shared {
    screen: Screen,
    input: InputSink,
    password: Option<String>,
    layout: Layout,
    name: String,
    clients: AtomicUsize,
    streams: Mutex<Vec<TcpStream>>,
    closing: AtomicBool,
}

/// An RFB server; stops when dropped.
pub struct VncServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    listener: Option<JoinHandle<()>>,
}

impl VncServer {
    /// Listens at `address` (port 0: any that is free). Without a password only on
    /// the loopback interface.
    ///
    /// # Errors
    /// [`VncError`].
    pub fn start(
        address: SocketAddr,
        password: Option<String>,
        layout: Layout,
        name: &str,
        screen: Screen,
        input: InputSink,
    ) -> Result<Self, VncError> {
        if password.is_none() && !address.ip().is_loopback() {
            return Err(VncError::Open(address));
        }
        let failed = |source| VncError::Listen { address, source };
        let listener = TcpListener::bind(address).map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        let shared = Arc::new(Shared {
            screen,
            input,
            password,
            layout,
            name: name.into(),
            clients: AtomicUsize::new(0),
            streams: Mutex::default(),
            closing: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        let thread = thread::Builder::new().name("vnc".into()).spawn(move || accept(&listener, &accepting));
        Ok(Self { address: bound, shared, listener: Some(thread.map_err(failed)?) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for VncServer {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::Release);
        self.shared.screen.close();
        for stream in self.shared.streams.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        // The listener waits for a client: this is one.
        let _ = TcpStream::connect(self.address);
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.closing.load(Ordering::Acquire) {
            return;
        }
        let Ok(stream) = stream else {
            // Such as too many open files: not for ever.
            thread::sleep(Duration::from_millis(100));
            continue;
        };
        if shared.clients.fetch_add(1, Ordering::AcqRel) >= MOST_CLIENTS {
            shared.clients.fetch_sub(1, Ordering::AcqRel);
            log::warn!("vnc: more than {MOST_CLIENTS} clients; one was sent away");
            continue;
        }
        let client = Arc::clone(shared);
        let spawned = thread::Builder::new().name("vnc-client".into()).spawn(move || {
            if let Err(reason) = serve(stream, &client) {
                log::info!("vnc: a client went: {reason}");
            }
            client.clients.fetch_sub(1, Ordering::AcqRel);
        });
        if spawned.is_err() {
            shared.clients.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

fn serve(mut stream: TcpStream, shared: &Arc<Shared>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(HANDSHAKE_TIME))?;
    stream.set_write_timeout(Some(WRITE_TIME))?;
    let id = stream.peer_addr()?;
    shared.streams.lock().unwrap_or_else(PoisonError::into_inner).push(stream.try_clone()?);
    let result = converse(&mut stream, shared);
    let _ = stream.shutdown(Shutdown::Both);
    let mut streams = shared.streams.lock().unwrap_or_else(PoisonError::into_inner);
    streams.retain(|other| other.peer_addr().is_ok_and(|peer| peer != id));
    result
}

fn converse(stream: &mut TcpStream, shared: &Shared) -> io::Result<()> {
    let size = shared.screen.size();
    shake_hands(stream, shared.password.as_deref(), size, &shared.name)?;
    stream.set_read_timeout(None)?;
    let near = stream.peer_addr()?.ip().is_loopback();
    let (mut reader, mut writer) = client::halves(&shared.screen, &shared.input, shared.layout, size, near);
    let mut incoming = stream.try_clone()?;
    thread::scope(|scope| {
        scope.spawn(move || reader.run(&mut incoming));
        let result = writer.run(stream);
        // Ends the reader, whatever ended the writer.
        let _ = stream.shutdown(Shutdown::Both);
        result
    })
}
