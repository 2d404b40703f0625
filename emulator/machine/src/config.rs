//! What machine to build.

use crate::Control;
use glassbox_cpu::CpuModel;
use glassbox_device_api::CharBackend;

/// Guest RAM where nothing else is asked for, in bytes.
pub const DEFAULT_MEMORY: u64 = 1 << 30;

/// Where guest time comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClockMode {
    /// The host's monotonic clock.
    #[default]
    Host,
    /// Retired instructions at this many millions a second: two runs with the
    /// same input are the same to the last instruction.
    Instructions {
        /// Millions of instructions in a second of guest time, at least 1.
        mips: u32,
    },
}

/// A kernel that is started directly, without firmware.
#[derive(Clone, Debug, Default)]
pub struct Kernel {
    /// The kernel file: bzImage, ELF with PVH note, or multiboot.
    pub image: Vec<u8>,
    /// Initial RAM disk, or the boot module of a multiboot kernel.
    pub initrd: Option<Vec<u8>>,
    /// Command line.
    pub cmdline: String,
}

/// A program that is entered in real mode, with nothing under it.
///
/// It lies at physical address [`FlatImage::ADDRESS`] and begins there, with
/// CS = 0, interrupts off and `ebx` in EBX; all other registers are as reset
/// leaves them.
#[derive(Clone, Debug, Default)]
pub struct FlatImage {
    /// The bytes, entered at the first.
    pub image: Vec<u8>,
    /// What the program is told; for our own, [`FlatImage::INTERACTIVE`] or 0.
    pub ebx: u32,
}

impl FlatImage {
    /// Where the image is loaded and entered.
    pub const ADDRESS: u16 = 0x8000;
    /// Bit of EBX: somebody is at the console.
    pub const INTERACTIVE: u32 = 1;
}

/// What a machine starts.
#[derive(Clone, Debug)]
pub enum BootSource {
    /// A kernel, in the state that its boot protocol asks for.
    Kernel(Kernel),
    /// A flat image in real mode.
    Flat(FlatImage),
}

impl From<Kernel> for BootSource {
    fn from(kernel: Kernel) -> Self {
        Self::Kernel(kernel)
    }
}

impl From<FlatImage> for BootSource {
    fn from(image: FlatImage) -> Self {
        Self::Flat(image)
    }
}

/// What machine to build.
pub struct MachineConfig {
    /// Bytes of guest RAM.
    pub memory: u64,
    /// What CPUID reports.
    pub model: CpuModel,
    /// What to start.
    pub boot: BootSource,
    /// What COM1 and COM2 are connected to; `None` leaves the port off the board.
    pub serial: [Option<Box<dyn CharBackend>>; 2],
    /// Guest time.
    pub clock: ClockMode,
    /// The I/O port of the exit device, if there is to be one.
    pub debug_exit: Option<u16>,
    /// How other threads reach the machine.
    pub control: Control,
}

impl MachineConfig {
    /// A PC with the default memory, no serial ports, on the host's clock.
    pub fn new(boot: impl Into<BootSource>) -> Self {
        Self {
            memory: DEFAULT_MEMORY,
            model: CpuModel::default(),
            boot: boot.into(),
            serial: [None, None],
            clock: ClockMode::Host,
            debug_exit: None,
            control: Control::new(),
        }
    }
}
