//! Processor devices in the DSDT.

use crate::aml::{Code, device, name, uid};

/// One device for each processor, its UID matching the MADT's.
pub fn processors(count: usize) -> Vec<Code> {
    (0..count as u32).map(|i| device(&format!("C{i:03X}"), &[name("_HID", &"ACPI0007"), uid(i)])).collect()
}
