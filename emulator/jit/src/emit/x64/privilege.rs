//! Ways between privilege levels that do not leave compiled code: SYSCALL and SYSRET in
//! 64-bit code, and STAC and CLAC. Whatever is not as systems use them is the
//! interpreter's, to which nothing has happened yet then.

use super::asm::Asm;
use super::flags::load_status;
use super::floors;
use super::map::{self, RAX};
use super::thunks::Thunks;
use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi, dynasm};
use glassbox_cpu::Segment;
use glassbox_cpu::compiled::layout;
use glassbox_x86_spec::control::{Cr4, Efer, Flags};

const CS: u8 = 1;
const SS: u8 = 2;
/// The TLB's tables.
const USER: i32 = 0;
const SUPERVISOR: i32 = 1;
const SUPERVISOR_AC: i32 = 2;
/// DPL 3 among a segment's attributes.
const USER_LEVEL: u16 = 3 << 5;
/// Host register of guest RCX, which both instructions use.
const RETURN: u8 = match map::pinned(crate::ir::RCX) {
    Some(host) => host,
    None => panic!("guest RCX is pinned"),
};
const R11: i32 = (layout::REGS + 8 * 11) as i32;
/// What of EFLAGS is no status flag.
const SYSTEM: i32 = Flags::all().difference(Flags::STATUS).bits() as i32;

/// Assembles them; their addresses go to `thunks`.
pub fn assemble(asm: &mut Asm, base: usize, thunks: &mut Thunks) {
    let interpret = asm.new_dynamic_label();
    thunks.syscall = base + asm.offset().0;
    syscall(asm, interpret);
    thunks.sysret = base + asm.offset().0;
    sysret(asm, interpret);
    dynasm!(asm; .arch x64; =>interpret; jmp extern thunks.absolute.run_last);
    for (table, at) in [(SUPERVISOR, &mut thunks.clac), (SUPERVISOR_AC, &mut thunks.stac)] {
        *at = base + asm.offset().0;
        set_ac(asm, table);
    }
}

/// Stores the status flags that are in EDX. Uses RAX.
fn store_status(asm: &mut Asm) {
    dynasm!(asm
        ; .arch x64
        ; mov eax, edx
        ; and eax, 0xD5
        ; or eax, 2
        ; shl eax, 8
        ; shr edx, 11
        ; and edx, 1
        ; or eax, edx
        ; mov [r15 + layout::FLAGS as i32], ax
    );
}

/// Loads a flat segment by the selector in RAX. Uses RDX.
fn load_flat(asm: &mut Asm, n: u8, segment: Segment, level: u16) {
    let packed = Segment { attr: segment.attr | level, ..segment }.packed();
    let base = layout::segment_base(n) as i32;
    dynasm!(asm
        ; .arch x64
        ; shl rax, 48
        ; mov rdx, QWORD packed as i64
        ; or rax, rdx
        ; mov QWORD [r15 + base], 0
        ; mov [r15 + layout::segment_limit(n) as i32], rax
    );
}

/// Makes the TLB's table in RAX the one that accesses use. Uses RDX.
fn select(asm: &mut Asm) {
    dynasm!(asm
        ; .arch x64
        ; movzx edx, BYTE [r15 + layout::TLB_SELECTED as i32]
        ; mov [r15 + layout::TLB_SELECTED as i32], al
        ; sub rax, rdx
        ; shl rax, layout::TABLE_STRIDE.trailing_zeros() as i8
        ; add [r15 + layout::TLB_BASE as i32], rax
        ; shl rax, layout::ENTRY_SHIFT as i8
        ; add [r15 + layout::TLB_TABLE as i32], rax
        ; mov QWORD [r15 + layout::TLB_OWNER as i32], 0
    );
}

/// Goes on at the other level, at RIP.
fn arrive(asm: &mut Asm) {
    dynasm!(asm
        ; .arch x64
        ; mov [r15 + layout::RIP as i32], rax
        ; mov rax, [r15 + layout::TLB_CONTEXT as i32]
        ; btc rax, BYTE layout::SUPERVISOR_BIT as i8
        ; mov [r15 + layout::TLB_CONTEXT as i32], rax
    );
    floors::change(asm);
    dynasm!(asm; .arch x64; mov rax, [r15 + layout::RIP as i32]; jmp ->lookup);
}

/// Both are the interpreter's but at `level`, and unless they are enabled.
fn begin(asm: &mut Asm, level: i8, interpret: DynamicLabel) {
    dynasm!(asm
        ; .arch x64
        ; cmp BYTE [r15 + layout::CPL as i32], level
        ; jne =>interpret
        ; test BYTE [r15 + layout::EFER as i32], Efer::SCE.bits() as i8
        ; je =>interpret
    );
}

/// As `run_last`, for SYSCALL in 64-bit code.
fn syscall(asm: &mut Asm, interpret: DynamicLabel) {
    let dropped = Flags::IF | Flags::AC;
    begin(asm, 3, interpret);
    dynasm!(asm
        ; .arch x64
        // Neither interrupts nor the table depend on what the flags were.
        ; push rax
        ; mov eax, [r15 + layout::FMASK as i32]
        ; not eax
        ; test eax, dropped.bits() as i32
        ; pop rax
        ; jne =>interpret
        ; movzx eax, BYTE [rax + layout::OP_END as i32]
        ; lea Rq(RETURN), [rdx + rax]
    );
    load_status(asm);
    dynasm!(asm
        ; .arch x64
        ; mov ecx, [r15 + layout::SYSTEM_FLAGS as i32]
        ; and ecx, SYSTEM & !Flags::RF.bits() as i32
        ; lea eax, [rcx + rdx]
        ; mov [r15 + R11], rax
        ; mov eax, [r15 + layout::FMASK as i32]
        ; not eax
        ; and edx, eax
        ; and ecx, eax
        ; or ecx, Flags::ONE.bits() as i32
        ; mov [r15 + layout::SYSTEM_FLAGS as i32], ecx
    );
    store_status(asm);
    dynasm!(asm
        ; .arch x64
        ; mov rcx, [r15 + layout::STAR as i32]
        ; shr rcx, 32
        ; and ecx, 0xFFFC
        ; mov eax, ecx
    );
    load_flat(asm, CS, Segment::FLAT_CODE64, 0);
    dynasm!(asm; .arch x64; lea eax, [rcx + 8]);
    load_flat(asm, SS, Segment::FLAT_STACK, 0);
    dynasm!(asm
        ; .arch x64
        ; mov BYTE [r15 + layout::CPL as i32], 0
        ; mov eax, SUPERVISOR
        ; test DWORD [r15 + layout::CR4 as i32], Cr4::SMAP.bits() as i32
        ; jne >smap
        ; mov eax, SUPERVISOR_AC
        ; smap:
    );
    select(asm);
    dynasm!(asm; .arch x64; mov rax, [r15 + layout::LSTAR as i32]);
    arrive(asm);
}

/// As `run_last`, for SYSRET to 64-bit code.
fn sysret(asm: &mut Asm, interpret: DynamicLabel) {
    let rare = Flags::TF | Flags::AC;
    begin(asm, 0, interpret);
    dynasm!(asm
        ; .arch x64
        ; test DWORD [r15 + R11], rare.bits() as i32
        ; jne =>interpret
        ; push rax
        ; mov rax, [r15 + layout::ATTENTION as i32]
        ; cmp WORD [rax + layout::WAITING as i32], 0
        ; pop rax
        ; jne =>interpret
        ; push rax
        ; mov rax, Rq(RETURN)
        ; shl rax, 16
        ; sar rax, 16
        ; cmp rax, Rq(RETURN)
        ; pop rax
        ; jne =>interpret
        ; mov edx, [r15 + R11]
        ; mov eax, edx
        ; and eax, SYSTEM & !(Flags::RF | Flags::VM).bits() as i32
        ; or eax, Flags::ONE.bits() as i32
        ; mov [r15 + layout::SYSTEM_FLAGS as i32], eax
    );
    store_status(asm);
    dynasm!(asm
        ; .arch x64
        ; movzx ecx, WORD [r15 + (layout::STAR + 6) as i32]
        ; lea eax, [rcx + 16]
        ; or eax, 3
    );
    load_flat(asm, CS, Segment::FLAT_CODE64, USER_LEVEL);
    dynasm!(asm; .arch x64; lea eax, [rcx + 8]; or eax, 3);
    load_flat(asm, SS, Segment::FLAT_STACK, USER_LEVEL);
    dynasm!(asm; .arch x64; mov BYTE [r15 + layout::CPL as i32], 3; mov eax, USER);
    select(asm);
    dynasm!(asm; .arch x64; mov rax, Rq(RETURN));
    arrive(asm);
}

/// Called: STAC or CLAC, which goes to a TLB table. ZF says whether it is done.
fn set_ac(asm: &mut Asm, table: i32) {
    let flags = layout::SYSTEM_FLAGS as i32;
    dynasm!(asm
        ; .arch x64
        ; cmp BYTE [r15 + layout::CPL as i32], 0
        ; jne >no
        ; mov eax, [r15 + layout::CR4 as i32]
        ; not eax
        ; test eax, Cr4::SMAP.bits() as i32
        ; jne >no
    );
    if table == SUPERVISOR_AC {
        dynasm!(asm; .arch x64; or DWORD [r15 + flags], Flags::AC.bits() as i32);
    } else {
        dynasm!(asm; .arch x64; and DWORD [r15 + flags], !Flags::AC.bits() as i32);
    }
    dynasm!(asm; .arch x64; mov eax, table);
    select(asm);
    dynasm!(asm; .arch x64; cmp Rd(RAX), Rd(RAX); no: ; ret);
}
