//! The fixed addresses and interrupt wiring of the board, which the tables
//! describe and the machine builds: a PIIX4 board with an I/O APIC.

/// First I/O port of the power management block (PIIX4 PMBASE).
pub const PM_BASE: u16 = 0x600;
/// Ports in the power management block.
pub const PM_LENGTH: u16 = 0x40;
/// First port of the SMBus host (SMBBA).
pub const SMBUS_BASE: u16 = 0x700;
/// Ports of the SMBus host.
pub const SMBUS_LENGTH: u16 = 0x10;
/// PM1a event block: status and enable, 2 bytes each (PIIX4 PMSTS, PMEN).
pub const PM1_EVENT: u16 = PM_BASE;
/// PM1a control block, 2 bytes (PIIX4 PMCNTRL).
pub const PM1_CONTROL: u16 = PM_BASE + 4;
/// Power management timer, 32 bits at 3.579545 MHz (PIIX4 PMTMR).
pub const PM_TIMER: u16 = PM_BASE + 8;
/// General purpose event block 0: status, then enable, 2 bytes each (PIIX4
/// GPSTS, GPEN).
pub const GPE0_BLOCK: u16 = PM_BASE + 0x0C;
/// Bytes in general purpose event block 0, status and enable together.
pub const GPE0_LENGTH: u8 = 4;
/// The port that raises an SMI on real boards; switches between legacy and
/// ACPI mode here.
pub const SMI_COMMAND: u16 = 0xB2;
/// Written to [`SMI_COMMAND`]: sets SCI_EN.
pub const ACPI_ENABLE: u8 = 0xF1;
/// Written to [`SMI_COMMAND`]: clears SCI_EN.
pub const ACPI_DISABLE: u8 = 0xF0;
/// The system control interrupt: this ISA IRQ and GSI, level, active high.
pub const SCI_IRQ: u8 = 9;
/// SLP_TYP of soft off (PIIX4 PMCNTRL, SUS_TYP 000b).
pub const SLEEP_TYPE_S5: u8 = 0;
/// The reset control register (PIIX4 RC).
pub const RESET_PORT: u16 = 0xCF9;
/// Written to [`RESET_PORT`]: hard reset.
pub const RESET_VALUE: u8 = 0x06;

/// The I/O APIC, 24 inputs from GSI 0.
pub const IOAPIC_BASE: u32 = 0xFEC0_0000;
/// The local APIC of each processor at reset.
pub const LOCAL_APIC_BASE: u32 = 0xFEE0_0000;
/// The HPET's registers, 1 KiB.
pub const HPET_BASE: u32 = 0xFED0_0000;
/// First byte of the window for 32-bit PCI memory BARs.
pub const PCI_MMIO_START: u32 = glassbox_memory::LOW_RAM_LIMIT as u32;
/// Last byte of the window for 32-bit PCI memory BARs.
pub const PCI_MMIO_END: u32 = 0xFEBF_FFFF;

/// Device number of the ISA bridge on PCI bus 0, function 0.
pub const ISA_BRIDGE_SLOT: u8 = 1;
/// Configuration register PIRQRCA of the ISA bridge; B, C and D follow.
pub const PIRQ_ROUTE: u8 = 0x60;
/// The GSI of PIRQA in APIC mode; B, C and D follow.
pub const INTX_GSI_BASE: u32 = 16;

/// Which PIRQ line (0 = A) the pin (0 = INTA#) of a slot on bus 0 is wired to:
/// in APIC mode it is GSI [`INTX_GSI_BASE`] plus this, in PIC mode what the
/// bridge's register [`PIRQ_ROUTE`] plus this says.
pub const fn intx_route(slot: u8, pin: u8) -> u8 {
    slot.wrapping_add(pin).wrapping_sub(1) & 3
}
