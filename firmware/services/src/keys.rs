//! Scan codes of set 1 and what they are in the keyboard buffer: four words a
//! key, plain, with Shift, with Ctrl, with Alt; 0 where the key says nothing.
//! IBM PS/2 and PC BIOS Interface Technical Reference, "Keyboard keystrokes".

/// A key's words: plain, Shift, Ctrl, Alt.
pub(crate) type Words = [u16; 4];

const NOTHING: Words = [0; 4];

/// A key whose scan code is in the high byte of every word.
const fn key(scan: u16, plain: u8, shift: u8, ctrl: Option<u8>, alt: u16) -> Words {
    let high = scan << 8;
    let ctrl = match ctrl {
        Some(c) => high | c as u16,
        None => 0,
    };
    [high | plain as u16, high | shift as u16, ctrl, alt]
}

const fn letter(scan: u16, c: u8) -> Words {
    key(scan, c, c - 32, Some(c - 96), scan << 8)
}

/// A key of the digits' row.
const fn digit(scan: u16, c: u8, shift: u8, ctrl: Option<u16>, alt: u16) -> Words {
    let mut words = key(scan, c, shift, None, alt);
    if let Some(word) = ctrl {
        words[2] = word;
    }
    words
}

/// A function key F1 to F10.
const fn function(n: u16) -> Words {
    [(0x3B + n) << 8, (0x54 + n) << 8, (0x5E + n) << 8, (0x68 + n) << 8]
}

/// A key of the keypad: without and with Num Lock.
const fn keypad(scan: u16, c: u8, ctrl: u16) -> Words {
    [scan << 8, scan << 8 | c as u16, ctrl, 0]
}

/// The words of a scan code 00h to 58h.
pub(crate) fn plain(scan: u8) -> Words {
    let s = u16::from(scan);
    match scan {
        0x01 => [0x011B, 0x011B, 0x011B, 0x0100],
        0x02 => digit(s, b'1', b'!', None, 0x7800),
        0x03 => digit(s, b'2', b'@', Some(0x0300), 0x7900),
        0x04 => digit(s, b'3', b'#', None, 0x7A00),
        0x05 => digit(s, b'4', b'$', None, 0x7B00),
        0x06 => digit(s, b'5', b'%', None, 0x7C00),
        0x07 => digit(s, b'6', b'^', Some(0x071E), 0x7D00),
        0x08 => digit(s, b'7', b'&', None, 0x7E00),
        0x09 => digit(s, b'8', b'*', None, 0x7F00),
        0x0A => digit(s, b'9', b'(', None, 0x8000),
        0x0B => digit(s, b'0', b')', None, 0x8100),
        0x0C => digit(s, b'-', b'_', Some(0x0C1F), 0x8200),
        0x0D => digit(s, b'=', b'+', None, 0x8300),
        0x0E => [0x0E08, 0x0E08, 0x0E7F, 0x0E00],
        0x0F => [0x0F09, 0x0F00, 0x9400, 0xA500],
        0x10..=0x19 => letter(s, b"qwertyuiop"[usize::from(scan - 0x10)]),
        0x1A => key(s, b'[', b'{', Some(0x1B), 0x1A00),
        0x1B => key(s, b']', b'}', Some(0x1D), 0x1B00),
        0x1C => [0x1C0D, 0x1C0D, 0x1C0A, 0x1C00],
        0x1E..=0x26 => letter(s, b"asdfghjkl"[usize::from(scan - 0x1E)]),
        0x27 => key(s, b';', b':', None, 0x2700),
        0x28 => key(s, b'\'', b'"', None, 0x2800),
        0x29 => key(s, b'`', b'~', None, 0x2900),
        0x2B => key(s, b'\\', b'|', Some(0x1C), 0x2B00),
        0x2C..=0x32 => letter(s, b"zxcvbnm"[usize::from(scan - 0x2C)]),
        0x33 => key(s, b',', b'<', None, 0x3300),
        0x34 => key(s, b'.', b'>', None, 0x3400),
        0x35 => key(s, b'/', b'?', None, 0x3500),
        0x37 => [0x372A, 0x372A, 0x9600, 0x3700],
        0x39 => [0x3920, 0x3920, 0x3920, 0x3920],
        0x3B..=0x44 => function(s - 0x3B),
        0x47 => keypad(s, b'7', 0x7700),
        0x48 => keypad(s, b'8', 0x8D00),
        0x49 => keypad(s, b'9', 0x8400),
        0x4A => [0x4A2D, 0x4A2D, 0x8E00, 0x4A00],
        0x4B => keypad(s, b'4', 0x7300),
        0x4C => keypad(s, b'5', 0x8F00),
        0x4D => keypad(s, b'6', 0x7400),
        0x4E => [0x4E2B, 0x4E2B, 0x9000, 0x4E00],
        0x4F => keypad(s, b'1', 0x7500),
        0x50 => keypad(s, b'2', 0x9100),
        0x51 => keypad(s, b'3', 0x7600),
        0x52 => keypad(s, b'0', 0x9200),
        0x53 => keypad(s, b'.', 0x9300),
        0x56 => key(s, b'\\', b'|', None, 0),
        0x57 => [0x8500, 0x8700, 0x8900, 0x8B00],
        0x58 => [0x8600, 0x8800, 0x8A00, 0x8C00],
        _ => NOTHING,
    }
}

/// The words of a scan code behind E0h: the grey keys.
pub(crate) fn extended(scan: u8) -> Words {
    match scan {
        0x1C => [0xE00D, 0xE00D, 0xE00A, 0xA600],
        0x35 => [0xE02F, 0xE02F, 0x9500, 0xA400],
        0x47 => [0x47E0, 0x47E0, 0x77E0, 0x9700],
        0x48 => [0x48E0, 0x48E0, 0x8DE0, 0x9800],
        0x49 => [0x49E0, 0x49E0, 0x84E0, 0x9900],
        0x4B => [0x4BE0, 0x4BE0, 0x73E0, 0x9B00],
        0x4D => [0x4DE0, 0x4DE0, 0x74E0, 0x9D00],
        0x4F => [0x4FE0, 0x4FE0, 0x75E0, 0x9F00],
        0x50 => [0x50E0, 0x50E0, 0x91E0, 0xA000],
        0x51 => [0x51E0, 0x51E0, 0x76E0, 0xA100],
        0x52 => [0x52E0, 0x52E0, 0x92E0, 0xA200],
        0x53 => [0x53E0, 0x53E0, 0x93E0, 0xA300],
        _ => NOTHING,
    }
}

/// Whether Caps Lock turns Shift round for a key.
pub(crate) fn is_letter(scan: u8) -> bool {
    matches!(scan, 0x10..=0x19 | 0x1E..=0x26 | 0x2C..=0x32)
}

/// Whether Num Lock turns Shift round for a key: the keypad, its signs aside.
pub(crate) fn is_keypad(scan: u8) -> bool {
    matches!(scan, 0x47..=0x53) && !matches!(scan, 0x4A | 0x4E)
}

/// What a key of the keypad composes with Alt.
pub(crate) fn keypad_digit(scan: u8) -> Option<u8> {
    Some(match scan {
        0x47..=0x49 => scan - 0x47 + 7,
        0x4B..=0x4D => scan - 0x4B + 4,
        0x4F..=0x51 => scan - 0x4F + 1,
        0x52 => 0,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_the_words_of_the_reference() {
        assert_eq!(plain(0x1E), [0x1E61, 0x1E41, 0x1E01, 0x1E00]);
        assert_eq!(plain(0x03), [0x0332, 0x0340, 0x0300, 0x7900]);
        assert_eq!(plain(0x44), [0x4400, 0x5D00, 0x6700, 0x7100]);
        assert_eq!(plain(0x48), [0x4800, 0x4838, 0x8D00, 0]);
        assert_eq!(extended(0x53), [0x53E0, 0x53E0, 0x93E0, 0xA300]);
        assert_eq!((plain(0x1D), extended(0x2A)), (NOTHING, NOTHING));
    }

    #[test]
    fn the_keypad_composes_digits() {
        let digits: Vec<_> = [0x52, 0x4F, 0x50, 0x51, 0x4B, 0x4C, 0x4D, 0x47, 0x48, 0x49, 0x4A]
            .into_iter()
            .map(keypad_digit)
            .collect();
        let expected: Vec<_> = (0..10).map(Some).chain([None]).collect();
        assert_eq!(digits, expected);
    }
}
