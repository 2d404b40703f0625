//! What a client says after the handshake (RFC 6143, 7.5).

use std::io::{self, Read};

use super::pixel::FORMAT_SIZE;

/// A message of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    SetPixelFormat([u8; FORMAT_SIZE]),
    SetEncodings(Vec<i32>),
    UpdateRequest {
        incremental: bool,
    },
    /// An X11 key symbol.
    Key {
        down: bool,
        keysym: u32,
    },
    /// QEMU's extension: the place of the key as its scan code of set 1.
    ExtendedKey {
        down: bool,
        keysym: u32,
        code: u32,
    },
    Pointer {
        buttons: u8,
        x: u16,
        y: u16,
    },
    /// Text for the clipboard, which nobody here has.
    CutText,
}

/// Longer texts are nobody's clipboard.
const LONGEST_TEXT: u32 = 1 << 20;

fn bytes<const N: usize>(from: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn refused(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

impl Message {
    /// Reads the next message.
    ///
    /// # Errors
    /// When the client is gone, or says what the protocol does not know.
    pub fn read(from: &mut impl Read) -> io::Result<Self> {
        let [kind] = bytes(from)?;
        Ok(match kind {
            0 => {
                let [_, _, _] = bytes(from)?;
                Self::SetPixelFormat(bytes(from)?)
            }
            2 => {
                let [_, high, low] = bytes(from)?;
                let count = u16::from_be_bytes([high, low]);
                let one = |_| bytes(from).map(i32::from_be_bytes);
                Self::SetEncodings((0..count).map(one).collect::<io::Result<_>>()?)
            }
            3 => {
                // The rectangle is a hint: what changed outside of it is wanted as well.
                let [incremental, ..] = bytes::<9>(from)?;
                Self::UpdateRequest { incremental: incremental != 0 }
            }
            4 => {
                let [down, _, _, a, b, c, d] = bytes(from)?;
                Self::Key { down: down != 0, keysym: u32::from_be_bytes([a, b, c, d]) }
            }
            5 => {
                let [buttons, x1, x0, y1, y0] = bytes(from)?;
                Self::Pointer { buttons, x: u16::from_be_bytes([x1, x0]), y: u16::from_be_bytes([y1, y0]) }
            }
            6 => {
                let [_, _, _, a, b, c, d] = bytes(from)?;
                let length = u32::from_be_bytes([a, b, c, d]);
                if length > LONGEST_TEXT {
                    return Err(refused("a clipboard of more than 1 MiB"));
                }
                io::copy(&mut from.take(length.into()), &mut io::sink())?;
                Self::CutText
            }
            255 => {
                let [sub, high, low] = bytes(from)?;
                if sub != 0 {
                    return Err(refused("an unknown message of QEMU's extensions"));
                }
                let [keysym, code] = [bytes(from)?, bytes(from)?].map(u32::from_be_bytes);
                Self::ExtendedKey { down: [high, low] != [0, 0], keysym, code }
            }
            _ => return Err(refused("an unknown message")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(mut bytes: &[u8]) -> io::Result<Message> {
        Message::read(&mut bytes)
    }

    #[test]
    fn messages_are_read() {
        assert_eq!(
            read(&[3, 1, 0, 0, 0, 0, 0, 9, 0, 9]).unwrap(),
            Message::UpdateRequest { incremental: true }
        );
        assert_eq!(read(&[5, 1, 0, 2, 1, 0]).unwrap(), Message::Pointer { buttons: 1, x: 2, y: 256 });
        assert_eq!(read(&[2, 0, 0, 1, 0xff, 0xff, 0xff, 0x21]).unwrap(), Message::SetEncodings(vec![-223]));
        assert_eq!(read(&[6, 0, 0, 0, 0, 0, 0, 2, b'h', b'i']).unwrap(), Message::CutText);
        let key = [255, 0, 0, 1, 0, 0, 0, b'a', 0, 0, 0, 0x1e];
        let expected = Message::ExtendedKey { down: true, keysym: 0x61, code: 0x1e };
        assert_eq!(read(&key).unwrap(), expected);
    }

    #[test]
    fn what_is_cut_off_unknown_or_too_long_is_refused() {
        for bytes in [&[][..], &[3, 1], &[99], &[2, 0, 0xff, 0xff, 0], &[6, 0, 0, 0, 0xff, 0, 0, 0]] {
            assert!(read(bytes).is_err(), "{bytes:?}");
        }
    }
}
