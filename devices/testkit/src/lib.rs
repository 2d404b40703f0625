//! Test bench for devices: recorded interrupt lines, a manual clock, generic fuzz and snapshot checks.
