//! Loading segment registers: what is checked, what is raised.

use crate::testing::*;
use crate::{Cpu, SegReg, Segment, gpr};
use glassbox_x86_spec::control::{Cr4, Flags};
use glassbox_x86_spec::segment as attr;
use glassbox_x86_spec::vector;

const DATA_ATTR: u16 = attr::P | attr::S | attr::RW | attr::DB;
const CODE_ATTR: u16 = attr::P | attr::S | attr::CODE | attr::DB;
const RING3: u16 = 3 << 5;

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

/// mov ds, ax
const MOV_DS: &[u8] = &[0x8E, 0xD8];
/// mov ss, ax
const MOV_SS: &[u8] = &[0x8E, 0xD0];

fn load(mut cpu: Cpu, code: &[u8], selector: u16, raw: u64) -> Option<(u8, Option<u32>)> {
    set_descriptor(&cpu, FREE, raw);
    cpu.state.regs[gpr::RAX] = u64::from(selector);
    let mut code = code.to_vec();
    code.extend([0xEB, 0xFE]);
    fault(&mut cpu, &code)
}

#[test]
fn data_segments_are_checked_for_type_privilege_and_presence() {
    let gp = Some((vector::GP, Some(u32::from(FREE))));
    let np = Some((vector::NP, Some(u32::from(FREE))));
    for (cpu, selector, attr, expected) in [
        (protected(), FREE, DATA_ATTR, None),
        (protected(), FREE | 3, DATA_ATTR, gp),
        (protected(), FREE | 3, DATA_ATTR | RING3, None),
        (protected(), FREE, DATA_ATTR & !attr::P, np),
        (protected(), FREE, CODE_ATTR, gp),
        (protected(), FREE, CODE_ATTR | attr::RW, None),
        (protected(), FREE, attr::P | 11, gp),
        (user(), FREE | 3, DATA_ATTR, gp),
        (user(), FREE, DATA_ATTR | RING3, None),
        (user(), FREE, CODE_ATTR | attr::RW | attr::DC, None),
        (user(), FREE | 3, CODE_ATTR | attr::RW, gp),
    ] {
        let found = load(cpu, MOV_DS, selector, descriptor(0, 0xFFFF, attr));
        assert_eq!(found, expected, "selector {selector:#x}, attributes {attr:#x}");
    }
}

#[test]
fn a_selector_past_its_table_is_gp_and_a_null_one_loads() {
    let beyond = load(protected(), MOV_DS, 0x1000, 0);
    assert_eq!(beyond, Some((vector::GP, Some(0x1000))));
    let no_ldt = load(protected(), MOV_DS, 0x0C, 0);
    assert_eq!(no_ldt, Some((vector::GP, Some(0x0C))));
    let mut cpu = protected();
    cpu.state.regs[gpr::RAX] = 3;
    run(&mut cpu, MOV_DS, 1);
    assert_eq!(*cpu.state.seg(SegReg::Ds), Segment { selector: 3, ..Segment::default() });
    // mov eax, [0]: the null segment cannot be used.
    assert_eq!(fault(&mut cpu, &[0xA1, 0, 0, 0, 0]), Some((vector::GP, Some(0))));
}

#[test]
fn the_stack_segment_wants_writable_data_of_the_current_level() {
    let gp = |error| Some((vector::GP, Some(error)));
    let free = u32::from(FREE);
    for (cpu, selector, attr, expected) in [
        (protected(), FREE, DATA_ATTR, None),
        (protected(), 0, DATA_ATTR, gp(0)),
        (protected(), FREE | 1, DATA_ATTR, gp(free)),
        (protected(), FREE, DATA_ATTR | RING3, gp(free)),
        (protected(), FREE, DATA_ATTR & !attr::RW, gp(free)),
        (protected(), FREE, CODE_ATTR | attr::RW, gp(free)),
        (protected(), FREE, DATA_ATTR & !attr::P, Some((vector::SS, Some(free)))),
        (user(), FREE | 3, DATA_ATTR | RING3, None),
    ] {
        let found = load(cpu, MOV_SS, selector, descriptor(0, 0xFFFFF, attr | attr::G));
        assert_eq!(found, expected, "selector {selector:#x}, attributes {attr:#x}");
    }
}

#[test]
fn only_64_bit_code_above_ring_3_may_do_without_a_stack_segment() {
    let mut cpu = cpu64();
    Tables::new().install(&mut cpu);
    cpu.state.regs[gpr::RAX] = 0;
    run(&mut cpu, MOV_SS, 1);
    assert_eq!(cpu.state.rip, CODE + 2);
    assert_eq!(load(cpu, MOV_SS, 1, 0), Some((vector::GP, Some(0))), "RPL differs from CPL");
    let mut cpu = cpu64();
    Tables::new().install(&mut cpu);
    enter_ring3_64(&mut cpu);
    assert_eq!(load(cpu, MOV_SS, 3, 0), Some((vector::GP, Some(0))));
}

#[test]
fn loading_sets_the_accessed_bit_in_the_table() {
    let mut cpu = protected();
    set_descriptor(&cpu, FREE, descriptor(0x12345, 0x6789, DATA_ATTR));
    cpu.state.regs[gpr::RAX] = u64::from(FREE);
    run(&mut cpu, MOV_DS, 1);
    let raw = cpu.memory.read::<u64>(GDT + u64::from(FREE));
    assert_eq!(raw, descriptor(0x12345, 0x6789, DATA_ATTR | attr::ACCESSED));
    let ds = cpu.state.seg(SegReg::Ds);
    assert_eq!((ds.base, ds.limit, ds.attr), (0x12345, 0x6789, DATA_ATTR | attr::ACCESSED));
}

#[test]
fn real_mode_keeps_the_limit_that_protected_mode_loaded() {
    let mut cpu = cpu16();
    cpu.state.segs[SegReg::Ds as usize].limit = u32::MAX;
    cpu.state.regs[gpr::RAX] = 0x1234;
    run(&mut cpu, MOV_DS, 1);
    let ds = cpu.state.seg(SegReg::Ds);
    assert_eq!((ds.base, ds.selector, ds.limit), (0x12340, 0x1234, u32::MAX));
}

#[test]
fn mov_ss_casts_a_shadow_and_lss_does_not() {
    let mut cpu = cpu16();
    run(&mut cpu, MOV_SS, 1);
    assert!(cpu.state.interrupt_shadow && cpu.state.debug_shadow);
    put(&cpu, DATA, &[0x00, 0x60, 0, 0]);
    // nop; lss sp, [DATA]
    run(&mut cpu, &[0x90, 0x0F, 0xB2, 0x26, 0x00, 0x80], 2);
    assert!(!cpu.state.interrupt_shadow);
    assert_eq!(cpu.state.regs[gpr::RSP], 0x6000);
    assert_eq!(fault(&mut protected(), &[0x8E, 0xC8]), Some((vector::UD, None)), "MOV CS");
}

#[test]
fn push_and_pop_use_slots_of_the_operand_size() {
    let mut cpu = protected();
    put(&cpu, STACK - 4, &[0xAA; 4]);
    cpu.state.segs[SegReg::Es as usize].selector = KERNEL_DATA;
    // push es; pop fs
    run(&mut cpu, &[0x06, 0x0F, 0xA1], 2);
    assert_eq!(cpu.memory.read::<u32>(STACK - 4), u32::from(KERNEL_DATA));
    assert_eq!(cpu.state.seg(SegReg::Fs).selector, KERNEL_DATA);
    assert_eq!(cpu.state.regs[gpr::RSP], STACK);
    // A POP that faults leaves ESP alone.
    put(&cpu, STACK, &0x1000u32.to_le_bytes());
    assert_eq!(fault(&mut cpu, &[0x0F, 0xA1]), Some((vector::GP, Some(0x1000))));
    assert_eq!(cpu.state.regs[gpr::RSP], STACK);
}

#[test]
fn les_loads_both_halves_or_neither() {
    let mut cpu = protected();
    put(&cpu, DATA, &[0x78, 0x56, 0x34, 0x12, KERNEL_DATA as u8, 0]);
    // les ebx, [DATA]
    let les = [0xC4, 0x1D, 0x00, 0x80, 0, 0];
    run(&mut cpu, &les, 1);
    assert_eq!(cpu.state.regs[gpr::RBX], 0x1234_5678);
    assert_eq!(cpu.state.seg(SegReg::Es).selector, KERNEL_DATA);
    put(&cpu, DATA, &[0, 0, 0, 0, 0, 0x10]);
    assert_eq!(fault(&mut cpu, &les), Some((vector::GP, Some(0x1000))));
    assert_eq!(cpu.state.regs[gpr::RBX], 0x1234_5678);
}

#[test]
fn lldt_and_ltr_load_system_descriptors_and_ltr_marks_busy() {
    let mut cpu = protected();
    set_descriptor(&cpu, FREE, descriptor(0x7800, 0x1F, attr::P | 2));
    set_descriptor(&cpu, FREE + 8, descriptor(TSS as u32, 0x67, attr::P | 9));
    put(&cpu, 0x7808, &descriptor(0x4_0000, 0xFFF, DATA_ATTR).to_le_bytes());
    cpu.state.regs[gpr::RAX] = u64::from(FREE);
    cpu.state.regs[gpr::RBX] = u64::from(FREE + 8);
    cpu.state.regs[gpr::RCX] = 0x0C;
    // lldt ax; ltr bx; mov ds, cx; str edx
    run(&mut cpu, &[0x0F, 0x00, 0xD0, 0x0F, 0x00, 0xDB, 0x8E, 0xD9, 0x0F, 0x00, 0xCA], 4);
    assert_eq!(cpu.state.seg(SegReg::Ds).base, 0x4_0000);
    assert_eq!(cpu.state.regs[gpr::RDX], u64::from(FREE + 8));
    assert_eq!(cpu.memory.read::<u8>(GDT + u64::from(FREE) + 8 + 5), 0x8B);
    // A busy TSS cannot be loaded again.
    assert_eq!(fault(&mut cpu, &[0x0F, 0x00, 0xDB]), Some((vector::GP, Some(u32::from(FREE) + 8))));
    assert_eq!(fault(&mut user(), &[0x0F, 0x00, 0xDB]), Some((vector::GP, Some(0))));
    assert_eq!(fault(&mut cpu16(), &[0x0F, 0x00, 0xDB]), Some((vector::UD, None)));
}

#[test]
fn long_mode_system_descriptors_have_wide_bases() {
    let mut cpu = cpu64();
    Tables::new().install(&mut cpu);
    set_descriptor(&cpu, FREE, descriptor(0x8000_4000, 0x67, attr::P | 9));
    set_descriptor(&cpu, FREE + 8, 0xFFFF_8000);
    cpu.state.regs[gpr::RAX] = u64::from(FREE);
    run(&mut cpu, &[0x0F, 0x00, 0xD8], 1);
    assert_eq!(cpu.state.tr.base, 0xFFFF_8000_8000_4000);
    set_descriptor(&cpu, FREE, descriptor(0, 0x67, attr::P | 9));
    set_descriptor(&cpu, FREE + 8, 0x1234_5678);
    let error = Some((vector::GP, Some(u32::from(FREE))));
    assert_eq!(fault(&mut cpu, &[0x0F, 0x00, 0xD8]), error, "the base is not canonical");
}

#[test]
fn lar_lsl_verr_and_verw_tell_what_a_selector_is_good_for() {
    let zf = |cpu: &Cpu| cpu.state.status.zf();
    let mut cpu = user();
    cpu.state.regs[gpr::RAX] = u64::from(USER_DATA);
    // lar ebx, eax; lsl ecx, eax
    run(&mut cpu, &[0x0F, 0x02, 0xD8, 0x0F, 0x03, 0xC8], 2);
    assert!(zf(&cpu));
    assert_eq!((cpu.state.regs[gpr::RBX], cpu.state.regs[gpr::RCX]), (0x00CF_F300, 0xFFFF_FFFF));
    // verr ax; verw ax, of a code segment that may only be read
    for (selector, readable, writable) in
        [(USER_DATA, true, true), (USER_CODE, true, false), (KERNEL_DATA, false, false)]
    {
        cpu.state.regs[gpr::RAX] = u64::from(selector);
        run(&mut cpu, &[0x0F, 0x00, 0xE0], 1);
        assert_eq!(zf(&cpu), readable);
        run(&mut cpu, &[0x0F, 0x00, 0xE8], 1);
        assert_eq!(zf(&cpu), writable);
    }
    // A gate has access rights but no limit; nothing is written without an answer.
    set_descriptor(&cpu, FREE, gate(KERNEL_CODE, 0, 12, 3, 0));
    cpu.state.regs[gpr::RAX] = u64::from(FREE);
    run(&mut cpu, &[0x0F, 0x03, 0xC8], 1);
    assert!(!zf(&cpu) && cpu.state.regs[gpr::RCX] == 0xFFFF_FFFF);
    run(&mut cpu, &[0x0F, 0x02, 0xD8], 1);
    assert!(zf(&cpu) && cpu.state.regs[gpr::RBX] == 0xEC00);
}

#[test]
fn arpl_raises_the_rpl_only() {
    let mut cpu = protected();
    cpu.state.regs[gpr::RAX] = 0x21;
    cpu.state.regs[gpr::RBX] = 3;
    // arpl ax, bx
    run(&mut cpu, &[0x63, 0xD8], 1);
    assert!(cpu.state.status.zf() && cpu.state.regs[gpr::RAX] == 0x23);
    run(&mut cpu, &[0x63, 0xD8], 1);
    assert!(!cpu.state.status.zf() && cpu.state.regs[gpr::RAX] == 0x23);
}

#[test]
fn popf_changes_what_the_level_may_change() {
    let everything = 0x003F_7FD7u32;
    let pop = |mut cpu: Cpu| {
        put(&cpu, STACK, &everything.to_le_bytes());
        run(&mut cpu, &[0x9D], 1);
        cpu.state.rflags()
    };
    let ring0 = pop(protected());
    assert!(ring0.contains(Flags::IOPL | Flags::IF | Flags::NT | Flags::AC | Flags::ID | Flags::TF));
    assert!(!ring0.intersects(Flags::RF | Flags::VM | Flags::VIF | Flags::VIP));
    let mut cpu = user();
    cpu.state.system_flags -= Flags::IF;
    let ring3 = pop(cpu);
    assert!(!ring3.intersects(Flags::IOPL | Flags::IF), "IOPL and IF stay");
    assert!(ring3.contains(Flags::NT | Flags::AC | Flags::ID));
}

#[test]
fn cli_and_sti_obey_iopl_and_pvi() {
    assert_eq!(fault(&mut user(), &[0xFA]), Some((vector::GP, Some(0))));
    let mut cpu = user();
    cpu.state.system_flags |= Flags::IOPL;
    run(&mut cpu, &[0xFA], 1);
    assert!(!cpu.state.system_flags.contains(Flags::IF));
    // sti, and sti again: only the first casts a shadow.
    run(&mut cpu, &[0xFB, 0xFB], 1);
    assert!(cpu.state.interrupt_shadow);
    go(&mut cpu, 1);
    assert!(!cpu.state.interrupt_shadow);

    let mut cpu = user();
    cpu.state.cr4 |= Cr4::PVI;
    run(&mut cpu, &[0xFB], 1);
    assert!(cpu.state.system_flags.contains(Flags::VIF | Flags::IF));
    run(&mut cpu, &[0xFA], 1);
    assert!(!cpu.state.system_flags.contains(Flags::VIF));
    cpu.state.system_flags |= Flags::VIP;
    assert_eq!(fault(&mut cpu, &[0xFB]), Some((vector::GP, Some(0))), "STI with VIP");
}

#[test]
fn lahf_and_sahf_move_five_flags() {
    let mut cpu = cpu64();
    cpu.state.regs[gpr::RAX] = 0xFF00;
    // sahf; lahf
    run(&mut cpu, &[0x9E, 0x9F], 2);
    assert_eq!(cpu.state.regs[gpr::RAX], 0xD700);
    assert!(!cpu.state.status.of());
}
