//! The 16-bit entry of Linux/x86 boot images (Documentation/arch/x86/boot.rst, "The
//! kernel command line", "Running the kernel"): the kernel's own setup code runs and
//! asks the BIOS.
//!
//! It is taken where `vga=` is on the command line and there is a BIOS with a screen:
//! which modes these numbers mean, and how they are set, only the setup code knows.

use crate::BootError;
use crate::bytes::put;
use crate::entry::{EntryMode, EntryState, SegmentKind, SegmentState, TableRegister, gpr};
use crate::placement::Placement;
use glassbox_memory::{Gpa, GuestMemory};

/// Where the setup code lies, 64 KiB for it, its heap and its stack; the protocol's
/// example. The command line is behind the heap.
const SETUP: u64 = 0x1_0000;
const HEAP_END: u16 = 0xE000;
/// Setup code, and what it keeps uninitialised, has to leave this much for heap and stack.
const HEAP: usize = 0x2000;
/// The code segment begins behind the boot sector.
const BOOT_SECTOR: u64 = 0x200;

const VID_MODE: usize = 0x1FA;
const TYPE_OF_LOADER: usize = 0x210;
const LOADFLAGS: usize = 0x211;
const CODE32_START: usize = 0x214;
const RAMDISK_IMAGE: usize = 0x218;
const RAMDISK_SIZE: usize = 0x21C;
const HEAP_END_PTR: usize = 0x224;
const CMD_LINE_PTR: usize = 0x228;
const LOADER_UNDEFINED: u8 = 0xFF;
const CAN_USE_HEAP: u8 = 1 << 7;

/// IDTR as after reset: the interrupt vectors.
const VECTORS: TableRegister = TableRegister { base: 0, limit: 0x3FF };
const CR0_ET: u64 = 1 << 4;
const RFLAGS_RESERVED: u64 = 1 << 1;

/// What the command line says of the video mode, as the setup header has it: a number,
/// or one of three words. The last word of several counts.
pub fn video_mode(cmdline: &str) -> Option<u16> {
    let value = cmdline.split_ascii_whitespace().filter_map(|word| word.strip_prefix("vga=")).next_back()?;
    let number = match value {
        "normal" => Some(0xFFFF),
        "ext" => Some(0xFFFE),
        "ask" => Some(0xFFFD),
        _ => match value.strip_prefix("0x").or_else(|| value.strip_prefix("0X")) {
            Some(digits) => u16::from_str_radix(digits, 16).ok(),
            None => value.parse().ok(),
        },
    };
    if number.is_none() {
        log::warn!("vga={value} is neither a number nor normal, ext or ask: it is ignored");
    }
    number
}

/// What the setup code is told.
#[derive(Clone, Copy, Debug)]
pub struct Setup<'a> {
    /// Boot sector and setup code.
    pub code: &'a [u8],
    /// Where the protected-mode kernel was loaded.
    pub kernel: u32,
    /// The command line, without a NUL.
    pub cmdline: &'a [u8],
    /// Address and size of the initrd; zeros without one.
    pub initrd: (u32, u32),
    /// See [`video_mode`].
    pub video_mode: u16,
}

impl Setup<'_> {
    /// Puts the setup code into memory.
    ///
    /// # Errors
    /// [`BootError`] where it is too large, or there is no RAM for it.
    pub fn load(self, memory: &GuestMemory, placement: &mut Placement) -> Result<EntryState, BootError> {
        if self.code.len() + HEAP > usize::from(HEAP_END) {
            return Err(BootError::BadHeader("its real-mode code is larger than 48 KiB"));
        }
        let cmdline = SETUP + u64::from(HEAP_END);
        let len = u64::from(HEAP_END) + self.cmdline.len() as u64 + 1;
        placement.claim(SETUP, len, "the real-mode part")?;
        let mut code = self.code.to_vec();
        let heap_end = HEAP_END - BOOT_SECTOR as u16;
        let flags = code[LOADFLAGS] | CAN_USE_HEAP;
        put(&mut code, VID_MODE, self.video_mode.to_le_bytes());
        put(&mut code, TYPE_OF_LOADER, [LOADER_UNDEFINED]);
        put(&mut code, LOADFLAGS, [flags]);
        put(&mut code, CODE32_START, self.kernel.to_le_bytes());
        put(&mut code, RAMDISK_IMAGE, self.initrd.0.to_le_bytes());
        put(&mut code, RAMDISK_SIZE, self.initrd.1.to_le_bytes());
        put(&mut code, HEAP_END_PTR, heap_end.to_le_bytes());
        put(&mut code, CMD_LINE_PTR, (cmdline as u32).to_le_bytes());
        memory.write_bytes(Gpa(SETUP), &code)?;
        memory.write_bytes(Gpa(cmdline), &[self.cmdline, b"\0"].concat())?;
        Ok(entry())
    }
}

/// CS:IP is 20h paragraphs into the setup code, the stack is at the heap's end.
fn entry() -> EntryState {
    let segment = |base: u64, kind| SegmentState { selector: (base >> 4) as u16, base, limit: 0xFFFF, kind };
    let mut gprs = [0; 16];
    gprs[gpr::RSP] = HEAP_END.into();
    EntryState {
        mode: EntryMode::Real,
        entry: 0,
        gprs,
        rflags: RFLAGS_RESERVED,
        cr0: CR0_ET,
        cr4: 0,
        efer: 0,
        gdt: TableRegister { base: 0, limit: 0xFFFF },
        idt: VECTORS,
        cs: segment(SETUP + BOOT_SECTOR, SegmentKind::Code16),
        data: segment(SETUP, SegmentKind::Data16),
        tr: segment(0, SegmentKind::BusyTss),
    }
}

#[cfg(test)]
mod tests {
    use super::video_mode;

    #[test]
    fn a_video_mode_is_a_number_or_a_word() {
        assert_eq!(video_mode("quiet vga=791"), Some(0x317));
        assert_eq!(video_mode("vga=0x318 vga=0xf02"), Some(0xF02), "the last counts");
        assert_eq!(["vga=normal", "vga=ext", "vga=ask"].map(video_mode), [0xFFFF, 0xFFFE, 0xFFFD].map(Some));
        assert_eq!(["vga=current", "vga=", "vga=65536", "novga=1", ""].map(video_mode), [None; 5]);
    }
}
