//! Whatever a guest does: no panic, and a restored display is the saved one.

use glassbox_device_api::{
    AccessSize, Device, Mmio, PciFunction, PortIo, ResetKind, RestoreError, SaveRestore, VmTime,
};
use glassbox_pci::PciDevice;
use glassbox_testkit::{
    Bench, check_save_restore_mmio, check_save_restore_ports, fuzz_mmio_device, fuzz_port_device,
};

use super::modes::{VGA_640, set_mode};
use super::vga;
use crate::{Frame, Vga, VgaSavedV1};

/// Ports from 0 (DISPI included), then everything else by one space of offsets;
/// looks at the picture now and then.
struct Whole {
    vga: Vga,
    frame: Frame,
    accesses: u32,
}

const PORTS: u64 = 0x40;
const APERTURE: u64 = 0x1000;
const BAR_0: u64 = 0x2_1000;
const BAR_2: u64 = 0x3_0000;
const CONFIG: u64 = 0x3_1000;
const END: u64 = 0x3_1100;

impl Whole {
    fn new(bench: &Bench) -> Self {
        Self { vga: vga(bench), frame: Frame::new(), accesses: 0 }
    }

    fn look(&mut self) {
        self.accesses += 1;
        if self.accesses.is_multiple_of(64) {
            let size = self.vga.dimensions();
            self.vga.frame(&mut self.frame);
            assert_eq!((self.frame.width(), self.frame.height()), size);
            assert!(self.vga.frame(&mut self.frame).is_empty(), "nothing changed in between");
            if let Some(screen) = self.vga.text_screen() {
                assert_eq!(screen.lines().len(), screen.rows as usize);
            }
        }
    }
}

impl Device for Whole {
    fn name(&self) -> &'static str {
        self.vga.name()
    }
    fn reset(&mut self, kind: ResetKind) {
        self.vga.reset(kind);
    }
    fn next_deadline(&self) -> Option<VmTime> {
        self.vga.next_deadline()
    }
}

impl Mmio for Whole {
    fn mmio_read(&mut self, offset: u64, size: AccessSize) -> u64 {
        self.look();
        match offset {
            ..PORTS => self.vga.port_read(offset as u16, size.min(AccessSize::Dword)).into(),
            APERTURE..BAR_0 => self.vga.mmio_read(offset - APERTURE, size),
            BAR_0..BAR_2 => self.vga.bar_read(0, (offset - BAR_0) << 8, size),
            BAR_2..CONFIG => self.vga.bar_read(2, offset - BAR_2, size),
            CONFIG.. => u64::from(self.vga.config_read((offset - CONFIG) as u8 & !3)) & size.mask(),
            _ => 0,
        }
    }

    fn mmio_write(&mut self, offset: u64, size: AccessSize, value: u64) {
        self.look();
        match offset {
            ..PORTS => self.vga.port_write(offset as u16, size.min(AccessSize::Dword), value as u32),
            APERTURE..BAR_0 => self.vga.mmio_write(offset - APERTURE, size, value),
            BAR_0..BAR_2 => self.vga.bar_write(0, (offset - BAR_0) << 8, size, value),
            BAR_2..CONFIG => self.vga.bar_write(2, offset - BAR_2, size, value),
            CONFIG.. => self.vga.config_write((offset - CONFIG) as u8 & !3, value as u32, 0xf),
            _ => {}
        }
    }
}

impl SaveRestore for Whole {
    type Saved = (VgaSavedV1, Vec<u8>);

    fn save(&self) -> Self::Saved {
        let mut memory = vec![0; self.vga.memory().len() as usize];
        self.vga.memory().read(0, &mut memory);
        (self.vga.save(), memory)
    }

    fn restore(&mut self, (saved, memory): Self::Saved) -> Result<(), RestoreError> {
        self.vga.restore(saved)?;
        self.vga.memory().write(0, &memory);
        Ok(())
    }
}

#[test]
fn fuzz_of_ports_survives() {
    fuzz_port_device(0x40, vga);
}

#[test]
fn fuzz_of_everything_survives() {
    fuzz_mmio_device(END, Whole::new);
    fuzz_mmio_device(PORTS, Whole::new);
}

#[test]
fn saved_state_is_complete() {
    check_save_restore_ports(0x40, vga);
    check_save_restore_mmio(END, Whole::new);
}

#[test]
fn an_impossible_saved_state_is_refused() {
    let bench = Bench::new();
    let mut vga = vga(&bench);
    set_mode(&mut vga, &VGA_640);
    let saved = vga.save();
    let larger = crate::VideoMemory::standalone(2 << 20).unwrap();
    let mut other = Vga::new(bench.vm_clock(), larger, crate::VgaConfig::default());
    assert!(other.restore(saved.clone()).is_err(), "of a device with less memory");
    assert_eq!(vga.restore(saved), Ok(()));
}
