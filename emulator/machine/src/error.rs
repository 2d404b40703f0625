//! Why a machine could not be built.

use glassbox_boot::BootError;
use glassbox_flash::FlashError;
use glassbox_memory::MemoryError;
use glassbox_tables::TablesError;
use thiserror::Error;

/// Why a machine could not be built or started.
#[derive(Debug, Error)]
pub enum MachineError {
    /// The JIT was asked for and cannot be had.
    #[error("no JIT here: {0}; leave --engine out or use --engine interp")]
    NoJit(String),
    /// Compiled code did something else than the interpreter.
    #[error("{0}")]
    Diverged(String),
    /// A file that the machine starts from.
    #[error("cannot read {}: {source}; check the path and its permissions", path.display())]
    File {
        /// The file.
        path: std::path::PathBuf,
        /// What the host said.
        source: std::io::Error,
    },
    /// Guest RAM.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// The kernel.
    #[error(transparent)]
    Boot(#[from] BootError),
    /// ACPI tables.
    #[error(transparent)]
    Tables(#[from] TablesError),
    /// Two devices want the same port.
    #[error("I/O port {port:#x} of {device} belongs to another device: choose another port")]
    PortTaken {
        /// The first port that is taken.
        port: u16,
        /// Who asked for it.
        device: &'static str,
    },
    /// A flat image whose address real mode cannot reach.
    #[error("a flat image is entered in real mode: give an address below 0x100000, not {0:#x}")]
    FlatTooHigh(u32),
    /// A BIOS image that no chip could hold.
    #[error("a BIOS image of {0} bytes: give a multiple of 64 KiB, at most 16 MiB")]
    BiosSize(usize),
    /// Two drives at one place.
    #[error("{name}: there is a drive at {place} already: choose another place")]
    DriveTaken {
        /// What the user calls it.
        name: String,
        /// Where it was to be.
        place: String,
    },
    /// A drive where it cannot be.
    #[error("{name}: there is no such drive at {place}: choose another interface")]
    NoSuchPlace {
        /// What the user calls it.
        name: String,
        /// Where it was to be.
        place: String,
    },
    /// More drives than the board has room for.
    #[error("too many drives: put some of them on another interface")]
    TooManyDrives,
    /// Video memory of an impossible size.
    #[error("{0} bytes of video memory: give a power of two from 1 to 64 MiB")]
    VideoMemory(u32),
    /// Firmware that no chip could hold.
    #[error("firmware of {0} bytes: give a multiple of 4 KiB, at most 16 MiB with its variables")]
    FirmwareSize(u64),
    /// The flash chip for variables.
    #[error("firmware variables: {0}")]
    Flash(#[from] FlashError),
    /// An instruction clock that stands still.
    #[error("an instruction clock of 0 MIPS never moves: give at least 1")]
    ClockStandsStill,
}
