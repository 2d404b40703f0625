//! A host that has no more room: here a process that may write no longer files.
#![cfg(unix)]

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use glassbox_block::tools::{self, CreateOptions};
use glassbox_block::{Drive, DriveOptions, Execution, Format, OpenOptions};
use glassbox_device_api::{BlockBackend, BlockError, BlockRequest};

const DISK: u64 = 32 << 20;
const BLOCK: u64 = 64 << 10;

fn ask(client: &mut dyn BlockBackend, request: BlockRequest) -> (Result<(), BlockError>, Vec<u8>) {
    client.submit(request);
    client.drain();
    let answer = client.poll().expect("every request is answered");
    (answer.result, answer.request.buffer)
}

/// What a block is filled with.
fn pattern(block: u64) -> Vec<u8> {
    vec![block as u8 | 1; BLOCK as usize]
}

/// Writes and flushes blocks until the host refuses; what was written stays, is
/// read, and can be overwritten. Leaves with how many blocks there were.
#[test]
#[ignore = "only as the child of another test"]
fn child_that_fills_the_disk() {
    let path = std::env::var("GLASSBOX_TEST_DISK").unwrap();
    let drive = Drive::open(&DriveOptions::new(path), Execution::Worker, Arc::new(|| {})).unwrap();
    let mut client = drive.client();
    let mut blocks = 0;
    let refused = loop {
        let written = ask(&mut *client, BlockRequest::write(0, blocks * BLOCK, pattern(blocks))).0;
        let stored = written.and_then(|()| ask(&mut *client, BlockRequest::flush(0)).0);
        match stored {
            Ok(()) => blocks += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(refused, BlockError::NoSpace);
    assert!(blocks > 10 && blocks * BLOCK < DISK);
    let refused = ask(&mut *client, BlockRequest::write(0, DISK - BLOCK, pattern(0))).0;
    assert_eq!(refused, Err(BlockError::NoSpace), "it does not get better by itself");
    for block in 0..blocks {
        assert_eq!(
            ask(&mut *client, BlockRequest::read(0, block * BLOCK, BLOCK as usize)),
            (Ok(()), pattern(block))
        );
    }
    assert_eq!(ask(&mut *client, BlockRequest::write(0, BLOCK, pattern(1))).0, Ok(()));
    println!("blocks={blocks};");
}

fn fill(disk: &Path) -> u64 {
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 16384; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "child_that_fills_the_disk", "--nocapture"])
        .env("GLASSBOX_TEST_DISK", disk)
        .output()
        .unwrap();
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    let blocks = text.split("blocks=").nth(1).and_then(|rest| rest.split(';').next());
    blocks.unwrap_or_else(|| panic!("{text}")).parse().unwrap()
}

#[test]
fn a_full_disk_is_the_guests_error_and_takes_nothing_away() {
    let dir = tempfile::tempdir().unwrap();
    for format in [Format::Raw, Format::Qcow2] {
        let path = dir.path().join(format.name());
        let create = CreateOptions { format, size: Some(DISK), backing: None, replace: false };
        tools::create(&path, &create).unwrap();
        let blocks = fill(&path);
        if let Some(report) = tools::check(&path, None).unwrap() {
            assert_eq!((report.errors, report.leaks), (0, 0), "{:?}", report.messages);
        }
        let image = glassbox_block::open(&OpenOptions::new(&path)).unwrap();
        for block in 0..blocks {
            let mut bytes = vec![0; BLOCK as usize];
            image.read(block * BLOCK, &mut bytes).unwrap();
            assert!(bytes == pattern(block), "{format}: block {block}");
        }
    }
}
