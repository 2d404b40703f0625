//! Conditions: SETcc and CMOVcc, and the test that Jcc shares.

use super::Width;
use super::operand::operand_bits;
use crate::flags::LazyFlags;
use crate::{Cpu, Exception, Handler, Op};
use iced_x86::{ConditionCode, Instruction};

/// A condition, chosen at decode time.
pub(crate) trait Condition {
    /// Whether it holds.
    fn holds(flags: LazyFlags) -> bool;
}

macro_rules! conditions {
    ($($name:ident => $test:expr),* $(,)?) => {
        $(
            pub(crate) struct $name;
            impl Condition for $name {
                #[inline(always)]
                fn holds(f: LazyFlags) -> bool {
                    let test: fn(LazyFlags) -> bool = $test;
                    test(f)
                }
            }
        )*
    };
}
conditions! {
    O => |f| f.of(),
    No => |f| !f.of(),
    B => |f| f.cf(),
    Ae => |f| !f.cf(),
    E => |f| f.zf(),
    Ne => |f| !f.zf(),
    Be => |f| f.cf() | f.zf(),
    A => |f| !(f.cf() | f.zf()),
    S => |f| f.sf(),
    Ns => |f| !f.sf(),
    P => |f| f.pf(),
    Np => |f| !f.pf(),
    L => |f| f.sf() != f.of(),
    Ge => |f| f.sf() == f.of(),
    Le => |f| f.zf() | (f.sf() != f.of()),
    G => |f| !(f.zf() | (f.sf() != f.of())),
}

/// Picks the instance of a handler whose last parameter is a [`Condition`].
macro_rules! by_condition {
    ($cc:expr, $name:ident $(, $extra:ty)*) => {{
        use crate::interp::conditional as c;
        match $cc {
            iced_x86::ConditionCode::o => $name::<$($extra,)* c::O> as crate::Handler,
            iced_x86::ConditionCode::no => $name::<$($extra,)* c::No>,
            iced_x86::ConditionCode::b => $name::<$($extra,)* c::B>,
            iced_x86::ConditionCode::ae => $name::<$($extra,)* c::Ae>,
            iced_x86::ConditionCode::e => $name::<$($extra,)* c::E>,
            iced_x86::ConditionCode::ne => $name::<$($extra,)* c::Ne>,
            iced_x86::ConditionCode::be => $name::<$($extra,)* c::Be>,
            iced_x86::ConditionCode::a => $name::<$($extra,)* c::A>,
            iced_x86::ConditionCode::s => $name::<$($extra,)* c::S>,
            iced_x86::ConditionCode::ns => $name::<$($extra,)* c::Ns>,
            iced_x86::ConditionCode::p => $name::<$($extra,)* c::P>,
            iced_x86::ConditionCode::np => $name::<$($extra,)* c::Np>,
            iced_x86::ConditionCode::l => $name::<$($extra,)* c::L>,
            iced_x86::ConditionCode::ge => $name::<$($extra,)* c::Ge>,
            iced_x86::ConditionCode::le => $name::<$($extra,)* c::Le>,
            _ => $name::<$($extra,)* c::G>,
        }
    }};
}
pub(crate) use by_condition;

fn setcc<C: Condition>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let value = u8::from(C::holds(cpu.state.status));
    cpu.write_rm(op, op.dst, value)
}

/// CMOVcc reads its source and, in 32 bits, clears the upper half even when the
/// condition fails.
fn cmov<T: Width, C: Condition>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let value: T = cpu.read_rm(op, op.src)?;
    let value = if C::holds(cpu.state.status) { value } else { cpu.reg(op.dst) };
    cpu.set_reg(op.dst, value);
    Ok(())
}

pub(crate) fn select(i: &Instruction) -> Option<Handler> {
    let cc = i.condition_code();
    if cc == ConditionCode::None {
        return None;
    }
    if is_setcc(i) {
        return Some(by_condition!(cc, setcc));
    }
    if !is_cmov(i) {
        return None;
    }
    Some(match operand_bits(i, 0) {
        16 => by_condition!(cc, cmov, u16),
        32 => by_condition!(cc, cmov, u32),
        _ => by_condition!(cc, cmov, u64),
    })
}

fn is_cmov(i: &Instruction) -> bool {
    use iced_x86::Mnemonic::*;
    matches!(
        i.mnemonic(),
        Cmovo
            | Cmovno
            | Cmovb
            | Cmovae
            | Cmove
            | Cmovne
            | Cmovbe
            | Cmova
            | Cmovs
            | Cmovns
            | Cmovp
            | Cmovnp
            | Cmovl
            | Cmovge
            | Cmovle
            | Cmovg
    )
}

fn is_setcc(i: &Instruction) -> bool {
    use iced_x86::Mnemonic::*;
    matches!(
        i.mnemonic(),
        Seto | Setno
            | Setb
            | Setae
            | Sete
            | Setne
            | Setbe
            | Seta
            | Sets
            | Setns
            | Setp
            | Setnp
            | Setl
            | Setge
            | Setle
            | Setg
    )
}
