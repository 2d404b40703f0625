//! Blocks that jump to each other, emitted together: a loop of one block, or a nest
//! of loops.
//!
//! Between them all vectors that any of them uses stay in the host's registers, and
//! each access keeps its translation (`sites`). Flags are in memory where a block
//! begins, but for two cases in which they are made when somebody asks: the block
//! replaces them all before it looks at one, or it is the same block once more
//! ([`kept_by_loop`]).

use super::flags::{FlagState, Recipe, kept_by_loop};
use super::map::FUEL;
use super::vectors::Vectors;
use super::x87::Stack;
use super::{Emitter, Entry, Outline, Part};
use crate::emit::reason;
use crate::ir::{Code, flags};
use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi, dynasm};
use glassbox_cpu::compiled::layout;

/// What the others know of a block.
#[derive(Clone, Copy)]
pub struct Head {
    /// Where they enter it, its instructions taken from the budget.
    label: DynamicLabel,
    /// How its flags can be made in its next round, in a loop that stores none.
    pub flags: Option<Recipe>,
    /// It replaces all flags before anybody could ask for them.
    replaces_flags: bool,
}

/// A way from one block to another that is not to be gone now.
pub struct Between {
    /// The budget does not suffice: the other's instructions were taken from it.
    stop: DynamicLabel,
    /// Somebody wants attention.
    poll: DynamicLabel,
    to: usize,
    flags: FlagState,
    stacks: [Stack; 2],
}

/// What there is to know of each block.
pub fn heads(parts: &[Part<'_>], mut label: impl FnMut() -> DynamicLabel) -> impl Iterator<Item = Head> {
    parts.iter().map(move |part| {
        let again = part.code.successors().contains(&Some(part.source.rip));
        let flags = if again { kept_by_loop(part.code) } else { None };
        Head { label: label(), flags, replaces_flags: replaces_flags(part.code) }
    })
}

/// Whether a block replaces all flags before it reads one and before anything could
/// hand over to the interpreter.
fn replaces_flags(code: &Code) -> bool {
    for inst in &code.insts {
        let effect = inst.effect();
        if effect.reads != 0 || effect.leaves || inst.ends() {
            return false;
        }
        if effect.writes == flags::ALL {
            return true;
        }
    }
    false
}

impl Emitter<'_> {
    /// Goes over to another block.
    pub fn enter_part(&mut self, part: usize) {
        self.part = part;
        self.source = self.parts[part].source;
    }

    /// The block at an address, if it is one of these.
    pub fn inner(&self, target: u64) -> Option<usize> {
        if !self.looping {
            return None;
        }
        self.parts.iter().position(|part| part.source.rip == target)
    }

    /// Where a block begins for those of the same loop.
    pub fn head(&mut self, part: usize) {
        self.enter_part(part);
        self.index = 0;
        self.cell_live = false;
        self.flags = Self::initial_flags();
        let Some(head) = self.heads.get(part).copied() else { return };
        self.vectors = self.loop_vectors;
        self.loop_flags = head.flags;
        self.flags.round = head.flags;
        dynasm!(self.asm; .arch x64; =>head.label);
    }

    /// Where a block of several is entered from elsewhere.
    pub fn entry(&mut self, part: usize) -> Entry {
        self.enter_part(part);
        for label in [&mut self.entrance, &mut self.blocked, &mut self.refused, &mut self.stopped] {
            *label = self.asm.new_dynamic_label();
        }
        let at = self.asm.offset().0;
        self.prologue(self.parts[part].code);
        let label = self.heads[part].label;
        dynasm!(self.asm; .arch x64; jmp =>label);
        Entry { at, dead: self.refusals(false) }
    }

    /// Goes on in a block of the same loop; `last` if nothing of this one follows.
    pub fn edge(&mut self, to: usize, last: bool) {
        let head = self.heads[to];
        let round = to == self.part && head.flags.is_some() && self.flags.recipe == head.flags;
        let replaced = head.replaces_flags && self.flags.recipe.is_some();
        if !self.flags.memory && !round && !replaced {
            self.flags_to_memory();
        }
        self.load_missing();
        if let Some(plan) = self.x87_plan {
            if !self.stacks[0].active {
                self.x87_load(0, plan.deepest);
            }
            dynasm!(self.asm; .arch x64; mov BYTE [r15 + layout::X87_ROUND as i32], 1);
        }
        if head.flags.is_some() {
            let kept = i8::from(round && !self.flags.memory);
            dynasm!(self.asm; .arch x64; mov BYTE [r15 + layout::LOOP_ROUND as i32], kept);
        }
        let (stop, poll) = (self.asm.new_dynamic_label(), self.asm.new_dynamic_label());
        let other = self.parts[to].source;
        if other.rip <= self.source.rip {
            dynasm!(self.asm
                ; .arch x64
                ; mov rax, [r15 + layout::ATTENTION as i32]
                ; cmp BYTE [rax], 0
                ; jne =>poll
            );
        }
        dynasm!(self.asm; .arch x64; sub Rq(FUEL), BYTE other.ops.len() as i8);
        if last && to == self.part + 1 {
            dynasm!(self.asm; .arch x64; jl =>stop);
        } else {
            dynasm!(self.asm; .arch x64; jge =>head.label; jmp =>stop);
        }
        let flags = FlagState { host: false, ..self.flags };
        self.outlines.push(Outline::Between(Between { stop, poll, to, flags, stacks: self.stacks }));
    }

    /// Loads the vectors that a block of the loop begins with. What it stores was loaded.
    fn load_missing(&mut self) {
        let missing = Vectors {
            loaded: self.loop_vectors.loaded & !self.vectors.loaded
                | self.loop_vectors.long & !self.vectors.long,
            long: self.loop_vectors.long & !self.vectors.long,
            ..Default::default()
        };
        let partly = Vectors {
            dirty: self.vectors.dirty & missing.loaded,
            dirty_long: self.vectors.dirty_long & missing.loaded,
            ..Default::default()
        };
        self.store_vectors(partly);
        self.load_vectors(missing);
    }

    /// Behind the blocks: leaves for the other one.
    pub fn between_outline(&mut self, between: &Between) {
        let Between { stop, poll, to, flags, stacks } = *between;
        let other = self.parts[to].source;
        dynasm!(self.asm; .arch x64; =>stop; add Rq(FUEL), BYTE other.ops.len() as i8; =>poll);
        self.store_flags_of(flags);
        self.store_vectors(self.loop_vectors);
        self.x87_flush(stacks);
        if self.uses.avx {
            dynasm!(self.asm; .arch x64; vzeroupper);
        }
        let exit = self.asm.new_dynamic_label();
        self.leave_with(exit, other.rip, reason::BLOCKED, None);
    }
}
