//! Follows the installed tables from the root pointer as an operating system
//! does.

use glassbox_memory::{Gpa, GuestMemory};
use glassbox_tables::{E820Kind, TablesConfig, TablesError, install};
use std::collections::BTreeMap;

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn sum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, b| sum.wrapping_add(*b))
}

fn read(memory: &GuestMemory, at: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    memory.read_bytes(Gpa(at), &mut bytes).unwrap();
    bytes
}

fn table(memory: &GuestMemory, at: u64) -> (String, Vec<u8>) {
    let len = u32_at(&read(memory, at + 4, 4), 0) as usize;
    let bytes = read(memory, at, len);
    (String::from_utf8(bytes[..4].to_vec()).unwrap(), bytes)
}

/// Every table that the root leads to, by signature; each has been checked.
fn walk(memory: &GuestMemory, rsdp: Gpa) -> BTreeMap<String, Vec<u8>> {
    let rsdp = read(memory, rsdp.0, 36);
    assert_eq!(&rsdp[..8], b"RSD PTR ");
    assert_eq!((sum(&rsdp[..20]), sum(&rsdp), rsdp[15]), (0, 0, 2));
    let (rsdt_name, rsdt) = table(memory, u64::from(u32_at(&rsdp, 16)));
    let (xsdt_name, xsdt) = table(memory, u64::from(u32_at(&rsdp, 24)));
    assert_eq!((rsdt_name.as_str(), xsdt_name.as_str(), sum(&rsdt), sum(&xsdt)), ("RSDT", "XSDT", 0, 0));
    let from_rsdt: Vec<u64> = rsdt[36..].chunks(4).map(|c| u64::from(u32_at(c, 0))).collect();
    let from_xsdt: Vec<u64> =
        xsdt[36..].chunks(8).map(|c| u64::from_le_bytes(c.try_into().unwrap())).collect();
    assert_eq!(from_rsdt, from_xsdt);

    let mut found = BTreeMap::new();
    for at in from_xsdt {
        let (name, bytes) = table(memory, at);
        assert_eq!(sum(&bytes), 0, "checksum of {name}");
        found.insert(name, bytes);
    }
    let facs = u64::from(u32_at(&found["FACP"], 36));
    assert_eq!(facs % 64, 0);
    found.insert("FACS".into(), table(memory, facs).1);
    let (name, dsdt) = table(memory, u64::from(u32_at(&found["FACP"], 40)));
    assert_eq!(sum(&dsdt), 0);
    found.insert(name, dsdt);
    found
}

#[test]
fn every_table_is_reached_and_sums_to_zero() {
    let memory = GuestMemory::new(1 << 20).unwrap();
    let installed = install(&memory, &TablesConfig::new(vec![0, 1, 2])).unwrap();
    let tables = walk(&memory, installed.rsdp);
    let names: Vec<&str> = tables.keys().map(String::as_str).collect();
    assert_eq!(names, ["APIC", "DSDT", "FACP", "FACS", "HPET"]);
    let dsdt = &tables["DSDT"];
    let has = |text: &[u8]| dsdt.windows(text.len()).any(|w| w == text);
    assert!(has(b"C002") && !has(b"C003"), "one device a processor");
    assert!(has(b"_S5_") && has(b"LNKD") && has(b"PS2K") && has(b"COM1") && !has(b"COM2"));
}

#[test]
fn the_tables_are_in_reserved_memory_where_old_systems_search() {
    let memory = GuestMemory::new(64 << 20).unwrap();
    let installed = install(&memory, &TablesConfig::new(vec![0])).unwrap();
    assert_eq!((installed.rsdp.0 % 16, installed.rsdp.0 >= 0xE_0000), (0, true));
    let range = installed.e820.iter().find(|e| (e.start.0..e.end()).contains(&installed.rsdp.0)).unwrap();
    assert_eq!((range.kind, range.end()), (E820Kind::Reserved, 0x10_0000));
}

#[test]
fn a_board_without_hpet_has_no_trace_of_it() {
    let memory = GuestMemory::new(1 << 20).unwrap();
    let config = TablesConfig { hpet: None, ..TablesConfig::new(vec![0]) };
    let tables = walk(&memory, install(&memory, &config).unwrap().rsdp);
    assert!(!tables.contains_key("HPET"));
    assert!(!tables["DSDT"].windows(4).any(|w| w == b"HPET"));
}

#[test]
fn the_window_for_memory_bars_begins_where_the_board_says() {
    let memory = GuestMemory::new(1 << 20).unwrap();
    let pci_memory_64 = Some((0x8_0000_0000, 0xFF_FFFF_FFFF));
    let config = TablesConfig { pci_memory_start: 0x8000_0000, pci_memory_64, ..TablesConfig::new(vec![0]) };
    let tables = walk(&memory, install(&memory, &config).unwrap().rsdp);
    let range = [0x8000_0000u32.to_le_bytes(), 0xFEBF_FFFFu32.to_le_bytes()].concat();
    assert!(tables["DSDT"].windows(8).any(|w| w == range));
    let range = [0x8_0000_0000u64.to_le_bytes(), 0xFF_FFFF_FFFFu64.to_le_bytes()].concat();
    assert!(tables["DSDT"].windows(16).any(|w| w == range));
}

#[test]
fn impossible_boards_are_refused() {
    let memory = GuestMemory::new(1 << 20).unwrap();
    let refused = |ids: Vec<u32>| install(&memory, &TablesConfig::new(ids)).unwrap_err();
    assert!(matches!(refused(vec![]), TablesError::NoProcessors));
    assert!(matches!(refused(vec![0, 1, 0]), TablesError::DuplicateApicId(0)));
    assert!(matches!(refused(vec![u32::MAX]), TablesError::BroadcastApicId));
    assert!(matches!(refused((0..4000).map(|i| i * 2).collect()), TablesError::TooLarge { .. }));
    assert!(install(&memory, &TablesConfig::new((0..512).map(|i| i * 2).collect())).is_ok());
}

#[test]
fn rom_over_the_area_is_noticed() {
    let memory = GuestMemory::new(1 << 20).unwrap();
    memory.map_rom(Gpa(0xE_0000), &[0xFF; 0x1_0000]).unwrap();
    memory.set_shadow(Gpa(0xE_0000), 0x1_0000, glassbox_memory::Shadow::BUS);
    assert!(matches!(install(&memory, &TablesConfig::new(vec![0])), Err(TablesError::ReadOnly(_))));
}
