//! One case: an instruction with the state it meets, and what came of it.

use crate::user::{Fault, UserState};

/// An instruction, the state before it, and the memory it may touch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// The form, as iced-x86 names it.
    pub form: iced_x86::Code,
    /// Code size: 64, 32 for compatibility mode with flat segments, or 16 for the
    /// segments of [`crate::layout::CODE_16`].
    pub bits: u32,
    /// The instruction's bytes, put at [`crate::layout::ENTRY`].
    pub bytes: Vec<u8>,
    /// State before.
    pub state: UserState,
    /// Bytes that differ from the background: address and contents.
    pub memory: Vec<(u64, Vec<u8>)>,
}

impl Case {
    /// The decoded instruction.
    pub fn instruction(&self) -> iced_x86::Instruction {
        let at = crate::layout::entry(self.bits);
        iced_x86::Decoder::with_ip(self.bits, &self.bytes, at, iced_x86::DecoderOptions::AMD).decode()
    }
}

/// What a processor made of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// State after, or at the fault.
    pub state: UserState,
    /// The fault, if there was one.
    pub fault: Option<Fault>,
}
