//! Events through the IVT and the IDTs.

use crate::testing::*;
use crate::{Activity, Exit, SegReg, gpr};
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
