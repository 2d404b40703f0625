//! Save areas: their image, their place in guest memory, and how the x87, SSE
//! and AVX state lies in them (Intel SDM Vol. 1 10.5.1 and 13.4).

use super::MXCSR_MASK;
use crate::interp::x87::release_ferr;
use crate::mmu::Access;
use crate::state::{FpuState, X87Register};
use crate::{Cpu, Exception, Op};

/// State components, bits of XCR0 and XSTATE_BV.
pub(super) const X87: u64 = 1 << 0;
pub(super) const SSE: u64 = 1 << 1;
pub(super) const AVX: u64 = 1 << 2;
/// What can be saved, whatever XCR0 allows.
pub(super) const COMPONENTS: u64 = X87 | SSE | AVX;

pub(super) const LEGACY_SIZE: usize = 512;
pub(super) const HEADER: usize = 512;
pub(super) const AVX_AREA: usize = 576;
pub(super) const AVX_SIZE: usize = 256;
/// Standard and compacted form have AVX at the same place: nothing precedes it.
pub(super) const AREA_SIZE: usize = AVX_AREA + AVX_SIZE;
/// XCOMP_BV: the area is compacted.
pub(super) const COMPACTED: u64 = 1 << 63;

/// An image of a save area.
pub(super) struct Area(pub(super) [u8; AREA_SIZE]);

impl Area {
    pub(super) const fn new() -> Self {
        Self([0; AREA_SIZE])
    }

    fn array<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut bytes = [0; N];
        bytes.copy_from_slice(&self.0[at..at + N]);
        bytes
    }

    pub(super) fn u16(&self, at: usize) -> u16 {
        u16::from_le_bytes(self.array(at))
    }

    pub(super) fn u32(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.array(at))
    }

    pub(super) fn u64(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.array(at))
    }

    pub(super) fn put<const N: usize>(&mut self, at: usize, bytes: [u8; N]) {
        self.0[at..at + N].copy_from_slice(&bytes);
    }
}

/// The save area in guest memory.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) seg: u8,
    pub(super) gva: u64,
}

impl Cpu {
    /// The save area of `op`: `size` bytes, aligned to `align`.
    pub(super) fn save_area(
        &mut self,
        op: &Op,
        size: usize,
        align: u64,
        access: Access,
    ) -> Result<Place, Exception> {
        let gva = self.linear_address(op, size as u64, access)?;
        if gva & (align - 1) != 0 {
            return Err(Exception::GP0);
        }
        Ok(Place { seg: op.seg(), gva })
    }

    /// Makes sure that all stores to the first `size` bytes of an area will succeed.
    pub(super) fn probe_area(&mut self, place: Place, size: usize) -> Result<(), Exception> {
        // Aligned, and at most a page long: both ends decide.
        self.probe_write(place.seg, place.gva, 8)?;
        self.probe_write(place.seg, place.gva.wrapping_add(size as u64 - 8), 8)
    }

    pub(super) fn read_area(
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

    pub(super) fn write_area(
        &mut self,
        place: Place,
        area: &Area,
        range: std::ops::Range<usize>,
    ) -> Result<(), Exception> {
        let mut at = range.start;
        while at < range.end {
            let gva = place.gva.wrapping_add(at as u64);
            if at.is_multiple_of(16) && range.end - at >= 16 {
                self.store(place.seg, gva, u128::from_le_bytes(area.array(at)))?;
                at += 16;
            } else {
                self.store(place.seg, gva, area.u64(at))?;
                at += 8;
            }
        }
        Ok(())
    }

    /// XMM registers that exist in this mode.
    pub(super) fn xmm_count(&self) -> usize {
        if self.mode.is_64bit() { 16 } else { 8 }
    }

    // --- components ---

    /// Puts the x87 part at bytes 0 to 23 and 32 to 159 of an area. `wide`
    /// pointers are 64-bit offsets without selectors.
    pub(super) fn save_x87(&self, area: &mut Area, wide: bool) {
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

    pub(super) fn restore_x87(&mut self, area: &Area, wide: bool) {
        let fpu = &mut self.state.fpu;
        fpu.status = area.u16(2);
        // Whatever the image says, ES and B follow from the flags and masks.
        fpu.load_control(area.u16(0));
        if pointers_count(fpu) {
            fpu.opcode = area.u16(6) & 0x7FF;
            if wide {
                (fpu.ip, fpu.dp) = (canonical(area.u64(8)), canonical(area.u64(16)));
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
        fpu.tag = two_bit_tags(area.0[4]);
        if !fpu.exception_pending() {
            release_ferr(self);
        }
    }

    pub(super) fn save_mxcsr(&self, area: &mut Area) {
        area.put(24, self.state.mxcsr.to_le_bytes());
        area.put(28, MXCSR_MASK.to_le_bytes());
    }

    pub(super) fn save_xmm(&self, area: &mut Area) {
        for n in 0..self.xmm_count() {
            area.put(160 + 16 * n, self.xmm(n as u8).to_le_bytes());
        }
    }

    pub(super) fn restore_xmm(&mut self, area: &Area) {
        for n in 0..self.xmm_count() {
            let low = 160 + 16 * n;
            self.state.vec[n][0] = area.u64(low);
            self.state.vec[n][1] = area.u64(low + 8);
        }
    }

    pub(super) fn save_ymm(&self, area: &mut Area) {
        for n in 0..self.xmm_count() {
            area.put(AVX_AREA + 16 * n, self.state.vec[n][2].to_le_bytes());
            area.put(AVX_AREA + 16 * n + 8, self.state.vec[n][3].to_le_bytes());
        }
    }

    pub(super) fn restore_ymm(&mut self, area: &Area) {
        for n in 0..self.xmm_count() {
            let low = AVX_AREA + 16 * n;
            self.state.vec[n][2] = area.u64(low);
            self.state.vec[n][3] = area.u64(low + 8);
        }
    }

    /// XINUSE: the components that are not in their initial configuration
    /// (Intel SDM Vol. 1 13.6). MXCSR is no part of SSE here.
    pub(crate) fn in_use(&self) -> u64 {
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
    pub(super) fn requested(&self) -> u64 {
        let [eax, _, edx, ..] = self.state.regs;
        (eax & 0xFFFF_FFFF | edx << 32) & self.state.xcr0 & COMPONENTS
    }
}

fn physical(fpu: &FpuState, n: usize) -> usize {
    (usize::from(fpu.status >> 11) + n) & 7
}

/// FOP, FIP and FDP count only while an exception is pending (AMD APM Vol. 2
/// 11.4.4): otherwise AMD's processors save zeros, and restore nothing.
fn pointers_count(fpu: &FpuState) -> bool {
    fpu.exception_pending()
}

/// The pointers hold 57 bits.
fn canonical(pointer: u64) -> u64 {
    ((pointer << 7) as i64 >> 7) as u64
}

/// A bit for each physical register that is not empty.
fn abridged_tag(fpu: &FpuState) -> u8 {
    (0..8).filter(|n| fpu.tag >> (2 * n) & 3 != 3).fold(0, |tag, n| tag | 1 << n)
}

/// The tag word as the state has it, empty or not.
fn two_bit_tags(abridged: u8) -> u16 {
    (0..8).filter(|n| abridged >> n & 1 == 0).fold(0, |tags, n| tags | 3 << (2 * n))
}

/// The initial configuration of the x87 state: as after FNINIT, registers zero.
pub(super) fn initial_x87() -> FpuState {
    FpuState::default()
}

fn x87_is_initial(fpu: &FpuState) -> bool {
    let initial = initial_x87();
    (fpu.control, fpu.status, fpu.tag, fpu.regs)
        == (initial.control, initial.status, initial.tag, initial.regs)
}
