//! Instruction encoding (Arm ARM DDI 0487, chapter C4.1): the forms whose width
//! or operation is only known when they are emitted. The others are written as
//! they are, by `dynasm!`.

use super::Emitter;
use super::map::{CPU, ZERO};
use crate::ir::Size;
use dynasmrt::DynasmApi;
use dynasmrt::aarch64::{encode_logical_immediate_32bit, encode_logical_immediate_64bit};

/// Data processing with registers: the 32-bit form of the instruction.
#[allow(missing_docs)]
pub mod op {
    pub const ADD: u32 = 0x0B00_0000;
    pub const ADDS: u32 = 0x2B00_0000;
    pub const SUB: u32 = 0x4B00_0000;
    pub const SUBS: u32 = 0x6B00_0000;
    pub const AND: u32 = 0x0A00_0000;
    pub const BIC: u32 = 0x0A20_0000;
    pub const ORR: u32 = 0x2A00_0000;
    pub const ORN: u32 = 0x2A20_0000;
    pub const EOR: u32 = 0x4A00_0000;
    pub const ANDS: u32 = 0x6A00_0000;
    pub const ADC: u32 = 0x1A00_0000;
    pub const ADCS: u32 = 0x3A00_0000;
    pub const SBC: u32 = 0x5A00_0000;
    pub const SBCS: u32 = 0x7A00_0000;
    pub const UDIV: u32 = 0x1AC0_0800;
    pub const SDIV: u32 = 0x1AC0_0C00;
    pub const LSLV: u32 = 0x1AC0_2000;
    pub const LSRV: u32 = 0x1AC0_2400;
    pub const ASRV: u32 = 0x1AC0_2800;
    pub const RORV: u32 = 0x1AC0_2C00;
    pub const MUL: u32 = 0x1B00_7C00;
}

/// How the last operand of [`op`] is shifted.
#[derive(Clone, Copy)]
#[allow(missing_docs)]
pub enum By {
    Lsl = 0,
    Lsr = 1,
    Asr = 2,
}

/// Host conditions.
#[allow(missing_docs)]
pub mod cond {
    pub const EQ: u8 = 0;
    pub const NE: u8 = 1;
    pub const CS: u8 = 2;
    pub const CC: u8 = 3;
    pub const MI: u8 = 4;
    pub const VS: u8 = 6;
    pub const VC: u8 = 7;
    pub const LS: u8 = 9;
    pub const GE: u8 = 10;
    pub const LT: u8 = 11;
    pub const GT: u8 = 12;
    pub const LE: u8 = 13;
}

/// A bit field's move.
#[derive(Clone, Copy)]
pub enum Field {
    /// Sign-extended.
    Signed = 0x1300_0000,
    /// The rest of the destination stays.
    Insert = 0x3300_0000,
    /// Zero-extended.
    Unsigned = 0x5300_0000,
}

fn sf(wide: bool) -> u32 {
    u32::from(wide) << 31
}

impl Emitter<'_> {
    /// One instruction.
    pub fn word(&mut self, word: u32) {
        self.asm.push_u32(word);
    }

    /// `op rd, rn, rm`.
    pub fn rrr(&mut self, op: u32, wide: bool, rd: u8, rn: u8, rm: u8) {
        self.word(op | sf(wide) | u32::from(rm) << 16 | u32::from(rn) << 5 | u32::from(rd));
    }

    /// `op rd, rn, rm, by #amount`.
    pub fn shifted(&mut self, op: u32, wide: bool, rd: u8, rn: u8, rm: u8, (by, amount): (By, u8)) {
        self.rrr(op | (by as u32) << 22 | u32::from(amount) << 10, wide, rd, rn, rm);
    }

    /// `mov rd, rn`.
    pub fn mov(&mut self, wide: bool, rd: u8, rn: u8) {
        self.rrr(op::ORR, wide, rd, ZERO, rn);
    }

    /// ADD or SUB of a constant that fits 12 bits, or 24 of which the lower 12 are zero.
    fn add_imm12(&mut self, sub: bool, set: bool, wide: bool, rd: u8, rn: u8, imm: u32) {
        let (high, imm) = if imm > 0xFFF { (1, imm >> 12) } else { (0, imm) };
        self.word(
            0x1100_0000
                | sf(wide)
                | u32::from(sub) << 30
                | u32::from(set) << 29
                | high << 22
                | imm << 10
                | u32::from(rn) << 5
                | u32::from(rd),
        );
    }

    /// `rd = rn + value`, flags set as by ADDS, or as by SUBS of its negative, which
    /// are the same but for zero; false where the value has no such form. Nothing is
    /// emitted then.
    pub fn adds_constant(&mut self, wide: bool, rd: u8, rn: u8, value: i32) -> bool {
        let (sub, imm) = (value < 0, value.unsigned_abs());
        let fits = imm <= 0xFFF || imm & 0xFFF == 0 && imm < 1 << 24;
        if fits {
            self.add_imm12(sub, true, wide, rd, rn, imm);
        }
        fits
    }

    /// `rd = rn + value`. Uses [`super::map::VALUE`] for large ones, unless that is `rn`.
    pub fn add_constant(&mut self, wide: bool, rd: u8, rn: u8, value: i64) {
        let (sub, imm) = (value < 0, value.unsigned_abs());
        if imm == 0 {
            if rd != rn || !wide {
                self.mov(wide, rd, rn);
            }
        } else if imm < 1 << 24 {
            let (low, high) = (imm as u32 & 0xFFF, imm as u32 & 0xFF_F000);
            let mut from = rn;
            if high != 0 {
                self.add_imm12(sub, false, wide, rd, from, high);
                from = rd;
            }
            if low != 0 {
                self.add_imm12(sub, false, wide, rd, from, low);
            }
        } else {
            let scratch = super::map::VALUE;
            debug_assert!(rn != scratch);
            self.constant(scratch, value as u64);
            self.rrr(op::ADD, wide, rd, rn, scratch);
        }
    }

    /// AND, ORR, EOR or ANDS with a constant, if it has such a form: `op` is the
    /// register form.
    pub fn logic_constant(&mut self, op: u32, wide: bool, rd: u8, rn: u8, value: u64) -> bool {
        let encoded = if wide {
            encode_logical_immediate_64bit(value)
        } else {
            encode_logical_immediate_32bit(value as u32)
        };
        let Some(encoded) = encoded else { return false };
        let op = op & 0x6000_0000 | 0x1200_0000;
        self.word(op | sf(wide) | u32::from(encoded) << 10 | u32::from(rn) << 5 | u32::from(rd));
        true
    }

    /// UBFM, SBFM, BFM: `width` bits of `rn` from bit `lsb` to the lowest of `rd`.
    pub fn extract(&mut self, field: Field, wide: bool, rd: u8, rn: u8, lsb: u8, width: u8) {
        self.bitfield(field, wide, rd, rn, lsb, lsb + width - 1);
    }

    /// The lowest `width` bits of `rn` to bit `lsb` of `rd`, whose others stay.
    pub fn insert(&mut self, wide: bool, rd: u8, rn: u8, lsb: u8, width: u8) {
        let bits = if wide { 64 } else { 32 };
        self.bitfield(Field::Insert, wide, rd, rn, (bits - lsb) & (bits - 1), width - 1);
    }

    fn bitfield(&mut self, field: Field, wide: bool, rd: u8, rn: u8, immr: u8, imms: u8) {
        self.word(
            field as u32
                | sf(wide)
                | u32::from(wide) << 22
                | u32::from(immr) << 16
                | u32::from(imms) << 10
                | u32::from(rn) << 5
                | u32::from(rd),
        );
    }

    /// `rd = rn << amount`, less than the width.
    pub fn lsl(&mut self, wide: bool, rd: u8, rn: u8, amount: u8) {
        let bits = if wide { 64 } else { 32 };
        self.bitfield(Field::Unsigned, wide, rd, rn, (bits - amount) & (bits - 1), bits - 1 - amount);
    }

    /// `rd = rn >> amount`, less than the width.
    pub fn lsr(&mut self, wide: bool, rd: u8, rn: u8, amount: u8) {
        self.bitfield(Field::Unsigned, wide, rd, rn, amount, if wide { 63 } else { 31 });
    }

    /// As [`lsr`](Self::lsr), with the sign.
    pub fn asr(&mut self, wide: bool, rd: u8, rn: u8, amount: u8) {
        self.bitfield(Field::Signed, wide, rd, rn, amount, if wide { 63 } else { 31 });
    }

    /// EXTR: the lower half of `rn:rm >> amount`; a rotation where they are the same.
    pub fn extr(&mut self, wide: bool, rd: u8, rn: u8, rm: u8, amount: u8) {
        let word = 0x1380_0000 | u32::from(wide) << 22 | u32::from(amount) << 10;
        self.rrr(word, wide, rd, rn, rm);
    }

    /// `rd = cc ? rn : rm`.
    pub fn csel(&mut self, wide: bool, rd: u8, rn: u8, rm: u8, cc: u8) {
        self.rrr(0x1A80_0000 | u32::from(cc) << 12, wide, rd, rn, rm);
    }

    /// `rd = cc ? 1 : 0`.
    pub fn cset(&mut self, rd: u8, cc: u8) {
        self.rrr(0x1A80_0400 | u32::from(cc ^ 1) << 12, false, rd, ZERO, ZERO);
    }

    /// RBIT, REV and CLZ: one operand.
    pub fn unary_op(&mut self, opcode: u32, wide: bool, rd: u8, rn: u8) {
        self.word(0x5AC0_0000 | opcode << 10 | sf(wide) | u32::from(rn) << 5 | u32::from(rd));
    }

    /// Loads a constant.
    pub fn constant(&mut self, rd: u8, value: u64) {
        let inverted = (0..4).filter(|n| value >> (16 * n) & 0xFFFF == 0xFFFF).count()
            > (0..4).filter(|n| value >> (16 * n) & 0xFFFF == 0).count();
        let (first, background) = if inverted { (0x9280_0000, 0xFFFF) } else { (0xD280_0000, 0) };
        let mut begun = false;
        for n in 0..4u32 {
            let part = (value >> (16 * n)) as u32 & 0xFFFF;
            if part == background {
                continue;
            }
            let imm = if inverted && !begun { !part & 0xFFFF } else { part };
            let opcode: u32 = if begun { 0xF280_0000 } else { first };
            self.word(opcode | n << 21 | imm << 5 | u32::from(rd));
            begun = true;
        }
        if !begun {
            self.word(first | u32::from(rd));
        }
    }

    /// Loads `size`, zero-extended, from `[rn + rm]`.
    pub fn load(&mut self, size: Size, rt: u8, rn: u8, rm: u8) {
        self.rrr(0x3860_6800 | (size as u32) << 30, false, rt, rn, rm);
    }

    /// Loads `size`, sign-extended to 64 bits or 32, from `[rn + rm]`.
    pub fn load_signed(&mut self, size: Size, wide: bool, rt: u8, rn: u8, rm: u8) {
        let opcode = if wide { 0x38A0_6800 } else { 0x38E0_6800 };
        self.rrr(opcode | (size as u32) << 30, false, rt, rn, rm);
    }

    /// Stores `size` to `[rn + rm]`.
    pub fn store(&mut self, size: Size, rt: u8, rn: u8, rm: u8) {
        self.rrr(0x3820_6800 | (size as u32) << 30, false, rt, rn, rm);
    }

    /// Loads a field of the processor.
    pub fn load_field(&mut self, size: Size, rt: u8, offset: usize) {
        self.field(0x3940_0000, size, rt, CPU, offset);
    }

    /// Stores a field of the processor.
    pub fn store_field(&mut self, size: Size, rt: u8, offset: usize) {
        self.field(0x3900_0000, size, rt, CPU, offset);
    }

    /// Loads from `[rn + offset]`.
    pub fn load_at(&mut self, size: Size, rt: u8, rn: u8, offset: usize) {
        self.field(0x3940_0000, size, rt, rn, offset);
    }

    fn field(&mut self, opcode: u32, size: Size, rt: u8, rn: u8, offset: usize) {
        let scaled = offset >> size as u32;
        assert!(scaled < 4096 && scaled << size as u32 == offset, "a field out of reach: {offset:#x}");
        self.word(opcode | (size as u32) << 30 | (scaled as u32) << 10 | u32::from(rn) << 5 | u32::from(rt));
    }

    /// LDAXR.
    pub fn load_exclusive(&mut self, size: Size, rt: u8, rn: u8) {
        self.word(0x085F_FC00 | (size as u32) << 30 | u32::from(rn) << 5 | u32::from(rt));
    }

    /// STLXR; `status` is 0 if it was stored.
    pub fn store_exclusive(&mut self, size: Size, status: u8, rt: u8, rn: u8) {
        let registers = u32::from(status) << 16 | u32::from(rn) << 5 | u32::from(rt);
        self.word(0x0800_FC00 | (size as u32) << 30 | registers);
    }

    /// Reads the host's flags.
    pub fn read_nzcv(&mut self, rt: u8) {
        self.word(0xD53B_4200 | u32::from(rt));
    }

    /// Writes the host's flags.
    pub fn write_nzcv(&mut self, rt: u8) {
        self.word(0xD51B_4200 | u32::from(rt));
    }

    /// B or BL to code elsewhere in the buffer.
    pub fn branch_to(&mut self, link: bool, target: usize) {
        let here = self.base + self.asm.offset().0;
        self.word(branch(link, here, target));
    }
}

/// B or BL from one place of the code buffer to another. Buffers are smaller than
/// the 128 MiB that it reaches.
pub fn branch(link: bool, from: usize, to: usize) -> u32 {
    let distance = (to.wrapping_sub(from) as i64 >> 2) as u32 & 0x3FF_FFFF;
    0x1400_0000 | u32::from(link) << 31 | distance
}
