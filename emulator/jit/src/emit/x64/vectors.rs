//! Guest XMM and YMM registers in the host's registers of the same number, from
//! their first use to the end of the block.

use super::Emitter;
use super::encode::Rm;
use glassbox_cpu::compiled::layout;

/// Which registers are where; a bit for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vectors {
    /// The lower 128 bits are in the host's register.
    pub loaded: u16,
    /// All 256 bits are.
    pub long: u16,
    /// The lower 128 bits differ from memory.
    pub dirty: u16,
    /// The upper 128 bits do.
    pub dirty_long: u16,
}

/// The memory of register `n`.
fn home(n: u8) -> Rm {
    Rm::field(layout::VEC + 32 * n as usize)
}

fn each(set: u16) -> impl Iterator<Item = u8> {
    (0..16).filter(move |n| set >> n & 1 != 0)
}

impl Emitter<'_> {
    /// Makes register `n` readable, all of it if `long`.
    pub fn vector_for_read(&mut self, n: u8, long: bool) {
        let bit = 1 << n;
        if long && self.vectors.long & bit == 0 {
            if self.vectors.dirty & bit != 0 {
                self.move_vector(n, home(n), false, true);
                self.vectors.dirty &= !bit;
            }
            self.move_vector(n, home(n), true, false);
            self.vectors.loaded |= bit;
            self.vectors.long |= bit;
        } else if self.vectors.loaded & bit == 0 {
            self.move_vector(n, home(n), false, false);
            self.vectors.loaded |= bit;
        }
    }

    /// Notes that register `n` was written; `whole` with its upper half.
    pub fn vector_written(&mut self, n: u8, whole: bool) {
        let bit = 1 << n;
        self.vectors.loaded |= bit;
        self.vectors.dirty |= bit;
        if whole {
            self.vectors.long |= bit;
            self.vectors.dirty_long |= bit;
        }
    }

    /// Stores what differs from memory in `state`. Flags stay.
    pub fn store_vectors(&mut self, state: Vectors) {
        for n in each(state.dirty | state.dirty_long) {
            self.move_vector(n, home(n), state.dirty_long >> n & 1 != 0, true);
        }
    }

    /// Loads what `state` says is loaded. Flags stay.
    pub fn load_vectors(&mut self, state: Vectors) {
        for n in each(state.loaded) {
            self.move_vector(n, home(n), state.long >> n & 1 != 0, false);
        }
    }

    /// Stores what differs from memory; all stay loaded.
    pub fn clean_vectors(&mut self) {
        self.store_vectors(self.vectors);
        self.vectors.dirty = 0;
        self.vectors.dirty_long = 0;
    }
}
