//! Ways out of a block, and what lies behind it.

use super::encode::Rm;
use super::flags::FlagState;
use super::map::{FUEL, RAX, RCX, RDX};
use super::search::{find_slot, set_page};
use super::{Emitter, Outline, slot};
use crate::cache::target_slot;
use crate::emit::{Destination, SecondPage, reason};
use crate::ir::{Code, Cond, PAGE, Reg, Size, T0};
use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi, dynasm};
use glassbox_cpu::Op;
use glassbox_cpu::compiled::layout;

/// Where an interpreted op goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum After {
    /// Behind it, in this block.
    Back,
    /// Behind it, but not in this block.
    Out,
    /// Where it said: it ends the block.
    Last,
}

macro_rules! jump_if {
    ($cc:expr, $asm:expr, $label:expr) => {
        match $cc {
            0 => dynasm!($asm; .arch x64; jo =>$label),
            1 => dynasm!($asm; .arch x64; jno =>$label),
            2 => dynasm!($asm; .arch x64; jb =>$label),
            3 => dynasm!($asm; .arch x64; jae =>$label),
            4 => dynasm!($asm; .arch x64; je =>$label),
            5 => dynasm!($asm; .arch x64; jne =>$label),
            6 => dynasm!($asm; .arch x64; jbe =>$label),
            7 => dynasm!($asm; .arch x64; ja =>$label),
            8 => dynasm!($asm; .arch x64; js =>$label),
            9 => dynasm!($asm; .arch x64; jns =>$label),
            10 => dynasm!($asm; .arch x64; jp =>$label),
            11 => dynasm!($asm; .arch x64; jnp =>$label),
            12 => dynasm!($asm; .arch x64; jl =>$label),
            13 => dynasm!($asm; .arch x64; jge =>$label),
            14 => dynasm!($asm; .arch x64; jle =>$label),
            _ => dynasm!($asm; .arch x64; jg =>$label),
        }
    };
}

impl Emitter<'_> {
    /// Starts the block: takes its instructions from the budget, and sees to it
    /// that SIMD instructions may run.
    pub fn prologue(&mut self, code: &Code) {
        let count = self.source.ops.len() as i8;
        dynasm!(self.asm
            ; .arch x64
            ; =>self.entrance
            ; sub Rq(FUEL), BYTE count
            ; jl =>self.blocked
        );
        if self.source.mode.bounds_code() {
            self.check_code_limit();
        }
        let checks =
            [(self.uses.avx, layout::AVX_READY), (self.uses.sse && !self.uses.float, layout::SSE_READY)];
        for (needed, at) in checks {
            if needed {
                dynasm!(self.asm; .arch x64; cmp BYTE [r15 + at as i32], 0; je =>self.refused);
            }
        }
        if self.uses.float {
            let (from, back) = (self.asm.new_dynamic_label(), self.asm.new_dynamic_label());
            dynasm!(self.asm
                ; .arch x64
                ; cmp BYTE [r15 + layout::FLOAT_READY as i32], 0
                ; je =>from
                ; =>back
            );
            self.outlines.push(Outline::Float { from, back, refused: self.refused });
        }
        if let Some(plan) = self.x87_plan {
            self.x87_guard(&plan);
        }
        if self.looping {
            self.load_vectors(self.loop_vectors);
            if let Some(plan) = self.x87_plan {
                self.x87_load(0, plan.deepest);
                self.stacks[1] = self.stacks[0].after(code);
                dynasm!(self.asm; .arch x64; mov BYTE [r15 + layout::X87_ROUND as i32], 0);
            }
            self.claim_sites();
            if self.heads[self.part].flags.is_some() {
                dynasm!(self.asm; .arch x64; mov BYTE [r15 + layout::LOOP_ROUND as i32], 0);
            }
        }
    }

    /// Refuses to begin unless the page that the block runs into is the one it was
    /// compiled for.
    pub fn check_second_page(&mut self, second: SecondPage) {
        self.code_address(RCX, second.address);
        dynasm!(self.asm
            ; .arch x64
            ; mov eax, ecx
            ; shr eax, (12 - layout::ENTRY_SHIFT) as i8
            ; and eax, ((layout::ENTRIES - 1) << layout::ENTRY_SHIFT) as i32
            ; add rax, [r15 + layout::TLB_TABLE as i32]
            ; mov rdx, rcx
            ; or rdx, [r15 + layout::TLB_GENERATION as i32]
            ; cmp rdx, [rax + layout::ENTRY_EXEC as i32]
            ; jne =>self.refused
            ; add rcx, [rax + layout::ENTRY_ADDEND as i32]
            ; sub rcx, [r15 + layout::RAM as i32]
        );
        self.constant(RDX, second.offset);
        dynasm!(self.asm; .arch x64; cmp rcx, rdx; jne =>self.refused);
    }

    /// Before any way out: flags and vectors are in memory.
    fn settle(&mut self) {
        self.flags_to_memory();
    }

    /// Leaves for an address on a straight way: all is settled.
    pub(super) fn leave_to(&mut self, target: u64) {
        self.close();
        self.go_to(target);
    }

    /// What the block has in registers goes where the next one looks for it.
    pub(super) fn close(&mut self) {
        self.store_vectors(self.vectors);
        self.x87_flush(self.stacks);
        if self.uses.avx {
            dynasm!(self.asm; .arch x64; vzeroupper);
        }
    }

    /// Looks whether anybody wants attention, on the way backwards.
    pub(super) fn poll(&mut self, target: u64) {
        if target <= self.source.rip {
            let stop = self.asm.new_dynamic_label();
            dynasm!(self.asm
                ; .arch x64
                ; mov rax, [r15 + layout::ATTENTION as i32]
                ; cmp BYTE [rax], 0
                ; jne =>stop
            );
            self.outlines.push(Outline::Stop { from: stop, target });
        }
    }

    /// Leaves for an address when nothing is left to be stored.
    pub(super) fn go_to(&mut self, target: u64) {
        self.poll(target);
        match (self.destination)(target) {
            Destination::Code(code) => dynasm!(self.asm; .arch x64; jmp extern code),
            Destination::Linkable => {
                let (site, exit) = self.linkable(target);
                dynasm!(self.asm; .arch x64; jmp =>exit; =>site);
            }
            Destination::Far if self.source.mode.is_segmented() => {
                self.constant(RAX, target);
                dynasm!(self.asm; .arch x64; jmp extern self.thunks.lookup);
            }
            Destination::Far => {
                let other = self.asm.new_dynamic_label();
                self.find_target(target, other);
                dynasm!(self.asm
                    ; .arch x64
                    ; jmp QWORD [rdx + 16]
                    ; =>other
                    ; jmp extern self.thunks.lookup
                );
            }
        }
    }

    /// A jump that is to be patched: a label to bind behind it, and where it leads at first.
    pub(super) fn linkable(&mut self, target: u64) -> (DynamicLabel, DynamicLabel) {
        let (site, exit) = (self.asm.new_dynamic_label(), self.asm.new_dynamic_label());
        self.outlines.push(Outline::Link { from: exit, site, target });
        (site, exit)
    }

    /// Looks a target on another page up: RDX is its entry in the table of targets, and
    /// its page is the one that runs; or jumps to `other` with the target in RAX.
    pub(super) fn find_target(&mut self, target: u64, other: DynamicLabel) {
        self.code_address(RAX, target);
        if self.source.mode.is_relative() {
            find_slot(&mut self.asm, self.targets);
        } else {
            let entry = self.targets + 32 * target_slot(target);
            dynasm!(self.asm; .arch x64; mov rdx, QWORD entry as i64);
        }
        dynasm!(self.asm
            ; .arch x64
            ; cmp [rdx], rax
            ; mov rcx, [r15 + layout::TLB_CONTEXT as i32]
            ; jne =>other
            ; cmp [rdx + 8], rcx
            ; jne =>other
        );
        if self.source.mode.is_relative() {
            set_page(&mut self.asm);
        }
    }

    pub fn jump(&mut self, target: u64) {
        self.leave_by(target, true);
    }

    /// Leaves for an address, or goes on there; `last` if nothing of the block follows.
    fn leave_by(&mut self, target: u64, last: bool) {
        match self.inner(target) {
            Some(part) => self.edge(part, last),
            None => {
                self.settle();
                self.leave_to(target);
            }
        }
    }

    pub fn branch(&mut self, cc: Cond, to: u64, next: u64) {
        self.flags_to_host();
        let (inner, follows) = ((self.inner(to), self.inner(next)), Some(self.part + 1));
        if inner == (None, None) {
            self.settle();
            if self.branch_at_once(cc, to, next) {
                return;
            }
        }
        // The way round the loop goes straight on, and so does the one to what follows.
        let turns = inner.0.is_some_and(|part| part <= self.part) || inner.1 == follows;
        let (cc, first, second) = if turns { (cc ^ 1, to, next) } else { (cc, next, to) };
        let other = self.asm.new_dynamic_label();
        jump_if!(cc, self.asm, other);
        let before = (self.vectors, self.stacks, self.flags);
        self.leave_by(first, false);
        (self.vectors, self.stacks, self.flags) = before;
        dynasm!(self.asm; .arch x64; =>other);
        self.leave_by(second, true);
    }

    /// A branch with nothing to do on one of its sides: the conditional jump itself is
    /// what is linked.
    fn branch_at_once(&mut self, cc: Cond, to: u64, next: u64) -> bool {
        let rip = self.source.rip;
        if self.x87_plan.is_some() {
            return false;
        }
        let simple = |target: u64| target > rip && !matches!((self.destination)(target), Destination::Far);
        let (cc, first, second) = match (simple(to), simple(next)) {
            (true, _) => (cc, to, next),
            (_, true) => (cc ^ 1, next, to),
            _ => return false,
        };
        self.close();
        match (self.destination)(first) {
            Destination::Code(code) => {
                let relative = code as i64 - (self.base + self.asm.offset().0 + 6) as i64;
                self.byte(0x0F);
                self.byte(0x80 | cc);
                self.asm.push_i32(relative as i32);
            }
            _ => {
                let (site, exit) = self.linkable(first);
                jump_if!(cc, self.asm, exit);
                dynasm!(self.asm; .arch x64; =>site);
            }
        }
        self.go_to(second);
        true
    }

    pub fn branch_zero(&mut self, of: Reg, size: Size, zero: bool, to: u64, next: u64) {
        self.settle();
        let taken = self.asm.new_dynamic_label();
        let host = self.get(of, RDX);
        self.op(size, 0x84, host, Rm::Reg(host));
        jump_if!(if zero { 4 } else { 5 }, self.asm, taken);
        let before = (self.vectors, self.stacks, self.flags);
        self.leave_by(next, false);
        (self.vectors, self.stacks, self.flags) = before;
        dynasm!(self.asm; .arch x64; =>taken);
        self.leave_by(to, true);
    }

    /// Goes on at the address in a register.
    pub fn jump_to(&mut self, n: Reg) {
        let host = self.settle_with(n);
        self.op_exact(Size::B64, 0x8B, RAX, Rm::Reg(host));
        dynasm!(self.asm; .arch x64; jmp extern self.thunks.lookup);
    }

    /// Stores all that there is to store while a register's value is needed, and
    /// returns where that is: RCX or a pinned register.
    pub(super) fn settle_with(&mut self, n: Reg) -> u8 {
        let mut host = self.get(n, RCX);
        // Storing flags and giving the x87 stack back take RAX and RCX.
        if self.stacks[0].active {
            self.op_exact(Size::B64, 0x89, host, Rm::field(slot(T0)));
            self.cell_live = false;
            self.settle();
            self.x87_end();
            self.close();
            self.op_exact(Size::B64, 0x8B, RCX, Rm::field(slot(T0)));
            return RCX;
        }
        if host == RAX {
            self.op_exact(Size::B64, 0x8B, RCX, Rm::Reg(RAX));
            host = RCX;
        }
        self.cell_live = false;
        self.settle();
        self.close();
        host
    }

    /// Goes to the slow path unless a register holds a canonical address.
    pub fn canonical(&mut self, n: Reg) {
        self.before_clobber();
        let slow = self.slow_path();
        let host = self.get(n, RAX);
        self.check_canonical(host, slow);
    }

    /// Jumps to `slow` unless a host register holds a canonical address. Uses RDX.
    pub fn check_canonical(&mut self, host: u8, slow: DynamicLabel) {
        dynasm!(self.asm
            ; .arch x64
            ; mov rdx, Rq(host)
            ; shl rdx, self.unused_bits
            ; sar rdx, self.unused_bits
            ; cmp rdx, Rq(host)
            ; jne =>slow
        );
    }

    /// The interpreter runs the op; in the middle of a block.
    pub fn interpret(&mut self) {
        self.flags_to_memory();
        self.x87_end();
        self.clean_vectors();
        self.vectors = Default::default();
        if self.system_op() {
            return;
        }
        let after = if self.source.ends_with(self.index) { After::Last } else { After::Back };
        self.call_op(self.index, after);
    }

    /// What a call of the interpreter for an op gets.
    pub(super) fn op_arguments(&mut self, index: usize) {
        let op: *const Op = &raw const self.source.ops[index];
        let left = (self.source.ops.len() - index) as i32;
        if self.uses.avx {
            dynasm!(self.asm; .arch x64; vzeroupper);
        }
        dynasm!(self.asm; .arch x64; mov rax, QWORD op as i64; mov ecx, left);
        self.code_address(RDX, self.source.rip);
    }

    /// Has the interpreter run an op. Where the block goes on behind it the flags are the
    /// guest's, but in a loop.
    fn call_op(&mut self, index: usize, after: After) {
        let relative = self.source.mode.is_relative();
        let thunks = if relative { self.thunks.relative } else { self.thunks.absolute };
        if relative {
            self.relative_op(index);
        } else {
            self.op_arguments(index);
        }
        match after {
            After::Last => dynasm!(self.asm; .arch x64; jmp extern thunks.run_last),
            After::Out => dynasm!(self.asm; .arch x64; jmp extern thunks.run_out),
            After::Back => {
                dynasm!(self.asm; .arch x64; call extern thunks.run_op);
                self.reclaim_sites();
            }
        }
    }

    /// What a call of the interpreter gets where the page that runs says the rest.
    fn relative_op(&mut self, index: usize) {
        let op: *const Op = &raw const self.source.ops[index];
        let left = (self.source.ops.len() - index) as i32;
        if self.uses.avx {
            dynasm!(self.asm; .arch x64; vzeroupper);
        }
        let place = (self.source.rip as i32) << 8 | left;
        dynasm!(self.asm; .arch x64; mov rax, QWORD op as i64; mov ecx, place);
    }

    /// Emits what lies behind the blocks.
    pub fn behind(&mut self) {
        let mut paths = std::mem::take(&mut self.slow);
        for slow in paths.drain(..) {
            self.enter_part(slow.part);
            dynasm!(self.asm; .arch x64; =>slow.from);
            self.store_flags_of(slow.flags);
            self.store_vectors(slow.vectors);
            self.x87_flush(slow.stacks);
            let last = self.source.ends_with(slow.index);
            // What the op did to the x87 stack the rest of the block does not know.
            let after = match (last, slow.stacks[0].active) {
                (true, _) => After::Last,
                (_, true) => After::Out,
                _ => After::Back,
            };
            self.call_op(slow.index, after);
            if after != After::Back {
                continue;
            }
            self.load_vectors(slow.vectors_after);
            if slow.flags_after.host && self.sites.is_some() {
                dynasm!(self.asm
                    ; .arch x64
                    ; movzx eax, WORD [r15 + layout::FLAGS as i32]
                    ; add al, 127
                    ; sahf
                );
            }
            dynasm!(self.asm; .arch x64; jmp =>slow.back);
        }
        self.slow = paths;
        let mut outlines = std::mem::take(&mut self.outlines);
        for outline in outlines.drain(..) {
            match outline {
                Outline::Lookup { .. } => self.lookup_outline(&outline),
                Outline::Float { from, back, refused } => {
                    dynasm!(self.asm
                        ; .arch x64
                        ; =>from
                        ; call extern self.thunks.float
                        ; je =>back
                        ; jmp =>refused
                    );
                }
                Outline::ClearX87 { from, back } => {
                    dynasm!(self.asm; .arch x64; =>from);
                    self.x87_clear();
                    dynasm!(self.asm; .arch x64; jmp =>back);
                }
                Outline::Site(miss) => self.site_miss(&miss),
                Outline::BesideCode { from, back, slow, bytes } => self.beside_code(from, back, slow, bytes),
                Outline::Claim { from, back } => self.claim_outline(from, back),
                Outline::Overflow { from, back } => self.overflow_outline(from, back),
                Outline::Find { from, back } => self.find_outline(from, back),
                Outline::ReturnMiss { from, slow, pop } => self.return_miss(from, slow, pop),
                Outline::Between(between) => self.between_outline(&between),
                Outline::Interpret { from, part, index } => {
                    self.enter_part(part);
                    dynasm!(self.asm; .arch x64; =>from);
                    self.call_op(index, After::Last);
                }
                Outline::Stop { from, target } => self.leave_with(from, target, reason::BLOCKED, None),
                Outline::Link { from, site, target } => {
                    self.leave_with(from, target, reason::LINK, Some(site))
                }
            }
        }
        self.outlines = outlines;
        self.void_sites();
    }

    /// Emits how the running block, which may cross into another page, does not begin:
    /// offset of the exit to patch its entry with when it dies.
    pub fn refusals(&mut self, crosses: bool) -> usize {
        let count = self.source.ops.len() as i8;
        let simd = self.uses.sse || self.uses.float || self.uses.avx || self.x87_plan.is_some();
        if simd || crosses || self.source.mode.bounds_code() {
            dynasm!(self.asm; .arch x64; =>self.refused; add Rq(FUEL), BYTE count);
            let exit = self.asm.new_dynamic_label();
            self.leave_with(exit, self.source.rip, reason::REFUSED, None);
        }
        dynasm!(self.asm; .arch x64; =>self.blocked; add Rq(FUEL), BYTE count);
        self.leave_with(self.stopped, self.source.rip, reason::BLOCKED, None);
        // Jumps that were linked to a block that is gone look for its successor.
        let dead = self.asm.offset().0;
        let thunk = if self.source.mode.is_relative() {
            dynasm!(self.asm; .arch x64; mov eax, self.source.rip as i32);
            self.thunks.relative.successor
        } else {
            self.constant(RAX, self.source.rip);
            self.thunks.absolute.successor
        };
        dynasm!(self.asm; .arch x64; lea rcx, [=>self.entrance]; jmp extern thunk);
        dead
    }

    pub(super) fn leave_with(
        &mut self,
        from: DynamicLabel,
        target: u64,
        why: u32,
        site: Option<DynamicLabel>,
    ) {
        dynasm!(self.asm; .arch x64; =>from);
        if let Ok(disp) = i32::try_from(target as i64)
            && self.source.mode.is_relative()
        {
            if let Some(site) = site {
                dynasm!(self.asm; .arch x64; lea rcx, [=>site]);
            }
            dynasm!(self.asm; .arch x64; mov eax, disp; jmp extern self.thunks.leave[why as usize]);
            return;
        }
        self.code_address(RAX, target);
        dynasm!(self.asm; .arch x64; mov [r15 + layout::RIP as i32], rax);
        if let Some(site) = site {
            dynasm!(self.asm; .arch x64; lea rax, [=>site]; mov [r15 + layout::LINK_SITE as i32], rax);
        }
        dynasm!(self.asm; .arch x64; mov eax, why as i32; jmp extern self.thunks.exit);
    }

    /// Loads an address of code. Changes flags if it is more than 2 GiB away.
    pub fn code_address(&mut self, to: u8, at: u64) {
        if !self.source.mode.is_relative() {
            return self.constant(to, at);
        }
        match i32::try_from(at as i64) {
            Ok(disp) => {
                self.op_exact(Size::B64, 0x8B, to, Rm::field(slot(PAGE)));
                self.op_exact(Size::B64, 0x8D, to, Rm::Mem { base: to, index: None, disp });
            }
            Err(_) => {
                self.constant(to, at);
                self.op_exact(Size::B64, 0x03, to, Rm::field(slot(PAGE)));
            }
        }
    }

    /// Loads a constant. Flags stay.
    pub fn constant(&mut self, to: u8, value: u64) {
        if let Ok(small) = u32::try_from(value) {
            dynasm!(self.asm; .arch x64; mov Rd(to), small as i32);
        } else if let Ok(small) = i32::try_from(value as i64) {
            dynasm!(self.asm; .arch x64; mov Rq(to), small);
        } else {
            dynasm!(self.asm; .arch x64; mov Rq(to), QWORD value as i64);
        }
    }

    /// The host register that holds register `n`, loaded into `scratch` if it is
    /// not pinned.
    pub fn get(&mut self, n: Reg, scratch: u8) -> u8 {
        match super::map::pinned(n) {
            Some(host) => host,
            None => {
                self.op_exact(Size::B64, 0x8B, scratch, Rm::field(slot(n)));
                scratch
            }
        }
    }

    /// Stores the address behind the block to the cell. It is near: flags stay.
    pub fn store_next(&mut self, next: u64) {
        self.code_address(RDX, next);
        self.op(Size::B64, 0x88, RDX, self.cell);
    }

    /// The state that flags are in where a block begins.
    pub fn initial_flags() -> FlagState {
        FlagState::STORED
    }
}
