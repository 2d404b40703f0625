//! Memory accesses off the same registers share one TLB lookup.
//!
//! The first access of a group looks up all bytes that the group touches; if
//! they lie on one page, the others need no more than its result. Only what an
//! instruction adds to the base as a constant may change it in between, as
//! pushes do. Whatever hands over to the interpreter makes the result void.
//! Vectors that have to be aligned are, if the group's first is and they lie a
//! multiple of their size from it.

use crate::ir::{Alu, Inst, NONE, Place, Reg, Share, Size, Unary, Value};

/// Slots for results.
pub const SLOTS: usize = 8;
/// No group reaches further than this.
const REACH: i64 = 1024;

struct Group {
    /// Base, index and scale.
    registers: (Reg, Reg, u8),
    /// The first access is aligned to this; 1 where it need not be.
    alignment: i64,
    write: bool,
    /// Index of the first access.
    lead: usize,
    /// Its address, relative to what the base was first.
    origin: i64,
    low: i64,
    high: i64,
    members: Vec<usize>,
    open: bool,
}

/// Chooses [`Share`] for every probe.
pub fn share(insts: &mut [Inst]) {
    let mut groups: Vec<Group> = Vec::new();
    // What was added to each register since its groups began.
    let mut moved = [0i64; 32];
    for (number, inst) in insts.iter().enumerate() {
        match *inst {
            // Locked accesses are checked one by one.
            Inst::Probe { at, bytes, write, aligned, .. }
                if (!aligned || bytes >= 16) && at.base < 16 && at.seg == NONE && !at.narrow =>
            {
                let registers = (at.base, at.index, at.scale);
                let index = if at.index == NONE { 0 } else { moved[at.index as usize & 31] << at.scale };
                let here = moved[at.base as usize] + index + at.disp;
                let bytes = i64::from(bytes);
                let fits = |g: &&mut Group| {
                    let from = here - g.origin;
                    let placed = !aligned || g.alignment == bytes && from % bytes == 0;
                    g.open
                        && placed
                        && g.registers == registers
                        && from.min(g.low) >= -REACH
                        && (from + bytes).max(g.high) <= REACH
                };
                if let Some(group) = groups.iter_mut().find(fits) {
                    let from = here - group.origin;
                    group.low = group.low.min(from);
                    group.high = group.high.max(from + bytes);
                    // A load that leads to a store asks for the right to store; where there
                    // is none, each is looked up alone.
                    group.write |= write;
                    group.members.push(number);
                } else {
                    groups.push(Group {
                        registers,
                        alignment: if aligned { bytes } else { 1 },
                        write,
                        lead: number,
                        origin: here,
                        low: 0,
                        high: bytes,
                        members: Vec::new(),
                        open: true,
                    });
                }
            }
            Inst::Interpret => groups.iter_mut().for_each(|g| g.open = false),
            _ => {
                if let Some((n, by)) = constant_step(inst) {
                    moved[n as usize & 31] += by;
                } else {
                    let writes = |g: &&mut Group| {
                        inst.writes_register(g.registers.0) || inst.writes_register(g.registers.1)
                    };
                    groups.iter_mut().filter(writes).for_each(|g| g.open = false);
                }
            }
        }
    }
    let shared = groups.into_iter().filter(|g| !g.members.is_empty()).take(SLOTS);
    for (slot, group) in shared.enumerate() {
        let slot = slot as u8;
        if let Inst::Probe { share, .. } = &mut insts[group.lead] {
            let (low, high) = (group.low as i16, group.high as i16);
            *share = Share::Lead { slot, low, high, write: group.write };
        }
        for member in group.members {
            if let Inst::Probe { share, .. } = &mut insts[member] {
                *share = Share::Member { slot };
            }
        }
    }
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
