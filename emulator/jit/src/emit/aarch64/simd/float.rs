//! Floating point by the host's units, where they do what those of x86 do.
//!
//! While compiled code runs, FPSR gathers what MXCSR's flags are to get, and FPCR rounds
//! as MXCSR says; compiled code gives both back when it leaves. What is different on x86
//! goes to the interpreter: NaNs as results, which are chosen in another order, denormal
//! operands, which are noted, and results that may be tiny, which are told apart after
//! rounding. Of an operation that goes there FPSR has at most flags that it sets, too:
//! that of underflow is not used.

use super::lanes::{AND, BIC, BSL, CMEQ, ORR, XTN, size_of_element};
use super::{Operands, lanes};
use crate::emit::aarch64::encode::{By, Field as Bits, cond, op};
use crate::emit::aarch64::flags::Carry;
use crate::emit::aarch64::map::{ADJUST, OTHER, PARITY, VALUE};
use crate::emit::aarch64::vectors::each;
use crate::emit::aarch64::{Emitter, Outline, SlowPath};
use crate::lift::native::{Field, File};
use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi, dynasm};

/// What numbers an instruction is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// Double precision.
    pub double: bool,
    /// All that fit in 128 bits, else the lowest.
    pub packed: bool,
}

impl Format {
    /// 0 to 3.
    pub fn index(self) -> usize {
        usize::from(self.double) * 2 + usize::from(self.packed)
    }

    /// Of one number.
    pub fn bits(self) -> u8 {
        if self.double { 64 } else { 32 }
    }

    /// Of an operand in memory.
    pub fn bytes(self) -> u8 {
        if self.packed { 16 } else { self.bits() / 8 }
    }

    /// How an instruction of it says so.
    pub fn precision(self) -> u32 {
        u32::from(self.double) << 22
    }
}

/// An arithmetic operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    SquareRoot,
}

impl Arithmetic {
    fn opcode(self, format: Format) -> u32 {
        let [scalar, packed] = match self {
            Self::Add => [0x1E20_2800, 0x4E20_D400],
            Self::Subtract => [0x1E20_3800, 0x4EA0_D400],
            Self::Multiply => [0x1E20_0800, 0x6E20_DC00],
            Self::Divide => [0x1E20_1800, 0x6E20_FC00],
            Self::SquareRoot => [0x1E21_C000, 0x6EA1_F800],
        };
        format.precision() | if format.packed { packed } else { scalar }
    }
}

/// A number that is looked at: goes back if it may be used as it is.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    pub from: DynamicLabel,
    pub back: DynamicLabel,
    pub slow: DynamicLabel,
    /// The host register.
    pub v: u8,
    pub format: Format,
    /// Zeroes where one of these is zero are not tiny; none is if there are none.
    pub zeroes: [Option<u8>; 2],
    /// What those are.
    pub of: Format,
}

impl Emitter<'_> {
    /// One operation, on one half or on two.
    pub fn arithmetic(&mut self, kind: Arithmetic, format: Format, o: &Operands) {
        let b = self.source(o.b, 1, format.bytes());
        let one = kind == Arithmetic::SquareRoot;
        let a = if one { b } else { self.xmm(o.a.n) };
        self.check_operands(o, (a, b), format, one);
        self.compute(kind, format, (0, a, b));
        if o.long {
            let b = self.high_half(o.b, 5);
            let a = if one { b } else { self.high_half(o.a, 4) };
            self.check_operand(b, format);
            if !one {
                self.check_operand(a, format);
            }
            self.compute(kind, format, (6, a, b));
            self.store_home(6, o.to.n, true);
            let to = self.xmm_written(o.to.n);
            self.copy_vector(to, 0);
        } else {
            self.put_number(o, format);
        }
        self.set_plain(o.to.n, format);
    }

    /// One half of an operation, and a look at what came out.
    fn compute(&mut self, kind: Arithmetic, format: Format, (to, a, b): (u8, u8, u8)) {
        let opcode = kind.opcode(format);
        let zeroes = match kind {
            Arithmetic::SquareRoot => {
                self.vv(opcode, to, b);
                [None; 2]
            }
            _ => {
                self.vvv(opcode, to, a, b);
                match kind {
                    // A difference is never zero by underflow.
                    Arithmetic::Multiply => [Some(a), Some(b)],
                    Arithmetic::Divide => [Some(a), None],
                    _ => [None; 2],
                }
            }
        };
        self.check_result(to, format, zeroes, format);
    }

    /// The number in V0, or all of them, to the destination.
    pub fn put_number(&mut self, o: &Operands, format: Format) {
        if format.packed {
            self.put_low(o, 0);
        } else {
            self.merge_element(o, if format.double { 3 } else { 2 }, 0, (0, 0));
        }
    }

    /// Looks at the lower halves of operands, as far as they are not known.
    fn check_operands(&mut self, o: &Operands, (a, b): (u8, u8), format: Format, one: bool) {
        self.check_field(o.b, b, format);
        if !one && a != b {
            self.check_field(o.a, a, format);
        }
    }

    /// Looks at the lower half of an operand, unless it is known.
    pub fn check_field(&mut self, field: Field, v: u8, format: Format) {
        let known = field.file != File::Cell && self.is_plain(field.n, format);
        if !known {
            self.check_operand(v, format);
            if field.file != File::Cell {
                self.set_plain(field.n, format);
            }
        }
    }

    /// Goes to the slow path if a number is denormal.
    pub fn check_operand(&mut self, v: u8, format: Format) {
        let check = self.check(v, format, [None; 2], format);
        if format.packed {
            self.tiny_to_mask(v, format);
            self.branch_if_any(check.from);
        } else {
            self.number_to_value(v, format);
            self.low_exponent_to_other(format);
            dynasm!(self.asm; .arch aarch64; cbz X(OTHER), =>check.from);
        }
        dynasm!(self.asm; .arch aarch64; =>check.back);
        self.outlines.push(Outline::Number(check));
    }

    /// Goes to the slow path if a result is a NaN, tiny, or zero for being tiny.
    fn check_result(&mut self, v: u8, format: Format, zeroes: [Option<u8>; 2], of: Format) {
        let check = self.check(v, format, zeroes, of);
        let bits = format.bits();
        if format.packed {
            // The exponent but its lowest bit, sign-extended: 0 and -1 become 0.
            let esize = u32::from(bits);
            let drop = if format.double { 54 } else { 25 };
            self.vv(0x4F00_5400 | (esize + 1) << 16, 2, v);
            self.vv(0x4F00_0400 | (2 * esize - drop) << 16, 2, 2);
            self.vv(0x6F00_1400 | (esize + 1) << 16, 2, 2);
            self.vv(0x4E20_9800 | size_of_element(bits), 2, 2);
            self.branch_if_any_of(format, check.from);
        } else {
            self.number_to_value(v, format);
            let (lsb, width) = if format.double { (53, 10) } else { (24, 7) };
            self.extract(Bits::Signed, true, OTHER, VALUE, lsb, width);
            self.shifted(op::ADD, true, OTHER, OTHER, OTHER, (By::Lsr, 63));
            dynasm!(self.asm; .arch aarch64; cbz X(OTHER), =>check.from);
        }
        dynasm!(self.asm; .arch aarch64; =>check.back);
        self.outlines.push(Outline::Number(check));
    }

    fn check(&mut self, v: u8, format: Format, zeroes: [Option<u8>; 2], of: Format) -> Check {
        let slow = self.slow_path();
        let (from, back) = (self.asm.new_dynamic_label(), self.asm.new_dynamic_label());
        Check { from, back, slow, v, format, zeroes, of }
    }

    /// VALUE = the lowest number's bits.
    pub fn number_to_value(&mut self, v: u8, format: Format) {
        if format.double {
            dynasm!(self.asm; .arch aarch64; fmov X(VALUE), D(v));
        } else {
            dynasm!(self.asm; .arch aarch64; fmov W(VALUE), S(v));
        }
    }

    /// OTHER is zero if the number in VALUE has one of the lowest exponents.
    fn low_exponent_to_other(&mut self, format: Format) {
        let (lsb, width) = if format.double { (53, 10) } else { (24, 7) };
        self.extract(Bits::Unsigned, true, OTHER, VALUE, lsb, width);
    }

    /// V2 = which numbers have the lowest exponents, or are zero.
    fn tiny_to_mask(&mut self, v: u8, format: Format) {
        let esize = u32::from(format.bits());
        let drop = if format.double { 54 } else { 25 };
        self.vv(0x4F00_5400 | (esize + 1) << 16, 2, v);
        self.vv(0x6F00_0400 | (2 * esize - drop) << 16, 2, 2);
        self.vv(0x4E20_9800 | size_of_element(format.bits()), 2, 2);
        self.vv(XTN | size_of_element(format.bits() / 2), 3, 2);
    }

    /// Goes on elsewhere if any bit of V3's low half is set.
    fn branch_if_any(&mut self, to: DynamicLabel) {
        dynasm!(self.asm; .arch aarch64; fmov X(VALUE), d3; cbnz X(VALUE), =>to);
    }

    /// Goes on elsewhere if any element of the mask in V2 is set.
    fn branch_if_any_of(&mut self, format: Format, to: DynamicLabel) {
        self.vv(XTN | size_of_element(format.bits() / 2), 3, 2);
        self.branch_if_any(to);
    }

    /// Behind the block: zeroes are told from what is tiny.
    pub fn check_outline(&mut self, check: &Check) {
        let Check { from, back, slow, v, format, zeroes, of } = *check;
        dynasm!(self.asm; .arch aarch64; =>from);
        if format.packed {
            self.zeroes_to_mask(3, v, format);
            if let [Some(a), b] = zeroes {
                self.zeroes_to_mask(7, a, format);
                self.vvv(AND, 7, 7, 3);
                if let Some(b) = b {
                    // V3 has what is zero, V7 that of the first operand.
                    self.vvv(BIC, 2, 2, 7);
                    self.zeroes_to_mask(7, b, format);
                    self.vvv(AND, 7, 7, 3);
                }
                self.copy_vector(3, 7);
            }
            self.vvv(BIC, 2, 2, 3);
            self.vv(XTN | size_of_element(format.bits() / 2), 3, 2);
            dynasm!(self.asm; .arch aarch64; fmov X(VALUE), d3; cbz X(VALUE), =>back; b =>slow);
            return;
        }
        self.lsl(format.double, VALUE, VALUE, 1);
        if zeroes == [None; 2] {
            dynasm!(self.asm; .arch aarch64; cbz X(VALUE), =>back; b =>slow);
            return;
        }
        dynasm!(self.asm; .arch aarch64; cbnz X(VALUE), =>slow);
        for operand in zeroes.into_iter().flatten() {
            self.number_to_value(operand, of);
            self.lsl(of.double, VALUE, VALUE, 1);
            dynasm!(self.asm; .arch aarch64; cbz X(VALUE), =>back);
        }
        dynasm!(self.asm; .arch aarch64; b =>slow);
    }

    /// `to` = which numbers are zero.
    fn zeroes_to_mask(&mut self, to: u8, v: u8, format: Format) {
        let esize = u32::from(format.bits());
        self.vv(0x4F00_5400 | (esize + 1) << 16, to, v);
        self.vv(0x4E20_9800 | size_of_element(format.bits()), to, to);
    }

    /// In a slow path, behind the interpreter: goes to `out` if a vector may hold what it
    /// is known not to. False where there is none to look at.
    pub fn recheck_vectors(&mut self, slow: &SlowPath, out: DynamicLabel) -> bool {
        let mut looks = false;
        for double in [false, true] {
            for packed in [false, true] {
                let format = Format { double, packed };
                let (before, after) =
                    (slow.vectors.plain[format.index()], slow.vectors_after.plain[format.index()]);
                for n in each(after & (slow.written | !before)) {
                    self.recheck(n, format, out);
                    looks = true;
                }
            }
        }
        looks
    }

    fn recheck(&mut self, n: u8, format: Format, out: DynamicLabel) {
        self.load_home(0, n, false);
        if format.packed {
            self.tiny_to_mask(0, format);
            self.branch_if_any(out);
        } else {
            self.number_to_value(0, format);
            self.low_exponent_to_other(format);
            dynasm!(self.asm; .arch aarch64; cbz X(OTHER), =>out);
        }
    }

    /// MIN and MAX: the first operand if it is less, or greater, else the second.
    pub fn extreme(&mut self, max: bool, format: Format, o: &Operands) {
        let b = self.source(o.b, 1, format.bytes());
        let a = self.xmm(o.a.n);
        self.check_operands(o, (a, b), format, false);
        let (greater, less) = if max { (a, b) } else { (b, a) };
        self.vvv(comparison(cond::GT, format), 0, greater, less);
        self.vvv(BSL, 0, a, b);
        if o.long {
            let b = self.high_half(o.b, 5);
            let a = self.high_half(o.a, 4);
            self.check_operand(b, format);
            self.check_operand(a, format);
            let (greater, less) = if max { (a, b) } else { (b, a) };
            self.vvv(comparison(cond::GT, format), 6, greater, less);
            self.vvv(BSL, 6, a, b);
            self.store_home(6, o.to.n, true);
            let to = self.xmm_written(o.to.n);
            self.copy_vector(to, 0);
        } else {
            self.put_number(o, format);
        }
        self.set_plain(o.to.n, format);
    }

    /// CMPPS and kin.
    pub fn compare_numbers(&mut self, format: Format, o: &Operands) {
        let b = self.source(o.b, 1, format.bytes());
        let a = self.xmm(o.a.n);
        self.check_operands(o, (a, b), format, false);
        self.relation(o.imm, format, (0, a, b));
        if o.long {
            let b = self.high_half(o.b, 5);
            let a = self.high_half(o.a, 4);
            self.check_operand(b, format);
            self.check_operand(a, format);
            self.relation(o.imm, format, (6, a, b));
            self.store_home(6, o.to.n, true);
            let to = self.xmm_written(o.to.n);
            self.copy_vector(to, 0);
        } else {
            self.put_number(o, format);
        }
    }

    /// `to` = all ones where two numbers are in the relation that an immediate names.
    fn relation(&mut self, imm: u8, format: Format, (to, a, b): (u8, u8, u8)) {
        match imm & 3 {
            0 => self.vvv(comparison(cond::EQ, format), to, a, b),
            1 => self.vvv(comparison(cond::GT, format), to, b, a),
            2 => self.vvv(comparison(cond::GE, format), to, b, a),
            _ => {
                self.vvv(comparison(cond::EQ, format), to, a, a);
                self.vvv(comparison(cond::EQ, format), 2, b, b);
                self.vvv(AND, to, to, 2);
            }
        }
        // NEQ, NLT, NLE, and UNORD, of which this is the contrary.
        if (imm & 4 != 0) != (imm & 3 == 3) {
            dynasm!(self.asm; .arch aarch64; not V(to).b16, V(to).b16);
        }
    }

    /// UCOMISS and COMISS. ZF, PF and CF are 000 for greater, 001 for less, 100 for
    /// equal, 111 for unordered; the others are clear.
    pub fn order(&mut self, signals: bool, double: bool, o: &Operands) {
        let format = Format { double, packed: false };
        let b = self.source(o.b, 1, format.bytes());
        let a = self.xmm(o.a.n);
        self.check_operands(o, (a, b), format, false);
        let kind = if signals { 0x10 } else { 0 };
        self.vvv(0x1E20_2000 | format.precision() | kind, 0, a, b);
        // Less, equal, greater: NZC are 100, 011, 001; unordered is C and V.
        self.cset(PARITY, cond::VC);
        self.mov(false, ADJUST, PARITY);
        self.read_nzcv(VALUE);
        // Z and V make Z, C without V makes the complement of CF.
        self.shifted(op::ORR, false, OTHER, VALUE, VALUE, (By::Lsl, 2));
        self.shifted(op::BIC, false, VALUE, VALUE, VALUE, (By::Lsl, 1));
        self.extract(Bits::Unsigned, false, OTHER, OTHER, 30, 1);
        self.logic_constant(op::AND, false, VALUE, VALUE, 1 << 29);
        self.insert(false, VALUE, OTHER, 30, 1);
        self.write_nzcv(VALUE);
        self.flags_done(Carry::Borrow);
    }

    /// ROUNDSS and kin, by the immediate.
    pub fn round(&mut self, format: Format, o: &Operands) {
        let b = self.source(o.b, 1, format.bytes());
        self.check_field(o.b, b, format);
        // N, M, P, Z; X and I by FPCR, the former noting what is inexact.
        let kind = match (o.imm & 4 != 0, o.imm & 8 != 0) {
            (false, _) => usize::from(o.imm & 3),
            (true, false) => 4,
            (true, true) => 5,
        };
        let opcode = if format.packed {
            [0x4E21_8800, 0x4E21_9800, 0x4EA1_8800, 0x4EA1_9800, 0x6E21_9800, 0x6EA1_9800][kind]
        } else {
            [0x1E24_4000, 0x1E25_4000, 0x1E24_C000, 0x1E25_C000, 0x1E27_4000, 0x1E27_C000][kind]
        };
        self.vv(opcode | format.precision(), 0, b);
        if o.long {
            let b = self.high_half(o.b, 5);
            self.check_operand(b, format);
            self.vv(opcode | format.precision(), 6, b);
            self.store_home(6, o.to.n, true);
            let to = self.xmm_written(o.to.n);
            self.copy_vector(to, 0);
        } else {
            self.put_number(o, format);
        }
    }

    /// As a result's check, for a conversion of one number to another format.
    pub fn check_converted(&mut self, v: u8, format: Format, from: u8) {
        let of = Format { double: !format.double, ..format };
        self.check_result(v, format, [Some(from), None], of);
    }

    /// As a result's check, of a product or what it is a part of.
    pub fn check_product(&mut self, v: u8, format: Format, (n, m): (u8, u8)) {
        self.check_result(v, format, [Some(n), Some(m)], format);
    }

    /// As a result's check, where zeroes are what they seem.
    pub fn check_exact(&mut self, v: u8, format: Format) {
        self.check_result(v, format, [None; 2], format);
    }

    /// `to` = which numbers are no NaNs.
    pub fn ordered_to_mask(&mut self, to: u8, v: u8, format: Format) {
        self.vvv(comparison(cond::EQ, format), to, v, v);
    }

    /// Goes to the slow path if any integer in `v` is the largest, as what is too large
    /// becomes, or what it was made of is a NaN. Uses V2 and V3.
    pub fn check_integers(&mut self, v: u8, from: u8) {
        let slow = self.slow_path();
        let format = Format { double: false, packed: true };
        dynasm!(self.asm; .arch aarch64; mvni v2.s4, 0x80, lsl 24);
        self.vvv(CMEQ | lanes::S, 2, 2, v);
        self.ordered_to_mask(3, from, format);
        // orn
        self.vvv(ORR | 1 << 22, 2, 2, 3);
        self.branch_if_any_of(format, slow);
    }
}

/// FCMEQ, FCMGE, FCMGT.
fn comparison(kind: u8, format: Format) -> u32 {
    let opcode = match kind {
        cond::EQ => 0x4E20_E400,
        cond::GE => 0x6E20_E400,
        _ => 0x6EA0_E400,
    };
    let scalar = if format.packed { 0 } else { 1 << 28 };
    opcode | scalar | format.precision()
}
