//! Moves, ALU operations, conditions, bits.

use super::Emitter;
use super::encode::{By, Field, op};
use super::flags::{Asked, Carry, FlagState, HOST, OTHERS, V};
use super::map::{ADDRESS, ADJUST, OTHER, PARITY, THIRD, VALUE, ZERO, host};
use crate::ir::{Address, Alu, Bit, CarryOp, Cond, Place, Reg, Size, Unary, Value, flags};
use dynasmrt::{DynasmApi, DynasmLabelApi, dynasm};

/// The second operand of an ALU operation.
#[derive(Clone, Copy, Debug)]
pub enum Operand {
    /// A host register's low bits.
    Host(u8),
    /// A constant.
    Imm(i32),
}

/// Whether operations of a size are the host's own.
pub fn is_own(size: Size) -> bool {
    matches!(size, Size::B32 | Size::B64)
}

impl Emitter<'_> {
    /// A host register that holds a value; what is not in one is loaded to `scratch`.
    pub fn get(&mut self, value: Value, size: Size, scratch: u8) -> u8 {
        match value {
            Value::Reg(n) => host(n),
            Value::Cell => {
                self.load_cell(size, scratch);
                scratch
            }
            Value::Imm(0) => ZERO,
            Value::Imm(value) => {
                self.constant_of(size, scratch, value);
                scratch
            }
        }
    }

    fn constant_of(&mut self, size: Size, to: u8, value: i32) {
        let value = i64::from(value) as u64;
        self.constant(to, if size == Size::B64 { value } else { value & 0xFFFF_FFFF });
    }

    fn operand(&mut self, value: Value, size: Size) -> Operand {
        match value {
            Value::Imm(value) => Operand::Imm(value),
            other => Operand::Host(self.get(other, size, OTHER)),
        }
    }

    /// The operand in a register: constants in OTHER.
    fn in_register(&mut self, operand: Operand, size: Size) -> u8 {
        match operand {
            Operand::Host(n) => n,
            Operand::Imm(value) => self.get(Value::Imm(value), size, OTHER),
        }
    }

    /// Guest register `n` = the low bits of a host register, as operations of `size` write.
    pub fn put(&mut self, n: Reg, from: u8, size: Size) {
        let to = host(n);
        match size {
            Size::B64 if to == from => {}
            Size::B64 => self.mov(true, to, from),
            Size::B32 => self.mov(false, to, from),
            _ => self.insert(true, to, from, 0, size.bits()),
        }
    }

    /// Where an operation on `to` may leave its result: in place, or in VALUE.
    pub fn result_of(to: Place, size: Size) -> u8 {
        match to {
            Place::Reg(n) if is_own(size) => host(n),
            _ => VALUE,
        }
    }

    /// Puts a result where it belongs, unless it is there.
    pub fn put_result(&mut self, to: Place, from: u8, size: Size) {
        match to {
            Place::Reg(n) if is_own(size) && host(n) == from => {}
            Place::Reg(n) => self.put(n, from, size),
            Place::Cell => self.store_cell(size, from),
        }
    }

    /// The flags of the running step are in the host's and in PARITY and ADJUST, as
    /// far as anybody asks.
    pub fn flags_done(&mut self, carry: Carry) {
        self.flags = FlagState {
            host: self.wants(HOST).then_some(carry),
            others: self.wants(OTHERS),
            ..FlagState::default()
        };
    }

    /// Sets N and Z by a result of `size`, clears C and V.
    pub fn test(&mut self, result: u8, size: Size) {
        match size {
            Size::B32 | Size::B64 => self.rrr(op::ANDS, size == Size::B64, ZERO, result, result),
            _ => self.shifted(op::ADDS, false, ZERO, ZERO, result, (By::Lsl, 32 - size.bits())),
        }
    }

    /// An ALU operation of host registers with its flags: the result goes to `rd`,
    /// which is not OTHER; bits above `size` are undefined for the small sizes.
    /// Comparisons leave `rd` alone. What reads CF finds it where
    /// [`prepare_carry`](Self::prepare_carry) has put it.
    pub fn alu_on(&mut self, operation: Alu, size: Size, rd: u8, a: u8, b: Operand) {
        match operation {
            Alu::Add | Alu::Sub | Alu::Cmp => self.add_on(operation, size, rd, a, b),
            Alu::Adc | Alu::Sbb if is_own(size) => self.add_on(operation, size, rd, a, b),
            Alu::Adc | Alu::Sbb => self.small_carrying(operation, size, rd, a, b),
            _ => self.logic_on(operation, size, rd, a, b),
        }
    }

    /// ADJUST = both operands exclusive-ored, as far as bit 4 goes.
    fn note_operands(&mut self, a: u8, b: Operand) {
        match b {
            Operand::Host(b) => self.rrr(op::EOR, false, ADJUST, a, b),
            Operand::Imm(value) if value & 0x10 != 0 => {
                self.logic_constant(op::EOR, false, ADJUST, a, 0x10);
            }
            Operand::Imm(_) => self.mov(false, ADJUST, a),
        }
    }

    fn add_on(&mut self, operation: Alu, size: Size, rd: u8, a: u8, b: Operand) {
        let (set, others) = (self.wants(HOST), self.wants(OTHERS));
        let compares = operation == Alu::Cmp;
        let carry = if matches!(operation, Alu::Add | Alu::Adc) { Carry::Plain } else { Carry::Borrow };
        if others {
            self.note_operands(a, b);
        }
        let rd = match (compares, others) {
            (true, true) => PARITY,
            (true, false) => ZERO,
            _ => rd,
        };
        if !is_own(size) {
            let shift = 32 - size.bits();
            let to = if rd == ZERO { VALUE } else { rd };
            let b = self.in_register(b, size);
            self.lsl(false, VALUE, a, shift);
            let opcode = match (carry, set) {
                (Carry::Plain, true) => op::ADDS,
                (Carry::Plain, false) => op::ADD,
                (Carry::Borrow, true) => op::SUBS,
                (Carry::Borrow, false) => op::SUB,
            };
            self.shifted(opcode, false, VALUE, VALUE, b, (By::Lsl, shift));
            if rd != ZERO {
                self.lsr(false, to, VALUE, shift);
            }
        } else {
            self.add_own(operation, size == Size::B64, set, rd, a, b);
        }
        if others && !compares {
            self.mov(false, PARITY, rd);
        }
        self.flags_done(carry);
    }

    fn add_own(&mut self, operation: Alu, wide: bool, set: bool, rd: u8, a: u8, b: Operand) {
        let opcode = match (operation, set) {
            (Alu::Add, true) => op::ADDS,
            (Alu::Add, false) => op::ADD,
            (Alu::Adc, true) => op::ADCS,
            (Alu::Adc, false) => op::ADC,
            (Alu::Sbb, true) => op::SBCS,
            (Alu::Sbb, false) => op::SBC,
            (_, true) => op::SUBS,
            (_, false) => op::SUB,
        };
        if let Operand::Imm(value) = b {
            // SUBS of zero sets C, as no borrow; ADDS of zero does not.
            let constant = match operation {
                Alu::Add => Some(value),
                Alu::Sub | Alu::Cmp if value != 0 => value.checked_neg(),
                _ => None,
            };
            if let Some(value) = constant {
                if !set {
                    if (-0xFF_FFFF..=0xFF_FFFF).contains(&value) && rd != ZERO {
                        self.add_constant(wide, rd, a, i64::from(value));
                        return;
                    }
                } else if self.adds_constant(wide, rd, a, value) {
                    return;
                }
            }
        }
        let size = if wide { Size::B64 } else { Size::B32 };
        let b = self.in_register(b, size);
        self.rrr(opcode, wide, rd, a, b);
    }

    /// ADC and SBB of bytes and words: in 32 bits, and C and V by hand.
    fn small_carrying(&mut self, operation: Alu, size: Size, rd: u8, a: u8, b: Operand) {
        let (bits, plus) = (size.bits(), operation == Alu::Adc);
        let b = self.in_register(b, size);
        self.extract(Field::Unsigned, false, OTHER, b, 0, bits);
        self.extract(Field::Unsigned, false, VALUE, a, 0, bits);
        self.rrr(op::EOR, false, ADJUST, VALUE, OTHER);
        self.rrr(if plus { op::ADC } else { op::SBC }, false, OTHER, VALUE, OTHER);
        // From here on OTHER is the result, with the carry above its bits.
        self.rrr(op::EOR, false, PARITY, VALUE, OTHER);
        if self.wants(HOST) {
            // Overflow: a sum whose sign is neither operand's, a difference of
            // operands of unlike signs whose sign is not the first one's.
            if plus {
                self.rrr(op::EOR, false, VALUE, ADJUST, PARITY);
                self.rrr(op::AND, false, PARITY, VALUE, PARITY);
            } else {
                self.rrr(op::AND, false, PARITY, ADJUST, PARITY);
            }
            self.lsr(false, PARITY, PARITY, bits - 1);
            self.test(OTHER, size);
            self.read_nzcv(VALUE);
            self.insert(false, VALUE, PARITY, V, 1);
            self.lsr(false, PARITY, OTHER, bits);
            self.insert(false, VALUE, PARITY, super::flags::C, 1);
            self.write_nzcv(VALUE);
        }
        self.mov(false, PARITY, OTHER);
        self.mov(false, rd, OTHER);
        self.flags_done(Carry::Plain);
    }

    fn logic_on(&mut self, operation: Alu, size: Size, rd: u8, a: u8, b: Operand) {
        let (set, others) = (self.wants(HOST), self.wants(OTHERS));
        let wide = size == Size::B64;
        let compares = operation == Alu::Test;
        let rd = match (compares, others, is_own(size)) {
            (true, true, _) => PARITY,
            (true, false, true) => ZERO,
            (true, false, false) => VALUE,
            _ => rd,
        };
        let opcode = match operation {
            Alu::Or => op::ORR,
            Alu::Xor => op::EOR,
            _ if set && is_own(size) => op::ANDS,
            _ => op::AND,
        };
        // ANDS is the only one whose destination may be the zero register with a
        // constant: the others would write the stack pointer.
        let done = match b {
            Operand::Imm(value) if rd != ZERO || opcode == op::ANDS => {
                self.logic_constant(opcode, wide, rd, a, i64::from(value) as u64)
            }
            _ => false,
        };
        let needed = !compares || set || others;
        if !done && needed {
            let b = self.in_register(b, size);
            self.rrr(opcode, wide, rd, a, b);
        }
        if set && opcode != op::ANDS {
            self.test(rd, size);
        }
        if others {
            if rd != PARITY {
                self.mov(false, PARITY, rd);
            }
            self.mov(false, ADJUST, PARITY);
        }
        self.flags_done(Carry::Plain);
    }

    /// CF to the host's C, if an operation reads it. Uses VALUE.
    pub fn prepare_carry(&mut self, operation: Alu) {
        if operation.carries() {
            self.flags_to_host(Some(if operation == Alu::Adc { Carry::Plain } else { Carry::Borrow }));
        }
    }

    pub fn alu(&mut self, operation: Alu, size: Size, to: Place, from: Value) {
        self.prepare_carry(operation);
        let b = self.operand(from, size);
        let a = self.get(to.value(), size, VALUE);
        let rd = Self::result_of(to, size);
        self.alu_on(operation, size, rd, a, b);
        if !operation.compares() {
            self.put_result(to, rd, size);
        }
    }

    pub fn unary(&mut self, operation: Unary, size: Size, to: Place) {
        let a = self.get(to.value(), size, VALUE);
        let rd = Self::result_of(to, size);
        self.unary_on(operation, size, rd, a);
        self.put_result(to, rd, size);
    }

    /// As [`alu_on`](Self::alu_on).
    pub fn unary_on(&mut self, operation: Unary, size: Size, rd: u8, a: u8) {
        match operation {
            Unary::Not => self.rrr(op::ORN, size == Size::B64, rd, ZERO, a),
            // The result goes by way of `a`'s register, which may be VALUE.
            Unary::Neg => {
                if a == VALUE {
                    self.mov(true, OTHER, a);
                    self.alu_on(Alu::Sub, size, rd, ZERO, Operand::Host(OTHER));
                } else {
                    self.alu_on(Alu::Sub, size, rd, ZERO, Operand::Host(a));
                }
            }
            Unary::Inc | Unary::Dec => {
                let operation = if operation == Unary::Inc { Alu::Add } else { Alu::Sub };
                // CF stays.
                let keep = self.wants(flags::C);
                let changes = self.wants((HOST | OTHERS) & !flags::C);
                if keep && changes {
                    self.keep_carry();
                }
                let before = self.flags;
                if keep && !changes {
                    // Nothing but CF matters, and where it is it stays.
                    self.live = 0;
                    self.alu_on(operation, size, rd, a, Operand::Imm(1));
                    self.flags = before;
                    return;
                }
                self.alu_on(operation, size, rd, a, Operand::Imm(1));
                if keep {
                    self.restore_carry(rd);
                }
            }
        }
    }

    /// THIRD = CF.
    fn keep_carry(&mut self) {
        match self.flags.host {
            Some(Carry::Plain) => self.cset(THIRD, super::encode::cond::CS),
            Some(Carry::Borrow) => self.cset(THIRD, super::encode::cond::CC),
            None => {
                self.load_field(Size::B32, THIRD, glassbox_cpu::compiled::layout::NZCV);
                self.lsr(false, THIRD, THIRD, super::flags::C);
            }
        }
    }

    /// CF = THIRD; all other flags are in the host's. The result in `rd` stays.
    fn restore_carry(&mut self, rd: u8) {
        let scratch = if rd == VALUE { OTHER } else { VALUE };
        self.read_nzcv(scratch);
        self.insert(false, scratch, THIRD, super::flags::C, 1);
        self.write_nzcv(scratch);
        self.flags.host = Some(Carry::Plain);
        self.flags.stored = false;
    }

    pub fn move_to(&mut self, size: Size, to: Place, from: Value) {
        match (to, from) {
            (Place::Cell, _) => {
                let from = self.get(from, size, VALUE);
                self.store_cell(size, from);
            }
            (Place::Reg(n), Value::Cell) if is_own(size) => self.load_cell(size, host(n)),
            (Place::Reg(n), Value::Imm(value)) if is_own(size) => self.constant_of(size, host(n), value),
            (Place::Reg(n), _) => {
                let from = self.get(from, size, VALUE);
                self.put(n, from, size);
            }
        }
    }

    pub fn store_const(&mut self, value: u64) {
        let from = if value == 0 { ZERO } else { VALUE };
        if value != 0 {
            self.constant(VALUE, value);
        }
        self.store_cell(Size::B64, from);
    }

    pub fn extend(&mut self, to: Reg, size: Size, from: Value, of: Size, signed: bool) {
        let rd = if is_own(size) { host(to) } else { VALUE };
        let wide = size == Size::B64 && signed;
        match from {
            Value::Cell if !signed => self.load_cell(of, rd),
            Value::Cell if of != Size::B32 => {
                let (base, index) = (self.cell.base, self.cell.index);
                self.load_signed(of, wide, rd, base, index);
            }
            _ => {
                let from = self.get(from, of, VALUE);
                let field = if signed { Field::Signed } else { Field::Unsigned };
                self.extract(field, wide, rd, from, 0, of.bits());
            }
        }
        if !is_own(size) {
            self.put(to, rd, size);
        }
    }

    pub fn lea(&mut self, to: Reg, size: Size, at: &Address) {
        let narrow = at.narrow || size == Size::B32;
        let at = Address { narrow, ..*at };
        if is_own(size) {
            // The first step reads both registers; only large constants need VALUE.
            self.address(host(to), &at);
        } else {
            self.address(THIRD, &at);
            self.put(to, THIRD, size);
        }
    }

    pub fn high(&mut self, to: Reg, of: Reg) {
        self.extract(Field::Unsigned, true, host(to), host(of), 8, 8);
    }

    pub fn set_high(&mut self, to: Reg, from: Reg) {
        self.insert(true, host(to), host(from), 8, 8);
    }

    pub fn bswap(&mut self, to: Reg, size: Size) {
        let wide = size == Size::B64;
        self.unary_op(if wide { 3 } else { 2 }, wide, host(to), host(to));
    }

    pub fn sign_fill(&mut self, size: Size) {
        let (low, high) = (host(0), host(2));
        match size {
            Size::B64 | Size::B32 => self.asr(size == Size::B64, high, low, size.bits() - 1),
            _ => {
                self.extract(Field::Signed, false, VALUE, low, size.bits() - 1, 1);
                self.put(2, VALUE, size);
            }
        }
    }

    pub fn set_if(&mut self, cc: Cond, to: Place) {
        match self.condition(cc) {
            Asked::Host(cc) => self.cset(VALUE, cc),
            Asked::Value { zero } => {
                if zero {
                    self.logic_constant(op::EOR, false, VALUE, VALUE, 1);
                }
            }
        }
        self.put_result(to, VALUE, Size::B8);
    }

    pub fn move_if(&mut self, cc: Cond, size: Size, to: Reg, from: Value) {
        let asked = self.condition(cc);
        let b = self.get(from, size, OTHER);
        let (wide, rd) = (size == Size::B64, host(to));
        match asked {
            Asked::Host(cc) if is_own(size) => self.csel(wide, rd, b, rd, cc),
            Asked::Host(cc) => {
                self.csel(true, VALUE, b, rd, cc);
                self.put(to, VALUE, size);
            }
            Asked::Value { zero } => {
                // All ones where it is not to be moved.
                let keep = self.asm.new_dynamic_label();
                if size == Size::B32 {
                    self.mov(false, rd, rd);
                }
                if zero {
                    dynasm!(self.asm; .arch aarch64; cbnz W(VALUE), =>keep);
                } else {
                    dynasm!(self.asm; .arch aarch64; cbz W(VALUE), =>keep);
                }
                self.put(to, b, size);
                dynasm!(self.asm; .arch aarch64; =>keep);
            }
        }
    }

    pub fn bit_test(&mut self, operation: Bit, size: Size, to: Place, bit: Value) {
        let wide = size == Size::B64;
        let a = match to {
            Place::Reg(n) => host(n),
            Place::Cell => {
                self.load_cell(size, THIRD);
                THIRD
            }
        };
        let rd = if is_own(size) && to != Place::Cell { a } else { THIRD };
        match bit {
            Value::Imm(n) => {
                let n = n as u8 & (size.bits() - 1);
                self.extract(Field::Unsigned, true, OTHER, a, n, 1);
                self.change_bit(operation, rd, a, n, wide);
            }
            _ => {
                let n = self.get(bit, size, VALUE);
                self.logic_constant(op::AND, false, VALUE, n, u64::from(size.bits()) - 1);
                self.rrr(op::LSRV, wide, OTHER, a, VALUE);
                if operation != Bit::Test {
                    // The mask takes the place of the number. There is no cell.
                    self.constant(ADDRESS, 1);
                    self.rrr(op::LSLV, wide, VALUE, ADDRESS, VALUE);
                    let opcode = match operation {
                        Bit::Set => op::ORR,
                        Bit::Reset => op::BIC,
                        _ => op::EOR,
                    };
                    self.rrr(opcode, wide, rd, a, VALUE);
                }
            }
        }
        if operation != Bit::Test {
            self.put_result(to, rd, size);
        }
        if self.wants(flags::C) {
            self.set_carry(false);
        }
    }

    /// Changes bit `n`.
    pub fn change_bit(&mut self, operation: Bit, rd: u8, a: u8, n: u8, wide: bool) {
        let mask = 1u64 << n;
        let wide = wide || n >= 32;
        match operation {
            Bit::Test => {}
            Bit::Set => {
                self.logic_constant(op::ORR, wide, rd, a, mask);
            }
            Bit::Reset => {
                self.logic_constant(op::AND, wide, rd, a, !mask);
            }
            Bit::Complement => {
                self.logic_constant(op::EOR, wide, rd, a, mask);
            }
        }
    }

    pub fn carry(&mut self, operation: CarryOp) {
        if !self.wants(flags::C) {
            return;
        }
        match (operation, self.flags.host) {
            (CarryOp::Complement, Some(carry)) => {
                let other = if carry == Carry::Plain { Carry::Borrow } else { Carry::Plain };
                self.flags_are_host(other);
                return;
            }
            (CarryOp::Complement, None) => {
                self.flags_to_value(true);
                self.logic_constant(op::EOR, false, VALUE, VALUE, 1 << super::flags::C);
            }
            (CarryOp::Set, _) => {
                self.flags_to_value(false);
                self.logic_constant(op::ORR, false, VALUE, VALUE, 1 << super::flags::C);
            }
            (CarryOp::Clear, _) => {
                self.flags_to_value(false);
                self.logic_constant(op::AND, false, VALUE, VALUE, !(1 << super::flags::C));
            }
        }
        self.flags_from_value();
    }
}
