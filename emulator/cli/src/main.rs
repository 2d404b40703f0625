//! The `glassbox` command line.
fn main() {}
