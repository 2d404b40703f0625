//! Configuration mechanism 1 and bus 0 (PCI Local Bus specification 3.0, 3.2.2.3.2).

use std::collections::BTreeMap;

use glassbox_device_api::{
    AccessSize, Device, PciFunction, PortIo, PortWindow, ResetKind, RestoreError, SaveRestore, VmTime,
};
use serde::{Deserialize, Serialize};

use crate::BarMapping;

/// CONFIG_ADDRESS bits that hold: enable, bus, device, function, dword.
const ADDRESS_BITS: u32 = 0x80ff_fffc;
const ADDRESS_ENABLE: u32 = 1 << 31;
/// The multi-function bit in the header dword.
const MULTI_FUNCTION: u32 = 1 << 23;

/// A device and function number on bus 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FunctionAddress(u8);

impl FunctionAddress {
    /// Device `slot` (0 to 31), function `function` (0 to 7).
    ///
    /// # Panics
    /// When there is no such number: a mistake in the board, not of the guest.
    pub const fn new(slot: u8, function: u8) -> Self {
        assert!(slot < 32 && function < 8);
        Self(slot << 3 | function)
    }

    /// The device number.
    pub const fn slot(self) -> u8 {
        self.0 >> 3
    }

    /// The function number.
    pub const fn function(self) -> u8 {
        self.0 & 7
    }
}

/// A function that tells where its BARs are.
pub trait PciDevice: PciFunction {
    /// Counts up whenever [`mappings`](Self::mappings) changes.
    fn mapping_version(&self) -> u64 {
        0
    }

    /// The windows that the function responds to now.
    fn mappings(&self) -> Vec<BarMapping> {
        Vec::new()
    }

    /// Reads in the window of base address register `bar` (0 to 5), in I/O or
    /// memory space as the register says; the value is in the low bits.
    fn bar_read(&mut self, bar: usize, offset: u64, size: AccessSize) -> u64 {
        let _ = (bar, offset);
        size.mask()
    }

    /// Writes in the window of base address register `bar`.
    fn bar_write(&mut self, bar: usize, offset: u64, size: AccessSize, value: u64) {
        let _ = (bar, offset, size, value);
    }
}

/// A function's windows are others than before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappingChange {
    /// The function.
    pub function: FunctionAddress,
    /// All its windows now.
    pub mappings: Vec<BarMapping>,
}

struct Slot {
    device: Box<dyn PciDevice>,
    seen: u64,
}

/// The configuration ports CF8h to CFFh (offsets 0 to 7) and the functions of bus 0.
///
/// Only a dword at CF8h is the address register. Narrower accesses to
/// CF8h to CFBh are ordinary I/O ([`PciBus::claims`]): port CF9h is the reset
/// control register.
#[derive(Default)]
pub struct PciBus {
    address: u32,
    functions: BTreeMap<FunctionAddress, Slot>,
}

impl std::fmt::Debug for PciBus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let functions = self.functions.iter().map(|(at, slot)| (at, slot.device.name()));
        f.debug_struct("PciBus")
            .field("address", &self.address)
            .field("functions", &functions.collect::<Vec<_>>())
            .finish()
    }
}

impl PciBus {
    /// Where a PC has the ports.
    pub const WINDOWS: [PortWindow; 1] = [PortWindow { port: 0xcf8, len: 8, offset: 0 }];

    /// A bus without functions.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a function in its place; gives it back when the place is taken.
    ///
    /// # Errors
    /// The device, when there is a function at `at` already.
    pub fn insert(
        &mut self,
        at: FunctionAddress,
        device: Box<dyn PciDevice>,
    ) -> Result<(), Box<dyn PciDevice>> {
        if self.functions.contains_key(&at) {
            return Err(device);
        }
        let seen = device.mapping_version();
        self.functions.insert(at, Slot { device, seen });
        Ok(())
    }

    /// Where there are functions.
    pub fn functions(&self) -> impl Iterator<Item = FunctionAddress> {
        self.functions.keys().copied()
    }

    /// What a function responds to now; nothing where there is no function.
    pub fn mappings_of(&self, at: FunctionAddress) -> Vec<BarMapping> {
        self.functions.get(&at).map(|slot| slot.device.mappings()).unwrap_or_default()
    }

    /// Whether an access in CF8h to CFFh (by offset) is a configuration access;
    /// others belong to whatever else has the port.
    pub const fn claims(offset: u16, size: AccessSize) -> bool {
        match offset {
            0 => matches!(size, AccessSize::Dword),
            4..=7 => true,
            _ => false,
        }
    }

    /// The functions whose windows changed since the last call. To be asked after
    /// a write to the ports, a reset and a restore.
    pub fn take_mapping_changes(&mut self) -> Vec<MappingChange> {
        let mut changes = Vec::new();
        for (at, slot) in &mut self.functions {
            let version = slot.device.mapping_version();
            if slot.seen != version {
                slot.seen = version;
                changes.push(MappingChange { function: *at, mappings: slot.device.mappings() });
            }
        }
        changes
    }

    /// Reads a dword of a function's configuration space, as the data port would;
    /// all ones when there is no such function.
    pub fn config_read(&mut self, at: FunctionAddress, offset: u8) -> u32 {
        let offset = offset & !3;
        let others = self.functions.keys().any(|f| f.slot() == at.slot() && f.function() != 0);
        let Some(slot) = self.functions.get_mut(&at) else { return u32::MAX };
        let value = slot.device.config_read(offset);
        if offset == 0x0c && at.function() == 0 && others { value | MULTI_FUNCTION } else { value }
    }

    /// Writes the bytes of a dword that `byte_enables` selects, as the data port would.
    pub fn config_write(&mut self, at: FunctionAddress, offset: u8, value: u32, byte_enables: u8) {
        if let Some(slot) = self.functions.get_mut(&at) {
            slot.device.config_write(offset & !3, value, byte_enables & 0xf);
        }
    }

    /// Reads in a window of a function, as [`PciDevice::bar_read`]; all ones when
    /// there is no such function.
    pub fn bar_read(&mut self, at: FunctionAddress, bar: usize, offset: u64, size: AccessSize) -> u64 {
        self.functions.get_mut(&at).map_or(size.mask(), |slot| slot.device.bar_read(bar, offset, size))
    }

    /// Writes in a window of a function, as [`PciDevice::bar_write`].
    pub fn bar_write(&mut self, at: FunctionAddress, bar: usize, offset: u64, size: AccessSize, value: u64) {
        if let Some(slot) = self.functions.get_mut(&at) {
            slot.device.bar_write(bar, offset, size, value);
        }
    }

    /// The next deadline of one function.
    pub fn deadline_of(&self, at: FunctionAddress) -> Option<VmTime> {
        self.functions.get(&at)?.device.next_deadline()
    }

    /// The function that the address register selects: bus 0 only.
    fn selected(&self) -> Option<(FunctionAddress, u8)> {
        let on_bus_0 = self.address & ADDRESS_ENABLE != 0 && self.address >> 16 & 0xff == 0;
        on_bus_0.then_some((FunctionAddress((self.address >> 8) as u8), self.address as u8))
    }
}

/// The byte enables of an access in the data port; what reaches over its end is cut off.
fn byte_enables(offset: u16, size: AccessSize) -> u8 {
    let bytes = ((1u32 << size.bytes()) - 1) as u8;
    bytes << (offset & 3) & 0xf
}

impl PortIo for PciBus {
    fn port_read(&mut self, offset: u16, size: AccessSize) -> u32 {
        let mask = size.mask() as u32;
        if !Self::claims(offset, size) {
            return mask;
        }
        if offset == 0 {
            return self.address;
        }
        let value = match self.selected() {
            Some((at, register)) => self.config_read(at, register),
            None => u32::MAX,
        };
        let shift = u32::from(offset & 3) * 8;
        // Bytes beyond the port are not driven.
        let beyond = !(u32::MAX >> shift);
        (value >> shift | beyond) & mask
    }

    fn port_write(&mut self, offset: u16, size: AccessSize, value: u32) {
        if !Self::claims(offset, size) {
            return;
        }
        if offset == 0 {
            self.address = value & ADDRESS_BITS;
        } else if let Some((at, register)) = self.selected() {
            let shift = u32::from(offset & 3) * 8;
            self.config_write(at, register, value << shift, byte_enables(offset, size));
        }
    }
}

impl Device for PciBus {
    fn name(&self) -> &'static str {
        "pci-bus"
    }

    /// The reset line of the bus: resets its functions too.
    fn reset(&mut self, kind: ResetKind) {
        self.address = 0;
        for slot in self.functions.values_mut() {
            slot.device.reset(kind);
        }
    }

    fn next_deadline(&self) -> Option<VmTime> {
        self.functions.values().filter_map(|slot| slot.device.next_deadline()).min()
    }

    fn advance(&mut self, now: VmTime) {
        for slot in self.functions.values_mut() {
            slot.device.advance(now);
        }
    }

    fn poll_host(&mut self) {
        for slot in self.functions.values_mut() {
            slot.device.poll_host();
        }
    }
}

/// Saved state of a [`PciBus`]; its functions save themselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PciBusSavedV1 {
    address: u32,
}

impl SaveRestore for PciBus {
    type Saved = PciBusSavedV1;

    fn save(&self) -> PciBusSavedV1 {
        let Self { address, functions: _ } = self;
        PciBusSavedV1 { address: *address }
    }

    fn restore(&mut self, saved: PciBusSavedV1) -> Result<(), RestoreError> {
        let PciBusSavedV1 { address } = saved;
        if address & !ADDRESS_BITS != 0 {
            return Err(RestoreError::Invalid { device: "pci-bus", field: "address" });
        }
        self.address = address;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use glassbox_testkit::{PortBus, Rng, check_save_restore_ports, fuzz_port_device};

    use super::*;
    use crate::{BarKind, ConfigSpace, HostBridge, Identity, IsaBridge, PmFunction, Shared};

    struct Card(ConfigSpace);

    impl Card {
        fn new() -> Self {
            let mut config = ConfigSpace::new(Identity {
                vendor: 0x1234,
                device: 0x5678,
                class: 0xff_0000,
                revision: 0,
                subsystem_vendor: 0,
                subsystem: 0,
            });
            assert!(config.add_bar(0, BarKind::Io, 16));
            Self(config)
        }
    }

    impl Device for Card {
        fn name(&self) -> &'static str {
            "card"
        }
        fn reset(&mut self, _: ResetKind) {
            self.0.reset();
        }
    }

    impl PciFunction for Card {
        fn config_read(&mut self, offset: u8) -> u32 {
            self.0.read(offset)
        }
        fn config_write(&mut self, offset: u8, value: u32, byte_enables: u8) {
            self.0.write(offset, value, byte_enables);
        }
    }

    impl PciDevice for Card {
        fn mapping_version(&self) -> u64 {
            self.0.mapping_version()
        }
        fn mappings(&self) -> Vec<BarMapping> {
            self.0.mappings().to_vec()
        }
    }

    fn pc() -> PciBus {
        let mut bus = PciBus::new();
        let functions: [(u8, u8, Box<dyn PciDevice>); 4] = [
            (0, 0, Box::new(HostBridge::new())),
            (1, 0, Box::new(IsaBridge::new())),
            (1, 3, Box::new(PmFunction::new(0x600, 0x700))),
            (2, 0, Box::new(Card::new())),
        ];
        for (slot, function, device) in functions {
            assert!(bus.insert(FunctionAddress::new(slot, function), device).is_ok());
        }
        bus
    }

    fn select(bus: &mut PciBus, slot: u32, function: u32, register: u32) {
        bus.out32(0, 1 << 31 | slot << 11 | function << 8 | register);
    }

    #[test]
    fn address_register_is_a_dword_and_cf9_is_not_part_of_it() {
        let mut bus = pc();
        bus.out32(0, u32::MAX);
        assert_eq!(bus.in32(0), 0x80ff_fffc);
        bus.out8(1, 0x06);
        bus.out16(0, 0);
        assert_eq!(bus.in32(0), 0x80ff_fffc);
        assert_eq!((bus.in8(1), bus.in16(0)), (0xff, 0xffff));
        assert!(!PciBus::claims(1, AccessSize::Byte));
        assert!(PciBus::claims(0, AccessSize::Dword) && PciBus::claims(5, AccessSize::Byte));
    }

    #[test]
    fn data_port_reads_bytes_words_and_dwords() {
        let mut bus = pc();
        select(&mut bus, 0, 0, 0);
        assert_eq!(bus.in32(4), 0x1237_8086);
        assert_eq!((bus.in16(4), bus.in16(6)), (0x8086, 0x1237));
        assert_eq!((bus.in8(5), bus.in8(7)), (0x80, 0x12));
        assert_eq!(bus.in16(7), 0xff12, "beyond the port nothing drives the bus");
    }

    #[test]
    fn narrow_writes_change_their_bytes_only() {
        let mut bus = pc();
        select(&mut bus, 2, 0, 0x3c);
        bus.out8(4, 0x0b);
        assert_eq!(bus.in32(4), 0x0b);
        select(&mut bus, 2, 0, 0x10);
        bus.out16(6, 0xbeef);
        assert_eq!(bus.in32(4), 0xbeef_0001);
    }

    #[test]
    fn absent_functions_other_buses_and_a_closed_port_read_all_ones() {
        let mut bus = pc();
        for address in [0x8000_f800, 0x8000_0100, 0x8001_0000, 0x0000_0000] {
            bus.out32(0, address);
            bus.out32(4, 0);
            assert_eq!(bus.in32(4), u32::MAX, "{address:#x}");
            assert_eq!(bus.in16(4), 0xffff);
        }
    }

    #[test]
    fn multi_function_bit_tells_whether_to_look_further() {
        let mut bus = pc();
        for (slot, expected) in [(0, 0), (1, 0x80), (2, 0)] {
            select(&mut bus, slot, 0, 0xc);
            assert_eq!(bus.in8(6), expected, "slot {slot}");
        }
        assert!(bus.insert(FunctionAddress::new(2, 7), Box::new(Card::new())).is_ok());
        select(&mut bus, 2, 0, 0xc);
        assert_eq!(bus.in8(6), 0x80);
    }

    #[test]
    fn a_place_is_taken_once() {
        assert!(pc().insert(FunctionAddress::new(0, 0), Box::new(Card::new())).is_err());
    }

    #[test]
    fn moved_windows_are_reported_once() {
        let mut bus = PciBus::new();
        let card = Shared::new(Card::new());
        assert!(bus.insert(FunctionAddress::new(3, 0), Box::new(card.clone())).is_ok());
        select(&mut bus, 3, 0, 0x10);
        bus.out32(4, 0xc000);
        assert_eq!(bus.take_mapping_changes(), []);
        select(&mut bus, 3, 0, 4);
        bus.out16(4, 1);
        let changes = bus.take_mapping_changes();
        assert_eq!(changes.len(), 1);
        assert_eq!((changes[0].function.slot(), changes[0].mappings[0].base), (3, 0xc000));
        assert_eq!(card.lock().0.mapping(0), Some(0xc000));
        assert_eq!(bus.take_mapping_changes(), []);
        bus.reset(ResetKind::Warm);
        assert_eq!(bus.take_mapping_changes()[0].mappings, []);
    }

    #[test]
    fn fuzz_survives() {
        fuzz_port_device(8, |_| pc());
    }

    #[test]
    fn fuzz_of_every_function_leaves_identities_alone() {
        let mut rng = Rng::new(1);
        let mut bus = pc();
        let functions: Vec<_> = bus.functions().collect();
        let identities: Vec<_> = functions.iter().map(|at| pc().config_read(*at, 0)).collect();
        for _ in 0..20_000 {
            let at = functions[rng.below(functions.len() as u64) as usize];
            bus.config_write(at, rng.next_u64() as u8, rng.value() as u32, rng.next_u64() as u8);
            bus.config_read(at, rng.next_u64() as u8);
            bus.take_mapping_changes();
        }
        for (at, identity) in functions.iter().zip(identities) {
            assert_eq!(bus.config_read(*at, 0), identity);
        }
    }

    #[test]
    fn saved_state_is_complete() {
        check_save_restore_ports(8, |_| PciBus::new());
    }
}
