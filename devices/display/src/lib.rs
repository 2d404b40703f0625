//! The display: a VGA with the Bochs DISPI extension, as a PCI function.
//!
//! Start with [`Vga`], the shell: ports, the window at A0000h, BARs. Behind it:
//!
//! | file | what it is |
//! | --- | --- |
//! | `registers.rs` | all register files together, reached by port |
//! | `sequencer.rs`, `graphics.rs`, `crtc.rs`, `attribute.rs`, `dac.rs`, `general.rs` | one register file each |
//! | `indexed.rs` | what three of them share: registers behind index and data |
//! | `dispi.rs` | the Bochs extension: resolutions, linear framebuffer, banks |
//! | `memory.rs` | video memory and where a plane's byte lies in it |
//! | `planes.rs` | the processor's way through the graphics controller into the planes |
//! | `pages.rs` | which pages of it changed |
//! | `retrace.rs` | where the beam is |
//! | `render/` | from registers and memory to pixels |
//! | `text.rs` | what the text screen says |
//! | `read/` | what pictures of text say |
//! | `edid.rs` | what the monitor says of itself |
//!
//! Sources: IBM PS/2 Hardware Interface Technical Reference, "Video subsystem" (1992);
//! Bochs `VBE_DISPI` interface description; VESA E-EDID release A.

mod attribute;
mod crtc;
mod dac;
mod dispi;
mod edid;
mod general;
mod graphics;
mod indexed;
mod memory;
mod pages;
mod pci;
mod planes;
mod read;
mod registers;
mod render;
mod retrace;
mod sequencer;
mod text;
mod vga;

#[cfg(test)]
mod tests;

pub use dispi::{Dispi, MAX_HEIGHT, MAX_WIDTH};
pub use edid::{EDID_SIZE, Edid};
pub use memory::VideoMemory;
pub use read::TextReader;
pub use render::{Changes, Frame};
pub use text::{Cursor, TextCell, TextScreen, cp437_to_char};
pub use vga::{DirectWindow, Vga, VgaConfig, VgaSavedV1};
