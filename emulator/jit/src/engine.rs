//! The baseline compiler as an engine: what is compiled, linked, entered and dropped.
#![allow(unsafe_code)]

mod alone;
mod nest;
mod wanted;

use crate::JitStats;
use crate::cache::{BlockId, Blocks, CodeBuffer, Compiled, Key, key_at, neighbour, target_of};
use crate::emit::host::thunks::{self, Thunks};
use crate::emit::host::{CROSSING, Emitted, SEGMENTS, Target, emit, forms, jump, link};
use crate::emit::{Destination, Part, SecondPage, reason};
use crate::ir::{Code, PAGE};
use crate::lift::{Forms, Mode, Segmented, casts_shadow, lift};
use crate::opt::optimise;
use glassbox_cpu::{Block, Cpu, Exception, Exit, HotCode, Interpreter, Op};
use glassbox_memory::PAGE_MASK;
use glassbox_x86_spec::control::Cr4;
use std::io::Write;
use std::sync::Arc;
use std::time::Instant;
use wanted::Wanted;

/// Everything but the interpreter below.
pub(crate) struct Tier1 {
    buffer: CodeBuffer,
    thunks: Thunks,
    blocks: Blocks,
    forms: Forms,
    /// Room for the block being compiled.
    code: Code,
    bytes: Vec<u8>,
    emitted: Emitted,
    /// The jump that left compiled code last, and where it wants to go.
    link: Option<(usize, u64)>,
    /// A block that cannot run with the SIMD state as it is.
    refused: Option<u64>,
    /// Where compiled code stopped, as the next block was not to run.
    stopped: Option<u64>,
    /// How often it has to stop there before the block's nest is looked for.
    patience: u16,
    /// Compiled for 57-bit linear addresses.
    la57: bool,
    /// Number of the block that was compiled last.
    number: i32,
    counters: JitStats,
    /// Where compiled blocks are told about.
    dump: Option<Box<dyn Write + Send>>,
}

/// What the compiler did so far.
pub(crate) fn counters_of(tier1: &Tier1) -> JitStats {
    tier1.counters
}

/// The interpreter with compiled code for what is hot.
pub struct Jit {
    interpreter: Interpreter,
    tier1: Tier1,
}

/// The least room for code: what all blocks share and one of the longest.
const LEAST_BUFFER: usize = 256 << 10;
/// The longest stretch of compiled code, so that the budget fits a signed number.
const LONGEST_STRETCH: u64 = 1 << 40;

impl Jit {
    /// An engine with a code buffer of `bytes`.
    ///
    /// # Errors
    /// What the host said when it refused the mapping.
    pub fn new(bytes: usize) -> std::io::Result<Self> {
        let mut buffer = CodeBuffer::new(bytes.next_multiple_of(4096).max(LEAST_BUFFER))?;
        let mut blocks = Blocks::new();
        let (code, thunks) = thunks::assemble(buffer.next(), blocks.targets());
        buffer.append(&code);
        let first = blocks.divide(buffer.rest());
        buffer.go_to(&first);
        let tier1 = Tier1 {
            buffer,
            thunks,
            blocks,
            forms: forms(),
            code: Code::default(),
            bytes: Vec::new(),
            emitted: Emitted::default(),
            link: None,
            refused: None,
            stopped: None,
            patience: nest::PATIENCE,
            la57: false,
            number: 0,
            counters: JitStats::default(),
            dump: None,
        };
        Ok(Self { interpreter: Interpreter::new(), tier1 })
    }

    /// As [`new`](Self::new); compiles nests of loops at first sight, for tests that have
    /// no time to wait.
    ///
    /// # Errors
    /// As `new`.
    pub fn eager(bytes: usize) -> std::io::Result<Self> {
        let mut jit = Self::new(bytes)?;
        jit.tier1.patience = 1;
        Ok(jit)
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
    pub fn counters(&self) -> JitStats {
        self.tier1.counters
    }

    /// Writes guest code, steps and host code of each block that is compiled from
    /// now on to `out`.
    pub fn dump_to(&mut self, out: Box<dyn Write + Send>) {
        self.tier1.dump = Some(out);
    }

    pub(crate) fn into_tier1(self) -> Tier1 {
        self.tier1
    }
}

/// How a block is lifted in the mode that `cpu` is in, if at all.
fn lift_mode(cpu: &Cpu, block: &Block) -> Option<Mode> {
    // What is fetched from outside of RAM may be different the next time.
    let outside = |at: u64| at >= cpu.memory.host_len();
    if outside(block.start) || block.second_page().is_some_and(|second| !CROSSING || outside(second)) {
        return None;
    }
    if block.mode.is_64bit() {
        return Some(Mode::Long);
    }
    let (key, mode) = (cpu.code_key(), block.mode);
    let (code32, stack32) = (mode.code_bits() == 32, mode.stack_bits() == 32);
    if mode.is_flat() && code32 && stack32 && key.has_flat_code() {
        return Some(Mode::Flat32);
    }
    // Addresses of code do not wrap around inside a block or right behind it, and a
    // 16-bit stack keeps none of the upper half of RSP.
    let last = if code32 { u64::from(u32::MAX) } else { 0xFFFF };
    let fits = cpu.state.rip + block.code_bytes() + LONGEST_INSTRUCTION <= last;
    let stack = stack32 || !key.is_compatible();
    let whole = block.second_page().is_none();
    (SEGMENTS && fits && stack && whole).then_some(Mode::Segmented(Segmented {
        code32,
        stack32,
        flat_data: mode.is_flat(),
        whole_code: key.has_whole_code(),
        real: mode.is_real(),
    }))
}

/// Bytes of the longest instruction.
const LONGEST_INSTRUCTION: u64 = 15;

/// The instructions of a block, and the one in the shadow of the last.
fn with_shadow(cpu: &mut Cpu, block: &Block) -> Arc<[Op]> {
    // Only in real mode does a load of SS leave it as it is how code decodes.
    let shadow = |op: &Op| casts_shadow(op) && (op.code == iced_x86::Code::Sti || block.mode.is_real());
    let shadow = block.ops.last().is_some_and(shadow);
    match shadow.then(|| cpu.decode_behind(block)).flatten() {
        Some(next) => block.ops.iter().copied().chain([next]).collect(),
        None => Arc::clone(&block.ops),
    }
}

impl HotCode for Tier1 {
    const THRESHOLD: u16 = 12;

    fn enter(&mut self, cpu: &mut Cpu, block: &Block, end: u64) -> Option<Result<(), Exception>> {
        let rip = cpu.state.rip;
        let fits = block.ops.len() as u64 <= end - cpu.state.retired;
        let mode = lift_mode(cpu, block).filter(|_| fits && !cpu.needs_slow_access());
        let Some(mode) = mode.filter(|_| self.refused.take() != Some(rip)) else {
            self.link = None;
            return None;
        };
        self.follow_paging(cpu);
        let key = key_at(cpu, block.start);
        let known = self.blocks.find_noted(key, block);
        let index = match known.filter(|index| self.blocks.get(*index).second() == block.second_page()) {
            Some(index) if self.stopped.take() == Some(rip) => {
                self.sampled(cpu, index, mode).unwrap_or(index)
            }
            Some(index) => index,
            None if block.heat() < self.blocks.patience(block.start) => {
                self.link = None;
                return None;
            }
            None => self.compile(cpu, block, mode)?,
        };
        // One that goes on into a shadow is longer than the interpreter's.
        if self.blocks.get(index).ops.len() as u64 > end - cpu.state.retired {
            self.link = None;
            return None;
        }
        self.follow_link(rip, index);
        self.blocks.remember(index, target_of(cpu), cpu.fetch_context());
        let code = self.blocks.get(index).code;
        self.execute(cpu, code, end);
        Some(Ok(()))
    }

    fn invalidate(&mut self, start: u64, len: u64) {
        for (code, dead) in self.blocks.remove(start, len) {
            // Who still jumps to it leaves at once.
            self.bury(code, dead);
            self.link = None;
            self.counters.invalidations += 1;
        }
    }
}

impl Tier1 {
    /// Runs compiled code from `code` until it leaves.
    fn execute(&mut self, cpu: &mut Cpu, code: usize, end: u64) {
        self.counters.entries += 1;
        let before = cpu.state.retired;
        cpu.compiled.limit = end.min(before.saturating_add(LONGEST_STRETCH));
        cpu.compiled.set_status(cpu.state.status);
        cpu.compiled.faults = 0;
        cpu.disown_loops();
        cpu.state.regs[usize::from(PAGE)] = cpu.state.rip & PAGE_MASK;
        // Whoever used this thread's x87 since may have left any.
        cpu.compiled.x87_flags = 0x3F;
        cpu.compiled.blocks = &raw mut self.blocks as usize;
        // SAFETY: what it runs was compiled for this processor's layout, touches RAM
        // only through TLB entries that lead into the mapping, and keeps the host's ABI.
        let why = unsafe { self.thunks.enter(cpu, code) };
        cpu.compiled.blocks = 0;
        cpu.state.status = cpu.compiled.status();
        self.counters.retired += cpu.state.retired.wrapping_sub(before);
        match why {
            reason::LINK => self.link = Some((cpu.compiled.link_site, cpu.state.rip)),
            reason::BLOCKED => self.stopped = Some(cpu.state.rip),
            reason::REFUSED => self.refused = Some(cpu.state.rip),
            _ => {}
        }
    }

    /// Lets the jump that led to `rip` lead straight to the block's code.
    fn follow_link(&mut self, rip: u64, index: BlockId) {
        let Some((site, target)) = self.link.take() else { return };
        // The jump is good for ever only if both ends lie on one page of RAM: the
        // same linear page may be another in the address space that runs by now.
        let to = self.blocks.get(index);
        let same_page =
            self.blocks.at_code(site).is_some_and(|from| neighbour(from.key(), to.key().0) == Some(to.key()));
        if target != rip || !same_page {
            return;
        }
        let code = self.blocks.get(index).code;
        let Some((at, jump)) = link(site, code) else { return };
        if !self.blocks.goes_with(site, index) {
            self.blocks.note_link(at, self.buffer.read(at, jump.len()), index);
        }
        self.buffer.patch(at, &jump);
        self.counters.links += 1;
    }

    fn compile(&mut self, cpu: &mut Cpu, block: &Block, mode: Mode) -> Option<BlockId> {
        let began = Instant::now();
        let ops = with_shadow(cpu, block);
        let wanted = Wanted::new(cpu, block, &ops, mode);
        let Wanted { key, second, .. } = wanted;
        // There may be one that runs into another page.
        if let Some((code, dead)) = self.blocks.retire(key) {
            self.bury(code, dead);
        }
        self.number = self.number % i32::MAX + 1;
        let base = self.place(cpu, wanted)?;
        if self.dump.is_some() {
            let part = Part { code: &self.code, source: wanted.source(&self.bytes) };
            let text = text(&[part], &self.emitted.code, cpu.state.rip);
            self.tell(&text);
        }
        self.counters.blocks += 1;
        self.counters.instructions += ops.len() as u64;
        self.counters.interpreted += u64::from(self.code.interpreted + self.emitted.interpreted);
        self.counters.bytes += self.emitted.code.len() as u64;
        let dead = base + self.emitted.entries.first()?.dead;
        let index = self.blocks.insert(Compiled::new(key, second, ops, base, dead));
        self.counters.compile_s += began.elapsed().as_secs_f64();
        Some(index)
    }

    /// Assembles a block and puts it into the buffer, where the oldest code makes room
    /// if need be. Returns its host address.
    fn place(&mut self, cpu: &Cpu, wanted: Wanted<'_>) -> Option<usize> {
        self.assemble(cpu, wanted)?;
        if self.emitted.code.len() > self.buffer.room() {
            self.evict();
            self.assemble(cpu, wanted)?;
        }
        let base = self.buffer.next();
        self.buffer.append(&self.emitted.code).then_some(base)
    }

    /// Drops the code that was compiled longest ago. Never called while any runs.
    fn evict(&mut self) {
        let used = self.blocks.next_is_used();
        let (window, links) = self.blocks.advance();
        for (site, was) in links {
            self.buffer.patch(site, &was);
        }
        self.buffer.go_to(&window);
        self.link = None;
        self.counters.evictions += u64::from(used);
    }

    /// Compiled code is for one width of linear addresses.
    fn follow_paging(&mut self, cpu: &Cpu) {
        let la57 = cpu.state.cr4.contains(Cr4::LA57);
        if la57 != self.la57 {
            self.flush();
            self.la57 = la57;
        }
    }

    /// Makes host code of a block, for the end of the buffer.
    fn assemble(&mut self, cpu: &Cpu, wanted: Wanted<'_>) -> Option<()> {
        wanted.read(cpu, &mut self.bytes);
        let source = wanted.source(&self.bytes);
        lift(source, &mut self.forms, &mut self.code);
        optimise(&mut self.code);
        let mut emitted = std::mem::take(&mut self.emitted);
        let parts = [Part { code: &self.code, source }];
        let done = self.emit_parts(&parts, wanted.key, wanted.second_page(), &mut emitted);
        self.emitted = emitted;
        done
    }

    /// Emits one block, or several together, for where the buffer goes on.
    fn emit_parts(
        &self,
        parts: &[Part<'_>],
        key: Key,
        second: Option<SecondPage>,
        emitted: &mut Emitted,
    ) -> Option<()> {
        let destination = |to: u64| self.destination(to, key);
        let target = Target {
            base: self.buffer.next(),
            thunks: self.thunks,
            targets: self.blocks.targets(),
            la57: self.la57,
            number: self.number,
            second,
            destination: &destination,
        };
        emit(parts, &target, emitted)
    }

    /// How the block of `key`, which is being compiled, gets to `to`.
    fn destination(&self, to: u64, key: Key) -> Destination {
        let Some(there) = neighbour(key, to) else { return Destination::Far };
        match self.blocks.find(there) {
            // A jump to another region can be taken back only where it can be patched.
            Some(id) if self.blocks.goes_with(self.buffer.next(), id) => {
                Destination::Code(self.blocks.get(id).code)
            }
            _ => Destination::Linkable,
        }
    }

    /// Who still jumps to a block that is gone looks for its successor.
    fn bury(&mut self, code: usize, dead: usize) {
        if let Some(jump) = jump(code, dead) {
            self.buffer.patch(code, &jump);
        }
    }

    /// Writes to the trace what was compiled.
    fn tell(&mut self, text: &str) {
        let Some(out) = &mut self.dump else { return };
        // A trace that cannot be written is no reason to stop the guest.
        if let Err(error) = writeln!(out, "{text}") {
            log::warn!("the trace of compiled blocks ends: {error}");
            self.dump = None;
        }
    }

    /// Whether the block that was to run could not, for the SIMD state; forgets it.
    pub(crate) fn take_refused(&mut self) -> bool {
        self.refused.take().is_some()
    }

    /// The block at `rip` and what it is compiled to, in words.
    pub(crate) fn describe(&mut self, cpu: &Cpu, block: &Block, rip: u64) -> String {
        let Some(mode) = lift_mode(cpu, block) else { return String::new() };
        let mut wanted = Wanted::new(cpu, block, &block.ops, mode);
        wanted.key.0 = if mode.is_relative() { rip & !PAGE_MASK } else { rip };
        match self.assemble(cpu, wanted) {
            Some(()) => {
                let part = Part { code: &self.code, source: wanted.source(&self.bytes) };
                text(&[part], &self.emitted.code, rip)
            }
            None => String::new(),
        }
    }

    /// Drops all compiled code. Never called while any of it runs.
    fn flush(&mut self) {
        let first = self.blocks.clear();
        self.buffer.go_to(&first);
        self.link = None;
        self.counters.flushes += 1;
    }
}

/// Guest code, steps and host code in words, of blocks on the page of `rip`.
fn text(parts: &[Part<'_>], host: &[u8], rip: u64) -> String {
    let guest = parts.iter().map(|part| crate::dump::guest(part.source, part.code, rip));
    guest.chain([crate::dump::host(host)]).collect()
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
