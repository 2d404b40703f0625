//! Linux/x86 boot images (Documentation/arch/x86/boot.rst): the setup header,
//! placing the protected-mode kernel, and the 64-bit and 32-bit entries. The
//! real-mode setup code is run only for a video mode, by [`real_mode`].

use crate::bytes::{u8_at, u16_at, u32_at, u64_at};
use crate::descriptors::{Selectors, flat_entry};
use crate::entry::{EntryMode, EntryState, gpr};
use crate::paging::identity_map;
use crate::placement::{FOUR_GIB, Placement};
use crate::zero_page::{ZERO_PAGE_SIZE, ZeroPage};
use crate::{BootError, BootRequest, real_mode};
use glassbox_memory::{Gpa, GuestMemory, PAGE_SIZE};

const SECTOR: usize = 512;
const SETUP_HEADER: usize = 0x1F1;
const DEFAULT_LOAD: u64 = 0x10_0000;
/// The 64-bit entry point lies this far into the protected-mode kernel.
const ENTRY_64: u64 = 0x200;
const LOADED_HIGH: u8 = 1 << 0;
const XLF_KERNEL_64: u16 = 1 << 0;
/// `cmdline_size` before protocol 2.06.
const OLD_CMDLINE_SIZE: u32 = 255;
/// `initrd_addr_max` before protocol 2.03.
const OLD_INITRD_ADDR_MAX: u32 = 0x37FF_FFFF;

/// The fields of the setup header that a loader needs, with the defaults of the
/// protocol version for those that the image is too old to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct SetupHeader {
    /// File offset just past the header.
    end: usize,
    /// File offset of the protected-mode kernel.
    kernel_at: usize,
    /// Bytes of protected-mode kernel in the file.
    kernel_len: usize,
    code32_start: u32,
    initrd_addr_max: u32,
    alignment: u64,
    relocatable: bool,
    has_64_bit_entry: bool,
    cmdline_size: u32,
    pref_address: u64,
    /// Bytes that the kernel uses from its load address on before it reads the
    /// memory map.
    init_size: u64,
}

impl SetupHeader {
    fn parse(image: &[u8]) -> Result<Self, BootError> {
        let have = image.len() as u64;
        let truncated = |what, need| BootError::Truncated { what, need, have };
        let cut = || truncated("the setup header", 0x268);
        let field8 = |at| u8_at(image, at).ok_or_else(cut);
        let field16 = |at| u16_at(image, at).ok_or_else(cut);
        let field32 = |at| u32_at(image, at).ok_or_else(cut);

        let version = field16(0x206)?;
        let loadflags = field8(0x211)?;
        if version < 0x0202 || loadflags & LOADED_HIGH == 0 {
            let [minor, major] = version.to_le_bytes();
            return Err(BootError::OldProtocol { major, minor });
        }
        let end = 0x202 + usize::from(field8(0x201)?);
        if end > image.len() {
            return Err(truncated("the setup header", end as u64));
        }

        let setup_sects = match field8(SETUP_HEADER)? {
            0 => 4,
            n => usize::from(n),
        };
        let kernel_at = (setup_sects + 1) * SECTOR;
        let syssize = u64::from(field32(0x1F4)?) * 16;
        if syssize == 0 {
            return Err(BootError::BadHeader("it has no protected-mode kernel (syssize 0)"));
        }
        let available = have.saturating_sub(kernel_at as u64);
        // syssize counts 16-byte units, so the last may be incomplete.
        if available == 0 || available + 15 < syssize {
            return Err(truncated("the protected-mode kernel", kernel_at as u64 + syssize));
        }
        let kernel_len = syssize.min(available) as usize;

        let since = |v: u16| version >= v;
        let relocatable = since(0x0205) && field8(0x234)? != 0;
        let alignment = if since(0x0205) { u64::from(field32(0x230)?) } else { DEFAULT_LOAD };
        if relocatable && !alignment.is_power_of_two() {
            return Err(BootError::BadHeader("kernel_alignment is not a power of two"));
        }
        let (pref_address, init_size) = if since(0x020A) {
            (u64_at(image, 0x258).ok_or_else(cut)?, u64::from(field32(0x260)?))
        } else {
            // Nothing says what decompression needs: four times the image is
            // more than any kernel of that age took.
            (DEFAULT_LOAD, kernel_len as u64 * 4)
        };
        Ok(Self {
            end,
            kernel_at,
            kernel_len,
            code32_start: field32(0x214)?,
            initrd_addr_max: if since(0x0203) { field32(0x22C)? } else { OLD_INITRD_ADDR_MAX },
            alignment,
            relocatable,
            has_64_bit_entry: since(0x020C) && field16(0x236)? & XLF_KERNEL_64 != 0,
            cmdline_size: if since(0x0206) { field32(0x238)? } else { OLD_CMDLINE_SIZE },
            pref_address,
            init_size: init_size.max(kernel_len as u64),
        })
    }

    /// Takes the memory that the kernel runs in until it knows its own way: at
    /// its preferred address, where it need not move itself, or else, if it is
    /// relocatable, at the lowest one above that is aligned as it asks. Below it
    /// no kernel runs: it would move itself up, whether there is RAM or not.
    fn place(&self, placement: &mut Placement) -> Result<u64, BootError> {
        let need = self.init_size;
        let too_small = BootError::MemoryTooSmall { what: "the kernel", need };
        let preferred = if self.relocatable {
            self.pref_address.max(DEFAULT_LOAD).checked_next_multiple_of(self.alignment)
        } else {
            Some(self.pref_address)
        };
        let below_4g = |at: &u64| at.checked_add(need).is_some_and(|end| end <= FOUR_GIB);
        if let Some(at) = preferred.filter(below_4g).filter(|&at| placement.is_free(at, need)) {
            placement.claim(at, need, "the protected-mode part")?;
            return Ok(at);
        }
        if self.relocatable {
            let from = self.pref_address.max(DEFAULT_LOAD);
            return placement.lowest(need, self.alignment, from).ok_or(too_small);
        }
        Err(too_small)
    }
}

/// Loads a bzImage, its command line, its initrd and the zero page.
pub fn load(memory: &GuestMemory, request: &BootRequest<'_>) -> Result<EntryState, BootError> {
    let image = request.kernel;
    let header = SetupHeader::parse(image)?;
    let cmdline = request.cmdline.as_bytes();
    if cmdline.len() as u64 > u64::from(header.cmdline_size) {
        let limit = header.cmdline_size as usize;
        return Err(BootError::CommandLineTooLong { len: cmdline.len(), limit });
    }

    let mut placement = Placement::new(request.e820);
    let kernel = header.place(&mut placement)?;
    let bytes = &image[header.kernel_at..header.kernel_at + header.kernel_len];
    memory.write_bytes(Gpa(kernel), bytes)?;

    let initrd = match request.initrd.filter(|i| !i.is_empty()) {
        Some(initrd) => place_initrd(memory, &mut placement, initrd, header.initrd_addr_max)?,
        None => (0, 0),
    };

    if let Some(video_mode) = real_mode::video_mode(request.cmdline).filter(|_| request.text_screen) {
        let code = &image[..header.kernel_at];
        let setup = real_mode::Setup { code, kernel: kernel as u32, cmdline, initrd, video_mode };
        return setup.load(memory, &mut placement);
    }

    // In this order, so that the addresses do not depend on the mode.
    let zero_page = placement.reserve(ZERO_PAGE_SIZE as u64, PAGE_SIZE, "the zero page")?;
    let cr3 = match header.has_64_bit_entry {
        true => Some(identity_map(memory, &mut placement)?),
        false => None,
    };
    let mode = cr3.map_or(EntryMode::Protected32, |cr3| EntryMode::Long { cr3 });
    let entry = if header.has_64_bit_entry {
        kernel + ENTRY_64
    } else if bytes.len() as u64 > u64::from(header.code32_start).wrapping_sub(kernel) {
        u64::from(header.code32_start)
    } else {
        kernel
    };
    if entry - kernel >= bytes.len() as u64 {
        return Err(BootError::EntryOutside(entry));
    }
    let mut state = flat_entry(memory, &mut placement, Selectors::Linux, mode, entry)?;
    let cmdline = placement.store(memory, &[cmdline, b"\0"].concat(), 16, "the command line")?;

    let page = ZeroPage {
        setup_header: &image[SETUP_HEADER..header.end],
        kernel: kernel as u32,
        cmdline: cmdline.0 as u32,
        initrd,
        rsdp: request.rsdp,
        e820: request.e820,
        text_screen: request.text_screen,
    };
    memory.write_bytes(zero_page, &page.to_bytes()?)?;
    state.gprs[gpr::RSI] = zero_page.0;
    log::debug!("Linux at {kernel:#x}, zero page at {zero_page}, entry {entry:#x} in {mode:?}");
    Ok(state)
}

/// Puts the initrd as high as the kernel can reach it.
fn place_initrd(
    memory: &GuestMemory,
    placement: &mut Placement,
    initrd: &[u8],
    addr_max: u32,
) -> Result<(u32, u32), BootError> {
    let (size, below) = (initrd.len() as u64, u64::from(addr_max) + 1);
    let at = placement.highest(size, PAGE_SIZE, below).ok_or(BootError::InitrdTooLarge { size, below })?;
    memory.write_bytes(Gpa(at), initrd)?;
    Ok((at as u32, size as u32))
}
