//! From guest bytes to [`Op`]s.

use crate::CpuModel;
use crate::interp;
use crate::mode::Mode;
use crate::op::Op;
use crate::state::{REG_BLOCK, REG_ZERO, SEG_FLAT, SEG_FLAT_STACK, SegReg};
use iced_x86::{Code, Decoder, DecoderError, EncodingKind, FlowControl, Instruction, OpKind, Register};

/// Blocks end before this many bytes, so that offsets fit a byte.
pub const MAX_BLOCK_BYTES: usize = 240;
/// Blocks end after this many instructions.
pub const MAX_BLOCK_OPS: usize = 64;
/// The longest instruction (Intel SDM Vol. 2A 2.3.11).
pub const MAX_INSTRUCTION: usize = 15;

/// What decoding one instruction gave.
pub enum Decoded {
    /// An instruction; undefined ones run into #UD.
    Op(Op),
    /// The bytes end inside the instruction.
    MoreBytes,
}

/// Decodes the instruction that `bytes` begins with, in `mode`, `offset` bytes
/// into its block, for `model`.
pub fn decode(bytes: &[u8], mode: Mode, offset: u8, model: &CpuModel) -> Decoded {
    let limit = bytes.len().min(MAX_INSTRUCTION);
    let options = model.decoder_options();
    let mut decoder = Decoder::with_ip(mode.code_bits(), &bytes[..limit], u64::from(offset), options);
    let mut instruction = Instruction::default();
    decoder.decode_out(&mut instruction);
    match decoder.last_error() {
        DecoderError::None => {}
        DecoderError::NoMoreBytes => return Decoded::MoreBytes,
        // An instruction of more than 15 bytes is #GP(0), not #UD.
        _ if decoder.position() == MAX_INSTRUCTION && is_too_long(&bytes[..limit], mode, options) => {
            return Decoded::Op(fault_op(interp::too_long, offset, limit));
        }
        _ => return Decoded::Op(fault_op(interp::undefined, offset, decoder.position().max(1))),
    }
    if instruction.code() == Code::Pause
        && let Some(exchange) = pause_as_exchange(&bytes[..instruction.len()])
    {
        return decode(&exchange[..instruction.len()], mode, offset, model);
    }
    let refused = mode.is_real() && instruction.encoding() != EncodingKind::Legacy;
    if refused || !model.implements(&instruction) {
        return Decoded::Op(fault_op(interp::undefined, offset, instruction.len()));
    }
    let mut op = lower(&instruction, mode, offset);
    if let Some(opcode) = x87_opcode(&bytes[..instruction.len()], mode) {
        op.imm = u64::from(opcode);
    }
    Decoded::Op(op)
}

/// Whether these 15 bytes end inside the instruction. iced-x86 calls that invalid,
/// as it does an undefined instruction of just 15 bytes; without a prefix that
/// does not count, the former still lacks bytes and the latter does not.
fn is_too_long(bytes: &[u8], mode: Mode, options: u32) -> bool {
    let alone = matches!(bytes[0], 0x66 | 0x67) && !bytes[1..].contains(&bytes[0]);
    let mut shorter = bytes.to_vec();
    shorter.remove(usize::from(alone));
    let mut decoder = Decoder::with_ip(mode.code_bits(), &shorter, 0, options);
    let _ = decoder.decode();
    decoder.last_error() == DecoderError::NoMoreBytes
}

/// F3 90 is PAUSE, but 90 with REX.B exchanges R8 and rAX, F3 or not; iced-x86
/// takes it for PAUSE still. The same instruction with prefixes that mean nothing.
fn pause_as_exchange(bytes: &[u8]) -> Option<[u8; MAX_INSTRUCTION]> {
    let rex = bytes.len().checked_sub(2).and_then(|at| bytes.get(at))?;
    if rex & 0xF1 != 0x41 {
        return None;
    }
    let mut copy = [0; MAX_INSTRUCTION];
    copy[..bytes.len()].copy_from_slice(bytes);
    for byte in copy.iter_mut().filter(|byte| **byte == 0xF3) {
        *byte = 0x3E;
    }
    Some(copy)
}

/// What the x87 remembers of an instruction (FOP): the low three bits of its
/// first byte and the ModRM byte.
fn x87_opcode(bytes: &[u8], mode: Mode) -> Option<u16> {
    let is_prefix = |byte: &&u8| match **byte {
        0x26 | 0x2E | 0x36 | 0x3E | 0x64..=0x67 | 0xF0 | 0xF2 | 0xF3 => true,
        0x40..=0x4F => mode.is_64bit(),
        _ => false,
    };
    let prefixes = bytes.iter().take_while(is_prefix).count();
    match bytes.get(prefixes..)? {
        [escape @ 0xD8..=0xDF, modrm, ..] => Some(u16::from(escape & 7) << 8 | u16::from(*modrm)),
        _ => None,
    }
}

fn fault_op(run: crate::Handler, offset: u8, len: usize) -> Op {
    Op { run, len: len as u8, end: offset + len as u8, flags: Op::ENDS_BLOCK, ..EMPTY }
}

const EMPTY: Op = Op {
    run: interp::undefined,
    imm: 0,
    disp: 0,
    code: Code::INVALID,
    end: 0,
    len: 0,
    dst: 0,
    src: 0,
    aux: 0,
    base: REG_ZERO,
    index: REG_ZERO,
    scale_seg: 0,
    flags: 0,
};

/// Turns an iced instruction into an op.
fn lower(i: &Instruction, mode: Mode, offset: u8) -> Op {
    let mut op = Op { code: i.code(), len: i.len() as u8, end: offset + i.len() as u8, ..EMPTY };
    let mut registers = [0u8; 3];
    let mut immediates = 0;
    let mut address_size = 0;
    for n in 0..i.op_count() {
        match i.op_kind(n) {
            OpKind::Register => {
                if let Some(slot) = registers.get_mut(n as usize) {
                    *slot = number(i.op_register(n));
                } else {
                    // The fourth operand of VEX blends is a register in the immediate.
                    op.imm = u64::from(number(i.op_register(n)));
                }
            }
            OpKind::Memory => {
                op.flags |= Op::MEM;
                memory_operand(&mut op, i, mode);
            }
            OpKind::NearBranch16 | OpKind::NearBranch32 | OpKind::NearBranch64 => {
                op.imm = branch_displacement(i).wrapping_add(u64::from(op.end));
            }
            OpKind::FarBranch16 => {
                op.imm = u64::from(i.far_branch16()) | u64::from(i.far_branch_selector()) << 32;
            }
            OpKind::FarBranch32 => {
                op.imm = u64::from(i.far_branch32()) | u64::from(i.far_branch_selector()) << 32;
            }
            OpKind::MemorySegSI | OpKind::MemorySegDI | OpKind::MemoryESDI => address_size = 16,
            OpKind::MemorySegESI | OpKind::MemorySegEDI | OpKind::MemoryESEDI => address_size = 32,
            OpKind::MemorySegRSI | OpKind::MemorySegRDI | OpKind::MemoryESRDI => address_size = 64,
            OpKind::Immediate8_2nd => registers[2] = i.immediate8_2nd(),
            _ if immediates == 0 => {
                op.imm = i.immediate(n);
                immediates = 1;
            }
            _ => {}
        }
    }
    [op.dst, op.src, op.aux] = registers;
    if address_size != 0 {
        // Implicit string operands: the segment that may be overridden is the source's.
        let source = i.memory_segment();
        let seg = segment(if source == Register::None { Register::DS } else { source }, mode, false);
        op.scale_seg = seg << 4;
        op.flags |= address_kind(address_size, mode, seg);
    } else if !op.is_mem() {
        op.flags |= address_kind(implicit_address_bits(i, mode), mode, SEG_FLAT);
    }
    if i.has_lock_prefix() {
        op.flags |= Op::LOCK;
    }
    if i.has_rep_prefix() {
        op.flags |= Op::REP;
    }
    if i.has_repne_prefix() {
        op.flags |= Op::REPNE;
    }
    if ends_block(i, mode) {
        op.flags |= Op::ENDS_BLOCK;
    }
    op.run = interp::select(i);
    op
}

/// A near branch's displacement from the end of the instruction. It is decoded
/// relative to the block, so the wrapped target has to be widened again.
fn branch_displacement(i: &Instruction) -> u64 {
    let target = i.near_branch_target();
    let from = i.next_ip();
    match i.op0_kind() {
        OpKind::NearBranch16 => i64::from(target.wrapping_sub(from) as u16 as i16) as u64,
        OpKind::NearBranch32 => i64::from(target.wrapping_sub(from) as u32 as i32) as u64,
        _ => target.wrapping_sub(from),
    }
}

/// Address size of LOOP, JCXZ and other forms whose address register is implicit.
fn implicit_address_bits(i: &Instruction, mode: Mode) -> u32 {
    use Code::*;
    match i.code() {
        Jcxz_rel8_16 | Jcxz_rel8_32 | Loop_rel8_16_CX | Loop_rel8_32_CX | Loope_rel8_16_CX
        | Loope_rel8_32_CX | Loopne_rel8_16_CX | Loopne_rel8_32_CX => 16,
        Jecxz_rel8_16 | Jecxz_rel8_32 | Jecxz_rel8_64 | Loop_rel8_16_ECX | Loop_rel8_32_ECX
        | Loop_rel8_64_ECX | Loope_rel8_16_ECX | Loope_rel8_32_ECX | Loope_rel8_64_ECX
        | Loopne_rel8_16_ECX | Loopne_rel8_32_ECX | Loopne_rel8_64_ECX => 32,
        Monitorw => 16,
        Monitord => 32,
        _ => mode.code_bits(),
    }
}

fn memory_operand(op: &mut Op, i: &Instruction, mode: Mode) {
    let base = i.memory_base();
    let index = i.memory_index();
    let seg_reg = i.memory_segment();
    let stack = if mode.is_64bit() && !matches!(seg_reg, Register::FS | Register::GS) {
        // Overrides other than FS and GS are ignored, for #SS as well.
        matches!(base, Register::RSP | Register::RBP | Register::ESP | Register::EBP)
    } else {
        seg_reg == Register::SS
    };
    let seg = segment(seg_reg, mode, stack);
    op.index = if index == Register::None { REG_ZERO } else { number(index) };
    if index.is_vector_register() {
        // Gathers: the addresses are this one and a vector of indices.
        op.index = REG_ZERO;
        op.imm = u64::from(number(index));
    }
    let scale = i.memory_index_scale().trailing_zeros() as u8;
    op.scale_seg = seg << 4 | scale;
    let displacement = i.memory_displacement64();
    let bits = match base {
        Register::RIP | Register::EIP => {
            op.base = REG_BLOCK;
            match i32::try_from(displacement as i64) {
                Ok(d) => op.disp = d,
                Err(_) => {
                    op.disp = displacement.wrapping_sub(i.next_ip()) as i32;
                    op.flags |= Op::DISP_FROM_END;
                }
            }
            if base == Register::RIP { 64 } else { 32 }
        }
        _ => {
            op.base = if base == Register::None { REG_ZERO } else { number(base) };
            op.disp = displacement as u32 as i32;
            match (base, index) {
                (Register::None, Register::None) => displacement_bits(i, mode),
                // The displacement's size is that of the address.
                (Register::None, r) if r.is_vector_register() => i.memory_displ_size() * 8,
                (Register::None, r) | (r, _) => r.size() as u32 * 8,
            }
        }
    };
    if bits == 64 && base == Register::None && index == Register::None {
        // MOV moffs has a full 64-bit address.
        op.imm = displacement;
        if op.disp as i64 as u64 != displacement {
            op.flags |= Op::DISP_FROM_END;
        }
    }
    op.flags |= address_kind(bits, mode, seg);
}

/// Address size of an operand that has neither base nor index.
fn displacement_bits(i: &Instruction, mode: Mode) -> u32 {
    match i.memory_displ_size() {
        2 => 16,
        8 => 64,
        4 if mode.is_64bit() => {
            // disp32 is sign-extended to 64 bits unless an address-size prefix is there:
            // iced then reports the displacement zero-extended.
            let d = i.memory_displacement64();
            if d <= u64::from(u32::MAX) && d > i32::MAX as u64 { 32 } else { 64 }
        }
        _ => 32,
    }
}

/// The segment field of an op: pseudo segments where no check is needed.
fn segment(reg: Register, mode: Mode, stack: bool) -> u8 {
    let seg = number(reg);
    let is_data = matches!(reg, Register::ES | Register::SS | Register::DS);
    let unchecked = if mode.is_64bit() { is_data || reg == Register::CS } else { mode.is_flat() && is_data };
    match (unchecked, stack) {
        (true, true) => SEG_FLAT_STACK,
        (true, false) => SEG_FLAT,
        _ => seg,
    }
}

fn address_kind(bits: u32, mode: Mode, seg: u8) -> u8 {
    let unchecked = mode.is_64bit() || seg > SegReg::Gs as u8;
    match bits {
        64 => Op::EA_64,
        16 => Op::EA_16_CHECKED,
        _ if unchecked => Op::EA_32,
        _ => Op::EA_32_CHECKED,
    }
}

/// The number of a register within its class, as [`Op`] has it.
fn number(r: Register) -> u8 {
    match r {
        Register::AH | Register::CH | Register::DH | Register::BH => {
            Op::HIGH_BYTE | (r as u8 - Register::AH as u8)
        }
        Register::None => REG_ZERO,
        _ if r.is_segment_register() => match r {
            Register::ES => 0,
            Register::CS => 1,
            Register::SS => 2,
            Register::DS => 3,
            Register::FS => 4,
            _ => 5,
        },
        // SPL to DIL come after BH in iced-x86's numbers of byte registers.
        _ if r.is_gpr8() => r.full_register().number() as u8,
        _ => r.number() as u8,
    }
}

/// Whether nothing may be decoded past this instruction: it sets RIP, may
/// change how code is decoded or what is mapped, or must be followed by a look
/// at interrupts.
fn ends_block(i: &Instruction, mode: Mode) -> bool {
    use iced_x86::Mnemonic::*;
    if i.flow_control() != FlowControl::Next {
        return true;
    }
    let segment = i.op0_kind() == OpKind::Register && i.op0_register().is_segment_register();
    // In real mode it changes nothing but addresses; SS casts a shadow.
    let to_segment = segment && (!mode.is_real() || matches!(i.op0_register(), Register::CS | Register::SS));
    match i.mnemonic() {
        Mov => to_segment || is_system_register(i.op0_register()),
        Pop => to_segment,
        Lds | Les | Lfs | Lgs => !mode.is_real(),
        Lss => true,
        Lmsw | Clts | Lgdt | Lidt | Lldt | Ltr | Invlpg | Invpcid | Invd | Wbinvd | Wbnoinvd | Wrmsr
        | Rdmsr | Xsetbv | Swapgs | Wrfsbase | Wrgsbase | Stac | Clac | Cli | Sti | Popf | Popfd | Popfq
        | Hlt | Mwait | Monitor | In | Out | Insb | Insw | Insd | Outsb | Outsw | Outsd | Rdtsc | Rdtscp
        | Cpuid | Rdpmc | Rsm | Serialize | Xrstor | Xrstor64 | Rdrand | Rdseed => true,
        // String instructions may stop half way and be entered again.
        Movsb | Movsw | Movsq | Stosb | Stosw | Stosd | Stosq | Lodsb | Lodsw | Lodsd | Lodsq | Scasb
        | Scasw | Scasd | Scasq | Cmpsb | Cmpsw | Cmpsq => i.has_rep_prefix() || i.has_repne_prefix(),
        Movsd | Cmpsd => i.is_string_instruction() && (i.has_rep_prefix() || i.has_repne_prefix()),
        _ => false,
    }
}

fn is_system_register(r: Register) -> bool {
    r.is_cr() || r.is_dr() || r.is_tr()
}

#[cfg(test)]
mod tests {
    use crate::testing::{CODE, cpu64, run};
    use glassbox_x86_spec::vector;

    /// The exception that code of `prefixes` times `prefix` and then `rest` raises first.
    fn fault(prefix: u8, prefixes: usize, rest: &[u8]) -> Option<u8> {
        let mut cpu = cpu64();
        run(&mut cpu, &[&vec![prefix; prefixes], rest].concat(), 1);
        let first = cpu.fault_chain.front().map(|record| record.vector);
        assert!(first.is_some() || cpu.state.rip > CODE);
        first
    }

    #[test]
    fn an_instruction_of_16_bytes_is_a_general_protection_fault() {
        assert_eq!(fault(0x66, 14, &[0x90]), None);
        assert_eq!(fault(0x66, 15, &[0x90]), Some(vector::GP));
        // add dword [0], 1: 11 bytes
        let add = [0x81, 0x04, 0x25, 0, 0, 0, 0, 1, 0, 0, 0];
        assert_eq!(fault(0x2E, 5, &add), Some(vector::GP));
        assert_eq!(fault(0xF0, 15, &[0x90]), Some(vector::GP), "too long comes before LOCK");
    }

    #[test]
    fn an_undefined_instruction_of_15_bytes_is_undefined() {
        assert_eq!(fault(0xF0, 14, &[0x90]), Some(vector::UD));
        assert_eq!(fault(0x66, 13, &[0x0F, 0x0B]), Some(vector::UD));
        assert_eq!(fault(0x2E, 13, &[0x0F, 0xFF]), Some(vector::UD), "UD0 with a ModRM byte to come");
    }
}
