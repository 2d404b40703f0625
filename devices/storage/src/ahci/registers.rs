//! Registers of the host bus adapter and of a port (AHCI 1.3.1 chapter 3).

/// Generic host control.
pub mod host {
    /// Capabilities.
    pub const CAP: u64 = 0x00;
    /// Global control.
    pub const GHC: u64 = 0x04;
    /// Interrupt status, a bit for each port.
    pub const IS: u64 = 0x08;
    /// Ports implemented.
    pub const PI: u64 = 0x0c;
    /// Version.
    pub const VS: u64 = 0x10;

    /// GHC: reset.
    pub const GHC_RESET: u32 = 1 << 0;
    /// GHC: interrupts are enabled.
    pub const GHC_INTERRUPTS: u32 = 1 << 1;
    /// GHC: AHCI is enabled; always.
    pub const GHC_AHCI: u32 = 1 << 31;

    /// 32 command slots; slumber and partial states; several DRQ blocks by PIO; AHCI
    /// only; 3 Gbit/s; command list override; queuing; 64-bit addresses.
    pub const CAPABILITIES: u32 =
        31 << 8 | 1 << 13 | 1 << 14 | 1 << 15 | 1 << 18 | 2 << 20 | 1 << 24 | 1 << 30 | 1 << 31;
    /// AHCI 1.2.
    pub const VERSION: u32 = 0x0001_0200;
}

/// Offsets of a port's registers.
pub mod port {
    /// Command list base.
    pub const CLB: u64 = 0x00;
    /// Its upper half.
    pub const CLBU: u64 = 0x04;
    /// Received FIS base.
    pub const FB: u64 = 0x08;
    /// Its upper half.
    pub const FBU: u64 = 0x0c;
    /// Interrupt status.
    pub const IS: u64 = 0x10;
    /// Interrupt enable.
    pub const IE: u64 = 0x14;
    /// Command and status.
    pub const CMD: u64 = 0x18;
    /// Task file data.
    pub const TFD: u64 = 0x20;
    /// Signature.
    pub const SIG: u64 = 0x24;
    /// SATA status.
    pub const SSTS: u64 = 0x28;
    /// SATA control.
    pub const SCTL: u64 = 0x2c;
    /// SATA error.
    pub const SERR: u64 = 0x30;
    /// SATA active.
    pub const SACT: u64 = 0x34;
    /// Command issue.
    pub const CI: u64 = 0x38;
}

/// Bits of PxIS and PxIE.
pub mod interrupt {
    /// Device to host register FIS.
    pub const DHRS: u32 = 1 << 0;
    /// PIO setup FIS.
    pub const PSS: u32 = 1 << 1;
    /// Set device bits FIS.
    pub const SDBS: u32 = 1 << 3;
    /// Descriptor processed.
    pub const DPS: u32 = 1 << 5;
    /// Port connect change: follows SERR.
    pub const PCS: u32 = 1 << 6;
    /// PhyRdy change: follows SERR.
    pub const PRCS: u32 = 1 << 22;
    /// Overflow: the drive has more data than the table has room.
    pub const OFS: u32 = 1 << 24;
    /// Host bus fatal error.
    pub const HBFS: u32 = 1 << 29;
    /// Task file error.
    pub const TFES: u32 = 1 << 30;
    /// All that exist.
    pub const ALL: u32 = 0xfdc0_00ff;
}

/// Bits of PxCMD.
pub mod command {
    /// Start.
    pub const ST: u32 = 1 << 0;
    /// Spin-up device and power on device: always, there is no other.
    pub const ALWAYS: u32 = 1 << 1 | 1 << 2;
    /// Command list override.
    pub const CLO: u32 = 1 << 3;
    /// FIS receive enable.
    pub const FRE: u32 = 1 << 4;
    /// Where the current command slot is.
    pub const CCS_SHIFT: u32 = 8;
    /// FIS receive running.
    pub const FR: u32 = 1 << 14;
    /// Command list running.
    pub const CR: u32 = 1 << 15;
    /// Device is ATAPI, drive LED on ATAPI enable: kept for software.
    pub const KEPT: u32 = 1 << 24 | 1 << 25;
}

/// SERR: PhyRdy changed, the device was exchanged.
pub const SERR_PHY_READY: u32 = 1 << 16;
/// The device was exchanged.
pub const SERR_EXCHANGED: u32 = 1 << 26;
