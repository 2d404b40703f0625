//! Compares our processor with the host's at length, in as many processes as there
//! are processors; `cargo xtask oracle` calls this. One process holds one
//! comparison: signal handlers belong to the whole of it.

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod workers;

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn main() -> std::process::ExitCode {
    workers::main()
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
fn main() {
    eprintln!("the oracle needs an x86-64 Linux host");
    std::process::exit(2);
}
