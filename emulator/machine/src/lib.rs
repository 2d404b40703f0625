//! The PC: board, bus, virtual time and run loop.
//!
//! Start at [`Machine`] (builds everything, boots a kernel) and [`Machine::run`]
//! (the loop). A processor reaches the board through `bus::processor`; the
//! board is what a PC's mainboard is: devices, wires between them, and the maps
//! that say which port or address belongs to whom.
//!
//! | module | what |
//! | --- | --- |
//! | `config` | what to build |
//! | `bios` | the built-in BIOS's services on this machine |
//! | `board` | devices and wires |
//! | `bus` | port and memory maps, the processor's access to them |
//! | `interrupts` | controllers, delivery of lines and messages |
//! | `boot` | state that firmware and a boot loader leave behind |
//! | `clock` | guest time from the host's clock or from retired instructions |
//! | `run` | the run loop |
//! | `screen`, `input` | who looks at the screen; keys and pointer |
//! | `control` | how other threads stop, wake and feed the machine |
//! | `inspect`, `report`, `stats`, `trace` | looking at it |

mod bios;
mod board;
mod boot;
mod bus;
mod clock;
mod config;
mod control;
mod engine;
mod error;
mod input;
mod inspect;
mod interrupts;
mod machine;
mod report;
mod run;
mod screen;
mod stats;
mod trace;

pub use clock::{DEFAULT_MIPS, TSC_HZ};
pub use config::{
    BiosImage, BootFile, BootSector, BootSource, BuiltInBios, ClockMode, DEFAULT_MEMORY, DisplayConfig,
    DriveConfig, DriveInterface, DriveMedia, Firmware, FlatImage, Kernel, Look, MachineConfig, Module,
    ScreenWatcher,
};
pub use control::{Control, Stop};
pub use engine::EngineChoice;
pub use error::MachineError;
pub use glassbox_chipset::{SpeakerSink, Wave};
pub use glassbox_display::{Changes, Cursor, Frame, TextCell, TextScreen, cp437_to_char};
pub use glassbox_services::BootDevice;
pub use inspect::Topic;
pub use machine::Machine;
pub use report::CrashReport;
pub use run::{Limits, Outcome};
pub use stats::{DeviceStats, EngineStats, ExitStats, JitStats, Stats, TlbStats};
pub use trace::TraceWriter;
