//! A client that connects, looks, types and points.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use glassbox_input::{Buttons, InputEvent, Key, Layout};
use glassbox_screen::{Picture, Screen, VncError, VncServer};

fn server(screen: &Screen) -> (VncServer, Receiver<InputEvent>) {
    let (sender, events) = channel();
    let sender = Mutex::new(sender);
    let sink = Arc::new(move |event| sender.lock().unwrap().send(event).unwrap_or(()));
    let address = "127.0.0.1:0".parse().unwrap();
    let server = VncServer::start(address, None, Layout::Us, "test", screen.clone(), sink).unwrap();
    (server, events)
}

struct Client(TcpStream);

impl Client {
    fn connect(server: &VncServer) -> Self {
        let stream = TcpStream::connect(server.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut client = Self(stream);
        assert_eq!(client.read(12), b"RFB 003.008\n");
        client.write(b"RFB 003.008\n");
        assert_eq!(client.read(2), [1, 1]);
        client.write(&[1]);
        assert_eq!(client.read(4), [0; 4]);
        client.write(&[1]);
        client
    }

    fn read(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.0.read_exact(&mut bytes).unwrap();
        bytes
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    /// The server's size and name.
    fn init(&mut self) -> (u16, u16) {
        let init = self.read(24 + 4);
        (u16::from_be_bytes([init[0], init[1]]), u16::from_be_bytes([init[2], init[3]]))
    }

    fn request(&mut self, incremental: u8) {
        self.write(&[3, incremental, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
    }

    /// Rectangles of an update: x, y, width, height, encoding, and raw pixels.
    fn update(&mut self) -> Vec<([u16; 4], i32, Vec<u8>)> {
        let header = self.read(4);
        assert_eq!(header[0], 0);
        let count = u16::from_be_bytes([header[2], header[3]]);
        let mut rects = Vec::new();
        for _ in 0..count {
            let head = self.read(12);
            let word = |i: usize| u16::from_be_bytes([head[i], head[i + 1]]);
            let place = [word(0), word(2), word(4), word(6)];
            let encoding = i32::from_be_bytes(head[8..12].try_into().unwrap());
            let pixels = if encoding == 0 { usize::from(place[2]) * usize::from(place[3]) * 4 } else { 0 };
            rects.push((place, encoding, self.read(pixels)));
        }
        rects
    }
}

#[test]
fn a_client_sees_the_screen_and_then_what_changes() {
    let screen = Screen::new(Picture::black(80, 60));
    let (server, _events) = server(&screen);
    let mut client = Client::connect(&server);
    assert_eq!(client.init(), (80, 60));
    client.request(0);
    let update = client.update();
    assert_eq!((update.len(), update[0].0), (1, [0, 0, 80, 60]));
    client.request(1);
    screen.publish(|picture| picture.pixels[70] = 0x12_3456);
    let update = client.update();
    assert_eq!(update.len(), 1);
    assert_eq!(update[0].0, [64, 0, 16, 60]);
    assert_eq!(update[0].2[6 * 4..7 * 4], [0x56, 0x34, 0x12, 0]);
}

#[test]
fn a_new_size_is_told_to_a_client_that_knows_how_to_resize() {
    let screen = Screen::new(Picture::black(80, 60));
    let (server, _events) = server(&screen);
    let mut client = Client::connect(&server);
    client.init();
    client.write(&[2, 0, 0, 2, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0x21]);
    client.request(0);
    client.update();
    client.request(1);
    screen.publish(|picture| *picture = Picture::black(100, 50));
    let update = client.update();
    assert_eq!((update[0].0, update[0].1), ([0, 0, 100, 50], -223));
    assert_eq!((update[1].0, update[1].1), ([0, 0, 100, 50], 0));
}

#[test]
fn keys_and_pointer_arrive_and_keys_are_let_go_when_the_client_goes() {
    let screen = Screen::new(Picture::black(80, 60));
    let (server, events) = server(&screen);
    let mut client = Client::connect(&server);
    client.init();
    client.write(&[4, 1, 0, 0, 0, 0, 0, b'a']);
    client.write(&[255, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0xc8]);
    client.write(&[5, 0b101, 0, 200, 0, 7]);
    drop(client);
    let next = || events.recv_timeout(Duration::from_secs(20)).unwrap();
    assert_eq!(next(), InputEvent::Key { key: Key::A, down: true });
    assert_eq!(next(), InputEvent::Key { key: Key::ArrowUp, down: true });
    let pointer = next();
    let expected =
        InputEvent::PointerAt { x: 79, y: 7, width: 80, height: 60, wheel: 0, buttons: Buttons(0b11) };
    assert_eq!(pointer, expected);
    assert_eq!(next(), InputEvent::Key { key: Key::A, down: false });
    assert_eq!(next(), InputEvent::Key { key: Key::ArrowUp, down: false });
}

#[test]
fn nonsense_ends_the_connection_and_nothing_else() {
    let screen = Screen::new(Picture::black(80, 60));
    let (server, _events) = server(&screen);
    let mut bad = Client::connect(&server);
    bad.init();
    bad.write(&[77; 100]);
    let mut rest = Vec::new();
    // Reset or closed: both are an end.
    let _ = bad.0.read_to_end(&mut rest);
    assert!(rest.is_empty());
    let mut good = Client::connect(&server);
    good.init();
    good.request(0);
    assert_eq!(good.update().len(), 1);
}

#[test]
fn without_a_password_only_the_loopback_interface_is_served() {
    let sink = Arc::new(|_| ());
    let address = "0.0.0.0:0".parse().unwrap();
    let result = VncServer::start(address, None, Layout::Us, "test", Screen::default(), sink);
    assert!(matches!(result, Err(VncError::Open(_))));
}
