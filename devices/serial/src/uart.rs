//! The UART on its clock, interrupt line and host.

use std::collections::VecDeque;

use glassbox_device_api::{
    AccessSize, CharBackend, Device, IrqLine, PortIo, ResetKind, RestoreError, SaveRestore, VmClock, VmTime,
};
use serde::{Deserialize, Serialize};

use crate::registers::Registers;
use crate::registers::bits::{LSR_BREAK, MSR_CTS, MSR_DCD, MSR_DSR};

/// Bytes from the host that wait for room in the receive FIFO.
pub const RECEIVE_QUEUE: usize = 4096;

/// A 16550A.
///
/// Characters are transmitted at once, whatever the divisor, so a guest never
/// waits and never loses output; all 8 bits reach the host whatever the word
/// length. Input waits in a queue of [`RECEIVE_QUEUE`] bytes and moves into the
/// receiver as the guest makes room, so it never overruns.
pub struct Uart16550 {
    clock: VmClock,
    irq: IrqLine,
    backend: Box<dyn CharBackend>,
    registers: Registers,
    queue: VecDeque<u8>,
}

impl std::fmt::Debug for Uart16550 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Uart16550")
            .field("registers", &self.registers)
            .field("queue", &self.queue)
            .finish_non_exhaustive()
    }
}

/// Saved state of [`Uart16550`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UartSavedV1 {
    registers: Registers,
    queue: VecDeque<u8>,
}

impl Uart16550 {
    /// A UART after reset, with `backend` at the other end of its line.
    pub fn new(clock: VmClock, irq: IrqLine, backend: Box<dyn CharBackend>) -> Self {
        let mut uart = Self { clock, irq, backend, registers: Registers::new(), queue: VecDeque::new() };
        uart.follow_carrier();
        // The lines were so before power-on: no change to report.
        uart.registers.reset();
        uart
    }

    /// Pushes bytes as if they came from the host; returns how many were taken.
    pub fn receive(&mut self, bytes: &[u8]) -> usize {
        let taken = bytes.len().min(RECEIVE_QUEUE - self.queue.len());
        self.queue.extend(&bytes[..taken]);
        self.settle();
        taken
    }

    /// The host sends a break: a null character with the break and framing conditions.
    pub fn receive_break(&mut self) {
        if !self.registers.is_looped() {
            self.registers.receive(self.clock.now(), 0, LSR_BREAK);
        }
        self.settle();
    }

    fn follow_carrier(&mut self) {
        let connected = self.backend.is_connected();
        self.registers.set_inputs(if connected { MSR_CTS | MSR_DSR | MSR_DCD } else { 0 });
    }

    /// Moves input on into the receiver and drives the line.
    fn settle(&mut self) {
        let now = self.clock.now();
        self.registers.fold(now);
        while !self.registers.is_looped() && self.registers.receive_room() > 0 {
            let Some(byte) = self.queue.pop_front() else { break };
            self.registers.receive(now, byte, 0);
        }
        self.irq.set(self.registers.interrupt());
    }

    fn transmit(&mut self, value: u8) {
        self.registers.begin_transmit();
        // The request falls while the character is sent, and rises anew after it.
        self.irq.set(self.registers.interrupt());
        if self.registers.is_looped() {
            let character = self.registers.character(value);
            self.registers.receive(self.clock.now(), character, 0);
        } else {
            self.backend.write(&[value]);
        }
        self.registers.end_transmit();
    }
}

impl Device for Uart16550 {
    fn name(&self) -> &'static str {
        "uart"
    }

    fn reset(&mut self, _kind: ResetKind) {
        self.registers.reset();
        self.settle();
    }

    fn next_deadline(&self) -> Option<VmTime> {
        self.registers.deadline()
    }

    fn advance(&mut self, _now: VmTime) {
        self.settle();
    }

    /// Fetches input from the host and follows its connection.
    fn poll_host(&mut self) {
        self.follow_carrier();
        let mut buffer = [0; 256];
        loop {
            let room = (RECEIVE_QUEUE - self.queue.len()).min(buffer.len());
            let read = self.backend.read(&mut buffer[..room]).min(room);
            self.queue.extend(&buffer[..read]);
            // A short read is not the end: it may come in pieces, as it was typed.
            if read == 0 {
                break;
            }
        }
        self.settle();
    }
}

impl PortIo for Uart16550 {
    fn port_read(&mut self, offset: u16, size: AccessSize) -> u32 {
        let mut value = 0;
        for i in 0..size.bytes().min(4) as u16 {
            self.registers.fold(self.clock.now());
            let byte = self.registers.read(self.clock.now(), offset.wrapping_add(i));
            value |= u32::from(byte) << (8 * i);
            self.settle();
        }
        value
    }

    fn port_write(&mut self, offset: u16, size: AccessSize, value: u32) {
        for i in 0..size.bytes().min(4) as u16 {
            let (offset, byte) = (offset.wrapping_add(i), (value >> (8 * i)) as u8);
            self.registers.fold(self.clock.now());
            if self.registers.is_transmit(offset) {
                self.transmit(byte);
            } else {
                self.registers.write(self.clock.now(), offset, byte);
            }
            self.settle();
        }
    }
}

impl SaveRestore for Uart16550 {
    type Saved = UartSavedV1;

    fn save(&self) -> UartSavedV1 {
        let Self { clock: _, irq: _, backend: _, registers, queue } = self;
        UartSavedV1 { registers: registers.clone(), queue: queue.clone() }
    }

    fn restore(&mut self, saved: UartSavedV1) -> Result<(), RestoreError> {
        let UartSavedV1 { registers, queue } = saved;
        registers.check()?;
        if queue.len() > RECEIVE_QUEUE {
            return Err(RestoreError::Invalid { device: "uart", field: "queue" });
        }
        self.registers = registers;
        self.queue = queue;
        self.irq.set(self.registers.interrupt());
        Ok(())
    }
}

#[cfg(test)]
mod tests;
