//! Why a kernel cannot be booted: one line that says what is wrong and what to
//! do about it.

use glassbox_memory::MemoryError;
use thiserror::Error;

/// Why [`load`](crate::load) refused.
#[derive(Debug, Error)]
pub enum BootError {
    /// Nothing known was recognised.
    #[error(
        "not a kernel that can be booted directly: give a bzImage, an ELF with a PVH note or a multiboot kernel"
    )]
    NotAKernel,
    /// A bare compressed file.
    #[error("the kernel is {0}-compressed: decompress it first")]
    Compressed(&'static str),
    /// Something with a boot sector or a file system.
    #[error("this is {0}, not a kernel: attach it as a disk or CD and boot from that")]
    DiskImage(&'static str),
    /// A kernel of another kind or another processor.
    #[error("this is {0}: give an x86 kernel that a boot loader can start")]
    Foreign(&'static str),
    /// An ELF file that names no entry a loader could use.
    #[error(
        "the ELF file has neither a PVH note nor a multiboot header: build the kernel with one (Linux: CONFIG_PVH=y) or give its bzImage"
    )]
    ElfWithoutEntry,
    /// The file ends before something that its header promises.
    #[error(
        "the kernel file is truncated: {what} needs {need} bytes, the file has {have}; copy or build it again"
    )]
    Truncated {
        /// What is cut off.
        what: &'static str,
        /// File size that would hold it.
        need: u64,
        /// File size.
        have: u64,
    },
    /// A header field that no valid image has.
    #[error("the kernel header is invalid: {0}; copy or build the kernel again")]
    BadHeader(&'static str),
    /// goblin could not make sense of the file.
    #[error("the ELF headers are invalid ({0}): copy or build the kernel again")]
    BadElf(#[from] goblin::error::Error),
    /// A boot protocol that is too old.
    #[error(
        "Linux boot protocol {major}.{minor:02} without a high-loaded kernel (zImage) needs a real-mode loader: boot it from a disk"
    )]
    OldProtocol {
        /// Major version.
        major: u8,
        /// Minor version.
        minor: u8,
    },
    /// The kernel asks its loader for something unknown.
    #[error(
        "the multiboot header requires features {0:#06x} that this loader does not have: boot it from a disk with its own loader"
    )]
    MultibootFeatures(u32),
    /// The memory map has no RAM to load into.
    #[error(
        "the machine's memory map has no free RAM for {what} ({need:#x} bytes): give the guest more memory"
    )]
    MemoryTooSmall {
        /// What found no room.
        what: &'static str,
        /// Bytes it needs.
        need: u64,
    },
    /// The initrd or boot module found no room.
    #[error(
        "the initrd of {size} bytes does not fit into guest RAM below {below:#x} beside the kernel: give the guest more memory or a smaller initrd"
    )]
    InitrdTooLarge {
        /// Bytes in the initrd.
        size: u64,
        /// It must end at or below this address.
        below: u64,
    },
    /// The kernel cannot take so long a command line.
    #[error("the command line has {len} characters, this kernel takes {limit}: shorten it")]
    CommandLineTooLong {
        /// Characters given.
        len: usize,
        /// Characters allowed.
        limit: usize,
    },
    /// The command line would end early.
    #[error("the command line contains a NUL character: remove it")]
    CommandLineNul,
    /// More ranges than the structure can hold.
    #[error("the memory map has {0} ranges, the kernel can be told of {1}: reserve fewer ranges")]
    TooManyRanges(usize, usize),
    /// A segment of the kernel wants memory that is not RAM.
    #[error(
        "{what} of the kernel at {start:#x}, {len:#x} bytes, lies outside guest RAM: give the guest more memory"
    )]
    OutsideRam {
        /// Which part.
        what: &'static str,
        /// First physical address.
        start: u64,
        /// Bytes.
        len: u64,
    },
    /// Two segments claim the same bytes.
    #[error(
        "{what} of the kernel at {start:#x}, {len:#x} bytes, overlaps another part of it: build the kernel again"
    )]
    Overlap {
        /// Which part.
        what: &'static str,
        /// First physical address.
        start: u64,
        /// Bytes.
        len: u64,
    },
    /// The entry point is not in what was loaded.
    #[error("the entry point {0:#x} is outside the loaded kernel: build the kernel again")]
    EntryOutside(u64),
    /// The memory map promised RAM that is not there.
    #[error("the memory map does not match guest memory ({0}): describe the memory that the guest has")]
    Memory(#[from] MemoryError),
}
