//! Guest XMM registers in the host's V16 to V31, from their first use to the end of the
//! block. The upper halves of YMM registers stay in memory. V0 to V7 are scratch.

use super::Emitter;
use super::map::{CPU, THIRD, VALUE, ZERO, vector};
use super::simd::Format;
use crate::ir::Size;
use crate::lift::native::{Field, File};
use dynasmrt::{DynasmApi, DynasmLabelApi, dynasm};
use glassbox_cpu::compiled::layout;

/// What is known of the XMM registers; a bit for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vectors {
    /// It is in its host register.
    pub loaded: u16,
    /// It differs from memory.
    pub dirty: u16,
    /// It holds no denormal number, read in this [`Format`].
    pub plain: [u16; 4],
}

impl Vectors {
    /// Notes that another register, or something else, is in register `n`.
    fn replaced(&mut self, n: u8) {
        for plain in &mut self.plain {
            *plain &= !(1 << n);
        }
    }
}

/// Where the lower or the upper half of YMM register `n` is.
fn home(n: u8, upper: bool) -> usize {
    layout::VEC + 32 * n as usize + if upper { 16 } else { 0 }
}

/// The registers of a set.
pub fn each(set: u16) -> impl Iterator<Item = u8> {
    (0..16).filter(move |n| set >> n & 1 != 0)
}

impl Emitter<'_> {
    /// The host register that holds XMM register `n`.
    pub fn xmm(&mut self, n: u8) -> u8 {
        if self.vectors.loaded >> n & 1 == 0 {
            self.load_home(vector(n), n, false);
            self.vectors.loaded |= 1 << n;
        }
        vector(n)
    }

    /// The host register of XMM register `n`, all of which is about to be written.
    pub fn xmm_written(&mut self, n: u8) -> u8 {
        self.vectors.loaded |= 1 << n;
        self.vectors.dirty |= 1 << n;
        self.vectors.replaced(n);
        self.written |= 1 << n;
        vector(n)
    }

    /// Loads a half of YMM register `n` from memory.
    pub fn load_home(&mut self, v: u8, n: u8, upper: bool) {
        let offset = home(n, upper);
        if offset & 15 == 0 {
            dynasm!(self.asm; .arch aarch64; ldr Q(v), [X(CPU), offset as u32]);
        } else {
            self.add_constant(true, THIRD, CPU, offset as i64);
            dynasm!(self.asm; .arch aarch64; ldr Q(v), [X(THIRD)]);
        }
    }

    /// Stores a half of YMM register `n`.
    pub fn store_home(&mut self, v: u8, n: u8, upper: bool) {
        let offset = home(n, upper);
        if offset & 15 == 0 {
            dynasm!(self.asm; .arch aarch64; str Q(v), [X(CPU), offset as u32]);
        } else {
            self.add_constant(true, THIRD, CPU, offset as i64);
            dynasm!(self.asm; .arch aarch64; str Q(v), [X(THIRD)]);
        }
    }

    /// Clears the upper half of YMM register `n`.
    pub fn clear_upper(&mut self, n: u8) {
        let offset = home(n, true);
        self.add_constant(true, THIRD, CPU, offset as i64);
        dynasm!(self.asm; .arch aarch64; stp X(ZERO), X(ZERO), [X(THIRD)]);
    }

    /// Clears the upper halves of all of them.
    pub fn clear_uppers(&mut self) {
        self.add_constant(true, THIRD, CPU, home(0, true) as i64);
        for n in 0..16 {
            dynasm!(self.asm; .arch aarch64; stp X(ZERO), X(ZERO), [X(THIRD), 32 * n]);
        }
    }

    /// A host register that holds `bytes` of an operand: its own, or `v` with the rest
    /// cleared.
    pub fn source(&mut self, from: Field, v: u8, bytes: u8) -> u8 {
        let (base, index) = (self.cell.base, self.cell.index);
        match (from.file, bytes) {
            (File::Xmm | File::Ymm, _) => return self.xmm(from.n),
            (File::General, 8) => dynasm!(self.asm; .arch aarch64; fmov D(v), X(super::map::host(from.n))),
            (File::General, _) => dynasm!(self.asm; .arch aarch64; fmov S(v), W(super::map::host(from.n))),
            (_, 16) => dynasm!(self.asm; .arch aarch64; ldr Q(v), [X(base), X(index)]),
            (_, 8) => dynasm!(self.asm; .arch aarch64; ldr D(v), [X(base), X(index)]),
            (_, 4) => dynasm!(self.asm; .arch aarch64; ldr S(v), [X(base), X(index)]),
            (_, 2) => dynasm!(self.asm; .arch aarch64; ldr H(v), [X(base), X(index)]),
            _ => dynasm!(self.asm; .arch aarch64; ldr B(v), [X(base), X(index)]),
        }
        v
    }

    /// Stores the lowest `bytes` of a host register to the cell.
    pub fn store_to_cell(&mut self, v: u8, bytes: u8) {
        let (base, index) = (self.cell.base, self.cell.index);
        match bytes {
            16 => dynasm!(self.asm; .arch aarch64; str Q(v), [X(base), X(index)]),
            8 => dynasm!(self.asm; .arch aarch64; str D(v), [X(base), X(index)]),
            4 => dynasm!(self.asm; .arch aarch64; str S(v), [X(base), X(index)]),
            2 => dynasm!(self.asm; .arch aarch64; str H(v), [X(base), X(index)]),
            _ => dynasm!(self.asm; .arch aarch64; str B(v), [X(base), X(index)]),
        }
    }

    /// Whether XMM register `n` is known to hold no denormal number.
    pub fn is_plain(&self, n: u8, format: Format) -> bool {
        let whole = Format { packed: true, ..format };
        (self.vectors.plain[format.index()] | self.vectors.plain[whole.index()]) >> n & 1 != 0
    }

    /// Notes that it holds none.
    pub fn set_plain(&mut self, n: u8, format: Format) {
        self.vectors.plain[format.index()] |= 1 << n;
    }

    /// Notes that it holds what register `from` does.
    pub fn copy_plain(&mut self, n: u8, from: u8) {
        for plain in &mut self.vectors.plain {
            *plain = *plain & !(1 << n) | (*plain >> from & 1) << n;
        }
    }

    /// Stores what differs from memory in `state`. Flags stay.
    pub fn store_vectors(&mut self, state: Vectors) {
        for n in each(state.dirty) {
            self.store_home(vector(n), n, false);
        }
    }

    /// Loads what `state` says is loaded. Flags stay.
    pub fn load_vectors(&mut self, state: Vectors) {
        for n in each(state.loaded) {
            self.load_home(vector(n), n, false);
        }
    }

    /// Stores what differs from memory; all stay loaded.
    pub fn clean_vectors(&mut self) {
        self.store_vectors(self.vectors);
        self.vectors.dirty = 0;
    }

    /// Leaves for the interpreter unless the processor's flag at an offset is set.
    pub fn check_ready(&mut self, offset: usize) {
        let refused = self.refused;
        self.load_field(Size::B8, VALUE, offset);
        dynasm!(self.asm; .arch aarch64; cbz W(VALUE), =>refused);
    }
}
