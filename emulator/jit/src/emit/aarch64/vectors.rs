//! SSE instructions that NEON has, too: moves, logic, integers. Those that depend
//! on MXCSR are the interpreter's, whose NaNs and flags NEON does not make.
//!
//! Guest XMM registers stay in memory; V0 and V1 are scratch.

use super::Emitter;
use super::map::{CPU, OTHER, THIRD, VALUE, host};
use crate::ir::Size;
use crate::lift::native::{Field, File, Native};
use dynasmrt::{DynasmApi, DynasmLabelApi, dynasm};
use glassbox_cpu::compiled::layout;
use iced_x86::Code;

/// What is done with V0, the first operand, and V1, the second.
#[derive(Clone, Copy)]
enum Vector {
    /// V0 = one instruction of both, the first one first.
    Both(u32),
    /// As above, the second one first.
    Swapped(u32),
    /// So many bytes are moved; the rest of an XMM register is cleared.
    Move(u8),
    /// PSHUFD.
    Shuffle,
    /// PMOVMSKB.
    Signs,
}

/// Elements of 1 to 8 bytes, in an instruction of all 128 bits.
const B: u32 = 0;
const H: u32 = 1 << 22;
const S: u32 = 2 << 22;
const D: u32 = 3 << 22;
const ADD: u32 = 0x4E20_8400;
const SUB: u32 = 0x6E20_8400;
const CMEQ: u32 = 0x6E20_8C00;
const CMGT: u32 = 0x4E20_3400;
const SQADD: u32 = 0x4E20_0C00;
const UQADD: u32 = 0x6E20_0C00;
const SQSUB: u32 = 0x4E20_2C00;
const UQSUB: u32 = 0x6E20_2C00;
const URHADD: u32 = 0x6E20_1400;
const UMAX: u32 = 0x6E20_6400;
const UMIN: u32 = 0x6E20_6C00;
const SMAX: u32 = 0x4E20_6400;
const SMIN: u32 = 0x4E20_6C00;
const MUL: u32 = 0x4E20_9C00;
const ZIP1: u32 = 0x4E00_3800;
const ZIP2: u32 = 0x4E00_7800;
const AND: u32 = 0x4E20_1C00;
const BIC: u32 = 0x4E60_1C00;
const ORR: u32 = 0x4EA0_1C00;
const EOR: u32 = 0x6E20_1C00;

/// How an instruction is translated, if it is.
fn vector(code: Code) -> Option<Vector> {
    use Code::*;
    use Vector::*;
    Some(match code {
        Movaps_xmm_xmmm128 | Movaps_xmmm128_xmm | Movapd_xmm_xmmm128 | Movapd_xmmm128_xmm
        | Movups_xmm_xmmm128 | Movups_xmmm128_xmm | Movupd_xmm_xmmm128 | Movupd_xmmm128_xmm
        | Movdqa_xmm_xmmm128 | Movdqa_xmmm128_xmm | Movdqu_xmm_xmmm128 | Movdqu_xmmm128_xmm => Move(16),
        Movq_xmm_xmmm64 | Movq_xmmm64_xmm | Movq_xmm_rm64 | Movq_rm64_xmm => Move(8),
        Movd_xmm_rm32 | Movd_rm32_xmm => Move(4),
        Pand_xmm_xmmm128 | Andps_xmm_xmmm128 | Andpd_xmm_xmmm128 => Both(AND),
        Por_xmm_xmmm128 | Orps_xmm_xmmm128 | Orpd_xmm_xmmm128 => Both(ORR),
        Pxor_xmm_xmmm128 | Xorps_xmm_xmmm128 | Xorpd_xmm_xmmm128 => Both(EOR),
        Pandn_xmm_xmmm128 | Andnps_xmm_xmmm128 | Andnpd_xmm_xmmm128 => Swapped(BIC),
        Paddb_xmm_xmmm128 => Both(ADD | B),
        Paddw_xmm_xmmm128 => Both(ADD | H),
        Paddd_xmm_xmmm128 => Both(ADD | S),
        Paddq_xmm_xmmm128 => Both(ADD | D),
        Psubb_xmm_xmmm128 => Both(SUB | B),
        Psubw_xmm_xmmm128 => Both(SUB | H),
        Psubd_xmm_xmmm128 => Both(SUB | S),
        Psubq_xmm_xmmm128 => Both(SUB | D),
        Paddsb_xmm_xmmm128 => Both(SQADD | B),
        Paddsw_xmm_xmmm128 => Both(SQADD | H),
        Paddusb_xmm_xmmm128 => Both(UQADD | B),
        Paddusw_xmm_xmmm128 => Both(UQADD | H),
        Psubsb_xmm_xmmm128 => Both(SQSUB | B),
        Psubsw_xmm_xmmm128 => Both(SQSUB | H),
        Psubusb_xmm_xmmm128 => Both(UQSUB | B),
        Psubusw_xmm_xmmm128 => Both(UQSUB | H),
        Pavgb_xmm_xmmm128 => Both(URHADD | B),
        Pavgw_xmm_xmmm128 => Both(URHADD | H),
        Pcmpeqb_xmm_xmmm128 => Both(CMEQ | B),
        Pcmpeqw_xmm_xmmm128 => Both(CMEQ | H),
        Pcmpeqd_xmm_xmmm128 => Both(CMEQ | S),
        Pcmpgtb_xmm_xmmm128 => Both(CMGT | B),
        Pcmpgtw_xmm_xmmm128 => Both(CMGT | H),
        Pcmpgtd_xmm_xmmm128 => Both(CMGT | S),
        Pmaxub_xmm_xmmm128 => Both(UMAX | B),
        Pminub_xmm_xmmm128 => Both(UMIN | B),
        Pmaxsw_xmm_xmmm128 => Both(SMAX | H),
        Pminsw_xmm_xmmm128 => Both(SMIN | H),
        Pmullw_xmm_xmmm128 => Both(MUL | H),
        Pmulld_xmm_xmmm128 => Both(MUL | S),
        Punpcklbw_xmm_xmmm128 => Both(ZIP1 | B),
        Punpcklwd_xmm_xmmm128 => Both(ZIP1 | H),
        Punpckldq_xmm_xmmm128 => Both(ZIP1 | S),
        Punpcklqdq_xmm_xmmm128 => Both(ZIP1 | D),
        Punpckhbw_xmm_xmmm128 => Both(ZIP2 | B),
        Punpckhwd_xmm_xmmm128 => Both(ZIP2 | H),
        Punpckhdq_xmm_xmmm128 => Both(ZIP2 | S),
        Punpckhqdq_xmm_xmmm128 => Both(ZIP2 | D),
        Pshufd_xmm_xmmm128_imm8 => Shuffle,
        Pmovmskb_r32_xmm => Signs,
        _ => return None,
    })
}

/// Whether an instruction is translated.
pub fn translates(code: Code) -> bool {
    vector(code).is_some()
}

impl Emitter<'_> {
    /// One [`Native`].
    pub fn native(&mut self, native: &Native) {
        let Some(vector) = vector(native.code) else { unreachable!("the lifter asked `translates`") };
        let (to, from) = if native.rm.writes { (native.rm, native.reg) } else { (native.reg, native.rm) };
        match vector {
            Vector::Move(bytes) => {
                self.load_vector(1, from, bytes);
                self.store_vector(1, to, bytes);
                return;
            }
            Vector::Both(opcode) | Vector::Swapped(opcode) => {
                self.load_vector(0, to, 16);
                self.load_vector(1, from, 16);
                let (first, second) = if matches!(vector, Vector::Both(_)) { (0, 1) } else { (1, 0) };
                self.word(opcode | second << 16 | first << 5);
            }
            Vector::Shuffle => {
                self.load_vector(1, from, 16);
                let order = u32::from(native.imm.unwrap_or(0));
                for n in 0..4 {
                    // ins v0.s[n], v1.s[order]
                    let element = order >> (2 * n) & 3;
                    self.word(0x6E00_0400 | (n << 3 | 4) << 16 | (element << 2) << 11 | 1 << 5);
                }
            }
            Vector::Signs => {
                self.load_vector(1, from, 16);
                dynasm!(self.asm
                    ; .arch aarch64
                    ; ushr v1.b16, v1.b16, 7
                    ; usra v1.h8, v1.h8, 7
                    ; usra v1.s4, v1.s4, 14
                    ; usra v1.d2, v1.d2, 28
                    ; umov W(VALUE), v1.b[0]
                    ; umov W(OTHER), v1.b[8]
                    ; orr W(host(to.n)), W(VALUE), W(OTHER), lsl 8
                );
                return;
            }
        }
        self.store_vector(0, to, 16);
    }

    /// THIRD = where XMM register `n` is.
    fn vector_address(&mut self, n: u8) {
        let offset = layout::VEC + 32 * n as usize;
        self.add_constant(true, THIRD, CPU, offset as i64);
    }

    /// Loads `bytes` of an operand to a host vector register; the rest is cleared.
    fn load_vector(&mut self, v: u8, from: Field, bytes: u8) {
        let (base, index) = (self.cell.base, self.cell.index);
        match (from.file, bytes) {
            (File::General, 8) => dynasm!(self.asm; .arch aarch64; fmov D(v), X(host(from.n))),
            (File::General, _) => dynasm!(self.asm; .arch aarch64; fmov S(v), W(host(from.n))),
            (File::Cell, 16) => dynasm!(self.asm; .arch aarch64; ldr Q(v), [X(base), X(index)]),
            (File::Cell, 8) => dynasm!(self.asm; .arch aarch64; ldr D(v), [X(base), X(index)]),
            (File::Cell, _) => dynasm!(self.asm; .arch aarch64; ldr S(v), [X(base), X(index)]),
            _ => {
                self.vector_address(from.n);
                match bytes {
                    16 => dynasm!(self.asm; .arch aarch64; ldr Q(v), [X(THIRD)]),
                    8 => dynasm!(self.asm; .arch aarch64; ldr D(v), [X(THIRD)]),
                    _ => dynasm!(self.asm; .arch aarch64; ldr S(v), [X(THIRD)]),
                }
            }
        }
    }

    /// Stores `bytes` of a host vector register to an operand. An XMM register gets
    /// all 128 bits, the upper half of its YMM register stays.
    fn store_vector(&mut self, v: u8, to: Field, bytes: u8) {
        let (base, index) = (self.cell.base, self.cell.index);
        match (to.file, bytes) {
            (File::General, 8) => dynasm!(self.asm; .arch aarch64; fmov X(host(to.n)), D(v)),
            (File::General, _) => dynasm!(self.asm; .arch aarch64; fmov W(host(to.n)), S(v)),
            (File::Cell, 16) => dynasm!(self.asm; .arch aarch64; str Q(v), [X(base), X(index)]),
            (File::Cell, 8) => dynasm!(self.asm; .arch aarch64; str D(v), [X(base), X(index)]),
            (File::Cell, _) => dynasm!(self.asm; .arch aarch64; str S(v), [X(base), X(index)]),
            _ => {
                self.vector_address(to.n);
                dynasm!(self.asm; .arch aarch64; str Q(v), [X(THIRD)]);
            }
        }
    }

    /// Leaves for the interpreter unless SSE instructions may run.
    pub fn check_sse(&mut self) {
        let refused = self.refused;
        self.load_field(Size::B8, VALUE, layout::SSE_READY);
        dynasm!(self.asm; .arch aarch64; cbz W(VALUE), =>refused);
    }
}
