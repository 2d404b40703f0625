//! LDMXCSR, STMXCSR, and FXSAVE, XSAVE and their kin: saving and restoring the
//! x87, SSE and AVX state (Intel SDM Vol. 1 ch. 13; AMD APM Vol. 2 11.4, 11.5).

use crate::mmu::Access;
use crate::state::{FpuState, X87Register};
use crate::{Cpu, Exception, Handler, Op};
use glassbox_x86_spec::control::{Cr0, Cr4};
use iced_x86::{Instruction, Mnemonic};

/// The bits of MXCSR that exist: no misaligned mode (bit 17).
const MXCSR_MASK: u32 = 0xFFFF;
const MXCSR_INIT: u32 = 0x1F80;

/// State components, bits of XCR0 and XSTATE_BV.
const X87: u64 = 1 << 0;
const SSE: u64 = 1 << 1;
const AVX: u64 = 1 << 2;
/// What can be saved, whatever XCR0 allows.
const COMPONENTS: u64 = X87 | SSE | AVX;

const LEGACY_SIZE: usize = 512;
const HEADER: usize = 512;
const AVX_AREA: usize = 576;
const AVX_SIZE: usize = 256;
/// Standard and compacted form have AVX at the same place: nothing precedes it.
const AREA_SIZE: usize = AVX_AREA + AVX_SIZE;
/// XCOMP_BV: the area is compacted.
const COMPACTED: u64 = 1 << 63;

/// `ES` and `B` of the x87 status word.
const PENDING: u16 = 0x8080;

fn load_mxcsr(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.sse_ready()?;
    let value: u32 = cpu.load_operand(op)?;
    cpu.state.mxcsr = checked_mxcsr(value)?;
    Ok(())
}

fn store_mxcsr(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.sse_ready()?;
    cpu.store_operand(op, cpu.state.mxcsr)
}

/// # Errors
/// #GP(0) for reserved bits.
fn checked_mxcsr(value: u32) -> Result<u32, Exception> {
    if value & !MXCSR_MASK == 0 { Ok(value) } else { Err(Exception::GP0) }
}

// --- the memory image ---

/// An image of the save area and which parts of it are to be written.
struct Area([u8; AREA_SIZE]);

impl Area {
    const fn new() -> Self {
        Self([0; AREA_SIZE])
    }

    fn u16(&self, at: usize) -> u16 {
        u16::from_le_bytes([self.0[at], self.0[at + 1]])
    }

    fn u32(&self, at: usize) -> u32 {
        u32::from(self.u16(at)) | u32::from(self.u16(at + 2)) << 16
    }

    fn u64(&self, at: usize) -> u64 {
        u64::from(self.u32(at)) | u64::from(self.u32(at + 4)) << 32
    }

    fn put<const N: usize>(&mut self, at: usize, bytes: [u8; N]) {
        self.0[at..at + N].copy_from_slice(&bytes);
    }
}

/// The save area in guest memory.
#[derive(Clone, Copy)]
struct Place {
    seg: u8,
    gva: u64,
}

impl Cpu {
    /// The save area of `op`: `size` bytes, aligned to `align`.
    fn save_area(&mut self, op: &Op, size: usize, align: u64, access: Access) -> Result<Place, Exception> {
        let gva = self.linear_address(op, size as u64, access)?;
        if gva & (align - 1) != 0 {
            return Err(Exception::GP0);
        }
        Ok(Place { seg: op.seg(), gva })
    }

    /// Makes sure that all stores to the first `size` bytes of an area will succeed.
    fn probe_area(&mut self, place: Place, size: usize) -> Result<(), Exception> {
        // Aligned, and at most a page long: both ends decide.
        self.probe_write(place.seg, place.gva, 8)?;
        self.probe_write(place.seg, place.gva.wrapping_add(size as u64 - 8), 8)
    }

    fn read_area(
        &mut self,
        place: Place,
        area: &mut Area,
        range: std::ops::Range<usize>,
    ) -> Result<(), Exception> {
        for at in range.step_by(16) {
            let value: u128 = self.load(place.seg, place.gva.wrapping_add(at as u64))?;
            area.put(at, value.to_le_bytes());
        }
        Ok(())
    }

    fn write_area(
        &mut self,
        place: Place,
        area: &Area,
        range: std::ops::Range<usize>,
    ) -> Result<(), Exception> {
        for at in range.step_by(8) {
            self.store(place.seg, place.gva.wrapping_add(at as u64), area.u64(at))?;
        }
        Ok(())
    }

    /// XMM registers that exist in this mode.
    fn xmm_count(&self) -> usize {
        if self.mode.is_64bit() { 16 } else { 8 }
    }

    // --- components ---

    /// Puts the x87 part at bytes 0 to 23 and 32 to 159 of an area. `wide`
    /// pointers are 64-bit offsets without selectors.
    fn save_x87(&self, area: &mut Area, wide: bool) {
        let fpu = &self.state.fpu;
        area.put(0, fpu.control.to_le_bytes());
        area.put(2, fpu.status.to_le_bytes());
        area.put(4, u16::from(abridged_tag(fpu)).to_le_bytes());
        if pointers_count(fpu) {
            area.put(6, (fpu.opcode & 0x7FF).to_le_bytes());
            if wide {
                area.put(8, fpu.ip.to_le_bytes());
                area.put(16, fpu.dp.to_le_bytes());
            } else {
                area.put(8, (fpu.ip as u32).to_le_bytes());
                area.put(12, fpu.cs.to_le_bytes());
                area.put(16, (fpu.dp as u32).to_le_bytes());
                area.put(20, fpu.ds.to_le_bytes());
            }
        }
        for n in 0..8 {
            let register = &fpu.regs[physical(fpu, n)];
            area.put(32 + 16 * n, register.significand.to_le_bytes());
            area.put(40 + 16 * n, register.sign_exponent.to_le_bytes());
        }
    }

    fn restore_x87(&mut self, area: &Area, wide: bool) {
        let fpu = &mut self.state.fpu;
        fpu.control = area.u16(0) & 0x1F3F | 0x40;
        fpu.status = area.u16(2) & !PENDING;
        if fpu.status & !fpu.control & 0x3F != 0 {
            fpu.status |= PENDING;
        }
        if pointers_count(fpu) {
            fpu.opcode = area.u16(6) & 0x7FF;
            if wide {
                (fpu.ip, fpu.dp) = (area.u64(8), area.u64(16));
                (fpu.cs, fpu.ds) = (0, 0);
            } else {
                (fpu.ip, fpu.dp) = (u64::from(area.u32(8)), u64::from(area.u32(16)));
                (fpu.cs, fpu.ds) = (area.u16(12), area.u16(20));
            }
        }
        for n in 0..8 {
            fpu.regs[physical(fpu, n)] =
                X87Register { significand: area.u64(32 + 16 * n), sign_exponent: area.u16(40 + 16 * n) };
        }
        fpu.tag = full_tag(&fpu.regs, area.0[4]);
    }

    fn save_mxcsr(&self, area: &mut Area) {
        area.put(24, self.state.mxcsr.to_le_bytes());
        area.put(28, MXCSR_MASK.to_le_bytes());
    }

    fn save_xmm(&self, area: &mut Area) {
        for n in 0..self.xmm_count() {
            area.put(160 + 16 * n, self.xmm(n as u8).to_le_bytes());
        }
    }

    fn restore_xmm(&mut self, area: &Area) {
        for n in 0..self.xmm_count() {
            let low = 160 + 16 * n;
            self.state.vec[n][0] = area.u64(low);
            self.state.vec[n][1] = area.u64(low + 8);
        }
    }

    fn save_ymm(&self, area: &mut Area) {
        for n in 0..self.xmm_count() {
            area.put(AVX_AREA + 16 * n, self.state.vec[n][2].to_le_bytes());
            area.put(AVX_AREA + 16 * n + 8, self.state.vec[n][3].to_le_bytes());
        }
    }

    fn restore_ymm(&mut self, area: &Area) {
        for n in 0..self.xmm_count() {
            let low = AVX_AREA + 16 * n;
            self.state.vec[n][2] = area.u64(low);
            self.state.vec[n][3] = area.u64(low + 8);
        }
    }

    /// XINUSE: the components that are not in their initial configuration
    /// (Intel SDM Vol. 1 13.6). MXCSR is no part of SSE here.
    fn in_use(&self) -> u64 {
        let registers = &self.state.vec[..self.xmm_count()];
        let mut used = 0;
        if !x87_is_initial(&self.state.fpu) {
            used |= X87;
        }
        if registers.iter().any(|r| r[0] | r[1] != 0) {
            used |= SSE;
        }
        if registers.iter().any(|r| r[2] | r[3] != 0) {
            used |= AVX;
        }
        used
    }

    /// EDX:EAX, reduced to what XCR0 enables (IA32_XSS has no components).
    fn requested(&self) -> u64 {
        let [eax, _, edx, ..] = self.state.regs;
        (eax & 0xFFFF_FFFF | edx << 32) & self.state.xcr0 & COMPONENTS
    }
}

fn physical(fpu: &FpuState, n: usize) -> usize {
    (usize::from(fpu.status >> 11) + n) & 7
}

/// FOP, FIP and FDP are saved and restored only while an exception is pending
/// (AMD APM Vol. 2 11.4.4); otherwise the fields are zero, the registers stay.
fn pointers_count(fpu: &FpuState) -> bool {
    fpu.status & PENDING & 0x80 != 0
}

/// A bit for each physical register that is not empty.
fn abridged_tag(fpu: &FpuState) -> u8 {
    (0..8).filter(|n| fpu.tag >> (2 * n) & 3 != 3).fold(0, |tag, n| tag | 1 << n)
}

/// The full tag word, by what the registers hold (AMD APM Vol. 2 11.4.4.1).
fn full_tag(registers: &[X87Register; 8], abridged: u8) -> u16 {
    registers.iter().enumerate().fold(0, |tag, (n, register)| {
        let kind = match (register.sign_exponent & 0x7FFF, register.significand) {
            _ if abridged >> n & 1 == 0 => 3,
            (0, 0) => 1,
            (1..=0x7FFE, s) if s >> 63 != 0 => 0,
            _ => 2,
        };
        tag | kind << (2 * n)
    })
}

/// The initial configuration of the x87 state: as after FNINIT, registers zero.
fn initial_x87() -> FpuState {
    FpuState::default()
}

fn x87_is_initial(fpu: &FpuState) -> bool {
    let initial = initial_x87();
    (fpu.control, fpu.status, fpu.tag, fpu.regs)
        == (initial.control, initial.status, initial.tag, initial.regs)
}

// --- FXSAVE, FXRSTOR ---

fn fx_ready(cpu: &Cpu) -> Result<(), Exception> {
    if cpu.state.cr0.intersects(Cr0::EM | Cr0::TS) { Err(Exception::NM) } else { Ok(()) }
}

/// FXSAVE. Without CR4.OSFXSR, AMD processors leave out the SSE state.
fn fxsave<const WIDE: bool>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    fx_ready(cpu)?;
    let place = cpu.save_area(op, LEGACY_SIZE, 16, Access::Write)?;
    cpu.probe_area(place, LEGACY_SIZE)?;
    let mut area = Area::new();
    cpu.save_x87(&mut area, WIDE);
    cpu.save_mxcsr(&mut area);
    cpu.save_xmm(&mut area);
    let registers_end = if cpu.state.cr4.contains(Cr4::OSFXSR) { 160 + 16 * cpu.xmm_count() } else { 160 };
    // Byte 5 is reserved, but a zero is written there as silicon does.
    cpu.write_area(place, &area, 0..registers_end)
}

fn fxrstor<const WIDE: bool>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    fx_ready(cpu)?;
    let place = cpu.save_area(op, LEGACY_SIZE, 16, Access::Read)?;
    let mut area = Area::new();
    cpu.read_area(place, &mut area, 0..LEGACY_SIZE)?;
    if cpu.state.cr4.contains(Cr4::OSFXSR) {
        cpu.state.mxcsr = checked_mxcsr(area.u32(24))?;
        cpu.restore_xmm(&area);
    }
    cpu.restore_x87(&area, WIDE);
    Ok(())
}

// --- XSAVE and kin ---

fn xsave_ready(cpu: &Cpu) -> Result<(), Exception> {
    if !cpu.state.cr4.contains(Cr4::OSXSAVE) {
        Err(Exception::UD)
    } else if cpu.state.cr0.contains(Cr0::TS) {
        Err(Exception::NM)
    } else {
        Ok(())
    }
}

/// Bytes of the area that hold `components`, header included.
fn area_size(components: u64) -> usize {
    if components & AVX != 0 { AREA_SIZE } else { AVX_AREA }
}

impl Cpu {
    /// Writes `components` of `area`'s image.
    fn write_components(&mut self, place: Place, components: u64, wide: bool) -> Result<(), Exception> {
        let mut area = Area::new();
        if components & X87 != 0 {
            self.save_x87(&mut area, wide);
            self.write_area(place, &area, 0..24)?;
            self.write_area(place, &area, 32..160)?;
        }
        if components & SSE != 0 {
            self.save_xmm(&mut area);
            self.write_area(place, &area, 160..160 + 16 * self.xmm_count())?;
        }
        if components & AVX != 0 {
            self.save_ymm(&mut area);
            self.write_area(place, &area, AVX_AREA..AVX_AREA + 16 * self.xmm_count())?;
        }
        Ok(())
    }

    fn write_mxcsr(&mut self, place: Place) -> Result<(), Exception> {
        let mut area = Area::new();
        self.save_mxcsr(&mut area);
        self.write_area(place, &area, 24..32)
    }
}

/// XSAVE, and XSAVEOPT, which leaves out what is in its initial configuration.
fn xsave<const WIDE: bool, const OPTIMISED: bool>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    xsave_ready(cpu)?;
    let requested = cpu.requested();
    let place = cpu.save_area(op, area_size(requested), 64, Access::Write)?;
    cpu.probe_area(place, area_size(requested))?;
    let in_use = cpu.in_use();
    let header: u64 = cpu.load(place.seg, place.gva.wrapping_add(HEADER as u64))?;
    let written = if OPTIMISED { requested & in_use } else { requested };
    cpu.write_components(place, written, WIDE)?;
    if requested & (SSE | AVX) != 0 {
        cpu.write_mxcsr(place)?;
    }
    let header = header & !requested | requested & in_use;
    cpu.store(place.seg, place.gva.wrapping_add(HEADER as u64), header)
}

/// XSAVEC and XSAVES: the compacted form, without what is in its initial configuration.
fn xsave_compacted<const WIDE: bool, const SUPERVISOR: bool>(
    cpu: &mut Cpu,
    op: &Op,
) -> Result<(), Exception> {
    xsave_ready(cpu)?;
    if SUPERVISOR && cpu.state.cpl != 0 {
        return Err(Exception::GP0);
    }
    let requested = cpu.requested();
    let place = cpu.save_area(op, area_size(requested), 64, Access::Write)?;
    cpu.probe_area(place, area_size(requested))?;
    let mut in_use = cpu.in_use();
    if cpu.state.mxcsr != MXCSR_INIT {
        in_use |= SSE;
    }
    let written = requested & in_use;
    cpu.write_components(place, written, WIDE)?;
    if written & SSE != 0 {
        cpu.write_mxcsr(place)?;
    }
    let header = place.gva.wrapping_add(HEADER as u64);
    cpu.store(place.seg, header, written)?;
    cpu.store(place.seg, header.wrapping_add(8), requested | COMPACTED)
}

/// XRSTOR and XRSTORS. Everything is read and checked before any state changes.
fn xrstor<const WIDE: bool, const SUPERVISOR: bool>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    xsave_ready(cpu)?;
    if SUPERVISOR && cpu.state.cpl != 0 {
        return Err(Exception::GP0);
    }
    let requested = cpu.requested();
    let place = cpu.save_area(op, AVX_AREA, 64, Access::Read)?;
    let mut area = Area::new();
    cpu.read_area(place, &mut area, HEADER..AVX_AREA)?;
    let (present, layout) = (area.u64(HEADER), area.u64(HEADER + 8));
    let compacted = layout & COMPACTED != 0;
    let reserved_from = if compacted { HEADER + 16 } else { HEADER + 8 };
    let reserved_to = if compacted { AVX_AREA } else { HEADER + 24 };
    let allowed = if compacted { layout & !COMPACTED } else { cpu.state.xcr0 };
    if (SUPERVISOR && !compacted)
        || (compacted && layout & !COMPACTED & !cpu.state.xcr0 != 0)
        || present & !allowed != 0
        || area.0[reserved_from..reserved_to].iter().any(|&byte| byte != 0)
    {
        return Err(Exception::GP0);
    }
    let loaded = requested & present;
    cpu.read_area(place, &mut area, 0..HEADER)?;
    if loaded & AVX != 0 {
        let place = cpu.save_area(op, AREA_SIZE, 64, Access::Read)?;
        cpu.read_area(place, &mut area, AVX_AREA..AREA_SIZE)?;
    }
    // The standard form loads MXCSR even where SSE itself is initialised.
    let mxcsr = match compacted {
        false if requested & (SSE | AVX) != 0 => checked_mxcsr(area.u32(24))?,
        true if loaded & SSE != 0 => checked_mxcsr(area.u32(24))?,
        true if requested & SSE != 0 => MXCSR_INIT,
        _ => cpu.state.mxcsr,
    };
    cpu.state.mxcsr = mxcsr;
    let initial = Area::new();
    if loaded & X87 != 0 {
        cpu.restore_x87(&area, WIDE);
    } else if requested & X87 != 0 {
        cpu.state.fpu = initial_x87();
    }
    if requested & SSE != 0 {
        cpu.restore_xmm(if loaded & SSE != 0 { &area } else { &initial });
    }
    if requested & AVX != 0 {
        cpu.restore_ymm(if loaded & AVX != 0 { &area } else { &initial });
    }
    Ok(())
}

pub(super) fn select(i: &Instruction) -> Option<Handler> {
    use Mnemonic::*;
    Some(match i.mnemonic() {
        Ldmxcsr => load_mxcsr,
        Stmxcsr => store_mxcsr,
        Fxsave => fxsave::<false>,
        Fxsave64 => fxsave::<true>,
        Fxrstor => fxrstor::<false>,
        Fxrstor64 => fxrstor::<true>,
        Xsave => xsave::<false, false>,
        Xsave64 => xsave::<true, false>,
        Xsaveopt => xsave::<false, true>,
        Xsaveopt64 => xsave::<true, true>,
        Xsavec => xsave_compacted::<false, false>,
        Xsavec64 => xsave_compacted::<true, false>,
        Xsaves => xsave_compacted::<false, true>,
        Xsaves64 => xsave_compacted::<true, true>,
        Xrstor => xrstor::<false, false>,
        Xrstor64 => xrstor::<true, false>,
        Xrstors => xrstor::<false, true>,
        Xrstors64 => xrstor::<true, true>,
        _ => return None,
    })
}
