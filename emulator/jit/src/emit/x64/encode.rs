//! Instruction encoding: prefixes, REX or VEX, opcode, ModRM, SIB.

use super::Emitter;
use crate::ir::Size;
use crate::lift::native::Native;
use dynasmrt::DynasmApi;

/// A register or memory operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rm {
    /// Host register.
    Reg(u8),
    /// `[base + index + disp]`.
    Mem {
        /// Host register.
        base: u8,
        /// Host register that is added, not RSP.
        index: Option<u8>,
        /// Displacement.
        disp: i32,
    },
}

impl Rm {
    /// `[R15 + disp]`: a field of the processor.
    pub fn field(disp: usize) -> Self {
        Self::Mem { base: 15, index: None, disp: disp as i32 }
    }
}

/// What comes before the opcode.
#[derive(Clone, Copy, Debug, Default)]
struct Head {
    prefix: u8,
    map: u8,
    wide: bool,
    /// A byte register of number 4 to 7 is SPL to DIL.
    bytes: bool,
}

impl Emitter<'_> {
    pub(super) fn byte(&mut self, byte: u8) {
        self.asm.push(byte);
    }

    /// One integer instruction: `opcode` is that of the byte form, which the wider
    /// ones follow.
    pub fn op(&mut self, size: Size, opcode: u8, reg: u8, rm: Rm) {
        let prefix = if size == Size::B16 { 0x66 } else { 0 };
        let head = Head { prefix, map: 0, wide: size == Size::B64, bytes: size == Size::B8 };
        self.legacy(head, opcode | u8::from(size != Size::B8), reg, rm);
    }

    /// One integer instruction with this very opcode in the one-byte map.
    pub fn op_exact(&mut self, size: Size, opcode: u8, reg: u8, rm: Rm) {
        let prefix = if size == Size::B16 { 0x66 } else { 0 };
        self.legacy(
            Head { prefix, map: 0, wide: size == Size::B64, bytes: size == Size::B8 },
            opcode,
            reg,
            rm,
        );
    }

    /// One integer instruction of the 0Fh map, with this very opcode.
    pub fn op_0f(&mut self, size: Size, opcode: u8, reg: u8, rm: Rm) {
        let prefix = if size == Size::B16 { 0x66 } else { 0 };
        self.legacy(Head { prefix, map: 1, wide: size == Size::B64, bytes: true }, opcode, reg, rm);
    }

    /// An immediate of an operation of `size`: at most four bytes.
    pub fn imm(&mut self, size: Size, value: i32) {
        match size {
            Size::B8 => self.byte(value as u8),
            Size::B16 => self.asm.push_i16(value as i16),
            _ => self.asm.push_i32(value),
        }
    }

    /// One byte.
    pub fn imm8(&mut self, value: u8) {
        self.byte(value);
    }

    fn legacy(&mut self, head: Head, opcode: u8, reg: u8, rm: Rm) {
        if head.prefix != 0 {
            self.byte(head.prefix);
        }
        let (x, b, byte_rm) = match rm {
            Rm::Reg(n) => (0, n >> 3, head.bytes && n >= 4),
            Rm::Mem { base, index, .. } => (index.unwrap_or(0) >> 3, base >> 3, false),
        };
        let rex = u8::from(head.wide) << 3 | (reg >> 3) << 2 | x << 1 | b;
        if rex != 0 || byte_rm || head.bytes && reg >= 4 {
            self.byte(0x40 | rex);
        }
        self.map(head.map);
        self.byte(opcode);
        self.modrm(reg, rm);
    }

    fn map(&mut self, map: u8) {
        match map {
            1 => self.byte(0x0F),
            2 => self.asm.extend([0x0F, 0x38].iter()),
            3 => self.asm.extend([0x0F, 0x3A].iter()),
            _ => {}
        }
    }

    fn modrm(&mut self, reg: u8, rm: Rm) {
        let reg = (reg & 7) << 3;
        match rm {
            Rm::Reg(n) => self.byte(0xC0 | reg | n & 7),
            Rm::Mem { base, index, disp } => {
                let mode = match disp {
                    0 if base & 7 != 5 => 0,
                    -128..=127 => 0x40,
                    _ => 0x80,
                };
                if let Some(index) = index {
                    self.byte(mode | reg | 4);
                    self.byte((index & 7) << 3 | base & 7);
                } else if base & 7 == 4 {
                    self.byte(mode | reg | 4);
                    self.byte(0x24);
                } else {
                    self.byte(mode | reg | base & 7);
                }
                match mode {
                    0x40 => self.byte(disp as u8),
                    0x80 => self.asm.push_i32(disp),
                    _ => {}
                }
            }
        }
    }

    /// A [`Native`] with host operands in its three fields.
    pub fn native_bytes(&mut self, native: &Native, reg: u8, third: u8, rm: Rm) {
        if native.vex {
            self.vex(native, reg, third, rm);
        } else {
            let head = Head { prefix: native.prefix, map: native.map, wide: native.wide, bytes: false };
            self.legacy(head, native.opcode, reg, rm);
        }
        if let Some(imm) = native.imm {
            self.byte(imm);
        }
    }

    fn vex(&mut self, native: &Native, reg: u8, third: u8, rm: Rm) {
        let pp = match native.prefix {
            0x66 => 1,
            0xF3 => 2,
            0xF2 => 3,
            _ => 0,
        };
        let kind = u8::from(native.wide) << 7 | u8::from(native.long) << 2 | pp;
        self.vex_bytes(native.map, kind, third, native.opcode, reg, rm);
    }

    /// `mulx high, low, rm`.
    pub fn mulx(&mut self, wide: bool, high: u8, low: u8, rm: Rm) {
        self.vex_bytes(2, u8::from(wide) << 7 | 3, low, 0xF6, high, rm);
    }

    /// `kind` has W, L and pp at their places.
    fn vex_bytes(&mut self, map: u8, kind: u8, third: u8, opcode: u8, reg: u8, rm: Rm) {
        let (x, b) = match rm {
            Rm::Reg(n) => (0, n >> 3),
            Rm::Mem { base, index, .. } => (index.unwrap_or(0) >> 3, base >> 3),
        };
        self.byte(0xC4);
        self.byte((!(reg >> 3) & 1) << 7 | (!x & 1) << 6 | (!b & 1) << 5 | map);
        self.byte(kind | (!third & 15) << 3);
        self.byte(opcode);
        self.modrm(reg, rm);
    }

    /// MOVUPS or VMOVUPS between vector register `n` and memory.
    pub fn move_vector(&mut self, n: u8, rm: Rm, long: bool, store: bool) {
        let opcode = 0x10 | u8::from(store);
        if long {
            self.vex_bytes(1, 4, 0, opcode, n, rm);
        } else {
            self.legacy(Head { map: 1, ..Head::default() }, opcode, n, rm);
        }
    }
}
