//! What surrounds an operation: rounding, masks, and the exceptions raised.

/// Exception flags, in the bit order of MXCSR and of the x87 status word
/// (Intel SDM Vol. 1 8.1.3 and 10.2.3).
pub mod flag {
    /// `IE`: invalid operation.
    pub const INVALID: u8 = 1 << 0;
    /// `DE`: denormal operand.
    pub const DENORMAL: u8 = 1 << 1;
    /// `ZE`: division of a finite number by zero.
    pub const ZERO_DIVIDE: u8 = 1 << 2;
    /// `OE`: numeric overflow.
    pub const OVERFLOW: u8 = 1 << 3;
    /// `UE`: numeric underflow.
    pub const UNDERFLOW: u8 = 1 << 4;
    /// `PE`: inexact result.
    pub const PRECISION: u8 = 1 << 5;
    /// The exceptions that are found before the computation: an unmasked one
    /// stops it, and no other flag is raised.
    pub const PRE_COMPUTATION: u8 = INVALID | DENORMAL | ZERO_DIVIDE;
    /// All six flags.
    pub const ALL: u8 = 0x3f;
}

/// Rounding mode, numbered as the `RC` field of MXCSR, of the x87 control
/// word and of the `ROUNDSS` immediate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Rounding {
    /// To the nearest value, ties to even.
    Nearest = 0,
    /// Toward minus infinity.
    Down = 1,
    /// Toward plus infinity.
    Up = 2,
    /// Toward zero.
    Zero = 3,
}

impl Rounding {
    /// Decodes the low two bits of `rc`.
    #[inline]
    pub const fn from_bits(rc: u32) -> Self {
        match rc & 3 {
            0 => Self::Nearest,
            1 => Self::Down,
            2 => Self::Up,
            _ => Self::Zero,
        }
    }

    /// True when a discarded non-zero part of a number of sign `negative`
    /// is always rounded away from zero.
    pub(crate) const fn is_away(self, negative: bool) -> bool {
        matches!((self, negative), (Self::Up, false) | (Self::Down, true))
    }
}

/// Width of the significand of an x87 arithmetic result: the `PC` field of
/// the control word (Intel SDM Vol. 1 8.1.5.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Precision {
    /// 24 bits.
    Single,
    /// 53 bits.
    Double,
    /// 64 bits.
    Extended,
}

impl Precision {
    /// Decodes the two bits of `PC`; the reserved encoding 1 acts as extended.
    #[inline]
    pub const fn from_bits(pc: u32) -> Self {
        match pc & 3 {
            0 => Self::Single,
            2 => Self::Double,
            _ => Self::Extended,
        }
    }

    /// The number of significand bits.
    pub const fn bits(self) -> u32 {
        match self {
            Self::Single => 24,
            Self::Double => 53,
            Self::Extended => 64,
        }
    }
}

/// The environment of one instruction: what it is told (rounding, masks) and
/// what it reports (flags).
///
/// Make one for each instruction from the control register, do all elements
/// of the operation with it, then take [`raised`](Self::raised) and
/// [`unmasked`](Self::unmasked).
#[derive(Clone, Copy, Debug)]
pub struct Env {
    /// The rounding mode.
    pub rounding: Rounding,
    /// Significand width of x87 results; SSE operations ignore it.
    pub precision: Precision,
    /// Denormal inputs are zeros and raise no flag (SSE only).
    pub denormals_are_zero: bool,
    /// Tiny results become zero while underflow is masked (SSE only).
    pub flush_to_zero: bool,
    /// A set bit masks the exception of the same bit in [`flag`].
    pub masks: u8,
    /// An inexact result changes nothing: `PE` is masked, and set already
    /// (SSE only). Callers may then skip finding out whether one is.
    pub precision_is_silent: bool,
    pub(crate) native: bool,
    pub(crate) rounded_up: bool,
    pub(crate) raised_flags: u8,
}

impl Env {
    /// The environment of an SSE instruction under `mxcsr`.
    ///
    /// The flags in `mxcsr` are not copied: only what the instruction raises
    /// is reported. They do choose the fast path: when `PE` is set and
    /// masked and rounding is to nearest, an operation on normal numbers
    /// with a normal result changes nothing that can be seen, and the host's
    /// arithmetic is used.
    #[inline]
    pub const fn from_mxcsr(mxcsr: u32) -> Self {
        const PE_SET_MASKED_NEAREST: u32 = 0x20 | 0x1000;
        Self {
            rounding: Rounding::from_bits(mxcsr >> 13),
            precision: Precision::Extended,
            denormals_are_zero: mxcsr & 0x40 != 0,
            flush_to_zero: mxcsr & 0x8000 != 0,
            masks: ((mxcsr >> 7) & 0x3f) as u8,
            precision_is_silent: mxcsr & 0x1020 == 0x1020,
            native: mxcsr & 0x7020 == PE_SET_MASKED_NEAREST,
            rounded_up: false,
            raised_flags: 0,
        }
    }

    /// The environment of an x87 instruction under control word `fcw`.
    #[inline]
    pub const fn from_x87_control(fcw: u16) -> Self {
        Self {
            rounding: Rounding::from_bits((fcw >> 10) as u32),
            precision: Precision::from_bits((fcw >> 8) as u32),
            denormals_are_zero: false,
            flush_to_zero: false,
            masks: (fcw & 0x3f) as u8,
            precision_is_silent: false,
            native: false,
            rounded_up: false,
            raised_flags: 0,
        }
    }

    /// The same environment with another rounding mode, as an instruction
    /// with embedded rounding uses. The fast path is not taken.
    #[inline]
    pub const fn with_rounding(self, rounding: Rounding) -> Self {
        Self { rounding, native: false, ..self }
    }

    /// The flags the instruction sets: those raised, except that an unmasked
    /// pre-computation exception (in any element) keeps the post-computation
    /// ones from being found (Intel SDM Vol. 1 11.5.3).
    #[inline]
    pub const fn raised(&self) -> u8 {
        if self.raised_flags & flag::PRE_COMPUTATION & !self.masks != 0 {
            self.raised_flags & flag::PRE_COMPUTATION
        } else {
            self.raised_flags
        }
    }

    /// The raised flags that are not masked. Not zero: an SSE instruction
    /// raises `#XM` and writes nothing; an x87 instruction leaves `#MF`
    /// pending, and writes nothing if a [`flag::PRE_COMPUTATION`] bit is in
    /// this.
    #[inline]
    pub const fn unmasked(&self) -> u8 {
        self.raised() & !self.masks
    }

    /// True when the last rounding made the magnitude larger: the x87 `C1`
    /// after an inexact result.
    #[inline]
    pub const fn rounded_up(&self) -> bool {
        self.rounded_up && self.unmasked() & flag::PRE_COMPUTATION == 0
    }

    /// Raises `flags`, bits of [`flag`].
    #[inline]
    pub const fn raise(&mut self, flags: u8) {
        self.raised_flags |= flags;
    }

    pub(crate) const fn is_masked(&self, flags: u8) -> bool {
        self.masks & flags == flags
    }
}
