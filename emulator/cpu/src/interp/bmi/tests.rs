//! Known answers, and where the encodings do not exist.

use crate::state::gpr::{RAX, RBX, RCX, RDX};
use crate::testing::{cpu16, cpu32, cpu64, fault, run};
use crate::{Cpu, Exit};
use glassbox_x86_spec::control::Flags;
use glassbox_x86_spec::vector;
use std::sync::Arc;

/// RAX after one instruction on RBX and RCX.
fn rax(code: &[u8], rbx: u64, rcx: u64) -> (u64, Cpu) {
    let mut cpu = cpu64();
    (cpu.state.regs[RBX], cpu.state.regs[RCX]) = (rbx, rcx);
    assert_eq!(run(&mut cpu, code, 1), Exit::Budget);
    assert!(cpu.fault_chain.is_empty(), "{:?}", cpu.fault_chain);
    (cpu.state.regs[RAX], cpu)
}

/// `andn eax, ebx, ecx`
const ANDN: [u8; 5] = [0xC4, 0xE2, 0x60, 0xF2, 0xC1];

#[test]
fn fields_are_cut_at_the_operand_and_may_start_past_it() {
    // bextr rax, rbx, rcx
    let bextr = |source, control| rax(&[0xC4, 0xE2, 0xF0, 0xF7, 0xC3], source, control).0;
    assert_eq!(bextr(0x1234_5678_9ABC_DEF0, 12 << 8 | 4), 0xDEF);
    assert_eq!(bextr(0x1234_5678_9ABC_DEF0, 0xFF << 8 | 60), 1);
    assert_eq!(bextr(u64::MAX, 8 << 8 | 64), 0);
    assert_eq!(bextr(u64::MAX, 8 << 8 | 200), 0);
    assert_eq!(bextr(u64::MAX, 64 << 8), u64::MAX);
    assert_eq!(bextr(u64::MAX, 0x1_0000), 0, "the control word has 16 bits");
}

#[test]
fn lowest_bits_and_what_carry_says_of_zero() {
    // vvvv is EAX: blsr, blsmsk, blsi eax, ebx
    let group = |n: u8, source| {
        let (value, cpu) = rax(&[0xC4, 0xE2, 0x78, 0xF3, 0xC3 | n << 3], source, 0);
        (value, cpu.state.status.cf(), cpu.state.status.zf())
    };
    assert_eq!((group(1, 0b1100), group(1, 0)), ((0b1000, false, false), (0, true, true)));
    assert_eq!((group(2, 0b1100), group(2, 0)), ((0b0111, false, false), (0xFFFF_FFFF, true, false)));
    assert_eq!((group(3, 0b1100), group(3, 0)), ((0b0100, true, false), (0, false, true)));
}

#[test]
fn bits_are_deposited_and_extracted_by_a_mask() {
    let mask = 0xFF00_FF00_0F0F_0001;
    // pdep rax, rbx, rcx
    let (spread, _) = rax(&[0xC4, 0xE2, 0xE3, 0xF5, 0xC1], 0x012A_BCD5, mask);
    assert_eq!(spread, 0x9500_5E00_060A_0001);
    // pext rax, rbx, rcx
    assert_eq!(rax(&[0xC4, 0xE2, 0xE2, 0xF5, 0xC1], spread, mask).0, 0x012A_BCD5);
    assert_eq!(rax(&[0xC4, 0xE2, 0xE2, 0xF5, 0xC1], 0x1234, u64::MAX).0, 0x1234);
}

#[test]
fn mulx_gives_one_destination_the_upper_half_and_leaves_flags() {
    let mut cpu = cpu64();
    (cpu.state.regs[RDX], cpu.state.regs[RCX]) = (u64::MAX, 3);
    cpu.state.status.set_cf(true);
    // mulx rax, rbx, rcx
    run(&mut cpu, &[0xC4, 0xE2, 0xE3, 0xF6, 0xC1], 1);
    assert_eq!((cpu.state.regs[RAX], cpu.state.regs[RBX]), (2, u64::MAX - 2));
    // mulx rax, rax, rcx
    run(&mut cpu, &[0xC4, 0xE2, 0xFB, 0xF6, 0xC1], 1);
    assert_eq!((cpu.state.regs[RAX], cpu.state.status.cf()), (2, true));
}

#[test]
fn two_chains_of_additions_do_not_meet() {
    let mut cpu = cpu64();
    (cpu.state.regs[RAX], cpu.state.regs[RBX]) = (u64::MAX, 1);
    cpu.state.status.set_of(true);
    // adcx rax, rbx; adox rax, rbx
    run(&mut cpu, &[0x66, 0x48, 0x0F, 0x38, 0xF6, 0xC3, 0xF3, 0x48, 0x0F, 0x38, 0xF6, 0xC3], 2);
    let status = cpu.state.status;
    assert_eq!((cpu.state.regs[RAX], status.cf(), status.of()), (2, true, false));
}

#[test]
fn vex_does_not_exist_in_real_and_virtual_8086_mode() {
    assert_eq!(fault(&mut cpu16(), &ANDN).map(|f| f.0), Some(vector::UD));
    let mut v86 = cpu32();
    v86.state.system_flags |= Flags::VM;
    v86.state.cpl = 3;
    v86.sync();
    assert_eq!(fault(&mut v86, &ANDN).map(|f| f.0), Some(vector::UD));
    let mut protected = cpu32();
    protected.state.regs[RCX] = 5;
    run(&mut protected, &ANDN, 1);
    assert_eq!(protected.state.regs[RAX], 5);
}

#[test]
fn encodings_that_vex_reserves_are_undefined() {
    let mut long = ANDN;
    long[2] |= 4;
    let with_prefix = |prefix: u8| [&[prefix][..], &ANDN].concat();
    // RORX has no second source: VEX.vvvv must be ones.
    let rorx = [0xC4, 0xE3, 0x63, 0xF0, 0xC1, 3];
    let refused = [
        long.to_vec(),
        with_prefix(0xF0),
        with_prefix(0x66),
        with_prefix(0xF2),
        with_prefix(0xF3),
        with_prefix(0x48),
        rorx.to_vec(),
    ];
    for code in refused {
        assert_eq!(fault(&mut cpu64(), &code).map(|f| f.0), Some(vector::UD), "{code:02x?}");
    }
}

#[test]
fn a_model_without_the_feature_has_no_such_instruction() {
    for (feature, code) in [("bmi1", &ANDN[..]), ("bmi2", &[0xC4, 0xE3, 0x7B, 0xF0, 0xC1, 3])] {
        let mut cpu = cpu64();
        cpu.model = Arc::new(format!("max,-{feature}").parse().expect("a model"));
        assert_eq!(fault(&mut cpu, code).map(|f| f.0), Some(vector::UD), "{feature}");
    }
}
