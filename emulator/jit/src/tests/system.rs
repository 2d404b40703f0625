//! What kernels do between their programs: bit strings, bases of segments, state that
//! is switched.

use super::{DATA, Jit, machine};
use glassbox_cpu::{Cpu, Interpreter, SegReg};
use glassbox_memory::Gpa;
use glassbox_x86_spec::control::Cr4;

const PROGRAM: [u8; 82] = [
    0xBD, 0, 0, 0x30, 0, // mov ebp, DATA
    0x44, 0x89, 0xF8, // again: mov eax, r15d
    0x48, 0x0F, 0xAB, 0x85, 0, 1, 0, 0, // bts [rbp+100h], rax
    0xF0, 0x4C, 0x0F, 0xBB, 0xBD, 0x80, 0, 0, 0, // lock btc [rbp+80h], r15
    0xF7, 0xD8, // neg eax
    0x0F, 0xB3, 0x85, 0, 2, 0, 0, // btr [rbp+200h], eax
    0x48, 0x11, 0xDB, // adc rbx, rbx
    0x66, 0x44, 0x0F, 0xA3, 0x7D, 0x40, // bt [rbp+40h], r15w
    0x48, 0x11, 0xDB, // adc rbx, rbx
    0xF3, 0x48, 0x0F, 0xAE, 0xDD, // wrgsbase rbp
    0xF3, 0x48, 0x0F, 0xAE, 0xC9, // rdgsbase rcx
    0x48, 0x01, 0xCB, // add rbx, rcx
    0x0F, 0x01, 0xE8, // serialize
    0x0F, 0xAE, 0x5D, 0x20, // stmxcsr [rbp+20h]
    0x0F, 0xAE, 0x55, 0x20, // ldmxcsr [rbp+20h]
    0x53, 0x5A, // push rbx; pop rdx
    0x48, 0x31, 0xD6, // xor rsi, rdx
    0x49, 0xFF, 0xCF, // dec r15
    0x75, 0xB9, // jnz again
    0xEB, 0xFE, // jmp $
];

fn prepare() -> Cpu {
    let mut cpu = machine(&PROGRAM);
    let pattern: Vec<u8> = (0..0x400u32).map(|n| ((n * n) >> 3) as u8).collect();
    cpu.memory.write_bytes(Gpa(DATA), &pattern).expect("RAM");
    cpu.state.cr4 |= Cr4::FSGSBASE;
    cpu.state.regs[15] = 900;
    cpu.sync();
    cpu
}

/// What the engines have to agree on.
fn outcome(cpu: &Cpu) -> impl PartialEq + std::fmt::Debug + use<> {
    let mut data = vec![0; 0x400];
    cpu.memory.read_bytes(Gpa(DATA), &mut data).expect("RAM");
    let s = &cpu.state;
    (s.regs[..16].to_vec(), s.rflags(), s.rip, s.retired, s.seg(SegReg::Gs).base, data)
}

#[test]
fn bit_strings_and_what_is_switched_between_programs_are_as_interpreted() {
    for count in [60, 3001, 17_000] {
        let mut expected = prepare();
        Interpreter::new().run(&mut expected, count);
        assert!(expected.fault_chain.is_empty());
        for stretch in [count, 41, 83] {
            let mut cpu = prepare();
            let mut jit = Jit::eager(1 << 20).expect("a code buffer");
            while cpu.state.retired < count {
                let left = count - cpu.state.retired;
                jit.run(&mut cpu, stretch.min(left));
            }
            assert_eq!(outcome(&cpu), outcome(&expected), "{count} {stretch}");
            let counters = jit.counters();
            assert!(counters.interpreted * 3 <= counters.instructions, "{counters:?}");
        }
    }
}

#[test]
fn bases_fault_where_they_are_not_enabled_or_the_address_is_not_canonical() {
    for (enabled, base) in [(false, DATA), (true, 1 << 62)] {
        // mov r14, rax; wrfsbase r14; rdfsbase rcx
        let code = [0x49, 0x89, 0xC6, 0xF3, 0x49, 0x0F, 0xAE, 0xD6, 0xF3, 0x48, 0x0F, 0xAE, 0xC1];
        let run = |compiled: bool| {
            let mut cpu = machine(&code);
            cpu.state.cr4.set(Cr4::FSGSBASE, enabled);
            cpu.state.regs[0] = base;
            cpu.sync();
            if compiled {
                Jit::eager(1 << 20).expect("a code buffer").run(&mut cpu, 3);
            } else {
                Interpreter::new().run(&mut cpu, 3);
            }
            let vector = cpu.fault_chain.front().map(|record| record.vector);
            (vector, cpu.state.regs[1], cpu.state.seg(SegReg::Fs).base)
        };
        assert!(run(false).0.is_some());
        assert_eq!(run(true), run(false));
    }
}
