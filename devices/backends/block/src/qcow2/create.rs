//! Empty images.

use std::io;

use super::header::{Compression, Header};
use crate::storage::Storage;

/// log2 of the cluster size of new images, as QEMU's.
pub(crate) const CLUSTER_BITS: u32 = 16;
/// log2 of the bits of a count in new images.
const REFCOUNT_ORDER: u32 = 4;

/// Writes an empty image of version 3 for a disk of `size` bytes, over `backing`
/// (its name and format). The header comes last: a creation that was cut short
/// leaves no image.
///
/// # Errors
/// Of the host; `InvalidInput` where the disk or the name is too long.
pub(crate) fn create(
    storage: &dyn Storage,
    size: u64,
    cluster_bits: u32,
    backing: Option<(String, String)>,
) -> io::Result<()> {
    let cluster = 1_u64 << cluster_bits;
    let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, what.to_owned());
    let l1_entries = Header::l1_entries_for(size, cluster_bits);
    if l1_entries * 8 > 32 << 20 {
        return Err(invalid("the disk is too large for a qcow2 image"));
    }
    let l1_clusters = (l1_entries * 8).div_ceil(cluster);
    // Header, refcount table, refcount blocks, L1 table; the blocks count themselves.
    let counts = (cluster * 8) >> REFCOUNT_ORDER;
    let (mut blocks, mut table_clusters) = (1, 1);
    loop {
        let all: u64 = 1 + table_clusters + blocks + l1_clusters;
        let wanted = (all.div_ceil(counts), (blocks * 8).div_ceil(cluster));
        if wanted == (blocks, table_clusters) {
            break;
        }
        (blocks, table_clusters) = wanted;
    }
    let blocks_at = (1 + table_clusters) * cluster;
    let l1_at = blocks_at + blocks * cluster;
    let header = Header {
        version: 3,
        backing: backing.map(|(name, format)| (name, Some(format))),
        cluster_bits,
        size,
        l1_entries: l1_entries as u32,
        l1_offset: if l1_entries == 0 { 0 } else { l1_at },
        refcount_offset: cluster,
        refcount_clusters: table_clusters as u32,
        snapshots: 0,
        snapshots_offset: 0,
        incompatible: 0,
        autoclear: 0,
        refcount_order: REFCOUNT_ORDER,
        compression: Compression::Zlib,
    };
    let head = header.to_bytes();
    if head.len() as u64 > cluster || header.backing.as_ref().is_some_and(|(name, _)| name.len() > 1023) {
        return Err(invalid("the name of the backing file is too long"));
    }
    let used = 1 + table_clusters + blocks + l1_clusters;
    storage.set_len(0)?;
    storage.set_len(used * cluster)?;
    let table: Vec<u8> = (0..blocks).flat_map(|n| (blocks_at + n * cluster).to_be_bytes()).collect();
    storage.write_at(cluster, &table)?;
    storage.write_at(blocks_at, &1_u16.to_be_bytes().repeat(used as usize))?;
    storage.sync()?;
    storage.write_at(0, &head)?;
    storage.sync()
}
