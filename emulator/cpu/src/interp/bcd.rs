//! Decimal adjustment: DAA, DAS, AAA, AAS, AAM, AAD. Not in 64-bit mode.

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
    let mut al = old;
    let mut cf = adjust_high;
    if adjust_low {
        // DAS: a borrow out of the low adjustment is a carry, too.
        cf |= SUB && al < 6;
        al = if SUB { al.wrapping_sub(6) } else { al.wrapping_add(6) };
    }
    if adjust_high {
        al = if SUB { al.wrapping_sub(0x60) } else { al.wrapping_add(0x60) };
    }
    cpu.set_reg(AL, al);
    set_flags(cpu, cf, adjust_low);
    Ok(())
}

/// AAA and AAS: flags other than AF and CF, undefined by the manuals, follow AL.
fn ascii_adjust<const SUB: bool>(cpu: &mut Cpu, _: &Op) -> Result<(), Exception> {
    let ax: u16 = cpu.reg(AL);
    let adjust = ax & 0xF > 9 || cpu.state.status.af();
    let adjusted = match (adjust, SUB) {
        (false, _) => ax,
        (true, false) => ax.wrapping_add(0x106),
        (true, true) => ax.wrapping_sub(0x106),
    };
    cpu.set_reg(AL, adjusted & 0xFF0F);
    set_flags(cpu, adjust, adjust);
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

fn aad(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let [al, ah] = cpu.reg::<u16>(AL).to_le_bytes();
    let value = al.wrapping_add(ah.wrapping_mul(op.imm as u8));
    cpu.set_reg(AL, u16::from(value));
    set_flags(cpu, false, false);
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
