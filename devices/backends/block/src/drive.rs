//! A drive of the machine: what is in it, and the threads that work for it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use glassbox_device_api::{
    BlockBackend, BlockCompletion, BlockError, BlockOp, BlockRequest, DriveSource, Medium,
};

use crate::client::Client;
use crate::error::to_block_error;
use crate::image::Image;
use crate::open::{OpenOptions, open};
use crate::overlay::Overlay;
use crate::{Format, ImageError};

/// Requests of one drive that the host works on at the same time.
const WORKERS: usize = 4;
/// How often a drive looks whether there is work that was put off.
const TIDY_EVERY: Duration = Duration::from_secs(2);

/// What kind of drive it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DriveKind {
    /// A disk that stays: sectors of 512 bytes.
    #[default]
    Disk,
    /// A CD-ROM drive: removable, never written, sectors of 2048 bytes.
    Cdrom,
    /// A floppy drive: removable.
    Floppy,
}

impl DriveKind {
    fn is_removable(self) -> bool {
        self != Self::Disk
    }

    fn sector(self) -> u64 {
        if self == Self::Cdrom { 2048 } else { 512 }
    }
}

/// When a write is on the host's stable storage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cache {
    /// When the guest flushes.
    #[default]
    Writeback,
    /// When it is answered: each write is flushed.
    Writethrough,
    /// Whenever the host likes. Data is lost when the host fails.
    Unsafe,
}

/// What to put into a drive.
#[derive(Clone, Debug)]
pub struct DriveOptions {
    /// The image or block device.
    pub path: PathBuf,
    /// Its format; found by content when this is not said.
    pub format: Option<Format>,
    /// What kind of drive it goes into.
    pub kind: DriveKind,
    /// The guest may not write. Always so for CD-ROMs.
    pub read_only: bool,
    /// The guest writes to a private copy that vanishes with the process.
    pub ephemeral: bool,
    /// When a write is stable.
    pub cache: Cache,
    /// Room that the guest discards goes back to the host.
    pub discard: bool,
}

impl DriveOptions {
    /// A fixed disk that the guest may write.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            format: None,
            kind: DriveKind::Disk,
            read_only: false,
            ephemeral: false,
            cache: Cache::Writeback,
            discard: true,
        }
    }
}

/// Where requests are carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Execution {
    /// On threads of the drive.
    Worker,
    /// Inside [`BlockBackend::submit`], for repeatable runs.
    Synchronous,
}

/// A medium in its drive.
pub(crate) struct Loaded {
    image: Box<dyn Image>,
    medium: Medium,
    path: PathBuf,
    cache: Cache,
    discard: bool,
    told_full: AtomicBool,
    told_broken: AtomicBool,
}

impl Loaded {
    fn open(options: &DriveOptions, generation: u64) -> Result<Self, ImageError> {
        let path = &options.path;
        let read_only = options.read_only || options.kind == DriveKind::Cdrom;
        let mut image = open(&OpenOptions {
            format: options.format,
            writable: !read_only && !options.ephemeral,
            sector: options.kind.sector(),
            ..OpenOptions::new(path)
        })?;
        if options.ephemeral && !read_only {
            image = Box::new(Overlay::new(image).map_err(|error| {
                ImageError::unsupported(path, format!("no room for a private overlay: {error}"))
            })?);
        }
        let bytes = image.len();
        if bytes % options.kind.sector() != 0 {
            return Err(ImageError::unsupported(
                path,
                format!("{bytes} bytes are no whole number of {}-byte sectors", options.kind.sector()),
            ));
        }
        if bytes == 0 {
            return Err(ImageError::unsupported(path, "it is empty, and a drive's medium has a size"));
        }
        Ok(Self {
            medium: Medium { bytes, read_only, generation },
            image,
            path: path.clone(),
            cache: options.cache,
            discard: options.discard,
            told_full: AtomicBool::new(false),
            told_broken: AtomicBool::new(false),
        })
    }

    fn flush(&self) -> std::io::Result<()> {
        if self.cache == Cache::Unsafe { Ok(()) } else { self.image.flush() }
    }

    /// Tells the user, once, and gives what the guest is told.
    fn report(&self, error: &std::io::Error) -> BlockError {
        let answer = to_block_error(error);
        let told = if answer == BlockError::NoSpace { &self.told_full } else { &self.told_broken };
        if !told.swap(true, Ordering::Relaxed) {
            let path = self.path.display();
            match &answer {
                BlockError::NoSpace => log::error!(
                    "{path}: the host's disk is full ({error}): the guest's writes fail until there is room again"
                ),
                _ => log::error!("{path}: {error}: the guest sees an I/O error"),
            }
        }
        answer
    }

    /// Carries out a request and waits for it.
    fn execute(&self, request: &mut BlockRequest) -> Result<(), BlockError> {
        request.check(Some(self.medium))?;
        let offset = request.offset;
        let done = match request.op {
            BlockOp::Read => self.image.read(offset, &mut request.buffer),
            BlockOp::Write => self.image.write(offset, &request.buffer),
            BlockOp::Flush => return self.flush().map_err(|error| self.report(&error)),
            BlockOp::Discard { len } if self.discard && len != 0 => self.image.discard(offset, len),
            BlockOp::Discard { .. } => Ok(()),
            BlockOp::WriteZeroes { len: 0, .. } => Ok(()),
            BlockOp::WriteZeroes { len, may_unmap } => {
                self.image.write_zeroes(offset, len, may_unmap && self.discard)
            }
        };
        let stable = request.op != BlockOp::Read && (request.fua || self.cache == Cache::Writethrough);
        done.and_then(|()| if stable { self.flush() } else { Ok(()) }).map_err(|error| self.report(&error))
    }
}

/// Carries out one request on what was in the drive when it came.
pub(crate) fn execute(loaded: Option<&Loaded>, mut request: BlockRequest) -> BlockCompletion {
    let result = match loaded {
        Some(loaded) => loaded.execute(&mut request),
        None => Err(BlockError::NoMedium),
    };
    BlockCompletion { request, result }
}

/// One request on its way to a worker.
pub(crate) struct Job {
    pub loaded: Option<Arc<Loaded>>,
    pub request: BlockRequest,
    pub reply: Sender<BlockCompletion>,
}

/// What is in the drive, and who holds it there.
#[derive(Default)]
struct Slot {
    loaded: Option<Arc<Loaded>>,
    locked: bool,
    generations: u64,
}

type SharedSlot = Arc<Mutex<Slot>>;

fn lock(slot: &SharedSlot) -> MutexGuard<'_, Slot> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) struct Shared {
    slot: SharedSlot,
    kind: DriveKind,
    queue: Option<Sender<Job>>,
    workers: Vec<JoinHandle<()>>,
}

impl Shared {
    pub fn loaded(&self) -> Option<Arc<Loaded>> {
        lock(&self.slot).loaded.clone()
    }

    pub fn medium(&self) -> Option<Medium> {
        lock(&self.slot).loaded.as_ref().map(|loaded| loaded.medium)
    }

    pub fn queue(&self) -> Option<&Sender<Job>> {
        self.queue.as_ref()
    }

    pub fn set_locked(&self, locked: bool) {
        lock(&self.slot).locked = locked;
    }

    /// Takes the medium out. False where the drive has no door.
    pub fn open_door(&self) -> bool {
        if !self.kind.is_removable() {
            return false;
        }
        let mut slot = lock(&self.slot);
        slot.locked = false;
        let gone = slot.loaded.take();
        drop(slot);
        // Closing the image may wait for the host.
        drop(gone);
        true
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.queue = None;
        for worker in self.workers.drain(..) {
            if worker.join().is_err() {
                log::error!("a drive's thread ended early: requests may be lost");
            }
        }
    }
}

fn work(jobs: &Receiver<Job>, slot: Option<&SharedSlot>, waker: &(dyn Fn() + Send + Sync)) {
    loop {
        let job = match slot {
            None => jobs.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(_) => jobs.recv_timeout(TIDY_EVERY),
        };
        match job {
            Ok(Job { loaded, request, reply }) => {
                let answer = execute(loaded.as_deref(), request);
                drop(loaded);
                // Who asked may be gone.
                if reply.send(answer).is_ok() {
                    waker();
                }
            }
            Err(RecvTimeoutError::Timeout) => {
                let loaded = slot.and_then(|slot| lock(slot).loaded.clone());
                if let Some(loaded) = loaded {
                    loaded.image.tidy();
                }
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// A drive. Clones are the same drive; the image closes with the last of them and
/// of its [clients](Self::client), after all that was asked of it is done.
#[derive(Clone)]
pub struct Drive(Arc<Shared>);

impl Drive {
    /// A drive with a medium. `waker` is called, on a thread of the drive, when
    /// there is an answer to [poll](BlockBackend::poll).
    ///
    /// # Errors
    /// Where the image cannot be used as `options` say.
    pub fn open(
        options: &DriveOptions,
        execution: Execution,
        waker: Arc<dyn Fn() + Send + Sync>,
    ) -> Result<Self, ImageError> {
        let loaded = Loaded::open(options, 1)?;
        Self::new(options.kind, Some(loaded), execution, waker)
    }

    /// A drive with nothing in it. It is there for [`insert`](Self::insert), so
    /// a fixed disk makes no sense.
    ///
    /// # Errors
    /// Where the host has no more threads.
    pub fn empty(
        kind: DriveKind,
        execution: Execution,
        waker: Arc<dyn Fn() + Send + Sync>,
    ) -> Result<Self, ImageError> {
        Self::new(kind, None, execution, waker)
    }

    fn new(
        kind: DriveKind,
        loaded: Option<Loaded>,
        execution: Execution,
        waker: Arc<dyn Fn() + Send + Sync>,
    ) -> Result<Self, ImageError> {
        let path = loaded.as_ref().map_or(PathBuf::new(), |loaded| loaded.path.clone());
        let slot = Arc::new(Mutex::new(Slot { loaded: loaded.map(Arc::new), locked: false, generations: 1 }));
        let mut shared = Shared { slot: Arc::clone(&slot), kind, queue: None, workers: Vec::new() };
        if execution == Execution::Worker {
            let (queue, jobs) = crossbeam_channel::unbounded();
            shared.queue = Some(queue);
            for number in 0..WORKERS {
                let (jobs, waker) = (jobs.clone(), Arc::clone(&waker));
                // One of them looks after what was put off.
                let slot = (number == 0).then(|| Arc::clone(&slot));
                let worker = std::thread::Builder::new()
                    .name(format!("drive-{number}"))
                    .spawn(move || work(&jobs, slot.as_ref(), &*waker))
                    .map_err(|error| ImageError::io(&path, error))?;
                shared.workers.push(worker);
            }
        }
        Ok(Self(Arc::new(shared)))
    }

    /// A back end for one user of the drive, who sees only its own answers.
    pub fn client(&self) -> Box<dyn BlockBackend> {
        Box::new(Client::new(Arc::clone(&self.0)))
    }

    /// What is in the drive.
    pub fn medium(&self) -> Option<Medium> {
        self.0.medium()
    }

    /// Whether the guest has locked the medium in.
    pub fn is_locked(&self) -> bool {
        lock(&self.0.slot).locked
    }

    /// The user puts a medium in, in place of what is there. `options.kind` does
    /// not count: the drive stays what it is.
    ///
    /// # Errors
    /// [`ImageError::Fixed`], [`ImageError::MediumLocked`], or the image's own. The
    /// old medium stays then.
    pub fn insert(&self, options: &DriveOptions) -> Result<(), ImageError> {
        self.check_door(false)?;
        let generation = {
            let mut slot = lock(&self.0.slot);
            slot.generations += 1;
            slot.generations
        };
        let options = DriveOptions { kind: self.0.kind, ..options.clone() };
        let loaded = Arc::new(Loaded::open(&options, generation)?);
        let mut slot = lock(&self.0.slot);
        if slot.locked && slot.loaded.is_some() {
            return Err(ImageError::MediumLocked);
        }
        let old = slot.loaded.replace(loaded);
        drop(slot);
        drop(old);
        Ok(())
    }

    /// The user takes the medium out; `force` also where the guest holds it.
    /// Requests under way still reach the old medium.
    ///
    /// # Errors
    /// [`ImageError::Fixed`], [`ImageError::MediumLocked`].
    pub fn eject(&self, force: bool) -> Result<(), ImageError> {
        self.check_door(force)?;
        self.0.open_door();
        Ok(())
    }

    fn check_door(&self, force: bool) -> Result<(), ImageError> {
        if !self.0.kind.is_removable() {
            return Err(ImageError::Fixed);
        }
        let slot = lock(&self.0.slot);
        if slot.locked && slot.loaded.is_some() && !force { Err(ImageError::MediumLocked) } else { Ok(()) }
    }

    /// Makes stable what was written, as at the end of a run. Waits.
    ///
    /// # Errors
    /// Of the host; the user was told.
    pub fn flush(&self) -> Result<(), BlockError> {
        match self.0.loaded() {
            Some(loaded) => loaded.flush().map_err(|error| loaded.report(&error)),
            None => Ok(()),
        }
    }

    /// The file of the medium.
    pub fn path(&self) -> Option<PathBuf> {
        self.0.loaded().map(|loaded| Path::to_owned(&loaded.path))
    }
}

impl DriveSource for Drive {
    fn client(&self) -> Box<dyn BlockBackend> {
        Drive::client(self)
    }
}

impl std::fmt::Debug for Drive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Drive").field("kind", &self.0.kind).field("medium", &self.medium()).finish()
    }
}
