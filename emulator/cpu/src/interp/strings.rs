//! String instructions: MOVS, STOS, LODS, SCAS, CMPS with REP, REPE, REPNE.
//!
//! A repeated instruction runs in slices: after each it may be interrupted with
//! RIP still on it and the registers saying how far it came. Within a slice,
//! MOVS and STOS work on whole runs of host memory where both sides are plain
//! RAM and the pages allow it, and hand runs over to the bus where it takes them.

use super::Width;
use super::alu;
use crate::bus::MmioString;
use crate::mmu::Access;
use crate::state::gpr::{RAX, RCX, RDI, RSI};
use crate::state::{SEG_FLAT, SegReg};
use crate::{Cpu, Exception, Handler, Op};
use glassbox_memory::{Gpa, PAGE_SIZE};
use glassbox_x86_spec::control::Flags;
use iced_x86::{Instruction, Mnemonic};

/// Iterations of a repeated instruction between looks at interrupts, one by one.
const SLICE: u64 = 4096;
/// Done at once on host memory, so many cost as much as one.
const BULK: u64 = 16;

/// What one iteration says about going on.
#[derive(PartialEq, Eq)]
enum Next {
    Go,
    /// REPE or REPNE ends here.
    Stop,
}

/// Address-size view of the registers a string instruction uses.
#[derive(Clone, Copy)]
pub(super) struct Index {
    mask: u64,
}

impl Index {
    pub(super) fn of(op: &Op) -> Self {
        Self { mask: u64::MAX >> (64 - op.address_bits()) }
    }

    #[inline(always)]
    pub(super) fn get(self, cpu: &Cpu, n: usize) -> u64 {
        cpu.state.regs[n] & self.mask
    }

    /// Writes a register in the address size: 32 bits clear the upper half.
    #[inline(always)]
    fn set(self, cpu: &mut Cpu, n: usize, value: u64) {
        let keep = if self.mask == 0xFFFF { cpu.state.regs[n] & !0xFFFF } else { 0 };
        cpu.state.regs[n] = keep | value & self.mask;
    }

    #[inline(always)]
    pub(super) fn step(self, cpu: &mut Cpu, n: usize, by: u64) {
        let value = self.get(cpu, n).wrapping_add(by);
        self.set(cpu, n, value);
    }
}

/// `size`, or its negation when DF is set.
#[inline(always)]
fn stride<T: Width>(cpu: &Cpu) -> u64 {
    let size = u64::from(T::BITS / 8);
    if cpu.state.system_flags.contains(Flags::DF) { size.wrapping_neg() } else { size }
}

/// ES, which no prefix overrides.
#[inline(always)]
fn dest_seg(cpu: &Cpu) -> u8 {
    if cpu.mode.is_64bit() { SEG_FLAT } else { SegReg::Es as u8 }
}

/// One string operation.
trait StringOp {
    /// One iteration, registers moved only on success.
    fn once<T: Width>(cpu: &mut Cpu, op: &Op, index: Index) -> Result<Next, Exception>;

    /// As many of `count` iterations at once as can be done on host memory.
    fn bulk<T: Width>(_: &mut Cpu, _: &Op, _: Index, _: u64) -> u64 {
        0
    }
}

struct Movs;
impl StringOp for Movs {
    #[inline(always)]
    fn once<T: Width>(cpu: &mut Cpu, op: &Op, index: Index) -> Result<Next, Exception> {
        let value: T = cpu.load_seg(op.seg(), index.get(cpu, RSI))?;
        cpu.store_seg(dest_seg(cpu), index.get(cpu, RDI), value)?;
        let by = stride::<T>(cpu);
        index.step(cpu, RSI, by);
        index.step(cpu, RDI, by);
        Ok(Next::Go)
    }

    fn bulk<T: Width>(cpu: &mut Cpu, op: &Op, index: Index, count: u64) -> u64 {
        let size = u64::from(T::BITS / 8);
        let from = side::<T>(cpu, op.seg(), index.get(cpu, RSI), index, count, Access::Read);
        let Some((from, source_count)) = from else { return 0 };
        let seg = dest_seg(cpu);
        let to = side::<T>(cpu, seg, index.get(cpu, RDI), index, source_count, Access::Write);
        let Some((to, count)) = to else { return 0 };
        let count = match (from, to) {
            (Side::Ram(from), Side::Ram(to)) => {
                // An overlap in which the copy feeds itself has to go element by element.
                if to > from && to - from < count * size {
                    return 0;
                }
                cpu.memory.copy_at(from, to, (count * size) as usize);
                count
            }
            (Side::Device(from), Side::Device(to)) => {
                cpu.outside(|bus| bus.mmio_string(size as u8, count, MmioString::Copy { from, to }))
            }
            (Side::Ram(ram), Side::Device(at)) => {
                let mut bytes = [0; PAGE_SIZE as usize];
                let from = &mut bytes[..(count * size) as usize];
                cpu.memory.read_slice_at(ram, from);
                cpu.outside(|bus| bus.mmio_string(size as u8, count, MmioString::Store { at, from }))
            }
            (Side::Device(at), Side::Ram(ram)) => {
                let mut bytes = [0; PAGE_SIZE as usize];
                let to = &mut bytes[..(count * size) as usize];
                let done = cpu.outside(|bus| bus.mmio_string(size as u8, count, MmioString::Load { at, to }));
                cpu.memory.write_slice_at(ram, &bytes[..(done.min(count) * size) as usize]);
                done
            }
        };
        index.step(cpu, RSI, count * size);
        index.step(cpu, RDI, count * size);
        count
    }
}

struct Stos;
impl StringOp for Stos {
    #[inline(always)]
    fn once<T: Width>(cpu: &mut Cpu, _: &Op, index: Index) -> Result<Next, Exception> {
        let value: T = cpu.reg(RAX as u8);
        cpu.store_seg(dest_seg(cpu), index.get(cpu, RDI), value)?;
        let by = stride::<T>(cpu);
        index.step(cpu, RDI, by);
        Ok(Next::Go)
    }

    fn bulk<T: Width>(cpu: &mut Cpu, _: &Op, index: Index, count: u64) -> u64 {
        let size = u64::from(T::BITS / 8);
        let seg = dest_seg(cpu);
        let to = side::<T>(cpu, seg, index.get(cpu, RDI), index, count, Access::Write);
        let Some((to, count)) = to else { return 0 };
        let value: T = cpu.reg(RAX as u8);
        let to = match to {
            Side::Ram(to) => to,
            Side::Device(at) => {
                let fill = MmioString::Fill { at, value: value.zext() };
                let count = cpu.outside(|bus| bus.mmio_string(size as u8, count, fill));
                index.step(cpu, RDI, count * size);
                return count;
            }
        };
        let bytes = value.zext().to_le_bytes();
        let len = (count * size) as usize;
        if bytes[..size as usize].iter().all(|&b| b == bytes[0]) {
            cpu.memory.fill_at(to, len, bytes[0]);
        } else {
            for n in 0..count {
                cpu.memory.write(to + n * size, value);
            }
        }
        index.step(cpu, RDI, count * size);
        count
    }
}

struct Lods;
impl StringOp for Lods {
    #[inline(always)]
    fn once<T: Width>(cpu: &mut Cpu, op: &Op, index: Index) -> Result<Next, Exception> {
        let value: T = cpu.load_seg(op.seg(), index.get(cpu, RSI))?;
        cpu.set_reg(RAX as u8, value);
        let by = stride::<T>(cpu);
        index.step(cpu, RSI, by);
        Ok(Next::Go)
    }
}

/// Whether REPE or REPNE goes on with the flags of the last comparison.
#[inline(always)]
fn compare_again(cpu: &Cpu, op: &Op) -> Next {
    let stop_on = op.flags & Op::REPNE != 0;
    if op.flags & (Op::REP | Op::REPNE) != 0 && cpu.state.status.zf() == stop_on {
        Next::Stop
    } else {
        Next::Go
    }
}

struct Scas;
impl StringOp for Scas {
    #[inline(always)]
    fn once<T: Width>(cpu: &mut Cpu, op: &Op, index: Index) -> Result<Next, Exception> {
        let value: T = cpu.load_seg(dest_seg(cpu), index.get(cpu, RDI))?;
        cpu.state.status = alu::sub(cpu.reg::<T>(RAX as u8), value, false).1;
        let by = stride::<T>(cpu);
        index.step(cpu, RDI, by);
        Ok(compare_again(cpu, op))
    }
}

struct Cmps;
impl StringOp for Cmps {
    #[inline(always)]
    fn once<T: Width>(cpu: &mut Cpu, op: &Op, index: Index) -> Result<Next, Exception> {
        let a: T = cpu.load_seg(op.seg(), index.get(cpu, RSI))?;
        let b: T = cpu.load_seg(dest_seg(cpu), index.get(cpu, RDI))?;
        cpu.state.status = alu::sub(a, b, false).1;
        let by = stride::<T>(cpu);
        index.step(cpu, RSI, by);
        index.step(cpu, RDI, by);
        Ok(compare_again(cpu, op))
    }
}

/// What a run of elements lies in.
#[derive(Clone, Copy)]
enum Side {
    /// A RAM offset.
    Ram(u64),
    /// Something that is reached by the bus.
    Device(Gpa),
}

/// The RAM offset of `offset` in `seg`, and how many elements, at most `count`,
/// follow it upwards within its page.
pub(super) fn span<T: Width>(
    cpu: &mut Cpu,
    seg: u8,
    offset: u64,
    index: Index,
    count: u64,
    access: Access,
) -> Option<(u64, u64)> {
    match side::<T>(cpu, seg, offset, index, count, access)? {
        (Side::Ram(ram), count) => Some((ram, count)),
        (Side::Device(_), _) => None,
    }
}

/// The same, wherever it is.
fn side<T: Width>(
    cpu: &mut Cpu,
    seg: u8,
    offset: u64,
    index: Index,
    count: u64,
    access: Access,
) -> Option<(Side, u64)> {
    let size = u64::from(T::BITS / 8);
    let gva = cpu.segmented(seg, offset, size, access).ok()?;
    let in_page = (PAGE_SIZE - gva % PAGE_SIZE) / size;
    let to_wrap = (index.mask - offset) / size;
    let count = count.min(in_page).min(to_wrap);
    if count == 0 || cpu.segmented(seg, offset, count * size, access).is_err() {
        return None;
    }
    let side = match cpu.fast_span(seg, gva, access) {
        Some(ram) => Side::Ram(ram),
        None => Side::Device(cpu.device_span(seg, gva, size, access)?),
    };
    Some((side, count))
}

fn string<T: Width, S: StringOp>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let index = Index::of(op);
    S::once::<T>(cpu, op, index).map(|_| ())
}

fn repeated<T: Width, S: StringOp>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let index = Index::of(op);
    let mut left = index.get(cpu, RCX);
    if left == 0 {
        return Ok(());
    }
    let upwards = !cpu.state.system_flags.contains(Flags::DF);
    let single = cpu.stepping;
    let mut slice = if single { 1 } else { SLICE };
    while left != 0 && slice != 0 {
        // A fault in the middle leaves the registers at the element that faulted.
        let bulk = if upwards && !single && left > 1 { S::bulk::<T>(cpu, op, index, left) } else { 0 };
        let (done, next) = if bulk != 0 { (bulk, Next::Go) } else { (1, S::once::<T>(cpu, op, index)?) };
        left -= done;
        slice = slice.saturating_sub(done.div_ceil(if bulk != 0 { BULK } else { 1 }));
        index.set(cpu, RCX, left);
        if next == Next::Stop {
            return Ok(());
        }
        if cpu.leave_block {
            break;
        }
    }
    if left != 0 {
        cpu.run_again(op);
    }
    Ok(())
}

macro_rules! string_handler {
    ($i:expr, $width:ty, $op:ty) => {
        if $i.has_rep_prefix() || $i.has_repne_prefix() {
            repeated::<$width, $op> as Handler
        } else {
            string::<$width, $op>
        }
    };
}

pub(crate) fn select(i: &Instruction) -> Option<Handler> {
    if !i.is_string_instruction() {
        return None;
    }
    Some(match i.mnemonic() {
        Mnemonic::Movsb => string_handler!(i, u8, Movs),
        Mnemonic::Movsw => string_handler!(i, u16, Movs),
        Mnemonic::Movsd => string_handler!(i, u32, Movs),
        Mnemonic::Movsq => string_handler!(i, u64, Movs),
        Mnemonic::Stosb => string_handler!(i, u8, Stos),
        Mnemonic::Stosw => string_handler!(i, u16, Stos),
        Mnemonic::Stosd => string_handler!(i, u32, Stos),
        Mnemonic::Stosq => string_handler!(i, u64, Stos),
        Mnemonic::Lodsb => string_handler!(i, u8, Lods),
        Mnemonic::Lodsw => string_handler!(i, u16, Lods),
        Mnemonic::Lodsd => string_handler!(i, u32, Lods),
        Mnemonic::Lodsq => string_handler!(i, u64, Lods),
        Mnemonic::Scasb => string_handler!(i, u8, Scas),
        Mnemonic::Scasw => string_handler!(i, u16, Scas),
        Mnemonic::Scasd => string_handler!(i, u32, Scas),
        Mnemonic::Scasq => string_handler!(i, u64, Scas),
        Mnemonic::Cmpsb => string_handler!(i, u8, Cmps),
        Mnemonic::Cmpsw => string_handler!(i, u16, Cmps),
        Mnemonic::Cmpsd => string_handler!(i, u32, Cmps),
        Mnemonic::Cmpsq => string_handler!(i, u64, Cmps),
        _ => return None,
    })
}
