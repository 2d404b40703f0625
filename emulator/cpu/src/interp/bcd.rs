//! Decimal adjustment: DAA, DAS, AAA, AAS, AAM, AAD. Not in 64-bit mode.

use super::alu;
use crate::flags::LazyFlags;
use crate::state::gpr::RAX;
use crate::{Cpu, Exception, Handler, Op};
use glassbox_x86_spec::control::Flags;
use iced_x86::{Instruction, Mnemonic};

const AL: u8 = RAX as u8;

/// Sets SF, ZF and PF by AL, and CF and AF as given; OF is cleared.
fn set_flags(cpu: &mut Cpu, cf: bool, af: bool) {
    let al: u8 = cpu.reg(AL);
    let mut flags = LazyFlags { result: al as i8 as i64 as u64, aux: 0 };
    flags.set_cf(cf);
    flags.aux |= if af { Flags::AF.bits() } else { 0 };
    cpu.state.status = flags;
}

/// DAA (`SUB` false) and DAS (`SUB` true).
fn decimal_adjust<const SUB: bool>(cpu: &mut Cpu, _: &Op) -> Result<(), Exception> {
    let old: u8 = cpu.reg(AL);
    let flags = cpu.state.status;
    let adjust_low = old & 0xF > 9 || flags.af();
    let adjust_high = old > 0x99 || flags.cf();
    let correction = u8::from(adjust_low) * 6 + u8::from(adjust_high) * 0x60;
    let (al, sum) = if SUB { alu::sub(old, correction, false) } else { alu::add(old, correction, false) };
    // DAS: a borrow out of the low adjustment is a carry, too.
    let cf = adjust_high || SUB && adjust_low && old < 6;
    cpu.set_reg(AL, al);
    set_flags(cpu, cf, adjust_low);
    // Undefined by the manuals; AMD silicon has the addition's.
    cpu.state.status.set_of(sum.of());
    Ok(())
}

/// AAA and AAS. The flags other than AF and CF are undefined by the manuals: on AMD
/// silicon they are those of the 16-bit addition or subtraction.
fn ascii_adjust<const SUB: bool>(cpu: &mut Cpu, _: &Op) -> Result<(), Exception> {
    let ax: u16 = cpu.reg(AL);
    let adjust = ax & 0xF > 9 || cpu.state.status.af();
    let correction = if adjust { 0x106 } else { 0 };
    let (adjusted, mut flags) =
        if SUB { alu::sub(ax, correction, false) } else { alu::add(ax, correction, false) };
    cpu.set_reg(AL, adjusted & 0xFF0F);
    flags.aux &= !(Flags::CF | Flags::AF).bits();
    flags.aux |= if adjust { (Flags::CF | Flags::AF).bits() } else { 0 };
    cpu.state.status = flags;
    Ok(())
}

fn aam(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let base = op.imm as u8;
    let al: u8 = cpu.reg(AL);
    let (Some(tens), Some(ones)) = (al.checked_div(base), al.checked_rem(base)) else {
        return Err(Exception::DE);
    };
    cpu.set_reg(AL, u16::from_le_bytes([ones, tens]));
    set_flags(cpu, false, false);
    Ok(())
}

/// AAD. CF, AF and OF, undefined by the manuals, are those of its addition on AMD
/// silicon.
fn aad(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let [al, ah] = cpu.reg::<u16>(AL).to_le_bytes();
    let (value, flags) = alu::add(al, ah.wrapping_mul(op.imm as u8), false);
    cpu.set_reg(AL, u16::from(value));
    cpu.state.status = flags;
    Ok(())
}

pub(crate) fn select(i: &Instruction) -> Option<Handler> {
    Some(match i.mnemonic() {
        Mnemonic::Daa => decimal_adjust::<false>,
        Mnemonic::Das => decimal_adjust::<true>,
        Mnemonic::Aaa => ascii_adjust::<false>,
        Mnemonic::Aas => ascii_adjust::<true>,
        Mnemonic::Aam => aam,
        Mnemonic::Aad => aad,
        _ => return None,
    })
}
