//! Interrupt messages: what I/O APICs, MSI devices and local APICs send to each other.

use serde::{Deserialize, Serialize};

/// First address of the message-signalled interrupt window (Intel SDM Vol. 3A 11.11.1).
pub const MSI_BASE: u64 = 0xfee0_0000;
/// Bytes of the message-signalled interrupt window.
pub const MSI_SIZE: u64 = 0x10_0000;

/// The delivery mode field (Intel SDM Vol. 3A 11.5.1, 11.6.1 and 11.11.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DeliveryMode {
    /// To every addressed processor, with the vector.
    Fixed,
    /// To the addressed processor that runs at the lowest priority.
    LowestPriority,
    /// System management interrupt.
    Smi,
    /// Non-maskable interrupt; the vector is ignored.
    Nmi,
    /// INIT.
    Init,
    /// Start-up; the vector is the page to start at. IPIs only.
    StartUp,
    /// As if an 8259A had raised INTR: the processor asks it for the vector.
    ExtInt,
}

impl DeliveryMode {
    /// Decodes bits 10:8 of an I/O APIC entry, an MSI or an LVT entry.
    pub const fn from_message_bits(bits: u32) -> Option<Self> {
        match bits & 7 {
            0 => Some(Self::Fixed),
            1 => Some(Self::LowestPriority),
            2 => Some(Self::Smi),
            4 => Some(Self::Nmi),
            5 => Some(Self::Init),
            7 => Some(Self::ExtInt),
            _ => None,
        }
    }

    /// Decodes bits 10:8 of an interrupt command: start-up in place of ExtINT.
    pub const fn from_icr_bits(bits: u32) -> Option<Self> {
        match bits & 7 {
            6 => Some(Self::StartUp),
            7 => None,
            bits => Self::from_message_bits(bits),
        }
    }

    /// Whether the message carries a vector that goes through the IRR.
    pub const fn is_vectored(self) -> bool {
        matches!(self, Self::Fixed | Self::LowestPriority)
    }
}

/// How the source signals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TriggerMode {
    /// One message, one interrupt.
    Edge,
    /// Held until the EOI broadcast reaches the I/O APIC.
    Level,
}

/// The destination shorthand of an interrupt command (Intel SDM Vol. 3A 11.6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Shorthand {
    /// The destination field counts.
    None,
    /// The sender only.
    Myself,
    /// Everyone.
    AllIncludingSelf,
    /// Everyone else.
    AllExcludingSelf,
}

/// One interrupt message on its way to the local APICs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct InterruptMessage {
    /// Destination: an APIC ID, or a logical destination when [`logical`](Self::logical).
    pub dest: u32,
    /// Whether `dest` has the 32 bits of an x2APIC command instead of 8.
    pub wide: bool,
    /// Logical destination mode.
    pub logical: bool,
    /// Whom the message is for, where `dest` does not say it.
    pub shorthand: Shorthand,
    /// Delivery mode.
    pub mode: DeliveryMode,
    /// Vector.
    pub vector: u8,
    /// False only for the INIT level de-assert command, which does nothing since the Pentium 4.
    pub level: bool,
    /// Trigger mode.
    pub trigger: TriggerMode,
}

/// How a local APIC is addressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApicAddress {
    /// The local APIC ID: 8 bits, or 32 in x2APIC mode.
    pub id: u32,
    /// The logical ID: bits 31:24 of the LDR, or all of it in x2APIC mode.
    pub logical_id: u32,
    /// The DFR selects the cluster model (flat otherwise); xAPIC mode only.
    pub cluster: bool,
    /// x2APIC mode.
    pub x2apic: bool,
}

impl InterruptMessage {
    /// A message to one 8-bit physical or logical destination, as I/O APICs and MSI devices send.
    pub const fn new(dest: u8, logical: bool, mode: DeliveryMode, vector: u8, trigger: TriggerMode) -> Self {
        Self {
            dest: dest as u32,
            wide: false,
            logical,
            shorthand: Shorthand::None,
            mode,
            vector,
            level: true,
            trigger,
        }
    }

    /// Decodes a write to the message window (Intel SDM Vol. 3A 11.11).
    ///
    /// The destination mode bit counts whether or not the redirection hint is
    /// set: processors do so, and Linux relies on it. With the hint the message
    /// goes to one of its destinations, by lowest priority.
    ///
    /// `None` when the address is outside of the window or the delivery mode reserved.
    pub fn from_msi(address: u64, data: u32) -> Option<Self> {
        if !(MSI_BASE..MSI_BASE + MSI_SIZE).contains(&address) {
            return None;
        }
        let hint = address & (1 << 3) != 0;
        let mode = match DeliveryMode::from_message_bits(data >> 8)? {
            DeliveryMode::Fixed if hint => DeliveryMode::LowestPriority,
            mode => mode,
        };
        let trigger = match data & (1 << 15) != 0 {
            true if mode.is_vectored() => TriggerMode::Level,
            _ => TriggerMode::Edge,
        };
        let message = Self::new((address >> 12) as u8, address & (1 << 2) != 0, mode, data as u8, trigger);
        Some(Self { level: trigger == TriggerMode::Edge || data & (1 << 14) != 0, ..message })
    }

    /// Whether an APIC at `apic` is addressed. `from_itself` tells whether it is the sender.
    pub fn matches(&self, apic: &ApicAddress, from_itself: bool) -> bool {
        match self.shorthand {
            Shorthand::Myself => from_itself,
            Shorthand::AllIncludingSelf => true,
            Shorthand::AllExcludingSelf => !from_itself,
            Shorthand::None => self.matches_destination(apic),
        }
    }

    /// Intel SDM Vol. 3A 11.6.2 (xAPIC) and 11.12.10 (x2APIC).
    fn matches_destination(&self, apic: &ApicAddress) -> bool {
        let broadcast = if self.wide { u32::MAX } else { 0xff };
        if self.dest == broadcast {
            return true;
        }
        if !self.logical {
            return self.dest == apic.id;
        }
        let (cluster_shift, members) = match (apic.x2apic, apic.cluster) {
            (true, _) => (16, 0xffff),
            (false, true) => (4, 0xf),
            (false, false) => return self.dest & apic.logical_id & 0xff != 0,
        };
        self.dest >> cluster_shift == apic.logical_id >> cluster_shift
            && self.dest & apic.logical_id & members != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat(id: u32, logical_id: u32) -> ApicAddress {
        ApicAddress { id, logical_id, cluster: false, x2apic: false }
    }

    fn to(dest: u32, wide: bool, logical: bool) -> InterruptMessage {
        InterruptMessage {
            wide,
            dest,
            ..InterruptMessage::new(0, logical, DeliveryMode::Fixed, 0x40, TriggerMode::Edge)
        }
    }

    #[test]
    fn msi_fields_decode_as_in_sdm_11_11() {
        let m = InterruptMessage::from_msi(0xfee0_300c, 0xc141).unwrap();
        assert_eq!((m.dest, m.logical, m.vector), (3, true, 0x41));
        assert_eq!((m.mode, m.trigger, m.level), (DeliveryMode::LowestPriority, TriggerMode::Level, true));
        let m = InterruptMessage::from_msi(0xfeef_f000, 0x0041).unwrap();
        assert_eq!((m.dest, m.mode, m.trigger), (0xff, DeliveryMode::Fixed, TriggerMode::Edge));
        assert_eq!(InterruptMessage::from_msi(0xfee0_0000, 0x0300), None, "reserved delivery mode");
        assert_eq!(InterruptMessage::from_msi(0xfed0_0000, 0x41), None, "outside of the window");
    }

    #[test]
    fn redirection_hint_turns_fixed_into_lowest_priority() {
        let m = InterruptMessage::from_msi(0xfee0_0008, 0x41).unwrap();
        assert_eq!(m.mode, DeliveryMode::LowestPriority);
    }

    #[test]
    fn physical_destination_is_an_id_or_the_broadcast() {
        assert!(to(3, false, false).matches(&flat(3, 0), false));
        assert!(!to(3, false, false).matches(&flat(2, 0), false));
        assert!(to(0xff, false, false).matches(&flat(2, 0), false));
        assert!(!to(0xff, true, false).matches(&flat(2, 0), false), "255 is an ordinary x2APIC ID");
        assert!(to(u32::MAX, true, false).matches(&flat(2, 0), false));
    }

    #[test]
    fn flat_model_is_a_bit_mask_and_cluster_model_a_cluster_with_members() {
        assert!(to(0b0110, false, true).matches(&flat(9, 0b0010), false));
        assert!(!to(0b0110, false, true).matches(&flat(9, 0b1000), false));
        let apic = ApicAddress { cluster: true, ..flat(9, 0x24) };
        assert!(to(0x26, false, true).matches(&apic, false));
        assert!(!to(0x36, false, true).matches(&apic, false), "another cluster");
        assert!(!to(0x2b, false, true).matches(&apic, false), "another member");
    }

    #[test]
    fn x2apic_logical_destination_is_cluster_and_mask() {
        let apic = ApicAddress { id: 0x12, logical_id: 0x0001_0004, cluster: false, x2apic: true };
        assert!(to(0x0001_000c, true, true).matches(&apic, false));
        assert!(!to(0x0002_0004, true, true).matches(&apic, false));
        assert!(!to(0x0001_0008, true, true).matches(&apic, false));
    }

    #[test]
    fn shorthands_ignore_the_destination() {
        let with = |shorthand| InterruptMessage { shorthand, ..to(77, false, false) };
        assert!(with(Shorthand::AllIncludingSelf).matches(&flat(1, 0), true));
        assert!(!with(Shorthand::AllExcludingSelf).matches(&flat(1, 0), true));
        assert!(with(Shorthand::AllExcludingSelf).matches(&flat(1, 0), false));
        assert!(!with(Shorthand::Myself).matches(&flat(1, 0), false));
    }
}
