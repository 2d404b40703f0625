//! Puts the tables into guest memory.

use crate::e820::{E820Entry, pc_memory_map};
use crate::fadt::FACS_ALIGN;
use crate::platform::PCI_MMIO_START;
use crate::root::RSDP_LENGTH;
use crate::{TablesError, dsdt, fadt, hpet, madt, root};
use glassbox_memory::{Gpa, GuestMemory};
use std::collections::BTreeSet;

/// The tables lie in the E segment: systems that are not told look for the
/// root pointer there, and it is reserved in every memory map. The F segment is
/// left to a BIOS.
const AREA: Gpa = Gpa(0xE_0000);
const AREA_LENGTH: usize = 0x1_0000;
pub(crate) const ALIGN: u64 = 16;

/// The machine that the tables describe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TablesConfig {
    /// The local APIC ID of each logical processor, the boot processor first.
    pub processors: Vec<u32>,
    /// The ID that the I/O APIC has at reset.
    pub ioapic_id: u8,
    /// The lower half of the HPET's General Capabilities register, where there
    /// is an HPET.
    pub hpet: Option<u32>,
    /// Whether there is a VGA adapter.
    pub vga: bool,
    /// Whether there is a floppy disk controller.
    pub floppy: bool,
    /// Whether there are the serial ports COM1 and COM2.
    pub serial: [bool; 2],
    /// Where the window for memory BARs begins: not before RAM ends.
    pub pci_memory_start: u32,
    /// The first and the last byte of the window above 4 GiB, where firmware places
    /// memory BARs there. Systems from before 2005 do not expect one.
    pub pci_memory_64: Option<(u64, u64)>,
}

impl TablesConfig {
    /// A board with these processors, I/O APIC ID 0, a three-comparator HPET
    /// COM1, and neither VGA nor floppy disk controller.
    pub fn new(processors: Vec<u32>) -> Self {
        Self {
            processors,
            ioapic_id: 0,
            hpet: Some(0x8086_A201),
            vga: false,
            floppy: false,
            serial: [true, false],
            pci_memory_start: PCI_MMIO_START,
            pci_memory_64: None,
        }
    }

    pub(crate) fn check(&self) -> Result<(), TablesError> {
        if self.processors.is_empty() {
            return Err(TablesError::NoProcessors);
        }
        let mut seen = BTreeSet::new();
        for &id in &self.processors {
            if id == u32::MAX {
                return Err(TablesError::BroadcastApicId);
            }
            if !seen.insert(id) {
                return Err(TablesError::DuplicateApicId(id));
            }
        }
        Ok(())
    }
}

/// What an operating system must be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// The ACPI root pointer.
    pub rsdp: Gpa,
    /// The memory map, the tables' area reserved in it.
    pub e820: Vec<E820Entry>,
}

/// Lays the tables out in the area, each at a known address.
struct Layout {
    bytes: Vec<u8>,
}

impl Layout {
    fn put(&mut self, table: &[u8], align: u64) -> u32 {
        let at = self.bytes.len().next_multiple_of(align as usize);
        self.bytes.resize(at, 0);
        self.bytes.extend_from_slice(table);
        (AREA.0 as usize + at) as u32
    }
}

/// Writes RSDP, RSDT, XSDT, FADT, FACS, DSDT, MADT and HPET into the reserved
/// memory below 1 MiB, and makes the memory map of a PC with this memory.
///
/// # Errors
/// [`TablesError`] for an impossible configuration, or where the area is not
/// writable RAM.
pub fn install(memory: &GuestMemory, config: &TablesConfig) -> Result<Installed, TablesError> {
    config.check()?;
    // The root pointer comes first, but is known last.
    let mut layout = Layout { bytes: vec![0; RSDP_LENGTH] };
    let facs = layout.put(&fadt::facs(), FACS_ALIGN);
    let dsdt = layout.put(&dsdt::dsdt(config), ALIGN);
    let mut tables = vec![
        layout.put(&fadt::fadt(facs, dsdt, config.vga), ALIGN),
        layout.put(&madt::madt(&config.processors, config.ioapic_id), ALIGN),
    ];
    if let Some(block_id) = config.hpet {
        tables.push(layout.put(&hpet::hpet(block_id), ALIGN));
    }
    let rsdt = layout.put(&root::rsdt(&tables), ALIGN);
    let xsdt = layout.put(&root::xsdt(&tables), ALIGN);
    layout.bytes[..RSDP_LENGTH].copy_from_slice(&root::rsdp(rsdt, u64::from(xsdt)));

    let need = layout.bytes.len();
    if need > AREA_LENGTH {
        return Err(TablesError::TooLarge { need, room: AREA_LENGTH });
    }
    memory.write_bytes(AREA, &layout.bytes)?;
    // Writes to ROM are dropped.
    let mut written = vec![0; need];
    memory.read_bytes(AREA, &mut written)?;
    if written != layout.bytes {
        return Err(TablesError::ReadOnly(AREA));
    }
    let e820 = pc_memory_map(memory.low_ram_size(), memory.high_ram_size(), &[]);
    Ok(Installed { rsdp: AREA, e820 })
}
