//! `struct boot_params`, the "zero page" of the Linux/x86 boot protocol
//! (Documentation/arch/x86/zero-page.rst).

use crate::BootError;
use crate::bytes::put;
use glassbox_memory::Gpa;
use glassbox_tables::E820Entry;

pub const ZERO_PAGE_SIZE: usize = 4096;
const ACPI_RSDP_ADDR: usize = 0x070;
const E820_ENTRIES: usize = 0x1E8;
const E820_TABLE: usize = 0x2D0;
const E820_MAX: usize = 128;
const SETUP_HEADER: usize = 0x1F1;
/// The room that boot_params has for the setup header ends here.
const SETUP_HEADER_END: usize = 0x290;
const TYPE_OF_LOADER: usize = 0x210;
const CODE32_START: usize = 0x214;
const RAMDISK_IMAGE: usize = 0x218;
const RAMDISK_SIZE: usize = 0x21C;
const CMD_LINE_PTR: usize = 0x228;
const SETUP_DATA: usize = 0x250;
/// "Undefined" in the list of boot loader numbers.
const LOADER_UNDEFINED: u8 = 0xFF;

/// What a loader tells the kernel.
#[derive(Clone, Copy, Debug)]
pub struct ZeroPage<'a> {
    /// The setup header from the kernel file, from file offset 1F1h on.
    pub setup_header: &'a [u8],
    /// Where the protected-mode kernel was loaded.
    pub kernel: u32,
    /// Where the NUL-terminated command line lies.
    pub cmdline: u32,
    /// Address and size of the initrd; zeros without one.
    pub initrd: (u32, u32),
    /// The ACPI root pointer.
    pub rsdp: Option<Gpa>,
    /// The memory map.
    pub e820: &'a [E820Entry],
    /// Firmware has set up a VGA: mode 3.
    pub text_screen: bool,
}

/// `struct screen_info` of a VGA in mode 3 with the cursor at the top left: what a
/// boot loader learns from INT 10h AH=03h, 0Fh, 1130h and 12h (BL=10h).
const TEXT_SCREEN: [u8; 18] = [
    0, 0, // cursor: column, row
    0, 0, // memory above 1 MiB: not said here
    0, 0, // page
    3, 80, // mode, columns
    0, 0, // flags
    3, 0, // BX of INT 10h AH=12h BL=10h: colour, 256 KiB
    0, 0, 25, 1, // lines, VGA
    16, 0, // lines of a character
];

impl ZeroPage<'_> {
    /// Lays the page out. `screen_info` stays zero where no console was set up.
    ///
    /// # Errors
    /// [`BootError::TooManyRanges`] for more than 128 ranges of memory.
    pub fn to_bytes(self) -> Result<[u8; ZERO_PAGE_SIZE], BootError> {
        if self.e820.len() > E820_MAX {
            return Err(BootError::TooManyRanges(self.e820.len(), E820_MAX));
        }
        let mut page = [0; ZERO_PAGE_SIZE];
        let len = self.setup_header.len().min(SETUP_HEADER_END - SETUP_HEADER);
        page[SETUP_HEADER..SETUP_HEADER + len].copy_from_slice(&self.setup_header[..len]);

        if self.text_screen {
            put(&mut page, 0, TEXT_SCREEN);
        }
        put(&mut page, ACPI_RSDP_ADDR, self.rsdp.map_or(0, |a| a.0).to_le_bytes());
        put(&mut page, TYPE_OF_LOADER, [LOADER_UNDEFINED]);
        put(&mut page, CODE32_START, self.kernel.to_le_bytes());
        put(&mut page, RAMDISK_IMAGE, self.initrd.0.to_le_bytes());
        put(&mut page, RAMDISK_SIZE, self.initrd.1.to_le_bytes());
        put(&mut page, CMD_LINE_PTR, self.cmdline.to_le_bytes());
        // A list that the file points to would be followed by the kernel.
        put(&mut page, SETUP_DATA, [0; 8]);
        put(&mut page, E820_ENTRIES, [self.e820.len() as u8]);
        for (i, entry) in self.e820.iter().enumerate() {
            put(&mut page, E820_TABLE + 20 * i, entry.to_bytes());
        }
        Ok(page)
    }
}
