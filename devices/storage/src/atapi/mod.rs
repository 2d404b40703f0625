//! CD-ROM drives: packet commands (MMC-3, SPC-2) over ATA (ATA/ATAPI-7).
//!
//! [`Cdrom`] has the ATA side: registers, the packet protocol and its interrupts.
//! `packet` takes a command packet and says what comes of it; each group of
//! commands has its file.

mod cdb;
mod cdrom;
mod configuration;
mod disc;
mod events;
mod mode;
mod packet;
mod raw;
mod read;
mod save;
mod sense;
#[cfg(test)]
mod tests;
mod toc;

pub use cdrom::Cdrom;
pub use save::CdromSavedV1;
pub use sense::Sense;
