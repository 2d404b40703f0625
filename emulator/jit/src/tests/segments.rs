//! Code in segments: real and virtual-8086 mode, 16- and 32-bit protected mode, with
//! segments of every kind and limit.

use super::*;
use expect_test::expect;
use glassbox_cpu::{SegReg, Segment};
use glassbox_x86_spec::control::{Cr0, Efer, Flags};
use glassbox_x86_spec::segment as attr;

/// How the guest runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Guest {
    Real,
    /// Real mode with limits of 4 GiB.
    Unreal,
    Virtual8086,
    Protected16,
    Protected32,
    /// 32-bit code under a 64-bit kernel.
    Compatible,
}

const GUESTS: [Guest; 6] = [
    Guest::Real,
    Guest::Unreal,
    Guest::Virtual8086,
    Guest::Protected16,
    Guest::Protected32,
    Guest::Compatible,
];

const DATA_SEGMENT: u16 = attr::P | attr::S | attr::RW;

impl Guest {
    fn is_real(self) -> bool {
        matches!(self, Self::Real | Self::Unreal | Self::Virtual8086)
    }

    fn is_32bit(self) -> bool {
        matches!(self, Self::Protected32 | Self::Compatible)
    }

    fn bits(self) -> u32 {
        if self.is_32bit() { 32 } else { 16 }
    }

    /// A data segment over [`DATA`], of the kinds there are in this mode.
    fn segment(self, random: &mut Random) -> Segment {
        let selector = random.next() as u16;
        let base = DATA + 16 * random.below(8);
        match self {
            Self::Real => Segment { base, ..Segment::real(selector, 0) },
            Self::Virtual8086 => Segment { base, ..Segment::real(selector, 3) },
            Self::Unreal => Segment { base, limit: u32::MAX, ..Segment::real(selector, 0) },
            _ => {
                let limit = [0x2FFF, 0xFFF, 0xFFFF, u32::MAX, 0x1FFE][random.below(5) as usize];
                let kind = match random.below(8) {
                    0 => attr::S | attr::P,
                    1 => DATA_SEGMENT | attr::DC,
                    2 => DATA_SEGMENT | attr::CODE,
                    3 => attr::S | attr::P | attr::CODE,
                    4 => attr::S | attr::RW,
                    _ => DATA_SEGMENT,
                };
                let base = if random.below(4) == 0 { 0 } else { base };
                Segment { base, limit, attr: kind, selector }
            }
        }
    }

    /// A processor with `code` at [`CODE`], and everything else at random.
    fn machine(self, code: &[u8], random: &mut Random) -> Cpu {
        let mut cpu = machine(code);
        randomise(&mut cpu, random);
        for n in 0..16 {
            if random.below(4) != 0 {
                cpu.state.regs[n] = random.below(0x3000) | random.below(2) << 16;
            }
            if self != Self::Compatible {
                cpu.state.regs[n] &= 0xFFFF_FFFF;
            }
        }
        let rip = [0, 0x1234, 0xFE00][random.below(3) as usize];
        for n in 0..6 {
            cpu.state.segs[n] = self.segment(random);
        }
        let s = &mut cpu.state;
        let limit = if random.below(3) == 0 { rip as u32 + 0x40 } else { 0xFFFF };
        let big = if self.is_32bit() { attr::DB } else { 0 };
        let cs = Segment { base: CODE - rip, limit, attr: DATA_SEGMENT | attr::CODE | big, selector: 8 };
        s.segs[SegReg::Cs as usize] = cs;
        let ss = &mut s.segs[SegReg::Ss as usize];
        // Now and then the stack is of the other width.
        let other = !self.is_real() && self != Self::Compatible && random.below(4) == 0;
        ss.attr |= if other { big ^ attr::DB } else { big };
        s.rip = rip;
        s.cpl = if self == Self::Virtual8086 { 3 } else { 0 };
        match self {
            Self::Real | Self::Unreal => (s.cr0, s.efer) = (Cr0::ET, Efer::empty()),
            Self::Virtual8086 => {
                (s.cr0, s.efer) = (Cr0::ET | Cr0::PE, Efer::empty());
                s.system_flags |= Flags::VM | Flags::IOPL;
            }
            Self::Protected16 | Self::Protected32 => (s.cr0, s.efer) = (Cr0::ET | Cr0::PE, Efer::empty()),
            Self::Compatible => {}
        }
        if self != Self::Compatible {
            s.cr4.remove(Cr4::PAE);
        }
        s.system_flags.set(Flags::DF, random.below(4) == 0);
        cpu.sync();
        cpu
    }
}

/// One random instruction that the lifter takes and that does not branch.
fn instruction(guest: Guest, random: &mut Random, cpu: &mut Cpu) -> Vec<u8> {
    loop {
        let mut bytes = Vec::new();
        for (prefix, rarity) in [(0x66, 6), (0x67, 6), (0xF0, 24), (0xF3, 24)] {
            if random.below(rarity) == 0 {
                bytes.push(prefix);
            }
        }
        if random.below(4) == 0 {
            bytes.push([0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65][random.below(6) as usize]);
        }
        match random.below(8) {
            0 => bytes.push(0x0F),
            // What 16-bit code is full of: stack, segments, strings.
            1 => bytes.push([0x06, 0x0E, 0x16, 0x1E, 0x07, 0x1F, 0x8C, 0x8E][random.below(8) as usize]),
            2 => bytes.push([0x50, 0x58, 0x60, 0x68, 0x6A, 0xC9, 0x8F, 0xFF][random.below(8) as usize]),
            3 => bytes.push([0xA4, 0xA5, 0xA6, 0xA7, 0xAA, 0xAB, 0xAC, 0xAD, 0xAE][random.below(9) as usize]),
            4 => bytes.push([0xC4, 0xC5, 0x8D, 0x89, 0x8B, 0xA1][random.below(6) as usize]),
            _ => {}
        }
        bytes.extend(random.next().to_le_bytes());
        bytes.extend(random.next().to_le_bytes());
        bytes.truncate(15);
        let i = Decoder::new(guest.bits(), &bytes, DecoderOptions::AMD).decode();
        if i.is_invalid() || i.flow_control() != FlowControl::Next {
            continue;
        }
        bytes.truncate(i.len());
        cpu.memory.write_bytes(Gpa(CODE), &bytes).unwrap();
        let mut interpreter = Interpreter::new();
        let Ok(block) = interpreter.block_at(cpu) else { continue };
        if !goes_on(block) {
            continue;
        }
        let block = Block::new(&block.ops[..1], block.start, None, block.mode);
        let Some(mode) = lift_mode(cpu, &block) else { continue };
        let source = Source { bytes: &bytes, ops: &block.ops, rip: cpu.state.rip, mode };
        let mut code = Code::default();
        lift(source, &mut forms(), &mut code);
        if code.interpreted == 0 || !repeats(&i) && random.below(8) == 0 {
            return bytes;
        }
    }
}

fn everything(cpu: &Cpu) -> Vec<(String, u64)> {
    let mut facts = facts(cpu);
    for (n, segment) in cpu.state.segs[..6].iter().enumerate() {
        facts.push((format!("selector {n}"), segment.selector.into()));
        facts.push((format!("base {n}"), segment.base));
        facts.push((format!("limit {n}"), segment.limit.into()));
        facts.push((format!("attributes {n}"), segment.attr.into()));
    }
    facts
}

/// Runs a block `rounds` times, as a loop does, by both engines; whether it was compiled.
fn compare(guest: Guest, code: &[u8], seed: u64, rounds: u64) -> bool {
    let prepare = || guest.machine(code, &mut Random(seed));
    let (mut expected, mut got) = (prepare(), prepare());
    let mut interpreter = Interpreter::new();
    let Ok(block) = interpreter.block_at(&mut got) else { return false };
    let count = block.ops.len() as u64 * rounds;
    let mut jit = Jit::new(0).unwrap();
    let (ops, mode) = (Arc::clone(&block.ops), lift_mode(&got, block).unwrap_or(Mode::Long));
    let compiled = jit.tier1.enter(&mut got, block, count).is_some() && jit.tier1.refused.is_none();
    Interpreter::new().run(&mut expected, count);
    let left = count.saturating_sub(got.state.retired);
    interpreter.run(&mut got, left);
    let pairs = everything(&expected).into_iter().zip(everything(&got)).filter(|(a, b)| a != b);
    let shown: String = pairs.map(|(a, b)| format!("{}: expected {:x}, got {:x}\n", a.0, a.1, b.1)).collect();
    let source = Source { bytes: code, ops: &ops, rip: 0, mode };
    let guest_code = crate::dump::guest(source, &jit.tier1.code, 0);
    let before = prepare();
    assert!(
        shown.is_empty(),
        "{guest:?}, seed {seed}, {rounds} rounds\n{shown}\n{guest_code}\n{code:02x?}\n{:x?}\n{:x?}",
        &before.state.segs[..6],
        &before.state.regs[..16],
    );
    compiled
}

#[test]
fn random_blocks_in_segments_do_what_the_interpreter_does() {
    let mut random = Random(0x8CB9_2BA7_2F3D_8DD7);
    for guest in GUESTS {
        let mut cpu = guest.machine(&[], &mut random);
        let (mut compiled, cases) = (0, cases(1000));
        for _ in 0..cases {
            let mut code = Vec::new();
            for _ in 0..=random.below(6) {
                code.extend(instruction(guest, &mut random, &mut cpu));
            }
            code.extend([0xEB, 0x00]);
            compiled += u32::from(compare(guest, &code, random.next() | 1, 1));
        }
        assert!(compiled > cases / 2, "{guest:?}: only {compiled} of {cases} ran compiled");
    }
}

#[test]
fn random_loops_in_segments_do_what_the_interpreter_does() {
    let mut random = Random(0xE703_7ED1_A0B4_28DB);
    for guest in GUESTS {
        let mut cpu = guest.machine(&[], &mut random);
        for _ in 0..cases(300) {
            let mut code = Vec::new();
            for _ in 0..=random.below(4) {
                code.extend(instruction(guest, &mut random, &mut cpu));
            }
            // jmp, loop or jnz back, and one that goes on.
            let back = -(code.len() as i64 + 2) as i8;
            code.extend([[0xEB, 0xE2, 0x75][random.below(3) as usize], back as u8, 0xEB, 0x00]);
            compare(guest, &code, random.next() | 1, 5);
        }
    }
}

#[test]
fn branches_in_segments_go_where_the_interpreter_goes() {
    let mut random = Random(0x5897_89E6_C3A2_19F5);
    for guest in GUESTS {
        let mut cpu = guest.machine(&[], &mut random);
        for _ in 0..cases(1000) {
            let mut code = instruction(guest, &mut random, &mut cpu);
            for prefix in [0x66, 0x67] {
                if random.below(4) == 0 {
                    code.push(prefix);
                }
            }
            match random.below(6) {
                0 => code.push(0x70 | random.below(16) as u8),
                1 => code.extend([0x0F, 0x80 | random.below(16) as u8]),
                2 => code.push(0xE0 | random.below(4) as u8),
                3 => code.push([0xE8, 0xE9, 0xEB][random.below(3) as usize]),
                4 => code.push([0xC2, 0xC3][random.below(2) as usize]),
                // call, jmp or push of anything
                _ => code.extend([
                    0xFF,
                    random.next() as u8 & 0xC7 | [0x10, 0x20, 0x30][random.below(3) as usize],
                ]),
            }
            code.extend((random.next() & 0x00FF_00FF).to_le_bytes());
            compare(guest, &code, random.next() | 1, 1);
        }
    }
}

#[test]
fn steps_of_real_mode() {
    // again: mov ds, ax; add [bx + si - 2], dl; push 5; lodsb; loop again
    let bytes = [0x8E, 0xD8, 0x00, 0x50, 0xFE, 0x6A, 0x05, 0xAC, 0xE2, 0xF6];
    let mut cpu = real_mode(&bytes);
    let mut interpreter = Interpreter::new();
    let block = interpreter.block_at(&mut cpu).expect("the code is mapped");
    let mode = lift_mode(&cpu, block).expect("it is compiled");
    let mut code = Code::default();
    lift(Source { bytes: &bytes, ops: &block.ops, rip: 0, mode }, &mut forms(), &mut code);
    optimise(&mut code);
    expect![[r#"
        #0
            ds = rax
        #1
            cell = write 1 ds:[word rbx + rsi + 0xfffe]
            add cell, rdx .8                         ; oszapc
        #2
            cell = write 2 ss:[word rsp - 0x2]
            cell = 5 .16
            rsp = address [rsp - 0x2] .16
        #3
            upwards
            cell = read 1 ds:[word rsi]
            rax = cell .8
            rsi = address [rsi + 0x1] .16
        #4
            rcx = address [rcx - 0x1] .16
            jump 0x0 if rcx != 0 .16 else 0xa
    "#]]
    .assert_eq(&crate::ir::show(&code));
}

/// Where a real-mode program is, at offset 0 of a segment.
const PROGRAM: u64 = 0x8000;

/// A program of 16-bit code, in real mode with all segments at [`DATA`] but the code's.
fn real_mode(code: &[u8]) -> Cpu {
    let mut cpu = Guest::Real.machine(&[], &mut Random(7));
    cpu.memory.write_bytes(Gpa(PROGRAM), code).unwrap();
    let s = &mut cpu.state;
    (s.rip, s.system_flags) = (0, Flags::empty());
    for n in 0..6 {
        s.segs[n] = Segment { base: DATA, ..Segment::real((DATA >> 4) as u16, 0) };
    }
    s.segs[SegReg::Cs as usize] = Segment::real((PROGRAM >> 4) as u16, 0);
    s.regs[..16].fill(0);
    s.regs[4] = 0x1000;
    // Interrupt 3 is served at 10h.
    cpu.memory.write_bytes(Gpa(12), &[0x10, 0x00, (PROGRAM >> 4) as u8, (PROGRAM >> 12) as u8]).unwrap();
    cpu.sync();
    cpu
}

/// Runs a program by both engines; what the compiler did.
fn run_both(code: &[u8], count: u64) -> crate::JitStats {
    let (mut expected, mut got) = (real_mode(code), real_mode(code));
    Interpreter::new().run(&mut expected, count);
    let mut jit = Jit::new(1 << 20).unwrap();
    jit.run(&mut got, count);
    assert_eq!(everything(&got), everything(&expected));
    jit.counters()
}

/// Runs a program that stays in compiled code once it is hot.
fn run_hot(code: &[u8], count: u64) {
    let counters = run_both(code, count);
    assert!(counters.retired > count / 2 && counters.entries < 200, "{counters:?}");
}

#[test]
fn far_calls_between_segments_stay_in_compiled_code() {
    // again: inc cx; push cs; call 20h (as a far call does); mov ds, ax; jmp again
    // 20h: add dx, cx; retf
    let mut code = vec![0x41, 0x0E, 0xE8, 0x1B, 0x00, 0x8E, 0xD8, 0xEB, 0xF7];
    code.resize(0x20, 0x90);
    code.extend([0x01, 0xCA, 0xCB]);
    run_hot(&code, 40_000);
}

#[test]
fn the_same_offset_in_two_code_segments_is_two_targets() {
    // 0: inc cx; mov ax, cs; xor ax, 1; push ax; push bx; retf: goes to 0 one paragraph on
    // or back, where the same bytes lie again.
    let block = [0x41, 0x8C, 0xC8, 0x83, 0xF0, 0x01, 0x50, 0x53, 0xCB];
    let mut code = block.to_vec();
    code.resize(16, 0x90);
    // In the other segment it counts down.
    code.extend([0x49]);
    code.extend(&block[1..]);
    run_hot(&code, 60_000);
}

#[test]
fn an_interrupt_through_the_vector_table_is_served_in_compiled_code() {
    // again: int 3; dec dx; jmp again; 10h: inc cx; iret
    let mut code = vec![0xCC, 0x4A, 0xEB, 0xFC];
    code.resize(0x10, 0x90);
    code.extend([0x41, 0xCF]);
    run_hot(&code, 50_000);
}

#[test]
fn a_stack_is_switched_in_the_shadow_of_its_segment() {
    // again: mov ax, ss; mov ss, ax; mov sp, 800h; push cx; inc cx; pop dx; jmp again
    run_hot(&[0x8C, 0xD0, 0x8E, 0xD0, 0xBC, 0x00, 0x08, 0x51, 0x41, 0x5A, 0xEB, 0xF4], 50_000);
}

#[test]
fn immediates_that_16_bit_code_writes_into_itself_are_those_it_loads() {
    // again: inc word cs:[7]; mov ax, 0; add cx, ax; jmp again
    run_both(&[0x2E, 0xFF, 0x06, 0x06, 0x00, 0xB8, 0x00, 0x00, 0x01, 0xC1, 0xEB, 0xF4], 4_000);
}

#[test]
fn variables_and_a_stack_among_the_code_are_stored_without_the_interpreter() {
    // again: add [200h], cx; push cx; inc cx; pop dx; jmp again, all in the code's segment
    let code = [0x01, 0x0E, 0x00, 0x02, 0x51, 0x41, 0x5A, 0xEB, 0xF7];
    let prepare = || {
        let mut cpu = real_mode(&code);
        for n in [SegReg::Ss, SegReg::Ds] {
            cpu.state.segs[n as usize] = cpu.state.segs[SegReg::Cs as usize];
        }
        cpu.state.regs[4] = 0x800;
        cpu.sync();
        cpu
    };
    let (mut expected, mut got) = (prepare(), prepare());
    Interpreter::new().run(&mut expected, 50_000);
    let mut jit = Jit::new(1 << 20).unwrap();
    jit.run(&mut got, 50_000);
    assert_eq!(everything(&got), everything(&expected));
    let sum = |cpu: &Cpu| cpu.memory.read::<u16>(PROGRAM + 0x200);
    assert!(sum(&got) == sum(&expected) && sum(&got) != 0);
    let (fills, _) = got.tlb_counts();
    assert!(fills < 100, "{fills} translations");
}
