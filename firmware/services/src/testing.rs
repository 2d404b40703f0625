//! A host without a machine, for the tests of services: flat memory of 2 MiB,
//! recorded ports, a clock moved by hand.

use crate::bios::{Bios, BiosConfig};
use crate::call::{BDA, BiosHost, Call, Frame, GuestFault, ServiceResult};
use crate::registers::{Registers, SegmentRegister};
use glassbox_device_api::VmTime;
use std::collections::{HashMap, VecDeque};

/// Bytes of memory.
const MEMORY: usize = 2 << 20;

pub struct FakeHost {
    pub memory: Vec<u8>,
    /// What ports read as; others read all ones.
    pub ports: HashMap<u16, VecDeque<u32>>,
    /// Writes: port, size, value.
    pub written: Vec<(u16, u8, u32)>,
    pub now: VmTime,
    /// Linear pages (address >> 12) that are not there.
    pub absent: Vec<u32>,
}

impl FakeHost {
    pub fn new() -> Self {
        Self {
            memory: vec![0; MEMORY],
            ports: HashMap::new(),
            written: Vec::new(),
            now: VmTime(0),
            absent: Vec::new(),
        }
    }

    pub fn set_bda_u16(&mut self, offset: u16, value: u16) {
        let at = BDA as usize + usize::from(offset);
        self.memory[at..at + 2].copy_from_slice(&value.to_le_bytes());
    }

    pub fn bda_u8(&self, offset: u16) -> u8 {
        self.memory[BDA as usize + usize::from(offset)]
    }

    pub fn bda_u16(&self, offset: u16) -> u16 {
        u16::from(self.bda_u8(offset)) | u16::from(self.bda_u8(offset + 1)) << 8
    }

    fn range(&self, linear: u32, len: usize) -> Result<std::ops::Range<usize>, GuestFault> {
        let start = linear as usize;
        let pages = linear >> 12..=(linear + len.max(1) as u32 - 1) >> 12;
        if start + len > MEMORY || self.absent.iter().any(|page| pages.contains(page)) {
            return Err(GuestFault);
        }
        Ok(start..start + len)
    }
}

impl BiosHost for FakeHost {
    fn read(&mut self, linear: u32, to: &mut [u8]) -> Result<(), GuestFault> {
        let range = self.range(linear, to.len())?;
        to.copy_from_slice(&self.memory[range]);
        Ok(())
    }

    fn write(&mut self, linear: u32, from: &[u8]) -> Result<(), GuestFault> {
        let range = self.range(linear, from.len())?;
        self.memory[range].copy_from_slice(from);
        Ok(())
    }

    fn read_physical(&mut self, at: u64, to: &mut [u8]) -> bool {
        u32::try_from(at).is_ok_and(|at| self.read(at, to).is_ok())
    }

    fn write_physical(&mut self, at: u64, from: &[u8]) -> bool {
        u32::try_from(at).is_ok_and(|at| self.write(at, from).is_ok())
    }

    fn port_read(&mut self, port: u16, _size: u8) -> u32 {
        match self.ports.get_mut(&port) {
            Some(values) if values.len() > 1 => values.pop_front().unwrap_or(u32::MAX),
            Some(values) => values.front().copied().unwrap_or(u32::MAX),
            None => u32::MAX,
        }
    }

    fn port_write(&mut self, port: u16, size: u8, value: u32) {
        self.written.push((port, size, value));
    }

    fn now(&self) -> VmTime {
        self.now
    }

    fn prepare(&mut self) -> Vec<glassbox_tables::E820Entry> {
        glassbox_tables::pc_memory_map(64 << 20, 0, &[])
    }
}

/// A BIOS, a host and the registers of a caller, whose stack is at 3000:0100h.
pub struct Bench {
    pub bios: Bios,
    pub host: FakeHost,
    pub regs: Registers,
    pub frame: Frame,
}

impl Bench {
    pub fn new() -> Self {
        Self::with(BiosConfig::default())
    }

    pub fn with(config: BiosConfig) -> Self {
        let mut regs = Registers { ss: SegmentRegister::real(0x3000), ..Registers::default() };
        regs.sp.set_word(0x100);
        Self { bios: Bios::new(config), host: FakeHost::new(), regs, frame: Frame::Interrupt }
    }

    /// Runs a service that needs no BIOS state.
    pub fn run(&mut self, service: impl FnOnce(&mut Call<'_>) -> ServiceResult) -> ServiceResult {
        self.run_with(|_, call| service(call))
    }

    /// Runs a service; registers change as the caller would see it.
    pub fn run_with(
        &mut self,
        service: impl FnOnce(&mut Bios, &mut Call<'_>) -> ServiceResult,
    ) -> ServiceResult {
        let mut call = Call { regs: self.regs, host: &mut self.host, frame: self.frame };
        let flow = service(&mut self.bios, &mut call)?;
        self.regs = call.regs;
        Ok(flow)
    }

    /// The flags that the caller gets back.
    pub fn flags(&self) -> u32 {
        match self.frame {
            Frame::Live => self.regs.flags,
            Frame::Interrupt => {
                let at = self.regs.ss.base + u32::from(self.regs.sp.word()) + 4;
                self.host.memory[at as usize].into()
            }
        }
    }

    /// Whether the caller gets CF set.
    pub fn carry(&self) -> bool {
        self.flags() & Registers::CF != 0
    }

    /// Whether the caller gets ZF set.
    pub fn zero(&self) -> bool {
        self.flags() & Registers::ZF != 0
    }
}
