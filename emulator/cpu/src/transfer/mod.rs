//! Far control transfers: JMP, CALL, RET and IRET between segments, through
//! gates and between tasks (Intel SDM Vol. 3A 6.8, ch. 9; AMD APM Vol. 2 4.8).
//!
//! Like event delivery, a transfer checks everything and pushes its frame
//! before it changes a register.

mod frame;
mod gate;
mod iret;
mod jump;
mod ret;
#[cfg(test)]
mod sweep_tests;
mod task;
#[cfg(test)]
mod task_tests;
#[cfg(test)]
mod tests;
mod tss;

pub(crate) use frame::Frame;
pub(crate) use task::{TaskEntry, TaskStart};

/// JMP or CALL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Far {
    Jump,
    Call,
}
