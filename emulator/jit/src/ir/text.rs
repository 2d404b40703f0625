//! The text form, for goldens and traces.

use super::*;
use std::fmt::{self, Display, Formatter};

const NAMES: [&str; 16] = [
    "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
    "r15",
];
const CONDITIONS: [&str; 16] =
    ["o", "no", "b", "ae", "e", "ne", "be", "a", "s", "ns", "p", "np", "l", "ge", "le", "g"];

const SEGMENTS: [&str; 6] = ["es", "cs", "ss", "ds", "fs", "gs"];

struct Name(Reg);

impl Display for Name {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            ACC => f.write_str("acc"),
            PAGE => f.write_str("page"),
            n @ (T0 | T1) => write!(f, "t{}", n - T0),
            n => f.write_str(NAMES.get(n as usize).unwrap_or(&"?")),
        }
    }
}

impl Display for Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Reg(n) => Name(n).fmt(f),
            Self::Imm(value) if (-255..256).contains(&value) => write!(f, "{value}"),
            Self::Imm(value) => write!(f, "{value:#x}"),
            Self::Cell => f.write_str("cell"),
        }
    }
}

impl Display for Place {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.value().fmt(f)
    }
}

impl Display for Count {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Imm(n) => write!(f, "{n}"),
            Self::Cl => f.write_str("cl"),
        }
    }
}

impl Display for Address {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.seg != NONE {
            write!(f, "{}:", SEGMENTS[self.seg as usize % 6])?;
        }
        f.write_str("[")?;
        match (self.narrow, self.word) {
            (_, true) => f.write_str("word ")?,
            (true, _) => f.write_str("low ")?,
            _ => {}
        }
        let mut plus = "";
        if self.base != NONE {
            write!(f, "{}", Name(self.base))?;
            plus = " + ";
        }
        if self.index != NONE {
            write!(f, "{plus}{}", Name(self.index))?;
            if self.scale != 0 {
                write!(f, " << {}", self.scale)?;
            }
            plus = " + ";
        }
        match self.disp {
            0 if !plus.is_empty() => {}
            disp if plus.is_empty() => write!(f, "{disp:#x}")?,
            disp if disp < 0 => write!(f, " - {:#x}", disp.unsigned_abs())?,
            disp => write!(f, " + {disp:#x}")?,
        }
        f.write_str("]")
    }
}

/// A set of flags as letters, in EFLAGS order from the top.
struct Set(FlagSet);

impl Display for Set {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        use super::flags::*;
        for (flag, letter) in [(O, 'o'), (S, 's'), (Z, 'z'), (A, 'a'), (P, 'p'), (C, 'c')] {
            if self.0 & flag != 0 {
                write!(f, "{letter}")?;
            }
        }
        Ok(())
    }
}

fn lower(value: impl fmt::Debug) -> String {
    format!("{value:?}").to_lowercase()
}

impl Display for Inst {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Begin(n) => write!(f, "#{n}"),
            Self::Probe { at, bytes, write, aligned, share } => {
                let access = if write { "write" } else { "read" };
                let aligned = if aligned { " aligned" } else { "" };
                write!(f, "cell = {access} {bytes}{aligned} {at}")?;
                match share {
                    Share::Alone => Ok(()),
                    Share::Lead { slot, low, high, write: stores } => {
                        let stores = if stores && !write { " to write" } else { "" };
                        write!(f, " for s{slot} {low}..{high}{stores}")
                    }
                    Share::Member { slot } => write!(f, " by s{slot}"),
                }
            }
            Self::Move { size, to, from } => write!(f, "{to} = {from} .{}", size.bits()),
            Self::Const { to, value } => write!(f, "{} = {value:#x}", Name(to)),
            Self::StoreNext(next) => write!(f, "cell = next, {next:#x}"),
            Self::Extend { to, size, from, of, signed } => {
                let kind = if signed { "sign" } else { "zero" };
                write!(f, "{} = {kind} {from} .{} to .{}", Name(to), of.bits(), size.bits())
            }
            Self::Lea { to, size, at } => write!(f, "{} = address {at} .{}", Name(to), size.bits()),
            Self::High { to, of } => write!(f, "{} = high {}", Name(to), Name(of)),
            Self::SetHigh { to, from } => write!(f, "high {} = {}", Name(to), Name(from)),
            Self::Alu { op, size, to, from } => write!(f, "{} {to}, {from} .{}", lower(op), size.bits()),
            Self::Unary { op, size, to } => write!(f, "{} {to} .{}", lower(op), size.bits()),
            Self::Bswap { to, size } => write!(f, "bswap {} .{}", Name(to), size.bits()),
            Self::Shift { op, size, to, by } => write!(f, "{} {to}, {by} .{}", lower(op), size.bits()),
            Self::DoubleShift { left, size, to, fill, by } => {
                let name = if left { "shld" } else { "shrd" };
                write!(f, "{name} {}, {}, {by} .{}", Name(to), Name(fill), size.bits())
            }
            Self::Multiply { size, to, a, b } => write!(f, "{} = {a} * {b} .{}", Name(to), size.bits()),
            Self::MultiplyWide { signed, size, by } => {
                write!(f, "{} {by} .{}", if signed { "imul" } else { "mul" }, size.bits())
            }
            Self::MultiplyApart { size, high, low, by } => {
                write!(f, "{}:{} = rdx * {by} .{}", Name(high), Name(low), size.bits())
            }
            Self::Divide { signed, size, by } => {
                write!(f, "{} {by} .{}", if signed { "idiv" } else { "div" }, size.bits())
            }
            Self::SignFill { size } => write!(f, "rdx = sign rax .{}", size.bits()),
            Self::SetIf { cc, to } => write!(f, "{to} = {} .8", CONDITIONS[cc as usize & 15]),
            Self::MoveIf { cc, size, to, from } => {
                write!(f, "{} = {from} if {} .{}", Name(to), CONDITIONS[cc as usize & 15], size.bits())
            }
            Self::BitTest { op, size, to, bit } => {
                write!(f, "bit {} {to}, {bit} .{}", lower(op), size.bits())
            }
            Self::BitString { size, to, number, locked } => {
                let lock = if locked { "locked " } else { "" };
                write!(f, "{lock}bit string {} by {} .{}", Name(to), Name(number), size.bits())
            }
            Self::Carry(op) => write!(f, "carry {}", lower(op)),
            Self::Exchange { size, with } => write!(f, "exchange cell, {} .{}", Name(with), size.bits()),
            Self::LockedAlu { op, size, from } => {
                write!(f, "locked {} cell, {from} .{}", lower(op), size.bits())
            }
            Self::LockedUnary { op, size } => write!(f, "locked {} cell .{}", lower(op), size.bits()),
            Self::LockedBit { op, size, bit } => {
                write!(f, "locked bit {} cell, {bit} .{}", lower(op), size.bits())
            }
            Self::ExchangeAdd { size, with, locked } => {
                let lock = if locked { "locked " } else { "" };
                write!(f, "{lock}xadd cell, {} .{}", Name(with), size.bits())
            }
            Self::CompareExchange { size, with, locked } => {
                let lock = if locked { "locked " } else { "" };
                write!(f, "{lock}cmpxchg cell, {} .{}", Name(with), size.bits())
            }
            Self::CompareExchangeWide { locked } => {
                let lock = if locked { "locked " } else { "" };
                write!(f, "{lock}cmpxchg cell .128")
            }
            Self::Native(native) => write!(f, "native {native}"),
            Self::X87(x87) => {
                let cell = if x87.memory.is_some() { " cell" } else { "" };
                write!(f, "x87 {:02x} {:02x}{cell}", 0xD8 | x87.fop >> 8, x87.fop & 0xFF)
            }
            Self::Fence => f.write_str("fence"),
            Self::Canonical(n) => write!(f, "canonical {}", Name(n)),
            Self::InCode(Value::Imm(to)) => write!(f, "in code {:#x}", to as u32),
            Self::InCode(to) => write!(f, "in code {to}"),
            Self::Upwards => f.write_str("upwards"),
            Self::LoadSegment { seg, from, high } => {
                write!(f, "{} = {}{from}", SEGMENTS[seg as usize % 6], if high { "high " } else { "" })
            }
            Self::Flags { to } => write!(f, "{} = flags", Name(to)),
            Self::Selector { to, seg } => write!(f, "{} = {}", Name(to), SEGMENTS[seg as usize % 6]),
            Self::Interpret => f.write_str("interpret"),
            Self::Jump(to) => write!(f, "jump {to:#x}"),
            Self::Branch { cc, to, next } => {
                write!(f, "jump {to:#x} if {} else {next:#x}", CONDITIONS[cc as usize & 15])
            }
            Self::BranchZero { of, size, zero, to, next } => {
                let relation = if zero { "==" } else { "!=" };
                write!(f, "jump {to:#x} if {} {relation} 0 .{} else {next:#x}", Name(of), size.bits())
            }
            Self::JumpTo(n) => write!(f, "jump to {}", Name(n)),
            Self::Call { to, next } => write!(f, "call {to:#x}, back to {next:#x}"),
            Self::CallTo { to, next } => write!(f, "call to {}, back to {next:#x}", Name(to)),
            Self::Return { to, pop } => write!(f, "rsp += {pop}, return to {}", Name(to)),
            Self::Leave => f.write_str("leave"),
        }
    }
}

impl Display for crate::lift::native::Native {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        use crate::lift::native::File;
        write!(f, "{}", lower(self.code))?;
        for field in self.fields() {
            match field.file {
                File::None => continue,
                File::General => write!(f, " {}", Name(field.n))?,
                File::Xmm => write!(f, " xmm{}", field.n)?,
                File::Ymm => write!(f, " ymm{}", field.n)?,
                File::Cell => f.write_str(" cell")?,
            }
            match (field.reads, field.writes) {
                (true, true) => f.write_str("(rw)")?,
                (false, true) => f.write_str("(w)")?,
                _ => {}
            }
        }
        if let Some(imm) = self.imm {
            write!(f, " {imm:#x}")?;
        }
        Ok(())
    }
}

/// The steps of a block, one a line, with the flags that each writes and that matter.
pub fn show(code: &Code) -> String {
    let mut text = String::new();
    for (n, inst) in code.insts.iter().enumerate() {
        let effect = inst.effect();
        let writes = (effect.writes | effect.may_write) & code.live.get(n).copied().unwrap_or(flags::ALL);
        let line = match inst {
            Inst::Begin(_) => format!("{inst}"),
            _ => format!("    {inst}"),
        };
        if writes != 0 && *inst != Inst::Interpret {
            text += &format!("{line:<44} ; {}\n", Set(writes));
        } else {
            text += &format!("{line}\n");
        }
    }
    text
}
