//! Segmentation: descriptors, and what loading a segment register checks.

mod descriptor;
mod load;
mod query;
mod system;
#[cfg(test)]
mod tests;

pub(crate) use descriptor::{Descriptor, Gate, index_error, is_null, rpl};
pub(crate) use load::null_stack;
