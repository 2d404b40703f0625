//! FSTENV, FLDENV, FSAVE and FRSTOR: the environment in its four layouts
//! (Intel SDM Vol. 1 8.1.10), 16 or 32 bits wide, real or protected.

use super::unit::status;
use super::{available, release_ferr, wait};
use crate::mmu::Access;
use crate::state::FpuState;
use crate::{Cpu, Exception, Op};
use glassbox_softfloat::{F80, flag};

/// Entries of the environment.
const ENTRIES: u64 = 7;
/// Bytes of a register in the image of FSAVE.
const REGISTER: u64 = 10;

/// The 16- or 32-bit layout.
pub(super) trait Layout {
    /// Bytes of an entry.
    const ENTRY: u64;
    fn store(cpu: &mut Cpu, seg: u8, gva: u64, value: u32) -> Result<(), Exception>;
    fn load(cpu: &mut Cpu, seg: u8, gva: u64) -> Result<u32, Exception>;
}

pub(super) struct Bits16;
pub(super) struct Bits32;

impl Layout for Bits16 {
    const ENTRY: u64 = 2;
    fn store(cpu: &mut Cpu, seg: u8, gva: u64, value: u32) -> Result<(), Exception> {
        cpu.store(seg, gva, value as u16)
    }
    fn load(cpu: &mut Cpu, seg: u8, gva: u64) -> Result<u32, Exception> {
        cpu.load::<u16>(seg, gva).map(u32::from)
    }
}

impl Layout for Bits32 {
    const ENTRY: u64 = 4;
    fn store(cpu: &mut Cpu, seg: u8, gva: u64, value: u32) -> Result<(), Exception> {
        cpu.store(seg, gva, value)
    }
    fn load(cpu: &mut Cpu, seg: u8, gva: u64) -> Result<u32, Exception> {
        cpu.load(seg, gva)
    }
}

/// The entries as they are stored; a 16-bit layout drops the upper halves.
fn entries<L: Layout>(fpu: &FpuState, protected: bool) -> [u32; ENTRIES as usize] {
    const UPPER: u32 = 0xFFFF_0000;
    let word = |word: u16| UPPER | u32::from(word);
    let head = [word(fpu.control), word(fpu.status), word(fpu.full_tags())];
    let opcode = u32::from(fpu.opcode & 0x7FF);
    let tail = if protected {
        let code = u32::from(fpu.cs) | opcode << 16;
        [fpu.ip as u32, code, fpu.dp as u32, word(fpu.ds)]
    } else {
        // Linear addresses in two parts; the 16-bit layout has 20 bits of them.
        let linear = |selector: u16, offset: u64| (u32::from(selector) << 4).wrapping_add(offset as u32);
        let (ip, dp) = (linear(fpu.cs, fpu.ip), linear(fpu.ds, fpu.dp));
        let high = |address: u32| address >> 16 << 12;
        [UPPER | ip & 0xFFFF, high(ip) | opcode, UPPER | dp & 0xFFFF, high(dp)]
    };
    [head[0], head[1], head[2], tail[0], tail[1], tail[2], tail[3]]
}

fn set_entries<L: Layout>(fpu: &mut FpuState, entries: [u32; ENTRIES as usize], protected: bool) {
    let [control, status, tags, ip, code, dp, data] = entries;
    fpu.status = status as u16;
    fpu.load_tags(tags as u16);
    if protected {
        fpu.ip = u64::from(ip);
        fpu.cs = code as u16;
        fpu.dp = u64::from(dp);
        fpu.ds = data as u16;
        // The 16-bit layout has no opcode.
        fpu.opcode = if L::ENTRY == 4 { (code >> 16) as u16 & 0x7FF } else { 0 };
    } else {
        let address = |low: u32, high: u32| u64::from(low & 0xFFFF | high >> 12 << 16);
        fpu.ip = address(ip, code);
        fpu.dp = address(dp, data);
        (fpu.cs, fpu.ds) = (0, 0);
        fpu.opcode = code as u16 & 0x7FF;
    }
    fpu.load_control(control as u16);
}

/// Linear addresses wrap at 4 GiB outside 64-bit mode.
fn at(cpu: &Cpu, gva: u64, offset: u64) -> u64 {
    gva.wrapping_add(offset) & cpu.mode.rip_mask()
}

/// The address of an image that can be written whole. As on AMD silicon the first
/// entry is checked, then the rest up to the last byte, each against the segment
/// first and the pages then: CR2 tells.
fn writable<L: Layout>(cpu: &mut Cpu, op: &Op, size: u64) -> Result<u64, Exception> {
    let gva = cpu.linear_address(op, L::ENTRY, Access::Write)?;
    cpu.probe_write(op.seg(), gva, L::ENTRY)?;
    cpu.linear_address(op, size, Access::Write)?;
    let last = at(cpu, gva, size - 1);
    cpu.probe_write(op.seg(), last, 1)?;
    Ok(gva)
}

/// The address of an image that can be read whole; checked as in [`writable`].
fn readable<L: Layout>(cpu: &mut Cpu, op: &Op, size: u64) -> Result<u64, Exception> {
    let gva = cpu.linear_address(op, L::ENTRY, Access::Read)?;
    L::load(cpu, op.seg(), gva)?;
    cpu.linear_address(op, size, Access::Read)?;
    let last = at(cpu, gva, size - 1);
    cpu.load::<u8>(op.seg(), last)?;
    Ok(gva)
}

fn store_environment<L: Layout>(cpu: &mut Cpu, op: &Op, gva: u64) -> Result<(), Exception> {
    let entries = entries::<L>(&cpu.state.fpu, cpu.state.protected());
    for (n, entry) in (0..).zip(entries) {
        let to = at(cpu, gva, n * L::ENTRY);
        L::store(cpu, op.seg(), to, entry)?;
    }
    Ok(())
}

fn load_environment<L: Layout>(cpu: &mut Cpu, op: &Op, gva: u64) -> Result<[u32; 7], Exception> {
    let mut entries = [0; ENTRIES as usize];
    for (n, entry) in (0..).zip(&mut entries) {
        let from = at(cpu, gva, n * L::ENTRY);
        *entry = L::load(cpu, op.seg(), from)?;
    }
    Ok(entries)
}

/// FNSTENV: afterwards all exceptions are masked.
pub(super) fn fnstenv<L: Layout>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    available(cpu)?;
    let gva = writable::<L>(cpu, op, ENTRIES * L::ENTRY)?;
    store_environment::<L>(cpu, op, gva)?;
    cpu.state.fpu.control |= u16::from(flag::ALL);
    cpu.state.fpu.status &= !(status::SUMMARY | status::BUSY);
    release_ferr(cpu);
    Ok(())
}

pub(super) fn fldenv<L: Layout>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    wait(cpu)?;
    let gva = readable::<L>(cpu, op, ENTRIES * L::ENTRY)?;
    let entries = load_environment::<L>(cpu, op, gva)?;
    let protected = cpu.state.protected();
    set_entries::<L>(&mut cpu.state.fpu, entries, protected);
    Ok(())
}

/// FNSAVE: environment and ST(0) to ST(7), then FNINIT.
pub(super) fn fnsave<L: Layout>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    available(cpu)?;
    let head = ENTRIES * L::ENTRY;
    let gva = writable::<L>(cpu, op, head + 8 * REGISTER)?;
    store_environment::<L>(cpu, op, gva)?;
    for i in 0..8u8 {
        let to = at(cpu, gva, head + u64::from(i) * REGISTER);
        let bytes = cpu.state.fpu.bits(i).to_bytes();
        cpu.store(op.seg(), to, bytes)?;
    }
    super::control::initialise(cpu);
    Ok(())
}

pub(super) fn frstor<L: Layout>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    wait(cpu)?;
    let head = ENTRIES * L::ENTRY;
    let gva = readable::<L>(cpu, op, head + 8 * REGISTER)?;
    let entries = load_environment::<L>(cpu, op, gva)?;
    let mut registers = [F80::ZERO; 8];
    for (i, register) in (0..).zip(&mut registers) {
        let from = at(cpu, gva, head + i * REGISTER);
        *register = F80::from_bytes(cpu.load(op.seg(), from)?);
    }
    let protected = cpu.state.protected();
    let fpu = &mut cpu.state.fpu;
    set_entries::<L>(fpu, entries, protected);
    for (i, register) in (0..).zip(registers) {
        let physical = fpu.physical(i);
        fpu.regs[physical] = register.into();
    }
    Ok(())
}
