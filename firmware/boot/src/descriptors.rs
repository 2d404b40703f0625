//! The flat GDTs that kernels are entered with.
//!
//! The Linux boot protocol fixes the selectors (`__BOOT_CS` 10h, `__BOOT_DS` 18h). PVH and
//! multiboot leave them open and tell kernels to bring their own table; those that forget to
//! work where they were tried, with GRUB Legacy or QEMU: code is 08h and data 10h there.

use crate::BootError;
use crate::entry::{EntryMode, EntryState, SegmentKind, SegmentState, TableRegister};
use crate::placement::Placement;
use glassbox_memory::{Gpa, GuestMemory};

/// The limit of a TSS without I/O bitmap, 104 bytes in both sizes.
const TSS_LIMIT: u32 = 0x67;

// Intel SDM Vol. 3A 3.4.5: base 0, limit FFFFFh pages, present, DPL 0.
const CODE_64: u64 = 0x00AF_9B00_0000_FFFF;
const CODE_32: u64 = 0x00CF_9B00_0000_FFFF;
const DATA: u64 = 0x00CF_9300_0000_FFFF;
// 64 KiB, for the way back to real mode.
const CODE_16: u64 = 0x0000_9B00_0000_FFFF;
const DATA_16: u64 = 0x0000_9300_0000_FFFF;
const BUSY_TSS: u64 = 0x0000_8B00_0000_0067;

const CR0_PE: u64 = 1 << 0;
const CR0_ET: u64 = 1 << 4;
const CR0_PG: u64 = 1 << 31;
const CR4_PAE: u64 = 1 << 5;
const EFER_LME: u64 = 1 << 8;
const EFER_LMA: u64 = 1 << 10;
const RFLAGS_RESERVED: u64 = 1 << 1;

/// Where in the GDT the segments are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selectors {
    /// 10h and 18h.
    Linux,
    /// 08h and 10h, behind them 16-bit code and data.
    Usual,
}

/// Writes the GDT and returns a state with flat segments, interrupts off and
/// all general-purpose registers 0.
///
/// # Errors
/// [`BootError::MemoryTooSmall`] where there is no room for the table.
pub fn flat_entry(
    memory: &GuestMemory,
    placement: &mut Placement,
    selectors: Selectors,
    mode: EntryMode,
    entry: u64,
) -> Result<EntryState, BootError> {
    let long = matches!(mode, EntryMode::Long { .. });
    let code = if long { CODE_64 } else { CODE_32 };
    let (cs, mut table) = match selectors {
        Selectors::Linux => (0x10, vec![0, 0, code, DATA]),
        Selectors::Usual => (0x08, vec![0, code, DATA, CODE_16, DATA_16]),
    };
    let tr = 8 * table.len() as u16;
    // The last slot is the upper half of the 16-byte TSS descriptor of long mode.
    table.extend([BUSY_TSS, 0]);
    let bytes: Vec<u8> = table.iter().flat_map(|d: &u64| d.to_le_bytes()).collect();
    let base: Gpa = placement.store(memory, &bytes, 16, "the GDT")?;
    let flat = |selector, kind| SegmentState { selector, base: 0, limit: u32::MAX, kind };
    let kind = if long { SegmentKind::Code64 } else { SegmentKind::Code32 };
    Ok(EntryState {
        mode,
        entry,
        gprs: [0; 16],
        rflags: RFLAGS_RESERVED,
        cr0: CR0_PE | CR0_ET | if long { CR0_PG } else { 0 },
        cr4: if long { CR4_PAE } else { 0 },
        efer: if long { EFER_LME | EFER_LMA } else { 0 },
        gdt: TableRegister { base: base.0, limit: bytes.len() as u16 - 1 },
        idt: TableRegister { base: 0, limit: 0 },
        cs: flat(cs, kind),
        data: flat(cs + 8, SegmentKind::Data),
        tr: SegmentState { selector: tr, base: 0, limit: TSS_LIMIT, kind: SegmentKind::BusyTss },
    })
}
