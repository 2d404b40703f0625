//! The MSI-X capability with its table and pending bits (PCI Local Bus specification 3.0, 6.8.2).

use glassbox_device_api::{AccessSize, MsiTarget, RestoreError, SaveRestore};
use serde::{Deserialize, Serialize};

use crate::ConfigSpace;

const CAPABILITY_ID: u8 = 0x11;
const CONTROL: u8 = 2;
const CONTROL_MASK_ALL: u16 = 1 << 14;
const CONTROL_ENABLE: u16 = 1 << 15;
/// Vector control: the entry's mask bit.
const ENTRY_MASKED: u32 = 1;
/// Bytes of a table entry.
const ENTRY_SIZE: u64 = 16;
/// The most entries that the capability can tell of.
const MAX_VECTORS: u16 = 2048;

/// The address (low, high), data and vector control of one vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    words: [u32; 4],
}

impl Entry {
    const RESET: Self = Self { words: [0, 0, 0, ENTRY_MASKED] };
    const WRITABLE: [u32; 4] = [!3, u32::MAX, u32::MAX, ENTRY_MASKED];

    fn is_masked(&self) -> bool {
        self.words[3] & ENTRY_MASKED != 0
    }
}

/// MSI-X of one function.
///
/// The table and the pending bits lie in a memory BAR; the function passes the
/// accesses there to [`mmio_read`](Self::mmio_read) and [`mmio_write`](Self::mmio_write),
/// and calls [`send_pending`](Self::send_pending) after each write to its
/// configuration space.
#[derive(Clone, Debug)]
pub struct Msix {
    at: u8,
    table_offset: u64,
    pending_offset: u64,
    entries: Vec<Entry>,
    pending: Vec<bool>,
}

impl Msix {
    /// Adds the capability for `vectors` (1 to 2048) messages, with table and pending
    /// bits at offsets (multiples of 8) in memory BAR number `bar`; `None` when there
    /// is no room or the place is not possible.
    pub fn add(
        config: &mut ConfigSpace,
        vectors: u16,
        bar: u8,
        table_offset: u32,
        pending_offset: u32,
    ) -> Option<Self> {
        let vectors = vectors.clamp(1, MAX_VECTORS);
        let table_end = u64::from(table_offset) + u64::from(vectors) * ENTRY_SIZE;
        let pending_end = u64::from(pending_offset) + Self::pending_bytes(vectors);
        let overlap = u64::from(table_offset) < pending_end && u64::from(pending_offset) < table_end;
        if bar > 5 || (table_offset | pending_offset) & 7 != 0 || overlap {
            return None;
        }
        let mut body = [0; 12];
        body[0] = CAPABILITY_ID;
        body[2..4].copy_from_slice(&(vectors - 1).to_le_bytes());
        body[4..8].copy_from_slice(&(table_offset | u32::from(bar)).to_le_bytes());
        body[8..12].copy_from_slice(&(pending_offset | u32::from(bar)).to_le_bytes());
        let at = config.add_capability(&body, &[0, 0, 0, 0xc0])?;
        Some(Self {
            at,
            table_offset: table_offset.into(),
            pending_offset: pending_offset.into(),
            entries: vec![Entry::RESET; vectors.into()],
            pending: vec![false; vectors.into()],
        })
    }

    fn pending_bytes(vectors: u16) -> u64 {
        u64::from(vectors).div_ceil(64) * 8
    }

    /// Whether the guest uses MSI-X: the function must not assert its pin then.
    pub fn is_enabled(&self, config: &ConfigSpace) -> bool {
        config.u16(self.at + CONTROL) & CONTROL_ENABLE != 0
    }

    fn can_send(&self, config: &ConfigSpace) -> bool {
        self.is_enabled(config)
            && config.u16(self.at + CONTROL) & CONTROL_MASK_ALL == 0
            && config.is_bus_master()
    }

    /// Sends message `vector`, or keeps it pending while it is masked. Nothing
    /// happens for a vector that does not exist or while MSI-X is off.
    pub fn trigger(&mut self, config: &ConfigSpace, vector: u16, target: &MsiTarget) {
        if self.is_enabled(config)
            && let Some(pending) = self.pending.get_mut(usize::from(vector))
        {
            *pending = true;
            self.send_pending(config, target);
        }
    }

    /// Sends what was held back and no longer is.
    pub fn send_pending(&mut self, config: &ConfigSpace, target: &MsiTarget) {
        if !self.can_send(config) {
            return;
        }
        for (entry, pending) in self.entries.iter().zip(&mut self.pending) {
            if *pending && !entry.is_masked() {
                *pending = false;
                let address = u64::from(entry.words[1]) << 32 | u64::from(entry.words[0]);
                target.send(address, entry.words[2]);
            }
        }
    }

    /// All entries masked, nothing pending.
    pub fn reset(&mut self) {
        self.entries.fill(Entry::RESET);
        self.pending.fill(false);
    }

    /// Whether an offset in the BAR is in the table or the pending bits.
    pub fn contains(&self, offset: u64) -> bool {
        self.word_of_table(offset).is_some() || self.word_of_pending(offset).is_some()
    }

    fn word_of_table(&self, offset: u64) -> Option<(usize, usize)> {
        let at = offset.checked_sub(self.table_offset)?;
        let index = usize::try_from(at / ENTRY_SIZE).ok().filter(|i| *i < self.entries.len())?;
        Some((index, (at % ENTRY_SIZE / 4) as usize))
    }

    fn word_of_pending(&self, offset: u64) -> Option<usize> {
        let at = offset.checked_sub(self.pending_offset)?;
        (at < Self::pending_bytes(self.pending.len() as u16)).then_some((at / 4) as usize)
    }

    fn read_word(&self, offset: u64) -> u32 {
        if let Some((index, word)) = self.word_of_table(offset) {
            return self.entries[index].words[word];
        }
        let Some(word) = self.word_of_pending(offset) else { return 0 };
        let bits = self.pending.iter().skip(word * 32).take(32).enumerate();
        bits.fold(0, |value, (i, pending)| value | u32::from(*pending) << i)
    }

    /// Reads the table or the pending bits at an offset in the BAR. Accesses are
    /// dwords or qwords; narrower ones read their part.
    pub fn mmio_read(&self, offset: u64, size: AccessSize) -> u64 {
        let low = u64::from(self.read_word(offset & !3)) >> ((offset & 3) * 8);
        let high = match size {
            AccessSize::Qword => u64::from(self.read_word((offset & !3).wrapping_add(4))) << 32,
            _ => 0,
        };
        (low | high) & size.mask()
    }

    /// Writes the table at an offset in the BAR, by dwords or qwords; others and the
    /// pending bits are not written. An entry that this unmasks is sent when pending.
    pub fn mmio_write(
        &mut self,
        config: &ConfigSpace,
        target: &MsiTarget,
        offset: u64,
        size: AccessSize,
        value: u64,
    ) {
        if size < AccessSize::Dword || offset & 3 != 0 {
            return;
        }
        for i in 0..size.bytes() / 4 {
            if let Some((index, word)) = self.word_of_table(offset.wrapping_add(i * 4)) {
                self.entries[index].words[word] = (value >> (32 * i)) as u32 & Entry::WRITABLE[word];
            }
        }
        self.send_pending(config, target);
    }
}

/// Saved state of an [`Msix`]; the control register is in the configuration space.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MsixSavedV1 {
    entries: Vec<[u32; 4]>,
    pending: Vec<bool>,
}

impl SaveRestore for Msix {
    type Saved = MsixSavedV1;

    fn save(&self) -> MsixSavedV1 {
        let Self { at: _, table_offset: _, pending_offset: _, entries, pending } = self;
        MsixSavedV1 { entries: entries.iter().map(|e| e.words).collect(), pending: pending.clone() }
    }

    fn restore(&mut self, saved: MsixSavedV1) -> Result<(), RestoreError> {
        let MsixSavedV1 { entries, pending } = saved;
        let possible =
            |words: &[u32; 4]| words.iter().zip(Entry::WRITABLE).all(|(word, mask)| word & !mask == 0);
        if entries.len() != self.entries.len() || !entries.iter().all(possible) {
            return Err(RestoreError::Invalid { device: "msi-x", field: "entries" });
        }
        if pending.len() != self.pending.len() {
            return Err(RestoreError::Invalid { device: "msi-x", field: "pending" });
        }
        self.entries = entries.into_iter().map(|words| Entry { words }).collect();
        self.pending = pending;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use glassbox_device_api::Signal;
    use glassbox_testkit::{Bench, Rng};

    use super::*;
    use crate::Identity;

    struct Function {
        bench: Bench,
        config: ConfigSpace,
        msix: Msix,
    }

    impl Function {
        fn new(vectors: u16) -> Self {
            let mut config = ConfigSpace::new(Identity {
                vendor: 1,
                device: 2,
                class: 0,
                revision: 0,
                subsystem_vendor: 0,
                subsystem: 0,
            });
            let msix = Msix::add(&mut config, vectors, 1, 0, 0x800).unwrap();
            config.write(4, 4, 1);
            Self { bench: Bench::new(), config, msix }
        }

        fn control(&mut self, value: u16) {
            self.config.write(0x40, u32::from(value) << 16, 0xc);
            self.msix.send_pending(&self.config, &self.bench.msi());
        }

        fn write(&mut self, offset: u64, value: u32) {
            self.msix.mmio_write(&self.config, &self.bench.msi(), offset, AccessSize::Dword, value.into());
        }

        fn read(&self, offset: u64) -> u32 {
            self.msix.mmio_read(offset, AccessSize::Dword) as u32
        }

        fn program(&mut self, vector: u16, data: u32) {
            let at = u64::from(vector) * 16;
            for (i, word) in [0xfee0_0000, 0, data, 0].into_iter().enumerate() {
                self.write(at + 4 * i as u64, word);
            }
        }

        fn trigger(&mut self, vector: u16) -> Vec<Signal> {
            self.msix.trigger(&self.config, vector, &self.bench.msi());
            self.bench.take()
        }
    }

    fn sent(data: u32) -> Vec<Signal> {
        vec![Signal::Msi { address: 0xfee0_0000, data }]
    }

    #[test]
    fn capability_tells_table_and_pending_bits() {
        let f = Function::new(3);
        assert_eq!(f.config.read(0x40), 0x0002_0011);
        assert_eq!((f.config.read(0x44), f.config.read(0x48)), (0x0000_0001, 0x0000_0801));
        assert_eq!(f.read(0x2c), 1, "masked after reset");
        assert!(f.msix.contains(0x2f) && !f.msix.contains(0x30) && f.msix.contains(0x807));
    }

    #[test]
    fn each_vector_has_its_own_message() {
        let mut f = Function::new(3);
        f.program(2, 0x41);
        assert_eq!(f.trigger(2), [], "off");
        f.control(CONTROL_ENABLE);
        assert_eq!(f.trigger(2), sent(0x41));
        assert_eq!(f.trigger(3), [], "no such vector");
    }

    #[test]
    fn masked_messages_pend_and_go_out_when_unmasked() {
        let mut f = Function::new(40);
        f.program(33, 0x50);
        f.control(CONTROL_ENABLE);
        f.write(33 * 16 + 12, u32::MAX);
        assert_eq!(f.read(33 * 16 + 12), 1);
        assert_eq!(f.trigger(33), []);
        assert_eq!((f.read(0x800), f.read(0x804)), (0, 2));
        f.write(0x804, 0);
        f.write(33 * 16 + 12, 0);
        assert_eq!(f.bench.take(), sent(0x50));
        assert_eq!(f.read(0x804), 0);
        f.control(CONTROL_ENABLE | CONTROL_MASK_ALL);
        assert_eq!(f.trigger(33), []);
        f.control(CONTROL_ENABLE);
        assert_eq!(f.bench.take(), sent(0x50));
    }

    #[test]
    fn overlapping_or_misaligned_places_are_refused() {
        let mut f = Function::new(1);
        assert!(Msix::add(&mut f.config, 2, 1, 0, 16).is_none());
        assert!(Msix::add(&mut f.config, 2, 1, 4, 64).is_none());
        assert!(Msix::add(&mut f.config, 2, 6, 0, 64).is_none());
    }

    #[test]
    fn random_accesses_save_and_restore() {
        for seed in 0..16 {
            let mut f = Function::new(5);
            let mut rng = Rng::new(seed);
            f.control(CONTROL_ENABLE);
            for _ in 0..300 {
                let size = rng.size(AccessSize::Qword);
                let offset = rng.below(0x900);
                f.msix.mmio_write(&f.config, &f.bench.msi(), offset, size, rng.value());
                assert_eq!(f.msix.mmio_read(offset, size) & !size.mask(), 0);
                f.trigger(rng.below(6) as u16);
            }
            let mut other = Function::new(5);
            other.msix.restore(f.msix.save()).unwrap();
            assert_eq!(other.msix.save(), f.msix.save());
            assert!(Function::new(4).msix.restore(f.msix.save()).is_err());
        }
    }
}
