//! The state that AH=1Ch and VBE 4F04h save: registers, data area, colours, DISPI.

use crate::call::{Call, GuestFault};

use super::data::{bda, port, register, set_register};
use super::palette;
use super::palettes::Color;
use super::vbe::dispi;

/// Parts, as bits of CX.
const REGISTERS: u16 = 1;
const DATA: u16 = 2;
const COLORS: u16 = 4;
const DISPI: u16 = 8;

const SEQUENCER: usize = 5;
const CRTC: usize = 25;
const ATTRIBUTE: usize = 21;
const GRAPHICS: usize = 9;
/// Index registers of the four, then miscellaneous output, feature control, attribute index.
const OTHERS: usize = 8;
/// Data area 49h to 66h, 84h to 8Ah, A8h to ABh, our VBE mode, vectors 1Fh and 43h.
const DATA_PARTS: [(u32, usize); 6] =
    [(0x449, 0x1e), (0x484, 7), (0x4a8, 4), (0x400 + bda::VBE_MODE as u32, 2), (4 * 0x1f, 4), (4 * 0x43, 4)];
/// Mask, index and all entries.
const COLOR_BYTES: usize = 2 + 3 * 256;

/// Bytes of the parts.
pub(super) fn size(parts: u16) -> usize {
    let data: usize = DATA_PARTS.iter().map(|(_, len)| len).sum();
    [
        (REGISTERS, OTHERS + SEQUENCER + CRTC + ATTRIBUTE + GRAPHICS),
        (DATA, data),
        (COLORS, COLOR_BYTES),
        (DISPI, 2 * dispi::SAVED.len()),
    ]
    .into_iter()
    .filter(|(part, _)| parts & part != 0)
    .map(|(_, len)| len)
    .sum()
}

fn crtc_port(call: &mut Call<'_>) -> u16 {
    if call.in8(port::MISC_READ) & 1 == 0 { port::CRTC_MONO } else { port::CRTC_COLOR }
}

/// The parts, one after the other.
pub(super) fn save(call: &mut Call<'_>, parts: u16) -> Result<Vec<u8>, GuestFault> {
    let mut bytes = Vec::with_capacity(size(parts));
    if parts & REGISTERS != 0 {
        save_registers(call, &mut bytes);
    }
    if parts & DATA != 0 {
        for (at, len) in DATA_PARTS {
            let mut part = vec![0; len];
            call.read(at, &mut part)?;
            bytes.extend(part);
        }
    }
    if parts & COLORS != 0 {
        let (mask, index) = (call.in8(port::DAC_MASK), call.in8(port::DAC_WRITE));
        bytes.extend([mask, index]);
        bytes.extend(palette::colors(call, 0, 256).concat());
        call.out8(port::DAC_WRITE, index);
    }
    if parts & DISPI != 0 {
        for index in dispi::SAVED {
            bytes.extend(dispi::read(call, index).to_le_bytes());
        }
    }
    Ok(bytes)
}

fn save_registers(call: &mut Call<'_>, bytes: &mut Vec<u8>) {
    let crtc = crtc_port(call);
    let indices = [port::SEQUENCER, crtc, port::GRAPHICS].map(|port| call.in8(port));
    let (misc, feature) = (call.in8(port::MISC_READ), call.in8(port::FEATURE_READ));
    call.in8(crtc + 6);
    let attribute = call.in8(port::ATTRIBUTE);
    bytes.extend([indices[0], indices[1], indices[2], attribute, misc, feature, 0, 0]);
    bytes.extend((0..SEQUENCER as u8).map(|index| register(call, port::SEQUENCER, index)));
    bytes.extend((0..CRTC as u8).map(|index| register(call, crtc, index)));
    for index in 0..ATTRIBUTE as u8 {
        call.in8(crtc + 6);
        call.out8(port::ATTRIBUTE, index | attribute & 0x20);
        bytes.push(call.in8(port::ATTRIBUTE_READ));
    }
    call.in8(crtc + 6);
    call.out8(port::ATTRIBUTE, attribute);
    call.in8(crtc + 6);
    bytes.extend((0..GRAPHICS as u8).map(|index| register(call, port::GRAPHICS, index)));
    for (port, index) in [port::SEQUENCER, crtc, port::GRAPHICS].into_iter().zip(indices) {
        call.out8(port, index);
    }
}

/// Sets the parts to what [`save`] found, from linear address `at`.
pub(super) fn restore(call: &mut Call<'_>, parts: u16, at: u32) -> Result<(), GuestFault> {
    let mut bytes = vec![0; size(parts)];
    call.read(at, &mut bytes)?;
    let mut rest = bytes.as_slice();
    let mut take = |len: usize| {
        let (part, others) = rest.split_at(len.min(rest.len()));
        rest = others;
        part
    };
    let registers = (parts & REGISTERS != 0).then(|| take(OTHERS + SEQUENCER + CRTC + ATTRIBUTE + GRAPHICS));
    if parts & DATA != 0 {
        for (at, len) in DATA_PARTS {
            call.write(at, take(len))?;
        }
    }
    if parts & COLORS != 0 {
        let part = take(COLOR_BYTES);
        let colors: &[Color] = part[2..].as_chunks().0;
        palette::load(call, 0, colors, false);
        call.out8(port::DAC_MASK, part[0]);
        call.out8(port::DAC_WRITE, part[1]);
    }
    if parts & DISPI != 0 {
        let values = take(2 * dispi::SAVED.len()).as_chunks().0;
        dispi::restore(call, values.iter().map(|value| u16::from_le_bytes(*value)));
    }
    // The VGA's registers come last: DISPI changes some of them when it is enabled.
    if let Some(registers) = registers {
        restore_registers(call, registers);
    }
    Ok(())
}

fn restore_registers(call: &mut Call<'_>, bytes: &[u8]) {
    let (others, bytes) = bytes.split_at(OTHERS);
    let (sequencer, bytes) = bytes.split_at(SEQUENCER);
    let (crtc_values, bytes) = bytes.split_at(CRTC);
    let (attribute, graphics) = bytes.split_at(ATTRIBUTE);
    let misc = others[4];
    let crtc = if misc & 1 == 0 { port::CRTC_MONO } else { port::CRTC_COLOR };
    let part = |values: &[u8]| -> Vec<(u8, u8)> { (0..).zip(values.iter().copied()).collect() };
    call.out8(port::MISC, misc);
    for (index, value) in part(sequencer) {
        set_register(call, port::SEQUENCER, index, value);
    }
    set_register(call, crtc, 0x11, 0);
    for (index, value) in part(crtc_values) {
        set_register(call, crtc, index, value);
    }
    for (index, value) in part(graphics) {
        set_register(call, port::GRAPHICS, index, value);
    }
    call.in8(crtc + 6);
    for (index, value) in part(attribute) {
        call.out8(port::ATTRIBUTE, index);
        call.out8(port::ATTRIBUTE, value);
    }
    call.out8(port::ATTRIBUTE, others[3]);
    call.in8(crtc + 6);
    call.out8(crtc + 6, others[5]);
    for (port, index) in [port::SEQUENCER, crtc, port::GRAPHICS].into_iter().zip(others) {
        call.out8(port, *index);
    }
}
