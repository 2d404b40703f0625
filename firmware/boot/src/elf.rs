//! ELF kernels: the headers through goblin, the segments into guest memory.

use crate::BootError;
use crate::bytes::{array, u32_at, u64_at};
use crate::placement::{FOUR_GIB, Placement, zero};
use glassbox_memory::{Gpa, GuestMemory};
use goblin::container::Ctx;
use goblin::elf::header::{EM_386, EM_X86_64};
use goblin::elf::program_header::{PT_LOAD, PT_NOTE, ProgramHeader};
use goblin::elf::{Elf, Header};

/// `XEN_ELFNOTE_PHYS32_ENTRY`: the 32-bit physical entry point of PVH.
const NOTE_PHYS32_ENTRY: u32 = 18;
/// More program headers than any kernel has: bounds the work on a hostile file.
const MAX_PROGRAM_HEADERS: usize = 256;
/// As much of a note segment is searched.
const MAX_NOTE_BYTES: usize = 64 << 10;

/// The parsed file and program headers of an x86 ELF file.
#[derive(Debug)]
pub struct Headers {
    entry: u64,
    segments: Vec<ProgramHeader>,
}

/// Where an ELF kernel came to lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// Physical address of the ELF entry point.
    pub entry: u64,
    /// Just past the last byte of the highest segment.
    pub end: u64,
}

impl Headers {
    /// Reads the headers.
    ///
    /// # Errors
    /// [`BootError::BadElf`] and [`BootError::BadHeader`] for damaged or
    /// excessive headers, [`BootError::Foreign`] for another processor.
    pub fn parse(image: &[u8]) -> Result<Self, BootError> {
        let header: Header = Elf::parse_header(image)?;
        if !matches!(header.e_machine, EM_386 | EM_X86_64) {
            return Err(BootError::Foreign("an ELF file for another processor"));
        }
        let ctx = Ctx::new(header.container()?, header.endianness()?);
        let at = usize::try_from(header.e_phoff)
            .map_err(|_| BootError::BadHeader("e_phoff is beyond the file"))?;
        let count = usize::from(header.e_phnum);
        if count > MAX_PROGRAM_HEADERS {
            return Err(BootError::BadHeader("it has more than 256 program headers"));
        }
        if count != 0 && usize::from(header.e_phentsize) != ProgramHeader::size(ctx) {
            return Err(BootError::BadHeader("e_phentsize is not the size of a program header"));
        }
        let segments = if count == 0 { Vec::new() } else { ProgramHeader::parse(image, at, count, ctx)? };
        Ok(Self { entry: header.e_entry, segments })
    }

    /// The entry point in the PVH note, if the file has one.
    ///
    /// # Errors
    /// [`BootError::BadHeader`] for a note whose value is no 32-bit address.
    pub fn pvh_entry(&self, image: &[u8]) -> Result<Option<u32>, BootError> {
        for segment in self.segments.iter().filter(|s| s.p_type == PT_NOTE) {
            let Some(notes) = file_bytes(image, segment) else { continue };
            let notes = &notes[..notes.len().min(MAX_NOTE_BYTES)];
            // Notes are padded to 8 bytes where the segment says so.
            let align = if segment.p_align == 8 { 8 } else { 4 };
            if let Some(value) = find_xen_note(notes, align, NOTE_PHYS32_ENTRY) {
                let entry = match value.len() {
                    4 => u32_at(value, 0).map(u64::from),
                    _ => u64_at(value, 0),
                };
                let entry = entry.and_then(|e| u32::try_from(e).ok());
                return entry.map(Some).ok_or(BootError::BadHeader("the PVH entry is not below 4 GiB"));
            }
        }
        Ok(None)
    }

    /// Loads every segment at its physical address and zeroes what the file
    /// does not give.
    ///
    /// # Errors
    /// [`BootError::Truncated`], [`BootError::OutsideRam`],
    /// [`BootError::Overlap`], or [`BootError::BadHeader`] where there is
    /// nothing to load or a segment is smaller in memory than in the file.
    pub fn load(
        &self,
        image: &[u8],
        memory: &GuestMemory,
        placement: &mut Placement,
    ) -> Result<Loaded, BootError> {
        const WHAT: &str = "a segment";
        let mut end = 0;
        // All are checked before the first is written.
        let mut writes = Vec::new();
        for s in self.segments.iter().filter(|s| s.p_type == PT_LOAD && s.p_memsz != 0) {
            if s.p_memsz < s.p_filesz {
                return Err(BootError::BadHeader("a segment is larger in the file than in memory"));
            }
            let bytes = file_bytes(image, s).ok_or(BootError::Truncated {
                what: WHAT,
                need: s.p_offset.saturating_add(s.p_filesz),
                have: image.len() as u64,
            })?;
            placement.claim(s.p_paddr, s.p_memsz, WHAT)?;
            let segment_end = s.p_paddr + s.p_memsz;
            if segment_end > FOUR_GIB {
                return Err(BootError::OutsideRam { what: WHAT, start: s.p_paddr, len: s.p_memsz });
            }
            end = segment_end.max(end);
            writes.push((s.p_paddr, bytes, s.p_memsz));
        }
        if writes.is_empty() {
            return Err(BootError::BadHeader("it has no segment to load"));
        }
        for (start, bytes, memory_size) in writes {
            memory.write_bytes(Gpa(start), bytes)?;
            let filled = bytes.len() as u64;
            zero(memory, start + filled, memory_size - filled)?;
        }
        Ok(Loaded { entry: self.physical(self.entry), end })
    }

    /// Whether a loaded segment covers this physical address.
    pub fn covers(&self, address: u64) -> bool {
        let loads = self.segments.iter().filter(|s| s.p_type == PT_LOAD);
        loads.into_iter().any(|s| address >= s.p_paddr && address - s.p_paddr < s.p_memsz)
    }

    /// Kernels that are linked high give a virtual entry point; paging is off
    /// when they are entered.
    fn physical(&self, address: u64) -> u64 {
        let loads = self.segments.iter().filter(|s| s.p_type == PT_LOAD);
        loads
            .into_iter()
            .find(|s| address >= s.p_vaddr && address - s.p_vaddr < s.p_memsz)
            .map_or(address, |s| (address - s.p_vaddr).wrapping_add(s.p_paddr))
    }
}

fn file_bytes<'a>(image: &'a [u8], segment: &ProgramHeader) -> Option<&'a [u8]> {
    let start = usize::try_from(segment.p_offset).ok()?;
    let len = usize::try_from(segment.p_filesz).ok()?;
    image.get(start..start.checked_add(len)?)
}

/// The value of the first note of this type by "Xen".
fn find_xen_note(mut notes: &[u8], align: usize, wanted: u32) -> Option<&[u8]> {
    loop {
        let name_len = u32_at(notes, 0)? as usize;
        let value_len = u32_at(notes, 4)? as usize;
        let kind = u32_at(notes, 8)?;
        let name_end = 12usize.checked_add(name_len)?;
        let value_at = name_end.checked_next_multiple_of(align)?;
        let value_end = value_at.checked_add(value_len)?;
        let value = notes.get(value_at..value_end)?;
        if kind == wanted && name_len == 4 && array(notes, 12) == Some(*b"Xen\0") {
            return Some(value);
        }
        notes = notes.get(value_end.checked_next_multiple_of(align)?..)?;
    }
}
