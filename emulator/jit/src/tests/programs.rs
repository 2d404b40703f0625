//! Programs of several blocks that change what compiled loops remember.

use super::{Jit, compare_programs, machine};

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

#[test]
fn sixteen_bytes_are_compared_and_exchanged() {
    let code = [
        0xBF, 0, 0, 0x30, 0, // mov edi, 300000h
        0x48, 0x8B, 0x07, // again: mov rax, [rdi]
        0x48, 0x8B, 0x57, 8, // mov rdx, [rdi + 8]
        0x4C, 0x01, 0xFB, // add rbx, r15
        0x48, 0x31, 0xD9, // xor rcx, rbx
        0x41, 0xF6, 0xC7, 3, // test r15b, 3
        0x75, 3, // jnz +3
        0x48, 0xFF, 0xC2, // inc rdx: it fails
        0xF9, // stc
        0xF0, 0x48, 0x0F, 0xC7, 0x0F, // lock cmpxchg16b [rdi]
        0x48, 0x11, 0xC6, // adc rsi, rax
        0x48, 0x0F, 0xC7, 0x0F, // cmpxchg16b [rdi]
        0x0F, 0x94, 0x47, 0x10, // setz [rdi + 10h]
        0x48, 0x11, 0xD6, // adc rsi, rdx
        0x41, 0xFF, 0xCF, // dec r15d
        0x75, 0xD1, // jnz again
        0xEB, 0xFE, // jmp $
    ];
    for count in [500, 1000, 1777, 3000] {
        compare_programs(&code, count);
    }
}

#[test]
fn returns_lead_where_the_stack_says() {
    let code = [
        0x41, 0xBF, 200, 0, 0, 0, // mov r15d, 200
        0xE8, 10, 0, 0, 0, // again: call f
        0x48, 0xFF, 0xC3, // inc rbx: skipped every other time
        0x41, 0xFF, 0xCF, // dec r15d
        0x75, 0xF3, // jnz again
        0xEB, 0xFE, // jmp $
        0x41, 0xF6, 0xC7, 1, // f: test r15b, 1
        0x74, 5, // jz +5
        0x48, 0x83, 0x04, 0x24, 3,    // add qword [rsp], 3
        0xC3, // ret
    ];
    for count in [500, 1000, 1777, 3000] {
        compare_programs(&code, count);
    }
}

#[test]
fn calls_may_be_deeper_than_the_hosts_stack() {
    let code = [
        0xB9, 0x88, 0x13, 0, 0, // again: mov ecx, 5000
        0xE8, 7, 0, 0, 0, // call f
        0x49, 0xFF, 0xCF, // dec r15
        0x75, 0xF1, // jnz again
        0xEB, 0xFE, // jmp $
        0xFF, 0xC9, // f: dec ecx
        0x74, 5, // jz +5
        0xE8, 0xF7, 0xFF, 0xFF, 0xFF, // call f
        0x48, 0xFF, 0xC3, // inc rbx
        0xC3, // ret
    ];
    for count in [1000, 17_000, 30_003, 100_000] {
        compare_programs(&code, count);
    }
}

#[test]
fn a_return_without_a_call_leads_even_to_address_0() {
    let code = [
        0x66, 0xC7, 0x04, 0x25, 0, 0, 0, 0, 0xFF, 0xE6, // mov word [0], jmp rsi
        0x48, 0x8D, 0x35, 0, 0, 0, 0, // lea rsi, [rip]
        0x48, 0xFF, 0xC3, // again: inc rbx
        0x49, 0xFF, 0xCF, // dec r15
        0x74, 3, // jz +3
        0x6A, 0,    // push 0
        0xC3, // ret
        0xEB, 0xFE, // jmp $
    ];
    for count in [300, 777, 1001, 1300] {
        compare_programs(&code, count);
    }
}

#[test]
fn a_return_leads_into_the_page_that_is_there_by_now() {
    let mut code = vec![0x90; 0x7000];
    let mut put = |at: usize, bytes: &[u8]| code[at..at + bytes.len()].copy_from_slice(bytes);
    put(
        0,
        &[
            0xB8, 0, 0x50, 0x10, 0, // again: mov eax, 105000h
            0xFF, 0xD0, // call rax
            0x49, 0xFF, 0xCF, // dec r15
            0x75, 0xF4, // jnz again
            0xEB, 0xFE, // jmp $
        ],
    );
    put(
        0x100,
        &[
            0x81, 0x34, 0x25, 0x28, 0x08, 0x21, 0, 0, 0x30, 0,
            0, // f: xor dword [entry of 105000h], 3000h
            0x0F, 0x01, 0x3C, 0x25, 0, 0x50, 0x10, 0,    // invlpg [105000h]
            0xC3, // ret
        ],
    );
    // Two pages take turns at 105000h: call f; add rbx, 1 or 64; ret.
    for (at, by) in [(0x5000, 1), (0x6000, 64)] {
        put(at, &[0xE8, 0xFB, 0xB0, 0xFF, 0xFF, 0x48, 0x83, 0xC3, by, 0xC3]);
    }
    for count in [300, 777, 1001, 1800] {
        compare_programs(&code, count);
    }
}

/// A loop whose `add rbx, imm32` is the only instruction that crosses from page 100000h
/// to page 101000h; `behind` follows it there.
fn crossing(behind: &[u8]) -> Vec<u8> {
    let mut code = vec![0x90; 0x7000];
    let mut put = |at: usize, bytes: &[u8]| code[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &[0xE9, 0xF8, 0x0F, 0, 0]); // jmp 100FFDh
    for page in [0x1000, 0x2000] {
        put(page - 3, &[0x48, 0x81, 0xC3, 1, 0, 0, (page >> 12) as u8]); // add rbx, imm32
        put(page + 4, behind);
        let turns = page + 4 + behind.len();
        put(turns, &[0x49, 0xFF, 0xCF, 0x0F, 0x85]); // dec r15; jnz 100FFDh
        put(turns + 5, &(0xFFD - 0x1000 - (turns as i32 - page as i32 + 9)).to_le_bytes());
        put(turns + 9, &[0xEB, 0xFE]); // jmp $
    }
    code
}

#[test]
fn an_instruction_that_crosses_into_another_page_is_compiled() {
    let code = crossing(&[]);
    compare_programs(&code, 500);
    let mut cpu = machine(&code);
    cpu.state.regs[15] = 100_000;
    let mut jit = Jit::new(1 << 20).unwrap();
    jit.run(&mut cpu, 100_000);
    assert!(jit.counters().retired > 99_000, "{:?}", jit.counters());
}

#[test]
fn an_instruction_that_crosses_into_another_page_is_rewritten_there() {
    // xor byte [101001h], 5: in its constant
    let code = crossing(&[0x80, 0x34, 0x25, 1, 0x10, 0x10, 0, 5]);
    for count in [400, 777, 900] {
        compare_programs(&code, count);
    }
}

#[test]
fn an_instruction_crosses_into_the_page_that_is_there_by_now() {
    let code = crossing(&[
        0x41, 0xF6, 0xC7, 0x1F, // test r15b, 31: every 32nd round
        0x75, 0x13, // jnz +19
        0x81, 0x34, 0x25, 0x08, 0x08, 0x21, 0, 0, 0x30, 0, 0, // xor dword [entry of 101000h], 3000h
        0x0F, 0x01, 0x3C, 0x25, 0, 0x10, 0x10, 0, // invlpg [101000h]
    ]);
    for count in [300, 777, 1200] {
        compare_programs(&code, count);
    }
}
