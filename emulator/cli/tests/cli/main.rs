//! The built binary, run on tiny hand-assembled guests.

mod clock;
mod common;
mod drives;
mod errors;
mod exit_codes;
mod images;
mod monitor;
