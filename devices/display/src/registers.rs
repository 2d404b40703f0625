//! All register files together, reached by port.
//!
//! Ports are numbered from 3B0h; see [`port`].

use glassbox_device_api::{RestoreError, VmTime};
use serde::{Deserialize, Serialize};

use crate::attribute::Attribute;
use crate::crtc::{self, Crtc};
use crate::dac::Dac;
use crate::dispi::{self, Dispi, Effect};
use crate::general::General;
use crate::graphics::{self, Graphics};
use crate::planes::Path;
use crate::retrace::{Beam, Timing};
use crate::sequencer::{self, Sequencer};

/// Offsets of ports from 3B0h.
pub(crate) mod port {
    pub const CRTC_INDEX_MONO: u16 = 0x04;
    pub const CRTC_DATA_MONO: u16 = 0x05;
    pub const STATUS_1_MONO: u16 = 0x0a;
    pub const ATTRIBUTE: u16 = 0x10;
    pub const ATTRIBUTE_READ: u16 = 0x11;
    pub const MISC_WRITE: u16 = 0x12;
    pub const SUBSYSTEM: u16 = 0x13;
    pub const SEQUENCER_INDEX: u16 = 0x14;
    pub const SEQUENCER_DATA: u16 = 0x15;
    pub const DAC_MASK: u16 = 0x16;
    pub const DAC_READ_INDEX: u16 = 0x17;
    pub const DAC_WRITE_INDEX: u16 = 0x18;
    pub const DAC_DATA: u16 = 0x19;
    pub const FEATURE_READ: u16 = 0x1a;
    pub const MISC_READ: u16 = 0x1c;
    pub const GRAPHICS_INDEX: u16 = 0x1e;
    pub const GRAPHICS_DATA: u16 = 0x1f;
    pub const CRTC_INDEX: u16 = 0x24;
    pub const CRTC_DATA: u16 = 0x25;
    pub const STATUS_1: u16 = 0x2a;
    /// How many there are.
    pub const COUNT: u16 = 0x30;
}

/// Input status 0: a monitor is sensed; a vertical interrupt is pending.
const SENSE: u8 = 0x10;
const INTERRUPT_PENDING: u8 = 0x80;

/// The register core: no bus, no memory, time handed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Registers {
    pub general: General,
    pub sequencer: Sequencer,
    pub crtc: Crtc,
    pub graphics: Graphics,
    pub attribute: Attribute,
    pub dac: Dac,
    pub dispi: Dispi,
    /// One byte of each plane, as the last read of the processor left them.
    pub latch: u32,
    /// Toggles with each read of status 1, for programs that look for life there.
    diagnostic: u8,
    /// Retraces that had begun when the vertical interrupt was last cleared.
    retraces_cleared: u64,
}

impl Registers {
    /// Registers after reset, on a device with `memory` bytes of video memory.
    pub fn new(memory: u32) -> Self {
        Self {
            general: General::default(),
            sequencer: Sequencer::default(),
            crtc: Crtc::default(),
            graphics: Graphics::default(),
            attribute: Attribute::default(),
            dac: Dac::default(),
            dispi: Dispi::new(memory),
            latch: 0,
            diagnostic: 0,
            retraces_cleared: 0,
        }
    }

    /// The processor's way into memory as the registers are now.
    pub fn path(&self) -> Path {
        Path::new(&self.general, &self.sequencer, &self.graphics, &self.dispi)
    }

    pub fn beam(&self, now: VmTime) -> Beam {
        Timing::of(self).at(now)
    }

    /// Whether `port` is one of the CRT controller's that is switched off now.
    fn is_other_crtc(&self, port: u16) -> bool {
        match port {
            0..0x10 => self.general.is_color(),
            0x20.. => !self.general.is_color(),
            _ => false,
        }
    }

    pub fn read_port(&mut self, port: u16, now: VmTime) -> u8 {
        if self.is_other_crtc(port) {
            return 0xff;
        }
        match port {
            port::ATTRIBUTE => self.attribute.index,
            port::ATTRIBUTE_READ => self.attribute.read(),
            port::MISC_WRITE => self.status_0(now),
            port::SUBSYSTEM => self.general.subsystem_enable,
            port::SEQUENCER_INDEX => self.sequencer.index,
            port::SEQUENCER_DATA => self.sequencer.read(),
            port::DAC_MASK => self.dac.mask,
            port::DAC_READ_INDEX => self.dac.state(),
            port::DAC_WRITE_INDEX => self.dac.write_index(),
            port::DAC_DATA => self.dac.read(self.dispi.dac_8_bits()),
            port::FEATURE_READ => self.general.feature_control,
            port::MISC_READ => self.general.misc_output,
            port::GRAPHICS_INDEX => self.graphics.index,
            port::GRAPHICS_DATA => self.graphics.read(),
            port::CRTC_INDEX | port::CRTC_INDEX_MONO => self.crtc.index,
            port::CRTC_DATA | port::CRTC_DATA_MONO => self.read_crtc(),
            port::STATUS_1 | port::STATUS_1_MONO => self.status_1(now),
            _ => 0xff,
        }
    }

    fn read_crtc(&self) -> u8 {
        match self.crtc.index {
            crtc::index::LATCH => {
                let plane = u32::from(self.graphics.register(graphics::index::READ_MAP));
                (self.latch >> (8 * plane)) as u8
            }
            crtc::index::FLIP_FLOP => u8::from(self.attribute.data_next) << 7 | self.attribute.index,
            _ => self.crtc.read(),
        }
    }

    fn status_0(&self, now: VmTime) -> u8 {
        let pending = self.crtc.vertical_interrupt() && self.beam(now).retraces != self.retraces_cleared;
        SENSE | if pending { INTERRUPT_PENDING } else { 0 }
    }

    /// Reading also makes the attribute controller expect an index.
    fn status_1(&mut self, now: VmTime) -> u8 {
        self.attribute.data_next = false;
        self.diagnostic ^= 0x30;
        let beam = self.beam(now);
        u8::from(!beam.displaying) | u8::from(beam.retrace) << 3 | self.diagnostic
    }

    /// Writes a port. True when it may show in the picture or in memory accesses.
    pub fn write_port(&mut self, port: u16, value: u8, now: VmTime) -> bool {
        if self.is_other_crtc(port) {
            return false;
        }
        match port {
            port::ATTRIBUTE => {
                self.attribute.write(value);
            }
            port::MISC_WRITE => self.general.misc_output = value & 0xef,
            port::SUBSYSTEM => self.general.subsystem_enable = value & 1,
            port::SEQUENCER_INDEX => self.sequencer.index = value,
            port::SEQUENCER_DATA => self.sequencer.write(value),
            port::DAC_MASK => self.dac.mask = value,
            port::DAC_READ_INDEX => self.dac.set_read_index(value),
            port::DAC_WRITE_INDEX => self.dac.set_write_index(value),
            port::DAC_DATA => {
                self.dac.write(value, self.dispi.dac_8_bits());
            }
            port::GRAPHICS_INDEX => self.graphics.index = value,
            port::GRAPHICS_DATA => self.graphics.write(value),
            port::CRTC_INDEX | port::CRTC_INDEX_MONO => self.crtc.index = value,
            port::CRTC_DATA | port::CRTC_DATA_MONO => {
                self.crtc.write(value);
                if self.crtc.index == crtc::index::VERTICAL_RETRACE_END && value & 0x10 == 0 {
                    self.retraces_cleared = self.beam(now).retraces;
                }
            }
            port::STATUS_1 | port::STATUS_1_MONO => self.general.feature_control = value & 0x0b,
            _ => return false,
        }
        matches!(port, port::MISC_WRITE | port::SEQUENCER_DATA | port::GRAPHICS_DATA)
    }

    /// Writes a DISPI register; what is returned the owner of memory has to do.
    pub fn write_dispi(&mut self, index: u16, value: u16) -> Effect {
        let effect = self.dispi.write(index, value);
        if matches!(effect, Effect::Enabled { .. } | Effect::Geometry) && index != dispi::index::BANK {
            self.follow_dispi();
        }
        effect
    }

    /// Sets the VGA's registers as the mode that DISPI made, so that the window at
    /// A0000h leads where it should and a reader finds a graphics mode.
    fn follow_dispi(&mut self) {
        use crtc::index as c;
        use graphics::index as g;
        use sequencer::index as s;
        let Self { graphics, crtc, sequencer, dispi, .. } = self;
        let (width, height) = (dispi.width(), dispi.height());
        graphics.set(g::MISCELLANEOUS, graphics.register(g::MISCELLANEOUS) & !0x0e | 0x05);
        crtc.set(c::MODE_CONTROL, crtc.register(c::MODE_CONTROL) | 3);
        crtc.set(c::OFFSET, (dispi.stride() >> 3) as u8);
        crtc.set(c::HORIZONTAL_DISPLAY_END, ((width >> 3) - 1) as u8);
        let end = height - 1;
        crtc.set(c::VERTICAL_DISPLAY_END, end as u8);
        // The line compare is put out of reach; its ninth bits are in these two.
        let high = (end >> 8 & 1) << 1 | (end >> 9 & 1) << 6 | 0x10;
        crtc.set(c::OVERFLOW, crtc.register(c::OVERFLOW) & !0x42 | high as u8);
        crtc.set(c::MAXIMUM_SCAN_LINE, crtc.register(c::MAXIMUM_SCAN_LINE) & !0x9f | 0x40);
        crtc.set(c::LINE_COMPARE, 0xff);
        let mode = graphics.register(g::MODE) & !0x60;
        if dispi.bits_per_pixel() == 4 {
            graphics.set(g::MODE, mode);
            let clocking = sequencer.register(s::CLOCKING_MODE);
            sequencer.set(s::CLOCKING_MODE, clocking & !8);
            sequencer.set(s::MEMORY_MODE, sequencer.register(s::MEMORY_MODE) & !8);
        } else {
            graphics.set(g::MODE, mode | 0x40);
            sequencer.set(s::MEMORY_MODE, sequencer.register(s::MEMORY_MODE) | 8);
            sequencer.set(s::MAP_MASK, 0x0f);
        }
    }

    /// Checks a saved state for a device with `memory` bytes.
    ///
    /// # Errors
    /// [`RestoreError`] where a field is impossible.
    pub fn check(&self, memory: u32) -> Result<(), RestoreError> {
        let invalid = |field| Err(RestoreError::Invalid { device: "vga", field });
        let parts = [
            ("sequencer", self.sequencer.is_valid()),
            ("crtc", self.crtc.is_valid()),
            ("graphics", self.graphics.is_valid()),
            ("attribute", self.attribute.is_valid()),
            ("dac", self.dac.is_valid()),
            ("dispi", self.dispi.is_valid(memory)),
        ];
        match parts.into_iter().find(|(_, valid)| !valid) {
            Some((field, _)) => invalid(field),
            None => Ok(()),
        }
    }
}
