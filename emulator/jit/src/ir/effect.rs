//! What each step does to the status flags and to registers.

use super::*;

/// A set of status flags at their LAHF positions, OF in bit 1.
pub type FlagSet = u8;

/// The flags in a [`FlagSet`].
#[allow(missing_docs)]
pub mod flags {
    use super::FlagSet;
    pub const C: FlagSet = 1;
    pub const O: FlagSet = 2;
    pub const P: FlagSet = 4;
    pub const A: FlagSet = 0x10;
    pub const Z: FlagSet = 0x40;
    pub const S: FlagSet = 0x80;
    pub const ALL: FlagSet = C | O | P | A | Z | S;
}

/// Flags that a step reads and replaces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effect {
    /// Read.
    pub reads: FlagSet,
    /// Replaced, whatever they were.
    pub writes: FlagSet,
    /// Replaced or kept, by what is only known at run time.
    pub may_write: FlagSet,
    /// The interpreter may take over here: all flags are read.
    pub leaves: bool,
}

impl Effect {
    const NONE: Self = Self { reads: 0, writes: 0, may_write: 0, leaves: false };

    fn writes(writes: FlagSet) -> Self {
        Self { writes, ..Self::NONE }
    }

    fn reads(reads: FlagSet) -> Self {
        Self { reads, ..Self::NONE }
    }

    /// Whether the step changes any flag.
    #[inline]
    pub fn changes(self) -> bool {
        (self.writes | self.may_write) != 0
    }
}

/// The flags that a condition looks at.
pub fn condition(cc: Cond) -> FlagSet {
    use flags::*;
    match cc >> 1 {
        0 => O,
        1 => C,
        2 => Z,
        3 => C | Z,
        4 => S,
        5 => P,
        6 => S | O,
        _ => S | O | Z,
    }
}

impl Inst {
    /// What it does to the status flags.
    #[inline]
    pub fn effect(&self) -> Effect {
        use flags::*;
        match *self {
            Self::Alu { op, .. } | Self::LockedAlu { op, .. } => {
                Effect { reads: if op.carries() { C } else { 0 }, ..Effect::writes(ALL) }
            }
            Self::Unary { op, .. } | Self::LockedUnary { op, .. } => match op {
                Unary::Inc | Unary::Dec => Effect::writes(ALL & !C),
                Unary::Neg => Effect::writes(ALL),
                Unary::Not => Effect::NONE,
            },
            Self::Shift { op, by, .. } => {
                let rotate = matches!(op, Shift::Rol | Shift::Ror | Shift::Rcl | Shift::Rcr);
                let set = if rotate { C | O } else { ALL };
                let reads = if matches!(op, Shift::Rcl | Shift::Rcr) { C } else { 0 };
                match by {
                    Count::Imm(_) => Effect { reads, ..Effect::writes(set) },
                    Count::Cl => Effect { reads, may_write: set, ..Effect::NONE },
                }
            }
            Self::DoubleShift { by: Count::Imm(_), .. } => Effect::writes(ALL),
            Self::DoubleShift { .. } => Effect { may_write: ALL, ..Effect::NONE },
            // The others are kept, as on AMD silicon.
            Self::Multiply { .. } | Self::MultiplyWide { .. } => Effect::writes(C | O),
            Self::Divide { .. } => Effect { leaves: true, ..Effect::writes(ALL & !(C | O)) },
            Self::SetIf { cc, .. } | Self::MoveIf { cc, .. } | Self::Branch { cc, .. } => {
                Effect::reads(condition(cc))
            }
            Self::Flags { .. } => Effect::reads(ALL),
            Self::BitTest { .. } | Self::LockedBit { .. } => Effect::writes(C),
            Self::Carry(CarryOp::Complement) => Effect { reads: C, ..Effect::writes(C) },
            Self::Carry(_) => Effect::writes(C),
            Self::ExchangeAdd { .. } | Self::CompareExchange { .. } => Effect::writes(ALL),
            Self::CompareExchangeWide { .. } => Effect::writes(Z),
            Self::Native(native) => Effect { reads: native.reads, writes: native.writes, ..Effect::NONE },
            Self::X87(x87) if x87.flags => Effect::writes(ALL),
            Self::Probe { .. }
            | Self::Canonical(_)
            | Self::Return { .. }
            | Self::InCode(_)
            | Self::Upwards
            | Self::LoadSegment { .. } => Effect { leaves: true, ..Effect::NONE },
            Self::Interpret => Effect { leaves: true, ..Effect::writes(ALL) },
            _ => Effect::NONE,
        }
    }

    /// Ends the block.
    #[inline]
    pub fn ends(&self) -> bool {
        matches!(
            self,
            Self::Jump(_)
                | Self::Branch { .. }
                | Self::BranchZero { .. }
                | Self::JumpTo(_)
                | Self::Call { .. }
                | Self::CallTo { .. }
                | Self::Return { .. }
                | Self::Leave
        )
    }

    /// The general-purpose register that it writes whole, or in part: register
    /// and whether the upper bits are replaced, too.
    #[inline]
    pub fn written(&self) -> Option<(Reg, bool)> {
        let sized = |n: Reg, size: Size| Some((n, matches!(size, Size::B32 | Size::B64)));
        match *self {
            Self::Move { size, to: Place::Reg(n), .. } => sized(n, size),
            Self::Const { to, .. } => Some((to, true)),
            Self::Extend { to, size, .. } | Self::Lea { to, size, .. } => sized(to, size),
            Self::High { to, .. } | Self::Selector { to, .. } | Self::Flags { to } => Some((to, true)),
            Self::SetHigh { to, .. } => Some((to, false)),
            Self::Alu { op, size, to: Place::Reg(n), .. } if !op.compares() => sized(n, size),
            Self::Unary { size, to: Place::Reg(n), .. } => sized(n, size),
            Self::Bswap { to, size } => sized(to, size),
            Self::Shift { size, to: Place::Reg(n), by, .. } => match by {
                Count::Imm(_) => sized(n, size),
                Count::Cl => Some((n, false)),
            },
            Self::DoubleShift { to, .. } => Some((to, false)),
            Self::Multiply { size, to, .. } => sized(to, size),
            Self::SetIf { to: Place::Reg(n), .. } => Some((n, false)),
            Self::MoveIf { size, to, .. } => sized(to, size),
            Self::BitTest { op, size, to: Place::Reg(n), .. } if op != Bit::Test => sized(n, size),
            Self::Exchange { size, with } | Self::ExchangeAdd { size, with, .. } => sized(with, size),
            Self::BitString { to, .. } => Some((to, true)),
            Self::SignFill { .. } => Some((2, false)),
            Self::X87(x87) if x87.status => Some((0, false)),
            _ => None,
        }
    }

    /// Whether it may write general-purpose register `n`.
    #[inline]
    pub fn writes_register(&self, n: Reg) -> bool {
        self.writes_registers() >> (n & 31) & 1 != 0
    }

    /// The general-purpose registers that it may write, as a set.
    pub fn writes_registers(&self) -> u32 {
        match *self {
            Self::Interpret => u32::MAX,
            Self::MultiplyWide { .. } | Self::Divide { .. } | Self::CompareExchangeWide { .. } => 0b101,
            Self::CompareExchange { .. } => 1,
            Self::MultiplyApart { high, low, .. } => 1 << (high & 31) | 1 << (low & 31),
            Self::BitString { to, .. } => 1 << (to & 31) | 1 << T1,
            Self::Native(native) => native.writes_registers(),
            _ => self.written().map_or(0, |(reg, _)| 1 << (reg & 31)),
        }
    }

    /// Calls `each` with the general-purpose registers it reads.
    #[inline]
    pub fn for_reads(&self, mut each: impl FnMut(Reg)) {
        let mut value = |v: Value| {
            if let Value::Reg(n) = v {
                each(n);
            }
        };
        match *self {
            Self::Probe { at, .. } | Self::Lea { at, .. } => {
                value(Value::Reg(at.base));
                value(Value::Reg(at.index));
            }
            Self::Move { size, to, from } => {
                value(from);
                if matches!(size, Size::B8 | Size::B16) {
                    value(to.value());
                }
            }
            Self::Extend { to, size, from, .. } => {
                value(from);
                if size == Size::B16 {
                    value(Value::Reg(to));
                }
            }
            Self::High { of, .. } => value(Value::Reg(of)),
            Self::SetHigh { to, from } => {
                value(Value::Reg(to));
                value(Value::Reg(from));
            }
            Self::Alu { to, from, .. } => {
                value(to.value());
                value(from);
            }
            Self::Unary { to, .. } => value(to.value()),
            Self::Bswap { to, .. } => value(Value::Reg(to)),
            Self::Shift { to, by, .. } => {
                value(to.value());
                if by == Count::Cl {
                    value(Value::Reg(1));
                }
            }
            Self::DoubleShift { to, fill, .. } => {
                value(Value::Reg(to));
                value(Value::Reg(fill));
                value(Value::Reg(1));
            }
            Self::Multiply { size, to, a, b } => {
                value(a);
                value(b);
                if size == Size::B16 {
                    value(Value::Reg(to));
                }
            }
            Self::MultiplyWide { by, .. } | Self::Divide { by, .. } => {
                value(by);
                value(Value::Reg(0));
                value(Value::Reg(2));
            }
            Self::MultiplyApart { by, .. } => {
                value(by);
                value(Value::Reg(2));
            }
            Self::SignFill { .. } => {
                value(Value::Reg(0));
                value(Value::Reg(2));
            }
            Self::SetIf { to, .. } => value(to.value()),
            Self::MoveIf { to, from, .. } => {
                value(Value::Reg(to));
                value(from);
            }
            Self::BitTest { to, bit, .. } => {
                value(to.value());
                value(bit);
            }
            Self::BitString { to, number, .. } => {
                value(Value::Reg(to));
                value(Value::Reg(number));
            }
            Self::LockedBit { bit, .. } => value(bit),
            Self::LockedAlu { from, .. } | Self::LoadSegment { from, .. } | Self::InCode(from) => value(from),
            Self::Exchange { with, .. } | Self::ExchangeAdd { with, .. } => value(Value::Reg(with)),
            Self::CompareExchange { with, .. } => {
                value(Value::Reg(with));
                value(Value::Reg(0));
            }
            Self::CompareExchangeWide { .. } => (0..4).for_each(|n| value(Value::Reg(n))),
            Self::X87(x87) if x87.status => value(Value::Reg(0)),
            Self::Native(native) => native.for_registers(|n| value(Value::Reg(n))),
            Self::Canonical(n)
            | Self::JumpTo(n)
            | Self::CallTo { to: n, .. }
            | Self::BranchZero { of: n, .. } => {
                value(Value::Reg(n));
            }
            Self::Return { to, .. } => {
                value(Value::Reg(to));
                value(Value::Reg(4));
            }
            _ => {}
        }
    }

    /// Does nothing but write a register: may go when nobody reads that.
    #[inline]
    pub fn is_pure(&self) -> bool {
        match self {
            Self::Move { to: Place::Reg(_), from, .. } => *from != Value::Cell,
            Self::Extend { from, .. } => *from != Value::Cell,
            Self::Const { .. } | Self::Lea { .. } | Self::High { .. } | Self::Selector { .. } => true,
            _ => false,
        }
    }
}
