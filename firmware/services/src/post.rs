//! Power-on self test: leaves the board, the interrupt vectors and the data
//! areas as programs expect them, scans for option ROMs, and goes on with INT 19h.

use crate::bda::{self, EBDA, EBDA_SEGMENT, EBDA_SIZE};
use crate::bios::Bios;
use crate::call::{BDA, Call, Flow, GuestFault, ServiceResult};
use crate::registers::SegmentRegister;
use crate::rom::{Point, ROM_BASE, ROM_SEGMENT};
use crate::{cmos, int10, int13, pci_setup, tables, vectors};

/// Progress, for those who look at it.
const POST_CODE: u16 = 0x80;
const RESET_CONTROL: u16 = 0xCF9;
/// Chipset (82441FX): what is behind C0000h to FFFFFh.
const HOST_BRIDGE: u16 = 0;
const PAM0: u8 = 0x59;
const LOCAL_APIC: u32 = 0xFEE0_0000;

/// Where to the stack is during POST.
const STACK: u16 = 0x7C00;

/// POST, at the start of the ROM after every reset.
pub(crate) fn post(bios: &mut Bios, call: &mut Call<'_>) -> ServiceResult {
    if !std::mem::take(&mut bios.cold) {
        if let Some(flow) = resume(call)? {
            return Ok(flow);
        }
        // A processor that was reset alone: the whole board follows.
        call.out8(RESET_CONTROL, 0x02);
        call.out8(RESET_CONTROL, 0x06);
        bios.cold = true;
        return Ok(Flow::Point(Point::Idle));
    }
    call.out8(POST_CODE, 0x01);
    for segment in [&mut call.regs.ds, &mut call.regs.es, &mut call.regs.ss] {
        *segment = SegmentRegister::real(0);
    }
    call.regs.sp.0 = STACK.into();
    bios.restart();
    chipset(bios, call);
    call.out8(POST_CODE, 0x10);
    vectors::install(bios.rom(), call)?;
    data_areas(call)?;
    interrupt_controllers(call)?;
    timers(call);
    keyboard_controller(call);
    call.out8(POST_CODE, 0x20);
    pci_setup::run(call);
    ports(call)?;
    floppy_controller(call);
    int13::post(bios, call)?;
    equipment(bios, call)?;
    clock(call)?;
    call.out8(POST_CODE, 0x30);
    int10::post(bios, call)?;
    call.out8(POST_CODE, 0x40);
    Ok(Flow::Point(Point::OptionRoms))
}

/// The shutdown code in the CMOS: who reset the processor to leave protected
/// mode, and how it wants to go on. `None`: it was a restart.
fn resume(call: &mut Call<'_>) -> Result<Option<Flow>, GuestFault> {
    let code = cmos::read(call, cmos::SHUTDOWN);
    cmos::write(call, cmos::SHUTDOWN, 0);
    let pointer = BDA + 0x67;
    let (offset, segment) = (call.read_u16(pointer)?, call.read_u16(pointer + 2)?);
    let pop = |call: &mut Call<'_>| {
        let value = call.read_u16(call.stack(0))?;
        call.regs.sp.set_word(call.regs.sp.word().wrapping_add(2));
        Ok(value)
    };
    Ok(Some(match code {
        0x05 | 0x0A => {
            if code == 0x05 {
                call.out8(0xA0, 0x20);
                call.out8(0x20, 0x20);
            }
            Flow::Far { cs: segment, ip: offset }
        }
        // A block move, by IRET, by RETF: from the stack that was left.
        0x09 | 0x0B | 0x0C => {
            call.regs.ss = SegmentRegister::real(segment);
            call.regs.sp.0 = offset.into();
            if code == 0x09 {
                return Ok(Some(Flow::Point(Point::ResumeBlockMove)));
            }
            let (ip, cs) = (pop(call)?, pop(call)?);
            if code == 0x0B {
                let flags = pop(call)?;
                call.regs.flags = u32::from(flags);
            }
            Flow::Far { cs, ip }
        }
        _ => return Ok(None),
    }))
}

/// C0000h to FFFFFh become RAM; the ROM is copied behind itself and closed.
fn chipset(bios: &mut Bios, call: &mut Call<'_>) {
    for register in 0..7 {
        let value = if register == 0 { 0x30 } else { 0x33 };
        pci_setup::write8(call, HOST_BRIDGE, PAM0 + register, value);
    }
    // What was there before a reset would be taken for option ROMs.
    let zeroes = vec![0; 0x1_0000];
    for segment in 0xC..0xF {
        call.host.write_physical(segment << 16, &zeroes);
    }
    // The tables of ACPI lie in the E segment, which is RAM now.
    bios.e820 = call.host.prepare();
    tables::place(bios);
    call.host.write_physical(ROM_BASE.into(), bios.rom().image());
    pci_setup::write8(call, HOST_BRIDGE, PAM0, 0x10);
}

/// Clears and fills the two data areas.
fn data_areas(call: &mut Call<'_>) -> Result<(), GuestFault> {
    let warm = call.bda_u16(bda::RESET_FLAG)?;
    call.write(BDA, &[0; 0x200])?;
    if warm == 0x1234 {
        call.set_bda_u16(bda::RESET_FLAG, warm)?;
    }
    call.write(EBDA, &[0; EBDA_SIZE])?;
    call.write_u8(EBDA, (EBDA_SIZE / 1024) as u8)?;
    call.set_bda_u16(bda::EBDA_POINTER, EBDA_SEGMENT)?;
    call.set_bda_u16(bda::BASE_MEMORY, (EBDA / 1024) as u16)?;
    let buffer = bda::KEY_BUFFER;
    for (at, value) in [
        (bda::KEY_HEAD, buffer),
        (bda::KEY_TAIL, buffer),
        (bda::KEY_BUFFER_START, buffer),
        (bda::KEY_BUFFER_END, buffer + 32),
    ] {
        call.set_bda_u16(at, value)?;
    }
    // An enhanced keyboard.
    call.set_bda_u8(bda::KEYBOARD_STATE, 0x10)?;
    for n in 0..4 {
        call.set_bda_u8(bda::LPT_TIMEOUTS + n, 0x14)?;
        call.set_bda_u8(bda::COM_TIMEOUTS + n, 0x0A)?;
    }
    Ok(())
}

/// Both 8259A: vectors 08h and 70h, all masked but those that the BIOS serves;
/// the local APIC passes them on.
fn interrupt_controllers(call: &mut Call<'_>) -> Result<(), GuestFault> {
    for (port, values) in [(0x20, [0x11, 0x08, 0x04, 0x01]), (0xA0, [0x11, 0x70, 0x02, 0x01])] {
        call.out8(port, values[0]);
        for value in &values[1..] {
            call.out8(port + 1, *value);
        }
    }
    call.out8(0x21, 0xB8);
    call.out8(0xA1, 0x8F);
    // Spurious vector FFh and enabled; LINT0 is the 8259A, LINT1 is NMI.
    for (register, value) in [(0xF0, 0x1FFu32), (0x350, 0x700), (0x360, 0x400)] {
        call.write_u32(LOCAL_APIC + register, value)?;
    }
    Ok(())
}

/// The tick at 18.2 Hz, refresh, and a silent speaker; DMA channels masked but
/// for the cascade.
fn timers(call: &mut Call<'_>) {
    for (port, value) in [
        (0x43, 0x36),
        (0x40, 0),
        (0x40, 0),
        (0x43, 0x54),
        (0x41, 0x12),
        (0x43, 0xB6),
        (0x42, 0x33),
        (0x42, 0x05),
        (0x0D, 0),
        (0xDA, 0),
        (0x08, 0),
        (0xD0, 0),
        (0xD6, 0xC0),
        (0xD4, 0x00),
    ] {
        call.out8(port, value);
    }
    let speaker = call.in8(0x61);
    call.out8(0x61, speaker & 0xFC);
}

/// Self-tests, then translated scan codes with interrupts; the mouse sleeps
/// until somebody asks for it.
fn keyboard_controller(call: &mut Call<'_>) {
    for _ in 0..16 {
        if call.in8(0x64) & 1 == 0 {
            break;
        }
        call.in8(0x60);
    }
    for command in [0xAA, 0xAB] {
        call.out8(0x64, command);
        call.in8(0x60);
    }
    call.out8(0x64, 0x60);
    call.out8(0x60, 0x65);
    call.out8(0x64, 0xAE);
    // A20 on.
    let port = call.in8(0x92);
    call.out8(0x92, (port | 2) & !1);
}

/// Ends the reset of the floppy controller and takes the statuses of its four
/// drives: a driver's first command interrupts anew then.
fn floppy_controller(call: &mut Call<'_>) {
    const DIGITAL_OUTPUT: u16 = 0x3F2;
    const DATA: u16 = 0x3F5;
    const SENSE_INTERRUPT_STATUS: u8 = 0x08;
    call.out8(DIGITAL_OUTPUT, 0x0C);
    for _ in 0..4 {
        call.out8(DATA, SENSE_INTERRUPT_STATUS);
        call.in8(DATA);
        call.in8(DATA);
    }
}

/// Serial and parallel ports that answer.
fn ports(call: &mut Call<'_>) -> Result<(), GuestFault> {
    let mut found = 0;
    for port in [0x3F8, 0x2F8, 0x3E8, 0x2E8] {
        // The interrupt enable register keeps what is written to it.
        call.out8(port + 1, 0x02);
        if call.in8(port + 1) == 0x02 && call.in8(port + 2) & 0x30 == 0 {
            call.set_bda_u16(bda::COM_PORTS + 2 * found, port)?;
            found += 1;
        }
        call.out8(port + 1, 0x00);
    }
    let mut printers = 0;
    for port in [0x378, 0x278, 0x3BC] {
        call.out8(port, 0xAA);
        if call.in8(port) == 0xAA {
            call.out8(port + 2, 0x0C);
            call.set_bda_u16(bda::LPT_PORTS + 2 * printers, port)?;
            printers += 1;
        }
    }
    // 80x25 in colour, a mouse, an FPU.
    let word = 0x0026 | found << 9 | printers << 14;
    call.set_bda_u16(bda::EQUIPMENT, word)
}

/// The CMOS has the equipment, too, and the kinds of floppy drives, with a checksum.
fn equipment(bios: &Bios, call: &mut Call<'_>) -> Result<(), GuestFault> {
    let word = call.bda_u16(bda::EQUIPMENT)?;
    cmos::write(call, cmos::EQUIPMENT, word as u8);
    let types = |n: usize| bios.floppies.get(n).map_or(0, int13::floppy_type);
    cmos::write(call, cmos::FLOPPY_TYPES, types(0) << 4 | types(1));
    let sum = (0x10..0x2E).fold(0u16, |sum, at| sum.wrapping_add(cmos::read(call, at).into()));
    cmos::write(call, cmos::CHECKSUM, (sum >> 8) as u8);
    cmos::write(call, cmos::CHECKSUM + 1, sum as u8);
    Ok(())
}

/// The RTC counts in 24 hours; the tick count begins at its time.
fn clock(call: &mut Call<'_>) -> Result<(), GuestFault> {
    cmos::write(call, cmos::STATUS_A, 0x26);
    cmos::write(call, cmos::STATUS_B, cmos::HOURS_24);
    cmos::read(call, cmos::STATUS_C);
    let part = |call: &mut Call<'_>, index| u64::from(cmos::from_bcd(cmos::read(call, index)));
    let seconds = part(call, cmos::HOURS) * 3600 + part(call, cmos::MINUTES) * 60 + part(call, cmos::SECONDS);
    // 1,193,182 / 65,536 ticks a second.
    let ticks = seconds.min(86_399) * 1_193_182 / 65_536;
    call.set_bda_u32(bda::TICKS, ticks as u32)
}

/// Option ROMs that were found, and where the scan is.
#[derive(Debug, Default)]
pub(crate) struct RomScan {
    /// The next address to look at.
    next: Option<u32>,
    /// Boot connection vectors of the last ROM, to be called.
    vectors: Vec<(u16, u16)>,
    /// Bootstrap entry vectors: network adapters.
    pub bootstraps: Vec<(u16, u16)>,
}

const SCAN_START: u32 = 0xC_0000;
const SCAN_END: u32 = 0xF_0000;
const SCAN_STEP: u32 = 0x800;

/// POST: enters the next option ROM, which returns to this point. After the
/// last, INT 19h.
pub(crate) fn option_roms(bios: &mut Bios, call: &mut Call<'_>) -> ServiceResult {
    let back = bios.rom().offset(Point::OptionRoms);
    let scan = &mut bios.scan;
    if let Some((cs, ip)) = scan.vectors.pop() {
        return far_call(call, back, cs, ip);
    }
    let mut at = scan.next.unwrap_or(SCAN_START);
    while at < SCAN_END {
        let mut header = [0; 0x1C];
        call.read(at, &mut header)?;
        let len = u32::from(header[2]) * 512;
        if header[..2] != [0x55, 0xAA] || len == 0 || len > SCAN_END - at {
            at += SCAN_STEP;
            continue;
        }
        let mut image = vec![0; len as usize];
        call.read(at, &mut image)?;
        let next = (at + len).next_multiple_of(SCAN_STEP);
        if image.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte)) != 0 {
            at += SCAN_STEP;
            continue;
        }
        let segment = (at >> 4) as u16;
        scan.next = Some(next);
        note_plug_and_play(scan, &image, segment);
        // PnP BIOS 1.0A, 3.3: ES:DI is the installation check structure.
        call.regs.es = SegmentRegister::real(ROM_SEGMENT);
        call.regs.di.0 = tables::PNP.into();
        (call.regs.ax.0, call.regs.bx.0, call.regs.dx.0) = (0, 0xFFFF, 0xFFFF);
        return far_call(call, back, segment, 3);
    }
    scan.next = Some(SCAN_END);
    call.out8(POST_CODE, 0x50);
    Ok(Flow::Point(Point::Bootstrap))
}

/// Boot vectors in a ROM's expansion header (PnP BIOS 1.0A, 3.2).
fn note_plug_and_play(scan: &mut RomScan, image: &[u8], segment: u16) {
    let word = |at: usize| image.get(at..at + 2).map_or(0, |b| u16::from_le_bytes([b[0], b[1]]));
    let at = usize::from(word(0x1A));
    if at == 0 || image.get(at..at + 4) != Some(b"$PnP") {
        return;
    }
    let (connection, bootstrap) = (word(at + 0x16), word(at + 0x1A));
    if connection != 0 {
        scan.vectors.push((segment, connection));
    }
    if bootstrap != 0 {
        scan.bootstraps.push((segment, bootstrap));
    }
}

/// CALL FAR in guest code, which returns to an offset of the ROM.
pub(crate) fn far_call(call: &mut Call<'_>, back: u16, cs: u16, ip: u16) -> ServiceResult {
    call.push(ROM_SEGMENT)?;
    call.push(back)?;
    Ok(Flow::Far { cs, ip })
}

/// Where a vector of the ROM points.
pub(crate) fn rom_vector(offset: u16) -> u32 {
    u32::from(ROM_SEGMENT) << 16 | u32::from(offset)
}
