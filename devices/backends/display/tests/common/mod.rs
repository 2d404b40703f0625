//! Hostile clients of the VNC server, for the test beside this and for the fuzzer.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use glassbox_input::Layout;
use glassbox_screen::{Picture, Screen, VncServer};

/// A server that nobody has to answer.
pub fn server(password: Option<&str>) -> (VncServer, Screen) {
    let screen = Screen::new(Picture::black(80, 60));
    let address = "127.0.0.1:0".parse().unwrap();
    let password = password.map(str::to_owned);
    let server = VncServer::start(address, password, Layout::Us, "test", screen.clone(), Arc::new(|_| ()));
    (server.unwrap(), screen)
}

/// A client that says `bytes`, after the first `greeting` bytes of a proper
/// handshake, and goes; what it heard.
pub fn hostile(server: &VncServer, greeting: usize, bytes: &[u8]) -> Vec<u8> {
    const HANDSHAKE: &[u8] = b"RFB 003.008\n\x01\x01";
    let mut stream = TcpStream::connect(server.address()).unwrap();
    let patience = Some(Duration::from_secs(5));
    stream.set_read_timeout(patience).unwrap();
    stream.set_write_timeout(patience).unwrap();
    // The server may hang up at any time.
    let said = stream.write_all(&HANDSHAKE[..greeting.min(HANDSHAKE.len())]);
    let _ = said.and_then(|()| stream.write_all(bytes)).and_then(|()| stream.shutdown(Shutdown::Write));
    let mut answer = Vec::new();
    let _ = (&mut stream).take(1 << 20).read_to_end(&mut answer);
    answer
}

/// A well-behaved client still gets the whole picture.
pub fn is_well(server: &VncServer) {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(b"RFB 003.008\n\x01\x01").unwrap();
    stream.write_all(&[3, 0, 0, 0, 0, 0, 0, 80, 0, 60]).unwrap();
    // Version, security types, result, initialisation, update.
    let mut all = vec![0; 12 + 2 + 4 + 24 + 4 + 4 + 12 + 80 * 60 * 4];
    stream.read_exact(&mut all).unwrap();
    assert_eq!(all[18..22], [0, 80, 0, 60]);
}
