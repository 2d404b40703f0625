//! Frame information structures (Serial ATA 3.2, 10.5) and where received ones go
//! (AHCI 1.3.1 4.2.1).

use crate::ata::Registers;
use crate::ata::registers::Pair;

/// Host to device register FIS.
pub const HOST_TO_DEVICE: u8 = 0x27;

/// Offsets in the received FIS structure.
pub mod received {
    /// DMA setup.
    pub const DMA_SETUP: u64 = 0x00;
    /// PIO setup.
    pub const PIO_SETUP: u64 = 0x20;
    /// Device to host register.
    pub const REGISTER: u64 = 0x40;
    /// Set device bits.
    pub const DEVICE_BITS: u64 = 0x58;
}

/// The interrupt bit in the second byte.
const INTERRUPT: u8 = 1 << 6;
/// The direction bit: device to host.
const TO_HOST: u8 = 1 << 5;

fn flags(interrupt: bool, to_host: bool) -> u8 {
    (u8::from(interrupt) * INTERRUPT) | (u8::from(to_host) * TO_HOST)
}

/// A host to device register FIS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostToDevice {
    /// The command register was written; otherwise the device control register.
    pub is_command: bool,
    /// The port of a port multiplier.
    pub multiplier_port: u8,
    /// The command.
    pub command: u8,
    /// The device control register.
    pub control: u8,
    bytes: [u8; 20],
}

impl HostToDevice {
    /// SRST in the device control register.
    pub const SRST: u8 = 1 << 2;

    /// The FIS in `bytes`; `None` when it is of another type.
    pub fn from_bytes(bytes: [u8; 20]) -> Option<Self> {
        (bytes[0] == HOST_TO_DEVICE).then_some(Self {
            is_command: bytes[1] & 0x80 != 0,
            multiplier_port: bytes[1] & 0x0f,
            command: bytes[2],
            control: bytes[15],
            bytes,
        })
    }

    /// Puts the command's parameters into the drive's registers.
    pub fn load(&self, registers: &mut Registers) {
        let pair = |now: usize, before: usize| Pair { now: self.bytes[now], before: self.bytes[before] };
        registers.features = pair(3, 11);
        registers.lba_low = pair(4, 8);
        registers.lba_mid = pair(5, 9);
        registers.lba_high = pair(6, 10);
        registers.device = self.bytes[7];
        registers.count = pair(12, 13);
    }
}

/// Device to host register FIS.
pub fn register(registers: &Registers, interrupt: bool) -> [u8; 20] {
    let mut fis = [0; 20];
    fis[..4].copy_from_slice(&[0x34, flags(interrupt, false), registers.status, registers.error]);
    put_registers(&mut fis, registers);
    fis
}

fn put_registers(fis: &mut [u8; 20], registers: &Registers) {
    let Registers { count, lba_low, lba_mid, lba_high, device, .. } = registers;
    fis[4..8].copy_from_slice(&[lba_low.now, lba_mid.now, lba_high.now, *device]);
    fis[8..11].copy_from_slice(&[lba_low.before, lba_mid.before, lba_high.before]);
    fis[12..14].copy_from_slice(&[count.now, count.before]);
}

/// PIO setup FIS: the status when the block begins and when it ends, and its bytes.
pub fn pio_setup(registers: &Registers, interrupt: bool, to_host: bool, end: u8, bytes: u16) -> [u8; 20] {
    let mut fis = [0; 20];
    fis[..4].copy_from_slice(&[0x5f, flags(interrupt, to_host), registers.status, registers.error]);
    put_registers(&mut fis, registers);
    fis[15] = end;
    fis[16..18].copy_from_slice(&bytes.to_le_bytes());
    fis
}

/// DMA setup FIS for a queued command.
pub fn dma_setup(tag: u8, to_host: bool, bytes: u32) -> [u8; 28] {
    let mut fis = [0; 28];
    fis[0] = 0x41;
    fis[1] = flags(false, to_host);
    fis[4] = tag;
    fis[20..24].copy_from_slice(&bytes.to_le_bytes());
    fis
}

/// Set device bits FIS: queued commands that are over, a bit for each.
pub fn set_device_bits(status: u8, error: u8, done: u32) -> [u8; 8] {
    let [a, b, c, d] = done.to_le_bytes();
    [0xa1, INTERRUPT, status & 0x77, error, a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_go_to_the_registers_and_back() {
        let mut bytes: [u8; 20] = std::array::from_fn(|i| i as u8);
        bytes[0] = 0x27;
        bytes[1] = 0x83;
        let fis = HostToDevice::from_bytes(bytes).unwrap();
        assert_eq!((fis.is_command, fis.multiplier_port, fis.command, fis.control), (true, 3, 2, 15));
        let mut registers = Registers::default();
        fis.load(&mut registers);
        assert_eq!(registers.lba48(), 0x0a09_0806_0504);
        assert_eq!((registers.features.word(), registers.count.word()), (0x0b03, 0x0d0c));
        let answer = register(&registers, true);
        assert_eq!((&answer[4..14], answer[1]), (&[4, 5, 6, 7, 8, 9, 10, 0, 12, 13][..], 0x40));
        assert_eq!(HostToDevice::from_bytes([0; 20]), None);
    }
}
