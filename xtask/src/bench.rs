//! `cargo xtask bench`: a whole Debian boot, beside QEMU TCG where it is there.

use crate::{guests, initramfs, shell};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

const INIT: &str = "#!/bin/busybox sh\n\
    /bin/busybox --install -s /bin\n\
    mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev\n\
    echo \"BOOT-OK $(cat /proc/uptime) $(uname -r)\"\n\
    poweroff -f\n";
const APPEND: &str = "console=ttyS0 panic=-1 quiet";

/// Boots the cloud kernel to power-off `runs` times, alternating with QEMU, and
/// prints medians and their ratio.
///
/// # Errors
/// Where the guest is missing or does not boot.
pub fn run(runs: usize) -> Result<()> {
    guests::fetch()?;
    let glassbox = shell::glassbox()?;
    let kernel = guests::kernel("cloud").context("the cloud kernel was not fetched")?;
    let busybox = guests::busybox("busybox").context("busybox was not fetched")?;
    let initrd = guests::folder().join("initrd-bench.gz");
    fs::write(&initrd, initramfs::busybox(&fs::read(busybox)?, INIT, &[])?)?;
    let peer = shell::has("qemu-system-x86_64");
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..runs.max(1) {
        let mut command = Command::new(&glassbox);
        command.arg("run").arg(&kernel).arg("--initrd").arg(&initrd);
        command.args(["--append", APPEND, "--memory", "512M", "--stats", "--timeout", "300s"]);
        ours.push(boot(&mut command)?);
        if peer {
            theirs.push(boot(&mut qemu(&kernel, &initrd))?);
        }
    }
    let ours = median(ours);
    println!("boot of {}: Glassbox {ours:.2} s", kernel.display());
    if peer {
        let theirs = median(theirs);
        println!("QEMU TCG {theirs:.2} s; TCG / Glassbox = {:.2}", theirs / ours);
    } else {
        println!("QEMU is not installed: no peer to compare with");
    }
    Ok(())
}

fn qemu(kernel: &Path, initrd: &Path) -> Command {
    let mut command = Command::new("qemu-system-x86_64");
    command.args(["-accel", "tcg", "-cpu", "max", "-m", "512", "-nographic", "-no-reboot", "-kernel"]);
    command.arg(kernel).arg("-initrd").arg(initrd).args(["-append", APPEND]);
    command
}

/// Runs a machine to power-off; seconds.
fn boot(command: &mut Command) -> Result<f64> {
    let start = Instant::now();
    let out =
        command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().context("starting the machine")?;
    let time = start.elapsed().as_secs_f64();
    if !String::from_utf8_lossy(&out.stdout).contains("BOOT-OK") {
        bail!("the guest did not boot: {}", out.status);
    }
    Ok(time)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
