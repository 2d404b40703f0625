//! What firmware made for QEMU finds on the board: fw_cfg, flash, a debug port.

use super::devices::DebugConsole;
use super::storage::Placed;
use super::{Board, MmioDevice, PortDevice};
use crate::{BiosImage, DriveInterface, DriveMedia, Firmware, MachineError};
use glassbox_chipset::acpi_pm::PM_BLOCK_SIZE;
use glassbox_cpu::Cpu;
use glassbox_device_api::{BlockBackend, CharBackend, PortWindow};
use glassbox_flash::CfiFlash;
use glassbox_fw_cfg::{E820Range, FwCfg, Items};
use glassbox_memory::GuestMemory;
use glassbox_tables::{LoaderFiles, SmbiosConfig, TablesConfig, loader_files, smbios_files};

const FOUR_GIB: u64 = 1 << 32;
/// Where OVMF takes the power management block to be.
const OVMF_PM_BASE: u16 = 0xB000;
/// Type of RAM in the memory map.
const RAM: u32 = 1;
/// No suspend to RAM (bit 7 of the fourth byte) nor to disk (of the fifth): the
/// bytes are the sleep types of S0 to S5 with bit 7 for those that there are.
const SLEEP_STATES: [u8; 6] = [0x80, 0, 0, 1, 2, 0x80];
/// The longest line of the debug port that is logged as one.
const LOG_LINE: usize = 1024;

impl Board {
    /// Adds what `firmware` expects: fw_cfg, the debug port, and a chip for its
    /// variables below the code. `processor` is what CPUID leaf 1 has in EAX and EDX.
    ///
    /// # Errors
    /// [`MachineError::Flash`], [`MachineError::FirmwareSize`], [`MachineError::Tables`],
    /// [`MachineError::PortTaken`].
    pub fn add_firmware(
        &mut self,
        firmware: &Firmware,
        flash: Option<Box<dyn BlockBackend>>,
        processor: [u32; 2],
    ) -> Result<(), MachineError> {
        let code = firmware.image.len() as u64;
        if let Some(flash) = flash.map(CfiFlash::new).transpose()? {
            let size = code.saturating_add(flash.size());
            if size > BiosImage::LARGEST as u64 {
                return Err(MachineError::FirmwareSize(size));
            }
            self.mmio.claim(MmioDevice::Flash, FOUR_GIB - size, flash.size());
            self.devices.flash = Some(flash);
            // OVMF leaves the block where the PM function says it is, but switches off here.
            let alias = PortWindow { port: OVMF_PM_BASE, len: PM_BLOCK_SIZE, offset: 0 };
            self.ports.claim(PortDevice::AcpiPm, "power management", &[alias])?;
        }
        let mut items = describe(&self.memory, &self.tables(), processor)?;
        for (name, bytes) in &firmware.files {
            if !items.add_file(name, bytes.clone()) {
                log::warn!("fw_cfg: no file can be called {name}");
            }
        }
        let order = boot_order(&self.drives);
        if !order.is_empty() {
            items.add_file("bootorder", order);
        }
        self.ports.claim(PortDevice::FwCfg, "fw_cfg", &FwCfg::WINDOWS)?;
        self.devices.fw_cfg = Some(FwCfg::new(items, self.memory.clone()));
        let debug = PortWindow { port: DebugConsole::FIRMWARE_PORT, len: 1, offset: 0 };
        self.ports.claim(PortDevice::DebugConsole, "firmware's debug port", &[debug])
    }
}

/// The addresses, first and last, that UEFI firmware places memory BARs in: it
/// begins at a multiple of 32 GiB behind RAM, or takes the last eighth of what the
/// processor can address.
pub(super) fn window_above(memory: &GuestMemory) -> (u64, u64) {
    let start = (FOUR_GIB + memory.high_ram_size()).next_multiple_of(32 << 30);
    (start, (1 << Cpu::PHYSICAL_BITS) - 1)
}

/// The items that tell of the machine.
fn describe(memory: &GuestMemory, tables: &TablesConfig, processor: [u32; 2]) -> Result<Items, MachineError> {
    let mut items = Items::new(memory.ram_size(), tables.processors.len() as u16);
    let mut map = vec![E820Range { start: 0, len: memory.low_ram_size(), kind: RAM }];
    if memory.high_ram_size() > 0 {
        map.push(E820Range { start: FOUR_GIB, len: memory.high_ram_size(), kind: RAM });
    }
    items.add_memory_map(&map);
    let (anchor, structures) = smbios_files(&SmbiosConfig {
        low_ram: memory.low_ram_size(),
        high_ram: memory.high_ram_size(),
        processors: u8::try_from(tables.processors.len()).unwrap_or(u8::MAX),
        processor_id: processor,
    });
    items.add_file("etc/smbios/smbios-anchor", anchor);
    items.add_file("etc/smbios/smbios-tables", structures);
    let tables = loader_files(tables)?;
    items.add_file(LoaderFiles::RSDP, tables.rsdp);
    items.add_file(LoaderFiles::TABLES, tables.tables);
    items.add_file(LoaderFiles::COMMANDS, tables.commands);
    items.add_file("etc/system-states", SLEEP_STATES.to_vec());
    Ok(items)
}

/// The file `bootorder`: Open Firmware paths, a line each.
fn boot_order(placed: &[Placed]) -> Vec<u8> {
    let mut drives: Vec<_> = placed
        .iter()
        .map(|p| {
            let rank = match p.config.media {
                DriveMedia::Disk => 0,
                DriveMedia::Cdrom => 1,
                DriveMedia::Floppy => 2,
            };
            (p.config.boot_index.unwrap_or(u32::MAX - 2 + rank), p)
        })
        .collect();
    drives.sort_by_key(|(index, _)| *index);
    let lines: Vec<String> = drives.into_iter().map(|(_, placed)| path(placed)).collect();
    let mut text = lines.join("\n").into_bytes();
    if !text.is_empty() {
        text.push(0);
    }
    text
}

fn path(placed: &Placed) -> String {
    let slot = placed.function.map_or(0, |function| function.slot());
    let place = match placed.config.interface {
        DriveInterface::Ide { channel, unit } => format!("ide@1,1/drive@{channel}/disk@{unit}"),
        DriveInterface::Ahci { port } => format!("pci8086,2922@{slot:x}/drive@{port}/disk@0"),
        DriveInterface::VirtioBlk => format!("scsi@{slot:x}/disk@0,0"),
        DriveInterface::Nvme => format!("pci1b36,10@{slot:x}/namespace@1,0"),
        DriveInterface::Floppy { unit } => format!("isa@1/fdc@03f0/floppy@{unit}"),
    };
    format!("/pci@i0cf8/{place}")
}

/// Writes what comes out of the debug port to the log, line by line.
#[derive(Default)]
pub(crate) struct LogConsole(Vec<u8>);

impl CharBackend for LogConsole {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            match byte {
                b'\r' => {}
                b'\n' => self.flush(),
                byte => self.0.push(byte),
            }
            if self.0.len() >= LOG_LINE {
                self.flush();
            }
        }
    }
}

impl LogConsole {
    fn flush(&mut self) {
        log::debug!("firmware: {}", String::from_utf8_lossy(&self.0));
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use glassbox_device_api::{AccessSize, PortIo};

    #[test]
    fn firmware_learns_of_memory_and_tables() {
        let memory = GuestMemory::new(64 << 20).unwrap();
        let items = describe(&memory, &TablesConfig::new(vec![0]), [0; 2]).unwrap();
        let mut fw_cfg = FwCfg::new(items, memory);
        let mut item = |key: u32, len: usize| -> Vec<u8> {
            fw_cfg.port_write(0, AccessSize::Word, key);
            (0..len).map(|_| fw_cfg.port_read(1, AccessSize::Byte) as u8).collect()
        };
        let directory = item(0x19, 4 + 7 * 64);
        let name = |n: usize| String::from_utf8_lossy(&directory[12 + 64 * n..][..32]).replace('\0', "");
        let names: Vec<String> = (0..usize::from(directory[3])).map(name).collect();
        assert_eq!(
            names,
            [
                "etc/acpi/rsdp",
                "etc/acpi/tables",
                "etc/e820",
                "etc/smbios/smbios-anchor",
                "etc/smbios/smbios-tables",
                "etc/system-states",
                "etc/table-loader"
            ]
        );
        let map = item(0x22, 20);
        assert_eq!((map[8..16].to_vec(), map[16]), ((64u64 << 20).to_le_bytes().to_vec(), 1));
    }
}
