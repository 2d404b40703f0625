//! QEMU's tools, and a guest in a process of its own that can be killed.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use glassbox_block::{Drive, DriveOptions, Execution};
use glassbox_device_api::{BlockOp, BlockRequest};
use glassbox_testkit::Rng;

/// One test after the other: between a `fork` and its `exec` a child has all open
/// files too, and with them their locks.
static ALONE: Mutex<()> = Mutex::new(());

/// Makes sure that `qemu-img` and `qemu-io` are there, and that no other test uses them.
pub fn qemu() -> Option<MutexGuard<'static, ()>> {
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let there =
        Command::new("qemu-img").arg("--version").output().is_ok_and(|output| output.status.success());
    assert!(
        there || std::env::var_os("GLASSBOX_NO_SKIPS").is_none(),
        "qemu-img is missing: install qemu-utils"
    );
    if !there {
        eprintln!("skipped: there is no qemu-img here (package qemu-utils)");
    }
    there.then_some(alone)
}

/// Runs `qemu-img` in `dir`, which has to succeed: for `check` that means neither
/// an error nor a leak.
pub fn qemu_img(dir: &Path, args: &[&str]) {
    let output = Command::new("qemu-img").args(args).current_dir(dir).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    assert!(
        output.status.success(),
        "qemu-img {args:?}: {} {}",
        output.status,
        String::from_utf8_lossy(&text)
    );
}

/// What a guest said before it was killed.
pub struct Guest {
    /// Flushes that were answered.
    pub flushes: usize,
    /// Operations that were answered before the last of them was asked for.
    flushed: u64,
    /// Operations that were begun.
    begun: u64,
}

/// One thing that the guest does. Each has a number, which its data repeat.
struct Action {
    number: u64,
    sectors: std::ops::Range<u64>,
    op: BlockOp,
}

/// What the guest does, the same for the same seed: groups of what is under way
/// at the same time and does not overlap, with or without a flush behind.
struct Plan {
    random: Rng,
    next: u64,
}

impl Plan {
    fn new(seed: u64) -> Self {
        Self { random: Rng::new(seed), next: 1 }
    }

    fn group(&mut self) -> (Vec<Action>, bool) {
        let mut group: Vec<Action> = Vec::new();
        for _ in 0..1 + self.random.below(8) {
            let start = self.random.below(Guest::DISK / 512);
            let most = if self.random.one_in(8) { 300 } else { 16 };
            let end = (start + 1 + self.random.below(most)).min(Guest::DISK / 512);
            let len = (end - start) * 512;
            let op = match self.random.below(12) {
                0 => BlockOp::Discard { len },
                1 => BlockOp::WriteZeroes { len, may_unmap: true },
                _ => BlockOp::Write,
            };
            if group.iter().all(|other| other.sectors.end <= start || end <= other.sectors.start) {
                group.push(Action { number: self.next, sectors: start..end, op });
                self.next += 1;
            }
        }
        (group, self.random.one_in(3))
    }
}

/// The content of a sector that a write has left.
fn sector(number: u64, sector: u64) -> Vec<u8> {
    (number << 20 | sector).to_le_bytes().repeat(64)
}

impl Guest {
    /// Bytes of its disk.
    pub const DISK: u64 = 16 << 20;

    /// The child process: writes until it is killed, and says on its standard
    /// output what it begins (`B` and a number) and what is flushed (`F`).
    pub fn main() {
        let path = std::env::var("GLASSBOX_TEST_DISK").unwrap();
        let seed = std::env::var("GLASSBOX_TEST_SEED").unwrap().parse().unwrap();
        let drive = Drive::open(&DriveOptions::new(path), Execution::Worker, Arc::new(|| {})).unwrap();
        let mut client = drive.client();
        let mut out = std::io::stderr();
        let mut say =
            |what: &str, number: u64| out.write_all(format!("{what}{number}\n").as_bytes()).unwrap();
        let mut plan = Plan::new(seed);
        say("B", 0);
        loop {
            let (group, flush) = plan.group();
            say("B", plan.next - 1);
            for action in group {
                let offset = action.sectors.start * 512;
                let data = match action.op {
                    BlockOp::Write => action.sectors.flat_map(|n| sector(action.number, n)).collect(),
                    _ => Vec::new(),
                };
                client.submit(BlockRequest {
                    op: action.op,
                    ..BlockRequest::write(action.number, offset, data)
                });
            }
            client.drain();
            if flush {
                client.submit(BlockRequest::flush(0));
                client.drain();
            }
            while let Some(answer) = client.poll() {
                answer.result.unwrap();
            }
            if flush {
                say("F", plan.next - 1);
            }
        }
    }

    /// Runs the child on a disk and kills it so many milliseconds after it has begun.
    pub fn run_and_kill(disk: &Path, seed: u64, after: u64) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "child_that_writes", "--nocapture"])
            .env("GLASSBOX_TEST_DISK", disk)
            .env("GLASSBOX_TEST_SEED", seed.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = child.stderr.take().unwrap();
        let mut text = vec![0];
        said.read_exact(&mut text).unwrap();
        // It must not wait for us to read.
        let reader = std::thread::spawn(move || {
            said.read_to_end(&mut text).unwrap();
            String::from_utf8(text).unwrap()
        });
        std::thread::sleep(Duration::from_millis(after));
        // On Unix this is SIGKILL.
        child.kill().unwrap();
        child.wait().unwrap();
        let text = reader.join().unwrap();
        let mut guest = Self { flushes: 0, flushed: 0, begun: 0 };
        // The last line may be cut short.
        for line in text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
            match (line.get(..1), line.get(1..).and_then(|number| number.parse().ok())) {
                (Some("B"), Some(number)) => guest.begun = number,
                (Some("F"), Some(number)) => (guest.flushed, guest.flushes) = (number, guest.flushes + 1),
                _ => panic!("the guest failed: {text:?}"),
            }
        }
        guest
    }

    /// Checks each sector of the disk against what was done with it.
    pub fn verify(&self, seed: u64, before: &[u8], now: &[u8]) {
        // What each sector may be; the first is what it has if nothing later has come.
        let mut may: Vec<Vec<Vec<u8>>> = before.chunks(512).map(|old| vec![old.to_vec()]).collect();
        let mut plan = Plan::new(seed);
        while plan.next <= self.begun {
            for action in plan.group().0 {
                for n in action.sectors {
                    let may = &mut may[n as usize];
                    let data = match action.op {
                        BlockOp::Write => sector(action.number, n),
                        _ => vec![0; 512],
                    };
                    let sure = action.number <= self.flushed && !matches!(action.op, BlockOp::Discard { .. });
                    if sure {
                        may.clear();
                    }
                    may.push(data);
                }
            }
        }
        for (n, (now, may)) in now.chunks(512).zip(may).enumerate() {
            assert!(
                may.iter().any(|may| may == now),
                "sector {n} begins with {:02x?} and may begin with {:02x?}; {} were flushed, {} begun",
                &now[..8],
                may.iter().map(|may| &may[..8]).collect::<Vec<_>>(),
                self.flushed,
                self.begun
            );
        }
    }
}
