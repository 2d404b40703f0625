//! PC chipset devices: PIC, PIT, RTC, i8042, APICs, HPET, ACPI PM, system control ports.
//!
//! A device with ports in several places numbers them in one space of offsets and
//! lists the conventional places as `WINDOWS`.

mod bytes;
pub mod lapic;
pub mod message;
pub mod pic;
pub mod pit;

pub use pic::{Pic, PicSavedV1};
pub use pit::{PIT_HZ, Pit, PitSavedV1};
