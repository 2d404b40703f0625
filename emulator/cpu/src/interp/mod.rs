//! The interpreter: one file a family of instructions, and the loop that runs
//! decoded blocks.
//!
//! A family file has a `select` that names the handler of each instruction form
//! it implements. Handlers are generic over operand width and form, so that the
//! choice is made when the instruction is decoded, not when it runs.

mod alu;
mod atomic;
mod avx;
mod bases;
mod bcd;
mod bits;
mod bmi;
mod branch;
mod conditional;
mod control;
mod data;
mod debug_regs;
mod engine;
mod far;
mod flag_ops;
mod identify;
mod interrupt;
mod invalidate;
mod io;
#[cfg(test)]
mod io_tests;
mod misc;
mod msr_ops;
mod muldiv;
mod operand;
mod segment;
mod selector;
mod shift;
mod simd;
mod stack;
#[cfg(test)]
mod string_tests;
mod strings;
mod syscall;
#[cfg(test)]
mod system_tests;
mod tables;
#[cfg(test)]
mod tests;
mod wait;
mod width;
mod x87;

pub use engine::{Exit, HotCode, Interpreter};
pub(crate) use width::Width;

use crate::{Cpu, Exception, Handler, Op};
use iced_x86::Instruction;

/// The families, those that are asked for most often first.
const FAMILIES: &[fn(&Instruction) -> Option<Handler>] = &[
    data::select,
    alu::select,
    branch::select,
    stack::select,
    conditional::select,
    shift::select,
    strings::select,
    flag_ops::select,
    simd::select,
    avx::select,
    bits::select,
    bmi::select,
    muldiv::select,
    atomic::select,
    misc::select,
    segment::select,
    interrupt::select,
    far::select,
    selector::select,
    bcd::select,
    x87::select,
    control::select,
    debug_regs::select,
    tables::select,
    invalidate::select,
    identify::select,
    wait::select,
    bases::select,
    syscall::select,
    io::select,
    msr_ops::select,
];

/// Whether there is a handler for this form, whatever a processor model says
/// about it.
pub fn is_implemented(i: &Instruction) -> bool {
    FAMILIES.iter().any(|family| family(i).is_some())
}

/// The handler of an instruction that was decoded.
pub(crate) fn select(i: &Instruction) -> Handler {
    FAMILIES.iter().find_map(|family| family(i)).unwrap_or(unimplemented)
}

/// An encoding that is no instruction.
pub(crate) fn undefined(_: &mut Cpu, _: &Op) -> Result<(), Exception> {
    Err(Exception::UD)
}

/// More than 15 bytes (Intel SDM Vol. 3A 7.15, #GP).
pub(crate) fn too_long(_: &mut Cpu, _: &Op) -> Result<(), Exception> {
    Err(Exception::GP0)
}

/// An instruction that exists but is not implemented: raises #UD and says so.
pub(crate) fn unimplemented(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.report_unimplemented(op);
    Err(Exception::UD)
}
