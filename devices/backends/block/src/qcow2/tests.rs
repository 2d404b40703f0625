//! The image format on a file that loses power at any moment.

use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex};

use glassbox_testkit::Rng;

use super::Qcow2;
use super::check::check;
use super::create::create;
use super::header::Header;
use crate::image::{Image, write_zeroes_as_data};
use crate::storage::Storage;

/// What a program did to its file.
#[derive(Clone)]
enum Step {
    Write(u64, Vec<u8>),
    Punch(Range<u64>),
    Sync,
    /// No step of the file: everything that the guest wrote before is flushed.
    Flushed(usize),
}

#[derive(Default)]
struct Memory {
    bytes: Vec<u8>,
    steps: Vec<Step>,
    room: Option<u64>,
    fail_sync: bool,
}

/// A file in memory that remembers each step.
#[derive(Clone, Default)]
struct TestFile(Arc<Mutex<Memory>>);

fn apply(bytes: &mut Vec<u8>, step: &Step) {
    match step {
        Step::Write(offset, data) => {
            let end = *offset as usize + data.len();
            bytes.resize(bytes.len().max(end), 0);
            bytes[*offset as usize..end].copy_from_slice(data);
        }
        Step::Punch(range) => {
            let end = bytes.len().min(range.end as usize);
            bytes[end.min(range.start as usize)..end].fill(0);
        }
        Step::Sync | Step::Flushed(_) => {}
    }
}

impl TestFile {
    fn with(bytes: Vec<u8>) -> Self {
        Self(Arc::new(Mutex::new(Memory { bytes, ..Memory::default() })))
    }

    fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().bytes.clone()
    }

    fn step(&self, step: Step) {
        let mut memory = self.0.lock().unwrap();
        apply(&mut memory.bytes, &step);
        memory.steps.push(step);
    }
}

impl Storage for TestFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().bytes.len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let memory = self.0.lock().unwrap();
        let start = memory.bytes.len().min(offset as usize);
        let count = buffer.len().min(memory.bytes.len() - start);
        buffer[..count].copy_from_slice(&memory.bytes[start..start + count]);
        buffer[count..].fill(0);
        Ok(())
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let room = self.0.lock().unwrap().room;
        if room.is_some_and(|room| offset + data.len() as u64 > room) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.step(Step::Write(offset, data.to_vec()));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        if self.0.lock().unwrap().fail_sync {
            return Err(io::Error::other("the cable is out"));
        }
        self.step(Step::Sync);
        Ok(())
    }

    fn punch(&self, range: Range<u64>) -> io::Result<bool> {
        self.step(Step::Punch(range));
        Ok(true)
    }

    fn zero(&self, _range: Range<u64>) -> io::Result<bool> {
        Ok(false)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.lock().unwrap().bytes.resize(len as usize, 0);
        Ok(())
    }

    fn next_data(&self, offset: u64) -> io::Result<Option<Range<u64>>> {
        let end = self.len()?;
        Ok((offset < end).then_some(offset..end))
    }
}

/// A backing image.
struct Fixed(Vec<u8>);

impl Image for Fixed {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }
    fn read(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        buffer.copy_from_slice(&self.0[offset as usize..offset as usize + buffer.len()]);
        Ok(())
    }
    fn write(&self, _: u64, _: &[u8]) -> io::Result<()> {
        panic!("a backing image is not written")
    }
    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
    fn discard(&self, _: u64, _: u64) -> io::Result<()> {
        panic!("a backing image is not written")
    }
    fn write_zeroes(&self, offset: u64, len: u64, _: bool) -> io::Result<()> {
        write_zeroes_as_data(self, offset, len)
    }
    fn extent(&self, _: u64, len: u64) -> io::Result<crate::Extent> {
        Ok(crate::Extent { kind: crate::ExtentKind::Data, len })
    }
}

fn open(file: &TestFile, backing: Option<Vec<u8>>) -> Qcow2<TestFile> {
    let path = Path::new("test.qcow2");
    let header = Header::read(file, path).unwrap();
    let backing = backing.map(|bytes| Box::new(Fixed(bytes)) as Box<dyn Image>);
    Qcow2::open(file.clone(), path, header, backing, true).unwrap()
}

fn new_image(size: u64, cluster_bits: u32) -> TestFile {
    let file = TestFile::default();
    create(&file, size, cluster_bits, None).unwrap();
    file.0.lock().unwrap().steps.clear();
    file
}

fn assert_sound(file: &TestFile, when: &str) {
    let header = Header::read(file, Path::new("test.qcow2")).unwrap();
    let report = check(file, &header).unwrap();
    assert_eq!((report.errors, report.leaks), (0, 0), "{when}: {:?}", report.messages);
}

fn content(image: &dyn Image) -> Vec<u8> {
    let mut bytes = vec![0; image.len() as usize];
    image.read(0, &mut bytes).unwrap();
    bytes
}

/// One random thing that a guest does, also to `model`, and to which bytes.
fn act(random: &mut Rng, image: &dyn Image, model: &mut [u8]) -> Range<usize> {
    let sectors = model.len() as u64 / 512;
    let start = random.below(sectors);
    let most = [3, 17, 200][random.below(3) as usize];
    let count = (1 + random.below(most)).min(sectors - start);
    let (offset, len) = (start * 512, count * 512);
    let range = offset as usize..(offset + len) as usize;
    match random.below(8) {
        0 => {
            image.write_zeroes(offset, len, true).unwrap();
            model[range.clone()].fill(0);
        }
        1 => {
            image.discard(offset, len).unwrap();
            // As before or zeroes: whichever, it stays so.
            let mut now = vec![0; len as usize];
            image.read(offset, &mut now).unwrap();
            for (model, now) in model[range.clone()].iter_mut().zip(now) {
                assert!(now == *model || now == 0);
                *model = now;
            }
        }
        _ => {
            let data: Vec<u8> = (0..len).map(|n| (random.next_u64() as u8) | (n == 0) as u8).collect();
            image.write(offset, &data).unwrap();
            model[range.clone()].copy_from_slice(&data);
        }
    }
    range
}

#[test]
fn what_is_written_is_read_with_every_size_of_cluster() {
    for (cluster_bits, size) in [(9, 300 * 512), (12, 1 << 20), (16, 3 << 20), (21, 5 << 20)] {
        for backed in [false, true] {
            let file = new_image(size, cluster_bits);
            let mut random = Rng::new(u64::from(cluster_bits));
            let backing: Vec<u8> = (0..size / 2 / 512 * 512).map(|_| random.next_u64() as u8).collect();
            let mut model = vec![0; size as usize];
            if backed {
                model[..backing.len()].copy_from_slice(&backing);
            }
            for round in 0..6 {
                let image = open(&file, backed.then(|| backing.clone()));
                assert_eq!(content(&image), model, "{cluster_bits} {round}");
                for _ in 0..60 {
                    act(&mut random, &image, &mut model);
                    if random.one_in(7) {
                        image.flush().unwrap();
                        assert_sound(&file, "flushed");
                    }
                }
                assert_eq!(content(&image), model, "{cluster_bits} {round}");
                drop(image);
                assert_sound(&file, "closed");
            }
        }
    }
}

/// All that could be in the file if power fails after `steps`: what was synced,
/// and any of what came later.
fn after_power_failure(base: &[u8], steps: &[Step], random: &mut Rng) -> TestFile {
    let mut bytes = base.to_vec();
    let synced = steps.iter().rposition(|step| matches!(step, Step::Sync)).map_or(0, |at| at + 1);
    steps[..synced].iter().for_each(|step| apply(&mut bytes, step));
    for step in &steps[synced..] {
        match step {
            // A sector is written or not; any of them may be.
            Step::Write(offset, data) => {
                for (n, sector) in data.chunks(512).enumerate() {
                    if random.one_in(2) {
                        apply(&mut bytes, &Step::Write(offset + n as u64 * 512, sector.to_vec()));
                    }
                }
            }
            other if random.one_in(2) => apply(&mut bytes, other),
            _ => {}
        }
    }
    TestFile::with(bytes)
}

/// What a guest did to its disk and its host to the file.
struct Record {
    base: Vec<u8>,
    steps: Vec<Step>,
    /// The disk at each flush.
    flushed: Vec<Vec<u8>>,
    /// What was written where between each flush and the next.
    written: Vec<Vec<(usize, Vec<u8>)>>,
}

fn record(cluster_bits: u32, seed: u64, actions: usize) -> Record {
    let size = 1 << 20;
    let file = new_image(size, cluster_bits);
    let base = file.bytes();
    let mut random = Rng::new(seed);
    let mut model = vec![0; size as usize];
    let (mut flushed, mut written) = (vec![model.clone()], vec![Vec::new()]);
    let image = open(&file, None);
    for _ in 0..actions {
        let range = act(&mut random, &image, &mut model);
        written.last_mut().unwrap().push((range.start, model[range].to_vec()));
        if random.one_in(5) {
            image.flush().unwrap();
            file.step(Step::Flushed(flushed.len()));
            flushed.push(model.clone());
            written.push(Vec::new());
        }
    }
    drop(image);
    let steps = file.0.lock().unwrap().steps.clone();
    Record { base, steps, flushed, written }
}

#[test]
fn an_image_is_sound_wherever_its_process_is_killed() {
    for (cluster_bits, seed) in [(9, 1), (12, 2), (16, 3)] {
        let Record { base: mut bytes, steps, .. } = record(cluster_bits, seed, 120);
        for (n, step) in steps.iter().enumerate() {
            apply(&mut bytes, step);
            let file = TestFile::with(bytes.clone());
            assert_sound(&file, &format!("killed after step {n} of {}", steps.len()));
        }
    }
}

#[test]
fn what_was_flushed_survives_a_power_failure_and_the_image_is_sound() {
    let mut cuts = Rng::new(9);
    for (cluster_bits, seed) in [(9, 4), (12, 5), (16, 6), (16, 7)] {
        let Record { base, steps, flushed, written } = record(cluster_bits, seed, 60);
        for end in 0..=steps.len() {
            let file = after_power_failure(&base, &steps[..end], &mut cuts);
            let when = format!("power failed after step {end} of {}", steps.len());
            assert_sound(&file, &when);
            let last = steps[..end].iter().rev().find_map(|step| match step {
                Step::Flushed(number) => Some(*number),
                _ => None,
            });
            let last = last.unwrap_or(0);
            let now = content(&open(&file, None));
            for (at, now) in now.chunks(512).enumerate().map(|(n, sector)| (n * 512, sector)) {
                // What was written since may be there or not, but nothing else.
                let later = written[last].iter().any(|(start, data)| {
                    at.checked_sub(*start)
                        .and_then(|at| data.get(at..at + 512))
                        .is_some_and(|data| data == now)
                });
                assert!(later || now == &flushed[last][at..at + 512], "{when}: byte {at:#x} is lost");
            }
        }
    }
}

#[test]
fn a_full_disk_loses_nothing_and_goes_on_when_there_is_room() {
    let file = new_image(8 << 20, 16);
    let image = open(&file, None);
    let mut model = vec![0; 8 << 20];
    let mut refused = 0;
    file.0.lock().unwrap().room = Some(20 * 65536);
    for n in 0..64_usize {
        let (offset, data) = (n * 2 * 65536, vec![n as u8 + 1; 65536]);
        match image.write(offset as u64, &data) {
            Ok(()) => model[offset..offset + 65536].copy_from_slice(&data),
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::StorageFull);
                refused += 1;
            }
        }
    }
    assert!(refused > 20);
    // There is no room for the tables either; that is said, and nothing is broken.
    assert_eq!(image.flush().unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert_sound(&file, "full");
    assert_eq!(content(&image), model);
    file.0.lock().unwrap().room = None;
    image.flush().unwrap();
    assert_sound(&file, "room again");
    image.write(0, &[0xEE; 512]).unwrap();
    model[..512].fill(0xEE);
    drop(image);
    assert_sound(&file, "closed");
    assert_eq!(content(&open(&file, None)), model);
}

#[test]
fn an_image_whose_storage_fails_promises_nothing_any_more() {
    let file = new_image(1 << 20, 16);
    let image = open(&file, None);
    image.write(0, &[1; 512]).unwrap();
    image.flush().unwrap();
    image.write(65536, &[2; 512]).unwrap();
    file.0.lock().unwrap().fail_sync = true;
    assert!(image.flush().is_err());
    file.0.lock().unwrap().fail_sync = false;
    assert!(image.flush().is_err() && image.write(0, &[3; 512]).is_err());
    drop(image);
    assert_sound(&file, "failed");
    assert_eq!(content(&open(&file, None))[..1024], [vec![1; 512], vec![1; 0], vec![0; 512]].concat());
}

#[test]
fn freed_clusters_are_used_again_and_the_file_stops_growing() {
    let file = new_image(4 << 20, 12);
    let image = open(&file, None);
    let mut sizes = Vec::new();
    for round in 0..20_u8 {
        image.write(0, &vec![round + 1; 1 << 20]).unwrap();
        image.flush().unwrap();
        image.discard(0, 1 << 20).unwrap();
        image.flush().unwrap();
        sizes.push(file.bytes().len());
    }
    assert!(sizes[19] <= sizes[3], "{sizes:?}");
    assert_sound(&file, "in the end");
}

#[test]
fn a_refcount_table_that_is_full_grows() {
    // With clusters of 512 bytes one cluster of table counts 8 MiB.
    let file = new_image(24 << 20, 9);
    let image = open(&file, None);
    let data: Vec<u8> = (0..20 << 20).map(|n: u32| (n >> 9) as u8 | 1).collect();
    for (n, part) in data.chunks(1 << 20).enumerate() {
        image.write((n << 20) as u64, part).unwrap();
        if n % 3 == 0 {
            image.flush().unwrap();
        }
    }
    drop(image);
    assert_sound(&file, "grown");
    assert_eq!(content(&open(&file, None))[..20 << 20], data);
}

#[test]
fn an_emptied_image_shows_its_backing_image() {
    let file = new_image(1 << 20, 12);
    let backing = vec![5; 1 << 20];
    let image = open(&file, Some(backing.clone()));
    image.write(4000 / 512 * 512, &[1; 9 * 512]).unwrap();
    image.write_zeroes(500 * 512, 100 * 512, true).unwrap();
    image.flush().unwrap();
    image.write(1000 * 512, &[2; 512]).unwrap();
    image.clear_all().unwrap();
    assert_eq!(content(&image), backing);
    drop(image);
    assert_sound(&file, "emptied");
    let header = Header::read(&file, Path::new("test.qcow2")).unwrap();
    assert_eq!(check(&file, &header).unwrap().allocated, 0);
}

#[test]
fn no_header_and_no_table_makes_it_panic() {
    let file = new_image(1 << 20, 12);
    let image = open(&file, None);
    (0..40).for_each(|n| image.write(n * 7 * 512, &[n as u8; 1024]).unwrap());
    drop(image);
    let good = file.bytes();
    let mut random = Rng::new(11);
    let rounds = if std::env::var_os("GLASSBOX_FULL_TESTS").is_some() { 20_000 } else { 1500 };
    for round in 0..rounds {
        let mut bytes = good.clone();
        for _ in 0..1 + random.below(4) {
            // Mostly headers, whose fields decide.
            let end = if round % 3 == 0 { bytes.len() as u64 } else { 112 };
            let at = random.below(end) as usize;
            let value = random.value().to_be_bytes();
            let count = (1 + random.below(8) as usize).min(bytes.len() - at);
            bytes[at..at + count].copy_from_slice(&value[8 - count..]);
        }
        let file = TestFile::with(bytes);
        let path = Path::new("test.qcow2");
        let Ok(header) = Header::read(&file, path) else { continue };
        let _ = check(&file, &header);
        let Ok(image) = Qcow2::open(file.clone(), path, header, None, true) else { continue };
        let len = image.len();
        if len < 512 {
            continue;
        }
        for _ in 0..8 {
            let offset = random.below(len / 512) * 512;
            let mut buffer = vec![1; (8192).min(len - offset) as usize];
            let _ = image.read(offset, &mut buffer);
            // A file in memory cannot have its end anywhere.
            if file.len().unwrap() < 1 << 24 {
                file.0.lock().unwrap().room = Some(1 << 24);
                let _ = image.write(offset, &buffer);
                let _ = image.discard(offset, buffer.len() as u64);
                let _ = image.flush();
            }
        }
    }
}
