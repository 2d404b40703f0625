//! The PCI function: framebuffer, registers in memory, expansion ROM.
//!
//! Layout of the register window as QEMU's `stdvga` has it: EDID at 0, the VGA's
//! ports 3C0h to 3DFh at 400h, DISPI's registers at 500h, and at 600h the size of
//! this extension and the byte order of the framebuffer.

use glassbox_device_api::AccessSize;
use glassbox_pci::{BarKind, BarMapping, ConfigSpace, Identity, PciDevice};

use crate::EDID_SIZE;
use crate::dispi::REGISTERS;
use crate::registers::port;
use crate::vga::Vga;

/// Base address registers.
const FRAMEBUFFER: usize = 0;
const REGISTER_WINDOW: usize = 2;
const ROM: usize = 6;

const EDID: u64 = 0;
const EDID_END: u64 = EDID + EDID_SIZE as u64;
const PORTS: u64 = 0x400;
const PORTS_END: u64 = PORTS + 0x20;
const DISPI: u64 = 0x500;
const DISPI_END: u64 = DISPI + 2 * REGISTERS as u64;
const EXTENSION: u64 = 0x600;
const EXTENSION_SIZE: u32 = 8;
const BYTE_ORDER: u64 = 0x604;
const EXTENSION_END: u64 = EXTENSION + EXTENSION_SIZE as u64;
const LITTLE_ENDIAN: u32 = 0x1e1e_1e1e;

/// Configuration space of a function with so many bytes of memory and ROM.
pub(crate) fn config_space(memory: u32, rom: usize) -> ConfigSpace {
    let mut config = ConfigSpace::new(Identity {
        vendor: 0x1234,
        device: 0x1111,
        class: 0x03_0000,
        revision: 2,
        subsystem_vendor: 0x1af4,
        subsystem: 0x1100,
    });
    config.add_bar(FRAMEBUFFER, BarKind::Memory32 { prefetchable: true }, memory.into());
    config.add_bar(REGISTER_WINDOW, BarKind::Memory32 { prefetchable: false }, 0x1000);
    if rom > 0 {
        config.add_bar(ROM, BarKind::Rom, rom as u64);
    }
    config
}

impl Vga {
    fn register_byte(&mut self, offset: u64) -> u8 {
        match offset {
            EDID..EDID_END => self.edid.bytes()[(offset - EDID) as usize],
            PORTS..PORTS_END => self.read_port8((offset - PORTS) as u16 + port::ATTRIBUTE),
            DISPI..DISPI_END => {
                self.read_dispi(((offset - DISPI) / 2) as u16).to_le_bytes()[(offset & 1) as usize]
            }
            EXTENSION..BYTE_ORDER => EXTENSION_SIZE.to_le_bytes()[(offset & 3) as usize],
            BYTE_ORDER..EXTENSION_END => LITTLE_ENDIAN.to_le_bytes()[(offset & 3) as usize],
            _ => 0,
        }
    }

    fn write_registers(&mut self, offset: u64, size: AccessSize, value: u64) {
        match offset {
            PORTS..PORTS_END => {
                for byte in 0..size.bytes().min(PORTS_END - offset) {
                    let port = (offset - PORTS + byte) as u16 + port::ATTRIBUTE;
                    self.write_port8(port, (value >> (8 * byte)) as u8);
                }
            }
            DISPI..DISPI_END => {
                // Registers of 16 bits; a byte changes half of one.
                let index = ((offset - DISPI) / 2) as u16;
                if size == AccessSize::Byte {
                    let mut bytes = self.read_dispi(index).to_le_bytes();
                    bytes[(offset & 1) as usize] = value as u8;
                    self.write_dispi(index, u16::from_le_bytes(bytes));
                } else {
                    for word in 0..size.bytes() as u16 / 2 {
                        self.write_dispi(index + word, (value >> (16 * word)) as u16);
                    }
                }
            }
            BYTE_ORDER if value as u32 != LITTLE_ENDIAN => {
                log::warn!("vga: a framebuffer in byte order {value:#x} is not there");
            }
            _ => {}
        }
    }

    fn rom_byte(&self, offset: u64) -> u8 {
        usize::try_from(offset).ok().and_then(|at| self.option_rom.get(at)).copied().unwrap_or(0xff)
    }
}

impl PciDevice for Vga {
    fn mapping_version(&self) -> u64 {
        self.config.mapping_version()
    }

    fn mappings(&self) -> Vec<BarMapping> {
        self.config.mappings().to_vec()
    }

    fn bar_read(&mut self, bar: usize, offset: u64, size: AccessSize) -> u64 {
        let mut bytes = [0; 8];
        let len = size.bytes() as usize;
        match bar {
            FRAMEBUFFER => {
                let at = u32::try_from(offset).unwrap_or(u32::MAX);
                self.memory().read(at, &mut bytes[..len]);
            }
            REGISTER_WINDOW => {
                for (at, byte) in (offset..).zip(&mut bytes[..len]) {
                    *byte = self.register_byte(at);
                }
            }
            ROM => {
                for (at, byte) in (offset..).zip(&mut bytes[..len]) {
                    *byte = self.rom_byte(at);
                }
            }
            _ => return size.mask(),
        }
        u64::from_le_bytes(bytes)
    }

    fn bar_write(&mut self, bar: usize, offset: u64, size: AccessSize, value: u64) {
        match bar {
            FRAMEBUFFER => {
                let at = u32::try_from(offset).unwrap_or(u32::MAX);
                self.memory().write(at, &value.to_le_bytes()[..size.bytes() as usize]);
            }
            REGISTER_WINDOW => self.write_registers(offset, size, value),
            _ => {}
        }
    }
}
