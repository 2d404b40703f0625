//! MOV and POP to segment registers in real and virtual-8086 mode, where no table is
//! looked at; MOV and PUSH from them everywhere.

use super::{Lifter, Mode};
use crate::ir::{CS, DS, ES, FS, GS, Inst, Place, SS, Size, T0, Value};
use iced_x86::{Code, Instruction, OpKind};

pub(super) fn lift(l: &mut Lifter<'_>, i: &Instruction) -> Option<()> {
    use Code::*;
    match i.code() {
        Mov_Sreg_rm16 | Mov_Sreg_r32m16 => {
            let seg = loadable(l, l.op.dst)?;
            let from = match i.op1_kind() {
                OpKind::Memory => {
                    let at = l.address()?;
                    l.probe(at, 2, false);
                    Value::Cell
                }
                _ => Value::Reg(l.op.src),
            };
            l.push(Inst::LoadSegment { seg, from, high: false });
        }
        Popw_ES | Popw_DS | Popw_FS | Popw_GS | Popd_ES | Popd_DS | Popd_FS | Popd_GS => {
            let seg = loadable(l, l.op.dst)?;
            let bytes = i.stack_pointer_increment();
            let at = l.stack(0);
            l.probe(at, bytes as u8, false);
            l.push(Inst::LoadSegment { seg, from: Value::Cell, high: false });
            l.move_stack(bytes);
        }
        Les_r16_m1616 | Lds_r16_m1616 | Lfs_r16_m1616 | Lgs_r16_m1616 => {
            let seg = loadable(l, far_segment(i.code()))?;
            let to = l.op.dst;
            let at = l.address()?;
            l.probe(at, 4, false);
            l.push(Inst::Move { size: Size::B32, to: Place::Reg(T0), from: Value::Cell });
            l.push(Inst::LoadSegment { seg, from: Value::Reg(T0), high: true });
            l.push(Inst::Move { size: Size::B16, to: Place::Reg(to), from: Value::Reg(T0) });
        }
        Mov_rm16_Sreg | Mov_r32m16_Sreg | Mov_r64m16_Sreg => {
            if i.op0_kind() == OpKind::Memory {
                let at = l.address()?;
                l.probe(at, 2, true);
                l.push(Inst::Selector { to: T0, seg: l.op.src });
                l.push(Inst::Move { size: Size::B16, to: Place::Cell, from: Value::Reg(T0) });
                return Some(());
            }
            let size = l.size(i, 0)?;
            l.push(Inst::Selector { to: T0, seg: l.op.src });
            l.push(Inst::Move { size, to: Place::Reg(l.op.dst), from: Value::Reg(T0) });
        }
        Pushw_ES | Pushw_CS | Pushw_SS | Pushw_DS | Pushw_FS | Pushw_GS | Pushd_ES | Pushd_CS | Pushd_SS
        | Pushd_DS | Pushd_FS | Pushd_GS => {
            let bytes = -i.stack_pointer_increment();
            let size = Size::of(8 * bytes as u32)?;
            let at = l.stack(-bytes);
            l.push(Inst::Selector { to: T0, seg: l.op.dst });
            l.probe(at, size.bytes(), true);
            l.push(Inst::Move { size, to: Place::Cell, from: Value::Reg(T0) });
            l.move_stack(-bytes);
        }
        _ => return None,
    }
    Some(())
}

/// A segment register that is loaded by shifting, with nothing else to it.
fn loadable(l: &Lifter<'_>, seg: u8) -> Option<u8> {
    let Mode::Segmented(mode) = l.mode else { return None };
    (mode.real && seg != CS && seg != SS).then_some(seg)
}

fn far_segment(code: Code) -> u8 {
    match code {
        Code::Les_r16_m1616 => ES,
        Code::Lds_r16_m1616 => DS,
        Code::Lfs_r16_m1616 => FS,
        _ => GS,
    }
}
