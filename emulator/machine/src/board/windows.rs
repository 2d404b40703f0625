//! Windows of PCI functions: who answers where, as base address registers say.

use super::{Board, MmioDevice, PortDevice};
use glassbox_device_api::PortWindow;
use glassbox_memory::{BackingKind, Gpa, GuestMemory, MappingId, PAGE_SIZE, RamBlock};
use glassbox_pci::{Bar, BarKind, BarMapping, FunctionAddress, MappingChange, PciBus, offset};
use std::collections::BTreeMap;

/// A base address register of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FunctionBar {
    pub function: FunctionAddress,
    /// 0 to 5; 6 for the expansion ROM.
    pub bar: u8,
}

/// The windows that functions respond to now.
#[derive(Default)]
pub(crate) struct Windows {
    /// Registers with memory behind them.
    memory: BTreeMap<FunctionBar, (RamBlock, BackingKind)>,
    /// What functions respond to.
    mappings: BTreeMap<FunctionAddress, Vec<BarMapping>>,
    mapped: BTreeMap<FunctionAddress, Vec<MappingId>>,
}

impl Windows {
    /// Behind this register is memory: accesses do not go to the function.
    pub fn set_memory(&mut self, at: FunctionBar, block: RamBlock, kind: BackingKind) {
        self.memory.insert(at, (block, kind));
    }

    /// Maps and unmaps memory of a function whose windows changed.
    fn follow_memory(&mut self, memory: &GuestMemory, change: &MappingChange) {
        for id in self.mapped.remove(&change.function).unwrap_or_default() {
            memory.unmap(id);
        }
        let mut mapped = Vec::new();
        for mapping in &change.mappings {
            let at = FunctionBar { function: change.function, bar: mapping.bar.index as u8 };
            let Some(&(block, kind)) = self.memory.get(&at) else { continue };
            let len = mapping.bar.size.min(block.len());
            match memory.map(Gpa(mapping.base), block, 0, len, kind) {
                Ok(id) => mapped.push(id),
                // Windows of less than a page can lie anywhere.
                Err(error) => log::warn!("a PCI window cannot be mapped: {error}"),
            }
        }
        self.mapped.insert(change.function, mapped);
    }

    fn change(&mut self, memory: &GuestMemory, change: MappingChange) {
        self.follow_memory(memory, &change);
        self.mappings.insert(change.function, change.mappings);
    }

    /// All windows without memory behind them.
    fn accessed(&self) -> impl Iterator<Item = (FunctionBar, &BarMapping)> {
        self.mappings.iter().flat_map(|(function, mappings)| {
            mappings.iter().map(|m| (FunctionBar { function: *function, bar: m.bar.index as u8 }, m))
        })
    }
}

impl Board {
    /// Takes over what base address registers say since the last call.
    pub(super) fn follow_windows(&mut self) {
        let changes = self.devices.pci.take_mapping_changes();
        if changes.is_empty() {
            return;
        }
        for change in changes {
            self.windows.change(&self.memory, change);
        }
        let mut ports = Vec::new();
        let mut mmio = Vec::new();
        for (at, mapping) in self.windows.accessed() {
            if mapping.bar.kind == BarKind::Io {
                // The window fits into the 64 Ki ports, and has at most 256.
                let window =
                    PortWindow { port: mapping.base as u16, len: mapping.bar.size as u16, offset: 0 };
                ports.push((PortDevice::PciBar(at), window));
            } else {
                mmio.push((MmioDevice::PciBar(at), mapping.base, mapping.bar.size));
            }
        }
        self.ports.set_movable(&ports);
        self.mmio.set_movable(&mmio);
    }
}

/// First port and addresses that functions are given where no firmware does it:
/// the DSDT has these windows.
const FIRST_PORT: u64 = 0xC000;
const LAST_PORT: u64 = 0xFFFF;
const LARGE_START: u64 = 0xE000_0000;
const SMALL_START: u64 = 0xFEB0_0000;
const MEMORY_END: u64 = 0xFEC0_0000;
/// Windows from this size on are put at [`LARGE_START`].
const LARGE: u64 = 1 << 20;
const COMMAND_DECODE: u32 = 3;
const COMMAND_MASTER: u32 = 4;

/// Places all windows of all functions and enables them, as a BIOS does.
pub(crate) fn place(pci: &mut PciBus, interrupts: [u8; 4]) {
    let functions: Vec<_> = pci.functions().collect();
    let mut windows = Vec::new();
    for &function in &functions {
        windows.extend(bars(pci, function).into_iter().map(|bar| (function, bar)));
    }
    // The largest first: then nothing is lost to alignment.
    windows.sort_by_key(|(_, bar)| std::cmp::Reverse(bar.size));
    let (mut port, mut large, mut small) = (FIRST_PORT, LARGE_START, SMALL_START);
    for (function, bar) in windows {
        let (next, end) = match bar.kind {
            BarKind::Io => (&mut port, LAST_PORT + 1),
            _ if bar.size >= LARGE => (&mut large, SMALL_START),
            _ => (&mut small, MEMORY_END),
        };
        let unit = if bar.kind == BarKind::Io { bar.size } else { bar.size.max(PAGE_SIZE) };
        let start = next.next_multiple_of(unit);
        if start + unit > end {
            log::warn!("no room for a PCI window of {:#x} bytes", bar.size);
            continue;
        }
        *next = start + unit;
        let register = offset::BAR0 + 4 * bar.index as u8;
        pci.config_write(function, register, start as u32, 0xF);
        if matches!(bar.kind, BarKind::Memory64 { .. }) {
            pci.config_write(function, register + 4, 0, 0xF);
        }
    }
    for function in functions {
        let command = pci.config_read(function, offset::COMMAND) & 0xFFFF;
        pci.config_write(function, offset::COMMAND, command | COMMAND_DECODE | COMMAND_MASTER, 0b11);
        let pin = (pci.config_read(function, offset::INTERRUPT_LINE) >> 8) as u8;
        if (1..=4).contains(&pin) {
            let irq = interrupts[glassbox_pci::pirq_of(function.slot(), pin).index()];
            pci.config_write(function, offset::INTERRUPT_LINE, irq.into(), 0b1);
        }
    }
}

/// The base address registers that a function has, found as a BIOS finds them.
fn bars(pci: &mut PciBus, function: FunctionAddress) -> Vec<Bar> {
    let mut bars = Vec::new();
    let mut index = 0;
    while index < 6 {
        let register = offset::BAR0 + 4 * index as u8;
        let old = pci.config_read(function, register);
        pci.config_write(function, register, u32::MAX, 0xF);
        let mask = pci.config_read(function, register);
        pci.config_write(function, register, old, 0xF);
        let kind = match mask {
            mask if mask & 1 != 0 => BarKind::Io,
            mask if mask & 6 == 4 => BarKind::Memory64 { prefetchable: mask & 8 != 0 },
            _ => BarKind::Memory32 { prefetchable: mask & 8 != 0 },
        };
        let address = if kind == BarKind::Io { mask & !3 } else { mask & !0xF };
        if address != 0 {
            bars.push(Bar { index, kind, size: u64::from(address.wrapping_neg()) });
        }
        index += if matches!(kind, BarKind::Memory64 { .. }) { 2 } else { 1 };
    }
    bars
}
