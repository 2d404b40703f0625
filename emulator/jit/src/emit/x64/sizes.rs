//! How much host code guest instructions become.

use super::thunks::Thunks;
use super::{Emitted, Target, emit, host_supports};
use crate::emit::{Destination, Part};
use crate::ir::Code;
use crate::lift::{Forms, Mode, Source, lift};
use crate::opt::optimise;
use expect_test::expect;
use glassbox_benches::{CODE, machine};
use glassbox_cpu::Interpreter;
use iced_x86::{Decoder, DecoderOptions};

/// Bytes of host code of a block.
fn emitted(bytes: &[u8]) -> usize {
    let mut cpu = machine(bytes);
    let mut interpreter = Interpreter::new();
    let block = interpreter.block_at(&mut cpu).expect("the code is mapped");
    let source = Source { bytes, ops: &block.ops, rip: CODE, mode: Mode::Long };
    let mut code = Code::default();
    lift(source, &mut Forms::new(host_supports), &mut code);
    optimise(&mut code);
    let target = Target {
        base: 0x1000_0000,
        thunks: Thunks::default(),
        targets: 0x2000_0000,
        la57: false,
        number: 1,
        second: None,
        destination: &|_| Destination::Linkable,
    };
    let mut emitted = Emitted::default();
    emit(&[Part { code: &code, source }], &target, &mut emitted).expect("the block is emitted");
    emitted.code.len()
}

/// What an instruction adds to a block that jumps to itself.
fn cost(bytes: &[u8]) -> usize {
    let with_jump = |bytes: &[u8]| [bytes, &[0xEB, 0x00]].concat();
    emitted(&with_jump(bytes)) - emitted(&with_jump(&[]))
}

#[test]
fn guest_instructions_become_so_many_bytes() {
    let instructions: &[&[u8]] = &[
        &[0x89, 0xC8],                               // mov eax, ecx
        &[0x4D, 0x89, 0xC1],                         // mov r9, r8
        &[0x48, 0xB8, 1, 2, 3, 4, 5, 6, 7, 8],       // mov rax, n
        &[0x0F, 0xB6, 0xC1],                         // movzx eax, cl
        &[0x88, 0xE0],                               // mov al, ah
        &[0x48, 0x8D, 0x44, 0x8B, 0x10],             // lea rax, [rbx + 4 * rcx + 16]
        &[0x48, 0x01, 0xC8],                         // add rax, rcx
        &[0x49, 0x83, 0xC6, 0x08],                   // add r14, 8
        &[0x48, 0x39, 0xC8],                         // cmp rax, rcx
        &[0x48, 0xFF, 0xC0],                         // inc rax
        &[0x48, 0xC1, 0xE0, 0x04],                   // shl rax, 4
        &[0x48, 0xD3, 0xE8],                         // shr rax, cl
        &[0x48, 0x0F, 0xAF, 0xC1],                   // imul rax, rcx
        &[0x48, 0xF7, 0xE1],                         // mul rcx
        &[0x48, 0xF7, 0xF1],                         // div rcx
        &[0x0F, 0x94, 0xC0],                         // sete al
        &[0x48, 0x0F, 0x44, 0xC1],                   // cmove rax, rcx
        &[0x48, 0x0F, 0xA3, 0xC8],                   // bt rax, rcx
        &[0x48, 0x0F, 0xBC, 0xC1],                   // bsf rax, rcx
        &[0x48, 0x8B, 0x03],                         // mov rax, [rbx]
        &[0x48, 0x8B, 0x44, 0x8B, 0x10],             // mov rax, [rbx + 4 * rcx + 16]
        &[0x48, 0x89, 0x03],                         // mov [rbx], rax
        &[0x48, 0x01, 0x03],                         // add [rbx], rax
        &[0x65, 0x48, 0x8B, 0x04, 0x25, 0, 0, 0, 0], // mov rax, gs:[0]
        &[0x50],                                     // push rax
        &[0x58],                                     // pop rax
        &[0xF0, 0x48, 0x0F, 0xB1, 0x0B],             // lock cmpxchg [rbx], rcx
        &[0xF0, 0x48, 0x0F, 0xC1, 0x0B],             // lock xadd [rbx], rcx
        &[0xF2, 0x0F, 0x58, 0xC1],                   // addsd xmm0, xmm1
        &[0x66, 0x0F, 0xFE, 0xC1],                   // paddd xmm0, xmm1
        &[0x0F, 0x28, 0x03],                         // movaps xmm0, [rbx]
        &[0xD8, 0xC1],                               // fadd st(1)
    ];
    let mut text = String::new();
    for bytes in instructions {
        let instruction = Decoder::with_ip(64, bytes, CODE, DecoderOptions::AMD).decode();
        text += &format!("{:<4} {instruction}\n", cost(bytes));
    }
    expect![[r#"
        2    mov eax,ecx
        7    mov r9,r8
        10   mov rax,807060504030201h
        4    movzx eax,cl
        23   mov al,ah
        11   lea rax,[rbx+rcx*4+10h]
        15   add rax,rcx
        30   add r14,8
        15   cmp rax,rcx
        26   inc rax
        16   shl rax,4
        28   shr rax,cl
        27   imul rax,rcx
        35   mul rcx
        72   div rcx
        14   sete al
        15   cmove rax,rcx
        27   bt rax,rcx
        16   bsf rax,rcx
        92   mov rax,[rbx]
        97   mov rax,[rbx+rcx*4+10h]
        92   mov [rbx],rax
        104  add [rbx],rax
        102  mov rax,gs:[0]
        97   push rax
        96   pop rax
        123  lock cmpxchg [rbx],rcx
        114  lock xadd [rbx],rcx
        72   addsd xmm0,xmm1
        56   paddd xmm0,xmm1
        144  movaps xmm0,[rbx]
        314  fadd st,st(1)
    "#]]
    .assert_eq(&text);
}
