//! Bochs DISPI: resolutions beyond VGA by index and data of 16 bits.
//!
//! Source: Bochs `VBE_DISPI` interface; what is refused or rounded is as QEMU's
//! `stdvga` does it, because that is the device the drivers were tested on.

use serde::{Deserialize, Serialize};

/// The widest picture in pixels.
pub const MAX_WIDTH: u16 = 2560;
/// The highest picture in lines.
pub const MAX_HEIGHT: u16 = 1600;
/// The widest line of memory in pixels.
const MAX_VIRTUAL_WIDTH: u16 = 16_000;
/// How many registers there are.
pub(crate) const REGISTERS: u16 = 11;

/// Register numbers.
pub(crate) mod index {
    pub const ID: u16 = 0;
    pub const XRES: u16 = 1;
    pub const YRES: u16 = 2;
    pub const BPP: u16 = 3;
    pub const ENABLE: u16 = 4;
    pub const BANK: u16 = 5;
    pub const VIRT_WIDTH: u16 = 6;
    pub const VIRT_HEIGHT: u16 = 7;
    pub const X_OFFSET: u16 = 8;
    pub const Y_OFFSET: u16 = 9;
    pub const VIDEO_MEMORY_64K: u16 = 10;
}

const ID_FIRST: u16 = 0xb0c0;
const ID_LAST: u16 = 0xb0c5;
const ENABLED: u16 = 0x01;
const GET_CAPS: u16 = 0x02;
const DAC_8_BITS: u16 = 0x20;
const LFB_ENABLED: u16 = 0x40;
const NO_CLEAR: u16 = 0x80;

/// What a write made of the mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing that shows.
    None,
    /// The geometry changed while enabled.
    Geometry,
    /// Enabled: this many bytes of video memory from its start are to be cleared.
    Enabled {
        /// Bytes; 0 where the guest asked to keep them.
        clear: u32,
    },
    /// Back to VGA.
    Disabled,
}

/// The registers at 1CEh and 1CFh.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispi {
    pub(crate) index: u16,
    id: u16,
    width: u16,
    height: u16,
    bits_per_pixel: u16,
    enable: u16,
    bank: u16,
    virtual_width: u16,
    virtual_height: u16,
    x_offset: u16,
    y_offset: u16,
    /// Bytes of video memory.
    memory: u32,
}

impl Dispi {
    pub(crate) fn new(memory: u32) -> Self {
        Self {
            index: 0,
            id: ID_LAST,
            width: 0,
            height: 0,
            bits_per_pixel: 0,
            enable: 0,
            bank: 0,
            virtual_width: 0,
            virtual_height: 0,
            x_offset: 0,
            y_offset: 0,
            memory,
        }
    }

    /// Pictures are made by this interface and not by the VGA.
    pub fn is_enabled(&self) -> bool {
        self.enable & ENABLED != 0
    }

    /// Colours have eight bits each in the DAC.
    pub fn dac_8_bits(&self) -> bool {
        self.enable & DAC_8_BITS != 0
    }

    /// Visible pixels of a line.
    pub fn width(&self) -> u32 {
        self.width.into()
    }

    /// Visible lines.
    pub fn height(&self) -> u32 {
        self.height.into()
    }

    /// 4, 8, 15, 16, 24 or 32.
    pub fn bits_per_pixel(&self) -> u32 {
        self.bits_per_pixel.into()
    }

    /// Bytes of video memory from one line to the next; at 4 bits a pixel those of all planes.
    pub fn stride(&self) -> u32 {
        bytes(self.bits_per_pixel, self.virtual_width)
    }

    /// The byte of video memory that the picture begins with.
    pub fn start(&self) -> u32 {
        u32::from(self.y_offset)
            .wrapping_mul(self.stride())
            .wrapping_add(bytes(self.bits_per_pixel, self.x_offset))
    }

    /// Offset of the bank in the window at A0000h.
    pub(crate) fn bank_offset(&self) -> u32 {
        if self.is_enabled() { u32::from(self.bank) << 16 } else { 0 }
    }

    /// Reads a register.
    pub fn read(&self, index: u16) -> u16 {
        let caps = self.enable & GET_CAPS != 0;
        match index {
            index::ID => self.id,
            index::XRES if caps => MAX_WIDTH,
            index::YRES if caps => MAX_HEIGHT,
            index::BPP if caps => 32,
            index::XRES => self.width,
            index::YRES => self.height,
            index::BPP => self.bits_per_pixel,
            index::ENABLE => self.enable,
            index::BANK => self.bank,
            index::VIRT_WIDTH => self.virtual_width,
            index::VIRT_HEIGHT => self.virtual_height,
            index::X_OFFSET => self.x_offset,
            index::Y_OFFSET => self.y_offset,
            index::VIDEO_MEMORY_64K => (self.memory >> 16) as u16,
            _ => 0,
        }
    }

    pub(crate) fn write(&mut self, index: u16, value: u16) -> Effect {
        match index {
            index::ID if (ID_FIRST..=ID_LAST).contains(&value) => self.id = value,
            index::XRES => self.width = value,
            index::YRES => self.height = value,
            index::BPP => self.bits_per_pixel = value,
            index::VIRT_WIDTH => self.virtual_width = value,
            index::X_OFFSET => self.x_offset = value,
            index::Y_OFFSET => self.y_offset = value,
            index::BANK => {
                self.bank = value & ((self.memory >> 16) as u16).wrapping_sub(1);
                return if self.is_enabled() { Effect::Geometry } else { Effect::None };
            }
            index::ENABLE => return self.set_enable(value),
            _ => return Effect::None,
        }
        // Until the mode is enabled the registers hold what was written.
        if self.is_enabled() && index != index::ID {
            self.fit();
            return Effect::Geometry;
        }
        Effect::None
    }

    fn set_enable(&mut self, value: u16) -> Effect {
        let was = self.is_enabled();
        let value = value & (ENABLED | GET_CAPS | DAC_8_BITS | LFB_ENABLED | NO_CLEAR);
        self.enable = value;
        if value & ENABLED == 0 {
            self.bank = 0;
            return if was { Effect::Disabled } else { Effect::None };
        }
        if was {
            return Effect::Geometry;
        }
        (self.virtual_width, self.x_offset, self.y_offset) = (0, 0, 0);
        self.fit();
        let clear = if value & NO_CLEAR != 0 { 0 } else { self.height().wrapping_mul(self.stride()) };
        Effect::Enabled { clear }
    }

    /// Rounds and bounds the geometry so that the picture lies in memory.
    fn fit(&mut self) {
        if !matches!(self.bits_per_pixel, 4 | 8 | 15 | 16 | 24 | 32) {
            self.bits_per_pixel = 8;
        }
        self.width = (self.width & !7).clamp(8, MAX_WIDTH);
        self.height = self.height.clamp(1, MAX_HEIGHT);
        self.virtual_width = (self.virtual_width & !7).clamp(self.width, MAX_VIRTUAL_WIDTH);
        // A width for which there is no memory for even one line is not possible:
        // 256 KiB hold 16,000 pixels of 4 bytes.
        let lines = self.memory / self.stride().max(1);
        self.virtual_height = u16::try_from(lines).unwrap_or(u16::MAX);
        self.height = self.height.min(self.virtual_height).max(1);
        self.x_offset = self.x_offset.min(self.virtual_width - self.width);
        self.y_offset = self.y_offset.min(self.virtual_height.saturating_sub(self.height));
        if self.bits_per_pixel == 4 {
            self.x_offset &= !7;
        }
    }

    /// What a saved state must satisfy on a device with `memory` bytes.
    pub(crate) fn is_valid(&self, memory: u32) -> bool {
        let mut fitted = self.clone();
        fitted.fit();
        let bank = u32::from(self.bank) << 16;
        self.memory == memory && bank < memory && (!self.is_enabled() || fitted == *self)
    }
}

/// Bytes of `pixels` pixels; at 4 bits those of all planes.
fn bytes(bits_per_pixel: u16, pixels: u16) -> u32 {
    match bits_per_pixel {
        4 => u32::from(pixels) / 2,
        bits => u32::from(pixels) * u32::from(bits.div_ceil(8)),
    }
}
