//! Nests of loops: blocks of one page that jump to each other are compiled once more,
//! together, when compiled code is found in one of them again and again.
//!
//! Whenever the budget ends or somebody wants attention, compiled code stops where a
//! block begins. That is often where most time goes.

use super::{Tier1, text};
use crate::cache::{BlockId, Compiled, Key, neighbour};
use crate::emit::Part;
use crate::ir::Code;
use crate::lift::{Mode, Source, lift};
use crate::opt::optimise;
use glassbox_cpu::{Cpu, Op};
use glassbox_memory::AddressMap;
use std::sync::Arc;
use std::time::Instant;

/// Times that a block was found to be the next one, before its nest is looked for:
/// this, and it times 8, 64 and so on.
pub(super) const PATIENCE: u16 = 8;
/// No more blocks are looked at.
const MOST_BLOCKS: usize = 64;
/// The largest nest.
const LARGEST: usize = 24;

/// A block on the way to be compiled with others.
struct Member {
    key: Key,
    ops: Arc<[Op]>,
    bytes: Vec<u8>,
    code: Code,
    next: [Option<usize>; 2],
}

impl Member {
    fn source(&self, mode: Mode) -> Source<'_> {
        Source { bytes: &self.bytes, ops: &self.ops, rip: self.key.0, mode }
    }

    fn goes_to(&self, n: usize) -> bool {
        self.next.contains(&Some(n))
    }
}

impl Tier1 {
    /// Compiled code stopped where the block begins. Returns what it became if it was
    /// compiled anew.
    pub(super) fn sampled(&mut self, cpu: &Cpu, id: BlockId, mode: Mode) -> Option<BlockId> {
        let samples = self.blocks.sample(id);
        let due = (0..5).any(|n| samples == self.patience << (3 * n));
        // Where the code segment may end between blocks each has to look.
        if !due || !crate::emit::host::NESTS || mode.bounds_code() {
            return None;
        }
        let began = Instant::now();
        let key = self.blocks.get(id).key();
        let members = self.nest_around(cpu, key, mode)?;
        let known =
            members.iter().map(|member| self.blocks.find(member.key).map(|id| self.blocks.get(id).nest));
        let nest = self.blocks.get(id).nest;
        if nest != 0
            && self.blocks.size_of_nest(id) == members.len()
            && known.into_iter().all(|n| n == Some(nest))
        {
            return None;
        }
        let id = self.compile_nest(&members, mode, key, cpu.state.rip);
        self.counters.compile_s += began.elapsed().as_secs_f64();
        id
    }

    /// The blocks that lead to the one with this key and that it leads to, by direct
    /// jumps within the page, in the order of their addresses.
    fn nest_around(&mut self, cpu: &Cpu, key: Key, mode: Mode) -> Option<Vec<Member>> {
        let mut members: Vec<Member> = Vec::new();
        let mut known: AddressMap<u64, Option<usize>> = AddressMap::default();
        let mut todo = vec![key.0];
        while let Some(rip) = todo.pop() {
            if known.contains_key(&rip) || members.len() == MOST_BLOCKS {
                continue;
            }
            let member = neighbour(key, rip).and_then(|key| self.member(key, cpu, mode));
            known.insert(rip, member.as_ref().map(|_| members.len()));
            if let Some(member) = member {
                let here = member.code.successors().into_iter().flatten();
                todo.extend(here.filter(|to| neighbour(key, *to).is_some()));
                members.push(member);
            }
        }
        for member in &mut members {
            let [a, b] = member.code.successors();
            let index = |to: Option<u64>| to.and_then(|to| known.get(&to).copied().flatten());
            member.next = [index(a), index(b)];
        }
        // The first is where it began: all are reached from there.
        let mut inside = strongly_connected(&members, &vec![true; members.len()]);
        if inside.iter().filter(|&&inside| inside).count() > LARGEST {
            inside = innermost(&members, &inside)?;
        }
        let mut inside = inside.into_iter();
        members.retain(|_| inside.next() == Some(true));
        members.sort_by_key(|member| member.key.0);
        (2..=LARGEST).contains(&members.len()).then_some(members)
    }

    /// A compiled block lifted again, if it can be part of a nest.
    fn member(&mut self, key: Key, cpu: &Cpu, mode: Mode) -> Option<Member> {
        let block = self.blocks.get(self.blocks.find(key)?);
        if block.second().is_some() {
            return None;
        }
        let ops = Arc::clone(&block.ops);
        let mut bytes = vec![0; ops.last().map_or(0, |op| usize::from(op.end))];
        cpu.memory.read_slice_at(key.1, &mut bytes);
        let mut member = Member { key, ops, bytes, code: Code::default(), next: [None; 2] };
        let mut code = Code::default();
        lift(member.source(mode), &mut self.forms, &mut code);
        optimise(&mut code);
        let plain = !code.frozen && code.x87.is_none() && !member.source(mode).shadowed();
        member.code = code;
        plain.then_some(member)
    }

    fn compile_nest(&mut self, members: &[Member], mode: Mode, key: Key, rip: u64) -> Option<BlockId> {
        self.number = self.number % i32::MAX + 1;
        let parts: Vec<Part<'_>> =
            members.iter().map(|member| Part { code: &member.code, source: member.source(mode) }).collect();
        let mut emitted = std::mem::take(&mut self.emitted);
        self.emit_parts(&parts, key, None, &mut emitted)?;
        if emitted.code.len() > self.buffer.room() {
            self.evict();
            self.emit_parts(&parts, key, None, &mut emitted)?;
        }
        let base = self.buffer.next();
        if !self.buffer.append(&emitted.code) {
            return None;
        }
        let mut found = None;
        for (member, entry) in members.iter().zip(&emitted.entries) {
            if let Some((code, dead)) = self.blocks.retire(member.key) {
                self.bury(code, dead);
            }
            let (code, dead) = (base + entry.at, base + entry.dead);
            let block = Compiled::new(member.key, None, Arc::clone(&member.ops), code, dead);
            let id = self.blocks.insert(block.of_nest(self.number as u32, self.patience));
            if member.key == key {
                found = Some(id);
            }
        }
        self.link = None;
        self.counters.nests += 1;
        self.counters.instructions += members.iter().map(|member| member.ops.len() as u64).sum::<u64>();
        self.counters.bytes += emitted.code.len() as u64;
        if self.dump.is_some() {
            self.tell(&text(&parts, &emitted.code, rip));
        }
        self.emitted = emitted;
        found
    }
}

/// Those of `among` that lead to the first and that it leads to.
fn strongly_connected(members: &[Member], among: &[bool]) -> Vec<bool> {
    let spread = |leads: &dyn Fn(usize, usize) -> bool| {
        let mut inside = vec![false; members.len()];
        let mut todo = vec![0];
        while let Some(n) = todo.pop() {
            for other in 0..members.len() {
                if among[other] && !inside[other] && leads(n, other) {
                    inside[other] = true;
                    todo.push(other);
                }
            }
        }
        inside
    };
    let behind = spread(&|n, other| members[n].goes_to(other));
    let before = spread(&|n, other| members[other].goes_to(n));
    behind.into_iter().zip(before).map(|(behind, before)| behind && before).collect()
}

/// Of a nest that is too large, the shortest way round and what lies between.
fn innermost(members: &[Member], inside: &[bool]) -> Option<Vec<bool>> {
    let mut from = vec![None; members.len()];
    let mut todo = std::collections::VecDeque::from([0]);
    let last = loop {
        let n = todo.pop_front()?;
        if members[n].goes_to(0) {
            break n;
        }
        for other in members[n].next.into_iter().flatten() {
            if inside[other] && other != 0 && from[other].is_none() {
                from[other] = Some(n);
                todo.push_back(other);
            }
        }
    };
    let way = std::iter::successors(Some(last), |&n| from[n]);
    let (low, high) =
        way.fold((u64::MAX, 0), |(low, high), n| (low.min(members[n].key.0), high.max(members[n].key.0)));
    let between: Vec<bool> = members
        .iter()
        .zip(inside)
        .map(|(member, inside)| *inside && (low..=high).contains(&member.key.0))
        .collect();
    Some(strongly_connected(members, &between))
}
