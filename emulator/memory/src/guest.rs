//! The guest's physical address map: what is RAM, what is ROM, and where it
//! lies in the host mapping.

use crate::code_map::CodeMap;
use crate::ram::HostRam;
use crate::{Atomic, CodeWatcher, Gpa, MemoryError, PAGE_SIZE, Pod};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// RAM below this address stays there; the rest starts at 4 GiB. The gap holds
/// PCI windows, APICs and flash.
pub const LOW_RAM_LIMIT: u64 = 0xC000_0000;
const FOUR_GIB: u64 = 1 << 32;
const VGA_HOLE: (u64, u64) = (0xA_0000, 0xC_0000);
/// Room behind RAM for ROM images and video memory.
const EXTRA: u64 = 64 << 20;

/// What a physical page is backed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackingKind {
    /// Readable and writable memory.
    Ram,
    /// Read-only to the guest; its writes are dropped.
    Rom,
}

/// Where a guest physical address lies in the host mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backing {
    /// RAM offset, to be used with [`GuestMemory::read`] and kin.
    pub offset: u64,
    /// RAM or ROM.
    pub kind: BackingKind,
}

#[derive(Clone, Copy, Debug)]
struct Region {
    start: u64,
    end: u64,
    offset: u64,
    kind: BackingKind,
}

#[derive(Debug)]
struct Inner {
    ram: HostRam,
    code: CodeMap,
    regions: RwLock<Vec<Region>>,
    extra_used: Mutex<u64>,
    ram_size: u64,
    wide: Mutex<()>,
}

/// Guest physical memory. Cloning gives another handle to the same memory.
#[derive(Clone, Debug)]
pub struct GuestMemory {
    inner: Arc<Inner>,
}

impl GuestMemory {
    /// Maps `ram_size` bytes of zeroed RAM as a PC does: below
    /// [`LOW_RAM_LIMIT`] with the VGA hole at A0000h, and from 4 GiB up.
    ///
    /// # Errors
    /// [`MemoryError::BadSize`] for less than 1 MiB, a partial page or more than
    /// 1 TiB; [`MemoryError::Map`] where the host cannot map that much.
    pub fn new(ram_size: u64) -> Result<Self, MemoryError> {
        if !(1 << 20..=1 << 40).contains(&ram_size) || !ram_size.is_multiple_of(PAGE_SIZE) {
            return Err(MemoryError::BadSize(ram_size));
        }
        let total = ram_size + EXTRA;
        let ram = HostRam::new(total).map_err(|source| MemoryError::Map { size: ram_size, source })?;
        let low = ram_size.min(LOW_RAM_LIMIT);
        let mut regions = vec![
            Region { start: 0, end: VGA_HOLE.0, offset: 0, kind: BackingKind::Ram },
            Region { start: VGA_HOLE.1, end: low, offset: VGA_HOLE.1, kind: BackingKind::Ram },
        ];
        if ram_size > low {
            let end = FOUR_GIB + (ram_size - low);
            regions.push(Region { start: FOUR_GIB, end, offset: low, kind: BackingKind::Ram });
        }
        Ok(Self {
            inner: Arc::new(Inner {
                code: CodeMap::new(total),
                ram,
                regions: RwLock::new(regions),
                extra_used: Mutex::new(0),
                ram_size,
                wide: Mutex::new(()),
            }),
        })
    }

    /// Bytes of RAM that the guest was given.
    pub fn ram_size(&self) -> u64 {
        self.inner.ram_size
    }

    /// Bytes of RAM below 4 GiB.
    pub fn low_ram_size(&self) -> u64 {
        self.inner.ram_size.min(LOW_RAM_LIMIT)
    }

    /// Bytes of RAM from 4 GiB up.
    pub fn high_ram_size(&self) -> u64 {
        self.inner.ram_size - self.low_ram_size()
    }

    /// Maps a read-only image at `start`, above whatever was there.
    ///
    /// # Errors
    /// [`MemoryError::NotRam`] where the image is not whole pages at a page
    /// address, or the room for images is used up.
    pub fn map_rom(&self, start: Gpa, image: &[u8]) -> Result<(), MemoryError> {
        let len = image.len() as u64;
        let refused = MemoryError::NotRam { start, len };
        let mut used = self.inner.extra_used.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = len != 0 && len.is_multiple_of(PAGE_SIZE) && *used + len <= EXTRA;
        if !fits || start.page_offset() != 0 || start.0.checked_add(len).is_none() {
            return Err(refused);
        }
        let offset = self.inner.ram_size + *used;
        *used += len;
        self.inner.ram.write_slice(offset, image);
        let region = Region { start: start.0, end: start.0 + len, offset, kind: BackingKind::Rom };
        self.inner.regions.write().unwrap_or_else(PoisonError::into_inner).insert(0, region);
        Ok(())
    }

    /// What backs the byte at `gpa`; `None` where there is neither RAM nor ROM.
    /// The answer holds for the whole page.
    pub fn lookup(&self, gpa: Gpa) -> Option<Backing> {
        let regions = self.inner.regions.read().unwrap_or_else(PoisonError::into_inner);
        let r = regions.iter().find(|r| (r.start..r.end).contains(&gpa.0))?;
        Some(Backing { offset: gpa.0 - r.start + r.offset, kind: r.kind })
    }

    // --- by RAM offset: the processor's side, after translation ---

    /// Reads at a RAM offset that [`lookup`](Self::lookup) gave.
    ///
    /// # Panics
    /// Where the offset lies outside the mapping, which `lookup` never returns.
    #[inline(always)]
    pub fn read<T: Pod>(&self, offset: u64) -> T {
        self.inner.ram.read(offset)
    }

    /// Writes at a RAM offset. The caller has asked [`has_code`](Self::has_code)
    /// or tells [`code_written`](Self::code_written).
    ///
    /// # Panics
    /// As [`read`](Self::read).
    #[inline(always)]
    pub fn write<T: Pod>(&self, offset: u64, value: T) {
        self.inner.ram.write(offset, value);
    }

    /// Atomic compare-exchange at a RAM offset: `Ok(old)` when `new` was stored,
    /// `Err(seen)` when not. Unaligned operands are exchanged without atomicity
    /// towards other threads' plain writes.
    ///
    /// # Panics
    /// As [`read`](Self::read).
    #[inline(always)]
    pub fn compare_exchange<T: Atomic>(&self, offset: u64, old: T, new: T) -> Result<T, T> {
        match self.inner.ram.compare_exchange(offset, old, new) {
            Some(result) => result,
            None => self.compare_exchange_locked(offset, old, new),
        }
    }

    /// Compare-exchange of any width under a lock shared by all processors: for
    /// CMPXCHG16B and split operands.
    pub fn compare_exchange_locked<T: Pod + PartialEq>(&self, offset: u64, old: T, new: T) -> Result<T, T> {
        let _guard = self.inner.wide.lock().unwrap_or_else(PoisonError::into_inner);
        let seen: T = self.read(offset);
        if seen == old {
            self.write(offset, new);
            Ok(seen)
        } else {
            Err(seen)
        }
    }

    /// Bulk read at a RAM offset.
    pub fn read_slice_at(&self, offset: u64, to: &mut [u8]) {
        self.inner.ram.read_slice(offset, to);
    }

    /// Bulk write at a RAM offset.
    pub fn write_slice_at(&self, offset: u64, from: &[u8]) {
        self.inner.ram.write_slice(offset, from);
    }

    /// Bulk fill at a RAM offset.
    pub fn fill_at(&self, offset: u64, len: usize, byte: u8) {
        self.inner.ram.fill(offset, len, byte);
    }

    /// Bulk copy between RAM offsets, as `memmove`.
    pub fn copy_at(&self, from: u64, to: u64, len: usize) {
        self.inner.ram.copy(from, to, len);
    }

    /// The host address of RAM offset 0, for compiled code.
    pub fn host_base(&self) -> *mut u8 {
        self.inner.ram.base()
    }

    /// Bytes in the host mapping.
    pub fn host_len(&self) -> u64 {
        self.inner.ram.len()
    }

    // --- cached code ---

    /// Registers an engine that caches code.
    pub fn watch_code(&self) -> Arc<CodeWatcher> {
        self.inner.code.watch()
    }

    /// Notes that an engine has cached code from this range of RAM offsets.
    /// True where a page of it held none before: write permissions that TLBs
    /// hold for it must go.
    pub fn mark_code(&self, offset: u64, len: u64) -> bool {
        self.inner.code.mark(offset, len)
    }

    /// Whether the page at this RAM offset holds cached code.
    #[inline(always)]
    pub fn has_code(&self, offset: u64) -> bool {
        self.inner.code.has_code(offset)
    }

    /// Tells engines that a range was written. True where cached code was hit.
    pub fn code_written(&self, offset: u64, len: u64) -> bool {
        self.inner.code.written(offset, len)
    }

    // --- by physical address: devices, firmware, loaders ---

    /// Copies guest memory into `to`.
    ///
    /// # Errors
    /// [`MemoryError::NotRam`] where part of the range has no memory behind it.
    pub fn read_bytes(&self, start: Gpa, to: &mut [u8]) -> Result<(), MemoryError> {
        self.for_runs(start, to.len(), |offset, from, len, _| {
            self.inner.ram.read_slice(offset, &mut to[from..from + len]);
        })
    }

    /// Copies `from` into guest memory, as a device's DMA does: ROM stays as it
    /// is, and cached code that is overwritten goes stale.
    ///
    /// # Errors
    /// As [`read_bytes`](Self::read_bytes); then nothing was written.
    pub fn write_bytes(&self, start: Gpa, from: &[u8]) -> Result<(), MemoryError> {
        self.for_runs(start, from.len(), |offset, at, len, kind| {
            if kind == BackingKind::Ram {
                self.inner.ram.write_slice(offset, &from[at..at + len]);
                self.code_written(offset, len as u64);
            }
        })
    }

    /// Reads one value at a physical address.
    ///
    /// # Errors
    /// As [`read_bytes`](Self::read_bytes).
    pub fn read_at<const N: usize>(&self, at: Gpa) -> Result<[u8; N], MemoryError> {
        let mut bytes = [0; N];
        self.read_bytes(at, &mut bytes)?;
        Ok(bytes)
    }

    /// Splits a physical range into runs that are contiguous in the host
    /// mapping, having checked first that all of it is backed.
    fn for_runs(
        &self,
        start: Gpa,
        len: usize,
        mut each: impl FnMut(u64, usize, usize, BackingKind),
    ) -> Result<(), MemoryError> {
        let refused = MemoryError::NotRam { start, len: len as u64 };
        let Some(end) = start.0.checked_add(len as u64) else { return Err(refused) };
        let mut runs = Vec::new();
        let mut at = start.0;
        while at < end {
            let Some(backing) = self.lookup(Gpa(at)) else { return Err(refused) };
            let stop = end.min((at & !(PAGE_SIZE - 1)) + PAGE_SIZE);
            runs.push((backing, (at - start.0) as usize, (stop - at) as usize));
            at = stop;
        }
        for (backing, from, len) in runs {
            each(backing.offset, from, len, backing.kind);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ram_above_the_gap_starts_at_four_gib() {
        let mem = GuestMemory::new(LOW_RAM_LIMIT + 0x1000).unwrap();
        assert_eq!(mem.lookup(Gpa(LOW_RAM_LIMIT)), None);
        assert_eq!(mem.lookup(Gpa(FOUR_GIB + 8)).unwrap().offset, LOW_RAM_LIMIT + 8);
        assert_eq!(mem.lookup(Gpa(FOUR_GIB + 0x1000)), None);
        assert_eq!(mem.lookup(Gpa(0xA_0000)), None);
        assert_eq!(mem.lookup(Gpa(0xC_0000)).unwrap().offset, 0xC_0000);
    }

    #[test]
    fn rom_reads_and_ignores_writes() {
        let mem = GuestMemory::new(1 << 20).unwrap();
        mem.map_rom(Gpa(0xF_F000), &[0xAA; 4096]).unwrap();
        mem.write_bytes(Gpa(0xF_EFFF), &[1, 2]).unwrap();
        assert_eq!(mem.read_at::<2>(Gpa(0xF_EFFF)).unwrap(), [1, 0xAA]);
        assert!(mem.map_rom(Gpa(0), &[0; 10]).is_err());
    }

    #[test]
    fn ranges_that_leave_ram_are_refused_whole() {
        let mem = GuestMemory::new(1 << 20).unwrap();
        assert!(mem.write_bytes(Gpa((1 << 20) - 2), &[1; 4]).is_err());
        assert_eq!(mem.read_at::<2>(Gpa((1 << 20) - 2)).unwrap(), [0, 0]);
        assert!(mem.read_at::<4>(Gpa(u64::MAX - 1)).is_err());
        assert!(GuestMemory::new(4096).is_err() && GuestMemory::new((1 << 20) + 1).is_err());
    }
}
