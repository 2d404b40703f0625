//! Compiled code against the interpreter, on random instructions and states.

#[path = "tests/carries.rs"]
mod carries;
#[cfg(target_arch = "x86_64")]
#[path = "tests/privilege.rs"]
mod privilege;
#[path = "tests/programs.rs"]
mod programs;
#[path = "tests/segments.rs"]
mod segments;
#[cfg(target_arch = "x86_64")]
#[path = "tests/system.rs"]
mod system;
#[path = "tests/vectors.rs"]
mod vectors;

use super::*;
use crate::lift::Source;
use glassbox_benches::{CODE, machine};
use glassbox_cpu::{LazyFlags, X87Register};
use glassbox_memory::Gpa;
use iced_x86::{Decoder, DecoderOptions, FlowControl};

/// xorshift64*: the same cases every time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    /// Two single or one double number, many of them special.
    fn float(&mut self) -> u64 {
        match self.below(6) {
            0 => self.next(),
            1 => (self.next() as i16 as f64).to_bits(),
            2 => {
                u64::from((self.next() as i8 as f32).to_bits()) << 32
                    | u64::from((self.next() as f32).to_bits())
            }
            3 => [0, 1 << 63, 0x7FF0 << 48, 0x7FF8 << 48, 0x7FF0_0000_0000_0001, 1][self.below(6) as usize],
            4 => {
                [0x7F80_0000_FF80_0001, 0x8000_0000_0000_0001, 0x7FC0_0000_0080_0000][self.below(3) as usize]
            }
            _ => self.operand(),
        }
    }

    /// Values near what matters: zero, ones, signs, and addresses of data.
    fn operand(&mut self) -> u64 {
        match self.below(8) {
            0 => self.below(3),
            1 => u64::MAX << self.below(64),
            2 => 1 << self.below(64),
            3 | 5 | 6 => self.next(),
            4 => self.next() as u32 as i32 as i64 as u64,
            _ => DATA + self.below(0x2000),
        }
    }
}

const DATA: u64 = 0x30_0000;

/// How many random cases a test runs: all of `n`, or with `GLASSBOX_QUICK_TESTS`,
/// which emulated hosts set, a tenth.
fn cases(n: u32) -> u32 {
    if std::env::var_os("GLASSBOX_QUICK_TESTS").is_some() { n / 10 } else { n }
}

/// One random instruction that has a lowering and does not branch. `cpu` is a
/// [`machine`] to decode it on.
fn instruction(random: &mut Random, cpu: &mut Cpu) -> Vec<u8> {
    loop {
        let mut bytes = Vec::new();
        if random.below(6) == 0 {
            bytes.push(0x66);
        }
        if random.below(12) == 0 {
            bytes.push([0x64, 0x65, 0x67, 0xF0][random.below(4) as usize]);
        }
        if random.below(8) == 0 {
            bytes.push([0xF2, 0xF3][random.below(2) as usize]);
        }
        match random.below(8) {
            0 => bytes.push(0xC5),
            1 => bytes.extend([0xC4, (0xE0 & random.next() as u8) | (1 + random.below(3) as u8)]),
            2..=4 => bytes.push(0x40 | random.below(16) as u8),
            _ => {}
        }
        if random.below(3) == 0 {
            bytes.push(0x0F);
        }
        if random.below(8) == 0 {
            bytes.push(0xD8 | random.below(8) as u8);
        }
        if random.below(6) == 0 {
            bytes.push([0x38, 0x3A][random.below(2) as usize]);
        }
        bytes.extend(random.next().to_le_bytes());
        bytes.extend(random.next().to_le_bytes());
        bytes.truncate(15);
        let Some((i, op)) = cut_to_one(&mut bytes, cpu) else { continue };
        if lifts_alone(op, &bytes) || !repeats(&i) && random.below(8) == 0 {
            return bytes;
        }
    }
}

/// Whether a block does not end with its first instruction.
fn goes_on(block: &Block) -> bool {
    block.ops[0].flags & Op::ENDS_BLOCK == 0
}

/// Whether an instruction may run for long.
fn repeats(i: &iced_x86::Instruction) -> bool {
    i.is_string_instruction() && (i.has_rep_prefix() || i.has_repne_prefix())
}

/// Cuts bytes to the instruction that they begin with, if a block goes on behind it.
fn cut_to_one(bytes: &mut Vec<u8>, cpu: &mut Cpu) -> Option<(iced_x86::Instruction, Op)> {
    let i = Decoder::new(64, bytes, DecoderOptions::AMD).decode();
    if i.is_invalid() || i.flow_control() != FlowControl::Next {
        return None;
    }
    bytes.truncate(i.len());
    cpu.memory.write_bytes(Gpa(CODE), bytes).unwrap();
    let mut interpreter = Interpreter::new();
    let block = interpreter.block_at(cpu).ok()?;
    goes_on(block).then(|| (i, block.ops[0]))
}

/// Whether an instruction is compiled when it is alone in its block.
fn lifts_alone(op: Op, bytes: &[u8]) -> bool {
    let source = Source { bytes, ops: &[op], rip: CODE, mode: Mode::Long };
    let mut code = Code::default();
    lift(source, &mut forms(), &mut code);
    code.interpreted == 0
}

fn randomise(cpu: &mut Cpu, random: &mut Random) {
    for n in 0..16 {
        cpu.state.regs[n] = random.operand();
    }
    cpu.state.regs[4] = DATA + 0x1000 + random.below(64) * 8;
    cpu.state.status = LazyFlags::from_bits(random.next() as u32 & 0x8D5);
    cpu.state.segs[4].base = DATA;
    for n in 0..16 {
        cpu.state.vec[n] = std::array::from_fn(|_| random.float());
    }
    let fpu = &mut cpu.state.fpu;
    fpu.control = if random.below(16) == 0 { 0x27F } else { 0x37F };
    fpu.status = random.next() as u16 & 0x7F3F;
    for n in 0..8 {
        let exponent = [random.next() as u16, 0x3FFF + random.below(64) as u16][random.below(2) as usize];
        let significand = if exponent & 0x7FFF == 0 { random.next() >> 1 } else { random.next() | 1 << 63 };
        fpu.regs[n] = X87Register { significand, sign_exponent: exponent };
    }
    // The upper registers of the stack are in use, the others are empty.
    let used = random.below(7) as u16;
    let top = fpu.status >> 11 & 7;
    fpu.tag = (0..8u16).filter(|n| *n >= used).fold(0, |tags, n| tags | 3 << (2 * ((top + n) & 7)));
    cpu.state.cr4 |= Cr4::OSXSAVE;
    cpu.state.xcr0 = 7;
    cpu.state.mxcsr = 0x1F80 | random.next() as u32 & 0xE07F;
    if random.below(16) == 0 {
        cpu.state.mxcsr &= !0x1000;
    }
    cpu.sync();
    let data: Vec<u8> = (0..0x3000).map(|_| random.next() as u8).collect();
    cpu.memory.write_bytes(Gpa(DATA), &data).unwrap();
}

/// What a guest can tell of a processor, and its data.
fn facts(cpu: &Cpu) -> Vec<(String, u64)> {
    let s = &cpu.state;
    let mut facts = vec![
        ("flags".into(), u64::from(s.status.bits())),
        ("rip".into(), s.rip),
        ("retired".into(), s.retired),
        ("cr2".into(), s.cr2),
        ("mxcsr".into(), u64::from(s.mxcsr)),
        ("activity".into(), s.activity as u64),
    ];
    facts.extend((0..16).map(|n| (format!("r{n}"), s.regs[n])));
    for n in 0..16 {
        facts.extend((0..4).map(|lane| (format!("vec{n}.{lane}"), s.vec[n][lane])));
    }
    let fpu = &s.fpu;
    facts.extend([
        ("control".into(), u64::from(fpu.control)),
        ("status".into(), u64::from(fpu.status)),
        ("tag".into(), u64::from(fpu.tag)),
        ("fop".into(), u64::from(fpu.opcode)),
        ("fip".into(), fpu.ip),
        ("fdp".into(), fpu.dp),
        ("fcs".into(), u64::from(fpu.cs)),
        ("fds".into(), u64::from(fpu.ds)),
    ]);
    for n in (0..8).filter(|n| fpu.tag >> (2 * n) & 3 != 3) {
        facts.push((format!("fr{n}"), fpu.regs[n].significand));
        facts.push((format!("fr{n} exponent"), u64::from(fpu.regs[n].sign_exponent)));
    }
    let mut data = vec![0; 0x3000];
    cpu.memory.read_bytes(Gpa(DATA), &mut data).unwrap();
    let words = data.chunks(8).enumerate();
    facts.extend(words.map(|(n, b)| (format!("[{:#x}]", 8 * n), u64::from_le_bytes(b.try_into().unwrap()))));
    facts
}

/// Runs a block once, or a loop of one block for `rounds`, and compares.
fn compare(code: &[u8], seed: u64, rounds: u64) {
    let prepare = || {
        let mut cpu = machine(code);
        randomise(&mut cpu, &mut Random(seed));
        cpu
    };
    let (mut expected, mut got) = (prepare(), prepare());
    let mut interpreter = Interpreter::new();
    let block = interpreter.block_at(&mut got).unwrap();
    let count = block.ops.len() as u64 * rounds;
    let mut jit = Jit::new(1 << 20).unwrap();
    jit.tier1.enter(&mut got, block, count);
    if jit.tier1.refused.is_some() && got.state.retired == 0 {
        // Unmasked exceptions, or an x87 stack in disorder: the interpreter's business.
        assert_eq!(facts(&got), facts(&expected));
        return;
    }
    Interpreter::new().run(&mut expected, count);
    // It may have overwritten its own code.
    let left = count.saturating_sub(got.state.retired);
    interpreter.run(&mut got, left);
    let mut shown = String::new();
    for (a, b) in facts(&expected).iter().zip(facts(&got)) {
        if *a != b {
            shown += &format!("{}: expected {:x}, got {} {:x}\n", a.0, a.1, b.0, b.1);
        }
    }
    if shown.is_empty() {
        return;
    }
    let mut decoder = Decoder::with_ip(64, code, CODE, DecoderOptions::AMD);
    for i in &mut decoder {
        let bytes = &code[(i.ip() - CODE) as usize..(i.next_ip() - CODE) as usize];
        shown += &format!("{:?} {bytes:02x?}\n", i.code());
    }
    panic!("seed {seed}, {rounds} rounds\n{shown}\n{}", crate::ir::show(&jit.tier1.code));
}

#[test]
fn random_blocks_do_what_the_interpreter_does() {
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let mut cpu = machine(&[]);
    for _ in 0..cases(1500) {
        let mut code = Vec::new();
        for _ in 0..=random.below(6) {
            code.extend(instruction(&mut random, &mut cpu));
        }
        code.extend([0xEB, 0x00]);
        let seed = random.next() | 1;
        compare(&code, seed, 1);
    }
}

#[test]
fn flags_that_were_left_to_be_made_again_are_there_for_an_interpreted_instruction() {
    // xor eax, eax; mov [rsp], rsi; stosd; jmp +0: STOSD keeps the flags of XOR.
    for seed in 1..20 {
        compare(&[0x31, 0xC0, 0x48, 0x89, 0x34, 0x24, 0xAB, 0xEB, 0x00], seed, 1);
    }
}

#[test]
fn random_loops_do_what_the_interpreter_does() {
    let mut random = Random(0xD1B5_4A32_D192_ED03);
    let mut cpu = machine(&[]);
    for _ in 0..cases(1500) {
        let mut code = Vec::new();
        for _ in 0..=random.below(5) {
            code.extend(instruction(&mut random, &mut cpu));
        }
        // jmp back
        let back = -(code.len() as i64 + 2) as i8;
        code.extend([0xEB, back as u8]);
        let seed = random.next() | 1;
        compare(&code, seed, 5);
    }
}

#[test]
fn random_counted_loops_do_what_the_interpreter_does() {
    let mut random = Random(0xA076_1D64_78BD_642F);
    let mut cpu = machine(&[]);
    for _ in 0..cases(1500) {
        let mut code = Vec::new();
        for _ in 0..=random.below(4) {
            code.extend(instruction(&mut random, &mut cpu));
        }
        // add, sub, cmp or test of any registers, or with a small constant
        let modrm = 0xC0 | random.below(64) as u8;
        match random.below(5) {
            n @ 0..=3 => code.extend([0x48, [0x01, 0x29, 0x39, 0x85][n as usize], modrm]),
            _ => code.extend([0x48, 0x83, modrm | 0x38, random.next() as u8]),
        }
        let back = -(code.len() as i64 + 2) as i8;
        code.extend([0x70 | random.below(16) as u8, back as u8, 0xEB, 0xFE]);
        let seed = random.next() | 1;
        compare(&code, seed, 1 + random.below(5));
    }
}

/// Blocks that lead to each other, in many short stretches so that they are soon
/// compiled together.
#[test]
fn random_nests_do_what_the_interpreter_does() {
    let mut random = Random(0x8CB9_2BA7_2F3D_8DD7);
    let mut cpu = machine(&[]);
    let mut nests = 0;
    for _ in 0..cases(1500) {
        let mut some = |random: &mut Random, most: u64| {
            let count = random.below(most);
            (0..=count).flat_map(|_| instruction(random, &mut cpu)).collect::<Vec<u8>>()
        };
        // A; jcc over B; B; C; jcc to A, or to C; jmp A
        let (a, b, c) = (some(&mut random, 3), some(&mut random, 3), some(&mut random, 2));
        let mut code = [a, vec![0x70 | random.below(16) as u8, b.len() as u8], b].concat();
        let to = if random.below(2) == 0 { 0 } else { code.len() };
        code.extend(c);
        code.extend([0x70 | random.below(16) as u8, (to as i64 - code.len() as i64 - 2) as u8]);
        code.extend([0xEB, -(code.len() as i64 + 2) as u8]);
        let seed = random.next() | 1;
        nests += compare_stretches(&code, seed, 3000);
    }
    assert!(
        !crate::emit::host::NESTS || nests > u64::from(cases(1500)) / 40,
        "only {nests} nests were compiled"
    );
}

/// Runs code in stretches, compiled as soon as may be, and compares the end. Returns
/// how many nests were compiled.
fn compare_stretches(code: &[u8], seed: u64, count: u64) -> u64 {
    let prepare = || {
        let mut cpu = machine(code);
        randomise(&mut cpu, &mut Random(seed));
        cpu
    };
    let (mut expected, mut got) = (prepare(), prepare());
    let mut jit = Jit::eager(1 << 20).unwrap();
    let mut random = Random(seed);
    Interpreter::new().run(&mut expected, count);
    if expected.state.retired < count {
        // A fault that could not be delivered, or again and again: nothing gets hot.
        return 0;
    }
    for _ in 0..count {
        let most = [7, 50, 400][random.below(3) as usize];
        let some = 1 + random.below(most);
        let left = count.saturating_sub(got.state.retired);
        jit.run(&mut got, some.min(left));
    }
    let different: Vec<_> = facts(&expected).into_iter().zip(facts(&got)).filter(|(a, b)| a != b).collect();
    assert!(different.is_empty(), "seed {seed}, code {code:02x?}\n{different:x?}");
    jit.counters().nests
}

#[test]
fn time_stamps_keep_their_upper_half() {
    // mov r15d, eax: RAX keeps its upper half.
    for seed in 1..20 {
        compare(&[0x41, 0x89, 0xC7, 0xEB, 0x00], seed, 1);
    }
    let code = [0x48, 0xC1, 0xE2, 0x20, 0x48, 0x09, 0xD0, 0xEB, 0x00];
    compare(&code, 77, 1);
    let code = [0x48, 0xC1, 0xE2, 0x20, 0x48, 0x09, 0xC2, 0x48, 0x89, 0x14, 0x24, 0xEB, 0x00];
    compare(&code, 78, 1);
}

/// Runs a program of many blocks by both engines, hot, and compares the end.
fn compare_programs(code: &[u8], count: u64) {
    let prepare = || {
        let mut cpu = machine(code);
        randomise(&mut cpu, &mut Random(5));
        cpu.state.regs[15] = 200;
        cpu
    };
    compare_machines(prepare, count);
}

/// The same for the programs of any machines.
fn compare_machines(prepare: impl Fn() -> Cpu, count: u64) {
    let run = |compiled: bool, stretch: u64| {
        let mut cpu = prepare();
        if compiled && stretch < count {
            let mut jit = Jit::eager(1 << 20).unwrap();
            while cpu.state.retired < count {
                let left = count - cpu.state.retired;
                jit.run(&mut cpu, stretch.min(left));
            }
        } else if compiled {
            let mut jit = Jit::new(1 << 20).unwrap();
            jit.run(&mut cpu, count);
            assert!(count < 1000 || jit.counters().entries > 0);
        } else {
            Interpreter::new().run(&mut cpu, count);
        }
        let mut data = vec![0; 0x5000];
        cpu.memory.read_bytes(Gpa(DATA), &mut data).unwrap();
        (cpu.state.regs[..16].to_vec(), cpu.state.status.bits(), cpu.state.rip, cpu.state.retired, data)
    };
    let a = run(false, count);
    for stretch in [count, 7, 97] {
        let b = run(true, stretch);
        assert_eq!(a.0, b.0);
        assert_eq!((a.1, a.2, a.3), (b.1, b.2, b.3));
        assert!(a.4 == b.4);
    }
}

#[test]
fn calls_loops_and_system_instructions_between() {
    // again: call f; rdtsc; shl rdx, 32; or rdx, rax; mov [rsp-64], rdx; dec r15; jnz again; jmp $
    // f: lfence; cpuid; push rbx; pop rbx; ret
    let code = [
        0xE8, 0x15, 0, 0, 0, 0x0F, 0x31, 0x48, 0xC1, 0xE2, 0x20, 0x48, 0x09, 0xC2, 0x48, 0x89, 0x54, 0x24,
        0xC0, 0x49, 0xFF, 0xCF, 0x75, 0xE8, 0xEB, 0xFE, 0x0F, 0xAE, 0xE8, 0x31, 0xC0, 0x0F, 0xA2, 0x53, 0x5B,
        0xC3,
    ];
    for count in [100, 1000, 1777, 3000, 5000] {
        compare_programs(&code, count);
    }
}

#[test]
fn any_bytes_leave_the_host_alone() {
    let mut random = Random(0x2545_F491_4F6C_DD1D);
    let (mut compiled, cases) = (0, cases(6000));
    for _ in 0..cases {
        let code: Vec<u8> = (0..random.below(24) + 2).map(|_| random.next() as u8).collect();
        let mut cpu = machine(&code);
        // What ends a block or cannot be decoded is not compared here: only
        // that compiling it and running it leaves the host alone.
        randomise(&mut cpu, &mut random);
        let mut interpreter = Interpreter::new();
        let Ok(block) = interpreter.block_at(&mut cpu) else { continue };
        let count = block.ops.len() as u64;
        let mut jit = Jit::new(1 << 18).unwrap();
        compiled += u32::from(jit.tier1.enter(&mut cpu, block, count).is_some());
        assert!(cpu.state.retired <= count);
    }
    assert!(compiled > cases / 6 * 5, "only {compiled} blocks ran");
}

/// A chain of functions that call the next one, so many that a small buffer fills.
fn many_functions() -> Vec<u8> {
    let mut code = Vec::new();
    for n in 0..4000u32 {
        // add eax, n; xor ecx, eax; jmp +0
        code.push(0x05);
        code.extend(n.to_le_bytes());
        code.extend([0x31, 0xC1, 0xEB, 0x00]);
    }
    // dec r15; jnz start (near); jmp $
    code.extend([0x49, 0xFF, 0xCF, 0x0F, 0x85]);
    let back = -(code.len() as i32 + 4);
    code.extend(back.to_le_bytes());
    code.extend([0xEB, 0xFE]);
    code
}

#[test]
fn a_full_code_buffer_is_filled_anew_from_its_oldest_part() {
    let code = many_functions();
    let run = |cpu: &mut Cpu| {
        cpu.state.regs[15] = 60;
        let mut jit = Jit::new(0).unwrap();
        jit.run(cpu, 600_000);
        jit.counters()
    };
    let (mut expected, mut got) = (machine(&code), machine(&code));
    let counters = run(&mut got);
    assert!(counters.evictions > 0, "{counters:?}");
    expected.state.regs[15] = 60;
    Interpreter::new().run(&mut expected, 600_000);
    assert_eq!(facts(&got), facts(&expected));
}

#[test]
fn code_that_rewrites_itself_while_hot_runs_as_written() {
    // again: inc dword [rip + 1]; mov eax, 0; add ecx, eax; dec r15; jnz again; jmp $
    let code =
        [0xFF, 0x05, 1, 0, 0, 0, 0xB8, 0, 0, 0, 0, 0x01, 0xC1, 0x49, 0xFF, 0xCF, 0x75, 0xEE, 0xEB, 0xFE];
    let prepare = || {
        let mut cpu = machine(&code);
        cpu.state.regs[15] = 500;
        cpu
    };
    let (mut expected, mut got) = (prepare(), prepare());
    let mut jit = Jit::new(1 << 20).unwrap();
    jit.run(&mut got, 2000);
    Interpreter::new().run(&mut expected, 2000);
    assert_eq!(facts(&got), facts(&expected));
    assert!(got.state.regs[1] > 1000, "the constant was never another");
}

#[test]
fn verifying_finds_no_difference_in_loops_calls_and_stores() {
    // again: push rbx; add [rsp], r15; pop rbx; call f; dec r15; jnz again; jmp $; f: mulsd xmm0, xmm1; ret
    let code = [
        0x53, 0x4C, 0x01, 0x3C, 0x24, 0x5B, 0xE8, 0x07, 0, 0, 0, 0x49, 0xFF, 0xCF, 0x75, 0xF0, 0xEB, 0xFE,
        0xF2, 0x0F, 0x59, 0xC1, 0xC3,
    ];
    let mut cpu = machine(&code);
    cpu.state.regs[15] = 300;
    let mut engine = crate::Verify::new(1 << 20).unwrap();
    engine.run(&mut cpu, 2000);
    assert_eq!(engine.difference(), None);
    assert!(engine.compared().0 > 500, "{:?} blocks compared", engine.compared());
}
