//! The mainboard: an i440FX/PIIX4-like PC with an I/O APIC.
//!
//! [`Board`] is what the bus lock protects. An access goes through the maps to
//! a device; [`Board::settle`] then carries out what it caused.

mod assemble;
mod cmos;
mod devices;
mod firmware;
mod planes;
mod storage;
#[cfg(test)]
mod tests;
mod windows;
mod wiring;

pub(crate) use assemble::Parts;
pub(crate) use devices::{Devices, MmioDevice, PortDevice};
pub(crate) use storage::Placed;
pub(crate) use wiring::{Input, Wires};

use crate::bus::{MmioMap, PortMap, PortRoute};
use crate::interrupts::Interrupts;
use crate::stats::DeviceStats;
use assemble::VGA_FUNCTION;
use devices::{MmioUnit, PortUnit};
use glassbox_chipset::message::{MSI_BASE, MSI_SIZE};
use glassbox_cpu::CpuSignals;
use glassbox_device_api::{AccessSize, Device, IrqLine, Mmio, ResetKind, VmTime};
use glassbox_display::{Changes, Frame, TextScreen, Vga};
use glassbox_memory::{BackingKind, Gpa, GuestMemory, MappingId, RamBlock, Shadow};
use glassbox_pci::{Pirq, ShadowAccess};
use glassbox_tables::TablesConfig;
use std::collections::VecDeque;
use std::sync::Arc;
use windows::{FunctionBar, Windows};

/// Bytes of the register page of a local APIC.
const APIC_PAGE: u64 = 0x1000;
/// Offset of the data port among those of PCI configuration.
const CONFIG_DATA: u16 = 4;
/// Where the window for memory BARs begins at the lowest: firmware made for QEMU
/// begins there with less RAM.
const LEAST_PCI_MEMORY: u64 = 2 << 30;
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
    /// The earliest deadline of what was accessed since then.
    touched: Option<VmTime>,
    windows: Windows,
    /// Video memory in the window at A0000h.
    aperture: Aperture,
    /// PAM and whether SMRAM is open, as memory is directed now.
    shadowed: Option<([u8; 7], bool)>,
    /// The drives, for firmware.
    pub drives: Vec<Placed>,
    pub counts: DeviceStats,
    /// The last POST codes, oldest first.
    pub post_codes: VecDeque<u8>,
}

/// What of the window at A0000h is mapped straight to video memory.
#[derive(Default)]
struct Aperture {
    block: Option<RamBlock>,
    /// The VGA's count of changes when it was mapped.
    version: u64,
    mapped: Option<MappingId>,
}

fn earliest(a: Option<VmTime>, b: Option<VmTime>) -> Option<VmTime> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
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
                self.device_port_read(route, width) & width.mask() as u32
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

    fn device_port_read(&mut self, route: PortRoute, width: AccessSize) -> u32 {
        if let PortDevice::PciBar(at) = route.device {
            return self.window_read(at, route.offset.into(), width) as u32;
        }
        let Some(device) = self.port_device(route.device) else { return u32::MAX };
        let value = device.port_read(route.offset, width);
        let deadline = device.next_deadline();
        self.note_deadline(deadline);
        value
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
                self.device_port_write(route, width, value & width.mask() as u32);
            }
            (None, _) if size == 1 => self.ports.report_unclaimed(port, "write to"),
            _ => {
                for (i, byte) in value.to_le_bytes().into_iter().take(size.into()).enumerate() {
                    self.port_write_part(port.wrapping_add(i as u16), 1, byte.into());
                }
            }
        }
    }

    fn device_port_write(&mut self, route: PortRoute, width: AccessSize, value: u32) {
        if let PortDevice::PciBar(at) = route.device {
            return self.window_write(at, route.offset.into(), width, value.into());
        }
        let Some(device) = self.port_device(route.device) else { return };
        device.port_write(route.offset, width, value);
        let deadline = device.next_deadline();
        self.note_deadline(deadline);
        self.follow_port_write(route);
    }

    /// Moves elements of `size` bytes between an I/O port and a buffer in one piece, as
    /// far as its device does that. Returns how many.
    fn port_run(
        &mut self,
        port: u16,
        size: u8,
        run: impl FnOnce(&mut dyn PortUnit, u16, AccessSize) -> usize,
    ) -> usize {
        let width = AccessSize::from_bytes(size.into());
        let (Some(route), Some(width)) = (self.ports.find(port), width) else { return 0 };
        if route.left < size.into() {
            return 0;
        }
        let Some(device) = self.port_device(route.device) else { return 0 };
        let moved = run(device, route.offset, width);
        let deadline = device.next_deadline();
        self.note_deadline(deadline);
        moved
    }

    /// Reads elements of `size` bytes from an I/O port where its device gives them in one
    /// piece. Returns how many; 0 if each is to be read by itself.
    pub fn port_read_run(&mut self, port: u16, size: u8, to: &mut [u8]) -> usize {
        let moved =
            self.port_run(port, size, |device, offset, width| device.port_read_run(offset, width, to));
        self.counts.port_reads += moved as u64;
        moved
    }

    /// Writes elements as [`port_read_run`](Self::port_read_run) reads them.
    pub fn port_write_run(&mut self, port: u16, size: u8, from: &[u8]) -> usize {
        let moved =
            self.port_run(port, size, |device, offset, width| device.port_write_run(offset, width, from));
        self.counts.port_writes += moved as u64;
        moved
    }

    /// Reads in a window of a PCI function.
    fn window_read(&mut self, at: FunctionBar, offset: u64, size: AccessSize) -> u64 {
        let value = self.devices.pci.bar_read(at.function, at.bar.into(), offset, size);
        self.note_deadline(self.devices.pci.deadline_of(at.function));
        value
    }

    fn window_write(&mut self, at: FunctionBar, offset: u64, size: AccessSize, value: u64) {
        self.devices.pci.bar_write(at.function, at.bar.into(), offset, size, value);
        self.note_deadline(self.devices.pci.deadline_of(at.function));
        if at.function == VGA_FUNCTION {
            self.follow_vga();
        }
    }

    /// A device that was accessed wants to be looked at by then.
    fn note_deadline(&mut self, deadline: Option<VmTime>) {
        self.touched = earliest(self.touched, deadline);
    }

    /// Reads at a physical address that is not RAM, for processor `processor`.
    pub fn mmio_read(&mut self, processor: usize, at: u64, size: AccessSize) -> u64 {
        self.counts.mmio_reads += 1;
        if let Some((apic, offset)) = self.own_apic(processor, at) {
            return apic.mmio_read(offset, size) & size.mask();
        }
        match self.mmio.find(at) {
            Some((MmioDevice::PciBar(bar), offset)) => self.window_read(bar, offset, size) & size.mask(),
            Some((device, offset)) => {
                let Some(device) = self.mmio_device(device) else { return size.mask() };
                let value = device.mmio_read(offset, size) & size.mask();
                let deadline = device.next_deadline();
                self.note_deadline(deadline);
                value
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
            Some((MmioDevice::PciBar(bar), offset)) => self.window_write(bar, offset, size, value),
            Some((device, offset)) => {
                let Some(unit) = self.mmio_device(device) else { return };
                unit.mmio_write(offset, size, value);
                let deadline = unit.next_deadline();
                self.note_deadline(deadline);
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

    fn port_device(&mut self, device: PortDevice) -> Option<&mut dyn PortUnit> {
        match device {
            PortDevice::Pic => Some(&mut self.interrupts.pic),
            device => self.devices.port_io(device),
        }
    }

    fn mmio_device(&mut self, device: MmioDevice) -> Option<&mut dyn MmioUnit> {
        match device {
            MmioDevice::IoApic => Some(&mut self.interrupts.ioapic),
            MmioDevice::Hpet => Some(&mut self.devices.hpet),
            MmioDevice::Vga => Some(self.devices.vga.as_mut()?),
            MmioDevice::PciBar(_) => None,
            MmioDevice::Flash => Some(self.devices.flash.as_mut()?),
        }
    }

    /// Takes over what a device decides for others.
    fn follow_port_write(&mut self, route: PortRoute) {
        match route.device {
            PortDevice::Pci if route.offset >= CONFIG_DATA => self.follow_pci(),
            PortDevice::Rtc => self.interrupts.set_nmi_masked(self.devices.rtc.nmi_masked()),
            PortDevice::PostCode => self.remember_post_code(),
            PortDevice::Vga => self.follow_vga(),
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
        self.follow_windows();
        self.follow_vga();
        let bridge = self.devices.isa_bridge.lock();
        let routes = Pirq::ALL.map(|wire| bridge.pirq_route(wire));
        drop(bridge);
        self.interrupts.set_pirq_routes(routes);
    }

    /// C0000h to FFFFFh in segments of 16 KiB, the last 64 KiB as one, and SMRAM.
    fn follow_host_bridge(&mut self) {
        let bridge = self.devices.host_bridge.lock();
        let now = (bridge.pam(), bridge.smram_open());
        if self.shadowed == Some(now) {
            return;
        }
        self.shadowed = Some(now);
        let smram = if bridge.smram_open() { Shadow::RAM } else { Shadow::BUS };
        self.memory.set_shadow(Gpa(0xA_0000), 0x2_0000, smram);
        for start in (0xC_0000..0x10_0000).step_by(0x4000) {
            if let Some(ShadowAccess { read_ram, write_ram }) = bridge.shadow(start) {
                self.memory.set_shadow(Gpa(start), 0x4000, Shadow { read_ram, write_ram });
            }
        }
    }

    /// The part of the window at A0000h that is plain video memory now is mapped as such.
    fn follow_vga(&mut self) {
        let Some(vga) = &self.devices.vga else { return };
        let vga = vga.lock();
        if std::mem::replace(&mut self.aperture.version, vga.direct_version()) == vga.direct_version() {
            return;
        }
        if let Some(id) = self.aperture.mapped.take() {
            self.memory.unmap(id);
        }
        if let (Some(window), Some(block)) = (vga.direct_window(), self.aperture.block) {
            let at = Gpa(Vga::APERTURE.0 + window.offset);
            let mapped = self.memory.map(at, block, window.memory_offset, window.len, BackingKind::Ram);
            // Without whole pages accesses go to the device, as ever.
            self.aperture.mapped = mapped.ok();
        }
    }

    /// What ACPI tables say of this board.
    pub fn tables(&self) -> TablesConfig {
        TablesConfig {
            vga: self.devices.vga.is_some(),
            floppy: self.devices.floppy.is_some(),
            serial: self.devices.uarts.each_ref().map(Option::is_some),
            pci_memory_64: self.devices.flash.as_ref().map(|_| firmware::window_above(&self.memory)),
            pci_memory_start: self.memory.low_ram_size().max(LEAST_PCI_MEMORY) as u32,
            ..TablesConfig::new((0..self.interrupts.lapics.len() as u32).collect())
        }
    }

    /// Brings a picture of the screen up to date; `None` without a display. The
    /// processor does not run meanwhile.
    pub fn frame(&self, frame: &mut Frame) -> Option<Changes> {
        let mut vga = self.devices.vga.as_ref()?.lock();
        vga.poll_host();
        Some(vga.frame(frame))
    }

    /// Width and height of the picture; `None` without a display.
    pub fn screen_size(&self) -> Option<(u32, u32)> {
        Some(self.devices.vga.as_ref()?.lock().dimensions())
    }

    /// What the text screen says; `None` without one.
    pub fn text_screen(&self) -> Option<TextScreen> {
        self.devices.vga.as_ref()?.lock().text_screen()
    }

    /// RAM: name, start and length of each part.
    pub fn ram(&self) -> Vec<(&'static str, u64, u64)> {
        let mut parts = vec![("RAM", 0, self.memory.low_ram_size())];
        if self.memory.high_ram_size() != 0 {
            parts.push(("RAM", 1 << 32, self.memory.high_ram_size()));
        }
        parts
    }

    /// Memory that is mapped elsewhere: start, length, and what it is.
    pub fn memory_mappings(&self) -> Vec<(u64, u64, BackingKind)> {
        self.memory.mappings()
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
        let lapics = self.interrupts.lapics.iter().filter_map(Device::next_deadline).min();
        let next = earliest(self.touched.take(), lapics);
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
        self.touched = None;
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
            next = earliest(next, device.next_deadline());
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

    /// Places the windows of PCI functions as firmware does.
    pub fn place_windows(&mut self, interrupts: [u8; 4]) {
        windows::place(&mut self.devices.pci, interrupts);
        self.follow_pci();
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
