//! Moves, ALU operations, shifts, conditions, bits.

use super::encode::Rm;
use super::map::{self, RAX, RCX, RDX};
use super::{Emitter, slot};
use crate::ir::{Alu, Bit, CarryOp, Cond, Count, Place, Reg, Shift, Size, T1, Unary, Value};
use dynasmrt::{DynasmApi, dynasm};

impl Alu {
    /// Its number in opcodes 00h to 3Fh and 80h to 83h.
    fn number(self) -> u8 {
        match self {
            Self::Add => 0,
            Self::Or => 1,
            Self::Adc => 2,
            Self::Sbb => 3,
            Self::And | Self::Test => 4,
            Self::Sub => 5,
            Self::Xor => 6,
            Self::Cmp => 7,
        }
    }
}

impl Emitter<'_> {
    /// `op rm, imm`.
    pub fn alu_imm(&mut self, op: Alu, size: Size, rm: Rm, value: i32) {
        if op == Alu::Test {
            self.op(size, 0xF6, 0, rm);
            self.imm(size, value);
        } else if size != Size::B8 && i8::try_from(value).is_ok() {
            self.op_exact(size, 0x83, op.number(), rm);
            self.imm8(value as u8);
        } else {
            self.op(size, 0x80, op.number(), rm);
            self.imm(size, value);
        }
    }

    /// `op reg, rm`.
    pub fn alu_reg_rm(&mut self, op: Alu, size: Size, reg: u8, rm: Rm) {
        let opcode = if op == Alu::Test { 0x84 } else { op.number() << 3 | 2 };
        self.op(size, opcode, reg, rm);
    }

    /// `op rm, reg`.
    fn alu_rm_reg(&mut self, op: Alu, size: Size, rm: Rm, reg: u8) {
        let opcode = if op == Alu::Test { 0x84 } else { op.number() << 3 };
        self.op(size, opcode, reg, rm);
    }

    /// Where a register or the cell is.
    pub fn rm(&self, value: Value) -> Rm {
        match value {
            Value::Reg(n) => map::pinned(n).map_or(Rm::field(slot(n)), Rm::Reg),
            Value::Cell | Value::Imm(_) => self.cell,
        }
    }

    /// A place to do an operation of `size` on: registers in memory are taken to
    /// RDX. [`store_back`](Self::store_back) returns them.
    fn work(&mut self, to: Place) -> Rm {
        match to {
            Place::Cell => self.cell,
            Place::Reg(n) => Rm::Reg(self.get(n, RDX)),
        }
    }

    fn store_back(&mut self, to: Place, at: Rm, size: Size) {
        if let (Place::Reg(n), Rm::Reg(host)) = (to, at)
            && map::pinned(n).is_none()
        {
            // RDX's upper half is clear after a 32-bit operation, and of a temporary only
            // the low byte counts: one that is stored in pieces is slow to load.
            let temporary = size == Size::B8 && n > 15;
            let size = if size == Size::B32 || temporary { Size::B64 } else { size };
            self.op(size, 0x88, host, Rm::field(slot(n)));
        }
    }

    pub fn alu(&mut self, op: Alu, size: Size, to: Place, from: Value) {
        if op.compares()
            && let Place::Reg(n) = to
            && map::pinned(n).is_none()
            && from != Value::Cell
        {
            // Nothing to write back: the comparison can read memory.
            let rm = Rm::field(slot(n));
            match from {
                Value::Imm(value) => self.alu_imm(op, size, rm, value),
                Value::Reg(n) => {
                    let reg = self.get(n, RDX);
                    self.alu_rm_reg(op, size, rm, reg);
                }
                Value::Cell => {}
            }
            return;
        }
        let at = self.work(to);
        match (at, from) {
            (_, Value::Imm(value)) => self.alu_imm(op, size, at, value),
            (Rm::Reg(host), _) => {
                let rm = self.rm(from);
                self.alu_reg_rm(op, size, host, rm);
            }
            (Rm::Mem { .. }, Value::Reg(n)) => {
                let reg = self.get(n, RDX);
                self.alu_rm_reg(op, size, at, reg);
            }
            (Rm::Mem { .. }, Value::Cell) => {}
        }
        if !op.compares() {
            self.store_back(to, at, size);
        }
    }

    pub fn mov(&mut self, size: Size, to: Place, from: Value) {
        match (to, from) {
            (Place::Cell, Value::Imm(value)) => {
                self.op(size, 0xC6, 0, self.cell);
                self.imm(size, value);
            }
            (Place::Cell, Value::Reg(n)) => {
                let reg = self.get(n, RDX);
                self.op(size, 0x88, reg, self.cell);
            }
            (Place::Cell, Value::Cell) => {}
            (Place::Reg(n), Value::Imm(value)) => match (size, map::pinned(n)) {
                (Size::B64, _) => self.set(n, value as i64 as u64),
                (Size::B32, _) => self.set(n, u64::from(value as u32)),
                (_, host) => {
                    self.op(size, 0xC6, 0, host.map_or(Rm::field(slot(n)), Rm::Reg));
                    self.imm(size, value);
                }
            },
            (Place::Reg(n), _) => {
                let rm = self.rm(from);
                match map::pinned(n) {
                    Some(host) if rm == Rm::Reg(host) && size == Size::B64 => {}
                    Some(host) => self.op(size, 0x8A, host, rm),
                    None => {
                        let host = match rm {
                            Rm::Reg(host) if size != Size::B32 => host,
                            _ => {
                                self.op(size, 0x8A, RDX, rm);
                                RDX
                            }
                        };
                        self.store_back(Place::Reg(n), Rm::Reg(host), size);
                    }
                }
            }
        }
    }

    /// A register = a constant. Flags stay.
    pub fn set(&mut self, n: Reg, value: u64) {
        match map::pinned(n) {
            Some(host) => self.constant(host, value),
            None => match i32::try_from(value as i64) {
                Ok(small) => {
                    self.op(Size::B64, 0xC6, 0, Rm::field(slot(n)));
                    self.imm(Size::B32, small);
                }
                Err(_) => {
                    self.constant(RDX, value);
                    self.op(Size::B64, 0x88, RDX, Rm::field(slot(n)));
                }
            },
        }
    }

    pub fn extend(&mut self, to: Reg, size: Size, from: Value, of: Size, signed: bool) {
        let rm = self.rm(from);
        let host = map::pinned(to).unwrap_or(RDX);
        match (of, signed) {
            (Size::B8, false) => self.op_0f(if size == Size::B16 { size } else { Size::B32 }, 0xB6, host, rm),
            (Size::B16, false) => {
                self.op_0f(if size == Size::B16 { size } else { Size::B32 }, 0xB7, host, rm)
            }
            (Size::B8, true) => self.op_0f(size, 0xBE, host, rm),
            (Size::B16, true) => self.op_0f(size, 0xBF, host, rm),
            (_, true) => self.op_exact(size, 0x63, host, rm),
            (_, false) => self.op_exact(Size::B32, 0x8B, host, rm),
        }
        self.store_back(Place::Reg(to), Rm::Reg(host), size);
    }

    pub fn lea(&mut self, to: Reg, size: Size, at: &crate::ir::Address) {
        let (scale, disp) = (at.scale, at.disp as i32);
        if let Some(host) = map::pinned(to)
            && scale == 0
            && !at.narrow
            && matches!(size, Size::B32 | Size::B64)
            && let Some(base) = map::pinned(at.base & 31).filter(|_| at.base < 16)
        {
            let index = map::pinned(at.index & 31).filter(|_| at.index < 16);
            if index.is_some() || at.index == crate::ir::NONE {
                self.op_exact(size, 0x8D, host, Rm::Mem { base, index, disp });
                return;
            }
        }
        // ACC may be alive in RAX.
        self.address(RDX, at);
        match map::pinned(to) {
            Some(host) => self.op(size, 0x8A, host, Rm::Reg(RDX)),
            None => {
                if size == Size::B32 {
                    self.op_exact(Size::B32, 0x8B, RDX, Rm::Reg(RDX));
                }
                self.store_back(Place::Reg(to), Rm::Reg(RDX), size);
            }
        }
    }

    /// Bits 8 to 15 of a register. Flags stay.
    pub fn high(&mut self, to: Reg, of: Reg) {
        let from = self.get(of, RDX);
        if self.bmi2 {
            dynasm!(self.asm; .arch x64; rorx edx, Rd(from), 8; movzx edx, dl);
        } else {
            // Out of the register and in again, one byte on: no shift, flags stay.
            self.op(Size::B64, 0x88, from, Rm::field(slot(crate::ir::T0)));
            self.op_0f(Size::B32, 0xB6, RDX, Rm::field(slot(crate::ir::T0) + 1));
        }
        match map::pinned(to) {
            Some(host) => self.op_exact(Size::B64, 0x8B, host, Rm::Reg(RDX)),
            None => self.op(Size::B64, 0x88, RDX, Rm::field(slot(to))),
        }
    }

    /// Replaces bits 8 to 15 of a register. Flags stay.
    pub fn set_high(&mut self, to: Reg, from: Reg) {
        let value = self.get(from, RDX);
        let host = map::pinned(to);
        if let Some(host) = host.filter(|_| self.bmi2) {
            // A load of what was stored in pieces waits for them.
            dynasm!(self.asm
                ; .arch x64
                ; mov edx, Rd(value)
                ; rorx Rq(host), Rq(host), 8
                ; mov Rb(host), dl
                ; rorx Rq(host), Rq(host), 56
            );
            return;
        }
        if let Some(host) = host {
            self.op(Size::B64, 0x88, host, Rm::field(slot(to)));
        }
        self.op(Size::B8, 0x88, value, Rm::field(slot(to) + 1));
        if let Some(host) = host {
            self.op_exact(Size::B64, 0x8B, host, Rm::field(slot(to)));
        }
    }

    pub fn unary(&mut self, op: Unary, size: Size, to: Place) {
        let at = self.work(to);
        self.unary_on(op, size, at);
        self.store_back(to, at, size);
    }

    /// The instruction alone.
    pub fn unary_on(&mut self, op: Unary, size: Size, at: Rm) {
        match op {
            Unary::Inc => self.op(size, 0xFE, 0, at),
            Unary::Dec => self.op(size, 0xFE, 1, at),
            Unary::Not => self.op(size, 0xF6, 2, at),
            Unary::Neg => self.op(size, 0xF6, 3, at),
        }
    }

    pub fn bswap(&mut self, to: Reg, size: Size) {
        let host = self.get(to, RDX);
        match size {
            Size::B64 => dynasm!(self.asm; .arch x64; bswap Rq(host)),
            _ => dynasm!(self.asm; .arch x64; bswap Rd(host)),
        }
        self.store_back(Place::Reg(to), Rm::Reg(host), size);
    }

    pub fn shift(&mut self, op: Shift, size: Size, to: Place, by: Count) {
        let number = match op {
            Shift::Rol => 0,
            Shift::Ror => 1,
            Shift::Rcl => 2,
            Shift::Rcr => 3,
            Shift::Shl => 4,
            Shift::Shr => 5,
            Shift::Sar => 7,
        };
        match by {
            Count::Imm(n) => {
                let at = self.work(to);
                if n == 1 {
                    self.op(size, 0xD0, number, at);
                } else {
                    self.op(size, 0xC0, number, at);
                    self.imm8(n);
                }
                self.store_back(to, at, size);
            }
            Count::Cl => {
                let at = self.count_to_cl(to);
                self.op(size, 0xD2, number, at);
                if size == Size::B32
                    && let Rm::Reg(host) = at
                {
                    // A count of zero extends no less.
                    self.op_exact(Size::B32, 0x8B, host, Rm::Reg(host));
                }
                self.store_back(to, at, size);
            }
        }
    }

    /// Guest CL to CL, and the place to shift, which does not need RCX then.
    fn count_to_cl(&mut self, to: Place) -> Rm {
        let mut at = self.work(to);
        if let Rm::Mem { .. } = at {
            self.op_exact(Size::B64, 0x8D, RAX, at);
            at = Rm::Mem { base: RAX, index: None, disp: 0 };
        }
        let rm = self.rm(Value::Reg(1));
        self.op_exact(Size::B32, 0x8B, RCX, rm);
        at
    }

    pub fn double_shift(&mut self, left: bool, size: Size, to: Reg, fill: Reg, by: Count) {
        let opcode = if left { 0xA4 } else { 0xAC };
        let at = match by {
            Count::Imm(_) => self.work(Place::Reg(to)),
            Count::Cl => self.count_to_cl(Place::Reg(to)),
        };
        let reg = self.get(fill, RAX);
        match by {
            Count::Imm(n) => {
                self.op_0f(size, opcode, reg, at);
                self.imm8(n);
            }
            Count::Cl => {
                self.op_0f(size, opcode | 1, reg, at);
                if size == Size::B32
                    && let Rm::Reg(host) = at
                {
                    self.op_exact(Size::B32, 0x8B, host, Rm::Reg(host));
                }
            }
        }
        self.store_back(Place::Reg(to), at, size);
    }

    pub fn sign_fill(&mut self, size: Size) {
        let from = self.get(0, RAX);
        // The instruction that does just this keeps flags.
        self.op_exact(Size::B64, 0x8B, RAX, Rm::Reg(from));
        match size {
            Size::B64 => dynasm!(self.asm; .arch x64; cqo),
            Size::B32 => dynasm!(self.asm; .arch x64; cdq),
            _ => dynasm!(self.asm; .arch x64; cwd),
        }
        self.mov_host(2, RDX, size);
    }

    /// Guest register `n` = host register `from`. Flags stay.
    pub fn mov_host(&mut self, n: Reg, from: u8, size: Size) {
        match map::pinned(n) {
            Some(host) => self.op(size, 0x8A, host, Rm::Reg(from)),
            None => self.store_back(Place::Reg(n), Rm::Reg(from), size),
        }
    }

    pub fn set_if(&mut self, cc: Cond, to: Place) {
        let at = match to {
            Place::Cell => self.cell,
            Place::Reg(n) => map::pinned(n).map_or(Rm::field(slot(n)), Rm::Reg),
        };
        self.op_0f(Size::B8, 0x90 | cc, 0, at);
    }

    pub fn move_if(&mut self, cc: Cond, size: Size, to: Reg, from: Value) {
        let rm = self.rm(from);
        let host = self.get(to, RDX);
        self.op_0f(size, 0x40 | cc, host, rm);
        self.store_back(Place::Reg(to), Rm::Reg(host), size);
    }

    pub fn bit_test(&mut self, op: Bit, size: Size, to: Place, bit: Value) {
        let number = bit_number(op);
        if let (Place::Cell, Value::Reg(n)) = (to, bit) {
            // With a register and memory the instruction would move the address.
            let (at, reg) = self.beside_cell(n);
            self.op(size, 0x8A, RDX, at);
            self.op_0f(size, 0x83 | number << 3, reg, Rm::Reg(RDX));
            if op != Bit::Test {
                self.op(size, 0x88, RDX, at);
            }
            return;
        }
        let at = self.work(to);
        match bit {
            Value::Reg(n) => {
                let reg = self.get(n, RCX);
                self.op_0f(size, 0x83 | number << 3, reg, at);
            }
            Value::Imm(n) => {
                self.op_0f(size, 0xBA, number, at);
                self.imm8(n as u8);
            }
            Value::Cell => {}
        }
        if op != Bit::Test {
            self.store_back(to, at, size);
        }
    }

    /// The cell, and a host register that holds register `n`. Flags stay.
    fn beside_cell(&mut self, n: Reg) -> (Rm, u8) {
        if let Some(host) = map::pinned(n) {
            return (self.cell, host);
        }
        self.op_exact(Size::B64, 0x8D, RCX, self.cell);
        (Rm::Mem { base: RCX, index: None, disp: 0 }, self.get(n, RAX))
    }

    /// Moves an address by the whole operands in a bit number.
    pub fn bit_string(&mut self, size: Size, to: Reg, number: Reg, locked: bool) {
        self.before_clobber();
        let host = self.get(number, RCX);
        match size {
            Size::B16 => self.op_0f(Size::B64, 0xBF, RAX, Rm::Reg(host)),
            Size::B32 => self.op_exact(Size::B64, 0x63, RAX, Rm::Reg(host)),
            _ => self.op_exact(Size::B64, 0x8B, RAX, Rm::Reg(host)),
        }
        let (bits, bytes) = (size.bits().trailing_zeros() as i8, size.bytes().trailing_zeros() as i8);
        dynasm!(self.asm
            ; .arch x64
            ; sar rax, bits
            ; shl rax, bytes
            ; add [r15 + slot(to) as i32], rax
        );
        if locked {
            let last = size.bits() as i8 - 1;
            dynasm!(self.asm; .arch x64; mov eax, Rd(host); and eax, BYTE last; mov [r15 + slot(T1) as i32], rax);
        }
    }

    pub fn carry(&mut self, op: CarryOp) {
        match op {
            CarryOp::Clear => dynasm!(self.asm; .arch x64; clc),
            CarryOp::Set => dynasm!(self.asm; .arch x64; stc),
            CarryOp::Complement => dynasm!(self.asm; .arch x64; cmc),
        }
    }

    // --- LOCK forms ---

    fn lock(&mut self) {
        self.imm8(0xF0);
    }

    pub fn exchange(&mut self, size: Size, with: Reg) {
        let reg = self.get(with, RDX);
        self.op(size, 0x86, reg, self.cell);
        self.store_back(Place::Reg(with), Rm::Reg(reg), size);
    }

    pub fn locked_alu(&mut self, op: Alu, size: Size, from: Value) {
        match from {
            Value::Imm(value) => {
                self.lock();
                self.alu_imm(op, size, self.cell, value);
            }
            Value::Reg(n) => {
                let reg = self.get(n, RDX);
                self.lock();
                self.alu_rm_reg(op, size, self.cell, reg);
            }
            Value::Cell => {}
        }
    }

    pub fn locked_unary(&mut self, op: Unary, size: Size) {
        self.lock();
        self.unary_on(op, size, self.cell);
    }

    pub fn locked_bit(&mut self, op: Bit, size: Size, bit: Value) {
        match bit {
            Value::Reg(n) => {
                let (at, reg) = self.beside_cell(n);
                self.lock();
                self.op_0f(size, 0x83 | bit_number(op) << 3, reg, at);
            }
            Value::Imm(bit) => {
                self.lock();
                self.op_0f(size, 0xBA, bit_number(op), self.cell);
                self.imm8(bit as u8);
            }
            Value::Cell => {}
        }
    }

    pub fn exchange_add(&mut self, size: Size, with: Reg, locked: bool) {
        let reg = self.get(with, RDX);
        if locked {
            self.lock();
        }
        self.op_0f(size, 0xC0 | u8::from(size != Size::B8), reg, self.cell);
        self.store_back(Place::Reg(with), Rm::Reg(reg), size);
    }

    pub fn compare_exchange(&mut self, size: Size, with: Reg, locked: bool) {
        // The cell's base may be RAX, which the instruction needs.
        self.op_exact(Size::B64, 0x8D, RCX, self.cell);
        let reg = self.get(with, RDX);
        let accumulator = self.rm(Value::Reg(0));
        self.op_exact(Size::B64, 0x8B, RAX, accumulator);
        if locked {
            self.lock();
        }
        let at = Rm::Mem { base: RCX, index: None, disp: 0 };
        self.op_0f(size, 0xB0 | u8::from(size != Size::B8), reg, at);
        if size == Size::B32 {
            // On success the accumulator keeps its upper half, on failure it is loaded.
            if let Some(host) = map::pinned(0) {
                self.op_0f(Size::B64, 0x45, host, Rm::Reg(RAX));
            }
        } else {
            self.mov_host(0, RAX, size);
        }
    }
}

impl Emitter<'_> {
    /// CMPXCHG16B of the cell, whose operands are where guests have others.
    pub fn compare_exchange_wide(&mut self, locked: bool) {
        let [rax, rcx, rdx, rbx] = [0, 1, 2, 3].map(|n| Rm::Reg(map::pinned(n).unwrap_or(RDX)));
        let Rm::Reg(at) = rcx else { return };
        self.op_exact(Size::B64, 0x8D, RDX, self.cell);
        self.op_exact(Size::B64, 0x8B, RAX, rax);
        self.op_exact(Size::B64, 0x8B, RCX, rcx);
        // Guest RAX has the host's RBX: what is compared is in RAX already.
        self.op_exact(Size::B64, 0x8B, at, Rm::Reg(RDX));
        self.op_exact(Size::B64, 0x8B, RDX, rdx);
        self.op_exact(Size::B64, 0x8B, RBX, rbx);
        if locked {
            self.lock();
        }
        self.op_0f(Size::B64, 0xC7, 1, Rm::Mem { base: at, index: None, disp: 0 });
        for (n, from) in [(0, RAX), (1, RCX), (2, RDX)] {
            self.mov_host(n, from, Size::B64);
        }
    }
}

/// RBX, where guest RAX is.
const RBX: u8 = 3;

/// The number that BT and kin have in opcodes.
fn bit_number(op: Bit) -> u8 {
    match op {
        Bit::Test => 4,
        Bit::Set => 5,
        Bit::Reset => 6,
        Bit::Complement => 7,
    }
}
