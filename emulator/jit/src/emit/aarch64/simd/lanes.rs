//! What is done on each 128 bits by themselves, without a look at MXCSR.

use super::Operands;
use crate::emit::aarch64::Emitter;
use crate::emit::aarch64::map::{VALUE, vector};
use crate::lift::native::File;
use dynasmrt::{DynasmApi, dynasm};

/// Elements of 1 to 8 bytes, in an instruction of all 128 bits.
pub const B: u32 = 0;
pub const H: u32 = 1 << 22;
pub const S: u32 = 2 << 22;
pub const D: u32 = 3 << 22;
pub const ADD: u32 = 0x4E20_8400;
pub const ADDP: u32 = 0x4E20_BC00;
pub const SUB: u32 = 0x6E20_8400;
pub const CMEQ: u32 = 0x6E20_8C00;
pub const CMGT: u32 = 0x4E20_3400;
pub const SQADD: u32 = 0x4E20_0C00;
pub const UQADD: u32 = 0x6E20_0C00;
pub const SQSUB: u32 = 0x4E20_2C00;
pub const UQSUB: u32 = 0x6E20_2C00;
pub const URHADD: u32 = 0x6E20_1400;
pub const UMAX: u32 = 0x6E20_6400;
pub const UMIN: u32 = 0x6E20_6C00;
pub const SMAX: u32 = 0x4E20_6400;
pub const SMIN: u32 = 0x4E20_6C00;
pub const MUL: u32 = 0x4E20_9C00;
pub const ZIP1: u32 = 0x4E00_3800;
pub const ZIP2: u32 = 0x4E00_7800;
pub const UZP1: u32 = 0x4E00_1800;
pub const UZP2: u32 = 0x4E00_5800;
pub const TRN1: u32 = 0x4E00_2800;
pub const TRN2: u32 = 0x4E00_6800;
pub const AND: u32 = 0x4E20_1C00;
pub const BIC: u32 = 0x4E60_1C00;
pub const ORR: u32 = 0x4EA0_1C00;
pub const EOR: u32 = 0x6E20_1C00;
/// `vd = vd ? vn : vm`, bit by bit.
pub const BSL: u32 = 0x6E60_1C00;
/// One operand.
pub const ABS: u32 = 0x4E20_B800;
/// To narrower elements; the upper half of the result with [`UPPER`].
pub const SQXTN: u32 = 0x0E21_4800;
pub const SQXTUN: u32 = 0x2E21_2800;
pub const XTN: u32 = 0x0E21_2800;
/// To wider ones; of the operands' upper halves with [`UPPER`].
pub const SMULL: u32 = 0x0E20_C000;
pub const UMULL: u32 = 0x2E20_C000;
pub const UPPER: u32 = 1 << 30;
const SSHL: u32 = 0x4E20_4400;
const USHL: u32 = 0x6E20_4400;
const SHL: u32 = 0x4F00_5400;
const SSHR: u32 = 0x4F00_0400;
const USHR: u32 = 0x6F00_0400;

/// A shift.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shift {
    Left,
    Right,
    /// With the sign.
    Signed,
}

/// What is done with two operands, or with the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lanes {
    /// One instruction of both, the first one first.
    Both(u32),
    /// As above, the second one first.
    Swapped(u32),
    /// One instruction of the last operand.
    One(u32),
    /// One of it and it again.
    Twice(u32),
    /// Elements of so many bits, by the immediate.
    ShiftBy(Shift, u8),
    /// By the low half of the last operand.
    ShiftAll(Shift, u8),
    /// Each by an element of the last operand.
    ShiftEach(Shift, u8),
    /// All 128 bits, by bytes.
    ShiftBytes { left: bool },
    /// PSHUFD.
    Words,
    /// PSHUFLW, PSHUFHW.
    HalfWords { high: bool },
    /// SHUFPS, SHUFPD.
    OfBoth { double: bool },
    /// PSHUFB.
    Bytes,
    /// PALIGNR.
    Align,
    /// PACKSSWB and kin: the instruction that narrows one operand.
    Pack(u32),
    /// PMULHW, PMULHUW.
    MultiplyHigh { signed: bool },
    /// PMADDWD.
    MultiplyAdd,
    /// PMULDQ, PMULUDQ.
    MultiplyEven { signed: bool },
    /// PSADBW.
    Differences,
    /// PSIGN of elements of so many bits.
    Sign(u32),
    /// PHADD or PHSUB by an instruction of elements next to each other.
    Horizontal(u32, u32),
    /// By the immediate, elements of so many bytes.
    Blend(u8),
    /// By the signs of the elements, of so many bits, of a third vector.
    BlendBy(u8),
    /// PMOVMSKB, MOVMSKPS, MOVMSKPD: elements of so many bits.
    Signs(u8),
    /// PTEST.
    TestBits,
    /// AESENC and kin: inverse, last round.
    Cipher { decrypt: bool, last: bool },
    /// AESIMC.
    InverseColumns,
    /// PCLMULQDQ.
    CarryLess,
}

/// The bits of an immediate that concern one half.
fn part(imm: u8, bits: u8, half: u8) -> u8 {
    imm >> (bits * half) & (((1u16 << bits) - 1) as u8)
}

impl Emitter<'_> {
    /// One instruction, on one half or on two.
    pub fn each_lane(&mut self, lanes: Lanes, o: &Operands) {
        match lanes {
            Lanes::Signs(bits) => return self.signs(bits, o),
            Lanes::TestBits => return self.test_vectors(o),
            _ => {}
        }
        let one = matches!(
            lanes,
            Lanes::One(_)
                | Lanes::Twice(_)
                | Lanes::Words
                | Lanes::HalfWords { .. }
                | Lanes::ShiftBy(..)
                | Lanes::ShiftBytes { .. }
                | Lanes::InverseColumns
        );
        if clears(lanes, o) {
            let to = self.xmm_written(o.to.n);
            dynasm!(self.asm; .arch aarch64; movi V(to).d2, 0);
            for plain in &mut self.vectors.plain {
                *plain |= 1 << o.to.n;
            }
            if o.vex {
                self.clear_upper(o.to.n);
            }
            return;
        }
        let b = self.low_half(o.b, 1);
        let a = if one { b } else { self.low_half(o.a, 0) };
        let fourth = if o.fourth < 16 { self.xmm(o.fourth) } else { 0 };
        if o.long {
            // The low half waits in V7: it may be an operand of the upper one's.
            self.lane(lanes, (7, a, b, fourth), o, 0);
            let b = match lanes {
                Lanes::ShiftAll(..) => b,
                _ => self.high_half(o.b, 5),
            };
            let a = if one { b } else { self.high_half(o.a, 4) };
            if o.fourth < 16 {
                self.load_home(6, o.fourth, true);
            }
            self.lane(lanes, (0, a, b, 6), o, 1);
            self.store_home(0, o.to.n, true);
            let to = self.xmm_written(o.to.n);
            self.copy_vector(to, 7);
        } else {
            let to = vector(o.to.n);
            self.lane(lanes, (to, a, b, fourth), o, 0);
            self.xmm_written(o.to.n);
            if o.vex {
                self.clear_upper(o.to.n);
            }
        }
    }

    /// One half: `to` may be `a` or `b` and is written last. Uses V2 and V3.
    fn lane(&mut self, lanes: Lanes, (to, a, b, fourth): (u8, u8, u8, u8), o: &Operands, half: u8) {
        match lanes {
            Lanes::Both(op) => self.vvv(op, to, a, b),
            Lanes::Swapped(op) => self.vvv(op, to, b, a),
            Lanes::One(op) => self.vv(op, to, b),
            Lanes::Twice(op) => self.vvv(op, to, b, b),
            Lanes::ShiftBy(shift, bits) => self.shift_by_constant(shift, bits, (to, b), o.imm),
            Lanes::ShiftAll(shift, bits) => self.shift_all(shift, bits, (to, a, b)),
            Lanes::ShiftEach(shift, bits) => self.shift_each(shift, bits, (to, a, b)),
            Lanes::ShiftBytes { left } => self.shift_bytes(left, (to, b), o.imm),
            Lanes::Words => self.shuffle_words((to, b), o.imm),
            Lanes::HalfWords { high } => self.shuffle_half_words(high, (to, b), o.imm),
            Lanes::OfBoth { double: false } => self.shuffle_of_both((to, a, b), o.imm),
            Lanes::OfBoth { double: true } => {
                let imm = part(o.imm, 2, half);
                self.insert_element(2, 3, 0, a, imm & 1);
                self.insert_element(2, 3, 1, b, imm >> 1);
                self.copy_vector(to, 2);
            }
            Lanes::Bytes => {
                // What is 16 to 127 counts by its low four bits; beyond the table is 0.
                dynasm!(self.asm; .arch aarch64; movi v2.b16, 0x8F);
                self.vvv(AND, 2, b, 2);
                self.vvv(0x4E00_0000, to, a, 2);
            }
            Lanes::Align => self.align((to, a, b), o.imm),
            Lanes::Pack(op) => {
                self.vv(op, 2, a);
                self.vv(op | UPPER, 2, b);
                self.copy_vector(to, 2);
            }
            Lanes::MultiplyHigh { signed } => {
                let op = (if signed { SMULL } else { UMULL }) | H;
                self.vvv(op, 2, a, b);
                self.vvv(op | UPPER, 3, a, b);
                self.vvv(UZP2 | H, to, 2, 3);
            }
            Lanes::MultiplyAdd => {
                self.vvv(SMULL | H, 2, a, b);
                self.vvv(SMULL | H | UPPER, 3, a, b);
                self.vvv(ADDP | S, to, 2, 3);
            }
            Lanes::MultiplyEven { signed } => {
                self.vv(XTN | S, 2, a);
                self.vv(XTN | S, 3, b);
                self.vvv((if signed { SMULL } else { UMULL }) | S, to, 2, 3);
            }
            Lanes::Differences => {
                self.vvv(0x6E20_7400, 2, a, b);
                for size in [B, H, S] {
                    // uaddlp
                    self.vv(0x6E20_2800 | size, 2, 2);
                }
                self.copy_vector(to, 2);
            }
            Lanes::Sign(size) => {
                // -a where b is negative, 0 where it is zero.
                self.vv(0x6E20_B800 | size, 2, a);
                self.vv(0x4E20_A800 | size, 3, b);
                self.vvv(BSL, 3, 2, a);
                self.vv(0x4E20_9800 | size, 2, b);
                self.vvv(BIC, to, 3, 2);
            }
            Lanes::Horizontal(op, size) => {
                self.vvv(UZP1 | size, 2, a, b);
                self.vvv(UZP2 | size, 3, a, b);
                self.vvv(op | size, to, 2, 3);
            }
            Lanes::Blend(bytes) => {
                let count = 16 / bytes;
                let imm = if count == 8 { o.imm } else { part(o.imm, count, half) };
                self.copy_vector(2, a);
                for n in (0..count).filter(|n| imm >> n & 1 != 0) {
                    self.insert_element(2, bytes.trailing_zeros() as u8, n, b, n);
                }
                self.copy_vector(to, 2);
            }
            Lanes::BlendBy(bits) => {
                self.shift_by_constant(Shift::Signed, bits, (2, fourth), bits - 1);
                self.vvv(BSL, 2, b, a);
                self.copy_vector(to, 2);
            }
            Lanes::Cipher { decrypt, last } => {
                dynasm!(self.asm; .arch aarch64; movi v3.d2, 0);
                self.copy_vector(2, a);
                self.vv(if decrypt { 0x4E28_5800 } else { 0x4E28_4800 }, 2, 3);
                if !last {
                    self.vv(if decrypt { 0x4E28_7800 } else { 0x4E28_6800 }, 2, 2);
                }
                self.vvv(EOR, to, 2, b);
            }
            Lanes::InverseColumns => self.vv(0x4E28_7800, to, b),
            Lanes::CarryLess => {
                self.element_to_low(2, a, o.imm & 1);
                self.element_to_low(3, b, o.imm >> 4 & 1);
                self.vvv(0x0EE0_E000, to, 2, 3);
            }
            Lanes::Signs(_) | Lanes::TestBits => {}
        }
    }

    fn shift_by_constant(&mut self, shift: Shift, bits: u8, (to, b): (u8, u8), by: u8) {
        let esize = u32::from(bits);
        let by = u32::from(by);
        match shift {
            Shift::Left if by >= esize => dynasm!(self.asm; .arch aarch64; movi V(to).d2, 0),
            Shift::Left => self.vv(SHL | (esize + by) << 16, to, b),
            // By zero is no shift that it knows.
            _ if by == 0 => self.copy_vector(to, b),
            Shift::Right => self.vv(USHR | (2 * esize - by.min(esize)) << 16, to, b),
            Shift::Signed => self.vv(SSHR | (2 * esize - by.min(esize)) << 16, to, b),
        }
    }

    fn shift_all(&mut self, shift: Shift, bits: u8, (to, a, b): (u8, u8, u8)) {
        dynasm!(self.asm
            ; .arch aarch64
            ; uqxtn s2, D(b)
            ; uqxtn h2, s2
            ; uqxtn b2, h2
            ; movi v3.b8, 64
            ; umin v2.b8, v2.b8, v3.b8
            ; dup v2.b16, v2.b[0]
        );
        if shift != Shift::Left {
            dynasm!(self.asm; .arch aarch64; neg v2.b16, v2.b16);
        }
        let op = if shift == Shift::Signed { SSHL } else { USHL };
        self.vvv(op | size_of_element(bits), to, a, 2);
    }

    fn shift_each(&mut self, shift: Shift, bits: u8, (to, a, b): (u8, u8, u8)) {
        let size = size_of_element(bits);
        // No farther than the width, which all of an element says.
        if bits == 32 {
            dynasm!(self.asm; .arch aarch64; movi v2.s4, 32; umin v2.s4, v2.s4, V(b).s4);
        } else {
            // There is no minimum of 64 bits: those above 63 are told apart.
            dynasm!(self.asm
                ; .arch aarch64
                ; ushr v2.d2, V(b).d2, 6
                ; cmeq v2.d2, v2.d2, 0
            );
            self.vvv(AND, 3, a, 2);
            self.copy_vector(2, b);
            if shift != Shift::Left {
                dynasm!(self.asm; .arch aarch64; neg v2.d2, v2.d2);
            }
            self.vvv(USHL | size, to, 3, 2);
            return;
        }
        if shift != Shift::Left {
            dynasm!(self.asm; .arch aarch64; neg v2.s4, v2.s4);
        }
        let op = if shift == Shift::Signed { SSHL } else { USHL };
        self.vvv(op | size, to, a, 2);
    }

    fn shift_bytes(&mut self, left: bool, (to, b): (u8, u8), by: u8) {
        dynasm!(self.asm; .arch aarch64; movi v2.d2, 0);
        match (left, by) {
            (_, 0) => self.copy_vector(to, b),
            (_, 16..) => self.copy_vector(to, 2),
            (true, _) => self.extract_bytes(to, 2, b, 16 - by),
            (false, _) => self.extract_bytes(to, b, 2, by),
        }
    }

    /// 16 bytes from byte `at` of `low` with `high` above.
    fn extract_bytes(&mut self, to: u8, low: u8, high: u8, at: u8) {
        self.vvv(0x6E00_0000 | u32::from(at) << 11, to, low, high);
    }

    fn align(&mut self, (to, a, b): (u8, u8, u8), by: u8) {
        match by {
            0..16 => self.extract_bytes(to, b, a, by),
            _ => {
                dynasm!(self.asm; .arch aarch64; movi v2.d2, 0);
                match by {
                    16..32 => self.extract_bytes(to, a, 2, by - 16),
                    _ => self.copy_vector(to, 2),
                }
            }
        }
    }

    /// Rotates words: PSHUFD by 39h, 4Eh, 93h.
    pub fn rotate_words(&mut self, to: u8, b: u8, words: u8) {
        self.extract_bytes(to, b, b, 4 * words);
    }

    /// PTEST: ZF if nothing is in both, CF if nothing is in the last one alone.
    fn test_vectors(&mut self, o: &Operands) {
        use crate::emit::aarch64::encode::{cond, op};
        use crate::emit::aarch64::flags::{C, Carry};
        use crate::emit::aarch64::map::{ADJUST, OTHER, PARITY, ZERO};
        let b = self.low_half(o.b, 1);
        let a = self.low_half(o.a, 0);
        self.vvv(AND, 2, b, a);
        self.vvv(BIC, 3, b, a);
        if o.long {
            let b = self.high_half(o.b, 5);
            let a = self.high_half(o.a, 4);
            self.vvv(AND, 6, b, a);
            self.vvv(ORR, 2, 2, 6);
            self.vvv(BIC, 6, b, a);
            self.vvv(ORR, 3, 3, 6);
        }
        dynasm!(self.asm
            ; .arch aarch64
            ; umaxp v2.s4, v2.s4, v2.s4
            ; umaxp v3.s4, v3.s4, v3.s4
            ; fmov X(VALUE), d3
            ; fmov X(OTHER), d2
        );
        self.rrr(op::ANDS, true, ZERO, VALUE, VALUE);
        self.cset(VALUE, cond::EQ);
        self.rrr(op::ANDS, true, ZERO, OTHER, OTHER);
        self.read_nzcv(OTHER);
        self.insert(false, OTHER, VALUE, C, 1);
        // Bit 31 of what is above 32 bits is no sign.
        self.logic_constant(op::AND, false, OTHER, OTHER, 0x7FFF_FFFF);
        self.write_nzcv(OTHER);
        self.constant(PARITY, 1);
        self.mov(false, ADJUST, PARITY);
        self.flags_done(Carry::Plain);
    }
}

/// Whether the result is zero whatever was there.
fn clears(lanes: Lanes, o: &Operands) -> bool {
    let difference = matches!(lanes, Lanes::Both(op) if op == EOR || op & !D == SUB);
    difference && o.a.file != File::Cell && o.b.file != File::Cell && o.a.n == o.b.n
}

/// How an instruction says the width of its elements.
pub fn size_of_element(bits: u8) -> u32 {
    (bits.trailing_zeros() - 3) << 22
}
