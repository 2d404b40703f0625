//! fw_cfg: how firmware made for QEMU learns about the machine.
//!
//! Items have a 16-bit key; files are items that a directory names. Firmware
//! selects a key and reads the item byte by byte from a port, or has it copied
//! into memory ("DMA").
//!
//! Source: QEMU, `docs/specs/fw_cfg.rst`.

mod files;

use std::collections::BTreeMap;

use glassbox_device_api::{AccessSize, Device, PortIo, PortWindow, ResetKind, RestoreError, SaveRestore};
use glassbox_memory::{Gpa, GuestMemory};
use serde::{Deserialize, Serialize};

pub use files::{E820Range, Items, key};

/// Offsets in the device's space of ports.
const SELECTOR: u16 = 0;
const DATA: u16 = 1;
const DMA_HIGH: u16 = 4;
const DMA_LOW: u16 = 8;
/// What the DMA register reads as, from the first port on.
const DMA_SIGNATURE: [u8; 8] = *b"QEMU CFG";

/// Bits of the control word of a DMA access.
const CONTROL_ERROR: u32 = 1 << 0;
const CONTROL_READ: u32 = 1 << 1;
const CONTROL_SKIP: u32 = 1 << 2;
const CONTROL_SELECT: u32 = 1 << 3;
const CONTROL_WRITE: u32 = 1 << 4;

/// The device at ports 510h, 511h and 514h to 51Bh.
#[derive(Debug)]
pub struct FwCfg {
    items: BTreeMap<u16, Vec<u8>>,
    memory: GuestMemory,
    selected: u16,
    offset: u32,
    dma_high: u32,
}

impl FwCfg {
    /// Where a PC has the ports.
    pub const WINDOWS: [PortWindow; 2] = [
        PortWindow { port: 0x510, len: 2, offset: SELECTOR },
        PortWindow { port: 0x514, len: 8, offset: DMA_HIGH },
    ];

    /// The device with these items.
    pub fn new(items: Items, memory: GuestMemory) -> Self {
        Self { items: items.finish(), memory, selected: 0, offset: 0, dma_high: 0 }
    }

    fn select(&mut self, key: u16) {
        self.selected = key;
        self.offset = 0;
    }

    /// What is left of the selected item.
    fn rest(&self) -> &[u8] {
        let item = self.items.get(&self.selected).map_or(&[][..], Vec::as_slice);
        item.get(self.offset as usize..).unwrap_or(&[])
    }

    fn read_byte(&mut self) -> u8 {
        let byte = self.rest().first().copied();
        self.offset = self.offset.saturating_add(u32::from(byte.is_some()));
        byte.unwrap_or(0)
    }

    /// Carries out the access that the 16 bytes at `at` describe: control, length
    /// and address, all big-endian. The control word becomes the answer.
    fn dma(&mut self, at: u64) {
        let Ok(access) = self.memory.read_at::<16>(Gpa(at)) else {
            log::debug!("fw_cfg: no DMA descriptor at {at:#x}");
            return;
        };
        let access = u128::from_be_bytes(access);
        let (control, len, to) = ((access >> 96) as u32, (access >> 64) as u32, access as u64);
        if control & CONTROL_SELECT != 0 {
            self.select((control >> 16) as u16);
        }
        let done = if control & CONTROL_READ != 0 {
            self.dma_read(to, len)
        } else {
            // No item can be written.
            control & CONTROL_WRITE == 0
        };
        if control & (CONTROL_READ | CONTROL_SKIP) != 0 {
            let most = self.rest().len().min(len as usize);
            self.offset = self.offset.saturating_add(most as u32);
        }
        let answer = if done { 0 } else { CONTROL_ERROR };
        if self.memory.write_bytes(Gpa(at), &answer.to_be_bytes()).is_err() {
            log::debug!("fw_cfg: no DMA descriptor at {at:#x}");
        }
    }

    /// Copies from the selected item; zeroes behind its end.
    fn dma_read(&self, to: u64, len: u32) -> bool {
        const ZEROES: [u8; 4096] = [0; 4096];
        let rest = self.rest();
        let have = &rest[..rest.len().min(len as usize)];
        if !have.is_empty() && self.memory.write_bytes(Gpa(to), have).is_err() {
            return false;
        }
        let mut at = to.wrapping_add(have.len() as u64);
        let mut left = len as usize - have.len();
        while left != 0 {
            let part = left.min(ZEROES.len());
            if self.memory.write_bytes(Gpa(at), &ZEROES[..part]).is_err() {
                return false;
            }
            at = at.wrapping_add(part as u64);
            left -= part;
        }
        true
    }
}

impl Device for FwCfg {
    fn name(&self) -> &'static str {
        "fw-cfg"
    }

    fn reset(&mut self, _kind: ResetKind) {
        (self.selected, self.offset, self.dma_high) = (0, 0, 0);
    }
}

impl PortIo for FwCfg {
    fn port_read(&mut self, offset: u16, size: AccessSize) -> u32 {
        match offset {
            DATA if size == AccessSize::Byte => self.read_byte().into(),
            DMA_HIGH..12 => {
                let from = DMA_SIGNATURE.iter().skip(usize::from(offset - DMA_HIGH));
                let bytes = from.take(size.bytes() as usize).enumerate();
                bytes.fold(0, |value, (i, byte)| value | u32::from(*byte) << (8 * i))
            }
            _ => 0,
        }
    }

    fn port_write(&mut self, offset: u16, size: AccessSize, value: u32) {
        match (offset, size) {
            (SELECTOR, AccessSize::Word) => self.select(value as u16),
            (DMA_HIGH, AccessSize::Dword) => self.dma_high = value.swap_bytes(),
            (DMA_LOW, AccessSize::Dword) => {
                let high = std::mem::take(&mut self.dma_high);
                self.dma(u64::from(high) << 32 | u64::from(value.swap_bytes()));
            }
            _ => log::debug!("fw_cfg: write of {size:?} at offset {offset}"),
        }
    }

    fn port_read_run(&mut self, offset: u16, size: AccessSize, to: &mut [u8]) -> usize {
        if offset != DATA || size != AccessSize::Byte {
            return 0;
        }
        let len = to.len().min(self.rest().len());
        to[..len].copy_from_slice(&self.rest()[..len]);
        self.offset = self.offset.saturating_add(len as u32);
        len
    }
}

/// Saved state of a [`FwCfg`]; its items are the machine's configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FwCfgSavedV1 {
    selected: u16,
    offset: u32,
    dma_high: u32,
}

impl SaveRestore for FwCfg {
    type Saved = FwCfgSavedV1;

    fn save(&self) -> FwCfgSavedV1 {
        let Self { items: _, memory: _, selected, offset, dma_high } = self;
        FwCfgSavedV1 { selected: *selected, offset: *offset, dma_high: *dma_high }
    }

    fn restore(&mut self, saved: FwCfgSavedV1) -> Result<(), RestoreError> {
        FwCfgSavedV1 { selected: self.selected, offset: self.offset, dma_high: self.dma_high } = saved;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use glassbox_testkit::{PortBus, check_save_restore_ports, fuzz_port_device};

    use super::*;

    fn device() -> FwCfg {
        let mut items = Items::new(64 << 20, 2);
        items.add_file("etc/zwei", b"two".to_vec());
        items.add_file("bootorder", b"one\0".to_vec());
        items.set(0x8001, vec![1, 2, 3]);
        FwCfg::new(items, GuestMemory::new(1 << 20).unwrap())
    }

    fn item(device: &mut FwCfg, key: u16, len: usize) -> Vec<u8> {
        device.out16(0, key);
        (0..len).map(|_| device.in8(1)).collect()
    }

    #[test]
    fn signature_and_interface_version() {
        let mut device = device();
        assert_eq!(item(&mut device, 0, 6), b"QEMU\0\0");
        assert_eq!(item(&mut device, 1, 4), [3, 0, 0, 0]);
        assert_eq!(item(&mut device, 3, 9), [0, 0, 0, 4, 0, 0, 0, 0, 0]);
        assert_eq!(item(&mut device, 5, 2), [2, 0]);
        assert_eq!(item(&mut device, 0x7777, 2), [0, 0], "no such item");
    }

    #[test]
    fn an_item_read_in_runs_ends_where_the_single_zeros_begin() {
        let mut device = device();
        device.out16(0, 0);
        let mut bytes = [0xEE; 8];
        assert_eq!((device.in8(1), device.port_read_run(1, AccessSize::Byte, &mut bytes[..2])), (b'Q', 2));
        assert_eq!(device.port_read_run(1, AccessSize::Byte, &mut bytes[2..]), 1);
        assert_eq!(bytes, *b"EMU\xEE\xEE\xEE\xEE\xEE");
        assert_eq!((device.port_read_run(1, AccessSize::Byte, &mut bytes), device.in8(1)), (0, 0));
    }

    #[test]
    fn the_directory_names_files_in_order() {
        let mut device = device();
        let directory = item(&mut device, 0x19, 4 + 2 * 64);
        assert_eq!(directory[..12], [0, 0, 0, 2, 0, 0, 0, 4, 0, 0x20, 0, 0]);
        assert_eq!(&directory[12..22], b"bootorder\0");
        assert_eq!(directory[68..76], [0, 0, 0, 3, 0, 0x21, 0, 0]);
        assert_eq!(&directory[76..85], b"etc/zwei\0");
        assert_eq!(item(&mut device, 0x21, 3), b"two");
    }

    fn dma(device: &mut FwCfg, control: u32, len: u32, to: u64) -> u32 {
        let access = u128::from(control) << 96 | u128::from(len) << 64 | u128::from(to);
        device.memory.write_bytes(Gpa(0x1000), &access.to_be_bytes()).unwrap();
        device.out32(4, 0);
        device.out32(8, 0x1000u32.swap_bytes());
        u32::from_be_bytes(device.memory.read_at(Gpa(0x1000)).unwrap())
    }

    #[test]
    fn dma_selects_reads_and_skips() {
        let mut device = device();
        assert_eq!(device.in32(4).to_le_bytes(), *b"QEMU");
        assert_eq!(dma(&mut device, 0x20 << 16 | CONTROL_SELECT | CONTROL_SKIP, 1, 0), 0);
        device.memory.write_bytes(Gpa(0x2000), &[0xff; 8]).unwrap();
        assert_eq!(dma(&mut device, CONTROL_READ, 2, 0x2000), 0);
        assert_eq!(device.memory.read_at::<3>(Gpa(0x2000)).unwrap(), *b"ne\xff");
        assert_eq!(dma(&mut device, CONTROL_READ, 4, 0x2000), 0);
        assert_eq!(
            device.memory.read_at::<5>(Gpa(0x2000)).unwrap(),
            *b"\0\0\0\0\xff",
            "zeroes behind the end"
        );
    }

    #[test]
    fn dma_that_cannot_be_is_an_error() {
        let mut device = device();
        assert_eq!(dma(&mut device, CONTROL_SELECT | CONTROL_WRITE, 1, 0x2000), CONTROL_ERROR);
        assert_eq!(dma(&mut device, CONTROL_SELECT | CONTROL_READ, 4, 0xffff_ffff_ffff_fffe), CONTROL_ERROR);
        assert_eq!(dma(&mut device, CONTROL_READ, u32::MAX, 0xf_fff0), CONTROL_ERROR, "out of memory");
        device.out32(8, u32::MAX);
    }

    #[test]
    fn random_accesses() {
        fuzz_port_device(12, |_| device());
        check_save_restore_ports(12, |_| device());
    }
}
