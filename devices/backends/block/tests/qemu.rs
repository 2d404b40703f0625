//! Images as QEMU's own tools see them: `qemu-img` and `qemu-io` of the Debian
//! package `qemu-utils`. Without them these tests are skipped, unless
//! `GLASSBOX_NO_SKIPS` is set, as `cargo xtask test --no-skips` does.

mod common;

use std::io::{BufRead, BufReader, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use common::{Guest, qemu, qemu_img};
use glassbox_block::tools::{self, CreateOptions};
use glassbox_block::{Drive, DriveOptions, Execution, Format, ImageError, OpenOptions};
use glassbox_testkit::Rng;

fn bytes_of(path: &Path) -> Vec<u8> {
    let image = glassbox_block::open(&OpenOptions::new(path)).unwrap();
    let mut bytes = vec![0; image.len() as usize];
    image.read(0, &mut bytes).unwrap();
    bytes
}

/// A disk with zeroes, text, noise and a hole.
fn some_disk(size: usize) -> Vec<u8> {
    let mut random = Rng::new(3);
    let mut bytes = vec![0; size];
    for piece in bytes.chunks_mut(70_000) {
        match random.below(4) {
            0 => {}
            1 => piece.fill(b'a' + random.below(26) as u8),
            2 => piece.iter_mut().enumerate().for_each(|(n, byte)| *byte = (n / 7) as u8),
            _ => piece.iter_mut().for_each(|byte| *byte = random.next_u64() as u8),
        }
    }
    bytes
}

#[test]
fn images_that_qemu_made_are_read() {
    let Some(_alone) = qemu() else { return };
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let disk = some_disk(5 << 20);
    std::fs::write(at("disk.raw"), &disk).unwrap();
    let convert = |options: &[&str], name: &str| {
        let mut args = vec!["convert", "-f", "raw"];
        args.extend(options);
        args.extend(["disk.raw", name]);
        qemu_img(dir.path(), &args);
    };
    let formats: &[(&[&str], &str)] = &[
        (&["-O", "qcow2"], "3.qcow2"),
        (&["-O", "qcow2", "-o", "compat=0.10"], "2.qcow2"),
        (&["-O", "qcow2", "-o", "cluster_size=512"], "512.qcow2"),
        (&["-O", "qcow2", "-o", "cluster_size=2M,refcount_bits=1"], "2M.qcow2"),
        (&["-O", "qcow2", "-c"], "zlib.qcow2"),
        (&["-O", "qcow2", "-c", "-o", "compression_type=zstd"], "zstd.qcow2"),
        (&["-O", "qcow2", "-c", "-o", "cluster_size=4096,refcount_bits=64"], "zlib4k.qcow2"),
        (&["-O", "qcow2", "-o", "preallocation=metadata"], "metadata.qcow2"),
        (&["-O", "vmdk"], "sparse.vmdk"),
        (&["-O", "vmdk", "-o", "subformat=streamOptimized"], "stream.vmdk"),
        (&["-O", "vmdk", "-o", "subformat=monolithicFlat"], "flat.vmdk"),
        (&["-O", "vmdk", "-o", "subformat=twoGbMaxExtentSparse"], "split.vmdk"),
        (&["-O", "vmdk", "-o", "subformat=twoGbMaxExtentFlat"], "splitflat.vmdk"),
        (&["-O", "vdi"], "dynamic.vdi"),
        (&["-O", "vdi", "-o", "static=on"], "static.vdi"),
        (&["-O", "vpc", "-o", "force_size=on"], "dynamic.vhd"),
        (&["-O", "vpc", "-o", "subformat=fixed,force_size=on"], "fixed.vhd"),
        (&["-O", "vhdx"], "dynamic.vhdx"),
        (&["-O", "vhdx", "-o", "subformat=fixed"], "fixed.vhdx"),
    ];
    for (options, name) in formats {
        convert(options, name);
        assert!(bytes_of(&at(name)) == disk, "{name}");
        let format: Format = name.split('.').nth(1).unwrap().parse().unwrap();
        assert_eq!(tools::info(&at(name), None).unwrap().format, format, "{name}");
        let target = at("copy.qcow2");
        tools::convert(&OpenOptions::new(at(name)), &target, Format::Qcow2, true, &mut |_, _| {
            ControlFlow::Continue(())
        })
        .unwrap();
        qemu_img(dir.path(), &["compare", "-q", "disk.raw", "copy.qcow2"]);
        qemu_img(dir.path(), &["check", "-q", "copy.qcow2"]);
        let report = tools::check(&at(name), None).unwrap();
        assert!(report.is_none_or(|report| (report.errors, report.leaks) == (0, 0)), "{name}");
    }
}

#[test]
fn a_chain_of_images_is_read_and_written_like_by_qemu() {
    let Some(_alone) = qemu() else { return };
    let dir = tempfile::tempdir().unwrap();
    let disk = some_disk(3 << 20);
    std::fs::write(dir.path().join("base.raw"), &disk).unwrap();
    let img = |args: &[&str]| qemu_img(dir.path(), args);
    img(&["create", "-q", "-f", "qcow2", "-b", "base.raw", "-F", "raw", "middle.qcow2"]);
    img(&[
        "create",
        "-q",
        "-f",
        "qcow2",
        "-o",
        "compat=0.10",
        "-b",
        "middle.qcow2",
        "-F",
        "qcow2",
        "v2.qcow2",
        "4M",
    ]);
    let top = CreateOptions {
        format: Format::Qcow2,
        size: None,
        backing: Some(("v2.qcow2".into(), None)),
        replace: false,
    };
    tools::create(&dir.path().join("top.qcow2"), &top).unwrap();
    let mut model = disk.clone();
    model.resize(4 << 20, 0);
    for (image, seed) in [("middle.qcow2", 1), ("v2.qcow2", 2), ("top.qcow2", 3)] {
        let drive =
            Drive::open(&DriveOptions::new(dir.path().join(image)), Execution::Worker, Arc::new(|| {}))
                .unwrap();
        let mut random = Rng::new(seed);
        let mut client = drive.client();
        for _ in 0..40 {
            let start = random.below(5000) as usize * 512;
            let data = vec![random.next_u64() as u8; (1 + random.below(200) as usize) * 512];
            model[start..start + data.len()].copy_from_slice(&data);
            client.submit(glassbox_device_api::BlockRequest::write(0, start as u64, data));
            client.drain();
            assert_eq!(client.poll().unwrap().result, Ok(()));
        }
        drop((client, drive));
        img(&["check", "-q", image]);
    }
    assert!(bytes_of(&dir.path().join("top.qcow2")) == model);
    img(&["convert", "-O", "raw", "top.qcow2", "top.raw"]);
    assert!(std::fs::read(dir.path().join("top.raw")).unwrap() == model);

    // From the top down; the disk stays what it is.
    tools::commit(&dir.path().join("top.qcow2"), None, &mut |_, _| ControlFlow::Continue(())).unwrap();
    assert!(
        bytes_of(&dir.path().join("v2.qcow2")) == model && bytes_of(&dir.path().join("top.qcow2")) == model
    );
    img(&["check", "-q", "v2.qcow2"]);
    img(&["check", "-q", "top.qcow2"]);
    assert_eq!(std::fs::read(dir.path().join("base.raw")).unwrap(), disk);
}

#[test]
fn compressed_images_and_those_with_snapshots_stay_sound_when_they_are_written() {
    let Some(_alone) = qemu() else { return };
    let dir = tempfile::tempdir().unwrap();
    let mut model = some_disk(4 << 20);
    std::fs::write(dir.path().join("disk.raw"), &model).unwrap();
    let img = |args: &[&str]| qemu_img(dir.path(), args);
    img(&["convert", "-c", "-O", "qcow2", "disk.raw", "disk.qcow2"]);
    img(&["snapshot", "-c", "before", "disk.qcow2"]);
    let before = model.clone();
    let mut random = Rng::new(5);
    for round in 0..3 {
        let image = glassbox_block::open(&OpenOptions {
            writable: true,
            ..OpenOptions::new(dir.path().join("disk.qcow2"))
        })
        .unwrap();
        for _ in 0..30 {
            let start = random.below(8000) as usize * 512;
            let len = ((1 + random.below(300) as usize) * 512).min(model.len() - start);
            if random.one_in(4) {
                image.write_zeroes(start as u64, len as u64, true).unwrap();
                model[start..start + len].fill(0);
            } else {
                let byte = random.next_u64() as u8;
                image.write(start as u64, &vec![byte; len]).unwrap();
                model[start..start + len].fill(byte);
            }
            if random.one_in(8) {
                image.flush().unwrap();
            }
        }
        drop(image);
        img(&["check", "-q", "disk.qcow2"]);
        img(&["snapshot", "-c", &format!("round{round}"), "disk.qcow2"]);
        let report = tools::check(&dir.path().join("disk.qcow2"), None).unwrap().unwrap();
        assert_eq!((report.errors, report.leaks), (0, 0), "{:?}", report.messages);
    }
    assert!(bytes_of(&dir.path().join("disk.qcow2")) == model);
    img(&["snapshot", "-a", "before", "disk.qcow2"]);
    assert!(bytes_of(&dir.path().join("disk.qcow2")) == before);
}

#[test]
fn images_of_ours_are_sound_for_qemu() {
    let Some(_alone) = qemu() else { return };
    let dir = tempfile::tempdir().unwrap();
    let disk = some_disk(3 << 20);
    std::fs::write(dir.path().join("disk.raw"), &disk).unwrap();
    let from = OpenOptions::new(dir.path().join("disk.raw"));
    for (format, name) in [(Format::Qcow2, "copy.qcow2"), (Format::Raw, "copy.raw")] {
        let target = dir.path().join(name);
        let mut last = (0, 0);
        tools::convert(&from, &target, format, false, &mut |done, all| {
            last = (done, all);
            ControlFlow::Continue(())
        })
        .unwrap();
        assert_eq!(last, (3 << 20, 3 << 20));
        qemu_img(dir.path(), &["compare", "-q", "disk.raw", name]);
        assert!(
            tools::convert(&from, &target, format, false, &mut |_, _| ControlFlow::Continue(())).is_err(),
            "it is there already"
        );
        tools::convert(&from, &target, format, true, &mut |_, _| ControlFlow::Continue(())).unwrap();
        assert!(bytes_of(&target) == disk);
    }
    for size in [512, 1 << 20, 10 << 30, 4 << 40] {
        let options = CreateOptions { format: Format::Qcow2, size: Some(size), backing: None, replace: true };
        tools::create(&dir.path().join("new.qcow2"), &options).unwrap();
        qemu_img(dir.path(), &["check", "-q", "new.qcow2"]);
        assert_eq!(tools::info(&dir.path().join("new.qcow2"), None).unwrap().size, size);
    }
}

#[test]
fn what_qemu_finds_wrong_is_found_wrong() {
    let Some(_alone) = qemu() else { return };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("disk.qcow2");
    std::fs::write(dir.path().join("disk.raw"), some_disk(2 << 20)).unwrap();
    qemu_img(dir.path(), &["convert", "-O", "qcow2", "disk.raw", "disk.qcow2"]);
    let good = std::fs::read(&path).unwrap();
    let table = |at: usize| u64::from_be_bytes(good[at..at + 8].try_into().unwrap()) as usize;
    let block = table(table(48));
    // The count of a used cluster, that of a free one, and an L1 entry.
    for (at, value) in [(block + 2 * 5 + 1, 0), (block + 2 * 5 + 1, 2), (table(40), 0), (table(40) + 2, 0xFF)]
    {
        let mut bad = good.clone();
        bad[at] = value;
        std::fs::write(&path, &bad).unwrap();
        let status =
            Command::new("qemu-img").args(["check", "-q"]).arg(&path).output().unwrap().status.code();
        let report = tools::check(&path, None).unwrap().unwrap();
        let ours = match (report.errors, report.leaks) {
            (0, 0) => 0,
            (0, _) => 3,
            _ => 2,
        };
        assert_eq!(Some(ours), status, "{:?}", report.messages);
        assert_ne!(ours, 0);
    }
}

#[test]
fn qemu_and_glassbox_keep_each_other_from_an_image() {
    let Some(_alone) = qemu() else { return };
    if !cfg!(target_os = "linux") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    for (format, name) in [("raw", "disk.img"), ("qcow2", "disk.qcow2")] {
        qemu_img(dir.path(), &["create", "-q", "-f", format, name, "1M"]);
        let path = dir.path().join(name);
        let open = |read_only| {
            let options = DriveOptions { read_only, ..DriveOptions::new(&path) };
            Drive::open(&options, Execution::Synchronous, Arc::new(|| {}))
        };
        let qemu_io = |args: &[&str]| {
            let mut command = Command::new("qemu-io");
            command.args(["-f", format]).args(args).arg(&path);
            command.output().unwrap().status.success()
        };
        let read = ["-r", "-c", "read 0 512"];
        let write = ["-c", "write 0 512"];
        let drive = open(false).unwrap();
        // As a reader of a raw image, qemu-io says that it does not mind writers.
        let minds = format != "raw";
        assert!(!qemu_io(&write), "{name}: held for writing");
        assert!(!minds || !qemu_io(&read), "{name}: held for writing");
        drop(drive);
        let drive = open(true).unwrap();
        assert!(qemu_io(&read) && !qemu_io(&write), "{name}: held for reading");
        drop(drive);
        assert!(qemu_io(&write), "{name}: let go");

        for (flags, reads) in [(&[][..], false), (&["-r"][..], true)] {
            let mut qemu = Command::new("qemu-io")
                .args(["-f", format])
                .args(flags)
                .arg(&path)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut input = qemu.stdin.take().unwrap();
            let mut output = BufReader::new(qemu.stdout.take().unwrap());
            input.write_all(b"read 0 512\n").unwrap();
            let mut line = String::new();
            while !line.contains("read 512") {
                line.clear();
                assert_ne!(output.read_line(&mut line).unwrap(), 0, "qemu-io has ended");
            }
            if minds || !reads {
                assert!(matches!(open(false), Err(ImageError::InUse { .. })), "{name} {flags:?}");
            }
            assert_eq!(open(true).is_ok(), reads, "{name} {flags:?}");
            drop(input);
            qemu.wait().unwrap();
        }
    }
}

/// What a killed guest leaves behind: no error for `qemu-img check`, and all that
/// was flushed.
#[test]
fn a_guest_that_is_killed_at_any_moment_loses_nothing_that_it_flushed() {
    let Some(_alone) = qemu() else { return };
    let kills = if std::env::var_os("GLASSBOX_FULL_TESTS").is_some() { 200 } else { 24 };
    let dir = tempfile::tempdir().unwrap();
    let mut random = Rng::new(u64::from(std::process::id()));
    let mut flushes = 0;
    let kinds: &[&[&str]] = &[
        &["-f", "qcow2"],
        &["-f", "qcow2", "-b", "base.raw", "-F", "raw"],
        &["-f", "qcow2", "-o", "cluster_size=4096"],
        &["-f", "qcow2", "-o", "compat=0.10"],
        &["-f", "raw"],
    ];
    std::fs::write(dir.path().join("base.raw"), some_disk(8 << 20)).unwrap();
    for round in 0..kills {
        let kind = kinds[(round / 4) % kinds.len()];
        if round % 4 == 0 {
            let size = Guest::DISK.to_string();
            qemu_img(dir.path(), &[&["create", "-q"], kind, &["disk", &size]].concat());
        }
        let path = dir.path().join("disk");
        let before = bytes_of(&path);
        let seed = random.next_u64();
        let told = Guest::run_and_kill(&path, seed, random.below(60));
        flushes += told.flushes;
        if kind[1] == "qcow2" {
            qemu_img(dir.path(), &["check", "-q", "disk"]);
        }
        let now = bytes_of(&path);
        told.verify(seed, &before, &now);
        if round % 4 == 3 && kind[1] == "qcow2" {
            qemu_img(dir.path(), &["convert", "-f", "qcow2", "-O", "raw", "disk", "seen.raw"]);
            assert!(std::fs::read(dir.path().join("seen.raw")).unwrap() == now);
        }
    }
    assert!(flushes > kills, "{flushes} flushes in {kills} runs are too few to prove anything");
}

/// The guest of the test above, in a process of its own.
#[test]
#[ignore = "only as the child of another test"]
fn child_that_writes() {
    Guest::main();
}
