//! Back ends: from the intermediate form to host code, one folder a host.

#[cfg(any(target_arch = "aarch64", test))]
pub mod aarch64;
#[cfg(target_arch = "x86_64")]
pub mod x64;

/// This host's.
#[cfg(target_arch = "aarch64")]
pub use aarch64 as host;
/// This host's.
#[cfg(target_arch = "x86_64")]
pub use x64 as host;

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use crate::ir::Code;
use crate::lift::Source;
use glassbox_cpu::{Cpu, Op};

/// Where a direct branch leads.
pub enum Destination {
    /// Compiled code at this host address, on the same guest page.
    Code(usize),
    /// On the same guest page, not compiled yet.
    Linkable,
    /// On another page: whether it is still mapped is checked each time.
    Far,
}

/// The page that a block's only instruction runs into: it is looked for before the block runs.
#[derive(Clone, Copy, Debug)]
pub struct SecondPage {
    /// Its address, as the block's own is.
    pub address: u64,
    /// RAM offset of what has to be there.
    pub offset: u64,
}

/// What a back end gets besides a block, with its shared code.
pub struct Target<'a, Thunks> {
    /// Where the code will be executed.
    pub base: usize,
    /// The shared code.
    pub thunks: Thunks,
    /// Address of the table of targets.
    pub targets: usize,
    /// Five-level paging: linear addresses have 57 bits.
    pub la57: bool,
    /// Number of the block: positive, and another one each time.
    pub number: i32,
    /// Where the rest of a block that crosses into another page is.
    pub second: Option<SecondPage>,
    /// Where branches lead.
    pub destination: &'a dyn Fn(u64) -> Destination,
}

/// One block of several that are emitted together.
#[derive(Clone, Copy)]
pub struct Part<'a> {
    /// Its steps.
    pub code: &'a Code,
    /// What they were lifted from.
    pub source: Source<'a>,
}

/// Where a block's host code is entered.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Offset of the entry.
    pub at: usize,
    /// Offset of the exit to patch the entry with when the block dies.
    pub dead: usize,
}

/// Host code of one block, or of several; used again for the next ones.
#[derive(Default)]
pub struct Emitted<Room = ()> {
    /// The code.
    pub code: Vec<u8>,
    /// For each block.
    pub entries: Vec<Entry>,
    /// Instructions that the lifter took and the back end left to the interpreter.
    pub interpreted: u32,
    /// What the back end keeps for the next time.
    pub room: Room,
}

/// Why compiled code returned.
pub mod reason {
    /// RIP is set and no compiled code for it is known.
    pub const LOOKUP: u32 = 0;
    /// The block at RIP did not start: attention, or the limit is near.
    pub const BLOCKED: u32 = 1;
    /// The run loop has to look at something
    /// ([`glassbox_cpu::compiled::OpEnd::Leave`]).
    #[allow(dead_code)]
    pub const LEAVE: u32 = 2;
    /// As [`LOOKUP`], and the jump at `link_site` may be patched.
    pub const LINK: u32 = 4;
    /// The block at RIP cannot run with the SIMD state as it is.
    pub const REFUSED: u32 = 5;
}

/// Runs the op that ends a block on behalf of compiled code, and the one in the
/// shadow of STI with it: an [`OpEnd`](glassbox_cpu::compiled::OpEnd).
///
/// # Safety
/// There are `left` ops from `op` on.
#[allow(unsafe_code)]
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
unsafe fn run_last(cpu: &mut Cpu, op: *const Op, left: u32, block_rip: u64) -> u32 {
    // SAFETY: the caller's.
    let end = match unsafe { std::slice::from_raw_parts(op, left as usize) } {
        [sti, next] => cpu.run_shadowed(sti, next, block_rip),
        [op, ..] => cpu.run_last(op, block_rip, left),
        [] => unreachable!("an op that runs is left to run"),
    };
    end as u32
}
