//! Compilers for other hosts, from Debian's packages, in a private folder: Debian's
//! second Rust toolchain with its source, of which cargo builds what standard
//! libraries are missing, and the linkers.

use crate::apt::{Apt, Archive};
use crate::shell;
use anyhow::{Context, Result};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

const ARCHIVE: Archive =
    Archive { suites: &[("Debian", "bookworm"), ("Debian-Security", "bookworm-security")], foreign: "arm64" };
/// What is needed with all that it depends on.
const TOOLS: &[&str] =
    &["gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross", "gcc-mingw-w64-x86-64-win32", "qemu-user-static"];
/// The shared libraries of the packages above.
const LIBRARIES: &str = "usr/lib/x86_64-linux-gnu";

/// The unpacked packages and how to call what is in them.
pub struct Toolchain {
    dir: PathBuf,
}

impl Toolchain {
    /// Downloads and unpacks what is missing.
    ///
    /// # Errors
    /// Where there is no apt or a package cannot be had; says which.
    pub fn fetch() -> Result<Self> {
        let this = Self { dir: shell::target().join("hosts") };
        let stamp = this.dir.join(".complete");
        if !stamp.exists() {
            let apt = Apt::new(&this.dir, &ARCHIVE)?;
            let root = this.dir.join("root");
            let suite = "bookworm-security";
            let mut packages = apt.closure(TOOLS)?;
            let library = apt.resolve("libstd-rust-web-dev", suite, "libstd-rust-web-")?;
            packages.push(apt.resolve(&library, suite, "libllvm")?);
            packages.push(library);
            let rust = ["rustc-web", "libstd-rust-web-dev", "libstd-rust-web-dev:arm64", "rust-web-src"];
            packages.extend(rust.map(String::from));
            for package in packages {
                apt.add(&package, &root)?;
            }
            fs::write(&stamp, "")?;
        }
        this.write_wrappers()?;
        Ok(this)
    }

    /// Where `path` is in the packages.
    fn installed(&self, path: &str) -> PathBuf {
        self.dir.join("root").join(path)
    }

    /// A program that calls others: its path.
    pub fn script(&self, name: &str, command: &str) -> Result<PathBuf> {
        let path = self.dir.join("bin").join(name);
        fs::write(&path, format!("#!/bin/sh\nexec {command} \"$@\"\n"))?;
        shell::output(Command::new("chmod").arg("+x").arg(&path))?;
        Ok(path)
    }

    fn write_wrappers(&self) -> Result<()> {
        fs::create_dir_all(self.dir.join("bin")).context("a folder for wrappers")?;
        let root = self.dir.join("root");
        let root = root.display();
        let bin = format!("env LD_LIBRARY_PATH={} {root}/usr/bin", self.installed(LIBRARIES).display());
        self.script("host-rustc", &format!("{bin}/rustc --sysroot {root}/usr"))?;
        let gcc = |compiler: &str, triple: &str| {
            let lib = format!("{root}/usr/{triple}/lib");
            format!("{bin}/{compiler} --sysroot={root} -B{lib} -L{lib}")
        };
        self.script("aarch64-cc", &gcc("aarch64-linux-gnu-gcc-12", "aarch64-linux-gnu"))?;
        self.script("mingw-cc", &gcc("x86_64-w64-mingw32-gcc-win32", "x86_64-w64-mingw32"))?;
        for tool in ["dlltool", "as", "ar", "ld"] {
            let name = format!("x86_64-w64-mingw32-{tool}");
            self.script(&name, &format!("{bin}/{name}"))?;
        }
        Ok(())
    }

    /// The command line by which programs for AArch64 Linux are run here.
    pub fn emulator(&self) -> String {
        let qemu = self.installed("usr/bin/qemu-aarch64-static");
        format!("{} -L {}", qemu.display(), self.installed("usr/aarch64-linux-gnu").display())
    }

    /// Where cargo builds for other hosts.
    pub fn target(&self) -> PathBuf {
        self.dir.join("build")
    }

    /// Cargo with this toolchain.
    pub fn cargo(&self) -> Command {
        let bin = self.dir.join("bin");
        let path = std::env::var_os("PATH").unwrap_or_default();
        let paths = std::iter::once(bin.clone()).chain(std::env::split_paths(&path));
        let mut cargo = shell::cargo();
        cargo
            .env("PATH", std::env::join_paths(paths).unwrap_or(path.clone()))
            .env("RUSTC", bin.join("host-rustc"))
            // The standard libraries that Debian has no packages of are built here.
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_TARGET_DIR", self.target())
            .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", bin.join("aarch64-cc"))
            .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER", self.emulator())
            .env("CC_aarch64_unknown_linux_gnu", bin.join("aarch64-cc"))
            .env("CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER", bin.join("mingw-cc"))
            .env("CC_x86_64_pc_windows_gnu", bin.join("mingw-cc"))
            .env("AR_x86_64_pc_windows_gnu", bin.join("x86_64-w64-mingw32-ar"));
        cargo
    }
}
