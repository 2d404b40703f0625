//! INT n, INT3, INTO, INT1.

use crate::event::Source;
use crate::{Cpu, Exception, Handler, Op};
use glassbox_x86_spec::vector;
use iced_x86::{Code, Instruction};

fn int_n(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let vector = op.imm as u8;
    if cpu.state.v86() {
        cpu.v86_software_interrupt(vector)
    } else {
        cpu.software_interrupt(vector, Source::Software)
    }
}

fn int3(cpu: &mut Cpu, _: &Op) -> Result<(), Exception> {
    cpu.software_interrupt(vector::BP, Source::Software)
}

fn into(cpu: &mut Cpu, _: &Op) -> Result<(), Exception> {
    if cpu.state.status.of() { cpu.software_interrupt(vector::OF, Source::Software) } else { Ok(()) }
}

/// INT1 (ICEBP) is delivered like a hardware event: no gate privilege check.
fn int1(cpu: &mut Cpu, _: &Op) -> Result<(), Exception> {
    cpu.software_interrupt(vector::DB, Source::Icebp)
}

pub(crate) fn select(i: &Instruction) -> Option<Handler> {
    Some(match i.code() {
        Code::Int_imm8 => int_n,
        Code::Int3 => int3,
        Code::Into => into,
        Code::Int1 => int1,
        _ => return None,
    })
}
