//! VGATHERDPS and kin: loads at addresses that a vector register holds.
//!
//! Elements are loaded from the lowest on. Each one that is done with, loaded or
//! not, clears its mask, so that after a fault the instruction goes on where it
//! stopped (Intel SDM Vol. 2, "VPGATHERDD").

use super::operand::{element, set_element};
use crate::interp::Width;
use crate::mmu::Access;
use crate::{Cpu, Exception, Handler, Op};
use iced_x86::{Instruction, Mnemonic};

/// `COUNT` elements of type `T` by indices of type `I`. The index register's
/// number is in the immediate, the mask is the third operand.
fn gather<I: Width, T: Width, const COUNT: usize>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.avx_ready()?;
    let indices = cpu.ymm(op.imm as u8);
    let (mut value, mut mask) = (cpu.ymm(op.dst), cpu.ymm(op.aux));
    let result = (0..COUNT).try_for_each(|n| {
        if element::<T>(&mask, n).msb() {
            let at = element::<I>(&indices, n).sext() << (op.scale_seg & 3);
            let size = u64::from(T::BITS / 8);
            let offset = cpu.effective_address(op).wrapping_add(at) & (u64::MAX >> (64 - op.address_bits()));
            let gva = cpu.segmented(op.seg(), offset, size, Access::Read)?;
            set_element::<T>(&mut value, n, cpu.load(op.seg(), gva)?);
        }
        set_element(&mut mask, n, T::ZERO);
        Ok(())
    });
    if result.is_ok() {
        mask = [0; 4];
        // What lies above the elements becomes zero.
        for n in COUNT..256 / T::BITS as usize {
            set_element(&mut value, n, T::ZERO);
        }
    }
    cpu.state.vec[(op.dst & 15) as usize] = value;
    cpu.state.vec[(op.aux & 15) as usize] = mask;
    result
}

pub(super) fn select(i: &Instruction, long: bool) -> Option<Handler> {
    use Mnemonic::*;
    Some(match (i.mnemonic(), long) {
        (Vgatherdps | Vpgatherdd, false) => gather::<u32, u32, 4>,
        (Vgatherdps | Vpgatherdd, true) => gather::<u32, u32, 8>,
        (Vgatherdpd | Vpgatherdq, false) => gather::<u32, u64, 2>,
        (Vgatherdpd | Vpgatherdq, true) => gather::<u32, u64, 4>,
        (Vgatherqps | Vpgatherqd, false) => gather::<u64, u32, 2>,
        (Vgatherqps | Vpgatherqd, true) => gather::<u64, u32, 4>,
        (Vgatherqpd | Vpgatherqq, false) => gather::<u64, u64, 2>,
        (Vgatherqpd | Vpgatherqq, true) => gather::<u64, u64, 4>,
        _ => return None,
    })
}
