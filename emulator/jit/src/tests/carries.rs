//! Chains of carries whose links are in memory: across pages, and with page faults between
//! two links, which have to push the flags as they are.

use super::{CODE, DATA, Random, cases, compare_machines, machine, randomise};
use glassbox_cpu::Cpu;
use glassbox_memory::Gpa;

/// Where the code that handles #PF is, and a word that it adds the pushed flags to.
const HANDLER: u64 = CODE + 0x800;
const IDT: u64 = 0x9000;
const GDT: u64 = 0xA000;

/// Makes the page present, and goes on.
const HANDLE: [u8; 46] = [
    0x50, // push rax
    0x48, 0x8B, 0x44, 0x24, 0x20, // mov rax, [rsp + 32]: the flags
    0x48, 0x01, 0x04, 0x25, 0, 0x40, 0x30, 0, // add [304000h], rax
    0x48, 0xC1, 0x04, 0x25, 0, 0x40, 0x30, 0, 5, // rol qword [304000h], 5
    0x0F, 0x20, 0xD0, // mov rax, cr2
    0x48, 0xC1, 0xE8, 12, // shr rax, 12
    0x80, 0x0C, 0xC5, 0, 0, 0x21, 0, 1,    // or byte [8 * rax + 210000h], 1
    0x58, // pop rax
    0x48, 0x83, 0xC4, 8, // add rsp, 8
    0x48, 0xCF, // iretq
    0x90,
];

/// ModRM and what follows it: a register and memory around RSI, RDI, RBP or R13, near a
/// place that need not be aligned. Second, what is in REX.RXB.
fn operands(random: &mut Random, reg: u8) -> (Vec<u8>, u8) {
    let base = [6, 7, 5, 13][random.below(4) as usize];
    let disp = random.below(128) as u8 ^ 0xC0;
    let rex = reg >> 3 << 2 | base >> 3;
    if random.below(4) == 0 {
        // The index is R14.
        return (vec![0x44 | (reg & 7) << 3, 0x30 | base & 7, disp], rex | 2);
    }
    (vec![0x40 | (reg & 7) << 3 | base & 7, disp], rex)
}

/// A link of a chain, or something between two.
fn link(random: &mut Random, code: &mut Vec<u8>) {
    const REGISTERS: [u8; 8] = [0, 1, 2, 3, 8, 9, 11, 12];
    let reg = REGISTERS[random.below(8) as usize];
    let (tail, rex) = operands(random, reg);
    let head: &[u8] = match random.below(20) {
        0..=3 => {
            let low = REGISTERS[random.below(8) as usize];
            let wide = (random.below(4) != 0) as u8;
            code.extend([0xC4, !rex << 5 | 2, wide << 7 | (!low & 15) << 3 | 3, 0xF6]);
            code.extend(tail);
            return;
        }
        n @ 4..=9 => {
            code.push(if n < 7 { 0x66 } else { 0xF3 });
            &[0x0F, 0x38, 0xF6]
        }
        10 => &[0x13],
        11 => &[0x1B],
        12 => &[0x11],
        13 => &[0x19],
        14 => &[0x8B],
        15 => &[0x89],
        16 => &[0x03],
        17 => &[0x0F, 0x42],
        18 => &[0x10],
        _ => {
            // mul
            code.extend([0x48 | rex & 3, 0xF7, tail[0] & 0xC7 | 0x20]);
            code.extend(&tail[1..]);
            return;
        }
    };
    code.push(0x48 | rex);
    code.extend(head);
    code.extend(tail);
}

fn prepare(code: &[u8], seed: u64) -> Cpu {
    let mut cpu = machine(code);
    randomise(&mut cpu, &mut Random(seed));
    let put = |at: u64, bytes: &[u8]| cpu.memory.write_bytes(Gpa(at), bytes).expect("RAM");
    put(HANDLER, &HANDLE);
    put(IDT + 16 * 14, &(8 << 16 | (HANDLER & 0xFFFF) | 0x8E00 << 32 | HANDLER >> 16 << 48).to_le_bytes());
    put(GDT + 8, &0x00AF_9B00_0000_FFFF_u64.to_le_bytes());
    put(GDT + 16, &0x00CF_9300_0000_FFFF_u64.to_le_bytes());
    // The pages behind the first are not present.
    for page in [1, 2, 3] {
        let address = DATA + (page << 12);
        put(0x21_0000 + 8 * (address >> 12), &(address | 6).to_le_bytes());
    }
    let state = &mut cpu.state;
    (state.idtr.base, state.idtr.limit) = (IDT, 0xFFF);
    (state.gdtr.base, state.gdtr.limit) = (GDT, 0x17);
    let mut random = Random(seed);
    for n in [6, 7, 5, 13] {
        state.regs[n] = DATA + 0x200 + random.below(0xE00);
    }
    state.regs[4] = 0x8000;
    state.regs[14] = random.below(64);
    state.regs[15] = 150;
    cpu.sync();
    cpu
}

#[test]
fn chains_of_carries_cross_pages_and_fault() {
    let mut random = Random(0x94D0_49BB_1331_11EB);
    for _ in 0..cases(200) {
        let mut code = Vec::new();
        for _ in 0..4 + random.below(12) {
            link(&mut random, &mut code);
        }
        // The pointers go on, and the way back keeps CF: lea r, [r + n]; dec r15; jnz
        for lea in [&[0x48, 0x8D, 0x76][..], &[0x48, 0x8D, 0x7F], &[0x48, 0x8D, 0x6D], &[0x4D, 0x8D, 0x6D]] {
            code.extend(lea);
            code.push(random.below(48) as u8);
        }
        code.extend([0x49, 0xFF, 0xCF, 0x0F, 0x85]);
        code.extend((-(code.len() as i32) - 4).to_le_bytes());
        code.extend([0xEB, 0xFE]);
        let seed = random.next() | 1;
        compare_machines(|| prepare(&code, seed), 500 + random.below(1500));
    }
}
