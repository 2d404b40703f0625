//! Architectural exceptions as values.

use glassbox_x86_spec::vector;

/// A fault, trap or abort that an instruction raised (Intel SDM Vol. 3A ch. 7).
///
/// Faults are returned as `Err`; the run loop restores RIP to the faulting
/// instruction and delivers them. #PF leaves its address in `CpuState::cr2`,
/// #DB its reasons in `CpuState::dr6`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exception {
    /// The vector, 0 to 31.
    pub vector: u8,
    /// The error code, for those vectors that push one. Sixteen bits hold every
    /// code there is, and keep `Result<(), Exception>` in one host register.
    pub error: Option<u16>,
}

impl Exception {
    /// No exception: the instruction is not executed now because an interrupt
    /// that can be taken goes first. Only where an instruction itself causes
    /// the interrupt (x87 errors through FERR#).
    pub(crate) const INTERRUPT_FIRST: Self = Self::plain(0xFF);

    const fn plain(vector: u8) -> Self {
        Self { vector, error: None }
    }

    const fn with(vector: u8, error: u32) -> Self {
        Self { vector, error: Some(error as u16) }
    }

    /// The error code as it is pushed.
    pub const fn error_code(&self) -> Option<u32> {
        match self.error {
            Some(code) => Some(code as u32),
            None => None,
        }
    }

    /// Divide error.
    pub const DE: Self = Self::plain(vector::DE);
    /// Debug; the reasons are in DR6.
    pub const DB: Self = Self::plain(vector::DB);
    /// BOUND range exceeded.
    pub const BR: Self = Self::plain(vector::BR);
    /// Invalid opcode.
    pub const UD: Self = Self::plain(vector::UD);
    /// Device not available.
    pub const NM: Self = Self::plain(vector::NM);
    /// x87 floating-point error.
    pub const MF: Self = Self::plain(vector::MF);
    /// SIMD floating-point exception.
    pub const XM: Self = Self::plain(vector::XM);
    /// Alignment check, error code 0.
    pub const AC: Self = Self::with(vector::AC, 0);
    /// General protection with error code 0.
    pub const GP0: Self = Self::with(vector::GP, 0);
    /// Stack fault with error code 0.
    pub const SS0: Self = Self::with(vector::SS, 0);

    /// General protection with a selector error code.
    pub const fn gp(error: u32) -> Self {
        Self::with(vector::GP, error)
    }

    /// Stack-segment fault with a selector error code.
    pub const fn ss(error: u32) -> Self {
        Self::with(vector::SS, error)
    }

    /// Segment not present.
    pub const fn np(error: u32) -> Self {
        Self::with(vector::NP, error)
    }

    /// Invalid TSS.
    pub const fn ts(error: u32) -> Self {
        Self::with(vector::TS, error)
    }

    /// Page fault; the caller has set CR2.
    pub const fn pf(error: u32) -> Self {
        Self::with(vector::PF, error)
    }
}
