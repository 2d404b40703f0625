//! Writes the ACPI tables of a two-processor board into a directory, one file a
//! table, for ACPICA's tools:
//!
//! ```text
//! cargo run -p glassbox-tables --example dump_acpi -- /tmp/acpi
//! iasl -d /tmp/acpi/*.dat && iasl /tmp/acpi/DSDT.dsl
//! ```

use glassbox_memory::{Gpa, GuestMemory};
use glassbox_tables::{TablesConfig, install};
use std::error::Error;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    let directory = PathBuf::from(std::env::args().nth(1).ok_or("usage: dump_acpi DIRECTORY")?);
    std::fs::create_dir_all(&directory)?;
    let memory = GuestMemory::new(64 << 20)?;
    let installed = install(&memory, &TablesConfig::new(vec![0, 1]))?;
    let word = |at: u64| memory.read_at(Gpa(at)).map(u32::from_le_bytes);

    let rsdt = u64::from(word(installed.rsdp.0 + 16)?);
    let mut tables = Vec::new();
    for slot in (36..u64::from(word(rsdt + 4)?)).step_by(4) {
        tables.push(u64::from(word(rsdt + slot)?));
    }
    // The first is the FADT, which leads to two more.
    for pointer in [36, 40] {
        tables.push(u64::from(word(tables[0] + pointer)?));
    }
    for at in tables {
        let mut bytes = vec![0; word(at + 4)? as usize];
        memory.read_bytes(Gpa(at), &mut bytes)?;
        let name = String::from_utf8_lossy(&bytes[..4]).into_owned();
        std::fs::write(directory.join(format!("{name}.dat")), &bytes)?;
        println!("{name} at {at:#x}, {} bytes", bytes.len());
    }
    Ok(())
}
