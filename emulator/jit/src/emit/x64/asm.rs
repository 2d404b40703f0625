//! The assembler: bytes, and the jumps in them that are not filled in yet.
//!
//! One serves all blocks, so that its room is allocated once.

use dynasmrt::components::LabelRegistry;
use dynasmrt::x64::X64Relocation;
use dynasmrt::{AssemblyOffset, DynamicLabel, DynasmApi, DynasmLabelApi};

/// Room for most blocks.
const LEAST_ROOM: usize = 8192;

/// Where host code is written first.
#[derive(Default)]
pub struct Asm {
    /// Code, and room for more.
    bytes: Vec<u8>,
    /// Bytes of code.
    len: usize,
    /// Where the first byte will be executed.
    base: usize,
    labels: LabelRegistry,
    /// Displacements of labels.
    fields: Vec<(Field, DynamicLabel)>,
    /// Names, each where it was defined last.
    names: Vec<(Name, usize)>,
    /// Displacements of names that come later.
    open: Vec<(Field, Name)>,
    /// A displacement does not fit, or a name is unknown.
    failed: bool,
}

/// A local label or a global one, which may be of the same name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Name {
    Local(&'static str),
    Global(&'static str),
}

/// A displacement.
#[derive(Clone, Copy)]
struct Field {
    at: u32,
    bytes: u8,
    /// How far behind its first byte lies the place from which it counts.
    from: u8,
}

impl Asm {
    /// An assembler for code that will be executed at `base`.
    pub fn new(base: usize) -> Self {
        Self { base, ..Self::default() }
    }

    /// Starts anew.
    pub fn begin(&mut self, base: usize) {
        self.base = base;
        self.len = 0;
        self.labels.clear();
        self.fields.clear();
        self.names.clear();
        self.open.clear();
        self.failed = false;
    }

    /// Fills in what is open, and replaces `code` by all that was emitted. `None` if a jump
    /// leads nowhere, or too far.
    pub fn finish(&mut self, code: &mut Vec<u8>) -> Option<()> {
        for n in 0..self.fields.len() {
            let (field, label) = self.fields[n];
            let to = self.labels.resolve_dynamic(label).ok()?;
            self.fill(field, to.0);
        }
        code.clear();
        code.extend_from_slice(&self.bytes[..self.len]);
        (!self.failed && self.open.is_empty()).then_some(())
    }

    /// A label to be placed later.
    #[inline]
    pub fn new_dynamic_label(&mut self) -> DynamicLabel {
        self.labels.new_dynamic_label()
    }

    /// Appends the lowest `count` bytes of a word.
    #[inline]
    fn put(&mut self, word: u64, count: usize) {
        match self.bytes.get_mut(self.len..).and_then(|rest| rest.first_chunk_mut()) {
            Some(next) => *next = word.to_le_bytes(),
            None => self.put_behind(word),
        }
        self.len += count;
    }

    #[cold]
    fn put_behind(&mut self, word: u64) {
        self.bytes.truncate(self.len);
        self.bytes.extend(word.to_le_bytes());
        self.bytes.resize((2 * self.bytes.len()).max(LEAST_ROOM), 0);
    }

    /// Makes a field lead to an offset.
    #[inline]
    fn fill(&mut self, field: Field, to: usize) {
        let at = field.at as usize;
        let by = to.wrapping_sub(at + usize::from(field.from)) as isize;
        if field.bytes == 1 {
            self.failed |= i8::try_from(by).is_err();
            self.bytes[at] = by as u8;
        } else {
            self.failed |= i32::try_from(by).is_err();
            self.bytes[at..at + 4].copy_from_slice(&(by as i32).to_le_bytes());
        }
    }

    /// The field that the instruction emitted just now ends with, or almost.
    #[inline]
    fn field(&self, field_offset: u8, ref_offset: u8, kind: u8) -> Field {
        let at = self.len as u32 - u32::from(field_offset);
        Field { at, bytes: 1 << (kind & 3), from: field_offset - ref_offset }
    }

    fn place_of(&self, name: Name) -> Option<usize> {
        self.names.iter().find(|(known, _)| *known == name).map(|(_, at)| *at)
    }

    fn define(&mut self, name: Name) {
        let here = self.len;
        match self.names.iter_mut().find(|(known, _)| *known == name) {
            Some((_, at)) => *at = here,
            None => self.names.push((name, here)),
        }
        for n in (0..self.open.len()).rev() {
            if self.open[n].1 == name {
                let (field, _) = self.open.swap_remove(n);
                self.fill(field, here);
            }
        }
    }
}

impl Extend<u8> for Asm {
    #[inline]
    fn extend<T: IntoIterator<Item = u8>>(&mut self, bytes: T) {
        for byte in bytes {
            self.push(byte);
        }
    }
}

impl<'a> Extend<&'a u8> for Asm {
    /// Where the bytes are constant so are the words that are put.
    #[inline]
    fn extend<T: IntoIterator<Item = &'a u8>>(&mut self, bytes: T) {
        let (mut word, mut count) = (0, 0);
        for byte in bytes {
            word |= u64::from(*byte) << (8 * count);
            count += 1;
            if count == 8 {
                self.put(word, count);
                (word, count) = (0, 0);
            }
        }
        self.put(word, count);
    }
}

impl DynasmApi for Asm {
    #[inline]
    fn offset(&self) -> AssemblyOffset {
        AssemblyOffset(self.len)
    }

    #[inline]
    fn push(&mut self, byte: u8) {
        self.put(u64::from(byte), 1);
    }

    #[inline]
    fn push_i16(&mut self, value: i16) {
        self.put(value as u64, 2);
    }

    #[inline]
    fn push_i32(&mut self, value: i32) {
        self.put(value as u64, 4);
    }

    #[inline]
    fn push_i64(&mut self, value: i64) {
        self.put(value as u64, 8);
    }

    fn align(&mut self, alignment: usize, with: u8) {
        while !self.len.is_multiple_of(alignment) {
            self.push(with);
        }
    }
}

/// What dynasm calls relocations are displacements here, of one byte or of four, and
/// count from an instruction's end: they are told by how dynasm encodes their size, not
/// by what it makes of that.
impl DynasmLabelApi for Asm {
    type Relocation = X64Relocation;

    fn local_label(&mut self, name: &'static str) {
        self.define(Name::Local(name));
    }

    fn global_label(&mut self, name: &'static str) {
        self.define(Name::Global(name));
    }

    #[inline]
    fn dynamic_label(&mut self, id: DynamicLabel) {
        self.failed |= self.labels.define_dynamic(id, AssemblyOffset(self.len)).is_err();
    }

    fn forward_reloc(&mut self, name: &'static str, _: isize, field: u8, from: u8, kind: u8) {
        self.open.push((self.field(field, from, kind), Name::Local(name)));
    }

    fn backward_reloc(&mut self, name: &'static str, _: isize, field: u8, from: u8, kind: u8) {
        match self.place_of(Name::Local(name)) {
            Some(to) => self.fill(self.field(field, from, kind), to),
            None => self.failed = true,
        }
    }

    fn global_reloc(&mut self, name: &'static str, _: isize, field: u8, from: u8, kind: u8) {
        let field = self.field(field, from, kind);
        match self.place_of(Name::Global(name)) {
            Some(to) => self.fill(field, to),
            None => self.open.push((field, Name::Global(name))),
        }
    }

    #[inline]
    fn dynamic_reloc(&mut self, id: DynamicLabel, _: isize, field: u8, from: u8, kind: u8) {
        self.fields.push((self.field(field, from, kind), id));
    }

    #[inline]
    fn value_reloc(&mut self, value: usize, field: u8, from: u8, kind: u8) {
        self.fill(self.field(field, from, kind), value.wrapping_sub(self.base));
    }

    fn forward_relocation(&mut self, _: &'static str, _: isize, _: u8, _: u8, _: X64Relocation) {
        self.failed = true;
    }

    fn backward_relocation(&mut self, _: &'static str, _: isize, _: u8, _: u8, _: X64Relocation) {
        self.failed = true;
    }

    fn global_relocation(&mut self, _: &'static str, _: isize, _: u8, _: u8, _: X64Relocation) {
        self.failed = true;
    }

    fn dynamic_relocation(&mut self, _: DynamicLabel, _: isize, _: u8, _: u8, _: X64Relocation) {
        self.failed = true;
    }

    fn value_relocation(&mut self, _: usize, _: u8, _: u8, _: X64Relocation) {
        self.failed = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dynasmrt::dynasm;

    fn finished(asm: &mut Asm) -> Option<Vec<u8>> {
        let mut code = vec![0xCC];
        asm.finish(&mut code).map(|()| code)
    }

    #[test]
    fn jumps_lead_where_labels_are_placed() {
        let mut asm = Asm::default();
        // The second time nothing is left of the first.
        for base in [0x1000, 0x2000] {
            asm.begin(base);
            let label = asm.new_dynamic_label();
            dynasm!(asm
                ; .arch x64
                ; jmp =>label
                ; again:
                ; jne BYTE >on
                ; jmp BYTE <again
                ; on:
                ; =>label
                ; lea rax, [=>label]
                ; mov rdx, QWORD 0x1122_3344_5566_7788
                ; call extern base + 0x100
            );
            let call = (0x100 - 31) as u8;
            assert_eq!(
                finished(&mut asm).expect("all is placed"),
                [
                    &[0xE9, 4, 0, 0, 0, 0x75, 2, 0xEB, 0xFC, 0x48, 0x8D, 5, 0xF9, 0xFF, 0xFF, 0xFF][..],
                    &[0x48, 0xBA, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 0xE8, call, 0, 0, 0],
                ]
                .concat()
            );
        }
    }

    #[test]
    fn a_name_may_be_a_local_label_and_a_global_one() {
        let mut asm = Asm::new(0);
        dynasm!(asm
            ; .arch x64
            ; jmp ->name
            ; jmp BYTE >name
            ; nop
            ; name:
            ; nop
            ; ->name:
            ; jmp BYTE <name
        );
        let code = finished(&mut asm).expect("all is placed");
        assert_eq!(code, [0xE9, 4, 0, 0, 0, 0xEB, 1, 0x90, 0x90, 0xEB, 0xFD]);
    }

    #[test]
    fn a_jump_that_leads_nowhere_or_too_far_is_no_code() {
        let mut asm = Asm::new(0);
        let label = asm.new_dynamic_label();
        dynasm!(asm; .arch x64; jmp =>label);
        assert_eq!(finished(&mut asm), None);
        asm.begin(0);
        dynasm!(asm; .arch x64; jmp >nowhere);
        assert_eq!(finished(&mut asm), None);
        asm.begin(0);
        dynasm!(asm; .arch x64; jmp BYTE >far);
        asm.extend([0x90; 127].iter());
        dynasm!(asm; .arch x64; far:);
        assert!(finished(&mut asm).is_some_and(|code| code.len() == 129));
        asm.begin(0);
        dynasm!(asm; .arch x64; jmp BYTE >far);
        asm.extend([0x90; 128].iter());
        dynasm!(asm; .arch x64; far:);
        assert_eq!(finished(&mut asm), None);
        asm.begin(0);
        dynasm!(asm; .arch x64; jmp extern 1 << 40);
        assert_eq!(finished(&mut asm), None);
    }
}
