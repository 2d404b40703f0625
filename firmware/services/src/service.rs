//! What the stubs of the ROM call.

/// A service, named by the interrupt that enters it where there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Service {
    /// Power-on self test, after every reset.
    Post,
    /// The next option ROM, or the end of POST.
    OptionRoms,
    /// NMI.
    Nmi,
    /// Print screen.
    Int05,
    /// Timer tick.
    Int08,
    /// A key: the scan code is in AL.
    Int09,
    /// The machine is paused by a key.
    Pause,
    /// Floppy controller's interrupt.
    Int0E,
    /// Video.
    Int10,
    /// Equipment.
    Int11,
    /// Base memory.
    Int12,
    /// Disks.
    Int13,
    /// Serial ports.
    Int14,
    /// System services.
    Int15,
    /// Keyboard.
    Int16,
    /// Printers.
    Int17,
    /// Nothing could be booted.
    Int18,
    /// Bootstrap.
    Int19,
    /// Time of day and PCI.
    Int1A,
    /// Real-time clock's interrupt.
    Int70,
    /// Mouse interrupt.
    Int74,
    /// Hard disk interrupts.
    DiskIrq,
    /// An interrupt that nobody handles.
    UnusedIrq,
    /// BIOS32 service directory.
    Bios32,
    /// PCI BIOS from 32-bit code.
    PciBios32,
    /// APM from protected mode.
    ApmProtected,
    /// Plug and Play BIOS.
    PlugAndPlay,
}
