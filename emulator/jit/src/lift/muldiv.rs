//! MUL, IMUL, MULX, DIV, IDIV.

use super::Lifter;
use crate::ir::{Inst, Size, Value};
use iced_x86::{CpuidFeature, Instruction, Mnemonic, OpKind};

pub(super) fn lift(l: &mut Lifter<'_>, i: &Instruction) -> Option<()> {
    let signed = matches!(i.mnemonic(), Mnemonic::Imul | Mnemonic::Idiv);
    match (i.mnemonic(), i.op_count()) {
        (Mnemonic::Imul, 2) => {
            let size = l.size(i, 0)?;
            let to = l.register(i, 0)?;
            let b = l.value(i, 1, size)?;
            l.push(Inst::Multiply { size, to, a: Value::Reg(to), b });
        }
        (Mnemonic::Imul, 3) => {
            let size = l.size(i, 0)?;
            let to = l.register(i, 0)?;
            let a = l.value(i, 1, size)?;
            let b = Value::Imm(l.immediate(size)?);
            l.push(Inst::Multiply { size, to, a, b });
        }
        (Mnemonic::Mul | Mnemonic::Imul, _) => {
            let size = wide(l, i)?;
            let by = l.value(i, 0, size)?;
            l.push(Inst::MultiplyWide { signed, size, by });
        }
        (Mnemonic::Mulx, _) if l.forms.supports(CpuidFeature::BMI2) => {
            let size = l.size(i, 0)?;
            let [high, low] = [0, 1].map(|n| i.op_register(n).number() as u8);
            let by = match i.op2_kind() {
                OpKind::Memory => l.value(i, 2, size)?,
                _ => Value::Reg(i.op_register(2).number() as u8),
            };
            l.push(Inst::MultiplyApart { size, high, low, by });
        }
        (Mnemonic::Div | Mnemonic::Idiv, _) => {
            let size = wide(l, i)?;
            let by = l.value(i, 0, size)?;
            l.push(Inst::Divide { signed, size, by });
        }
        _ => return None,
    }
    Some(())
}

/// The size, but for those whose product is spread over AX or DX:AX.
fn wide(l: &Lifter<'_>, i: &Instruction) -> Option<Size> {
    l.size(i, 0).filter(|size| matches!(size, Size::B32 | Size::B64))
}
