//! A loop's own translations: each access remembers the page that it found last,
//! and the next round only compares.
//!
//! They hold as long as the TLB's owner is the loop's number, which whatever
//! changes any translation takes back. That happens in Rust only, so that the
//! owner is looked at where the loop begins and behind each call.

use super::encode::Rm;
use super::map::{self, RCX};
use super::memory::Wanted;
use super::{Emitter, Outline};
use crate::ir::{Address, NONE};
use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi, dynasm};
use glassbox_cpu::compiled::layout;

/// What a loop has of them.
#[derive(Clone, Copy, Debug)]
pub struct Sites {
    /// The loop's number.
    pub owner: i32,
    /// How many are used.
    pub used: u8,
    /// A piece of code that makes them void and the loop their owner.
    pub claim: DynamicLabel,
}

/// An access on another page than in the round before.
pub struct SiteMiss {
    from: DynamicLabel,
    back: DynamicLabel,
    miss: DynamicLabel,
    site: u8,
    wanted: Wanted,
    /// The address, if it is not in RAX.
    at: Option<Address>,
}

impl Emitter<'_> {
    /// Where the loop begins.
    pub fn claim_sites(&mut self) {
        let Some(sites) = self.sites else { return };
        let (from, back) = (self.asm.new_dynamic_label(), self.asm.new_dynamic_label());
        dynasm!(self.asm
            ; .arch x64
            ; cmp QWORD [r15 + layout::TLB_OWNER as i32], sites.owner
            ; jne =>from
            ; =>back
        );
        self.outlines.push(Outline::Claim { from, back });
    }

    /// Behind a call that may have changed translations. Changes flags.
    pub fn reclaim_sites(&mut self) {
        let Some(sites) = self.sites else { return };
        dynasm!(self.asm
            ; .arch x64
            ; cmp QWORD [r15 + layout::TLB_OWNER as i32], sites.owner
            ; je BYTE >same
            ; call =>sites.claim
            ; same:
        );
    }

    /// Behind the block.
    pub fn claim_outline(&mut self, from: DynamicLabel, back: DynamicLabel) {
        let Some(sites) = self.sites else { return };
        dynasm!(self.asm; .arch x64; =>from; call =>sites.claim; jmp =>back);
    }

    /// Behind the block: what both call. Keeps registers.
    pub fn void_sites(&mut self) {
        let Some(sites) = self.sites else { return };
        dynasm!(self.asm; .arch x64; =>sites.claim);
        for n in 0..sites.used {
            self.void_site(n);
        }
        dynasm!(self.asm
            ; .arch x64
            ; mov QWORD [r15 + layout::TLB_OWNER as i32], sites.owner
            ; ret
        );
    }

    /// Makes one translation void.
    pub fn void_site(&mut self, n: u8) {
        let at = layout::site(n);
        dynasm!(self.asm
            ; .arch x64
            ; mov QWORD [r15 + (at + layout::SITE_LIMIT) as i32], 0
            ; mov QWORD [r15 + (at + layout::SITE_ADDEND) as i32], 0
        );
    }

    /// How many translations the loop keeps so far.
    pub fn sites_used(&self) -> u8 {
        self.sites.map_or(0, |sites| sites.used)
    }

    /// As [`probe_page`](Self::probe_page) for the address in RAX, by what the access
    /// found in the round before; false if there is no site left.
    pub fn probe_site(&mut self, wanted: Wanted, miss: DynamicLabel) -> bool {
        if self.sites.is_none_or(|sites| sites.used == layout::SITES) {
            return false;
        }
        match wanted.low {
            0 => dynasm!(self.asm; .arch x64; mov rdx, rax),
            low => dynasm!(self.asm; .arch x64; lea rdx, [rax + low]),
        }
        self.compare_site(wanted, miss, None);
        true
    }

    /// The same for an address that is a host register and a constant.
    pub fn probe_site_of(&mut self, at: &Address, wanted: Wanted, miss: DynamicLabel) -> bool {
        let plain = at.index == NONE && at.seg == NONE && !at.narrow && at.base != NONE;
        let Some(base) = map::pinned(at.base & 31).filter(|_| plain) else { return false };
        let disp = at.disp as i32;
        let Some(first) = disp.checked_add(wanted.low) else { return false };
        if self.sites.is_none_or(|sites| sites.used == layout::SITES) {
            return false;
        }
        dynasm!(self.asm; .arch x64; lea rdx, [Rq(base) + first]);
        self.compare_site(wanted, miss, Some(*at));
        self.cell = Rm::Mem { base, index: Some(RCX), disp };
        true
    }

    /// Compares the first byte's address, in RDX, with the page of the round before.
    fn compare_site(&mut self, wanted: Wanted, miss: DynamicLabel, at: Option<Address>) {
        let Some(sites) = &mut self.sites else { return };
        let site = sites.used;
        sites.used += 1;
        let (from, back) = (self.asm.new_dynamic_label(), self.asm.new_dynamic_label());
        let place = layout::site(site);
        dynasm!(self.asm
            ; .arch x64
            ; xor rdx, [r15 + (place + layout::SITE_PAGE) as i32]
            ; cmp rdx, [r15 + (place + layout::SITE_LIMIT) as i32]
            ; jae =>from
            ; mov rcx, [r15 + (place + layout::SITE_ADDEND) as i32]
            ; =>back
        );
        self.outlines.push(Outline::Site(SiteMiss { from, back, miss, site, wanted, at }));
    }

    /// Behind the block: asks the TLB, and remembers.
    pub fn site_miss(&mut self, found: &SiteMiss) {
        let SiteMiss { from, back, miss, site, wanted, at } = *found;
        dynasm!(self.asm; .arch x64; =>from);
        if let Some(at) = at {
            self.linear(&at);
        }
        self.lookup(wanted);
        let place = layout::site(site);
        dynasm!(self.asm
            ; .arch x64
            ; jne =>miss
            ; mov rcx, [rcx + layout::ENTRY_ADDEND as i32]
            ; lea rdx, [rax + wanted.low]
            ; and rdx, -4096
            ; mov [r15 + (place + layout::SITE_PAGE) as i32], rdx
            ; mov [r15 + (place + layout::SITE_ADDEND) as i32], rcx
            ; mov QWORD [r15 + (place + layout::SITE_LIMIT) as i32], 4097 - (wanted.high - wanted.low)
            ; jmp =>back
        );
    }
}
