//! A loop's own translations: each access remembers the page that it found last,
//! and the next round only compares.
//!
//! They hold as long as the TLB's owner is the loop's number, which whatever
//! changes any translation takes back. That happens in Rust only, so that the
//! owner is looked at where the loop begins and behind each call.

use super::Emitter;
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
    low: i32,
    high: i32,
    write: bool,
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
        self.outlines.push(super::Outline::Claim { from, back });
    }

    /// Behind a call that may have changed translations. Changes flags.
    pub fn reclaim_sites(&mut self) {
        let Some(sites) = self.sites else { return };
        dynasm!(self.asm
            ; .arch x64
            ; cmp QWORD [r15 + layout::TLB_OWNER as i32], sites.owner
            ; je >same
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
            let limit = (layout::site(n) + layout::SITE_LIMIT) as i32;
            dynasm!(self.asm; .arch x64; mov QWORD [r15 + limit], 0);
        }
        dynasm!(self.asm
            ; .arch x64
            ; mov QWORD [r15 + layout::TLB_OWNER as i32], sites.owner
            ; ret
        );
    }

    /// As [`find_page`](Self::find_page), by what the access found in the round
    /// before; false if there is no site left.
    pub fn find_site(&mut self, low: i32, high: i32, write: bool, miss: DynamicLabel) -> bool {
        let Some(sites) = &mut self.sites else { return false };
        let site = sites.used;
        if site == layout::SITES {
            return false;
        }
        sites.used += 1;
        let (from, back) = (self.asm.new_dynamic_label(), self.asm.new_dynamic_label());
        let at = layout::site(site);
        dynasm!(self.asm
            ; .arch x64
            ; lea rdx, [rax + low]
            ; xor rdx, [r15 + (at + layout::SITE_PAGE) as i32]
            ; cmp rdx, [r15 + (at + layout::SITE_LIMIT) as i32]
            ; jae =>from
            ; mov rcx, [r15 + (at + layout::SITE_ADDEND) as i32]
            ; =>back
        );
        self.outlines.push(super::Outline::Site(SiteMiss { from, back, miss, site, low, high, write }));
        true
    }

    /// Behind the block: asks the TLB, and remembers.
    pub fn site_miss(&mut self, found: &SiteMiss) {
        let SiteMiss { from, back, miss, site, low, high, write } = *found;
        dynasm!(self.asm; .arch x64; =>from);
        self.lookup(low, high, write);
        let at = layout::site(site);
        dynasm!(self.asm
            ; .arch x64
            ; jne =>miss
            ; mov rcx, [rcx + layout::ENTRY_ADDEND as i32]
            ; add rcx, [r15 + layout::RAM as i32]
            ; lea rdx, [rax + low]
            ; and rdx, -4096
            ; mov [r15 + (at + layout::SITE_PAGE) as i32], rdx
            ; mov [r15 + (at + layout::SITE_ADDEND) as i32], rcx
            ; mov QWORD [r15 + (at + layout::SITE_LIMIT) as i32], 4097 - (high - low)
            ; jmp =>back
        );
    }
}
