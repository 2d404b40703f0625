//! One pre-decoded instruction.

use crate::{Cpu, Exception};
use iced_x86::Code;

/// The function that executes an [`Op`]: monomorphised for operand size and form.
///
/// `cpu.next_rip(op)` is the address behind the instruction, `cpu.this_rip(op)`
/// that of the instruction itself. While an op that ends its block runs (see
/// [`Op::ENDS_BLOCK`]), `state.rip` already is the address behind it: a branch
/// overwrites it, others leave it. Ops that do not end a block never touch it.
/// On `Err` the engine puts RIP back, and no architectural state but CR2 and
/// DR6 may have changed.
pub type Handler = fn(&mut Cpu, &Op) -> Result<(), Exception>;

/// One decoded instruction, 32 bytes.
///
/// Registers are numbers within their class: 0 to 15 for general-purpose,
/// vector, control and debug registers, 0 to 7 for x87 and MMX, 0 to 5 for
/// segments. AH, CH, DH and BH are [`Op::HIGH_BYTE`] | 0 to 3.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Op {
    /// What executes it.
    pub run: Handler,
    /// Immediate, sign-extended to the operand size as the instruction does.
    /// Near branches: the target relative to the block's first instruction.
    /// Far branches: offset in the low 32 bits, selector in bits 32 to 47.
    /// MOV moffs: the address. VEX: the number of a fourth
    /// register operand, or of the vector register of indices. x87: the 11 opcode bits of FOP.
    pub imm: u64,
    /// Displacement of the memory operand. RIP-relative ones count from the
    /// block's first instruction, with `base` = [`crate::state::REG_BLOCK`].
    pub disp: i32,
    /// The exact form, as iced-x86 names it.
    pub code: Code,
    /// Offset of the next instruction from the block's first.
    pub end: u8,
    /// Bytes of this instruction.
    pub len: u8,
    /// Register number of operand 0, if that is a register.
    pub dst: u8,
    /// Register number of operand 1, if that is a register.
    pub src: u8,
    /// Register number of operand 2, if that is a register; the second
    /// immediate of ENTER, EXTRQ and INSERTQ.
    pub aux: u8,
    /// Base register of the memory operand, or `REG_ZERO`, or `REG_BLOCK`.
    pub base: u8,
    /// Index register of the memory operand, or `REG_ZERO`.
    pub index: u8,
    /// Bits 0-1: log2 of the index scale. Bits 4-6: segment, 0 to 5 or
    /// `SEG_FLAT` or `SEG_FLAT_STACK`.
    pub scale_seg: u8,
    /// [`Op::MEM`] and kin.
    pub flags: u8,
}

impl Op {
    /// Whether no block goes on behind it.
    pub fn ends_block(&self) -> bool {
        self.flags & Self::ENDS_BLOCK != 0
    }

    /// There is a memory operand; bit 0 of `flags`.
    pub const MEM: u8 = 1;
    /// LOCK prefix (valid use; others decode to #UD).
    pub const LOCK: u8 = 1 << 1;
    /// REP or REPE prefix.
    pub const REP: u8 = 1 << 2;
    /// REPNE prefix.
    pub const REPNE: u8 = 1 << 3;
    /// Mask of the effective-address kind.
    pub const EA_MASK: u8 = 3 << 4;
    /// 64-bit address, segment checks not needed.
    pub const EA_64: u8 = 0 << 4;
    /// 32-bit address, segment checks not needed.
    pub const EA_32: u8 = 1 << 4;
    /// 32-bit address in a segment that has to be checked.
    pub const EA_32_CHECKED: u8 = 2 << 4;
    /// 16-bit address in a segment that has to be checked.
    pub const EA_16_CHECKED: u8 = 3 << 4;
    /// `disp` counts from the end of this instruction (it would not fit otherwise);
    /// of MOV moffs, the address is in `imm`.
    pub const DISP_FROM_END: u8 = 1 << 6;
    /// The last op of its block: it sets RIP, or changes the mode that code is
    /// decoded in.
    pub const ENDS_BLOCK: u8 = 1 << 7;

    /// Bit of a byte register number: AH, CH, DH, BH.
    pub const HIGH_BYTE: u8 = 16;

    /// Whether the operand that may be a register or memory is memory.
    #[inline(always)]
    pub fn is_mem(&self) -> bool {
        self.flags & Self::MEM != 0
    }

    /// Whether the instruction is locked.
    #[inline(always)]
    pub fn locked(&self) -> bool {
        self.flags & Self::LOCK != 0
    }

    /// The memory operand's segment: 0 to 7.
    #[inline(always)]
    pub fn seg(&self) -> u8 {
        self.scale_seg >> 4
    }

    /// Bits of the memory operand's (or implicit string and stack) address: 16, 32 or 64.
    pub fn address_bits(&self) -> u32 {
        match self.flags & Self::EA_MASK {
            Self::EA_64 => 64,
            Self::EA_16_CHECKED => 16,
            _ => 32,
        }
    }
}

impl std::fmt::Debug for Op {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Op")
            .field("code", &self.code)
            .field("dst", &self.dst)
            .field("src", &self.src)
            .field("base", &self.base)
            .field("index", &self.index)
            .field("disp", &self.disp)
            .field("imm", &self.imm)
            .field("flags", &self.flags)
            .finish_non_exhaustive()
    }
}
