//! The short way to the VGA's window at A0000h: an access there has no consequences
//! beyond video memory, so many may come together and nothing has to be settled.

use super::{APIC_PAGE, Board, MmioDevice};
use glassbox_chipset::LocalApic;
use glassbox_cpu::MmioString;
use glassbox_device_api::{AccessSize, Mmio};
use glassbox_memory::Gpa;

impl Board {
    /// The offset in the VGA's window, where an access needs neither [`settle`](Self::settle)
    /// nor a look at deadlines.
    pub fn planes_at(&self, processor: usize, at: u64) -> Option<u64> {
        let Some((MmioDevice::Vga, offset)) = self.mmio.find(at) else { return None };
        let apic = self.interrupts.lapics.get(processor).and_then(LocalApic::mmio_base);
        // A guest may put its local APIC even there.
        apic.is_none_or(|base| at.wrapping_sub(base) >= APIC_PAGE).then_some(offset)
    }

    /// Reads the VGA's window at an offset in it.
    pub fn planes_read(&mut self, offset: u64, size: AccessSize) -> u64 {
        self.counts.mmio_reads += 1;
        self.devices.vga.as_mut().map_or(u64::MAX, |vga| vga.mmio_read(offset, size)) & size.mask()
    }

    /// Writes the VGA's window at an offset in it.
    pub fn planes_write(&mut self, offset: u64, size: AccessSize, value: u64) {
        self.counts.mmio_writes += 1;
        if let Some(vga) = &mut self.devices.vga {
            vga.mmio_write(offset, size, value & size.mask());
        }
    }

    /// Iterations of a string instruction in the VGA's window, with nothing else in
    /// between; `None` elsewhere.
    pub fn planes_string(
        &mut self,
        processor: usize,
        size: AccessSize,
        count: u64,
        string: MmioString<'_>,
    ) -> Option<u64> {
        let bytes = size.bytes();
        let len = bytes as usize;
        let last = (bytes * count).checked_sub(1)?;
        let planes = |at: Gpa| {
            self.planes_at(processor, at.0 + last)?;
            self.planes_at(processor, at.0)
        };
        let offsets = match &string {
            MmioString::Fill { at, .. } | MmioString::Store { at, .. } | MmioString::Load { at, .. } => {
                (planes(*at)?, 0)
            }
            MmioString::Copy { from, to } => (planes(*to)?, planes(*from)?),
        };
        let mut vga = self.devices.vga.as_ref()?.lock();
        let elements = (0..count).map(|n| n * bytes);
        let (to, from) = offsets;
        let (reads, writes) = match string {
            MmioString::Fill { value, .. } => {
                elements.for_each(|n| vga.mmio_write(to + n, size, value));
                (0, count)
            }
            MmioString::Store { from, .. } => {
                for (n, element) in elements.zip(from.chunks_exact(len)) {
                    vga.mmio_write(to + n, size, little_endian(element));
                }
                (0, count)
            }
            MmioString::Load { to: room, .. } => {
                for (n, element) in elements.zip(room.chunks_exact_mut(len)) {
                    let value = vga.mmio_read(to + n, size).to_le_bytes();
                    element.copy_from_slice(&value[..element.len()]);
                }
                (count, 0)
            }
            MmioString::Copy { .. } => {
                for n in elements {
                    let value = vga.mmio_read(from + n, size);
                    vga.mmio_write(to + n, size, value);
                }
                (count, count)
            }
        };
        drop(vga);
        self.counts.mmio_reads += reads;
        self.counts.mmio_writes += writes;
        Some(count)
    }
}

fn little_endian(element: &[u8]) -> u64 {
    element.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}
