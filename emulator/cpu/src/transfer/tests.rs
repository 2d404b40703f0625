//! Far jumps, calls and returns; call gates; virtual-8086 mode.

use crate::testing::*;
use crate::{Cpu, SegReg, gpr};
use glassbox_x86_spec::control::{Cr4, Flags};
use glassbox_x86_spec::segment as attr;
use glassbox_x86_spec::vector;

const CODE_ATTR: u16 = attr::P | attr::S | attr::CODE | attr::DB;
const RING3: u16 = 3 << 5;
const JMP: u8 = 0xEA;
const CALL: u8 = 0x9A;
const CALL_GATE16: u8 = 4;
const CALL_GATE: u8 = 12;

fn protected() -> Cpu {
    let mut cpu = cpu32();
    Tables::new().install(&mut cpu);
    cpu
}

fn user() -> Cpu {
    let mut cpu = protected();
    enter_ring3_32(&mut cpu);
    cpu
}

fn cs(cpu: &Cpu) -> u16 {
    cpu.state.seg(SegReg::Cs).selector
}

#[test]
fn real_mode_far_call_and_return() {
    let mut cpu = cpu16();
    put(&cpu, 0x1_0010, &[0xCA, 4, 0]);
    // call 1000:0010, whose retf 4 drops four bytes of the caller's
    run(&mut cpu, &[0x9A, 0x10, 0, 0, 0x10], 1);
    assert_eq!((cs(&cpu), cpu.state.rip), (0x1000, 0x10));
    assert_eq!(cpu.memory.read::<[u16; 2]>(STACK - 4), [CODE as u16 + 5, 0]);
    go(&mut cpu, 1);
    assert_eq!((cs(&cpu), cpu.state.rip, cpu.state.regs[gpr::RSP]), (0, CODE + 5, STACK + 4));
    // An offset past the limit is #GP and leaves the stack alone.
    assert_eq!(fault(&mut cpu, &[0x66, 0x9A, 0, 0, 1, 0, 0, 0x10]), Some((vector::GP, Some(0))));
    assert_eq!(cpu.state.regs[gpr::RSP], STACK + 4);
}

#[test]
fn entering_protected_mode_by_a_far_jump() {
    let mut cpu = cpu16();
    Tables::new().install(&mut cpu);
    cpu.state.cr0 |= glassbox_x86_spec::control::Cr0::PE;
    cpu.sync();
    // jmp dword 8:HANDLER, as 16-bit code writes it
    run(&mut cpu, &[0x66, 0xEA, 0x00, 0x50, 0, 0, 8, 0], 1);
    assert_eq!((cs(&cpu), cpu.state.rip, cpu.mode.code_bits()), (KERNEL_CODE, HANDLER, 32));
}

#[test]
fn far_jumps_check_type_level_and_limit() {
    let gp = |error: u16| Some((vector::GP, Some(u32::from(error))));
    for (mut cpu, selector, offset, attr, expected) in [
        (protected(), 0, 0, CODE_ATTR, gp(0)),
        (protected(), 0x1000, 0, CODE_ATTR, gp(0x1000)),
        (protected(), FREE | 3, 0, CODE_ATTR, gp(FREE)),
        (protected(), FREE, 0, CODE_ATTR | RING3, gp(FREE)),
        (protected(), FREE, 0, attr::P | attr::S | attr::RW, gp(FREE)),
        (protected(), FREE, 0, CODE_ATTR & !attr::P, Some((vector::NP, Some(u32::from(FREE))))),
        (protected(), FREE, 0x1_0000, CODE_ATTR, gp(0)),
        (user(), FREE, 0, CODE_ATTR, gp(FREE)),
        (user(), KERNEL_DATA, 0, CODE_ATTR, gp(KERNEL_DATA)),
    ] {
        set_descriptor(&cpu, FREE, descriptor(0, 0xFFFF, attr));
        let found = fault(&mut cpu, &far(JMP, selector, offset));
        assert_eq!(found, expected, "selector {selector:#x}, attributes {attr:#x}");
    }
}

#[test]
fn conforming_code_runs_at_the_callers_level() {
    let mut cpu = user();
    set_descriptor(&cpu, FREE, descriptor(0, 0xFFFF, CODE_ATTR | attr::DC));
    put(&cpu, HANDLER, &[0xCB]);
    run(&mut cpu, &far(CALL, FREE, HANDLER as u32), 1);
    assert_eq!((cs(&cpu), cpu.state.cpl, cpu.state.rip), (FREE | 3, 3, HANDLER));
    go(&mut cpu, 1);
    assert_eq!((cs(&cpu), cpu.state.rip, cpu.state.regs[gpr::RSP]), (USER_CODE | 3, CODE + 7, STACK));
}

#[test]
fn a_call_gate_copies_parameters_and_retf_drops_them_on_both_stacks() {
    for (kind, size) in [(CALL_GATE, 4u64), (CALL_GATE16, 2)] {
        let mut cpu = user();
        set_descriptor(&cpu, FREE, gate(KERNEL_CODE, HANDLER, kind, 3, 2));
        let arguments: Vec<u8> = (1..=2 * size as u8).collect();
        put(&cpu, STACK, &arguments);
        let bytes = 2 * size as u8;
        let retf = if size == 4 { vec![0xCA, bytes, 0] } else { vec![0x66, 0xCA, bytes, 0] };
        put(&cpu, HANDLER, &retf);
        run(&mut cpu, &far(CALL, FREE, 0xDEAD), 1);
        assert_eq!((cs(&cpu), cpu.state.cpl, cpu.state.rip), (KERNEL_CODE, 0, HANDLER));
        let top = cpu.state.regs[gpr::RSP];
        assert_eq!(top, RING0_STACK - 6 * size);
        let slot = |n: u64| {
            let at = top + n * size;
            if size == 4 { cpu.memory.read::<u32>(at) } else { u32::from(cpu.memory.read::<u16>(at)) }
        };
        assert_eq!((slot(0), slot(1)), (CODE as u32 + 7, u32::from(USER_CODE | 3)));
        assert_eq!((slot(4), slot(5)), (STACK as u32, u32::from(USER_DATA | 3)));
        let mut copied = vec![0; 2 * size as usize];
        cpu.memory.read_slice_at(top + 2 * size, &mut copied);
        assert_eq!(copied, arguments);
        go(&mut cpu, 1);
        assert_eq!((cs(&cpu), cpu.state.cpl, cpu.state.rip), (USER_CODE | 3, 3, CODE + 7));
        assert_eq!(cpu.state.regs[gpr::RSP], STACK + 2 * size);
    }
}

#[test]
fn call_gates_check_their_level_and_their_target() {
    let gp = |error: u16| Some((vector::GP, Some(u32::from(error))));
    for (mut cpu, opcode, raw, expected) in [
        (user(), CALL, gate(KERNEL_CODE, 0, CALL_GATE, 0, 0), gp(FREE)),
        (user(), CALL, gate(0, 0, CALL_GATE, 3, 0), gp(0)),
        (user(), CALL, gate(KERNEL_DATA, 0, CALL_GATE, 3, 0), gp(KERNEL_DATA)),
        (user(), JMP, gate(KERNEL_CODE, 0, CALL_GATE, 3, 0), gp(KERNEL_CODE)),
        (protected(), CALL, gate(USER_CODE, 0, CALL_GATE, 3, 0), gp(USER_CODE)),
        (
            user(),
            CALL,
            gate(KERNEL_CODE, 0, CALL_GATE, 3, 0) & !(1 << 47),
            Some((vector::NP, Some(u32::from(FREE)))),
        ),
    ] {
        set_descriptor(&cpu, FREE, raw);
        assert_eq!(fault(&mut cpu, &far(opcode, FREE, 0)), expected, "gate {raw:#x}");
    }
}

#[test]
fn a_bad_inner_stack_is_an_invalid_tss() {
    let call = far(CALL, FREE, 0);
    for (ss, limit, expected) in [
        (KERNEL_DATA, 0x67, None),
        (USER_DATA, 0x67, Some((vector::TS, Some(u32::from(USER_DATA))))),
        (0, 0x67, Some((vector::TS, Some(0)))),
        (KERNEL_DATA, 8, Some((vector::TS, Some(u32::from(TASK))))),
    ] {
        let mut cpu = user();
        set_descriptor(&cpu, FREE, gate(KERNEL_CODE, HANDLER, CALL_GATE, 3, 0));
        put(&cpu, HANDLER, &[0xEB, 0xFE]);
        put(&cpu, TSS + 8, &ss.to_le_bytes());
        cpu.state.tr.limit = limit;
        assert_eq!(fault(&mut cpu, &call), expected, "SS0 {ss:#x}");
        if expected.is_some() {
            assert_eq!((cpu.state.cpl, cpu.state.regs[gpr::RSP]), (3, STACK));
        }
    }
}

#[test]
fn a_64_bit_call_gate_and_retfq() {
    let mut cpu = cpu64();
    Tables::new().install(&mut cpu);
    enter_ring3_64(&mut cpu);
    set_descriptor(&cpu, FREE, gate(KERNEL64, HANDLER, CALL_GATE, 3, 0));
    set_descriptor(&cpu, FREE + 8, 0);
    put(&cpu, DATA, &[0, 0, 0, 0, FREE as u8, 0]);
    put(&cpu, HANDLER, &[0x48, 0xCB]);
    // call far [DATA]
    run(&mut cpu, &[0xFF, 0x1C, 0x25, 0x00, 0x80, 0, 0], 1);
    assert_eq!((cs(&cpu), cpu.state.cpl, cpu.state.rip), (KERNEL64, 0, HANDLER));
    assert_eq!(cpu.state.seg(SegReg::Ss).selector, 0);
    let frame = cpu.memory.read::<[u64; 4]>(RING0_STACK - 32);
    assert_eq!(frame, [CODE + 7, u64::from(USER64 | 3), STACK, u64::from(USER_DATA | 3)]);
    go(&mut cpu, 1);
    assert_eq!((cs(&cpu), cpu.state.cpl, cpu.state.rip), (USER64 | 3, 3, CODE + 7));
    assert_eq!(cpu.state.regs[gpr::RSP], STACK);
}

#[test]
fn far_jumps_move_between_64_bit_and_compatibility_mode() {
    let mut cpu = cpu64();
    Tables::new().install(&mut cpu);
    put(&cpu, DATA, &[0x00, 0x50, 0, 0, KERNEL_CODE as u8, 0]);
    put(&cpu, HANDLER, &far(JMP, KERNEL64, CODE as u32));
    // jmp far [DATA]
    run(&mut cpu, &[0xFF, 0x2C, 0x25, 0x00, 0x80, 0, 0], 1);
    assert_eq!((cs(&cpu), cpu.mode.code_bits()), (KERNEL_CODE, 32));
    go(&mut cpu, 1);
    assert_eq!((cs(&cpu), cpu.mode.code_bits(), cpu.state.rip), (KERNEL64, 64, CODE));
}

#[test]
fn returns_only_go_outwards() {
    let mut cpu = user();
    put(&cpu, STACK, &(CODE as u32).to_le_bytes());
    put(&cpu, STACK + 4, &u32::from(KERNEL_CODE).to_le_bytes());
    let gp = Some((vector::GP, Some(u32::from(KERNEL_CODE))));
    assert_eq!(fault(&mut cpu, &[0xCB]), gp);
    assert_eq!(fault(&mut cpu, &[0xCF]), gp);
    assert_eq!((cpu.state.rip, cpu.state.regs[gpr::RSP]), (CODE, STACK));
}

#[test]
fn iret_keeps_iopl_and_if_from_user_code() {
    let mut cpu = user();
    let flags = Flags::IOPL | Flags::CF | Flags::ID | Flags::VM | Flags::VIF;
    for (n, value) in [CODE as u32, u32::from(USER_CODE | 3), flags.bits()].into_iter().enumerate() {
        put(&cpu, STACK + 4 * n as u64, &value.to_le_bytes());
    }
    run(&mut cpu, &[0xCF], 1);
    assert_eq!(cpu.state.rflags(), Flags::ONE | Flags::CF | Flags::ID | Flags::IF);
}

#[test]
fn iretq_in_long_mode_refuses_nt_and_user_null_stacks() {
    let mut cpu = cpu64();
    Tables::new().install(&mut cpu);
    cpu.state.system_flags |= Flags::NT;
    assert_eq!(fault(&mut cpu, &[0x48, 0xCF]), Some((vector::GP, Some(0))));
    cpu.state.system_flags -= Flags::NT;
    for (n, value) in [CODE, u64::from(USER64 | 3), 2, STACK, 3].into_iter().enumerate() {
        put(&cpu, STACK + 8 * n as u64, &value.to_le_bytes());
    }
    assert_eq!(fault(&mut cpu, &[0x48, 0xCF]), Some((vector::GP, Some(0))));
    assert_eq!((cpu.state.cpl, cpu.state.regs[gpr::RSP]), (0, STACK));
}

// --- virtual-8086 mode ---

/// A processor in virtual-8086 mode at 100:0, stack 200:100, after IRETD.
fn v86(flags: Flags) -> Cpu {
    let mut cpu = protected();
    gate32(&cpu, 13, KERNEL_CODE, HANDLER, 14, 0);
    put(&cpu, HANDLER, &[0xEB, 0xFE]);
    let flags = (flags | Flags::VM | Flags::ONE).bits();
    let frame = [0, 0x100, flags, 0x100, 0x200, 0x300, 0x400, 0x500, 0x600];
    for (n, value) in frame.into_iter().enumerate() {
        put(&cpu, STACK + 4 * n as u64, &u32::to_le_bytes(value));
    }
    cpu.state.cr4 |= Cr4::VME;
    run(&mut cpu, &[0xCF], 1);
    cpu
}

fn selectors(cpu: &Cpu) -> [u16; 6] {
    [0, 1, 2, 3, 4, 5].map(|n| cpu.state.segs[n].selector)
}

#[test]
fn virtual_8086_mode_is_entered_by_iret_and_left_by_a_fault() {
    let mut cpu = v86(Flags::IF);
    assert!(cpu.state.v86() && cpu.state.cpl == 3 && cpu.mode.code_bits() == 16);
    assert_eq!(selectors(&cpu), [0x300, 0x100, 0x200, 0x400, 0x500, 0x600]);
    assert_eq!(cpu.state.seg(SegReg::Ds).base, 0x4000);
    // pushfd, which is sensitive to IOPL
    put(&cpu, 0x1000, &[0x66, 0x9C]);
    go(&mut cpu, 1);
    assert_eq!((cpu.state.cpl, cs(&cpu), cpu.state.rip), (0, KERNEL_CODE, HANDLER));
    assert!(!cpu.state.system_flags.intersects(Flags::VM | Flags::IF));
    assert_eq!(selectors(&cpu), [0, KERNEL_CODE, KERNEL_DATA, 0, 0, 0]);
    let frame = cpu.memory.read::<[u32; 10]>(RING0_STACK - 40);
    let flags = (Flags::VM | Flags::IF | Flags::ONE | Flags::RF).bits();
    assert_eq!(frame, [0, 0, 0x100, flags, 0x100, 0x200, 0x300, 0x400, 0x500, 0x600]);
}

#[test]
fn int_in_virtual_8086_mode_goes_where_the_bitmap_says() {
    // A TSS with the redirection bitmap from 68h on and no I/O map behind it.
    let with_bitmap = |flags, bits: u8| {
        let mut cpu = v86(flags);
        cpu.state.tr.limit = 0x87;
        put(&cpu, TSS + 0x66, &0x88u16.to_le_bytes());
        put(&cpu, TSS + 0x68, &[bits; 32]);
        put(&cpu, 0x21 * 4, &[0x10, 0, 0x00, 0x07]);
        put(&cpu, 0x1000, &[0xCD, 0x21]);
        go(&mut cpu, 1);
        cpu
    };
    // Redirected: through the table at 0, with IF standing for VIF.
    let mut cpu = with_bitmap(Flags::VIF | Flags::IF, 0);
    assert!(cpu.state.v86());
    assert_eq!((cs(&cpu), cpu.state.rip), (0x700, 0x10));
    assert!(!cpu.state.system_flags.contains(Flags::VIF));
    let pushed = (Flags::IF | Flags::IOPL | Flags::ONE).bits() as u16;
    assert_eq!(cpu.memory.read::<[u16; 3]>(0x2100 - 6), [2, 0x100, pushed]);
    // And IRET turns IF into VIF again.
    put(&cpu, 0x7010, &[0xCF]);
    go(&mut cpu, 1);
    assert_eq!((cs(&cpu), cpu.state.rip), (0x100, 2));
    assert!(cpu.state.system_flags.contains(Flags::VIF | Flags::IF));
    assert_eq!(cpu.state.iopl(), 0);
    // Intercepted with IOPL 0: the monitor gets #GP(0).
    let cpu = with_bitmap(Flags::IF, 0xFF);
    assert_eq!(cpu.memory.read::<[u32; 2]>(RING0_STACK - 40), [0, 0]);
    assert_eq!(cs(&cpu), KERNEL_CODE);
}

#[test]
fn cli_pushf_and_popf_in_virtual_8086_mode_work_on_vif() {
    let mut cpu = v86(Flags::IF | Flags::VIF);
    // cli; pushf; pop ax; push ax; popf; sti
    put(&cpu, 0x1000, &[0xFA, 0x9C, 0x58, 0x50, 0x9D, 0xFB]);
    go(&mut cpu, 1);
    assert!(cpu.state.system_flags.contains(Flags::IF) && !cpu.state.system_flags.contains(Flags::VIF));
    go(&mut cpu, 2);
    assert_eq!(cpu.state.regs[gpr::RAX] & 0x3200, 0x3000, "IF reads as VIF, IOPL as 3");
    go(&mut cpu, 3);
    assert!(cpu.state.v86() && cpu.state.system_flags.contains(Flags::VIF));
    // The 32-bit form traps, and so does opening VIF while VIP waits.
    put(&cpu, 0x1006, &[0x66, 0x9C]);
    go(&mut cpu, 1);
    assert_eq!(cs(&cpu), KERNEL_CODE);
    let mut cpu = v86(Flags::IF | Flags::VIP);
    put(&cpu, 0x1000, &[0xFB]);
    go(&mut cpu, 1);
    assert_eq!(cs(&cpu), KERNEL_CODE);
}
