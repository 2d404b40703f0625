//! Moves: whole registers, parts of them, from and to general-purpose registers.

use super::lanes::{self, Lanes};
use super::{Format, Operands};
use crate::emit::aarch64::Emitter;
use crate::emit::aarch64::map::{VALUE, host};
use crate::ir::Size;
use crate::lift::native::{Field, File};
use dynasmrt::{DynasmApi, dynasm};

/// A move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// All of the operand.
    Whole,
    /// So many bytes; what is above them in an XMM register is cleared.
    Low(u8),
    /// MOVSS and MOVSD: between registers the rest stays.
    Scalar(u8),
    /// MOVLPS, MOVHLPS, MOVHPS, MOVLHPS: one half, from memory or from the half `of`, or to
    /// memory.
    Half { to: u8, of: u8 },
    /// PMOVSX, PMOVZX: from so many bits to so many.
    Widen { signed: bool, from: u8, to: u8 },
    /// PINSRB and kin: elements of so many bytes.
    Insert(u8),
    /// PEXTRB and kin.
    Extract(u8),
    /// INSERTPS.
    InsertSingle,
    /// VPBROADCASTB and kin.
    Broadcast(u8),
    /// MOVDDUP, for which a broadcast is the short form.
    Duplicate,
    /// VBROADCASTF128.
    BroadcastHalf,
    /// VEXTRACTF128.
    ExtractHalf,
    /// VINSERTF128.
    InsertHalf,
    /// VPERM2F128.
    PermuteHalves,
    /// VPERMQ by the immediate.
    PermuteQuads,
    /// VZEROUPPER.
    ClearUppers,
}

/// log2 of a number of bytes.
fn log2(bytes: u8) -> u8 {
    bytes.trailing_zeros() as u8
}

impl Emitter<'_> {
    /// One move.
    pub fn move_vector(&mut self, kind: Move, o: &Operands) {
        match kind {
            Move::Whole => self.move_whole(o),
            Move::Low(bytes) => self.move_low(bytes, o),
            Move::Scalar(bytes) => match (o.to.file, o.b.file) {
                (File::Xmm, File::Xmm) => {
                    let format = Format { double: bytes == 8, packed: false };
                    let plain = self.is_plain(o.b.n, format);
                    self.merge(o, log2(bytes), 0, 0);
                    if plain {
                        self.set_plain(o.to.n, format);
                    }
                }
                _ => self.move_low(bytes, o),
            },
            Move::Half { to, .. } if o.to.file == File::Cell => {
                let b = self.xmm(o.b.n);
                self.element_to_low(0, b, to);
                self.store_to_cell(0, 8);
            }
            Move::Half { to, of } => {
                let of = if o.b.file == File::Cell { 0 } else { of };
                self.merge(o, 3, to, of);
            }
            Move::Widen { signed, from, to } => self.widen(signed, (from, to), o),
            Move::Insert(bytes) => self.insert_general(bytes, o),
            Move::Extract(bytes) => self.extract_general(bytes, o),
            Move::InsertSingle => self.insert_single(o),
            Move::Broadcast(bytes) => {
                let b = self.source(o.b, 1, bytes);
                self.broadcast_element(0, log2(bytes), b, 0);
                self.put_both(o, 0, 0);
            }
            Move::Duplicate if o.long => self.each_lane(Lanes::Twice(lanes::TRN1 | lanes::D), o),
            Move::Duplicate => self.move_vector(Move::Broadcast(8), o),
            Move::BroadcastHalf => {
                let b = self.source(o.b, 1, 16);
                self.put_both(o, b, b);
            }
            Move::ExtractHalf => {
                if o.imm & 1 == 0 {
                    let b = self.xmm(o.b.n);
                    self.put_or_store(o, b);
                } else {
                    self.load_home(0, o.b.n, true);
                    self.put_or_store(o, 0);
                }
            }
            Move::InsertHalf => {
                let b = self.source(o.b, 1, 16);
                if o.imm & 1 == 0 {
                    let high = self.high_half(o.a, 2);
                    self.put_both(o, b, high);
                } else {
                    let low = self.xmm(o.a.n);
                    self.put_both(o, low, b);
                }
            }
            Move::PermuteHalves => {
                let low = self.chosen_half(o, o.imm, 4);
                let high = self.chosen_half(o, o.imm >> 4, 5);
                self.put_both(o, low, high);
            }
            Move::PermuteQuads => {
                let low = self.low_half(o.b, 1);
                let high = self.high_half(o.b, 2);
                for (to, imm) in [(4, o.imm), (5, o.imm >> 4)] {
                    for n in 0..2 {
                        let element = imm >> (2 * n) & 3;
                        let from = if element < 2 { low } else { high };
                        self.insert_element(to, 3, n, from, element & 1);
                    }
                }
                self.put_both(o, 4, 5);
            }
            Move::ClearUppers => self.clear_uppers(),
        }
    }

    fn move_whole(&mut self, o: &Operands) {
        match (o.to.file, o.b.file) {
            (File::Cell, _) => {
                let b = self.xmm(o.b.n);
                self.store_to_cell(b, 16);
                if o.long {
                    let high = self.high_half(o.b, 0);
                    self.step_cell(16);
                    self.store_to_cell(high, 16);
                }
            }
            (_, File::Cell) => {
                if o.long {
                    let low = self.low_half(o.b, 1);
                    let high = self.high_half(o.b, 0);
                    return self.put_both(o, low, high);
                }
                // Straight to where it belongs.
                let to = self.xmm_written(o.to.n);
                self.source(o.b, to, 16);
                if o.vex {
                    self.clear_upper(o.to.n);
                }
            }
            _ => {
                let b = self.xmm(o.b.n);
                if o.long {
                    let high = self.high_half(o.b, 0);
                    self.put_both(o, b, high);
                } else {
                    self.put_low(o, b);
                }
                self.copy_plain(o.to.n, o.b.n);
            }
        }
    }

    fn move_low(&mut self, bytes: u8, o: &Operands) {
        match o.to.file {
            File::Cell => {
                let b = self.source(o.b, 1, bytes);
                self.store_to_cell(b, bytes);
            }
            File::General => {
                let b = self.xmm(o.b.n);
                match bytes {
                    8 => dynasm!(self.asm; .arch aarch64; fmov X(host(o.to.n)), D(b)),
                    _ => dynasm!(self.asm; .arch aarch64; fmov W(host(o.to.n)), S(b)),
                }
            }
            _ if o.b.file == File::Xmm => {
                // MOVQ: to the scalar register clears the rest.
                let b = self.xmm(o.b.n);
                dynasm!(self.asm; .arch aarch64; fmov D(0), D(b));
                self.put_low(o, 0);
            }
            _ => {
                let to = self.xmm_written(o.to.n);
                self.source(o.b, to, bytes);
                if o.vex {
                    self.clear_upper(o.to.n);
                }
            }
        }
    }

    /// The first operand with one element of `1 << size` bytes of the last one's in it.
    fn merge(&mut self, o: &Operands, size: u8, to: u8, of: u8) {
        let b = self.source(o.b, 1, 1 << size);
        self.merge_element(o, size, to, (b, of));
    }

    /// The first operand with element `to` from element `of` of `b`.
    pub fn merge_element(&mut self, o: &Operands, size: u8, to: u8, (b, of): (u8, u8)) {
        let a = self.xmm(o.a.n);
        if o.a.n == o.to.n {
            let target = self.xmm_written(o.to.n);
            self.insert_element(target, size, to, b, of);
            if o.vex {
                self.clear_upper(o.to.n);
            }
        } else {
            self.copy_vector(2, a);
            self.insert_element(2, size, to, b, of);
            self.put_low(o, 2);
        }
    }

    /// Writes both halves of a YMM register, or the lower one with nothing above.
    pub fn put_both(&mut self, o: &Operands, low: u8, high: u8) {
        if o.long {
            self.store_home(high, o.to.n, true);
        }
        let to = self.xmm_written(o.to.n);
        if to != low {
            self.copy_vector(to, low);
        }
        if o.vex && !o.long {
            self.clear_upper(o.to.n);
        }
    }

    fn put_or_store(&mut self, o: &Operands, v: u8) {
        if o.to.file == File::Cell {
            self.store_to_cell(v, 16);
        } else {
            self.put_low(o, v);
        }
    }

    /// VPERM2F128's choice of a half, in `v`.
    fn chosen_half(&mut self, o: &Operands, imm: u8, v: u8) -> u8 {
        if imm & 8 != 0 {
            dynasm!(self.asm; .arch aarch64; movi V(v).d2, 0);
            return v;
        }
        let from: Field = if imm & 2 == 0 { o.a } else { o.b };
        if imm & 1 != 0 {
            return self.high_half(from, v);
        }
        let low = self.low_half(from, v);
        if low != v {
            self.copy_vector(v, low);
        }
        v
    }

    fn widen(&mut self, signed: bool, (from, to): (u8, u8), o: &Operands) {
        let bytes = if o.long { 32 } else { 16 } / (to / from);
        let b = self.source(o.b, 1, bytes);
        // sshll, ushll by zero
        let op = if signed { 0x0F00_A400 } else { 0x2F00_A400 };
        if o.long {
            let op_high = op | lanes::UPPER;
            self.copy_vector(2, b);
            let mut bits = from;
            // To twice the width until there are two registers of it.
            while 2 * bits < to {
                self.vv(op | u32::from(bits) << 16, 2, 2);
                bits *= 2;
            }
            self.vv(op_high | u32::from(bits) << 16, 3, 2);
            self.vv(op | u32::from(bits) << 16, 2, 2);
            return self.put_both(o, 2, 3);
        }
        let mut bits = from;
        let mut v = b;
        while bits < to {
            self.vv(op | u32::from(bits) << 16, 2, v);
            (bits, v) = (2 * bits, 2);
        }
        self.put_low(o, 2);
    }

    fn insert_general(&mut self, bytes: u8, o: &Operands) {
        let n = o.imm & (16 / bytes - 1);
        let b = match o.b.file {
            File::General => {
                let imm5 = u32::from(n << 1 | 1) << log2(bytes);
                let a = self.xmm(o.a.n);
                self.copy_vector(2, a);
                self.vv(0x4E00_1C00 | imm5 << 16, 2, host(o.b.n));
                return self.put_low(o, 2);
            }
            _ => self.source(o.b, 1, bytes),
        };
        self.merge_element(o, log2(bytes), n, (b, 0));
    }

    fn extract_general(&mut self, bytes: u8, o: &Operands) {
        let n = o.imm & (16 / bytes - 1);
        let b = self.xmm(o.b.n);
        let to = if o.to.file == File::General { host(o.to.n) } else { VALUE };
        let imm5 = u32::from(n << 1 | 1) << log2(bytes);
        let op = if bytes == 8 { 0x4E00_3C00 } else { 0x0E00_3C00 };
        self.vv(op | imm5 << 16, to, b);
        if o.to.file == File::Cell {
            let size = [Size::B8, Size::B16, Size::B32, Size::B64][usize::from(log2(bytes))];
            self.store_cell(size, to);
        }
    }

    /// INSERTPS: an element, and then zeroes.
    fn insert_single(&mut self, o: &Operands) {
        let of = if o.b.file == File::Cell { 0 } else { o.imm >> 6 };
        let b = self.source(o.b, 1, 4);
        let a = self.xmm(o.a.n);
        self.copy_vector(2, a);
        self.insert_element(2, 2, o.imm >> 4 & 3, b, of);
        for n in (0..4u8).filter(|n| o.imm >> n & 1 != 0) {
            // ins v2.s[n], wzr
            self.vv(0x4E00_1C00 | u32::from(n << 3 | 4) << 16, 2, 31);
        }
        self.put_low(o, 2);
    }
}
