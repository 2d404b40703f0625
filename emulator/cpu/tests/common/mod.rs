//! A processor on an open bus, for tests and fuzz targets outside the crate.
#![allow(dead_code)]

use glassbox_cpu::{Cpu, CpuBus, CpuModel, CpuSignals, Interpreter, SegReg, Segment};
use glassbox_memory::{Gpa, GuestMemory};
use glassbox_x86_spec::control::{Cr0, Cr4, Efer, Flags};
use glassbox_x86_spec::{paging, segment as attr};
use std::sync::Arc;

/// Guest RAM in bytes.
pub const RAM: u64 = 1 << 20;
/// The part of it below the video memory.
pub const LOW: u64 = 0xA_0000;
/// Page tables of [`hostile`]: one of each level.
const TABLES: u64 = 0x8_0000;
/// Accesses to the open bus before a run is ended.
const PATIENCE: u32 = 20_000;

/// A bus with nothing on it, which ends a run that only ever talks to it: a
/// repeated string instruction may have 2^64 elements to go.
pub struct OpenBus {
    signals: Arc<CpuSignals>,
    left: u32,
}

impl OpenBus {
    /// A bus that may end runs through `signals`.
    pub fn new(signals: Arc<CpuSignals>) -> Self {
        Self { signals, left: PATIENCE }
    }

    fn touch(&mut self) {
        self.left = self.left.saturating_sub(1);
        if self.left == 0 {
            self.signals.request_exit();
        }
    }
}

impl CpuBus for OpenBus {
    fn mmio_read(&mut self, _: Gpa, size: u8) -> u64 {
        self.touch();
        u64::MAX >> (64 - 8 * u32::from(size))
    }
    fn mmio_write(&mut self, _: Gpa, _: u8, _: u64) {
        self.touch();
    }
    fn port_read(&mut self, _: u16, size: u8) -> u32 {
        self.touch();
        u32::MAX >> (32 - 8 * u32::from(size))
    }
    fn port_write(&mut self, _: u16, _: u8, _: u32) {
        self.touch();
    }
    fn acknowledge_interrupt(&mut self) -> Option<u8> {
        None
    }
    fn tsc(&mut self) -> u64 {
        u64::from(self.left)
    }
    fn apic_msr_read(&mut self, _: u32) -> Option<u64> {
        None
    }
    fn apic_msr_write(&mut self, _: u32, _: u64) -> Option<()> {
        None
    }
    fn cr8_read(&mut self) -> u8 {
        0
    }
    fn cr8_write(&mut self, _: u8) {}
}

/// A processor in its reset state with [`RAM`] bytes of memory.
pub fn processor(model: CpuModel) -> Cpu {
    let memory = GuestMemory::new(RAM).expect("a megabyte can be mapped");
    let signals = Arc::new(CpuSignals::default());
    let bus = Box::new(OpenBus::new(Arc::clone(&signals)));
    Cpu::new(memory, bus, signals, Arc::new(model))
}

/// Flat segment attributes of privilege `dpl`.
pub fn flat(dpl: u8, extra: u16, selector: u16) -> Segment {
    let attr = attr::P | attr::S | attr::RW | attr::ACCESSED | attr::G | u16::from(dpl) << 5 | extra;
    Segment { base: 0, limit: u32::MAX, attr, selector }
}

/// SplitMix64: reproducible random numbers.
pub struct Rng(pub u64);

impl Rng {
    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ z >> 31
    }

    /// A number below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.bits() % n
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// An address or number that has some chance to mean something: near RAM, near a
    /// boundary, or anything.
    fn word(&mut self) -> u64 {
        let edge = [0, 0xFFFF, 0xF_FFFF, 0xFFFF_FFFF, 1 << 31, 1 << 47, 1 << 63, u64::MAX];
        match self.below(4) {
            0 => edge[self.below(8) as usize].wrapping_add(self.below(32)).wrapping_sub(16),
            1 | 2 => self.below(RAM),
            _ => self.bits(),
        }
    }
}

/// Runs `code` for a while in a processor whose mode, registers, tables and memory
/// are made from `seed`: the guest can make all of that up. Returns the
/// instructions retired.
pub fn hostile(code: &[u8], seed: u64) -> u64 {
    hostile_by(code, seed, |cpu| _ = Interpreter::new().run(cpu, 200))
}

/// As [`hostile`], with `run` executing it.
pub fn hostile_by(code: &[u8], seed: u64, run: impl FnOnce(&mut Cpu)) -> u64 {
    let mut rng = Rng(seed);
    let mut cpu = processor(CpuModel::default());
    // Memory that is mostly zero, with patches of noise for tables to be read from.
    for _ in 0..rng.below(64) {
        let noise: Vec<u8> = (0..rng.below(256)).map(|_| rng.bits() as u8).collect();
        let at = rng.below(LOW - 256);
        cpu.memory.write_bytes(Gpa(at), &noise).expect("inside RAM");
    }
    page_tables(&mut cpu, &mut rng);
    let state = &mut cpu.state;
    for n in 0..16 {
        state.regs[n] = rng.word();
    }
    state.set_rflags(Flags::from_bits_truncate(rng.bits() as u32) - Flags::VM);
    mode(state, &mut rng);
    for table in [&mut state.gdtr, &mut state.idtr] {
        table.base = rng.word();
        table.limit = rng.bits() as u16;
    }
    for segment in [&mut state.ldtr, &mut state.tr] {
        segment.base = rng.word();
        segment.limit = rng.word() as u32;
    }
    for n in 0..4 {
        state.dr[n] = rng.word();
    }
    if rng.one_in(4) {
        state.dr[7] = rng.bits() & 0xFFFF_03FF | 0x400;
    }
    state.mxcsr = rng.bits() as u32 & 0xFFFF;
    state.fpu.control = rng.bits() as u16 & 0x0F7F | 0x40;
    state.fpu.status = rng.bits() as u16;
    state.fpu.tag = rng.bits() as u16;
    for register in &mut state.fpu.regs {
        register.significand = rng.bits();
        register.sign_exponent = rng.bits() as u16;
    }
    for register in &mut state.vec {
        *register = [rng.bits(), rng.bits(), rng.bits(), rng.bits()];
    }
    state.a20 = !rng.one_in(8);
    let at = rng.below(LOW - 0x1000);
    cpu.memory.write_bytes(Gpa(at), code).expect("inside RAM");
    let base = if state.is_64bit() { 0 } else { state.seg(SegReg::Cs).base };
    state.rip = at.wrapping_sub(base) & if state.is_64bit() { u64::MAX } else { 0xFFFF_FFFF };
    cpu.sync();
    run(&mut cpu);
    cpu.state.retired
}

/// Random bytes, with the prefixes and escapes that make instructions of them.
pub fn random_code(rng: &mut Rng) -> Vec<u8> {
    let mut code = Vec::new();
    for _ in 0..1 + rng.below(40) {
        match rng.below(8) {
            0 => code.extend([0x0F, rng.bits() as u8]),
            1 => code.extend([0x66, 0x0F, rng.bits() as u8]),
            2 => code.extend([[0xF2, 0xF3][rng.below(2) as usize], 0x0F, rng.bits() as u8]),
            3 => code.push(0x40 | rng.bits() as u8 & 15),
            4 => code.extend([0xD8 | rng.bits() as u8 & 7, rng.bits() as u8]),
            _ => {}
        }
        for _ in 0..rng.below(4) {
            code.push(rng.bits() as u8);
        }
    }
    code.push(0xF4);
    code
}

/// Identity tables of the first 2 MiB for every paging mode, some entries spoilt.
fn page_tables(cpu: &mut Cpu, rng: &mut Rng) {
    let rights = paging::P | paging::RW | paging::US;
    let entry = |at: u64, value: u64| {
        cpu.memory.write_bytes(Gpa(at), &value.to_le_bytes()).expect("inside RAM");
    };
    entry(TABLES, (TABLES + 0x1000) | rights);
    entry(TABLES + 0x1000, (TABLES + 0x2000) | rights);
    entry(TABLES + 0x2000, (TABLES + 0x3000) | rights);
    for page in 0..512 {
        let spoilt = if rng.one_in(16) { rng.bits() } else { 0 };
        entry(TABLES + 0x3000 + 8 * page, page << 12 | rights ^ spoilt);
    }
}

/// Real, protected 16 and 32-bit, virtual-8086, compatibility or 64-bit mode.
fn mode(state: &mut glassbox_cpu::CpuState, rng: &mut Rng) {
    let cpl = if rng.one_in(2) { 0 } else { 3 };
    let kind = rng.below(6);
    for seg in 0..6 {
        state.segs[seg] = if kind == 0 {
            Segment::real(rng.bits() as u16 & 0xFFF, 0)
        } else if rng.one_in(2) {
            flat(cpl, attr::DB, 0x10 | u16::from(cpl))
        } else {
            let attr = rng.bits() as u16 & 0xF0FF;
            Segment { base: rng.word(), limit: rng.word() as u32, attr, selector: rng.bits() as u16 }
        };
    }
    let size = match kind {
        0 | 1 => 0,
        4 | 5 => attr::L,
        _ => attr::DB,
    };
    let code = flat(cpl, attr::CODE | size, 8 | u16::from(cpl));
    state.cr0 = Cr0::from_bits_truncate(rng.bits()) & !(Cr0::PE | Cr0::PG);
    state.cr4 = Cr4::from_bits_truncate(rng.bits()) - Cr4::LA57;
    if kind == 0 {
        state.segs[SegReg::Cs as usize] = Segment::real(rng.bits() as u16 & 0xFFF, 0);
        return;
    }
    state.cr0 |= Cr0::PE;
    state.cpl = cpl;
    state.segs[SegReg::Cs as usize] = code;
    state.cr3 = TABLES;
    match kind {
        3 => {
            state.system_flags |= Flags::VM;
            state.cpl = 3;
            for seg in 0..6 {
                state.segs[seg] = Segment::real(rng.bits() as u16 & 0xFFF, 3);
            }
        }
        4 | 5 => {
            state.cr0 |= Cr0::PG;
            state.cr4 |= Cr4::PAE;
            state.efer = Efer::from_bits_truncate(rng.bits()) | Efer::LME | Efer::LMA;
        }
        _ if rng.one_in(2) => {
            // 32-bit or PAE paging, through whatever the tables mean then.
            state.cr0 |= Cr0::PG;
            state.cr3 = TABLES + 0x1000 * rng.below(4);
        }
        _ => {}
    }
}
