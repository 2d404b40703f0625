//! Carries out the loader's commands as firmware does and follows the result.

use glassbox_tables::{LoaderFiles, TablesConfig, TablesError, loader_files};
use std::collections::BTreeMap;

fn u32_at(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
}

fn sum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, b| sum.wrapping_add(*b))
}

fn name(bytes: &[u8]) -> &str {
    let end = bytes[..56].iter().position(|b| *b == 0).unwrap();
    std::str::from_utf8(&bytes[..end]).unwrap()
}

/// The blobs after all commands, each at the address it was given.
fn load(files: &LoaderFiles) -> BTreeMap<String, (usize, Vec<u8>)> {
    let source = BTreeMap::from([(LoaderFiles::RSDP, &files.rsdp), (LoaderFiles::TABLES, &files.tables)]);
    let mut blobs: BTreeMap<String, (usize, Vec<u8>)> = BTreeMap::new();
    assert_eq!(files.commands.len() % 128, 0);
    for command in files.commands.chunks(128) {
        let file = name(&command[4..]);
        match u32_at(command, 0) {
            1 => {
                let align = u32_at(command, 60);
                let address = match command[64] {
                    1 => 0x3ff_0000 + align,
                    2 => 0xf_5a00,
                    zone => panic!("zone {zone}"),
                };
                assert_eq!(address % align, 0);
                blobs.insert(file.into(), (address, source[file].clone()));
            }
            2 => {
                let base = blobs[name(&command[60..])].0;
                let (at, size) = (u32_at(command, 116), usize::from(command[120]));
                let to = &mut blobs.get_mut(file).unwrap().1[at..at + size];
                let offset = to.iter().rev().fold(0, |value, b| value << 8 | usize::from(*b));
                to.copy_from_slice(&(base + offset).to_le_bytes()[..size]);
            }
            3 => {
                let [at, start, len] = [60, 64, 68].map(|n| u32_at(command, n));
                let bytes = &mut blobs.get_mut(file).unwrap().1;
                assert_eq!(bytes[at], 0, "OVMF expects zero there");
                bytes[at] = sum(&bytes[start..start + len]).wrapping_neg();
            }
            other => panic!("command {other}"),
        }
    }
    blobs
}

#[test]
fn firmware_finds_every_table_by_its_commands() {
    let blobs = load(&loader_files(&TablesConfig::new(vec![0, 1])).unwrap());
    let rsdp = &blobs["etc/acpi/rsdp"].1;
    assert_eq!((sum(&rsdp[..20]), sum(rsdp)), (0, 0));
    let (base, tables) = &blobs["etc/acpi/tables"];
    let table = |address: usize| {
        let at = address - base;
        &tables[at..at + u32_at(tables, at + 4)]
    };
    let (rsdt, xsdt) = (table(u32_at(rsdp, 16)), table(u32_at(rsdp, 24)));
    assert_eq!((&rsdt[..4], &xsdt[..4]), (&b"RSDT"[..], &b"XSDT"[..]));
    assert_eq!((sum(rsdt), sum(xsdt)), (0, 0));
    let found: Vec<&[u8]> = rsdt[36..].chunks(4).map(|c| table(u32_at(c, 0))).collect();
    let by_xsdt: Vec<&[u8]> = xsdt[36..].chunks(8).map(|c| table(u32_at(c, 0))).collect();
    assert_eq!(found, by_xsdt);
    assert!(found.iter().all(|t| sum(t) == 0));
    let names: Vec<_> = found.iter().map(|t| &t[..4]).collect();
    assert_eq!(names, [b"FACP", b"APIC", b"HPET"]);
    let fadt = found[0];
    assert_eq!(u32_at(fadt, 40), u32_at(fadt, 140));
    let dsdt = table(u32_at(fadt, 40));
    assert_eq!((&dsdt[..4], sum(dsdt)), (&b"DSDT"[..], 0));
    assert_eq!(u32_at(fadt, 36) % 64, 0);
    assert_eq!(&table(u32_at(fadt, 36))[..4], b"FACS");
}

#[test]
fn impossible_boards_are_refused() {
    assert!(matches!(loader_files(&TablesConfig::new(vec![])), Err(TablesError::NoProcessors)));
}
