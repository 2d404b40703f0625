//! The engine on small programs.

use crate::testing::{CODE, DATA, STACK, cpu16, cpu32, cpu64, run};
use crate::{Exit, gpr};
use glassbox_memory::Gpa;

#[test]
fn a_loop_counts_and_stops_at_the_budget() {
    let mut cpu = cpu64();
    // mov ecx, 1000; xor eax, eax; again: add rax, rcx; dec ecx; jnz again; jmp $
    let code = [0xB9, 0xE8, 3, 0, 0, 0x31, 0xC0, 0x48, 0x01, 0xC8, 0xFF, 0xC9, 0x75, 0xF9, 0xEB, 0xFE];
    assert_eq!(run(&mut cpu, &code, 3002), Exit::Budget);
    assert_eq!(cpu.state.regs[gpr::RAX], 500_500);
    assert_eq!((cpu.state.retired, cpu.state.rip), (3002, CODE + 14));
}

#[test]
fn push_call_and_ret_keep_the_stack() {
    for (mut cpu, size) in [(cpu16(), 2), (cpu32(), 4), (cpu64(), 8)] {
        // call +1; hlt-position: jmp $ at 3/5; target: push bx... kept simple: call next; pop ax
        let code: &[u8] = if size == 2 { &[0xE8, 0, 0, 0x58] } else { &[0xE8, 0, 0, 0, 0, 0x58] };
        run(&mut cpu, code, 2);
        let back = CODE + code.len() as u64 - 1;
        assert_eq!(cpu.state.regs[gpr::RAX], back);
        assert_eq!(cpu.state.regs[gpr::RSP], STACK);
    }
}

#[test]
fn rip_relative_and_absolute_operands_meet() {
    let mut cpu = cpu64();
    let disp = (DATA - (CODE + 7)) as u32;
    // mov rax, [rip + disp]; mov [0x8008], rax
    let mut code = vec![0x48, 0x8B, 0x05];
    code.extend(disp.to_le_bytes());
    code.extend([0x48, 0x89, 0x04, 0x25, 8, 0x80, 0, 0]);
    cpu.memory.write_bytes(Gpa(DATA), &0x1122_3344_5566_7788u64.to_le_bytes()).unwrap();
    run(&mut cpu, &code, 2);
    assert_eq!(cpu.memory.read::<u64>(DATA + 8), 0x1122_3344_5566_7788);
}

#[test]
fn code_that_rewrites_itself_runs_as_rewritten() {
    let mut cpu = cpu64();
    // mov byte [rip + 1], 0x42 (the immediate below); mov al, 0; jmp $
    let code = [0xC6, 0x05, 1, 0, 0, 0, 0x42, 0xB0, 0, 0xEB, 0xFE];
    run(&mut cpu, &code, 2);
    assert_eq!(cpu.state.regs[gpr::RAX] & 0xFF, 0x42);
    assert_eq!(cpu.state.retired, 2);
}

#[test]
fn an_instruction_may_cross_pages() {
    let mut cpu = cpu64();
    let at = 0x1FFE;
    cpu.memory.write_bytes(Gpa(at), &[0xB8, 1, 2, 3, 4]).unwrap();
    cpu.state.rip = at;
    crate::Interpreter::new().run(&mut cpu, 1);
    assert_eq!(cpu.state.regs[gpr::RAX], 0x0403_0201);
}
