//! Register values of the VGA's modes: the table of video parameters, to which the
//! save pointer at 40:A8h leads, 64 bytes for each mode.
//!
//! Source: IBM PS/2 Hardware Interface Technical Reference, "Video subsystem",
//! register values of each mode.

/// One entry of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parameters {
    /// Columns of text.
    pub columns: u8,
    /// Rows of text less one.
    pub last_row: u8,
    /// Rows of dots of a character.
    pub height: u8,
    /// Bytes of a page.
    pub page: u16,
    /// Sequencer registers 1 to 4.
    pub sequencer: [u8; 4],
    /// Miscellaneous output.
    pub misc: u8,
    /// CRT controller registers.
    pub crtc: [u8; 25],
    /// Attribute controller registers 0 to 13h.
    pub attribute: [u8; 20],
    /// Graphics controller registers.
    pub graphics: [u8; 9],
}

/// Bytes of an entry in the table.
pub(super) const ENTRY: usize = 64;

impl Parameters {
    /// As it is in the table.
    pub fn bytes(&self) -> [u8; ENTRY] {
        let mut all = [0; ENTRY];
        all[..3].copy_from_slice(&[self.columns, self.last_row, self.height]);
        all[3..5].copy_from_slice(&self.page.to_le_bytes());
        all[5..9].copy_from_slice(&self.sequencer);
        all[9] = self.misc;
        all[10..35].copy_from_slice(&self.crtc);
        all[35..55].copy_from_slice(&self.attribute);
        all[55..].copy_from_slice(&self.graphics);
        all
    }
}

const EGA: [u8; 16] = [0, 1, 2, 3, 4, 5, 0x14, 7, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f];
const RGBI: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17];
const CGA: [u8; 16] = [0, 0x13, 0x15, 0x17, 2, 4, 6, 7, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17];
const MONO: [u8; 16] = [0, 8, 8, 8, 8, 8, 8, 8, 0x10, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18];
const MONO_GRAPHICS: [u8; 16] = [0, 8, 0, 0, 0x18, 0x18, 0, 0, 0, 8, 0, 0, 0, 0x18, 0, 0];
const IDENTITY: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// 0 and fifteen times the same.
const fn two(color: u8) -> [u8; 16] {
    let mut all = [color; 16];
    all[0] = 0;
    all
}

/// Attribute registers: palette, mode, border 0, planes, panning.
const fn attribute(palette: [u8; 16], mode: u8, planes: u8, panning: u8) -> [u8; 20] {
    let mut all = [0; 20];
    let mut i = 0;
    while i < 16 {
        all[i] = palette[i];
        i += 1;
    }
    all[16] = mode;
    all[18] = planes;
    all[19] = panning;
    all
}

/// Graphics registers that modes differ in: mode, miscellaneous, colours compared.
const fn graphics(mode: u8, misc: u8, care: u8) -> [u8; 9] {
    [0, 0, 0, 0, 0, mode, misc, care, 0xff]
}

/// Horizontal timing: 40 columns of text, of graphics, and 80 of either.
const H40T: [u8; 6] = [0x2d, 0x27, 0x28, 0x90, 0x2b, 0xa0];
const H40: [u8; 6] = [0x2d, 0x27, 0x28, 0x90, 0x2b, 0x80];
const H80T: [u8; 6] = [0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81];
const H80: [u8; 6] = [0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80];

/// Vertical timing: total, overflow, retrace start and end, display end, blank start and end.
const V350: [u8; 7] = [0xbf, 0x1f, 0x83, 0x85, 0x5d, 0x63, 0xba];
const V400: [u8; 7] = [0xbf, 0x1f, 0x9c, 0x8e, 0x8f, 0x96, 0xb9];
const V480: [u8; 7] = [0x0b, 0x3e, 0xea, 0x8c, 0xdf, 0xe7, 0x04];

/// CRT controller registers from timing, lines of a row, cursor, offset, underline and mode.
const fn crtc(
    h: [u8; 6],
    v: [u8; 7],
    scan: u8,
    cursor: [u8; 2],
    offset: u8,
    underline: u8,
    mode: u8,
) -> [u8; 25] {
    [
        h[0], h[1], h[2], h[3], h[4], h[5], v[0], v[1], 0, scan, cursor[0], cursor[1], 0, 0, 0, 0, v[2],
        v[3], v[4], offset, underline, v[5], v[6], mode, 0xff,
    ]
}

const NO_CURSOR: [u8; 2] = [0, 0];

const TEXT_40_200: Parameters = Parameters {
    columns: 40,
    last_row: 24,
    height: 8,
    page: 0x800,
    sequencer: [0x09, 0x03, 0x00, 0x02],
    misc: 0x63,
    crtc: crtc(H40T, V400, 0xc7, [6, 7], 0x14, 0x1f, 0xa3),
    attribute: attribute(RGBI, 0x08, 0x0f, 0),
    graphics: graphics(0x10, 0x0e, 0),
};

const TEXT_80_200: Parameters = Parameters {
    columns: 80,
    page: 0x1000,
    sequencer: [0x01, 0x03, 0x00, 0x02],
    crtc: crtc(H80T, V400, 0xc7, [6, 7], 0x28, 0x1f, 0xa3),
    ..TEXT_40_200
};

const TEXT_40_350: Parameters = Parameters {
    height: 14,
    misc: 0xa3,
    crtc: crtc(H40T, V350, 0x4d, [0x0b, 0x0c], 0x14, 0x1f, 0xa3),
    attribute: attribute(EGA, 0x08, 0x0f, 0),
    ..TEXT_40_200
};

const TEXT_80_350: Parameters = Parameters {
    columns: 80,
    page: 0x1000,
    sequencer: [0x01, 0x03, 0x00, 0x02],
    crtc: crtc(H80T, V350, 0x4d, [0x0b, 0x0c], 0x28, 0x1f, 0xa3),
    ..TEXT_40_350
};

const TEXT_40_400: Parameters = Parameters {
    height: 16,
    sequencer: [0x08, 0x03, 0x00, 0x02],
    misc: 0x67,
    crtc: crtc(H40T, V400, 0x4f, [0x0d, 0x0e], 0x14, 0x1f, 0xa3),
    attribute: attribute(EGA, 0x0c, 0x0f, 8),
    ..TEXT_40_200
};

const TEXT_80_400: Parameters = Parameters {
    columns: 80,
    page: 0x1000,
    sequencer: [0x00, 0x03, 0x00, 0x02],
    crtc: crtc(H80T, V400, 0x4f, [0x0d, 0x0e], 0x28, 0x1f, 0xa3),
    ..TEXT_40_400
};

const MONO_350: Parameters = Parameters {
    height: 14,
    misc: 0xa6,
    crtc: crtc(H80T, V350, 0x4d, [0x0b, 0x0c], 0x28, 0x0d, 0xa3),
    attribute: attribute(MONO, 0x0e, 0x0f, 8),
    graphics: graphics(0x10, 0x0a, 0),
    ..TEXT_80_400
};

const MONO_400: Parameters = Parameters {
    height: 16,
    misc: 0x66,
    crtc: crtc(H80T, V400, 0x4f, [0x0d, 0x0e], 0x28, 0x0f, 0xa3),
    ..MONO_350
};

const CGA_320: Parameters = Parameters {
    page: 0x4000,
    sequencer: [0x09, 0x03, 0x00, 0x02],
    crtc: crtc(H40, V400, 0xc1, NO_CURSOR, 0x14, 0x00, 0xa2),
    attribute: attribute(CGA, 0x01, 0x03, 0),
    graphics: graphics(0x30, 0x0f, 0),
    ..TEXT_40_200
};

const CGA_640: Parameters = Parameters {
    columns: 80,
    sequencer: [0x01, 0x01, 0x00, 0x06],
    crtc: crtc(H80, V400, 0xc1, NO_CURSOR, 0x28, 0x00, 0xc2),
    attribute: attribute(two(0x17), 0x01, 0x01, 0),
    graphics: graphics(0x00, 0x0d, 0),
    ..CGA_320
};

const EGA_320: Parameters = Parameters {
    page: 0x2000,
    sequencer: [0x09, 0x0f, 0x00, 0x06],
    crtc: crtc(H40, V400, 0xc0, NO_CURSOR, 0x14, 0x00, 0xe3),
    attribute: attribute(RGBI, 0x01, 0x0f, 0),
    graphics: graphics(0x00, 0x05, 0x0f),
    ..TEXT_40_200
};

const EGA_640: Parameters = Parameters {
    columns: 80,
    page: 0x4000,
    sequencer: [0x01, 0x0f, 0x00, 0x06],
    crtc: crtc(H80, V400, 0xc0, NO_CURSOR, 0x28, 0x00, 0xe3),
    ..EGA_320
};

const EGA_MONO: Parameters = Parameters {
    height: 14,
    page: 0x8000,
    misc: 0xa2,
    crtc: crtc(H80, V350, 0x40, NO_CURSOR, 0x28, 0x0f, 0xe3),
    attribute: attribute(MONO_GRAPHICS, 0x0b, 0x05, 0),
    graphics: graphics(0x00, 0x05, 0x05),
    ..EGA_640
};

const EGA_350: Parameters = Parameters {
    misc: 0xa3,
    attribute: attribute(EGA, 0x01, 0x0f, 0),
    graphics: graphics(0x00, 0x05, 0x0f),
    ..EGA_MONO
};

const VGA_2: Parameters = Parameters {
    last_row: 29,
    height: 16,
    page: 0xa000,
    misc: 0xe3,
    crtc: crtc(H80, V480, 0x40, NO_CURSOR, 0x28, 0x00, 0xc3),
    attribute: attribute(two(0x3f), 0x01, 0x0f, 0),
    graphics: graphics(0x00, 0x05, 0x01),
    ..EGA_350
};

const VGA_16: Parameters = Parameters {
    crtc: crtc(H80, V480, 0x40, NO_CURSOR, 0x28, 0x00, 0xe3),
    attribute: attribute(EGA, 0x01, 0x0f, 0),
    graphics: graphics(0x00, 0x05, 0x0f),
    ..VGA_2
};

const VGA_256: Parameters = Parameters {
    page: 0x2000,
    sequencer: [0x01, 0x0f, 0x00, 0x0e],
    crtc: crtc(H80, V400, 0x41, NO_CURSOR, 0x28, 0x40, 0xa3),
    attribute: attribute(IDENTITY, 0x41, 0x0f, 0),
    graphics: graphics(0x40, 0x05, 0x0f),
    ..TEXT_40_200
};

/// The table, in the order that IBM's BIOS gave it.
pub(super) const TABLE: [Parameters; 29] = [
    TEXT_40_200, // modes 0 and 1, 200 lines
    TEXT_40_200,
    TEXT_80_200, // modes 2 and 3, 200 lines
    TEXT_80_200,
    CGA_320,  // mode 4
    CGA_320,  // mode 5
    CGA_640,  // mode 6
    MONO_350, // mode 7, 350 lines
    MONO_350, // 8 to Ch: the adapter has no such modes
    MONO_350,
    MONO_350,
    MONO_350,
    MONO_350,
    EGA_320,  // mode Dh
    EGA_640,  // mode Eh
    EGA_MONO, // modes Fh and 10h with little memory
    EGA_350,
    EGA_MONO,    // mode Fh
    EGA_350,     // mode 10h
    TEXT_40_350, // modes 0 to 3, 350 lines
    TEXT_40_350,
    TEXT_80_350,
    TEXT_80_350,
    TEXT_40_400, // modes 0 and 1, 400 lines
    TEXT_80_400, // modes 2 and 3, 400 lines
    MONO_400,    // mode 7, 400 lines
    VGA_2,       // mode 11h
    VGA_16,      // mode 12h
    VGA_256,     // mode 13h
];

/// The entry for a mode at so many scan lines of text (200, 350 or 400).
pub(super) fn of_mode(mode: u8, lines: u16) -> Option<&'static Parameters> {
    let index = match (mode, lines) {
        (0 | 1, 200) => 0,
        (2 | 3, 200) => 2,
        (0 | 1, 350) => 0x13,
        (2 | 3, 350) => 0x15,
        (0 | 1, _) => 0x17,
        (2 | 3, _) => 0x18,
        (7, 350) => 7,
        (7, _) => 0x19,
        (4..=6 | 0x0d | 0x0e, _) => mode.into(),
        (0x0f | 0x10, _) => usize::from(mode) + 2,
        (0x11..=0x13, _) => usize::from(mode) + 9,
        _ => return None,
    };
    TABLE.get(index)
}

/// Horizontal timing of 132 columns.
const H132: [u8; 6] = [0x9b, 0x83, 0x84, 0x9e, 0x8a, 0x9c];

/// Text of other sizes than those of the table: characters of 8 dots, 16 lines high
/// where there are 25 rows and 8 otherwise. `None` where the lines are too many.
pub(super) fn wide_text(columns: u16, rows: u16) -> Option<Parameters> {
    let height: u8 = if rows <= 25 { 16 } else { 8 };
    let lines = rows * u16::from(height);
    let (mut vertical, misc) = match lines {
        0..=350 => (V350, 0xa7),
        351..=400 => (V400, 0x67),
        401..=480 => (V480, 0xe7),
        _ => return None,
    };
    // The last row may end before the last line.
    vertical[4] = (lines - 1) as u8;
    let horizontal = if columns == 80 { H80T } else { H132 };
    let cursor = if height == 16 { [13, 14] } else { [6, 7] };
    let scan = 0x40 | (height - 1);
    Some(Parameters {
        columns: columns as u8,
        last_row: (rows - 1) as u8,
        height,
        page: (2 * columns * rows + 0x100) & 0xff00,
        sequencer: [0x01, 0x03, 0x00, 0x02],
        misc,
        crtc: crtc(horizontal, vertical, scan, cursor, (columns / 2) as u8, 0x1f, 0xa3),
        attribute: attribute(EGA, 0x08, 0x0f, 0),
        ..TEXT_80_400
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_those_of_their_modes() {
        let end = |mode, lines| of_mode(mode, lines).map(|p| (p.columns, p.last_row, p.height, p.misc));
        assert_eq!(end(3, 400), Some((80, 24, 16, 0x67)));
        assert_eq!(end(3, 350), Some((80, 24, 14, 0xa3)));
        assert_eq!(end(1, 200), Some((40, 24, 8, 0x63)));
        assert_eq!(end(7, 400), Some((80, 24, 16, 0x66)));
        assert_eq!(end(0x10, 400), Some((80, 24, 14, 0xa3)));
        assert_eq!(end(0x12, 400), Some((80, 29, 16, 0xe3)));
        assert_eq!(end(0x13, 400), Some((40, 24, 8, 0x63)));
        assert_eq!(end(8, 400), None);
    }

    #[test]
    fn an_entry_is_64_bytes_in_order() {
        let bytes = VGA_256.bytes();
        assert_eq!(bytes[..10], [40, 24, 8, 0, 0x20, 1, 0x0f, 0, 0x0e, 0x63]);
        assert_eq!(bytes[10..14], [0x5f, 0x4f, 0x50, 0x82]);
        assert_eq!((bytes[30], bytes[51], bytes[63]), (0x40, 0x41, 0xff));
    }
}
