//! Hardware task switches.

use super::tss::least_limit;
use crate::testing::*;
use crate::{Cpu, SegReg, gpr};
use glassbox_x86_spec::control::{Cr0, Flags, dr6};
use glassbox_x86_spec::segment as attr;
use glassbox_x86_spec::vector;

/// The selector and the place of a second task.
const OTHER: u16 = FREE;
const OTHER_TSS: u64 = 0x4800;
const OTHER_STACK: u32 = 0x7800;
const CALL: u8 = 0x9A;
const JMP: u8 = 0xEA;

fn word(cpu: &Cpu, offset: u64, value: u16) {
    put(cpu, OTHER_TSS + offset, &value.to_le_bytes());
}

fn dword(cpu: &Cpu, offset: u64, value: u32) {
    put(cpu, OTHER_TSS + offset, &value.to_le_bytes());
}

/// Two tasks in ring 0; the other starts at [`HANDLER`] with EAX = 7777h.
fn two_tasks() -> Cpu {
    let mut cpu = cpu32();
    Tables::new().install(&mut cpu);
    set_descriptor(&cpu, OTHER, descriptor(OTHER_TSS as u32, least_limit(true), attr::P | 9));
    dword(&cpu, 0x20, HANDLER as u32);
    dword(&cpu, 0x24, 2);
    dword(&cpu, 0x28, 0x7777);
    dword(&cpu, 0x38, OTHER_STACK);
    for (offset, selector) in (0x48..).step_by(4).zip([KERNEL_DATA, KERNEL_CODE, KERNEL_DATA, KERNEL_DATA]) {
        word(&cpu, offset, selector);
    }
    put(&cpu, HANDLER, &[0xEB, 0xFE]);
    cpu
}

fn kind(cpu: &Cpu, selector: u16) -> u8 {
    cpu.memory.read::<u8>(GDT + u64::from(selector) + 5) & 0xF
}

#[test]
fn call_nests_a_task_and_iret_returns_from_it() {
    let mut cpu = two_tasks();
    // inc eax; iret; then the task goes on: jmp $
    put(&cpu, HANDLER, &[0x40, 0xCF, 0xEB, 0xFE]);
    cpu.state.regs[gpr::RAX] = 0x1111;
    run(&mut cpu, &far(CALL, OTHER, 0), 1);
    assert_eq!((cpu.state.tr.selector, cpu.state.rip), (OTHER, HANDLER));
    assert_eq!((cpu.state.regs[gpr::RAX], cpu.state.regs[gpr::RSP]), (0x7777, u64::from(OTHER_STACK)));
    assert!(cpu.state.system_flags.contains(Flags::NT) && cpu.state.cr0.contains(Cr0::TS));
    assert_eq!(cpu.memory.read::<u16>(OTHER_TSS), TASK, "back link");
    assert_eq!((kind(&cpu, TASK), kind(&cpu, OTHER)), (11, 11));
    assert_eq!(cpu.memory.read::<u32>(TSS + 0x20), CODE as u32 + 7);
    assert_eq!(cpu.memory.read::<u32>(TSS + 0x28), 0x1111);

    go(&mut cpu, 2);
    assert_eq!((cpu.state.tr.selector, cpu.state.rip), (TASK, CODE + 7));
    assert_eq!((cpu.state.regs[gpr::RAX], cpu.state.regs[gpr::RSP]), (0x1111, STACK));
    assert!(!cpu.state.system_flags.contains(Flags::NT));
    assert_eq!((kind(&cpu, TASK), kind(&cpu, OTHER)), (11, 9));
    assert_eq!(cpu.memory.read::<u32>(OTHER_TSS + 0x28), 0x7778, "the task's own state was saved");
    assert_eq!(cpu.memory.read::<u32>(OTHER_TSS + 0x24) & Flags::NT.bits(), 0);
}

#[test]
fn jmp_frees_the_old_task() {
    let mut cpu = two_tasks();
    run(&mut cpu, &far(JMP, OTHER, 0), 1);
    assert_eq!((kind(&cpu, TASK), kind(&cpu, OTHER)), (9, 11));
    assert!(!cpu.state.system_flags.contains(Flags::NT));
    // Back by a task gate.
    set_descriptor(&cpu, OTHER + 8, gate(TASK, 0, 5, 0, 0));
    put(&cpu, HANDLER, &far(JMP, OTHER + 8, 0));
    go(&mut cpu, 1);
    assert_eq!((cpu.state.tr.selector, cpu.state.rip), (TASK, CODE + 7));
}

#[test]
fn a_busy_short_or_absent_task_is_refused() {
    let error = Some(u32::from(OTHER));
    for (attr, limit, expected) in [
        (attr::P | 11, 0x67, (vector::GP, error)),
        (attr::P | 9, 0x66, (vector::TS, error)),
        (9, 0x67, (vector::NP, error)),
    ] {
        let mut cpu = two_tasks();
        set_descriptor(&cpu, OTHER, descriptor(OTHER_TSS as u32, limit, attr));
        assert_eq!(fault(&mut cpu, &far(CALL, OTHER, 0)), Some(expected));
        assert_eq!(cpu.state.tr.selector, TASK);
    }
    // IRET to a task that does not wait.
    let mut cpu = two_tasks();
    cpu.state.system_flags |= Flags::NT;
    put(&cpu, TSS, &OTHER.to_le_bytes());
    assert_eq!(fault(&mut cpu, &[0xCF]), Some((vector::TS, error)));
}

#[test]
fn a_bad_segment_faults_in_the_new_task() {
    let mut cpu = two_tasks();
    word(&cpu, 0x54, USER_CODE);
    word(&cpu, 0x50, USER_DATA);
    gate32(&cpu, 10, KERNEL_CODE, CODE + 0x100, 14, 0);
    let chain = faults(&mut cpu, &far(CALL, OTHER, 0));
    assert_eq!(chain[0], (vector::TS, Some(u32::from(USER_DATA))));
    assert_eq!((cpu.state.tr.selector, cpu.state.rip), (OTHER, HANDLER));
}

#[test]
fn a_fault_through_a_task_gate_pushes_its_error_on_the_new_stack() {
    let mut cpu = two_tasks();
    gate32(&cpu, 13, OTHER, 0, 5, 0);
    cpu.state.regs[gpr::RAX] = 0x1000;
    run(&mut cpu, &[0x8E, 0xD8], 1);
    assert_eq!((cpu.state.tr.selector, cpu.state.rip), (OTHER, HANDLER));
    assert_eq!(cpu.state.regs[gpr::RSP], u64::from(OTHER_STACK) - 4);
    assert_eq!(cpu.memory.read::<u32>(u64::from(OTHER_STACK) - 4), 0x1000);
    assert_eq!(cpu.memory.read::<u32>(TSS + 0x20), CODE as u32, "the faulting instruction waits");
}

#[test]
fn the_t_bit_traps_when_the_task_begins() {
    let mut cpu = two_tasks();
    word(&cpu, 0x64, 1);
    gate32(&cpu, 1, KERNEL_CODE, HANDLER + 0x100, 14, 0);
    run(&mut cpu, &far(JMP, OTHER, 0), 1);
    assert_eq!(cpu.state.rip, HANDLER + 0x100);
    assert_ne!(cpu.state.dr[6] & dr6::BT, 0);
    assert_eq!(cpu.memory.read::<u32>(u64::from(OTHER_STACK) - 12), HANDLER as u32);
}

#[test]
fn sixteen_bit_tasks_switch_too() {
    let mut cpu = two_tasks();
    set_descriptor(&cpu, OTHER, descriptor(OTHER_TSS as u32, least_limit(false), attr::P | 1));
    put(&cpu, OTHER_TSS, &[0; 0x2C]);
    word(&cpu, 0x0E, HANDLER as u16);
    word(&cpu, 0x10, 2);
    word(&cpu, 0x12, 0x4242);
    word(&cpu, 0x1A, OTHER_STACK as u16);
    for (offset, selector) in (0x22..).step_by(2).zip([KERNEL_DATA, KERNEL_CODE, KERNEL_DATA, KERNEL_DATA]) {
        word(&cpu, offset, selector);
    }
    put(&cpu, HANDLER, &[0xCF]);
    cpu.state.regs[gpr::RAX] = 0x1234_5678;
    run(&mut cpu, &far(CALL, OTHER, 0), 1);
    assert_eq!((cpu.state.rip, cpu.state.regs[gpr::RAX] & 0xFFFF), (HANDLER, 0x4242));
    assert_eq!(cpu.state.seg(SegReg::Fs).selector, 0);
    assert_eq!(kind(&cpu, OTHER), 3);
    go(&mut cpu, 1);
    assert_eq!((cpu.state.rip, cpu.state.regs[gpr::RAX]), (CODE + 7, 0x1234_5678));
}

#[test]
fn a_task_in_virtual_8086_mode() {
    let mut cpu = two_tasks();
    dword(&cpu, 0x20, 0x10);
    dword(&cpu, 0x24, (Flags::VM | Flags::ONE).bits());
    word(&cpu, 0x4C, 0x500);
    run(&mut cpu, &far(JMP, OTHER, 0), 1);
    assert!(cpu.state.v86() && cpu.state.cpl == 3);
    assert_eq!((cpu.state.seg(SegReg::Cs).base, cpu.state.rip), (0x5000, 0x10));
}
