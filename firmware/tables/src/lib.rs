//! ACPI tables and the E820 map.
