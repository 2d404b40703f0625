//! The MSI capability (PCI Local Bus specification 3.0, 6.8.1).

use glassbox_device_api::MsiTarget;

use crate::ConfigSpace;

const CAPABILITY_ID: u8 = 0x05;
/// Message control: enable, multiple message capable and enable, 64 bits, per-vector masking.
const CONTROL_ENABLE: u16 = 1 << 0;
const CONTROL_64_BIT: u16 = 1 << 7;
const CONTROL_MASKING: u16 = 1 << 8;

/// Offsets in the capability.
const CONTROL: u8 = 2;
const ADDRESS: u8 = 4;
const ADDRESS_HIGH: u8 = 8;
const DATA: u8 = 12;
const MASK: u8 = 16;
const PENDING: u8 = 20;

/// An MSI capability with 64-bit addresses and per-vector masking. Its registers
/// live in the [`ConfigSpace`], so there is nothing else to save.
///
/// After each write to the configuration space the function calls
/// [`send_pending`](Self::send_pending): a vector may have been unmasked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MsiCapability {
    at: u8,
    vectors: u8,
}

impl MsiCapability {
    /// Adds the capability for `vectors` messages (rounded up to a power of two, at
    /// most 32); `None` when there is no room.
    pub fn add(config: &mut ConfigSpace, vectors: u8) -> Option<Self> {
        let vectors = vectors.clamp(1, 32).next_power_of_two();
        let control = CONTROL_64_BIT | CONTROL_MASKING | (vectors.ilog2() as u16) << 1;
        let mut body = [0; 24];
        body[0] = CAPABILITY_ID;
        body[2..4].copy_from_slice(&control.to_le_bytes());
        let mut writable = [0; 24];
        writable[usize::from(CONTROL)] = 0x71;
        writable[usize::from(ADDRESS)..usize::from(DATA)].fill(0xff);
        writable[usize::from(ADDRESS)] = 0xfc;
        writable[usize::from(DATA)..usize::from(DATA) + 2].fill(0xff);
        let used = u32::MAX >> (32 - u32::from(vectors));
        writable[usize::from(MASK)..usize::from(PENDING)].copy_from_slice(&used.to_le_bytes());
        let at = config.add_capability(&body, &writable)?;
        for (at, mask) in (at + PENDING..).zip(used.to_le_bytes()) {
            config.set_driven(at, mask, 0);
        }
        Some(Self { at, vectors })
    }

    /// Whether the guest uses messages: the function must not assert its pin then.
    pub fn is_enabled(&self, config: &ConfigSpace) -> bool {
        self.control(config) & CONTROL_ENABLE != 0
    }

    /// How many messages the guest granted, a power of two.
    pub fn granted(&self, config: &ConfigSpace) -> u8 {
        let granted = 1u8 << (self.control(config) >> 4 & 7).min(5);
        granted.min(self.vectors)
    }

    /// Sends message `vector`, or keeps it pending while it is masked or the function
    /// may not master the bus. A vector beyond those granted uses the last one's place.
    /// Nothing happens while the capability is off.
    pub fn trigger(&self, config: &mut ConfigSpace, vector: u8, target: &MsiTarget) {
        if !self.is_enabled(config) {
            return;
        }
        let vector = vector.min(self.granted(config) - 1);
        let masked = config.u32(self.at + MASK) & 1 << vector != 0;
        if masked || !config.is_bus_master() {
            self.set_pending(config, vector, true);
        } else {
            self.send(config, vector, target);
        }
    }

    /// Sends what was held back and no longer is.
    pub fn send_pending(&self, config: &mut ConfigSpace, target: &MsiTarget) {
        if !self.is_enabled(config) || !config.is_bus_master() {
            return;
        }
        let ready = config.u32(self.at + PENDING) & !config.u32(self.at + MASK);
        for vector in (0..self.vectors).filter(|v| ready & 1 << v != 0) {
            self.set_pending(config, vector, false);
            self.send(config, vector.min(self.granted(config) - 1), target);
        }
    }

    fn control(&self, config: &ConfigSpace) -> u16 {
        config.u16(self.at + CONTROL)
    }

    fn set_pending(&self, config: &mut ConfigSpace, vector: u8, pending: bool) {
        let bit = 1 << (vector & 7);
        config.set_driven(self.at + PENDING + vector / 8, bit, if pending { bit } else { 0 });
    }

    fn send(&self, config: &ConfigSpace, vector: u8, target: &MsiTarget) {
        let address =
            u64::from(config.u32(self.at + ADDRESS_HIGH)) << 32 | u64::from(config.u32(self.at + ADDRESS));
        // The low bits of the data are the function's to choose among those granted.
        let own = u16::from(self.granted(config)) - 1;
        let data = config.u16(self.at + DATA) & !own | u16::from(vector);
        target.send(address, data.into());
    }
}

#[cfg(test)]
mod tests {
    use glassbox_device_api::Signal;
    use glassbox_testkit::Bench;

    use super::*;
    use crate::Identity;

    fn function(vectors: u8) -> (ConfigSpace, MsiCapability) {
        let mut config = ConfigSpace::new(Identity {
            vendor: 1,
            device: 2,
            class: 0,
            revision: 0,
            subsystem_vendor: 0,
            subsystem: 0,
        });
        let msi = MsiCapability::add(&mut config, vectors).unwrap();
        config.write(4, 4, 1);
        config.write(0x44, 0xfee0_1003, 0xf);
        config.write(0x4c, 0x4050, 0xf);
        (config, msi)
    }

    fn sent(data: u32) -> Signal {
        Signal::Msi { address: 0xfee0_1000, data }
    }

    #[test]
    fn control_tells_width_masking_and_vectors() {
        let (config, _) = function(3);
        assert_eq!(config.u8(0x34), 0x40);
        assert_eq!(config.read(0x40), 0x0184_0005);
    }

    #[test]
    fn message_goes_out_only_when_enabled() {
        let bench = Bench::new();
        let (mut config, msi) = function(1);
        msi.trigger(&mut config, 0, &bench.msi());
        assert_eq!(bench.take(), []);
        config.write(0x40, 1 << 16, 0xc);
        msi.trigger(&mut config, 0, &bench.msi());
        assert_eq!(bench.take(), [sent(0x4050)]);
    }

    #[test]
    fn vectors_replace_the_low_data_bits_that_were_granted() {
        let bench = Bench::new();
        let (mut config, msi) = function(8);
        config.write(0x40, 0x21 << 16, 0xc);
        assert_eq!(msi.granted(&config), 4);
        msi.trigger(&mut config, 2, &bench.msi());
        msi.trigger(&mut config, 7, &bench.msi());
        assert_eq!(bench.take(), [sent(0x4052), sent(0x4053)]);
        config.write(0x40, 0x71 << 16, 0xc);
        assert_eq!(msi.granted(&config), 8, "never more than there are");
    }

    #[test]
    fn masked_vector_pends_until_unmasked() {
        let bench = Bench::new();
        let (mut config, msi) = function(4);
        config.write(0x40, 0x21 << 16, 0xc);
        config.write(0x50, 0xffff_ffff, 0xf);
        assert_eq!(config.read(0x50), 0xf, "only vectors that exist");
        msi.trigger(&mut config, 1, &bench.msi());
        assert_eq!(config.read(0x54), 2);
        config.write(0x54, 0, 0xf);
        msi.send_pending(&mut config, &bench.msi());
        assert_eq!(bench.take(), []);
        config.write(0x50, 0xd, 0xf);
        msi.send_pending(&mut config, &bench.msi());
        assert_eq!(bench.take(), [sent(0x4051)]);
        assert_eq!(config.read(0x54), 0);
    }

    #[test]
    fn message_waits_for_bus_mastering() {
        let bench = Bench::new();
        let (mut config, msi) = function(1);
        config.write(0x40, 1 << 16, 0xc);
        config.write(4, 0, 1);
        msi.trigger(&mut config, 0, &bench.msi());
        assert_eq!(bench.take(), []);
        config.write(4, 4, 1);
        msi.send_pending(&mut config, &bench.msi());
        assert_eq!(bench.take(), [sent(0x4050)]);
    }
}
