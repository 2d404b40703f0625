//! The shell: what the board sees.

use glassbox_device_api::{
    AccessSize, Device, Mmio, PciFunction, PortIo, PortWindow, ResetKind, RestoreError, SaveRestore, VmClock,
};
use glassbox_pci::{ConfigSpace, ConfigSpaceSavedV1};
use serde::{Deserialize, Serialize};

use crate::dispi::Effect;
use crate::pages::Pages;
use crate::planes::Path;
use crate::registers::{Registers, port};
use crate::render::{self, Changes, Frame, Source};
use crate::{Edid, TextScreen, VideoMemory, pci};

/// Offsets behind the VGA's ports: DISPI's index and data.
const DISPI_INDEX: u16 = port::COUNT;
const DISPI_DATA: u16 = DISPI_INDEX + 1;
const DISPI_LAST: u16 = DISPI_INDEX + 2;

/// What can be chosen.
#[derive(Clone, Debug, Default)]
pub struct VgaConfig {
    /// The monitor.
    pub edid: Edid,
    /// The expansion ROM that the function shows in its ROM register; none when empty.
    pub option_rom: Vec<u8>,
}

/// A part of the window at A0000h that is plain memory now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirectWindow {
    /// First offset from A0000h.
    pub offset: u64,
    /// Bytes.
    pub len: u64,
    /// The byte of video memory that it begins with.
    pub memory_offset: u64,
}

/// A VGA with DISPI.
///
/// It is reached in four ways: the ports ([`PortIo`], [`Vga::WINDOWS`]), the 128 KiB
/// at A0000h ([`Mmio`]), configuration space, and the windows of its base address
/// registers: 0 is the linear framebuffer, that is video memory itself, which the
/// board may map instead of asking [`bar_read`](glassbox_pci::PciDevice::bar_read);
/// 2 has EDID, the VGA's ports and DISPI.
#[derive(Debug)]
pub struct Vga {
    clock: VmClock,
    memory: VideoMemory,
    registers: Registers,
    /// What the registers make of an access to A0000h.
    path: Path,
    /// Counts writes to registers and to the window at A0000h.
    writes: u64,
    pages: Pages,
    /// Counts changes of [`Vga::direct_window`].
    direct_version: u64,
    pub(crate) config: ConfigSpace,
    pub(crate) edid: Edid,
    pub(crate) option_rom: Vec<u8>,
}

/// Saved state of [`Vga`]. Video memory is guest memory and is saved with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VgaSavedV1 {
    registers: Registers,
    config: ConfigSpaceSavedV1,
}

impl Vga {
    /// Where a PC has the ports.
    pub const WINDOWS: [PortWindow; 3] = [
        PortWindow { port: 0x3b0, len: 0x0c, offset: 0 },
        PortWindow { port: 0x3c0, len: 0x20, offset: 0x10 },
        PortWindow { port: 0x1ce, len: 3, offset: DISPI_INDEX },
    ];

    /// Where a PC has the window of [`Mmio`]: guest physical address and bytes.
    pub const APERTURE: (u64, u64) = (0xa_0000, 0x2_0000);

    /// A display after reset, with `memory` for its pictures.
    pub fn new(clock: VmClock, memory: VideoMemory, config: VgaConfig) -> Self {
        let VgaConfig { edid, option_rom } = config;
        let registers = Registers::new(memory.len());
        Self {
            clock,
            path: registers.path(),
            writes: 0,
            pages: Pages::new(memory.len(), memory.is_watched()),
            direct_version: 0,
            config: pci::config_space(memory.len(), option_rom.len()),
            registers,
            memory,
            edid,
            option_rom,
        }
    }

    /// The video memory.
    pub fn memory(&self) -> &VideoMemory {
        &self.memory
    }

    /// Width and height of the picture in pixels.
    pub fn dimensions(&self) -> (u32, u32) {
        render::dimensions(&self.registers)
    }

    /// Brings `frame` up to date with the picture now; says what changed.
    ///
    /// Where the memory is [watched](VideoMemory::watched), what the processor wrote
    /// straight to it since the last [`poll_host`](Device::poll_host) may be missing, but
    /// in a frame's first update.
    pub fn frame(&mut self, frame: &mut Frame) -> Changes {
        let beam = self.registers.beam(self.clock.now());
        let changed = self.pages.look(&mut frame.seen);
        let source = Source { registers: &self.registers, memory: &self.memory, writes: self.writes, beam };
        render::render(&source, changed, frame)
    }

    /// What the text screen says; `None` in graphics modes.
    pub fn text_screen(&self) -> Option<TextScreen> {
        TextScreen::of(&self.registers, &self.memory)
    }

    /// The part of the window at A0000h that the board may map straight to video
    /// memory: plain chain-4 modes and DISPI's banks. `None` when accesses have to
    /// come through [`Mmio`]. To be asked again when
    /// [`direct_version`](Self::direct_version) has changed.
    pub fn direct_window(&self) -> Option<DirectWindow> {
        let (offset, len, start) = self.path.direct()?;
        let fits = start.checked_add(len).is_some_and(|end| end <= self.memory.len());
        fits.then_some(DirectWindow { offset: offset.into(), len: len.into(), memory_offset: start.into() })
    }

    /// Counts up whenever [`direct_window`](Self::direct_window) may have changed.
    pub fn direct_version(&self) -> u64 {
        self.direct_version
    }

    /// Registers that memory accesses depend on were written.
    fn update_path(&mut self) {
        let before = self.direct_window();
        self.path = self.registers.path();
        if self.direct_window() != before {
            self.direct_version = self.direct_version.wrapping_add(1);
        }
    }

    pub(crate) fn read_port8(&mut self, port: u16) -> u8 {
        self.registers.read_port(port, self.clock.now())
    }

    pub(crate) fn write_port8(&mut self, port: u16, value: u8) {
        self.writes = self.writes.wrapping_add(1);
        if self.registers.write_port(port, value, self.clock.now()) {
            self.update_path();
        }
    }

    pub(crate) fn read_dispi(&self, index: u16) -> u16 {
        self.registers.dispi.read(index)
    }

    pub(crate) fn write_dispi(&mut self, index: u16, value: u16) {
        self.writes = self.writes.wrapping_add(1);
        let effect = self.registers.write_dispi(index, value);
        if let Effect::Enabled { clear } = effect {
            self.memory.clear(clear);
        }
        if effect != Effect::None {
            self.update_path();
        }
    }

    /// Offsets behind the VGA's: index, then data (which is at 1D0h as well).
    fn read_dispi_port(&self, offset: u16) -> u16 {
        match offset {
            DISPI_INDEX => self.registers.dispi.index,
            DISPI_DATA..=DISPI_LAST => self.read_dispi(self.registers.dispi.index),
            _ => 0xffff,
        }
    }
}

impl Device for Vga {
    fn name(&self) -> &'static str {
        "vga"
    }

    /// Registers as after power-on; video memory keeps what it holds.
    fn reset(&mut self, _kind: ResetKind) {
        self.registers = Registers::new(self.memory.len());
        self.config.reset();
        self.writes = self.writes.wrapping_add(1);
        self.update_path();
    }

    /// Asks which pages were written, if somebody has looked since the last time.
    fn poll_host(&mut self) {
        if self.pages.is_wanted() {
            self.pages.collect(|each| self.memory.take_dirty(each));
        }
    }
}

impl PortIo for Vga {
    fn port_read(&mut self, offset: u16, size: AccessSize) -> u32 {
        if offset >= DISPI_INDEX {
            // Registers of 16 bits: a wider access finds the next port above.
            let low = u32::from(self.read_dispi_port(offset));
            let value = low | if size == AccessSize::Dword { 0xffff_0000 } else { 0 };
            return value & size.mask() as u32;
        }
        let bytes = (0..size.bytes() as u16).rev();
        bytes.fold(0, |value, byte| value << 8 | u32::from(self.read_port8(offset + byte)))
    }

    fn port_write(&mut self, offset: u16, size: AccessSize, value: u32) {
        match (offset, size) {
            (DISPI_INDEX, AccessSize::Dword) => {
                self.registers.dispi.index = value as u16;
                // The upper half is for 1D0h, where the data register is again.
                self.write_dispi(value as u16, (value >> 16) as u16);
            }
            (DISPI_INDEX, _) => self.registers.dispi.index = value as u16,
            (DISPI_DATA..=DISPI_LAST, _) => self.write_dispi(self.registers.dispi.index, value as u16),
            (DISPI_INDEX.., _) => {}
            _ => {
                for (byte, value) in (0..size.bytes() as u16).zip(value.to_le_bytes()) {
                    self.write_port8(offset + byte, value);
                }
            }
        }
    }
}

impl Mmio for Vga {
    /// `offset` is from A0000h.
    fn mmio_read(&mut self, offset: u64, size: AccessSize) -> u64 {
        let Ok(offset) = u32::try_from(offset) else { return size.mask() };
        let mut value = 0;
        for byte in 0..size.bytes() as u32 {
            let at = offset.wrapping_add(byte);
            let read = self.path.read(&self.memory, &mut self.registers.latch, at);
            value |= u64::from(read) << (8 * byte);
        }
        value
    }

    fn mmio_write(&mut self, offset: u64, size: AccessSize, value: u64) {
        let Ok(offset) = u32::try_from(offset) else { return };
        self.writes = self.writes.wrapping_add(1);
        for byte in 0..size.bytes() as u32 {
            let at = offset.wrapping_add(byte);
            self.path.write(&self.memory, self.registers.latch, at, (value >> (8 * byte)) as u8);
        }
    }
}

impl PciFunction for Vga {
    fn config_read(&mut self, offset: u8) -> u32 {
        self.config.read(offset)
    }

    fn config_write(&mut self, offset: u8, value: u32, byte_enables: u8) {
        self.config.write(offset, value, byte_enables);
    }
}

impl SaveRestore for Vga {
    type Saved = VgaSavedV1;

    fn save(&self) -> VgaSavedV1 {
        let Self {
            clock: _,
            memory: _,
            registers,
            path: _,
            writes: _,
            pages: _,
            direct_version: _,
            config,
            edid: _,
            option_rom: _,
        } = self;
        VgaSavedV1 { registers: registers.clone(), config: config.save() }
    }

    fn restore(&mut self, saved: VgaSavedV1) -> Result<(), RestoreError> {
        let VgaSavedV1 { registers, config } = saved;
        registers.check(self.memory.len())?;
        self.config.restore(config)?;
        self.registers = registers;
        self.writes = self.writes.wrapping_add(1);
        self.update_path();
        Ok(())
    }
}
