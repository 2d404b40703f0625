//! A set of the 256 interrupt vectors: the ISR, TMR and IRR.

use serde::{Deserialize, Serialize};

/// One bit per vector, laid out as the eight 32-bit registers show it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VectorSet([u32; 8]);

impl VectorSet {
    /// Adds a vector; tells whether it was not yet there.
    pub fn insert(&mut self, vector: u8) -> bool {
        let (word, bit) = Self::place(vector);
        let new = self.0[word] & bit == 0;
        self.0[word] |= bit;
        new
    }

    /// Removes a vector.
    pub fn remove(&mut self, vector: u8) {
        let (word, bit) = Self::place(vector);
        self.0[word] &= !bit;
    }

    /// Whether the vector is in the set.
    pub fn contains(&self, vector: u8) -> bool {
        let (word, bit) = Self::place(vector);
        self.0[word] & bit != 0
    }

    /// The highest vector, which is the one of the highest priority.
    pub fn highest(&self) -> Option<u8> {
        let word = self.0.iter().rposition(|w| *w != 0)?;
        Some((word as u32 * 32 + self.0[word].ilog2()) as u8)
    }

    /// Register `index` (0 to 7) of the set.
    pub fn register(&self, index: usize) -> u32 {
        self.0.get(index).copied().unwrap_or(0)
    }

    /// Whether the set holds vectors 0 to 15, which no APIC ever accepts.
    pub(super) fn has_reserved(&self) -> bool {
        self.0[0] & 0xffff != 0
    }

    const fn place(vector: u8) -> (usize, u32) {
        ((vector >> 5) as usize, 1 << (vector & 31))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn highest_is_the_largest_vector() {
        let mut set = VectorSet::default();
        assert_eq!(set.highest(), None);
        assert!(set.insert(0x20) && set.insert(0xff) && !set.insert(0x20));
        assert_eq!(set.highest(), Some(0xff));
        set.remove(0xff);
        assert_eq!(set.highest(), Some(0x20));
        assert_eq!(set.register(1), 1);
    }
}
