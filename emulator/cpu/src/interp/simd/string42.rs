//! PCMPESTRI, PCMPESTRM, PCMPISTRI, PCMPISTRM (Intel SDM Vol. 2B 4.1).

use super::lane::Element;
use super::operand::{File, Xmm};
use crate::flags::LazyFlags;
use crate::state::gpr::{RAX, RCX, RDX};
use crate::{Cpu, Exception, Handler, Op};
use iced_x86::{Instruction, Mnemonic};

/// Fields of the immediate.
const WORDS: u8 = 1;
const SIGNED: u8 = 2;
const NEGATE: u8 = 1 << 4;
const ONLY_VALID: u8 = 1 << 5;
/// Index forms: the most significant index; mask forms: one element a bit.
const MOST_OR_WIDE: u8 = 1 << 6;

/// Two strings of at most 16 bytes or 8 words.
struct Strings {
    /// Elements of the first operand, sign- or zero-extended.
    a: [i32; 16],
    b: [i32; 16],
    /// Valid elements of the first operand.
    a_len: usize,
    b_len: usize,
    /// Elements in an operand: 16 or 8.
    count: usize,
}

fn elements(lane: u128, imm: u8) -> [i32; 16] {
    std::array::from_fn(|n| match imm & (WORDS | SIGNED) {
        0 => i32::from(u8::get(lane, n)),
        WORDS => i32::from(u16::get(lane, n & 7)),
        SIGNED => i32::from(i8::get(lane, n)),
        _ => i32::from(i16::get(lane, n & 7)),
    })
}

impl Strings {
    fn new(a: u128, b: u128, imm: u8, lengths: Option<(u64, u64)>) -> Self {
        let count = if imm & WORDS != 0 { 8 } else { 16 };
        let (a, b) = (elements(a, imm), elements(b, imm));
        let implicit = |s: &[i32; 16]| s[..count].iter().position(|&e| e == 0).unwrap_or(count);
        let (a_len, b_len) = match lengths {
            Some((a, b)) => (a.min(count as u64) as usize, b.min(count as u64) as usize),
            None => (implicit(&a), implicit(&b)),
        };
        Self { a, b, a_len, b_len, count }
    }

    /// IntRes1: one bit for each element of `b`.
    fn aggregate(&self, imm: u8) -> u32 {
        let valid = &self.a[..self.a_len];
        let matches = |n: usize| match imm >> 2 & 3 {
            // Equal any.
            0 => n < self.b_len && valid.contains(&self.b[n]),
            // Ranges: a bound without its partner counts for nothing.
            1 => n < self.b_len && valid.chunks_exact(2).any(|r| r[0] <= self.b[n] && self.b[n] <= r[1]),
            // Equal each: elements behind the ends of both are equal.
            2 => match (n < self.a_len, n < self.b_len) {
                (true, true) => self.a[n] == self.b[n],
                (a, b) => a == b,
            },
            // Equal ordered: `a` begins at `n`, as far as the register goes.
            _ => (n..self.count).zip(valid).all(|(n, &a)| n < self.b_len && a == self.b[n]),
        };
        (0..self.count).fold(0, |bits, n| bits | u32::from(matches(n)) << n)
    }

    /// IntRes2: IntRes1 with the polarity of the immediate.
    fn result(&self, imm: u8) -> u32 {
        let bits = self.aggregate(imm);
        match imm & (NEGATE | ONLY_VALID) {
            NEGATE => bits ^ ((1 << self.count) - 1),
            n if n == NEGATE | ONLY_VALID => bits ^ ((1 << self.b_len) - 1),
            _ => bits,
        }
    }
}

/// The index that PCMPESTRI and PCMPISTRI write to ECX.
fn index(bits: u32, count: usize, imm: u8) -> u32 {
    if bits == 0 {
        count as u32
    } else if imm & MOST_OR_WIDE != 0 {
        bits.ilog2()
    } else {
        bits.trailing_zeros()
    }
}

/// The mask that PCMPESTRM and PCMPISTRM write to XMM0.
fn mask(bits: u32, imm: u8) -> u128 {
    match imm & (MOST_OR_WIDE | WORDS) {
        MOST_OR_WIDE => u8::build(|n| u8::mask(bits >> n & 1 != 0)),
        n if n & MOST_OR_WIDE != 0 => u16::build(|n| u16::mask(bits >> n & 1 != 0)),
        _ => u128::from(bits),
    }
}

const CF: u32 = 1;
const ZF: u32 = 1 << 6;
const SF: u32 = 1 << 7;
const OF: u32 = 1 << 11;

/// Where the string lengths come from.
#[derive(Clone, Copy)]
pub(crate) enum Lengths {
    /// A zero element ends the string.
    Implicit,
    /// EAX and EDX.
    Explicit32,
    /// RAX and RDX.
    Explicit64,
}

#[inline(always)]
pub(crate) fn compare<R: File>(
    cpu: &mut Cpu,
    op: &Op,
    lengths: Lengths,
    to_mask: bool,
) -> Result<(), Exception> {
    R::ready(cpu)?;
    // Alone among the packed instructions these need no alignment.
    let b: u128 = if op.is_mem() { cpu.load_operand(op)? } else { cpu.xmm(op.src) };
    let (rax, rdx) = (cpu.state.regs[RAX], cpu.state.regs[RDX]);
    let lengths = match lengths {
        Lengths::Implicit => None,
        Lengths::Explicit32 => {
            let length = |register: u64| u64::from((register as i32).unsigned_abs());
            Some((length(rax), length(rdx)))
        }
        Lengths::Explicit64 => {
            let length = |register: u64| (register as i64).unsigned_abs();
            Some((length(rax), length(rdx)))
        }
    };
    let imm = op.imm as u8;
    let strings = Strings::new(cpu.xmm(op.dst), b, imm, lengths);
    let bits = strings.result(imm);
    if to_mask {
        R::set(cpu, 0, mask(bits, imm));
    } else {
        cpu.set_reg(RCX as u8, index(bits, strings.count, imm));
    }
    let flag = |set: bool, flag: u32| if set { flag } else { 0 };
    cpu.state.status = LazyFlags::from_bits(
        flag(bits != 0, CF)
            | flag(strings.b_len < strings.count, ZF)
            | flag(strings.a_len < strings.count, SF)
            | flag(bits & 1 != 0, OF),
    );
    Ok(())
}

pub(super) fn select(i: &Instruction, _: bool) -> Option<Handler> {
    use Lengths::*;
    use Mnemonic::*;
    let handler: Handler = match i.mnemonic() {
        Pcmpestri => |cpu, op| compare::<Xmm>(cpu, op, Explicit32, false),
        Pcmpestri64 => |cpu, op| compare::<Xmm>(cpu, op, Explicit64, false),
        Pcmpestrm => |cpu, op| compare::<Xmm>(cpu, op, Explicit32, true),
        Pcmpestrm64 => |cpu, op| compare::<Xmm>(cpu, op, Explicit64, true),
        Pcmpistri => |cpu, op| compare::<Xmm>(cpu, op, Implicit, false),
        Pcmpistrm => |cpu, op| compare::<Xmm>(cpu, op, Implicit, true),
        _ => return None,
    };
    Some(handler)
}
