//! SSE and AVX instructions on NEON.
//!
//! What works on each 128 bits by themselves is one of [`Lanes`] and done once or
//! twice; floating point is in `float` and `convert`. An instruction is known by its
//! mnemonic: the VEX-encoded one has a third operand, and clears what is above its result.

mod convert;
mod float;
mod fused;
mod lanes;
mod moves;
mod shuffle;
mod table;

use super::Emitter;
use super::map::INDEX;
use crate::lift::native::{Field, File, Native};
use convert::Conversion;
use float::Arithmetic;
pub use float::{Check, Format};
use fused::Fused;
use iced_x86::CpuidFeature;
use lanes::Lanes;
use moves::Move;
pub use table::translation;

/// How an instruction is translated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Translation {
    /// On each 128 bits, of memory operands of the whole width.
    Lanes(Lanes),
    /// Moves, broadcasts, insertions and extractions.
    Move(Move),
    /// An arithmetic operation.
    Arithmetic(Arithmetic, Format),
    /// MIN, or MAX.
    Extreme { max: bool, format: Format },
    /// CMPPS and kin, by the immediate.
    Compare(Format),
    /// UCOMISS, or COMISS, which signals quiet NaNs, too.
    Order { signals: bool, double: bool },
    /// ROUNDSS and kin.
    Round(Format),
    /// A product and a sum.
    Fused(Fused),
    /// Between formats and to and from integers.
    Convert(Conversion),
}

/// The operands of an instruction, wherever they are in its encoding.
#[derive(Clone, Copy, Debug)]
pub struct Operands {
    /// The destination; where there is none, the first operand.
    pub to: Field,
    /// The first one of two.
    pub a: Field,
    /// The last one.
    pub b: Field,
    /// Both halves of YMM registers.
    pub long: bool,
    /// What is above the result is cleared.
    pub vex: bool,
    /// The immediate.
    pub imm: u8,
    /// A general-purpose operand has 64 bits.
    pub wide: bool,
    /// XMM0, or the register that the immediate names.
    pub fourth: u8,
}

impl Operands {
    fn of(native: &Native) -> Self {
        let Native { reg, third, rm, .. } = *native;
        let is_none = |field: Field| field.file == File::None;
        let to = [rm, third].into_iter().find(|field| field.writes).unwrap_or(reg);
        let b = if rm.writes && !is_none(reg) { reg } else { rm };
        let a = if is_none(third) || third.writes { to } else { third };
        Self {
            to,
            a,
            b,
            long: native.fields().iter().any(|field| field.file == File::Ymm),
            vex: native.vex,
            imm: native.imm.unwrap_or(0),
            wide: table::is_wide(native.code),
            fourth: native.fourth,
        }
    }
}

/// Whether the host has what an instruction is translated to, with this immediate.
pub fn lowers(native: &Native) -> bool {
    match table::translation(native.code) {
        Some(Translation::Compare(_)) => native.imm.is_some_and(|imm| imm < 8),
        // Other modes than MXCSR's say nothing of inexact results.
        Some(Translation::Round(_)) => native.imm.is_some_and(|imm| imm & 8 != 0 || imm & 4 != 0),
        _ => true,
    }
}

/// Whether the host has instructions for a family that is optional on both.
pub fn host_has(feature: CpuidFeature) -> bool {
    #[cfg(target_arch = "aarch64")]
    {
        use std::arch::is_aarch64_feature_detected as has;
        match feature {
            CpuidFeature::AES => has!("aes"),
            CpuidFeature::PCLMULQDQ => has!("pmull"),
            CpuidFeature::SSE4_2 => has!("crc"),
            _ => true,
        }
    }
    #[cfg(not(target_arch = "aarch64"))]
    {
        let _ = feature;
        true
    }
}

impl Emitter<'_> {
    /// One [`Native`] on vectors.
    pub fn simd(&mut self, native: &Native) {
        let Some(translation) = table::translation(native.code) else {
            unreachable!("the lifter asked `translates`")
        };
        let operands = Operands::of(native);
        match translation {
            Translation::Lanes(lanes) => self.each_lane(lanes, &operands),
            Translation::Move(kind) => self.move_vector(kind, &operands),
            Translation::Arithmetic(kind, format) => self.arithmetic(kind, format, &operands),
            Translation::Extreme { max, format } => self.extreme(max, format, &operands),
            Translation::Compare(format) => self.compare_numbers(format, &operands),
            Translation::Order { signals, double } => self.order(signals, double, &operands),
            Translation::Round(format) => self.round(format, &operands),
            Translation::Fused(kind) => self.fused(kind, &operands),
            Translation::Convert(kind) => self.convert(kind, &operands),
        }
    }

    /// The host register of the operand's lower half: its own, or `v`.
    fn low_half(&mut self, from: Field, v: u8) -> u8 {
        self.source(from, v, 16)
    }

    /// The operand's upper half in `v`.
    fn high_half(&mut self, from: Field, v: u8) -> u8 {
        match from.file {
            File::Xmm | File::Ymm => self.load_home(v, from.n, true),
            _ => {
                self.step_cell(16);
                self.source(from, v, 16);
                self.step_cell(-16);
            }
        }
        v
    }

    /// The cell is what lies so many bytes further on: its index is INDEX.
    fn step_cell(&mut self, by: i64) {
        self.add_constant(true, INDEX, INDEX, by);
    }

    /// Writes a result of 128 bits, and clears what has to be above it.
    fn put_low(&mut self, o: &Operands, v: u8) {
        let to = self.xmm_written(o.to.n);
        if to != v {
            self.copy_vector(to, v);
        }
        if o.vex {
            self.clear_upper(o.to.n);
        }
    }

    /// `to = from`, all 128 bits.
    pub fn copy_vector(&mut self, to: u8, from: u8) {
        self.vvv(lanes::ORR, to, from, from);
    }

    /// `op vd, vn, vm`.
    pub fn vvv(&mut self, op: u32, d: u8, n: u8, m: u8) {
        self.word(op | u32::from(m) << 16 | u32::from(n) << 5 | u32::from(d));
    }

    /// `op vd, vn`.
    pub fn vv(&mut self, op: u32, d: u8, n: u8) {
        self.word(op | u32::from(n) << 5 | u32::from(d));
    }
}
