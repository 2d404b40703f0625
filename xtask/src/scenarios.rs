//! Guest scenarios: what is booted, and what has to be seen.

use crate::runner::{Outcome, Test};
use crate::{guests, initramfs};
use anyhow::{Context, Result, bail};
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The prompt of busybox's shell.
const PROMPT: &[u8] = b"/ # ";
const INIT: &str = include_str!("../guest/init.sh");

/// One guest test.
pub struct Scenario {
    /// Shown in the report.
    pub name: &'static str,
    /// The kernel's folder under `target/guests/`.
    kernel: &'static str,
    /// busybox's folder.
    busybox: &'static str,
    /// Further arguments of `glassbox run`.
    args: &'static [&'static str],
    /// Xen runs first, and the kernel as its domain 0.
    xen: bool,
    /// Further words of the kernel command line.
    append: &'static str,
    /// What is typed, and what the console must show for it.
    typed: Option<(&'static str, &'static str)>,
    /// Run twice, by different engines, and compare console and instruction count.
    twice: bool,
    /// Takes minutes: run by `--full`, or when it is named.
    long: bool,
}

const BOOT: Scenario = Scenario {
    name: "",
    kernel: "",
    busybox: "busybox",
    args: &["--memory", "512M"],
    xen: false,
    append: "",
    typed: None,
    twice: false,
    long: false,
};

/// All guest tests.
pub const SCENARIOS: &[Scenario] = &[
    Scenario { name: "debian-cloud-6.1", kernel: "cloud", ..BOOT },
    Scenario { name: "debian-cloud-backports", kernel: "newer", ..BOOT },
    Scenario { name: "debian-generic-6.1", kernel: "generic", ..BOOT },
    Scenario { name: "debian-i686-pae-6.1", kernel: "i686", busybox: "busybox-i386", ..BOOT },
    Scenario { name: "debian-cloud-large-memory", kernel: "cloud", args: &["--memory", "5G"], ..BOOT },
    Scenario { name: "xen-debian-generic", kernel: "generic", args: &["--memory", "1G"], xen: true, ..BOOT },
    Scenario {
        name: "debian-cloud-shell",
        kernel: "cloud",
        append: "interactive",
        typed: Some(("echo typed $((6 * 7))\npoweroff -f\n", "typed 42")),
        ..BOOT
    },
    Scenario {
        name: "debian-cloud-deterministic",
        kernel: "cloud",
        args: &["--memory", "256M", "--clock", "instructions"],
        twice: true,
        ..BOOT
    },
    Scenario {
        name: "debian-cloud-small-code-cache",
        kernel: "cloud",
        args: &["--memory", "256M", "--clock", "instructions", "--jit-cache", "1M"],
        twice: true,
        ..BOOT
    },
    Scenario {
        name: "debian-cloud-lock-step",
        kernel: "cloud",
        args: &["--memory", "256M", "--clock", "instructions", "--engine", "verify"],
        long: true,
        ..BOOT
    },
];

/// What one boot needs.
struct Files {
    xen: Option<PathBuf>,
    kernel: PathBuf,
    initrd: PathBuf,
}

impl Files {
    /// Arguments that name them, with further words for the kernel.
    fn args(&self, append: &str) -> Vec<String> {
        let (kernel, initrd) = (self.kernel.display(), self.initrd.display());
        match &self.xen {
            Some(xen) => vec![
                xen.display().to_string(),
                "--append".into(),
                "console=com1 com1=115200,8n1 dom0_mem=640M".into(),
                "--module".into(),
                format!("{kernel} console=hvc0 panic=-1 {append}"),
                "--module".into(),
                initrd.to_string(),
            ],
            None => vec![
                kernel.to_string(),
                "--initrd".into(),
                initrd.to_string(),
                "--append".into(),
                format!("console=ttyS0 panic=-1 {append}"),
            ],
        }
    }
}

impl Scenario {
    /// Boots the guest and checks what it says.
    ///
    /// # Errors
    /// What was wrong, with the end of the console.
    pub fn run(&self, glassbox: &Path) -> Result<Outcome> {
        let Some(kernel) = guests::kernel(self.kernel) else {
            return Ok(Outcome::Skipped(format!("kernel {} was not fetched", self.kernel)));
        };
        let xen = guests::xen()?.filter(|_| self.xen);
        if self.xen && xen.is_none() {
            return Ok(Outcome::Skipped("Xen was not fetched".into()));
        }
        let Some(initrd) = self.initrd()? else {
            return Ok(Outcome::Skipped(format!("{} was not fetched", self.busybox)));
        };
        let files = Files { xen, kernel, initrd };
        let first = self.boot(glassbox, &files, &[])?;
        if self.twice {
            // The other engine has to tell the same story, instruction for instruction.
            let second = self.boot(glassbox, &files, &["--engine", "interp"])?;
            if first != second {
                bail!(
                    "two runs differ: consoles of {} and {} bytes, instructions {} and {}",
                    first.0.len(),
                    second.0.len(),
                    first.1,
                    second.1
                );
            }
        }
        Ok(Outcome::Passed)
    }

    fn initrd(&self) -> Result<Option<PathBuf>> {
        let Some(busybox) = guests::busybox(self.busybox) else { return Ok(None) };
        let mut extra = Vec::new();
        let other = guests::busybox("busybox-i386").map(fs::read).transpose()?;
        if self.busybox == "busybox"
            && let Some(other) = &other
        {
            extra.push(("bin/busybox-i386", other.as_slice()));
        }
        let path = guests::folder().join(format!("{}.initrd.gz", self.name));
        fs::write(&path, initramfs::busybox(&fs::read(busybox)?, INIT, &extra)?)?;
        Ok(Some(path))
    }

    /// Reads the console to its end, typing what there is to type at the prompt:
    /// a shell drops what came before it asked.
    fn console(&self, child: &mut Child) -> Result<String> {
        let (mut stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let mut stdout = stdout.context("the console is piped")?;
        let mut keys = self.typed.map(|(keys, _)| keys);
        let mut console = Vec::new();
        let mut chunk = [0; 4096];
        loop {
            let count = stdout.read(&mut chunk)?;
            if count == 0 {
                return Ok(String::from_utf8_lossy(&console).replace('\r', ""));
            }
            console.extend_from_slice(&chunk[..count]);
            let asked = console.windows(PROMPT.len()).any(|w| w == PROMPT);
            if asked && let (Some(stdin), Some(keys)) = (&mut stdin, keys.take()) {
                stdin.write_all(keys.as_bytes())?;
            }
        }
    }

    /// One boot: the console and the instruction count.
    fn boot(&self, glassbox: &Path, files: &Files, more: &[&str]) -> Result<(String, String)> {
        let stats = guests::folder().join(format!("{}.json", self.name));
        let mut child = Command::new(glassbox)
            .arg("run")
            .args(files.args(self.append))
            .args(["--fail-on", "Kernel panic|GUEST-FAILED", "--timeout", "900s", "--stats-json"])
            .arg(&stats)
            .args(self.args)
            .args(more)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("starting glassbox")?;
        let console = self.console(&mut child)?;
        let out = child.wait_with_output()?;
        let tail: Vec<_> = console.lines().rev().take(25).collect();
        let shown = tail.into_iter().rev().collect::<Vec<_>>().join("\n");
        let errors = String::from_utf8_lossy(&out.stderr);
        if out.status.code() != Some(0) {
            bail!("{}; the console ends:\n{shown}\n{errors}", out.status);
        }
        let typed = self.typed.map(|(_, answer)| answer);
        for wanted in ["BOOT-OK", "GUEST-OK"].into_iter().chain(typed) {
            if !console.contains(wanted) {
                bail!("the console never said {wanted}; it ends:\n{shown}\n{errors}");
            }
        }
        let stats = fs::read_to_string(&stats).unwrap_or_default();
        let instructions = stats
            .split("\"instructions\":")
            .nth(1)
            .and_then(|rest| rest.trim_start().split(|c: char| !c.is_ascii_digit()).next())
            .unwrap_or_default();
        Ok((console, instructions.to_owned()))
    }
}

/// The scenarios whose names contain `filter`, for the runner.
pub fn tests(glassbox: &Path, filter: Option<&str>, full: bool) -> Vec<Test> {
    let test = |scenario: &'static Scenario| {
        let glassbox = glassbox.to_owned();
        Test { name: scenario.name, run: Box::new(move || scenario.run(&glassbox)) }
    };
    let wanted = |s: &&Scenario| filter.map_or(full || !s.long, |part| s.name.contains(part));
    SCENARIOS.iter().filter(wanted).map(test).collect()
}
