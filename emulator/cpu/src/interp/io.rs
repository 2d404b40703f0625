//! IN, OUT, INS, OUTS, and who may use which port (Intel SDM Vol. 1 ch. 19).

use super::Width;
use super::strings::{Index, span};
use crate::mmu::Access;
use crate::state::{SegReg, gpr};
use crate::{Cpu, Exception, Handler, Op};
use glassbox_x86_spec::backdoor;
use glassbox_x86_spec::control::Flags;
use glassbox_x86_spec::segment::system;
use iced_x86::{Instruction, Mnemonic, OpKind};

/// Iterations of a repeated instruction before interrupts are looked at even
/// if nobody asked for attention.
const BATCH: u64 = 1024;
/// Offset of the I/O map base in a 32- or 64-bit TSS.
const IO_MAP_BASE: u64 = 0x66;

impl Cpu {
    /// Checks that `size` ports from `port` on may be accessed: by IOPL, else
    /// by the I/O permission bitmap of the TSS.
    ///
    /// # Errors
    /// #GP(0), or a page fault in the TSS.
    fn check_port(&mut self, port: u16, size: u32) -> Result<(), Exception> {
        let by_iopl = self.state.cpl <= self.state.iopl() && !self.state.v86();
        if by_iopl || !self.state.cr0.contains(glassbox_x86_spec::control::Cr0::PE) {
            return Ok(());
        }
        let tr = self.state.tr;
        let limit = u64::from(tr.limit);
        let is_tss = tr.present() && matches!(tr.kind(), system::TSS | system::TSS_BUSY);
        if !is_tss || limit < IO_MAP_BASE + 1 {
            return Err(Exception::GP0);
        }
        let base = u64::from(self.load_system::<u16>(self.wrap_tss(tr.base.wrapping_add(IO_MAP_BASE)))?);
        // Two bytes are read always: a port range may cross a byte.
        let at = base + u64::from(port / 8);
        if at + 1 > limit {
            return Err(Exception::GP0);
        }
        let bits = self.load_system::<u16>(self.wrap_tss(tr.base.wrapping_add(at)))?;
        let wanted = ((1u32 << size) - 1) << (port % 8);
        if u32::from(bits) & wanted == 0 { Ok(()) } else { Err(Exception::GP0) }
    }

    fn wrap_tss(&self, gva: u64) -> u64 {
        if self.state.long_mode() { gva } else { gva & 0xFFFF_FFFF }
    }

    fn port_in<T: Width>(&mut self, port: u16) -> T {
        self.check_io_breakpoints(port, u64::from(T::BITS / 8));
        T::truncate(u64::from(self.outside(|bus| bus.port_read(port, (T::BITS / 8) as u8))))
    }

    fn port_out<T: Width>(&mut self, port: u16, value: T) {
        self.check_io_breakpoints(port, u64::from(T::BITS / 8));
        self.outside(|bus| bus.port_write(port, (T::BITS / 8) as u8, value.zext() as u32));
    }
}

/// The registers of a call through the backdoor.
const BACKDOOR_REGISTERS: [usize; 6] = [gpr::RAX, gpr::RBX, gpr::RCX, gpr::RDX, gpr::RSI, gpr::RDI];

impl Cpu {
    /// Calls what is behind the backdoor, if this is a call and anything is.
    #[cold]
    fn call_backdoor(&mut self) -> bool {
        let mut registers = BACKDOOR_REGISTERS.map(|register| self.state.regs[register] as u32);
        let called = registers[0] == backdoor::MAGIC && self.outside(|bus| bus.backdoor(&mut registers));
        if called {
            for (register, value) in BACKDOOR_REGISTERS.into_iter().zip(registers) {
                self.set_reg::<u32>(register as u8, value);
            }
        }
        called
    }
}

/// `DX`: the port is in DX, else in the immediate.
fn port<const DX: bool>(cpu: &Cpu, op: &Op) -> u16 {
    if DX { cpu.reg(gpr::RDX as u8) } else { op.imm as u16 & 0xFF }
}

fn input<T: Width, const DX: bool>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let port = port::<DX>(cpu, op);
    cpu.check_port(port, T::BITS / 8)?;
    if DX && T::BITS == 32 && port == backdoor::PORT && cpu.call_backdoor() {
        return Ok(());
    }
    let value = cpu.port_in::<T>(port);
    cpu.set_reg(gpr::RAX as u8, value);
    Ok(())
}

fn output<T: Width, const DX: bool>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let port = port::<DX>(cpu, op);
    cpu.check_port(port, T::BITS / 8)?;
    cpu.port_out::<T>(port, cpu.reg(gpr::RAX as u8));
    Ok(())
}

/// One INS: the destination is checked before the port is read, so that a
/// fault loses no data.
fn ins_once<T: Width>(cpu: &mut Cpu, op: &Op, port: u16) -> Result<(), Exception> {
    let size = size_of::<T>() as u64;
    let seg = SegReg::Es as u8;
    let offset = cpu.state.regs[gpr::RDI] & address_mask(op);
    let gva = cpu.segmented(seg, offset, size, Access::Write)?;
    cpu.probe_write(seg, gva, size)?;
    let value = cpu.port_in::<T>(port);
    cpu.store(seg, gva, value)?;
    step::<T>(cpu, op, gpr::RDI);
    Ok(())
}

fn outs_once<T: Width>(cpu: &mut Cpu, op: &Op, port: u16) -> Result<(), Exception> {
    let offset = cpu.state.regs[gpr::RSI] & address_mask(op);
    let value = cpu.load_seg::<T>(op.seg(), offset)?;
    cpu.port_out(port, value);
    step::<T>(cpu, op, gpr::RSI);
    Ok(())
}

fn address_mask(op: &Op) -> u64 {
    u64::MAX >> (64 - op.address_bits())
}

/// Writes a register in the address size.
fn set_address_register(cpu: &mut Cpu, op: &Op, register: usize, value: u64) {
    match op.address_bits() {
        16 => cpu.set_reg(register as u8, value as u16),
        32 => cpu.set_reg(register as u8, value as u32),
        _ => cpu.set_reg(register as u8, value),
    }
}

/// Moves RSI or RDI on by one element.
fn step<T: Width>(cpu: &mut Cpu, op: &Op, register: usize) {
    let size = size_of::<T>() as u64;
    let old = cpu.state.regs[register];
    let down = cpu.state.system_flags.contains(Flags::DF);
    let new = if down { old.wrapping_sub(size) } else { old.wrapping_add(size) };
    set_address_register(cpu, op, register, new);
}

/// Bytes that cross the bus in one piece at most.
const RUN: usize = 2048;

/// INS or OUTS.
trait PortString {
    /// One element; the registers move only if there was no fault.
    fn once<T: Width>(cpu: &mut Cpu, op: &Op, port: u16) -> Result<(), Exception>;

    /// As many of `count` elements upwards as the device moves in one piece, between it
    /// and plain RAM of one page. `None` if it is not that.
    fn bulk<T: Width>(cpu: &mut Cpu, op: &Op, port: u16, count: u64) -> Option<u64>;
}

struct Ins;
impl PortString for Ins {
    fn once<T: Width>(cpu: &mut Cpu, op: &Op, port: u16) -> Result<(), Exception> {
        ins_once::<T>(cpu, op, port)
    }

    fn bulk<T: Width>(cpu: &mut Cpu, op: &Op, port: u16, count: u64) -> Option<u64> {
        let index = Index::of(op);
        let from = index.get(cpu, gpr::RDI);
        let (to, count) = span::<T>(cpu, SegReg::Es as u8, from, index, count, Access::Write)?;
        let mut bytes = [0; RUN];
        let bytes = &mut bytes[..RUN.min(count as usize * size_of::<T>())];
        let done = cpu.outside(|bus| bus.port_read_run(port, size_of::<T>() as u8, bytes));
        let len = bytes.len().min(done * size_of::<T>());
        cpu.memory.write_slice_at(to, &bytes[..len]);
        index.step(cpu, gpr::RDI, len as u64);
        Some(done as u64)
    }
}

struct Outs;
impl PortString for Outs {
    fn once<T: Width>(cpu: &mut Cpu, op: &Op, port: u16) -> Result<(), Exception> {
        outs_once::<T>(cpu, op, port)
    }

    fn bulk<T: Width>(cpu: &mut Cpu, op: &Op, port: u16, count: u64) -> Option<u64> {
        let index = Index::of(op);
        let from = index.get(cpu, gpr::RSI);
        let (from, count) = span::<T>(cpu, op.seg(), from, index, count, Access::Read)?;
        let mut bytes = [0; RUN];
        let bytes = &mut bytes[..RUN.min(count as usize * size_of::<T>())];
        cpu.memory.read_slice_at(from, bytes);
        let done = cpu.outside(|bus| bus.port_write_run(port, size_of::<T>() as u8, bytes));
        index.step(cpu, gpr::RSI, (done * size_of::<T>()) as u64);
        Some(done as u64)
    }
}

/// Runs INS or OUTS, repeated or not. A long repetition ends early and is
/// entered again, so that interrupts come in between.
fn string_io<T: Width, S: PortString>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let port: u16 = cpu.reg(gpr::RDX as u8);
    let repeats = op.flags & (Op::REP | Op::REPNE) != 0;
    let count = cpu.state.regs[gpr::RCX] & address_mask(op);
    if repeats && count == 0 {
        return Ok(());
    }
    cpu.check_port(port, T::BITS / 8)?;
    if !repeats {
        return S::once::<T>(cpu, op, port);
    }
    let mut batch = if cpu.stepping { 1 } else { BATCH };
    let upwards = !cpu.state.system_flags.contains(Flags::DF);
    // Breakpoints on ports are looked for element by element.
    let mut in_bulk = upwards && !cpu.stepping && !cpu.io_breakpoints_armed();
    let mut left = count;
    while batch != 0 {
        let bulk = if in_bulk && left > 1 { S::bulk::<T>(cpu, op, port, left) } else { None };
        // A device that does not move data in pieces is not asked again.
        in_bulk &= bulk != Some(0);
        let done = match bulk {
            Some(done @ 1..) => done,
            _ => S::once::<T>(cpu, op, port).map(|()| 1)?,
        };
        left -= done;
        batch = batch.saturating_sub(done);
        set_address_register(cpu, op, gpr::RCX, left);
        if left == 0 {
            return Ok(());
        }
        if cpu.signals.attention() || cpu.leave_block {
            break;
        }
    }
    cpu.run_again(op);
    Ok(())
}

fn ins<T: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    string_io::<T, Ins>(cpu, op)
}

fn outs<T: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    string_io::<T, Outs>(cpu, op)
}

macro_rules! by_port {
    ($bits:expr, $dx:expr, $name:ident) => {
        match ($bits, $dx) {
            (8, true) => $name::<u8, true> as Handler,
            (8, false) => $name::<u8, false>,
            (16, true) => $name::<u16, true>,
            (16, false) => $name::<u16, false>,
            (_, true) => $name::<u32, true>,
            (_, false) => $name::<u32, false>,
        }
    };
}

pub(crate) fn select(i: &Instruction) -> Option<Handler> {
    Some(match i.mnemonic() {
        Mnemonic::In => {
            by_port!(i.op0_register().size() * 8, i.op1_kind() == OpKind::Register, input)
        }
        Mnemonic::Out => {
            by_port!(i.op1_register().size() * 8, i.op0_kind() == OpKind::Register, output)
        }
        Mnemonic::Insb => ins::<u8>,
        Mnemonic::Insw => ins::<u16>,
        Mnemonic::Insd => ins::<u32>,
        Mnemonic::Outsb => outs::<u8>,
        Mnemonic::Outsw => outs::<u16>,
        Mnemonic::Outsd => outs::<u32>,
        _ => return None,
    })
}
