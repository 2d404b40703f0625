//! The slow path out of a processor: everything that is not RAM.

use glassbox_memory::Gpa;
use std::sync::atomic::{AtomicBool, Ordering};

/// A repeated string instruction with an operand that is not RAM. Each operand lies
/// within one page.
#[derive(Debug)]
pub enum MmioString<'a> {
    /// STOS: one value again and again.
    Fill {
        /// The first element.
        at: Gpa,
        /// What is stored.
        value: u64,
    },
    /// MOVS from RAM.
    Store {
        /// The first element.
        at: Gpa,
        /// All elements.
        from: &'a [u8],
    },
    /// MOVS to RAM.
    Load {
        /// The first element.
        at: Gpa,
        /// Room for all elements.
        to: &'a mut [u8],
    },
    /// MOVS in which both sides are outside.
    Copy {
        /// The first element.
        from: Gpa,
        /// Where it goes.
        to: Gpa,
    },
}

/// What a logical processor is wired to. One value per processor.
///
/// Before each call the processor stores its retired-instruction count in
/// [`CpuSignals::retired`], so that virtual time is exact during the access.
///
/// Left out, a method does what a bus does to which nothing is attached.
pub trait CpuBus: Send {
    /// Reads `size` (1, 2, 4 or 8) bytes at a physical address that is not RAM.
    fn mmio_read(&mut self, at: Gpa, size: u8) -> u64 {
        let _ = at;
        u64::MAX >> (64 - 8 * u32::from(size.clamp(1, 8)))
    }
    /// Writes `size` (1, 2, 4 or 8) bytes at a physical address that is not RAM.
    fn mmio_write(&mut self, at: Gpa, size: u8, value: u64) {
        let _ = (at, size, value);
    }
    /// Carries out up to `count` iterations of a string instruction with elements of
    /// `size` (1, 2, 4 or 8) bytes, upwards, as if each access came by itself; returns
    /// how many. Only accesses that have no consequence but on each other may be taken
    /// together: none where a device has to be looked at in between.
    fn mmio_string(&mut self, size: u8, count: u64, string: MmioString<'_>) -> u64 {
        let _ = (size, count, string);
        0
    }
    /// Reads `size` (1, 2 or 4) bytes from an I/O port.
    fn port_read(&mut self, port: u16, size: u8) -> u32 {
        let _ = port;
        u32::MAX >> (32 - 8 * u32::from(size.clamp(1, 4)))
    }
    /// VMware's backdoor: `IN EAX, DX` from [`backdoor::PORT`] with [`backdoor::MAGIC`] in
    /// EAX is a call whose arguments and answer are in EAX, EBX, ECX, EDX, ESI and EDI,
    /// here in this order. False, with nothing done, where it is a port as any other.
    ///
    /// [`backdoor::PORT`]: glassbox_x86_spec::backdoor::PORT
    /// [`backdoor::MAGIC`]: glassbox_x86_spec::backdoor::MAGIC
    fn backdoor(&mut self, registers: &mut [u32; 6]) -> bool {
        let _ = registers;
        false
    }
    /// Writes `size` (1, 2 or 4) bytes to an I/O port.
    fn port_write(&mut self, port: u16, size: u8, value: u32) {
        let _ = (port, size, value);
    }
    /// Reads elements of `size` (1, 2 or 4) bytes from an I/O port, one behind the other,
    /// and returns how many: those that a device gives without anything else happening
    /// between them. What happens then happens behind the last one. At 0, with nothing
    /// done, they are to be read one by one.
    fn port_read_run(&mut self, port: u16, size: u8, to: &mut [u8]) -> usize {
        let _ = (port, size, to);
        0
    }
    /// Writes elements of `size` (1, 2 or 4) bytes to an I/O port as
    /// [`port_read_run`](Self::port_read_run) reads them.
    fn port_write_run(&mut self, port: u16, size: u8, from: &[u8]) -> usize {
        let _ = (port, size, from);
        0
    }
    /// Interrupt acknowledge: the vector to deliver, `None` if the request is gone.
    fn acknowledge_interrupt(&mut self) -> Option<u8> {
        None
    }
    /// The time stamp counter without the guest's adjustments.
    fn tsc(&mut self) -> u64 {
        0
    }
    /// Reads an MSR that belongs to the local APIC (1Bh, 6E0h, 800h to 8FFh). `None` raises #GP.
    fn apic_msr_read(&mut self, msr: u32) -> Option<u64> {
        let _ = msr;
        None
    }
    /// Writes an MSR that belongs to the local APIC. `None` raises #GP.
    fn apic_msr_write(&mut self, msr: u32, value: u64) -> Option<()> {
        let _ = (msr, value);
        None
    }
    /// CR8: the task priority class, 0 to 15.
    fn cr8_read(&mut self) -> u8 {
        0
    }
    /// Writes CR8.
    fn cr8_write(&mut self, value: u8) {
        let _ = value;
    }
    /// Drives FERR#: an x87 error with CR0.NE clear (IRQ 13).
    fn ferr(&mut self, asserted: bool) {
        let _ = asserted;
    }
}

/// A bus with nothing on it, where time stands still: for running instructions
/// without a machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenBus;

impl CpuBus for OpenBus {}

/// Wires into a processor, set by other threads or by the bus during an access
/// and read at block boundaries.
#[derive(Debug, Default)]
#[repr(C)]
pub struct CpuSignals {
    /// Something below changed, or the run loop should look at the world again.
    attention: AtomicBool,
    /// The run loop is to return to its caller.
    exit: AtomicBool,
    /// INTR: a maskable interrupt is requested.
    intr: AtomicBool,
    /// NMI, edge: cleared on delivery.
    nmi: AtomicBool,
    /// Instructions retired, published before each bus access.
    retired: std::sync::atomic::AtomicU64,
}

impl CpuSignals {
    /// Where the attention flag lies, for compiled code.
    pub(crate) const ATTENTION_OFFSET: usize = std::mem::offset_of!(Self, attention);
    /// Where INTR lies, and behind it the latched NMI.
    pub(crate) const WAITING_OFFSET: usize = std::mem::offset_of!(Self, intr);

    /// Drives INTR. Rising INTR also asks for attention.
    pub fn set_intr(&self, level: bool) {
        self.intr.store(level, Ordering::Release);
        if level {
            self.attention.store(true, Ordering::Release);
        }
    }

    /// Whether INTR is asserted.
    #[inline]
    pub fn intr(&self) -> bool {
        self.intr.load(Ordering::Acquire)
    }

    /// Latches an NMI.
    pub fn raise_nmi(&self) {
        self.nmi.store(true, Ordering::Release);
        self.request_attention();
    }

    /// Takes a latched NMI.
    pub fn take_nmi(&self) -> bool {
        self.nmi.load(Ordering::Acquire) && self.nmi.swap(false, Ordering::AcqRel)
    }

    /// Whether an NMI is latched.
    pub fn nmi(&self) -> bool {
        self.nmi.load(Ordering::Acquire)
    }

    /// Makes the run loop return with `Exit::Requested` at the next block boundary.
    pub fn request_exit(&self) {
        self.exit.store(true, Ordering::Release);
        self.request_attention();
    }

    pub(crate) fn take_exit(&self) -> bool {
        self.exit.load(Ordering::Acquire) && self.exit.swap(false, Ordering::AcqRel)
    }

    /// Makes the processor look at its wires at the next block boundary.
    pub fn request_attention(&self) {
        self.attention.store(true, Ordering::Release);
    }

    /// Whether attention was asked for. One relaxed load.
    #[inline(always)]
    pub fn attention(&self) -> bool {
        self.attention.load(Ordering::Relaxed)
    }

    /// Takes the request for attention.
    pub fn take_attention(&self) -> bool {
        self.attention.swap(false, Ordering::AcqRel)
    }

    /// Instructions retired as of the last bus access or end of a run.
    pub fn retired(&self) -> u64 {
        self.retired.load(Ordering::Relaxed)
    }

    pub(crate) fn publish_retired(&self, count: u64) {
        self.retired.store(count, Ordering::Relaxed);
    }
}
