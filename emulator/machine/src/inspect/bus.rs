//! Who is on the buses.

use crate::board::Board;
use glassbox_pci::{BarKind, PciBus, offset};
use std::fmt::{self, Write};

/// PCI base classes (PCI Code and ID Assignment 1.15, 1).
const CLASSES: [&str; 14] = [
    "old device",
    "storage",
    "network",
    "display",
    "multimedia",
    "memory",
    "bridge",
    "communication",
    "system",
    "input",
    "docking station",
    "processor",
    "serial bus",
    "wireless",
];

pub(super) fn write_drives(board: &Board, out: &mut String) -> fmt::Result {
    for drive in &board.drives {
        let config = &drive.config;
        writeln!(
            out,
            "{}: {} ({:?}), serial {}",
            config.interface, config.name, config.media, config.serial
        )?;
    }
    Ok(())
}

pub(super) fn write_pci(pci: &mut PciBus, out: &mut String) -> fmt::Result {
    let functions: Vec<_> = pci.functions().collect();
    for at in functions {
        let id = pci.config_read(at, 0);
        let class = pci.config_read(at, 8) >> 8;
        let name = CLASSES.get((class >> 16) as usize).unwrap_or(&"other");
        let (vendor, device) = (id & 0xFFFF, id >> 16);
        let (slot, function) = (at.slot(), at.function());
        write!(out, "00:{slot:02x}.{function} {vendor:04x}:{device:04x} class {class:06x} ({name})")?;
        let interrupt = pci.config_read(at, offset::INTERRUPT_LINE);
        if let pin @ 1..=4 = (interrupt >> 8) as u8 {
            write!(out, ", INT{}#, line {}", char::from(b'A' + pin - 1), interrupt & 0xFF)?;
        }
        writeln!(out)?;
        for mapping in pci.mappings_of(at) {
            let (base, end) = (mapping.base, mapping.base + (mapping.bar.size - 1));
            let kind = match mapping.bar.kind {
                BarKind::Io => "ports",
                _ => "memory",
            };
            writeln!(out, "    BAR {}: {kind} {base:x}-{end:x}", mapping.bar.index)?;
        }
    }
    Ok(())
}

pub(super) fn write_map(board: &Board, out: &mut String) -> fmt::Result {
    writeln!(out, "ports:")?;
    for (device, window) in board.ports.windows() {
        let end = window.port + (window.len - 1);
        writeln!(out, "  {:04x}-{end:04x}  {device:?}", window.port)?;
    }
    writeln!(out, "memory, what is above first:")?;
    let ram = board.ram();
    for (name, start, len) in ram {
        writeln!(out, "  {start:016x}-{:016x}  {name}", start + (len - 1))?;
    }
    for (start, len, kind) in board.memory_mappings() {
        writeln!(out, "  {start:016x}-{:016x}  {kind:?} (directly)", start + (len - 1))?;
    }
    for (device, start, len) in board.mmio.windows() {
        writeln!(out, "  {start:016x}-{:016x}  {device:?}", start + (len - 1))?;
    }
    Ok(())
}
