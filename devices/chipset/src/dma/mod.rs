//! The two 8237A DMA controllers of a PC and their page registers.
//!
//! | offset | conventional port | register |
//! | --- | --- | --- |
//! | 00h-0Fh | 00h-0Fh | controller 1: channels 0 to 3, bytes |
//! | 11h-1Fh | 81h-8Fh | page registers; 80h is the [POST code](crate::post_code)'s |
//! | 20h-3Fh | C0h-DFh | controller 2: channels 4 to 7, words, a register every 2 ports |
//!
//! Controller 1's requests come through channel 4, which firmware puts into
//! cascade mode. A page register gives the address bits above the controller's
//! 16; a transfer that leaves its page (64 KiB, or 128 KiB for words) goes on at
//! the page's beginning. Addresses have 24 bits.
//!
//! A device holds its channel as a [`DmaChannel`] ([`Dma::channel`]).
//!
//! Sources: Intel 8237A data sheet; Intel 82371AB (PIIX4) data sheet 4.2.1 (DMA registers).

mod channel;
mod controller;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use controller::{Controller, Run, Transfer};
use glassbox_device_api::{
    AccessSize, Device, DmaChannel, PortIo, PortWindow, ResetKind, RestoreError, SaveRestore,
};
use glassbox_memory::{Gpa, GuestMemory, PAGE_SIZE};
use serde::{Deserialize, Serialize};

use crate::bytes::{read_bytes, write_bytes};

const PAGES: u16 = 0x10;
const CONTROLLER_2: u16 = 0x20;
const END: u16 = 0x40;
/// Page registers of channels 0 to 7, as ports above 80h.
const PAGE_OF_CHANNEL: [usize; 8] = [0x7, 0x3, 0x1, 0x2, 0xf, 0xb, 0x9, 0xa];
/// What nobody drives reads as.
const OPEN_BUS: u8 = 0xff;

/// Both controllers with the page registers.
#[derive(Debug)]
pub struct Dma {
    core: Arc<Mutex<Core>>,
}

/// What the ports and the channels share.
#[derive(Debug)]
struct Core {
    memory: GuestMemory,
    controllers: [Controller; 2],
    pages: [u8; 16],
}

/// Saved state of [`Dma`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DmaSavedV1 {
    controllers: [Controller; 2],
    pages: [u8; 16],
}

impl Dma {
    /// Where a PC has the ports.
    pub const WINDOWS: [PortWindow; 3] = [
        PortWindow { port: 0x00, len: 16, offset: 0 },
        PortWindow { port: 0x81, len: 15, offset: PAGES + 1 },
        PortWindow { port: 0xc0, len: 32, offset: CONTROLLER_2 },
    ];

    /// Both controllers after a reset, over `memory`.
    pub fn new(memory: GuestMemory) -> Self {
        let controllers = [Controller::new(), Controller::new()];
        Self { core: Arc::new(Mutex::new(Core { memory, controllers, pages: [0; 16] })) }
    }

    /// The wires of channel `number` (0 to 7) for the device on it; `None` for
    /// channel 4, which carries controller 1, and for numbers that do not exist.
    pub fn channel(&self, number: usize) -> Option<Box<dyn DmaChannel>> {
        if number == 4 || number > 7 {
            return None;
        }
        Some(Box::new(channel::Wires::new(Arc::clone(&self.core), number)))
    }

    /// What every firmware does first: both controllers cleared, channel 4 in
    /// cascade mode and unmasked. For machines that enter a kernel without firmware.
    pub fn set_up_cascade(&mut self) {
        let mut core = self.core();
        for controller in &mut core.controllers {
            controller.master_clear();
        }
        core.controllers[1].write(0xb, 0xc0);
        core.controllers[1].write(0xa, 0x00);
    }

    fn core(&self) -> MutexGuard<'_, Core> {
        lock(&self.core)
    }
}

/// A panic of another holder does not bar the way.
fn lock(core: &Mutex<Core>) -> MutexGuard<'_, Core> {
    core.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Core {
    /// Whether the device on channel `number` would be acknowledged.
    fn serves(&self, number: usize) -> bool {
        let [first, second] = &self.controllers;
        match number {
            0..4 => first.serves(number) && second.passes(0),
            _ => second.serves(number & 3),
        }
    }

    fn read(&mut self, offset: u16) -> u8 {
        match offset {
            0..PAGES => self.controllers[0].read(offset),
            PAGES..CONTROLLER_2 => self.pages[usize::from(offset - PAGES)],
            CONTROLLER_2..END => self.controllers[1].read((offset - CONTROLLER_2) >> 1),
            _ => OPEN_BUS,
        }
    }

    fn write(&mut self, offset: u16, value: u8) {
        match offset {
            0..PAGES => self.controllers[0].write(offset, value),
            PAGES..CONTROLLER_2 => self.pages[usize::from(offset - PAGES)] = value,
            CONTROLLER_2..END => self.controllers[1].write((offset - CONTROLLER_2) >> 1, value),
            _ => {}
        }
        self.serve_software_requests();
    }

    /// Block transfers that the guest started itself. No device drives the bus.
    fn serve_software_requests(&mut self) {
        for index in 0..2 {
            if index == 0 && !self.controllers[1].passes(0) {
                continue;
            }
            while let Some(channel) = self.controllers[index].take_request() {
                if self.controllers[index].is_memory_to_memory(channel) {
                    self.memory_to_memory(index);
                    continue;
                }
                let number = 4 * index + channel;
                let units = self.controllers[index].left(channel);
                if let Some(run) = self.controllers[index].run(channel, units)
                    && run.transfer == Transfer::Write
                {
                    let open_bus = vec![OPEN_BUS; run.units << index];
                    self.store(number, run, &open_bus);
                }
            }
        }
    }

    /// Channel 0's memory to channel 1's, byte by byte, until channel 1's terminal count.
    fn memory_to_memory(&mut self, index: usize) {
        loop {
            let (from, to, last) = self.controllers[index].memory_to_memory();
            let (from, to) = (self.address(4 * index, from), self.address(4 * index + 1, to));
            let byte = self.memory.read_at::<1>(Gpa(from)).map_or(OPEN_BUS, |[byte]| byte);
            // Writes to where there is no memory go nowhere.
            self.memory.write_bytes(Gpa(to), &[byte]).ok();
            self.controllers[index].set_temporary(byte);
            if last {
                break;
            }
        }
    }

    /// The memory address of a unit on channel `number`.
    fn address(&self, number: usize, unit: u16) -> u64 {
        let page = u64::from(self.pages[PAGE_OF_CHANNEL[number & 7]]);
        match number {
            0..4 => page << 16 | u64::from(unit),
            // Word channels: the address is shifted, and the page's bit 0 is not used.
            _ => (page & !1) << 16 | u64::from(unit) << 1,
        }
    }

    /// The parts of a run in memory: address and place in the device's buffer.
    ///
    /// Ascending runs are cut where the page wraps and at memory's page boundaries,
    /// so that a part either has memory behind it or has none. Descending ones go unit by unit.
    fn parts(&self, number: usize, run: Run) -> Vec<(u64, std::ops::Range<usize>)> {
        let width = if number < 4 { 1 } else { 2 };
        let mut parts = Vec::new();
        let (mut unit, mut done) = (run.start, 0);
        while done < run.units {
            let address = self.address(number, unit);
            let units = if run.decrements {
                1
            } else {
                let to_boundary = (PAGE_SIZE - address % PAGE_SIZE) as usize / width;
                to_boundary.min(run.units - done)
            };
            parts.push((address, done * width..(done + units) * width));
            done += units;
            unit = if run.decrements { unit.wrapping_sub(1) } else { unit.wrapping_add(units as u16) };
        }
        parts
    }

    /// Stores the device's data. Where there is no memory it is lost.
    fn store(&self, number: usize, run: Run, data: &[u8]) {
        for (address, range) in self.parts(number, run) {
            self.memory.write_bytes(Gpa(address), &data[range]).ok();
        }
    }

    /// Fetches data for the device. Where there is no memory nobody drives the bus.
    fn fetch(&self, number: usize, run: Run, data: &mut [u8]) {
        for (address, range) in self.parts(number, run) {
            let data = &mut data[range];
            if self.memory.read_bytes(Gpa(address), data).is_err() {
                data.fill(OPEN_BUS);
            }
        }
    }
}

impl Device for Dma {
    fn name(&self) -> &'static str {
        "dma"
    }

    fn reset(&mut self, _kind: ResetKind) {
        let mut core = self.core();
        for controller in &mut core.controllers {
            // The devices' wires are theirs.
            controller.master_clear();
        }
        core.pages = [0; 16];
    }
}

impl PortIo for Dma {
    fn port_read(&mut self, offset: u16, size: AccessSize) -> u32 {
        let mut core = self.core();
        read_bytes(offset, size, |offset| core.read(offset))
    }

    fn port_write(&mut self, offset: u16, size: AccessSize, value: u32) {
        let mut core = self.core();
        write_bytes(offset, size, value, |offset, byte| core.write(offset, byte));
    }
}

impl SaveRestore for Dma {
    type Saved = DmaSavedV1;

    fn save(&self) -> DmaSavedV1 {
        let core = self.core();
        let Core { memory: _, controllers, pages } = &*core;
        DmaSavedV1 { controllers: controllers.clone(), pages: *pages }
    }

    fn restore(&mut self, saved: DmaSavedV1) -> Result<(), RestoreError> {
        let DmaSavedV1 { controllers, pages } = saved;
        for controller in &controllers {
            controller.check()?;
        }
        let mut core = self.core();
        core.controllers = controllers;
        core.pages = pages;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
