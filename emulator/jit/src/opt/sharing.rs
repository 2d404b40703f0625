//! Memory accesses off the same registers share one TLB lookup.
//!
//! The first access of a group looks up all bytes that the group touches; if
//! they lie on one page, the others need no more than its result. Only what an
//! instruction adds to the base as a constant may change it in between, as
//! pushes do. Whatever hands over to the interpreter makes the result void.
//! Vectors that have to be aligned are, if the group's first is and they lie a
//! multiple of their size from it.

use crate::ir::{Address, Alu, Inst, NONE, Place, Reg, Share, Size, Unary, Value};

/// Slots for results.
pub const SLOTS: usize = 8;
/// No group reaches further than this.
const REACH: i64 = 1024;

/// Groups that are looked for at a time.
const GROUPS: usize = 16;

#[derive(Clone, Copy, Default)]
struct Group {
    /// Base, index and scale.
    registers: (Reg, Reg, u8),
    /// The first two as a set.
    set: u32,
    /// The first access is aligned to this; 1 where it need not be.
    alignment: i64,
    write: bool,
    /// Index of the first access.
    lead: usize,
    /// Its address, relative to what the base was first.
    origin: i64,
    low: i64,
    high: i64,
    /// There are other accesses.
    shared: bool,
    open: bool,
}

/// The groups of a block.
struct Groups {
    list: [Group; GROUPS],
    used: usize,
    /// What was added to each register since its groups began.
    moved: [i64; 32],
}

impl Groups {
    /// An access, step `number`: the group that it joins. It may begin one otherwise.
    fn access(&mut self, number: usize, at: &Address, bytes: i64, write: bool, aligned: bool) -> Option<u8> {
        let registers = (at.base, at.index, at.scale);
        let index = if at.index == NONE { 0 } else { self.moved[at.index as usize & 31] << at.scale };
        let here = self.moved[at.base as usize & 31] + index + at.disp;
        let fits = |g: &Group| {
            let from = here - g.origin;
            let placed = !aligned || g.alignment == bytes && from % bytes == 0;
            g.open
                && placed
                && g.registers == registers
                && from.min(g.low) >= -REACH
                && (from + bytes).max(g.high) <= REACH
        };
        let groups = &mut self.list[..self.used];
        if let Some(n) = groups.iter().position(fits) {
            let group = &mut groups[n];
            let from = here - group.origin;
            group.low = group.low.min(from);
            group.high = group.high.max(from + bytes);
            // A load that leads to a store asks for the right to store; where there
            // is none, each is looked up alone.
            group.write |= write;
            group.shared = true;
            return Some(n as u8);
        }
        // One that nothing can join is of no more use.
        let free = groups.iter().position(|g| !g.open && !g.shared).unwrap_or(self.used);
        if let Some(group) = self.list.get_mut(free) {
            self.used = self.used.max(free + 1);
            *group = Group {
                registers,
                set: set(at.base) | set(at.index),
                alignment: if aligned { bytes } else { 1 },
                write,
                lead: number,
                origin: here,
                low: 0,
                high: bytes,
                shared: false,
                open: true,
            };
        }
        None
    }

    /// Any other step: groups whose registers it writes are complete.
    fn step(&mut self, inst: &Inst) {
        let written = inst.writes_registers();
        if written == 0 {
            return;
        }
        if let Some((n, by)) = constant_step(inst) {
            self.moved[n as usize & 31] += by;
        } else {
            let groups = self.list[..self.used].iter_mut();
            groups.filter(|g| g.set & written != 0).for_each(|g| g.open = false);
        }
    }

    /// Gives slots to the groups that come first; the others' accesses are alone.
    fn number(&self, insts: &mut [Inst]) {
        let mut slots = [None; GROUPS];
        let shared = self.list[..self.used].iter().enumerate().filter(|(_, group)| group.shared);
        for (slot, (n, group)) in (0..).zip(shared.take(SLOTS)) {
            slots[n] = Some(slot);
            if let Inst::Probe { share, .. } = &mut insts[group.lead] {
                let (low, high) = (group.low as i16, group.high as i16);
                *share = Share::Lead { slot, low, high, write: group.write };
            }
        }
        for inst in insts {
            if let Inst::Probe { share, .. } = inst
                && let Share::Member { slot } = *share
            {
                *share = slots[usize::from(slot)].map_or(Share::Alone, |slot| Share::Member { slot });
            }
        }
    }
}

/// Chooses [`Share`] for every probe.
pub fn share(insts: &mut [Inst]) {
    let mut groups = Groups { list: [Group::default(); GROUPS], used: 0, moved: [0; 32] };
    let mut any = false;
    for (number, inst) in insts.iter_mut().enumerate() {
        match inst {
            Inst::Probe { at, bytes, write, aligned, share } => {
                // Locked accesses are checked one by one.
                if (!*aligned || *bytes >= 16) && at.base < 16 && at.seg == NONE && !at.narrow {
                    let bytes = i64::from(*bytes);
                    if let Some(group) = groups.access(number, at, bytes, *write, *aligned) {
                        *share = Share::Member { slot: group };
                        any = true;
                    }
                }
            }
            inst => groups.step(inst),
        }
    }
    if any {
        groups.number(insts);
    }
}

/// A register as a set; none for [`NONE`].
fn set(n: Reg) -> u32 {
    if n < 32 { 1 << n } else { 0 }
}

/// A step that adds a constant to a whole register.
fn constant_step(inst: &Inst) -> Option<(Reg, i64)> {
    match *inst {
        Inst::Lea { to, size: Size::B64, at } if at.base == to && at.index == NONE && !at.narrow => {
            Some((to, at.disp))
        }
        Inst::Alu { op: Alu::Add, size: Size::B64, to: Place::Reg(n), from: Value::Imm(by) } => {
            Some((n, i64::from(by)))
        }
        Inst::Alu { op: Alu::Sub, size: Size::B64, to: Place::Reg(n), from: Value::Imm(by) } => {
            Some((n, -i64::from(by)))
        }
        Inst::Unary { op: Unary::Inc, size: Size::B64, to: Place::Reg(n) } => Some((n, 1)),
        Inst::Unary { op: Unary::Dec, size: Size::B64, to: Place::Reg(n) } => Some((n, -1)),
        _ => None,
    }
}
