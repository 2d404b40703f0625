//! INT 10h on the real adapter: a VGA behind ports and memory, without a processor.

mod hardware;
mod modes;
mod text;
mod vbe;

use glassbox_device_api::{AccessSize, ManualClock, Mmio, PciFunction, PortIo, VmClock, VmTime};
use glassbox_display::{Frame, Vga, VgaConfig, VideoMemory};
use glassbox_pci::PciDevice;
use glassbox_tables::E820Entry;
use std::sync::Arc;

use crate::bios::{Bios, BiosConfig};
use crate::call::{BiosHost, Call, Flow, Frame as Flags, GuestFault};
use crate::registers::{Registers, SegmentRegister};
use crate::rom::ROM_BASE;

/// The adapter's slot.
const SLOT: u32 = 2;
const FRAMEBUFFER: u32 = 0xe000_0000;

/// 2 MiB of memory with the ROM in place, and the adapter.
pub(super) struct Board {
    pub memory: Vec<u8>,
    pub vga: Vga,
    clock: Arc<ManualClock>,
    pci_address: u32,
    port_b: u8,
}

impl Board {
    fn aperture(linear: u32) -> Option<u64> {
        (0xa_0000..0xc_0000).contains(&linear).then(|| u64::from(linear - 0xa_0000))
    }

    /// The VGA's offset of a port.
    fn vga_port(port: u16) -> Option<u16> {
        let window = Vga::WINDOWS.iter().find(|w| (w.port..w.port + w.len).contains(&port))?;
        Some(port - window.port + window.offset)
    }
}

fn size(bytes: u8) -> AccessSize {
    AccessSize::from_bytes(bytes.into()).unwrap()
}

impl BiosHost for Board {
    fn read(&mut self, linear: u32, to: &mut [u8]) -> Result<(), GuestFault> {
        for (at, byte) in (linear..).zip(to) {
            *byte = match Self::aperture(at) {
                Some(offset) => self.vga.mmio_read(offset, AccessSize::Byte) as u8,
                None => *self.memory.get(at as usize).ok_or(GuestFault)?,
            };
        }
        Ok(())
    }

    fn write(&mut self, linear: u32, from: &[u8]) -> Result<(), GuestFault> {
        for (at, byte) in (linear..).zip(from) {
            match Self::aperture(at) {
                Some(offset) => self.vga.mmio_write(offset, AccessSize::Byte, (*byte).into()),
                None if (ROM_BASE..0x10_0000).contains(&at) => {}
                None => *self.memory.get_mut(at as usize).ok_or(GuestFault)? = *byte,
            }
        }
        Ok(())
    }

    fn prepare(&mut self) -> Vec<E820Entry> {
        Vec::new()
    }

    fn read_physical(&mut self, _: u64, _: &mut [u8]) -> bool {
        false
    }

    fn write_physical(&mut self, _: u64, _: &[u8]) -> bool {
        false
    }

    fn port_read(&mut self, port: u16, bytes: u8) -> u32 {
        let own = self.pci_address & 0x80ff_ff00 == 1 << 31 | SLOT << 11;
        match (port, Self::vga_port(port)) {
            (_, Some(offset)) => self.vga.port_read(offset, size(bytes)),
            (0xcf8, _) => self.pci_address,
            (0xcfc, _) if own => self.vga.config_read(self.pci_address as u8),
            (0x61, _) => self.port_b.into(),
            _ => u32::MAX,
        }
    }

    fn port_write(&mut self, port: u16, bytes: u8, value: u32) {
        match (port, Self::vga_port(port)) {
            (_, Some(offset)) => self.vga.port_write(offset, size(bytes), value),
            (0xcf8, _) => self.pci_address = value,
            (0x61, _) => self.port_b = value as u8,
            _ => {}
        }
    }

    fn now(&self) -> VmTime {
        use glassbox_device_api::TimeSource;
        self.clock.now()
    }
}

/// A BIOS after POST, and a caller with its stack at 3000:0100h.
pub(super) struct Pc {
    pub bios: Bios,
    pub board: Board,
    pub regs: Registers,
}

impl Pc {
    pub fn new() -> Self {
        let clock = Arc::new(ManualClock::default());
        let memory = VideoMemory::standalone(16 << 20).unwrap();
        let mut vga = Vga::new(VmClock::new(clock.clone()), memory, VgaConfig::default());
        vga.config_write(0x10, FRAMEBUFFER, 0xf);
        vga.config_write(4, 3, 3);
        assert!(!vga.mappings().is_empty());
        let mut bios = Bios::new(BiosConfig::default());
        bios.set_edid(*VgaConfig::default().edid.bytes());
        let mut memory = vec![0; 2 << 20];
        memory[ROM_BASE as usize..0x10_0000].copy_from_slice(bios.rom().image());
        let regs = Registers { ss: SegmentRegister::real(0x3000), ..Registers::default() };
        let board = Board { memory, vga, clock, pci_address: 0, port_b: 0 };
        let mut pc = Self { bios, board, regs };
        pc.regs.sp.set_word(0x100);
        let mut call = Call { regs: pc.regs, host: &mut pc.board, frame: Flags::Interrupt };
        super::post(&mut pc.bios, &mut call).unwrap();
        pc
    }

    /// INT 10h with the registers as they are.
    pub fn call(&mut self) -> Flow {
        let mut call = Call { regs: self.regs, host: &mut self.board, frame: Flags::Interrupt };
        let flow = super::service(&mut self.bios, &mut call).unwrap();
        self.regs = call.regs;
        flow
    }

    /// INT 10h with AX, BX, CX and DX; AX comes back.
    pub fn int10(&mut self, ax: u16, bx: u16, cx: u16, dx: u16) -> u16 {
        self.regs.ax.set_word(ax);
        self.regs.bx.set_word(bx);
        self.regs.cx.set_word(cx);
        self.regs.dx.set_word(dx);
        assert_eq!(self.call(), Flow::Done);
        self.regs.ax.word()
    }

    pub fn set_mode(&mut self, mode: u8) {
        self.int10(mode.into(), 0, 0, 0);
    }

    /// Writes as AH=0Eh.
    pub fn print(&mut self, text: &[u8]) {
        for byte in text {
            self.int10(0x0e00 | u16::from(*byte), 7, 0, 0);
        }
    }

    pub fn bda_u8(&self, offset: usize) -> u8 {
        self.board.memory[0x400 + offset]
    }

    pub fn bda_u16(&self, offset: usize) -> u16 {
        u16::from_le_bytes([self.bda_u8(offset), self.bda_u8(offset + 1)])
    }

    pub fn lines(&self) -> Vec<String> {
        self.board.vga.text_screen().map(|screen| screen.lines()).unwrap_or_default()
    }

    pub fn register(&mut self, port: u16, index: u8) -> u8 {
        self.board.port_write(port, 1, index.into());
        self.board.port_read(port + 1, 1) as u8
    }

    pub fn picture(&mut self) -> Frame {
        let mut frame = Frame::new();
        self.board.vga.frame(&mut frame);
        frame
    }

    /// With `GLASSBOX_PICTURES=DIR`, the picture is written there as PNG.
    pub fn show(&mut self, name: &str) -> Frame {
        let frame = self.picture();
        if let Some(dir) = std::env::var_os("GLASSBOX_PICTURES") {
            let path = std::path::Path::new(&dir).join(name).with_extension("png");
            let mut encoder =
                png::Encoder::new(std::fs::File::create(path).unwrap(), frame.width(), frame.height());
            encoder.set_color(png::ColorType::Rgb);
            let pixels = frame.pixels().iter();
            let bytes: Vec<u8> = pixels.flat_map(|p| [(p >> 16) as u8, (p >> 8) as u8, *p as u8]).collect();
            encoder.write_header().unwrap().write_image_data(&bytes).unwrap();
        }
        frame
    }
}
