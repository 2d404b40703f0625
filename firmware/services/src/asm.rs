//! A small assembler for the ROM's stubs: 16-bit code with labels, one method
//! for each instruction that the stubs use.
//!
//! What is assembled is fixed at build time, so a mistake in it (two pieces of
//! code in one place, a label that is nowhere) is a panic that every test meets.

/// A place in the code, known sooner or later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label(usize);

/// Word registers, numbered as instructions encode them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Word {
    Ax = 0,
    Cx = 1,
    Dx = 2,
    Bx = 3,
    Sp = 4,
    Bp = 5,
    Si = 6,
    Di = 7,
}

/// Byte registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Byte {
    Al = 0,
    Cl = 1,
    Dl = 2,
    Bl = 3,
    Ah = 4,
    Ch = 5,
    Dh = 6,
    Bh = 7,
}

/// Segment registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Segment {
    Es = 0,
    Cs = 1,
    Ss = 2,
    Ds = 3,
}

/// Conditions of a jump, as encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// CF is set.
    Carry = 2,
    /// CF is clear.
    NoCarry = 3,
    /// ZF is set.
    Zero = 4,
    /// ZF is clear.
    NotZero = 5,
}

#[derive(Clone, Copy, Debug)]
enum Fixup {
    /// A word relative to its own end.
    Relative,
    /// The offset itself.
    Absolute,
}

/// Assembles one 64 KiB segment.
#[derive(Debug)]
pub struct Assembler {
    image: Vec<u8>,
    used: Vec<bool>,
    at: usize,
    labels: Vec<Option<u16>>,
    fixups: Vec<(usize, Label, Fixup)>,
}

/// Bytes of the segment.
pub const SEGMENT_SIZE: usize = 0x1_0000;

impl Default for Assembler {
    fn default() -> Self {
        Self::new()
    }
}

impl Assembler {
    /// An empty segment: zeroes.
    pub fn new() -> Self {
        Self {
            image: vec![0; SEGMENT_SIZE],
            used: vec![false; SEGMENT_SIZE],
            at: 0,
            labels: Vec::new(),
            fixups: Vec::new(),
        }
    }

    /// Goes on at `offset`.
    pub fn org(&mut self, offset: u16) {
        self.at = offset.into();
    }

    /// The offset of the next byte.
    pub fn here(&self) -> u16 {
        self.at as u16
    }

    /// Goes on at the next multiple of `unit`.
    pub fn align(&mut self, unit: usize) {
        self.at = self.at.next_multiple_of(unit);
    }

    /// A label that is bound later.
    pub fn label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() - 1)
    }

    /// A label for the next byte.
    pub fn label_here(&mut self) -> Label {
        let label = self.label();
        self.bind(label);
        label
    }

    /// Says where a label is: here.
    pub fn bind(&mut self, label: Label) {
        let slot = &mut self.labels[label.0];
        assert!(slot.is_none(), "a label is bound once");
        *slot = Some(self.at as u16);
    }

    /// Where a bound label is.
    pub fn offset_of(&self, label: Label) -> u16 {
        self.labels[label.0].expect("the label is bound")
    }

    /// Data, or an instruction by its bytes.
    pub fn bytes(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            assert!(self.at < SEGMENT_SIZE, "code beyond the segment");
            assert!(!self.used[self.at], "two things at {:#06x}", self.at);
            self.used[self.at] = true;
            self.image[self.at] = byte;
            self.at += 1;
        }
    }

    /// A word of data.
    pub fn word(&mut self, value: u16) {
        self.bytes(&value.to_le_bytes());
    }

    /// A word of data: the offset of a label.
    pub fn word_of(&mut self, label: Label) {
        self.fixups.push((self.at, label, Fixup::Absolute));
        self.word(0);
    }

    /// The finished segment, without a checksum.
    pub fn finish(mut self) -> Vec<u8> {
        for (at, label, kind) in std::mem::take(&mut self.fixups) {
            let target = self.offset_of(label);
            let value = match kind {
                Fixup::Relative => target.wrapping_sub(at as u16).wrapping_sub(2),
                Fixup::Absolute => target,
            };
            self.image[at..at + 2].copy_from_slice(&value.to_le_bytes());
        }
        self.image
    }

    fn relative(&mut self, opcode: &[u8], to: Label) {
        self.bytes(opcode);
        self.fixups.push((self.at, to, Fixup::Relative));
        self.word(0);
    }

    /// `JMP rel16`
    pub fn jmp(&mut self, to: Label) {
        self.relative(&[0xE9], to);
    }

    /// `Jcc rel16`
    pub fn jcc(&mut self, condition: Condition, to: Label) {
        self.relative(&[0x0F, 0x80 + condition as u8], to);
    }

    /// `CALL rel16`
    pub fn call(&mut self, to: Label) {
        self.relative(&[0xE8], to);
    }

    /// `RET`
    pub fn ret(&mut self) {
        self.bytes(&[0xC3]);
    }

    /// `JMP ptr16:16`
    pub fn jmp_far(&mut self, segment: u16, offset: u16) {
        self.bytes(&[0xEA]);
        self.word(offset);
        self.word(segment);
    }

    /// `RETF`
    pub fn retf(&mut self) {
        self.bytes(&[0xCB]);
    }

    /// `IRET`
    pub fn iret(&mut self) {
        self.bytes(&[0xCF]);
    }

    /// `INT n`
    pub fn int(&mut self, vector: u8) {
        self.bytes(&[0xCD, vector]);
    }

    /// `STI`
    pub fn sti(&mut self) {
        self.bytes(&[0xFB]);
    }

    /// `CLI`
    pub fn cli(&mut self) {
        self.bytes(&[0xFA]);
    }

    /// `CLD`
    pub fn cld(&mut self) {
        self.bytes(&[0xFC]);
    }

    /// `STC`
    pub fn stc(&mut self) {
        self.bytes(&[0xF9]);
    }

    /// `HLT`
    pub fn hlt(&mut self) {
        self.bytes(&[0xF4]);
    }

    /// `PAUSE`
    pub fn pause(&mut self) {
        self.bytes(&[0xF3, 0x90]);
    }

    /// `OUT imm8, AL`
    pub fn out_al(&mut self, port: u8) {
        self.bytes(&[0xE6, port]);
    }

    /// `IN AL, imm8`
    pub fn in_al(&mut self, port: u8) {
        self.bytes(&[0xE4, port]);
    }

    /// `TEST AL, imm8`
    pub fn test_al(&mut self, mask: u8) {
        self.bytes(&[0xA8, mask]);
    }

    /// `PUSH r16`
    pub fn push(&mut self, register: Word) {
        self.bytes(&[0x50 + register as u8]);
    }

    /// `POP r16`
    pub fn pop(&mut self, register: Word) {
        self.bytes(&[0x58 + register as u8]);
    }

    /// `PUSH sreg`
    pub fn push_segment(&mut self, register: Segment) {
        self.bytes(&[0x06 + 8 * register as u8]);
    }

    /// `POP sreg`; there is none for CS.
    pub fn pop_segment(&mut self, register: Segment) {
        assert_ne!(register, Segment::Cs, "POP CS does not exist");
        self.bytes(&[0x07 + 8 * register as u8]);
    }

    /// `POPA`
    pub fn popa(&mut self) {
        self.bytes(&[0x61]);
    }

    /// `PUSHAD`
    pub fn pushad(&mut self) {
        self.bytes(&[0x66, 0x60]);
    }

    /// `POPAD`
    pub fn popad(&mut self) {
        self.bytes(&[0x66, 0x61]);
    }

    /// `MOV r16, imm16`
    pub fn mov(&mut self, register: Word, value: u16) {
        self.bytes(&[0xB8 + register as u8]);
        self.word(value);
    }

    /// `MOV r8, imm8`
    pub fn mov_byte(&mut self, register: Byte, value: u8) {
        self.bytes(&[0xB0 + register as u8, value]);
    }

    /// `MOV sreg, r16`
    pub fn mov_to_segment(&mut self, to: Segment, from: Word) {
        self.bytes(&[0x8E, 0xC0 | (to as u8) << 3 | from as u8]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_resolved_backwards_and_forwards() {
        let mut a = Assembler::new();
        a.org(0x100);
        let (start, end) = (a.label_here(), a.label());
        a.jmp(end);
        a.jcc(Condition::NoCarry, start);
        a.bind(end);
        a.word_of(start);
        let image = a.finish();
        assert_eq!(image[0x100..0x109], [0xE9, 4, 0, 0x0F, 0x83, 0xF9, 0xFF, 0x00, 0x01]);
    }

    #[test]
    #[should_panic(expected = "two things")]
    fn overlapping_code_is_found() {
        let mut a = Assembler::new();
        a.cli();
        a.org(0);
        a.sti();
    }
}
