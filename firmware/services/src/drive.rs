//! The drives behind INT 13h: a back end, and the geometry that is told for it.

use glassbox_device_api::{BlockBackend, BlockCompletion, BlockError, BlockRequest, Medium};

/// What kind of drive it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriveKind {
    /// Numbers 00h and up.
    Floppy,
    /// Numbers 80h and up.
    Disk,
    /// Numbers E0h and up.
    CdRom,
}

/// Where a drive is connected, as EDD tells it (BIOS Enhanced Disk Drive
/// Services 3.0, device path).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriveBus {
    /// ATA or ATAPI, on the function with this bus/device/function number.
    Ata {
        /// Bus in bits 8 to 15, device in 3 to 7, function in 0 to 2.
        pci: u16,
        /// 0 or 1.
        channel: u8,
        /// The drive on the channel: 0 is the master.
        device: u8,
    },
    /// Anything else with a PCI function of its own.
    Pci {
        /// As for ATA.
        pci: u16,
        /// Number of the drive there.
        unit: u64,
    },
}

/// Cylinders, heads and sectors that software is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Cylinders, at most 1024.
    pub cylinders: u16,
    /// Heads, at most 255.
    pub heads: u16,
    /// Sectors a track, at most 63, counted from 1.
    pub sectors: u8,
}

/// Bytes of a sector on anything but CD-ROMs.
pub const SECTOR: u64 = 512;

/// Floppy formats by their size in sectors.
const FLOPPIES: [(u64, Geometry); 12] = [
    (320, Geometry { cylinders: 40, heads: 1, sectors: 8 }),
    (360, Geometry { cylinders: 40, heads: 1, sectors: 9 }),
    (640, Geometry { cylinders: 40, heads: 2, sectors: 8 }),
    (720, Geometry { cylinders: 40, heads: 2, sectors: 9 }),
    (1440, Geometry { cylinders: 80, heads: 2, sectors: 9 }),
    (1640, Geometry { cylinders: 82, heads: 2, sectors: 10 }),
    (2400, Geometry { cylinders: 80, heads: 2, sectors: 15 }),
    (2880, Geometry { cylinders: 80, heads: 2, sectors: 18 }),
    (3360, Geometry { cylinders: 80, heads: 2, sectors: 21 }),
    (3444, Geometry { cylinders: 82, heads: 2, sectors: 21 }),
    (3840, Geometry { cylinders: 80, heads: 2, sectors: 24 }),
    (5760, Geometry { cylinders: 80, heads: 2, sectors: 36 }),
];

impl Geometry {
    /// A 1.44 MB floppy.
    pub const FLOPPY_1440: Self = Self { cylinders: 80, heads: 2, sectors: 18 };

    /// The format of a floppy with so many bytes; of a size that is none, the
    /// smallest that holds it, with cylinders added for a larger one.
    pub fn of_floppy(bytes: u64) -> Self {
        let sectors = bytes / SECTOR;
        let format = FLOPPIES.iter().find(|(size, _)| *size >= sectors);
        match format {
            Some((_, geometry)) => *geometry,
            None => {
                let track = 2 * 36;
                let cylinders = sectors.div_ceil(track).min(255) as u16;
                Self { cylinders, heads: 2, sectors: 36 }
            }
        }
    }

    /// LBA-assisted translation: 63 sectors, and the fewest heads with which
    /// 1024 cylinders hold the disk.
    pub fn lba_assisted(sectors: u64) -> Self {
        let heads = [16u16, 32, 64, 128].into_iter().find(|&h| sectors <= 1024 * 63 * u64::from(h));
        let heads = heads.unwrap_or(255);
        Self::with_tracks(sectors, heads, 63)
    }

    /// So many heads and sectors, and as many cylinders as fit.
    fn with_tracks(total: u64, heads: u16, sectors: u8) -> Self {
        let track = u64::from(heads) * u64::from(sectors);
        Self { cylinders: (total / track.max(1)).clamp(1, 1024) as u16, heads, sectors }
    }

    /// The geometry that a disk was partitioned or formatted with, as its first
    /// sector has it; software that reads by it must find the same.
    pub fn of_disk(first: &[u8; 512], total: u64) -> Self {
        Self::of_partitions(first, total)
            .or_else(|| Self::of_file_system(first, total))
            .unwrap_or_else(|| Self::lba_assisted(total))
    }

    /// From the ends of the partitions, where one agrees with its own start.
    fn of_partitions(first: &[u8; 512], total: u64) -> Option<Self> {
        if first[510..] != [0x55, 0xAA] {
            return None;
        }
        first[446..510].chunks_exact(16).find_map(|entry| {
            let dword =
                |at: usize| u32::from_le_bytes([entry[at], entry[at + 1], entry[at + 2], entry[at + 3]]);
            let (start, len) = (u64::from(dword(8)), u64::from(dword(12)));
            let (heads, sectors) = (u16::from(entry[5]) + 1, entry[6] & 63);
            let valid = matches!(entry[0], 0 | 0x80) && entry[4] != 0 && len != 0 && start != 0;
            if !valid || sectors == 0 || heads > 255 || start.saturating_add(len) > total {
                return None;
            }
            let cylinder = |at: usize| u64::from(entry[at + 2]) | u64::from(entry[at + 1] & 0xC0) << 2;
            let by_chs = (cylinder(1) * u64::from(heads) + u64::from(entry[1])) * u64::from(sectors)
                + u64::from(entry[2] & 63);
            (by_chs == start + 1).then(|| Self::with_tracks(total, heads, sectors))
        })
    }

    /// From the parameter block of a FAT file system without partitions.
    fn of_file_system(first: &[u8; 512], total: u64) -> Option<Self> {
        let word = |at: usize| u16::from_le_bytes([first[at], first[at + 1]]);
        let (sectors, heads) = (word(0x18), word(0x1A));
        let is_fat = matches!(first[0], 0xEB | 0xE9)
            && word(0x0B) == 512
            && first[0x0D].is_power_of_two()
            && matches!(first[0x10], 1 | 2)
            && first[0x15] == 0xF8;
        (is_fat && (1..=63).contains(&sectors) && (1..=255).contains(&heads))
            .then(|| Self::with_tracks(total, heads, sectors as u8))
    }

    /// The sector at cylinder, head and sector (from 1); `None` where there is none.
    pub fn lba(&self, cylinder: u16, head: u8, sector: u8) -> Option<u64> {
        if u16::from(head) >= self.heads || sector == 0 || sector > self.sectors {
            return None;
        }
        let track = u64::from(cylinder) * u64::from(self.heads) + u64::from(head);
        Some(track * u64::from(self.sectors) + u64::from(sector) - 1)
    }
}

/// What a caller asked for: a call that finds the same again goes on with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Transfer {
    /// It is a write.
    pub write: bool,
    /// First sector and count.
    pub sectors: (u64, u64),
    /// Where the caller's stack is.
    pub stack: u32,
}

/// A drive.
pub struct Drive {
    /// What kind.
    pub kind: DriveKind,
    /// Its connection to the host.
    backend: Box<dyn BlockBackend>,
    /// What the user calls it.
    pub name: String,
    /// Where it is connected.
    pub bus: Option<DriveBus>,
    /// The medium that software was told of.
    seen: Option<u64>,
    /// The geometry of the medium with this generation.
    geometry: Option<(u64, Geometry)>,
    /// Place in the order in which drives are tried, from 0; those with one come
    /// before those without.
    pub boot_index: Option<u32>,
    /// A request that the host is working on.
    pending: Option<BlockRequest>,
    /// Numbers of requests.
    tag: u64,
    /// How far a transfer came that waits for the host.
    progress: Option<(Transfer, u64)>,
    /// The guest has locked the medium in: so many times.
    pub locks: u8,
}

impl Drive {
    /// A drive with a back end of its own.
    pub fn new(kind: DriveKind, name: impl Into<String>, backend: Box<dyn BlockBackend>) -> Self {
        let seen = backend.medium().map(|m| m.generation);
        Self {
            kind,
            backend,
            name: name.into(),
            bus: None,
            boot_index: None,
            seen,
            geometry: None,
            pending: None,
            tag: 0,
            progress: None,
            locks: 0,
        }
    }

    /// Says where it is connected.
    #[must_use]
    pub fn on(mut self, bus: DriveBus) -> Self {
        self.bus = Some(bus);
        self
    }

    /// Says when it is tried.
    #[must_use]
    pub fn with_boot_index(mut self, index: Option<u32>) -> Self {
        self.boot_index = index;
        self
    }

    /// What is in it.
    pub fn medium(&self) -> Option<Medium> {
        self.backend.medium()
    }

    /// Bytes of a sector as INT 13h counts them.
    pub fn sector_size(&self) -> u64 {
        if self.kind == DriveKind::CdRom { 2048 } else { SECTOR }
    }

    /// Sectors of the medium, 0 without one.
    pub fn sectors(&self) -> u64 {
        self.medium().map_or(0, |m| m.bytes / self.sector_size())
    }

    /// Whether another medium was put in since this was asked last.
    pub fn changed(&mut self) -> bool {
        let now = self.medium().map(|m| m.generation);
        std::mem::replace(&mut self.seen, now) != now
    }

    /// Whether another medium was put in; the answer stays the same.
    pub fn is_changed(&self) -> bool {
        self.medium().map(|m| m.generation) != self.seen
    }

    /// The geometry of the medium; that of a 1.44 MB floppy or an empty disk
    /// where there is none.
    pub fn geometry(&mut self) -> Geometry {
        let Some(medium) = self.medium() else {
            return match self.kind {
                DriveKind::Floppy => Geometry::FLOPPY_1440,
                _ => Geometry::lba_assisted(0),
            };
        };
        if let Some((generation, geometry)) = self.geometry
            && generation == medium.generation
        {
            return geometry;
        }
        let geometry = match self.kind {
            DriveKind::Floppy => Geometry::of_floppy(medium.bytes),
            _ => {
                let mut first = [0; 512];
                if let Ok(bytes) = self.read(0, SECTOR as usize) {
                    first.copy_from_slice(&bytes);
                }
                Geometry::of_disk(&first, medium.bytes / SECTOR)
            }
        };
        self.geometry = Some((medium.generation, geometry));
        geometry
    }

    /// POST: the medium is known, nobody has locked it, and its geometry is looked at anew.
    pub(crate) fn restart(&mut self) {
        self.settle();
        self.progress = None;
        self.changed();
        self.geometry = None;
        if std::mem::take(&mut self.locks) > 0 {
            self.backend.lock_medium(false);
        }
    }

    /// Reads `len` bytes at a byte offset, both multiples of 512.
    ///
    /// # Errors
    /// [`BlockError`].
    pub fn read(&mut self, offset: u64, len: usize) -> Result<Vec<u8>, BlockError> {
        let done = self.run(BlockRequest::read(0, offset, len))?;
        done.result.map(|()| done.request.buffer)
    }

    /// Writes at a byte offset that is a multiple of 512.
    ///
    /// # Errors
    /// [`BlockError`].
    pub fn write(&mut self, offset: u64, bytes: Vec<u8>) -> Result<(), BlockError> {
        self.run(BlockRequest::write(0, offset, bytes))?.result
    }

    /// Makes what was written stable.
    ///
    /// # Errors
    /// [`BlockError`].
    pub fn flush(&mut self) -> Result<(), BlockError> {
        self.run(BlockRequest::flush(0))?.result
    }

    /// Whether a range could be transferred.
    ///
    /// # Errors
    /// [`BlockError`] that a read of it would meet at once.
    pub fn check(&self, offset: u64, len: u64) -> Result<(), BlockError> {
        let medium = self.medium().ok_or(BlockError::NoMedium)?;
        match offset.checked_add(len) {
            Some(end) if end <= medium.bytes => Ok(()),
            _ => Err(BlockError::OutOfRange),
        }
    }

    /// Takes the medium out; true when that was done.
    pub fn eject(&mut self) -> bool {
        self.backend.eject()
    }

    /// Forbids or allows that the user takes the medium out.
    pub fn lock_medium(&mut self, locked: bool) {
        self.backend.lock_medium(locked);
    }

    /// Waits for what is under way, and drops its answer.
    fn settle(&mut self) {
        if self.pending.take().is_some() {
            self.backend.drain();
            while self.backend.poll().is_some() {}
        }
    }

    fn run(&mut self, request: BlockRequest) -> Result<BlockCompletion, BlockError> {
        self.settle();
        self.backend.submit(request);
        self.backend.drain();
        self.backend.poll().ok_or_else(|| BlockError::Host("the drive gave no answer".into()))
    }

    /// Begins a request, or asks for the answer of the same one begun before.
    /// `None`: the host is still working on it.
    fn begin(&mut self, request: BlockRequest) -> Option<BlockCompletion> {
        let same = |old: &BlockRequest| {
            (old.op, old.offset, old.buffer.len()) == (request.op, request.offset, request.buffer.len())
        };
        if !self.pending.as_ref().is_some_and(same) {
            self.settle();
            self.tag = self.tag.wrapping_add(1);
            // The data is the back end's; its length is enough to know it again.
            let known = BlockRequest { buffer: vec![0; request.buffer.len()], ..request.clone() };
            self.backend.submit(BlockRequest { tag: self.tag, ..request });
            self.pending = Some(known);
        }
        let answer = self.backend.poll()?;
        self.pending = None;
        Some(answer)
    }

    /// As [`read`](Self::read), without waiting: `None` until the host has answered.
    pub(crate) fn begin_read(&mut self, offset: u64, len: usize) -> Option<Result<Vec<u8>, BlockError>> {
        let done = self.begin(BlockRequest::read(0, offset, len))?;
        Some(done.result.map(|()| done.request.buffer))
    }

    /// As [`write`](Self::write), without waiting: `None` until the host has answered.
    pub(crate) fn begin_write(&mut self, offset: u64, bytes: Vec<u8>) -> Option<Result<(), BlockError>> {
        self.begin(BlockRequest::write(0, offset, bytes)).map(|done| done.result)
    }

    /// How many sectors of this transfer are done already.
    pub(crate) fn resume(&mut self, transfer: Transfer) -> u64 {
        match self.progress.take() {
            Some((old, done)) if old == transfer => done,
            _ => 0,
        }
    }

    /// So many are, and the call will be made again.
    pub(crate) fn suspend(&mut self, transfer: Transfer, done: u64) {
        self.progress = Some((transfer, done));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use glassbox_testkit::MemoryDisk;

    fn entry(start: (u8, u8, u8), end: (u8, u8, u8), lba: u32, len: u32) -> [u8; 512] {
        let mut first = [0; 512];
        first[510..].copy_from_slice(&[0x55, 0xAA]);
        first[446..454].copy_from_slice(&[0x80, start.0, start.1, start.2, 6, end.0, end.1, end.2]);
        first[454..458].copy_from_slice(&lba.to_le_bytes());
        first[458..462].copy_from_slice(&len.to_le_bytes());
        first
    }

    #[test]
    fn a_disk_keeps_the_geometry_that_it_was_partitioned_with() {
        // 4 heads, 17 sectors: the partition begins at 0/1/1, which is sector 17.
        let first = entry((1, 1, 0), (3, 17, 99), 17, 6783);
        assert_eq!(Geometry::of_disk(&first, 6800), Geometry { cylinders: 100, heads: 4, sectors: 17 });
        // Starts where no such geometry has it: not believed.
        let first = entry((32, 33, 0), (3, 17, 99), 2048, 4000);
        assert_eq!(Geometry::of_disk(&first, 6800).sectors, 63);
    }

    #[test]
    fn translation_takes_the_fewest_heads_that_reach_the_end() {
        let heads = |mib: u64| Geometry::lba_assisted(mib * 2048).heads;
        assert_eq!([heads(10), heads(504), heads(505), heads(2016), heads(8064)], [16, 16, 32, 64, 255]);
        assert_eq!(Geometry::lba_assisted(u64::MAX / 512).cylinders, 1024);
        assert_eq!(Geometry::lba_assisted(0).cylinders, 1);
    }

    #[test]
    fn a_sector_is_found_by_cylinder_head_and_sector() {
        let g = Geometry::FLOPPY_1440;
        assert_eq!(g.lba(0, 0, 1), Some(0));
        assert_eq!(g.lba(79, 1, 18), Some(2879));
        assert_eq!((g.lba(0, 2, 1), g.lba(0, 0, 0), g.lba(0, 0, 19)), (None, None, None));
    }

    #[test]
    fn floppy_formats_go_by_size() {
        assert_eq!(Geometry::of_floppy(1_474_560), Geometry::FLOPPY_1440);
        assert_eq!(Geometry::of_floppy(163_840).heads, 1);
        assert_eq!(Geometry::of_floppy(737_280).sectors, 9);
        assert_eq!(Geometry::of_floppy(1000), Geometry { cylinders: 40, heads: 1, sectors: 8 });
        assert_eq!(Geometry::of_floppy(u64::MAX).cylinders, 255);
    }

    #[test]
    fn a_change_of_the_medium_is_told_once() {
        let disk = MemoryDisk::new(vec![0; 1_474_560]);
        let mut drive = Drive::new(DriveKind::Floppy, "a", Box::new(disk.clone()));
        assert!(!drive.changed());
        disk.insert(vec![0; 737_280], false);
        assert!(drive.is_changed() && drive.changed() && !drive.changed());
        assert_eq!(drive.geometry().sectors, 9);
    }
}
