//! SMBIOS (DMTF DSP0134): the structures, and entry points of versions 2.8 and 3.0.

/// The machine that the structures describe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmbiosConfig {
    /// Bytes of RAM below 4 GiB.
    pub low_ram: u64,
    /// Bytes of RAM from 4 GiB up.
    pub high_ram: u64,
    /// Logical processors.
    pub processors: u8,
    /// CPUID leaf 1, EAX and EDX.
    pub processor_id: [u32; 2],
}

const ENTRY_2: usize = 0x1F;
const ENTRY_3: usize = 0x18;
/// Both entry points, and padding.
const ENTRIES: usize = 0x40;
const ROM_SIZE_64K: u8 = 0;
const FOUR_GIB: u64 = 1 << 32;

// Handles.
const CHASSIS: u16 = 0x0300;
const MEMORY_ARRAY: u16 = 0x1000;

struct Structures {
    bytes: Vec<u8>,
    count: u16,
    longest: usize,
}

impl Structures {
    /// Adds a structure: its type, handle, formatted part from offset 4 on, and strings.
    fn add(&mut self, kind: u8, handle: u16, body: &[u8], strings: &[&str]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[kind, (4 + body.len()) as u8]);
        self.bytes.extend_from_slice(&handle.to_le_bytes());
        self.bytes.extend_from_slice(body);
        for string in strings {
            self.bytes.extend_from_slice(string.as_bytes());
            self.bytes.push(0);
        }
        if strings.is_empty() {
            self.bytes.push(0);
        }
        self.bytes.push(0);
        self.count += 1;
        self.longest = self.longest.max(self.bytes.len() - start);
    }
}

/// Little-endian fields, one after the other.
#[derive(Default)]
struct Body(Vec<u8>);

impl Body {
    fn bytes(mut self, values: &[u8]) -> Self {
        self.0.extend_from_slice(values);
        self
    }

    fn word(self, value: u16) -> Self {
        self.bytes(&value.to_le_bytes())
    }

    fn dword(self, value: u32) -> Self {
        self.bytes(&value.to_le_bytes())
    }

    fn qword(self, value: u64) -> Self {
        self.bytes(&value.to_le_bytes())
    }
}

/// Entry points and structures, to be put at the physical address `at`, a multiple
/// of 16 below 4 GiB.
pub fn smbios(at: u32, config: &SmbiosConfig) -> Vec<u8> {
    let mut s = Structures { bytes: Vec::new(), count: 0, longest: 0 };
    platform(&mut s);
    processors(&mut s, config);
    memory(&mut s, config);
    // System boot information: no errors.
    s.add(32, 0x2000, &[0; 7], &[]);
    s.add(127, 0x7F00, &[], &[]);

    let table = at + ENTRIES as u32;
    let mut bytes = vec![0; ENTRIES];
    entry_2(&mut bytes[..ENTRY_2], &s, table);
    entry_3(&mut bytes[0x20..0x20 + ENTRY_3], &s, table);
    bytes.extend_from_slice(&s.bytes);
    bytes
}

/// The same as the files `etc/smbios/smbios-anchor` and `etc/smbios/smbios-tables`, for
/// firmware that places them itself: the entry point of version 2.8, whose address
/// is filled in there, and the structures.
pub fn smbios_files(config: &SmbiosConfig) -> (Vec<u8>, Vec<u8>) {
    let mut anchor = smbios(0, config);
    let structures = anchor.split_off(ENTRIES);
    anchor.truncate(ENTRY_2);
    (anchor, structures)
}

fn seal(bytes: &mut [u8], at: usize) {
    let sum = bytes.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    bytes[at] = bytes[at].wrapping_sub(sum);
}

fn entry_2(entry: &mut [u8], s: &Structures, table: u32) {
    entry[..4].copy_from_slice(b"_SM_");
    entry[5..8].copy_from_slice(&[ENTRY_2 as u8, 2, 8]);
    entry[8..10].copy_from_slice(&(s.longest as u16).to_le_bytes());
    entry[0x10..0x15].copy_from_slice(b"_DMI_");
    entry[0x16..0x18].copy_from_slice(&(s.bytes.len() as u16).to_le_bytes());
    entry[0x18..0x1C].copy_from_slice(&table.to_le_bytes());
    entry[0x1C..0x1E].copy_from_slice(&s.count.to_le_bytes());
    entry[0x1E] = 0x28;
    seal(&mut entry[0x10..], 5);
    seal(entry, 4);
}

fn entry_3(entry: &mut [u8], s: &Structures, table: u32) {
    entry[..5].copy_from_slice(b"_SM3_");
    entry[6..9].copy_from_slice(&[ENTRY_3 as u8, 3, 0]);
    entry[0x0A] = 1;
    entry[0x0C..0x10].copy_from_slice(&(s.bytes.len() as u32).to_le_bytes());
    entry[0x10..0x18].copy_from_slice(&u64::from(table).to_le_bytes());
    seal(entry, 5);
}

/// BIOS, system, chassis.
fn platform(s: &mut Structures) {
    let version = env!("CARGO_PKG_VERSION");
    // PCI and booting from CD are supported, EDD and ACPI are; a virtual machine.
    let bios = Body::default()
        .bytes(&[1, 2])
        .word(0xF000)
        .bytes(&[3, ROM_SIZE_64K])
        .qword(1 << 7 | 1 << 15 | 1 << 16 | 1 << 19)
        .bytes(&[0x01, 0x18, 0, 1, 0xFF, 0xFF]);
    s.add(0, 0x0000, &bios.0, &["Glassbox", version, "01/01/2026"]);
    // No UUID; woken by the power switch.
    let system = Body::default().bytes(&[1, 2, 3, 0]).bytes(&[0; 16]).bytes(&[6, 0, 0]);
    s.add(1, 0x0100, &system.0, &["Glassbox", "PC", version]);
    // Other; everything is safe.
    let chassis = Body::default().bytes(&[1, 1, 0, 0, 0, 3, 3, 3, 2]).dword(0).bytes(&[0, 0, 0, 0, 0]);
    s.add(3, CHASSIS, &chassis.0, &["Glassbox"]);
}

/// One socket with all processors.
fn processors(s: &mut Structures, config: &SmbiosConfig) {
    let count = config.processors.max(1);
    let body = Body::default()
        // Central processor of an unknown family.
        .bytes(&[1, 3, 2, 2])
        .dword(config.processor_id[0])
        .dword(config.processor_id[1])
        .bytes(&[0, 0])
        .word(0)
        .word(2500)
        .word(2500)
        // Populated and enabled; no upgrade; no caches told.
        .bytes(&[0x41, 2])
        .word(0xFFFF)
        .word(0xFFFF)
        .word(0xFFFF)
        .bytes(&[0, 0, 0, count, count, count])
        // 64-bit capable.
        .word(0x0004)
        .word(2);
    s.add(4, 0x0400, &body.0, &["CPU 0", "Glassbox"]);
}

/// One array, one device in it, and the addresses that it is mapped to.
fn memory(s: &mut Structures, config: &SmbiosConfig) {
    let bytes = config.low_ram.saturating_add(config.high_ram);
    let mib = bytes >> 20;
    let array = Body::default().bytes(&[3, 3, 3]).dword(0x8000_0000).word(0xFFFE).word(1).qword(bytes);
    s.add(16, MEMORY_ARRAY, &array.0, &[]);
    let small = u16::try_from(mib).ok().filter(|m| *m < 0x7FFF);
    let device = Body::default()
        .word(MEMORY_ARRAY)
        .word(0xFFFE)
        .word(64)
        .word(64)
        .word(small.unwrap_or(0x7FFF))
        // DIMM 0: RAM.
        .bytes(&[9, 0, 1, 0, 7])
        .word(0)
        .word(0)
        .bytes(&[2, 0, 0, 0, 0])
        .dword(if small.is_some() { 0 } else { mib.min(0x7FFF_FFFF) as u32 })
        .word(0)
        .word(0)
        .word(0)
        .word(0);
    s.add(17, 0x1100, &device.0, &["DIMM 0", "Glassbox"]);
    let mut handle = 0x1300;
    for (start, len) in [(0, config.low_ram), (FOUR_GIB, config.high_ram)] {
        if len == 0 {
            continue;
        }
        let last = start + len - 1;
        let fits = last / 1024 < u64::from(u32::MAX);
        let (first_kib, last_kib) =
            if fits { ((start / 1024) as u32, (last / 1024) as u32) } else { (u32::MAX, u32::MAX) };
        let body = Body::default()
            .dword(first_kib)
            .dword(last_kib)
            .word(MEMORY_ARRAY)
            .bytes(&[1])
            .qword(if fits { 0 } else { start })
            .qword(if fits { 0 } else { last });
        s.add(19, handle, &body.0, &[]);
        handle += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(bytes: &[u8]) -> u8 {
        bytes.iter().fold(0, |s, b| s.wrapping_add(*b))
    }

    #[test]
    fn both_entry_points_lead_to_the_same_structures() {
        let config = SmbiosConfig {
            low_ram: 3 << 30,
            high_ram: 61 << 30,
            processors: 2,
            processor_id: [0x6F1, 0x0F8B_FBFF],
        };
        let bytes = smbios(0xF_8000, &config);
        assert_eq!((sum(&bytes[..0x1F]), sum(&bytes[0x10..0x1F]), sum(&bytes[0x20..0x38])), (0, 0, 0));
        assert_eq!(bytes[0x18..0x1C], 0xF_8040u32.to_le_bytes());
        assert_eq!(bytes[0x30..0x38], 0xF_8040u64.to_le_bytes());
        let table = &bytes[0x40..];
        assert_eq!(usize::from(u16::from_le_bytes([bytes[0x16], bytes[0x17]])), table.len());
        // Walk: formatted part, strings, two zeroes.
        let (mut at, mut kinds) = (0, Vec::new());
        while at < table.len() {
            kinds.push(table[at]);
            at += usize::from(table[at + 1]);
            while table[at..at + 2] != [0, 0] {
                at += 1;
            }
            at += 2;
        }
        assert_eq!(at, table.len());
        assert_eq!(kinds, [0, 1, 3, 4, 16, 17, 19, 19, 32, 127]);
        assert_eq!(kinds.len(), usize::from(u16::from_le_bytes([bytes[0x1C], bytes[0x1D]])));
    }
}
