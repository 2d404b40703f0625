//! Where the guest's status flags are: in the host's, in memory, or to be had by
//! doing a comparison again.

use super::asm::Asm;
use super::encode::Rm;
use super::map::{self, RDX};
use super::{Emitter, slot};
use crate::ir::{Alu, Code, Inst, Place, Reg, Size, Value, flags};
use dynasmrt::{DynasmApi, DynasmLabelApi, dynasm};
use glassbox_cpu::compiled::layout;
use glassbox_x86_spec::control::Flags;

/// How to get flags once more that were in the host's before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recipe {
    op: Alu,
    size: Size,
    a: Reg,
    b: Value,
    /// The operation changed `a`: undo it first.
    changed: bool,
}

/// Where the flags are. Nothing set: nobody will ask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlagState {
    /// In the host's flags.
    pub host: bool,
    /// In [`layout::FLAGS`].
    pub memory: bool,
    /// Can be made.
    pub recipe: Option<Recipe>,
    /// Where a loop begins: in memory in its first round, to be made in the others.
    pub round: Option<Recipe>,
}

impl FlagState {
    /// Stored and nowhere else.
    pub const STORED: Self = Self { host: false, memory: true, recipe: None, round: None };
}

/// The recipe for the flags of a step.
fn recipe(inst: &Inst) -> Option<Recipe> {
    let Inst::Alu { op, size, to: Place::Reg(a), from } = *inst else { return None };
    // Temporaries may be used anew, and there is but one cell.
    if a > 15 || from == Value::Cell || matches!(from, Value::Reg(n) if n > 15) {
        return None;
    }
    let same = from == Value::Reg(a);
    match op {
        Alu::Cmp | Alu::Test => Some(Recipe { op, size, a, b: from, changed: false }),
        Alu::And | Alu::Or | Alu::Xor => {
            Some(Recipe { op: Alu::Test, size, a, b: Value::Reg(a), changed: false })
        }
        Alu::Add | Alu::Sub if !same => Some(Recipe { op, size, a, b: from, changed: true }),
        _ => None,
    }
}

/// How a loop of one block can do without storing flags: by the comparison before
/// the branch at its end, whose operands are as they were until the next round has
/// replaced all flags without having looked at one.
pub fn kept_by_loop(code: &Code) -> Option<Recipe> {
    let [.., last, Inst::Begin(_), Inst::Branch { .. }] = &code.insts[..] else { return None };
    let recipe = recipe(last).filter(|_| code.x87.is_none())?;
    for inst in &code.insts {
        let effect = inst.effect();
        if effect.reads != 0 || effect.leaves && effect.changes() {
            return None;
        }
        if effect.writes == flags::ALL {
            return Some(recipe);
        }
        if effect.changes() || recipe.uses(inst) {
            return None;
        }
    }
    None
}

impl Recipe {
    /// Whether more than a comparison has to be done once more.
    pub fn undoes(&self) -> bool {
        self.changed
    }

    fn uses(&self, inst: &Inst) -> bool {
        let reg = |v: Value| matches!(v, Value::Reg(n) if inst.writes_register(n));
        reg(Value::Reg(self.a)) || reg(self.b)
    }
}

/// EDX = the status flags, at their EFLAGS positions. Uses RAX.
pub fn load_status(asm: &mut Asm) {
    dynasm!(asm
        ; .arch x64
        ; movzx eax, WORD [r15 + layout::FLAGS as i32]
        ; mov edx, eax
        ; shr edx, 8
        ; and edx, 0xD5
        ; and eax, 1
        ; shl eax, 11
        ; or edx, eax
    );
}

impl Emitter<'_> {
    /// Stores the host's status flags as the guest's. Uses RAX.
    pub fn save_flags(&mut self) {
        dynasm!(self.asm
            ; .arch x64
            ; lahf
            ; seto al
            ; mov [r15 + layout::FLAGS as i32], ax
        );
        self.flags.memory = true;
    }

    /// Loads the guest's status flags from memory; uses RAX, or RDX to keep that.
    pub fn load_flags(&mut self, keep_rax: bool) {
        if keep_rax {
            dynasm!(self.asm ; .arch x64 ; xchg rax, rdx);
        }
        dynasm!(self.asm
            ; .arch x64
            ; movzx eax, WORD [r15 + layout::FLAGS as i32]
            ; add al, 127
            ; sahf
        );
        if keep_rax {
            dynasm!(self.asm ; .arch x64 ; mov rax, rdx);
        }
    }

    /// Does the comparison of a recipe once more. Uses RDX.
    pub fn redo(&mut self, recipe: Recipe) {
        let Recipe { op, size, a, b, changed } = recipe;
        let rm = |n: Reg| map::pinned(n).map_or(Rm::field(slot(n)), Rm::Reg);
        let work = match map::pinned(a) {
            Some(host) if !changed => host,
            _ => {
                self.op_exact(Size::B64, 0x8B, RDX, rm(a));
                RDX
            }
        };
        let mut apply = |op: Alu| match b {
            Value::Imm(value) => self.alu_imm(op, size, Rm::Reg(work), value),
            Value::Reg(n) => self.alu_reg_rm(op, size, work, rm(n)),
            Value::Cell => {}
        };
        match (changed, op) {
            (true, Alu::Add) => {
                apply(Alu::Sub);
                apply(Alu::Add);
            }
            (true, _) => {
                apply(Alu::Add);
                apply(Alu::Sub);
            }
            _ => apply(op),
        }
    }

    /// Makes the host's flags the guest's. Uses RAX or RDX.
    pub fn flags_to_host(&mut self) {
        if self.flags.host {
            return;
        }
        match self.flags.recipe {
            Some(recipe) => self.redo(recipe),
            None => self.load_flags(self.cell_live),
        }
        self.flags.host = true;
    }

    /// Makes the stored flags the guest's. Uses RAX and RDX; the host's are the
    /// guest's afterwards, too, unless they were stored already.
    pub fn flags_to_memory(&mut self) {
        if !self.flags.memory {
            self.flags_to_host();
            self.save_flags();
        }
    }

    /// To be called before host code that changes the host's flags and is not
    /// what the guest asked for.
    pub fn before_clobber(&mut self) {
        if self.flags.host && !self.flags.memory && self.flags.recipe.is_none() && self.live_before != 0 {
            self.save_flags();
        }
        self.flags.host = false;
    }

    /// To be called before a step: makes the flags that it reads, or keeps while
    /// it changes others, the host's, and saves what it would make unmakeable.
    pub fn flags_before(&mut self, inst: &Inst) {
        if *inst == Inst::Interpret {
            // It stores them itself, by the recipe if need be.
            return;
        }
        let effect = inst.effect();
        let kept = self.live & !effect.writes;
        if effect.reads != 0 || effect.changes() && kept != 0 {
            self.flags_to_host();
        }
        if let Some(recipe) = self.flags.recipe
            && recipe.uses(inst)
        {
            if !effect.changes() && self.live != 0 && !self.flags.memory {
                self.flags_to_host();
            }
            self.flags.recipe = None;
        }
    }

    /// To be called behind a step.
    pub fn flags_after(&mut self, inst: &Inst) {
        let effect = inst.effect();
        if effect.leaves || !effect.changes() {
            if *inst == Inst::Interpret {
                self.flags = FlagState::STORED;
            }
            return;
        }
        let recipe = if self.live == 0 { None } else { recipe(inst) };
        self.flags = FlagState { host: true, recipe, ..FlagState::default() };
    }

    /// Puts EFLAGS into a register as PUSHF stores them. Uses RAX and RDX.
    pub fn flags_word(&mut self, to: Reg) {
        self.flags_to_memory();
        self.flags.host = false;
        let system = !(Flags::STATUS | Flags::RF | Flags::VM).bits() as i32;
        load_status(&mut self.asm);
        dynasm!(self.asm
            ; .arch x64
            ; mov eax, [r15 + layout::SYSTEM_FLAGS as i32]
            ; and eax, system
            ; lea edx, [rdx + rax]
            ; or edx, Flags::ONE.bits() as i32
        );
        self.op_exact(Size::B64, 0x89, RDX, Rm::field(slot(to)));
    }

    /// In a slow path: stores the guest's flags as `state` has them. The probe
    /// has changed the host's.
    pub fn store_flags_of(&mut self, state: FlagState) {
        if let Some(recipe) = state.round {
            dynasm!(self.asm; .arch x64; cmp BYTE [r15 + layout::LOOP_ROUND as i32], 0; je BYTE >stored);
            self.redo(recipe);
            self.save_flags();
            dynasm!(self.asm; .arch x64; stored:);
            return;
        }
        if state.memory {
            return;
        }
        if let Some(recipe) = state.recipe {
            self.redo(recipe);
            self.save_flags();
        }
    }
}
