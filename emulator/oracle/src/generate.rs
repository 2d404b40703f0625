//! Random cases of a form: an encoding, and a state that it does something
//! interesting in.

use crate::case::Case;
use crate::encode::{self, Encoded};
use crate::layout::*;
use crate::rng::Rng;
use crate::user::{UserState, X87};
use crate::values::{self, Kind};
use iced_x86::{Code, Instruction, MemorySize, Mnemonic, OpKind, Register};

const RAX: usize = 0;
const RCX: usize = 1;
const RDX: usize = 2;
const RBX: usize = 3;
const RSP: usize = 4;
const RBP: usize = 5;
const RSI: usize = 6;
const RDI: usize = 7;

/// A case of `code` in code of `bits` bits; `None` if chance found no encoding.
pub fn case(code: Code, bits: u32, rng: &mut Rng) -> Option<Case> {
    for _ in 0..20 {
        let encoded = encode::random(code, entry(bits), bits, rng)?;
        if let Some(case) = with_state(code, bits, encoded, rng) {
            return Some(case);
        }
    }
    None
}

/// Makes the encoding one that does not exist, if chance finds one near: another
/// vector length, a register field that has to be ones, a prefix in front of VEX,
/// a LOCK that is not allowed.
pub fn spoil(case: &mut Case, rng: &mut Rng) {
    if let Some(bytes) = encode::malformed(&case.bytes, case.bits, rng) {
        case.bytes = bytes;
    }
}

fn with_state(code: Code, bits: u32, mut encoded: Encoded, rng: &mut Rng) -> Option<Case> {
    bias_immediate(&mut encoded, bits, rng);
    let kind = Kind::of(code.op_code().memory_size());
    let mut state = random_state(kind, rng);
    if bits != 64 {
        narrow(&mut state);
    }
    let mut memory = Vec::new();
    special_registers(&encoded.instruction, &mut state, &mut memory, rng);
    if encoded.instruction.op_kinds().any(|kind| kind == OpKind::Memory) {
        place_operand(&mut encoded, bits, &mut state, &mut memory, kind, rng)?;
    }
    branch_target(&mut encoded, bits, &mut state, &mut memory, rng)?;
    let again = encode::decode(&encoded.bytes, entry(bits), bits)?;
    if again.instruction.code() != code {
        return None;
    }
    if bits != 64 {
        narrow(&mut state);
    }
    if bits == 16 {
        state.gpr = state.gpr.map(offset_16);
    }
    state.rip = entry(bits);
    Some(Case { form: code, bits, bytes: again.bytes, state, memory })
}

/// What 32 and 16-bit code have: eight registers of 32 bits.
fn narrow(state: &mut UserState) {
    for (n, gpr) in state.gpr.iter_mut().enumerate() {
        *gpr = if n < 8 { *gpr & 0xFFFF_FFFF } else { 0 };
    }
}

/// Random registers of every kind; vector lanes hold what `kind` says, mostly.
fn random_state(kind: Kind, rng: &mut Rng) -> UserState {
    let mut state = UserState::default();
    for gpr in &mut state.gpr {
        let bits = rng.pick(&[8, 16, 32, 64, 64]);
        let low = values::integer(rng, bits);
        *gpr = if bits < 64 && rng.one_in(2) { rng.bits() << bits | low } else { low };
    }
    state.gpr[RSP] = stack_pointer(rng);
    state.flags = rng.bits() as u32 & 0x8D5;
    if rng.one_in(4) {
        state.flags |= 1 << 10;
    }
    let kind = if rng.one_in(6) { Kind::Bytes } else { kind };
    for register in &mut state.vec {
        for lane in register.iter_mut() {
            *lane = values::lane(rng, kind);
        }
    }
    if rng.one_in(10) {
        let same = state.vec[0];
        state.vec.fill(same);
    }
    state.mxcsr = mxcsr(rng);
    state.x87 = x87(rng);
    state
}

fn stack_pointer(rng: &mut Rng) -> u64 {
    match rng.below(40) {
        0 => DATA + rng.below(9),
        1 => DATA + DATA_LEN - rng.below(9),
        2 => READ_ONLY + 0x100,
        3 => NOTHING,
        4 => 0x8000_0000_0000_0000 | rng.bits(),
        5..=9 => DATA + 0x800 + rng.below(0x800),
        _ => DATA + 0x800 + 8 * rng.below(0x100),
    }
}

fn mxcsr(rng: &mut Rng) -> u32 {
    let masks = if rng.one_in(4) { rng.bits() as u32 & 0x1F80 } else { 0x1F80 };
    let flags = if rng.one_in(4) { rng.bits() as u32 & 0x3F } else { 0 };
    let rounding = if rng.one_in(2) { rng.bits() as u32 & 0x6000 } else { 0 };
    let ftz = if rng.one_in(6) { 0x8000 } else { 0 };
    let daz = if rng.one_in(6) { 0x40 } else { 0 };
    masks | flags | rounding | ftz | daz
}

fn x87(rng: &mut Rng) -> X87 {
    let masks = if rng.one_in(4) { rng.bits() as u16 & 0x3F } else { 0x3F };
    let precision = if rng.one_in(3) { rng.pick(&[0, 0x200]) } else { 0x300 };
    let rounding = if rng.one_in(2) { rng.bits() as u16 & 0xC00 } else { 0 };
    // Bit 6 always reads as one.
    let control = 0x40 | masks | precision | rounding;
    let mut flags = if rng.one_in(4) { rng.bits() as u16 & 0x7F } else { 0 };
    // A pending exception keeps nearly everything from executing: not too often.
    if rng.one_in(2) {
        flags &= masks | 0x40;
    }
    let summary = if flags & 0x3F & !masks != 0 { 0x8080 } else { 0 };
    let status = rng.bits() as u16 & 0x7F00 | flags | summary;
    let full = match rng.below(6) {
        0 => rng.bits() as u8,
        1 => 0,
        2 => (rng.bits() & rng.bits()) as u8,
        _ => 0xFF,
    };
    let mut st = [(0, 0); 8];
    for slot in &mut st {
        *slot = values::extended(rng);
    }
    if rng.one_in(10) {
        st[1] = st[0];
    }
    X87 { control, status, full, st }
}

fn bias_immediate(encoded: &mut Encoded, bits: u32, rng: &mut Rng) {
    let offsets = encoded.offsets;
    if offsets.has_immediate() && rng.one_in(2) {
        let len = offsets.immediate_size();
        let value = values::integer(rng, 8 * len as u32);
        let at = offsets.immediate_offset();
        encoded.bytes[at..at + len].copy_from_slice(&value.to_le_bytes()[..len]);
        if let Some(again) = encode::decode(&encoded.bytes, entry(bits), bits) {
            *encoded = again;
        }
    }
}

/// An address for an operand of `size` bytes.
fn target(rng: &mut Rng, size: u64) -> u64 {
    let size = size.max(1);
    match rng.below(60) {
        0 | 1 => DATA + DATA_LEN - rng.below(size + 1),
        2 => DATA.wrapping_sub(rng.below(size + 1)),
        3 | 4 => READ_ONLY + 16 * rng.below(0x80),
        5 => NOTHING + rng.below(64),
        6 => 0x8000_0000_0000_0000 | rng.bits(),
        // Across the two writable pages.
        7 => DATA + 0x1000 - rng.below(size + 1),
        8..=15 => DATA + 0x400 + rng.below(0x1800),
        _ => DATA + 0x400 + 64 * rng.below(0x60),
    }
}

/// Whether all of an operand may be written, so that contents can be chosen.
fn is_data(at: u64, len: u64) -> bool {
    at >= DATA && at.saturating_add(len) <= DATA + DATA_LEN
}

/// Chooses address registers or displacement so that the memory operand lies
/// where [`target`] says, and gives it contents.
fn place_operand(
    encoded: &mut Encoded,
    bits: u32,
    state: &mut UserState,
    memory: &mut Vec<(u64, Vec<u8>)>,
    kind: Kind,
    rng: &mut Rng,
) -> Option<()> {
    let i = encoded.instruction;
    if i.is_vsib() {
        return place_gather(encoded, bits, state, rng);
    }
    let size = (i.memory_size().size() as u64).max(1);
    let mut at = target(rng, size);
    if i.mnemonic() == Mnemonic::Lea {
        // No access: the address is arbitrary.
        return Some(());
    }
    if is_bit_string(&i) {
        at = DATA + 0x1000 + rng.below(64);
        let n = gpr_number(i.op1_register());
        // A register that is in the address as well stays as it is.
        if n != gpr_number(i.memory_base()) && n != gpr_number(i.memory_index()) && !rng.one_in(16) {
            let offset = rng.below(0x4000) as i64 - 0x2000;
            state.gpr[n] = offset as u64;
        }
    }
    solve_address(encoded, state, if bits == 16 { offset_16(at) } else { at }, rng)?;
    if is_data(at, size) {
        let contents = match i.mnemonic() {
            // Without bit 17: misaligned SSE is not everybody's.
            Mnemonic::Ldmxcsr | Mnemonic::Vldmxcsr if rng.one_in(8) => {
                (rng.bits() as u32 & !0x2_0000).to_le_bytes().to_vec()
            }
            Mnemonic::Ldmxcsr | Mnemonic::Vldmxcsr => mxcsr(rng).to_le_bytes().to_vec(),
            Mnemonic::Fldcw => (x87(rng).control | rng.bits() as u16 & 0xF0C0).to_le_bytes().to_vec(),
            _ => {
                let kind = if rng.one_in(10) { Kind::Bytes } else { kind };
                values::bytes(rng, kind, size as usize)
            }
        };
        memory.push((at, contents));
        // The comparand of compare-and-exchange is equal half of the time.
        if rng.one_in(2) {
            make_equal(&i, state, memory);
        }
    }
    Some(())
}

/// Gathers: a base in the data, and indices that mostly lead elsewhere in it.
fn place_gather(encoded: &mut Encoded, bits: u32, state: &mut UserState, rng: &mut Rng) -> Option<()> {
    let i = encoded.instruction;
    let here = |at: u64| if bits == 16 { offset_16(at) } else { at };
    let at = here(DATA + 0xC00 + rng.below(0x800));
    match i.memory_base() {
        Register::None => patch_displacement(encoded, at),
        base => set_address(state, base, at.wrapping_sub(i.memory_displacement64()), rng),
    }
    let scale = u64::from(i.memory_index_scale());
    let far = rng.pick(&[0, 0, 3, 12]);
    let register = &mut state.vec[i.memory_index().number()];
    let index = |rng: &mut Rng| {
        if far != 0 && rng.one_in(far) {
            here(target(rng, 8)).wrapping_sub(at) / scale
        } else {
            (rng.below(0x1000) as i64 - 0x800) as u64 / scale.min(2)
        }
    };
    let is_wide = matches!(
        i.mnemonic(),
        Mnemonic::Vgatherqps | Mnemonic::Vgatherqpd | Mnemonic::Vpgatherqd | Mnemonic::Vpgatherqq
    );
    for lane in register {
        *lane = if is_wide { index(rng) } else { index(rng) << 32 | index(rng) & 0xFFFF_FFFF };
    }
    if rng.one_in(3) {
        state.vec[i.op2_register().number()] = [u64::MAX; 4];
    }
    Some(())
}

fn is_bit_string(i: &Instruction) -> bool {
    matches!(i.mnemonic(), Mnemonic::Bt | Mnemonic::Bts | Mnemonic::Btr | Mnemonic::Btc)
        && i.op0_kind() == OpKind::Memory
        && i.op1_kind() == OpKind::Register
}

fn make_equal(i: &Instruction, state: &UserState, memory: &mut [(u64, Vec<u8>)]) {
    let Some((_, contents)) = memory.last_mut() else { return };
    match i.mnemonic() {
        Mnemonic::Cmpxchg => {
            let len = contents.len();
            contents.copy_from_slice(&state.gpr[RAX].to_le_bytes()[..len]);
        }
        Mnemonic::Cmpxchg8b | Mnemonic::Cmpxchg16b => {
            let half = contents.len() / 2;
            contents[..half].copy_from_slice(&state.gpr[RAX].to_le_bytes()[..half]);
            contents[half..].copy_from_slice(&state.gpr[RDX].to_le_bytes()[..half]);
        }
        _ => {}
    }
}

/// Number of a general-purpose register; 99 for none.
fn gpr_number(r: Register) -> usize {
    if r.is_gpr() { r.full_register().number() } else { 99 }
}

fn patch_displacement(encoded: &mut Encoded, value: u64) {
    let at = encoded.offsets.displacement_offset();
    let len = encoded.offsets.displacement_size();
    encoded.bytes[at..at + len].copy_from_slice(&value.to_le_bytes()[..len]);
}

/// Makes the memory operand's address be `at`; `None` where that cannot be.
fn solve_address(encoded: &mut Encoded, state: &mut UserState, at: u64, rng: &mut Rng) -> Option<()> {
    let i = encoded.instruction;
    let (base, index) = (i.memory_base(), i.memory_index());
    let scale = u64::from(i.memory_index_scale());
    let displacement = i.memory_displacement64();
    let address_size = if base != Register::None { base.size() } else { index.size() };
    let fits_32 = at <= u64::from(u32::MAX);
    if address_size == 2 || encoded.offsets.displacement_size() == 2 {
        solve_address_16(encoded, state, at, rng);
        return Some(());
    }
    match (base, index) {
        (Register::RIP | Register::EIP, _) => {
            if !fits_32 {
                return None;
            }
            patch_displacement(encoded, at.wrapping_sub(i.next_ip()));
        }
        (Register::None, Register::None) => {
            let len = encoded.offsets.displacement_size();
            if len < 4 || len == 4 && at > i32::MAX as u64 {
                return None;
            }
            patch_displacement(encoded, at);
        }
        (Register::None, _) => {
            // Index and a 32-bit displacement: a small index.
            if !fits_32 || encoded.offsets.displacement_size() != 4 {
                return None;
            }
            let value = rng.below(0x1000);
            set_address(state, index, value, rng);
            patch_displacement(encoded, at.wrapping_sub(value * scale));
        }
        (_, Register::None) => set_address(state, base, at.wrapping_sub(displacement), rng),
        _ if gpr_number(base) == gpr_number(index) => {
            let sum = at.wrapping_sub(displacement);
            let factor = scale + 1;
            let value = if factor == 2 {
                if sum & 1 != 0 {
                    return None;
                }
                sum >> 1
            } else {
                sum.wrapping_mul(inverse(factor))
            };
            set_address(state, base, value, rng);
        }
        _ => {
            let value = if rng.one_in(2) { rng.bits() } else { rng.below(0x1000) };
            set_address(state, index, value, rng);
            let rest = at.wrapping_sub(displacement).wrapping_sub(value.wrapping_mul(scale));
            set_address(state, base, rest, rng);
        }
    }
    if address_size == 4 && !fits_32 {
        return None;
    }
    Some(())
}

/// As [`solve_address`], for the pairs of registers that 16-bit addresses have.
/// In flat segments nothing is mapped that low: there the access faults, wherever
/// it goes.
fn solve_address_16(encoded: &mut Encoded, state: &mut UserState, at: u64, rng: &mut Rng) {
    let i = encoded.instruction;
    let mut rest = at.wrapping_sub(i.memory_displacement64());
    if i.memory_index() != Register::None {
        let value = rng.below(0x2000);
        let n = gpr_number(i.memory_index());
        state.gpr[n] = rng.bits() & 0xFFFF_0000 | value;
        rest = rest.wrapping_sub(value);
    }
    match i.memory_base() {
        Register::None => patch_displacement(encoded, at),
        base => state.gpr[gpr_number(base)] = rng.bits() & 0xFFFF_0000 | rest & 0xFFFF,
    }
}

/// Sets an address register; what lies above 32-bit ones is arbitrary.
fn set_address(state: &mut UserState, register: Register, value: u64, rng: &mut Rng) {
    let n = gpr_number(register);
    if n < 16 {
        state.gpr[n] = if register.size() == 4 { rng.bits() << 32 | value & 0xFFFF_FFFF } else { value };
    }
}

/// The inverse of an odd number modulo 2^64, by Newton's iteration.
fn inverse(odd: u64) -> u64 {
    let mut x = odd;
    for _ in 0..6 {
        x = x.wrapping_mul(2u64.wrapping_sub(odd.wrapping_mul(x)));
    }
    x
}

/// Registers and memory that instructions use implicitly.
fn special_registers(
    i: &Instruction,
    state: &mut UserState,
    memory: &mut Vec<(u64, Vec<u8>)>,
    rng: &mut Rng,
) {
    use Mnemonic::*;
    if i.is_string_instruction() {
        string_registers(i, state, memory, rng);
        return;
    }
    match i.mnemonic() {
        Xlatb => {
            let at = target(rng, 1);
            state.gpr[RBX] = at.wrapping_sub(state.gpr[RAX] & 0xFF);
        }
        Maskmovdqu | Maskmovq | Vmaskmovdqu => state.gpr[RDI] = target(rng, 16),
        Clzero => state.gpr[RAX] = target(rng, 64),
        Leave | Enter => {
            state.gpr[RBP] = stack_pointer(rng);
            if i.mnemonic() == Enter && !rng.one_in(3) {
                state.gpr[RBP] = state.gpr[RBP].wrapping_add(0x80);
            }
        }
        Loop | Loope | Loopne | Jcxz | Jecxz | Jrcxz if rng.one_in(2) => {
            state.gpr[RCX] = rng.below(3) | if rng.one_in(4) { rng.bits() << 32 } else { 0 };
        }
        // Quotients that fit come up by chance only in small forms.
        Div | Idiv if !rng.one_in(4) => {
            let sign = if rng.one_in(3) { u64::MAX } else { 0 };
            state.gpr[RDX] = if rng.one_in(3) { rng.below(100) } else { sign };
        }
        Popf | Popfd | Popfq => {
            // Not TF, NT, AC or ID: they outlive the case.
            let image = rng.bits() as u32 & 0x3ED5;
            if !push_contents(state, memory, &u64::from(image).to_le_bytes()) {
                // What lies there otherwise may have those.
                state.gpr[RSP] = NOTHING;
            }
        }
        // Fields and bit numbers inside the operand, and just outside.
        Bextr | Bzhi if !rng.one_in(4) => {
            let field = rng.below(72) | rng.below(72) << 8;
            let n = gpr_number(i.op2_register());
            state.gpr[n] = if rng.one_in(4) { rng.bits() << 16 | field } else { field };
        }
        Cmpxchg if rng.one_in(2) && i.op0_kind() == OpKind::Register => {
            let n = gpr_number(i.op0_register());
            state.gpr[n] = state.gpr[RAX];
        }
        _ => {}
    }
}

/// Gives the top of the stack contents.
fn push_contents(state: &UserState, memory: &mut Vec<(u64, Vec<u8>)>, bytes: &[u8]) -> bool {
    let fits = is_data(state.gpr[RSP], bytes.len() as u64);
    if fits {
        memory.push((state.gpr[RSP], bytes.to_vec()));
    }
    fits
}

fn string_registers(i: &Instruction, state: &mut UserState, memory: &mut Vec<(u64, Vec<u8>)>, rng: &mut Rng) {
    let place = |rng: &mut Rng| {
        let at = DATA + 0x800 + 8 * rng.below(0x200) + if rng.one_in(3) { rng.below(8) } else { 0 };
        match rng.below(12) {
            0 => target(rng, 8),
            // Repetitions that cross into the other page, or out of the data.
            1 => DATA + 0x1000 + rng.below(64) - 32,
            2 => DATA + DATA_LEN - rng.below(64),
            3 => DATA + rng.below(64),
            _ => at,
        }
    };
    let is_32 = (0..i.op_count())
        .any(|n| matches!(i.op_kind(n), OpKind::MemorySegESI | OpKind::MemoryESEDI | OpKind::MemorySegEDI));
    let high = |rng: &mut Rng| if is_32 { rng.bits() << 32 } else { 0 };
    let source = place(rng);
    // Overlapping moves now and then.
    let destination =
        if rng.one_in(4) { source.wrapping_add(rng.below(32)).wrapping_sub(16) } else { place(rng) };
    if is_32 && (source > u64::from(u32::MAX) || destination > u64::from(u32::MAX)) {
        state.gpr[RSI] = DATA + 0x100;
        state.gpr[RDI] = DATA + 0x200;
    } else {
        state.gpr[RSI] = source | high(rng);
        state.gpr[RDI] = destination | high(rng);
    }
    let longest = if rng.one_in(6) { 200 } else { 20 };
    state.gpr[RCX] = rng.below(longest) | high(rng);
    // Few values, so that comparisons go on for a while.
    if rng.one_in(2) {
        state.gpr[RAX] = if rng.one_in(2) { 0 } else { 0x0101_0101_0101_0101 };
        let byte = state.gpr[RAX] as u8;
        let mut image = vec![byte; DATA_LEN as usize];
        for _ in 0..40 {
            image[rng.below(DATA_LEN) as usize] = rng.bits() as u8;
        }
        memory.push((DATA, image));
    }
}

/// Branches mostly go to where INT3s are, never into themselves.
fn branch_target(
    encoded: &mut Encoded,
    bits: u32,
    state: &mut UserState,
    memory: &mut Vec<(u64, Vec<u8>)>,
    rng: &mut Rng,
) -> Option<()> {
    let i = encoded.instruction;
    let len = encoded.bytes.len() as u64;
    let itself = ENTRY..ENTRY + len;
    let goal = match rng.below(16) {
        0 => NOTHING,
        1 => 0x8000_0000_0000_0000 | rng.bits(),
        2 => DATA + rng.below(0x100),
        _ => CODE + 0x100 + rng.below(0x1E00),
    };
    if itself.contains(&goal) {
        return None;
    }
    let goal = if bits == 16 { offset_16(goal) } else { goal };
    let itself = entry(bits)..entry(bits) + len;
    if i.is_jmp_near_indirect() || i.is_call_near_indirect() {
        if i.op0_kind() == OpKind::Register {
            state.gpr[gpr_number(i.op0_register())] = goal;
        } else if let Some((_, contents)) = memory.last_mut() {
            let len = contents.len();
            contents.copy_from_slice(&goal.to_le_bytes()[..len]);
        }
        return Some(());
    }
    if i.mnemonic() == Mnemonic::Ret {
        push_contents(state, memory, &goal.to_le_bytes());
        return Some(());
    }
    let relative = matches!(i.op0_kind(), OpKind::NearBranch16 | OpKind::NearBranch32 | OpKind::NearBranch64);
    if relative {
        let offsets = encoded.offsets;
        let size = offsets.immediate_size();
        if size > 1 && !rng.one_in(8) {
            let at = offsets.immediate_offset();
            let displacement = goal.wrapping_sub(itself.end);
            encoded.bytes[at..at + size].copy_from_slice(&displacement.to_le_bytes()[..size]);
        }
        let again = encode::decode(&encoded.bytes, entry(bits), bits)?;
        if itself.contains(&again.instruction.near_branch_target()) {
            return None;
        }
    }
    Some(())
}

/// Whether a memory operand of this size is a floating-point number.
pub fn is_float(size: MemorySize) -> bool {
    !matches!(Kind::of(size), Kind::Int(_) | Kind::Bytes | Kind::Decimal)
}
