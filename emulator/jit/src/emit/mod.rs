//! Back ends: from the intermediate form to host code, one folder a host.

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
pub mod x64;
