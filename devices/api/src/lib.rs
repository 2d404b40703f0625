//! What a device sees of the machine.
//!
//! A device is a register core that knows no bus. It is reached through the
//! opt-in abilities [`PortIo`], [`Mmio`] and [`PciFunction`] by *offsets*, never
//! by addresses; it is handed an [`IrqLine`] and a [`VmClock`], never an IRQ
//! number or the host's time.

mod backend;
mod block;
mod clock;
mod dma;
mod interrupt;
mod io;
mod save;

pub use backend::CharBackend;
pub use block::{BlockBackend, BlockCompletion, BlockError, BlockOp, BlockRequest, DriveSource, Medium};
pub use clock::{ManualClock, TimeSource, VmClock, VmTime};
pub use dma::{DmaBurst, DmaChannel};
pub use interrupt::{InterruptQueue, IrqLine, MsiTarget, Signal};
pub use io::{AccessSize, Device, Mmio, PciFunction, PortIo, PortWindow, ResetKind};
pub use save::{RestoreError, SaveRestore};
