//! INT 10h: video.

use crate::asm::Assembler;
use crate::bios::Bios;
use crate::call::{Call, Flow, GuestFault, ServiceResult};

/// Places fonts and tables into [`VIDEO_DATA`](crate::rom::VIDEO_DATA) and at
/// the fixed offsets of the 8x8 font and the parameter table.
pub(crate) fn place(_rom: &mut Assembler) {}

/// POST: sets up the adapter, its BIOS data and its interrupt vectors.
pub(crate) fn post(_bios: &mut Bios, _call: &mut Call<'_>) -> Result<(), GuestFault> {
    Ok(())
}

/// INT 10h.
pub(crate) fn service(_bios: &mut Bios, _call: &mut Call<'_>) -> ServiceResult {
    // No adapter: registers come back as they were.
    Ok(Flow::Done)
}
