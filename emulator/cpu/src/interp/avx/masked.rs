//! VMASKMOVPS, VMASKMOVPD, VPMASKMOVD, VPMASKMOVQ: elements whose mask has its
//! sign bit clear are neither accessed nor cause faults.

use super::operand::{Vector, by_length, element, set_element};
use crate::interp::Width;
use crate::mmu::Access;
use crate::{Cpu, Exception, Handler, Op};
use iced_x86::{Instruction, Mnemonic, OpKind};

fn count<V: Vector, T: Width>() -> usize {
    V::SIZE as usize * 8 / T::BITS as usize
}

/// One bit for each element that the mask in register `n` chooses.
fn chosen<V: Vector, T: Width>(cpu: &Cpu, n: u8) -> u32 {
    let mask = cpu.ymm(n);
    (0..count::<V, T>()).fold(0, |bits, n| bits | u32::from(element::<T>(&mask, n).msb()) << n)
}

fn is_all<V: Vector, T: Width>(chosen: u32) -> bool {
    chosen == (1 << count::<V, T>()) - 1
}

/// The linear address of the `size` bytes that lie `at` bytes behind the memory
/// operand's first. Within an operand, offsets do not wrap round at 16 bits.
fn element_address(cpu: &mut Cpu, op: &Op, at: u64, size: u64, access: Access) -> Result<u64, Exception> {
    let offset = cpu.effective_address(op).wrapping_add(at);
    cpu.segmented(op.seg(), offset, size, access)
}

fn load<V: Vector, T: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.avx_ready()?;
    let chosen = chosen::<V, T>(cpu, op.src);
    if is_all::<V, T>(chosen) {
        let value: V = cpu.load_operand(op)?;
        value.set(cpu, op.dst);
        return Ok(());
    }
    let size = u64::from(T::BITS / 8);
    let mut value = [0; 4];
    for n in (0..count::<V, T>()).filter(|n| chosen >> n & 1 != 0) {
        let gva = element_address(cpu, op, n as u64 * size, size, Access::Read)?;
        set_element::<T>(&mut value, n, cpu.load(op.seg(), gva)?);
    }
    cpu.state.vec[(op.dst & 15) as usize] = value;
    Ok(())
}

fn store<V: Vector, T: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.avx_ready()?;
    let chosen = chosen::<V, T>(cpu, op.src);
    if is_all::<V, T>(chosen) {
        return cpu.store_operand(op, V::get(cpu, op.aux));
    }
    let size = u64::from(T::BITS / 8);
    let value = cpu.ymm(op.aux);
    // Nothing is stored where one of the elements cannot be.
    for checked in [false, true] {
        for n in (0..count::<V, T>()).filter(|n| chosen >> n & 1 != 0) {
            let gva = element_address(cpu, op, n as u64 * size, size, Access::Write)?;
            if checked {
                cpu.store(op.seg(), gva, element::<T>(&value, n))?;
            } else {
                cpu.probe_write(op.seg(), gva, size)?;
            }
        }
    }
    Ok(())
}

pub(super) fn select(i: &Instruction, long: bool) -> Option<Handler> {
    use Mnemonic::*;
    let to_memory = i.op0_kind() == OpKind::Memory;
    Some(match i.mnemonic() {
        Vmaskmovps | Vpmaskmovd if to_memory => by_length!(long, store, u32),
        Vmaskmovps | Vpmaskmovd => by_length!(long, load, u32),
        Vmaskmovpd | Vpmaskmovq if to_memory => by_length!(long, store, u64),
        Vmaskmovpd | Vpmaskmovq => by_length!(long, load, u64),
        _ => return None,
    })
}
