//! Programs of several blocks that change what compiled loops remember.

use super::compare_programs;

#[test]
fn a_loop_forgets_its_translations_when_a_page_moves() {
    let code = [
        0x41, 0xBF, 60, 0, 0, 0, // mov r15d, 60
        0xBF, 0, 0, 0x30, 0, // outer: mov edi, 300000h
        0xB9, 8, 0, 0, 0, // mov ecx, 8
        0x4C, 0x01, 0x3F, // inner: add [rdi], r15
        0xFF, 0xC9, // dec ecx
        0x75, 0xF9, // jnz inner
        0x81, 0x34, 0x25, 0x00, 0x18, 0x21, 0, 0, 0x10, 0, 0, // xor dword [its page table entry], 1000h
        0x0F, 0x01, 0x3F, // invlpg [rdi]
        0x41, 0xFF, 0xCF, // dec r15d
        0x75, 0xDC, // jnz outer
        0xEB, 0xFE, // jmp $
    ];
    for count in [500, 1000, 1777, 3000] {
        compare_programs(&code, count);
    }
}

#[test]
fn a_loop_forgets_its_translations_when_a_page_holds_code() {
    // The loop stores to a page that code is called in between: stores to what was
    // decoded there have to be seen.
    let code = [
        0x41, 0xBF, 60, 0, 0, 0, // mov r15d, 60
        0xBF, 0, 0, 0x30, 0, // outer: mov edi, 300000h
        0xB9, 8, 0, 0, 0, // mov ecx, 8
        0xC6, 0x07, 0xB0, // inner: mov byte [rdi], 0B0h
        0x44, 0x88, 0x7F, 0x01, // mov [rdi + 1], r15b
        0xC6, 0x47, 0x02, 0xC3, // mov byte [rdi + 2], 0C3h
        0xFF, 0xC9, // dec ecx
        0x75, 0xF1, // jnz inner
        0xFF, 0xD7, // call rdi: mov al, imm; ret
        0x48, 0x01, 0xC3, // add rbx, rax
        0x41, 0xFF, 0xCF, // dec r15d
        0x75, 0xDD, // jnz outer
        0xEB, 0xFE, // jmp $
    ];
    for count in [500, 1000, 1777, 4000] {
        compare_programs(&code, count);
    }
}

#[test]
fn interrupts_are_enabled_and_disabled_in_compiled_code() {
    let code = [
        0xFB, // again: sti
        0x48, 0xFF, 0xC3, // inc rbx
        0xFA, // cli
        0x0F, 0x01, 0xF8, // swapgs
        0xFB, // sti
        0xEB, 0x00, // jmp +0
        0x9C, // pushf
        0x58, // pop rax
        0x48, 0x01, 0xC6, // add rsi, rax
        0x41, 0xFF, 0xCF, // dec r15d
        0x75, 0xEB, // jnz again
        0xEB, 0xFE, // jmp $
    ];
    for count in [100, 777, 1000, 1001, 1002, 1003, 2000] {
        compare_programs(&code, count);
    }
}
