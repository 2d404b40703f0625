//! A loop's own translations: each access remembers the page that it found last,
//! and the next round only compares.
//!
//! They hold as long as the TLB's owner is the loop's number, which whatever
//! changes any translation takes back. That happens in Rust only, so that the
//! owner is looked at where the loop begins and behind each call.

use super::encode::Rm;
use super::map::RCX;
use super::memory::Wanted;
use super::{Emitter, Outline};
use crate::ir::Address;
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
    pub from: DynamicLabel,
    pub back: DynamicLabel,
    pub miss: DynamicLabel,
    pub site: u8,
    pub wanted: Wanted,
    /// The address, if it is not in RAX.
    pub at: Option<Address>,
    /// The flags that it finds are the guest's, and those that it leaves.
    pub keeps: bool,
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

    /// Whether there is room for one more.
    pub fn has_site(&self) -> bool {
        self.sites.is_some_and(|sites| sites.used < layout::SITES)
    }

    /// How many translations the loop keeps so far.
    pub fn sites_used(&self) -> u8 {
        self.sites.map_or(0, |sites| sites.used)
    }

    /// As [`probe_page`](Self::probe_page) for the address in RAX, by what the access
    /// found in the round before; false if there is no site left.
    pub fn probe_site(&mut self, wanted: Wanted, miss: DynamicLabel) -> bool {
        if !self.has_site() {
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
        let Some(base) = Self::plain_base(at) else { return false };
        let disp = at.disp as i32;
        let Some(first) = disp.checked_add(wanted.low) else { return false };
        if !self.has_site() {
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
        self.outlines.push(Outline::Site(SiteMiss { from, back, miss, site, wanted, at, keeps: false }));
    }

    /// Behind the block: asks the TLB, and remembers.
    pub fn site_miss(&mut self, found: &SiteMiss) {
        let SiteMiss { from, back, miss, site, wanted, at, keeps } = *found;
        dynasm!(self.asm; .arch x64; =>from);
        if keeps {
            self.save_flags();
        }
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
        );
        let mut limit = 4097 - (wanted.high - wanted.low);
        if keeps {
            // What makes the base an offset, and the width of offsets.
            let disp = at.filter(|at| Self::plain_base(at).is_some()).map_or(0, |at| at.disp as i32);
            dynasm!(self.asm; .arch x64; neg rdx; add rdx, disp; add rdx, wanted.low);
            limit = 12;
        }
        dynasm!(self.asm
            ; .arch x64
            ; mov [r15 + (place + layout::SITE_PAGE) as i32], rdx
            ; mov [r15 + (place + layout::SITE_ADDEND) as i32], rcx
            ; mov QWORD [r15 + (place + layout::SITE_LIMIT) as i32], limit
        );
        if keeps {
            self.load_flags(true);
        }
        dynasm!(self.asm; .arch x64; jmp =>back);
    }
}
