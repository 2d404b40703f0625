//! INT 15h: how much memory there is (88h, E801h, E820h, E881h), moving it (87h),
//! and protected mode (89h).

use crate::asm::{Assembler, Segment, Word};
use crate::bios::Bios;
use crate::call::{Call, Flow, ServiceResult};
use crate::int15::{PORT_A, unsupported};
use crate::rom::{PIC_COMMAND, PIC2_COMMAND, Point};
use glassbox_tables::{E820Entry, E820Kind, ONE_MIB};

const SMAP: u32 = 0x534D_4150;
const SIXTEEN_MIB: u64 = 16 << 20;
/// AH=88h says at most so much, as old programs add it up in 16 bits.
const MOST_KIB: u64 = 0xFFFF;
/// Bytes of an entry without its extended attributes.
const ENTRY: u32 = 20;
/// Words of the largest block move.
const MOST_WORDS: u16 = 0x8000;
/// Bits of system control port A.
const RESET: u8 = 0x01;
const A20: u8 = 0x02;
/// AH=89h: the descriptor that is made here, and what it is: 64 KiB of 16-bit code at F0000h.
const SWITCHING_CODE: u32 = 7;
const ROM_CODE_DESCRIPTOR: [u8; 8] = [0xFF, 0xFF, 0x00, 0x00, 0x0F, 0x9B, 0x00, 0x00];

/// RAM from 1 MiB up to the first gap.
fn extended(map: &[E820Entry]) -> u64 {
    let usable = |e: &&E820Entry| matches!(e.kind, E820Kind::Ram | E820Kind::AcpiReclaim);
    map.iter().filter(usable).find(|e| e.start.0 == ONE_MIB).map_or(0, |e| e.len)
}

/// AH=88h: AX = KiB above 1 MiB.
pub(crate) fn extended_kib(bios: &Bios, call: &mut Call<'_>) -> ServiceResult {
    let kib = (extended(&bios.e820) / 1024).min(MOST_KIB);
    call.regs.ax.set_word(kib as u16);
    call.set_carry(false)?;
    Ok(Flow::Done)
}

/// AH=E8h.
pub(crate) fn map(bios: &Bios, call: &mut Call<'_>) -> ServiceResult {
    match call.regs.ax.low() {
        0x01 | 0x81 => sizes(bios, call),
        0x20 => e820(bios, call),
        _ => unsupported(call),
    }
}

/// AX=E801h (E881h in 32 bits): KiB from 1 to 16 MiB, and units of 64 KiB above.
fn sizes(bios: &Bios, call: &mut Call<'_>) -> ServiceResult {
    let bytes = extended(&bios.e820);
    let low = bytes.min(SIXTEEN_MIB - ONE_MIB) / 1024;
    let high = bytes.saturating_sub(SIXTEEN_MIB - ONE_MIB) >> 16;
    let wide = call.regs.ax.low() == 0x81;
    let regs = &mut call.regs;
    for (register, value) in
        [(&mut regs.ax, low), (&mut regs.cx, low), (&mut regs.bx, high), (&mut regs.dx, high)]
    {
        if wide {
            register.0 = value as u32;
        } else {
            register.set_word(value as u16);
        }
    }
    call.set_carry(false)?;
    Ok(Flow::Done)
}

/// AX=E820h: the entry with number EBX into ES:DI.
fn e820(bios: &Bios, call: &mut Call<'_>) -> ServiceResult {
    let (index, size) = (call.regs.bx.0 as usize, call.regs.cx.0);
    let Some(entry) = bios.e820.get(index) else { return unsupported(call) };
    if call.regs.dx.0 != SMAP || size < ENTRY {
        return unsupported(call);
    }
    // A 32-bit caller in a 16-bit segment may have its buffer behind DI.
    let at = call.linear(call.regs.es, call.regs.di.word());
    call.write(at, &entry.to_bytes())?;
    let mut written = ENTRY;
    if size >= 24 {
        // ACPI 3.0: the entry is valid.
        call.write_u32(at.wrapping_add(20), 1)?;
        written = 24;
    }
    call.regs.ax.0 = SMAP;
    call.regs.cx.0 = written;
    let next = index + 1;
    call.regs.bx.0 = if next < bios.e820.len() { next as u32 } else { 0 };
    call.set_carry(false)?;
    Ok(Flow::Done)
}

/// AH=87h: moves CX words between the physical addresses of two descriptors, the
/// third and fourth of the table at ES:SI.
pub(crate) fn block_move(call: &mut Call<'_>) -> ServiceResult {
    let words = call.regs.cx.word();
    let table = call.linear(call.regs.es, call.regs.si.word());
    let descriptor = |call: &mut Call<'_>, n: u32| {
        let at = table.wrapping_add(8 * n);
        let low = call.read_u32(at.wrapping_add(2))? & 0x00FF_FFFF;
        let limit = u64::from(call.read_u16(at)?);
        let top = call.read_u8(at.wrapping_add(7))?;
        let access = call.read_u8(at.wrapping_add(5))?;
        let flags = call.read_u8(at.wrapping_add(6))?;
        let limit = limit | u64::from(flags & 0x0F) << 16;
        let limit = if flags & 0x80 != 0 { limit << 12 | 0xFFF } else { limit };
        Ok((u64::from(low) | u64::from(top) << 24, limit, access))
    };
    let (source, source_limit, _) = descriptor(call, 2)?;
    let (target, target_limit, access) = descriptor(call, 3)?;
    let bytes = u64::from(words) * 2;
    let fits = bytes == 0 || bytes - 1 <= source_limit && bytes - 1 <= target_limit && access & 0x80 != 0;
    if words > MOST_WORDS || !fits {
        // An exception interrupted the move.
        call.regs.ax.set_high(0x02);
        call.set_carry(true)?;
        call.set_zero(false)?;
        return Ok(Flow::Done);
    }
    let mut buffer = vec![0; bytes as usize];
    // What is not memory reads as ones and takes no writes.
    if !call.host.read_physical(source, &mut buffer) {
        buffer.fill(0xFF);
    }
    call.host.write_physical(target, &buffer);
    call.regs.ax.set_high(0);
    call.set_carry(false)?;
    call.set_zero(true)?;
    Ok(Flow::Done)
}

/// AH=89h: goes on in protected mode behind the INT 15h. The table at ES:SI has eight
/// descriptors: none, GDT, IDT, the caller's DS, ES, SS and CS, and one that is made
/// here, for the code that switches. BH and BL are where the interrupts of the two
/// controllers shall be; all of them are masked afterwards.
pub(crate) fn protected_mode(call: &mut Call<'_>) -> ServiceResult {
    if call.is_v86() {
        return unsupported(call);
    }
    let at = call.linear(call.regs.es, call.regs.si.word()).wrapping_add(8 * SWITCHING_CODE);
    call.write(at, &ROM_CODE_DESCRIPTOR)?;
    let a20 = call.in8(PORT_A);
    call.out8(PORT_A, a20 & !RESET | A20);
    let (first, second) = (call.regs.bx.high(), call.regs.bx.low());
    for (port, vectors, cascade) in [(PIC_COMMAND, first, 0x04), (PIC2_COMMAND, second, 0x02)] {
        call.out8(port.into(), 0x11);
        for word in [vectors, cascade, 0x01, 0xFF] {
            call.out8(u16::from(port) + 1, word);
        }
    }
    Ok(Flow::Point(Point::EnterProtected))
}

/// The stub behind [`protected_mode`]: what cannot be done for the caller from outside.
pub(crate) fn place_switch(rom: &mut Assembler) {
    rom.bytes(&[0x26, 0x0F, 0x01, 0x54, 0x08]); // LGDT ES:[SI + 08h]
    rom.bytes(&[0x26, 0x0F, 0x01, 0x5C, 0x10]); // LIDT ES:[SI + 10h]
    rom.bytes(&[0x0F, 0x01, 0xE0, 0x0C, 0x01, 0x0F, 0x01, 0xF0]); // SMSW AX, OR AL, 1, LMSW AX
    let protected = rom.here() + 5;
    rom.jmp_far(8 * SWITCHING_CODE as u16, protected);
    for (n, segment) in [(3, Segment::Ds), (4, Segment::Es), (5, Segment::Ss)] {
        rom.mov(Word::Ax, 8 * n);
        rom.mov_to_segment(segment, Word::Ax);
    }
    // The frame of the INT becomes one of a far call. BP is lost, as on an AT.
    rom.pop(Word::Bp);
    rom.bytes(&[0x83, 0xC4, 0x04]); // ADD SP, 4
    rom.bytes(&[0x6A, 0x30]); // PUSH 30h: the sixth, the caller's code
    rom.push(Word::Bp);
    rom.bytes(&[0x31, 0xC0]); // XOR AX, AX: no carry either
    rom.retf();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::int15::service;
    use crate::registers::SegmentRegister;
    use crate::testing::Bench;
    use glassbox_tables::pc_memory_map;

    fn bench(mib: u64) -> Bench {
        let mut bench = Bench::new();
        bench.bios.e820 = pc_memory_map(mib << 20, 0, &[]);
        bench.regs.es = SegmentRegister::real(0x2000);
        bench
    }

    fn call(bench: &mut Bench, ax: u32) {
        bench.regs.ax.0 = ax;
        bench.run_with(service).unwrap();
    }

    #[test]
    fn the_map_is_walked_by_ebx() {
        let mut b = bench(64);
        let mut entries = 0;
        loop {
            b.regs.dx.0 = SMAP;
            b.regs.cx.0 = 20;
            call(&mut b, 0xE820);
            assert_eq!((b.regs.ax.0, b.regs.cx.0, b.carry()), (SMAP, 20, false));
            entries += 1;
            if b.regs.bx.0 == 0 {
                break;
            }
        }
        assert_eq!(entries, b.bios.e820.len());
        b.regs.bx.0 = 99;
        call(&mut b, 0xE820);
        assert!(b.carry());
    }

    #[test]
    fn sizes_agree_with_the_map() {
        let mut b = bench(64);
        call(&mut b, 0xE801);
        assert_eq!((b.regs.ax.word(), b.regs.bx.word()), (15 * 1024, 48 * 16));
        call(&mut b, 0x8800);
        assert_eq!(b.regs.ax.word(), 63 * 1024);
        let mut b = bench(2048);
        call(&mut b, 0x8800);
        assert_eq!(b.regs.ax.word(), 0xFFFF);
    }

    #[test]
    fn a_block_is_moved_between_physical_addresses() {
        let mut b = bench(2);
        let table = 0x2_0000;
        let put = |b: &mut Bench, n: usize, base: u32| {
            let at = table + 8 * n;
            b.host.memory[at..at + 2].copy_from_slice(&[0xFF, 0xFF]);
            b.host.memory[at + 2..at + 5].copy_from_slice(&base.to_le_bytes()[..3]);
            b.host.memory[at + 5] = 0x93;
            b.host.memory[at + 7] = (base >> 24) as u8;
        };
        put(&mut b, 2, 0x5000);
        put(&mut b, 3, 0x11_0000);
        b.host.memory[0x5000..0x5004].copy_from_slice(b"move");
        b.regs.cx.0 = 2;
        call(&mut b, 0x8700);
        assert_eq!((b.regs.ax.high(), b.carry(), b.zero()), (0, false, true));
        assert_eq!(b.host.memory[0x11_0000..0x11_0004], *b"move");
        b.regs.cx.0 = 0x8001;
        call(&mut b, 0x8700);
        assert_eq!((b.regs.ax.high(), b.carry(), b.zero()), (2, true, false));
    }

    #[test]
    fn protected_mode_gets_its_descriptor_and_the_controllers_new_vectors() {
        let mut b = bench(2);
        b.regs.ax.0 = 0x8900;
        b.regs.bx.0 = 0x5058;
        assert_eq!(b.run_with(service), Ok(Flow::Point(Point::EnterProtected)));
        assert_eq!(b.host.memory[0x2_0038..0x2_0040], ROM_CODE_DESCRIPTOR);
        let bytes =
            |port| -> Vec<u32> { b.host.written.iter().filter(|w| w.0 == port).map(|w| w.2).collect() };
        assert_eq!(bytes(0x20), [0x11]);
        assert_eq!(bytes(0x21), [0x50, 0x04, 0x01, 0xFF]);
        assert_eq!(bytes(0xA1), [0x58, 0x02, 0x01, 0xFF]);
        b.regs.flags |= crate::registers::Registers::VM;
        call(&mut b, 0x8900);
        assert!(b.carry(), "no program leaves virtual-8086 mode by itself");
    }
}
