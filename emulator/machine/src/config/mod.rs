//! What machine to build.

mod drives;
mod file;
mod screen;

pub use drives::{DisplayConfig, DriveConfig, DriveInterface, DriveMedia};
pub use file::BootFile;
pub use screen::{Look, ScreenWatcher};

use crate::{Control, EngineChoice};
use glassbox_chipset::SpeakerSink;
use glassbox_cpu::CpuModel;
use glassbox_device_api::{BlockBackend, CharBackend};
use glassbox_services::BootDevice;
use std::time::Duration;

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
    pub image: BootFile,
    /// The file's name, which multiboot kernels find before their command line.
    pub name: String,
    /// Initial RAM disk, or the first boot module of a multiboot kernel.
    pub initrd: Option<BootFile>,
    /// Further boot modules of a multiboot kernel.
    pub modules: Vec<Module>,
    /// Command line.
    pub cmdline: String,
}

/// A file that a multiboot kernel is given.
#[derive(Clone, Debug, Default)]
pub struct Module {
    /// The file.
    pub image: BootFile,
    /// The string that goes with it: by custom its name, and arguments.
    pub cmdline: String,
}

/// A program that is entered in real mode, with nothing under it.
///
/// It begins where it is loaded, with CS = 0 below 64 KiB and the 64 KiB segment
/// that it is in above, interrupts off and `ebx` in EBX; all other registers are
/// as reset leaves them.
#[derive(Clone, Debug)]
pub struct FlatImage {
    /// The bytes, entered at the first.
    pub image: Vec<u8>,
    /// Physical address of the first byte, below 1 MiB.
    pub address: u32,
    /// What the program is told; for our own, [`FlatImage::INTERACTIVE`] or 0.
    pub ebx: u32,
}

impl Default for FlatImage {
    fn default() -> Self {
        Self { image: Vec::new(), address: Self::ADDRESS, ebx: 0 }
    }
}

impl FlatImage {
    /// Where an image is loaded and entered if nothing else is said.
    pub const ADDRESS: u32 = 0x8000;
    /// Bit of EBX: somebody is at the console.
    pub const INTERACTIVE: u32 = 1;
}

/// The first sector of a disk, as a BIOS starts it: at 7C00h in real mode, with
/// the number of the first hard disk in DL. The services of the built-in BIOS are
/// there, but there is no more of the disk than this.
#[derive(Clone, Debug)]
pub struct BootSector(pub Box<[u8; BootSector::SIZE]>);

impl BootSector {
    /// Bytes of a sector.
    pub const SIZE: usize = 512;
    /// Where it is loaded and entered.
    pub const ADDRESS: u32 = 0x7C00;
    /// The last two bytes, without which a BIOS does not start it.
    pub const SIGNATURE: [u8; 2] = [0x55, 0xAA];
    /// What DL says: the first hard disk.
    pub const DRIVE: u8 = 0x80;
}

/// Firmware that takes the place of a BIOS: read-only below 4 GiB and, as much
/// of its end as fits there, below 1 MiB. Processor and board start as reset
/// leaves them, at FFFFFFF0h.
#[derive(Clone, Debug)]
pub struct BiosImage(pub Vec<u8>);

impl BiosImage {
    /// Sizes are multiples of this, as the chips' are, in bytes.
    pub const UNIT: usize = 64 << 10;
    /// The largest image, in bytes.
    pub const LARGEST: usize = 16 << 20;
    /// So much of the image's end is below 1 MiB, too, in bytes.
    pub const LOW_WINDOW: usize = 128 << 10;
}

/// The built-in BIOS, which boots what is in the drives.
#[derive(Clone, Debug, Default)]
pub struct BuiltInBios {
    /// Drives in the order in which they are tried.
    pub boot_order: Vec<BootDevice>,
}

/// Firmware made for QEMU, such as SeaBIOS or OVMF: placed as a [`BiosImage`] is,
/// and told about the machine by fw_cfg.
#[derive(Clone, Debug, Default)]
pub struct Firmware {
    /// The code: whole pages, at most [`BiosImage::LARGEST`] bytes. Where there is
    /// [flash](MachineConfig::flash), it ends where the code begins.
    pub image: Vec<u8>,
    /// Files of fw_cfg, besides those that describe the machine.
    pub files: Vec<(String, Vec<u8>)>,
}

/// What a machine starts.
#[derive(Clone, Debug)]
pub enum BootSource {
    /// A kernel, in the state that its boot protocol asks for.
    Kernel(Kernel),
    /// A flat image in real mode.
    Flat(FlatImage),
    /// A boot sector.
    Sector(BootSector),
    /// An image in the place of the BIOS.
    Bios(BiosImage),
    /// The built-in BIOS.
    BuiltIn(BuiltInBios),
    /// Firmware made for QEMU.
    Firmware(Firmware),
}

impl BootSource {
    /// Whether the built-in BIOS runs: it boots drives, and before a kernel or a
    /// boot sector it makes the machine ready.
    pub(crate) fn has_built_in_bios(&self) -> bool {
        matches!(self, Self::BuiltIn(_) | Self::Kernel(_) | Self::Sector(_))
    }

    /// Whether firmware runs that expects a whole PC, and looks for what to boot.
    pub fn has_firmware(&self) -> bool {
        matches!(self, Self::BuiltIn(_) | Self::Firmware(_))
    }

    /// Whether somebody may look at the screen: not where a kernel is told to use a serial
    /// console, which then need not drive a display.
    fn has_screen(&self) -> bool {
        match self {
            Self::Kernel(kernel) => !kernel.cmdline.contains("console=ttyS"),
            _ => true,
        }
    }
}

impl From<Kernel> for BootSource {
    fn from(kernel: Kernel) -> Self {
        Self::Kernel(kernel)
    }
}

impl From<BootSector> for BootSource {
    fn from(sector: BootSector) -> Self {
        Self::Sector(sector)
    }
}

impl From<BiosImage> for BootSource {
    fn from(image: BiosImage) -> Self {
        Self::Bios(image)
    }
}

impl From<BuiltInBios> for BootSource {
    fn from(bios: BuiltInBios) -> Self {
        Self::BuiltIn(bios)
    }
}

impl From<Firmware> for BootSource {
    fn from(firmware: Firmware) -> Self {
        Self::Firmware(firmware)
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
    /// What the flash chip below the code of [`Firmware`] holds, and keeps: the
    /// variables of UEFI.
    pub flash: Option<Box<dyn BlockBackend>>,
    /// What port E9h (Bochs' debug console) is connected to.
    pub debug_console: Option<Box<dyn CharBackend>>,
    /// Drives. A controller is there if it has one, or if firmware is to find it.
    pub drives: Vec<DriveConfig>,
    /// The display adapter, a VGA; [`new`](Self::new) gives one to all but kernels that
    /// are told to use a serial console.
    pub display: Option<DisplayConfig>,
    /// Who hears the PC speaker.
    pub speaker: Option<Box<dyn SpeakerSink>>,
    /// A keyboard and a tablet behind virtio, beside those of the i8042.
    pub virtio_input: bool,
    /// Who looks at the screen from time to time.
    pub screen_watchers: Vec<Box<dyn ScreenWatcher>>,
    /// Guest time.
    pub clock: ClockMode,
    /// The I/O port of the exit device, if there is to be one.
    pub debug_exit: Option<u16>,
    /// Nobody is there to send input: a processor that is halted for good ends
    /// the run ([`crate::Outcome::Halted`]) instead of waiting.
    pub unattended: bool,
    /// A triple fault starts the machine anew, as a PC's chipset does it, instead of ending
    /// the run ([`crate::Outcome::Crashed`]); [`new`](Self::new) sets it for machines that
    /// look for what to boot.
    pub restarts: bool,
    /// Ends the run as a time limit does when so much guest time has passed.
    pub guest_time_limit: Option<Duration>,
    /// What executes the guest.
    pub engine: EngineChoice,
    /// Bytes of room for compiled code.
    pub jit_cache: u64,
    /// How other threads reach the machine.
    pub control: Control,
}

impl MachineConfig {
    /// A PC with the default memory, no serial ports, on the host's clock.
    pub fn new(boot: impl Into<BootSource>) -> Self {
        let boot = boot.into();
        Self {
            memory: DEFAULT_MEMORY,
            model: CpuModel::default(),
            display: boot.has_screen().then(DisplayConfig::default),
            restarts: boot.has_firmware(),
            boot,
            serial: [None, None],
            flash: None,
            debug_console: None,
            drives: Vec::new(),
            speaker: None,
            virtio_input: false,
            screen_watchers: Vec::new(),
            clock: ClockMode::Host,
            debug_exit: None,
            unattended: false,
            guest_time_limit: None,
            engine: EngineChoice::Auto,
            jit_cache: crate::engine::DEFAULT_JIT_CACHE,
            control: Control::new(),
        }
    }
}
