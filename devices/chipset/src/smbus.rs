//! The SMBus host controller (PIIX4, Intel 82371AB chapter 7.4), on a bus without slaves:
//! every transaction ends as one that nobody acknowledges.

use glassbox_device_api::{
    AccessSize, Device, IrqLine, PortIo, PortWindow, ResetKind, RestoreError, SaveRestore,
};
use serde::{Deserialize, Serialize};

use crate::bytes::{read_bytes, write_bytes};

/// SMBBA: the first port of the register block.
pub const SMBUS_BASE: u16 = 0x700;
/// Bytes of the register block.
pub const SMBUS_BLOCK_SIZE: u16 = 16;

/// SMBHSTSTS: what the host's last transaction came to; ones clear.
const HOST_STATUS: u16 = 0x0;
/// SMBSLVSTS: nobody addresses this slave.
const SLAVE_STATUS: u16 = 0x1;
/// SMBHSTCNT; to read it is to begin anew with the block buffer.
const HOST_CONTROL: u16 = 0x2;
/// SMBHSTCMD, SMBHSTADD, SMBHSTDAT0 and SMBHSTDAT1 follow one another.
const HOST_COMMAND: u16 = 0x3;
const HOST_DATA1: u16 = 0x6;
/// SMBBLKDAT: a window to the next byte of the block buffer.
const BLOCK_DATA: u16 = 0x7;
/// SMBSLVCNT.
const SLAVE_CONTROL: u16 = 0x8;
/// SMBSHDWCMD: read only.
const SHADOW_COMMAND: u16 = 0x9;
/// SMBSLVEVT, a word; SMBSLVDAT, a word that reads 0, follows.
const SLAVE_EVENT: u16 = 0xa;
const SLAVE_DATA: u16 = 0xc;

/// The host's interrupt or SMI was asked for.
const INTERRUPT: u8 = 1 << 1;
const DEVICE_ERROR: u8 = 1 << 2;
const FAILED: u8 = 1 << 4;
const STATUS_BITS: u8 = INTERRUPT | DEVICE_ERROR | 1 << 3 | FAILED;

const INTERRUPT_ENABLE: u8 = 1 << 0;
const KILL: u8 = 1 << 1;
const START: u8 = 1 << 6;
const CONTROL_BITS: u8 = INTERRUPT_ENABLE | KILL | 7 << 2;
const SLAVE_CONTROL_BITS: u8 = 0x0f;
/// Bytes of the block buffer.
const BLOCK: usize = 32;

/// The controller.
#[derive(Debug)]
pub struct SmbusHost {
    irq: IrqLine,
    registers: SmbusHostSavedV1,
}

/// Saved state of an [`SmbusHost`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SmbusHostSavedV1 {
    status: u8,
    control: u8,
    /// Command, address, two bytes of data.
    request: [u8; 4],
    block: [u8; BLOCK],
    block_index: u8,
    slave_control: u8,
    slave_event: [u8; 2],
}

impl SmbusHost {
    /// Where firmware places the block.
    pub const WINDOWS: [PortWindow; 1] = [PortWindow { port: SMBUS_BASE, len: SMBUS_BLOCK_SIZE, offset: 0 }];

    /// The controller after power-on, with the wire of its interrupt.
    pub fn new(irq: IrqLine) -> Self {
        Self { irq, registers: SmbusHostSavedV1::default() }
    }

    fn update_irq(&self) {
        let SmbusHostSavedV1 { status, control, .. } = self.registers;
        self.irq.set(status & STATUS_BITS != 0 && control & INTERRUPT_ENABLE != 0);
    }

    fn block_byte(&mut self) -> &mut u8 {
        let r = &mut self.registers;
        let at = usize::from(r.block_index) % BLOCK;
        r.block_index = ((at + 1) % BLOCK) as u8;
        &mut r.block[at]
    }

    fn read_byte(&mut self, offset: u16) -> u8 {
        match offset {
            HOST_STATUS => self.registers.status,
            HOST_CONTROL => {
                self.registers.block_index = 0;
                self.registers.control
            }
            HOST_COMMAND..=HOST_DATA1 => self.registers.request[usize::from(offset - HOST_COMMAND)],
            BLOCK_DATA => *self.block_byte(),
            SLAVE_CONTROL => self.registers.slave_control,
            SLAVE_EVENT..SLAVE_DATA => self.registers.slave_event[usize::from(offset - SLAVE_EVENT)],
            // The slave's registers; the last two bytes of the block are reserved.
            _ => 0,
        }
    }

    fn write_byte(&mut self, offset: u16, value: u8) {
        let r = &mut self.registers;
        match offset {
            HOST_STATUS => r.status &= !(value & STATUS_BITS),
            HOST_CONTROL => {
                r.control = value & CONTROL_BITS;
                if value & KILL != 0 {
                    r.status |= FAILED;
                } else if value & START != 0 {
                    r.status |= DEVICE_ERROR;
                }
            }
            HOST_COMMAND..=HOST_DATA1 => r.request[usize::from(offset - HOST_COMMAND)] = value,
            BLOCK_DATA => *self.block_byte() = value,
            SLAVE_CONTROL => r.slave_control = value & SLAVE_CONTROL_BITS,
            SLAVE_EVENT..SLAVE_DATA => r.slave_event[usize::from(offset - SLAVE_EVENT)] = value,
            // Nothing is ever pending there, or it is read only or reserved.
            SLAVE_STATUS | SHADOW_COMMAND | SLAVE_DATA.. => {}
        }
        self.update_irq();
    }
}

impl Device for SmbusHost {
    fn name(&self) -> &'static str {
        "smbus"
    }

    fn reset(&mut self, _kind: ResetKind) {
        self.registers = SmbusHostSavedV1::default();
        self.update_irq();
    }
}

impl PortIo for SmbusHost {
    fn port_read(&mut self, offset: u16, size: AccessSize) -> u32 {
        read_bytes(offset, size, |at| self.read_byte(at))
    }

    fn port_write(&mut self, offset: u16, size: AccessSize, value: u32) {
        write_bytes(offset, size, value, |at, byte| self.write_byte(at, byte));
    }
}

impl SaveRestore for SmbusHost {
    type Saved = SmbusHostSavedV1;

    fn save(&self) -> SmbusHostSavedV1 {
        self.registers.clone()
    }

    fn restore(&mut self, saved: SmbusHostSavedV1) -> Result<(), RestoreError> {
        let check = |good: bool, field: &'static str| {
            if good { Ok(()) } else { Err(RestoreError::Invalid { device: "smbus", field }) }
        };
        check(saved.status & !STATUS_BITS == 0, "status")?;
        check(saved.control & !CONTROL_BITS == 0, "control")?;
        check(usize::from(saved.block_index) < BLOCK, "block_index")?;
        check(saved.slave_control & !SLAVE_CONTROL_BITS == 0, "slave_control")?;
        self.registers = saved;
        self.update_irq();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use glassbox_testkit::{Bench, PortBus, check_save_restore_ports, fuzz_port_device};

    use super::*;

    const IRQ: u32 = 3;

    fn host(bench: &Bench) -> SmbusHost {
        SmbusHost::new(bench.line(IRQ))
    }

    #[test]
    fn nobody_acknowledges_a_transaction() {
        let bench = Bench::new();
        let mut host = host(&bench);
        // As Linux's i2c-piix4 probes the address 50h: a quick write.
        host.out8(HOST_STATUS, 0xff);
        host.out8(HOST_COMMAND + 1, 0x50 << 1);
        host.out8(HOST_CONTROL, START);
        assert_eq!(host.in8(HOST_STATUS), DEVICE_ERROR, "done, and nobody was there");
        assert_eq!(host.in8(HOST_CONTROL) & START, 0, "the start bit reads 0");
        host.out8(HOST_STATUS, DEVICE_ERROR);
        assert_eq!(host.in8(HOST_STATUS), 0);
        assert!(bench.take().is_empty(), "no interrupt was asked for");
    }

    #[test]
    fn the_interrupt_lasts_until_the_status_is_cleared() {
        let bench = Bench::new();
        let mut host = host(&bench);
        host.out8(HOST_CONTROL, START | INTERRUPT_ENABLE);
        assert_eq!(bench.take_rises(IRQ), 1);
        assert!(bench.level(IRQ));
        host.out8(HOST_STATUS, 0x1e);
        assert!(!bench.level(IRQ));
    }

    #[test]
    fn the_block_buffer_is_read_from_its_beginning_after_the_control_register() {
        let bench = Bench::new();
        let mut host = host(&bench);
        host.in8(HOST_CONTROL);
        for byte in 0..32 {
            host.out8(BLOCK_DATA, byte);
        }
        host.in8(HOST_CONTROL);
        assert_eq!([host.in8(BLOCK_DATA), host.in8(BLOCK_DATA)], [0, 1]);
    }

    #[test]
    fn generic_checks() {
        fuzz_port_device(1, host);
        check_save_restore_ports(1, host);
    }
}
