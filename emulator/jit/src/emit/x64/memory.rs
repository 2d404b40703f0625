//! Memory access: the one place that knows how a linear address becomes a host's.
//!
//! A probe leaves the access's host address as [`Cell`](crate::ir::Value::Cell): a
//! base register plus RCX. It looks the page up in the TLB's current table
//! (`glassbox_cpu`, `mmu/tlb.rs`); the tag compared is that of the last byte's
//! page, so that one comparison also finds accesses across pages.

use super::encode::Rm;
use super::flags::FlagState;
use super::map::{self, RAX, RCX, RDX};
use super::thunks::Probing;
use super::{Emitter, Outline, slot};
use crate::ir::{Address, NONE, Share, Size};
use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi, dynasm};
use glassbox_cpu::compiled::layout;

/// What a lookup has to find on one page.
#[derive(Clone, Copy)]
pub struct Wanted {
    /// First byte, from the address.
    pub low: i32,
    /// Behind the last byte, from the address.
    pub high: i32,
    /// For stores.
    pub write: bool,
}

/// Where a group's translation is kept: 0 is none.
#[derive(Clone, Copy)]
pub enum Kept {
    /// In a slot.
    Slot(u8),
    /// In a loop's site.
    Site(u8),
}

impl Kept {
    /// Its offset from the processor.
    fn addend(self) -> i32 {
        let at = match self {
            Self::Slot(n) => layout::slot(n),
            Self::Site(n) => layout::site(n) + layout::SITE_ADDEND,
        };
        at as i32
    }
}

impl Emitter<'_> {
    /// Computes an address without its segment in `to`, RAX or RDX; flags stay,
    /// but for scaled registers in memory.
    pub fn address(&mut self, to: u8, at: &Address) {
        let disp = at.disp as i32;
        if at.base == NONE && at.index == NONE {
            self.constant(to, at.disp as u64);
        } else {
            let spare = if to == RDX { RDX } else { RCX };
            match (at.base, at.index) {
                (base, NONE) => {
                    let base = self.get(base, to);
                    if disp != 0 || base != to {
                        let rm = Rm::Mem { base, index: None, disp };
                        if disp == 0 {
                            self.op_exact(Size::B64, 0x8B, to, Rm::Reg(base));
                        } else {
                            self.op_exact(Size::B64, 0x8D, to, rm);
                        }
                    }
                }
                (base, index) => {
                    // With RDX as the only scratch register both may want it: the
                    // base is added from memory then, by LEA from RAX's place.
                    let in_memory = base != NONE && map::pinned(base).is_none();
                    let index = self.get(index, spare);
                    if spare == RDX && in_memory && index == RDX {
                        self.scaled(to, None, index, at.scale, disp);
                        let base = self.get(base, RAX);
                        self.op_exact(Size::B64, 0x8D, to, Rm::Mem { base, index: Some(to), disp: 0 });
                    } else {
                        let base = (base != NONE).then(|| self.get(base, to));
                        self.scaled(to, base, index, at.scale, disp);
                    }
                }
            }
        }
        if at.word {
            self.op_0f(Size::B32, 0xB7, to, Rm::Reg(to));
        } else if at.narrow {
            self.op_exact(Size::B32, 0x8B, to, Rm::Reg(to));
        }
    }

    fn scaled(&mut self, to: u8, base: Option<u8>, index: u8, scale: u8, disp: i32) {
        match (base, scale) {
            (Some(b), 0) => dynasm!(self.asm; .arch x64; lea Rq(to), [Rq(b) + Rq(index) + disp]),
            (Some(b), 1) => dynasm!(self.asm; .arch x64; lea Rq(to), [Rq(b) + 2 * Rq(index) + disp]),
            (Some(b), 2) => dynasm!(self.asm; .arch x64; lea Rq(to), [Rq(b) + 4 * Rq(index) + disp]),
            (Some(b), _) => dynasm!(self.asm; .arch x64; lea Rq(to), [Rq(b) + 8 * Rq(index) + disp]),
            (None, 0) => dynasm!(self.asm; .arch x64; lea Rq(to), [Rq(index) + disp]),
            (None, 1) => dynasm!(self.asm; .arch x64; lea Rq(to), [NOSPLIT 2 * Rq(index) + disp]),
            (None, 2) => dynasm!(self.asm; .arch x64; lea Rq(to), [4 * Rq(index) + disp]),
            (None, _) => dynasm!(self.asm; .arch x64; lea Rq(to), [8 * Rq(index) + disp]),
        }
    }

    /// The linear address in RAX. Uses RCX; changes flags where there is a segment.
    pub fn linear(&mut self, at: &Address) {
        self.address(RAX, at);
        if at.seg != NONE {
            dynasm!(self.asm; .arch x64; add rax, [r15 + layout::segment_base(at.seg) as i32]);
        }
    }

    /// One [`Probe`](crate::ir::Inst::Probe).
    pub fn probe(&mut self, at: &Address, bytes: u8, write: bool, aligned: bool, share: Share) {
        let keeps = self.keeps_flags(at, aligned, share);
        if keeps {
            // Who gets there by way of what lies behind the block finds them stored.
            self.flags = FlagState::STORED;
        } else {
            self.before_clobber();
        }
        let slow = self.slow_path();
        if keeps {
            self.flags = FlagState { host: true, ..FlagState::default() };
        }
        match share {
            Share::Alone if keeps => {
                self.probe_site_keeping(at, Wanted { low: 0, high: i32::from(bytes), write }, slow);
            }
            Share::Alone if at.checked => {
                self.probe_segment(at, aligned, Wanted { low: 0, high: i32::from(bytes), write })
            }
            Share::Alone => {
                self.probe_page(at, aligned, Wanted { low: 0, high: i32::from(bytes), write }, slow)
            }
            Share::Lead { slot, low, high, write: stores } => {
                let (miss, resume) = (self.asm.new_dynamic_label(), self.asm.new_dynamic_label());
                let wanted = Wanted { low: i32::from(low), high: i32::from(high), write: stores };
                let sites = self.sites_used();
                if aligned {
                    self.check_alignment(at, bytes, slow);
                }
                if keeps {
                    self.probe_site_keeping(at, wanted, miss);
                } else {
                    self.probe_page(at, false, wanted, miss);
                }
                let kept = if self.sites_used() == sites { Kept::Slot(slot) } else { Kept::Site(sites) };
                if let Kept::Slot(slot) = kept {
                    dynasm!(self.asm; .arch x64; mov [r15 + layout::slot(slot) as i32], rcx);
                }
                dynasm!(self.asm; .arch x64; =>resume);
                self.kept[usize::from(slot)] = kept;
                self.outlines.push(Outline::Lookup {
                    from: miss,
                    back: resume,
                    slow,
                    bytes,
                    write,
                    clear: Some(kept),
                    at: None,
                    keeps,
                });
            }
            Share::Member { slot } => {
                let (miss, resume) = (self.asm.new_dynamic_label(), self.asm.new_dynamic_label());
                let (base, disp) = match at.index {
                    NONE => (self.get(at.base, RAX), at.disp as i32),
                    _ => {
                        self.address(RAX, at);
                        (RAX, 0)
                    }
                };
                let addend = self.kept[usize::from(slot)].addend();
                dynasm!(self.asm; .arch x64; mov rcx, [r15 + addend]);
                if keeps {
                    self.jump_if_none(miss);
                } else {
                    dynasm!(self.asm; .arch x64; test rcx, rcx; je =>miss);
                }
                dynasm!(self.asm; .arch x64; =>resume);
                self.outlines.push(Outline::Lookup {
                    from: miss,
                    back: resume,
                    slow,
                    bytes,
                    write,
                    clear: None,
                    at: Some(*at),
                    keeps,
                });
                self.cell = Rm::Mem { base, index: Some(RCX), disp };
            }
        }
        self.cell_live = true;
    }

    /// Goes to the slow path unless an address is a multiple of `bytes`.
    fn check_alignment(&mut self, at: &Address, bytes: u8, slow: DynamicLabel) {
        self.linear(at);
        dynasm!(self.asm; .arch x64; test al, (bytes - 1) as i8; jne =>slow);
    }

    /// Makes the memory at an address the cell, if all that is wanted around it lies on
    /// one page that may be accessed; else jumps to `miss` with the address in RAX.
    pub fn probe_page(&mut self, at: &Address, aligned: bool, wanted: Wanted, miss: DynamicLabel) {
        if !aligned && self.probe_site_of(at, wanted, miss) {
            return;
        }
        self.linear(at);
        if aligned {
            let slow = self.slow_path();
            dynasm!(self.asm; .arch x64; test al, (wanted.high - 1) as i8; jne =>slow);
        }
        self.cell = Rm::Mem { base: RAX, index: Some(RCX), disp: 0 };
        if self.probe_site(wanted, miss) {
            return;
        }
        self.lookup(wanted);
        dynasm!(self.asm
            ; .arch x64
            ; jne =>miss
            ; mov rcx, [rcx + layout::ENTRY_ADDEND as i32]
        );
    }

    /// Looks up the page around RAX: RCX is the entry, ZF says whether it will do.
    /// Uses RDX.
    pub fn lookup(&mut self, wanted: Wanted) {
        let Wanted { low, high, write } = wanted;
        let tag = if write { layout::ENTRY_WRITE } else { layout::ENTRY_READ };
        const SHIFT: i8 = (12 - layout::ENTRY_SHIFT) as i8;
        match low {
            // What comes in from the right is masked.
            0 if self.bmi2 => dynasm!(self.asm; .arch x64; rorx ecx, eax, SHIFT),
            0 => dynasm!(self.asm; .arch x64; mov ecx, eax; shr ecx, SHIFT),
            _ => dynasm!(self.asm; .arch x64; lea ecx, [rax + low]; shr ecx, SHIFT),
        }
        dynasm!(self.asm
            ; .arch x64
            ; and ecx, ((layout::ENTRIES - 1) << layout::ENTRY_SHIFT) as i32
            ; add rcx, [r15 + layout::TLB_TABLE as i32]
            ; lea rdx, [rax + (high - 1)]
            ; and rdx, -4096
            ; or rdx, [r15 + layout::TLB_GENERATION as i32]
            ; cmp rdx, [rcx + tag as i32]
        );
    }

    /// Behind the block: a lookup of one access alone, for a group that does not
    /// lie on one page.
    pub fn lookup_outline(&mut self, outline: &Outline) {
        let Outline::Lookup { from, back, slow, bytes, write, clear, at, keeps } = *outline else { return };
        dynasm!(self.asm; .arch x64; =>from);
        match clear {
            Some(Kept::Slot(slot)) => {
                dynasm!(self.asm; .arch x64; mov QWORD [r15 + layout::slot(slot) as i32], 0);
            }
            Some(Kept::Site(site)) => self.void_site(site),
            None => {}
        }
        // A member's base may be RAX itself: it stays what it was.
        let in_memory = at.is_some_and(|at| at.index == NONE && map::pinned(at.base).is_none());
        if let Some(at) = at {
            // Else a site's miss has stored them.
            if keeps {
                self.save_flags();
            }
            self.linear(&at);
        }
        let probing = Probing::of(write);
        dynasm!(self.asm
            ; .arch x64
            ; lea rdx, [rax + i32::from(bytes) - 1]
            ; call extern self.thunks.probe(probing)
            ; jne =>slow
        );
        if in_memory && let Some(at) = at {
            self.op_exact(Size::B64, 0x8B, RAX, Rm::field(slot(at.base)));
        }
        if keeps {
            self.load_flags(true);
        }
        dynasm!(self.asm; .arch x64; jmp =>back);
    }
}
