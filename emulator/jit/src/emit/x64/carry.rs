//! Probes that leave the host's flags alone, so that a chain of carries goes on across
//! them: what they do without flags LEA, SHRX and JRCXZ do.
//!
//! What lies behind the block for them stores the guest's flags first, and loads them again
//! where it comes back. So the interpreter finds them stored.

use super::map::{self, RAX, RCX};
use super::memory::Wanted;
use super::sites::SiteMiss;
use super::{Emitter, Outline};
use crate::ir::{ACC, Address, Inst, NONE, Share};
use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi, dynasm};
use glassbox_cpu::compiled::layout;

/// So many steps are looked at for one that reads flags.
const AHEAD: usize = 12;

impl Emitter<'_> {
    /// Whether the running step, a probe, is to leave the host's flags alone: they would
    /// have to be stored for it, or had again behind it.
    pub fn keeps_flags(&self, at: &Address, aligned: bool, share: Share) -> bool {
        if !self.flags.host || self.live_before == 0 || self.op_slow.is_some() {
            return false;
        }
        let member = matches!(share, Share::Member { .. });
        let by_site = self.bmi2 && !aligned && at.seg == NONE && !at.checked && self.has_site();
        if !member && !by_site {
            return false;
        }
        let rest = &self.parts[self.part].code.insts[self.number + 1..];
        // Saving flags takes RAX: nothing else of the instruction may ask for that.
        let mut op = rest.iter().take_while(|inst| !matches!(inst, Inst::Begin(_)));
        if op.any(|inst| inst.effect().leaves || inst.writes_register(ACC) || matches!(inst, Inst::X87(_))) {
            return false;
        }
        match self.flags.recipe {
            None if !self.flags.memory => true,
            // Comparing once more is less work than to do without flags.
            Some(recipe) if !member && !recipe.undoes() => false,
            _ => self.reads_ahead(rest),
        }
    }

    /// Whether flags are read before they are replaced.
    fn reads_ahead(&self, rest: &[Inst]) -> bool {
        for inst in rest.iter().take(AHEAD) {
            let effect = inst.effect();
            if effect.reads != 0 {
                return true;
            }
            if effect.changes() {
                return effect.writes != crate::ir::flags::ALL;
            }
            if effect.leaves && !matches!(inst, Inst::Probe { share: Share::Member { .. }, .. }) {
                return false;
            }
        }
        false
    }

    /// Jumps to `to` if RCX is zero. The jump that JRCXZ can reach is the end of a NOP.
    pub fn jump_if_none(&mut self, to: DynamicLabel) {
        dynasm!(self.asm; .arch x64; .bytes [0xE3, 3, 0x0F, 0x1F, 0x84]; jmp =>to);
    }

    /// As [`probe_site_of`](Self::probe_site_of) for any address without a segment. RAX is
    /// the address if that is no host register and a constant.
    pub fn probe_site_keeping(&mut self, at: &Address, wanted: Wanted, miss: DynamicLabel) {
        let Some(sites) = &mut self.sites else { return };
        let site = sites.used;
        sites.used += 1;
        let (from, back) = (self.asm.new_dynamic_label(), self.asm.new_dynamic_label());
        let place = layout::site(site);
        let plain = Self::plain_base(at);
        let base = plain.unwrap_or(RAX);
        if plain.is_none() {
            self.address(RAX, at);
        }
        // The offset in the page, and that of the last byte: their pages' numbers are zero
        // together. A void site's count is zero, too, and their sum then odd.
        let last = (wanted.high - wanted.low - 1) | 1;
        dynasm!(self.asm
            ; .arch x64
            ; mov rdx, [r15 + (place + layout::SITE_PAGE) as i32]
            ; mov ecx, [r15 + (place + layout::SITE_LIMIT) as i32]
            ; lea rdx, [rdx + Rq(base)]
            ; lea rax, [rdx + last]
            ; shrx rdx, rdx, rcx
            ; shrx rax, rax, rcx
            ; lea rcx, [rax + rdx]
            ; jrcxz BYTE >same
            ; jmp =>from
            ; same:
        );
        if plain.is_none() {
            self.address(RAX, at);
        }
        dynasm!(self.asm; .arch x64; mov rcx, [r15 + (place + layout::SITE_ADDEND) as i32]; =>back);
        let disp = if plain.is_some() { at.disp as i32 } else { 0 };
        self.cell = super::encode::Rm::Mem { base, index: Some(RCX), disp };
        self.outlines.push(Outline::Site(SiteMiss {
            from,
            back,
            miss,
            site,
            wanted,
            at: Some(*at),
            keeps: true,
        }));
    }

    /// The host register that an address is, but for a constant.
    pub fn plain_base(at: &Address) -> Option<u8> {
        let plain = at.index == NONE && at.seg == NONE && !at.narrow && at.base != NONE;
        map::pinned(at.base & 31).filter(|_| plain)
    }
}
