//! APM BIOS 1.2 (INT 15h AH=53h, and entry points for 16 and 32-bit protected mode).

use crate::bda::EBDA_SEGMENT;
use crate::bios::Bios;
use crate::call::{Call, Flow, ServiceResult};
use crate::rom::{Point, ROM_SEGMENT};

const SIGNATURE: u16 = 0x504D;
/// PIIX4 power management control: SLP_EN with SLP_TYP 0 is soft off.
const PM_CONTROL: u16 = glassbox_tables::PM1_CONTROL;
const SLEEP_ENABLE: u16 = 1 << 13;

// Errors.
const ALREADY_CONNECTED: u8 = 0x02;
const NOT_CONNECTED: u8 = 0x03;
const BAD_DEVICE: u8 = 0x09;
const OUT_OF_RANGE: u8 = 0x0A;
const NOT_ENGAGED: u8 = 0x0B;
const NO_EVENT: u8 = 0x80;
const UNSUPPORTED: u8 = 0x0C;

/// How a program is connected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Connection {
    #[default]
    None,
    Real,
    Protected16,
    Protected32,
}

/// State of the interface.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Apm {
    connection: Connection,
    /// The driver's version, BCD: what it asked for by function 0Eh.
    version: u16,
    /// The stub is halted for function 05h.
    idle: bool,
}

/// INT 15h AH=53h.
pub(crate) fn real_mode(bios: &mut Bios, call: &mut Call<'_>) -> ServiceResult {
    function(bios, call, true)
}

/// CALL FAR to the entry point that connecting returned; the function is in AL.
pub(crate) fn protected_mode(bios: &mut Bios, call: &mut Call<'_>) -> ServiceResult {
    function(bios, call, false)
}

fn function(bios: &mut Bios, call: &mut Call<'_>, real: bool) -> ServiceResult {
    let device = call.regs.bx.word();
    let all = |device: u16| matches!(device, 0x0000 | 0x0001);
    let result = match call.regs.ax.low() {
        0x00 if device == 0 => {
            installation(bios, call);
            Ok(())
        }
        0x01..=0x03 if device == 0 && real => connect(bios, call),
        0x04 if device == 0 => match std::mem::take(&mut bios.apm).connection {
            Connection::None => Err(NOT_CONNECTED),
            _ => Ok(()),
        },
        0x00..=0x04 => Err(BAD_DEVICE),
        0x05 => return idle(bios, call, real),
        0x06 => Ok(()),
        0x07 => return set_power_state(bios, call, device),
        0x08 | 0x0D | 0x0F if all(device) || device == 0xFFFF => match bios.apm.connection {
            Connection::None => Err(NOT_CONNECTED),
            _ => Ok(()),
        },
        0x09 if all(device) => Ok(()),
        0x0A if device == 0x0001 => {
            // On line; no battery.
            call.regs.bx.set_word(0x01FF);
            call.regs.cx.set_word(0x80FF);
            call.regs.dx.set_word(0xFFFF);
            Ok(())
        }
        0x0B => match bios.apm.connection {
            Connection::None => Err(NOT_CONNECTED),
            _ => Err(NO_EVENT),
        },
        0x0C if all(device) => {
            call.regs.cx.set_word(0);
            Ok(())
        }
        0x0E if device == 0 => driver_version(bios, call),
        0x08 | 0x09 | 0x0A | 0x0C..=0x0F => Err(BAD_DEVICE),
        _ => Err(UNSUPPORTED),
    };
    finish(call, result)
}

fn finish(call: &mut Call<'_>, result: Result<(), u8>) -> ServiceResult {
    if let Err(error) = result {
        call.regs.ax.set_high(error);
    } else if call.regs.ax.high() == 0x53 {
        call.regs.ax.set_high(0);
    }
    call.set_carry(result.is_err())?;
    Ok(Flow::Done)
}

/// 00h: version 1.2; 16 and 32-bit protected mode; enabled and engaged.
fn installation(bios: &Bios, call: &mut Call<'_>) {
    // A driver that did not say which version it is of speaks 1.0.
    let version = if bios.apm.connection == Connection::None { 0x0102 } else { bios.apm.version.max(0x0100) };
    call.regs.ax.set_word(version);
    call.regs.bx.set_word(SIGNATURE);
    call.regs.cx.set_word(0x0003);
}

/// 01h to 03h.
fn connect(bios: &mut Bios, call: &mut Call<'_>) -> Result<(), u8> {
    if bios.apm.connection != Connection::None {
        return Err(ALREADY_CONNECTED);
    }
    let (connection, entry) = match call.regs.ax.low() {
        0x01 => (Connection::Real, None),
        0x02 => (Connection::Protected16, Some(bios.rom().offset(Point::Apm16))),
        _ => (Connection::Protected32, Some(bios.rom().offset(Point::Apm32))),
    };
    bios.apm = Apm { connection, version: 0x0100, idle: false };
    let Some(entry) = entry else { return Ok(()) };
    let regs = &mut call.regs;
    regs.ax.set_word(ROM_SEGMENT);
    if connection == Connection::Protected16 {
        regs.bx.set_word(entry);
        regs.cx.set_word(EBDA_SEGMENT);
        regs.si.set_word(0xFFFF);
        regs.di.set_word(0x0400);
    } else {
        regs.bx.0 = entry.into();
        // Code for 16 bits; data; lengths of the code segments in both halves.
        regs.cx.set_word(ROM_SEGMENT);
        regs.dx.set_word(EBDA_SEGMENT);
        regs.si.0 = 0xFFFF_FFFF;
        regs.di.set_word(0x0400);
    }
    Ok(())
}

/// 05h: returns when an interrupt has come. Drivers in protected mode halt by themselves.
fn idle(bios: &mut Bios, call: &mut Call<'_>, real: bool) -> ServiceResult {
    if real && !std::mem::replace(&mut bios.apm.idle, true) {
        return Ok(Flow::Wait);
    }
    bios.apm.idle = false;
    finish(call, Ok(()))
}

/// 07h: off is what there is.
fn set_power_state(bios: &Bios, call: &mut Call<'_>, device: u16) -> ServiceResult {
    let all = matches!(device, 0x0000 | 0x0001);
    let result = match call.regs.cx.word() {
        _ if bios.apm.connection == Connection::None => Err(NOT_CONNECTED),
        0x0003 if all => {
            call.out16(PM_CONTROL, SLEEP_ENABLE);
            Ok(())
        }
        // Standby and suspend: nothing sleeps here.
        0x0001 | 0x0002 if all => Err(NOT_ENGAGED),
        // Last request processing, and devices of their own.
        0x0004 | 0x0005 if all => Ok(()),
        0x0000 if all => Ok(()),
        _ if !all => Err(BAD_DEVICE),
        _ => Err(OUT_OF_RANGE),
    };
    finish(call, result)
}

/// 0Eh: the driver says its version, and learns the one that is spoken.
fn driver_version(bios: &mut Bios, call: &mut Call<'_>) -> Result<(), u8> {
    if bios.apm.connection == Connection::None {
        return Err(NOT_CONNECTED);
    }
    let wanted = call.regs.cx.word();
    if wanted < 0x0100 {
        return Err(OUT_OF_RANGE);
    }
    bios.apm.version = wanted.min(0x0102);
    call.regs.ax.set_word(bios.apm.version);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Frame;
    use crate::testing::Bench;

    fn call(bench: &mut Bench, al: u8, bx: u16, cx: u16) -> Option<u8> {
        (bench.regs.ax.0, bench.regs.bx.0, bench.regs.cx.0) = (0x5300 | u32::from(al), bx.into(), cx.into());
        bench.run_with(real_mode).unwrap();
        bench.carry().then_some(bench.regs.ax.high())
    }

    #[test]
    fn a_driver_connects_in_protected_mode_and_switches_off() {
        let mut b = Bench::new();
        assert_eq!(call(&mut b, 0x00, 0, 0), None);
        assert_eq!((b.regs.ax.word(), b.regs.bx.word(), b.regs.cx.word()), (0x0102, 0x504D, 3));
        assert_eq!(call(&mut b, 0x07, 1, 3), Some(NOT_CONNECTED));
        assert_eq!(call(&mut b, 0x03, 0, 0), None);
        assert_eq!((b.regs.ax.word(), b.regs.bx.0), (0xF000, b.bios.rom().offset(Point::Apm32).into()));
        assert_eq!(call(&mut b, 0x02, 0, 0), Some(ALREADY_CONNECTED));
        assert_eq!(call(&mut b, 0x0E, 0, 0x0102), None);
        assert_eq!(call(&mut b, 0x0B, 0, 0), Some(NO_EVENT));
        b.frame = Frame::Live;
        (b.regs.ax.0, b.regs.bx.0, b.regs.cx.0) = (0x5307, 1, 3);
        b.run_with(protected_mode).unwrap();
        assert_eq!((b.carry(), b.host.written.last()), (false, Some(&(0x604, 2, 0x2000))));
    }

    #[test]
    fn an_idle_processor_halts_once() {
        let mut b = Bench::new();
        b.regs.ax.0 = 0x5305;
        assert_eq!(b.run_with(real_mode), Ok(Flow::Wait));
        assert_eq!(b.run_with(real_mode), Ok(Flow::Done));
        assert!(!b.carry());
    }

    #[test]
    fn devices_and_functions_that_are_not_there_are_refused() {
        let mut b = Bench::new();
        assert_eq!(call(&mut b, 0x00, 1, 0), Some(BAD_DEVICE));
        assert_eq!(call(&mut b, 0x42, 0, 0), Some(UNSUPPORTED));
        assert_eq!(call(&mut b, 0x0A, 0x8001, 0), Some(BAD_DEVICE));
        call(&mut b, 0x01, 0, 0);
        assert_eq!(call(&mut b, 0x07, 1, 2), Some(NOT_ENGAGED));
        assert_eq!(call(&mut b, 0x04, 0, 0), None);
        assert_eq!(call(&mut b, 0x04, 0, 0), Some(NOT_CONNECTED));
    }
}
