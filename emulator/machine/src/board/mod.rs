//! The mainboard: an i440FX/PIIX4-like PC with an I/O APIC.
//!
//! [`Board`] is what the bus lock protects. An access goes through the maps to
//! a device; [`Board::settle`] then carries out what it caused.

mod assemble;
mod devices;
#[cfg(test)]
mod tests;
mod wiring;

pub(crate) use assemble::Parts;
pub(crate) use devices::{Devices, MmioDevice, PortDevice};
pub(crate) use wiring::{Input, Wires};

use crate::bus::{MmioMap, PortMap};
use crate::interrupts::Interrupts;
use crate::stats::DeviceStats;
use glassbox_chipset::message::{MSI_BASE, MSI_SIZE};
use glassbox_cpu::CpuSignals;
use glassbox_device_api::{AccessSize, Device, IrqLine, Mmio, PortIo, ResetKind, VmTime};
use glassbox_memory::{Gpa, GuestMemory, Shadow};
use glassbox_pci::{Pirq, ShadowAccess};
use std::collections::VecDeque;
use std::sync::Arc;

/// Bytes of the register page of a local APIC.
const APIC_PAGE: u64 = 0x1000;
/// POST codes that are remembered.
const POST_CODES: usize = 16;

/// Devices, wires, and the maps over them.
pub(crate) struct Board {
    pub devices: Devices,
    pub interrupts: Interrupts,
    memory: GuestMemory,
    pub ports: PortMap,
    pub mmio: MmioMap,
    /// FERR#, wired to ISA interrupt 13.
    ferr: IrqLine,
    processors: Vec<Arc<CpuSignals>>,
    /// Until when the run loop has planned: an earlier deadline ends the run.
    planned: Option<VmTime>,
    pub counts: DeviceStats,
    /// The last POST codes, oldest first.
    pub post_codes: VecDeque<u8>,
}

impl Board {
    /// Reads 1, 2 or 4 bytes from an I/O port. What nobody drives reads all ones.
    pub fn port_read(&mut self, port: u16, size: u8) -> u32 {
        self.counts.port_reads += 1;
        self.port_read_part(port, size)
    }

    fn port_read_part(&mut self, port: u16, size: u8) -> u32 {
        let route = self.ports.find(port);
        match (route, AccessSize::from_bytes(size.into())) {
            (Some(route), Some(width)) if route.left >= size.into() => {
                let value = self.port_device(route.device).map(|d| d.port_read(route.offset, width));
                value.unwrap_or(u32::MAX) & width.mask() as u32
            }
            (None, _) if size == 1 => {
                self.ports.report_unclaimed(port, "read of");
                0xFF
            }
            // The bus splits an access that no single device takes whole.
            _ => (0..size.min(4)).fold(0, |value, i| {
                let byte = self.port_read_part(port.wrapping_add(i.into()), 1);
                value | byte << (8 * u32::from(i))
            }),
        }
    }

    /// Writes 1, 2 or 4 bytes to an I/O port.
    pub fn port_write(&mut self, port: u16, size: u8, value: u32) {
        self.counts.port_writes += 1;
        self.port_write_part(port, size, value);
    }

    fn port_write_part(&mut self, port: u16, size: u8, value: u32) {
        let route = self.ports.find(port);
        match (route, AccessSize::from_bytes(size.into())) {
            (Some(route), Some(width)) if route.left >= size.into() => {
                if let Some(device) = self.port_device(route.device) {
                    device.port_write(route.offset, width, value & width.mask() as u32);
                }
                self.follow_port_write(route.device);
            }
            (None, _) if size == 1 => self.ports.report_unclaimed(port, "write to"),
            _ => {
                for (i, byte) in value.to_le_bytes().into_iter().take(size.into()).enumerate() {
                    self.port_write_part(port.wrapping_add(i as u16), 1, byte.into());
                }
            }
        }
    }

    /// Reads at a physical address that is not RAM, for processor `processor`.
    pub fn mmio_read(&mut self, processor: usize, at: u64, size: AccessSize) -> u64 {
        self.counts.mmio_reads += 1;
        if let Some((apic, offset)) = self.own_apic(processor, at) {
            return apic.mmio_read(offset, size) & size.mask();
        }
        match self.mmio.find(at) {
            Some((device, offset)) => {
                self.mmio_device(device).map_or(u64::MAX, |d| d.mmio_read(offset, size)) & size.mask()
            }
            None => {
                self.mmio.report_unclaimed(at, "read of");
                size.mask()
            }
        }
    }

    /// Writes at a physical address that is not RAM, for processor `processor`.
    pub fn mmio_write(&mut self, processor: usize, at: u64, size: AccessSize, value: u64) {
        self.counts.mmio_writes += 1;
        let value = value & size.mask();
        if let Some((apic, offset)) = self.own_apic(processor, at) {
            apic.mmio_write(offset, size, value);
            return;
        }
        match self.mmio.find(at) {
            Some((device, offset)) => {
                if let Some(device) = self.mmio_device(device) {
                    device.mmio_write(offset, size, value);
                }
                if device == MmioDevice::Hpet {
                    self.follow_hpet();
                }
            }
            None if (MSI_BASE..MSI_BASE + MSI_SIZE).contains(&at) => {
                self.interrupts.message_write(at, value as u32);
            }
            None => self.mmio.report_unclaimed(at, "write to"),
        }
    }

    /// The local APIC's register page, where its own processor has it.
    fn own_apic(&mut self, processor: usize, at: u64) -> Option<(&mut dyn Mmio, u64)> {
        let apic = self.interrupts.lapics.get_mut(processor)?;
        let offset = at.checked_sub(apic.mmio_base()?)?;
        (offset < APIC_PAGE).then_some((apic as &mut dyn Mmio, offset))
    }

    fn port_device(&mut self, device: PortDevice) -> Option<&mut dyn PortIo> {
        match device {
            PortDevice::Pic => Some(&mut self.interrupts.pic),
            device => self.devices.port_io(device),
        }
    }

    fn mmio_device(&mut self, device: MmioDevice) -> Option<&mut dyn Mmio> {
        match device {
            MmioDevice::IoApic => Some(&mut self.interrupts.ioapic),
            MmioDevice::Hpet => Some(&mut self.devices.hpet),
        }
    }

    /// Takes over what a device decides for others.
    fn follow_port_write(&mut self, device: PortDevice) {
        match device {
            PortDevice::Pci => self.follow_pci(),
            PortDevice::Rtc => self.interrupts.set_nmi_masked(self.devices.rtc.nmi_masked()),
            PortDevice::PostCode => self.remember_post_code(),
            _ => {}
        }
    }

    /// Operating systems write to the port only to wait, always the same value:
    /// repetitions do not count.
    fn remember_post_code(&mut self) {
        let code = self.devices.post_code.code();
        if self.post_codes.back() == Some(&code) {
            return;
        }
        if self.post_codes.len() == POST_CODES {
            self.post_codes.pop_front();
        }
        self.post_codes.push_back(code);
    }

    /// The routing of PCI interrupts is the ISA bridge's, the way of accesses below
    /// 1 MiB the host bridge's.
    fn follow_pci(&mut self) {
        self.follow_host_bridge();
        let bridge = self.devices.isa_bridge.lock();
        let routes = Pirq::ALL.map(|wire| bridge.pirq_route(wire));
        drop(bridge);
        self.interrupts.set_pirq_routes(routes);
    }

    /// C0000h to FFFFFh in segments of 16 KiB, the last 64 KiB as one, and SMRAM.
    fn follow_host_bridge(&mut self) {
        let bridge = self.devices.host_bridge.lock();
        let smram = if bridge.smram_open() { Shadow::RAM } else { Shadow::BUS };
        self.memory.set_shadow(Gpa(0xA_0000), 0x2_0000, smram);
        for start in (0xC_0000..0x10_0000).step_by(0x4000) {
            if let Some(ShadowAccess { read_ram, write_ram }) = bridge.shadow(start) {
                self.memory.set_shadow(Gpa(start), 0x4000, Shadow { read_ram, write_ram });
            }
        }
    }

    fn follow_hpet(&mut self) {
        self.interrupts.set_hpet_replaces_legacy(self.devices.hpet.legacy_replacement());
    }

    /// Drives FERR#.
    pub fn set_ferr(&mut self, asserted: bool) {
        self.ferr.set(asserted);
    }

    /// Carries out what an access caused: interrupts, and an end of the run
    /// where something fell due earlier than planned or is for the run loop.
    pub fn settle(&mut self) {
        self.interrupts.settle();
        let next = self.next_deadline();
        let earlier = match (next, self.planned) {
            (Some(next), Some(planned)) => next < planned,
            (Some(_), None) => true,
            (None, _) => false,
        };
        if earlier {
            self.planned = next;
        }
        if earlier || self.has_requests() {
            for processor in &self.processors {
                processor.request_exit();
            }
        }
    }

    /// Guest time is `now`: does what fell due. Returns when something is due next.
    pub fn service(&mut self, now: VmTime) -> Option<VmTime> {
        self.each_device(&mut |device| {
            if device.next_deadline().is_some_and(|deadline| deadline <= now) {
                device.advance(now);
            }
        });
        self.interrupts.settle();
        self.planned = self.next_deadline();
        self.planned
    }

    /// Lets every device fetch what the host has for it.
    pub fn poll_host(&mut self) {
        self.devices.each(&mut |device| device.poll_host());
    }

    /// Whether something waits for the run loop.
    pub fn has_requests(&self) -> bool {
        self.interrupts.requests != Default::default() || self.devices.wants_to_end()
    }

    fn next_deadline(&mut self) -> Option<VmTime> {
        let mut next: Option<VmTime> = None;
        self.each_device(&mut |device| {
            if let Some(deadline) = device.next_deadline() {
                next = Some(next.map_or(deadline, |n| n.min(deadline)));
            }
        });
        next
    }

    fn each_device(&mut self, each: &mut dyn FnMut(&mut dyn Device)) {
        for apic in &mut self.interrupts.lapics {
            each(apic);
        }
        each(&mut self.interrupts.pic);
        each(&mut self.interrupts.ioapic);
        self.devices.each(each);
    }

    /// The reset line: every device returns to its reset state.
    pub fn reset(&mut self, kind: ResetKind) {
        self.each_device(&mut |device| device.reset(kind));
        self.follow_pci();
        self.follow_hpet();
        self.interrupts.set_nmi_masked(self.devices.rtc.nmi_masked());
        self.interrupts.settle();
        self.interrupts.requests = Default::default();
    }

    /// The A20 gate as the wires have it; on where nothing drives it.
    pub fn a20(&self) -> bool {
        let wires = &self.interrupts.wires;
        !wires.is_connected(Input::A20) || wires.level(Input::A20)
    }
}
