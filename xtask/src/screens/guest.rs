//! A Linux guest of a script of ours and a kernel's modules.

use super::session::Session;
use super::{glassbox, modules};
use crate::guests;
use crate::initramfs::busybox;
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;

/// What is run.
pub struct Guest {
    /// Further arguments of glassbox.
    args: Vec<String>,
    /// The kernel's command line.
    cmdline: String,
}

impl Guest {
    /// Debian's generic kernel with `init` as its first program, modules beside it as
    /// `/module-NN-NAME` in the order to load them, and further files. `None` where one
    /// of them was not fetched.
    pub fn new(name: &str, init: &str, modules: &[&str], files: &[(&str, Vec<u8>)]) -> Result<Option<Self>> {
        let (Some(kernel), Some(shell)) = (guests::kernel("generic"), guests::busybox("busybox")) else {
            return Ok(None);
        };
        let modules = modules::numbered("generic", modules)?;
        let files = files.iter().map(|(name, data)| (*name, data.as_slice()));
        let modules = modules.iter().map(|(name, data)| (name.as_str(), data.as_slice()));
        let all: Vec<(&str, &[u8])> = files.chain(modules).collect();
        let initrd = guests::folder().join(format!("{name}.initrd.gz"));
        fs::write(&initrd, busybox(&fs::read(shell)?, init, &all)?)?;
        let path = |path: &Path| path.to_str().map(str::to_owned).context("a path that is no text");
        let cmdline = "console=ttyS0 panic=-1 quiet".to_owned();
        let mut guest = Self { args: vec![path(&kernel)?], cmdline };
        guest.args(&["--initrd", &path(&initrd)?, "--memory", "512M"]);
        guest.args(&["--fail-on", "Kernel panic|GUEST-FAILED"]);
        Ok(Some(guest))
    }

    /// Adds arguments.
    pub fn args(&mut self, more: &[&str]) {
        self.args.extend(more.iter().map(|arg| (*arg).to_owned()));
    }

    /// Adds words to the kernel's command line.
    pub fn append(&mut self, words: &str) {
        self.cmdline = format!("{} {words}", self.cmdline);
    }

    /// Its arguments with others.
    fn with<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        let args = self.args.iter().map(String::as_str).chain(["--append", &self.cmdline]);
        args.chain(more.iter().copied()).collect()
    }

    /// Runs it to its end; the serial console, where it ends well.
    pub fn run(&self, program: &Path) -> Result<String> {
        glassbox(program, &self.with(&["--display", "vga", "--timeout", "120s"]))
    }

    /// Starts it to be used by its monitor, with further arguments.
    pub fn start(&self, program: &Path, more: &[&str], environment: &[(&str, &str)]) -> Result<Session> {
        Session::start(program, &self.with(more), environment)
    }
}
