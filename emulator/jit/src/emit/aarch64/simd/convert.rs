//! Conversions between the formats, and from and to integers.

use super::Operands;
use super::float::Format;
use crate::emit::aarch64::encode::op;
use crate::emit::aarch64::map::{OTHER, VALUE, host};
use crate::emit::aarch64::{Emitter, Outline};
use crate::ir::Size;
use crate::lift::native::File;
use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi, dynasm};

/// A conversion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conversion {
    /// CVTSI2SS, CVTSI2SD.
    FromGeneral { double: bool },
    /// CVTSS2SI and kin.
    ToGeneral { double: bool, truncates: bool },
    /// CVTSD2SS, or CVTSS2SD.
    Other { to_double: bool },
    /// CVTPS2PD.
    Widen,
    /// CVTDQ2PS, CVTDQ2PD.
    FromIntegers { double: bool },
    /// CVTPS2DQ, CVTTPS2DQ.
    ToIntegers { truncates: bool },
}

/// Single precision, as many as there are.
const SINGLES: Format = Format { double: false, packed: true };

impl Emitter<'_> {
    /// One conversion.
    pub fn convert(&mut self, kind: Conversion, o: &Operands) {
        match kind {
            Conversion::FromGeneral { double } => self.general_to_number(double, o),
            Conversion::ToGeneral { double, truncates } => self.number_to_general(double, truncates, o),
            Conversion::Other { to_double } => self.convert_format(to_double, o),
            Conversion::Widen => self.widen_numbers(o),
            Conversion::FromIntegers { double } => self.integers_to_numbers(double, o),
            Conversion::ToIntegers { truncates } => self.numbers_to_integers(truncates, o),
        }
    }

    fn general_to_number(&mut self, double: bool, o: &Operands) {
        let size = if o.wide { Size::B64 } else { Size::B32 };
        let from = match o.b.file {
            File::General => host(o.b.n),
            _ => {
                self.load_cell(size, VALUE);
                VALUE
            }
        };
        let format = Format { double, packed: false };
        let width = u32::from(o.wide) << 31;
        self.vv(0x1E22_0000 | width | format.precision(), 0, from);
        self.put_number(o, format);
        // An integer is none, or at least one.
        self.set_plain(o.to.n, format);
    }

    fn number_to_general(&mut self, double: bool, truncates: bool, o: &Operands) {
        let format = Format { double, packed: false };
        let b = self.source(o.b, 1, format.bytes());
        self.check_field(o.b, b, format);
        let slow = self.slow_path();
        let wide = o.wide;
        let mut from = b;
        if !truncates {
            // frinti: by FPCR, noting nothing
            self.vv(0x1E27_C000 | format.precision(), 0, b);
            from = 0;
        }
        // fcvtzs
        self.vv(0x1E38_0000 | u32::from(wide) << 31 | format.precision(), VALUE, from);
        // The largest is what is too large becomes; a NaN becomes zero.
        let largest = if wide { i64::MAX as u64 } else { i32::MAX as u64 };
        self.logic_constant(op::EOR, wide, OTHER, VALUE, largest);
        let (zero, back) = (self.asm.new_dynamic_label(), self.asm.new_dynamic_label());
        dynasm!(self.asm
            ; .arch aarch64
            ; cbz X(OTHER), =>slow
            ; cbz X(VALUE), =>zero
            ; =>back
        );
        self.outlines.push(Outline::NotANumber { from: zero, back, slow, v: b, double });
        if !truncates {
            // frintx: notes what is inexact
            self.vv(0x1E27_4000 | format.precision(), 0, b);
        }
        self.mov(wide, host(o.to.n), VALUE);
    }

    /// Behind the block: goes to the slow path if a number is none; else VALUE is zero.
    pub fn nan_outline(&mut self, v: u8, double: bool, slow: DynamicLabel) {
        self.ordered_to_mask(2, v, Format { double, packed: false });
        dynasm!(self.asm
            ; .arch aarch64
            ; fmov W(VALUE), s2
            ; cbz W(VALUE), =>slow
            ; mov W(VALUE), wzr
        );
    }

    fn convert_format(&mut self, to_double: bool, o: &Operands) {
        let from = Format { double: !to_double, packed: false };
        let to = Format { double: to_double, packed: false };
        let b = self.source(o.b, 1, from.bytes());
        self.check_field(o.b, b, from);
        self.vv(if to_double { 0x1E22_C000 } else { 0x1E62_4000 }, 0, b);
        self.check_converted(0, to, b);
        self.put_number(o, to);
        self.set_plain(o.to.n, to);
    }

    fn widen_numbers(&mut self, o: &Operands) {
        let to = Format { double: true, packed: true };
        let b = self.source(o.b, 1, if o.long { 16 } else { 8 });
        if o.long {
            self.check_operand(b, SINGLES);
        } else {
            // Above the two there may be anything.
            dynasm!(self.asm; .arch aarch64; fmov D(4), D(b));
            self.check_operand(4, SINGLES);
        }
        // fcvtl, fcvtl2
        self.vv(0x0E61_7800, 0, b);
        self.check_exact(0, to);
        if o.long {
            self.vv(0x4E61_7800, 6, b);
            self.check_exact(6, to);
            self.put_both(o, 0, 6);
        } else {
            self.put_low(o, 0);
        }
        self.set_plain(o.to.n, to);
    }

    fn integers_to_numbers(&mut self, double: bool, o: &Operands) {
        if !double {
            let b = self.low_half(o.b, 1);
            self.vv(0x4E21_D800, 0, b);
            if o.long {
                let high = self.high_half(o.b, 5);
                self.vv(0x4E21_D800, 6, high);
                self.put_both(o, 0, 6);
            } else {
                self.put_low(o, 0);
            }
            return;
        }
        let b = self.source(o.b, 1, if o.long { 16 } else { 8 });
        // sshll, sshll2, scvtf
        self.vv(0x0F20_A400, 0, b);
        self.vv(0x4E61_D800, 0, 0);
        if o.long {
            self.vv(0x4F20_A400, 6, b);
            self.vv(0x4E61_D800, 6, 6);
            self.put_both(o, 0, 6);
        } else {
            self.put_low(o, 0);
        }
        self.set_plain(o.to.n, Format { double: true, packed: true });
    }

    fn numbers_to_integers(&mut self, truncates: bool, o: &Operands) {
        let b = self.low_half(o.b, 1);
        self.check_field(o.b, b, SINGLES);
        self.integers_of(truncates, 0, b);
        if o.long {
            let high = self.high_half(o.b, 5);
            self.check_operand(high, SINGLES);
            self.integers_of(truncates, 6, high);
            self.put_both(o, 0, 6);
        } else {
            self.put_low(o, 0);
        }
    }

    /// One half.
    fn integers_of(&mut self, truncates: bool, to: u8, b: u8) {
        let mut from = b;
        if !truncates {
            self.vv(0x6EA1_9800, to, b);
            from = to;
        }
        self.vv(0x4EA1_B800, to, from);
        self.check_integers(to, b);
        if !truncates {
            // frintx notes what is inexact.
            self.vv(0x6E21_9800, 2, b);
        }
    }
}
