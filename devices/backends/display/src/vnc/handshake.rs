//! The first exchange (RFC 6143, 7.1 to 7.3).

use std::io::{self, Read, Write};

use des::Des;
use des::cipher::{BlockCipherEncrypt, KeyInit};

use super::pixel::PixelFormat;

const VERSION: &[u8; 12] = b"RFB 003.008\n";
const NO_SECURITY: u8 = 1;
const VNC_AUTHENTICATION: u8 = 2;
const CHALLENGE: usize = 16;
/// Only so much of a password counts: the protocol's DES key has no room for more.
const PASSWORD: usize = 8;

fn bytes<const N: usize>(from: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn refused(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, what)
}

/// Agrees on version and security with a client, and tells it about the screen.
///
/// # Errors
/// When the client is gone, speaks another protocol, or does not know the password.
pub fn shake_hands<S: Read + Write>(
    stream: &mut S,
    password: Option<&str>,
    size: (usize, usize),
    name: &str,
) -> io::Result<()> {
    stream.write_all(VERSION)?;
    let version: [u8; 12] = bytes(stream)?;
    let minor = match &version {
        b"RFB 003.003\n" => 3,
        b"RFB 003.007\n" => 7,
        other if other.starts_with(b"RFB 00") && other.ends_with(b"\n") => 8,
        _ => return Err(refused("not a VNC client")),
    };
    let security = if password.is_some() { VNC_AUTHENTICATION } else { NO_SECURITY };
    if minor == 3 {
        stream.write_all(&u32::from(security).to_be_bytes())?;
    } else {
        stream.write_all(&[1, security])?;
        let [chosen] = bytes(stream)?;
        if chosen != security {
            return Err(refused("a kind of security that was not offered"));
        }
    }
    if let Some(password) = password {
        authenticate(stream, password, minor)?;
    } else if minor == 8 {
        stream.write_all(&[0; 4])?;
    }
    // Whether others may be connected, too: they may.
    let [_] = bytes(stream)?;
    let mut init = Vec::new();
    init.extend((size.0 as u16).to_be_bytes());
    init.extend((size.1 as u16).to_be_bytes());
    init.extend(PixelFormat::SERVER.bytes());
    init.extend((name.len() as u32).to_be_bytes());
    init.extend(name.as_bytes());
    stream.write_all(&init)
}

fn authenticate<S: Read + Write>(stream: &mut S, password: &str, minor: u8) -> io::Result<()> {
    let mut challenge = [0; CHALLENGE];
    getrandom::fill(&mut challenge).map_err(|e| io::Error::other(e.to_string()))?;
    stream.write_all(&challenge)?;
    let response: [u8; CHALLENGE] = bytes(stream)?;
    // All bytes are compared, so that time tells nothing.
    let wrong = response.iter().zip(answer(challenge, password)).fold(0, |all, (a, b)| all | (a ^ b));
    if wrong == 0 {
        return stream.write_all(&[0; 4]);
    }
    stream.write_all(&1u32.to_be_bytes())?;
    if minor == 8 {
        let reason = b"the password is wrong";
        stream.write_all(&(reason.len() as u32).to_be_bytes())?;
        stream.write_all(reason)?;
    }
    Err(refused("a client does not know the password"))
}

/// The challenge encrypted with the password, whose bytes are keys with their bits
/// in the opposite order.
fn answer(mut challenge: [u8; CHALLENGE], password: &str) -> [u8; CHALLENGE] {
    let mut key = [0; PASSWORD];
    for (key, byte) in key.iter_mut().zip(password.bytes()) {
        *key = byte.reverse_bits();
    }
    let cipher = Des::new(&key.into());
    let (first, second) = challenge.split_at_mut(CHALLENGE / 2);
    for half in [first, second] {
        let mut block = [0; CHALLENGE / 2];
        block.copy_from_slice(half);
        let mut block = block.into();
        cipher.encrypt_block(&mut block);
        half.copy_from_slice(&block);
    }
    challenge
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What one side reads and the other wrote.
    struct Wire {
        input: io::Cursor<Vec<u8>>,
        output: Vec<u8>,
    }

    impl Read for Wire {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            self.input.read(to)
        }
    }

    impl Write for Wire {
        fn write(&mut self, from: &[u8]) -> io::Result<usize> {
            self.output.write(from)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn talk(client: &[u8], password: Option<&str>) -> (io::Result<()>, Vec<u8>) {
        let mut wire = Wire { input: io::Cursor::new(client.to_vec()), output: Vec::new() };
        let result = shake_hands(&mut wire, password, (640, 480), "test");
        (result, wire.output)
    }

    #[test]
    fn a_client_of_each_version_comes_in_without_a_password() {
        let (result, said) = talk(b"RFB 003.008\n\x01\x01", None);
        result.unwrap();
        assert_eq!(&said[12..18], &[1, 1, 0, 0, 0, 0]);
        assert_eq!(&said[18..22], &[2, 128, 1, 224]);
        assert!(said.ends_with(b"\0\0\0\x04test"));
        talk(b"RFB 003.003\n\x01", None).0.unwrap();
        talk(b"RFB 003.007\n\x01\x01", None).0.unwrap();
    }

    #[test]
    fn a_wrong_password_and_a_stranger_stay_out() {
        let mut client = b"RFB 003.008\n\x02".to_vec();
        client.extend([0; 16]);
        let (result, said) = talk(&client, Some("secret"));
        assert!(result.is_err());
        assert!(said.ends_with(b"the password is wrong"));
        assert!(talk(b"RFB 003.008\n\x01\x01", Some("secret")).0.is_err());
        assert!(talk(b"GET / HTTP/1.1\r\n", None).0.is_err());
        assert!(talk(b"RFB", None).0.is_err());
    }

    #[test]
    fn the_answer_is_des_with_the_bits_of_the_key_reversed() {
        // DES of zeroes under the key of zeroes.
        let zero = [0x8c, 0xa6, 0x4d, 0xe9, 0xc1, 0xb1, 0x23, 0xa7];
        assert_eq!(answer([0; 16], "")[..8], zero);
        assert_ne!(answer([0; 16], "a")[..8], zero);
        assert_eq!(answer([5; 16], "12345678x"), answer([5; 16], "12345678"));
    }
}
