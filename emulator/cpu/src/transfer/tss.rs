//! The 16- and 32-bit task state segments (Intel SDM Vol. 3A 9.2.1, 9.6).

use crate::state::gpr;
use crate::{Cpu, Exception};

/// The part of a TSS that a task switch saves and loads.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Context {
    pub cr3: u32,
    pub eip: u32,
    pub eflags: u32,
    /// EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI.
    pub regs: [u32; 8],
    /// ES, CS, SS, DS, FS, GS.
    pub selectors: [u16; 6],
    pub ldt: u16,
    /// The T bit: #DB when the task begins.
    pub trap: bool,
}

/// Where the fields of one kind of TSS are.
struct Layout {
    eip: u64,
    regs: u64,
    selectors: u64,
    ldt: u64,
    /// Bytes of a register or selector slot.
    slot: u64,
    selector_count: usize,
}

const TSS16: Layout =
    Layout { eip: 0x0E, regs: 0x12, selectors: 0x22, ldt: 0x2A, slot: 2, selector_count: 4 };
const TSS32: Layout =
    Layout { eip: 0x20, regs: 0x28, selectors: 0x48, ldt: 0x60, slot: 4, selector_count: 6 };
const CR3: u64 = 0x1C;
const TRAP: u64 = 0x64;

/// Smallest limit of a TSS.
pub(super) const fn least_limit(wide: bool) -> u32 {
    if wide { 0x67 } else { 0x2B }
}

const fn layout(wide: bool) -> &'static Layout {
    if wide { &TSS32 } else { &TSS16 }
}

impl Cpu {
    /// Reads the context in the TSS at `base`. The upper halves of registers
    /// that a 16-bit TSS does not hold become ones, as on silicon.
    pub(super) fn read_context(&mut self, base: u64, wide: bool) -> Result<Context, Exception> {
        let at = layout(wide);
        let mut context = Context::default();
        let read = |cpu: &mut Self, offset: u64| -> Result<u32, Exception> {
            let from = base.wrapping_add(offset) & 0xFFFF_FFFF;
            if wide { cpu.load_system::<u32>(from) } else { Ok(u32::from(cpu.load_system::<u16>(from)?)) }
        };
        context.eip = read(self, at.eip)?;
        context.eflags = read(self, at.eip + at.slot)?;
        for (n, reg) in (0..).zip(&mut context.regs) {
            *reg = read(self, at.regs + n * at.slot)? | if wide { 0 } else { 0xFFFF_0000 };
        }
        for (n, selector) in (0..).zip(&mut context.selectors[..at.selector_count]) {
            *selector = read(self, at.selectors + n * at.slot)? as u16;
        }
        context.ldt = read(self, at.ldt)? as u16;
        if wide {
            context.cr3 = read(self, CR3)?;
            context.trap = read(self, TRAP)? & 1 != 0;
        }
        Ok(context)
    }

    /// Saves the running task to the TSS at `base`.
    pub(super) fn write_context(
        &mut self,
        base: u64,
        wide: bool,
        eip: u64,
        eflags: u64,
    ) -> Result<(), Exception> {
        let at = layout(wide);
        let write = |cpu: &mut Self, offset: u64, value: u64| -> Result<(), Exception> {
            let to = base.wrapping_add(offset) & 0xFFFF_FFFF;
            if wide { cpu.store_system(to, value as u32) } else { cpu.store_system(to, value as u16) }
        };
        write(self, at.eip, eip)?;
        write(self, at.eip + at.slot, eflags)?;
        for n in gpr::RAX..=gpr::RDI {
            write(self, at.regs + n as u64 * at.slot, self.state.regs[n])?;
        }
        for n in 0..at.selector_count {
            let to = base.wrapping_add(at.selectors + n as u64 * at.slot) & 0xFFFF_FFFF;
            self.store_system(to, self.state.segs[n].selector)?;
        }
        Ok(())
    }
}
