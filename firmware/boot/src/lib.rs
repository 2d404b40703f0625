//! Direct boot: puts a kernel into guest memory as a boot loader would and says
//! in what state the boot processor enters it. No firmware runs, but for a Linux
//! kernel whose command line asks for a video mode.
//!
//! Recognised are Linux/x86 bzImages, ELF kernels with a PVH entry and
//! multiboot 1 kernels. The images, and everything in their headers, are
//! hostile input.

mod bytes;
mod bzimage;
mod descriptors;
mod detect;
mod elf;
mod entry;
mod error;
mod multiboot;
mod paging;
mod placement;
mod pvh;
mod real_mode;
mod zero_page;

pub use detect::{ImageKind, detect};
pub use entry::{EntryMode, EntryState, SegmentKind, SegmentState, TableRegister, gpr};
pub use error::BootError;

use glassbox_memory::{Gpa, GuestMemory};
use glassbox_tables::E820Entry;

/// A file that a multiboot kernel is given.
#[derive(Clone, Copy, Debug)]
pub struct Module<'a> {
    /// The file's content.
    pub image: &'a [u8],
    /// The string that goes with it: by custom its name, and arguments.
    pub cmdline: &'a str,
}

/// What to boot.
#[derive(Clone, Copy, Debug)]
pub struct BootRequest<'a> {
    /// The kernel file, whole.
    pub kernel: &'a [u8],
    /// The file's name. Multiboot kernels find it before their command line and
    /// skip it; empty if there is none to be found.
    pub name: &'a str,
    /// The initial RAM disk (Linux) or the one boot module (PVH, multiboot).
    pub initrd: Option<&'a [u8]>,
    /// More modules of a multiboot kernel, after [`initrd`](Self::initrd).
    pub modules: &'a [Module<'a>],
    /// The kernel command line, without a terminating NUL.
    pub cmdline: &'a str,
    /// Where the ACPI root pointer lies, if there is one.
    pub rsdp: Option<Gpa>,
    /// The memory map to tell the kernel. Nothing is placed outside its RAM.
    pub e820: &'a [E820Entry],
    /// A VGA is there and shows text in mode 3, and a BIOS answers INT 10h.
    pub text_screen: bool,
}

/// Loads a kernel into guest memory and returns how to enter it.
///
/// # Errors
/// [`BootError`] says what is wrong with the image or the machine, and what to
/// do. Guest memory may then have been written in part.
pub fn load(memory: &GuestMemory, request: &BootRequest<'_>) -> Result<EntryState, BootError> {
    let strings = request.modules.iter().map(|module| module.cmdline);
    if strings.chain([request.name, request.cmdline]).any(|string| string.contains('\0')) {
        return Err(BootError::CommandLineNul);
    }
    match detect(request.kernel) {
        ImageKind::BzImage => bzimage::load(memory, request),
        ImageKind::Pvh => pvh::load(memory, request),
        ImageKind::Multiboot => multiboot::load(memory, request),
        ImageKind::Elf => Err(BootError::ElfWithoutEntry),
        ImageKind::Compressed(format) => Err(BootError::Compressed(format)),
        ImageKind::DiskImage(format) => Err(BootError::DiskImage(format)),
        ImageKind::Foreign(what) => Err(BootError::Foreign(what)),
        ImageKind::Unknown => Err(BootError::NotAKernel),
    }
}
