//! LOCK forms, XCHG, XADD and CMPXCHG with memory: load and store exclusive, with
//! acquire and release semantics, which is no less than LOCK promises together
//! with the plain loads and stores around it.

use super::Emitter;
use super::alu::Operand;
use super::encode::{Field, op};
use super::map::{ADDRESS, INDEX, OTHER, THIRD, VALUE, ZERO, host};
use crate::ir::{Alu, Bit, Reg, Size, Unary, Value, flags};
use dynasmrt::{DynasmApi, DynasmLabelApi, dynasm};

impl Emitter<'_> {
    /// Replaces the cell: VALUE is what it was, `new` puts what it becomes into
    /// THIRD. The address is in INDEX; ADDRESS and OTHER are free. `new` must not
    /// change the host's flags.
    fn replace(&mut self, size: Size, new: impl Fn(&mut Self)) {
        let again = self.asm.new_dynamic_label();
        dynasm!(self.asm; .arch aarch64; =>again);
        self.load_exclusive(size, VALUE, INDEX);
        new(self);
        self.store_exclusive(size, OTHER, THIRD, INDEX);
        dynasm!(self.asm; .arch aarch64; cbnz W(OTHER), =>again);
    }

    pub fn exchange(&mut self, size: Size, with: Reg) {
        self.cell_address();
        self.replace(size, |e| e.mov(true, THIRD, host(with)));
        self.put(with, VALUE, size);
    }

    pub fn locked_alu(&mut self, operation: Alu, size: Size, from: Value) {
        self.cell_address();
        self.prepare_carry(operation);
        let b = self.get(from, size, ADDRESS);
        let opcode = match operation {
            Alu::Add => op::ADD,
            Alu::Adc => op::ADC,
            Alu::Sbb => op::SBC,
            Alu::Sub => op::SUB,
            Alu::Or => op::ORR,
            Alu::Xor => op::EOR,
            Alu::And | Alu::Cmp | Alu::Test => op::AND,
        };
        self.replace(size, |e| e.rrr(opcode, size == Size::B64, THIRD, VALUE, b));
        if self.live != 0 {
            self.alu_on(operation, size, THIRD, VALUE, Operand::Host(b));
        }
    }

    pub fn locked_unary(&mut self, operation: Unary, size: Size) {
        self.cell_address();
        let wide = size == Size::B64;
        self.replace(size, |e| match operation {
            Unary::Inc => e.add_constant(wide, THIRD, VALUE, 1),
            Unary::Dec => e.add_constant(wide, THIRD, VALUE, -1),
            Unary::Neg => e.rrr(op::SUB, wide, THIRD, ZERO, VALUE),
            Unary::Not => e.rrr(op::ORN, wide, THIRD, ZERO, VALUE),
        });
        // The result is not needed: the flags are.
        if self.live != 0 && operation != Unary::Not {
            self.unary_on(operation, size, VALUE, VALUE);
        }
    }

    pub fn locked_bit(&mut self, operation: Bit, size: Size, bit: u8) {
        self.cell_address();
        self.replace(size, |e| e.change_bit(operation, THIRD, VALUE, bit, size == Size::B64));
        if self.wants(flags::C) {
            self.extract(Field::Unsigned, true, OTHER, VALUE, bit, 1);
            self.set_carry(false);
        }
    }

    pub fn exchange_add(&mut self, size: Size, with: Reg) {
        self.cell_address();
        let b = host(with);
        self.replace(size, |e| e.rrr(op::ADD, size == Size::B64, THIRD, VALUE, b));
        if self.live != 0 {
            // ADDRESS keeps what the cell was.
            self.mov(true, ADDRESS, VALUE);
            self.alu_on(Alu::Add, size, THIRD, ADDRESS, Operand::Host(b));
            self.put(with, ADDRESS, size);
        } else {
            self.put(with, VALUE, size);
        }
    }

    pub fn compare_exchange(&mut self, size: Size, with: Reg) {
        self.cell_address();
        let accumulator = host(0);
        let (again, differs, done) =
            (self.asm.new_dynamic_label(), self.asm.new_dynamic_label(), self.asm.new_dynamic_label());
        self.mov(true, ADDRESS, accumulator);
        dynasm!(self.asm; .arch aarch64; =>again);
        self.load_exclusive(size, VALUE, INDEX);
        self.rrr(op::EOR, size == Size::B64, OTHER, VALUE, accumulator);
        if !super::alu::is_own(size) {
            self.extract(Field::Unsigned, false, OTHER, OTHER, 0, size.bits());
        }
        dynasm!(self.asm; .arch aarch64; cbnz X(OTHER), =>differs);
        self.store_exclusive(size, OTHER, host(with), INDEX);
        dynasm!(self.asm; .arch aarch64; cbnz W(OTHER), =>again; b =>done; =>differs);
        // On success the accumulator keeps even its upper half.
        self.put(0, VALUE, size);
        dynasm!(self.asm; .arch aarch64; =>done);
        if self.live != 0 {
            self.mov(true, OTHER, VALUE);
            self.alu_on(Alu::Cmp, size, VALUE, ADDRESS, Operand::Host(OTHER));
        }
    }
}
