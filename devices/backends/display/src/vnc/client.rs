//! One client: what it wants, what it has, what it is sent.

use std::io::{self, Write};
use std::net::TcpStream;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use glassbox_input::{Buttons, InputEvent, Key, Layout};

use super::encoding::{self, DESKTOP_SIZE, EXTENDED_KEY, RAW, Rect, ZRLE, Zrle};
use super::keysym;
use super::message::Message;
use super::pixel::PixelFormat;
use crate::screen::{Mirror, whole};
use crate::{InputSink, Picture, Screen};

/// Time between two updates at least: 60 a second.
const FRAME: Duration = Duration::from_micros(16_600);
/// A client's updates are made in one part of its time in so many: what is too much
/// to send 60 times a second is sent less often.
const SHARE: u32 = 8;
/// About what the host's network code needs for a MiB, beside the time for which it
/// waits.
const SENDING: Duration = Duration::from_micros(400);

/// Buttons 4 and 5 of the protocol are the wheel.
const WHEEL_UP: u8 = 1 << 3;
const WHEEL_DOWN: u8 = 1 << 4;

/// What the client asked for; written by its reader, read by its writer.
#[derive(Clone, Copy)]
struct Wishes {
    format: PixelFormat,
    colour_map: bool,
    zrle: bool,
    desktop_size: bool,
    extended_key: bool,
    /// An update is waited for; `Some(false)`: of everything.
    update: Option<bool>,
    gone: bool,
}

impl Wishes {
    /// An update is waited for. A request for everything stays one.
    fn want(&mut self, incremental: bool) {
        self.update = Some(incremental && self.update != Some(false));
    }

    /// What is wished now; whoever is about to answer takes the request along.
    fn due(&mut self, now: bool) -> Self {
        let wishes = *self;
        if now {
            self.update = None;
        }
        wishes
    }
}

/// The reader's half.
pub struct Reader {
    wishes: Arc<Mutex<Wishes>>,
    screen: Screen,
    input: InputSink,
    layout: Layout,
    buttons: u8,
    /// Keys to let go when the client goes.
    down: Vec<Key>,
}

/// The writer's half.
pub struct Writer {
    wishes: Arc<Mutex<Wishes>>,
    /// What the screen shows.
    mirror: Mirror,
    /// What the client shows.
    shown: Picture,
    zrle: Zrle,
    acknowledged_keys: bool,
}

fn lock(wishes: &Mutex<Wishes>) -> MutexGuard<'_, Wishes> {
    wishes.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The two halves of a client that was told a screen of `size`. A `near` one is on
/// this host: nothing is gained by compressing what it is sent.
pub fn halves(
    screen: &Screen,
    input: &InputSink,
    layout: Layout,
    size: (usize, usize),
    near: bool,
) -> (Reader, Writer) {
    let wishes = Arc::new(Mutex::new(Wishes {
        format: PixelFormat::SERVER,
        colour_map: false,
        zrle: false,
        desktop_size: false,
        extended_key: false,
        update: None,
        gone: false,
    }));
    let reader = Reader {
        wishes: Arc::clone(&wishes),
        screen: screen.clone(),
        input: Arc::clone(input),
        layout,
        buttons: 0,
        down: Vec::new(),
    };
    let writer = Writer {
        wishes,
        mirror: Mirror::of(screen),
        shown: Picture::black(size.0, size.1),
        zrle: Zrle::new(near),
        acknowledged_keys: false,
    };
    (reader, writer)
}

impl Reader {
    /// Reads messages until the client goes.
    pub fn run(&mut self, stream: &mut TcpStream) {
        let mut stream = io::BufReader::new(stream);
        let reason = loop {
            let result = Message::read(&mut stream).and_then(|message| self.take(message));
            if let Err(reason) = result {
                break reason;
            }
        };
        if reason.kind() == io::ErrorKind::InvalidData {
            log::warn!("vnc: a client said {reason}, and was sent away");
        }
        lock(&self.wishes).gone = true;
        for key in std::mem::take(&mut self.down) {
            (self.input)(InputEvent::Key { key, down: false });
        }
        self.screen.wake();
    }

    fn take(&mut self, message: Message) -> io::Result<()> {
        let mut wishes = lock(&self.wishes);
        match message {
            Message::SetPixelFormat(bytes) => {
                let refused = || io::Error::new(io::ErrorKind::InvalidData, "an impossible pixel format");
                (wishes.format, wishes.colour_map) = PixelFormat::parse(&bytes).ok_or_else(refused)?;
            }
            Message::SetEncodings(known) => {
                // The one that the client names first.
                wishes.zrle = known.iter().find(|known| matches!(**known, ZRLE | RAW)) == Some(&ZRLE);
                wishes.desktop_size = known.contains(&DESKTOP_SIZE);
                wishes.extended_key = known.contains(&EXTENDED_KEY);
            }
            Message::UpdateRequest { incremental } => {
                wishes.want(incremental);
                drop(wishes);
                self.screen.wake();
            }
            Message::Key { down, keysym } => {
                drop(wishes);
                self.key(keysym::key(keysym, self.layout), down);
            }
            Message::ExtendedKey { down, keysym, code } => {
                drop(wishes);
                let place = u16::try_from(code).ok().and_then(Key::from_set1);
                self.key(place.or_else(|| keysym::key(keysym, self.layout)), down);
            }
            Message::Pointer { buttons, x, y } => {
                drop(wishes);
                self.pointer(buttons, x.into(), y.into());
            }
            Message::CutText => {}
        }
        Ok(())
    }

    fn key(&mut self, key: Option<Key>, down: bool) {
        let Some(key) = key else { return };
        self.down.retain(|other| *other != key);
        if down {
            self.down.push(key);
        }
        (self.input)(InputEvent::Key { key, down });
    }

    fn pointer(&mut self, buttons: u8, x: u32, y: u32) {
        let pressed = |bit| buttons & bit != 0 && self.buttons & bit == 0;
        let wheel = i32::from(pressed(WHEEL_DOWN)) - i32::from(pressed(WHEEL_UP));
        self.buttons = buttons;
        let (width, height) = self.screen.size();
        // The protocol counts left, middle, right.
        let buttons = Buttons(buttons & 1 | buttons >> 1 & 2 | buttons << 1 & 4);
        let (width, height) = (width as u32, height as u32);
        (self.input)(InputEvent::PointerAt {
            x: x.min(width.saturating_sub(1)),
            y: y.min(height.saturating_sub(1)),
            width,
            height,
            wheel,
            buttons,
        });
    }
}

impl Writer {
    /// Sends updates until the client goes.
    pub fn run(&mut self, stream: &mut TcpStream) -> io::Result<()> {
        let mut next = Instant::now();
        let mut open = true;
        while open {
            let start = Instant::now();
            let wishes = lock(&self.wishes).due(start >= next);
            if wishes.gone {
                return Ok(());
            }
            let (Some(incremental), true) = (wishes.update, start >= next) else {
                // Only what is wished and due has to do with pictures.
                open = self.mirror.wait(false, wishes.update.map(|_| next));
                continue;
            };
            let rows = self.mirror.refresh();
            let Some(update) = self.update(&rows, incremental, &wishes) else {
                lock(&self.wishes).want(incremental);
                open = self.mirror.wait(true, None);
                continue;
            };
            let made = start.elapsed() + SENDING * (update.len() >> 10) as u32 / 1024;
            next = start + FRAME.max(made * SHARE);
            stream.write_all(&update)?;
        }
        Ok(())
    }

    /// The answer to a request for an update; `None` while there is nothing new.
    fn update(&mut self, rows: &[Range<usize>], incremental: bool, wishes: &Wishes) -> Option<Vec<u8>> {
        let picture = &self.mirror.picture;
        let mut out = Vec::new();
        let mut rects = 0u16;
        let mut body = Vec::new();
        if wishes.extended_key && !std::mem::replace(&mut self.acknowledged_keys, true) {
            Rect::default().put_header(EXTENDED_KEY, &mut body);
            rects += 1;
        }
        let resized = picture.size() != self.shown.size();
        let mut fitted = None;
        if resized && wishes.desktop_size {
            Rect::all(picture).put_header(DESKTOP_SIZE, &mut body);
            rects += 1;
            self.shown = Picture::black(picture.width, picture.height);
        } else if resized {
            // A client that cannot resize sees the part that fits.
            fitted = Some(fit(picture, self.shown.width, self.shown.height));
        }
        let new = fitted.as_ref().unwrap_or(picture);
        let changed = if !incremental || resized && wishes.desktop_size {
            vec![Rect::all(new)]
        } else if resized {
            encoding::differences(&self.shown, new, &whole(new))
        } else {
            encoding::differences(&self.shown, new, rows)
        };
        for rect in changed.into_iter().filter(|rect| rect.width * rect.height != 0) {
            rects += 1;
            if wishes.zrle {
                rect.put_header(ZRLE, &mut body);
                self.zrle.put(new, rect, &wishes.format, &mut body);
            } else {
                rect.put_header(RAW, &mut body);
                encoding::raw(new, rect, &wishes.format, &mut body);
            }
            rect.copy(new, &mut self.shown);
        }
        if rects == 0 {
            return None;
        }
        if wishes.colour_map {
            put_colour_map(&mut out);
        }
        out.extend([0, 0]);
        out.extend(rects.to_be_bytes());
        out.append(&mut body);
        Some(out)
    }
}

/// The colours of [`PixelFormat::BGR233`] for a client with a colour map.
fn put_colour_map(out: &mut Vec<u8>) {
    out.extend([1, 0, 0, 0, 1, 0]);
    for colour in 0..=255u16 {
        let part = |shift: u16, max: u16| (colour >> shift & max) * (u16::MAX / max);
        for value in [part(0, 7), part(3, 7), part(6, 3)] {
            out.extend(value.to_be_bytes());
        }
    }
}

/// The upper left part of a picture, with black around it where it is smaller.
fn fit(picture: &Picture, width: usize, height: usize) -> Picture {
    let mut fitted = Picture::black(width, height);
    let common = width.min(picture.width);
    let rows = picture.pixels.chunks_exact(picture.width.max(1));
    for (to, from) in fitted.pixels.chunks_exact_mut(width.max(1)).zip(rows) {
        to[..common].copy_from_slice(&from[..common]);
    }
    fitted
}
