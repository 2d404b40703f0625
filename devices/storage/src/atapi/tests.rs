//! The drive on a PIIX channel, as a driver sees it.

mod commands;
mod protocol;
