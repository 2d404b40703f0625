//! Two programs that take turns by system calls, with calls open in both and in the kernel.

use super::{CODE, DATA, Jit, machine};
use glassbox_cpu::{Cpu, Interpreter, SegReg};
use glassbox_memory::Gpa;
use glassbox_x86_spec::control::{Cr4, Efer, Flags};

const PROGRAM: [u8; 115] = [
    0x48, 0x8D, 0x0D, 0x4E, 0, 0, 0, // lea rcx, [user]
    0x41, 0xBB, 0x46, 0x02, 0, 0, // mov r11d, 246h
    0x48, 0x0F, 0x07, // sysretq
    0x4C, 0x87, 0xF4, // entry: xchg rsp, r14
    0xE8, 0x09, 0, 0, 0, // call serve
    0x4C, 0x87, 0xEC, // xchg rsp, r13: the other's
    0x4D, 0x87, 0xEE, // xchg r14, r13
    0x48, 0x0F, 0x07, // sysretq
    0x48, 0xFF, 0xC3, // serve: inc rbx
    0xF6, 0xC3, 3, // test bl, 3
    0x75, 5, // jnz +5
    0xE8, 1, 0, 0, 0,    // call copy
    0xC3, // ret
    0x0F, 0x01, 0xCB, // copy: stac
    0x48, 0x01, 0x5D, 0, // add [rbp], rbx
    0x0F, 0x01, 0xCA, // clac
    0xFB, // sti
    0x9C, // pushf
    0xFA, // cli
    0x58, // pop rax
    0x25, 0xFF, 0xFF, 0x03, 0, // and eax, 3FFFFh
    0x48, 0x01, 0xC6, // add rsi, rax
    0x0F, 0x20, 0xD8, // mov rax, cr3
    0xF6, 0xC3, 4, // test bl, 4
    0x74, 3, // jz +3
    0x0F, 0x22, 0xD8, // mov cr3, rax
    0x48, 0x01, 0xC6, // add rsi, rax
    0xFC, // cld
    0xC3, // ret
    0xE8, 7, 0, 0, 0, // user: call work
    0x49, 0xFF, 0xCF, // dec r15
    0x75, 0xF6, // jnz user
    0xEB, 0xFE, // jmp $
    0x41, 0x57, // work: push r15
    0xE8, 5, 0, 0, 0,    // call ask
    0x58, // pop rax
    0x48, 0x01, 0xC7, // add rdi, rax
    0xC3, // ret
    0x0F, 0x05, // ask: syscall
    0x4C, 0x31, 0xDF, // xor rdi, r11
    0xC3, // ret
];
const ENTRY: u64 = CODE + 0x10;
/// Behind the calls of `work` and of `ask`.
const RETURNS: [u64; 2] = [CODE + 0x5A, CODE + 0x68];

fn prepare(smap: bool) -> Cpu {
    let mut cpu = machine(&PROGRAM);
    let put = |at: u64, value: u64| cpu.memory.write_bytes(Gpa(at), &value.to_le_bytes()).expect("RAM");
    // The kernel's stack is the kernel's.
    put(0x21_0000 + 8 * 6, 0x6003);
    // The other program is in `ask`.
    put(0xAFE8, RETURNS[1]);
    put(0xAFF8, RETURNS[0]);
    let state = &mut cpu.state;
    state.efer |= Efer::SCE;
    state.cr4.set(Cr4::SMAP, smap);
    state.msr.star = 0x18 << 48 | 0x8 << 32;
    state.msr.lstar = ENTRY;
    state.msr.fmask = u64::from((Flags::IF | Flags::AC | Flags::DF | Flags::CF).bits());
    (state.regs[4], state.regs[5]) = (0x9000, DATA);
    (state.regs[13], state.regs[14], state.regs[15]) = (0xAFE8, 0x7000, 300);
    cpu.sync();
    cpu
}

/// What the engines have to agree on.
fn outcome(cpu: &Cpu) -> impl PartialEq + std::fmt::Debug + use<> {
    let mut data = [0; 8];
    cpu.memory.read_bytes(Gpa(DATA), &mut data).expect("RAM");
    let s = &cpu.state;
    let segments = [SegReg::Cs, SegReg::Ss].map(|n| *s.seg(n));
    (s.regs[..16].to_vec(), s.rflags(), s.rip, s.retired, s.cpl, segments, data)
}

#[test]
fn programs_take_turns_by_system_calls() {
    for smap in [true, false] {
        for count in [400, 1001, 2002, 3503, 9000] {
            let mut expected = prepare(smap);
            Interpreter::new().run(&mut expected, count);
            assert!(expected.fault_chain.is_empty());
            for stretch in [count, 3, 89] {
                let mut cpu = prepare(smap);
                let mut jit = Jit::new(1 << 20).expect("a code buffer");
                while cpu.state.retired < count {
                    let left = count - cpu.state.retired;
                    jit.run(&mut cpu, stretch.min(left));
                }
                assert_eq!(outcome(&cpu), outcome(&expected), "{smap} {count} {stretch}");
            }
        }
    }
}

#[test]
fn system_calls_and_returns_stay_in_compiled_code() {
    let mut cpu = prepare(true);
    cpu.state.regs[15] = 3000;
    let mut jit = Jit::new(1 << 20).expect("a code buffer");
    jit.run(&mut cpu, 10_000);
    let before = jit.counters().entries;
    jit.run(&mut cpu, 20_000);
    assert_eq!(cpu.state.retired, 30_000);
    assert!(jit.counters().entries - before < 4, "{} entries", jit.counters().entries - before);
}
