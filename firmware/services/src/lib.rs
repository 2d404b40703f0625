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
//! | `int10` … | one file for each interrupt |

pub mod asm;
mod bios;
mod call;
mod int10;
mod int12;
mod int13;
mod int15;
mod registers;
pub mod rom;
mod service;
#[cfg(test)]
mod testing;

pub use bios::{Bios, BiosConfig, BootDevice};
pub use call::{BDA, BiosHost, Call, Flow, Frame, GuestFault, ServiceResult};
pub use registers::{Register, Registers, SegmentRegister};
pub use service::Service;
