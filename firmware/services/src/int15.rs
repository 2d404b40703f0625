//! INT 15h: system services. Memory, APM and the mouse are in files of their own.

use crate::asm::Assembler;
use crate::bda;
use crate::bios::Bios;
use crate::call::{Call, Flow, ServiceResult};
use crate::cmos;
use crate::registers::SegmentRegister;
use crate::rom::{MODEL, ROM_SEGMENT, entry};
use crate::{apm, int15_memory, mouse};
use glassbox_device_api::VmTime;

/// What an unknown function returns in AH.
const UNSUPPORTED: u8 = 0x86;
/// A wait is under way already.
const BUSY: u8 = 0x83;
/// System control port A: A20 in bit 1, reset in bit 0.
pub(crate) const PORT_A: u16 = 0x92;
const SECOND_PIC_MASK: u16 = 0xA1;

/// AH=C0h: 8 bytes follow; an AT; feature bytes: second 8259A, real-time clock,
/// INT 15h AH=4Fh, EBDA; INT 16h AH=09h.
const CONFIGURATION: [u8; 10] = [8, 0, MODEL, 0x01, 0x00, 0x74, 0x40, 0x00, 0x00, 0x00];

/// Places the configuration table.
pub(crate) fn place(rom: &mut Assembler) {
    rom.org(entry::CONFIGURATION);
    rom.bytes(&CONFIGURATION);
}

/// INT 15h.
pub(crate) fn service(bios: &mut Bios, call: &mut Call<'_>) -> ServiceResult {
    match call.regs.ax.high() {
        0x24 => a20(call),
        // The keyboard's intercept: nobody wants the key.
        0x4F => call.set_carry(true).map(|()| Flow::Done),
        0x53 => apm::real_mode(bios, call),
        // A device is busy or ready, SysReq, a program ends, ...: for those who hook them.
        0x80..=0x82 | 0x85 | 0x90 | 0x91 => {
            call.regs.ax.set_high(0);
            call.set_carry(false).map(|()| Flow::Done)
        }
        0x83 => event_wait(call),
        0x86 => wait(bios, call),
        0x87 => int15_memory::block_move(call),
        0x88 => int15_memory::extended_kib(bios, call),
        0x89 => int15_memory::protected_mode(call),
        0xC0 => {
            call.regs.es = SegmentRegister::real(ROM_SEGMENT);
            call.regs.bx.set_word(entry::CONFIGURATION);
            call.regs.ax.set_high(0);
            call.set_carry(false).map(|()| Flow::Done)
        }
        0xC1 => {
            let segment = call.bda_u16(bda::EBDA_POINTER)?;
            call.regs.es = SegmentRegister::real(segment);
            call.set_carry(false).map(|()| Flow::Done)
        }
        0xC2 => mouse::service(bios, call),
        0xE8 => int15_memory::map(bios, call),
        // Joystick, EISA (D8h), SpeedStep (E980h), cassette and all the rest are not there.
        _ => unsupported(call),
    }
}

/// AH=86h and CF.
pub(crate) fn unsupported(call: &mut Call<'_>) -> ServiceResult {
    call.regs.ax.set_high(UNSUPPORTED);
    call.set_carry(true)?;
    Ok(Flow::Done)
}

/// AX=2400h to 2403h: the A20 gate, by port 92h.
fn a20(call: &mut Call<'_>) -> ServiceResult {
    let port = call.in8(PORT_A);
    match call.regs.ax.low() {
        // Off: the keyboard controller's gate is the other one.
        0x00 => {
            call.out8(PORT_A, port & !0x03);
            keyboard_gate(call, false);
        }
        0x01 => call.out8(PORT_A, port & !0x01 | 0x02),
        0x02 => {
            let on = port & 0x02 != 0 || keyboard_output(call) & 0x02 != 0;
            call.regs.ax.set_low(u8::from(on));
        }
        // By the keyboard controller and by port 92h.
        0x03 => call.regs.bx.set_word(0x0003),
        _ => return unsupported(call),
    }
    call.regs.ax.set_high(0);
    call.set_carry(false)?;
    Ok(Flow::Done)
}

fn keyboard_gate(call: &mut Call<'_>, on: bool) {
    call.out8(0x64, if on { 0xDF } else { 0xDD });
}

/// The keyboard controller's output port.
fn keyboard_output(call: &mut Call<'_>) -> u8 {
    // A byte of the keyboard that waits would be taken for the answer.
    if call.in8(0x64) & 1 != 0 {
        return 0;
    }
    call.out8(0x64, 0xD0);
    call.in8(0x60)
}

/// AH=83h: sets bit 7 of ES:BX after CX:DX microseconds, by the periodic
/// interrupt of the real-time clock. AL=1 ends it.
fn event_wait(call: &mut Call<'_>) -> ServiceResult {
    let status = cmos::read(call, cmos::STATUS_B);
    match call.regs.ax.low() {
        0x00 => {
            if call.bda_u8(bda::WAIT_ACTIVE)? & 1 != 0 {
                call.regs.ax.set_high(BUSY);
                call.set_carry(true)?;
                return Ok(Flow::Done);
            }
            call.set_bda_u16(bda::WAIT_FLAG, call.regs.bx.word())?;
            call.set_bda_u16(bda::WAIT_FLAG + 2, call.regs.es.selector)?;
            call.set_bda_u32(bda::WAIT_COUNT, microseconds(call))?;
            call.set_bda_u8(bda::WAIT_ACTIVE, 1)?;
            let mask = call.in8(SECOND_PIC_MASK);
            call.out8(SECOND_PIC_MASK, mask & !0x01);
            cmos::write(call, cmos::STATUS_B, status | cmos::PERIODIC);
        }
        0x01 => {
            call.set_bda_u8(bda::WAIT_ACTIVE, 0)?;
            cmos::write(call, cmos::STATUS_B, status & !cmos::PERIODIC);
        }
        _ => return unsupported(call),
    }
    call.regs.ax.set_high(0);
    call.set_carry(false)?;
    Ok(Flow::Done)
}

fn microseconds(call: &Call<'_>) -> u32 {
    u32::from(call.regs.cx.word()) << 16 | u32::from(call.regs.dx.word())
}

/// AH=86h: returns after CX:DX microseconds.
fn wait(bios: &mut Bios, call: &mut Call<'_>) -> ServiceResult {
    let limit = VmTime(u64::from(microseconds(call)) * 1000);
    let tick = VmTime(60_000_000);
    let left = bios.time_left(call, limit);
    if left > tick {
        return Ok(Flow::Wait);
    }
    if left > VmTime(0) {
        return Ok(Flow::Spin);
    }
    bios.waiting_since = None;
    call.set_carry(false)?;
    Ok(Flow::Done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;

    #[test]
    fn what_does_not_exist_is_refused() {
        for ax in [0xD800u32, 0xE980, 0x8400, 0x0000, 0xC300, 0xFFFF] {
            let mut bench = Bench::new();
            bench.regs.ax.0 = ax;
            bench.run_with(service).unwrap();
            assert_eq!((bench.regs.ax.high(), bench.carry()), (0x86, true), "{ax:04x}");
        }
    }

    #[test]
    fn the_intercept_hands_the_key_on() {
        let mut bench = Bench::new();
        bench.regs.ax.0 = 0x4F1E;
        bench.run_with(service).unwrap();
        assert_eq!((bench.regs.ax.word(), bench.carry()), (0x4F1E, true));
    }

    #[test]
    fn a_wait_takes_its_time_and_lets_interrupts_in() {
        let mut bench = Bench::new();
        bench.regs.ax.0 = 0x8600;
        bench.regs.cx.0 = 1;
        bench.regs.dx.0 = 0x86A0;
        assert_eq!(bench.run_with(service), Ok(Flow::Wait));
        bench.host.now = VmTime(90_000_000);
        assert_eq!(bench.run_with(service), Ok(Flow::Spin));
        bench.host.now = VmTime(100_000_000);
        assert_eq!(bench.run_with(service), Ok(Flow::Done));
        assert!(!bench.carry());
    }

    #[test]
    fn the_configuration_and_the_extended_data_area_are_found() {
        let mut bench = Bench::new();
        bench.host.set_bda_u16(0x0E, 0x9FC0);
        bench.regs.ax.0 = 0xC000;
        bench.run_with(service).unwrap();
        assert_eq!((bench.regs.es.base + u32::from(bench.regs.bx.word()), bench.carry()), (0xFE6F5, false));
        bench.regs.ax.0 = 0xC100;
        bench.run_with(service).unwrap();
        assert_eq!(bench.regs.es.selector, 0x9FC0);
    }

    #[test]
    fn the_gate_of_a20_is_port_92() {
        let mut bench = Bench::new();
        bench.host.ports.insert(0x92, [0x02].into());
        bench.regs.ax.0 = 0x2402;
        bench.run_with(service).unwrap();
        assert_eq!((bench.regs.ax.word(), bench.carry()), (0x0001, false));
        bench.regs.ax.0 = 0x2400;
        bench.run_with(service).unwrap();
        assert_eq!(bench.host.written, [(0x92, 1, 0x00), (0x64, 1, 0xDD)]);
    }
}
