//! Code that all blocks share: the way in, the ways out, the call into the
//! interpreter, and the search for an indirect branch's target.
#![allow(unsafe_code)]

use super::map::{self, CPU, FUEL, GENERATION, TABLE};
use crate::cache::{Blocks, TARGET_HASH, TARGET_SHIFT, Target};
use crate::emit::reason;
use crate::ir::CS;
use dynasmrt::aarch64::Aarch64Relocation;
use dynasmrt::{DynasmApi, DynasmLabelApi, VecAssembler, dynasm};
use glassbox_cpu::compiled::layout;
use glassbox_cpu::{Cpu, Op};

/// Host addresses of the shared pieces.
#[derive(Clone, Copy, Debug, Default)]
pub struct Thunks {
    /// `extern "C" fn(*mut Cpu, code) -> reason`.
    enter: usize,
    /// Branched to with the reason in W0: spills and returns.
    pub exit: usize,
    /// Called with the address of the block's literals in X0 (its ops, its RIP), the
    /// op's index in W1, and how many are left in W2.
    pub run_op: usize,
    /// As `run_op`, branched to for the last op of a block: goes on where it said.
    pub run_last: usize,
    /// Branched to with the target in X0.
    pub lookup: usize,
    /// As `lookup`, for code in segments: an offset in CS.
    lookup_segmented: usize,
    /// Called where a block begins; W0 is 1 once FPCR and FPSR are the guest's.
    pub float: usize,
    /// Bytes that all of it takes.
    pub size: usize,
}

impl Thunks {
    /// The pieces that code in segments uses.
    pub fn segmented(self) -> Self {
        Self { lookup: self.lookup_segmented, ..self }
    }

    /// Runs compiled code until it leaves, and says [why](reason).
    ///
    /// # Safety
    /// The shared code and `code` are in place, and made for this very processor.
    pub unsafe fn enter(&self, cpu: &mut Cpu, code: usize) -> u32 {
        // SAFETY: the shared code begins with a function of this signature.
        let enter: extern "C" fn(*mut Cpu, usize) -> u32 = unsafe { std::mem::transmute(self.enter) };
        enter(cpu, code)
    }
}

type Asm = VecAssembler<Aarch64Relocation>;

/// What `run_op` calls.
extern "C" fn run_op(cpu: &mut Cpu, op: &Op, left: u32, block_rip: u64) -> u32 {
    cpu.run_op(op, block_rip, left) as u32
}

/// What `run_last` calls.
extern "C" fn run_last(cpu: &mut Cpu, op: *const Op, left: u32, block_rip: u64) -> u32 {
    // SAFETY: compiled code passes a pointer into its block's ops, which it keeps
    // alive, and how many there are from there on.
    unsafe { crate::emit::run_last(cpu, op, left, block_rip) }
}

/// MXCSR's exception masks.
const MASKS: u32 = 0x1F80;
/// FPCR and FPSR, as instructions that read and write them name them.
const FPCR: u32 = 0x5A20;
const FPSR: u32 = 0x5A21;

/// Adds what FPSR gathered to MXCSR, and gives FPCR back to the host, if the guest has
/// them. Keeps X0 to X2 and the flags.
fn release_float(asm: &mut Asm) {
    dynasm!(asm
        ; .arch aarch64
        ; ldrb w3, [X(CPU), layout::FLOAT_READY as u32]
        ; cbz w3, >done
        ; strb wzr, [X(CPU), layout::FLOAT_READY as u32]
        ; mrs x3, FPSR
        // Invalid, division by zero, overflow and inexact; underflow is the interpreter's.
        ; and w4, w3, 1
        ; ubfx w5, w3, 1, 2
        ; orr w4, w4, w5, lsl 2
        ; ubfx w5, w3, 4, 1
        ; orr w4, w4, w5, lsl 5
        ; ldr w5, [X(CPU), layout::MXCSR as u32]
        ; orr w4, w4, w5
        ; str w4, [X(CPU), layout::MXCSR as u32]
        ; ubfx w5, w5, 13, 2
        ; cbz w5, >done
        ; msr FPCR, xzr
        ; done:
    );
}

/// Has FPCR and FPSR be the guest's, if all exceptions are masked and SSE instructions
/// may run: W3 says so. Uses X4 and X5.
fn claim_float(asm: &mut Asm) {
    dynasm!(asm
        ; .arch aarch64
        ; ldrb w3, [X(CPU), layout::SSE_READY as u32]
        ; cbz w3, >unfit
        ; ldr w4, [X(CPU), layout::MXCSR as u32]
        ; movz w3, MASKS
        ; bic w3, w3, w4
        ; cbnz w3, >unmasked
        ; msr FPSR, xzr
        ; ubfx w4, w4, 13, 2
        ; cbz w4, >nearest
        // Down and up have changed places.
        ; lsr w5, w4, 1
        ; bfi w5, w4, 1, 1
        ; lsl w5, w5, 22
        ; msr FPCR, x5
        ; nearest:
        ; movz w3, 1
        ; strb w3, [X(CPU), layout::FLOAT_READY as u32]
        ; b >unfit
        ; unmasked:
        ; movz w3, 0
        ; unfit:
    );
}

/// What a search calls whose target is not in the table, or not in the TLB: the host
/// address of the code at RIP, or 0.
extern "C" fn search(cpu: &mut Cpu) -> usize {
    // SAFETY: who enters compiled code lends it the blocks, and does nothing with
    // them until it leaves.
    match unsafe { (cpu.compiled.blocks as *mut Blocks).as_mut() } {
        Some(blocks) => blocks.search(cpu).unwrap_or(0),
        None => 0,
    }
}

/// Stores the guest's registers and the retired count. Keeps X0 to X2.
fn spill(asm: &mut Asm) {
    release_float(asm);
    let regs = layout::REGS as u32;
    dynasm!(asm; .arch aarch64; movz x3, regs; add x3, x3, X(CPU));
    for (n, a, b) in map::pairs() {
        dynasm!(asm; .arch aarch64; stp X(a), X(b), [x3, 8 * i32::from(n)]);
    }
    dynasm!(asm
        ; .arch aarch64
        ; ldr x4, [X(CPU), layout::LIMIT as u32]
        ; sub x4, x4, X(FUEL)
        ; str x4, [X(CPU), layout::RETIRED as u32]
    );
}

/// Loads what compiled code keeps in registers. Keeps X0 to X2.
fn fill(asm: &mut Asm) {
    let regs = layout::REGS as u32;
    dynasm!(asm; .arch aarch64; movz x3, regs; add x3, x3, X(CPU));
    for (n, a, b) in map::pairs() {
        dynasm!(asm; .arch aarch64; ldp X(a), X(b), [x3, 8 * i32::from(n)]);
    }
    dynasm!(asm
        ; .arch aarch64
        ; ldr X(FUEL), [X(CPU), layout::LIMIT as u32]
        ; ldr x4, [X(CPU), layout::RETIRED as u32]
        ; sub X(FUEL), X(FUEL), x4
        ; ldr X(TABLE), [X(CPU), layout::TLB_TABLE as u32]
        ; ldr X(GENERATION), [X(CPU), layout::TLB_GENERATION as u32]
    );
}

/// Calls one of the functions above, whose answer is in W0.
fn call(asm: &mut Asm, function: usize) {
    debug_assert_eq!(size_of::<Op>(), 32);
    spill(asm);
    let literal = asm.new_dynamic_label();
    let over = asm.new_dynamic_label();
    dynasm!(asm
        ; .arch aarch64
        ; ldp x4, x3, [x0]
        ; add x1, x4, x1, lsl 5
        ; mov x0, X(CPU)
        ; ldr x16, =>literal
        ; blr x16
        ; b =>over
        ; .align 8
        ; =>literal
        ; .u64 function as u64
        ; =>over
    );
}

/// Goes on at the address in X0, or in segments at its lower half, a linear address, with
/// RIP set.
fn lookup(asm: &mut Asm, segmented: bool) {
    let entry_bits = layout::ENTRIES.trailing_zeros();
    dynasm!(asm
        ; .arch aarch64
        ; ldr x1, [X(CPU), layout::ATTENTION as u32]
        ; ldrb w1, [x1]
        ; cbnz w1, >blocked
        ; movz w1, TARGET_HASH & 0xFFFF
        ; movk w1, TARGET_HASH >> 16, lsl 16
        ; mul w1, w0, w1
        ; lsr w1, w1, TARGET_SHIFT
        ; ldr x2, ->targets
        ; add x1, x2, x1, lsl 5
        ; ldp x2, x3, [x1]
        ; eor x2, x2, x0
        ; cbnz x2, >miss
        ; ldr x4, [X(CPU), layout::TLB_CONTEXT as u32]
        ; eor x3, x3, x4
        ; cbnz x3, >check
        ; ldr x1, [x1, 16]
        ; br x1
        // Another context than it was found in: the TLB tells whether it holds.
        ; check:
        ; lsr x3, x3, layout::CODE_KEY_SHIFT
        ; cbnz x3, >miss
    );
    if segmented {
        dynasm!(asm; .arch aarch64; mov w0, w0);
    } else {
        dynasm!(asm; .arch aarch64; str x0, [X(CPU), layout::RIP as u32]);
    }
    dynasm!(asm
        ; .arch aarch64
        ; ubfx x2, x0, 12, entry_bits
        ; add x2, X(TABLE), x2, lsl layout::ENTRY_SHIFT
        ; ldr x3, [x2, layout::ENTRY_EXEC as u32]
        ; mov x5, x0
        ; bfi x5, X(GENERATION), 0, 12
        ; eor x3, x3, x5
        ; cbnz x3, ->search
        ; ldr x3, [x2, layout::ENTRY_ADDEND as u32]
        ; ldr x5, [X(CPU), layout::RAM as u32]
        ; add x3, x3, x0
        ; sub x3, x3, x5
        ; ldr x5, [x1, 24]
        ; eor x3, x3, x5
        ; cbnz x3, >miss
        ; str x4, [x1, 8]
        ; ldr x1, [x1, 16]
        ; br x1
        ; miss:
    );
    if !segmented {
        dynasm!(asm; .arch aarch64; str x0, [X(CPU), layout::RIP as u32]);
    }
    dynasm!(asm; .arch aarch64; b ->search; blocked:);
    if !segmented {
        dynasm!(asm; .arch aarch64; str x0, [X(CPU), layout::RIP as u32]);
    }
    dynasm!(asm; .arch aarch64; movz w0, reason::BLOCKED; b ->exit);
}

/// Assembles the shared code for execution at `base`.
pub fn assemble(base: usize, targets: usize) -> (Vec<u8>, Thunks) {
    let mut asm = Asm::new(base);
    let mut thunks = Thunks { enter: base, ..Thunks::default() };
    dynasm!(asm
        ; .arch aarch64
        ; stp x29, x30, [sp, -96]!
        ; mov x29, sp
        ; stp x19, x20, [sp, 16]
        ; stp x21, x22, [sp, 32]
        ; stp x23, x24, [sp, 48]
        ; stp x25, x26, [sp, 64]
        ; stp x27, x28, [sp, 80]
        ; mov X(CPU), x0
    );
    fill(&mut asm);
    dynasm!(asm; .arch aarch64; br x1);

    thunks.exit = base + asm.offset().0;
    dynasm!(asm; .arch aarch64; ->exit:);
    spill(&mut asm);
    dynasm!(asm
        ; .arch aarch64
        ; ->spilled:
        ; ldp x19, x20, [sp, 16]
        ; ldp x21, x22, [sp, 32]
        ; ldp x23, x24, [sp, 48]
        ; ldp x25, x26, [sp, 64]
        ; ldp x27, x28, [sp, 80]
        ; ldp x29, x30, [sp], 96
        ; ret
    );

    // The interpreter's function for an op in the middle of a block.
    thunks.run_op = base + asm.offset().0;
    dynasm!(asm
        ; .arch aarch64
        ; ldrb w3, [X(CPU), layout::FLOAT_READY as u32]
        ; stp x30, x3, [sp, -16]!
    );
    call(&mut asm, run_op as *const () as usize);
    dynasm!(asm; .arch aarch64; ldp x30, x3, [sp], 16; cbnz w0, >elsewhere; cbz w3, >integer);
    // The op may have been one that unmasks exceptions: what follows then is interpreted.
    claim_float(&mut asm);
    dynasm!(asm; .arch aarch64; integer:);
    fill(&mut asm);
    dynasm!(asm
        ; .arch aarch64
        ; ret
        ; elsewhere:
        ; cmp w0, 1
        ; b.ne ->spilled
        ; ->go_on:
    );
    fill(&mut asm);
    dynasm!(asm
        ; .arch aarch64
        ; ldr x0, [X(CPU), layout::RIP as u32]
        ; ldrb w1, [X(CPU), layout::SEGMENTED as u32]
        ; cbz w1, ->lookup
        ; b ->lookup_segmented
    );

    // The interpreter's function for an op that ends its block.
    thunks.run_last = base + asm.offset().0;
    call(&mut asm, run_last as *const () as usize);
    dynasm!(asm; .arch aarch64; cmp w0, 1; b.ls ->go_on; b ->spilled);

    thunks.float = base + asm.offset().0;
    claim_float(&mut asm);
    dynasm!(asm; .arch aarch64; mov w0, w3; ret);

    debug_assert_eq!(size_of::<Target>(), 32);
    thunks.lookup = base + asm.offset().0;
    dynasm!(asm; .arch aarch64; ->lookup:);
    lookup(&mut asm, false);
    thunks.lookup_segmented = base + asm.offset().0;
    // Targets are known by linear address and offset: the latter in the upper half.
    dynasm!(asm
        ; .arch aarch64
        ; ->lookup_segmented:
        ; str x0, [X(CPU), layout::RIP as u32]
        ; ldr w1, [X(CPU), layout::segment_base(CS) as u32]
        ; add w1, w1, w0
        ; orr x0, x1, x0, lsl 32
    );
    lookup(&mut asm, true);

    // Not in the TLB: after a switch of address spaces most are not. Or another target has
    // the entry.
    dynasm!(asm; .arch aarch64; ->search:);
    spill(&mut asm);
    let literal = asm.new_dynamic_label();
    dynasm!(asm
        ; .arch aarch64
        ; mov x0, X(CPU)
        ; ldr x16, =>literal
        ; blr x16
        ; cbz x0, >unknown
    );
    fill(&mut asm);
    dynasm!(asm
        ; .arch aarch64
        ; br x0
        ; unknown:
        ; movz w0, reason::LOOKUP
        ; b ->spilled
        ; .align 8
        ; =>literal
        ; .u64 search as *const () as u64
        ; ->targets:
        ; .u64 targets as u64
    );
    match asm.finalize() {
        Ok(code) => {
            thunks.size = code.len();
            (code, thunks)
        }
        Err(error) => unreachable!("the shared code has no free labels: {error:?}"),
    }
}
