//! Handmade kernel images and a small machine to load them into.
#![allow(dead_code, reason = "each test binary uses its own part")]

use glassbox_boot::{BootError, BootRequest, EntryState, load};
use glassbox_memory::{Gpa, GuestMemory};
use glassbox_tables::{E820Entry, pc_memory_map};

pub const RAM: u64 = 64 << 20;

pub struct Pc {
    pub memory: GuestMemory,
    pub e820: Vec<E820Entry>,
    pub text_screen: bool,
}

impl Pc {
    pub fn new(ram: u64) -> Self {
        let memory = GuestMemory::new(ram).unwrap();
        let e820 = pc_memory_map(memory.low_ram_size(), memory.high_ram_size(), &[]);
        Self { memory, e820, text_screen: false }
    }

    pub fn boot(&self, kernel: &[u8], initrd: Option<&[u8]>, cmdline: &str) -> Result<EntryState, BootError> {
        let rsdp = Some(Gpa(0xE_0000));
        load(
            &self.memory,
            &BootRequest {
                kernel,
                name: "",
                initrd,
                modules: &[],
                cmdline,
                rsdp,
                e820: &self.e820,
                text_screen: self.text_screen,
            },
        )
    }

    pub fn bytes(&self, at: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.memory.read_bytes(Gpa(at), &mut bytes).unwrap();
        bytes
    }

    pub fn u32(&self, at: u64) -> u32 {
        u32::from_le_bytes(self.memory.read_at(Gpa(at)).unwrap())
    }

    pub fn u64(&self, at: u64) -> u64 {
        u64::from_le_bytes(self.memory.read_at(Gpa(at)).unwrap())
    }

    /// The NUL-terminated string at `at`.
    pub fn text(&self, at: u64) -> String {
        let bytes = self.bytes(at, 4096);
        String::from_utf8(bytes[..bytes.iter().position(|&b| b == 0).unwrap()].to_vec()).unwrap()
    }
}

pub fn patch(image: &mut [u8], at: usize, bytes: &[u8]) {
    image[at..at + bytes.len()].copy_from_slice(bytes);
}

/// One sector of setup code beside the boot sector, protocol 2.15, relocatable,
/// and `kernel` as protected-mode part.
pub fn bzimage(kernel: &[u8]) -> Vec<u8> {
    let mut image = vec![0; 1024];
    patch(&mut image, 0x1F1, &[1]);
    patch(&mut image, 0x1F4, &(kernel.len().div_ceil(16) as u32).to_le_bytes());
    patch(&mut image, 0x1FE, &[0x55, 0xAA, 0xEB, 0x6A]);
    patch(&mut image, 0x202, b"HdrS");
    patch(&mut image, 0x206, &0x020Fu16.to_le_bytes());
    patch(&mut image, 0x211, &[1]);
    patch(&mut image, 0x214, &0x10_0000u32.to_le_bytes());
    patch(&mut image, 0x22C, &0x7FFF_FFFFu32.to_le_bytes());
    patch(&mut image, 0x230, &0x20_0000u32.to_le_bytes());
    patch(&mut image, 0x234, &[1, 21, 1, 0]);
    patch(&mut image, 0x238, &2047u32.to_le_bytes());
    patch(&mut image, 0x258, &0x100_0000u64.to_le_bytes());
    patch(&mut image, 0x260, &0x80_0000u32.to_le_bytes());
    image.extend_from_slice(kernel);
    image
}

/// A program header: type, virtual and physical address, bytes, size in memory.
pub struct Segment<'a> {
    pub kind: u32,
    pub vaddr: u64,
    pub paddr: u64,
    pub bytes: &'a [u8],
    pub memsz: u64,
}

pub fn load_at(paddr: u64, bytes: &[u8], memsz: u64) -> Segment<'_> {
    Segment { kind: 1, vaddr: paddr, paddr, bytes, memsz }
}

pub fn note(bytes: &[u8]) -> Segment<'_> {
    Segment { kind: 4, vaddr: 0, paddr: 0, bytes, memsz: bytes.len() as u64 }
}

/// An x86-64 ELF executable; segment contents start at file offset 1000h.
pub fn elf64(entry: u64, segments: &[Segment<'_>]) -> Vec<u8> {
    let mut image = vec![0; 0x1000];
    patch(&mut image, 0, b"\x7FELF\x02\x01\x01");
    patch(&mut image, 16, &[2, 0, 62, 0, 1]);
    patch(&mut image, 24, &entry.to_le_bytes());
    patch(&mut image, 32, &64u64.to_le_bytes());
    patch(&mut image, 52, &[64, 0, 56, 0, segments.len() as u8]);
    for (i, s) in segments.iter().enumerate() {
        let fields = [image.len() as u64, s.vaddr, s.paddr, s.bytes.len() as u64, s.memsz, 4];
        let at = 64 + 56 * i;
        patch(&mut image, at, &s.kind.to_le_bytes());
        for (j, field) in fields.iter().enumerate() {
            patch(&mut image, at + 8 + 8 * j, &field.to_le_bytes());
        }
        image.extend_from_slice(s.bytes);
    }
    image
}

/// An i386 ELF executable, as [`elf64`].
pub fn elf32(entry: u32, segments: &[Segment<'_>]) -> Vec<u8> {
    let mut image = vec![0; 0x1000];
    patch(&mut image, 0, b"\x7FELF\x01\x01\x01");
    patch(&mut image, 16, &[2, 0, 3, 0, 1]);
    patch(&mut image, 24, &entry.to_le_bytes());
    patch(&mut image, 28, &52u32.to_le_bytes());
    patch(&mut image, 40, &[52, 0, 32, 0, segments.len() as u8]);
    for (i, s) in segments.iter().enumerate() {
        let fields = [
            s.kind,
            image.len() as u32,
            s.vaddr as u32,
            s.paddr as u32,
            s.bytes.len() as u32,
            s.memsz as u32,
            7,
            4,
        ];
        for (j, field) in fields.iter().enumerate() {
            patch(&mut image, 52 + 32 * i + 4 * j, &field.to_le_bytes());
        }
        image.extend_from_slice(s.bytes);
    }
    image
}

/// The bytes of a Xen PHYS32_ENTRY note with a 4-byte value.
pub fn pvh_note(entry: u32) -> Vec<u8> {
    let words = [4u32, 4, 18].map(u32::to_le_bytes).concat();
    [&words[..], b"Xen\0", &entry.to_le_bytes()].concat()
}

/// A multiboot header with these flags and, where given, address fields.
pub fn multiboot_header(flags: u32, addresses: &[u32]) -> Vec<u8> {
    let magic = 0x1BAD_B002u32;
    let checksum = 0u32.wrapping_sub(magic).wrapping_sub(flags);
    [&[magic, flags, checksum][..], addresses].concat().iter().flat_map(|w| w.to_le_bytes()).collect()
}
