//! Compiled code in lock-step with the interpreter, block by block.
//!
//! The interpreter runs a block first and notes what its stores overwrite. If
//! nothing outside the processor was touched, all of that is undone, the same
//! block runs compiled, and everything a guest could tell is compared: registers,
//! flags, RIP, the instruction count, the fault that ended it, and stores.

mod bus;
mod report;

use crate::engine::{Tier1, counters_of};
use crate::{Jit, JitStats};
use bus::Counted;
use glassbox_cpu::{Block, Cpu, CpuState, Exception, Exit, HotCode, Interpreter};
use report::{differences, same};
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
    faults: u64,
    difference: Option<String>,
}

/// What an engine made of a block, to be undone or kept.
struct Trial {
    after: CpuState,
    /// RAM offset and what is there now, for each store in order.
    stored: Vec<(u64, Vec<u8>)>,
    /// What the stores overwrote.
    journal: Vec<(u64, Vec<u8>)>,
    /// It used the bus, or ended early for another reason than a fault.
    decided: bool,
    faulted: bool,
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
            faults: 0,
            difference: None,
        };
        Ok(Self { interpreter: Interpreter::new(), checked, wrapped: false })
    }

    /// As [`Interpreter::run`]; ends early once the engines differed.
    pub fn run(&mut self, cpu: &mut Cpu, budget: u64) -> Exit {
        if !self.wrapped {
            self.wrapped = true;
            Counted::wrap(&mut cpu.bus, Arc::clone(&self.checked.outside));
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
    pub fn counters(&self) -> JitStats {
        JitStats { compared: self.checked.compared, ..counters_of(&self.checked.tier1) }
    }

    /// How the engines differed, the first time that they did.
    pub fn difference(&self) -> Option<&str> {
        self.checked.difference.as_deref()
    }

    /// Blocks compared so far, and how many of them ended with a fault.
    pub fn compared(&self) -> (u64, u64) {
        (self.checked.compared, self.checked.faults)
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
        let trial = self.interpret(cpu, &before, count);
        if trial.decided {
            return Some(Ok(()));
        }
        undo(cpu, &before, &trial);
        if !self.compiled(cpu, block, &trial) {
            // What the interpreter did stands.
            redo(cpu, &trial);
            return Some(Ok(()));
        }
        self.compared += 1;
        self.faults += u64::from(trial.faulted);
        if let Some(found) = found(cpu, &trial) {
            self.explain(cpu, block, &before, &trial, &found);
        }
        Some(Ok(()))
    }

    fn invalidate(&mut self, start: u64, len: u64) {
        self.tier1.invalidate(start, len);
    }
}

impl Checked {
    /// Runs at most `count` instructions of the block at CS:RIP by the interpreter.
    fn interpret(&mut self, cpu: &mut Cpu, before: &CpuState, count: u64) -> Trial {
        let outside = self.outside.load(Ordering::Relaxed);
        cpu.journal = Some(Vec::new());
        cpu.sync();
        let result = self.reference.run_block(cpu, count);
        let faulted = result.is_err();
        if let Err(fault) = result {
            cpu.deliver_fault(fault);
        }
        let journal = cpu.journal.take().unwrap_or_default();
        cpu.sync();
        // A store to its own code or a string instruction that stopped half way ends a
        // block early, by what the interpreter alone decides.
        let whole = faulted || cpu.state.retired == before.retired + count;
        Trial {
            after: cpu.state.clone(),
            stored: journal.iter().map(|(at, old)| (*at, read(cpu, *at, old.len()))).collect(),
            journal,
            decided: !whole || self.outside.load(Ordering::Relaxed) != outside,
            faulted,
        }
    }

    /// Runs a block compiled, and nothing behind it; false if it cannot be.
    fn compiled(&mut self, cpu: &mut Cpu, block: &Block, trial: &Trial) -> bool {
        let end = cpu.state.retired + block.ops.len() as u64;
        cpu.compiled.alone = true;
        let entered = self.tier1.enter(cpu, block, end);
        cpu.compiled.alone = false;
        let ran = entered.is_some() && !self.tier1.take_refused();
        if ran {
            self.finish(cpu, trial);
        }
        ran
    }

    /// Compiled code may leave a block early, to go on behind an instruction in
    /// another one.
    fn finish(&mut self, cpu: &mut Cpu, trial: &Trial) {
        let left = trial.after.retired.saturating_sub(cpu.state.retired);
        if left != 0
            && cpu.compiled.faults == 0
            && let Err(fault) = self.reference.run_block(cpu, left)
        {
            cpu.deliver_fault(fault);
        }
    }

    /// Makes the report: the block, the first of its instructions behind which the
    /// engines differ, and what it was compiled to.
    fn explain(&mut self, cpu: &mut Cpu, block: &Block, before: &CpuState, trial: &Trial, found: &str) {
        let (rip, number) = (before.rip, before.retired);
        let mut text = format!(
            "the engines differ after the block at {rip:#x}, instruction {number}, RAM offset {:#x}:\n{found}",
            block.start
        );
        let _ = write!(text, "before it:\n{}", report::registers(before));
        text += &self.tier1.describe(cpu, block, rip);
        undo(cpu, before, trial);
        match self.first_difference(cpu, block, before) {
            Some((n, found)) => {
                let op = &block.ops[n];
                let at = rip.wrapping_add(u64::from(op.end - op.len));
                let _ = write!(
                    text,
                    "first different behind #{n} at {at:#x} ({:?}), cut there:\n{found}",
                    op.code
                );
            }
            None => text += "cut after any of its instructions, or compiled once more, it does not differ\n",
        }
        redo(cpu, trial);
        self.difference = Some(text);
        cpu.signals.request_exit();
    }

    /// Runs the first instruction of a block by both engines, then the first two and
    /// so on, until they differ.
    fn first_difference(
        &mut self,
        cpu: &mut Cpu,
        block: &Block,
        before: &CpuState,
    ) -> Option<(usize, String)> {
        for n in 1..=block.ops.len() {
            let trial = self.interpret(cpu, before, n as u64);
            if trial.decided {
                return None;
            }
            undo(cpu, before, &trial);
            let cut = Block::new(&block.ops[..n], block.start, block.second_page(), block.mode);
            if !self.tier1.run_alone(cpu, &cut) {
                return None;
            }
            self.finish(cpu, &trial);
            let found = found(cpu, &trial);
            undo(cpu, before, &trial);
            if let Some(found) = found {
                return Some((n - 1, found));
            }
        }
        None
    }
}

fn undo(cpu: &mut Cpu, before: &CpuState, trial: &Trial) {
    for (at, old) in trial.journal.iter().rev() {
        cpu.memory.write_slice_at(*at, old);
    }
    cpu.restore(before);
}

fn redo(cpu: &mut Cpu, trial: &Trial) {
    for (at, new) in &trial.stored {
        cpu.memory.write_slice_at(*at, new);
    }
    cpu.restore(&trial.after);
}

fn read(cpu: &Cpu, at: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    cpu.memory.read_slice_at(at, &mut bytes);
    bytes
}

/// What is not as the interpreter left it, a line each.
fn found(cpu: &Cpu, trial: &Trial) -> Option<String> {
    let mut text = String::new();
    if !same(&trial.after, &cpu.state) {
        for (name, a, b) in differences(&trial.after, &cpu.state) {
            let _ = writeln!(text, "  {name}: interpreter {a}, compiled {b}");
        }
    }
    for (at, new) in &trial.stored {
        let got = read(cpu, *at, new.len());
        if got != *new {
            let _ = writeln!(text, "  RAM {at:#x}: interpreter {new:02x?}, compiled {got:02x?}");
        }
    }
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use glassbox_benches::{CODE, machine};
    use glassbox_memory::Gpa;

    #[test]
    fn a_difference_is_reported_with_its_block_and_its_instruction() {
        // again: nop; mov eax, 1; jmp again
        let mut cpu = machine(&[0x90, 0xB8, 1, 0, 0, 0, 0xEB, 0xF8]);
        let mut engine = Verify::new(1 << 20).unwrap();
        engine.run(&mut cpu, 300);
        assert_eq!(engine.difference(), None);
        // Behind everybody's back; only the new reference decodes it again.
        let at = cpu.memory.lookup(Gpa(CODE + 2)).unwrap().offset;
        cpu.memory.write(at, 2u8);
        engine.checked.reference = Interpreter::new();
        engine.run(&mut cpu, 300);
        let report = engine.difference().expect("the engines differ");
        for part in [
            "after the block at 0x100000, instruction 300, RAM offset 0x100000",
            "rax: interpreter 2, compiled 1",
            "100001: mov eax, ",
            "rax = 0x1",
            "first different behind #1 at 0x100001 (Mov_r32_imm32)",
        ] {
            assert!(report.contains(part), "{part} is not in:\n{report}");
        }
        assert_eq!(engine.run(&mut cpu, 1), Exit::Stopped);
    }
}
