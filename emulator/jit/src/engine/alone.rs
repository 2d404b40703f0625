//! Blocks that are compiled, run once and forgotten: for comparing engines.

use super::{Jit, Tier1, Wanted, lift_mode};
use glassbox_cpu::{Activity, Block, Cpu, Exception};

impl Jit {
    /// Executes the instruction at CS:RIP, compiled alone if it has a lowering.
    ///
    /// # Errors
    /// As [`execute`](Self::execute).
    pub fn execute_one(&mut self, cpu: &mut Cpu) -> Result<(), Exception> {
        self.execute(cpu, 1)
    }

    /// Executes at most `count` instructions of the block at CS:RIP, compiled
    /// together: no interrupts, no breakpoints, no single-step. May end earlier, as
    /// a block does.
    ///
    /// # Errors
    /// The fault that one of them raises, which is handed back here. That it could
    /// not be delivered on the way is taken for granted.
    pub fn execute(&mut self, cpu: &mut Cpu, count: usize) -> Result<(), Exception> {
        let block = self.interpreter.block_at(cpu)?;
        let (start, second, mode) = (block.start, block.second_page(), block.mode);
        let count = count.min(block.ops.len());
        let block = Block::new(&block.ops[..count], start, second, mode);
        cpu.fault_chain.clear();
        if !self.tier1.run_alone(cpu, &block) {
            return self.interpreter.run_block(cpu, count as u64);
        }
        let Some(fault) = cpu.fault_chain.front() else { return Ok(()) };
        cpu.state.activity = Activity::Active;
        cpu.state.cr2 = fault.cr2;
        Err(Exception { vector: fault.vector, error: fault.error.map(|error| error as u16) })
    }
}

impl Tier1 {
    /// Compiles the block at CS:RIP, runs it and nothing behind it, not even a fault's
    /// handler, and forgets it. False where it cannot run compiled.
    pub(crate) fn run_alone(&mut self, cpu: &mut Cpu, block: &Block) -> bool {
        let Some(mode) = lift_mode(cpu, block).filter(|_| !cpu.needs_slow_access()) else { return false };
        self.follow_paging(cpu);
        let wanted = Wanted::new(cpu, block, &block.ops, mode);
        let Some(code) = self.place(cpu, wanted) else { return false };
        self.counters.blocks += 1;
        self.counters.instructions += block.ops.len() as u64;
        self.counters.interpreted += u64::from(self.code.interpreted);
        cpu.compiled.alone = true;
        let end = cpu.state.retired + block.ops.len() as u64;
        self.execute(cpu, code, end);
        cpu.compiled.alone = false;
        self.buffer.go_back(code);
        self.link = None;
        !self.take_refused()
    }
}
