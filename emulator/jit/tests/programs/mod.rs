//! Random programs that end, and a processor with tables to run them on.

use glassbox_benches::{CODE, machine};
use glassbox_cpu::{Cpu, DescriptorTable};
use glassbox_memory::Gpa;
use glassbox_oracle::rng::Rng;

/// What programs work on; 64 bytes.
pub const DATA: u64 = 0x30_0000;
/// What handlers count.
const COUNTER: u64 = 0x31_0000;
const GDT: u64 = 0x6000;
const IDT: u64 = 0x9000;
const HANDLERS: u64 = 0xA000;

/// One program, put at [`CODE`].
pub struct Program {
    /// Its bytes.
    pub code: Vec<u8>,
    /// Instructions of one round, about.
    pub instructions: u64,
    /// Addresses of instructions.
    pub starts: Vec<u64>,
    /// Where it waits in the end.
    pub end: u64,
}

/// A place in the code that another instruction may overwrite.
#[derive(Clone, Copy)]
enum Slot {
    /// An immediate of 32 bits.
    Immediate(u64),
    /// The ModRM byte of an INC or DEC.
    ModRm(u64),
}

/// The longest store.
const STORE: usize = 7;

struct Builder {
    code: Vec<u8>,
    starts: Vec<u64>,
    slots: Vec<Slot>,
    /// Where stores to them will be.
    stores: Vec<usize>,
}

impl Builder {
    fn new() -> Self {
        Self { code: Vec::new(), starts: Vec::new(), slots: Vec::new(), stores: Vec::new() }
    }

    fn put(&mut self, bytes: &[u8]) -> u64 {
        let at = self.code.len() as u64;
        self.starts.push(CODE + at);
        self.code.extend(bytes);
        at
    }

    /// An ALU operation on RAX, RCX, RDX or RSI with an immediate.
    fn immediate(&mut self, rng: &mut Rng) {
        let modrm = [0xC0, 0xC1, 0xC2, 0xC6][rng.below(4) as usize] | (rng.below(7) as u8) << 3;
        let at = self.put(&[0x48, 0x81, modrm]);
        self.code.extend((rng.bits() as u32).to_le_bytes());
        self.slots.push(Slot::Immediate(at + 3));
    }

    /// INC or DEC of a register.
    fn step(&mut self, rng: &mut Rng) {
        let modrm = [0xC0, 0xC1, 0xC2, 0xC6][rng.below(4) as usize] | (rng.below(2) as u8) << 3;
        let at = self.put(&[0xFF, modrm]);
        self.slots.push(Slot::ModRm(at + 1));
    }

    /// Work on the data: loads, stores, LOCK forms, pushes, SSE.
    fn memory(&mut self, rng: &mut Rng) {
        let at = (8 * rng.below(8)) as u8;
        match rng.below(6) {
            0 => self.put(&[0x48, 0x03, 0x47, at]),       // add rax, [rdi + at]
            1 => self.put(&[0x48, 0x89, 0x57, at]),       // mov [rdi + at], rdx
            2 => self.put(&[0xF0, 0x48, 0x01, 0x4F, at]), // lock add [rdi + at], rcx
            3 => {
                self.put(&[0x50]); // push rax
                self.put(&[0x5E]) // pop rsi
            }
            4 => self.put(&[0xF3, 0x0F, 0x6F, 0x47, at & 0x30]), // movdqu xmm0, [rdi + at]
            _ => self.put(&[0x48, 0x31, 0x4F, at]),              // xor [rdi + at], rcx
        };
    }

    /// Ends a block: a jump to the next instruction, taken or not.
    fn cut(&mut self, rng: &mut Rng) {
        self.put(&[[0xEB, 0x75, 0x72, 0x78][rng.below(4) as usize], 0]);
    }

    /// Room for a store to a slot, which is chosen at the end. It is done in some
    /// rounds only, so that code has time to get hot in between.
    fn rewrite(&mut self, rng: &mut Rng) {
        // test r15b, mask; jnz over the store
        self.put(&[0x41, 0xF6, 0xC7, rng.pick(&[0, 0x1F, 0x3F, 0x7F, 0x7F])]);
        self.put(&[0x75, STORE as u8]);
        let at = self.put(&[0x90; STORE]);
        self.stores.push(at as usize);
    }

    /// The rest on another page, in half of the programs.
    fn next_page(&mut self, rng: &mut Rng) {
        if rng.one_in(2) {
            let gap = 0x1000 - (self.code.len() as u32 + 5) % 0x1000 + rng.below(64) as u32;
            self.put(&[0xE9]);
            self.code.extend(gap.to_le_bytes());
            self.code.resize(self.code.len() + gap as usize, 0xCC);
        }
    }

    /// Makes the stores. What goes to a ModRM byte switches between INC and DEC.
    fn aim(&mut self, rng: &mut Rng) {
        for at in std::mem::take(&mut self.stores) {
            let (opcode, to, operand): (&[u8], u64, &[u8]) = match rng.pick(&self.slots) {
                Slot::ModRm(to) => (&[0x80, 0xB3], to, &[8]), // xor byte [rbx + to], 8
                Slot::Immediate(to) => match rng.below(4) {
                    0 => (&[0xC6, 0x83], to + rng.below(4), &[0x5A]), // mov byte [rbx + to], 5Ah
                    1 => (&[0x88, 0x83], to + rng.below(4), &[]),     // mov [rbx + to], al
                    2 => (&[0x89, 0x8B], to, &[]),                    // mov [rbx + to], ecx
                    _ => (&[0xF0, 0x01, 0x93], to, &[]),              // lock add [rbx + to], edx
                },
            };
            let bytes = [opcode, &(to as u32).to_le_bytes(), operand].concat();
            self.code[at..at + bytes.len()].copy_from_slice(&bytes);
        }
    }

    /// Ends with a jump back while R15 is not zero.
    fn finish(mut self, rng: &mut Rng) -> Program {
        self.put(&[0x49, 0xFF, 0xCF]); // dec r15
        let at = self.put(&[0x0F, 0x85]); // jnz to the beginning
        self.code.extend((-(at as i32 + 6)).to_le_bytes());
        let end = CODE + self.put(&[0xEB, 0xFE]);
        self.aim(rng);
        Program { instructions: self.starts.len() as u64, code: self.code, starts: self.starts, end }
    }
}

impl Program {
    /// Stores to its own immediates and opcodes, of this block and of others.
    pub fn that_rewrites_itself(rng: &mut Rng) -> Self {
        let mut b = Builder::new();
        b.immediate(rng);
        for _ in 0..4 + rng.below(24) {
            match rng.below(10) {
                0..=2 => b.immediate(rng),
                3 => b.step(rng),
                4 | 5 => b.rewrite(rng),
                6 | 7 => b.cut(rng),
                8 => b.memory(rng),
                _ => b.next_page(rng),
            }
        }
        b.finish(rng)
    }

    /// Plain work in small blocks.
    pub fn of_many_blocks(rng: &mut Rng) -> Self {
        let mut b = Builder::new();
        for _ in 0..6 + rng.below(24) {
            match rng.below(5) {
                0 => b.immediate(rng),
                1 => b.step(rng),
                2 => b.memory(rng),
                3 => b.cut(rng),
                _ => b.next_page(rng),
            }
        }
        b.finish(rng)
    }

    /// Functions of one or two blocks each, called in an order that the program makes
    /// up: `and eax, mask; call [table + 8 * rax]`.
    pub fn with_many_functions(rng: &mut Rng) -> Self {
        const FUNCTIONS: u64 = 1024;
        let mut b = Builder::new();
        // again: imul rax, rax, n; add rax, m; mov rdx, rax; shr rdx, 40; and edx, mask
        b.put(&[0x48, 0x69, 0xC0]);
        b.code.extend((rng.bits() as u32 | 5).to_le_bytes());
        b.put(&[0x48, 0x05]);
        b.code.extend((rng.bits() as u32 | 1).to_le_bytes());
        b.put(&[0x48, 0x89, 0xC2]);
        b.put(&[0x48, 0xC1, 0xEA, 0x28]);
        b.put(&[0x81, 0xE2]);
        b.code.extend((FUNCTIONS as u32 - 1).to_le_bytes());
        // shl edx, 6; lea rdx, [rbx + rdx + 0x1000]; call rdx
        b.put(&[0xC1, 0xE2, 0x06]);
        b.put(&[0x48, 0x8D, 0x94, 0x13, 0x00, 0x10, 0x00, 0x00]);
        b.put(&[0xFF, 0xD2]);
        let mut program = b.finish(rng);
        program.code.resize(0x1000, 0xCC);
        for _ in 0..FUNCTIONS {
            let mut f = Builder::new();
            for _ in 0..1 + rng.below(2) {
                // xor rcx, imm; add rsi, rcx; jc +0
                f.put(&[0x48, 0x81, 0xF1]);
                f.code.extend((rng.bits() as u32).to_le_bytes());
                f.put(&[0x48, 0x01, 0xCE]);
                f.put(&[0x72, 0x00]);
            }
            f.put(&[0xC3]);
            f.code.resize(64, 0xCC);
            program.code.extend(f.code);
        }
        program
    }
}

/// A processor with a program in memory, and handlers that count NMIs and #DB.
pub fn prepare(program: &Program) -> Cpu {
    let mut cpu = machine(&program.code);
    let put = |at: u64, bytes: &[u8]| cpu.memory.write_bytes(Gpa(at), bytes).expect("inside RAM");
    put(GDT + 8, &0x00AF_9B00_0000_FFFFu64.to_le_bytes());
    put(GDT + 16, &0x00CF_9300_0000_FFFFu64.to_le_bytes());
    for (n, vector) in [2u64, 1].into_iter().enumerate() {
        // push rax; mov rax, counter; inc qword [rax]; pop rax; RF in the flags; iretq
        let at = HANDLERS + 64 * n as u64;
        let mut code = vec![0x50, 0x48, 0xB8];
        code.extend((COUNTER + 8 * n as u64).to_le_bytes());
        code.extend([0x48, 0xFF, 0x00, 0x58, 0x81, 0x4C, 0x24, 0x10, 0, 0, 1, 0, 0x48, 0xCF]);
        put(at, &code);
        let gate = (at & 0xFFFF) | 8 << 16 | 0x8E00 << 32 | (at >> 16 & 0xFFFF) << 48;
        put(IDT + 16 * vector, &gate.to_le_bytes());
    }
    cpu.state.gdtr = DescriptorTable { base: GDT, limit: 23 };
    cpu.state.idtr = DescriptorTable { base: IDT, limit: 16 * 64 - 1 };
    cpu.state.regs[3] = CODE;
    cpu.state.regs[7] = DATA;
    cpu.state.regs[15] = 1000;
    cpu.sync();
    cpu
}

/// How many NMIs were taken.
pub fn interrupts(cpu: &Cpu) -> u64 {
    u64::from_le_bytes(cpu.memory.read_at(Gpa(COUNTER)).expect("inside RAM"))
}

/// How many breakpoints were hit.
pub fn breakpoints(cpu: &Cpu) -> u64 {
    u64::from_le_bytes(cpu.memory.read_at(Gpa(COUNTER + 8)).expect("inside RAM"))
}

/// What a guest can tell afterwards: registers, flags, RIP, the instruction count,
/// vectors, code and data.
pub fn outcome(cpu: &Cpu) -> (Vec<u64>, u32, Vec<u64>, Vec<u8>) {
    let s = &cpu.state;
    let mut regs = s.regs[..16].to_vec();
    regs.extend([s.rip, s.retired]);
    let mut memory = vec![0; 0x4_0000];
    cpu.memory.read_slice_at(cpu.memory.lookup(Gpa(CODE)).expect("RAM").offset, &mut memory);
    let mut data = vec![0; 64];
    cpu.memory.read_bytes(Gpa(DATA), &mut data).expect("RAM");
    memory.extend(data);
    (regs, s.status.bits(), s.vec.iter().flatten().copied().collect(), memory)
}
