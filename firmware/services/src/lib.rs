//! The built-in PC BIOS.
//!
//! The ROM has only stubs in it; what they do is done here, on the host's side.
//! A stub writes to a port ([`rom::TRAP_PORT`]), the machine leaves the
//! processor right behind that instruction and calls [`Bios::serve`] with its
//! registers. Everything that a program of the time can see is as with a BIOS
//! that runs in the guest: interrupt vectors, data areas, flags on the stack,
//! interrupts that come in while a service waits, page faults of a caller in
//! virtual-8086 mode.
//!
//! | module | what |
//! | --- | --- |
//! | `asm`, `rom` | the stubs and fixed entry points |
//! | `call`, `registers` | what a service sees of its caller and of the board |
//! | `bios`, `service` | which trap calls what |
//! | `post`, `vectors`, `pci_setup`, `tables` | what a reset leaves behind |
//! | `boot`, `eltorito`, `drive` | finding and loading what boots |
//! | `fonts` | what characters look like |
//! | `int08` … | one file for each interrupt |

mod apm;
pub mod asm;
mod bda;
mod bios;
mod boot;
mod call;
mod cmos;
mod drive;
mod eltorito;
pub mod fonts;
mod int08;
mod int09;
mod int10;
mod int12;
mod int13;
mod int13_cdrom;
mod int13_disk;
mod int13_edd;
mod int13_floppy;
mod int14;
mod int15;
mod int15_memory;
mod int16;
mod int17;
mod int1a;
mod keys;
mod mouse;
mod pci_bios;
mod pci_setup;
mod post;
mod registers;
pub mod rom;
mod service;
mod tables;
#[cfg(test)]
mod testing;
mod vectors;

pub use bios::{Bios, BiosConfig, BootDevice, Processors, Served};
pub use call::{BDA, BiosHost, Call, Flow, Frame, GuestFault, ServiceResult};
pub use drive::{Drive, DriveBus, DriveKind, Geometry};
pub use registers::{Register, Registers, SegmentRegister};
pub use service::Service;
