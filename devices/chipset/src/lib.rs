//! PC chipset devices: PIC, PIT, DMA, RTC, i8042, APICs, HPET, ACPI PM, SMBus, system control
//! ports, and VMware's backdoor.
//!
//! A device with ports in several places numbers them in one space of offsets and
//! lists the conventional places as `WINDOWS`.

pub mod acpi_pm;
pub mod backdoor;
mod bytes;
pub mod debug_exit;
pub mod dma;
pub mod hpet;
pub mod i8042;
pub mod ioapic;
pub mod lapic;
pub mod message;
pub mod pic;
pub mod pit;
pub mod post_code;
pub mod reset_control;
pub mod rtc;
pub mod smbus;
pub mod system_control;

pub use acpi_pm::{AcpiPm, AcpiPmSavedV1};
pub use backdoor::{Backdoor, BackdoorSavedV1};
pub use debug_exit::{DebugExit, ExitRequest};
pub use dma::{Dma, DmaSavedV1};
pub use hpet::{Hpet, HpetLines, HpetSavedV1};
pub use i8042::{I8042, I8042Lines, I8042SavedV1};
pub use ioapic::{IoApic, IoApicSavedV1};
pub use lapic::{LocalApic, LocalApicConfig, LocalApicSavedV1};
pub use message::InterruptMessage;
pub use pic::{Pic, PicSavedV1};
pub use pit::{PIT_HZ, Pit, PitSavedV1, SpeakerSink, Wave};
pub use post_code::{PostCode, PostCodeSavedV1};
pub use reset_control::{ResetControl, ResetControlSavedV1};
pub use rtc::{CMOS_SIZE, Rtc, RtcSavedV1};
pub use smbus::{SmbusHost, SmbusHostSavedV1};
pub use system_control::{SystemControlA, SystemControlASavedV1};
