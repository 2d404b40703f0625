//! The adapter as a driver sees it, with drives in memory.

mod commands;
mod hostile;
mod queue;
mod rig;
mod signals;
