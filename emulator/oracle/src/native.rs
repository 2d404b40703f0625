//! Runs one instruction on the host processor.
//!
//! Both ways in and out are the kernel's signal frame. An INT3 enters the
//! signal handler, which replaces the saved context by the case's state and
//! returns: the kernel loads every register, the x87 and vector state included.
//! The instruction then runs into the INT3s around it or into a fault, and the
//! second entry of the handler finds the whole state in the frame, exactly as
//! the processor left it. No register has to be spared for the harness.
#![allow(unsafe_code)]

use crate::case::{Case, Outcome};
use crate::layout::*;
use crate::user::{FLAGS, Fault, UserState, X87};
use libc::{c_int, c_void};
use std::marker::PhantomData;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Signals that faults arrive as.
const SIGNALS: [c_int; 5] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP];
/// Bytes of the handler's own stack.
const STACK_LEN: usize = 1 << 17;
/// Offset of the XSAVE header in an XSAVE area (Intel SDM Vol. 1 13.4.2).
const XSAVE_HEADER: usize = 512;
/// Offset of the upper YMM halves in a standard-format XSAVE area.
const XSAVE_YMM: usize = 576;
/// Components x87, SSE and AVX.
const COMPONENTS: u64 = 7;
/// Where the kernel says how long the area is: `_fpx_sw_bytes`.
const SW_BYTES: usize = 464;
/// FP_XSTATE_MAGIC1: the frame has more than the legacy area.
const XSTATE_MAGIC: u32 = 0x4650_5853;
/// RFLAGS bits that no case may change: TF and AC stay clear.
const INTERRUPT_FLAG: u32 = 0x202;

/// Linux's selectors of 64-bit code, 32-bit code and data.
const CODE_64: u16 = 0x33;
const CODE_32: u16 = 0x23;
const USER_DATA: u16 = 0x2B;

/// GPRs at their encoding order in the signal frame.
const GREGS: [c_int; 16] = [
    libc::REG_RAX,
    libc::REG_RCX,
    libc::REG_RDX,
    libc::REG_RBX,
    libc::REG_RSP,
    libc::REG_RBP,
    libc::REG_RSI,
    libc::REG_RDI,
    libc::REG_R8,
    libc::REG_R9,
    libc::REG_R10,
    libc::REG_R11,
    libc::REG_R12,
    libc::REG_R13,
    libc::REG_R14,
    libc::REG_R15,
];

/// What the handler is to do when it is entered next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Idle,
    Enter,
    Leave,
}

/// Shared between the thread that runs a case and its signal handler.
struct Exchange {
    phase: Phase,
    state: UserState,
    bits: u32,
    fault: Option<Fault>,
    saved_gregs: [i64; 23],
    saved_fpu: Vec<u8>,
}

/// The exchange of the one [`Native`] that may exist.
static EXCHANGE: AtomicPtr<Exchange> = AtomicPtr::new(std::ptr::null_mut());
/// Handlers that were installed before: `sa_sigaction` of [`SIGNALS`] is not chained to,
/// only counted for the panic message.
static STRAY: AtomicUsize = AtomicUsize::new(0);
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// The host processor, ready to run cases. Signal dispositions belong to the
/// whole process, so there is one at a time; it stays on its thread.
pub struct Native {
    exchange: Box<Exchange>,
    old_actions: Vec<libc::sigaction>,
    old_stack: libc::stack_t,
    _stack: Vec<u8>,
    /// Where the code can be written: cases run it from a read-only mapping.
    code: *mut u8,
    background: Vec<u8>,
    _lock: MutexGuard<'static, ()>,
    _not_send: PhantomData<*mut ()>,
}

impl Native {
    /// Maps code and data and takes over the fault signals.
    ///
    /// # Errors
    /// When the host refuses a mapping or has no XSAVE frames.
    pub fn new() -> std::io::Result<Self> {
        let lock = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let code = map_code()?;
        map(DATA, DATA_LEN, libc::PROT_READ | libc::PROT_WRITE)?;
        map(READ_ONLY, READ_ONLY_LEN, libc::PROT_READ | libc::PROT_WRITE)?;
        fill(code as u64, &vec![0xCC; CODE_LEN as usize]);
        let background = background_image(DATA_LEN);
        fill(DATA, &background);
        fill(READ_ONLY, &background_image(READ_ONLY_LEN));
        // SAFETY: the page was mapped above and no reference into it exists.
        if unsafe { libc::mprotect(READ_ONLY as *mut c_void, READ_ONLY_LEN as usize, libc::PROT_READ) } != 0 {
            return Err(std::io::Error::last_os_error());
        }

        let mut stack = vec![0u8; STACK_LEN];
        let new_stack = libc::stack_t { ss_sp: stack.as_mut_ptr().cast(), ss_flags: 0, ss_size: STACK_LEN };
        let mut old_stack = libc::stack_t { ss_sp: std::ptr::null_mut(), ss_flags: 0, ss_size: 0 };
        // SAFETY: the new stack outlives its use: `drop` puts the old one back first.
        if unsafe { libc::sigaltstack(&new_stack, &mut old_stack) } != 0 {
            return Err(std::io::Error::last_os_error());
        }
        let mut exchange = Box::new(Exchange {
            phase: Phase::Idle,
            state: UserState::default(),
            bits: 64,
            fault: None,
            saved_gregs: [0; 23],
            saved_fpu: Vec::with_capacity(1 << 14),
        });
        EXCHANGE.store(&mut *exchange, Ordering::SeqCst);
        let mut old_actions = Vec::new();
        for signal in SIGNALS {
            // SAFETY: a zeroed sigaction is valid; the handler has the SA_SIGINFO signature.
            unsafe {
                let mut action: libc::sigaction = std::mem::zeroed();
                action.sa_sigaction = handler as *const () as usize;
                action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
                let mut old: libc::sigaction = std::mem::zeroed();
                if libc::sigaction(signal, &action, &mut old) != 0 {
                    return Err(std::io::Error::last_os_error());
                }
                old_actions.push(old);
            }
        }
        set_local_segments()?;
        set_data_segments(USER_DATA);
        Ok(Self {
            exchange,
            old_actions,
            old_stack,
            _stack: stack,
            code,
            background,
            _lock: lock,
            _not_send: PhantomData,
        })
    }

    /// Runs a case. The writable data stays as the instruction left it until the
    /// next run: see [`Native::data`].
    pub fn run(&mut self, case: &Case) -> Outcome {
        fill(DATA, &self.background);
        for (at, bytes) in &case.memory {
            assert!(*at >= DATA && at + bytes.len() as u64 <= DATA + DATA_LEN, "case memory outside data");
            fill(*at, bytes);
        }
        let mut code = [0xCC; 32];
        code[..case.bytes.len()].copy_from_slice(&case.bytes);
        fill(self.code as u64 + (ENTRY - CODE), &code);
        let exchange = &mut *self.exchange;
        exchange.state = case.state.clone();
        exchange.state.rip = entry(case.bits);
        if exchange.bits != case.bits {
            set_data_segments(if case.bits == 16 { DATA_16 } else { USER_DATA });
        }
        exchange.bits = case.bits;
        exchange.fault = None;
        exchange.phase = Phase::Enter;
        EXCHANGE.store(exchange, Ordering::SeqCst);
        // SAFETY: the handler saves the whole context at this INT3 and, after the
        // case, restores it, so that execution goes on behind it with every
        // register unchanged. Cases touch memory only at addresses inside the
        // regions of `layout` or fault.
        unsafe { std::arch::asm!("int3") };
        Outcome { state: self.exchange.state.clone(), fault: self.exchange.fault }
    }

    /// The writable data after the last run.
    pub fn data(&self) -> &[u8] {
        // SAFETY: the region is mapped for the life of the process and nothing
        // writes to it while `self` is borrowed.
        unsafe { std::slice::from_raw_parts(DATA as *const u8, DATA_LEN as usize) }
    }
}

impl Drop for Native {
    fn drop(&mut self) {
        for (signal, old) in SIGNALS.iter().zip(&self.old_actions) {
            // SAFETY: `old` is what sigaction gave us for this signal.
            unsafe { libc::sigaction(*signal, old, std::ptr::null_mut()) };
        }
        set_data_segments(0);
        // SAFETY: puts back what `new` found; our stack is not in use here.
        unsafe { libc::sigaltstack(&self.old_stack, std::ptr::null_mut()) };
        EXCHANGE.store(std::ptr::null_mut(), Ordering::SeqCst);
    }
}

/// Makes the segments of 16-bit code in this process's LDT.
fn set_local_segments() -> std::io::Result<()> {
    // struct user_desc: entry, base, limit, flags. Of the flags bit 1-2 is the kind
    // (2 is code), bit 6 says that it is not all of a privileged segment's.
    let code = [u32::from(CODE_16 >> 3), CODE as u32, CODE_LEN as u32 - 1, 2 << 1 | 1 << 6];
    let data = [u32::from(DATA_16 >> 3), DATA as u32, DATA_16_LIMIT, 1 << 6];
    for entry in [code, data] {
        // SAFETY: function 1 of modify_ldt reads 16 bytes of user_desc.
        if unsafe { libc::syscall(libc::SYS_modify_ldt, 1, entry.as_ptr(), size_of_val(&entry)) } != 0 {
            return Err(std::io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Loads DS and ES, which 64-bit code ignores and 32-bit code needs.
fn set_data_segments(selector: u16) {
    // SAFETY: the selector is null or Linux's flat user data segment; nothing in
    // 64-bit code depends on DS and ES.
    unsafe { std::arch::asm!("mov ds, {0:x}", "mov es, {0:x}", in(reg) selector, options(nomem, nostack)) };
}

fn map(at: u64, len: u64, protection: c_int) -> std::io::Result<()> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
    // SAFETY: the addresses below 1 GiB are free in a position-independent
    // executable, or hold this module's own mapping from an earlier `new`.
    let got = unsafe { libc::mmap(at as *mut c_void, len as usize, protection, flags, -1, 0) };
    if got as u64 == at { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

/// Maps the code twice: executable at its place, and writable somewhere else.
fn map_code() -> std::io::Result<*mut u8> {
    let len = CODE_LEN as usize;
    let execute = libc::PROT_READ | libc::PROT_EXEC;
    // SAFETY: a fresh anonymous file; the fixed address is free as in `map`, and
    // the other mapping is placed by the kernel. Both live as long as the process.
    unsafe {
        let file = libc::memfd_create(c"oracle-code".as_ptr(), libc::MFD_CLOEXEC);
        if file < 0 || libc::ftruncate(file, len as libc::off_t) != 0 {
            return Err(std::io::Error::last_os_error());
        }
        let fixed = libc::MAP_SHARED | libc::MAP_FIXED;
        let run = libc::mmap(CODE as *mut c_void, len, execute, fixed, file, 0);
        let write = libc::PROT_READ | libc::PROT_WRITE;
        let alias = libc::mmap(std::ptr::null_mut(), len, write, libc::MAP_SHARED, file, 0);
        libc::close(file);
        if run as u64 != CODE || alias == libc::MAP_FAILED {
            return Err(std::io::Error::last_os_error());
        }
        Ok(alias.cast())
    }
}

fn fill(at: u64, bytes: &[u8]) {
    // SAFETY: callers pass ranges inside the regions mapped by `new`, to which
    // no reference exists while a `&mut Native` is at work.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), at as *mut u8, bytes.len()) };
}

extern "C" fn handler(signal: c_int, _: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel passes a valid frame to an SA_SIGINFO handler, and it is
    // ours alone until we return.
    let context = unsafe { &mut *context.cast::<libc::ucontext_t>() };
    // SAFETY: the pointer is null or leads to the Exchange of the live `Native`,
    // whose thread is suspended in `run` while we are here.
    let exchange = unsafe { EXCHANGE.load(Ordering::SeqCst).as_mut() };
    match exchange {
        Some(exchange) if exchange.phase == Phase::Enter => enter(exchange, context),
        Some(exchange) if exchange.phase == Phase::Leave => leave(exchange, context),
        _ => {
            // Not a case: a real fault of this program. Let it have its course.
            STRAY.fetch_add(1, Ordering::SeqCst);
            // SAFETY: async-signal-safe; the faulting instruction runs again and ends the process.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
    }
}

/// The XSAVE area of a frame; its length as the kernel tells it.
fn fpu_area(context: &mut libc::ucontext_t) -> &mut [u8] {
    let base = context.uc_mcontext.fpregs.cast::<u8>();
    // SAFETY: the legacy area of 512 bytes is always there; its software bytes
    // say how much follows.
    unsafe {
        let words = base.add(SW_BYTES).cast::<u32>();
        let len = if words.read_unaligned() == XSTATE_MAGIC { words.add(4).read_unaligned() } else { 512 };
        std::slice::from_raw_parts_mut(base, len as usize)
    }
}

fn enter(exchange: &mut Exchange, context: &mut libc::ucontext_t) {
    exchange.saved_gregs = context.uc_mcontext.gregs;
    let area = fpu_area(context);
    exchange.saved_fpu.clear();
    exchange.saved_fpu.extend_from_slice(area);
    put_fpu(area, &exchange.state);
    let gregs = &mut context.uc_mcontext.gregs;
    for (index, &value) in GREGS.iter().zip(&exchange.state.gpr) {
        gregs[*index as usize] = value as i64;
    }
    gregs[libc::REG_RIP as usize] = exchange.state.rip as i64;
    let selectors = &mut gregs[libc::REG_CSGSFS as usize];
    let (cs, ss) = match exchange.bits {
        64 => (CODE_64, USER_DATA),
        32 => (CODE_32, USER_DATA),
        _ => (CODE_16, DATA_16),
    };
    // CS, GS, FS, SS from the low end.
    *selectors = *selectors & 0x0000_FFFF_FFFF_0000 | i64::from(cs) | i64::from(ss) << 48;
    gregs[libc::REG_EFL as usize] = i64::from(exchange.state.flags & FLAGS | INTERRUPT_FLAG);
    exchange.phase = Phase::Leave;
}

fn leave(exchange: &mut Exchange, context: &mut libc::ucontext_t) {
    let gregs = &context.uc_mcontext.gregs;
    for (index, value) in GREGS.iter().zip(&mut exchange.state.gpr) {
        *value = gregs[*index as usize] as u64;
    }
    if exchange.bits != 64 {
        // An IRET to a 16-bit stack leaves parts of the kernel's stack pointer.
        exchange.state.gpr[4] &= 0xFFFF_FFFF;
    }
    let vector = gregs[libc::REG_TRAPNO as usize] as u8;
    exchange.state.rip = gregs[libc::REG_RIP as usize] as u64;
    exchange.state.flags = gregs[libc::REG_EFL as usize] as u32 & FLAGS;
    exchange.fault = if vector == glassbox_x86_spec::vector::BP {
        // The INT3 behind the instruction: it ended as it should.
        exchange.state.rip = exchange.state.rip.wrapping_sub(1);
        None
    } else {
        let is_page_fault = vector == glassbox_x86_spec::vector::PF;
        Some(Fault {
            vector,
            error: gregs[libc::REG_ERR as usize] as u32,
            cr2: if is_page_fault { gregs[libc::REG_CR2 as usize] as u64 } else { 0 },
        })
    };
    context.uc_mcontext.gregs = exchange.saved_gregs;
    let area = fpu_area(context);
    get_fpu(area, &mut exchange.state);
    area.copy_from_slice(&exchange.saved_fpu);
    exchange.phase = Phase::Idle;
}

fn word<const N: usize>(area: &[u8], at: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&area[at..at + N]);
    bytes
}

/// Writes the FXSAVE64 layout (Intel SDM Vol. 1 Table 10-2).
fn put_fpu(area: &mut [u8], state: &UserState) {
    area[0..2].copy_from_slice(&state.x87.control.to_le_bytes());
    area[2..4].copy_from_slice(&state.x87.status.to_le_bytes());
    area[4] = state.x87.full;
    area[5..24].fill(0);
    area[24..28].copy_from_slice(&state.mxcsr.to_le_bytes());
    for (n, (significand, sign_exponent)) in state.x87.st.iter().enumerate() {
        let at = 32 + 16 * n;
        area[at..at + 8].copy_from_slice(&significand.to_le_bytes());
        area[at + 8..at + 10].copy_from_slice(&sign_exponent.to_le_bytes());
        area[at + 10..at + 16].fill(0);
    }
    let has_ymm = area.len() >= XSAVE_YMM + 256;
    for (n, lanes) in state.vec.iter().enumerate() {
        for (lane, value) in lanes.iter().enumerate() {
            let at = if lane < 2 { 160 + 16 * n + 8 * lane } else { XSAVE_YMM + 16 * n + 8 * (lane - 2) };
            if lane < 2 || has_ymm {
                area[at..at + 8].copy_from_slice(&value.to_le_bytes());
            }
        }
    }
    if area.len() >= XSAVE_YMM {
        // Everything above AVX goes to its initial state.
        area[XSAVE_HEADER..XSAVE_HEADER + 8].copy_from_slice(&COMPONENTS.to_le_bytes());
    }
}

fn get_fpu(area: &[u8], state: &mut UserState) {
    let mut x87 = X87 {
        control: u16::from_le_bytes(word(area, 0)),
        status: u16::from_le_bytes(word(area, 2)),
        full: area[4],
        st: [(0, 0); 8],
    };
    for (n, slot) in x87.st.iter_mut().enumerate() {
        let at = 32 + 16 * n;
        *slot = (u64::from_le_bytes(word(area, at)), u16::from_le_bytes(word(area, at + 8)));
    }
    state.mxcsr = u32::from_le_bytes(word(area, 24));
    let present =
        if area.len() >= XSAVE_YMM { u64::from_le_bytes(word(area, XSAVE_HEADER)) } else { COMPONENTS & !4 };
    // A component that is not present is in its initial state.
    state.x87 = if present & 1 != 0 { x87 } else { X87::default() };
    for (n, lanes) in state.vec.iter_mut().enumerate() {
        for (lane, value) in lanes.iter_mut().enumerate() {
            let (at, component) = if lane < 2 {
                (160 + 16 * n + 8 * lane, 2)
            } else {
                (XSAVE_YMM + 16 * n + 8 * (lane - 2), 4)
            };
            *value = if present & component != 0 { u64::from_le_bytes(word(area, at)) } else { 0 };
        }
    }
}
