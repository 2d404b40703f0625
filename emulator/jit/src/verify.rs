//! Compiled code in lock-step with the interpreter, block by block.
//!
//! The interpreter runs a block first and notes what its stores overwrite. If
//! nothing outside the processor was touched, all of that is undone, the same
//! block runs compiled, and everything a guest could tell is compared.

use crate::engine::{Tier1, counters_of};
use crate::{Jit, JitCounters};
use glassbox_cpu::{
    Block, Cpu, CpuBus, CpuState, Exception, Exit, HotCode, Interpreter, OpenBus, X87Register,
};
use glassbox_memory::Gpa;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Both engines, each checking the other.
pub struct Verify {
    interpreter: Interpreter,
    checked: Checked,
    wrapped: bool,
}

/// What runs in place of compiled code alone.
struct Checked {
    tier1: Tier1,
    reference: Interpreter,
    /// Times that the bus was used.
    outside: Arc<AtomicU64>,
    compared: u64,
    difference: Option<String>,
}

impl Verify {
    /// With a code buffer of `bytes`.
    ///
    /// # Errors
    /// What the host said when it refused the mapping.
    pub fn new(bytes: usize) -> std::io::Result<Self> {
        let checked = Checked {
            tier1: Jit::new(bytes)?.into_tier1(),
            reference: Interpreter::new(),
            outside: Arc::default(),
            compared: 0,
            difference: None,
        };
        Ok(Self { interpreter: Interpreter::new(), checked, wrapped: false })
    }

    /// As [`Interpreter::run`]; ends early once the engines differed.
    pub fn run(&mut self, cpu: &mut Cpu, budget: u64) -> Exit {
        if !self.wrapped {
            self.wrapped = true;
            let inner = std::mem::replace(&mut cpu.bus, Box::new(OpenBus));
            cpu.bus = Box::new(Counted { inner, count: Arc::clone(&self.checked.outside) });
        }
        if self.checked.difference.is_some() {
            return Exit::Stopped;
        }
        self.interpreter.run_with(cpu, budget, &mut self.checked)
    }

    /// The interpreter that runs what is cold.
    pub fn interpreter(&self) -> &Interpreter {
        &self.interpreter
    }

    /// What the compiler did so far.
    pub fn counters(&self) -> JitCounters {
        counters_of(&self.checked.tier1)
    }

    /// How the engines differed, the first time that they did.
    pub fn difference(&self) -> Option<&str> {
        self.checked.difference.as_deref()
    }

    /// Blocks compared so far.
    pub fn compared(&self) -> u64 {
        self.checked.compared
    }
}

impl HotCode for Checked {
    const THRESHOLD: u16 = 4;

    fn enter(&mut self, cpu: &mut Cpu, block: &Block, end: u64) -> Option<Result<(), Exception>> {
        if cpu.needs_slow_access() || self.difference.is_some() {
            return None;
        }
        let count = block.ops.len() as u64;
        if count > end - cpu.state.retired {
            return None;
        }
        let before = cpu.state.clone();
        let outside = self.outside.load(Ordering::Relaxed);
        cpu.journal = Some(Vec::new());
        cpu.sync();
        if let Err(fault) = self.reference.run_block(cpu, count) {
            cpu.deliver_fault(fault);
        }
        let journal = cpu.journal.take().unwrap_or_default();
        cpu.sync();
        // A fault, a store to its own code or a string instruction that stopped half way
        // ends a block early, by what the interpreter alone decides.
        let whole = cpu.state.retired == before.retired + count;
        if self.outside.load(Ordering::Relaxed) != outside || !whole {
            return Some(Ok(()));
        }
        let after = cpu.state.clone();
        let stored: Vec<(u64, Vec<u8>)> =
            journal.iter().map(|(at, old)| (*at, read(cpu, *at, old.len()))).collect();
        for (at, old) in journal.iter().rev() {
            cpu.memory.write_slice_at(*at, old);
        }
        cpu.state = before.clone();
        cpu.sync();
        let entered = self.tier1.enter(cpu, block, before.retired + count);
        if entered.is_none() || self.tier1.take_refused() {
            // Not compiled: what the interpreter did stands.
            for (at, new) in &stored {
                cpu.memory.write_slice_at(*at, new);
            }
            cpu.state = after;
            cpu.sync();
            return Some(Ok(()));
        }
        self.compared += 1;
        self.compare(cpu, &before, &after, &stored);
        Some(Ok(()))
    }

    fn invalidate(&mut self, start: u64, len: u64) {
        self.tier1.invalidate(start, len);
    }
}

fn read(cpu: &Cpu, at: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    cpu.memory.read_slice_at(at, &mut bytes);
    bytes
}

impl Checked {
    fn compare(&mut self, cpu: &Cpu, before: &CpuState, expected: &CpuState, stored: &[(u64, Vec<u8>)]) {
        let mut text = String::new();
        for (name, a, b) in differences(expected, &cpu.state) {
            let _ = writeln!(text, "  {name}: interpreter {a}, compiled {b}");
        }
        for (at, new) in stored {
            let got = read(cpu, *at, new.len());
            // A later store of the block may have replaced it: then `new` is that one's.
            if got != *new {
                let _ = writeln!(text, "  RAM {at:#x}: interpreter {new:02x?}, compiled {got:02x?}");
            }
        }
        if text.is_empty() {
            return;
        }
        let rip = before.rip;
        let mut report = format!(
            "the engines differ after the block at {rip:#x}, instruction {}:\n{text}",
            before.retired
        );
        report += &self.tier1.describe_last();
        let _ = writeln!(report, "registers before: {:x?}", &before.regs[..16]);
        let _ = writeln!(report, "flags before: {:#x}", before.status.bits());
        self.difference = Some(report);
        cpu.signals.request_exit();
    }
}

/// What differs between two states, by name.
fn differences(a: &CpuState, b: &CpuState) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    let (mut a, mut b) = (a.clone(), b.clone());
    forget_empty(&mut a);
    forget_empty(&mut b);
    let mut check =
        |name: &dyn Fn() -> String, a: &dyn std::fmt::Debug, b: &dyn std::fmt::Debug, same: bool| {
            if !same {
                found.push((name(), format!("{a:x?}"), format!("{b:x?}")));
            }
        };
    for n in 0..16 {
        check(&|| format!("r{n}"), &a.regs[n], &b.regs[n], a.regs[n] == b.regs[n]);
        check(&|| format!("ymm{n}"), &a.vec[n], &b.vec[n], a.vec[n] == b.vec[n]);
    }
    for n in 0..6 {
        check(&|| format!("segment {n}"), &a.segs[n], &b.segs[n], a.segs[n] == b.segs[n]);
    }
    macro_rules! fields {
        ($($field:ident)*) => {
            $(check(&|| stringify!($field).into(), &a.$field, &b.$field, a.$field == b.$field);)*
        };
    }
    fields!(rip retired system_flags cr0 cr2 cr3 cr4 efer xcr0 cpl mxcsr fpu msr dr activity interrupt_shadow
        ldtr tr gdtr idtr nmi_blocked entropy);
    let (x, y) = (a.status.bits(), b.status.bits());
    check(&|| "flags".into(), &x, &y, x == y);
    found
}

/// What an empty x87 register holds, compiled code does not keep.
fn forget_empty(state: &mut CpuState) {
    for n in 0..8 {
        if state.fpu.tag >> (2 * n) & 3 == 3 {
            state.fpu.regs[n] = X87Register::default();
        }
    }
}

/// A bus that counts its uses.
struct Counted {
    inner: Box<dyn CpuBus>,
    count: Arc<AtomicU64>,
}

impl Counted {
    fn inner(&mut self) -> &mut dyn CpuBus {
        self.count.fetch_add(1, Ordering::Relaxed);
        &mut *self.inner
    }
}

impl CpuBus for Counted {
    fn mmio_read(&mut self, at: Gpa, size: u8) -> u64 {
        self.inner().mmio_read(at, size)
    }
    fn mmio_write(&mut self, at: Gpa, size: u8, value: u64) {
        self.inner().mmio_write(at, size, value);
    }
    fn port_read(&mut self, port: u16, size: u8) -> u32 {
        self.inner().port_read(port, size)
    }
    fn port_write(&mut self, port: u16, size: u8, value: u32) {
        self.inner().port_write(port, size, value);
    }
    fn acknowledge_interrupt(&mut self) -> Option<u8> {
        self.inner().acknowledge_interrupt()
    }
    fn tsc(&mut self) -> u64 {
        self.inner().tsc()
    }
    fn apic_msr_read(&mut self, msr: u32) -> Option<u64> {
        self.inner().apic_msr_read(msr)
    }
    fn apic_msr_write(&mut self, msr: u32, value: u64) -> Option<()> {
        self.inner().apic_msr_write(msr, value)
    }
    fn cr8_read(&mut self) -> u8 {
        self.inner().cr8_read()
    }
    fn cr8_write(&mut self, value: u8) {
        self.inner().cr8_write(value);
    }
    fn ferr(&mut self, asserted: bool) {
        self.inner().ferr(asserted);
    }
}
