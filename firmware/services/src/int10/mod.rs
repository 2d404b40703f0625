//! INT 10h: video.
//!
//! | file | what it is |
//! | --- | --- |
//! | `mode_set`, `parameters`, `palettes` | modes, the registers and colours they have |
//! | `cursor`, `text`, `graphics`, `beep` | characters and pixels |
//! | `characters` | fonts (AH=11h) |
//! | `palette` | colours (AH=0Bh, 10h) |
//! | `select`, `state` | AH=12h, 1Ah to 1Ch |
//! | `vbe/` | AH=4Fh |
//! | `tables` | what is in the ROM |
//! | `data` | the data area in segment 40h |
//!
//! Everything goes through the VGA's ports and the memory at A0000h, as a BIOS that ran
//! in the guest would do it; only bits of the data area say what mode it is.
//!
//! Sources: IBM PS/2 and PC BIOS Interface Technical Reference, "INT 10h"; Ralf Brown's
//! interrupt list.

mod beep;
mod characters;
mod cursor;
mod data;
mod graphics;
mod mode_set;
mod palette;
mod palettes;
mod parameters;
mod select;
mod state;
mod tables;
#[cfg(test)]
mod tests;
mod text;
mod vbe;

use crate::asm::Assembler;
use crate::bios::Bios;
use crate::call::{Call, Flow, GuestFault, ServiceResult};
use crate::rom::{ROM_SEGMENT, entry};
use data::{bda, port};
use glassbox_device_api::VmTime;

/// PCI configuration mechanism 1.
const PCI_ADDRESS: u16 = 0xcf8;
const PCI_DATA: u16 = 0xcfc;
/// Vendor and device of the adapter.
const ADAPTER: u32 = 0x1111_1234;

/// What the video BIOS knows besides what is in the guest's memory.
#[derive(Debug, Default)]
pub(crate) struct Video {
    /// There is an adapter.
    present: bool,
    /// Its slot on PCI bus 0.
    slot: Option<u8>,
    /// The monitor's EDID.
    pub(crate) edid: Option<[u8; 128]>,
    /// The bell rings until then.
    beep_until: Option<VmTime>,
}

impl Video {
    /// The framebuffer's physical address; 0 where it is not mapped.
    fn framebuffer(&self, call: &mut Call<'_>) -> u32 {
        self.slot.map_or(0, |slot| pci_read(call, slot, 0x10) & !0xf)
    }
}

/// Reads configuration space, and leaves the address as it was.
fn pci_read(call: &mut Call<'_>, slot: u8, register: u8) -> u32 {
    let address = call.in32(PCI_ADDRESS);
    call.out32(PCI_ADDRESS, 1 << 31 | u32::from(slot) << 11 | u32::from(register));
    let value = call.in32(PCI_DATA);
    call.out32(PCI_ADDRESS, address);
    value
}

/// Places fonts and tables into [`VIDEO_DATA`](crate::rom::VIDEO_DATA) and at
/// the fixed offsets of the 8x8 font and the parameter table.
pub(crate) fn place(rom: &mut Assembler) {
    tables::place(rom);
}

/// POST: sets up the adapter, its BIOS data and its interrupt vectors.
pub(crate) fn post(bios: &mut Bios, call: &mut Call<'_>) -> Result<(), GuestFault> {
    let video = &mut bios.video;
    video.beep_until = None;
    // An index register holds what was written, where there is one.
    call.out8(port::SEQUENCER, 2);
    video.present = call.in8(port::SEQUENCER) == 2;
    video.slot = (0..32).find(|slot| pci_read(call, *slot, 0) == ADAPTER);
    mode_set::set_vector(call, 0x1d, entry::VIDEO_TABLE)?;
    mode_set::set_vector(call, 0x1f, tables::FONT_8_HIGH)?;
    mode_set::set_vector(call, 0x43, tables::FONT_16)?;
    if !bios.video.present {
        return Ok(());
    }
    for vector in [0x10, 0x42, 0x6d] {
        mode_set::set_vector(call, vector, entry::INT10)?;
    }
    call.set_bda_u8(bda::CONTROL, 0x60)?;
    call.set_bda_u8(bda::SWITCHES, 0xf9)?;
    // A VGA, with 400 lines of text.
    call.set_bda_u8(bda::OPTIONS, 0x11)?;
    call.set_bda_u8(bda::COMBINATION, tables::COLOR_VGA)?;
    let pointer = u32::from(ROM_SEGMENT) << 16 | u32::from(tables::SAVE_POINTERS);
    call.set_bda_u32(bda::SAVE_POINTER, pointer)?;
    mode_set::set_mode(call, 3).map(|_| ())
}

/// INT 10h.
pub(crate) fn service(bios: &mut Bios, call: &mut Call<'_>) -> ServiceResult {
    let video = &mut bios.video;
    if !video.present {
        // No adapter: registers come back as they were.
        return Ok(Flow::Done);
    }
    match call.regs.ax.high() {
        0x00 => set_mode(call),
        0x01 => cursor::set_shape(call),
        0x02 => cursor::set_position(call),
        0x03 => cursor::position(call),
        0x04 => {
            // There is no light pen.
            call.regs.ax.set_high(0);
            Ok(Flow::Done)
        }
        0x05 => cursor::set_page(call),
        0x06 => text::scroll_window(call, false),
        0x07 => text::scroll_window(call, true),
        0x08 => text::read(call),
        0x09 => text::write(call, true),
        0x0a => text::write(call, false),
        0x0b => palette::cga(call),
        0x0c => graphics::write_pixel(call),
        0x0d => graphics::read_pixel(call),
        0x0e => text::teletype(video, call),
        0x0f => mode(call),
        0x10 => palette::service(call),
        0x11 => characters::service(call),
        0x12 => select::alternate(call),
        0x13 => text::write_string(call),
        0x1a => select::combination(call),
        0x1b => select::functionality(call),
        0x1c => select::save_restore(call),
        0x4f => vbe::service(video, call),
        _ => Ok(Flow::Done),
    }
}

/// AH=00h. AL comes back as BIOSes of the time leave it: 20h, 3Fh for mode 6, 30h for
/// text and CGA modes.
fn set_mode(call: &mut Call<'_>) -> ServiceResult {
    let number = call.regs.ax.low();
    mode_set::set_mode(call, number)?;
    call.regs.ax.set_low(match number & 0x7f {
        0..=5 | 7 => 0x30,
        6 => 0x3f,
        _ => 0x20,
    });
    Ok(Flow::Done)
}

/// AH=0Fh: mode in AL, columns in AH, page in BH.
fn mode(call: &mut Call<'_>) -> ServiceResult {
    let mode = call.bda_u8(bda::MODE)? & 0x7f;
    let kept = call.bda_u8(bda::CONTROL)? & 0x80;
    let columns = call.bda_u16(bda::COLUMNS)?;
    let page = call.bda_u8(bda::ACTIVE_PAGE)?;
    call.regs.ax.set_word(columns << 8 | u16::from(mode | kept));
    call.regs.bx.set_high(page);
    Ok(Flow::Done)
}
