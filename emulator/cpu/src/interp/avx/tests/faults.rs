//! When VEX-encoded instructions may run, and what their encodings may have.

use super::*;
use crate::testing::run;
use crate::testing::{cpu16, cpu32};
use glassbox_x86_spec::control::{Cr0, Flags};
use glassbox_x86_spec::vector;

/// vpaddb ymm1, ymm2, ymm3
const VPADDB: [u8; 4] = [0xC5, 0xED, 0xFC, 0xCB];

#[test]
fn avx_needs_osxsave_and_both_components_but_not_osfxsr() {
    one(&mut bench(A, B), &VPADDB);
    let mut cpu = bench(A, B);
    cpu.state.cr4 -= Cr4::OSXSAVE;
    assert_eq!(raised(&mut cpu, &VPADDB), vector::UD);
    for xcr0 in [1, 3, 5] {
        let mut cpu = bench(A, B);
        cpu.state.xcr0 = xcr0;
        // #UD comes before #NM.
        cpu.state.cr0 |= Cr0::TS;
        assert_eq!(raised(&mut cpu, &VPADDB), vector::UD, "XCR0 = {xcr0}");
    }
    let mut cpu = bench(A, B);
    cpu.state.cr0 |= Cr0::TS;
    assert_eq!(raised(&mut cpu, &VPADDB), vector::NM);
    let mut cpu = bench(A, B);
    cpu.state.cr0 |= Cr0::EM;
    cpu.state.cr4 -= Cr4::OSFXSR;
    one(&mut cpu, &VPADDB);
}

#[test]
fn real_and_virtual_8086_mode_have_no_vex() {
    let enable = |mut cpu: Cpu| {
        cpu.state.cr4 |= Cr4::OSXSAVE;
        cpu.state.xcr0 = 7;
        cpu.sync();
        cpu
    };
    assert_eq!(raised(&mut enable(cpu16()), &VPADDB), vector::UD);
    one(&mut enable(cpu32()), &VPADDB);
    let mut v86 = cpu32();
    for segment in &mut v86.state.segs[..6] {
        *segment = crate::Segment::real(0, 0);
    }
    v86.state.system_flags |= Flags::VM;
    v86.state.cpl = 3;
    assert_eq!(raised(&mut enable(v86), &VPADDB), vector::UD);
}

#[test]
fn prefixes_and_fields_that_do_not_belong_are_undefined() {
    for prefix in [0xF0, 0x66, 0xF2, 0xF3, 0x48] {
        let code = [&[prefix][..], &VPADDB].concat();
        assert_eq!(raised(&mut bench(A, B), &code), vector::UD, "{prefix:#x}");
    }
    let others: [(&str, &[u8]); 6] = [
        ("vmovaps with vvvv", &[0xC5, 0xE8, 0x28, 0xCB]),
        ("vpermq of 128 bits", &[0xC4, 0xE3, 0xF9, 0x00, 0xCA, 0]),
        ("vpermq with W clear", &[0xC4, 0xE3, 0x7D, 0x00, 0xCA, 0]),
        ("vphminposuw of 256 bits", &[0xC4, 0xE2, 0x7D, 0x41, 0xCA]),
        // vgatherdps with the mask as destination, and with the index as mask.
        ("vgatherdps xmm1, [rbx+xmm2], xmm1", &[0xC4, 0xE2, 0x71, 0x92, 0x0C, 0x13]),
        ("vgatherdps xmm1, [rbx+xmm2], xmm2", &[0xC4, 0xE2, 0x69, 0x92, 0x0C, 0x13]),
    ];
    for (name, code) in others {
        assert_eq!(raised(&mut bench(A, B), code), vector::UD, "{name}");
    }
}

#[test]
fn only_the_aligned_moves_need_alignment() {
    // vmovdqa ymm1, [rbx + 16]; vmovdqu; vpaddb ymm1, ymm2, [rbx + 1]; vmovdqa xmm1
    assert_eq!(raised(&mut bench(A, B), &[0xC5, 0xFD, 0x6F, 0x4B, 16]), vector::GP);
    one(&mut bench(A, B), &[0xC5, 0xFE, 0x6F, 0x4B, 16]);
    one(&mut bench(A, B), &[0xC5, 0xED, 0xFC, 0x4B, 1]);
    one(&mut bench(A, B), &[0xC5, 0xF9, 0x6F, 0x4B, 16]);
    // vmovntdq [rbx + 16], ymm2
    assert_eq!(raised(&mut bench(A, B), &[0xC5, 0xFD, 0xE7, 0x53, 16]), vector::GP);
}

#[test]
fn an_unmasked_exception_is_xm_or_ud_and_writes_nothing() {
    let one_over_zero = ([0x3FF0_0000_0000_0000; 4], [0; 4]);
    // vdivpd ymm1, ymm2, ymm3
    let code = [0xC5, 0xED, 0x5E, 0xCB];
    for (reported, wanted) in [(true, vector::XM), (false, vector::UD)] {
        let mut cpu = bench(one_over_zero.0, one_over_zero.1);
        cpu.state.cr4.set(Cr4::OSXMMEXCPT, reported);
        cpu.state.mxcsr &= !(1 << 9);
        assert_eq!(raised(&mut cpu, &code), wanted);
        assert_eq!((cpu.state.vec[1], cpu.state.mxcsr & 0x3F), ([u64::MAX; 4], 4));
    }
}

#[test]
fn xgetbv_1_tells_which_components_are_in_use() {
    let mut cpu = bench(A, B);
    cpu.state.regs[crate::gpr::RCX] = 1;
    one(&mut cpu, &[0x0F, 0x01, 0xD0]);
    assert_eq!(cpu.state.regs[crate::gpr::RAX] & 6, 6);
    // vzeroall; xgetbv
    run(&mut cpu, &[0xC5, 0xFC, 0x77, 0x0F, 0x01, 0xD0], 2);
    assert_eq!(cpu.state.regs[crate::gpr::RAX] & 6, 0);
}
