//! Pixels and characters in graphics modes: AH=0Ch, 0Dh, and what text services need.

use crate::call::{Call, Flow, GuestFault, ServiceResult};

use super::data::{Kind, Screen, port, register, set_register};
use super::vbe::dispi;

/// Bit 7 of a colour: combine by exclusive or.
const XOR: u8 = 0x80;

/// The page of a graphics mode.
pub(super) struct Surface {
    kind: Kind,
    /// Offset of the page in its window.
    start: u32,
    /// Bytes of a line (of one plane).
    stride: u32,
    width: u32,
    height: u32,
    /// Lines of a character cell.
    cell: u32,
    /// DISPI's banks are in use.
    banked: bool,
}

/// An access in the window at A0000h or B8000h.
struct Place {
    linear: u32,
    bank: u32,
    /// Bytes to the end of the window.
    room: u32,
}

impl Surface {
    /// The page; `None` in text modes.
    pub fn new(call: &mut Call<'_>, screen: &Screen, page: u8) -> Result<Option<Self>, GuestFault> {
        let kind = screen.kind();
        let (width, height, stride) = match (screen.vbe, kind) {
            (_, Kind::Text { .. }) => return Ok(None),
            (Some(vbe), _) => (vbe.width.into(), vbe.height.into(), dispi::stride(call)),
            (None, Kind::Cga { bits }) => (640 / bits, 200, 80),
            (None, Kind::Packed { .. }) => (320, 200, 320),
            (None, _) => {
                let height = match screen.mode {
                    0x0d | 0x0e => 200,
                    0x0f | 0x10 => 350,
                    _ => 480,
                };
                let width = if screen.mode == 0x0d { 320 } else { 640 };
                (width, height, 2 * u32::from(register(call, screen.crtc, 0x13)))
            }
        };
        let start =
            if matches!(kind, Kind::Planar) && screen.vbe.is_none() { screen.page_start(page) } else { 0 };
        let cell = screen.height.into();
        Ok(Some(Self { kind, start, stride, width, height, cell, banked: screen.vbe.is_some() }))
    }

    /// Planes that hold a byte each.
    fn planes(&self) -> u8 {
        if self.kind == Kind::Planar { 4 } else { 1 }
    }

    /// Bytes of `pixels` pixels, a multiple of 8, in one plane.
    fn bytes(&self, pixels: u32) -> u32 {
        match self.kind {
            Kind::Cga { bits } => pixels * bits / 8,
            Kind::Packed { bytes } => pixels * bytes,
            _ => pixels / 8,
        }
    }

    fn place(&self, y: u32, byte: u32) -> Place {
        if let Kind::Cga { .. } = self.kind {
            let offset = (y & 1) * 0x2000 + (y >> 1) * self.stride + byte;
            return Place { linear: 0xb_8000 + (offset & 0x7fff), bank: 0, room: 0x8000 - (offset & 0x7fff) };
        }
        let offset = self.start.wrapping_add(y.wrapping_mul(self.stride)).wrapping_add(byte);
        let in_window = offset & 0xffff;
        Place { linear: 0xa_0000 + in_window, bank: offset >> 16, room: 0x1_0000 - in_window }
    }

    /// Chooses the plane that reads come from and the one that writes go to.
    fn select(&self, call: &mut Call<'_>, plane: u8) {
        if self.planes() > 1 {
            set_register(call, port::GRAPHICS, 4, plane);
            set_register(call, port::SEQUENCER, 2, 1 << plane);
        }
    }

    /// All planes are written again.
    fn deselect(&self, call: &mut Call<'_>) {
        if self.planes() > 1 {
            set_register(call, port::SEQUENCER, 2, 0xf);
            set_register(call, port::GRAPHICS, 4, 0);
        }
    }

    fn set_bank(&self, call: &mut Call<'_>, bank: u32) {
        if self.banked {
            dispi::set_bank(call, bank as u16);
        }
    }

    fn read(&self, call: &mut Call<'_>, y: u32, byte: u32, to: &mut [u8]) -> Result<(), GuestFault> {
        let mut done = 0;
        while done < to.len() {
            let place = self.place(y, byte + done as u32);
            let end = to.len().min(done + place.room as usize);
            self.set_bank(call, place.bank);
            call.read(place.linear, &mut to[done..end])?;
            done = end;
        }
        Ok(())
    }

    fn write(&self, call: &mut Call<'_>, y: u32, byte: u32, from: &[u8]) -> Result<(), GuestFault> {
        let mut done = 0;
        while done < from.len() {
            let place = self.place(y, byte + done as u32);
            let end = from.len().min(done + place.room as usize);
            self.set_bank(call, place.bank);
            call.write(place.linear, &from[done..end])?;
            done = end;
        }
        Ok(())
    }

    /// Eight pixels of one colour, in one plane.
    fn solid(&self, color: u8, plane: u8) -> Vec<u8> {
        match self.kind {
            Kind::Cga { bits: 1 } => vec![if color & 1 != 0 { 0xff } else { 0 }],
            Kind::Cga { .. } => vec![(color & 3) * 0x55; 2],
            Kind::Packed { bytes } => self.packed(color, bytes).repeat(8),
            _ => vec![if color >> plane & 1 != 0 { 0xff } else { 0 }],
        }
    }

    /// A pixel of so many bytes. Beyond 8 bits, the 16 colours of text.
    fn packed(&self, color: u8, bytes: u32) -> Vec<u8> {
        if bytes == 1 {
            return vec![color];
        }
        let level = |bit: u8| -> u32 {
            let bright = if color & 8 != 0 { 0x55 } else { 0 };
            (if color >> bit & 1 != 0 { 0xaa } else { 0 }) + bright
        };
        let (red, green, blue) = (level(2), level(1), level(0));
        let value = match bytes {
            2 => red >> 3 << 11 | green >> 2 << 5 | blue >> 3,
            _ => red << 16 | green << 8 | blue,
        };
        value.to_le_bytes()[..bytes as usize].to_vec()
    }

    /// Eight pixels of a glyph's row, in one plane: all ones where it is set, at the
    /// places of pixels.
    fn mask(&self, dots: u8) -> Vec<u8> {
        match self.kind {
            Kind::Cga { bits: 2 } => {
                let pair = |i: u8| if dots << i & 0x80 != 0 { 3u8 } else { 0 };
                let byte = |first: u8| (0..4).fold(0, |byte, i| byte << 2 | pair(first + i));
                vec![byte(0), byte(4)]
            }
            Kind::Packed { bytes } => (0..8)
                .flat_map(|i| {
                    std::iter::repeat_n(if dots << i & 0x80 != 0 { 0xff } else { 0 }, bytes as usize)
                })
                .collect(),
            _ => vec![dots],
        }
    }

    /// Draws a character on colour 0, or over what is there where bit 7 of the colour is set.
    pub fn draw_cell(
        &mut self,
        call: &mut Call<'_>,
        row: u16,
        column: u16,
        glyph: &[u8],
        color: u8,
    ) -> Result<(), GuestFault> {
        // Bit 7 is part of the colour where a pixel has 8 bits.
        let xor = color & XOR != 0 && !matches!(self.kind, Kind::Packed { .. });
        let (top, byte) = (u32::from(row) * self.cell, self.bytes(8 * u32::from(column)));
        for plane in 0..self.planes() {
            self.select(call, plane);
            let solid = self.solid(color & if xor { !XOR } else { 0xff }, plane);
            for (y, dots) in (top..self.height).zip(glyph) {
                let mut bytes: Vec<u8> = self.mask(*dots).iter().zip(&solid).map(|(m, s)| m & s).collect();
                if xor {
                    let mut old = vec![0; bytes.len()];
                    self.read(call, y, byte, &mut old)?;
                    bytes.iter_mut().zip(old).for_each(|(new, old)| *new ^= old);
                }
                self.write(call, y, byte, &bytes)?;
            }
        }
        self.deselect(call);
        Ok(())
    }

    /// The rows of a cell: a dot is set where a pixel is not colour 0.
    pub fn read_cell(&mut self, call: &mut Call<'_>, row: u16, column: u16) -> Result<Vec<u8>, GuestFault> {
        let (top, byte) = (u32::from(row) * self.cell, self.bytes(8 * u32::from(column)));
        let mut rows = vec![0; self.cell as usize];
        for plane in 0..self.planes() {
            self.select(call, plane);
            for (y, dots) in (top..self.height).zip(&mut rows) {
                let mut bytes = vec![0; self.bytes(8) as usize];
                self.read(call, y, byte, &mut bytes)?;
                *dots |= match self.kind {
                    Kind::Cga { bits: 2 } => {
                        let pixels = u16::from_be_bytes([bytes[0], bytes[1]]);
                        (0..8).fold(0, |dots, i| dots << 1 | u8::from(pixels >> (14 - 2 * i) & 3 != 0))
                    }
                    Kind::Packed { bytes: size } => bytes
                        .chunks(size as usize)
                        .fold(0, |dots, pixel| dots << 1 | u8::from(pixel.iter().any(|byte| *byte != 0))),
                    _ => bytes[0],
                };
            }
        }
        self.deselect(call);
        Ok(rows)
    }

    /// Copies `rows` rows of cells from row `from` to row `to`.
    pub fn copy_rows(
        &mut self,
        call: &mut Call<'_>,
        column: u16,
        columns: u16,
        from: u16,
        to: u16,
        rows: u16,
    ) -> Result<(), GuestFault> {
        let (byte, len) = (self.bytes(8 * u32::from(column)), self.bytes(8 * u32::from(columns)) as usize);
        let lines = u32::from(rows) * self.cell;
        let (from, to) = (u32::from(from) * self.cell, u32::from(to) * self.cell);
        let mut buffer = vec![0; len];
        for plane in 0..self.planes() {
            self.select(call, plane);
            for line in 0..lines {
                let line = if from >= to { line } else { lines - 1 - line };
                if from + line < self.height && to + line < self.height {
                    self.read(call, from + line, byte, &mut buffer)?;
                    self.write(call, to + line, byte, &buffer)?;
                }
            }
        }
        self.deselect(call);
        Ok(())
    }

    /// Fills rows of cells with a colour.
    pub fn fill_rows(
        &mut self,
        call: &mut Call<'_>,
        column: u16,
        columns: u16,
        row: u16,
        rows: u16,
        color: u8,
    ) -> Result<(), GuestFault> {
        let byte = self.bytes(8 * u32::from(column));
        let (top, lines) = (u32::from(row) * self.cell, u32::from(rows) * self.cell);
        for plane in 0..self.planes() {
            self.select(call, plane);
            let line = self.solid(color, plane).repeat(columns.into());
            for y in top..(top + lines).min(self.height) {
                self.write(call, y, byte, &line)?;
            }
        }
        self.deselect(call);
        Ok(())
    }

    fn set_pixel(&mut self, call: &mut Call<'_>, x: u32, y: u32, color: u8) -> Result<(), GuestFault> {
        if x >= self.width || y >= self.height {
            return Ok(());
        }
        match self.kind {
            Kind::Packed { bytes } => self.write(call, y, x * bytes, &self.packed(color, bytes)),
            Kind::Cga { bits } => {
                let (byte, shift) = (x * bits / 8, 8 - bits - x * bits % 8);
                let mask = (((1 << bits) - 1) << shift) as u8;
                let value = (u32::from(color) << shift) as u8 & mask;
                let mut old = [0];
                self.read(call, y, byte, &mut old)?;
                let new = if color & XOR != 0 { old[0] ^ value } else { old[0] & !mask | value };
                self.write(call, y, byte, &[new])
            }
            _ => self.set_planar_pixel(call, x, y, color),
        }
    }

    /// By set/reset and bit mask, as fast programs do it.
    fn set_planar_pixel(&self, call: &mut Call<'_>, x: u32, y: u32, color: u8) -> Result<(), GuestFault> {
        set_register(call, port::GRAPHICS, 0, color & 0xf);
        set_register(call, port::GRAPHICS, 1, 0xf);
        set_register(call, port::GRAPHICS, 3, if color & XOR != 0 { 0x18 } else { 0 });
        set_register(call, port::GRAPHICS, 8, 0x80 >> (x % 8));
        // The read fills the latches.
        let read = self.read(call, y, x / 8, &mut [0]);
        let written = read.and_then(|()| self.write(call, y, x / 8, &[0xff]));
        for (index, value) in [(0, 0), (1, 0), (3, 0), (8, 0xff)] {
            set_register(call, port::GRAPHICS, index, value);
        }
        written
    }

    fn pixel(&mut self, call: &mut Call<'_>, x: u32, y: u32) -> Result<u8, GuestFault> {
        if x >= self.width || y >= self.height {
            return Ok(0);
        }
        let mut byte = [0];
        match self.kind {
            Kind::Packed { bytes } => self.read(call, y, x * bytes, &mut byte)?,
            Kind::Cga { bits } => {
                self.read(call, y, x * bits / 8, &mut byte)?;
                byte[0] = byte[0] >> (8 - bits - x * bits % 8) & ((1 << bits) - 1) as u8;
            }
            _ => {
                let mut color = 0;
                for plane in 0..4 {
                    self.select(call, plane);
                    self.read(call, y, x / 8, &mut byte)?;
                    color |= (byte[0] >> (7 - x % 8) & 1) << plane;
                }
                self.deselect(call);
                byte[0] = color;
            }
        }
        Ok(byte[0])
    }
}

/// AH=0Ch: sets the pixel at column CX, line DX of page BH to colour AL.
pub(super) fn write_pixel(call: &mut Call<'_>) -> ServiceResult {
    let screen = Screen::load(call)?;
    let (x, y) = (call.regs.cx.word().into(), call.regs.dx.word().into());
    if let Some(mut surface) = Surface::new(call, &screen, call.regs.bx.high())? {
        surface.set_pixel(call, x, y, call.regs.ax.low())?;
    }
    Ok(Flow::Done)
}

/// AH=0Dh: the pixel's colour in AL.
pub(super) fn read_pixel(call: &mut Call<'_>) -> ServiceResult {
    let screen = Screen::load(call)?;
    let (x, y) = (call.regs.cx.word().into(), call.regs.dx.word().into());
    if let Some(mut surface) = Surface::new(call, &screen, call.regs.bx.high())? {
        let color = surface.pixel(call, x, y)?;
        call.regs.ax.set_low(color);
    }
    Ok(Flow::Done)
}
