//! Code that all blocks share: the way in, the ways out, the call into the
//! interpreter, and the search for an indirect branch's target.

use crate::map;
use dynasmrt::{DynasmApi, DynasmLabelApi, VecAssembler, dynasm, x64::X64Relocation};
use glassbox_cpu::compiled::layout;
use glassbox_cpu::{Cpu, Op};

/// Why compiled code returned.
pub mod reason {
    /// RIP is set and no compiled code for it is known.
    pub const LOOKUP: u32 = 0;
    /// The block at RIP did not start: attention, or the limit is near.
    pub const BLOCKED: u32 = 1;
    /// The op faulted ([`glassbox_cpu::compiled::OpEnd::Fault`]).
    pub const FAULT: u32 = 2;
    /// Code was overwritten ([`glassbox_cpu::compiled::OpEnd::Leave`]).
    #[allow(dead_code)]
    pub const LEAVE: u32 = 3;
    /// As [`LOOKUP`], and the jump at `link_site` may be patched.
    pub const LINK: u32 = 4;
}

/// Entries of the table of indirect branch targets.
pub const TARGETS: usize = 4096;

/// One known target: 32 bytes.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub struct Target {
    /// Linear address.
    pub rip: u64,
    /// RAM offset of its code.
    pub start: u64,
    /// Host address of its compiled code.
    pub code: u64,
    /// Makes the size a power of two.
    pub unused: u64,
}

/// The slot of `rip` in the table of targets; compiled code computes the same.
pub fn target_slot(rip: u64) -> usize {
    (rip ^ rip >> 12) as usize & (TARGETS - 1)
}

/// Host addresses of the shared pieces.
#[derive(Clone, Copy, Debug, Default)]
pub struct Thunks {
    /// `extern "sysv64" fn(*mut Cpu, code) -> reason`.
    pub enter: usize,
    /// Jumped to with the reason in EAX: spills and returns.
    pub exit: usize,
    /// Called with the op in RAX, ops left in ECX, the block's RIP in RDX.
    pub run_op: usize,
    /// Jumped to with the target in RAX.
    pub lookup: usize,
    /// Bytes that all of it takes.
    pub size: usize,
}

/// What `run_op` calls.
extern "sysv64" fn run_op(cpu: &mut Cpu, op: &Op, left: u32, block_rip: u64) -> u32 {
    cpu.run_op(op, block_rip, left) as u32
}

fn spill(asm: &mut VecAssembler<X64Relocation>) {
    for (guest, host) in map::pairs() {
        dynasm!(asm; .arch x64; mov [r15 + (layout::REGS + 8 * guest as usize) as i32], Rq(host));
    }
}

fn fill(asm: &mut VecAssembler<X64Relocation>) {
    for (guest, host) in map::pairs() {
        dynasm!(asm; .arch x64; mov Rq(host), [r15 + (layout::REGS + 8 * guest as usize) as i32]);
    }
}

/// Assembles the shared code for execution at `base`.
pub fn assemble(base: usize, targets: usize) -> (Vec<u8>, Thunks) {
    let mut asm = VecAssembler::<X64Relocation>::new(base);
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
        ; mov rax, rsi
    );
    fill(&mut asm);
    dynasm!(asm; .arch x64; jmp rax);

    thunks.exit = base + asm.offset().0;
    spill(&mut asm);
    dynasm!(asm
        ; .arch x64
        ; ->spilled:
        ; add rsp, 8
        ; pop r15
        ; pop r14
        ; pop r13
        ; pop r12
        ; pop rbp
        ; pop rbx
        ; ret
    );

    thunks.run_op = base + asm.offset().0;
    spill(&mut asm);
    dynasm!(asm
        ; .arch x64
        ; mov rdi, r15
        ; mov rsi, rax
        ; xchg rcx, rdx
        ; sub rsp, 8
        ; mov rax, QWORD run_op as *const () as usize as i64
        ; call rax
        ; add rsp, 8
        ; test eax, eax
        ; jne >leave
    );
    fill(&mut asm);
    dynasm!(asm
        ; .arch x64
        ; ret
        ; leave:
        ; add rsp, 8
        ; jmp ->spilled
    );

    thunks.lookup = base + asm.offset().0;
    dynasm!(asm
        ; .arch x64
        ; mov [r15 + layout::RIP as i32], rax
        ; mov rdx, rax
        ; shr rdx, 12
        ; xor edx, eax
        ; and edx, (TARGETS - 1) as i32
        ; shl edx, 5
        ; mov rcx, QWORD targets as i64
        ; add rdx, rcx
        ; cmp [rdx], rax
        ; jne >miss
        ; mov ecx, eax
        ; shr ecx, (12 - layout::ENTRY_SHIFT) as i8
        ; and ecx, ((layout::ENTRIES - 1) << layout::ENTRY_SHIFT) as i32
        ; add rcx, [r15 + layout::TLB_TABLE as i32]
        ; and rax, -4096
        ; or rax, [r15 + layout::TLB_GENERATION as i32]
        ; cmp rax, [rcx + layout::ENTRY_EXEC as i32]
        ; jne >miss
        ; mov rax, [r15 + layout::RIP as i32]
        ; add rax, [rcx + layout::ENTRY_ADDEND as i32]
        ; cmp rax, [rdx + 8]
        ; jne >miss
        ; jmp QWORD [rdx + 16]
        ; miss:
        ; mov eax, reason::LOOKUP as i32
        ; jmp extern thunks.exit
    );
    debug_assert_eq!(size_of::<Target>(), 32);
    match asm.finalize() {
        Ok(code) => {
            thunks.size = code.len();
            (code, thunks)
        }
        Err(error) => unreachable!("the shared code has no free labels: {error:?}"),
    }
}
