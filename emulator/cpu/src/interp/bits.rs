//! Bit instructions: BT, BTS, BTR, BTC, BSF, BSR, POPCNT, LZCNT, TZCNT, CRC32.

use super::Width;
use super::operand::{by_width, operand_bits};
use crate::flags::LazyFlags;
use crate::mmu::Access;
use crate::op::Op;
use crate::{Cpu, Exception, Handler};
use glassbox_x86_spec::control::Flags;
use iced_x86::{Instruction, Mnemonic, OpKind};

/// What BTx does to the bit it copied to CF.
trait BitChange {
    /// BT changes nothing and needs no write access.
    const WRITES: bool = true;
    fn apply<T: Width>(value: T, bit: T) -> T;
}

struct Keep;
impl BitChange for Keep {
    const WRITES: bool = false;
    fn apply<T: Width>(value: T, _: T) -> T {
        value
    }
}
struct Set;
impl BitChange for Set {
    fn apply<T: Width>(value: T, bit: T) -> T {
        value | bit
    }
}
struct Clear;
impl BitChange for Clear {
    fn apply<T: Width>(value: T, bit: T) -> T {
        value & !bit
    }
}
struct Flip;
impl BitChange for Flip {
    fn apply<T: Width>(value: T, bit: T) -> T {
        value ^ bit
    }
}

/// Bit number in a register, or in memory by an immediate: modulo the width.
fn bit_test<T: Width, B: BitChange, const IMM: bool>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let number: T = if IMM { T::truncate(op.imm) } else { cpu.reg(op.src) };
    let bit = T::truncate(1 << (number.zext() & u64::from(T::BITS - 1)));
    let old: T = if !op.is_mem() {
        let old = cpu.reg(op.dst);
        if B::WRITES {
            cpu.set_reg(op.dst, B::apply(old, bit));
        }
        old
    } else if IMM && B::WRITES {
        cpu.update_operand(op, |v| B::apply(v, bit))?
    } else if IMM {
        cpu.load_operand(op)?
    } else {
        return bit_string::<T, B>(cpu, op, number, bit);
    };
    cpu.state.status.set_cf(old & bit != T::ZERO);
    Ok(())
}

/// BTx of a bit string in memory: the register's signed bit number moves the
/// operand's address by whole operands.
fn bit_string<T: Width, B: BitChange>(cpu: &mut Cpu, op: &Op, number: T, bit: T) -> Result<(), Exception> {
    let size = u64::from(T::BITS / 8);
    let operands = (number.sext() as i64) >> T::BITS.trailing_zeros();
    let moved = cpu.effective_address(op).wrapping_add((operands as u64).wrapping_mul(size));
    let offset = moved & (u64::MAX >> (64 - op.address_bits()));
    let access = if B::WRITES { Access::Write } else { Access::Read };
    let gva = cpu.segmented(op.seg(), offset, size, access)?;
    let old: T = if !B::WRITES {
        cpu.load(op.seg(), gva)?
    } else if op.locked() {
        cpu.update_locked(op.seg(), gva, |v| B::apply(v, bit))?
    } else {
        cpu.probe_write(op.seg(), gva, size)?;
        let old = cpu.load(op.seg(), gva)?;
        cpu.store(op.seg(), gva, B::apply(old, bit))?;
        old
    };
    cpu.state.status.set_cf(old & bit != T::ZERO);
    Ok(())
}

/// BSF and BSR: a zero source sets ZF and leaves the destination alone. Of the
/// flags that the manuals leave undefined, AMD silicon clears all but PF, which
/// is the index's parity.
fn scan<T: Width, const REVERSE: bool>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let value = cpu.read_rm::<T>(op, op.src)?.zext();
    if value == 0 {
        cpu.state.status = LazyFlags { result: 0, aux: 0 };
        return Ok(());
    }
    let n = if REVERSE { 63 - value.leading_zeros() } else { value.trailing_zeros() };
    let parity = if n.count_ones() & 1 == 0 { Flags::PF.bits() } else { 0 };
    cpu.state.status = LazyFlags::from_bits(parity);
    cpu.set_reg(op.dst, T::truncate(u64::from(n)));
    Ok(())
}

fn bsf<T: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    scan::<T, false>(cpu, op)
}

fn bsr<T: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    scan::<T, true>(cpu, op)
}

fn popcnt<T: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let value: T = cpu.read_rm(op, op.src)?;
    cpu.set_reg(op.dst, T::truncate(u64::from(value.zext().count_ones())));
    let zf = if value == T::ZERO { Flags::ZF.bits() } else { 0 };
    cpu.state.status = LazyFlags::from_bits(zf);
    Ok(())
}

/// LZCNT and TZCNT: the width for a zero source; CF says so, ZF that the count is
/// zero. Of the undefined flags AMD silicon keeps OF and clears the others.
fn count_zeros<T: Width, const TRAILING: bool>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let value = cpu.read_rm::<T>(op, op.src)?.zext();
    let n = match (value, TRAILING) {
        (0, _) => T::BITS,
        (_, true) => value.trailing_zeros(),
        (_, false) => value.leading_zeros() - (64 - T::BITS),
    };
    cpu.set_reg(op.dst, T::truncate(u64::from(n)));
    let mut flags = Flags::empty();
    flags.set(Flags::CF, value == 0);
    flags.set(Flags::ZF, n == 0);
    cpu.state.status.replace(Flags::STATUS - Flags::OF, flags);
    Ok(())
}

fn lzcnt<T: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    count_zeros::<T, false>(cpu, op)
}

fn tzcnt<T: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    count_zeros::<T, true>(cpu, op)
}

/// CRC32 with the Castagnoli polynomial, bits reflected.
fn crc32<T: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    const POLYNOMIAL: u32 = 0x82F6_3B78;
    let data: T = cpu.read_rm(op, op.src)?;
    let mut crc: u32 = cpu.reg(op.dst);
    for byte in data.zext().to_le_bytes().into_iter().take(T::BITS as usize / 8) {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = crc >> 1 ^ if crc & 1 != 0 { POLYNOMIAL } else { 0 };
        }
    }
    // The upper half is cleared with a 64-bit destination, too.
    cpu.set_reg(op.dst, crc);
    Ok(())
}

macro_rules! bit_handler {
    ($i:expr, $bits:expr, $change:ty) => {{
        let imm = $i.op1_kind() != OpKind::Register;
        match ($bits, imm) {
            (16, true) => bit_test::<u16, $change, true> as Handler,
            (32, true) => bit_test::<u32, $change, true>,
            (_, true) => bit_test::<u64, $change, true>,
            (16, false) => bit_test::<u16, $change, false>,
            (32, false) => bit_test::<u32, $change, false>,
            (_, false) => bit_test::<u64, $change, false>,
        }
    }};
}

pub(crate) fn select(i: &Instruction) -> Option<Handler> {
    let bits = operand_bits(i, 0);
    Some(match i.mnemonic() {
        Mnemonic::Bt => bit_handler!(i, bits, Keep),
        Mnemonic::Bts => bit_handler!(i, bits, Set),
        Mnemonic::Btr => bit_handler!(i, bits, Clear),
        Mnemonic::Btc => bit_handler!(i, bits, Flip),
        Mnemonic::Bsf => by_width!(bits, bsf),
        Mnemonic::Bsr => by_width!(bits, bsr),
        Mnemonic::Popcnt => by_width!(bits, popcnt),
        Mnemonic::Lzcnt => by_width!(bits, lzcnt),
        Mnemonic::Tzcnt => by_width!(bits, tzcnt),
        Mnemonic::Crc32 => by_width!(operand_bits(i, 1), crc32),
        _ => return None,
    })
}
