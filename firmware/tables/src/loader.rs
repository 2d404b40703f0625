//! The tables for firmware that places them itself: blobs, and the commands that
//! say how to allocate, link and sum them.
//!
//! Source: QEMU, `hw/acpi/bios-linker-loader.c`; SeaBIOS and OVMF carry the commands out.

use crate::fadt::FACS_ALIGN;
use crate::install::ALIGN;
use crate::{TablesConfig, TablesError, dsdt, fadt, hpet, madt, root};

/// Bytes of a command, and of a file's name in it.
const COMMAND: usize = 128;
const NAME: usize = 56;
/// Where a blob is to be placed: anywhere, or in the F segment.
const ZONE_HIGH: u8 = 1;
const ZONE_FSEG: u8 = 2;

/// Offsets of the pointers in the FADT, of addresses in RSDP and roots, and of
/// the byte that makes a table's sum zero.
const FADT_FACS: usize = 36;
const FADT_DSDT: usize = 40;
const FADT_X_DSDT: usize = 140;
const RSDP_RSDT: usize = 16;
const RSDP_XSDT: usize = 24;
const RSDP_V1: usize = 20;
const RSDP_CHECKSUM: usize = 8;
const RSDP_EXTENDED_CHECKSUM: usize = 32;
const TABLE_CHECKSUM: usize = 9;

/// The files of the table loader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoaderFiles {
    /// `etc/acpi/rsdp`.
    pub rsdp: Vec<u8>,
    /// `etc/acpi/tables`.
    pub tables: Vec<u8>,
    /// `etc/table-loader`.
    pub commands: Vec<u8>,
}

impl LoaderFiles {
    /// The name that firmware looks the commands up by.
    pub const COMMANDS: &str = "etc/table-loader";
    /// The names that the commands use for the blobs.
    pub const TABLES: &str = "etc/acpi/tables";
    /// See [`TABLES`](Self::TABLES).
    pub const RSDP: &str = "etc/acpi/rsdp";
}

#[derive(Default)]
struct Script(Vec<u8>);

impl Script {
    fn command(&mut self, kind: u32, names: &[&str], rest: &[u8]) {
        let start = self.0.len();
        self.0.extend(kind.to_le_bytes());
        for name in names {
            let end = self.0.len() + NAME;
            self.0.extend(name.as_bytes());
            self.0.resize(end, 0);
        }
        self.0.extend(rest);
        self.0.resize(start + COMMAND, 0);
    }

    fn allocate(&mut self, file: &str, align: u64, zone: u8) {
        let mut rest = (align as u32).to_le_bytes().to_vec();
        rest.push(zone);
        self.command(1, &[file], &rest);
    }

    /// The `size` bytes at `at` of `file` hold an offset in the tables, which
    /// becomes an address.
    fn pointer(&mut self, file: &str, at: usize, size: u8) {
        let mut rest = (at as u32).to_le_bytes().to_vec();
        rest.push(size);
        self.command(2, &[file, LoaderFiles::TABLES], &rest);
    }

    fn checksum(&mut self, file: &str, at: usize, start: usize, len: usize) {
        let rest: Vec<u8> = [at, start, len].iter().flat_map(|n| (*n as u32).to_le_bytes()).collect();
        self.command(3, &[file], &rest);
    }
}

#[derive(Default)]
struct Blob {
    bytes: Vec<u8>,
    script: Script,
}

impl Blob {
    fn put(&mut self, table: &[u8], align: u64) -> usize {
        let at = self.bytes.len().next_multiple_of(align as usize);
        self.bytes.resize(at, 0);
        self.bytes.extend_from_slice(table);
        at
    }

    /// Puts a table whose pointers (offset and size) lead into this blob.
    fn put_linked(&mut self, table: &[u8], pointers: impl IntoIterator<Item = (usize, u8)>) -> usize {
        let at = self.put(table, ALIGN);
        // The sum is made anew over the final addresses.
        self.bytes[at + TABLE_CHECKSUM] = 0;
        for (offset, size) in pointers {
            self.script.pointer(LoaderFiles::TABLES, at + offset, size);
        }
        self.script.checksum(LoaderFiles::TABLES, at + TABLE_CHECKSUM, at, table.len());
        at
    }
}

/// The same tables as [`install`](crate::install) writes, for the loader.
///
/// # Errors
/// [`TablesError`] for an impossible configuration.
pub fn loader_files(config: &TablesConfig) -> Result<LoaderFiles, TablesError> {
    config.check()?;
    let mut blob = Blob::default();
    blob.script.allocate(LoaderFiles::RSDP, ALIGN, ZONE_FSEG);
    blob.script.allocate(LoaderFiles::TABLES, FACS_ALIGN, ZONE_HIGH);
    let facs = blob.put(&fadt::facs(), FACS_ALIGN) as u32;
    let dsdt = blob.put(&dsdt::dsdt(config), ALIGN) as u32;
    let fadt = fadt::fadt(facs, dsdt, config.vga);
    let mut tables = vec![blob.put_linked(&fadt, [(FADT_FACS, 4), (FADT_DSDT, 4), (FADT_X_DSDT, 8)]) as u32];
    tables.push(blob.put(&madt::madt(&config.processors, config.ioapic_id), ALIGN) as u32);
    if let Some(block_id) = config.hpet {
        tables.push(blob.put(&hpet::hpet(block_id), ALIGN) as u32);
    }
    let header = root::HEADER_LENGTH as usize;
    let entries = |size: usize| (0..tables.len()).map(move |n| (header + n * size, size as u8));
    let rsdt = blob.put_linked(&root::rsdt(&tables), entries(4)) as u32;
    let xsdt = blob.put_linked(&root::xsdt(&tables), entries(8)) as u32;

    let mut rsdp = root::rsdp(rsdt, xsdt.into());
    (rsdp[RSDP_CHECKSUM], rsdp[RSDP_EXTENDED_CHECKSUM]) = (0, 0);
    let Blob { bytes, mut script } = blob;
    script.pointer(LoaderFiles::RSDP, RSDP_RSDT, 4);
    script.pointer(LoaderFiles::RSDP, RSDP_XSDT, 8);
    script.checksum(LoaderFiles::RSDP, RSDP_CHECKSUM, 0, RSDP_V1);
    script.checksum(LoaderFiles::RSDP, RSDP_EXTENDED_CHECKSUM, 0, rsdp.len());
    Ok(LoaderFiles { rsdp: rsdp.to_vec(), tables: bytes, commands: script.0 })
}
