//! Runs one instruction on our processor, at the same addresses as the host's.

use crate::case::{Case, Outcome};
use crate::layout::{self, *};
use crate::user::{Fault, UserState};
use glassbox_cpu::{Cpu, CpuBus, CpuModel, CpuSignals, CpuState, Exception, Interpreter, SegReg, Segment};
use glassbox_memory::{Gpa, GuestMemory};
use glassbox_x86_spec::control::{Cr0, Cr4, Efer};
use glassbox_x86_spec::{paging, segment as attr, vector};
use std::sync::Arc;

/// Guest RAM: tables, then code and data.
const RAM: u64 = 1 << 20;
const TABLES: u64 = 0x1_0000;
const CODE_AT: u64 = 0x2_0000;
const DATA_AT: u64 = 0x3_0000;
const READ_ONLY_AT: u64 = 0x4_0000;
/// Room for a case's bytes, which may be several instructions where no host is
/// asked.
pub const LONGEST: usize = 192;
/// A repeated string instruction is entered at most this often.
const REENTRIES: u32 = 1 << 16;

/// A bus with nothing on it.
struct OpenBus;

impl CpuBus for OpenBus {
    fn mmio_read(&mut self, _: Gpa, size: u8) -> u64 {
        u64::MAX >> (64 - 8 * u32::from(size))
    }
    fn mmio_write(&mut self, _: Gpa, _: u8, _: u64) {}
    fn port_read(&mut self, _: u16, size: u8) -> u32 {
        u32::MAX >> (32 - 8 * u32::from(size))
    }
    fn port_write(&mut self, _: u16, _: u8, _: u32) {}
    fn acknowledge_interrupt(&mut self) -> Option<u8> {
        None
    }
    fn tsc(&mut self) -> u64 {
        0
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

/// What executes instructions for us.
pub trait Execute {
    /// Executes the instruction at CS:RIP and nothing else.
    ///
    /// # Errors
    /// The fault it raises, which is handed back instead of being delivered.
    fn execute_one(&mut self, cpu: &mut Cpu) -> Result<(), Exception>;
}

impl Execute for Interpreter {
    fn execute_one(&mut self, cpu: &mut Cpu) -> Result<(), Exception> {
        Self::execute_one(self, cpu)
    }
}

/// Our processor in 64-bit mode at CPL 3, as Linux would have set it up.
pub struct Emulated {
    /// The processor.
    pub cpu: Cpu,
    engine: Option<Box<dyn Execute>>,
    ready: CpuState,
    code_32: Segment,
    code_16: Segment,
    data_16: Segment,
    background: Vec<u8>,
    data: Vec<u8>,
}

impl Emulated {
    /// A processor of `model` with code and data mapped as on the host.
    pub fn new(model: CpuModel) -> Self {
        Self::on(model, Box::new(Interpreter::new()))
    }

    /// As [`new`](Self::new), with another engine than the interpreter.
    pub fn on(model: CpuModel, engine: Box<dyn Execute>) -> Self {
        let memory = GuestMemory::new(RAM).expect("a megabyte can be mapped");
        let mut cpu = Cpu::new(memory, Box::new(OpenBus), Arc::new(CpuSignals::default()), Arc::new(model));
        map_all(&mut cpu);
        let flat = |extra: u16, selector: u16| Segment {
            base: 0,
            limit: u32::MAX,
            attr: attr::P | attr::S | attr::RW | attr::ACCESSED | attr::G | 3 << 5 | extra,
            selector,
        };
        let state = &mut cpu.state;
        state.segs[..6].fill(Segment::default());
        state.segs[SegReg::Cs as usize] = flat(attr::L | attr::CODE, 0x33);
        for seg in [SegReg::Ss, SegReg::Ds, SegReg::Es] {
            state.segs[seg as usize] = flat(attr::DB, 0x2B);
        }
        state.cr0 = Cr0::PE | Cr0::PG | Cr0::NE | Cr0::WP | Cr0::ET | Cr0::MP;
        state.cr3 = TABLES;
        state.cr4 = Cr4::PAE | Cr4::OSFXSR | Cr4::OSXMMEXCPT | Cr4::OSXSAVE | Cr4::FSGSBASE;
        state.efer = Efer::LME | Efer::LMA | Efer::NXE | Efer::SCE;
        state.xcr0 = 7;
        state.cpl = 3;
        state.set_rflags(glassbox_x86_spec::control::Flags::IF);
        cpu.sync();
        let ready = cpu.state.clone();
        let code_32 = flat(attr::DB | attr::CODE, 0x23);
        let small = attr::P | attr::S | attr::RW | attr::ACCESSED | 3 << 5;
        let code_16 =
            Segment { base: CODE, limit: CODE_LEN as u32 - 1, attr: small | attr::CODE, selector: CODE_16 };
        let data_16 = Segment { base: DATA, limit: DATA_16_LIMIT, attr: small, selector: DATA_16 };
        let background = background_image(DATA_LEN);
        let data = vec![0; DATA_LEN as usize];
        let mut this = Self { cpu, engine: Some(engine), ready, code_32, code_16, data_16, background, data };
        this.poke(CODE_AT, &vec![0xCC; CODE_LEN as usize]);
        this.poke(READ_ONLY_AT, &background_image(READ_ONLY_LEN));
        this
    }

    fn poke(&mut self, at: u64, bytes: &[u8]) {
        self.cpu.memory.write_bytes(Gpa(at), bytes).expect("inside RAM");
    }

    /// Runs a case; [`Emulated::data`] has the writable data afterwards.
    pub fn run(&mut self, case: &Case) -> Outcome {
        let mut engine = self.engine.take();
        let outcome = self.run_by(case, &mut |cpu| match &mut engine {
            Some(engine) => engine.execute_one(cpu),
            None => Err(Exception::UD),
        });
        self.engine = engine;
        outcome
    }

    /// As [`run`](Self::run), with `one` executing an instruction.
    pub fn run_by(&mut self, case: &Case, one: &mut dyn FnMut(&mut Cpu) -> Result<(), Exception>) -> Outcome {
        let background = std::mem::take(&mut self.background);
        self.poke(DATA_AT, &background);
        self.background = background;
        for (at, bytes) in &case.memory {
            self.poke(DATA_AT + (at - DATA), bytes);
        }
        let mut code = [0xCC; LONGEST];
        code[..case.bytes.len()].copy_from_slice(&case.bytes);
        let entry = CODE_AT + (ENTRY - CODE);
        self.poke(entry, &code);
        self.cpu.memory.code_written(entry, code.len() as u64);

        self.cpu.state.clone_from(&self.ready);
        case.state.apply(&mut self.cpu.state);
        self.cpu.state.rip = layout::entry(case.bits);
        match case.bits {
            64 => {}
            32 => self.cpu.state.segs[SegReg::Cs as usize] = self.code_32,
            _ => {
                self.cpu.state.segs[SegReg::Cs as usize] = self.code_16;
                for seg in [SegReg::Ss, SegReg::Ds, SegReg::Es] {
                    self.cpu.state.segs[seg as usize] = self.data_16;
                }
            }
        }
        self.cpu.sync();
        let result = self.execute(case.bits, one);
        let fault = result.err().map(|e| Fault {
            vector: e.vector,
            error: u32::from(e.error.unwrap_or(0)),
            cr2: if e.vector == vector::PF { self.cpu.state.cr2 } else { 0 },
        });
        self.cpu.memory.read_bytes(Gpa(DATA_AT), &mut self.data).expect("inside RAM");
        Outcome { state: UserState::of(&self.cpu.state), fault }
    }

    /// One instruction; a branch to where no code is goes on to the fault there.
    fn execute(
        &mut self,
        bits: u32,
        one: &mut dyn FnMut(&mut Cpu) -> Result<(), Exception>,
    ) -> Result<(), Exception> {
        for _ in 0..REENTRIES {
            one(&mut self.cpu)?;
            let rip = self.cpu.state.rip;
            if rip != layout::entry(bits) {
                let base = if bits == 16 { 0 } else { CODE };
                if !(base..base + CODE_LEN).contains(&rip) {
                    one(&mut self.cpu)?;
                }
                return Ok(());
            }
        }
        Ok(())
    }

    /// The writable data after the last run.
    pub fn data(&self) -> &[u8] {
        &self.data
    }
}

/// Page tables for the regions of [`crate::layout`]: one table a level.
fn map_all(cpu: &mut Cpu) {
    let user = paging::P | paging::RW | paging::US | paging::A | paging::D;
    let mut next = TABLES + 0x1000;
    let mut map = |linear: u64, physical: u64, len: u64, rights: u64| {
        for page in (0..len).step_by(0x1000) {
            let mut table = TABLES;
            for shift in [39, 30, 21] {
                let at = table + ((linear + page) >> shift & 511) * 8;
                let mut entry = u64::from_le_bytes(cpu.memory.read_at(Gpa(at)).expect("inside RAM"));
                if entry == 0 {
                    entry = next | user;
                    next += 0x1000;
                    cpu.memory.write_bytes(Gpa(at), &entry.to_le_bytes()).expect("inside RAM");
                }
                table = entry & !0xFFF;
            }
            let at = table + ((linear + page) >> 12 & 511) * 8;
            let entry = (physical + page) | rights;
            cpu.memory.write_bytes(Gpa(at), &entry.to_le_bytes()).expect("inside RAM");
        }
    };
    map(CODE, CODE_AT, CODE_LEN, user & !paging::RW);
    map(DATA, DATA_AT, DATA_LEN, user | paging::NX);
    map(READ_ONLY, READ_ONLY_AT, READ_ONLY_LEN, user & !paging::RW | paging::NX);
}
