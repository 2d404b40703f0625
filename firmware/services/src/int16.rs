//! INT 16h: the keyboard buffer.

use crate::bda;
use crate::call::{BDA, Call, Flow, GuestFault, ServiceResult};

const KEYBOARD: u16 = 0x60;
const SET_RATE: u8 = 0xF3;
/// Words that enhanced functions alone return have a higher scan code than this.
const LAST_OLD_KEY: u8 = 0x84;

/// Head and tail, made to lie in the buffer whatever a program left there.
fn pointers(call: &mut Call<'_>) -> Result<(u16, u16, u16, u16), GuestFault> {
    let (start, end) = (call.bda_u16(bda::KEY_BUFFER_START)?, call.bda_u16(bda::KEY_BUFFER_END)?);
    // A program may move the buffer, within segment 40h.
    let valid = start < end && end - start >= 4 && (end - start).is_multiple_of(2);
    let (start, end) = if valid { (start, end) } else { (bda::KEY_BUFFER, bda::KEY_BUFFER + 32) };
    let (head, tail) = (call.bda_u16(bda::KEY_HEAD)?, call.bda_u16(bda::KEY_TAIL)?);
    let within = |at: u16| if (start..end).contains(&at) { at } else { start };
    Ok((within(head), within(tail), start, end))
}

/// Puts a word into the buffer; false when it is full.
pub(crate) fn store_key(call: &mut Call<'_>, word: u16) -> Result<bool, GuestFault> {
    let (head, tail, start, end) = pointers(call)?;
    let next = if tail + 2 >= end { start } else { tail + 2 };
    if next == head {
        return Ok(false);
    }
    call.write_u16(BDA + u32::from(tail), word)?;
    call.set_bda_u16(bda::KEY_TAIL, next)?;
    Ok(true)
}

/// The next word, which stays there.
fn peek(call: &mut Call<'_>) -> Result<Option<u16>, GuestFault> {
    let (head, tail, ..) = pointers(call)?;
    if head == tail { Ok(None) } else { call.read_u16(BDA + u32::from(head)).map(Some) }
}

fn remove(call: &mut Call<'_>) -> Result<(), GuestFault> {
    let (head, _, start, end) = pointers(call)?;
    call.set_bda_u16(bda::KEY_HEAD, if head + 2 >= end { start } else { head + 2 })
}

/// What the functions of 83-key keyboards return for a word; `None` for keys that
/// those did not have.
fn old(word: u16) -> Option<u16> {
    match (word >> 8, word & 0xFF) {
        (0xE0, 0x0D | 0x0A) => Some(0x1C00 | word & 0xFF),
        (0xE0, 0x2F) => Some(0x352F),
        // A character that was composed has no scan code.
        (0x00, _) => Some(word),
        (scan, _) if scan as u8 > LAST_OLD_KEY => None,
        (_, 0xE0) => Some(word & 0xFF00),
        _ => Some(word),
    }
}

/// INT 16h.
pub(crate) fn service(call: &mut Call<'_>) -> ServiceResult {
    match call.regs.ax.high() {
        0x00 => return read(call, old),
        0x10 => return read(call, Some),
        0x01 => return test(call, old),
        0x11 => return test(call, Some),
        0x02 => {
            let flags = call.bda_u8(bda::SHIFT_FLAGS)?;
            call.regs.ax.set_low(flags);
        }
        0x12 => {
            let (flags, second) = (call.bda_u8(bda::SHIFT_FLAGS)?, call.bda_u8(bda::SHIFT_FLAGS_2)?);
            let right = call.bda_u8(bda::KEYBOARD_STATE)? & 0x0C;
            // Bit 7 is SysReq; bits 2 and 3 are the right keys.
            let high = second & 0x73 | (second & 0x04) << 5 | right;
            call.regs.ax.set_word(u16::from(high) << 8 | u16::from(flags));
        }
        0x03 if call.regs.ax.low() == 0x05 => {
            let rate = (call.regs.bx.high() & 3) << 5 | call.regs.bx.low() & 0x1F;
            call.out8(KEYBOARD, SET_RATE);
            call.out8(KEYBOARD, rate);
        }
        0x05 => {
            let word = call.regs.cx.word();
            let stored = store_key(call, word)?;
            call.regs.ax.set_low(u8::from(!stored));
        }
        // Functions 03h/05h, 10h to 12h are there.
        0x09 => call.regs.ax.set_low(0x24),
        // The keyboard's ID.
        0x0A => call.regs.bx.set_word(0x41AB),
        // Enhanced functions for 122-key keyboards are not; nor is anything else.
        _ => {}
    }
    Ok(Flow::Done)
}

fn read(call: &mut Call<'_>, translate: fn(u16) -> Option<u16>) -> ServiceResult {
    while let Some(word) = peek(call)? {
        remove(call)?;
        if let Some(word) = translate(word) {
            call.regs.ax.set_word(word);
            return Ok(Flow::Done);
        }
    }
    Ok(Flow::Wait)
}

fn test(call: &mut Call<'_>, translate: fn(u16) -> Option<u16>) -> ServiceResult {
    while let Some(word) = peek(call)? {
        if let Some(word) = translate(word) {
            call.regs.ax.set_word(word);
            call.set_zero(false)?;
            return Ok(Flow::Done);
        }
        remove(call)?;
    }
    call.set_zero(true)?;
    Ok(Flow::Done)
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

    fn call(bench: &mut Bench, ax: u16) -> Flow {
        bench.regs.ax.0 = ax.into();
        bench.run(service).unwrap()
    }

    #[test]
    fn a_read_waits_and_a_test_says_so_by_zf() {
        let mut b = bench();
        assert_eq!(call(&mut b, 0x0000), Flow::Wait);
        assert_eq!((call(&mut b, 0x0100), b.zero()), (Flow::Done, true));
        b.regs.cx.0 = 0x1E61;
        call(&mut b, 0x0500);
        assert_eq!((call(&mut b, 0x0100), b.zero(), b.regs.ax.word()), (Flow::Done, false, 0x1E61));
        assert_eq!((call(&mut b, 0x0000), b.regs.ax.word()), (Flow::Done, 0x1E61));
        assert_eq!(call(&mut b, 0x1000), Flow::Wait);
    }

    #[test]
    fn the_buffer_takes_fifteen_words_and_wraps() {
        let mut b = bench();
        for n in 0..16u16 {
            b.regs.cx.0 = (0x1E00 + n).into();
            call(&mut b, 0x0500);
            assert_eq!(b.regs.ax.low(), u8::from(n == 15));
        }
        for n in 0..15u16 {
            call(&mut b, 0x1000);
            assert_eq!(b.regs.ax.word(), 0x1E00 + n);
        }
        b.regs.cx.0 = 0x1234;
        call(&mut b, 0x0500);
        call(&mut b, 0x0500);
        call(&mut b, 0x0000);
        assert_eq!((b.regs.ax.word(), b.host.bda_u16(0x1A)), (0x1234, 0x1E));
    }

    #[test]
    fn old_functions_see_grey_keys_as_white_ones_and_skip_new_keys() {
        let mut b = bench();
        for word in [0x8500u16, 0x48E0, 0xE00D, 0xE02F, 0x00E1] {
            b.regs.cx.0 = word.into();
            call(&mut b, 0x0500);
        }
        let words: Vec<u16> = (0..4)
            .map(|_| {
                call(&mut b, 0x0000);
                b.regs.ax.word()
            })
            .collect();
        assert_eq!(words, [0x4800, 0x1C0D, 0x352F, 0x00E1]);
    }

    #[test]
    fn pointers_that_a_program_spoilt_do_no_harm() {
        let mut b = bench();
        b.host.set_bda_u16(0x1A, 0xFFFF);
        b.host.set_bda_u16(0x1C, 0x0001);
        b.host.set_bda_u16(0x80, 0xFFFE);
        assert_eq!(call(&mut b, 0x0000), Flow::Wait);
        b.regs.cx.0 = 0x1E61;
        call(&mut b, 0x0500);
        assert_eq!(b.regs.ax.low(), 0);
    }

    #[test]
    fn shift_states_come_in_two_bytes() {
        let mut b = bench();
        b.host.memory[0x417..0x419].copy_from_slice(&[0x0C, 0x07]);
        b.host.memory[0x496] = 0x1C;
        call(&mut b, 0x1200);
        assert_eq!(b.regs.ax.word(), 0x8F0C);
    }
}
