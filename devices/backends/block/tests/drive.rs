//! Drives over raw images, as devices use them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use glassbox_block::{Drive, DriveKind, DriveOptions, Execution, Format, ImageError};
use glassbox_device_api::{BlockBackend, BlockCompletion, BlockError, BlockOp, BlockRequest};
use tempfile::TempDir;

fn file(dir: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = dir.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn open(options: &DriveOptions, execution: Execution) -> Drive {
    Drive::open(options, execution, Arc::new(|| {})).unwrap()
}

fn disk(path: &Path) -> Drive {
    open(&DriveOptions::new(path), Execution::Worker)
}

fn ask(client: &mut dyn BlockBackend, request: BlockRequest) -> BlockCompletion {
    client.submit(request);
    client.drain();
    client.poll().expect("every request is answered")
}

fn read(client: &mut dyn BlockBackend, offset: u64, len: usize) -> Vec<u8> {
    let answer = ask(client, BlockRequest::read(0, offset, len));
    assert_eq!(answer.result, Ok(()));
    answer.request.buffer
}

#[test]
fn what_is_written_is_read_and_stands_in_the_file() {
    let dir = tempfile::tempdir().unwrap();
    for execution in [Execution::Worker, Execution::Synchronous] {
        let path = file(&dir, "disk.img", &[1; 8192]);
        let drive = open(&DriveOptions::new(&path), execution);
        let mut client = drive.client();
        assert_eq!(client.medium().map(|m| (m.bytes, m.read_only)), Some((8192, false)));
        assert_eq!(ask(&mut *client, BlockRequest::write(1, 512, vec![2; 1024])).result, Ok(()));
        assert_eq!(ask(&mut *client, BlockRequest::flush(2)).result, Ok(()));
        assert_eq!(read(&mut *client, 0, 2048), [vec![1; 512], vec![2; 1024], vec![1; 512]].concat());
        assert_eq!(std::fs::read(&path).unwrap()[512..1536], [2; 1024]);
        let zero = BlockRequest {
            op: BlockOp::WriteZeroes { len: 512, may_unmap: true },
            ..BlockRequest::write(3, 1024, vec![])
        };
        assert_eq!(ask(&mut *client, zero).result, Ok(()));
        assert_eq!(read(&mut *client, 512, 1536), [vec![2; 512], vec![0; 512], vec![1; 512]].concat());
    }
}

#[test]
fn each_client_gets_its_own_answers_and_the_waker_is_called() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(&dir, "disk.img", &[0; 1 << 20]);
    let calls = Arc::new(AtomicUsize::new(0));
    let waker = {
        let calls = Arc::clone(&calls);
        Arc::new(move || {
            calls.fetch_add(1, Ordering::SeqCst);
        })
    };
    let drive = Drive::open(&DriveOptions::new(path), Execution::Worker, waker).unwrap();
    let (mut a, mut b) = (drive.client(), drive.client());
    for tag in 0..100 {
        a.submit(BlockRequest::write(tag, tag * 512, vec![tag as u8; 512]));
        b.submit(BlockRequest::read(1000 + tag, 0, 512));
    }
    a.drain();
    b.drain();
    let tags = |client: &mut dyn BlockBackend| {
        let mut tags: Vec<u64> = std::iter::from_fn(|| client.poll()).map(|c| c.request.tag).collect();
        tags.sort_unstable();
        tags
    };
    assert_eq!(tags(&mut *a), (0..100).collect::<Vec<_>>());
    assert_eq!(tags(&mut *b), (1000..1100).collect::<Vec<_>>());
    drop((a, b, drive));
    assert_eq!(calls.load(Ordering::SeqCst), 200);
}

#[test]
fn requests_of_a_drive_that_is_dropped_are_still_carried_out() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(&dir, "disk.img", &[0; 1 << 20]);
    let drive = disk(&path);
    let mut client = drive.client();
    for n in 0..64 {
        client.submit(BlockRequest::write(n, n * 512, vec![9; 512]));
    }
    drop((client, drive));
    assert!(std::fs::read(&path).unwrap()[..64 * 512].iter().all(|byte| *byte == 9));
    disk(&path);
}

#[test]
fn a_file_that_ends_within_a_sector_is_padded() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(&dir, "odd.img", &[5; 700]);
    let drive = disk(&path);
    let mut client = drive.client();
    assert_eq!(client.medium().unwrap().bytes, 1024);
    assert_eq!(read(&mut *client, 512, 512), [vec![5; 188], vec![0; 324]].concat());
    assert_eq!(ask(&mut *client, BlockRequest::write(1, 512, vec![6; 512])).result, Ok(()));
    assert_eq!(std::fs::read(&path).unwrap().len(), 1024);

    let iso = file(&dir, "odd.iso", &[5; 2049]);
    let drive = open(&DriveOptions { kind: DriveKind::Cdrom, ..DriveOptions::new(iso) }, Execution::Worker);
    let mut client = drive.client();
    let medium = client.medium().unwrap();
    assert_eq!((medium.bytes, medium.read_only), (4096, true));
    assert_eq!(ask(&mut *client, BlockRequest::write(1, 0, vec![0; 512])).result, Err(BlockError::ReadOnly));
}

#[test]
fn an_ephemeral_disk_leaves_its_image_alone() {
    let dir = tempfile::tempdir().unwrap();
    let content: Vec<u8> = (0..64 * 1024_u32).map(|n| (n / 512) as u8).collect();
    let path = file(&dir, "base.img", &content);
    let options = DriveOptions { ephemeral: true, ..DriveOptions::new(&path) };
    let (one, two) = (open(&options, Execution::Worker), open(&options, Execution::Synchronous));
    let (mut a, mut b) = (one.client(), two.client());
    let mut model = content.clone();
    let mut random = glassbox_testkit::Rng::new(7);
    for _ in 0..500 {
        let start = (random.next_u64() % 120) as usize * 512;
        let len = ((random.next_u64() % 24 + 1) as usize * 512).min(model.len() - start);
        let request = if random.next_u64().is_multiple_of(4) {
            model[start..start + len].fill(0);
            let op = BlockOp::WriteZeroes { len: len as u64, may_unmap: true };
            BlockRequest { op, ..BlockRequest::write(0, start as u64, vec![]) }
        } else {
            let byte = random.next_u64() as u8;
            model[start..start + len].fill(byte);
            BlockRequest::write(0, start as u64, vec![byte; len])
        };
        assert_eq!(ask(&mut *a, request).result, Ok(()));
    }
    assert_eq!(read(&mut *a, 0, model.len()), model);
    assert_eq!(read(&mut *b, 0, content.len()), content);
    assert_eq!(std::fs::read(&path).unwrap(), content);
}

#[test]
fn a_medium_is_changed_by_the_user_unless_the_guest_holds_it() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (file(&dir, "1.img", &[1; 1024]), file(&dir, "2.img", &[2; 2048]));
    let drive = Drive::empty(DriveKind::Floppy, Execution::Worker, Arc::new(|| {})).unwrap();
    let mut client = drive.client();
    assert_eq!(client.medium(), None);
    assert_eq!(ask(&mut *client, BlockRequest::read(1, 0, 512)).result, Err(BlockError::NoMedium));

    drive.insert(&DriveOptions::new(&first)).unwrap();
    let before = client.medium().unwrap();
    drive.insert(&DriveOptions::new(&second)).unwrap();
    let after = client.medium().unwrap();
    assert_eq!((before.bytes, after.bytes), (1024, 2048));
    assert_ne!(before.generation, after.generation);
    assert_eq!(read(&mut *client, 0, 512), [2; 512]);

    client.lock_medium(true);
    assert!(drive.is_locked());
    assert!(matches!(drive.eject(false), Err(ImageError::MediumLocked)));
    assert!(matches!(drive.insert(&DriveOptions::new(&first)), Err(ImageError::MediumLocked)));
    assert!(client.eject(), "the guest's own eject counts");
    assert_eq!(client.medium(), None);
    drive.insert(&DriveOptions::new(&first)).unwrap();
    drive.eject(false).unwrap();

    let fixed = disk(&first);
    assert!(!fixed.client().eject());
    assert!(matches!(fixed.eject(true), Err(ImageError::Fixed)));
}

#[test]
fn a_second_writer_is_refused_and_a_second_reader_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(&dir, "disk.img", &[0; 1024]);
    let options = DriveOptions { read_only: true, ..DriveOptions::new(&path) };
    let refused = |options: &DriveOptions| Drive::open(options, Execution::Synchronous, Arc::new(|| {}));
    let writer = disk(&path);
    assert!(matches!(refused(&options), Err(ImageError::InUse { .. })));
    assert!(matches!(refused(&DriveOptions::new(&path)), Err(ImageError::InUse { .. })));
    drop(writer);
    let _reader = refused(&options).unwrap();
    let _another = refused(&options).unwrap();
    assert!(matches!(refused(&DriveOptions::new(&path)), Err(ImageError::InUse { .. })));
}

#[test]
fn a_guest_cannot_turn_a_raw_disk_into_another_format() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(&dir, "disk.img", &[0; 1024]);
    let header = [b"QFI\xfb\0\0\0\x03".to_vec(), vec![0; 504]].concat();
    let drive = disk(&path);
    let answer = ask(&mut *drive.client(), BlockRequest::write(1, 0, header.clone()));
    assert!(matches!(answer.result, Err(BlockError::Host(_))));
    assert_eq!(std::fs::read(&path).unwrap(), [0; 1024]);
    drop(drive);

    let said = DriveOptions { format: Some(Format::Raw), ..DriveOptions::new(&path) };
    let drive = open(&said, Execution::Worker);
    assert_eq!(ask(&mut *drive.client(), BlockRequest::write(1, 0, header.clone())).result, Ok(()));
    assert_eq!(read(&mut *drive.client(), 0, 512), header);
}

#[test]
fn a_name_that_says_raw_and_a_content_that_does_not_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(&dir, "disk.raw", &[b"QFI\xfb\0\0\0\x03".to_vec(), vec![0; 504]].concat());
    let error = Drive::open(&DriveOptions::new(&path), Execution::Worker, Arc::new(|| {})).unwrap_err();
    assert!(error.to_string().contains("format="), "{error}");
    let said = DriveOptions { format: Some(Format::Raw), ..DriveOptions::new(&path) };
    assert_eq!(open(&said, Execution::Worker).medium().unwrap().bytes, 512);
}

#[test]
fn what_is_no_disk_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    for (path, says) in [
        (dir.path().join("absent.img"), "absent.img"),
        (dir.path().to_owned(), "folder"),
        (file(&dir, "empty.img", b""), "empty"),
        (file(&dir, "old.img", &[b"QED\0".to_vec(), vec![0; 508]].concat()), "qemu-img convert"),
    ] {
        let error = Drive::open(&DriveOptions::new(&path), Execution::Worker, Arc::new(|| {})).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[test]
fn headers_of_other_formats_never_make_it_panic() {
    let dir = tempfile::tempdir().unwrap();
    let mut random = glassbox_testkit::Rng::new(21);
    let put = |bytes: &mut Vec<u8>, at: usize, what: &[u8]| bytes[at..at + what.len()].copy_from_slice(what);
    let mut vdi = vec![0; 4096];
    put(&mut vdi, 64, &[0x7F, 0x10, 0xDA, 0xBE, 1, 0, 1, 0]);
    put(&mut vdi, 76, &[1]);
    put(&mut vdi, 340, &[0, 2, 0, 0, 0, 4, 0, 0]);
    put(&mut vdi, 368, &[0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0, 0, 0, 1]);
    let mut vmdk = vec![0; 8192];
    put(&mut vmdk, 0, b"KDMV\x01\0\0\0\x03\0\x03\0\0\x08\0\0\0\0\0\0\x80\0\0\0");
    put(&mut vmdk, 44, &[0, 2]);
    put(&mut vmdk, 56, &[1]);
    put(&mut vmdk, 77, &[1]);
    put(&mut vmdk, 512, &[2]);
    put(&mut vmdk, 1024, &[8, 0, 0, 0, 9]);
    let text =
        "# Disk DescriptorFile\nversion=1\nRW 100 FLAT \"x-flat.vmdk\" 0\nRW 5 ZERO\n".as_bytes().to_vec();
    file(&dir, "x-flat.vmdk", &[3; 512 * 100]);
    for (good, name) in [(vdi, "x.vdi"), (vmdk, "y.vmdk"), (text, "x.vmdk")] {
        let mut opened = 0;
        for round in 0..400 {
            let mut bytes = good.clone();
            for _ in 0..random.below(4).min(round) {
                let at = random.below(bytes.len().min(600) as u64) as usize;
                bytes[at] = random.value() as u8;
            }
            let path = file(&dir, name, &bytes);
            let options = DriveOptions { read_only: true, ..DriveOptions::new(path) };
            let Ok(drive) = Drive::open(&options, Execution::Synchronous, Arc::new(|| {})) else { continue };
            opened += 1;
            let mut client = drive.client();
            let size = client.medium().unwrap().bytes;
            for offset in [0, size / 1024 * 512, size - 512] {
                client.submit(BlockRequest::read(0, offset, 512));
                client.poll().unwrap();
            }
        }
        assert!(opened > 50, "{name}: {opened}");
    }
}

#[test]
fn a_format_that_is_only_read_is_written_in_an_overlay_at_most() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(&dir, "x.vmdk", b"# Disk DescriptorFile\nversion=1\nRW 8 ZERO\n");
    let options = DriveOptions::new(path);
    let error = Drive::open(&options, Execution::Synchronous, Arc::new(|| {})).unwrap_err();
    assert!(error.to_string().contains("glassbox image convert"), "{error}");
    let drive = open(&DriveOptions { ephemeral: true, ..options }, Execution::Synchronous);
    let mut client = drive.client();
    assert_eq!(ask(&mut *client, BlockRequest::write(1, 512, vec![4; 512])).result, Ok(()));
    assert_eq!(read(&mut *client, 0, 1536), [vec![0; 512], vec![4; 512], vec![0; 512]].concat());
}
