//! PC chipset devices: PIC, PIT, RTC, i8042, APICs, HPET, ACPI PM, system control ports.
