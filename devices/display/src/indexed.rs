//! A file of registers behind an index port and a data port.

use std::marker::PhantomData;

use serde::{Deserialize, Serialize};

/// What distinguishes one file from another.
pub(crate) trait RegisterFile<const N: usize> {
    /// Bits of each register that there are.
    const BITS: [u8; N];

    /// Bits of a register that a write through the data port changes now.
    fn writable(registers: &[u8; N], index: u8) -> u8 {
        let _ = registers;
        Self::BITS.get(usize::from(index)).copied().unwrap_or(0)
    }
}

/// `N` registers, and the number of the one that the data port shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Saved", into = "Saved", bound = "F: Clone")]
pub(crate) struct IndexedRegisters<F, const N: usize> {
    pub index: u8,
    registers: [u8; N],
    file: PhantomData<F>,
}

/// Arrays of any length have no saved form of their own.
#[derive(Serialize, Deserialize)]
struct Saved {
    index: u8,
    registers: Vec<u8>,
}

impl<F, const N: usize> From<IndexedRegisters<F, N>> for Saved {
    fn from(from: IndexedRegisters<F, N>) -> Self {
        Self { index: from.index, registers: from.registers.into() }
    }
}

impl<F, const N: usize> TryFrom<Saved> for IndexedRegisters<F, N> {
    type Error = &'static str;

    fn try_from(saved: Saved) -> Result<Self, Self::Error> {
        let registers = saved.registers.try_into().map_err(|_| "not as many registers as there are")?;
        Ok(Self { index: saved.index, registers, file: PhantomData })
    }
}

impl<F, const N: usize> Default for IndexedRegisters<F, N> {
    fn default() -> Self {
        Self { index: 0, registers: [0; N], file: PhantomData }
    }
}

impl<F: RegisterFile<N>, const N: usize> IndexedRegisters<F, N> {
    /// What a saved state must satisfy.
    pub fn is_valid(&self) -> bool {
        self.registers.iter().zip(F::BITS).all(|(value, bits)| value & !bits == 0)
    }

    /// The data port.
    pub fn read(&self) -> u8 {
        self.register(self.index)
    }

    /// The data port.
    pub fn write(&mut self, value: u8) {
        let writable = F::writable(&self.registers, self.index);
        self.set(self.index, self.read() & !writable | value & writable);
    }

    /// A register; 0 where there is none.
    pub fn register(&self, index: u8) -> u8 {
        self.registers.get(usize::from(index)).copied().unwrap_or(0)
    }

    /// Sets a register whatever its protection.
    pub fn set(&mut self, index: u8, value: u8) {
        let at = usize::from(index);
        if let (Some(register), Some(bits)) = (self.registers.get_mut(at), F::BITS.get(at)) {
            *register = value & bits;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, PartialEq, Eq)]
    struct Locked;

    /// Register 1 locks the low half of register 0.
    impl RegisterFile<2> for Locked {
        const BITS: [u8; 2] = [0x7f, 0x01];

        fn writable(registers: &[u8; 2], index: u8) -> u8 {
            if index == 0 && registers[1] != 0 { 0xf0 } else { 0xff }
        }
    }

    #[test]
    fn bits_that_are_not_there_or_locked_do_not_change() {
        let mut file = IndexedRegisters::<Locked, 2>::default();
        file.write(0xff);
        file.set(1, 0xff);
        file.write(0);
        assert_eq!((file.register(0), file.register(1), file.register(2)), (0x0f, 1, 0));
        file.index = 2;
        file.write(0xff);
        assert_eq!((file.read(), file.is_valid()), (0, true));
    }

    #[test]
    fn a_saved_file_has_as_many_registers() {
        let saved = |registers: &[u8]| Saved { index: 9, registers: registers.to_vec() };
        assert!(IndexedRegisters::<Locked, 2>::try_from(saved(&[1])).is_err());
        let file = IndexedRegisters::<Locked, 2>::try_from(saved(&[0x80, 0])).unwrap();
        assert_eq!((file.index, file.is_valid()), (9, false), "bit 7 is not there");
    }
}
