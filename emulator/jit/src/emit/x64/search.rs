//! The search for the code that a branch leads to, in the table of targets: shared code,
//! and pieces that blocks have of their own.

use super::asm::Asm;
use super::thunks::PAGE_AT;
use crate::cache::{TARGET_HASH, TARGET_SHIFT, TARGETS, Target};
use crate::emit::reason;
use crate::ir::CS;
use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi, dynasm};
use glassbox_cpu::compiled::layout;

/// log2 of the bytes of an entry in the table of targets.
const TARGET_BITS: u32 = size_of::<Target>().trailing_zeros();

/// RDX = the entry of the table of targets for the low half of RAX. Uses RCX.
pub fn find_slot(asm: &mut Asm, targets: usize) {
    dynasm!(asm
        ; .arch x64
        ; imul edx, eax, TARGET_HASH as i32
        ; shr edx, (TARGET_SHIFT - TARGET_BITS) as i8
        ; and edx, ((TARGETS - 1) << TARGET_BITS) as i32
        ; mov rcx, QWORD targets as i64
        ; add rdx, rcx
    );
}

/// The page that runs is that of the address in RAX, which is lost.
pub fn set_page(asm: &mut Asm) {
    dynasm!(asm; .arch x64; and rax, -4096; mov [r15 + PAGE_AT], rax);
}

/// As [`find_slot`], or it leaves by `blocked` if there is attention.
fn find_target(asm: &mut Asm, targets: usize, blocked: DynamicLabel) {
    dynasm!(asm
        ; .arch x64
        ; mov rcx, [r15 + layout::ATTENTION as i32]
        ; cmp BYTE [rcx], 0
        ; jne =>blocked
    );
    find_slot(asm, targets);
}

/// Goes on at the address in RAX by the search that follows, but not at the dead block
/// that is entered at RCX: as a target it is void from now on.
pub fn successor(asm: &mut Asm, targets: usize, segmented: bool) {
    dynasm!(asm; .arch x64; push rax; push rcx);
    if segmented {
        segmented_target(asm);
    }
    find_slot(asm, targets);
    dynasm!(asm
        ; .arch x64
        ; pop rcx
        ; pop rax
        ; cmp [rdx + 16], rcx
        ; jne >other
        ; mov QWORD [rdx + 8], 0
        ; mov QWORD [rdx + 24], -1
        ; other:
    );
}

/// What the offset in RAX in CS is known by in the table of targets. Uses RCX.
fn segmented_target(asm: &mut Asm) {
    dynasm!(asm
        ; .arch x64
        ; mov rcx, rax
        ; shl rcx, 32
        ; add eax, [r15 + layout::segment_base(CS) as i32]
        ; or rax, rcx
    );
}

/// RCX, a context, becomes the TLB entry of the linear address in RAX; goes to `search` if
/// the target at RDX was found in code of another kind.
fn find_entry_if_same_key(asm: &mut Asm) {
    dynasm!(asm
        ; .arch x64
        ; xor rcx, [rdx + 8]
        ; shr rcx, layout::CODE_KEY_SHIFT as i8
        ; jne ->search
    );
    find_entry(asm);
}

/// RCX = the TLB entry of the linear address in RAX.
pub fn find_entry(asm: &mut Asm) {
    dynasm!(asm
        ; .arch x64
        ; mov ecx, eax
        ; shr ecx, (12 - layout::ENTRY_SHIFT) as i8
        ; and ecx, ((layout::ENTRIES - 1) << layout::ENTRY_SHIFT) as i32
        ; add rcx, [r15 + layout::TLB_TABLE as i32]
    );
}

/// Goes on at the address in RAX.
pub fn lookup(asm: &mut Asm, exit: usize, targets: usize) {
    let blocked = asm.new_dynamic_label();
    dynasm!(asm; .arch x64; ->lookup:);
    find_target(asm, targets, blocked);
    dynasm!(asm
        ; .arch x64
        ; cmp [rdx], rax
        ; jne >miss
        ; mov rcx, [r15 + layout::TLB_CONTEXT as i32]
        ; cmp [rdx + 8], rcx
        ; jne >check
    );
    set_page(asm);
    dynasm!(asm
        ; .arch x64
        ; jmp QWORD [rdx + 16]
        // Another context than it was found in: the TLB tells whether it holds.
        ; check:
        ; mov [r15 + layout::RIP as i32], rax
    );
    find_entry_if_same_key(asm);
    dynasm!(asm
        ; .arch x64
        ; and rax, -4096
        ; or rax, [r15 + layout::TLB_GENERATION as i32]
        ; cmp rax, [rcx + layout::ENTRY_EXEC as i32]
        ; jne ->search
        ; mov rax, [r15 + layout::RIP as i32]
        ; add rax, [rcx + layout::ENTRY_ADDEND as i32]
        ; sub rax, [r15 + layout::RAM as i32]
        ; cmp rax, [rdx + 24]
        ; jne ->search
        ; mov rcx, [r15 + layout::TLB_CONTEXT as i32]
        ; mov [rdx + 8], rcx
        ; mov rax, [r15 + layout::RIP as i32]
    );
    set_page(asm);
    dynasm!(asm
        ; .arch x64
        ; jmp QWORD [rdx + 16]
        ; miss:
        ; mov [r15 + layout::RIP as i32], rax
        ; jmp ->search
        ; =>blocked
        ; mov [r15 + layout::RIP as i32], rax
        ; mov eax, reason::BLOCKED as i32
        ; jmp extern exit
    );
}

/// Goes on at the offset in RAX in CS. Targets are known by linear address and offset:
/// the latter in the upper half.
pub fn lookup_segmented(asm: &mut Asm, exit: usize, targets: usize) {
    let blocked = asm.new_dynamic_label();
    dynasm!(asm
        ; .arch x64
        ; ->lookup_segmented:
        ; mov [r15 + layout::RIP as i32], rax
    );
    segmented_target(asm);
    find_target(asm, targets, blocked);
    dynasm!(asm
        ; .arch x64
        ; cmp [rdx], rax
        ; jne ->search
        ; mov rcx, [r15 + layout::TLB_CONTEXT as i32]
        ; cmp [rdx + 8], rcx
        ; jne >check
        ; jmp QWORD [rdx + 16]
        ; check:
    );
    find_entry_if_same_key(asm);
    dynasm!(asm
        ; .arch x64
        ; and eax, -4096
        ; or rax, [r15 + layout::TLB_GENERATION as i32]
        ; cmp rax, [rcx + layout::ENTRY_EXEC as i32]
        ; jne ->search
        ; mov eax, [r15 + layout::RIP as i32]
        ; add eax, [r15 + layout::segment_base(CS) as i32]
        ; add rax, [rcx + layout::ENTRY_ADDEND as i32]
        ; sub rax, [r15 + layout::RAM as i32]
        ; cmp rax, [rdx + 24]
        ; jne ->search
        ; mov rcx, [r15 + layout::TLB_CONTEXT as i32]
        ; mov [rdx + 8], rcx
        ; jmp QWORD [rdx + 16]
        ; =>blocked
        ; mov eax, reason::BLOCKED as i32
        ; jmp extern exit
    );
}
