//! INT 09h: scan codes become shift states and words in the keyboard buffer.

use crate::bda::{self, ALT_NUMBER, KEYBOARD_LEDS, KEYBOARD_STATE, SHIFT_FLAGS, SHIFT_FLAGS_2};
use crate::call::{Call, Flow, GuestFault, ServiceResult};
use crate::int16::store_key;
use crate::keys;
use crate::rom::Point;

// 40:17h
const RIGHT_SHIFT: u8 = 0x01;
const LEFT_SHIFT: u8 = 0x02;
const CTRL: u8 = 0x04;
const ALT: u8 = 0x08;
const SCROLL_LOCK: u8 = 0x10;
const NUM_LOCK: u8 = 0x20;
const CAPS_LOCK: u8 = 0x40;
const INSERT: u8 = 0x80;
// 40:18h
const LEFT_CTRL: u8 = 0x01;
const LEFT_ALT: u8 = 0x02;
const SYS_REQ: u8 = 0x04;
const PAUSED: u8 = 0x08;
// 40:96h
const LAST_E1: u8 = 0x01;
const LAST_E0: u8 = 0x02;
const RIGHT_CTRL: u8 = 0x04;
const RIGHT_ALT: u8 = 0x08;
// 40:97h
const LED_BITS: u8 = 0x07;
const LEDS_SENT: u8 = 0x40;

const KEYBOARD: u16 = 0x60;
const SET_LEDS: u8 = 0xED;
const ACKNOWLEDGED: u8 = 0xFA;
const RESEND: u8 = 0xFE;
/// Restart without a memory test.
const WARM: u16 = 0x1234;

/// The state bytes, read once and stored once.
struct State {
    flags: u8,
    flags_2: u8,
    state: u8,
}

impl State {
    fn load(call: &mut Call<'_>) -> Result<Self, GuestFault> {
        Ok(Self {
            flags: call.bda_u8(SHIFT_FLAGS)?,
            flags_2: call.bda_u8(SHIFT_FLAGS_2)?,
            state: call.bda_u8(KEYBOARD_STATE)?,
        })
    }

    fn store(&self, call: &mut Call<'_>) -> Result<(), GuestFault> {
        call.set_bda_u8(SHIFT_FLAGS, self.flags)?;
        call.set_bda_u8(SHIFT_FLAGS_2, self.flags_2)?;
        call.set_bda_u8(KEYBOARD_STATE, self.state)
    }

    fn ctrl(&mut self, down: bool, right: bool) {
        set(
            if right { &mut self.state } else { &mut self.flags_2 },
            if right { RIGHT_CTRL } else { LEFT_CTRL },
            down,
        );
        let any = self.flags_2 & LEFT_CTRL != 0 || self.state & RIGHT_CTRL != 0;
        set(&mut self.flags, CTRL, any);
    }

    fn alt(&mut self, down: bool, right: bool) {
        set(
            if right { &mut self.state } else { &mut self.flags_2 },
            if right { RIGHT_ALT } else { LEFT_ALT },
            down,
        );
        let any = self.flags_2 & LEFT_ALT != 0 || self.state & RIGHT_ALT != 0;
        set(&mut self.flags, ALT, any);
    }

    /// A lock key: toggles when it goes down, not when it repeats.
    fn lock(&mut self, bit: u8, down: bool) {
        if down && self.flags_2 & bit == 0 {
            self.flags ^= bit;
        }
        set(&mut self.flags_2, bit, down);
    }
}

fn set(byte: &mut u8, bit: u8, on: bool) {
    *byte = *byte & !bit | if on { bit } else { 0 };
}

/// INT 09h, behind INT 15h AH=4Fh: the scan code is in AL.
pub(crate) fn scan_code(call: &mut Call<'_>) -> ServiceResult {
    let code = call.regs.ax.low();
    match code {
        ACKNOWLEDGED => return acknowledged(call),
        RESEND | 0x00 | 0xFF | 0xEE => return Ok(Flow::Point(Point::KeyDone)),
        _ => {}
    }
    let mut s = State::load(call)?;
    let flow = match code {
        0xE0 => {
            s.state |= LAST_E0;
            Flow::Point(Point::KeyDone)
        }
        0xE1 => {
            s.state |= LAST_E1;
            Flow::Point(Point::KeyDone)
        }
        _ if s.state & LAST_E1 != 0 => pause_sequence(&mut s, code),
        _ => {
            let extended = s.state & LAST_E0 != 0;
            s.state &= !LAST_E0;
            key(call, &mut s, code & 0x7F, code & 0x80 == 0, extended)?
        }
    };
    s.store(call)?;
    update_leds(call, s.flags)?;
    Ok(flow)
}

/// The Pause key sends E1 1D 45 E1 9D C5.
fn pause_sequence(s: &mut State, code: u8) -> Flow {
    if code & 0x7F == 0x1D {
        return Flow::Point(Point::KeyDone);
    }
    s.state &= !LAST_E1;
    if code == 0x45 && s.flags_2 & PAUSED == 0 {
        s.flags_2 |= PAUSED;
        return Flow::Point(Point::KeyPause);
    }
    Flow::Point(Point::KeyDone)
}

/// A key went down or up.
fn key(call: &mut Call<'_>, s: &mut State, scan: u8, down: bool, extended: bool) -> Result<Flow, GuestFault> {
    let done = Flow::Point(Point::KeyDone);
    match scan {
        // E0 2A and E0 36 are not keys: they make old software see Shift right.
        0x2A | 0x36 if extended => return Ok(done),
        0x2A => set(&mut s.flags, LEFT_SHIFT, down),
        0x36 => set(&mut s.flags, RIGHT_SHIFT, down),
        0x1D => s.ctrl(down, extended),
        0x38 => {
            s.alt(down, extended);
            if !down {
                return composed(call).map(|()| done);
            }
        }
        0x3A => s.lock(CAPS_LOCK, down),
        0x46 if down && (extended || s.flags & CTRL != 0) => return control_break(call),
        0x46 => s.lock(SCROLL_LOCK, down),
        0x45 if down && s.flags & CTRL != 0 && s.flags_2 & PAUSED == 0 => {
            s.flags_2 |= PAUSED;
            return Ok(Flow::Point(Point::KeyPause));
        }
        0x45 => s.lock(NUM_LOCK, down),
        0x54 => {
            let was = s.flags_2 & SYS_REQ != 0;
            set(&mut s.flags_2, SYS_REQ, down);
            return Ok(match (was, down) {
                (false, true) => Flow::Point(Point::KeySysReqPressed),
                (true, false) => Flow::Point(Point::KeySysReqReleased),
                _ => done,
            });
        }
        0x52 if !down => {
            set(&mut s.flags_2, INSERT, false);
        }
        _ if !down => {}
        _ => return pressed(call, s, scan, extended),
    }
    Ok(done)
}

/// A key that is none of the shifts and locks went down.
fn pressed(call: &mut Call<'_>, s: &mut State, scan: u8, extended: bool) -> Result<Flow, GuestFault> {
    let done = Flow::Point(Point::KeyDone);
    if s.flags_2 & PAUSED != 0 {
        // The key that ends a pause says nothing else.
        s.flags_2 &= !PAUSED;
        return Ok(done);
    }
    let (shift, ctrl, alt) =
        (s.flags & (LEFT_SHIFT | RIGHT_SHIFT) != 0, s.flags & CTRL != 0, s.flags & ALT != 0);
    if scan == 0x53 && ctrl && alt {
        call.set_bda_u16(bda::RESET_FLAG, WARM)?;
        s.store(call)?;
        return Ok(Flow::Far { cs: 0xFFFF, ip: 0 });
    }
    if scan == 0x37 && extended {
        if ctrl {
            return store_key(call, 0x9600).map(|_| done);
        }
        return Ok(Flow::Point(Point::KeyPrintScreen));
    }
    if alt
        && !extended
        && let Some(digit) = keys::keypad_digit(scan)
    {
        let number = call.bda_u8(ALT_NUMBER)?;
        call.set_bda_u8(ALT_NUMBER, number.wrapping_mul(10).wrapping_add(digit))?;
        return Ok(done);
    }
    let words = if extended { keys::extended(scan) } else { keys::plain(scan) };
    let locked = if keys::is_letter(scan) {
        s.flags & CAPS_LOCK != 0
    } else {
        !extended && keys::is_keypad(scan) && s.flags & NUM_LOCK != 0
    };
    let word = match (alt, ctrl) {
        (true, _) => words[3],
        (_, true) => words[2],
        _ => words[usize::from(shift != locked)],
    };
    if scan == 0x52 && !alt && !ctrl && word as u8 != b'0' && s.flags_2 & INSERT == 0 {
        s.flags ^= INSERT;
        s.flags_2 |= INSERT;
    }
    if word != 0 {
        store_key(call, word)?;
    }
    Ok(done)
}

/// Alt went up: what the keypad composed is a character.
fn composed(call: &mut Call<'_>) -> Result<(), GuestFault> {
    let number = call.bda_u8(ALT_NUMBER)?;
    if number != 0 {
        call.set_bda_u8(ALT_NUMBER, 0)?;
        store_key(call, number.into())?;
    }
    Ok(())
}

/// Ctrl-Break empties the buffer, leaves a word of zero in it, and calls INT 1Bh.
fn control_break(call: &mut Call<'_>) -> Result<Flow, GuestFault> {
    let start = call.bda_u16(bda::KEY_BUFFER_START)?;
    call.set_bda_u8(bda::BREAK, 0x80)?;
    call.set_bda_u16(bda::KEY_HEAD, start)?;
    call.set_bda_u16(bda::KEY_TAIL, start)?;
    store_key(call, 0)?;
    Ok(Flow::Point(Point::KeyBreak))
}

/// Tells the keyboard which lamps to light when the locks have changed.
pub(crate) fn update_leds(call: &mut Call<'_>, flags: u8) -> Result<(), GuestFault> {
    let leds = call.bda_u8(KEYBOARD_LEDS)?;
    if leds & LED_BITS != flags >> 4 & LED_BITS && leds & LEDS_SENT == 0 {
        call.set_bda_u8(KEYBOARD_LEDS, leds | LEDS_SENT)?;
        call.out8(KEYBOARD, SET_LEDS);
    }
    Ok(())
}

/// The keyboard took the command to set its lamps: here they are.
fn acknowledged(call: &mut Call<'_>) -> ServiceResult {
    let leds = call.bda_u8(KEYBOARD_LEDS)?;
    if leds & LEDS_SENT != 0 {
        let wanted = call.bda_u8(SHIFT_FLAGS)? >> 4 & LED_BITS;
        call.set_bda_u8(KEYBOARD_LEDS, leds & !(LEDS_SENT | LED_BITS) | wanted)?;
        call.out8(KEYBOARD, wanted);
    }
    Ok(Flow::Point(Point::KeyDone))
}

/// The machine stands still until a key ends the pause.
pub(crate) fn paused(call: &mut Call<'_>) -> ServiceResult {
    let flags = call.bda_u8(SHIFT_FLAGS_2)?;
    Ok(if flags & PAUSED != 0 { Flow::Wait } else { Flow::Done })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;

    fn bench() -> Bench {
        let mut bench = Bench::new();
        for (at, value) in [(0x1A, 0x1E), (0x1C, 0x1E), (0x80, 0x1E), (0x82, 0x3E)] {
            bench.host.set_bda_u16(at, value);
        }
        bench
    }

    fn send(bench: &mut Bench, codes: &[u8]) -> Flow {
        let mut flow = Flow::Done;
        for code in codes {
            bench.regs.ax.0 = u32::from(*code);
            flow = bench.run(scan_code).unwrap();
        }
        flow
    }

    fn keys(bench: &mut Bench) -> Vec<u16> {
        let (head, tail) = (bench.host.bda_u16(0x1A), bench.host.bda_u16(0x1C));
        let words = (head..tail).step_by(2).map(|at| bench.host.bda_u16(at)).collect();
        bench.host.set_bda_u16(0x1A, 0x1E);
        bench.host.set_bda_u16(0x1C, 0x1E);
        words
    }

    #[test]
    fn shift_and_caps_lock_cancel_each_other() {
        let mut b = bench();
        send(&mut b, &[0x1E, 0x9E, 0x2A, 0x1E, 0x9E, 0xAA]);
        assert_eq!(keys(&mut b), [0x1E61, 0x1E41]);
        send(&mut b, &[0x3A, 0xBA, 0x1E, 0x02, 0x2A, 0x1E, 0x02]);
        assert_eq!(keys(&mut b), [0x1E41, 0x0231, 0x1E61, 0x0221]);
        assert_eq!(b.host.bda_u8(0x17), CAPS_LOCK | LEFT_SHIFT);
    }

    #[test]
    fn grey_keys_come_with_e0_whatever_the_locks() {
        let mut b = bench();
        send(&mut b, &[0x45, 0xC5, 0x48, 0xE0, 0x48, 0xE0, 0xC8, 0xE0, 0x2A, 0xE0, 0x53]);
        assert_eq!(keys(&mut b), [0x4838, 0x48E0, 0x53E0]);
        assert_eq!(b.host.bda_u8(0x17), NUM_LOCK, "E0 2A is not Shift");
    }

    #[test]
    fn control_and_alt_are_known_by_side() {
        let mut b = bench();
        send(&mut b, &[0xE0, 0x1D, 0x2E, 0xE0, 0x9D, 0x38, 0x2E]);
        assert_eq!(keys(&mut b), [0x2E03, 0x2E00]);
        assert_eq!((b.host.bda_u8(0x17), b.host.bda_u8(0x18)), (ALT, LEFT_ALT));
        send(&mut b, &[0xB8]);
        assert_eq!(b.host.bda_u8(0x17), 0);
    }

    #[test]
    fn alt_and_the_keypad_compose_a_character() {
        let mut b = bench();
        send(&mut b, &[0x38, 0x50, 0xD0, 0x50, 0xD0, 0x4D, 0xCD, 0xB8]);
        assert_eq!(keys(&mut b), [226]);
    }

    #[test]
    fn pause_break_sysreq_and_print_screen_go_their_own_ways() {
        let mut b = bench();
        assert_eq!(send(&mut b, &[0xE1, 0x1D, 0x45]), Flow::Point(Point::KeyPause));
        assert_eq!(send(&mut b, &[0xE1, 0x9D, 0xC5]), Flow::Point(Point::KeyDone));
        assert_eq!(b.run(paused), Ok(Flow::Wait));
        send(&mut b, &[0x1E]);
        assert_eq!(b.run(paused), Ok(Flow::Done));
        assert_eq!(keys(&mut b), [], "the key that ends the pause is swallowed");
        send(&mut b, &[0x1E]);
        assert_eq!(send(&mut b, &[0x1D, 0xE0, 0x46]), Flow::Point(Point::KeyBreak));
        assert_eq!((keys(&mut b), b.host.bda_u8(0x71)), (vec![0], 0x80));
        send(&mut b, &[0xE0, 0xC6, 0x9D]);
        assert_eq!(send(&mut b, &[0x54]), Flow::Point(Point::KeySysReqPressed));
        assert_eq!(send(&mut b, &[0x54]), Flow::Point(Point::KeyDone), "it repeats");
        assert_eq!(send(&mut b, &[0xD4]), Flow::Point(Point::KeySysReqReleased));
        assert_eq!(send(&mut b, &[0xE0, 0x2A, 0xE0, 0x37]), Flow::Point(Point::KeyPrintScreen));
    }

    #[test]
    fn control_alt_delete_restarts() {
        let mut b = bench();
        assert_eq!(send(&mut b, &[0x1D, 0x38, 0x53]), Flow::Far { cs: 0xFFFF, ip: 0 });
        assert_eq!(b.host.bda_u16(0x72), 0x1234);
    }

    #[test]
    fn lamps_follow_the_locks() {
        let mut b = bench();
        send(&mut b, &[0x3A]);
        assert_eq!(b.host.written, [(0x60, 1, 0xED)]);
        send(&mut b, &[0xFA, 0xFA]);
        assert_eq!(b.host.written, [(0x60, 1, 0xED), (0x60, 1, 4)]);
        assert_eq!(b.host.bda_u8(0x97), 4);
    }

    #[test]
    fn insert_toggles_once_a_press() {
        let mut b = bench();
        send(&mut b, &[0xE0, 0x52, 0xE0, 0x52, 0xE0, 0xD2]);
        assert_eq!((keys(&mut b), b.host.bda_u8(0x17)), (vec![0x52E0, 0x52E0], INSERT));
    }
}
