//! How fast a drive is, beside the same accesses to a plain file of the host:
//!
//! ```sh
//! cargo run --release -p glassbox-block --example throughput -- FOLDER
//! ```
//!
//! Everything is in the host's page cache, so what is measured is what we add.

use std::collections::VecDeque;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use glassbox_block::tools::{self, CreateOptions};
use glassbox_block::{Drive, DriveOptions, Execution, Format};
use glassbox_device_api::{BlockBackend, BlockRequest};

const DISK: u64 = 512 << 20;
const SEQUENTIAL: usize = 128 << 10;
const RANDOM: usize = 4096;
const RANDOM_COUNT: u64 = 100_000;

/// Offsets that a run uses.
fn offsets(sequential: bool) -> Vec<u64> {
    if sequential {
        return (0..DISK / SEQUENTIAL as u64).map(|n| n * SEQUENTIAL as u64).collect();
    }
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) % (DISK / RANDOM as u64) * RANDOM as u64
    };
    (0..RANDOM_COUNT).map(|_| next()).collect()
}

/// Keeps `depth` requests under way, as a device does, until all are answered.
fn drive(
    client: &mut dyn BlockBackend,
    woken: &Receiver<()>,
    offsets: &[u64],
    len: usize,
    write: bool,
    depth: usize,
) {
    let mut left: VecDeque<u64> = offsets.iter().copied().collect();
    let mut buffers = vec![vec![0xA5; len]; depth];
    let mut under_way = 0;
    while !left.is_empty() || under_way != 0 {
        while let (true, Some(offset)) = (under_way < depth, left.front().copied()) {
            let Some(buffer) = buffers.pop() else { break };
            left.pop_front();
            client.submit(if write {
                BlockRequest::write(0, offset, buffer)
            } else {
                BlockRequest { buffer, ..BlockRequest::read(0, offset, 0) }
            });
            under_way += 1;
        }
        let mut any = false;
        while let Some(answer) = client.poll() {
            assert_eq!(answer.result, Ok(()));
            buffers.push(answer.request.buffer);
            under_way -= 1;
            any = true;
        }
        if !any && under_way != 0 {
            let _ = woken.recv();
        }
    }
}

#[cfg(unix)]
fn host(path: &Path, offsets: &[u64], len: usize, write: bool) {
    use std::os::unix::fs::FileExt;
    let file = File::options().read(true).write(true).open(path).expect("the file opens");
    let mut buffer = vec![0xA5; len];
    for offset in offsets {
        if write {
            file.write_all_at(&buffer, *offset).expect("the host writes");
        } else {
            file.read_exact_at(&mut buffer, *offset).expect("the host reads");
        }
    }
}

#[cfg(not(unix))]
fn host(_: &Path, _: &[u64], _: usize, _: bool) {}

/// The best of three runs.
fn best(mut run: impl FnMut()) -> f64 {
    let mut seconds = f64::INFINITY;
    for _ in 0..3 {
        let start = Instant::now();
        run();
        seconds = seconds.min(start.elapsed().as_secs_f64());
    }
    seconds
}

fn line(name: &str, seconds: &[f64; 4]) {
    let mb = |s: f64| DISK as f64 / 1e6 / s;
    let iops = |s: f64| RANDOM_COUNT as f64 / 1e3 / s;
    let [rs, ws, rr, wr] = *seconds;
    println!("{name:<28} {:>8.0} {:>8.0} {:>8.0} {:>8.0}", mb(rs), mb(ws), iops(rr), iops(wr));
}

fn measure(mut run: impl FnMut(&[u64], usize, bool)) -> [f64; 4] {
    let (sequential, random) = (offsets(true), offsets(false));
    // Filled first, so that no run allocates.
    run(&sequential, SEQUENTIAL, true);
    [
        best(|| run(&sequential, SEQUENTIAL, false)),
        best(|| run(&sequential, SEQUENTIAL, true)),
        best(|| run(&random, RANDOM, false)),
        best(|| run(&random, RANDOM, true)),
    ]
}

fn main() {
    let folder = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| ".".into()));
    println!("{:<28} {:>8} {:>8} {:>8} {:>8}", "", "read", "write", "read 4K", "write 4K");
    println!("{:<28} {:>8} {:>8} {:>8} {:>8}", "", "MB/s", "MB/s", "k/s", "k/s");
    let file = folder.join("glassbox-throughput.raw");
    File::create(&file).and_then(|file| file.set_len(DISK)).expect("the folder can be written");
    line("host file", &measure(|offsets, len, write| host(&file, offsets, len, write)));
    for format in [Format::Raw, Format::Qcow2] {
        let path = folder.join(format!("glassbox-throughput.{format}"));
        let create = CreateOptions { format, size: Some(DISK), backing: None, replace: true };
        tools::create(&path, &create).expect("an image is made");
        for (execution, depth) in
            [(Execution::Synchronous, 1), (Execution::Worker, 1), (Execution::Worker, 32)]
        {
            let (wake, woken) = channel();
            let waker = Arc::new(move || {
                let _ = wake.send(());
            });
            let disk = Drive::open(&DriveOptions::new(&path), execution, waker).expect("it opens");
            let mut client = disk.client();
            let seconds =
                measure(|offsets, len, write| drive(&mut *client, &woken, offsets, len, write, depth));
            let how = if execution == Execution::Worker { "threads" } else { "in submit" };
            line(&format!("{format}, {how}, {depth} under way"), &seconds);
        }
        std::fs::remove_file(path).expect("it is ours");
    }
}
