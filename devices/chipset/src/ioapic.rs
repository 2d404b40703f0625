//! The I/O APIC (Intel 82093AA), version 20h with an EOI register as later chipsets have it.
//!
//! A pin's level is *asserted* or not: the polarity of the wire is the board's
//! business, so the polarity bit of an entry can be written and read but turns
//! nothing around.

use std::fmt;

use glassbox_device_api::{AccessSize, Device, Mmio, ResetKind, RestoreError, SaveRestore};
use serde::{Deserialize, Serialize};

use crate::message::{DeliveryMode, InterruptMessage, TriggerMode};

/// Interrupt input pins.
pub const IOAPIC_PINS: usize = 24;
/// Where PCs have the I/O APIC in physical memory.
pub const IOAPIC_BASE: u64 = 0xfec0_0000;

const IOREGSEL: u64 = 0x00;
const IOWIN: u64 = 0x10;
const EOI: u64 = 0x40;

const REG_ID: u8 = 0x00;
const REG_VERSION: u8 = 0x01;
const REG_ARBITRATION: u8 = 0x02;
const REG_TABLE: u8 = 0x10;
const VERSION_VALUE: u32 = (IOAPIC_PINS as u32 - 1) << 16 | 0x20;

const REMOTE_IRR: u64 = 1 << 14;
const LEVEL: u64 = 1 << 15;
const MASKED: u64 = 1 << 16;
/// Vector, delivery mode, destination mode, polarity, trigger mode, mask, destination.
/// Delivery status (bit 12, always idle) and remote IRR are read-only.
const WRITABLE: u64 = 0xff00_0000_0001_afff;

/// Messages kept for a board that does not drain them.
const MAX_OUTGOING: usize = 1024;

/// The I/O APIC.
#[derive(Debug)]
pub struct IoApic {
    select: u8,
    id: u8,
    table: [u64; IOAPIC_PINS],
    /// Bit per pin: asserted.
    levels: u32,
    outgoing: Vec<InterruptMessage>,
}

/// What a person wants to know: the redirection table.
impl fmt::Display for IoApic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "I/O APIC {}", self.id)?;
        for (pin, entry) in self.table.iter().enumerate() {
            let level = if self.levels & 1 << pin == 0 { "low" } else { "high" };
            write!(f, "pin {pin:2} {level:4} vector {:#04x} ", *entry as u8)?;
            let has = |bit: u64, yes, no| if entry & bit != 0 { yes } else { no };
            let trigger = if is_level(*entry) { "level" } else { "edge" };
            let mode = entry >> 8 & 7;
            let (logical, low) = (has(1 << 11, "logical", "physical"), has(1 << 13, "active-low ", ""));
            write!(f, "{trigger} {low}{logical} to {:#04x} mode {mode} ", entry >> 56)?;
            writeln!(f, "{}{}", has(REMOTE_IRR, "remote-irr ", ""), has(MASKED, "masked", "open"))?;
        }
        Ok(())
    }
}

impl Default for IoApic {
    fn default() -> Self {
        Self::new()
    }
}

impl IoApic {
    /// An I/O APIC after reset: all pins masked.
    pub fn new() -> Self {
        Self { select: 0, id: 0, table: [MASKED; IOAPIC_PINS], levels: 0, outgoing: Vec::new() }
    }

    /// Drives an input pin; `level` is true for asserted.
    pub fn set_pin(&mut self, pin: usize, level: bool) {
        let Some(entry) = self.table.get(pin).copied() else { return };
        let bit = 1 << pin;
        let rising = level && self.levels & bit == 0;
        self.levels = if level { self.levels | bit } else { self.levels & !bit };
        if is_level(entry) {
            self.service_level(pin);
        } else if rising && entry & MASKED == 0 {
            // An edge on a masked pin is lost (82093AA 3.2.4, interrupt mask).
            self.send(entry);
        }
    }

    /// An EOI broadcast or a write to the EOI register: level-triggered entries
    /// with the vector may interrupt again, and do when their pin is still asserted.
    pub fn eoi(&mut self, vector: u8) {
        for pin in 0..IOAPIC_PINS {
            let entry = &mut self.table[pin];
            if *entry as u8 == vector && *entry & REMOTE_IRR != 0 {
                *entry &= !REMOTE_IRR;
                self.service_level(pin);
            }
        }
    }

    /// No local APIC took a message: its level-triggered entries do not wait for an
    /// EOI that cannot come. They try again at the next change of pin or entry.
    pub fn not_accepted(&mut self, message: &InterruptMessage) {
        if message.trigger == TriggerMode::Level {
            for entry in self.table.iter_mut().filter(|entry| **entry as u8 == message.vector) {
                *entry &= !REMOTE_IRR;
            }
        }
    }

    /// Takes the messages for the local APICs, oldest first; to be drained after each access.
    pub fn take_outgoing(&mut self) -> Vec<InterruptMessage> {
        std::mem::take(&mut self.outgoing)
    }

    /// Whether [`take_outgoing`](Self::take_outgoing) has anything.
    pub fn has_outgoing(&self) -> bool {
        !self.outgoing.is_empty()
    }

    fn service_level(&mut self, pin: usize) {
        let entry = self.table[pin];
        if is_level(entry) && entry & (MASKED | REMOTE_IRR) == 0 && self.levels & 1 << pin != 0 {
            self.table[pin] |= REMOTE_IRR;
            self.send(entry);
        }
    }

    fn send(&mut self, entry: u64) {
        let Some(mode) = DeliveryMode::from_message_bits((entry >> 8) as u32) else {
            log::debug!("ioapic: entry {entry:#x} has a reserved delivery mode");
            return;
        };
        let trigger = if is_level(entry) { TriggerMode::Level } else { TriggerMode::Edge };
        let logical = entry & 1 << 11 != 0;
        if self.outgoing.len() < MAX_OUTGOING {
            self.outgoing.push(InterruptMessage::new(
                (entry >> 56) as u8,
                logical,
                mode,
                entry as u8,
                trigger,
            ));
        }
    }

    fn read_register(&self) -> u32 {
        match self.select {
            REG_ID | REG_ARBITRATION => u32::from(self.id) << 24,
            REG_VERSION => VERSION_VALUE,
            select => match self.table_half(select) {
                Some((pin, shift)) => (self.table[pin] >> shift) as u32,
                None => 0,
            },
        }
    }

    fn write_register(&mut self, value: u32) {
        if self.select == REG_ID {
            self.id = (value >> 24 & 0xf) as u8;
        }
        let Some((pin, shift)) = self.table_half(self.select) else { return };
        let writable = WRITABLE & 0xffff_ffff << shift;
        let entry = &mut self.table[pin];
        *entry = *entry & !writable | u64::from(value) << shift & writable;
        if !is_level(*entry) {
            // Software without an EOI register clears remote IRR by a turn through edge mode.
            *entry &= !REMOTE_IRR;
        }
        self.service_level(pin);
    }

    fn table_half(&self, select: u8) -> Option<(usize, u32)> {
        let index = usize::from(select.checked_sub(REG_TABLE)?);
        (index < 2 * IOAPIC_PINS).then_some((index / 2, (index as u32 & 1) * 32))
    }
}

/// Only Fixed and Lowest Priority can be level-triggered; the other modes are edges.
fn is_level(entry: u64) -> bool {
    entry & LEVEL != 0
        && DeliveryMode::from_message_bits((entry >> 8) as u32).is_some_and(DeliveryMode::is_vectored)
}

impl Device for IoApic {
    fn name(&self) -> &'static str {
        "ioapic"
    }

    /// The pins keep the level that the devices drive.
    fn reset(&mut self, _kind: ResetKind) {
        *self = Self { levels: self.levels, ..Self::new() };
    }
}

impl Mmio for IoApic {
    fn mmio_read(&mut self, offset: u64, size: AccessSize) -> u64 {
        let register = match offset & !3 {
            IOREGSEL => self.select.into(),
            IOWIN => self.read_register(),
            _ => 0,
        };
        u64::from(register) >> ((offset & 3) * 8) & size.mask()
    }

    fn mmio_write(&mut self, offset: u64, size: AccessSize, value: u64) {
        match offset {
            IOREGSEL => self.select = value as u8,
            // The data register takes dwords only (82093AA 3.1.2).
            IOWIN if size >= AccessSize::Dword => self.write_register(value as u32),
            EOI => self.eoi(value as u8),
            _ => {}
        }
    }
}

/// Saved state of an [`IoApic`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IoApicSavedV1 {
    select: u8,
    id: u8,
    table: [u64; IOAPIC_PINS],
    levels: u32,
    outgoing: Vec<InterruptMessage>,
}

impl SaveRestore for IoApic {
    type Saved = IoApicSavedV1;

    fn save(&self) -> IoApicSavedV1 {
        let Self { select, id, table, levels, outgoing } = self;
        IoApicSavedV1 { select: *select, id: *id, table: *table, levels: *levels, outgoing: outgoing.clone() }
    }

    fn restore(&mut self, saved: IoApicSavedV1) -> Result<(), RestoreError> {
        let IoApicSavedV1 { select, id, table, levels, outgoing } = saved;
        let check = |good: bool, field: &'static str| {
            if good { Ok(()) } else { Err(RestoreError::Invalid { device: "ioapic", field }) }
        };
        check(id < 16, "id")?;
        let possible = |e: &u64| e & !(WRITABLE | REMOTE_IRR) == 0 && (is_level(*e) || e & REMOTE_IRR == 0);
        check(table.iter().all(possible), "table")?;
        check(levels >> IOAPIC_PINS == 0, "levels")?;
        check(outgoing.len() <= MAX_OUTGOING, "outgoing")?;
        *self = Self { select, id, table, levels, outgoing };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use glassbox_testkit::{MmioBus, check_save_restore_mmio, fuzz_mmio_device};

    use super::*;

    fn read(apic: &mut IoApic, register: u32) -> u32 {
        apic.write32(0, register);
        apic.read32(0x10)
    }

    fn write(apic: &mut IoApic, register: u32, value: u32) {
        apic.write32(0, register);
        apic.write32(0x10, value);
    }

    fn program(apic: &mut IoApic, pin: u32, low: u32, high: u32) {
        write(apic, 0x11 + 2 * pin, high);
        write(apic, 0x10 + 2 * pin, low);
    }

    #[test]
    fn registers_after_reset() {
        let mut apic = IoApic::new();
        assert_eq!(read(&mut apic, 1), 0x0017_0020);
        for pin in 0..24 {
            assert_eq!(read(&mut apic, 0x10 + 2 * pin), 0x1_0000);
            assert_eq!(read(&mut apic, 0x11 + 2 * pin), 0);
        }
        write(&mut apic, 0, 0xff00_0000);
        assert_eq!((read(&mut apic, 0), read(&mut apic, 2)), (0x0f00_0000, 0x0f00_0000));
        assert_eq!(read(&mut apic, 0x40), 0, "behind the table");
    }

    #[test]
    fn status_bits_are_read_only() {
        let mut apic = IoApic::new();
        program(&mut apic, 3, u32::MAX, u32::MAX);
        assert_eq!(read(&mut apic, 0x16), 0x1_afff);
        assert_eq!(read(&mut apic, 0x17), 0xff00_0000);
    }

    #[test]
    fn an_edge_is_one_message_to_the_programmed_destination() {
        let mut apic = IoApic::new();
        program(&mut apic, 4, 0x0934, 0x0300_0000);
        apic.set_pin(4, true);
        apic.set_pin(4, true);
        apic.set_pin(4, false);
        let sent = apic.take_outgoing();
        assert_eq!(sent.len(), 1);
        let expected = InterruptMessage::new(3, true, DeliveryMode::LowestPriority, 0x34, TriggerMode::Edge);
        assert_eq!(sent[0], expected);
    }

    #[test]
    fn an_edge_on_a_masked_pin_is_lost() {
        let mut apic = IoApic::new();
        apic.set_pin(4, true);
        program(&mut apic, 4, 0x34, 0);
        assert!(!apic.has_outgoing());
    }

    #[test]
    fn level_waits_for_eoi_and_comes_again_while_asserted() {
        let mut apic = IoApic::new();
        apic.set_pin(16, true);
        program(&mut apic, 16, 0xa051, 0);
        assert_eq!(apic.take_outgoing().len(), 1, "unmasking an asserted level pin sends");
        assert_eq!(read(&mut apic, 0x30), 0xe051, "remote IRR");
        apic.set_pin(16, false);
        apic.set_pin(16, true);
        assert!(!apic.has_outgoing());
        apic.eoi(0x50);
        assert!(!apic.has_outgoing(), "another vector");
        apic.eoi(0x51);
        assert_eq!(apic.take_outgoing().len(), 1);
        apic.set_pin(16, false);
        apic.write32(0x40, 0x51);
        assert!(!apic.has_outgoing());
        assert_eq!(read(&mut apic, 0x30), 0xa051);
    }

    #[test]
    fn a_refused_level_message_is_tried_again() {
        let mut apic = IoApic::new();
        program(&mut apic, 16, 0x8051, 0);
        apic.set_pin(16, true);
        let refused = apic.take_outgoing()[0];
        apic.not_accepted(&refused);
        assert_eq!(read(&mut apic, 0x30), 0x8051);
        apic.set_pin(16, true);
        assert_eq!(apic.take_outgoing(), [refused]);
    }

    #[test]
    fn masked_level_pin_stays_silent_until_unmasked() {
        let mut apic = IoApic::new();
        program(&mut apic, 16, 0x1_8051, 0);
        apic.set_pin(16, true);
        assert!(!apic.has_outgoing());
        program(&mut apic, 16, 0x8051, 0);
        assert_eq!(apic.take_outgoing().len(), 1);
    }

    #[test]
    fn edge_mode_clears_remote_irr() {
        let mut apic = IoApic::new();
        apic.set_pin(16, true);
        program(&mut apic, 16, 0x8051, 0);
        program(&mut apic, 16, 0x1_0051, 0);
        assert_eq!(read(&mut apic, 0x30), 0x1_0051);
        program(&mut apic, 16, 0x8051, 0);
        assert_eq!(apic.take_outgoing().len(), 2);
    }

    #[test]
    fn nmi_and_ext_int_are_edges_even_when_programmed_as_levels() {
        let mut apic = IoApic::new();
        program(&mut apic, 0, 0x8700, 0);
        apic.set_pin(0, true);
        let sent = apic.take_outgoing();
        assert_eq!((sent[0].mode, sent[0].trigger), (DeliveryMode::ExtInt, TriggerMode::Edge));
        assert_eq!(read(&mut apic, 0x10), 0x8700);
    }

    #[test]
    fn narrow_writes_select_but_do_not_change_data() {
        let mut apic = IoApic::new();
        apic.write8(0, 0x12);
        apic.write8(0x10, 0x55);
        assert_eq!((apic.read8(0), apic.read32(0x10)), (0x12, 0x1_0000));
    }

    #[test]
    fn a_pin_outside_of_the_table_is_ignored() {
        IoApic::new().set_pin(24, true);
    }

    #[test]
    fn fuzz_survives() {
        fuzz_mmio_device(0x50, |_| IoApic::new());
    }

    #[test]
    fn saved_state_is_complete() {
        check_save_restore_mmio(0x50, |_| IoApic::new());
    }
}
