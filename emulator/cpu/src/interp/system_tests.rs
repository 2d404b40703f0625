//! System instructions on the test bench.

use crate::state::{SegReg, gpr};
use crate::testing::{
    CODE, DATA, HANDLER, INT_GATE, KERNEL64, Tables, cpu16, cpu32, cpu64, gate64, go, put, run,
};
use crate::{Activity, Cpu, Exit};
use glassbox_memory::Gpa;
use glassbox_x86_spec::control::{Cr0, Cr4, Efer, Flags, dr6, dr7};
use glassbox_x86_spec::{msr, vector};

/// The exception that running one instruction raised, if any.
fn fault(cpu: &mut Cpu, code: &[u8]) -> Option<u8> {
    cpu.fault_chain.clear();
    // The bench has no IDT: a fault before this one ended in shutdown.
    cpu.state.activity = Activity::Active;
    run(cpu, code, 1);
    cpu.fault_chain.front().map(|record| record.vector)
}

fn at_cpl3(mut cpu: Cpu) -> Cpu {
    cpu.state.cpl = 3;
    cpu.sync();
    cpu
}

#[test]
fn privileged_instructions_raise_gp_in_user_mode() {
    let codes: [&[u8]; 9] = [
        &[0xF4],             // hlt
        &[0x0F, 0x20, 0xC0], // mov rax, cr0
        &[0x0F, 0x22, 0xD8], // mov cr3, rax
        &[0x0F, 0x21, 0xC0], // mov rax, dr0
        &[0x0F, 0x06],       // clts
        &[0x0F, 0x09],       // wbinvd
        &[0x0F, 0x32],       // rdmsr
        &[0x0F, 0x01, 0x38], // invlpg [rax]
        &[0x0F, 0x01, 0xF8], // swapgs
    ];
    for code in codes {
        assert_eq!(fault(&mut at_cpl3(cpu64()), code), Some(vector::GP), "{code:x?}");
        assert_eq!(fault(&mut cpu64(), code), None, "{code:x?}");
    }
}

#[test]
fn protected_mode_is_entered_as_firmware_enters_it() {
    let mut cpu = cpu16();
    cpu.memory.write_bytes(Gpa(DATA), &[0x2F, 0, 0x44, 0x33, 0x22, 0x11]).unwrap();
    // lgdt [0x8000]; mov eax, cr0; or al, 1; mov cr0, eax
    let code = [0x0F, 0x01, 0x16, 0, 0x80, 0x0F, 0x20, 0xC0, 0x0C, 1, 0x0F, 0x22, 0xC0];
    run(&mut cpu, &code, 4);
    assert!(cpu.state.cr0.contains(Cr0::PE));
    assert_eq!((cpu.state.gdtr.base, cpu.state.gdtr.limit), (0x22_3344, 0x2F), "24 bits of base");
}

#[test]
fn paging_with_lme_activates_long_mode_and_needs_pae() {
    let mut cpu = cpu32();
    cpu.write_msr(msr::EFER, (Efer::LME | Efer::NXE).bits()).unwrap();
    let on = (cpu.state.cr0 | Cr0::PG).bits();
    assert!(cpu.write_cr0(on).is_err(), "without CR4.PAE");
    cpu.write_cr4((cpu.state.cr4 | Cr4::PAE).bits()).unwrap();
    cpu.write_cr3(0x8_0000).unwrap();
    cpu.write_cr0(on).unwrap();
    assert!(cpu.state.long_mode());
    assert!(cpu.write_cr4((cpu.state.cr4 - Cr4::PAE).bits()).is_err());
    assert!(cpu.write_cr4((cpu.state.cr4 | Cr4::LA57).bits()).is_err());
    assert!(cpu.write_msr(msr::EFER, Efer::NXE.bits()).is_err(), "LME under paging");
    cpu.write_cr0((cpu.state.cr0 - Cr0::PG).bits()).unwrap();
    assert!(!cpu.state.long_mode() && cpu.state.efer.contains(Efer::LME));
}

#[test]
fn cr0_refuses_combinations_without_meaning() {
    let mut cpu = cpu16();
    assert!(cpu.write_cr0(Cr0::PG.bits()).is_err(), "PG without PE");
    assert!(cpu.write_cr0(Cr0::NW.bits()).is_err(), "NW without CD");
    assert!(cpu.write_cr0(1 << 32).is_err());
    cpu.write_cr0(0).unwrap();
    assert_eq!(cpu.state.cr0, Cr0::ET);
}

#[test]
fn pcids_need_long_mode_and_a_clear_cr3() {
    let mut cpu = cpu32();
    let with = |cpu: &Cpu| (cpu.state.cr4 | Cr4::PCIDE).bits();
    assert!(cpu.write_cr4(with(&cpu)).is_err());
    let mut cpu = cpu64();
    cpu.state.cr3 |= 8;
    assert!(cpu.write_cr4(with(&cpu)).is_err());
    cpu.state.cr3 &= !8;
    cpu.write_cr4(with(&cpu)).unwrap();
    cpu.write_cr3(cpu.state.cr3 | 5 | 1 << 63).unwrap();
    assert_eq!((cpu.tlb.pcid(), cpu.state.cr3 & 0xFFF, cpu.state.cr3 >> 63), (5, 5, 0));
    assert!(cpu.write_cr0((cpu.state.cr0 - Cr0::PG).bits()).is_err());
}

#[test]
fn a_cr3_write_drops_translations() {
    let mut cpu = cpu64();
    // A second page directory that maps the first 2 MiB to 2 MiB higher memory is not
    // needed: clear the entry and see whether the load faults after the CR3 write only.
    let load = [0x48, 0x8B, 0x04, 0x25, 0, 0, 0x10, 0]; // mov rax, [0x100000]
    assert_eq!(fault(&mut cpu, &load), None);
    assert_eq!(fault(&mut cpu, &[0x0F, 0x20, 0xD8, 0x0F, 0x22, 0xD8]), None);
    let root = cpu.state.cr3;
    cpu.write_cr3(root).unwrap();
    assert!(cpu.tlb.entry(0x10_0000).read != cpu.tlb.tag(0x10_0000));
}

#[test]
fn pae_pointers_with_reserved_bits_are_refused() {
    let mut cpu = cpu32();
    cpu.write_cr4((cpu.state.cr4 | Cr4::PAE).bits()).unwrap();
    cpu.memory.write_bytes(Gpa(DATA), &(0x9000u64 | 1 | 2).to_le_bytes()).unwrap();
    cpu.write_cr3(DATA).unwrap();
    assert!(cpu.write_cr0((cpu.state.cr0 | Cr0::PG).bits()).is_err(), "R/W is reserved there");
    cpu.memory.write_bytes(Gpa(DATA), &(0x9000u64 | 1).to_le_bytes()).unwrap();
    cpu.write_cr0((cpu.state.cr0 | Cr0::PG).bits()).unwrap();
}

#[test]
fn lmsw_sets_pe_but_never_clears_it() {
    let mut cpu = cpu16();
    cpu.state.regs[gpr::RAX] = 0xFFF1;
    run(&mut cpu, &[0x0F, 0x01, 0xF0], 1);
    assert_eq!(cpu.state.cr0.bits() & 0xF, 1);
    cpu.state.regs[gpr::RAX] = 0;
    run(&mut cpu, &[0x0F, 0x01, 0xF0], 1);
    assert_eq!(cpu.state.cr0.bits() & 0xF, 1);
}

#[test]
fn umip_hides_the_tables_from_user_mode() {
    let sgdt = [0x0F, 0x01, 0x04, 0x25, 0, 0x80, 0, 0];
    let mut cpu = cpu64();
    cpu.state.gdtr.base = 0x1234;
    cpu.state.gdtr.limit = 0x7F;
    assert_eq!(fault(&mut at_cpl3(cpu64()), &sgdt), None);
    run(&mut cpu, &sgdt, 1);
    assert_eq!((cpu.memory.read::<u16>(DATA), cpu.memory.read::<u64>(DATA + 2)), (0x7F, 0x1234));
    let mut cpu = at_cpl3(cpu);
    cpu.state.cr4 |= Cr4::UMIP;
    assert_eq!(fault(&mut cpu, &sgdt), Some(vector::GP));
}

#[test]
fn debug_registers_alias_and_detect() {
    let mut cpu = cpu64();
    cpu.state.regs[gpr::RAX] = 0xFFFF_FFFF;
    assert_eq!(fault(&mut cpu, &[0x0F, 0x23, 0xE0]), None); // mov dr4, rax
    assert_eq!(cpu.state.dr[6], 0xFFFF_EFFF);
    cpu.state.cr4 |= Cr4::DE;
    assert_eq!(fault(&mut cpu, &[0x0F, 0x23, 0xE0]), Some(vector::UD));
    cpu.state.dr[6] = dr6::FIXED_ONE;
    cpu.state.dr[7] = dr7::GD | dr7::FIXED_ONE;
    assert_eq!(fault(&mut cpu, &[0x0F, 0x21, 0xC3]), Some(vector::DB)); // mov rbx, dr0
    assert_eq!(cpu.state.dr[6], dr6::FIXED_ONE | dr6::BD);
}

#[test]
fn dr7_keeps_its_fixed_bits_and_refuses_high_ones() {
    let mut cpu = cpu64();
    cpu.state.regs[gpr::RAX] = 0xDC00;
    assert_eq!(fault(&mut cpu, &[0x0F, 0x23, 0xF8]), None);
    assert_eq!(cpu.state.dr[7], dr7::FIXED_ONE);
    cpu.state.regs[gpr::RAX] = 1 << 32;
    assert_eq!(fault(&mut cpu, &[0x0F, 0x23, 0xF8]), Some(vector::GP));
}

#[test]
fn hlt_halts_behind_itself() {
    let mut cpu = cpu64();
    assert_eq!(run(&mut cpu, &[0xF4], 10), Exit::Halted);
    assert_eq!((cpu.state.rip, cpu.state.activity), (CODE + 1, Activity::Halted));
}

#[test]
fn syscall_and_sysret_make_a_round_trip() {
    let mut cpu = at_cpl3(cpu64());
    cpu.state.msr.star = 0x0023_0010_0000_0000;
    cpu.state.msr.lstar = DATA;
    cpu.state.msr.fmask = u64::from(Flags::IF.bits());
    cpu.state.system_flags |= Flags::IF;
    assert_eq!(fault(&mut cpu, &[0x0F, 0x05]), None);
    assert_eq!((cpu.state.rip, cpu.state.regs[gpr::RCX], cpu.state.cpl), (DATA, CODE + 2, 0));
    assert!(!cpu.state.system_flags.contains(Flags::IF));
    assert_eq!(cpu.state.regs[gpr::R11], u64::from((Flags::IF | Flags::ONE).bits()));
    assert_eq!((cpu.state.seg(SegReg::Cs).selector, cpu.state.seg(SegReg::Ss).selector), (0x10, 0x18));
    assert_eq!(fault(&mut cpu, &[0x48, 0x0F, 0x07]), None);
    assert_eq!((cpu.state.rip, cpu.state.cpl), (CODE + 2, 3));
    assert!(cpu.state.is_64bit() && cpu.state.system_flags.contains(Flags::IF));
    assert_eq!((cpu.state.seg(SegReg::Cs).selector, cpu.state.seg(SegReg::Ss).selector), (0x33, 0x2B));
}

#[test]
fn syscall_and_sysret_are_stepped_by_the_flags_they_end_with() {
    let mut cpu = at_cpl3(cpu64());
    cpu.state.msr.star = 0x0023_0010_0000_0000;
    cpu.state.msr.lstar = DATA;
    cpu.state.msr.fmask = u64::from(Flags::TF.bits());
    cpu.state.system_flags |= Flags::TF;
    cpu.sync();
    assert_eq!(fault(&mut cpu, &[0x0F, 0x05]), None, "FMASK clears TF");
    assert_eq!((cpu.state.rip, cpu.state.cpl), (DATA, 0));
    // The bench has no handler for the trap, so what is seen is that one came.
    assert!(fault(&mut cpu, &[0x48, 0x0F, 0x07]).is_some(), "R11 sets it again");
    assert_eq!(cpu.state.dr[6] & dr6::BS, dr6::BS);
}

#[test]
fn syscall_is_undefined_until_enabled_and_sysenter_in_long_mode() {
    let mut cpu = cpu64();
    assert_eq!(fault(&mut cpu, &[0x0F, 0x34]), Some(vector::UD));
    cpu.state.efer -= Efer::SCE;
    assert_eq!(fault(&mut cpu, &[0x0F, 0x05]), Some(vector::UD));
}

#[test]
fn sysenter_and_sysexit_make_a_round_trip_in_protected_mode() {
    let mut cpu = cpu32();
    assert_eq!(fault(&mut cpu, &[0x0F, 0x34]), Some(vector::GP), "SYSENTER_CS is null");
    cpu.state.msr.sysenter_cs = 8;
    cpu.state.msr.sysenter_eip = DATA;
    cpu.state.msr.sysenter_esp = 0x6000;
    let mut cpu = at_cpl3(cpu);
    assert_eq!(fault(&mut cpu, &[0x0F, 0x34]), None);
    assert_eq!((cpu.state.rip, cpu.state.regs[gpr::RSP], cpu.state.cpl), (DATA, 0x6000, 0));
    cpu.state.regs[gpr::RDX] = CODE;
    cpu.state.regs[gpr::RCX] = 0x5000;
    assert_eq!(fault(&mut cpu, &[0x0F, 0x35]), None);
    assert_eq!((cpu.state.rip, cpu.state.regs[gpr::RSP], cpu.state.cpl), (CODE, 0x5000, 3));
    assert_eq!(cpu.state.seg(SegReg::Cs).selector, 0x1B);
}

#[test]
fn segment_base_instructions_need_their_cr4_bit() {
    let mut cpu = cpu64();
    let wrfsbase = [0xF3, 0x48, 0x0F, 0xAE, 0xD0];
    cpu.state.regs[gpr::RAX] = 0x1234_5678_9000;
    assert_eq!(fault(&mut cpu, &wrfsbase), Some(vector::UD));
    cpu.state.cr4 |= Cr4::FSGSBASE;
    assert_eq!(fault(&mut cpu, &wrfsbase), None);
    assert_eq!(cpu.state.seg(SegReg::Fs).base, 0x1234_5678_9000);
    cpu.state.regs[gpr::RAX] = 1 << 62;
    assert_eq!(fault(&mut cpu, &wrfsbase), Some(vector::GP));
}

#[test]
fn the_debug_handler_may_use_the_debug_registers() {
    let mut cpu = cpu64();
    Tables::new().install(&mut cpu);
    gate64(&cpu, vector::DB, KERNEL64, HANDLER, INT_GATE, 0);
    cpu.state.dr[7] = dr7::GD | dr7::FIXED_ONE;
    run(&mut cpu, &[0x0F, 0x21, 0xC3], 1);
    // mov rbx, dr7
    put(&cpu, HANDLER, &[0x0F, 0x21, 0xFB]);
    cpu.state.rip = HANDLER;
    go(&mut cpu, 1);
    assert_eq!((cpu.state.regs[gpr::RBX], cpu.state.rip), (dr7::FIXED_ONE, HANDLER + 3));
}

#[test]
fn single_step_over_hlt_traps_instead_of_waiting() {
    let mut cpu = cpu64();
    Tables::new().install(&mut cpu);
    gate64(&cpu, vector::DB, KERNEL64, HANDLER, INT_GATE, 0);
    put(&cpu, HANDLER, &[0xEB, 0xFE]);
    cpu.state.system_flags |= Flags::TF;
    cpu.sync();
    assert_eq!(run(&mut cpu, &[0xF4], 5), Exit::Budget);
    assert_eq!(cpu.state.rip, HANDLER);
}

#[test]
fn an_interrupt_that_waits_goes_in_behind_sti_hlt() {
    let mut cpu = cpu64();
    cpu.signals.set_intr(true);
    cpu.bus = Box::new(OneInterrupt { signals: std::sync::Arc::clone(&cpu.signals) });
    Tables::new().install(&mut cpu);
    gate64(&cpu, 0x40, KERNEL64, HANDLER, INT_GATE, 0);
    put(&cpu, HANDLER, &[0xEB, 0xFE]);
    // sti; hlt; jmp $
    run(&mut cpu, &[0xFB, 0xF4, 0xEB, 0xFE], 4);
    assert_eq!((cpu.state.rip, cpu.state.activity), (HANDLER, Activity::Active));
    let rsp = cpu.state.regs[gpr::RSP];
    assert_eq!(cpu.memory.read::<u64>(rsp), CODE + 2, "returns behind HLT");
}

/// Answers one interrupt acknowledge with vector 40h.
struct OneInterrupt {
    signals: std::sync::Arc<crate::CpuSignals>,
}

impl crate::CpuBus for OneInterrupt {
    fn acknowledge_interrupt(&mut self) -> Option<u8> {
        self.signals.set_intr(false);
        Some(0x40)
    }
}

#[test]
fn invpcid_checks_its_descriptor() {
    // invpcid rax, [0x8000]
    let code = [0x66, 0x0F, 0x38, 0x82, 0x04, 0x25, 0, 0x80, 0, 0];
    let cases = [
        (0, 0, 0x1000, true),
        (0, 1, 0x1000, false),
        (0, 0, 1 << 62, false),
        (2, 5, 0, true),
        (4, 0, 0, false),
    ];
    for (kind, pcid, address, accepted) in cases {
        let mut cpu = cpu64();
        cpu.state.regs[gpr::RAX] = kind;
        put(&cpu, DATA, &u64::to_le_bytes(pcid));
        put(&cpu, DATA + 8, &u64::to_le_bytes(address));
        assert_eq!(fault(&mut cpu, &code).is_none(), accepted, "type {kind} pcid {pcid} at {address:#x}");
    }
}

#[test]
fn xsetbv_takes_x87_alone_or_with_sse_or_with_sse_and_avx() {
    let xsetbv = [0x0F, 0x01, 0xD1];
    let mut cpu = cpu64();
    assert_eq!(fault(&mut cpu, &xsetbv), Some(vector::UD), "before CR4.OSXSAVE");
    cpu.state.cr4 |= Cr4::OSXSAVE;
    for (value, accepted) in
        [(3, true), (1, true), (2, false), (0, false), (5, false), (15, false), (7, true)]
    {
        cpu.state.regs[gpr::RAX] = value;
        cpu.state.regs[gpr::RDX] = 0;
        assert_eq!(fault(&mut cpu, &xsetbv).is_none(), accepted, "XCR0 = {value}");
    }
    assert_eq!(cpu.state.xcr0, 7);
}

#[test]
fn rdtsc_obeys_tsd_and_rdrand_repeats_with_its_seed() {
    let mut cpu = at_cpl3(cpu64());
    assert_eq!(fault(&mut cpu, &[0x0F, 0x31]), None);
    cpu.state.cr4 |= Cr4::TSD;
    assert_eq!(fault(&mut cpu, &[0x0F, 0x31]), Some(vector::GP));
    let mut draw = |seed| {
        cpu.seed_entropy(seed);
        let mut numbers = [0; 2];
        for number in &mut numbers {
            assert_eq!(fault(&mut cpu, &[0x48, 0x0F, 0xC7, 0xF0]), None);
            assert!(cpu.state.status.cf());
            *number = cpu.state.regs[gpr::RAX];
        }
        numbers
    };
    let first = draw(1);
    assert_ne!(first[0], first[1]);
    assert_eq!(first, draw(1));
    assert_ne!(first, draw(2));
}

#[test]
fn undefined_instructions_are_undefined() {
    let codes: [&[u8]; 4] = [&[0x0F, 0x0B], &[0x0F, 0xB9, 0xC0], &[0x0F, 0xFF, 0xC0], &[0x0F, 0xAA]];
    for code in codes {
        assert_eq!(fault(&mut cpu64(), code), Some(vector::UD), "{code:x?}");
    }
}
