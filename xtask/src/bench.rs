//! `cargo xtask bench`: a whole Debian boot and the guest workloads of
//! `benches/guest`, beside QEMU TCG.

use crate::disk_guests::qemu::{PROGRAM, needed as needs_qemu};
use crate::table::{Row, Table};
use crate::{guests, initramfs, shell};
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

const INIT: &str = "#!/bin/busybox sh\n\
    /bin/busybox --install -s /bin\n\
    mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev\n\
    echo \"BOOT-OK $(cat /proc/uptime) $(uname -r)\"\n\
    [ -n \"$bench\" ] && /workloads $(echo $bench | tr , ' ')\n\
    poweroff -f\n";
/// The kernel's command line.
pub const APPEND: &str = "console=ttyS0 panic=-1 quiet";
/// What the workloads are, and how many times TCG's speed is the least that is
/// wanted of us.
const WORKLOADS: [(&str, f64); 15] = [
    ("sieve", 2.0),
    ("fib", 2.0),
    ("nbody", 8.0),
    ("matmul", 8.0),
    ("crc", 1.2),
    ("chase", 1.2),
    ("indirect", 2.0),
    ("ssei", 2.5),
    ("x87", 5.0),
    ("memcpy", 6.0),
    ("syscall", 1.3),
    ("pagefault", 1.3),
    ("fork", 1.3),
    ("pipe", 1.3),
    ("smc", 1.0),
];
const BOOT: (&str, f64) = ("boot", 1.2);

/// What `cargo xtask bench` was asked for.
#[derive(clap::Args)]
pub struct Options {
    /// Runs of each; the median counts
    #[arg(long, default_value_t = 3)]
    pub runs: usize,
    /// Run the workloads, too, and compare with another emulator
    #[arg(long)]
    peer: Option<crate::peer::Peer>,
    /// Boot the disks, CDs and floppies of the tests instead, on both
    #[arg(long)]
    disks: bool,
    /// Measure a disk in a guest on each bus instead, on both
    #[arg(long)]
    storage: bool,
    /// Run compilers, compressors, interpreters and others from a disk instead, on both
    #[arg(long)]
    programs: bool,
    /// Only these workloads, programs or buses, separated by commas
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Write the table as Markdown to a file
    #[arg(long, value_name = "F")]
    markdown: Option<PathBuf>,
    /// Write the table as JSON to a file
    #[arg(long, value_name = "F")]
    json: Option<PathBuf>,
    /// Measure this binary instead of building one
    #[arg(long, value_name = "F")]
    binary: Option<PathBuf>,
}

/// Seconds of each work in one run, and peak memory in MiB.
pub type Times = BTreeMap<String, f64>;

/// Runs the machines in turns and prints medians and their ratios.
///
/// # Errors
/// Where the guest is missing or does not boot.
pub fn run(options: &Options) -> Result<()> {
    if options.disks {
        let (binary, markdown) = (options.binary.as_deref(), options.markdown.as_deref());
        return crate::disk_guests::bench::run(binary, options.runs, &options.only, markdown);
    }
    if options.storage {
        return crate::storage::run(options);
    }
    if options.programs {
        return crate::programs::run(options);
    }
    guests::fetch()?;
    let glassbox = options.binary()?;
    let kernel = guests::kernel("cloud").context("the cloud kernel was not fetched")?;
    let busybox = fs::read(guests::busybox("busybox").context("busybox was not fetched")?)?;
    let initrd = guests::folder().join("initrd-bench.gz");
    let workloads = if options.peer.is_some() { Some(fs::read(guest_program("workloads")?)?) } else { None };
    let extra: Vec<(&str, &[u8])> = workloads.iter().map(|data| ("workloads", &data[..])).collect();
    fs::write(&initrd, initramfs::busybox(&busybox, INIT, &extra)?)?;
    let peer = shell::has(PROGRAM);
    if options.peer.is_some() {
        needs_qemu()?;
    }
    let names: Vec<&str> = match options.peer {
        Some(_) => WORKLOADS.iter().map(|(name, _)| *name).filter(|name| options.wants(name)).collect(),
        None => Vec::new(),
    };
    let (mut our_runs, mut their_runs) = (Vec::new(), Vec::new());
    for run in 0..options.runs.max(1) {
        eprintln!("run {} of {}", run + 1, options.runs.max(1));
        our_runs.push(measure(|| ours(&glassbox, &kernel, &initrd, "512M"), &names)?);
        if peer {
            their_runs.push(measure(|| qemu(&kernel, &initrd, "512M"), &names)?);
        }
    }
    let mut table = Table::default();
    for (name, least) in std::iter::once(BOOT).chain(WORKLOADS) {
        if let Some(ours) = median(&our_runs, name) {
            let theirs = median(&their_runs, name);
            table.rows.push(Row { name: name.into(), ours, theirs, least, unit: "s" });
        }
    }
    if let Some(ours) = median(&our_runs, MEMORY) {
        let theirs = median(&their_runs, MEMORY);
        table.rows.push(Row { name: MEMORY.into(), ours, theirs, least: 1.5, unit: "MiB" });
    }
    options.show(&table)
}

impl Options {
    /// The binary to measure.
    pub fn binary(&self) -> Result<PathBuf> {
        self.binary.clone().map_or_else(shell::glassbox, Ok)
    }

    /// Whether a row was asked for.
    pub fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == name)
    }

    /// Prints a table, and writes it where it was asked for.
    pub fn show(&self, table: &Table) -> Result<()> {
        print!("{}", table.text());
        if let Some(path) = &self.markdown {
            fs::write(path, table.markdown())?;
        }
        if let Some(path) = &self.json {
            fs::write(path, table.json())?;
        }
        Ok(())
    }
}

/// The row of peak resident memory.
const MEMORY: &str = "memory";

/// Builds a program of `benches/guest`, statically linked.
pub fn guest_program(name: &str) -> Result<PathBuf> {
    let source = shell::root().join("benches/guest").join(name).with_extension("c");
    let program = guests::folder().join(name);
    let mut command = Command::new("gcc");
    command.args(["-O2", "-static", "-o"]).arg(&program).arg(source).arg("-lm");
    shell::run(&mut command)?;
    Ok(program)
}

/// The times of a run, if it came to all of `names`.
///
/// # Errors
/// Names the first that it did not come to.
pub fn whole(times: Times, names: &[&str]) -> Result<Times> {
    match names.iter().find(|name| !times.contains_key(**name)) {
        Some(name) => bail!("the guest did not come to {name}"),
        None => Ok(times),
    }
}

/// Boots once without workloads, for the boot's time and memory, and once with them.
fn measure(command: impl Fn() -> Command, names: &[&str]) -> Result<Times> {
    let mut times = boot(command(), APPEND)?;
    if !names.is_empty() {
        let append = format!("{APPEND} bench={}", names.join(","));
        let mut with = boot(command(), &append)?;
        with.retain(|name, _| names.contains(&name.as_str()));
        times.extend(with);
    }
    Ok(times)
}

/// This emulator with so much memory and a kernel.
pub fn ours(glassbox: &Path, kernel: &Path, initrd: &Path, memory: &str) -> Command {
    let mut command = Command::new(glassbox);
    command.arg("run").arg(kernel).arg("--initrd").arg(initrd);
    command.args(["--memory", memory, "--timeout", "1200s"]);
    command
}

/// QEMU TCG with so much memory and a kernel.
pub fn qemu(kernel: &Path, initrd: &Path, memory: &str) -> Command {
    let mut command = Command::new("qemu-system-x86_64");
    command.args(["-accel", "tcg", "-cpu", "max", "-m", memory, "-nographic", "-no-reboot"]);
    command.arg("-kernel").arg(kernel).arg("-initrd").arg(initrd);
    command
}

/// Runs a machine to power-off and reads the times that it printed.
pub fn boot(command: Command, append: &str) -> Result<Times> {
    console(command, append).map(|(times, _)| times)
}

/// As [`boot`]; returns all that was printed, too.
pub fn console(mut command: Command, append: &str) -> Result<(Times, String)> {
    command.arg(append_flag(&command)).arg(append);
    let start = Instant::now();
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .context("starting the machine")?;
    let watch = peak_memory(child.id());
    let out = child.wait_with_output()?;
    let time = start.elapsed().as_secs_f64();
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    if !text.contains("BOOT-OK") {
        bail!("the guest did not boot: {}", out.status);
    }
    let mut times = results(&text);
    times.insert(BOOT.0.into(), time);
    if let Some(mebibytes) = watch.join().ok().flatten() {
        times.insert(MEMORY.into(), mebibytes);
    }
    Ok((times, text))
}

/// Ours has two dashes.
fn append_flag(command: &Command) -> &'static str {
    if command.get_program().to_string_lossy().contains("qemu") { "-append" } else { "--append" }
}

/// Samples a process's peak resident memory until it is gone, in MiB.
fn peak_memory(id: u32) -> std::thread::JoinHandle<Option<f64>> {
    std::thread::spawn(move || {
        let mut peak = None;
        while let Ok(text) = fs::read_to_string(format!("/proc/{id}/status")) {
            let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            match line.and_then(|line| line.trim().trim_end_matches(" kB").trim().parse::<f64>().ok()) {
                Some(kilobytes) => peak = Some(kilobytes / 1024.0),
                None => break,
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        peak
    })
}

/// The lines `BENCH name seconds` of a console.
fn results(text: &str) -> Times {
    text.lines()
        .filter_map(|line| {
            let mut words = line.trim().strip_prefix("BENCH ")?.split_whitespace();
            Some((words.next()?.to_owned(), words.next()?.parse().ok()?))
        })
        .collect()
}

pub fn median(runs: &[Times], name: &str) -> Option<f64> {
    let mut times: Vec<f64> = runs.iter().filter_map(|run| run.get(name).copied()).collect();
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_read_from_a_console() {
        let times = results("BOOT-OK 1 2\r\nBENCH sieve 0.627000\r\nBENCH x\r\n BENCH fib 1e-3\n");
        assert_eq!(times.len(), 2);
        assert_eq!((times["sieve"], times["fib"]), (0.627, 0.001));
    }

    #[test]
    fn the_median_of_runs_counts() {
        let runs: Vec<Times> = [3.0, 1.0, 2.0].iter().map(|t| Times::from([("a".into(), *t)])).collect();
        assert_eq!(median(&runs, "a"), Some(2.0));
        assert_eq!(median(&runs, "b"), None);
    }
}
