//! A parallel flash chip with the Intel command set, as firmware keeps its
//! variables in.
//!
//! [`CfiFlash`] is one chip of byte width with uniform sectors ([`CfiFlash::SECTOR`]).
//! It is memory to read until a command is written; then it reads as status,
//! identifiers or query data until the command FFh.
//!
//! **Safety of the contents.** The contents are kept in memory and on a
//! `BlockBackend`. Each change is sent there at once and in order, one at a time,
//! and followed by a flush whenever the queue runs empty, so that the file is always
//! what the chip held at some moment: firmware that survives a power cut survives
//! the end of this process at any time. A change that cannot be stored makes
//! later commands fail with the chip's own error bits.
//!
//! Source: Intel, "Common Flash Interface (CFI) and Command Sets" (application note
//! 646), and the datasheet of the StrataFlash P30 family.

mod chip;
mod store;
#[cfg(test)]
mod tests;

pub use chip::{CfiFlash, CfiFlashSavedV1};
pub use store::FlashError;
