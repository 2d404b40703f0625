//! The guest that boots when none is named.

/// The image, a kernel that boots directly; there is none in this build.
pub const IMAGE: Option<&[u8]> = None;
