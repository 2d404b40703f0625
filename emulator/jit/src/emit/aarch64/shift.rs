//! Shifts and rotates. AMD silicon defines what the manuals do not: AF is set, OF
//! is that of a single shift only for SHL.

use super::Emitter;
use super::alu::is_own;
use super::encode::{By, Field, op};
use super::flags::{C, Carry, FlagState, HOST, OTHERS, V};
use super::map::{ADJUST, OTHER, PARITY, THIRD, VALUE, ZERO, host};
use crate::ir::{Count, Inst, Place, Reg, Shift, Size, flags};
use dynasmrt::{DynasmApi, DynasmLabelApi, dynasm};
use glassbox_cpu::compiled::layout;

/// Whether a shift is lowered; the rest is the interpreter's.
pub fn lowers(inst: &Inst, live: bool) -> bool {
    match *inst {
        Inst::Shift { op: Shift::Rcl | Shift::Rcr, .. } => false,
        Inst::Shift { op: Shift::Rol | Shift::Ror, size, by: Count::Cl, .. } => is_own(size),
        Inst::Shift { size, by: Count::Cl, .. } => is_own(size) || !live,
        Inst::DoubleShift { by: Count::Cl, .. } => false,
        _ => true,
    }
}

impl Emitter<'_> {
    pub fn shift(&mut self, operation: Shift, size: Size, to: Place, by: Count) {
        match by {
            Count::Imm(n) if matches!(operation, Shift::Rol | Shift::Ror) => {
                self.rotate_by(operation, size, to, n);
            }
            Count::Imm(n) => self.shift_by(operation, size, to, n),
            Count::Cl => self.shift_by_cl(operation, size, to),
        }
    }

    /// The operand as the shift has to see it: bits above a small size cleared, or
    /// copies of its sign.
    fn widened(&mut self, operation: Shift, size: Size, a: u8) -> u8 {
        if is_own(size) || operation == Shift::Shl {
            return a;
        }
        let field = if operation == Shift::Sar { Field::Signed } else { Field::Unsigned };
        self.extract(field, false, VALUE, a, 0, size.bits());
        VALUE
    }

    fn shift_by(&mut self, operation: Shift, size: Size, to: Place, n: u8) {
        let (bits, wide) = (size.bits(), size == Size::B64);
        let a = self.get(to.value(), size, VALUE);
        let a = self.widened(operation, size, a);
        let carry = self.wants(flags::C | flags::O);
        if carry {
            // The bit that goes out last: above the operand's there are none.
            let last = match operation {
                Shift::Shl if n > bits => None,
                Shift::Shl => Some(bits - n),
                Shift::Sar => Some((n - 1).min(bits - 1)),
                _ if n > bits => None,
                _ => Some(n - 1),
            };
            match last {
                Some(last) => self.extract(Field::Unsigned, true, OTHER, a, last, 1),
                None => self.mov(false, OTHER, ZERO),
            }
        }
        let rd = Self::result_of(to, size);
        match operation {
            Shift::Shl => self.lsl(wide, rd, a, n),
            Shift::Shr => self.lsr(wide, rd, a, n),
            _ => self.asr(wide, rd, a, n),
        }
        self.put_result(to, rd, size);
        let rd = self.keep_result(rd);
        self.shift_flags(operation, size, rd, Some(n));
        self.flags_done(Carry::Plain);
    }

    /// The result where VALUE is free.
    fn keep_result(&mut self, rd: u8) -> u8 {
        if rd == VALUE && self.live != 0 {
            self.mov(true, THIRD, rd);
            return THIRD;
        }
        rd
    }

    /// The flags of a shift whose last bit out is bit 0 of OTHER: to the host's and
    /// VALUE, PARITY and ADJUST. Where `n` is none, bit 1 of OTHER is OF's of SHR.
    fn shift_flags(&mut self, operation: Shift, size: Size, rd: u8, n: Option<u8>) {
        let (bits, wide) = (size.bits(), size == Size::B64);
        if self.wants(HOST) {
            self.test(rd, size);
        }
        if self.wants(flags::C | flags::O) {
            self.read_nzcv(VALUE);
            self.insert(false, VALUE, OTHER, C, 1);
            match (operation, n) {
                (Shift::Shl, _) => {
                    // Bits above the sign are not looked at.
                    self.shifted(op::EOR, wide, OTHER, OTHER, rd, (By::Lsr, bits - 1));
                    self.insert(false, VALUE, OTHER, V, 1);
                }
                (Shift::Shr, Some(1)) => {
                    self.lsr(wide, OTHER, rd, bits - 2);
                    self.insert(false, VALUE, OTHER, V, 1);
                }
                (Shift::Shr, None) => {
                    self.lsr(wide, OTHER, OTHER, bits - 1);
                    self.insert(false, VALUE, OTHER, V, 1);
                }
                _ => {}
            }
            self.write_nzcv(VALUE);
        }
        if self.wants(OTHERS) {
            self.mov(false, PARITY, rd);
            self.logic_constant(op::EOR, false, ADJUST, rd, 0x10);
        }
    }

    fn rotate_by(&mut self, operation: Shift, size: Size, to: Place, n: u8) {
        let (bits, wide) = (size.bits(), size == Size::B64);
        let a = self.get(to.value(), size, VALUE);
        let left = n & (bits - 1);
        let right = if operation == Shift::Rol { (bits - left) & (bits - 1) } else { left };
        let rd = Self::result_of(to, size);
        if is_own(size) {
            self.extr(wide, rd, a, a, right);
        } else {
            self.mov(false, VALUE, a);
            self.insert(false, VALUE, VALUE, bits, bits);
            self.lsr(false, VALUE, VALUE, right);
        }
        self.put_result(to, rd, size);
        let rd = self.keep_result(rd);
        if self.wants(flags::C | flags::O) {
            self.flags_to_value(false);
            self.rotate_flags(operation, size, rd);
            self.flags_from_value();
        }
    }

    /// C and V of VALUE by a rotation's result. Uses OTHER.
    fn rotate_flags(&mut self, operation: Shift, size: Size, rd: u8) {
        let (bits, wide) = (size.bits(), size == Size::B64);
        if operation == Shift::Rol {
            self.insert(false, VALUE, rd, C, 1);
            self.shifted(op::EOR, wide, OTHER, rd, rd, (By::Lsr, bits - 1));
        } else {
            self.lsr(wide, OTHER, rd, bits - 1);
            self.insert(false, VALUE, OTHER, C, 1);
            self.shifted(op::EOR, wide, OTHER, rd, rd, (By::Lsl, 1));
            self.lsr(wide, OTHER, OTHER, bits - 1);
        }
        self.insert(false, VALUE, OTHER, V, 1);
    }

    fn shift_by_cl(&mut self, operation: Shift, size: Size, to: Place) {
        let wide = size == Size::B64;
        let count = host(1);
        let opcode = match operation {
            Shift::Shl => op::LSLV,
            Shift::Shr => op::LSRV,
            Shift::Sar => op::ASRV,
            _ => op::RORV,
        };
        let rd = Self::result_of(to, size);
        let a = |e: &mut Self| {
            let a = e.get(to.value(), size, VALUE);
            e.widened(operation, size, a)
        };
        let changed = match operation {
            Shift::Rol | Shift::Ror => flags::C | flags::O,
            _ => flags::ALL,
        };
        if !self.wants(changed) {
            let a = a(self);
            let mut count = count;
            if operation == Shift::Rol {
                self.rrr(op::SUB, false, OTHER, ZERO, count);
                count = OTHER;
            } else if !is_own(size) {
                self.logic_constant(op::AND, false, OTHER, count, 31);
                count = OTHER;
            }
            self.rrr(opcode, wide, rd, a, count);
            self.put_result(to, rd, size);
            return;
        }
        // Where the count is zero flags stay: both ways leave them in memory.
        self.flags_to_memory();
        let done = self.asm.new_dynamic_label();
        self.logic_constant(op::AND, false, THIRD, count, if wide { 63 } else { 31 });
        if let (Place::Reg(n), Size::B32) = (to, size) {
            self.mov(false, host(n), host(n));
        }
        dynasm!(self.asm; .arch aarch64; cbz W(THIRD), =>done);
        let a = a(self);
        let rotates = matches!(operation, Shift::Rol | Shift::Ror);
        if rotates {
            if operation == Shift::Rol {
                self.rrr(op::SUB, false, THIRD, ZERO, THIRD);
            }
        } else if operation == Shift::Shl {
            self.rrr(op::SUB, false, OTHER, ZERO, THIRD);
            self.rrr(op::LSRV, wide, OTHER, a, OTHER);
        } else {
            self.add_constant(false, OTHER, THIRD, -1);
            self.rrr(opcode, wide, OTHER, a, OTHER);
        }
        self.rrr(opcode, wide, rd, a, THIRD);
        self.put_result(to, rd, size);
        let rd = self.keep_result(rd);
        if rotates {
            self.load_field(Size::B32, VALUE, layout::NZCV);
            self.rotate_flags(operation, size, rd);
            self.store_field(Size::B32, VALUE, layout::NZCV);
        } else {
            self.shift_flags(operation, size, rd, None);
            if self.wants(HOST) {
                self.read_nzcv(VALUE);
                self.store_field(Size::B32, VALUE, layout::NZCV);
            }
            if self.wants(OTHERS) {
                self.store_others();
            }
        }
        dynasm!(self.asm; .arch aarch64; =>done);
        self.flags = FlagState::STORED;
    }

    /// SHLD and SHRD by a constant.
    pub fn double_shift(&mut self, left: bool, size: Size, to: Reg, fill: Reg, n: u8) {
        let (bits, wide) = (size.bits(), size == Size::B64);
        let (rd, fill) = (host(to), host(fill));
        if self.wants(flags::C | flags::O) {
            self.extract(Field::Unsigned, true, OTHER, rd, if left { bits - n } else { n - 1 }, 1);
        }
        if left {
            self.extr(wide, rd, rd, fill, bits - n);
        } else {
            self.extr(wide, rd, fill, rd, n);
        }
        if self.wants(HOST) {
            self.test(rd, size);
        }
        if self.wants(flags::C | flags::O) {
            self.read_nzcv(VALUE);
            self.insert(false, VALUE, OTHER, C, 1);
            if left {
                self.shifted(op::EOR, wide, OTHER, OTHER, rd, (By::Lsr, bits - 1));
            } else {
                self.shifted(op::EOR, wide, OTHER, rd, rd, (By::Lsl, 1));
                self.lsr(wide, OTHER, OTHER, bits - 1);
            }
            self.insert(false, VALUE, OTHER, V, 1);
            self.write_nzcv(VALUE);
        }
        if self.wants(OTHERS) {
            self.mov(false, PARITY, rd);
            self.logic_constant(op::EOR, false, ADJUST, rd, 0x10);
        }
        self.flags_done(Carry::Plain);
    }
}
