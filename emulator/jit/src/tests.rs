//! Compiled code against the interpreter, on random instructions and states.

use super::*;
use glassbox_benches::{CODE, machine};
use glassbox_memory::Gpa;
use iced_x86::FlowControl;

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

/// One random instruction that has a lowering and does not branch.
fn instruction(random: &mut Random) -> Vec<u8> {
    loop {
        let mut bytes = Vec::new();
        if random.below(6) == 0 {
            bytes.push(0x66);
        }
        if random.below(12) == 0 {
            bytes.push([0x64, 0x65, 0x67][random.below(3) as usize]);
        }
        if random.below(2) == 0 {
            bytes.push(0x40 | random.below(16) as u8);
        }
        if random.below(4) == 0 {
            bytes.push(0x0F);
        }
        bytes.extend(random.next().to_le_bytes());
        bytes.extend(random.next().to_le_bytes());
        bytes.truncate(15);
        let mut decoder = Decoder::new(64, &bytes, DecoderOptions::AMD);
        let i = decoder.decode();
        if i.is_invalid() || i.flow_control() != FlowControl::Next {
            continue;
        }
        bytes.truncate(i.len());
        let mut cpu = machine(&bytes);
        let mut interpreter = Interpreter::new();
        let Ok(block) = interpreter.block_at(&mut cpu) else { continue };
        let op = block.ops[0];
        if op.flags & Op::ENDS_BLOCK == 0 && lowering(&i, &op) != Lowering::Interpret {
            return bytes;
        }
    }
}

fn randomise(cpu: &mut Cpu, random: &mut Random) {
    for n in 0..16 {
        cpu.state.regs[n] = random.operand();
    }
    cpu.state.regs[4] = DATA + 0x1000 + random.below(64) * 8;
    cpu.state.status = LazyFlags::from_bits(random.next() as u32 & 0x8D5);
    cpu.state.segs[4].base = DATA;
    let data: Vec<u8> = (0..0x3000).map(|_| random.next() as u8).collect();
    cpu.memory.write_bytes(Gpa(DATA), &data).unwrap();
}

fn compare(code: &[u8], seed: u64) {
    let run = |compiled: bool| {
        let mut cpu = machine(code);
        randomise(&mut cpu, &mut Random(seed));
        let mut jit = Jit::new(1 << 20).unwrap();
        let result = if compiled {
            let mut interpreter = Interpreter::new();
            let block = interpreter.block_at(&mut cpu).unwrap();
            jit.tier1.enter(&mut cpu, block, block.ops.len() as u64).unwrap()
        } else {
            let mut result = Ok(());
            while result.is_ok() && cpu.state.rip < CODE + code.len() as u64 - 2 {
                result = jit.interpreter.execute_one(&mut cpu);
                cpu.state.retired += u64::from(false);
            }
            if result.is_ok() {
                result = jit.interpreter.execute_one(&mut cpu);
            }
            result
        };
        let mut data = vec![0; 0x3000];
        cpu.memory.read_bytes(Gpa(DATA), &mut data).unwrap();
        let s = &cpu.state;
        (result, s.regs[..16].to_vec(), s.status.bits(), s.rip, s.retired, s.cr2, data)
    };
    let (expected, got) = (run(false), run(true));
    if expected == got {
        return;
    }
    let mut shown = String::new();
    let mut decoder = Decoder::with_ip(64, code, CODE, DecoderOptions::AMD);
    for i in &mut decoder {
        shown += &format!(
            "{:?} {:02x?}\n",
            i.code(),
            &code[(i.ip() - CODE) as usize..(i.next_ip() - CODE) as usize]
        );
    }
    for n in 0..16 {
        if expected.1[n] != got.1[n] {
            shown += &format!("r{n}: expected {:x}, got {:x}\n", expected.1[n], got.1[n]);
        }
    }
    let rest = |r: &(_, _, u32, u64, u64, u64, _)| format!("{:x} {:x} {} {:x}", r.2, r.3, r.4, r.5);
    panic!("seed {seed}\n{shown}{:?} {:?}\n{}\n{}", expected.0, got.0, rest(&expected), rest(&got));
}

#[test]
fn random_blocks_do_what_the_interpreter_does() {
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    for _ in 0..3000 {
        let mut code = Vec::new();
        for _ in 0..=random.below(6) {
            code.extend(instruction(&mut random));
        }
        code.extend([0xEB, 0x00]);
        let seed = random.next() | 1;
        compare(&code, seed);
    }
}

#[test]
fn time_stamps_keep_their_upper_half() {
    // mov r15d, eax: RAX keeps its upper half.
    for seed in 1..20 {
        compare(&[0x41, 0x89, 0xC7, 0xEB, 0x00], seed);
    }
    let code = [0x48, 0xC1, 0xE2, 0x20, 0x48, 0x09, 0xD0, 0xEB, 0x00];
    compare(&code, 77);
    let code = [0x48, 0xC1, 0xE2, 0x20, 0x48, 0x09, 0xC2, 0x48, 0x89, 0x14, 0x24, 0xEB, 0x00];
    compare(&code, 78);
}

/// Runs a program of many blocks by both engines, hot, and compares the end.
fn compare_programs(code: &[u8], count: u64) {
    let run = |compiled: bool| {
        let mut cpu = machine(code);
        randomise(&mut cpu, &mut Random(5));
        cpu.state.regs[15] = 200;
        if compiled {
            let mut jit = Jit::new(1 << 20).unwrap();
            jit.run(&mut cpu, count);
            assert!(count < 1000 || jit.counters().entries > 0);
        } else {
            Interpreter::new().run(&mut cpu, count);
        }
        let mut data = vec![0; 0x3000];
        cpu.memory.read_bytes(Gpa(DATA), &mut data).unwrap();
        (cpu.state.regs[..16].to_vec(), cpu.state.status.bits(), cpu.state.rip, cpu.state.retired, data)
    };
    let (a, b) = (run(false), run(true));
    assert_eq!(a.0, b.0);
    assert_eq!((a.1, a.2, a.3), (b.1, b.2, b.3));
    assert!(a.4 == b.4);
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
