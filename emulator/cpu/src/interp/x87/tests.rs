//! x87 instructions on small programs. Expected status words are those of a
//! Zen 5 for the same instructions.

use crate::testing::{CODE, DATA, cpu16, cpu32, cpu64, run};
use crate::{Cpu, CpuBus, CpuSignals, Interpreter, Segment, gpr};
use glassbox_memory::Gpa;
use glassbox_softfloat::F80;
use glassbox_x86_spec::control::{Cr0, Flags};
use glassbox_x86_spec::vector;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const NAN: F80 = F80::new(false, 0x7FFF, 0xA000_0000_0000_0000);

/// A 64-bit processor after FNINIT with `numbers` pushed, RDI at the data.
fn with_stack(control: u16, numbers: &[F80]) -> Cpu {
    let mut cpu = cpu64();
    prepare(&mut cpu, control, numbers);
    cpu
}

fn prepare(cpu: &mut Cpu, control: u16, numbers: &[F80]) {
    cpu.state.fpu = crate::FpuState { control, ..Default::default() };
    for &number in numbers {
        cpu.state.fpu.push(number);
    }
    cpu.state.regs[gpr::RDI] = DATA;
}

fn number(value: f64) -> F80 {
    let mut env = glassbox_softfloat::Env::from_x87_control(0x37F);
    F80::from_f64(glassbox_softfloat::F64(value.to_bits()), &mut env)
}

fn top(cpu: &Cpu) -> F80 {
    cpu.state.fpu.bits(0)
}

fn word(cpu: &Cpu, at: u64) -> u32 {
    cpu.memory.read(at)
}

/// The vector of the first exception that was raised.
fn raised(cpu: &Cpu) -> Option<u8> {
    cpu.fault_chain.front().map(|fault| fault.vector)
}

#[test]
fn loads_compute_and_store() {
    let mut cpu = with_stack(0x37F, &[]);
    cpu.memory.write::<u64>(DATA, 1.5f64.to_bits());
    cpu.memory.write::<i16>(DATA + 8, -3);
    // fld qword [rdi]; fimul word [rdi+8]; fistp dword [rdi+16]
    run(&mut cpu, &[0xDD, 0x07, 0xDE, 0x4F, 8, 0xDB, 0x5F, 16], 3);
    // -4.5 to even
    assert_eq!(word(&cpu, DATA + 16) as i32, -4);
    assert_eq!(cpu.state.fpu.status & 0x3F, 0x20);
    assert_eq!(cpu.state.fpu.tag, 0xFFFF);
}

#[test]
fn reversed_and_popping_forms_have_their_operands_the_right_way_round() {
    // fsubp st(1), st: 10 - 4; fsubrp st(1), st: 4 - 10
    for (code, expected) in [([0xDE, 0xE9], 6.0), ([0xDE, 0xE1], -6.0)] {
        let mut cpu = with_stack(0x37F, &[number(10.0), number(4.0)]);
        run(&mut cpu, &code, 1);
        assert_eq!(top(&cpu), number(expected));
        assert_eq!(cpu.state.fpu.tag, 0x3FFF);
    }
}

#[test]
fn masked_stack_faults_give_the_indefinite_and_tell_their_direction() {
    // fld st(4) of an empty register
    let mut cpu = with_stack(0x37F, &[number(1.5), number(2.0)]);
    run(&mut cpu, &[0xD9, 0xC4], 1);
    assert_eq!((cpu.state.fpu.status, top(&cpu)), (0x2841, F80::INDEFINITE));
    // fld1 onto a full stack: C1
    let mut cpu = with_stack(0x37F, &[F80::ONE; 8]);
    run(&mut cpu, &[0xD9, 0xE8], 1);
    assert_eq!((cpu.state.fpu.status, top(&cpu)), (0x3A41, F80::INDEFINITE));
    // fpatan with ST(1) empty pops onto the indefinite
    let mut cpu = with_stack(0x37F, &[F80::ONE]);
    run(&mut cpu, &[0xD9, 0xF3], 1);
    assert_eq!((cpu.state.fpu.status, top(&cpu)), (0x0041, F80::INDEFINITE));
}

#[test]
fn unmasked_invalid_changes_no_operand_but_sets_condition_codes() {
    // faddp st(1), st
    let mut cpu = with_stack(0x37E, &[number(1.5), NAN]);
    run(&mut cpu, &[0xDE, 0xC1], 1);
    assert_eq!((cpu.state.fpu.status, top(&cpu)), (0xB081, NAN));
    // fcompp
    let mut cpu = with_stack(0x37E, &[number(1.5), NAN]);
    run(&mut cpu, &[0xDE, 0xD9], 1);
    assert_eq!((cpu.state.fpu.status, top(&cpu)), (0xF581, NAN));
}

#[test]
fn unmasked_denormal_is_loaded_all_the_same() {
    let mut cpu = with_stack(0x37D, &[]);
    cpu.memory.write::<u32>(DATA, 1);
    run(&mut cpu, &[0xD9, 0x07], 1);
    assert_eq!((cpu.state.fpu.status, top(&cpu).sign_exponent), (0xB882, 0x3F6A));
}

#[test]
fn pending_exception_is_reported_by_the_next_waiting_instruction() {
    let mut cpu = with_stack(0x37B, &[F80::ZERO, F80::ONE]);
    // fdiv st, st(1); fnstsw ax; fld1
    run(&mut cpu, &[0xD8, 0xF1, 0xDF, 0xE0], 2);
    assert_eq!(raised(&cpu), None);
    assert_eq!(cpu.state.regs[gpr::RAX] as u16, 0xB084);
    run(&mut cpu, &[0xD9, 0xE8], 1);
    assert_eq!(raised(&cpu), Some(vector::MF));
    assert_eq!(top(&cpu), F80::ONE);
}

#[test]
fn fwait_reports_and_fnclex_clears() {
    let mut cpu = with_stack(0x37B, &[F80::ZERO, F80::ONE]);
    // fdiv st, st(1); fnclex; fwait
    run(&mut cpu, &[0xD8, 0xF1, 0xDB, 0xE2, 0x9B], 3);
    assert_eq!((raised(&cpu), cpu.state.fpu.status), (None, 0x3000));
    run(&mut cpu, &[0xD8, 0xF1, 0x9B], 2);
    assert_eq!(raised(&cpu), Some(vector::MF));
}

/// A bus on which only FERR# is wired: to the line, and if there are signals,
/// through a PIC as vector 75h.
struct FerrBus(Arc<AtomicBool>, Option<Arc<CpuSignals>>);

impl CpuBus for FerrBus {
    fn acknowledge_interrupt(&mut self) -> Option<u8> {
        self.1.as_ref()?.set_intr(false);
        Some(0x75)
    }
    fn ferr(&mut self, asserted: bool) {
        self.0.store(asserted, Ordering::Relaxed);
        if let Some(signals) = &self.1 {
            signals.set_intr(asserted);
        }
    }
}

#[test]
fn without_ne_an_error_drives_ferr_until_it_is_cleared() {
    let line = Arc::new(AtomicBool::new(false));
    let mut cpu = with_stack(0x37B, &[F80::ZERO, F80::ONE]);
    cpu.state.cr0 -= Cr0::NE;
    cpu.bus = Box::new(FerrBus(Arc::clone(&line), None));
    // fdiv st, st(1)
    run(&mut cpu, &[0xD8, 0xF1], 1);
    assert!(!line.load(Ordering::Relaxed));
    // fwait
    run(&mut cpu, &[0x9B], 1);
    assert!(line.load(Ordering::Relaxed));
    assert_eq!(raised(&cpu), None);
    // fnclex
    run(&mut cpu, &[0xDB, 0xE2], 1);
    assert!(!line.load(Ordering::Relaxed));
}

#[test]
fn without_ne_the_interrupt_comes_before_the_waiting_instruction() {
    let line = Arc::new(AtomicBool::new(false));
    let mut cpu = cpu16();
    prepare(&mut cpu, 0x37B, &[F80::ZERO, F80::ONE]);
    cpu.bus = Box::new(FerrBus(line, Some(Arc::clone(&cpu.signals))));
    cpu.state.set_rflags(Flags::IF);
    // Vector 75h: fnclex; iret
    cpu.memory.write::<u32>(0x75 * 4, 0x2000);
    cpu.memory.write_bytes(Gpa(0x2000), &[0xDB, 0xE2, 0xCF]).expect("RAM");
    // fdiv st, st(1); fld1
    run(&mut cpu, &[0xD8, 0xF1, 0xD9, 0xE8], 2);
    assert_eq!((cpu.state.rip, cpu.state.fpu.status), (0x2002, 0x3000));
    Interpreter::new().run(&mut cpu, 2);
    assert_eq!((cpu.state.rip, cpu.state.fpu.status), (CODE + 4, 0x2800));
}

#[test]
fn task_switched_and_emulation_make_the_x87_unavailable() {
    for (flags, code, unavailable) in [
        (Cr0::TS, [0xDB, 0xE3], true),
        (Cr0::EM, [0xD9, 0xE8], true),
        (Cr0::TS | Cr0::MP, [0x9B, 0x90], true),
        (Cr0::TS, [0x9B, 0x90], false),
        (Cr0::EM | Cr0::MP, [0x9B, 0x90], false),
    ] {
        let mut cpu = with_stack(0x37F, &[]);
        cpu.state.cr0 -= Cr0::MP;
        cpu.state.cr0 |= flags;
        run(&mut cpu, &code, 1);
        assert_eq!(raised(&cpu) == Some(vector::NM), unavailable, "{flags:?} {code:x?}");
    }
}

#[test]
fn fcomi_sets_eflags_and_fcmov_reads_them() {
    let mut cpu = with_stack(0x37F, &[number(3.0), number(2.0)]);
    cpu.state.set_rflags(Flags::OF | Flags::SF | Flags::AF | Flags::ZF);
    // fcomi st, st(1)
    run(&mut cpu, &[0xDB, 0xF1], 1);
    assert_eq!(cpu.state.rflags() & Flags::STATUS, Flags::CF);
    // fcmovnb: not taken; fcmovb: taken
    run(&mut cpu, &[0xDB, 0xC1], 1);
    assert_eq!(top(&cpu), number(2.0));
    run(&mut cpu, &[0xDA, 0xC1], 1);
    assert_eq!(top(&cpu), number(3.0));
}

#[test]
fn fxam_knows_empty_registers_and_signs() {
    for (numbers, status) in [
        (&[][..], 0x4100),
        (&[number(-1.0)], 0x3E00),
        (&[F80::ZERO.negate()], 0x7A00),
        (&[NAN], 0x3900),
        (&[F80::new(false, 1, 1)], 0x3800),
    ] {
        let mut cpu = with_stack(0x37F, numbers);
        run(&mut cpu, &[0xD9, 0xE5], 1);
        assert_eq!(cpu.state.fpu.status, status, "{numbers:x?}");
    }
}

#[test]
fn fprem_reduces_in_steps() {
    let mut cpu = with_stack(0x37F, &[number(3.0), number(2f64.powi(100))]);
    run(&mut cpu, &[0xD9, 0xF8], 1);
    assert_ne!(cpu.state.fpu.status & 0x400, 0);
    run(&mut cpu, &[0xD9, 0xF8], 1);
    // 2^100 mod 3 = 1
    assert_eq!((cpu.state.fpu.status & 0x400, top(&cpu)), (0, F80::ONE));
}

#[test]
fn control_word_has_no_other_bits_and_unmasking_makes_pending() {
    let mut cpu = with_stack(0x37F, &[F80::ZERO, F80::ONE]);
    cpu.memory.write::<u16>(DATA, 0xFFFF);
    run(&mut cpu, &[0xD9, 0x2F], 1);
    assert_eq!(cpu.state.fpu.control, 0x1F7F);
    // fdiv st, st(1) masked; then fldcw that unmasks
    run(&mut cpu, &[0xD8, 0xF1], 1);
    cpu.memory.write::<u16>(DATA, 0x037B);
    run(&mut cpu, &[0xD9, 0x2F], 1);
    assert_eq!(cpu.state.fpu.status, 0xB084);
}

#[test]
fn fnstenv_stores_tags_and_the_last_instruction_and_masks() {
    let mut cpu = with_stack(0x37E, &[NAN, F80::ZERO]);
    // fadd dword [rdi+0x40]; fnstenv [rdi]
    run(&mut cpu, &[0xD8, 0x47, 0x40, 0xD9, 0x37], 2);
    assert_eq!(word(&cpu, DATA), 0xFFFF_037E);
    assert_eq!(word(&cpu, DATA + 8), 0xFFFF_9FFF);
    assert_eq!(word(&cpu, DATA + 12), CODE as u32);
    assert_eq!(word(&cpu, DATA + 16), 0x0047_0008);
    assert_eq!(word(&cpu, DATA + 20), DATA as u32 + 0x40);
    assert_eq!(cpu.state.fpu.control, 0x37F);
}

#[test]
fn real_mode_environment_has_linear_addresses() {
    let mut cpu = cpu16();
    prepare(&mut cpu, 0x37F, &[F80::ONE]);
    cpu.state.segs[crate::SegReg::Ds as usize] = Segment::real(0x1234, 0);
    // fadd dword [di]; fnstenv es:[di]
    run(&mut cpu, &[0xD8, 0x05, 0x26, 0xD9, 0x35], 2);
    let entry = |n: u64| cpu.memory.read::<u16>(DATA + 2 * n);
    assert_eq!((entry(3), entry(4)), (CODE as u16, 0x0005));
    // 0x12340 + 0x8000
    assert_eq!((entry(5), entry(6)), (0xA340, 0x1000));
}

#[test]
fn fnsave_and_frstor_are_inverse_in_both_widths() {
    for prefix in [&[][..], &[0x66]] {
        let mut cpu = cpu32();
        prepare(&mut cpu, 0x0F3F | 0x40, &[number(1.0), number(-2.5), NAN]);
        cpu.state.fpu.rotate(2);
        let before = cpu.state.fpu;
        let save: Vec<u8> = prefix.iter().chain(&[0xDD, 0x37]).copied().collect();
        run(&mut cpu, &save, 1);
        assert_eq!((cpu.state.fpu.control, cpu.state.fpu.tag), (0x37F, 0xFFFF));
        cpu.state.fpu.regs = Default::default();
        let restore: Vec<u8> = prefix.iter().chain(&[0xDD, 0x27]).copied().collect();
        run(&mut cpu, &restore, 1);
        assert_eq!(cpu.state.fpu, before);
    }
}

#[test]
fn a_store_that_faults_changes_nothing() {
    let mut cpu = with_stack(0x37F, &[number(0.1)]);
    cpu.state.regs[gpr::RDI] = 1 << 40;
    let before = cpu.state.fpu;
    // fstp dword [rdi]
    run(&mut cpu, &[0xD9, 0x1F], 1);
    assert_eq!(raised(&cpu), Some(vector::PF));
    assert_eq!(cpu.state.fpu, before);
}

#[test]
fn fisttp_truncates_and_fbstp_stores_digits() {
    let mut cpu = with_stack(0x37F, &[number(-1234.0), number(2.75)]);
    // fisttp qword [rdi]; fbstp [rdi+16]
    run(&mut cpu, &[0xDD, 0x0F, 0xDF, 0x77, 16], 2);
    assert_eq!(word(&cpu, DATA), 2);
    assert_eq!(word(&cpu, DATA + 16), 0x1234);
    assert_eq!(cpu.memory.read::<u16>(DATA + 24), 0x8000);
}

#[test]
fn trigonometric_functions_refuse_huge_operands() {
    let huge = F80::new(false, 0x4050, 1 << 63);
    let mut cpu = with_stack(0x37F, &[huge]);
    run(&mut cpu, &[0xD9, 0xFE], 1);
    assert_eq!((cpu.state.fpu.status, top(&cpu)), (0x3C00, huge));
    // fptan pushes nothing then
    run(&mut cpu, &[0xD9, 0xF2], 1);
    assert_eq!((cpu.state.fpu.status, top(&cpu)), (0x3C00, huge));
}
