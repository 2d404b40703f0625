//! Tables in the ROM that software searches for: `_32_`, `$PIR`, `_MP_`, SMBIOS,
//! `$PnP`.

use crate::bios::Bios;
use crate::call::{Call, Flow, ServiceResult};
use crate::pci_setup::PIRQ_IRQS;
use crate::rom::{Point, ROM_BASE, ROM_SEGMENT, Rom, TABLES};
use glassbox_tables::{E820Kind, MpConfig, SmbiosConfig, irq_routing_table, mp_tables, smbios};

/// Offset of the Plug and Play installation check structure, which boot sectors
/// and option ROMs are told.
pub(crate) const PNP: u16 = TABLES.start;
const BIOS32: u16 = TABLES.start + 0x30;
const PIR: u16 = TABLES.start + 0x40;
/// Function not supported (PnP BIOS 1.0A, appendix A).
const PNP_UNSUPPORTED: u16 = 0x82;

fn seal(bytes: &mut [u8], at: usize) {
    let sum = bytes.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    bytes[at] = bytes[at].wrapping_sub(sum);
}

/// Puts the tables into the ROM, the memory map being known.
pub(crate) fn place(bios: &mut Bios) {
    let rom = bios.rom();
    let (pnp, bios32) = (plug_and_play(rom), service_directory(rom));
    let exclusive = PIRQ_IRQS.iter().fold(0, |mask, irq| mask | 1 << irq);
    let pir = irq_routing_table(exclusive, exclusive);
    let ram = |from: u64, to: u64| {
        let ends = bios.e820.iter().filter(|e| {
            e.start.0 >= from && e.end() <= to && matches!(e.kind, E820Kind::Ram | E820Kind::AcpiReclaim)
        });
        ends.map(|e| e.end() - from).max().unwrap_or(0)
    };
    let four_gib = 1 << 32;
    let processors = &bios.processors;
    let mp_at = (PIR + pir.len() as u16).next_multiple_of(16);
    let mp = mp_tables(
        ROM_BASE + u32::from(mp_at),
        &MpConfig {
            processors: processors.apic_ids.clone(),
            signature: processors.signature,
            features: processors.features,
            ioapic_id: processors.ioapic_id,
        },
    );
    let smbios_at = (mp_at + mp.len() as u16).next_multiple_of(16);
    let smbios = smbios(
        ROM_BASE + u32::from(smbios_at),
        &SmbiosConfig {
            low_ram: ram(0, four_gib),
            high_ram: ram(four_gib, u64::MAX),
            processors: processors.apic_ids.len().min(255) as u8,
            processor_id: [processors.signature, processors.features],
        },
    );
    for (at, table) in [(PNP, &pnp), (BIOS32, &bios32), (PIR, &pir), (mp_at, &mp), (smbios_at, &smbios)] {
        if !bios.rom_mut().place(at, table) {
            log::error!("the table at {at:#06x} does not fit into the ROM");
        }
    }
}

/// The Plug and Play installation check: no events, and functions that say that
/// they are not there.
fn plug_and_play(rom: &Rom) -> Vec<u8> {
    let mut bytes = vec![0; 0x21];
    bytes[..4].copy_from_slice(b"$PnP");
    bytes[4] = 0x10;
    bytes[5] = 0x21;
    let entry = rom.offset(Point::PlugAndPlay).to_le_bytes();
    let segment = ROM_SEGMENT.to_le_bytes();
    bytes[0x0D..0x0F].copy_from_slice(&entry);
    bytes[0x0F..0x11].copy_from_slice(&segment);
    bytes[0x11..0x13].copy_from_slice(&entry);
    bytes[0x13..0x17].copy_from_slice(&ROM_BASE.to_le_bytes());
    bytes[0x1B..0x1D].copy_from_slice(&segment);
    bytes[0x1D..0x21].copy_from_slice(&ROM_BASE.to_le_bytes());
    seal(&mut bytes, 8);
    bytes
}

/// The header of the BIOS32 service directory.
fn service_directory(rom: &Rom) -> Vec<u8> {
    let mut bytes = vec![0; 16];
    bytes[..4].copy_from_slice(b"_32_");
    bytes[4..8].copy_from_slice(&(ROM_BASE + u32::from(rom.offset(Point::Bios32))).to_le_bytes());
    // Revision 0, one paragraph long.
    bytes[9] = 1;
    seal(&mut bytes, 10);
    bytes
}

/// The Plug and Play entry point.
pub(crate) fn plug_and_play_call(call: &mut Call<'_>) -> ServiceResult {
    call.regs.ax.set_word(PNP_UNSUPPORTED);
    Ok(Flow::Done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;
    use glassbox_tables::pc_memory_map;

    #[test]
    fn software_finds_the_tables_by_their_signatures() {
        let mut bench = Bench::new();
        bench.bios.e820 = pc_memory_map(64 << 20, 0, &[]);
        bench
            .run_with(|bios, _| {
                place(bios);
                Ok(Flow::Done)
            })
            .unwrap();
        let image = bench.bios.rom().image();
        let find = |signature: &[u8]| {
            image.chunks(16).position(|chunk| chunk.starts_with(signature)).map(|n| &image[16 * n..])
        };
        let sum = |bytes: &[u8]| bytes.iter().fold(0u8, |s, b| s.wrapping_add(*b));
        for (signature, len) in [("$PnP", 0x21), ("_32_", 16), ("_MP_", 16), ("_SM_", 0x1F), ("_SM3_", 0x18)]
        {
            let table = find(signature.as_bytes()).unwrap_or_else(|| panic!("no {signature}"));
            assert_eq!(sum(&table[..len]), 0, "{signature}");
        }
        let pir = find(b"$PIR").unwrap();
        assert_eq!(sum(&pir[..usize::from(u16::from_le_bytes([pir[6], pir[7]]))]), 0);
    }
}
