//! The loop that finds, decodes and runs blocks.

use crate::block::{Block, BlockCache, BlockId};
use crate::decode::{self, Decoded, MAX_BLOCK_BYTES, MAX_BLOCK_OPS, MAX_INSTRUCTION};
use crate::mmu::Access;
use crate::op::Op;
use crate::state::{REG_BLOCK, SegReg};
use crate::{Activity, Cpu, Exception, Mode};
use glassbox_memory::{CodeWatcher, Gva, PAGE_MASK, PAGE_SIZE};
use glassbox_x86_spec::control::Flags;
use glassbox_x86_spec::control::{dr6, dr7};
use std::sync::Arc;

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The instruction budget is used up.
    Budget,
    /// [`crate::CpuSignals::request_exit`] was called.
    Requested,
    /// HLT: nothing to do until an interrupt comes.
    Halted,
    /// Triple fault or an application processor that was not started.
    Stopped,
}

/// An engine for hot code on top of the interpreter.
pub trait HotCode {
    /// Blocks that were entered this often are offered to [`enter`](Self::enter).
    const THRESHOLD: u16;

    /// Runs the block at CS:RIP, and what follows it for as long as it likes,
    /// without taking the retired count above `end`. `None` leaves the block to
    /// the interpreter.
    fn enter(&mut self, cpu: &mut Cpu, block: &Block, end: u64) -> Option<Result<(), Exception>>;

    /// Code in `len` bytes at RAM offset `start` was overwritten.
    fn invalidate(&mut self, start: u64, len: u64);
}

/// No engine for hot code.
struct Nothing;

impl HotCode for Nothing {
    const THRESHOLD: u16 = u16::MAX;

    fn enter(&mut self, _: &mut Cpu, _: &Block, _: u64) -> Option<Result<(), Exception>> {
        None
    }

    fn invalidate(&mut self, _: u64, _: u64) {}
}

/// Tier 0: executes pre-decoded blocks, one op after the other.
pub struct Interpreter {
    cache: BlockCache,
    watcher: Option<Arc<CodeWatcher>>,
    /// The block that ran last.
    last: BlockId,
    /// Room for the block being decoded.
    ops: Vec<Op>,
    /// Blocks entered since power-on.
    pub blocks_run: u64,
}

impl Default for Interpreter {
    fn default() -> Self {
        Self::new()
    }
}

impl Interpreter {
    /// An engine with an empty cache.
    pub fn new() -> Self {
        Self { cache: BlockCache::new(), watcher: None, last: 0, ops: Vec::new(), blocks_run: 0 }
    }

    /// Blocks decoded and blocks dropped because their code was written.
    pub fn cache_counts(&self) -> (u64, u64) {
        (self.cache.decoded, self.cache.invalidated)
    }

    /// Runs `cpu` until something is to be done outside, but for at most
    /// `budget` retired instructions, which are counted exactly. A guest whose
    /// fault handlers fault for ever retires none: then the run ends before that.
    pub fn run(&mut self, cpu: &mut Cpu, budget: u64) -> Exit {
        self.run_with(cpu, budget, &mut Nothing)
    }

    /// As [`run`](Self::run), with an engine for hot code.
    pub fn run_with<H: HotCode>(&mut self, cpu: &mut Cpu, budget: u64, hot: &mut H) -> Exit {
        if self.watcher.is_none() {
            self.watcher = Some(cpu.memory.watch_code());
        }
        cpu.follow_memory_map();
        if cpu.compiled.watcher.is_none() {
            cpu.compiled.watcher.clone_from(&self.watcher);
        }
        let end = cpu.state.retired.saturating_add(budget);
        let (mut retired, mut stalled) = (cpu.state.retired, 0);
        let exit = loop {
            stalled = if cpu.state.retired == retired { stalled + 1 } else { 0 };
            retired = cpu.state.retired;
            if stalled > MAX_STALLED {
                break Exit::Budget;
            }
            if cpu.signals.attention()
                && let Some(exit) = cpu.attend()
            {
                break exit;
            }
            match cpu.state.activity {
                Activity::Active => {}
                Activity::Halted => break Exit::Halted,
                Activity::WaitForSipi | Activity::Shutdown => break Exit::Stopped,
            }
            if self.watcher.as_ref().is_some_and(|w| w.is_pending()) {
                self.drop_stale(hot);
            }
            if cpu.state.retired >= end {
                break Exit::Budget;
            }
            if cpu.stepping || cpu.state.interrupt_shadow {
                self.step(cpu);
                continue;
            }
            if let Err(fault) = self.run_blocks(cpu, end, hot) {
                cpu.raise(fault);
            }
        };
        cpu.signals.publish_retired(cpu.state.retired);
        exit
    }

    /// Executes the instruction at CS:RIP and nothing else: no interrupts, no
    /// breakpoints, no single-step. For comparing instructions one by one.
    ///
    /// A repeated string instruction may stop half way, with RIP unchanged, and
    /// is entered again by the next call.
    ///
    /// # Errors
    /// The fault it raises, which is handed back here instead of being delivered.
    pub fn execute_one(&mut self, cpu: &mut Cpu) -> Result<(), Exception> {
        let watcher = self.watcher.get_or_insert_with(|| cpu.memory.watch_code());
        if watcher.is_pending() {
            self.drop_stale(&mut Nothing);
        }
        self.find_and_execute(cpu, 1)
    }

    /// Runs the block at CS:RIP, but at most `left` instructions of it, and
    /// nothing else: no interrupts, no breakpoints, no single-step.
    ///
    /// # Errors
    /// The fault it raises, which is handed back here instead of being delivered.
    pub fn run_block(&mut self, cpu: &mut Cpu, left: u64) -> Result<(), Exception> {
        let watcher = self.watcher.get_or_insert_with(|| cpu.memory.watch_code());
        if watcher.is_pending() {
            self.drop_stale(&mut Nothing);
        }
        self.find_and_execute(cpu, left)
    }

    /// The block at CS:RIP, decoded if need be: for engines that are tested on their own.
    ///
    /// # Errors
    /// The fault that fetching it raises.
    pub fn block_at(&mut self, cpu: &mut Cpu) -> Result<&Block, Exception> {
        let watcher = self.watcher.get_or_insert_with(|| cpu.memory.watch_code());
        if watcher.is_pending() {
            self.drop_stale(&mut Nothing);
        }
        let id = self.find(cpu)?;
        self.cache.get(id).ok_or(Exception::UD)
    }

    /// Runs blocks for as long as they change nothing that [`run`](Self::run)
    /// looks at between them.
    #[inline(always)]
    fn run_blocks<H: HotCode>(&mut self, cpu: &mut Cpu, end: u64, hot: &mut H) -> Result<(), Exception> {
        loop {
            let id = self.find(cpu)?;
            let Some(block) = self.cache.get(id) else { return Ok(()) };
            if H::THRESHOLD != u16::MAX
                && block.warm() >= H::THRESHOLD
                && let Some(done) = hot.enter(cpu, block, end)
            {
                return done;
            }
            self.blocks_run += 1;
            execute(cpu, block, end - cpu.state.retired)?;
            if !block.plain || cpu.leave_block || cpu.signals.attention() || cpu.state.retired >= end {
                return Ok(());
            }
        }
    }

    fn drop_stale<H: HotCode>(&mut self, hot: &mut H) {
        let Some(watcher) = &self.watcher else { return };
        for (start, len) in watcher.take() {
            self.cache.invalidate(start, len);
            hot.invalidate(start, len);
        }
    }

    /// Runs at most `left` ops of the block at CS:RIP.
    fn find_and_execute(&mut self, cpu: &mut Cpu, left: u64) -> Result<(), Exception> {
        let id = self.find(cpu)?;
        let Some(block) = self.cache.get(id) else { return Ok(()) };
        self.blocks_run += 1;
        execute(cpu, block, left)
    }

    /// Runs one instruction with everything that blocks leave out: interrupt
    /// shadows, single-step, breakpoints, RF, the observer.
    fn step(&mut self, cpu: &mut Cpu) {
        let before = cpu.observer.is_some().then(|| cpu.state.clone());
        let flags = cpu.state.system_flags;
        let shadow = std::mem::take(&mut cpu.state.interrupt_shadow);
        let debug_shadow = std::mem::take(&mut cpu.state.debug_shadow);
        let resume = flags.contains(Flags::RF);
        if !resume && !debug_shadow && cpu.state.dr[7] & dr7::ENABLES != 0 {
            let hit = cpu.code_breakpoints();
            if hit != 0 {
                cpu.state.dr[6] |= hit;
                cpu.raise(Exception::DB);
                return;
            }
        }
        if resume {
            cpu.state.system_flags -= Flags::RF;
            cpu.sync();
        }
        if !debug_shadow {
            cpu.pending_db = 0;
        }
        if flags.contains(Flags::TF) {
            cpu.pending_db |= dr6::BS;
        }
        let result = self.find_and_execute(cpu, 1);
        if let (Some(before), Ok(())) = (&before, &result) {
            cpu.tell_retired(before);
        }
        match result {
            Err(fault) => {
                cpu.pending_db = 0;
                cpu.raise(fault);
            }
            Ok(()) if cpu.pending_db != 0 && !cpu.state.debug_shadow => {
                cpu.state.dr[6] |= std::mem::take(&mut cpu.pending_db);
                cpu.raise_trap(Exception::DB);
            }
            Ok(()) => {}
        }
        if shadow {
            cpu.interrupts_may_be_open();
        }
    }

    /// The block at CS:RIP, decoded if need be.
    #[inline(always)]
    fn find(&mut self, cpu: &mut Cpu) -> Result<BlockId, Exception> {
        let gva = cpu.code_address();
        let entry = cpu.tlb.entry(gva);
        let fetchable = entry.exec == cpu.tlb.tag(gva);
        let start = cpu.ram_offset(entry, gva);
        // The link saves the search. What it leads to may be another block by now: it is
        // the right one if it is what the TLB entry above says is to run.
        if let Some(id) = self.cache.successor(self.last, cpu.state.rip)
            && let Some(block) = self.cache.get(id)
            && fetchable
            && block.start == start
            && block.mode == cpu.mode
            && block.second_page().is_none()
            && (cpu.mode.is_64bit() || cpu.in_code_limit(block))
        {
            self.last = id;
            return Ok(id);
        }
        let id = self.search(cpu, gva, fetchable.then_some(start))?;
        self.cache.link(self.last, cpu.state.rip, id);
        self.last = id;
        Ok(id)
    }

    /// Finds the block by the RAM offset of its first byte, `start` if the TLB has that,
    /// known or not.
    #[inline(never)]
    fn search(&mut self, cpu: &mut Cpu, gva: u64, start: Option<u64>) -> Result<BlockId, Exception> {
        if let Some(start) = start
            && let Some(id) = self.cache.find(start, cpu.mode)
            && let Some(block) = self.cache.get(id)
            && (cpu.mode.is_64bit() || cpu.in_code_limit(block))
            && block.second_page().is_none_or(|second| cpu.fetches(next_page(cpu.mode, gva), second))
        {
            return Ok(id);
        }
        self.search_slow(cpu, gva, start)
    }

    #[cold]
    #[inline(never)]
    fn search_slow(&mut self, cpu: &mut Cpu, gva: u64, start: Option<u64>) -> Result<BlockId, Exception> {
        if !cpu.mode.is_64bit() && cpu.state.rip > u64::from(cpu.state.seg(SegReg::Cs).limit) {
            return Err(Exception::GP0);
        }
        if cpu.mode.is_64bit() && !cpu.is_canonical(gva) {
            return Err(Exception::GP0);
        }
        let start = if start.is_some() { start } else { self.fetch_page(cpu, gva)? };
        if let Some(start) = start
            && let Some(id) = self.cache.find(start, cpu.mode)
            && let Some(block) = self.cache.get(id)
            && (cpu.mode.is_64bit() || cpu.in_code_limit(block))
        {
            let Some(second) = block.second_page() else { return Ok(id) };
            let next = next_page(cpu.mode, gva);
            if self.fetch_page(cpu, next)? == Some(second) {
                return Ok(id);
            }
        }
        self.decode_at(cpu, gva, start)
    }

    /// Translates for a fetch; `None` where no memory is behind it.
    fn fetch_page(&mut self, cpu: &mut Cpu, gva: u64) -> Result<Option<u64>, Exception> {
        let table = cpu.current_table();
        let found = cpu.fill(Gva(gva), Access::Fetch, table)?;
        Ok(cpu.memory.lookup(found.gpa).map(|b| b.offset))
    }

    /// Decodes the block at `gva`, whose first byte is at RAM offset `start`.
    fn decode_at(&mut self, cpu: &mut Cpu, gva: u64, start: Option<u64>) -> Result<BlockId, Exception> {
        let mode = cpu.mode;
        let in_page = (PAGE_SIZE - (gva & !PAGE_MASK)) as usize;
        let limit = cpu.bytes_to_code_limit();
        let mut bytes = [0; MAX_BLOCK_BYTES + MAX_INSTRUCTION];
        let mut len = in_page.min(MAX_BLOCK_BYTES).min(limit);
        if let Some(start) = start {
            cpu.memory.read_slice_at(start, &mut bytes[..len]);
        } else {
            len = len.min(MAX_INSTRUCTION);
            let at = cpu.translate(Gva(gva), Access::Fetch, cpu.current_table())?.gpa;
            cpu.read_physical(at, &mut bytes[..len]);
        }
        self.ops.clear();
        let mut at = 0;
        while self.ops.len() < MAX_BLOCK_OPS && at + MAX_INSTRUCTION <= MAX_BLOCK_BYTES {
            match decode::decode(&bytes[at..len], mode, at as u8, &cpu.model) {
                Decoded::Op(op) => {
                    at = usize::from(op.end);
                    self.ops.push(op);
                    if op.flags & Op::ENDS_BLOCK != 0 || start.is_none() {
                        break;
                    }
                }
                Decoded::MoreBytes => break,
            }
        }
        let mut second_page = None;
        if self.ops.is_empty() {
            // The first instruction crosses into the next page, or the limit.
            if len == limit && limit < in_page {
                return Err(Exception::GP0);
            }
            let next = gva.wrapping_add(len as u64) & mode.rip_mask();
            let whole = len + (MAX_INSTRUCTION - len.min(MAX_INSTRUCTION)).min(limit - len);
            let rest = &mut bytes[len..whole];
            second_page = self.fetch_page(cpu, next)?;
            match second_page {
                Some(second) => cpu.memory.read_slice_at(second, rest),
                None => {
                    let at = cpu.translate(Gva(next), Access::Fetch, cpu.current_table())?.gpa;
                    cpu.read_physical(at, rest);
                }
            }
            match decode::decode(&bytes[..whole], mode, 0, &cpu.model) {
                Decoded::Op(op) => self.ops.push(op),
                Decoded::MoreBytes => return Err(Exception::GP0),
            }
        }
        let code = &bytes[..self.ops.last().map_or(0, |op| op.end.into())];
        let whole = second_page.is_some() || code.len() <= in_page;
        let cacheable = whole && start.is_some_and(|start| cpu.is_code(start, second_page, code));
        // Code outside RAM gets a key of its own that is dropped again at once.
        let key = start.filter(|_| cacheable).unwrap_or(UNCACHED);
        if !cacheable {
            self.cache.invalidate(UNCACHED, 1);
        }
        Ok(self.cache.insert(Block::new(&self.ops, key, second_page, mode)))
    }
}

/// Runs at most `left` ops of a block.
#[inline(always)]
fn execute(cpu: &mut Cpu, block: &Block, left: u64) -> Result<(), Exception> {
    let base = cpu.state.rip;
    cpu.state.regs[REG_BLOCK as usize] = base;
    cpu.leave_block = false;
    let mask = cpu.mode.rip_mask();
    let count = if left < block.ops.len() as u64 { left as usize } else { block.ops.len() };
    let ops = &block.ops[..count];
    // Branches overwrite this; everything else falls through to it.
    cpu.state.rip = base.wrapping_add(u64::from(ops[count - 1].end)) & mask;
    let mut done = 0;
    for op in ops {
        cpu.op_index = done;
        if let Err(fault) = (op.run)(cpu, op) {
            cpu.op_index = 0;
            cpu.state.retired += u64::from(done);
            cpu.state.rip = base.wrapping_add(u64::from(op.end) - u64::from(op.len)) & mask;
            return Err(fault);
        }
        done += 1;
        if cpu.leave_block {
            break;
        }
    }
    cpu.op_index = 0;
    cpu.state.retired = cpu.state.retired.wrapping_add(u64::from(done));
    if (done as usize) < count {
        cpu.state.rip = base.wrapping_add(u64::from(ops[done as usize - 1].end)) & mask;
    }
    Ok(())
}

/// Faults in a row, or entries of one string instruction, before a run ends.
const MAX_STALLED: u32 = 1 << 16;

/// The page behind that of `gva`.
fn next_page(mode: Mode, gva: u64) -> u64 {
    (gva & PAGE_MASK).wrapping_add(PAGE_SIZE) & mode.rip_mask()
}

/// A RAM offset that no RAM has.
const UNCACHED: u64 = 1 << 58;

impl Cpu {
    /// The linear address of CS:RIP.
    #[inline(always)]
    pub(crate) fn code_address(&self) -> u64 {
        if self.mode.is_64bit() {
            self.state.rip
        } else {
            self.state.rip.wrapping_add(self.state.segs[SegReg::Cs as usize].base) & 0xFFFF_FFFF
        }
    }

    /// Whether the TLB says that fetches at `gva` are answered by RAM at `offset`.
    #[inline(always)]
    fn fetches(&self, gva: u64, offset: u64) -> bool {
        let entry = self.tlb.entry(gva);
        entry.exec == self.tlb.tag(gva) && self.ram_offset(entry, gva) == offset
    }

    /// Notes that `len` bytes at RAM offset `at` are code, which is not written to unseen.
    pub(crate) fn mark_code(&mut self, at: u64, len: u64) {
        if self.memory.mark_code(at, len) {
            self.tlb.protect_page(self.memory.host_address(at));
        }
    }

    /// Notes that `code` is at RAM offset `start`, and what does not fit its page at
    /// `second`. False if it is another by now, which some other thread has written.
    pub(crate) fn is_code(&mut self, start: u64, second: Option<u64>, code: &[u8]) -> bool {
        let in_page = (PAGE_SIZE - (start & !PAGE_MASK)) as usize;
        let (first, rest) = code.split_at(code.len().min(in_page));
        let mut pieces = [(Some(start), first), (second, rest)].into_iter();
        pieces.all(|(at, piece)| {
            let Some(at) = at.filter(|_| !piece.is_empty()) else { return true };
            self.mark_code(at, piece.len() as u64);
            let mut now = [0; MAX_BLOCK_BYTES];
            let now = &mut now[..piece.len()];
            self.memory.read_slice_at(at, now);
            now == piece
        })
    }

    /// Whether a whole block lies inside the CS limit.
    #[inline(always)]
    fn in_code_limit(&self, block: &Block) -> bool {
        let last = self.state.rip + block.code_bytes() - 1;
        last <= u64::from(self.state.segs[SegReg::Cs as usize].limit)
    }

    /// Bytes from RIP to the end of the code segment.
    fn bytes_to_code_limit(&self) -> usize {
        if self.mode.is_64bit() {
            return usize::MAX;
        }
        let limit = u64::from(self.state.seg(SegReg::Cs).limit);
        (limit + 1).saturating_sub(self.state.rip) as usize
    }
}
