//! The tables that lead to the others: RSDP, RSDT and XSDT (ACPI 6.5, 5.2.5 to
//! 5.2.8), and what all tables have in common.

use acpi_tables::sdt::Sdt;
use acpi_tables::xsdt::XSDT;
use acpi_tables::{Aml, Checksum};

pub const OEM_ID: [u8; 6] = *b"GLSBOX";
pub const OEM_TABLE_ID: [u8; 8] = *b"GLASSBOX";
pub const OEM_REVISION: u32 = 1;
pub const RSDP_LENGTH: usize = 36;
/// A table header: the least a table has.
pub const HEADER_LENGTH: u32 = 36;

/// A table of `length` bytes with a valid header and zeros behind it.
pub fn table(signature: [u8; 4], length: u32, revision: u8) -> Sdt {
    Sdt::new(signature, length, revision, OEM_ID, OEM_TABLE_ID, OEM_REVISION)
}

/// The root pointer, revision 2. It has both roots: systems from before 2000
/// know only the RSDT.
pub fn rsdp(rsdt: u32, xsdt: u64) -> [u8; RSDP_LENGTH] {
    let mut bytes = [0; RSDP_LENGTH];
    bytes[..8].copy_from_slice(b"RSD PTR ");
    bytes[9..15].copy_from_slice(&OEM_ID);
    bytes[15] = 2;
    bytes[16..20].copy_from_slice(&rsdt.to_le_bytes());
    bytes[20..24].copy_from_slice(&(RSDP_LENGTH as u32).to_le_bytes());
    bytes[24..32].copy_from_slice(&xsdt.to_le_bytes());
    // The first sum covers what ACPI 1.0 defined, the second all.
    bytes[8] = checksum(&bytes[..20]);
    bytes[32] = checksum(&bytes);
    bytes
}

pub fn rsdt(tables: &[u32]) -> Vec<u8> {
    let mut rsdt = table(*b"RSDT", HEADER_LENGTH, 1);
    for address in tables {
        rsdt.append_slice(&address.to_le_bytes());
    }
    rsdt.as_slice().to_vec()
}

pub fn xsdt(tables: &[u32]) -> Vec<u8> {
    let mut xsdt = XSDT::new(OEM_ID, OEM_TABLE_ID, OEM_REVISION);
    for address in tables {
        xsdt.add_entry(u64::from(*address));
    }
    let mut bytes = Vec::new();
    xsdt.to_aml_bytes(&mut bytes);
    bytes
}

fn checksum(bytes: &[u8]) -> u8 {
    let mut sum = Checksum::default();
    sum.append(bytes);
    sum.value()
}
