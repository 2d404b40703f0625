//! BMI1, BMI2, LZCNT, TZCNT, POPCNT, bit scans, CRC32 and MOVBE. What the manuals leave
//! open of the flags is as AMD silicon has it, which the interpreter does.

use super::Emitter;
use super::alu::is_own;
use super::encode::{Field as Bits, cond, op};
use super::flags::{C, Carry, HOST, OTHERS, V};
use super::map::{ADJUST, OTHER, PARITY, THIRD, VALUE, ZERO, host};
use super::simd::host_has;
use crate::ir::{Size, flags};
use crate::lift::native::{Field, File, Native};
use dynasmrt::{DynasmApi, dynasm};
use iced_x86::{Code, CpuidFeature, Mnemonic};

/// Z in NZCV.
const Z: u8 = 30;
/// RBIT and CLZ.
const RBIT: u32 = 0;
const CLZ: u32 = 4;

/// Whether an instruction is translated.
pub fn translates(code: Code) -> bool {
    use Mnemonic::*;
    match code.mnemonic() {
        Andn | Bextr | Blsi | Blsmsk | Blsr | Bzhi | Rorx | Sarx | Shlx | Shrx | Popcnt | Lzcnt | Tzcnt
        | Bsf | Bsr | Movbe => true,
        Crc32 => host_has(CpuidFeature::SSE4_2),
        _ => false,
    }
}

/// The width of an operand: of one in memory, the other's.
fn size_of(native: &Native) -> Size {
    let bits = native.fields().into_iter().map(|field| field.bits).max().unwrap_or(0);
    Size::of(u32::from(bits)).unwrap_or(Size::B32)
}

impl Emitter<'_> {
    /// One of them.
    pub fn bits(&mut self, native: &Native) {
        use Mnemonic::*;
        let size = size_of(native);
        let wide = size == Size::B64;
        let mnemonic = native.code.mnemonic();
        if mnemonic == Crc32 {
            return self.crc32(native);
        }
        if mnemonic == Movbe {
            return self.swapped_move(native, size);
        }
        let from = self.general(native.rm, size);
        let to = if native.third.writes { native.third } else { native.reg };
        let rd = host(to.n);
        let control = host(native.third.n);
        match mnemonic {
            Andn => {
                self.rrr(op::BIC, wide, VALUE, from, control);
                self.field_flags(VALUE, size, None);
                self.mov(wide, rd, VALUE);
            }
            Blsi | Blsmsk | Blsr => {
                // CF: whether there is a bit at all, or whether there is none.
                if self.wants(HOST) {
                    self.test(from, size);
                    self.cset(THIRD, if mnemonic == Blsi { cond::NE } else { cond::EQ });
                }
                if mnemonic == Blsi {
                    self.rrr(op::SUB, wide, VALUE, ZERO, from);
                } else {
                    self.add_constant(wide, VALUE, from, -1);
                }
                let opcode = if mnemonic == Blsmsk { op::EOR } else { op::AND };
                self.rrr(opcode, wide, VALUE, VALUE, from);
                self.field_flags(VALUE, size, Some(THIRD));
                self.mov(wide, rd, VALUE);
            }
            Bzhi => self.bzhi(rd, from, control, size),
            Bextr => self.bextr(rd, from, control, wide),
            Rorx => {
                let by = native.imm.unwrap_or(0) & (size.bits() - 1);
                self.extr(wide, rd, from, from, by);
            }
            Sarx => self.rrr(op::ASRV, wide, rd, from, control),
            Shlx => self.rrr(op::LSLV, wide, rd, from, control),
            Shrx => self.rrr(op::LSRV, wide, rd, from, control),
            Popcnt => self.popcnt(native.reg.n, from, size),
            Lzcnt | Tzcnt => self.count_zeroes(mnemonic == Tzcnt, native.reg.n, from, size),
            _ => self.scan(mnemonic == Bsr, native.reg.n, from, size),
        }
    }

    /// A host register that holds an operand: its own, or OTHER.
    fn general(&mut self, field: Field, size: Size) -> u8 {
        if field.file == File::General {
            return host(field.n);
        }
        self.load_cell(size, OTHER);
        OTHER
    }

    /// The flags of a result in VALUE: ZF, SF and PF of it, CF from a register, the others
    /// clear.
    fn field_flags(&mut self, result: u8, size: Size, carry: Option<u8>) {
        if self.wants(HOST) {
            self.test(result, size);
            if let Some(carry) = carry {
                self.read_nzcv(OTHER);
                self.insert(false, OTHER, carry, C, 1);
                self.write_nzcv(OTHER);
            }
        }
        if self.wants(OTHERS) {
            self.mov(false, PARITY, result);
            self.mov(false, ADJUST, PARITY);
        }
        self.flags_done(Carry::Plain);
    }

    /// CF, ZF and OF from VALUE as NZCV; PF and AF clear.
    fn flags_of_value(&mut self) {
        if self.wants(HOST) {
            self.write_nzcv(VALUE);
        }
        if self.wants(OTHERS) {
            self.constant(PARITY, 1);
            self.constant(ADJUST, 1);
        }
        self.flags_done(Carry::Plain);
    }

    fn bzhi(&mut self, rd: u8, from: u8, control: u8, size: Size) {
        let wide = size == Size::B64;
        self.extract(Bits::Unsigned, false, VALUE, control, 0, 8);
        self.constant(THIRD, u64::MAX);
        self.rrr(op::LSLV, true, THIRD, THIRD, VALUE);
        self.rrr(op::BIC, wide, THIRD, from, THIRD);
        let past = self.adds_constant(false, ZERO, VALUE, -i32::from(size.bits()));
        debug_assert!(past);
        self.csel(wide, VALUE, from, THIRD, cond::CS);
        self.cset(THIRD, cond::CS);
        self.field_flags(VALUE, size, Some(THIRD));
        self.mov(wide, rd, VALUE);
    }

    fn bextr(&mut self, rd: u8, from: u8, control: u8, wide: bool) {
        // Bits 0 to 7 the first bit, 8 to 15 how many. Shifts count modulo 64.
        self.mov(wide, THIRD, from);
        self.extract(Bits::Unsigned, false, VALUE, control, 0, 8);
        self.rrr(op::LSRV, true, THIRD, THIRD, VALUE);
        self.adds_constant(false, ZERO, VALUE, -64);
        self.csel(true, THIRD, ZERO, THIRD, cond::CS);
        self.extract(Bits::Unsigned, false, OTHER, control, 8, 8);
        self.constant(VALUE, u64::MAX);
        self.rrr(op::LSLV, true, VALUE, VALUE, OTHER);
        self.rrr(op::BIC, true, VALUE, THIRD, VALUE);
        self.adds_constant(false, ZERO, OTHER, -64);
        self.csel(true, VALUE, THIRD, VALUE, cond::CS);
        if self.wants(HOST) {
            // SF is clear whatever the result.
            self.rrr(op::SUBS, true, ZERO, VALUE, ZERO);
            self.cset(OTHER, cond::EQ);
            self.lsl(false, OTHER, OTHER, Z);
            self.write_nzcv(OTHER);
        }
        if self.wants(OTHERS) {
            self.mov(false, PARITY, VALUE);
            self.logic_constant(op::EOR, false, ADJUST, PARITY, 0x10);
        }
        self.flags_done(Carry::Plain);
        self.mov(wide, rd, VALUE);
    }

    fn popcnt(&mut self, to: u8, from: u8, size: Size) {
        self.extract(Bits::Unsigned, true, VALUE, from, 0, size.bits());
        dynasm!(self.asm
            ; .arch aarch64
            ; fmov d0, X(VALUE)
            ; cnt v0.b8, v0.b8
            ; addv b0, v0.b8
            ; fmov W(OTHER), s0
        );
        self.put(to, OTHER, size);
        self.rrr(op::SUBS, false, ZERO, OTHER, ZERO);
        self.cset(VALUE, cond::EQ);
        self.lsl(false, VALUE, VALUE, Z);
        self.flags_of_value();
    }

    fn count_zeroes(&mut self, trailing: bool, to: u8, from: u8, size: Size) {
        let wide = size == Size::B64;
        self.extract(Bits::Unsigned, true, THIRD, from, 0, size.bits());
        // A bit stops the count at the operand's end.
        if trailing {
            if !is_own(size) {
                self.logic_constant(op::ORR, false, THIRD, THIRD, 1 << 16);
            }
            self.unary_op(RBIT, wide, THIRD, THIRD);
        } else if !is_own(size) {
            self.lsl(false, THIRD, THIRD, 16);
            self.logic_constant(op::ORR, false, THIRD, THIRD, 1 << 15);
        }
        self.unary_op(CLZ, wide, THIRD, THIRD);
        self.put(to, THIRD, size);
        if self.wants(flags::O) {
            self.flags_to_value(false);
            self.logic_constant(op::AND, false, VALUE, VALUE, 1 << V);
        } else {
            self.constant(VALUE, 0);
        }
        // CF: there was none; ZF: the count is zero.
        self.rrr(op::SUBS, false, ZERO, THIRD, ZERO);
        self.cset(OTHER, cond::EQ);
        self.insert(false, VALUE, OTHER, Z, 1);
        self.lsr(false, OTHER, THIRD, size.bits().trailing_zeros() as u8);
        self.insert(false, VALUE, OTHER, C, 1);
        self.flags_of_value();
    }

    /// BSF and BSR: of a zero source only ZF is told, and PF.
    fn scan(&mut self, reverse: bool, to: u8, from: u8, size: Size) {
        self.extract(Bits::Unsigned, true, THIRD, from, 0, size.bits());
        self.rrr(op::SUBS, true, ZERO, THIRD, ZERO);
        if reverse {
            self.unary_op(CLZ, true, OTHER, THIRD);
            self.logic_constant(op::EOR, false, OTHER, OTHER, 63);
        } else {
            self.unary_op(RBIT, true, OTHER, THIRD);
            self.unary_op(CLZ, true, OTHER, OTHER);
        }
        let rd = host(to);
        // A 32-bit destination that stays keeps its upper half.
        self.csel(true, VALUE, rd, OTHER, cond::EQ);
        if is_own(size) {
            self.mov(true, rd, VALUE);
        } else {
            self.put(to, VALUE, size);
        }
        // The index, or nothing, whose parity is even.
        self.csel(true, THIRD, ZERO, OTHER, cond::EQ);
        self.cset(VALUE, cond::EQ);
        self.lsl(false, VALUE, VALUE, Z);
        if self.wants(HOST) {
            self.write_nzcv(VALUE);
        }
        if self.wants(OTHERS) {
            self.mov(false, PARITY, THIRD);
            self.mov(false, ADJUST, THIRD);
        }
        self.flags_done(Carry::Plain);
    }

    /// CRC32: the host's has the same polynomial.
    fn crc32(&mut self, native: &Native) {
        let size = match native.opcode {
            0xF0 => Size::B8,
            _ if native.rm.bits == 16 => Size::B16,
            _ if native.wide => Size::B64,
            _ => Size::B32,
        };
        let from = self.general(native.rm, size);
        let rd = host(native.reg.n);
        let opcode = 0x1AC0_5000 | (size as u32) << 10;
        self.rrr(opcode, size == Size::B64, rd, rd, from);
    }

    fn swapped_move(&mut self, native: &Native, size: Size) {
        let wide = size == Size::B64;
        let reverse = |e: &mut Self, rd, rn| {
            e.unary_op(if wide { 3 } else { 2 }, wide, rd, rn);
            if !is_own(size) {
                e.lsr(false, rd, rd, 16);
            }
        };
        if native.rm.writes {
            reverse(self, VALUE, host(native.reg.n));
            self.store_cell(size, VALUE);
        } else {
            self.load_cell(size, VALUE);
            reverse(self, VALUE, VALUE);
            self.put(native.reg.n, VALUE, size);
        }
    }
}
