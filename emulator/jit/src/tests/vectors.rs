//! SSE, AVX and bit manipulation, close together: few registers, so that results are
//! operands again, and memory that is there.

use super::*;

/// One random instruction of these that has a lowering.
fn vector_instruction(random: &mut Random, cpu: &mut Cpu) -> Vec<u8> {
    loop {
        let mut bytes = Vec::new();
        match random.below(3) {
            0 => {
                bytes.extend([None, Some(0x66), Some(0xF2), Some(0xF3)][random.below(4) as usize]);
                if random.below(3) == 0 {
                    bytes.push(0x40 | random.below(16) as u8);
                }
                bytes.push(0x0F);
                bytes.extend([None, None, Some(0x38), Some(0x3A)][random.below(4) as usize]);
            }
            1 => bytes.extend([0xC5, random.next() as u8]),
            _ => {
                let map = 1 + random.below(3) as u8;
                bytes.extend([0xC4, 0xE0 & random.next() as u8 | map, random.next() as u8]);
            }
        }
        bytes.push(random.next() as u8);
        match random.below(3) {
            0 => bytes.push(random.next() as u8),
            1 => bytes.push(0xC0 | random.next() as u8 & 0x1B),
            // [rsp + 16 n]
            _ => bytes.extend([random.next() as u8 & 0x18 | 0x44, 0x24, random.next() as u8 & 0x70]),
        }
        bytes.extend(random.next().to_le_bytes());
        bytes.truncate(15);
        let Some((_, op)) = cut_to_one(&mut bytes, cpu) else { continue };
        if lifts_alone(op, &bytes) {
            return bytes;
        }
    }
}

#[test]
fn random_vectors_do_what_the_interpreter_does() {
    let mut random = Random(0xB492_B66F_BE98_F273);
    let mut cpu = machine(&[]);
    for n in 0..cases(2000) {
        let mut code = Vec::new();
        for _ in 0..=random.below(7) {
            code.extend(vector_instruction(&mut random, &mut cpu));
        }
        let seed = random.next() | 1;
        let back = -(code.len() as i64 + 2) as i8;
        if n % 3 == 0 && code.len() < 120 {
            code.extend([0xEB, back as u8]);
            compare(&code, seed, 4);
        } else {
            code.extend([0xEB, 0x00]);
            compare(&code, seed, 1);
        }
    }
}

/// MOVSD XMM0, \[RSP\]; an operation of XMM0 and XMM1; UCOMISD XMM0, XMM1; MOVSD \[RSP + 8\],
/// XMM0: with numbers where the hosts' units differ.
#[test]
fn numbers_at_the_edges_are_those_of_the_interpreter() {
    const EDGES: [u64; 12] = [
        0,
        1 << 63,
        1,
        0x000F_FFFF_FFFF_FFFF,
        0x0010_0000_0000_0000,
        0x8010_0000_0000_0001,
        0x3FE0_0000_0000_0000,
        0x3FF0_0000_0000_0001,
        0x7FEF_FFFF_FFFF_FFFF,
        0x7FF0 << 48,
        0xFFF8_0000_0000_0001,
        0x7FF0_0000_0000_0001,
    ];
    for a in EDGES {
        for b in EDGES {
            for operation in [0x58, 0x59, 0x5C, 0x5D, 0x5E, 0x5F, 0x51, 0x5A, 0x2D, 0x2C] {
                let code = [
                    0xF2, 0x0F, 0x10, 0x04, 0x24, 0xF2, 0x0F, operation, 0xC1, 0x66, 0x0F, 0x2E, 0xC1, 0xF2,
                    0x0F, 0x11, 0x44, 0x24, 0x08, 0xEB, 0x00,
                ];
                let run = |compiled: bool| {
                    let mut cpu = machine(&code);
                    cpu.memory.write_bytes(Gpa(0x8000), &a.to_le_bytes()).unwrap();
                    cpu.state.vec[1][0] = b;
                    cpu.state.mxcsr = 0x1F80;
                    cpu.sync();
                    if compiled {
                        let mut jit = Jit::new(0).unwrap();
                        jit.execute(&mut cpu, 5).unwrap();
                        assert_eq!(jit.counters().instructions, 5);
                    }
                    let left = 5 - cpu.state.retired;
                    Interpreter::new().run(&mut cpu, left);
                    facts(&cpu)
                };
                assert!(run(true) == run(false), "{operation:x} of {a:#x} and {b:#x}");
            }
        }
    }
}
