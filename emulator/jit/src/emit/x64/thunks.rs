//! Code that all blocks share: the way in, the ways out, and the call into the
//! interpreter.

#![allow(unsafe_code)]

use super::asm::Asm;
use super::map::{self, FUEL};
use super::search::{find_entry, lookup, lookup_segmented, successor};
use super::{floors, privilege};
use crate::cache::Blocks;
use crate::emit::reason;
use crate::ir::PAGE;
use dynasmrt::{DynasmApi, DynasmLabelApi, dynasm};
use glassbox_cpu::compiled::layout;
use glassbox_cpu::{Cpu, Op};

/// Host addresses of the shared pieces.
#[derive(Clone, Copy, Debug, Default)]
pub struct Thunks {
    /// `extern "sysv64" fn(*mut Cpu, code) -> reason`.
    enter: usize,
    /// Jumped to with the reason in EAX: spills and returns.
    pub exit: usize,
    /// The same with an address in the page that runs in EAX, to go on at, by the
    /// [reason]; that of [`reason::LINK`] with the jump to patch in RCX.
    pub leave: [usize; REASONS],
    /// For code that may be anywhere: blocks are told by where they are in their page,
    /// ECX is that above a byte that says how many ops are left.
    pub relative: Ways,
    /// For all other code: ops left are in ECX, the block's RIP in RDX.
    pub absolute: Ways,
    /// As `absolute.run_last`, for SYSCALL and for SYSRET in 64-bit code.
    pub syscall: usize,
    /// The latter.
    pub sysret: usize,
    /// Called where flags are stored: STAC; sets ZF if that is done. Uses RAX and RDX.
    pub stac: usize,
    /// The same for CLAC.
    pub clac: usize,
    /// Called where all is stored: RAX is the time stamp counter.
    pub time_stamp: usize,
    /// Jumped to with the target in RAX.
    pub lookup: usize,
    /// As `lookup`, for a return to elsewhere than behind the last call: the target is
    /// in RCX.
    pub return_miss: usize,
    /// As `lookup`, for code in segments: an offset in CS.
    lookup_segmented: usize,
    /// As `return_miss`, likewise.
    return_miss_segmented: usize,
    /// As `successor`, likewise.
    successor_segmented: usize,
    /// Called; sets ZF once MXCSR is the guest's.
    pub float: usize,
    /// Called with the first byte's address in RAX and the last one's in RDX:
    /// RCX turns addresses into the host's if ZF is set.
    probe: [usize; 2],
    /// Bytes that all of it takes.
    pub size: usize,
}

/// Ways on that need a block's address.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ways {
    /// Called with the op in RAX; loads the flags.
    pub run_op: usize,
    /// As `run_op`, jumped to for the last op of a block: goes on where it said.
    pub run_last: usize,
    /// As `run_op`, jumped to: goes on behind the op but not in its block.
    pub run_out: usize,
    /// Jumped to by a block that is gone: its address is in RAX, the host address that it
    /// was entered at in RCX.
    pub successor: usize,
}

/// Reasons to leave are numbered below this.
const REASONS: usize = 6;

/// What a probe is for.
#[derive(Clone, Copy)]
pub enum Probing {
    /// Loads.
    Read,
    /// Stores.
    Write,
}

impl Probing {
    /// By a probe's flag.
    pub fn of(write: bool) -> Self {
        if write { Self::Write } else { Self::Read }
    }
}

impl Thunks {
    /// The pieces that code in segments uses.
    pub fn segmented(self) -> Self {
        Self {
            lookup: self.lookup_segmented,
            return_miss: self.return_miss_segmented,
            absolute: Ways { successor: self.successor_segmented, ..self.absolute },
            ..self
        }
    }

    /// Runs compiled code until it leaves, and says [why](reason).
    ///
    /// # Safety
    /// The shared code and `code` are in place, and made for this very processor.
    #[allow(unsafe_code)]
    pub unsafe fn enter(&self, cpu: &mut Cpu, code: usize) -> u32 {
        // SAFETY: the shared code begins with a function of this signature.
        let enter: extern "sysv64" fn(*mut Cpu, usize) -> u32 = unsafe { std::mem::transmute(self.enter) };
        enter(cpu, code)
    }

    /// The address of the lookup for loads or stores.
    pub fn probe(&self, what: Probing) -> usize {
        self.probe[what as usize]
    }
}

/// The word that says where the page is that runs.
pub const PAGE_AT: i32 = (layout::REGS + 8 * PAGE as usize) as i32;

/// MXCSR's exception masks, and what does not exist.
const FLOAT_MASK: i32 = 0xFFFF_1F80_u32 as i32;

/// What `run_op` calls.
extern "sysv64" fn run_op(cpu: &mut Cpu, op: &Op, left: u32, block_rip: u64) -> u32 {
    cpu.run_op(op, block_rip, left) as u32
}

/// What `run_last` calls.
extern "sysv64" fn run_last(cpu: &mut Cpu, op: *const Op, left: u32, block_rip: u64) -> u32 {
    // SAFETY: compiled code passes a pointer into its block's ops, which it keeps
    // alive, and how many there are from there on.
    unsafe { crate::emit::run_last(cpu, op, left, block_rip) }
}

/// What a search calls whose target is not in the table, or not in the TLB: the host
/// address of the code at RIP, or 0.
extern "sysv64" fn search(cpu: &mut Cpu) -> usize {
    // SAFETY: who enters compiled code lends it the blocks, and does nothing with
    // them until it leaves.
    match unsafe { (cpu.compiled.blocks as *mut Blocks).as_mut() } {
        Some(blocks) => blocks.search(cpu).unwrap_or(0),
        None => 0,
    }
}

/// What `time_stamp` calls.
extern "sysv64" fn time_stamp(cpu: &mut Cpu) -> u64 {
    cpu.time_stamp()
}

/// What `run_out` calls.
extern "sysv64" fn run_out(cpu: &mut Cpu, op: &Op, left: u32, block_rip: u64) -> u32 {
    cpu.run_out(op, block_rip, left) as u32
}

/// Stores the pinned registers and the retired count. Changes flags, keeps RAX,
/// RCX and RDX.
fn spill(asm: &mut Asm) {
    for (guest, host) in map::pairs() {
        dynasm!(asm; .arch x64; mov [r15 + (layout::REGS + 8 * guest as usize) as i32], Rq(host));
    }
    dynasm!(asm
        ; .arch x64
        ; neg Rq(FUEL)
        ; add Rq(FUEL), [r15 + layout::LIMIT as i32]
        ; mov [r15 + layout::RETIRED as i32], Rq(FUEL)
    );
}

fn fill(asm: &mut Asm) {
    for (guest, host) in map::pairs() {
        dynasm!(asm; .arch x64; mov Rq(host), [r15 + (layout::REGS + 8 * guest as usize) as i32]);
    }
    dynasm!(asm
        ; .arch x64
        ; mov Rq(FUEL), [r15 + layout::LIMIT as i32]
        ; sub Rq(FUEL), [r15 + layout::RETIRED as i32]
    );
}

/// Gives MXCSR back to the host, if the guest has it.
fn release_float(asm: &mut Asm) {
    dynasm!(asm
        ; .arch x64
        ; cmp BYTE [r15 + layout::FLOAT_READY as i32], 0
        ; je >done
        ; stmxcsr [r15 + layout::MXCSR as i32]
        ; ldmxcsr [r15 + layout::HOST_MXCSR as i32]
        ; mov BYTE [r15 + layout::FLOAT_READY as i32], 0
        ; done:
    );
}

/// Makes RDX the RIP of a block in the page that runs, and ECX the ops left in it.
fn find_block(asm: &mut Asm) {
    dynasm!(asm
        ; .arch x64
        ; mov edx, ecx
        ; shr edx, 8
        ; movzx ecx, cl
        ; add rdx, [r15 + PAGE_AT]
    );
}

/// Assembles the shared code for execution at `base`.
pub fn assemble(base: usize, targets: usize) -> (Vec<u8>, Thunks) {
    let mut asm = Asm::new(base);
    let mut thunks = Thunks { enter: base, ..Thunks::default() };
    dynasm!(asm
        ; .arch x64
        ; push rbx
        ; push rbp
        ; push r12
        ; push r13
        ; push r14
        ; push r15
        ; sub rsp, 8
        ; mov r15, rdi
    );
    floors::ground(&mut asm);
    dynasm!(asm; .arch x64; mov rax, rsi);
    fill(&mut asm);
    dynasm!(asm; .arch x64; jmp rax);
    floors::unwound(&mut asm);
    dynasm!(asm
        ; .arch x64
        ; ->look_up:
        ; cmp BYTE [r15 + layout::SEGMENTED as i32], 0
        ; jne ->lookup_segmented
        ; jmp ->lookup
    );

    thunks.exit = base + asm.offset().0;
    spill(&mut asm);
    release_float(&mut asm);
    dynasm!(asm
        ; .arch x64
        ; ->spilled:
        ; mov rsp, [r15 + layout::STACK_TOP as i32]
        ; add rsp, 8
        ; pop r15
        ; pop r14
        ; pop r13
        ; pop r12
        ; pop rbp
        ; pop rbx
        ; ret
    );

    for why in [reason::BLOCKED, reason::REFUSED, reason::LINK] {
        thunks.leave[why as usize] = base + asm.offset().0;
        if why == reason::LINK {
            dynasm!(asm; .arch x64; mov [r15 + layout::LINK_SITE as i32], rcx);
        }
        dynasm!(asm; .arch x64; mov ecx, why as i32; jmp ->leave);
    }
    dynasm!(asm
        ; .arch x64
        ; ->leave:
        ; movsxd rax, eax
        ; add rax, [r15 + PAGE_AT]
        ; mov [r15 + layout::RIP as i32], rax
        ; mov eax, ecx
        ; jmp extern thunks.exit
    );

    // The interpreter's function for an op in the middle of a block.
    thunks.relative.run_op = base + asm.offset().0;
    find_block(&mut asm);
    thunks.absolute.run_op = base + asm.offset().0;
    spill(&mut asm);
    dynasm!(asm
        ; .arch x64
        ; sub rsp, 8
        ; movzx edi, BYTE [r15 + layout::FLOAT_READY as i32]
        ; mov [rsp], rdi
    );
    release_float(&mut asm);
    dynasm!(asm
        ; .arch x64
        ; mov rdi, r15
        ; mov rsi, rax
        ; xchg rcx, rdx
        ; mov rax, QWORD run_op as *const () as usize as i64
        ; call rax
        ; mov ecx, [rsp]
        ; add rsp, 8
        ; test eax, eax
        ; jne >elsewhere
        ; test ecx, ecx
        ; je >integer
        // The op may have been one that unmasks exceptions.
        ; mov edx, [r15 + layout::MXCSR as i32]
        ; and edx, FLOAT_MASK
        ; cmp edx, 0x1F80
        ; jne >integer
        ; ldmxcsr [r15 + layout::MXCSR as i32]
        ; mov BYTE [r15 + layout::FLOAT_READY as i32], 1
        ; integer:
        ; mov rax, [r15 + layout::TLB_CONTEXT as i32]
        ; cmp rax, [r15 + layout::RETURN_CONTEXT as i32]
        ; jne >moved
        ; back:
    );
    fill(&mut asm);
    dynasm!(asm
        ; .arch x64
        ; movzx eax, WORD [r15 + layout::FLAGS as i32]
        ; add al, 127
        ; sahf
        ; ret
        ; moved:
        ; pop rsi
    );
    floors::change(&mut asm);
    dynasm!(asm
        ; .arch x64
        ; push rsi
        ; jmp <back
        // The return address into the block goes.
        ; elsewhere:
        ; add rsp, 8
        ; cmp eax, 1
        ; jne ->spilled
        ; ->go_on:
        ; mov rax, [r15 + layout::TLB_CONTEXT as i32]
        // In another code segment, which it may have gone to, no call returns.
        ; cmp BYTE [r15 + layout::SEGMENTED as i32], 0
        ; jne ->drop_calls
        ; cmp rax, [r15 + layout::RETURN_CONTEXT as i32]
        ; je ->same_floor
    );
    floors::change(&mut asm);
    dynasm!(asm
        ; .arch x64
        ; jmp ->same_floor
        ; ->drop_calls:
    );
    floors::drop_all(&mut asm);
    dynasm!(asm; .arch x64; ->same_floor:);
    fill(&mut asm);
    dynasm!(asm
        ; .arch x64
        ; mov rax, [r15 + layout::RIP as i32]
        ; jmp ->look_up
    );

    // The interpreter's function for an op that the block does not go on behind.
    for (last, function) in [(true, run_last as *const ()), (false, run_out as *const ())] {
        let relative = base + asm.offset().0;
        find_block(&mut asm);
        let absolute = base + asm.offset().0;
        for (ways, at) in [(&mut thunks.relative, relative), (&mut thunks.absolute, absolute)] {
            *(if last { &mut ways.run_last } else { &mut ways.run_out }) = at;
        }
        spill(&mut asm);
        release_float(&mut asm);
        dynasm!(asm
            ; .arch x64
            ; mov rdi, r15
            ; mov rsi, rax
            ; xchg rcx, rdx
            ; mov rax, QWORD function as usize as i64
            ; call rax
            ; cmp eax, 1
            ; jbe ->go_on
            ; jmp ->spilled
        );
    }

    privilege::assemble(&mut asm, base, &mut thunks);
    thunks.return_miss = base + asm.offset().0;
    floors::return_miss(&mut asm);
    dynasm!(asm; .arch x64; jmp ->lookup);
    thunks.relative.successor = base + asm.offset().0;
    dynasm!(asm; .arch x64; add rax, [r15 + PAGE_AT]);
    thunks.absolute.successor = base + asm.offset().0;
    successor(&mut asm, targets, false);
    thunks.lookup = base + asm.offset().0;
    lookup(&mut asm, thunks.exit, targets);
    thunks.successor_segmented = base + asm.offset().0;
    successor(&mut asm, targets, true);
    dynasm!(asm; .arch x64; jmp ->lookup_segmented);
    thunks.return_miss_segmented = base + asm.offset().0;
    floors::return_miss(&mut asm);
    thunks.lookup_segmented = base + asm.offset().0;
    lookup_segmented(&mut asm, thunks.exit, targets);
    // Not in the TLB: after a switch of address spaces most are not. Or another target has
    // the entry.
    dynasm!(asm; .arch x64; ->search:);
    spill(&mut asm);
    release_float(&mut asm);
    dynasm!(asm
        ; .arch x64
        ; mov rdi, r15
        ; mov rax, QWORD search as *const () as usize as i64
        ; call rax
        ; test rax, rax
        ; je >unknown
    );
    fill(&mut asm);
    dynasm!(asm
        ; .arch x64
        ; jmp rax
        ; unknown:
        ; mov eax, reason::LOOKUP as i32
        ; jmp ->spilled
    );

    // Nothing of it computes with floats: MXCSR may stay the guest's.
    thunks.time_stamp = base + asm.offset().0;
    dynasm!(asm
        ; .arch x64
        ; mov rax, [r15 + layout::LIMIT as i32]
        ; sub rax, Rq(FUEL)
        ; mov [r15 + layout::RETIRED as i32], rax
    );
    for host in map::CALLER_SAVED {
        dynasm!(asm; .arch x64; push Rq(host));
    }
    dynasm!(asm
        ; .arch x64
        ; sub rsp, 8
        ; mov rdi, r15
        ; mov rax, QWORD time_stamp as *const () as usize as i64
        ; call rax
        ; add rsp, 8
    );
    for host in map::CALLER_SAVED.into_iter().rev() {
        dynasm!(asm; .arch x64; pop Rq(host));
    }
    dynasm!(asm; .arch x64; ret);

    thunks.float = base + asm.offset().0;
    dynasm!(asm
        ; .arch x64
        ; cmp BYTE [r15 + layout::SSE_READY as i32], 1
        ; jne >unfit
        ; mov eax, [r15 + layout::MXCSR as i32]
        ; and eax, FLOAT_MASK
        ; cmp eax, 0x1F80
        ; jne >unfit
        ; ldmxcsr [r15 + layout::MXCSR as i32]
        ; mov BYTE [r15 + layout::FLOAT_READY as i32], 1
        ; unfit:
        ; ret
    );

    for (what, tag) in [(Probing::Read, layout::ENTRY_READ), (Probing::Write, layout::ENTRY_WRITE)] {
        thunks.probe[what as usize] = base + asm.offset().0;
        find_entry(&mut asm);
        dynasm!(asm
            ; .arch x64
            ; and rdx, -4096
            ; or rdx, [r15 + layout::TLB_GENERATION as i32]
            ; cmp rdx, [rcx + tag as i32]
            ; jne >no
            ; mov rcx, [rcx + layout::ENTRY_ADDEND as i32]
            ; cmp ecx, ecx
            ; no:
            ; ret
        );
    }
    let mut code = Vec::new();
    if asm.finish(&mut code).is_none() {
        unreachable!("the shared code has no free labels");
    }
    thunks.size = code.len();
    (code, thunks)
}
