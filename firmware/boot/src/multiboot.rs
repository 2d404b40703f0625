//! Multiboot 1 (Multiboot Specification 0.6.96): kernels as ELF or with load
//! addresses in the multiboot header, entered in 32-bit protected mode with
//! EAX = 2BADB002h and EBX pointing to the boot information.

use crate::bytes::{put, u32_at};
use crate::descriptors::{Selectors, flat_entry};
use crate::elf::{Headers, Loaded};
use crate::entry::{EntryMode, EntryState, gpr};
use crate::placement::{FOUR_GIB, Placement, zero};
use crate::{BootError, BootRequest, Module};
use glassbox_memory::{Gpa, GuestMemory, PAGE_SIZE};
use glassbox_tables::{E820Entry, E820Kind};

const HEADER_MAGIC: u32 = 0x1BAD_B002;
const BOOTLOADER_MAGIC: u64 = 0x2BAD_B002;
/// The header lies wholly within this much of the file.
const SEARCH: usize = 8192;

/// Bits of the header's flags word. The lower half must be understood.
mod wants {
    pub const PAGE_ALIGN: u32 = 1 << 0;
    pub const MEMORY_INFO: u32 = 1 << 1;
    pub const VIDEO_MODE: u32 = 1 << 2;
    pub const REQUIRED: u32 = 0xFFFF;
    pub const ADDRESSES: u32 = 1 << 16;
}

/// Bits of the boot information's flags word: which fields are valid.
mod has {
    pub const MEMORY: u32 = 1 << 0;
    pub const CMDLINE: u32 = 1 << 2;
    pub const MODULES: u32 = 1 << 3;
    pub const MMAP: u32 = 1 << 6;
    pub const LOADER_NAME: u32 = 1 << 9;
}

const INFO_SIZE: usize = 116;
const MODULE_SIZE: usize = 16;
const LOADER_NAME: &[u8] = b"glassbox\0";

/// A multiboot header as found in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MultibootHeader {
    /// File offset of the magic number.
    at: usize,
    flags: u32,
    /// Where the kernel goes, for kernels that are not to be read as ELF.
    addresses: Option<Addresses>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Addresses {
    header: u32,
    load: u32,
    load_end: u32,
    bss_end: u32,
    entry: u32,
}

/// Finds the header: the first aligned magic number in the first 8 KiB whose
/// checksum holds.
pub fn find_header(image: &[u8]) -> Option<MultibootHeader> {
    let head = &image[..image.len().min(SEARCH)];
    (0..head.len()).step_by(4).find_map(|at| {
        if u32_at(head, at)? != HEADER_MAGIC {
            return None;
        }
        let flags = u32_at(head, at + 4)?;
        let sum = HEADER_MAGIC.wrapping_add(flags).wrapping_add(u32_at(head, at + 8)?);
        if sum != 0 {
            return None;
        }
        let field = |i: usize| u32_at(head, at + 12 + 4 * i);
        let addresses = match flags & wants::ADDRESSES {
            0 => None,
            _ => Some(Addresses {
                header: field(0)?,
                load: field(1)?,
                load_end: field(2)?,
                bss_end: field(3)?,
                entry: field(4)?,
            }),
        };
        Some(MultibootHeader { at, flags, addresses })
    })
}

/// Loads a multiboot kernel with its module, command line and boot information.
pub fn load(memory: &GuestMemory, request: &BootRequest<'_>) -> Result<EntryState, BootError> {
    let header = find_header(request.kernel).ok_or(BootError::NotAKernel)?;
    let known = wants::PAGE_ALIGN | wants::MEMORY_INFO | wants::VIDEO_MODE;
    let unknown = header.flags & wants::REQUIRED & !known;
    if unknown != 0 {
        return Err(BootError::MultibootFeatures(unknown));
    }
    if header.flags & wants::VIDEO_MODE != 0 {
        log::info!("the multiboot kernel would like a video mode; it is told that there is none");
    }
    let mut placement = Placement::new(request.e820);
    let loaded = match header.addresses {
        Some(addresses) => addresses.load(header.at, request.kernel, memory, &mut placement)?,
        None => load_elf(memory, request, &mut placement)?,
    };

    let info_at = placement.reserve(INFO_SIZE as u64, 16, "the boot information")?;
    let mut info = [0; INFO_SIZE];
    let mut flags = has::MEMORY | has::CMDLINE | has::MMAP | has::LOADER_NAME;
    let (lower, upper) = memory_kib(request.e820);
    put(&mut info, 4, lower.to_le_bytes());
    put(&mut info, 8, upper.to_le_bytes());

    let mut store = |bytes: &[u8], what| -> Result<u32, BootError> {
        // Placed below 4 GiB, so the address has 32 bits.
        placement.store(memory, bytes, 16, what).map(|at| at.0 as u32)
    };
    // The first word is the file's name (3.3 leaves it to the loader; all give it).
    let space = if request.name.is_empty() || request.cmdline.is_empty() { "" } else { " " };
    let cmdline = [request.name, space, request.cmdline, "\0"].concat();
    let cmdline = store(cmdline.as_bytes(), "the command line")?;
    put(&mut info, 16, cmdline.to_le_bytes());
    let mmap = memory_map(request.e820);
    put(&mut info, 44, (mmap.len() as u32).to_le_bytes());
    put(&mut info, 48, store(&mmap, "the memory map")?.to_le_bytes());
    put(&mut info, 64, store(LOADER_NAME, "the loader's name")?.to_le_bytes());
    let initrd = request.initrd.filter(|image| !image.is_empty()).map(|image| (image, ""));
    let modules = request.modules.iter().map(|&Module { image, cmdline }| (image, cmdline));
    let mut list = Vec::new();
    for (image, cmdline) in initrd.into_iter().chain(modules) {
        list.extend(store_module(memory, &mut placement, image, cmdline, loaded.end)?);
    }
    if !list.is_empty() {
        put(&mut info, 20, ((list.len() / MODULE_SIZE) as u32).to_le_bytes());
        let list = placement.store(memory, &list, 16, "the module list")?;
        put(&mut info, 24, (list.0 as u32).to_le_bytes());
        flags |= has::MODULES;
    }
    put(&mut info, 0, flags.to_le_bytes());
    memory.write_bytes(info_at, &info)?;

    let mut state =
        flat_entry(memory, &mut placement, Selectors::Usual, EntryMode::Protected32, loaded.entry)?;
    state.gprs[gpr::RAX] = BOOTLOADER_MAGIC;
    state.gprs[gpr::RBX] = info_at.0;
    log::debug!("multiboot kernel, boot information at {info_at}, entry {:#x}", loaded.entry);
    Ok(state)
}

fn load_elf(
    memory: &GuestMemory,
    request: &BootRequest<'_>,
    placement: &mut Placement,
) -> Result<Loaded, BootError> {
    if !request.kernel.starts_with(b"\x7FELF") {
        return Err(BootError::BadHeader("it is neither an ELF file nor has it load addresses"));
    }
    let headers = Headers::parse(request.kernel)?;
    let loaded = headers.load(request.kernel, memory, placement)?;
    match headers.covers(loaded.entry) {
        true => Ok(loaded),
        false => Err(BootError::EntryOutside(loaded.entry)),
    }
}

impl Addresses {
    /// Loads the one segment that the address fields describe (3.1.3).
    fn load(
        &self,
        header_at: usize,
        image: &[u8],
        memory: &GuestMemory,
        placement: &mut Placement,
    ) -> Result<Loaded, BootError> {
        const WHAT: &str = "the load segment";
        let before = self
            .header
            .checked_sub(self.load)
            .ok_or(BootError::BadHeader("multiboot load_addr lies above header_addr"))?;
        let from = header_at
            .checked_sub(before as usize)
            .ok_or(BootError::BadHeader("multiboot load_addr lies before the file"))?;
        // The header was found at `header_at`, so `from` is in the file.
        let rest = &image[from..];
        let bytes = match self.load_end {
            0 => rest,
            end => {
                let len = end
                    .checked_sub(self.load)
                    .ok_or(BootError::BadHeader("multiboot load_end_addr lies below load_addr"))?;
                rest.get(..len as usize).ok_or(BootError::Truncated {
                    what: WHAT,
                    need: from as u64 + u64::from(len),
                    have: image.len() as u64,
                })?
            }
        };
        let start = u64::from(self.load);
        let filled = bytes.len() as u64;
        let size = match self.bss_end {
            0 => filled,
            end => u64::from(end)
                .checked_sub(start)
                .filter(|&size| size >= filled)
                .ok_or(BootError::BadHeader("multiboot bss_end_addr lies below the loaded data"))?,
        };
        placement.claim(start, size, WHAT)?;
        let entry = u64::from(self.entry);
        if entry < start || entry - start >= size {
            return Err(BootError::EntryOutside(entry));
        }
        memory.write_bytes(Gpa(start), bytes)?;
        zero(memory, start + filled, size - filled)?;
        Ok(Loaded { entry, end: start + size })
    }
}

/// Stores a module on pages of its own above the kernel, where kernels expect it,
/// and returns its entry of the module list.
fn store_module(
    memory: &GuestMemory,
    placement: &mut Placement,
    image: &[u8],
    cmdline: &str,
    kernel_end: u64,
) -> Result<[u8; MODULE_SIZE], BootError> {
    let size = image.len() as u64;
    let at = placement
        .lowest(size, PAGE_SIZE, kernel_end.max(0x10_0000))
        .ok_or(BootError::InitrdTooLarge { size, below: FOUR_GIB })?;
    memory.write_bytes(Gpa(at), image)?;
    let string = placement.store(memory, &[cmdline.as_bytes(), b"\0"].concat(), 1, "a module's string")?;
    let mut entry = [0; MODULE_SIZE];
    put(&mut entry, 0, (at as u32).to_le_bytes());
    put(&mut entry, 4, ((at + size) as u32).to_le_bytes());
    put(&mut entry, 8, (string.0 as u32).to_le_bytes());
    Ok(entry)
}

/// `mem_lower` and `mem_upper` in KiB: RAM from 0, at most 640, and RAM from
/// 1 MiB to the first hole.
fn memory_kib(e820: &[E820Entry]) -> (u32, u32) {
    let ram_from = |start: u64| {
        let holds = |e: &&E820Entry| e.kind == E820Kind::Ram && (e.start.0..e.end()).contains(&start);
        e820.iter().find(holds).map_or(0, |e| (e.end() - start) / 1024)
    };
    (ram_from(0).min(640) as u32, ram_from(0x10_0000).min(u64::from(u32::MAX)) as u32)
}

/// Entries of 20 bytes, each after its size.
fn memory_map(e820: &[E820Entry]) -> Vec<u8> {
    let entries = e820.iter().flat_map(|e| [&20u32.to_le_bytes()[..], &e.to_bytes()].concat());
    entries.collect()
}
