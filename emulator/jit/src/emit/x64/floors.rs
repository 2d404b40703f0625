//! Open calls on the host's stack, by the mapping of code that they were made under.
//!
//! An open call is two words: the host's return address and above it the guest's. Both hold
//! in one [fetch context](glassbox_cpu::Cpu::fetch_context). In another one, a system
//! call's for example, calls stand on a *floor* of their own, so that no return finds those
//! below. Back in a context that one of the floors below is for, what lies on it goes:
//! a system call leaves the calls of its program open, and so does a process those of the
//! one that runs next. A floor is four words: where a return to address 0 leads, that
//! address, where the floor below is, and its context.

use super::asm::Asm;
use dynasmrt::{DynasmApi, DynasmLabelApi, dynasm};
use glassbox_cpu::compiled::layout;

/// Calls on the host's stack, two words each.
const CALLS: i32 = 2048;
/// A new floor has room for so many.
const LEAST_CALLS: i32 = 512;
/// Bytes of a floor.
const FLOOR: i32 = 32;
/// Floors that are looked at for a context.
const DEPTH: i32 = 4;
/// Calls that are looked at for a return's target.
const NEAR_CALLS: i32 = 16;

/// Lays the lowest floor, where compiled code is entered. Uses RAX.
pub fn ground(asm: &mut Asm) {
    dynasm!(asm
        ; .arch x64
        ; mov [r15 + layout::STACK_TOP as i32], rsp
        ; push 0
        ; push 0
        ; push 0
        ; lea rax, [->unwound]
        ; push rax
        ; mov [r15 + layout::RETURN_BASE as i32], rsp
        ; lea rax, [rsp - 16 * CALLS]
        ; mov [r15 + layout::RETURN_LIMIT as i32], rax
        ; mov rax, [r15 + layout::TLB_CONTEXT as i32]
        ; mov [r15 + layout::RETURN_CONTEXT as i32], rax
    );
}

/// Where a return to address 0 leads that no call is open for: RAX is where to go on.
pub fn unwound(asm: &mut Asm) {
    dynasm!(asm
        ; .arch x64
        ; ->unwound:
        ; lea rax, [->unwound]
        ; sub rsp, 8
        ; mov [rsp], rax
        ; xor eax, eax
    );
}

/// Goes to the floor of another context, in RAX. Uses RCX and RDX.
pub fn change(asm: &mut Asm) {
    dynasm!(asm
        ; .arch x64
        ; mov rcx, [r15 + layout::RETURN_BASE as i32]
        ; mov edx, DEPTH
        ; search:
        ; cmp rax, [rcx + 24]
        ; je >found
        ; mov rcx, [rcx + 16]
        ; dec edx
        ; je >new
        ; test rcx, rcx
        ; jne <search
        ; new:
        ; lea rcx, [rsp - 16 * LEAST_CALLS]
        ; cmp rcx, [r15 + layout::RETURN_LIMIT as i32]
        ; jb >full
        ; push QWORD [r15 + layout::RETURN_CONTEXT as i32]
        ; push QWORD [r15 + layout::RETURN_BASE as i32]
        ; push 0
        ; lea rcx, [->unwound]
        ; push rcx
        ; mov [r15 + layout::RETURN_BASE as i32], rsp
        ; jmp >done
        ; found:
        ; lea rsp, [rcx + FLOOR]
        ; mov rcx, [rcx + 16]
        ; mov [r15 + layout::RETURN_BASE as i32], rcx
        ; jmp >done
        ; full:
    );
    drop_all(asm);
    dynasm!(asm; .arch x64; done: ; mov [r15 + layout::RETURN_CONTEXT as i32], rax);
}

/// Forgets all open calls; RAX is the context.
pub fn drop_all(asm: &mut Asm) {
    dynasm!(asm
        ; .arch x64
        ; mov rsp, [r15 + layout::STACK_TOP as i32]
        ; sub rsp, FLOOR
        ; mov [r15 + layout::RETURN_BASE as i32], rsp
        ; mov [r15 + layout::RETURN_CONTEXT as i32], rax
    );
}

/// Returns to the address in RCX, which the latest call is not to be returned to: an
/// earlier one may be. If it is none of those, the latest is taken for returned, and the
/// search that follows goes on with RAX. Uses RDX.
pub fn return_miss(asm: &mut Asm) {
    dynasm!(asm
        ; .arch x64
        ; mov rdx, [r15 + layout::RETURN_BASE as i32]
        ; cmp rsp, rdx
        ; je >none
        ; lea rax, [rsp + 16 * NEAR_CALLS]
        ; cmp rax, rdx
        ; cmova rax, rdx
        ; mov rdx, rsp
        ; next:
        ; add rdx, 16
        ; cmp rdx, rax
        ; jae >latest
        ; cmp rcx, [rdx + 8]
        ; jne <next
        ; mov rsp, rdx
        ; ret
        ; latest:
        ; add rsp, 16
        ; none:
        ; mov rax, rcx
    );
}
