//! How the boot processor enters a kernel: plain data that the machine applies
//! to its CPU.

use glassbox_memory::Gpa;

/// General-purpose register numbers, in encoding order: indices into
/// [`EntryState::gprs`].
pub mod gpr {
    /// RAX.
    pub const RAX: usize = 0;
    /// RCX.
    pub const RCX: usize = 1;
    /// RDX.
    pub const RDX: usize = 2;
    /// RBX.
    pub const RBX: usize = 3;
    /// RSP.
    pub const RSP: usize = 4;
    /// RBP.
    pub const RBP: usize = 5;
    /// RSI.
    pub const RSI: usize = 6;
    /// RDI.
    pub const RDI: usize = 7;
}

/// The processor mode at the entry point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryMode {
    /// 64-bit mode with paging on.
    Long {
        /// Physical address of the PML4: the value of CR3.
        cr3: Gpa,
    },
    /// 32-bit protected mode with paging off.
    Protected32,
    /// Real mode, with the BIOS's services.
    Real,
}

/// The value of GDTR or IDTR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableRegister {
    /// Linear address of the table. Linear is physical at entry.
    pub base: u64,
    /// Bytes in the table, less one.
    pub limit: u16,
}

/// What a segment register's cached descriptor describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentKind {
    /// Execute/read, accessed, DPL 0, D=1, L=0.
    Code32,
    /// Execute/read, accessed, DPL 0, D=0, L=1.
    Code64,
    /// Read/write, accessed, DPL 0, B=1.
    Data,
    /// As a load in real mode leaves CS.
    Code16,
    /// As a load in real mode leaves the others.
    Data16,
    /// A busy 32-bit TSS (in long mode: a busy 64-bit TSS).
    BusyTss,
}

/// A segment register: the selector and the descriptor it caches. The GDT in
/// guest memory holds the same descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentState {
    /// The visible selector.
    pub selector: u16,
    /// Linear address of its first byte.
    pub base: u64,
    /// Offset of its last byte, granularity applied.
    pub limit: u32,
    /// Type, privilege and size bits.
    pub kind: SegmentKind,
}

/// The boot processor's state at the kernel's first instruction. What is not
/// named has its reset value. The machine must have A20 enabled, and its
/// interrupt controllers must not deliver anything before the kernel asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryState {
    /// Long mode, 32-bit protected mode or real mode.
    pub mode: EntryMode,
    /// RIP or EIP.
    pub entry: u64,
    /// All sixteen general-purpose registers, in encoding order ([`gpr`]).
    pub gprs: [u64; 16],
    /// RFLAGS: interrupts off, direction up.
    pub rflags: u64,
    /// CR0, ET included.
    pub cr0: u64,
    /// CR4.
    pub cr4: u64,
    /// IA32_EFER, LMA included.
    pub efer: u64,
    /// GDTR; the table is in guest memory.
    pub gdt: TableRegister,
    /// IDTR: limit 0, so that any exception before the kernel loads its own
    /// shuts the processor down; in real mode the interrupt vectors.
    pub idt: TableRegister,
    /// CS.
    pub cs: SegmentState,
    /// DS, ES, FS, GS and SS.
    pub data: SegmentState,
    /// TR. LDTR is null and unusable.
    pub tr: SegmentState,
}
