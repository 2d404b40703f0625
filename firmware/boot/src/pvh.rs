//! PVH direct boot: an ELF kernel with a Xen note, entered in 32-bit protected
//! mode with EBX pointing to `hvm_start_info` (Xen, docs/misc/pvh.pandoc and
//! public/arch-x86/hvm/start_info.h).

use crate::bytes::put;
use crate::descriptors::{Selectors, flat_entry};
use crate::elf::Headers;
use crate::entry::{EntryMode, EntryState, gpr};
use crate::placement::{FOUR_GIB, Placement};
use crate::{BootError, BootRequest};
use glassbox_memory::{Gpa, GuestMemory, PAGE_SIZE};

const START_MAGIC: u32 = 0x336E_C578;
/// Version 1 has the memory map.
const START_VERSION: u32 = 1;
const START_INFO_SIZE: usize = 56;
const MODULE_SIZE: usize = 32;
const MEMMAP_ENTRY_SIZE: usize = 24;

/// Loads a PVH kernel with its module, command line and start info.
pub fn load(memory: &GuestMemory, request: &BootRequest<'_>) -> Result<EntryState, BootError> {
    let headers = Headers::parse(request.kernel)?;
    let entry = headers.pvh_entry(request.kernel)?.ok_or(BootError::ElfWithoutEntry)?;
    if !headers.covers(u64::from(entry)) {
        return Err(BootError::EntryOutside(u64::from(entry)));
    }
    let mut placement = Placement::new(request.e820);
    headers.load(request.kernel, memory, &mut placement)?;

    let start_info = placement.reserve(START_INFO_SIZE as u64, 16, "the start info")?;
    let mut info = [0; START_INFO_SIZE];
    put(&mut info, 0, START_MAGIC.to_le_bytes());
    put(&mut info, 4, START_VERSION.to_le_bytes());
    if let Some(initrd) = request.initrd.filter(|i| !i.is_empty()) {
        let modules = store_module(memory, &mut placement, initrd)?;
        put(&mut info, 12, 1u32.to_le_bytes());
        put(&mut info, 16, modules.0.to_le_bytes());
    }
    let cmdline = [request.cmdline.as_bytes(), b"\0"].concat();
    let cmdline = placement.store(memory, &cmdline, 16, "the command line")?;
    put(&mut info, 24, cmdline.0.to_le_bytes());
    put(&mut info, 32, request.rsdp.map_or(0, |a| a.0).to_le_bytes());

    let mut memmap = Vec::with_capacity(request.e820.len() * MEMMAP_ENTRY_SIZE);
    for range in request.e820 {
        memmap.extend_from_slice(&range.to_bytes());
        memmap.extend_from_slice(&[0; 4]);
    }
    let count = request.e820.len() as u32;
    let memmap = placement.store(memory, &memmap, 16, "the memory map")?;
    put(&mut info, 40, memmap.0.to_le_bytes());
    put(&mut info, 48, count.to_le_bytes());
    memory.write_bytes(start_info, &info)?;

    let mut state =
        flat_entry(memory, &mut placement, Selectors::Usual, EntryMode::Protected32, u64::from(entry))?;
    state.gprs[gpr::RBX] = start_info.0;
    log::debug!("PVH kernel, start info at {start_info}, entry {entry:#x}");
    Ok(state)
}

/// Stores the one module high and returns the address of the module list.
fn store_module(memory: &GuestMemory, placement: &mut Placement, module: &[u8]) -> Result<Gpa, BootError> {
    let size = module.len() as u64;
    let at = placement
        .highest(size, PAGE_SIZE, FOUR_GIB)
        .ok_or(BootError::InitrdTooLarge { size, below: FOUR_GIB })?;
    memory.write_bytes(Gpa(at), module)?;
    let mut entry = [0; MODULE_SIZE];
    put(&mut entry, 0, at.to_le_bytes());
    put(&mut entry, 8, size.to_le_bytes());
    placement.store(memory, &entry, 16, "the module list")
}
