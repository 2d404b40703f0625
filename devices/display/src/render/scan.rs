//! The VGA's picture, line by line as the CRT controller addresses memory.

use crate::graphics::Shift;
use crate::memory::VideoMemory;
use crate::pages::Changed;
use crate::registers::Registers;
use crate::retrace::Beam;

use super::Source;
use super::frame::{Frame, Kind, Style, Version};
use super::palette;
use super::pixels::{self, Line, color};

/// Frames of a half period of the cursor's blinking, and of characters'.
const CURSOR_FRAMES: u64 = 8;
const CHARACTER_FRAMES: u64 = 16;

/// Bytes of a line's source: panning, then four bytes for each character clock.
const PANNING_BYTES: usize = 1;

/// Bytes of memory that a VGA has.
const MEMORY: u32 = 256 << 10;

pub(super) fn render(source: &Source<'_>, changed: Changed<'_>, frame: &mut Frame) {
    let &Source { registers, memory, writes, beam } = source;
    let phases = [CURSOR_FRAMES, CHARACTER_FRAMES].map(|frames| beam.frames / frames % 2 == 1);
    let version = Some(Version { writes, phases });
    if std::mem::replace(&mut frame.version, version) == version && !changed.any(0, MEMORY) {
        return;
    }
    let style = style(registers, beam);
    let kind = style.kind;
    frame.set_style(style);
    let mut source = Vec::new();
    let mut counters = Counters::new(registers);
    let fetch = Fetch::new(registers, memory, beam);
    for y in 0..frame.height() {
        source.clear();
        source.push(counters.panning as u8);
        fetch.line(&counters, &mut source);
        frame.line(y, &mut source, |source, colors, row| convert(kind, source, colors, row));
        counters.next_line(registers, y);
    }
}

fn style(registers: &Registers, beam: Beam) -> Style {
    let doubled = registers.sequencer.half_clock();
    let blink_off = registers.attribute.blinks() && beam.frames / CHARACTER_FRAMES % 2 == 1;
    if !registers.graphics.is_graphics() {
        let kind = Kind::Text { dots: registers.sequencer.dots(), doubled };
        return Style { kind, colors: palette::sixteen(registers, false) };
    }
    let sixteen = palette::sixteen(registers, blink_off);
    match registers.graphics.shift() {
        Shift::Planar => Style { kind: Kind::Planar { doubled }, colors: sixteen },
        Shift::Interleaved => Style { kind: Kind::Interleaved { doubled }, colors: sixteen },
        Shift::Packed => {
            let eight_bits = registers.attribute.eight_bits();
            let colors = if eight_bits { palette::all(registers) } else { sixteen };
            Style { kind: Kind::Packed { eight_bits, doubled }, colors }
        }
    }
}

/// The CRT controller's counters while it goes down the screen.
struct Counters {
    /// The address counter at the left edge.
    row_start: u32,
    /// The line within the row of characters.
    scan: u32,
    /// The line was shown once already (double scan).
    again: bool,
    /// Dots that are cut off at the left.
    panning: u32,
}

impl Counters {
    fn new(registers: &Registers) -> Self {
        let dots = if registers.graphics.is_graphics() { 8 } else { registers.sequencer.dots() };
        Self {
            row_start: registers.crtc.start_address(),
            scan: registers.crtc.preset_row_scan(),
            again: false,
            panning: registers.attribute.panning(dots),
        }
    }

    fn next_line(&mut self, registers: &Registers, y: u32) {
        let crtc = &registers.crtc;
        self.advance(registers);
        // The split does not touch the phase of double scanning.
        if y == crtc.line_compare() {
            (self.row_start, self.scan) = (0, 0);
            if registers.attribute.pans_top_only() {
                self.panning = 0;
            }
        }
    }

    fn advance(&mut self, registers: &Registers) {
        let crtc = &registers.crtc;
        if crtc.double_scan() {
            self.again = !self.again;
            if self.again {
                return;
            }
        }
        // The counter has five bits: a preset beyond the row's end goes through 31.
        if self.scan == crtc.row_lines() - 1 {
            self.scan = 0;
            self.row_start = self.row_start.wrapping_add(crtc.row_offset()) & 0xffff;
        } else {
            self.scan = (self.scan + 1) & 0x1f;
        }
    }
}

/// What a line's fetches need, looked up once.
struct Fetch<'a> {
    registers: &'a Registers,
    memory: &'a VideoMemory,
    clocks: u32,
    per_address: u32,
    fonts: [u16; 2],
    nine_dots: bool,
    /// Blinking characters are invisible in this frame.
    blinked_off: bool,
    blinks: bool,
    /// Address and lines of the cursor, while it is visible.
    cursor: Option<(u32, (u32, u32))>,
}

impl<'a> Fetch<'a> {
    fn new(registers: &'a Registers, memory: &'a VideoMemory, beam: Beam) -> Self {
        let cursor_visible = (beam.frames / CURSOR_FRAMES).is_multiple_of(2);
        let lines = registers.crtc.cursor_lines().filter(|_| cursor_visible);
        Self {
            registers,
            memory,
            clocks: registers.crtc.horizontal_displayed(),
            per_address: registers.crtc.clocks_per_address(),
            fonts: registers.sequencer.fonts(),
            nine_dots: registers.sequencer.dots() == 9,
            blinked_off: beam.frames / CHARACTER_FRAMES % 2 == 1,
            blinks: registers.attribute.blinks(),
            cursor: lines.map(|lines| (registers.crtc.cursor_address() & 0xffff, lines)),
        }
    }

    fn line(&self, counters: &Counters, source: &mut Vec<u8>) {
        let graphics = self.registers.graphics.is_graphics();
        // Panning uncovers part of one more at the right.
        for clock in 0..self.clocks + u32::from(counters.panning > 0) {
            let counter = counters.row_start.wrapping_add(clock / self.per_address) & 0xffff;
            let address = self.registers.crtc.address(counter, counters.scan);
            let group = self.memory.group(VideoMemory::group_of(address));
            let bytes = if graphics { group.to_le_bytes() } else { self.cell(group, counter, counters.scan) };
            source.extend_from_slice(&bytes);
        }
    }

    /// A line of a character: nine dots (leftmost in bit 8), foreground, background.
    fn cell(&self, group: u32, counter: u32, scan: u32) -> [u8; 4] {
        let [code, attribute, ..] = group.to_le_bytes();
        let font = u32::from(self.fonts[usize::from(attribute >> 3 & 1)]);
        let glyph = u16::from(self.memory.plane_byte(2, font + u32::from(code) * 32 + scan));
        let repeats_eighth = self.registers.attribute.line_graphics() && (0xc0..=0xdf).contains(&code);
        let ninth = if repeats_eighth { glyph & 1 } else { 0 };
        let mut dots = glyph << 1 | ninth;
        let mut foreground = attribute & 0xf;
        let mut background = attribute >> 4;
        if attribute & 0x77 == 0x01 && scan == self.registers.crtc.underline_line() {
            dots = 0x1ff;
        }
        if self.blinks {
            background &= 7;
            if attribute & 0x80 != 0 && self.blinked_off {
                foreground = background;
            }
        }
        if let Some((at, (first, last))) = self.cursor
            && at == counter
            && (first..=last).contains(&scan)
        {
            dots = 0x1ff;
            foreground = attribute & 0xf;
        }
        let [low, high] = if self.nine_dots { dots } else { dots & 0x1fe }.to_le_bytes();
        [low, high, foreground, background]
    }
}

fn convert(kind: Kind, source: &[u8], colors: &[u32], row: &mut [u32]) {
    let (panning, clocks) = source.split_at(PANNING_BYTES.min(source.len()));
    let panning = panning.first().copied().unwrap_or(0).into();
    let groups = clocks.as_chunks::<4>().0;
    match kind {
        Kind::Text { dots, doubled } => {
            let mut line = Line::new(row, panning, doubled);
            for [low, high, foreground, background] in groups {
                let bits = u32::from(u16::from_le_bytes([*low, *high]));
                let foreground = color(colors, usize::from(*foreground));
                let background = color(colors, usize::from(*background));
                for dot in 0..dots {
                    line.push(if bits >> (8 - dot) & 1 != 0 { foreground } else { background });
                }
            }
        }
        Kind::Planar { doubled } => {
            let mut line = Line::new(row, panning, doubled);
            groups.iter().for_each(|group| line.push_eight(pixels::planar(*group), colors));
        }
        Kind::Interleaved { doubled } => {
            let mut line = Line::new(row, panning, doubled);
            groups.iter().for_each(|group| line.push_eight(pixels::interleaved(*group), colors));
        }
        Kind::Packed { eight_bits: false, doubled } => {
            let mut line = Line::new(row, panning, doubled);
            groups.iter().for_each(|group| line.push_eight(pixels::nibbles(*group), colors));
        }
        Kind::Packed { eight_bits: true, doubled } => {
            let mut line = Line::new(row, panning, doubled);
            for value in groups.as_flattened() {
                let color = color(colors, usize::from(*value));
                // A pixel takes two dots.
                line.push(color);
                line.push(color);
            }
        }
        Kind::Nothing | Kind::Blank | Kind::Linear { .. } => {}
    }
}
