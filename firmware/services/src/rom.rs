//! The ROM: fixed entry points, stubs, and the tables that programs look for at
//! known offsets in segment F000h.
//!
//! A stub enters the host by `OUT` to [`TRAP_PORT`]. Which service it is follows
//! from the offset of the instruction alone, so that the ROM works wherever a
//! memory manager maps it, and in segments of protected mode. The trap is
//!
//! ```text
//! trap:  out TRAP_PORT, al
//!        jmp short trap       ; only where the host did not come: a debugger steps
//! done:  …                    ; where the host goes on
//! ```
//!
//! and where a service may have to wait
//!
//! ```text
//! trap:  out TRAP_PORT, al
//!        jmp short trap
//!        jmp short done
//! wait:  sti                  ; nothing can slip in between STI and HLT
//!        hlt
//!        cli
//!        jmp short trap
//! spin:  sti
//!        pause
//!        jmp short trap
//! done:
//! ```

use crate::asm::{Assembler, Byte, Condition, Label, SEGMENT_SIZE, Segment, Word};
use crate::call::Frame;
use crate::service::Service;
use crate::{int10, int13, int14, int15, int15_memory};
use std::collections::HashMap;

/// The port that stubs write to. Nothing on a PC has it.
pub const TRAP_PORT: u8 = 0xE2;
/// The ROM's segment in real mode.
pub const ROM_SEGMENT: u16 = 0xF000;
/// Linear address of the ROM.
pub const ROM_BASE: u32 = 0xF_0000;

/// Entry points that programs know.
pub mod entry {
    #![allow(missing_docs)]
    pub const POST: u16 = 0xE05B;
    pub const NMI: u16 = 0xE2C3;
    pub const INT13_DISK: u16 = 0xE3FE;
    pub const DISK_TABLE: u16 = 0xE401;
    pub const CONFIGURATION: u16 = 0xE6F5;
    pub const INT19: u16 = 0xE6F2;
    pub const BAUD_RATES: u16 = 0xE729;
    pub const INT14: u16 = 0xE739;
    pub const INT16: u16 = 0xE82E;
    pub const INT09: u16 = 0xE987;
    pub const INT13_FLOPPY: u16 = 0xEC59;
    pub const INT0E: u16 = 0xEF57;
    pub const FLOPPY_TABLE: u16 = 0xEFC7;
    pub const INT17: u16 = 0xEFD2;
    pub const INT10: u16 = 0xF065;
    pub const VIDEO_TABLE: u16 = 0xF0A4;
    pub const INT12: u16 = 0xF841;
    pub const INT11: u16 = 0xF84D;
    pub const INT15: u16 = 0xF859;
    pub const FONT_8X8: u16 = 0xFA6E;
    pub const INT1A: u16 = 0xFE6E;
    pub const INT08: u16 = 0xFEA5;
    pub const DUMMY_IRET: u16 = 0xFF53;
    pub const INT05: u16 = 0xFF54;
    pub const RESET: u16 = 0xFFF0;
    pub const DATE: u16 = 0xFFF5;
    pub const MODEL: u16 = 0xFFFE;
}

/// Where the INT 10h part may place fonts and tables.
pub const VIDEO_DATA: std::ops::Range<u16> = 0x0000..0x7000;
/// Where tables that depend on the machine go: SMBIOS, MP, `$PIR`.
pub const TABLES: std::ops::Range<u16> = 0x7000..0xC000;
/// Where the stubs begin that have no fixed place.
const CODE: u16 = 0xC000;
/// The BIOS date at [`entry::DATE`].
const DATE: &[u8; 8] = b"01/01/26";
/// Model: an AT.
pub const MODEL: u8 = 0xFC;

pub(crate) const PIC_COMMAND: u8 = 0x20;
pub(crate) const PIC2_COMMAND: u8 = 0xA0;
const EOI: u8 = 0x20;

/// Places of the ROM that a service may go on at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Point {
    /// POST goes on with the next option ROM.
    OptionRoms,
    /// POST is over: INT 19h.
    Bootstrap,
    /// The end of a block move that reset the processor, as the AT's.
    ResumeBlockMove,
    /// INT 15h AH=89h: on in protected mode.
    EnterProtected,
    /// INT 09h: EOI and return.
    KeyDone,
    /// INT 09h: Print Screen.
    KeyPrintScreen,
    /// INT 09h: Ctrl-Break.
    KeyBreak,
    /// INT 09h: Pause; returns when another key comes.
    KeyPause,
    /// INT 09h: SysReq was pressed.
    KeySysReqPressed,
    /// INT 09h: SysReq was released.
    KeySysReqReleased,
    /// INT 70h: the alarm; INT 4Ah.
    Alarm,
    /// INT 74h: where the mouse handler returns to.
    MouseReturn,
    /// Halted, until a reset comes.
    Idle,
    /// INT 18h.
    NoBoot,
    /// INT 19h after the next key.
    WaitForKey,
    /// BIOS32 service directory.
    Bios32,
    /// PCI BIOS, 32-bit.
    PciBios32,
    /// APM, 16-bit protected mode.
    Apm16,
    /// APM, 32-bit protected mode.
    Apm32,
    /// Plug and Play BIOS.
    PlugAndPlay,
    /// Interrupts of the master controller that nobody uses.
    UnusedMaster,
    /// Interrupts of the slave controller that nobody uses.
    UnusedSlave,
    /// IRQ 8.
    Int70,
    /// IRQ 12.
    Int74,
    /// IRQ 13.
    Int75,
    /// IRQ 14.
    Int76,
    /// IRQ 15.
    Int77,
}

/// A trap: what it calls and where the stub goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site {
    /// What is called.
    pub service: Service,
    /// Where the caller's flags are.
    pub frame: Frame,
    /// Offset of the `OUT`.
    pub trap: u16,
    /// Where it goes on.
    pub done: u16,
    /// Offset of the two ways to wait, where there are any.
    pub wait: Option<(u16, u16)>,
}

/// The finished ROM.
#[derive(Clone, Debug)]
pub struct Rom {
    image: Vec<u8>,
    /// By the offset behind the `OUT`.
    sites: HashMap<u16, Site>,
    points: HashMap<Point, u16>,
}

impl Rom {
    /// Assembles the ROM.
    pub fn new() -> Self {
        let mut b = Builder { a: Assembler::new(), sites: HashMap::new(), points: Vec::new() };
        int10::place(&mut b.a);
        int13::place(&mut b.a);
        int14::place(&mut b.a);
        int15::place(&mut b.a);
        b.a.org(CODE);
        b.start_up();
        b.software_interrupts();
        b.timer();
        b.keyboard();
        b.interrupts();
        b.protected_mode();
        b.fixed_data();
        let points = b.points.iter().map(|&(p, label)| (p, b.a.offset_of(label))).collect();
        let mut rom = Self { image: b.a.finish(), sites: b.sites, points };
        rom.seal();
        rom
    }

    /// The 64 KiB, whose last 16 bytes have the reset vector.
    pub fn image(&self) -> &[u8] {
        &self.image
    }

    /// The trap that ended at an offset.
    pub fn site(&self, behind: u16) -> Option<&Site> {
        self.sites.get(&behind)
    }

    /// The offsets behind all traps.
    #[cfg(test)]
    pub(crate) fn sites(&self) -> impl Iterator<Item = u16> {
        self.sites.keys().copied()
    }

    /// Where a place is.
    pub fn offset(&self, point: Point) -> u16 {
        self.points.get(&point).copied().unwrap_or(entry::DUMMY_IRET)
    }

    /// Puts a table that depends on the machine into [`TABLES`]; false where it
    /// does not fit.
    pub fn place(&mut self, offset: u16, bytes: &[u8]) -> bool {
        let (start, end) = (usize::from(offset), usize::from(offset) + bytes.len());
        let fits = TABLES.start <= offset && end <= usize::from(TABLES.end);
        if fits {
            self.image[start..end].copy_from_slice(bytes);
            self.seal();
        }
        fits
    }

    /// The byte at the end makes the sum of the ROM zero.
    fn seal(&mut self) {
        self.image[SEGMENT_SIZE - 1] = 0;
        let sum = self.image.iter().fold(0u8, |sum, &byte| sum.wrapping_add(byte));
        self.image[SEGMENT_SIZE - 1] = sum.wrapping_neg();
    }
}

impl Default for Rom {
    fn default() -> Self {
        Self::new()
    }
}

struct Builder {
    a: Assembler,
    sites: HashMap<u16, Site>,
    points: Vec<(Point, Label)>,
}

impl Builder {
    fn point(&mut self, point: Point) {
        let label = self.a.label_here();
        self.points.push((point, label));
    }

    /// At a fixed offset: a jump to what follows here.
    fn fixed(&mut self, offset: u16) {
        let body = self.a.label_here();
        let resume = self.a.here();
        self.a.org(offset);
        self.a.jmp(body);
        self.a.org(resume);
    }

    fn trap(&mut self, service: Service, frame: Frame) {
        let trap = self.a.here();
        self.a.out_al(TRAP_PORT);
        self.a.bytes(&[0xEB, 0xFC]);
        let done = self.a.here();
        self.sites.insert(trap + 2, Site { service, frame, trap, done, wait: None });
    }

    fn trap_that_waits(&mut self, service: Service, frame: Frame) {
        let trap = self.a.here();
        self.a.out_al(TRAP_PORT);
        self.a.bytes(&[0xEB, 0xFC]);
        self.a.bytes(&[0xEB, 10]);
        let wait = self.a.here();
        self.a.sti();
        self.a.hlt();
        self.a.cli();
        self.back_to(trap);
        let spin = self.a.here();
        self.a.sti();
        self.a.pause();
        self.back_to(trap);
        let done = self.a.here();
        self.sites.insert(trap + 2, Site { service, frame, trap, done, wait: Some((wait, spin)) });
    }

    /// `JMP rel8` backwards.
    fn back_to(&mut self, target: u16) {
        let end = self.a.here() + 2;
        self.a.bytes(&[0xEB, target.wrapping_sub(end) as u8]);
    }

    fn eoi(&mut self) {
        self.a.mov_byte(Byte::Al, EOI);
        self.a.out_al(PIC_COMMAND);
    }

    fn eoi_both(&mut self) {
        self.a.mov_byte(Byte::Al, EOI);
        self.a.out_al(PIC2_COMMAND);
        self.a.out_al(PIC_COMMAND);
    }

    fn start_up(&mut self) {
        self.fixed(entry::POST);
        self.a.cli();
        self.a.cld();
        self.trap(Service::Post, Frame::Live);
        self.point(Point::OptionRoms);
        self.trap(Service::OptionRoms, Frame::Live);
        self.point(Point::Bootstrap);
        self.a.sti();
        self.a.int(0x19);
        self.point(Point::Idle);
        let idle = self.a.label_here();
        self.a.sti();
        self.a.hlt();
        self.a.jmp(idle);

        self.point(Point::ResumeBlockMove);
        self.a.pop_segment(Segment::Ds);
        self.a.pop_segment(Segment::Es);
        self.a.popa();
        self.a.iret();

        self.point(Point::EnterProtected);
        int15_memory::place_switch(&mut self.a);

        self.fixed(entry::INT19);
        self.a.sti();
        self.trap(Service::Int19, Frame::Live);
        self.a.int(0x18);
        // INT 18h: the next drive, or one character after the other of what failed.
        self.point(Point::NoBoot);
        let again = self.a.label_here();
        self.a.sti();
        self.trap(Service::Int18, Frame::Live);
        self.a.int(0x10);
        self.a.jmp(again);
        self.point(Point::WaitForKey);
        self.a.mov_byte(Byte::Ah, 0);
        self.a.int(0x16);
        self.a.int(0x19);
    }

    /// Services that are entered by INT n and left by IRET.
    fn software_interrupts(&mut self) {
        let services: &[(Service, &[u16])] = &[
            (Service::Int05, &[entry::INT05]),
            (Service::Int10, &[entry::INT10]),
            (Service::Int11, &[entry::INT11]),
            (Service::Int12, &[entry::INT12]),
            (Service::Int13, &[entry::INT13_DISK, entry::INT13_FLOPPY]),
            (Service::Int14, &[entry::INT14]),
            (Service::Int15, &[entry::INT15]),
            (Service::Int16, &[entry::INT16]),
            (Service::Int17, &[entry::INT17]),
            (Service::Int1A, &[entry::INT1A]),
        ];
        for &(service, entries) in services {
            for &offset in entries {
                self.fixed(offset);
            }
            self.trap_that_waits(service, Frame::Interrupt);
            self.a.iret();
        }
        self.fixed(entry::NMI);
        self.trap(Service::Nmi, Frame::Interrupt);
        self.a.iret();
    }

    fn timer(&mut self) {
        self.fixed(entry::INT08);
        self.a.sti();
        self.a.push_segment(Segment::Ds);
        self.a.push(Word::Ax);
        self.a.push(Word::Dx);
        self.trap(Service::Int08, Frame::Live);
        self.a.int(0x1C);
        self.a.cli();
        self.eoi();
        self.a.pop(Word::Dx);
        self.a.pop(Word::Ax);
        self.a.pop_segment(Segment::Ds);
        self.a.iret();
    }

    fn keyboard(&mut self) {
        self.fixed(entry::INT09);
        let done = self.a.label();
        self.a.push(Word::Ax);
        self.a.in_al(0x64);
        self.a.test_al(0x20);
        self.a.jcc(Condition::NotZero, done);
        self.a.test_al(0x01);
        let key = self.a.label();
        self.a.jcc(Condition::NotZero, key);
        // Answers of the controller raise the interrupt, too, and are gone by now. But a
        // program that hooks it has read the key, and it can be read again.
        self.a.push_segment(Segment::Ds);
        self.a.mov(Word::Ax, 0);
        self.a.mov_to_segment(Segment::Ds, Word::Ax);
        let [low, high] = ROM_SEGMENT.to_le_bytes();
        // cmp word [9 * 4 + 2], ROM_SEGMENT
        self.a.bytes(&[0x81, 0x3E, 0x26, 0x00, low, high]);
        self.a.pop_segment(Segment::Ds);
        self.a.jcc(Condition::Zero, done);
        self.a.bind(key);
        self.a.in_al(0x60);
        self.a.mov_byte(Byte::Ah, 0x4F);
        self.a.stc();
        self.a.int(0x15);
        self.a.jcc(Condition::NoCarry, done);
        self.trap(Service::Int09, Frame::Live);
        self.a.bind(done);
        self.point(Point::KeyDone);
        self.a.cli();
        self.eoi();
        self.a.pop(Word::Ax);
        self.a.iret();
        for (point, vector) in [(Point::KeyPrintScreen, 0x05), (Point::KeyBreak, 0x1B)] {
            self.point(point);
            self.eoi();
            self.a.pop(Word::Ax);
            self.a.int(vector);
            self.a.iret();
        }
        for (point, ax) in [(Point::KeySysReqPressed, 0x8500), (Point::KeySysReqReleased, 0x8501)] {
            self.point(point);
            self.eoi();
            self.a.mov(Word::Ax, ax);
            self.a.sti();
            self.a.int(0x15);
            self.a.pop(Word::Ax);
            self.a.iret();
        }
        self.point(Point::KeyPause);
        self.eoi();
        self.trap_that_waits(Service::Pause, Frame::Live);
        self.a.pop(Word::Ax);
        self.a.iret();
    }

    /// Hardware interrupts other than timer and keyboard.
    fn interrupts(&mut self) {
        self.fixed(entry::INT0E);
        self.a.push(Word::Ax);
        self.trap(Service::Int0E, Frame::Live);
        self.eoi();
        self.a.pop(Word::Ax);
        self.a.iret();

        self.point(Point::Int70);
        let done = self.a.label();
        self.a.push(Word::Ax);
        self.trap(Service::Int70, Frame::Live);
        self.a.jmp(done);
        self.point(Point::Alarm);
        self.a.sti();
        self.a.int(0x4A);
        self.a.cli();
        self.a.bind(done);
        self.eoi_both();
        self.a.pop(Word::Ax);
        self.a.iret();

        self.point(Point::Int74);
        let done = self.a.label();
        self.a.push_segment(Segment::Ds);
        self.a.push_segment(Segment::Es);
        self.a.pushad();
        self.trap(Service::Int74, Frame::Live);
        self.a.jmp(done);
        self.point(Point::MouseReturn);
        // ADD SP, 8: the four words that the handler was given.
        self.a.bytes(&[0x83, 0xC4, 0x08]);
        self.a.bind(done);
        self.a.cli();
        self.eoi_both();
        self.a.popad();
        self.a.pop_segment(Segment::Es);
        self.a.pop_segment(Segment::Ds);
        self.a.iret();

        self.point(Point::Int75);
        self.a.push(Word::Ax);
        self.a.mov_byte(Byte::Al, 0);
        self.a.out_al(0xF0);
        self.eoi_both();
        self.a.pop(Word::Ax);
        self.a.int(0x02);
        self.a.iret();

        for (point, service) in [(Point::Int76, Service::DiskIrq), (Point::Int77, Service::DiskIrq)] {
            self.point(point);
            self.a.push(Word::Ax);
            self.trap(service, Frame::Live);
            self.eoi_both();
            self.a.pop(Word::Ax);
            self.a.iret();
        }
        for point in [Point::UnusedMaster, Point::UnusedSlave] {
            self.point(point);
            self.trap(Service::UnusedIrq, Frame::Live);
            self.a.iret();
        }
    }

    /// Entered by CALL FAR in protected mode; the bytes mean the same in 16-bit
    /// and in 32-bit code.
    fn protected_mode(&mut self) {
        for (point, service) in [
            (Point::Bios32, Service::Bios32),
            (Point::PciBios32, Service::PciBios32),
            (Point::Apm16, Service::ApmProtected),
            (Point::Apm32, Service::ApmProtected),
            (Point::PlugAndPlay, Service::PlugAndPlay),
        ] {
            self.point(point);
            self.trap(service, Frame::Live);
            self.a.retf();
        }
    }

    fn fixed_data(&mut self) {
        self.a.org(entry::DUMMY_IRET);
        self.a.iret();
        self.a.org(entry::RESET);
        self.a.jmp_far(ROM_SEGMENT, entry::POST);
        self.a.org(entry::DATE);
        self.a.bytes(DATE);
        self.a.org(entry::MODEL);
        self.a.bytes(&[MODEL]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reset_vector_and_the_identification_are_where_programs_look() {
        let rom = Rom::new();
        let image = rom.image();
        assert_eq!(image.len(), 0x1_0000);
        assert_eq!(image[0xFFF0..0xFFF5], [0xEA, 0x5B, 0xE0, 0x00, 0xF0]);
        assert_eq!(image[0xFFFE], 0xFC);
        assert_eq!(image[0xFF53], 0xCF);
        assert_eq!(image.iter().fold(0u8, |s, b| s.wrapping_add(*b)), 0, "checksum");
    }

    #[test]
    fn every_trap_is_found_by_the_offset_behind_it_and_goes_on_behind_its_loop() {
        let rom = Rom::new();
        for (&behind, site) in &rom.sites {
            let at = usize::from(site.trap);
            assert_eq!(usize::from(behind), at + 2);
            assert_eq!(rom.image[at..at + 4], [0xE6, TRAP_PORT, 0xEB, 0xFC]);
            if let Some((wait, spin)) = site.wait {
                let after = |at: u16, n: u16| usize::from(at + n);
                assert_eq!(rom.image[after(wait, 0)..after(wait, 3)], [0xFB, 0xF4, 0xFA]);
                let back = |jump: usize| jump as i32 + 2 + i32::from(rom.image[jump + 1] as i8);
                assert_eq!(back(after(wait, 3)), i32::from(site.trap));
                assert_eq!(back(after(spin, 3)), i32::from(site.trap));
                assert_eq!(back(at + 4), i32::from(site.done));
            }
        }
    }

    #[test]
    fn tables_fit_into_their_room_only() {
        let mut rom = Rom::new();
        assert!(rom.place(TABLES.start, b"_SM_"));
        assert_eq!(rom.image()[0x7000..0x7004], *b"_SM_");
        assert_eq!(rom.image().iter().fold(0u8, |s, b| s.wrapping_add(*b)), 0);
        assert!(!rom.place(TABLES.end - 1, &[1, 2]) && !rom.place(0xFFF0, &[0]));
    }
}
