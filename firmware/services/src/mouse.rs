//! INT 15h AH=C2h, the pointing device, and INT 74h, its interrupt.
//!
//! A command to the mouse takes time: bytes go out and come back at the pace of
//! the keyboard controller. A service begins a [`Job`] and spins, with
//! interrupts enabled, until all answers are there.

use crate::bda::{MOUSE_DATA, MOUSE_FLAGS_1, MOUSE_FLAGS_2, MOUSE_HANDLER};
use crate::bios::Bios;
use crate::call::{Call, Flow, GuestFault, ServiceResult};
use crate::post::far_call;
use crate::rom::Point;
use glassbox_device_api::VmTime;
use std::collections::VecDeque;

const DATA: u16 = 0x60;
const COMMAND: u16 = 0x64;
const OUTPUT_FULL: u8 = 0x01;
const FROM_MOUSE: u8 = 0x20;
/// Controller command byte: IRQ 12, and the mouse's clock held.
const MOUSE_INTERRUPT: u8 = 0x02;
const MOUSE_OFF: u8 = 0x20;
/// Flags 2: a handler is installed.
const HANDLER: u8 = 0x80;
/// Flags 2: the mouse is enabled.
const ENABLED: u8 = 0x40;
/// How long a mouse may take for an answer.
const PATIENCE: VmTime = VmTime(100_000_000);
const ACKNOWLEDGED: u8 = 0xFA;
/// Bytes that are looked at in one go.
const MOST_BYTES: u32 = 64;

// What AH is.
const INVALID_FUNCTION: u8 = 0x01;
const INVALID_INPUT: u8 = 0x02;
const INTERFACE_ERROR: u8 = 0x03;
const NO_HANDLER: u8 = 0x05;

/// Bytes on their way to the mouse and back.
#[derive(Debug)]
pub(crate) struct Job {
    /// What is still to be sent, and how many bytes answer it.
    sends: VecDeque<(u8, u8)>,
    /// Answers that are still to come for what was sent.
    expected: u8,
    answers: Vec<u8>,
    since: VmTime,
    /// The controller's command byte as it was.
    command: u8,
    /// The function that is being done.
    function: u16,
}

/// AH=C2h.
pub(crate) fn service(bios: &mut Bios, call: &mut Call<'_>) -> ServiceResult {
    let function = call.regs.ax.low();
    let key = u16::from(function) << 8 | u16::from(call.regs.bx.high());
    if bios.mouse.as_ref().is_some_and(|job| job.function != key) {
        // Another caller, or the same one after a restart: what was under way is void.
        abandon(bios, call);
    }
    if bios.mouse.is_none() {
        let sends: &[(u8, u8)] = match (function, call.regs.bx.high()) {
            (0x00, 0x00) => &[(0xF5, 1)],
            (0x00, 0x01) => {
                if call.read_u8(MOUSE_FLAGS_2)? & HANDLER == 0 {
                    return finish(call, Err(NO_HANDLER));
                }
                &[(0xF4, 1)]
            }
            (0x01, _) => &[(0xFF, 3)],
            (0x02, rate) => match [10, 20, 40, 60, 80, 100, 200].get(usize::from(rate)) {
                Some(&rate) => return begin(bios, call, key, &[(0xF3, 1), (rate, 1)]),
                None => return finish(call, Err(INVALID_INPUT)),
            },
            (0x03, resolution @ 0..=3) => return begin(bios, call, key, &[(0xE8, 1), (resolution, 1)]),
            (0x04, _) => &[(0xF2, 2)],
            (0x05, size @ 1..=8) => {
                let flags = call.read_u8(MOUSE_FLAGS_2)?;
                call.write_u8(MOUSE_FLAGS_2, flags & HANDLER | (size - 1))?;
                call.write_u8(MOUSE_FLAGS_1, 0)?;
                &[(0xFF, 3)]
            }
            (0x06, 0x00) => &[(0xE9, 4)],
            (0x06, 0x01) => &[(0xE6, 1)],
            (0x06, 0x02) => &[(0xE7, 1)],
            (0x07, _) => return set_handler(call),
            (0x00 | 0x03 | 0x05 | 0x06, _) => return finish(call, Err(INVALID_INPUT)),
            _ => return finish(call, Err(INVALID_FUNCTION)),
        };
        return begin(bios, call, key, sends);
    }
    go_on(bios, call)
}

fn finish(call: &mut Call<'_>, result: Result<(), u8>) -> ServiceResult {
    call.regs.ax.set_high(result.err().unwrap_or(0));
    call.set_carry(result.is_err())?;
    Ok(Flow::Done)
}

fn command_byte(call: &mut Call<'_>) -> u8 {
    call.out8(COMMAND, 0x20);
    call.in8(DATA)
}

fn set_command_byte(call: &mut Call<'_>, value: u8) {
    call.out8(COMMAND, 0x60);
    call.out8(DATA, value);
}

/// Begins a job, unless a byte of the keyboard waits for its interrupt.
fn begin(bios: &mut Bios, call: &mut Call<'_>, function: u16, sends: &[(u8, u8)]) -> ServiceResult {
    match call.in8(COMMAND) {
        // Nobody is there.
        0xFF => return finish(call, Err(INTERFACE_ERROR)),
        status if status & OUTPUT_FULL != 0 && status & FROM_MOUSE == 0 => {
            if bios.waits_longer(call, PATIENCE) {
                return Ok(Flow::Spin);
            }
            call.in8(DATA);
        }
        status if status & OUTPUT_FULL != 0 => {
            // The rest of a packet that nobody waits for.
            call.in8(DATA);
        }
        _ => {}
    }
    bios.waiting_since = None;
    let command = command_byte(call);
    set_command_byte(call, command & !(MOUSE_INTERRUPT | MOUSE_OFF));
    let since = call.host.now();
    let sends = sends.iter().copied().collect();
    bios.mouse = Some(Job { sends, expected: 0, answers: Vec::new(), since, command, function });
    go_on(bios, call)
}

/// Takes what has come, sends what is next; ends the job when all is there.
fn go_on(bios: &mut Bios, call: &mut Call<'_>) -> ServiceResult {
    let Some(job) = &mut bios.mouse else { return Ok(Flow::Done) };
    let now = call.host.now();
    // Several bytes may be there; they do not come faster than they are taken.
    for _ in 0..MOST_BYTES {
        if job.expected == 0 {
            let Some((byte, answers)) = job.sends.pop_front() else {
                let Some(job) = bios.mouse.take() else { return Ok(Flow::Done) };
                return complete(call, &job);
            };
            call.out8(COMMAND, 0xD4);
            call.out8(DATA, byte);
            job.expected = answers;
            job.since = now;
        }
        let status = call.in8(COMMAND);
        if status & OUTPUT_FULL == 0 || status & FROM_MOUSE == 0 {
            if now >= job.since + PATIENCE {
                abandon(bios, call);
                return finish(call, Err(INTERFACE_ERROR));
            }
            return Ok(Flow::Spin);
        }
        let byte = call.in8(DATA);
        if job.answers.is_empty() && byte != ACKNOWLEDGED {
            // A movement that was under way.
            continue;
        }
        job.answers.push(byte);
        job.expected -= 1;
    }
    Ok(Flow::Spin)
}

/// Gives the controller back as it was.
fn abandon(bios: &mut Bios, call: &mut Call<'_>) {
    if let Some(job) = bios.mouse.take() {
        set_command_byte(call, job.command);
    }
}

/// All answers are there.
fn complete(call: &mut Call<'_>, job: &Job) -> ServiceResult {
    let function = (job.function >> 8) as u8;
    let answer = |n: usize| job.answers.get(n).copied().unwrap_or(0);
    let flags = call.read_u8(MOUSE_FLAGS_2)?;
    let mut command = job.command & !MOUSE_OFF | MOUSE_INTERRUPT;
    match (function, job.function as u8) {
        (0x00, 0) => {
            call.write_u8(MOUSE_FLAGS_2, flags & !ENABLED)?;
            command = job.command & !MOUSE_INTERRUPT;
        }
        (0x00, _) => {
            call.write_u8(MOUSE_FLAGS_2, flags | ENABLED)?;
            call.write_u8(MOUSE_FLAGS_1, 0)?;
            // The mouse's interrupt, and the cascade.
            let (second, first) = (call.in8(0xA1), call.in8(0x21));
            call.out8(0xA1, second & !0x10);
            call.out8(0x21, first & !0x04);
        }
        (0x01 | 0x05, _) => {
            call.write_u8(MOUSE_FLAGS_2, flags & !ENABLED)?;
            // Self-test passed, and the ID.
            if function == 0x01 {
                call.regs.bx.set_word(u16::from(answer(2)) << 8 | u16::from(answer(1)));
            }
        }
        (0x04, _) => call.regs.bx.set_high(answer(1)),
        (0x06, 0) => {
            call.regs.bx.set_low(answer(1));
            call.regs.cx.set_low(answer(2));
            call.regs.dx.set_low(answer(3));
        }
        _ => {}
    }
    set_command_byte(call, command);
    finish(call, Ok(()))
}

/// C207h: the far handler at ES:BX; none if it is null.
fn set_handler(call: &mut Call<'_>) -> ServiceResult {
    let (segment, offset) = (call.regs.es.selector, call.regs.bx.word());
    call.write_u16(MOUSE_HANDLER, offset)?;
    call.write_u16(MOUSE_HANDLER + 2, segment)?;
    let flags = call.read_u8(MOUSE_FLAGS_2)?;
    let has = segment != 0 || offset != 0;
    call.write_u8(MOUSE_FLAGS_2, flags & !HANDLER | if has { HANDLER } else { 0 })?;
    finish(call, Ok(()))
}

/// INT 74h: collects a packet; a whole one goes to the handler, with four words
/// on its stack: status, X, Y and 0. The stub takes them off again.
pub(crate) fn interrupt(bios: &mut Bios, call: &mut Call<'_>) -> ServiceResult {
    let status = call.in8(COMMAND);
    if status & (OUTPUT_FULL | FROM_MOUSE) != OUTPUT_FULL | FROM_MOUSE {
        return Ok(Flow::Done);
    }
    let flags_2 = call.read_u8(MOUSE_FLAGS_2)?;
    let count = call.read_u8(MOUSE_FLAGS_1)? & 7;
    let mut packet = [0; 8];
    call.read(MOUSE_DATA, &mut packet)?;
    let byte = call.in8(DATA);
    if flags_2 & HANDLER == 0 {
        return Ok(Flow::Done);
    }
    let size = flags_2 & 7;
    packet[usize::from(count)] = byte;
    if count < size {
        call.write_u8(MOUSE_DATA + u32::from(count), byte)?;
        call.write_u8(MOUSE_FLAGS_1, count + 1)?;
        return Ok(Flow::Done);
    }
    call.write_u8(MOUSE_FLAGS_1, 0)?;
    deliver(bios, call, &packet, size)
}

fn deliver(bios: &Bios, call: &mut Call<'_>, packet: &[u8; 8], size: u8) -> Result<Flow, GuestFault> {
    let (offset, segment) = (call.read_u16(MOUSE_HANDLER)?, call.read_u16(MOUSE_HANDLER + 2)?);
    // A packet of one byte more carries it in the high byte of the last word.
    let words = [packet[0], packet[1], packet[2], if size >= 3 { packet[3] } else { 0 }];
    for word in words {
        call.push(word.into())?;
    }
    let back = bios.rom().offset(Point::MouseReturn);
    far_call(call, back, segment, offset)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registers::SegmentRegister;
    use crate::testing::Bench;

    fn with_answers(answers: &[u32]) -> Bench {
        let mut b = Bench::new();
        b.host.ports.insert(COMMAND, [0x00, 0x21].into());
        b.host.ports.insert(DATA, std::iter::once(0x65).chain(answers.iter().copied()).collect());
        b
    }

    #[test]
    fn a_reset_reports_what_the_mouse_says() {
        let mut b = with_answers(&[0xFA, 0xAA, 0x00]);
        b.regs.ax.0 = 0xC201;
        assert_eq!(b.run_with(service), Ok(Flow::Done));
        assert_eq!((b.regs.bx.word(), b.regs.ax.high(), b.carry()), (0x00AA, 0, false));
        assert!(b.host.written.windows(2).any(|w| w == [(0x64, 1, 0xD4), (0x60, 1, 0xFF)]));
        assert_eq!(b.host.written.last(), Some(&(0x60, 1, 0x47)), "interrupts on");
    }

    #[test]
    fn a_mouse_that_does_not_answer_is_an_interface_error_in_the_end() {
        let mut b = Bench::new();
        b.host.ports.insert(COMMAND, [0x00].into());
        b.host.ports.insert(DATA, [0x65].into());
        b.regs.ax.0 = 0xC201;
        assert_eq!(b.run_with(service), Ok(Flow::Spin));
        b.host.now = PATIENCE;
        assert_eq!(b.run_with(service), Ok(Flow::Done));
        assert_eq!((b.regs.ax.high(), b.carry()), (INTERFACE_ERROR, true));
        assert_eq!(b.host.written.last(), Some(&(0x60, 1, 0x65)));
    }

    #[test]
    fn enabling_needs_a_handler() {
        let mut b = with_answers(&[0xFA]);
        (b.regs.ax.0, b.regs.bx.0) = (0xC200, 0x0100);
        b.run_with(service).unwrap();
        assert_eq!((b.regs.ax.high(), b.carry()), (NO_HANDLER, true));
    }

    #[test]
    fn a_whole_packet_is_handed_to_the_handler() {
        let mut b = Bench::new();
        b.regs.es = SegmentRegister::real(0x1234);
        (b.regs.ax.0, b.regs.bx.0) = (0xC207, 0x0056);
        b.run_with(service).unwrap();
        let at = MOUSE_FLAGS_2 as usize;
        b.host.memory[at] |= 2;
        b.host.ports.insert(COMMAND, [0x21].into());
        b.host.ports.insert(DATA, [0x09, 0x05, 0xFB].into());
        assert_eq!(b.run_with(interrupt), Ok(Flow::Done));
        assert_eq!(b.run_with(interrupt), Ok(Flow::Done));
        assert_eq!(b.run_with(interrupt), Ok(Flow::Far { cs: 0x1234, ip: 0x0056 }));
        let sp = 0x3_0000 + usize::from(b.regs.sp.word());
        let word = |n: usize| u16::from_le_bytes([b.host.memory[sp + n], b.host.memory[sp + n + 1]]);
        assert_eq!([word(4), word(6), word(8), word(10)], [0, 0xFB, 0x05, 0x09]);
        assert_eq!((word(0), word(2)), (b.bios.rom().offset(Point::MouseReturn), 0xF000));
    }
}
