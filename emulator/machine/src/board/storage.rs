//! Drives and their controllers.

use super::{Input, Wires};
use crate::{DriveConfig, DriveInterface, DriveMedia, MachineError};
use glassbox_chipset::Dma;
use glassbox_device_api::{IrqLine, MsiTarget, VmClock};
use glassbox_memory::GuestMemory;
use glassbox_pci::{FunctionAddress, PciDevice, Shared, pirq_of};
use glassbox_storage::ahci::{self, AhciController};
use glassbox_storage::ata;
use glassbox_storage::floppy::{Floppy, FloppyDrive};
use glassbox_storage::ide::{IdeController, IdeModel};
use glassbox_storage::nvme::{Nvme, NvmeConfig};
use glassbox_virtio::{
    InputKind, Interface, VirtioBlock, VirtioBlockConfig, VirtioInput, VirtioPci, VirtioPciConfig,
};

/// Where the IDE function is: with the ISA bridge, as in a PIIX.
pub(crate) const IDE_FUNCTION: FunctionAddress = FunctionAddress::new(1, 1);
/// The first slot of controllers that not every machine has.
const FIRST_SLOT: u8 = 3;
const SLOTS: u8 = 30;
const IDE_IRQS: [u8; 2] = [14, 15];
const FLOPPY_IRQ: u8 = 6;
const FLOPPY_DMA: usize = 2;
const INTA: u8 = 1;

/// What the controllers are connected to.
pub(crate) struct Around<'a> {
    pub clock: &'a VmClock,
    pub memory: &'a GuestMemory,
    pub wires: &'a mut Wires,
    pub msi: MsiTarget,
    pub dma: &'a Dma,
}

impl Around<'_> {
    /// The wire of a function's INTA#.
    fn pin(&mut self, at: FunctionAddress) -> IrqLine {
        self.wires.connect(Input::Pirq(pirq_of(at.slot(), INTA).index() as u8))
    }

    /// How a virtio function is connected.
    fn virtio(&mut self, at: FunctionAddress, interface: Interface) -> VirtioPciConfig {
        let (memory, msi) = (self.memory.clone(), self.msi.clone());
        VirtioPciConfig { memory, line: self.pin(at), msi, interface }
    }

    /// An input device behind virtio.
    pub fn input(&mut self, kind: InputKind, at: FunctionAddress) -> Option<Shared<VirtioPci<VirtioInput>>> {
        let connection = self.virtio(at, Interface::Modern);
        VirtioPci::new(VirtioInput::new(kind), connection).map(Shared::new)
    }
}

/// A drive as firmware finds it.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    pub config: DriveConfig,
    /// The controller's function; none for floppy drives.
    pub function: Option<FunctionAddress>,
}

/// The controllers with their drives.
pub(crate) struct Storage {
    pub ide: Option<Shared<IdeController>>,
    pub floppy: Option<Floppy>,
    /// Those that are reached through PCI alone.
    pub functions: Vec<(FunctionAddress, Box<dyn PciDevice>)>,
    /// All drives, in the order in which they were given.
    pub placed: Vec<Placed>,
}

impl Storage {
    /// Builds the controllers that `drives` need; with `legacy`, those that a PC
    /// has without drives, too.
    ///
    /// # Errors
    /// [`MachineError`] where two drives are at one place, or one is where it cannot be.
    pub fn new(drives: Vec<DriveConfig>, legacy: bool, mut around: Around<'_>) -> Result<Self, MachineError> {
        let mut storage = Self { ide: None, floppy: None, functions: Vec::new(), placed: Vec::new() };
        let mut ide: [Option<ata::DriveConfig>; 4] = Default::default();
        let mut floppies: [Option<FloppyDrive>; 2] = Default::default();
        let mut sata: [Option<ata::DriveConfig>; ahci::PORTS] = Default::default();
        let mut adapter = None;
        let mut slots = (FIRST_SLOT..SLOTS).map(|slot| FunctionAddress::new(slot, 0));
        let mut new_slot = || slots.next().ok_or(MachineError::TooManyDrives);
        for config in drives {
            check(&config)?;
            let taken = || MachineError::DriveTaken {
                name: config.name.clone(),
                place: config.interface.to_string(),
            };
            let function = match config.interface {
                DriveInterface::Ide { channel, unit } => {
                    let place = &mut ide[usize::from(channel & 1) * 2 + usize::from(unit & 1)];
                    if place.replace(ata_drive(&config)).is_some() {
                        return Err(taken());
                    }
                    Some(IDE_FUNCTION)
                }
                DriveInterface::Floppy { unit } => {
                    let place = &mut floppies[usize::from(unit & 1)];
                    if place.replace(FloppyDrive::new(config.source.client())).is_some() {
                        return Err(taken());
                    }
                    None
                }
                DriveInterface::Ahci { port } => {
                    let at = match adapter {
                        Some(at) => at,
                        None => *adapter.insert(new_slot()?),
                    };
                    if sata[usize::from(port)].replace(ata_drive(&config)).is_some() {
                        return Err(taken());
                    }
                    Some(at)
                }
                DriveInterface::VirtioBlk => {
                    let at = new_slot()?;
                    storage.functions.push((at, virtio_blk(&config, at, &mut around)?));
                    Some(at)
                }
                DriveInterface::Nvme => {
                    let at = new_slot()?;
                    storage.functions.push((at, nvme(&config, at, &mut around)?));
                    Some(at)
                }
            };
            storage.placed.push(Placed { config, function });
        }
        if let Some(at) = adapter {
            let line = around.pin(at);
            let adapter = AhciController::new(around.memory, line, around.msi.clone(), sata);
            storage.functions.push((at, Box::new(adapter)));
        }
        if legacy || ide.iter().any(Option::is_some) {
            let lines = IDE_IRQS.map(|irq| around.wires.connect(Input::Isa(irq)));
            storage.ide = Some(Shared::new(IdeController::new(IdeModel::Piix3, around.memory, lines, ide)));
        }
        if (legacy || floppies.iter().any(Option::is_some))
            && let Some(channel) = around.dma.channel(FLOPPY_DMA)
        {
            let irq = around.wires.connect(Input::Isa(FLOPPY_IRQ));
            storage.floppy = Some(Floppy::new(around.clock.clone(), irq, channel, floppies));
        }
        Ok(storage)
    }
}

/// Whether a drive of this kind exists for this interface.
fn check(config: &DriveConfig) -> Result<(), MachineError> {
    let fits = match config.interface {
        DriveInterface::Ide { channel, unit } => {
            channel < 2 && unit < 2 && config.media != DriveMedia::Floppy
        }
        DriveInterface::Ahci { port } => {
            usize::from(port) < ahci::PORTS && config.media != DriveMedia::Floppy
        }
        DriveInterface::VirtioBlk | DriveInterface::Nvme => config.media == DriveMedia::Disk,
        DriveInterface::Floppy { unit } => unit < 2 && config.media == DriveMedia::Floppy,
    };
    if fits {
        return Ok(());
    }
    Err(MachineError::NoSuchPlace { name: config.name.clone(), place: config.interface.to_string() })
}

fn ata_drive(config: &DriveConfig) -> ata::DriveConfig {
    let kind = match config.media {
        DriveMedia::Cdrom => ata::DriveKind::Cdrom,
        _ => ata::DriveKind::Disk,
    };
    ata::DriveConfig { kind, backend: config.source.client(), serial: config.serial.clone() }
}

fn virtio_blk(
    config: &DriveConfig,
    at: FunctionAddress,
    around: &mut Around<'_>,
) -> Result<Box<dyn PciDevice>, MachineError> {
    let settings = VirtioBlockConfig { serial: config.serial.clone(), ..VirtioBlockConfig::default() };
    let device = VirtioBlock::new(config.source.client(), settings);
    match VirtioPci::new(device, around.virtio(at, Interface::Transitional)) {
        Some(function) => Ok(Box::new(function)),
        None => Err(MachineError::TooManyDrives),
    }
}

fn nvme(
    config: &DriveConfig,
    at: FunctionAddress,
    around: &mut Around<'_>,
) -> Result<Box<dyn PciDevice>, MachineError> {
    let connection = NvmeConfig {
        clock: around.clock.clone(),
        memory: around.memory.clone(),
        line: around.pin(at),
        msi: around.msi.clone(),
        serial: config.serial.clone(),
    };
    match Nvme::new(config.source.client(), connection) {
        Some(function) => Ok(Box::new(function)),
        None => Err(MachineError::TooManyDrives),
    }
}
