//! The header of a qcow2 image (QEMU, `docs/interop/qcow2.txt`).

use std::ops::Range;
use std::path::Path;

use crate::ImageError;
use crate::storage::Storage;

/// `QFI\xfb`.
pub const MAGIC: u32 = 0x5146_49FB;
/// Incompatible features: refcounts may be wrong.
pub const INCOMPATIBLE_DIRTY: u64 = 1 << 0;
/// Incompatible features: known to be damaged.
pub const INCOMPATIBLE_CORRUPT: u64 = 1 << 1;
/// Incompatible features: guest data is in another file.
const INCOMPATIBLE_DATA_FILE: u64 = 1 << 2;
/// Incompatible features: byte 104 says how clusters are compressed.
const INCOMPATIBLE_COMPRESSION: u64 = 1 << 3;
/// Incompatible features: L2 entries of 16 bytes.
const INCOMPATIBLE_EXTENDED_L2: u64 = 1 << 4;
/// Autoclear features: bitmaps are consistent.
pub const AUTOCLEAR_BITMAPS: u64 = 1 << 0;
/// Header extension: the backing file's format.
const EXTENSION_BACKING_FORMAT: u32 = 0xE279_2ACA;

/// Where the autoclear features are.
pub const AUTOCLEAR_AT: u64 = 88;
/// Where the incompatible features are.
pub const INCOMPATIBLE_AT: u64 = 72;
/// Where the root is: offset of the L1 table, offset of the refcount table, and
/// the latter's clusters, one after the other in one sector.
pub const ROOT: Range<u64> = 40..60;

/// L1 tables larger than this are refused, as QEMU does.
const MAX_L1_BYTES: u64 = 32 << 20;
/// Refcount tables larger than this are refused, as QEMU does.
pub const MAX_REFCOUNT_TABLE_BYTES: u64 = 8 << 20;
const MAX_SNAPSHOTS: u32 = 65_536;
const MAX_BACKING_NAME: u32 = 1023;

/// How compressed clusters are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Raw deflate.
    Zlib,
    /// Zstandard frames.
    Zstd,
}

/// What the header says, checked.
#[derive(Clone, Debug)]
pub struct Header {
    /// 2 or 3.
    pub version: u32,
    /// Name and, where it is said, format of the backing file.
    pub backing: Option<(String, Option<String>)>,
    /// log2 of the cluster size: 9 to 21.
    pub cluster_bits: u32,
    /// Bytes of the disk.
    pub size: u64,
    /// Entries of the L1 table.
    pub l1_entries: u32,
    /// Where the L1 table is.
    pub l1_offset: u64,
    /// Where the refcount table is.
    pub refcount_offset: u64,
    /// Clusters of the refcount table.
    pub refcount_clusters: u32,
    /// Internal snapshots.
    pub snapshots: u32,
    /// Where the snapshot table is.
    pub snapshots_offset: u64,
    /// Features that a reader must know.
    pub incompatible: u64,
    /// Features that a writer must know or clear.
    pub autoclear: u64,
    /// log2 of the bits of a refcount.
    pub refcount_order: u32,
    /// How compressed clusters are compressed.
    pub compression: Compression,
}

fn be32(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(std::array::from_fn(|n| bytes[at + n]))
}

fn be64(bytes: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(std::array::from_fn(|n| bytes[at + n]))
}

impl Header {
    /// Bytes of a cluster.
    pub fn cluster_size(&self) -> u64 {
        1 << self.cluster_bits
    }

    /// Entries of the L1 table that a disk of `size` bytes needs.
    pub fn l1_entries_for(size: u64, cluster_bits: u32) -> u64 {
        // An L2 table is one cluster of 8-byte entries, each for one cluster.
        size.div_ceil(1 << (2 * cluster_bits - 3))
    }

    /// Reads and checks the header in `storage`; `path` is for messages.
    ///
    /// # Errors
    /// [`ImageError::Damaged`] for what contradicts itself, [`ImageError::Unsupported`]
    /// for features that are not read here, [`ImageError::Io`].
    pub fn read(storage: &dyn Storage, path: &Path) -> Result<Self, ImageError> {
        let io = |error| ImageError::io(path, error);
        let damaged = |what: &str| ImageError::damaged(path, what);
        let unsupported = |what: &str| {
            ImageError::unsupported(
                path,
                format!(
                    "a qcow2 image {what}, which is not read here: convert it with \
                     `qemu-img convert -O qcow2 {} NEW.qcow2`",
                    path.display()
                ),
            )
        };
        let mut fixed = [0; 112];
        storage.read_at(0, &mut fixed).map_err(io)?;
        if be32(&fixed, 0) != MAGIC {
            return Err(damaged("it does not begin as a qcow2 image"));
        }
        let version = be32(&fixed, 4);
        if !matches!(version, 2 | 3) {
            return Err(unsupported(&format!("of version {version}")));
        }
        let cluster_bits = be32(&fixed, 20);
        if !(9..=21).contains(&cluster_bits) {
            return Err(damaged("impossible cluster size"));
        }
        let cluster = 1_u64 << cluster_bits;
        let v3 = version == 3;
        let header_length = if v3 { u64::from(be32(&fixed, 100)) } else { 72 };
        if v3 && !(104..=cluster).contains(&header_length) {
            return Err(damaged("impossible header length"));
        }
        let features = |at| if v3 { be64(&fixed, at) } else { 0 };
        let incompatible = features(INCOMPATIBLE_AT as usize);
        if incompatible & INCOMPATIBLE_DATA_FILE != 0 {
            return Err(unsupported("with an external data file"));
        }
        if incompatible & INCOMPATIBLE_EXTENDED_L2 != 0 {
            return Err(unsupported("with extended L2 entries"));
        }
        let known = INCOMPATIBLE_DIRTY | INCOMPATIBLE_CORRUPT | INCOMPATIBLE_COMPRESSION;
        if incompatible & !known != 0 {
            return Err(unsupported(&format!("with unknown features {:#x}", incompatible & !known)));
        }
        if be32(&fixed, 32) != 0 {
            return Err(unsupported("with encryption"));
        }
        let compression =
            match (incompatible & INCOMPATIBLE_COMPRESSION != 0 && header_length > 104, fixed[104]) {
                (false, _) | (true, 0) => Compression::Zlib,
                (true, 1) => Compression::Zstd,
                (true, _) => return Err(unsupported("with an unknown compression")),
            };
        let refcount_order = if v3 { be32(&fixed, 96) } else { 4 };
        if refcount_order > 6 {
            return Err(damaged("impossible refcount width"));
        }
        let header = Self {
            version,
            backing: None,
            cluster_bits,
            size: be64(&fixed, 24),
            l1_entries: be32(&fixed, 36),
            l1_offset: be64(&fixed, 40),
            refcount_offset: be64(&fixed, 48),
            refcount_clusters: be32(&fixed, 56),
            snapshots: be32(&fixed, 60),
            snapshots_offset: be64(&fixed, 64),
            incompatible,
            autoclear: features(AUTOCLEAR_AT as usize),
            refcount_order,
            compression,
        };
        header.check_tables().map_err(damaged)?;
        let backing = Self::read_backing(storage, path, &fixed, cluster, header_length)?;
        Ok(Self { backing, ..header })
    }

    fn check_tables(&self) -> Result<(), &'static str> {
        let cluster = self.cluster_size();
        let aligned = |offset: u64| offset.is_multiple_of(cluster) && offset < 1 << 56;
        if i64::try_from(self.size).is_err() {
            return Err("impossible disk size");
        }
        if u64::from(self.l1_entries) * 8 > MAX_L1_BYTES {
            return Err("the L1 table is too large");
        }
        if u64::from(self.l1_entries) < Self::l1_entries_for(self.size, self.cluster_bits) {
            return Err("the L1 table is too small for the disk");
        }
        if !aligned(self.l1_offset) || (self.l1_entries != 0 && self.l1_offset == 0) {
            return Err("impossible place of the L1 table");
        }
        if !aligned(self.refcount_offset) || self.refcount_offset == 0 {
            return Err("impossible place of the refcount table");
        }
        if u64::from(self.refcount_clusters) * cluster > MAX_REFCOUNT_TABLE_BYTES.max(cluster)
            || self.refcount_clusters == 0
        {
            return Err("impossible size of the refcount table");
        }
        if self.snapshots > MAX_SNAPSHOTS || !aligned(self.snapshots_offset) {
            return Err("impossible snapshot table");
        }
        Ok(())
    }

    fn read_backing(
        storage: &dyn Storage,
        path: &Path,
        fixed: &[u8],
        cluster: u64,
        header_length: u64,
    ) -> Result<Option<(String, Option<String>)>, ImageError> {
        let io = |error| ImageError::io(path, error);
        let (name_at, name_len) = (be64(fixed, 8), be32(fixed, 16));
        if name_at == 0 || name_len == 0 {
            return Ok(None);
        }
        let end = name_at.checked_add(u64::from(name_len)).filter(|end| *end <= cluster);
        if name_len > MAX_BACKING_NAME || name_at < header_length || end.is_none() {
            return Err(ImageError::damaged(path, "impossible name of its backing file"));
        }
        let mut name = vec![0; name_len as usize];
        storage.read_at(name_at, &mut name).map_err(io)?;
        let name = String::from_utf8(name)
            .map_err(|_| ImageError::damaged(path, "the name of its backing file is no text"))?;
        let mut at = header_length;
        let mut format = None;
        // Extensions end with type 0, at the backing file's name, or with the cluster.
        while at + 8 <= name_at {
            let mut head = [0; 8];
            storage.read_at(at, &mut head).map_err(io)?;
            let (kind, len) = (be32(&head, 0), u64::from(be32(&head, 4)));
            if kind == 0 {
                break;
            }
            at += 8;
            if len > cluster - at.min(cluster) {
                return Err(ImageError::damaged(path, "a header extension is too long"));
            }
            if kind == EXTENSION_BACKING_FORMAT && len <= 16 {
                let mut text = vec![0; len as usize];
                storage.read_at(at, &mut text).map_err(io)?;
                format = Some(String::from_utf8_lossy(&text).into_owned());
            }
            at += len.next_multiple_of(8);
        }
        Ok(Some((name, format)))
    }

    /// The header's bytes, for a new image of version 3.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut extensions = Vec::new();
        if let Some((_, Some(format))) = &self.backing {
            extensions.extend(EXTENSION_BACKING_FORMAT.to_be_bytes());
            extensions.extend((format.len() as u32).to_be_bytes());
            extensions.extend(format.as_bytes());
            extensions.resize(extensions.len().next_multiple_of(8), 0);
        }
        extensions.extend([0; 8]);
        let name = self.backing.as_ref().map_or("", |(name, _)| name);
        let name_at = if name.is_empty() { 0 } else { 112 + extensions.len() as u64 };
        bytes.extend(MAGIC.to_be_bytes());
        bytes.extend(self.version.to_be_bytes());
        bytes.extend(name_at.to_be_bytes());
        bytes.extend((name.len() as u32).to_be_bytes());
        bytes.extend(self.cluster_bits.to_be_bytes());
        bytes.extend(self.size.to_be_bytes());
        bytes.extend(0_u32.to_be_bytes());
        bytes.extend(self.l1_entries.to_be_bytes());
        bytes.extend(self.l1_offset.to_be_bytes());
        bytes.extend(self.refcount_offset.to_be_bytes());
        bytes.extend(self.refcount_clusters.to_be_bytes());
        bytes.extend(self.snapshots.to_be_bytes());
        bytes.extend(self.snapshots_offset.to_be_bytes());
        bytes.extend(self.incompatible.to_be_bytes());
        bytes.extend(0_u64.to_be_bytes());
        bytes.extend(self.autoclear.to_be_bytes());
        bytes.extend(self.refcount_order.to_be_bytes());
        bytes.extend(112_u32.to_be_bytes());
        // Compression type zlib, and padding.
        bytes.extend([0; 8]);
        bytes.extend(extensions);
        bytes.extend(name.as_bytes());
        bytes
    }
}
