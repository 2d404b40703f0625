//! Emission of one block: prologue, operands, memory access, exits.

use crate::map::{self, RAX, RCX, RDX};
use crate::thunks::{Thunks, reason};
use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi, VecAssembler, dynasm, x64::X64Relocation};
use glassbox_cpu::compiled::layout;
use glassbox_cpu::{Op, REG_BLOCK, REG_ZERO};

/// The offset of guest register `n` from the processor.
fn slot(n: u8) -> i32 {
    (layout::REGS + 8 * n as usize) as i32
}

/// A piece of code behind the block: the op is run by the interpreter.
struct SlowPath {
    from: DynamicLabel,
    back: DynamicLabel,
    index: usize,
    /// The op ends the block: what it did to RIP decides where to go on.
    last: bool,
    /// Host flags are to hold the guest's when compiled code goes on.
    restore_flags: bool,
}

/// Emits one block.
pub struct Emitter<'a> {
    pub asm: VecAssembler<X64Relocation>,
    pub ops: &'a [Op],
    pub rip: u64,
    thunks: Thunks,
    /// Unused high bits of a linear address.
    unused_bits: i8,
    slow: Vec<SlowPath>,
    /// Exits to a fixed address that may be patched into jumps: label, target.
    exits: Vec<(DynamicLabel, DynamicLabel, u64)>,
    blocked: DynamicLabel,
    start: DynamicLabel,
    /// The op being emitted.
    pub index: usize,
    pub restore_flags: bool,
    back: DynamicLabel,
}

/// Where a direct branch leads.
pub enum Destination {
    /// Compiled code at this host address, on the same guest page.
    Code(usize),
    /// On the same guest page, not compiled yet.
    Linkable,
    /// On another page: looked up each time.
    Far,
}

impl<'a> Emitter<'a> {
    /// Begins a block of `ops` at linear address `rip`, for execution at `base`.
    pub fn new(base: usize, ops: &'a [Op], rip: u64, thunks: Thunks, unused_bits: i8) -> Self {
        let mut asm = VecAssembler::new(base);
        let (blocked, start, back) =
            (asm.new_dynamic_label(), asm.new_dynamic_label(), asm.new_dynamic_label());
        let mut emitter = Self {
            asm,
            ops,
            rip,
            thunks,
            unused_bits,
            slow: Vec::new(),
            exits: Vec::new(),
            blocked,
            start,
            index: 0,
            restore_flags: false,
            back,
        };
        emitter.prologue();
        emitter
    }

    fn prologue(&mut self) {
        let count = self.ops.len() as i32;
        dynasm!(self.asm
            ; .arch x64
            ; =>self.start
            ; mov rax, [r15 + layout::ATTENTION as i32]
            ; mov rcx, [r15 + layout::RETIRED as i32]
            ; cmp BYTE [rax], 0
            ; jne =>self.blocked
            ; add rcx, count
            ; cmp rcx, [r15 + layout::LIMIT as i32]
            ; ja =>self.blocked
            ; mov [r15 + layout::RETIRED as i32], rcx
        );
    }

    /// Begins op `index`.
    pub fn begin(&mut self, index: usize, restore_flags: bool) {
        self.index = index;
        self.restore_flags = restore_flags;
        self.back = self.asm.new_dynamic_label();
    }

    /// Ends an op: slow paths come back here.
    pub fn end(&mut self) {
        dynasm!(self.asm; .arch x64; =>self.back);
    }

    /// A label that leads to the interpreter's version of the running op.
    pub fn slow_path(&mut self) -> DynamicLabel {
        let from = self.asm.new_dynamic_label();
        let last = self.index + 1 == self.ops.len() && self.ops[self.index].flags & Op::ENDS_BLOCK != 0;
        self.slow.push(SlowPath {
            from,
            back: self.back,
            index: self.index,
            last,
            restore_flags: self.restore_flags,
        });
        from
    }

    // --- registers ---

    /// The host register that holds guest register `n`, loaded into `scratch` if
    /// it is not pinned.
    pub fn get(&mut self, n: u8, scratch: u8) -> u8 {
        match map::pinned(n) {
            Some(host) => host,
            None => {
                dynasm!(self.asm; .arch x64; mov Rq(scratch), [r15 + slot(n)]);
                scratch
            }
        }
    }

    /// Writes `bits` of host register `from` to guest register `n`. Flags stay.
    pub fn put(&mut self, n: u8, from: u8, bits: u32) {
        match (map::pinned(n), bits) {
            (Some(host), 64) if host == from => {}
            (Some(host), 64) => dynasm!(self.asm; .arch x64; mov Rq(host), Rq(from)),
            (Some(host), 32) => dynasm!(self.asm; .arch x64; mov Rd(host), Rd(from)),
            (Some(host), 16) => dynasm!(self.asm; .arch x64; mov Rw(host), Rw(from)),
            (Some(host), _) => dynasm!(self.asm; .arch x64; mov Rb(host), Rb(from)),
            (None, 64) => dynasm!(self.asm; .arch x64; mov [r15 + slot(n)], Rq(from)),
            (None, 32) => {
                // A pinned source keeps its upper half.
                let low = if from <= RDX { from } else { RAX };
                dynasm!(self.asm; .arch x64; mov Rd(low), Rd(from); mov [r15 + slot(n)], Rq(low));
            }
            (None, 16) => dynasm!(self.asm; .arch x64; mov [r15 + slot(n)], Rw(from)),
            (None, _) => dynasm!(self.asm; .arch x64; mov [r15 + slot(n)], Rb(from)),
        }
    }

    /// Loads a constant.
    pub fn constant(&mut self, to: u8, value: u64) {
        if value == 0 {
            // Not XOR: flags stay.
            dynasm!(self.asm; .arch x64; mov Rd(to), 0);
        } else if let Ok(small) = u32::try_from(value) {
            dynasm!(self.asm; .arch x64; mov Rd(to), small as i32);
        } else if let Ok(small) = i32::try_from(value as i64) {
            dynasm!(self.asm; .arch x64; mov Rq(to), small);
        } else {
            dynasm!(self.asm; .arch x64; mov Rq(to), QWORD value as i64);
        }
    }

    // --- flags ---

    /// Stores the host's status flags as the guest's.
    pub fn save_flags(&mut self) {
        dynasm!(self.asm
            ; .arch x64
            ; lahf
            ; seto al
            ; mov [r15 + layout::FLAGS as i32], ax
        );
    }

    /// Loads the guest's status flags into the host's; uses RAX.
    pub fn load_flags(&mut self) {
        dynasm!(self.asm
            ; .arch x64
            ; movzx eax, WORD [r15 + layout::FLAGS as i32]
            ; add al, 127
            ; sahf
        );
    }

    /// Loads the guest's carry alone.
    pub fn load_carry(&mut self) {
        dynasm!(self.asm; .arch x64; bt WORD [r15 + layout::FLAGS as i32], 8);
    }

    // --- memory ---

    /// Computes the linear address of the op's memory operand in RAX. Uses RCX.
    pub fn address(&mut self) {
        let op = self.ops[self.index];
        let narrow = op.flags & Op::EA_MASK == Op::EA_32;
        let scale = op.scale_seg & 3;
        if op.base == REG_BLOCK {
            let fixed = self.rip.wrapping_add(op.disp as i64 as u64);
            self.constant(RAX, fixed);
            if op.index != REG_ZERO {
                let index = self.get(op.index, RCX);
                dynasm!(self.asm; .arch x64; add rax, Rq(index));
            }
        } else {
            let base = (op.base != REG_ZERO).then(|| self.get(op.base, RAX));
            let index = (op.index != REG_ZERO).then(|| self.get(op.index, RCX));
            match (base, index, scale) {
                (Some(b), None, _) => dynasm!(self.asm; .arch x64; lea rax, [Rq(b) + op.disp]),
                (Some(b), Some(i), 0) => dynasm!(self.asm; .arch x64; lea rax, [Rq(b) + Rq(i) + op.disp]),
                (Some(b), Some(i), 1) => dynasm!(self.asm; .arch x64; lea rax, [Rq(b) + 2 * Rq(i) + op.disp]),
                (Some(b), Some(i), 2) => dynasm!(self.asm; .arch x64; lea rax, [Rq(b) + 4 * Rq(i) + op.disp]),
                (Some(b), Some(i), _) => dynasm!(self.asm; .arch x64; lea rax, [Rq(b) + 8 * Rq(i) + op.disp]),
                (None, Some(i), 0) => dynasm!(self.asm; .arch x64; lea rax, [Rq(i) + op.disp]),
                (None, Some(i), 1) => dynasm!(self.asm; .arch x64; lea rax, [NOSPLIT 2 * Rq(i) + op.disp]),
                (None, Some(i), 2) => dynasm!(self.asm; .arch x64; lea rax, [4 * Rq(i) + op.disp]),
                (None, Some(i), _) => dynasm!(self.asm; .arch x64; lea rax, [8 * Rq(i) + op.disp]),
                (None, None, _) => self.constant(RAX, op.disp as i64 as u64),
            }
        }
        if narrow {
            dynasm!(self.asm; .arch x64; mov eax, eax);
        }
    }

    /// Adds the segment's base to the address in RAX, where it may have one. Changes flags.
    fn segment(&mut self) {
        let seg = self.ops[self.index].seg();
        if matches!(seg, 4 | 5) {
            dynasm!(self.asm; .arch x64; add rax, [r15 + layout::segment_base(seg) as i32]);
        }
    }

    /// Turns the linear address in RAX into a host address, or leaves for the
    /// slow path. Uses RCX and RDX, changes flags.
    pub fn translate(&mut self, size: u32, write: bool) {
        let slow = self.slow_path();
        let tag = if write { layout::ENTRY_WRITE } else { layout::ENTRY_READ };
        dynasm!(self.asm
            ; .arch x64
            ; mov ecx, eax
            ; shr ecx, (12 - layout::ENTRY_SHIFT) as i8
            ; and ecx, ((layout::ENTRIES - 1) << layout::ENTRY_SHIFT) as i32
            ; add rcx, [r15 + layout::TLB_TABLE as i32]
            ; lea rdx, [rax + size as i32 - 1]
            ; and rdx, -4096
            ; or rdx, [r15 + layout::TLB_GENERATION as i32]
            ; cmp rdx, [rcx + tag as i32]
            ; jne =>slow
            ; add rax, [rcx + layout::ENTRY_ADDEND as i32]
            ; add rax, [r15 + layout::RAM as i32]
        );
    }

    /// The host address of the op's memory operand in RAX. Uses RCX and RDX, changes flags.
    pub fn operand(&mut self, size: u32, write: bool) {
        self.address();
        self.segment();
        self.translate(size, write);
    }

    // --- leaving ---

    /// Runs the op by the interpreter and goes on behind it; at the end of a
    /// block, leaves to wherever the op said.
    pub fn interpret(&mut self) {
        let last = self.index + 1 == self.ops.len();
        self.call_op(self.index);
        if last && self.ops[self.index].flags & Op::ENDS_BLOCK != 0 {
            dynasm!(self.asm; .arch x64; mov eax, reason::LOOKUP as i32; jmp extern self.thunks.exit);
        } else if self.restore_flags {
            self.load_flags();
        }
    }

    fn call_op(&mut self, index: usize) {
        let op: *const Op = &raw const self.ops[index];
        let left = (self.ops.len() - index) as i32;
        dynasm!(self.asm; .arch x64; mov rax, QWORD op as i64; mov ecx, left);
        self.constant(RDX, self.rip);
        dynasm!(self.asm; .arch x64; call extern self.thunks.run_op);
    }

    /// Ends the block at a fixed address.
    pub fn leave_to(&mut self, target: u64, destination: Destination) {
        if target == self.rip {
            dynasm!(self.asm; .arch x64; jmp =>self.start);
            return;
        }
        match destination {
            Destination::Code(code) => dynasm!(self.asm; .arch x64; jmp extern code),
            Destination::Linkable => {
                let (site, exit) = (self.asm.new_dynamic_label(), self.asm.new_dynamic_label());
                dynasm!(self.asm; .arch x64; =>site; jmp =>exit);
                self.exits.push((exit, site, target));
            }
            Destination::Far => {
                self.constant(RAX, target);
                dynasm!(self.asm; .arch x64; jmp extern self.thunks.lookup);
            }
        }
    }

    /// Ends the block at the address in RAX, which is canonical.
    pub fn leave_indirect(&mut self) {
        dynasm!(self.asm; .arch x64; jmp extern self.thunks.lookup);
    }

    /// Leaves for the slow path unless RAX is canonical. Uses RDX.
    pub fn check_canonical(&mut self) {
        let slow = self.slow_path();
        dynasm!(self.asm
            ; .arch x64
            ; mov rdx, rax
            ; shl rdx, self.unused_bits
            ; sar rdx, self.unused_bits
            ; cmp rdx, rax
            ; jne =>slow
        );
    }

    /// Emits what lies behind the block and returns its code, with the offset of
    /// the exit to patch the entry with when the block dies.
    pub fn finish(mut self) -> Option<(Vec<u8>, usize)> {
        for path in std::mem::take(&mut self.slow) {
            dynasm!(self.asm; .arch x64; =>path.from);
            self.call_op(path.index);
            if path.last {
                dynasm!(self.asm; .arch x64; mov eax, reason::LOOKUP as i32; jmp extern self.thunks.exit);
                continue;
            }
            if path.restore_flags {
                self.load_flags();
            }
            dynasm!(self.asm; .arch x64; jmp =>path.back);
        }
        for (exit, site, target) in std::mem::take(&mut self.exits) {
            dynasm!(self.asm; .arch x64; =>exit);
            self.constant(RAX, target);
            dynasm!(self.asm
                ; .arch x64
                ; mov [r15 + layout::RIP as i32], rax
                ; lea rax, [=>site]
                ; mov [r15 + layout::LINK_SITE as i32], rax
                ; mov eax, reason::LINK as i32
                ; jmp extern self.thunks.exit
            );
        }
        let blocked = self.asm.offset().0;
        let label = self.blocked;
        dynasm!(self.asm; .arch x64; =>label);
        self.constant(RAX, self.rip);
        dynasm!(self.asm
            ; .arch x64
            ; mov [r15 + layout::RIP as i32], rax
            ; mov eax, reason::BLOCKED as i32
            ; jmp extern self.thunks.exit
        );
        Some((self.asm.finalize().ok()?, blocked))
    }
}
