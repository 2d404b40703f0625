//! VBE 4F00h and 4F01h: what the adapter and a mode are.

use crate::call::{Call, GuestFault};
use crate::rom::ROM_SEGMENT;

use super::super::{Video, tables};
use super::dispi;
use super::modes::{MODES, VbeMode};

/// Offset of the list of modes in the information block: its reserved bytes.
const MODE_LIST: u16 = 34;
/// Bytes of the block for callers of VBE 1, and for those that asked for more.
const SHORT: usize = 256;
const LONG: usize = 512;
/// The DAC can have 8 bits.
const CAPABILITIES: u32 = 1;
const VERSION: u16 = 0x0300;
/// Hz; more than any mode here needs.
const MAX_PIXEL_CLOCK: u32 = 300_000_000;

/// A structure that is filled at offsets of the specification.
struct Block {
    bytes: Vec<u8>,
}

impl Block {
    fn put(&mut self, at: u16, bytes: &[u8]) {
        let at = usize::from(at);
        if let Some(place) = self.bytes.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    }

    fn word(&mut self, at: u16, value: u16) {
        self.put(at, &value.to_le_bytes());
    }

    fn dword(&mut self, at: u16, value: u32) {
        self.put(at, &value.to_le_bytes());
    }

    fn rom_pointer(&mut self, at: u16, offset: u16) {
        self.word(at, offset);
        self.word(at + 2, ROM_SEGMENT);
    }
}

/// Bytes of video memory.
fn memory(call: &mut Call<'_>) -> u32 {
    u32::from(dispi::read(call, dispi::index::MEMORY_64K)) << 16
}

/// Whether the mode's picture fits into video memory.
pub(super) fn is_available(call: &mut Call<'_>, mode: &VbeMode) -> bool {
    mode.bytes() <= memory(call)
}

/// 4F00h: the controller's information block at ES:DI.
pub(super) fn controller(call: &mut Call<'_>) -> Result<(), GuestFault> {
    let (segment, offset) = (call.regs.es, call.regs.di.word());
    let to = call.linear(segment, offset);
    let mut signature = [0; 4];
    call.read(to, &mut signature)?;
    let len = if &signature == b"VBE2" { LONG } else { SHORT };
    let memory = memory(call);
    let mut block = Block { bytes: vec![0; len] };
    block.put(0, b"VESA");
    block.word(4, VERSION);
    block.rom_pointer(6, tables::OEM_STRING);
    block.dword(10, CAPABILITIES);
    block.word(14, offset.wrapping_add(MODE_LIST));
    block.word(16, segment.selector);
    block.word(18, (memory >> 16) as u16);
    block.word(20, 1);
    block.rom_pointer(22, tables::OEM_VENDOR);
    block.rom_pointer(26, tables::OEM_PRODUCT);
    block.rom_pointer(30, tables::OEM_REVISION);
    let fitting = MODES.iter().filter(|mode| mode.bytes() <= memory).map(|mode| mode.number);
    for (at, number) in (MODE_LIST..).step_by(2).zip(fitting.chain([u16::MAX])) {
        block.word(at, number);
    }
    call.write(to, &block.bytes)
}

/// 4F01h: the information block of mode CX at ES:DI. False where there is no such mode.
pub(super) fn mode(video: &Video, call: &mut Call<'_>) -> Result<bool, GuestFault> {
    let to = call.linear(call.regs.es, call.regs.di.word());
    let Some(mode) = VbeMode::find(call.regs.cx.word() & 0x3fff) else { return Ok(false) };
    let memory = memory(call);
    if mode.bytes() > memory {
        return Ok(false);
    }
    let framebuffer = video.framebuffer(call);
    let block = mode_block(mode, memory, framebuffer);
    call.write(to, &block)?;
    Ok(true)
}

/// The block of a mode; `framebuffer` is its physical address, 0 where it is not mapped.
fn mode_block(mode: &VbeMode, memory: u32, framebuffer: u32) -> Vec<u8> {
    let (_, _, cell_height) = mode.text();
    let packed = mode.bits > 4;
    let linear = packed && framebuffer != 0;
    let text = mode.bits == 0;
    let stride = if text { 2 * mode.width } else { dispi::bytes(mode.width.into(), mode.bits.into()) as u16 };
    let pages = if text { 1 } else { (memory / mode.bytes().max(1)).clamp(1, 256) - 1 } as u8;
    let model = match mode.bits {
        0 => 0,
        4 => 3,
        8 => 4,
        _ => 6,
    };
    let mut block = Block { bytes: vec![0; SHORT] };
    // Supported, with information, text output, colour; graphics; linear.
    let attributes = 0x0f | if text { 0 } else { 0x10 } | if linear { 0x80 } else { 0 };
    block.word(0, attributes);
    // Window A is relocatable, readable, writable; 64 KiB in steps of 64 KiB.
    block.put(2, &[7, 0]);
    block.word(4, 64);
    block.word(6, 64);
    block.word(8, if text { 0xb800 } else { 0xa000 });
    block.rom_pointer(12, tables::WINDOW_FUNCTION);
    block.word(16, stride);
    block.word(18, mode.width);
    block.word(20, mode.height);
    let planes = if mode.bits == 4 { 4 } else { 1 };
    let bits = if text { 4 } else { mode.bits };
    block.put(22, &[8, cell_height, planes, bits, 1, model, 0, pages, 1]);
    let masks = mode.masks();
    block.put(31, &masks);
    // The bits that are left over in 32 can be used.
    block.put(39, &[if matches!(mode.bits, 15 | 32) { 2 } else { 0 }]);
    if linear {
        block.dword(40, framebuffer);
        block.word(50, stride);
        block.put(52, &[pages, pages]);
        block.put(54, &masks);
        block.dword(62, MAX_PIXEL_CLOCK);
    }
    block.bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(block: &[u8], at: usize) -> u16 {
        u16::from_le_bytes([block[at], block[at + 1]])
    }

    #[test]
    fn a_mode_tells_geometry_colours_and_framebuffer() {
        let block = mode_block(VbeMode::find(0x144).unwrap(), 16 << 20, 0xfd00_0000);
        assert_eq!(word(&block, 0), 0x9f);
        assert_eq!((word(&block, 16), word(&block, 18), word(&block, 20)), (4096, 1024, 768));
        assert_eq!(block[22..31], [8, 16, 1, 32, 1, 6, 0, 4, 1]);
        assert_eq!(block[31..39], [8, 16, 8, 8, 8, 0, 8, 24]);
        assert_eq!(block[40..44], [0, 0, 0, 0xfd]);
        assert_eq!(word(&block, 50), 4096);
    }

    #[test]
    fn planes_and_text_have_no_linear_framebuffer() {
        let planar = mode_block(VbeMode::find(0x102).unwrap(), 16 << 20, 0xfd00_0000);
        assert_eq!((word(&planar, 0), word(&planar, 16), planar[24], planar[27]), (0x1f, 100, 4, 3));
        assert_eq!(planar[40..44], [0; 4]);
        let text = mode_block(VbeMode::find(0x109).unwrap(), 16 << 20, 0xfd00_0000);
        assert_eq!((word(&text, 0), word(&text, 8), word(&text, 16)), (0x0f, 0xb800, 264));
        let unmapped = mode_block(VbeMode::find(0x101).unwrap(), 16 << 20, 0);
        assert_eq!(word(&unmapped, 0), 0x1f);
    }
}
