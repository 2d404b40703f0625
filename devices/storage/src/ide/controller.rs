//! The PCI function with its two channels.

use glassbox_device_api::{
    AccessSize, Device, IrqLine, PciFunction, PortIo, PortWindow, ResetKind, RestoreError, SaveRestore,
};
use glassbox_memory::GuestMemory;
use glassbox_pci::{BarKind, BarMapping, ConfigSpace, ConfigSpaceSavedV1, Identity, PciDevice, offset};
use serde::{Deserialize, Serialize};

use super::channel::{CONTROL, Channel, ChannelSavedV1};
use crate::ata::{Attachment, Drive, DriveConfig};

/// IDETIM of the primary channel; the secondary's follows (82371SB 2.6.10).
const TIMING: u8 = 0x40;
/// SIDETIM (82371SB 2.6.11).
const SLAVE_TIMING: u8 = 0x44;
/// UDMACTL and UDMATIM (82371AB 5.1.12 and 5.1.13).
const UDMA_CONTROL: u8 = 0x48;
const UDMA_TIMING: u8 = 0x4a;
/// IDE Decode Enable, in the high byte of IDETIM.
const DECODE: u8 = 1 << 7;
/// The bus master's registers.
const BUS_MASTER_BAR: usize = 4;
/// Offsets of the secondary channel's registers among the legacy ports.
const SECONDARY: u16 = 0x10;

/// Which chip the function is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdeModel {
    /// 82371SB, 8086:7010: multiword DMA.
    Piix3,
    /// 82371AB, 8086:7111: Ultra DMA 33 too.
    Piix4,
}

/// The IDE function, 00:01.1.
///
/// The legacy ports are [`PortIo`] by [`WINDOWS`](Self::WINDOWS); they answer when
/// the command register enables I/O and the channel's IDETIM enables decoding, which
/// firmware does. The bus master's registers are base address register 4.
#[derive(Debug)]
pub struct IdeController {
    config: ConfigSpace,
    channels: [Channel; 2],
}

impl IdeController {
    /// Where a PC has the ports: command blocks at 1F0h and 170h, control registers
    /// at 3F6h and 376h.
    pub const WINDOWS: [PortWindow; 4] = [
        PortWindow { port: 0x1f0, len: 8, offset: 0 },
        PortWindow { port: 0x3f6, len: 1, offset: CONTROL as u16 },
        PortWindow { port: 0x170, len: 8, offset: SECONDARY },
        PortWindow { port: 0x376, len: 1, offset: SECONDARY + CONTROL as u16 },
    ];

    /// The function with the wires of its channels (IRQ 14 and 15) and its drives:
    /// primary device 0 and 1, secondary device 0 and 1.
    pub fn new(
        model: IdeModel,
        memory: &GuestMemory,
        lines: [IrqLine; 2],
        drives: [Option<DriveConfig>; 4],
    ) -> Self {
        let [a, b, c, d] = drives.map(|config| Some(Drive::new(config?, Attachment::Parallel)));
        let [primary, secondary] = lines;
        let channels =
            [Channel::new([a, b], primary, memory.clone()), Channel::new([c, d], secondary, memory.clone())];
        Self { config: config_space(model), channels }
    }

    /// From now on both channels are decoded after a reset, without firmware having
    /// enabled them: OVMF relies on it, as QEMU's function always decodes them.
    pub fn decode_after_reset(&mut self) {
        for channel in 0..2 {
            self.config.set_u8(TIMING + 2 * channel + 1, DECODE);
        }
    }

    /// Waits for the back ends and takes their answers: to be called before
    /// [`save`](SaveRestore::save). A command that is not over by then is lost.
    pub fn quiesce(&mut self) {
        let may_master = self.config.is_bus_master();
        for channel in &mut self.channels {
            channel.quiesce(may_master);
        }
    }

    /// The channel that answers at a legacy port.
    #[inline]
    fn decoded(&mut self, offset: u16) -> Option<&mut Channel> {
        let index = usize::from(offset >= SECONDARY);
        let enabled = self.config.u8(offset::COMMAND) & 1 != 0
            && self.config.u8(TIMING + 2 * index as u8 + 1) & DECODE != 0;
        if enabled { self.channels.get_mut(index) } else { None }
    }
}

fn config_space(model: IdeModel) -> ConfigSpace {
    let device = match model {
        IdeModel::Piix3 => 0x7010,
        IdeModel::Piix4 => 0x7111,
    };
    let mut config = ConfigSpace::new(Identity {
        vendor: 0x8086,
        device,
        class: 0x01_0180,
        revision: 0,
        subsystem_vendor: 0,
        subsystem: 0,
    });
    // I/O and mastering can be enabled, nothing else.
    config.set_writable(offset::COMMAND, &[0x05, 0x00]);
    config.set_u16(offset::STATUS, 0x0280);
    config.set_writable(offset::CACHE_LINE, &[0x00, 0xf0]);
    config.set_writable(offset::INTERRUPT_LINE, &[0x00]);
    // It fits: the register is free and 16 ports are allowed.
    let _ = config.add_bar(BUS_MASTER_BAR, BarKind::Io, 16);
    config.set_writable(TIMING, &[0xff, 0xf3, 0xff, 0xf3]);
    config.set_writable(SLAVE_TIMING, &[0xff]);
    if model == IdeModel::Piix4 {
        config.set_writable(UDMA_CONTROL, &[0x0f]);
        config.set_writable(UDMA_TIMING, &[0x33, 0x33]);
    }
    config
}

impl PortIo for IdeController {
    #[inline]
    fn port_read(&mut self, offset: u16, size: AccessSize) -> u32 {
        let mask = size.mask() as u32;
        let may_master = self.config.is_bus_master();
        let Some(channel) = self.decoded(offset) else { return mask };
        let register = (offset & 0xf) as u8;
        if register == 0 {
            return channel.read_data(size) & mask;
        }
        (0..size.bytes() as u8).fold(0, |value, i| {
            let byte = match register + i {
                register @ ..=CONTROL => channel.read(register, may_master),
                _ => 0xff,
            };
            value | u32::from(byte) << (8 * i)
        })
    }

    #[inline]
    fn port_write(&mut self, offset: u16, size: AccessSize, value: u32) {
        let may_master = self.config.is_bus_master();
        let Some(channel) = self.decoded(offset) else { return };
        let register = (offset & 0xf) as u8;
        if register == 0 {
            return channel.write_data(size, value);
        }
        for (i, byte) in (0..size.bytes() as u8).zip(value.to_le_bytes()) {
            if register + i <= CONTROL {
                channel.write(register + i, byte, may_master);
            }
        }
    }

    fn port_read_run(&mut self, offset: u16, size: AccessSize, to: &mut [u8]) -> usize {
        match self.decoded(offset) {
            Some(channel) if offset & 0xf == 0 => channel.read_data_run(size, to),
            _ => 0,
        }
    }

    fn port_write_run(&mut self, offset: u16, size: AccessSize, from: &[u8]) -> usize {
        match self.decoded(offset) {
            Some(channel) if offset & 0xf == 0 => channel.write_data_run(size, from),
            _ => 0,
        }
    }
}

impl Device for IdeController {
    fn name(&self) -> &'static str {
        "ide"
    }

    fn reset(&mut self, kind: ResetKind) {
        self.config.reset();
        for channel in &mut self.channels {
            channel.reset(kind);
        }
    }

    fn poll_host(&mut self) {
        let may_master = self.config.is_bus_master();
        for channel in &mut self.channels {
            channel.poll(may_master);
        }
    }
}

impl PciFunction for IdeController {
    fn config_read(&mut self, offset: u8) -> u32 {
        self.config.read(offset)
    }

    fn config_write(&mut self, offset: u8, value: u32, byte_enables: u8) {
        self.config.write(offset, value, byte_enables);
        let may_master = self.config.is_bus_master();
        for channel in &mut self.channels {
            channel.run(may_master);
        }
    }
}

impl PciDevice for IdeController {
    fn mapping_version(&self) -> u64 {
        self.config.mapping_version()
    }

    fn mappings(&self) -> Vec<BarMapping> {
        self.config.mappings().to_vec()
    }

    fn bar_read(&mut self, bar: usize, offset: u64, size: AccessSize) -> u64 {
        if bar != BUS_MASTER_BAR {
            return size.mask();
        }
        let may_master = self.config.is_bus_master();
        for channel in self.channels.iter_mut().filter(|channel| channel.is_busy()) {
            channel.poll(may_master);
        }
        (0..size.bytes()).fold(0, |value, i| {
            let at = offset.wrapping_add(i);
            let channel = &self.channels[(at >> 3 & 1) as usize];
            value | u64::from(channel.bus_master.read((at & 7) as u8)) << (8 * i)
        })
    }

    fn bar_write(&mut self, bar: usize, offset: u64, size: AccessSize, value: u64) {
        if bar != BUS_MASTER_BAR {
            return;
        }
        let may_master = self.config.is_bus_master();
        for (i, byte) in (0..size.bytes()).zip(value.to_le_bytes()) {
            let at = offset.wrapping_add(i);
            let channel = &mut self.channels[(at >> 3 & 1) as usize];
            channel.bus_master.write((at & 7) as u8, byte);
            channel.run(may_master);
        }
    }
}

/// Saved state of an [`IdeController`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdeControllerSavedV1 {
    config: ConfigSpaceSavedV1,
    channels: [ChannelSavedV1; 2],
}

impl SaveRestore for IdeController {
    type Saved = IdeControllerSavedV1;

    /// After [`quiesce`](IdeController::quiesce).
    fn save(&self) -> IdeControllerSavedV1 {
        let Self { config, channels: [primary, secondary] } = self;
        IdeControllerSavedV1 { config: config.save(), channels: [primary.save(), secondary.save()] }
    }

    fn restore(&mut self, saved: IdeControllerSavedV1) -> Result<(), RestoreError> {
        let IdeControllerSavedV1 { config, channels } = saved;
        for (channel, saved) in self.channels.iter().zip(&channels) {
            channel.check(saved)?;
        }
        self.config.restore(config)?;
        for (channel, saved) in self.channels.iter_mut().zip(channels) {
            channel.restore(saved)?;
        }
        Ok(())
    }
}
