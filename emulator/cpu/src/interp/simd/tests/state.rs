use super::*;
use crate::gpr;
use crate::testing::cpu32;
use glassbox_x86_spec::control::{Cr0, Cr4};

const FXSAVE: &[u8] = &[0x0F, 0xAE, 0x03];
const FXSAVE64: &[u8] = &[0x48, 0x0F, 0xAE, 0x03];
const FXRSTOR: &[u8] = &[0x0F, 0xAE, 0x0B];
const XSAVE: &[u8] = &[0x0F, 0xAE, 0x23];
const XRSTOR: &[u8] = &[0x0F, 0xAE, 0x2B];
const XSAVEOPT: &[u8] = &[0x0F, 0xAE, 0x33];
const XSAVEC: &[u8] = &[0x0F, 0xC7, 0x23];
const XSAVES: &[u8] = &[0x0F, 0xC7, 0x2B];
const XRSTORS: &[u8] = &[0x0F, 0xC7, 0x1B];

fn busy(mut cpu: Cpu) -> Cpu {
    cpu.state.regs[gpr::RBX] = DATA;
    cpu.state.cr4 |= Cr4::OSXSAVE;
    cpu.state.xcr0 = 7;
    cpu.state.mxcsr = 0x1FA5;
    for n in 0..16 {
        cpu.state.vec[n] = [n as u64 + 1, n as u64 + 0x11, n as u64 + 0x21, n as u64 + 0x31];
    }
    cpu.state.fpu = crate::FpuState { status: 5 << 11, ..Default::default() };
    cpu.state.fpu.tag = 0xFFF3;
    cpu.state.fpu.regs[1].significand = 1 << 63;
    cpu.state.fpu.regs[1].sign_exponent = 0x3FFF;
    request(&mut cpu, 7);
    cpu
}

fn request(cpu: &mut Cpu, mask: u64) {
    cpu.state.regs[gpr::RAX] = mask;
    cpu.state.regs[gpr::RDX] = 0;
}

fn fill(cpu: &Cpu, byte: u8) {
    cpu.memory.write_bytes(Gpa(DATA), &[byte; 1024]).unwrap();
}

fn u64_at(cpu: &Cpu, at: u64) -> u64 {
    cpu.memory.read(DATA + at)
}

/// Everything that the instructions save, for comparison.
fn saved(cpu: &Cpu) -> (crate::FpuState, u32, [crate::VectorRegister; 16]) {
    (cpu.state.fpu, cpu.state.mxcsr, cpu.state.vec)
}

fn scramble(cpu: &mut Cpu) {
    cpu.state.fpu = crate::FpuState { control: 0x1234 & 0x1F3F, tag: 0, ..Default::default() };
    cpu.state.mxcsr = 0x9F80;
    cpu.state.vec = [[9; 4]; 16];
}

#[test]
fn mxcsr_has_no_reserved_bits() {
    let mut cpu = bench(0, 0xFFFF);
    one(&mut cpu, &[0x0F, 0xAE, 0x13]);
    assert_eq!(cpu.state.mxcsr, 0xFFFF);
    one(&mut cpu, &[0x0F, 0xAE, 0x5B, 0x10]);
    assert_eq!(memory(&cpu, 16) as u32, 0xFFFF);
    let mut cpu = bench(0, 0x1_1F80);
    assert_eq!(raised(&mut cpu, &[0x0F, 0xAE, 0x13]), vector::GP);
    assert_eq!(cpu.state.mxcsr, 0x1F80);
}

#[test]
fn fxsave_lays_out_and_fxrstor_brings_back() {
    let mut cpu = busy(cpu64());
    fill(&cpu, 0xEE);
    one(&mut cpu, FXSAVE);
    assert_eq!(u64_at(&cpu, 0), 0x0002_2800_037F);
    assert_eq!(u64_at(&cpu, 24), 0xFFFF_0000_1FA5);
    // ST(i) is relative to TOP: physical register 1 is ST(4).
    assert_eq!((u64_at(&cpu, 32 + 64), u64_at(&cpu, 40 + 64)), (1 << 63, 0x3FFF));
    assert_eq!((u64_at(&cpu, 160), u64_at(&cpu, 168)), (1, 0x11));
    assert_eq!(u64_at(&cpu, 160 + 15 * 16), 16);
    assert_eq!(u64_at(&cpu, 416), 0xEEEE_EEEE_EEEE_EEEE, "the rest is not written");
    let before = saved(&cpu);
    scramble(&mut cpu);
    one(&mut cpu, FXRSTOR);
    let mut wanted = before;
    for n in 0..16 {
        // FXRSTOR knows nothing of the upper halves.
        (wanted.2[n][2], wanted.2[n][3]) = (9, 9);
    }
    assert_eq!(saved(&cpu), wanted);
}

#[test]
fn pointers_are_saved_only_while_an_exception_is_pending() {
    let mut cpu = busy(cpu64());
    (cpu.state.fpu.ip, cpu.state.fpu.dp) = (0x1_2345_6789, 0x9_8765_4321);
    (cpu.state.fpu.cs, cpu.state.fpu.ds, cpu.state.fpu.opcode) = (0x10, 0x18, 0x7AB);
    one(&mut cpu, FXSAVE64);
    assert_eq!((u64_at(&cpu, 8), u64_at(&cpu, 16)), (0, 0));
    cpu.state.fpu.control = 0x037E;
    cpu.state.fpu.status |= 0x8081;
    one(&mut cpu, FXSAVE64);
    assert_eq!((u64_at(&cpu, 8), u64_at(&cpu, 16)), (0x1_2345_6789, 0x9_8765_4321));
    assert_eq!(u64_at(&cpu, 0) >> 48, 0x7AB);
    one(&mut cpu, FXSAVE);
    assert_eq!((u64_at(&cpu, 8), u64_at(&cpu, 16)), (0x10_2345_6789, 0x18_8765_4321));
    let mut wanted = saved(&cpu);
    (wanted.0.ip, wanted.0.dp) = (0x2345_6789, 0x8765_4321);
    scramble(&mut cpu);
    cpu.state.vec = wanted.2;
    one(&mut cpu, FXRSTOR);
    assert_eq!(saved(&cpu), wanted);
}

#[test]
fn outside_64_bit_mode_there_are_eight_registers() {
    let mut cpu = busy(cpu32());
    fill(&cpu, 0xEE);
    one(&mut cpu, FXSAVE);
    assert_eq!(u64_at(&cpu, 160 + 7 * 16), 8);
    assert_eq!(u64_at(&cpu, 160 + 8 * 16), 0xEEEE_EEEE_EEEE_EEEE);
    scramble(&mut cpu);
    one(&mut cpu, FXRSTOR);
    assert_eq!((cpu.state.vec[7][0], cpu.state.vec[8][0]), (8, 9));
}

#[test]
fn save_areas_are_checked() {
    let mut cpu = busy(cpu64());
    cpu.state.regs[gpr::RBX] = DATA + 8;
    assert_eq!(raised(&mut cpu, FXSAVE), vector::GP);
    let mut cpu = busy(cpu64());
    cpu.state.regs[gpr::RBX] = DATA + 32;
    assert_eq!(raised(&mut cpu, XSAVE), vector::GP);
    let mut cpu = busy(cpu64());
    cpu.state.cr0 |= Cr0::TS;
    assert_eq!(raised(&mut cpu, FXSAVE), vector::NM);
    let mut cpu = busy(cpu64());
    cpu.state.cr4 -= Cr4::OSXSAVE;
    assert_eq!(raised(&mut cpu, XSAVE), vector::UD);
    let mut cpu = busy(cpu64());
    one(&mut cpu, FXSAVE);
    cpu.memory.write(DATA + 24, 0x1_0000u32);
    let before = saved(&cpu);
    assert_eq!(raised(&mut cpu, FXRSTOR), vector::GP);
    assert_eq!(saved(&cpu), before);
}

#[test]
fn xsave_keeps_what_was_not_requested() {
    let mut cpu = busy(cpu64());
    fill(&cpu, 0);
    cpu.memory.write(DATA + 512, 0xFCu64);
    request(&mut cpu, 3);
    one(&mut cpu, XSAVE);
    assert_eq!((u64_at(&cpu, 512), u64_at(&cpu, 520)), (0xFF, 0));
    assert_eq!((u64_at(&cpu, 160), u64_at(&cpu, 576)), (1, 0));
    request(&mut cpu, u64::MAX);
    one(&mut cpu, XSAVE);
    assert_eq!((u64_at(&cpu, 576), u64_at(&cpu, 584), u64_at(&cpu, 816)), (0x21, 0x31, 0x30));
}

#[test]
fn every_form_of_xsave_restores() {
    for (save, restore) in
        [(XSAVE, XRSTOR), (XSAVEOPT, XRSTOR), (XSAVEC, XRSTOR), (XSAVES, XRSTORS), (XSAVEC, XRSTORS)]
    {
        let mut cpu = busy(cpu64());
        fill(&cpu, 0);
        one(&mut cpu, save);
        let before = saved(&cpu);
        scramble(&mut cpu);
        one(&mut cpu, restore);
        assert_eq!(saved(&cpu), before, "{save:x?}");
    }
}

#[test]
fn initial_components_are_neither_saved_nor_loaded() {
    for (save, mxcsr) in [(XSAVEOPT, 0x1F80), (XSAVEC, 0x1F80), (XSAVES, 0x1FA0)] {
        let mut cpu = busy(cpu64());
        fill(&cpu, 0);
        cpu.state.vec = [[0; 4]; 16];
        cpu.state.fpu = Default::default();
        cpu.state.mxcsr = mxcsr;
        one(&mut cpu, save);
        let compacted = save != XSAVEOPT;
        // In the compacted form MXCSR alone makes SSE worth saving.
        let present = if compacted && mxcsr != 0x1F80 { 2 } else { 0 };
        assert_eq!(u64_at(&cpu, 512), present, "{save:x?}");
        assert_eq!(u64_at(&cpu, 520), if compacted { 1 << 63 | 7 } else { 0 });
        assert_eq!(u64_at(&cpu, 0), 0);
        let before = saved(&cpu);
        scramble(&mut cpu);
        one(&mut cpu, XRSTOR);
        assert_eq!(saved(&cpu), before, "{save:x?}");
    }
}

#[test]
fn xrstor_checks_its_header_before_it_changes_anything() {
    let cases: [(u64, u64, &[u8]); 7] = [
        (512, 8, XRSTOR),           // a component that XCR0 does not have
        (520, 1, XRSTOR),           // XCOMP_BV without the compaction bit
        (528, 1, XRSTOR),           // reserved
        (520, 1 << 63 | 8, XRSTOR), // compacted, unknown component
        (520, 1 << 63 | 1, XRSTOR), // compacted, without what XSTATE_BV has
        (568, 1, XRSTOR),           // reserved only if compacted: see below
        (520, 0, XRSTORS),          // XRSTORS wants the compacted form
    ];
    for (at, value, code) in cases {
        let mut cpu = busy(cpu64());
        fill(&cpu, 0);
        cpu.memory.write(DATA + 24, 0x1F80u32);
        cpu.memory.write(DATA + 512, 2u64);
        cpu.memory.write(DATA + at, value);
        let before = saved(&cpu);
        if at == 568 {
            one(&mut cpu, code);
            continue;
        }
        assert_eq!(raised(&mut cpu, code), vector::GP, "{at} {value:x}");
        assert_eq!(saved(&cpu), before);
    }
    let mut cpu = busy(cpu64());
    fill(&cpu, 0);
    cpu.memory.write(DATA + 24, 0x1_0000u32);
    request(&mut cpu, 2);
    assert_eq!(raised(&mut cpu, XRSTOR), vector::GP, "MXCSR counts even when SSE is initialised");
}

#[test]
fn a_save_area_that_ends_in_a_read_only_page_is_not_written_at_all() {
    const TABLES: u64 = 0x9_0000;
    for (save, at) in [(FXSAVE, 0xF00), (XSAVE, 0xE40), (XSAVEC, 0xE40)] {
        let mut cpu = busy(cpu64());
        for level in 0..3 {
            cpu.memory.write(TABLES + 0x1000 * level, (TABLES + 0x1000 * (level + 1)) | 3);
        }
        for page in 0..256u64 {
            let read_only = page == (DATA >> 12) + 1;
            cpu.memory.write(TABLES + 0x3000 + 8 * page, page << 12 | if read_only { 1 } else { 3 });
        }
        cpu.state.cr3 = TABLES;
        cpu.state.regs[gpr::RBX] = DATA + at;
        cpu.sync();
        cpu.memory.write_bytes(Gpa(DATA), &[0xEE; 0x1000]).unwrap();
        assert_eq!(raised(&mut cpu, save), vector::PF, "{save:x?}");
        let mut page = [0; 0x1000];
        cpu.memory.read_bytes(Gpa(DATA), &mut page).unwrap();
        assert!(page.iter().all(|&byte| byte == 0xEE), "{save:x?}");
    }
}
