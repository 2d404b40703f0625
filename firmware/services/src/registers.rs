//! The registers of a caller.

/// A general-purpose register: the whole, its low word, and the word's two bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Register(pub u32);

impl Register {
    /// Bits 0 to 15: AX of EAX.
    pub const fn word(self) -> u16 {
        self.0 as u16
    }

    /// Bits 0 to 7: AL of EAX.
    pub const fn low(self) -> u8 {
        self.0 as u8
    }

    /// Bits 8 to 15: AH of EAX.
    pub const fn high(self) -> u8 {
        (self.0 >> 8) as u8
    }

    /// Replaces bits 0 to 15.
    pub const fn set_word(&mut self, value: u16) {
        self.0 = self.0 & 0xFFFF_0000 | value as u32;
    }

    /// Replaces bits 0 to 7.
    pub const fn set_low(&mut self, value: u8) {
        self.0 = self.0 & !0xFF | value as u32;
    }

    /// Replaces bits 8 to 15.
    pub const fn set_high(&mut self, value: u8) {
        self.0 = self.0 & !0xFF00 | (value as u32) << 8;
    }
}

/// A segment register: what the program sees and where the segment begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SegmentRegister {
    /// The selector.
    pub selector: u16,
    /// Linear address of the segment's first byte.
    pub base: u32,
}

impl SegmentRegister {
    /// A real-mode segment.
    pub const fn real(selector: u16) -> Self {
        Self { selector, base: (selector as u32) << 4 }
    }
}

/// Everything that a service may read or change. `ax` is EAX, and so on: see
/// [`Register`]. A changed segment register takes effect in real and
/// virtual-8086 mode only; protected-mode services change none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Registers {
    pub ax: Register,
    pub bx: Register,
    pub cx: Register,
    pub dx: Register,
    pub si: Register,
    pub di: Register,
    pub bp: Register,
    /// ESP, as it is in the stub: below the frame of INT or CALL FAR.
    pub sp: Register,
    /// Offset of the next instruction.
    pub ip: u32,
    /// EFLAGS as they are in the stub; not those that IRET restores.
    pub flags: u32,
    pub cs: SegmentRegister,
    pub ds: SegmentRegister,
    pub es: SegmentRegister,
    pub ss: SegmentRegister,
}

impl Registers {
    /// Carry.
    pub const CF: u32 = 1;
    /// Zero.
    pub const ZF: u32 = 1 << 6;
    /// Interrupts are enabled.
    pub const IF: u32 = 1 << 9;
    /// Virtual-8086 mode.
    pub const VM: u32 = 1 << 17;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_register_leave_the_rest_alone() {
        let mut r = Register(0x1122_3344);
        r.set_low(0xAA);
        r.set_high(0xBB);
        assert_eq!(r, Register(0x1122_BBAA));
        r.set_word(0x1234);
        assert_eq!((r.0, r.low(), r.high(), r.word()), (0x1122_1234, 0x34, 0x12, 0x1234));
    }
}
