//! A processor's connection to the board.

use crate::board::Board;
use crate::clock::{MachineClock, TSC_HZ};
use glassbox_cpu::{CpuBus, MmioString};
use glassbox_device_api::AccessSize;
use glassbox_memory::Gpa;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The bus lock: everything on the board is reached through it.
pub(crate) type SharedBoard = Arc<Mutex<Board>>;

/// Takes the bus lock.
pub(crate) fn lock(board: &SharedBoard) -> MutexGuard<'_, Board> {
    board.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One processor's side of the bus. After each access the board delivers what
/// the access caused before the processor goes on.
pub(crate) struct ProcessorBus {
    board: SharedBoard,
    clock: MachineClock,
    /// Which processor this is: index of its local APIC.
    index: usize,
}

impl ProcessorBus {
    pub fn new(board: SharedBoard, clock: MachineClock, index: usize) -> Self {
        Self { board, clock, index }
    }

    /// One access: the bus is locked, and settled when it is over.
    #[inline]
    fn access<R>(&self, access: impl FnOnce(&mut Board) -> R) -> R {
        let mut board = lock(&self.board);
        let result = access(&mut board);
        board.settle();
        result
    }
}

impl CpuBus for ProcessorBus {
    fn mmio_read(&mut self, at: Gpa, size: u8) -> u64 {
        let Some(size) = AccessSize::from_bytes(usize::from(size)) else { return u64::MAX };
        let mut board = lock(&self.board);
        if let Some(offset) = board.planes_at(self.index, at.0) {
            return board.planes_read(offset, size);
        }
        let value = board.mmio_read(self.index, at.0, size);
        board.settle();
        value
    }

    fn mmio_write(&mut self, at: Gpa, size: u8, value: u64) {
        let Some(size) = AccessSize::from_bytes(usize::from(size)) else { return };
        let mut board = lock(&self.board);
        if let Some(offset) = board.planes_at(self.index, at.0) {
            return board.planes_write(offset, size, value);
        }
        board.mmio_write(self.index, at.0, size, value);
        board.settle();
    }

    fn mmio_string(&mut self, size: u8, count: u64, string: MmioString<'_>) -> u64 {
        let Some(size) = AccessSize::from_bytes(usize::from(size)) else { return 0 };
        lock(&self.board).planes_string(self.index, size, count, string).unwrap_or(0)
    }

    fn port_read(&mut self, port: u16, size: u8) -> u32 {
        self.access(|board| board.port_read(port, size))
    }

    fn port_write(&mut self, port: u16, size: u8, value: u32) {
        self.access(|board| board.port_write(port, size, value));
    }

    fn port_read_run(&mut self, port: u16, size: u8, to: &mut [u8]) -> usize {
        self.access(|board| board.port_read_run(port, size, to))
    }

    fn port_write_run(&mut self, port: u16, size: u8, from: &[u8]) -> usize {
        self.access(|board| board.port_write_run(port, size, from))
    }

    fn backdoor(&mut self, registers: &mut [u32; 6]) -> bool {
        self.access(|board| {
            let backdoor = board.devices.backdoor.as_mut();
            backdoor.map(|backdoor| backdoor.call(registers)).is_some()
        })
    }

    fn acknowledge_interrupt(&mut self) -> Option<u8> {
        self.access(|board| board.interrupts.acknowledge(self.index))
    }

    fn tsc(&mut self) -> u64 {
        self.clock.now().ticks(TSC_HZ)
    }

    fn apic_msr_read(&mut self, msr: u32) -> Option<u64> {
        self.access(|board| board.interrupts.lapics.get_mut(self.index)?.read_msr(msr).ok())
    }

    fn apic_msr_write(&mut self, msr: u32, value: u64) -> Option<()> {
        self.access(|board| board.interrupts.lapics.get_mut(self.index)?.write_msr(msr, value).ok())
    }

    fn cr8_read(&mut self) -> u8 {
        self.access(|board| board.interrupts.lapics.get(self.index).map_or(0, |apic| apic.cr8()))
    }

    fn cr8_write(&mut self, value: u8) {
        self.access(|board| {
            if let Some(apic) = board.interrupts.lapics.get_mut(self.index) {
                apic.set_cr8(value & 0xF);
            }
        });
    }

    fn ferr(&mut self, asserted: bool) {
        self.access(|board| board.set_ferr(asserted));
    }
}
