//! Events through the IVT and the IDTs.

use crate::testing::*;
use crate::{Activity, Cpu, Exit, SegReg, gpr};
use glassbox_x86_spec::control::Flags;

#[test]
fn real_mode_pushes_flags_cs_ip_and_iret_takes_them_back() {
    let mut cpu = cpu16();
    put(&cpu, 0x21 * 4, &[0x34, 0x12, 0x00, 0x01]);
    put(&cpu, 0x1000 + 0x1234, &[0xCF]);
    cpu.state.system_flags |= Flags::IF;
    run(&mut cpu, &[0xCD, 0x21], 1);
    assert_eq!((cpu.state.seg(SegReg::Cs).selector, cpu.state.rip), (0x100, 0x1234));
    assert!(!cpu.state.system_flags.contains(Flags::IF));
    assert_eq!(cpu.memory.read::<[u16; 3]>(STACK - 6), [CODE as u16 + 2, 0, 0x202]);
    go(&mut cpu, 1);
    assert_eq!((cpu.state.seg(SegReg::Cs).selector, cpu.state.rip), (0, CODE + 2));
    assert_eq!((cpu.state.regs[gpr::RSP], cpu.state.rflags().bits()), (STACK, 0x202));
}

#[test]
fn long_mode_aligns_the_stack_and_iretq_restores_it() {
    let mut cpu = cpu64();
    Tables::new().install(&mut cpu);
    gate64(&cpu, 0x80, KERNEL64, HANDLER, INT_GATE, 0);
    put(&cpu, HANDLER, &[0x48, 0xCF]);
    cpu.state.regs[gpr::RSP] = STACK - 8;
    cpu.state.system_flags |= Flags::IF;
    run(&mut cpu, &[0xCD, 0x80], 1);
    assert_eq!(cpu.state.rip, HANDLER);
    assert_eq!(cpu.state.regs[gpr::RSP], STACK - 0x10 - 40);
    let frame = cpu.memory.read::<[u64; 5]>(STACK - 0x10 - 40);
    assert_eq!(frame, [CODE + 2, u64::from(KERNEL64), 0x202, STACK - 8, u64::from(KERNEL_DATA)]);
    go(&mut cpu, 1);
    assert_eq!((cpu.state.rip, cpu.state.regs[gpr::RSP]), (CODE + 2, STACK - 8));
    assert!(cpu.state.system_flags.contains(Flags::IF));
}

#[test]
fn a_ring_3_fault_in_long_mode_switches_to_rsp0_and_back() {
    let mut cpu = cpu64();
    Tables::new().install(&mut cpu);
    enter_ring3_64(&mut cpu);
    gate64(&cpu, 13, KERNEL64, HANDLER, INT_GATE, 0);
    // A faulting instruction does not count: the NOP is the one that runs.
    // nop; add rsp, 8 drops the error code; iretq
    put(&cpu, HANDLER, &[0x90, 0x48, 0x83, 0xC4, 8, 0x48, 0xCF]);
    run(&mut cpu, &[0xFA], 1);
    assert_eq!((cpu.state.cpl, cpu.state.rip), (0, HANDLER + 1));
    assert_eq!(cpu.state.seg(SegReg::Ss).selector, 0);
    let frame = cpu.memory.read::<[u64; 6]>(RING0_STACK - 48);
    let flags = 0x202 | u64::from(Flags::RF.bits());
    assert_eq!(frame, [0, CODE, u64::from(USER64 | 3), flags, STACK, u64::from(USER_DATA | 3)]);
    go(&mut cpu, 2);
    assert_eq!((cpu.state.cpl, cpu.state.rip), (3, CODE));
    assert_eq!(cpu.state.seg(SegReg::Ss).selector, USER_DATA | 3);
}

#[test]
fn an_unusable_idt_is_a_triple_fault() {
    let mut cpu = cpu64();
    Tables::new().install(&mut cpu);
    cpu.state.idtr.limit = 0;
    assert_eq!(run(&mut cpu, &[0x0F, 0x0B], 5), Exit::Stopped);
    assert_eq!(cpu.state.activity, Activity::Shutdown);
}

/// A handler that stays where it is.
const SPIN: &[u8] = &[0xEB, 0xFE];

fn protected() -> Cpu {
    let mut cpu = cpu32();
    Tables::new().install(&mut cpu);
    put(&cpu, HANDLER, SPIN);
    cpu
}

#[test]
fn a_32_bit_gate_pushes_on_the_same_stack_at_the_same_level() {
    let mut cpu = protected();
    gate32(&cpu, 13, KERNEL_CODE, HANDLER, TRAP_GATE, 0);
    cpu.state.system_flags |= Flags::IF | Flags::NT;
    cpu.state.regs[gpr::RAX] = 0x1000;
    run(&mut cpu, &[0x8E, 0xD8], 1);
    assert_eq!(cpu.state.rip, HANDLER);
    let flags = 0x202 | Flags::NT.bits() | Flags::RF.bits();
    let frame = cpu.memory.read::<[u32; 4]>(STACK - 16);
    assert_eq!(frame, [0x1000, CODE as u32, u32::from(KERNEL_CODE), flags]);
    assert!(cpu.state.system_flags.contains(Flags::IF), "a trap gate leaves IF");
    assert!(!cpu.state.system_flags.intersects(Flags::NT | Flags::RF));
}

#[test]
fn a_16_bit_gate_pushes_words() {
    let mut cpu = protected();
    gate32(&cpu, 0x30, KERNEL_CODE, HANDLER, 6, 0);
    run(&mut cpu, &[0xCD, 0x30], 1);
    assert_eq!(cpu.state.regs[gpr::RSP], STACK - 6);
    assert_eq!(cpu.memory.read::<[u16; 3]>(STACK - 6), [CODE as u16 + 2, KERNEL_CODE, 2]);
    // o16 iret
    put(&cpu, HANDLER, &[0x66, 0xCF]);
    go(&mut cpu, 1);
    assert_eq!((cpu.state.rip, cpu.state.regs[gpr::RSP]), (CODE + 2, STACK));
}

#[test]
fn an_inner_handler_gets_the_stack_of_the_tss_and_iret_drops_inner_segments() {
    let mut cpu = protected();
    gate32(&cpu, 0x80, KERNEL_CODE, HANDLER, INT_GATE, 3);
    enter_ring3_32(&mut cpu);
    // mov ds, ax; iret
    put(&cpu, HANDLER, &[0x8E, 0xD8, 0xCF]);
    cpu.state.regs[gpr::RAX] = u64::from(KERNEL_DATA);
    run(&mut cpu, &[0xCD, 0x80], 1);
    assert_eq!((cpu.state.cpl, cpu.state.seg(SegReg::Ss).selector), (0, KERNEL_DATA));
    let frame = cpu.memory.read::<[u32; 5]>(RING0_STACK - 20);
    let user = |selector: u16| u32::from(selector | 3);
    assert_eq!(frame, [CODE as u32 + 2, user(USER_CODE), 0x202, STACK as u32, user(USER_DATA)]);
    go(&mut cpu, 2);
    assert_eq!((cpu.state.cpl, cpu.state.rip), (3, CODE + 2));
    assert_eq!(cpu.state.regs[gpr::RSP], STACK);
    assert_eq!(cpu.state.seg(SegReg::Ds).selector, 0, "a ring 0 segment does not leak");
    assert_eq!(cpu.state.seg(SegReg::Es).selector, USER_DATA | 3);
}

#[test]
fn software_interrupts_need_the_gate_level_and_hardware_does_not() {
    let mut cpu = protected();
    gate32(&cpu, 0x30, KERNEL_CODE, HANDLER, INT_GATE, 0);
    gate32(&cpu, 1, KERNEL_CODE, HANDLER, INT_GATE, 0);
    gate32(&cpu, 13, KERNEL_CODE, HANDLER, INT_GATE, 0);
    enter_ring3_32(&mut cpu);
    run(&mut cpu, &[0xCD, 0x30], 1);
    let frame = cpu.memory.read::<[u32; 2]>(RING0_STACK - 24);
    assert_eq!(frame, [0x30 * 8 + 2, CODE as u32], "#GP names the vector, EXT clear, RIP at the INT");

    enter_ring3_32(&mut cpu);
    run(&mut cpu, &[0xF1], 1);
    assert_eq!(cpu.memory.read::<u32>(RING0_STACK - 20), CODE as u32 + 1, "INT1 passes");
}

#[test]
fn faults_in_delivery_carry_ext_unless_software_asked() {
    let chain = |cpu: &Cpu| cpu.fault_chain.iter().map(|f| (f.vector, f.error)).collect::<Vec<_>>();
    let mut cpu = protected();
    // #UD through an absent gate, whose #NP goes through a gate to an absent segment.
    put(&cpu, IDT + 6 * 8, &(gate(KERNEL_CODE, HANDLER, INT_GATE, 0, 0) & !(1 << 47)).to_le_bytes());
    gate32(&cpu, 11, FREE, HANDLER, INT_GATE, 0);
    set_descriptor(&cpu, FREE, descriptor(0, 0xFFFF, 0x1A));
    gate32(&cpu, 8, KERNEL_CODE, HANDLER, INT_GATE, 0);
    run(&mut cpu, &[0x0F, 0x0B], 1);
    assert_eq!(chain(&cpu), [(6, None), (11, Some(6 * 8 + 3)), (8, Some(0))]);
    assert_eq!(cpu.state.rip, HANDLER, "the double fault was delivered");
    assert_eq!(cpu.memory.read::<[u32; 2]>(STACK - 16), [0, CODE as u32]);

    let mut cpu = protected();
    gate32(&cpu, 0x40, 0, HANDLER, INT_GATE, 0);
    gate32(&cpu, 13, KERNEL_CODE, HANDLER, INT_GATE, 0);
    run(&mut cpu, &[0xCD, 0x40], 1);
    assert_eq!(chain(&cpu), [(13, Some(0))]);
}

#[test]
fn a_page_fault_while_a_page_fault_is_delivered_is_a_double_fault() {
    let mut cpu = cpu64();
    Tables::new().install(&mut cpu);
    put(&cpu, HANDLER, SPIN);
    gate64(&cpu, 14, KERNEL64, HANDLER, INT_GATE, 0);
    gate64(&cpu, 8, KERNEL64, HANDLER, INT_GATE, 1);
    put(&cpu, TSS + 0x24, &RING0_STACK.to_le_bytes());
    cpu.state.regs[gpr::RSP] = 0x8000_0000;
    // mov eax, [0x40000000]: beyond the gigabyte that is mapped, as the stack is.
    run(&mut cpu, &[0x8B, 0x04, 0x25, 0, 0, 0, 0x40], 1);
    let vectors: Vec<_> = cpu.fault_chain.iter().map(|f| (f.vector, f.error)).collect();
    assert_eq!(vectors, [(14, Some(0)), (8, Some(0))]);
    assert_eq!((cpu.state.rip, cpu.state.regs[gpr::RSP]), (HANDLER, RING0_STACK - 48));
    assert_eq!(cpu.memory.read::<u64>(RING0_STACK - 16), 0x8000_0000, "the IST keeps the old RSP");
}

#[test]
fn a_stack_that_is_not_canonical_is_ss() {
    let mut cpu = cpu64();
    Tables::new().install(&mut cpu);
    gate64(&cpu, 6, KERNEL64, HANDLER, INT_GATE, 0);
    cpu.state.regs[gpr::RSP] = 0x8000_0000_0000_0000;
    run(&mut cpu, &[0x0F, 0x0B], 1);
    let second = cpu.fault_chain[1];
    assert_eq!((second.vector, second.error), (12, Some(1)));
}

#[test]
fn long_mode_refuses_compatibility_code_as_a_handler() {
    let mut cpu = cpu64();
    Tables::new().install(&mut cpu);
    gate64(&cpu, 6, KERNEL_CODE, HANDLER, INT_GATE, 0);
    run(&mut cpu, &[0x0F, 0x0B], 1);
    let second = cpu.fault_chain[1];
    assert_eq!((second.vector, second.error), (13, Some(u32::from(KERNEL_CODE) | 1)));
}

#[test]
fn a_ring_3_interrupt_from_compatibility_mode_returns_there() {
    let mut cpu = cpu64();
    Tables::new().install(&mut cpu);
    enter_ring3_32(&mut cpu);
    gate64(&cpu, 0x80, KERNEL64, HANDLER, INT_GATE, 0);
    put(&cpu, HANDLER, &[0x48, 0xCF]);
    run(&mut cpu, &[0xCD, 0x80], 1);
    assert!(cpu.state.is_64bit() && cpu.state.cpl == 0);
    go(&mut cpu, 1);
    assert!(!cpu.state.is_64bit() && cpu.mode.code_bits() == 32);
    assert_eq!((cpu.state.rip, cpu.state.regs[gpr::RSP]), (CODE + 2, STACK));
}

#[test]
fn an_nmi_blocks_others_until_iret() {
    let mut cpu = protected();
    gate32(&cpu, 2, KERNEL_CODE, HANDLER, INT_GATE, 0);
    put(&cpu, HANDLER, &[0x90, 0xCF]);
    cpu.signals.raise_nmi();
    run(&mut cpu, &[0x90, 0x90], 1);
    cpu.signals.raise_nmi();
    assert!(cpu.state.nmi_blocked);
    assert_eq!(cpu.state.rip, HANDLER + 1);
    assert!(cpu.signals.nmi(), "the second NMI waits for IRET");
    go(&mut cpu, 1);
    assert_eq!(cpu.state.rip, HANDLER, "and is taken right after it");
    assert!(cpu.state.nmi_blocked && !cpu.signals.nmi());
}

#[test]
fn an_alignment_check_that_raises_itself_does_not_hang() {
    let mut cpu = protected();
    // A ring 3 handler pushes on the ring 3 stack, which is misaligned.
    gate32(&cpu, 17, USER_CODE | 3, HANDLER, INT_GATE, 3);
    enter_ring3_32(&mut cpu);
    cpu.state.cr0 |= glassbox_x86_spec::control::Cr0::AM;
    cpu.state.system_flags |= Flags::AC;
    cpu.state.regs[gpr::RSP] = STACK + 1;
    cpu.sync();
    // push eax
    assert_eq!(run(&mut cpu, &[0x50], 5), Exit::Stopped);
    assert_eq!(cpu.fault_chain.back().map(|fault| fault.vector), Some(17));
}
