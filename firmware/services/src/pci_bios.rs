//! PCI BIOS 2.1: INT 1Ah AH=B1h in real and virtual-8086 mode, and the entry
//! point for 32-bit code that the BIOS32 service directory (`_32_`) leads to.

use crate::bios::Bios;
use crate::call::{Call, Flow, ServiceResult};
use crate::pci_setup::{self, PIRQ_IRQS};
use crate::rom::{Point, ROM_BASE};
use glassbox_tables::irq_routing_slots;

const SIGNATURE: u32 = 0x2049_4350; // "PCI "
const SERVICE: u32 = 0x4943_5024; // "$PCI"

// What AH is.
const UNSUPPORTED: u8 = 0x81;
const BAD_VENDOR: u8 = 0x83;
const NOT_FOUND: u8 = 0x86;
const BAD_REGISTER: u8 = 0x87;
const SET_FAILED: u8 = 0x88;
const BUFFER_TOO_SMALL: u8 = 0x89;

/// INT 1Ah AH=B1h.
pub(crate) fn real_mode(call: &mut Call<'_>) -> ServiceResult {
    function(call, false)
}

/// The same by CALL FAR from 32-bit code.
pub(crate) fn protected_mode(call: &mut Call<'_>) -> ServiceResult {
    function(call, true)
}

/// The BIOS32 service directory: where is the service that EAX names?
pub(crate) fn directory(bios: &Bios, call: &mut Call<'_>) -> ServiceResult {
    if call.regs.bx.low() != 0 {
        call.regs.ax.set_low(0x81);
    } else if call.regs.ax.0 == SERVICE {
        call.regs.ax.set_low(0);
        call.regs.bx.0 = ROM_BASE;
        call.regs.cx.0 = 0x1_0000;
        call.regs.dx.0 = bios.rom().offset(Point::PciBios32).into();
    } else {
        call.regs.ax.set_low(0x80);
    }
    Ok(Flow::Done)
}

fn function(call: &mut Call<'_>, wide: bool) -> ServiceResult {
    let bdf = call.regs.bx.word();
    let register = if wide { call.regs.di.0 } else { call.regs.di.word().into() };
    let al = call.regs.ax.low();
    let result = match al & 0x7F {
        0x01 => {
            // Configuration mechanism 1; version 2.1; bus 0 is the last.
            call.regs.ax.set_word(0x0001);
            call.regs.bx.set_word(0x0210);
            call.regs.cx.set_low(0);
            call.regs.dx.0 = SIGNATURE;
            call.set_carry(false)?;
            return Ok(Flow::Done);
        }
        0x02 => find_device(call),
        0x03 => find_class(call),
        0x08..=0x0D if register > 0xFF => Err(BAD_REGISTER),
        0x09 | 0x0C if register & 1 != 0 => Err(BAD_REGISTER),
        0x0A | 0x0D if register & 3 != 0 => Err(BAD_REGISTER),
        code @ 0x08..=0x0D => {
            access(call, code, bdf, register as u8);
            Ok(())
        }
        0x0E => return routing_options(call, wide),
        0x0F => set_interrupt(call),
        _ => Err(UNSUPPORTED),
    };
    call.regs.ax.set_high(result.err().unwrap_or(0));
    call.set_carry(result.is_err())?;
    Ok(Flow::Done)
}

/// 08h to 0Dh: reads and writes of a byte, a word and a dword.
fn access(call: &mut Call<'_>, code: u8, bdf: u16, register: u8) {
    let value = call.regs.cx;
    match code {
        0x08 => {
            let byte = pci_setup::read8(call, bdf, register);
            call.regs.cx.set_low(byte);
        }
        0x09 => {
            let word = pci_setup::read16(call, bdf, register);
            call.regs.cx.set_word(word);
        }
        0x0A => call.regs.cx.0 = pci_setup::read32(call, bdf, register),
        0x0B => pci_setup::write8(call, bdf, register, value.low()),
        0x0C => pci_setup::write16(call, bdf, register, value.word()),
        _ => pci_setup::write32(call, bdf, register, value.0),
    }
}

/// 02h: device CX of vendor DX, number SI.
fn find_device(call: &mut Call<'_>) -> Result<(), u8> {
    let (device, vendor, index) = (call.regs.cx.word(), call.regs.dx.word(), call.regs.si.word());
    if vendor == 0xFFFF {
        return Err(BAD_VENDOR);
    }
    let id = u32::from(device) << 16 | u32::from(vendor);
    find(call, index, |call, function| pci_setup::read32(call, function, 0x00) == id)
}

/// 03h: class ECX, number SI.
fn find_class(call: &mut Call<'_>) -> Result<(), u8> {
    let (class, index) = (call.regs.cx.0 & 0xFF_FFFF, call.regs.si.word());
    find(call, index, |call, function| pci_setup::read32(call, function, 0x08) >> 8 == class)
}

fn find(
    call: &mut Call<'_>,
    index: u16,
    mut wanted: impl FnMut(&mut Call<'_>, u16) -> bool,
) -> Result<(), u8> {
    let functions = pci_setup::functions(call);
    let found = functions.into_iter().filter(|&function| wanted(call, function)).nth(index.into());
    call.regs.bx.set_word(found.ok_or(NOT_FOUND)?);
    Ok(())
}

/// 0Eh: the routing table into the caller's buffer, and the interrupts that are
/// PCI's alone.
fn routing_options(call: &mut Call<'_>, wide: bool) -> ServiceResult {
    let table = irq_routing_slots(PIRQ_IRQS.iter().fold(0, |mask, irq| mask | 1 << irq));
    // ES:DI is the size of the buffer and a far pointer to it.
    let offset = if wide { call.regs.di.0 } else { call.regs.di.word().into() };
    let at = call.regs.es.base.wrapping_add(offset);
    let size = usize::from(call.read_u16(at)?);
    call.write_u16(at, table.len() as u16)?;
    let fits = size >= table.len();
    if fits {
        let buffer = if wide {
            call.regs.ds.base.wrapping_add(call.read_u32(at.wrapping_add(2))?)
        } else {
            let (offset, segment) = (call.read_u16(at.wrapping_add(2))?, call.read_u16(at.wrapping_add(4))?);
            (u32::from(segment) << 4) + u32::from(offset)
        };
        call.write(buffer, &table)?;
        call.regs.bx.set_word(PIRQ_IRQS.iter().fold(0, |mask, irq| mask | 1 << irq));
    }
    call.regs.ax.set_high(if fits { 0 } else { BUFFER_TOO_SMALL });
    call.set_carry(!fits)?;
    Ok(Flow::Done)
}

/// 0Fh: the wires are routed already; an interrupt that they lead to may be set.
fn set_interrupt(call: &mut Call<'_>) -> Result<(), u8> {
    let (irq, pin) = (call.regs.cx.high(), call.regs.cx.low());
    let device = (call.regs.bx.low()) >> 3;
    if !(0x0A..=0x0D).contains(&pin) {
        return Err(SET_FAILED);
    }
    let pirq = glassbox_tables::intx_route(device, pin - 0x0A);
    if PIRQ_IRQS[usize::from(pirq & 3)] == irq { Ok(()) } else { Err(SET_FAILED) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Frame;
    use crate::testing::Bench;

    fn call(bench: &mut Bench, ax: u32) -> Option<u8> {
        bench.regs.ax.0 = ax;
        bench.run(real_mode).unwrap();
        bench.carry().then_some(bench.regs.ax.high())
    }

    #[test]
    fn the_pci_bios_is_there() {
        let mut b = Bench::new();
        assert_eq!(call(&mut b, 0xB101), None);
        assert_eq!((b.regs.dx.0, b.regs.bx.word(), b.regs.ax.word()), (SIGNATURE, 0x0210, 1));
    }

    #[test]
    fn configuration_space_is_read_and_written_where_it_is() {
        let mut b = Bench::new();
        b.host.ports.insert(0xCFE, [0x1234].into());
        b.regs.bx.0 = 0x0009;
        b.regs.di.0 = 0x3E;
        assert_eq!(call(&mut b, 0xB109), None);
        assert_eq!((b.regs.cx.word(), b.host.written[0]), (0x1234, (0xCF8, 4, 0x8000_093C)));
        b.regs.di.0 = 0x3D;
        assert_eq!(call(&mut b, 0xB109), Some(BAD_REGISTER));
        b.regs.di.0 = 0x100;
        assert_eq!(call(&mut b, 0xB108), Some(BAD_REGISTER));
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        let mut b = Bench::new();
        b.regs.dx.0 = 0xFFFF;
        assert_eq!(call(&mut b, 0xB102), Some(BAD_VENDOR));
        b.regs.dx.0 = 0x8086;
        assert_eq!(call(&mut b, 0xB102), Some(NOT_FOUND));
        assert_eq!(call(&mut b, 0xB140), Some(UNSUPPORTED));
    }

    #[test]
    fn the_directory_leads_to_the_32_bit_entry() {
        let mut b = Bench::new();
        b.frame = Frame::Live;
        (b.regs.ax.0, b.regs.bx.0) = (SERVICE, 0);
        b.run_with(|bios, call| directory(bios, call)).unwrap();
        assert_eq!((b.regs.ax.low(), b.regs.bx.0), (0, 0xF_0000));
        b.regs.ax.0 = 0x1234_5678;
        b.regs.bx.0 = 0;
        b.run_with(|bios, call| directory(bios, call)).unwrap();
        assert_eq!(b.regs.ax.low(), 0x80);
    }

    #[test]
    fn the_routing_table_needs_room() {
        let mut b = Bench::new();
        b.regs.es = crate::registers::SegmentRegister::real(0x1000);
        b.regs.di.0 = 0;
        assert_eq!(call(&mut b, 0xB10E), Some(BUFFER_TOO_SMALL));
        let size = b.host.memory[0x1_0000];
        b.host.memory[0x1_0002..0x1_0006].copy_from_slice(&[0, 0, 0, 0x20]);
        assert_eq!(call(&mut b, 0xB10E), None);
        assert_eq!(b.regs.bx.word(), 1 << 10 | 1 << 11);
        assert_ne!(size, 0);
    }
}
