//! The baseline compiler as an engine: what is compiled, linked, entered and dropped.
#![allow(unsafe_code)]

use crate::buffer::CodeBuffer;
use crate::emitter::{Destination, Emitter};
use crate::lower;
use crate::plan::{Lowering, lowering};
use crate::thunks::{self, TARGETS, Target, Thunks, reason, target_slot};
use glassbox_cpu::compiled::{pack_flags, unpack_flags};
use glassbox_cpu::{Block, Cpu, Exception, Exit, HotCode, Interpreter, LazyFlags, Op};
use glassbox_memory::{PAGE_MASK, PAGE_SHIFT};
use glassbox_x86_spec::control::Cr4;
use iced_x86::{Decoder, DecoderOptions, Instruction};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// One compiled block.
struct Compiled {
    rip: u64,
    /// RAM offset of its first byte.
    start: u64,
    /// Bytes of guest code.
    len: u64,
    /// Host address of its first instruction.
    code: usize,
    /// Host address of the exit that a dead block's entry jumps to.
    blocked: usize,
    /// What the code refers to.
    _ops: Box<[Op]>,
}

/// What the compiler did.
#[derive(Clone, Copy, Debug, Default)]
pub struct JitCounters {
    /// Blocks compiled.
    pub blocks: u64,
    /// Guest instructions in them.
    pub instructions: u64,
    /// Of those, how many call the interpreter.
    pub interpreted: u64,
    /// Host bytes emitted.
    pub bytes: u64,
    /// Jumps patched to lead straight to their target.
    pub links: u64,
    /// Blocks dropped because their code was overwritten.
    pub invalidations: u64,
    /// Times the code buffer was full and emptied.
    pub flushes: u64,
    /// Times that compiled code was entered from the run loop.
    pub entries: u64,
    /// Time spent compiling.
    pub time: Duration,
}

/// Everything but the interpreter below.
struct Tier1 {
    buffer: CodeBuffer,
    thunks: Thunks,
    targets: Box<[Target; TARGETS]>,
    blocks: Vec<Compiled>,
    /// By linear address and RAM offset.
    by_key: HashMap<(u64, u64), usize>,
    /// Blocks with bytes in a RAM page.
    by_page: HashMap<u64, Vec<usize>>,
    /// The jump that left compiled code last, and where it wants to go.
    link: Option<(usize, u64)>,
    /// Compiled for 57-bit linear addresses.
    la57: bool,
    counters: JitCounters,
}

/// The interpreter with compiled code for what is hot.
pub struct Jit {
    interpreter: Interpreter,
    tier1: Tier1,
}

impl Jit {
    /// An engine with a code buffer of `bytes`.
    ///
    /// # Errors
    /// What the host said when it refused the mapping.
    pub fn new(bytes: usize) -> std::io::Result<Self> {
        let mut buffer = CodeBuffer::new(bytes.next_multiple_of(4096).max(1 << 20))?;
        let targets: Box<[Target; TARGETS]> = vec![Target::default(); TARGETS]
            .into_boxed_slice()
            .try_into()
            .unwrap_or_else(|_| unreachable!("the length is the constant's"));
        let (code, thunks) = thunks::assemble(buffer.next(), targets.as_ptr() as usize);
        buffer.append(&code);
        let tier1 = Tier1 {
            buffer,
            thunks,
            targets,
            blocks: Vec::new(),
            by_key: HashMap::new(),
            by_page: HashMap::new(),
            link: None,
            la57: false,
            counters: JitCounters::default(),
        };
        Ok(Self { interpreter: Interpreter::new(), tier1 })
    }

    /// As [`Interpreter::run`].
    pub fn run(&mut self, cpu: &mut Cpu, budget: u64) -> Exit {
        self.interpreter.run_with(cpu, budget, &mut self.tier1)
    }

    /// The interpreter that runs what is cold.
    pub fn interpreter(&self) -> &Interpreter {
        &self.interpreter
    }

    /// What the compiler did so far.
    pub fn counters(&self) -> JitCounters {
        self.tier1.counters
    }
}

impl HotCode for Tier1 {
    const THRESHOLD: u16 = 24;

    fn enter(&mut self, cpu: &mut Cpu, block: &Block, end: u64) -> Option<Result<(), Exception>> {
        let fits = block.ops.len() as u64 <= end - cpu.state.retired;
        let usable = block.mode.is_64bit() && block.second_page.is_none();
        if !fits || !usable || cpu.needs_slow_access() {
            self.link = None;
            return None;
        }
        let la57 = cpu.state.cr4.contains(Cr4::LA57);
        if la57 != self.la57 {
            self.flush();
            self.la57 = la57;
        }
        let rip = cpu.state.rip;
        let index = match self.by_key.get(&(rip, block.start)) {
            Some(&index) => index,
            None => self.compile(cpu, block, rip)?,
        };
        self.follow_link(rip, index);
        self.remember(index);
        let code = self.blocks[index].code;
        Some(self.execute(cpu, code, end))
    }

    fn invalidate(&mut self, start: u64, len: u64) {
        let Some(ids) = self.by_page.get_mut(&(start >> PAGE_SHIFT)) else { return };
        let blocks = &self.blocks;
        let hit = |id: &usize| blocks[*id].start < start + len && start < blocks[*id].start + blocks[*id].len;
        let dead: Vec<usize> = ids.extract_if(.., |id| hit(id)).collect();
        for id in dead {
            self.kill(id);
        }
    }
}

impl Tier1 {
    /// Runs compiled code from `code` until it leaves.
    fn execute(&mut self, cpu: &mut Cpu, code: usize, end: u64) -> Result<(), Exception> {
        self.counters.entries += 1;
        cpu.compiled.limit = end;
        cpu.compiled.flags = pack_flags(cpu.state.status.bits());
        // SAFETY: `enter` is code of ours with this signature. What it runs was
        // compiled for this processor's layout, touches RAM only through TLB
        // entries that lead into the mapping, and keeps the host's ABI.
        let enter: extern "sysv64" fn(*mut Cpu, usize) -> u32 = unsafe {
            std::mem::transmute::<usize, extern "sysv64" fn(*mut Cpu, usize) -> u32>(self.thunks.enter)
        };
        let why = enter(cpu, code);
        cpu.state.status = LazyFlags::from_bits(unpack_flags(cpu.compiled.flags));
        match why {
            reason::FAULT => match cpu.compiled.fault.take() {
                Some(fault) => Err(fault),
                None => Ok(()),
            },
            reason::LINK => {
                self.link = Some((cpu.compiled.link_site, cpu.state.rip));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Lets the jump that led to `rip` lead straight to the block's code.
    fn follow_link(&mut self, rip: u64, index: usize) {
        let Some((site, target)) = self.link.take() else { return };
        // The jump is good for ever only if both ends lie on one page of RAM: the
        // same linear page may be another in the address space that runs by now.
        let from = self.blocks.partition_point(|block| block.code <= site).checked_sub(1);
        let same_page = from
            .is_some_and(|from| self.blocks[from].start & PAGE_MASK == self.blocks[index].start & PAGE_MASK);
        if target != rip || !same_page {
            return;
        }
        if self.patch_jump(site, self.blocks[index].code) {
            self.counters.links += 1;
        }
    }

    /// Overwrites the code at `site` with a jump to `target`; false when that is too far.
    fn patch_jump(&mut self, site: usize, target: usize) -> bool {
        let Ok(relative) = i32::try_from((target as i64).wrapping_sub(site as i64 + 5)) else { return false };
        let [a, b, c, d] = relative.to_le_bytes();
        self.buffer.patch(site, &[0xE9, a, b, c, d]);
        true
    }

    /// Puts a block into the table of indirect targets.
    fn remember(&mut self, index: usize) {
        let block = &self.blocks[index];
        self.targets[target_slot(block.rip)] =
            Target { rip: block.rip, start: block.start, code: block.code as u64, unused: 0 };
    }

    fn compile(&mut self, cpu: &Cpu, block: &Block, rip: u64) -> Option<usize> {
        let began = Instant::now();
        // Links are only good while the buffer they point into is.
        let worst = block.ops.len() * 400 + 1024;
        if self.buffer.room() < worst {
            self.flush();
        }
        let mut bytes = vec![0; block.code_bytes() as usize];
        cpu.memory.read_slice_at(block.start, &mut bytes);
        let ops: Box<[Op]> = block.ops.clone();
        let plan = plan(&bytes, &ops);
        let base = self.buffer.next();
        let (code, blocked) = self.emit(base, &ops, &plan, rip, block.start)?;
        if !self.buffer.append(&code) {
            return None;
        }
        let index = self.blocks.len();
        self.counters.blocks += 1;
        self.counters.instructions += ops.len() as u64;
        self.counters.interpreted += plan.iter().filter(|how| **how == Lowering::Interpret).count() as u64;
        self.counters.bytes += code.len() as u64;
        self.blocks.push(Compiled {
            rip,
            start: block.start,
            len: block.code_bytes(),
            code: base,
            blocked: base + blocked,
            _ops: ops,
        });
        self.by_key.insert((rip, block.start), index);
        self.by_page.entry(block.start >> PAGE_SHIFT).or_default().push(index);
        self.counters.time += began.elapsed();
        Some(index)
    }

    fn emit(
        &self,
        base: usize,
        ops: &[Op],
        plan: &[Lowering],
        rip: u64,
        start: u64,
    ) -> Option<(Vec<u8>, usize)> {
        let destination = |target: u64| {
            if target & PAGE_MASK != rip & PAGE_MASK {
                return Destination::Far;
            }
            let target_start = start & PAGE_MASK | target & !PAGE_MASK;
            match self.by_key.get(&(target, target_start)) {
                Some(&index) => Destination::Code(self.blocks[index].code),
                None => Destination::Linkable,
            }
        };
        let mut e = Emitter::new(base, ops, rip, self.thunks, if self.la57 { 7 } else { 16 });
        let mut host_flags = false;
        for (index, (how, op)) in plan.iter().zip(ops).enumerate() {
            e.begin(index, how.writes_flags());
            lower::emit(&mut e, *how, host_flags, &destination);
            if how.writes_flags() {
                e.end();
                if save_needed(plan, ops, index) {
                    e.save_flags();
                }
                host_flags = true;
            } else {
                e.end();
                host_flags &= !how.may_leave(op);
            }
        }
        let last = ops.last()?;
        if last.flags & Op::ENDS_BLOCK == 0 {
            let next = rip.wrapping_add(u64::from(last.end));
            e.leave_to(next, destination(next));
        }
        e.finish()
    }

    /// Makes a block unreachable: who still jumps to it leaves at once.
    fn kill(&mut self, id: usize) {
        let (code, blocked) = (self.blocks[id].code, self.blocks[id].blocked);
        self.patch_jump(code, blocked);
        let block = &self.blocks[id];
        self.by_key.remove(&(block.rip, block.start));
        let target = &mut self.targets[target_slot(block.rip)];
        if target.code == block.code as u64 {
            *target = Target::default();
        }
        self.link = None;
        self.counters.invalidations += 1;
    }

    /// Drops all compiled code. Never called while any of it runs.
    fn flush(&mut self) {
        self.buffer.truncate(self.thunks.size.next_multiple_of(16));
        self.blocks.clear();
        self.by_key.clear();
        self.by_page.clear();
        self.targets.fill(Target::default());
        self.link = None;
        self.counters.flushes += 1;
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;

/// How each op of a block is compiled.
fn plan(bytes: &[u8], ops: &[Op]) -> Vec<Lowering> {
    let mut decoder = Decoder::new(64, bytes, DecoderOptions::AMD);
    let mut instruction = Instruction::default();
    ops.iter()
        .map(|op| {
            let at = usize::from(op.end - op.len);
            // An op whose bytes were rewritten under us decodes to something else.
            if decoder.set_position(at).is_err() {
                return Lowering::Interpret;
            }
            decoder.decode_out(&mut instruction);
            if instruction.code() == op.code { lowering(&instruction, op) } else { Lowering::Interpret }
        })
        .collect()
}

/// Whether the flags that op `index` leaves in the host's have to be stored:
/// something may look at the guest's before they are replaced.
fn save_needed(plan: &[Lowering], ops: &[Op], index: usize) -> bool {
    for (how, op) in plan.iter().zip(ops).skip(index + 1) {
        if how.may_leave(op) {
            return true;
        }
        if how.writes_flags() {
            return false;
        }
    }
    true
}
