//! Multiplication and division.

use super::encode::Rm;
use super::map::{self, RAX, RCX, RDX};
use super::{Emitter, slot};
use crate::ir::{Inst, Reg, Size, Value};
use dynasmrt::{DynasmLabelApi, dynasm};

impl Emitter<'_> {
    pub fn multiply(&mut self, size: Size, to: Reg, a: Value, b: Value) {
        let rm = |e: &Self, v: Value| match v {
            Value::Reg(n) => map::pinned(n).map_or(Rm::field(slot(n)), Rm::Reg),
            _ => e.cell,
        };
        let host = match b {
            Value::Imm(value) => {
                let host = map::pinned(to).unwrap_or(RDX);
                let from = rm(self, a);
                if i8::try_from(value).is_ok() {
                    self.op_exact(size, 0x6B, host, from);
                    self.imm8(value as u8);
                } else {
                    self.op_exact(size, 0x69, host, from);
                    self.imm(size, value);
                }
                host
            }
            _ => {
                let host = self.get(to, RDX);
                let from = rm(self, b);
                self.op_0f(size, 0xAF, host, from);
                host
            }
        };
        if map::pinned(to).is_none() {
            let size = if size == Size::B32 { Size::B64 } else { size };
            self.op(size, 0x88, host, Rm::field(slot(to)));
        }
    }

    /// The factor or divisor in a register that is neither RAX nor RDX, or in
    /// memory. The cell is used up.
    fn factor(&mut self, size: Size, by: Value) -> Rm {
        match by {
            Value::Reg(n) => map::pinned(n).map_or(Rm::field(slot(n)), Rm::Reg),
            _ => {
                self.op_exact(size, 0x8B, RCX, self.cell);
                Rm::Reg(RCX)
            }
        }
    }

    pub fn multiply_wide(&mut self, signed: bool, size: Size, by: Value) {
        // RAX may be what the cell is counted from.
        let factor = match (by, self.cell) {
            (Value::Cell, Rm::Mem { base, .. }) if base != RAX => self.cell,
            _ => self.factor(size, by),
        };
        let low = self.get(0, RAX);
        self.op_exact(Size::B64, 0x8B, RAX, Rm::Reg(low));
        self.op(size, 0xF6, if signed { 5 } else { 4 }, factor);
        self.mov_host(0, RAX, size);
        self.mov_host(2, RDX, size);
    }

    /// MULX: flags stay. What it would do to registers in memory it does to scratch ones.
    pub fn multiply_apart(&mut self, size: Size, high: Reg, low: Reg, by: Value) {
        let rm = self.rm(by);
        let factor = self.get(2, RDX);
        self.op_exact(Size::B64, 0x8B, RDX, Rm::Reg(factor));
        let (to_high, to_low) = (map::pinned(high).unwrap_or(RDX), map::pinned(low).unwrap_or(RAX));
        self.mulx(size == Size::B64, to_high, to_low, rm);
        for (n, host) in [(low, to_low), (high, to_high)] {
            if map::pinned(n).is_none() {
                self.op(Size::B64, 0x88, host, Rm::field(slot(n)));
            }
        }
    }

    /// DIV and IDIV, where they raise nothing. CF and OF stay, as on AMD silicon.
    pub fn divide(&mut self, inst: &Inst, signed: bool, size: Size, by: Value) {
        // The cell takes RAX until it is loaded, so nothing may be saved before.
        let divisor = self.factor(size, by);
        self.cell_live = false;
        self.before_clobber();
        let slow = self.slow_path();
        let (low, high) = (self.get(0, RAX), self.get(2, RDX));
        if signed {
            // The dividend fits one register and the divisor is above zero: the
            // quotient fits. What else there is the interpreter does.
            let sign = size.bits() as i8 - 1;
            self.op_exact(size, 0x8B, RAX, Rm::Reg(low));
            self.op(size, 0xC0, 7, Rm::Reg(RAX));
            self.imm8(sign as u8);
            self.op_exact(size, 0x3B, RAX, Rm::Reg(high));
            dynasm!(self.asm; .arch x64; jne =>slow);
            self.op_exact(size, 0x83, 7, divisor);
            self.imm8(0);
            dynasm!(self.asm; .arch x64; jle =>slow);
        } else {
            // The quotient fits if the upper half is below the divisor.
            self.op_exact(size, 0x3B, high, divisor);
            dynasm!(self.asm; .arch x64; jae =>slow);
        }
        let effect = inst.effect();
        if self.live & !effect.writes != 0 {
            self.flags_to_host();
        }
        let (low, high) = (self.get(0, RAX), self.get(2, RDX));
        self.op_exact(Size::B64, 0x8B, RAX, Rm::Reg(low));
        self.op_exact(Size::B64, 0x8B, RDX, Rm::Reg(high));
        self.op(size, 0xF6, if signed { 7 } else { 6 }, divisor);
        self.mov_host(0, RAX, size);
        self.mov_host(2, RDX, size);
    }
}
