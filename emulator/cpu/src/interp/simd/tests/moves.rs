use super::*;
use crate::gpr;

#[test]
fn scalar_loads_clear_and_scalar_register_moves_keep() {
    let low = |bits: u32| (1u128 << bits) - 1;
    assert_eq!(xmm1(A, B, &[0xF3, 0x0F, 0x10, 0x0B]), B & low(32));
    assert_eq!(xmm1(A, B, &[0xF3, 0x0F, 0x10, 0xCA]), A & !low(32) | B & low(32));
    assert_eq!(xmm1(A, B, &[0xF2, 0x0F, 0x10, 0x0B]), B & low(64));
    assert_eq!(xmm1(A, B, &[0xF2, 0x0F, 0x10, 0xCA]), A & !low(64) | B & low(64));
    assert_eq!(xmm1(A, B, &[0xF3, 0x0F, 0x7E, 0xCA]), B & low(64));
    assert_eq!(xmm1(A, B, &[0x66, 0x0F, 0xD6, 0xD1]), B & low(64));
}

#[test]
fn halves_move_up_and_down() {
    let low = u128::from(u64::MAX);
    assert_eq!(xmm1(A, B, &[0x0F, 0x12, 0x0B]), A & !low | B & low);
    assert_eq!(xmm1(A, B, &[0x0F, 0x16, 0x0B]), A & low | B << 64);
    assert_eq!(xmm1(A, B, &[0x0F, 0x12, 0xCA]), A & !low | B >> 64);
    assert_eq!(xmm1(A, B, &[0x0F, 0x16, 0xCA]), A & low | B << 64);
    // movhps [rbx], xmm1
    let mut cpu = bench(A, B);
    one(&mut cpu, &[0x0F, 0x17, 0x0B]);
    assert_eq!(memory(&cpu, 0), B & !low | A >> 64);
}

#[test]
fn stores_write_as_much_as_they_should() {
    let cases: [(&[u8], u32); 5] = [
        (&[0xF3, 0x0F, 0x11, 0x0B], 32),
        (&[0xF2, 0x0F, 0x11, 0x0B], 64),
        (&[0x66, 0x0F, 0xD6, 0x0B], 64),
        (&[0x66, 0x0F, 0x7E, 0x0B], 32),
        (&[0x66, 0x48, 0x0F, 0x7E, 0x0B], 64),
    ];
    for (code, bits) in cases {
        let mut cpu = bench(!A, B);
        one(&mut cpu, code);
        let mask = (1u128 << bits) - 1;
        assert_eq!(memory(&cpu, 0), B & !mask | !A & mask, "{code:x?}");
    }
    let whole: [&[u8]; 4] =
        [&[0x0F, 0x29, 0x0B], &[0x66, 0x0F, 0x7F, 0x0B], &[0x0F, 0x2B, 0x0B], &[0x66, 0x0F, 0xE7, 0x0B]];
    for code in whole {
        let mut cpu = bench(A, B);
        one(&mut cpu, code);
        assert_eq!(memory(&cpu, 0), A, "{code:x?}");
    }
}

#[test]
fn general_registers_exchange_with_vectors() {
    let mut cpu = bench(A, B);
    cpu.state.regs[gpr::RAX] = 0x8877_6655_4433_2211;
    one(&mut cpu, &[0x66, 0x0F, 0x6E, 0xC8]);
    assert_eq!(cpu.xmm(1), 0x4433_2211);
    one(&mut cpu, &[0x66, 0x48, 0x0F, 0x6E, 0xC8]);
    assert_eq!(cpu.xmm(1), 0x8877_6655_4433_2211);
    one(&mut cpu, &[0x66, 0x0F, 0x7E, 0xD0]);
    assert_eq!(cpu.state.regs[gpr::RAX], B as u64 & 0xFFFF_FFFF);
    // pmovmskb eax, xmm2; movmskps eax, xmm2; movmskpd eax, xmm2
    one(&mut cpu, &[0x66, 0x0F, 0xD7, 0xC2]);
    assert_eq!(cpu.state.regs[gpr::RAX], 0xFF00);
    one(&mut cpu, &[0x0F, 0x50, 0xC2]);
    assert_eq!(cpu.state.regs[gpr::RAX], 0b1100);
    one(&mut cpu, &[0x66, 0x0F, 0x50, 0xC2]);
    assert_eq!(cpu.state.regs[gpr::RAX], 0b10);
    // movnti [rbx], rax
    cpu.state.regs[gpr::RAX] = u64::MAX;
    one(&mut cpu, &[0x48, 0x0F, 0xC3, 0x03]);
    assert_eq!(memory(&cpu, 0), B | u128::from(u64::MAX));
}

#[test]
fn mmx_moves_make_the_x87_registers_valid() {
    let mut cpu = bench(A, B);
    cpu.state.fpu.status = 3 << 11;
    cpu.state.fpu.tag = 0xFFFF;
    // movq mm1, [rbx]
    one(&mut cpu, &[0x0F, 0x6F, 0x0B]);
    let register = cpu.state.fpu.regs[1];
    assert_eq!((register.significand, register.sign_exponent), (B as u64, 0xFFFF));
    assert_eq!((cpu.state.fpu.status, cpu.state.fpu.tag), (0, 0));
    // movq2dq xmm1, mm1; movdq2q mm2, xmm2
    one(&mut cpu, &[0xF3, 0x0F, 0xD6, 0xC9]);
    assert_eq!(cpu.xmm(1), u128::from(B as u64));
    one(&mut cpu, &[0xF2, 0x0F, 0xD6, 0xD2]);
    assert_eq!(cpu.mm(2), B as u64);
    // emms
    one(&mut cpu, &[0x0F, 0x77]);
    assert_eq!(cpu.state.fpu.tag, 0xFFFF);
}

#[test]
fn masked_stores_write_only_chosen_bytes() {
    let mut cpu = bench(A, 0x80 << 8 | 0x80 << 120);
    cpu.state.regs[gpr::RDI] = DATA + 0x21;
    // maskmovdqu xmm1, xmm2
    one(&mut cpu, &[0x66, 0x0F, 0xF7, 0xCA]);
    assert_eq!(cpu.memory.read::<u128>(DATA + 0x21), 0x01 << 8 | 0x0F << 120);
    // All bytes are checked, even with an empty mask: manuals leave it open,
    // AMD silicon does it.
    cpu.set_xmm(2, 0);
    cpu.state.regs[gpr::RDI] = 1 << 40;
    assert_eq!(raised(&mut cpu, &[0x66, 0x0F, 0xF7, 0xCA]), vector::PF);
}

#[test]
fn duplicating_moves() {
    assert_eq!(xmm1(A, B, &[0xF2, 0x0F, 0x12, 0xCA]), 0x7766_5544_3322_1100_7766_5544_3322_1100);
    assert_eq!(xmm1(A, B, &[0xF3, 0x0F, 0x16, 0xCA]), 0xFFEE_DDCC_FFEE_DDCC_7766_5544_7766_5544);
    assert_eq!(xmm1(A, B, &[0xF3, 0x0F, 0x12, 0xCA]), 0xBBAA_9988_BBAA_9988_3322_1100_3322_1100);
}

#[test]
fn masked_stores_obey_segment_overrides_and_address_size() {
    use crate::Segment;
    use crate::state::SegReg;
    use glassbox_x86_spec::control::Cr4;
    let mut cpu = crate::testing::cpu16();
    cpu.state.cr4 |= Cr4::OSFXSR;
    cpu.state.segs[SegReg::Fs as usize] = Segment::real(0x800, 0);
    cpu.sync();
    cpu.set_xmm(1, A);
    cpu.set_xmm(2, 0x80 << 24);
    cpu.state.regs[gpr::RDI] = 0x5_0010;
    // fs maskmovdqu xmm1, xmm2: only DI counts
    one(&mut cpu, &[0x64, 0x66, 0x0F, 0xF7, 0xCA]);
    assert_eq!(memory(&cpu, 0x10), 3 << 24);
}
