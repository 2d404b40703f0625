//! The guest's physical address map: what is RAM, what is ROM, and where it
//! lies in the host mapping.

use crate::code_map::CodeMap;
use crate::dirty::DirtyMap;
use crate::map::{LEGACY_END, LEGACY_START, MappingId, MemoryMap, Shadow, WriteTarget};
use crate::ram::HostRam;
use crate::{Atomic, CodeWatcher, Gpa, MemoryError, PAGE_SIZE, Pod};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

/// RAM below this address stays there; the rest starts at 4 GiB. The gap holds
/// PCI windows, APICs and flash.
pub const LOW_RAM_LIMIT: u64 = 0xC000_0000;
const FOUR_GIB: u64 = 1 << 32;
/// Room behind RAM for ROM images and video memory: reserved, not used, until it
/// is touched.
const EXTRA: u64 = 128 << 20;

/// What a physical page is backed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackingKind {
    /// Readable and writable memory.
    Ram,
    /// Read-only to the guest; its writes go elsewhere or nowhere
    /// ([`GuestMemory::lookup_write`] knows).
    Rom,
    /// Read as memory; writes go to a device (flash).
    RomDevice,
}

/// Where a guest physical address lies in the host mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backing {
    /// RAM offset, to be used with [`GuestMemory::read`] and kin.
    pub offset: u64,
    /// What it is to a store.
    pub kind: BackingKind,
}

/// A run of host memory behind RAM, for a ROM image or video memory. It is
/// mapped into guest physical memory, or not, by [`GuestMemory::map`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RamBlock {
    offset: u64,
    len: u64,
}

impl RamBlock {
    /// RAM offset of the first byte.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Bytes, whole pages.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Never: blocks have at least a page.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

#[derive(Debug)]
struct Inner {
    ram: HostRam,
    code: CodeMap,
    dirty: DirtyMap,
    map: RwLock<MemoryMap>,
    /// Counts changes of the map.
    generation: AtomicU64,
    extra_used: Mutex<u64>,
    ram_size: u64,
    /// End of RAM below 4 GiB.
    low: u64,
    /// End of RAM above 4 GiB.
    high_end: u64,
    wide: Mutex<()>,
}

/// Guest physical memory. Cloning gives another handle to the same memory.
#[derive(Clone, Debug)]
pub struct GuestMemory {
    inner: Arc<Inner>,
}

impl GuestMemory {
    /// Maps `ram_size` bytes of zeroed RAM as a PC does: below
    /// [`LOW_RAM_LIMIT`] with the VGA hole at A0000h, and from 4 GiB up. C0000h to
    /// FFFFFh are RAM until [`set_shadow`](Self::set_shadow) says otherwise.
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
        Ok(Self {
            inner: Arc::new(Inner {
                code: CodeMap::new(total),
                dirty: DirtyMap::new(ram_size, EXTRA),
                ram,
                map: RwLock::new(MemoryMap::new()),
                generation: AtomicU64::new(0),
                extra_used: Mutex::new(0),
                ram_size,
                low,
                high_end: FOUR_GIB + (ram_size - low),
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

    // --- the map ---

    /// Takes `len` bytes, rounded up to pages, of the room behind RAM; zeroed.
    ///
    /// # Errors
    /// [`MemoryError::NoRoom`] where `len` is 0 or the room is used up.
    pub fn allocate(&self, len: u64) -> Result<RamBlock, MemoryError> {
        let refused = MemoryError::NoRoom(len);
        let Some(len) = len.checked_next_multiple_of(PAGE_SIZE).filter(|len| *len != 0) else {
            return Err(refused);
        };
        let mut used = self.inner.extra_used.lock().unwrap_or_else(PoisonError::into_inner);
        if len > EXTRA - *used {
            return Err(refused);
        }
        let offset = self.inner.ram_size + *used;
        *used += len;
        Ok(RamBlock { offset, len })
    }

    /// Maps `len` bytes of a block from byte `at` of it on at `start`, below what
    /// is mapped there already, and below RAM. The same bytes may be mapped at
    /// several places.
    ///
    /// # Errors
    /// [`MemoryError::NotRam`] where these are not whole pages of the block, or do
    /// not fit behind `start`.
    pub fn map(
        &self,
        start: Gpa,
        block: RamBlock,
        at: u64,
        len: u64,
        kind: BackingKind,
    ) -> Result<MappingId, MemoryError> {
        let in_block = at.checked_add(len).is_some_and(|end| end <= block.len) && len != 0;
        let whole = (start.0 | at | len) & (PAGE_SIZE - 1) == 0;
        match start.0.checked_add(len) {
            Some(end) if in_block && whole => {
                let id = self.write_map(|map| (map.map(start.0, end, block.offset + at, kind), true));
                Ok(id)
            }
            _ => Err(MemoryError::NotRam { start, len }),
        }
    }

    /// Takes a mapping away; one that is gone already is fine.
    pub fn unmap(&self, mapping: MappingId) {
        self.write_map(|map| ((), map.unmap(mapping)));
    }

    /// Redirects accesses to the 16 KiB segments from A0000h to FFFFFh that the
    /// range holds.
    pub fn set_shadow(&self, start: Gpa, len: u64, shadow: Shadow) {
        self.write_map(|map| ((), map.set_shadow(start.0, len, shadow)));
    }

    /// What lies outside of ordinary RAM, what is on top first: start, length, kind.
    pub fn mappings(&self) -> Vec<(u64, u64, BackingKind)> {
        self.inner.map.read().unwrap_or_else(PoisonError::into_inner).mappings()
    }

    /// Counts whenever an address may lead elsewhere than before, or writes are to
    /// be noticed again: who caches what [`lookup`](Self::lookup) says compares it.
    #[inline]
    pub fn generation(&self) -> u64 {
        self.inner.generation.load(Ordering::Acquire)
    }

    fn write_map<R>(&self, change: impl FnOnce(&mut MemoryMap) -> (R, bool)) -> R {
        let mut map = self.inner.map.write().unwrap_or_else(PoisonError::into_inner);
        let (result, changed) = change(&mut map);
        if changed {
            self.inner.generation.fetch_add(1, Ordering::Release);
        }
        result
    }

    fn read_map(&self) -> RwLockReadGuard<'_, MemoryMap> {
        self.inner.map.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Maps a read-only image at `start`, for good. It is below RAM, which
    /// [`set_shadow`](Self::set_shadow) takes away.
    ///
    /// # Errors
    /// [`MemoryError::NotRam`] where the image is not whole pages at a page
    /// address; [`MemoryError::NoRoom`].
    pub fn map_rom(&self, start: Gpa, image: &[u8]) -> Result<MappingId, MemoryError> {
        let len = image.len() as u64;
        if !len.is_multiple_of(PAGE_SIZE) || start.page_offset() != 0 {
            return Err(MemoryError::NotRam { start, len });
        }
        let block = self.allocate(len)?;
        self.inner.ram.write_slice(block.offset, image);
        self.map(start, block, 0, block.len, BackingKind::Rom)
    }

    /// The bytes from `at` to the end of the run of RAM that it is in, whose RAM
    /// offset comes first. RAM without holes: neither shadowed segments nor mappings.
    #[inline(always)]
    fn ram_run(&self, at: u64) -> Option<(u64, u64)> {
        if at < self.inner.low {
            if at >= LEGACY_END {
                Some((at, self.inner.low - at))
            } else {
                (at < LEGACY_START).then(|| (at, LEGACY_START - at))
            }
        } else if at >= FOUR_GIB && at < self.inner.high_end {
            Some((at - FOUR_GIB + self.inner.low, self.inner.high_end - at))
        } else {
            None
        }
    }

    /// The RAM offset of `gpa` if that is ordinary RAM, whose place nothing changes.
    #[inline(always)]
    pub fn ram_offset(&self, gpa: Gpa) -> Option<u64> {
        self.ram_run(gpa.0).map(|(offset, _)| offset)
    }

    /// What backs a load of the byte at `gpa`; `None` where there is neither RAM
    /// nor ROM. The answer holds for the whole page, until
    /// [`generation`](Self::generation) changes.
    #[inline]
    pub fn lookup(&self, gpa: Gpa) -> Option<Backing> {
        match self.ram_run(gpa.0) {
            Some((offset, _)) => Some(Backing { offset, kind: BackingKind::Ram }),
            None => self.read_map().lookup(gpa),
        }
    }

    /// Where a store to the byte at `gpa` goes, and its page with it.
    #[inline]
    pub fn lookup_write(&self, gpa: Gpa) -> WriteTarget {
        match self.ram_run(gpa.0) {
            Some((offset, _)) => WriteTarget::Ram(offset),
            None => self.read_map().lookup_write(gpa),
        }
    }

    // --- watched writes ---

    /// From now on notes which pages of a block are written; all of them count
    /// as written now.
    pub fn watch_writes(&self, block: RamBlock) {
        self.inner.dirty.watch(block.offset, block.len);
        self.inner.generation.fetch_add(1, Ordering::Release);
    }

    /// Calls `each` with the RAM offset of every page of a block, from byte `at` of
    /// it and for `len` bytes, that was written since the last call. To be called
    /// between runs of the processor: it learns at the next that it has to tell.
    pub fn take_dirty(&self, block: RamBlock, at: u64, len: u64, each: impl FnMut(u64)) {
        let len = len.min(block.len.saturating_sub(at));
        if self.inner.dirty.take(block.offset.saturating_add(at), len, each) {
            self.inner.generation.fetch_add(1, Ordering::Release);
        }
    }

    /// Notes a write by RAM offset that did not come by a physical address.
    #[inline]
    pub fn mark_dirty(&self, offset: u64, len: u64) {
        self.inner.dirty.mark(offset, len);
    }

    /// Whether stores to the page at this RAM offset may be made without telling
    /// anybody: it holds no cached code, and nobody waits for it to be written.
    #[inline]
    pub fn is_open(&self, offset: u64) -> bool {
        !self.has_code(offset) && (offset < self.inner.ram_size || self.inner.dirty.is_open(offset))
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

    /// The host address of a RAM offset, for compiled code.
    #[inline(always)]
    pub fn host_address(&self, offset: u64) -> u64 {
        (self.inner.ram.base() as u64).wrapping_add(offset)
    }

    /// The reverse: of any number, so that what it gives may be no offset in RAM.
    #[inline(always)]
    pub fn offset_of(&self, host_address: u64) -> u64 {
        host_address.wrapping_sub(self.inner.ram.base() as u64)
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

    /// Whether stores to the page at this RAM offset have to look out for cached code and
    /// for nothing else.
    #[inline]
    pub fn is_closed_by_code(&self, offset: u64) -> bool {
        offset < self.inner.ram_size && self.has_code(offset)
    }

    /// Where the bits that say which lines hold code would begin if the first were that
    /// of host address 0: there is one for each 64 bytes. For compiled code.
    pub fn code_lines(&self) -> usize {
        // RAM is whole pages of the host's: what is shifted out is 0.
        self.inner.code.lines().wrapping_sub(self.host_address(0) as usize >> 9)
    }

    /// Whether `len` bytes of one page of RAM may be written without telling anybody
    /// although the page [holds code](Self::is_closed_by_code): they are beside it.
    #[inline(always)]
    pub fn is_beside_code(&self, offset: u64, len: u64) -> bool {
        self.inner.code.is_beside(offset, len)
    }

    /// Counts whenever cached code was overwritten, by whomever.
    #[inline(always)]
    pub fn stale_code(&self) -> u64 {
        self.inner.code.stale()
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
        let len = to.len() as u64;
        if let Some((offset, left)) = self.ram_run(start.0)
            && left >= len
        {
            self.inner.ram.read_slice(offset, to);
            return Ok(());
        }
        let found = |at| self.lookup(at).map(|backing| backing.offset);
        self.each_page(start, len, |at, _| found(at).is_some())?;
        let mut done = 0;
        self.each_page(start, len, |at, len| {
            let Some(offset) = found(at) else { return false };
            self.inner.ram.read_slice(offset, &mut to[done..done + len]);
            done += len;
            true
        })
    }

    /// Copies `from` into guest memory, as a device's DMA does: ROM stays as it
    /// is, and cached code that is overwritten goes stale.
    ///
    /// # Errors
    /// As [`read_bytes`](Self::read_bytes); then nothing was written.
    pub fn write_bytes(&self, start: Gpa, from: &[u8]) -> Result<(), MemoryError> {
        let len = from.len() as u64;
        if let Some((offset, left)) = self.ram_run(start.0)
            && left >= len
        {
            self.inner.ram.write_slice(offset, from);
            self.code_written(offset, len);
            return Ok(());
        }
        let backed = |at| self.lookup_write(at) != WriteTarget::Bus || self.lookup(at).is_some();
        self.each_page(start, len, |at, _| backed(at))?;
        let mut done = 0;
        self.each_page(start, len, |at, len| {
            if let WriteTarget::Ram(offset) = self.lookup_write(at) {
                self.inner.ram.write_slice(offset, &from[done..done + len]);
                self.inner.dirty.mark(offset, len as u64);
                self.code_written(offset, len as u64);
            }
            done += len;
            true
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

    /// Calls `each` with the part of a physical range that is in each page, until
    /// one is refused.
    fn each_page(
        &self,
        start: Gpa,
        len: u64,
        mut each: impl FnMut(Gpa, usize) -> bool,
    ) -> Result<(), MemoryError> {
        let refused = MemoryError::NotRam { start, len };
        let Some(end) = start.0.checked_add(len) else { return Err(refused) };
        let mut at = start.0;
        while at < end {
            let stop = ((at | (PAGE_SIZE - 1)).saturating_add(1)).min(end);
            if !each(Gpa(at), (stop - at) as usize) {
                return Err(refused);
            }
            at = stop;
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
        mem.map_rom(Gpa(0xF_0000), &[0xAA; 0x1_0000]).unwrap();
        assert_eq!(mem.read_at::<1>(Gpa(0xF_0000)).unwrap(), [0], "RAM is above it");
        mem.set_shadow(Gpa(0xF_0000), 0x1_0000, Shadow::BUS);
        mem.write_bytes(Gpa(0xE_FFFF), &[1, 2]).unwrap();
        assert_eq!(mem.read_at::<2>(Gpa(0xE_FFFF)).unwrap(), [1, 0xAA]);
        mem.set_shadow(Gpa(0xF_0000), 0x1_0000, Shadow { read_ram: false, write_ram: true });
        mem.write_bytes(Gpa(0xF_0000), &[3, 4]).unwrap();
        assert_eq!(mem.read_at::<2>(Gpa(0xF_0000)).unwrap(), [0xAA; 2], "RAM was written, ROM is read");
        mem.set_shadow(Gpa(0xF_0000), 0x1_0000, Shadow::RAM);
        assert_eq!(mem.read_at::<2>(Gpa(0xF_0000)).unwrap(), [3, 4]);
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

    #[test]
    fn a_block_can_be_moved_and_every_move_counts() {
        let mem = GuestMemory::new(1 << 20).unwrap();
        let block = mem.allocate(0x1800).unwrap();
        assert_eq!(block.len(), 0x2000);
        let before = mem.generation();
        let first = mem.map(Gpa(0xE000_0000), block, 0, 0x2000, BackingKind::Ram).unwrap();
        mem.write_bytes(Gpa(0xE000_0FFF), &[1, 2]).unwrap();
        mem.unmap(first);
        assert!(mem.read_at::<1>(Gpa(0xE000_0FFF)).is_err());
        mem.map(Gpa(0xF000_0000), block, 0x1000, 0x1000, BackingKind::Ram).unwrap();
        assert_eq!(mem.read_at::<1>(Gpa(0xF000_0000)).unwrap(), [2]);
        assert_eq!(mem.generation(), before + 3);
        mem.unmap(first);
        assert_eq!(mem.generation(), before + 3, "nothing changed");
        assert!(mem.map(Gpa(0xF000_0800), block, 0, 0x1000, BackingKind::Ram).is_err());
        assert!(mem.map(Gpa(0xF000_0000), block, 0x1000, 0x2000, BackingKind::Ram).is_err());
        assert!(mem.allocate(EXTRA).is_err() && mem.allocate(0).is_err());
    }

    #[test]
    fn watched_pages_tell_once_that_they_were_written() {
        let mem = GuestMemory::new(1 << 20).unwrap();
        let block = mem.allocate(0x4000).unwrap();
        mem.map(Gpa(0xE000_0000), block, 0, 0x4000, BackingKind::Ram).unwrap();
        mem.watch_writes(block);
        let take = || {
            let mut pages = Vec::new();
            mem.take_dirty(block, 0, u64::MAX, |offset| pages.push(offset - block.offset()));
            pages
        };
        assert_eq!(take().len(), 4);
        let generation = mem.generation();
        assert_eq!((take(), mem.generation()), (vec![], generation));
        assert!(!mem.is_open(block.offset()) && mem.is_open(0));
        mem.write_bytes(Gpa(0xE000_1FFF), &[1, 2]).unwrap();
        assert_eq!(take(), [0x1000, 0x2000]);
        assert_ne!(mem.generation(), generation);
    }
}
