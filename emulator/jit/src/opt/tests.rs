//! Steps of small blocks, as text.

use super::optimise;
use crate::ir::{Code, flags, show};
use crate::lift::{Forms, Mode, Source, lift};
use expect_test::{Expect, expect};
use glassbox_benches::{CODE, machine};
use glassbox_cpu::Interpreter;
use iced_x86::CpuidFeature;

fn steps(bytes: &[u8]) -> Code {
    let mut cpu = machine(bytes);
    let mut interpreter = Interpreter::new();
    let block = interpreter.block_at(&mut cpu).expect("the code is mapped");
    let mut code = Code::default();
    let source = Source { bytes, ops: &block.ops, rip: CODE, mode: Mode::Long };
    lift(source, &mut Forms::new(|feature| feature != CpuidFeature::AVX), &mut code);
    optimise(&mut code);
    code
}

fn check(bytes: &[u8], expected: Expect) {
    expected.assert_eq(&show(&steps(bytes)));
}

#[test]
fn flags_that_are_overwritten_are_dead() {
    // add rax, rcx; sub rdx, rcx; jmp $
    let code = steps(&[0x48, 0x01, 0xC8, 0x48, 0x29, 0xCA, 0xEB, 0xFE]);
    assert_eq!(code.live[1], 0, "nobody sees the flags of ADD");
    assert_eq!(code.live[3], flags::ALL, "the next block may be interrupted");
}

#[test]
fn flags_before_a_memory_access_matter() {
    // add rax, rcx; mov rbx, [rdx]; sub rdx, rcx; jmp $
    let code = steps(&[0x48, 0x01, 0xC8, 0x48, 0x8B, 0x1A, 0x48, 0x29, 0xCA, 0xEB, 0xFE]);
    assert_eq!(code.live[1], flags::ALL);
}

#[test]
fn a_sieves_inner_loop() {
    // mov byte [rax], 1; add rax, rbx; cmp rax, rcx; jl $-12
    let bytes = [0xC6, 0x00, 0x01, 0x48, 0x01, 0xD8, 0x48, 0x39, 0xC8, 0x7C, 0xF5];
    check(
        &bytes,
        expect![[r#"
        #0
            cell = write 1 [rax]
            cell = 1 .8
        #1
            add rax, rbx .64
        #2
            cmp rax, rcx .64                         ; oszapc
        #3
            jump 0x100000 if l else 0x10000b
    "#]],
    );
}

#[test]
fn pushes_share_a_lookup() {
    // push rbp; push rbx; sub rsp, 24; mov [rsp + 8], rdi; call +0
    let bytes = [0x55, 0x53, 0x48, 0x83, 0xEC, 0x18, 0x48, 0x89, 0x7C, 0x24, 0x08, 0xE8, 0, 0, 0, 0];
    check(
        &bytes,
        expect![[r#"
        #0
            cell = write 8 [rsp - 0x8] for s0 -40..8
            cell = rbp .64
            rsp = address [rsp - 0x8] .64
        #1
            cell = write 8 [rsp - 0x8] by s0
            cell = rbx .64
            rsp = address [rsp - 0x8] .64
        #2
            sub rsp, 24 .64                          ; oszapc
        #3
            cell = write 8 [rsp + 0x8] by s0
            cell = rdi .64
        #4
            cell = write 8 [rsp - 0x8] by s0
            cell = next, 0x100010
            rsp = address [rsp - 0x8] .64
            call 0x100010, back to 0x100010
    "#]],
    );
}

#[test]
fn an_overwritten_register_is_not_written() {
    // mov eax, 1; lea rcx, [rax + rdx]; mov eax, 2; jmp $
    let bytes = [0xB8, 1, 0, 0, 0, 0x48, 0x8D, 0x0C, 0x10, 0xB8, 2, 0, 0, 0, 0xEB, 0xFE];
    check(
        &bytes,
        expect![[r#"
        #0
            rax = 0x1
        #1
            rcx = address [rax + rdx] .64
        #2
            rax = 0x2
        #3
            jump 0x10000e
    "#]],
    );
    // mov eax, 1; mov eax, 2; jmp $
    check(
        &[0xB8, 1, 0, 0, 0, 0xB8, 2, 0, 0, 0, 0xEB, 0xFE],
        expect![[r#"
        #0
        #1
            rax = 0x2
        #2
            jump 0x10000a
    "#]],
    );
}

#[test]
fn vectors_floats_and_the_register_stack() {
    // movupd xmm0, [rdi + rax*8]; mulpd xmm0, xmm1; addpd xmm2, [rsi]; fld qword [rdi]; faddp; rdtsc
    let bytes = [
        0x66, 0x0F, 0x10, 0x04, 0xC7, 0x66, 0x0F, 0x59, 0xC1, 0x66, 0x0F, 0x58, 0x16, 0xDD, 0x07, 0xDE, 0xC1,
        0x0F, 0x31,
    ];
    check(
        &bytes,
        expect![[r#"
        #0
            cell = read 16 [rdi + rax << 3]
            native movupd_xmm_xmmm128 xmm0(w) cell
        #1
            native mulpd_xmm_xmmm128 xmm0(rw) xmm1
        #2
            cell = read 16 aligned [rsi]
            native addpd_xmm_xmmm128 xmm2(rw) cell
        #3
            cell = read 8 [rdi]
            x87 dd 07 cell
        #4
            x87 de c1
        #5
            interpret
            leave
    "#]],
    );
}

#[test]
fn locked_operations_divisions_and_string_instructions() {
    // lock xadd [rdi], eax; div rcx; bt rax, 3; movsb; ret
    let bytes = [0xF0, 0x0F, 0xC1, 0x07, 0x48, 0xF7, 0xF1, 0x48, 0x0F, 0xBA, 0xE0, 0x03, 0xA4, 0xC3];
    check(
        &bytes,
        expect![[r#"
        #0
            cell = write 4 aligned [rdi]
            locked xadd cell, rax .32                ; oszapc
        #1
            div rcx .64                              ; szap
        #2
            bit test rax, 3 .64                      ; c
        #3
            upwards
            cell = read 1 [rsi]
            t0 = cell .8
            cell = write 1 [rdi]
            cell = t0 .8
            rsi = address [rsi + 0x1] .64
            rdi = address [rdi + 0x1] .64
        #4
            cell = read 8 [rsp]
            acc = cell .64
            rsp += 8, return to acc
    "#]],
    );
}
