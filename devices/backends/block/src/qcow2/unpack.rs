//! Compressed clusters.

use std::io::{self, Read};
use std::sync::{Arc, PoisonError};

use super::Qcow2;
use super::header::Compression;
use crate::error::corrupt;
use crate::storage::Storage;

impl<S: Storage> Qcow2<S> {
    /// The cluster whose compressed bytes are at `offset` of the file. What
    /// follows them, up to `len`, is not part of them.
    pub(super) fn unpack(&self, offset: u64, len: u64) -> io::Result<Arc<Vec<u8>>> {
        let recent = self.unpacked.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, bytes)) = recent.filter(|(at, _)| *at == offset) {
            return Ok(bytes);
        }
        let mut packed = vec![0; len as usize];
        self.storage.read_at(offset, &mut packed)?;
        let mut bytes = vec![0; self.cluster_size() as usize];
        match self.header.compression {
            Compression::Zlib => inflate(&packed, &mut bytes)?,
            Compression::Zstd => unpack_zstd(&packed, &mut bytes)?,
        }
        let bytes = Arc::new(bytes);
        *self.unpacked.lock().unwrap_or_else(PoisonError::into_inner) = Some((offset, Arc::clone(&bytes)));
        Ok(bytes)
    }

    /// Compressed clusters are about to be freed, and others may come there.
    pub(super) fn forget_unpacked(&self) {
        *self.unpacked.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Raw deflate, which has to fill `bytes`.
pub(crate) fn inflate(packed: &[u8], bytes: &mut [u8]) -> io::Result<()> {
    flate2::read::DeflateDecoder::new(packed)
        .read_exact(bytes)
        .map_err(|error| corrupt(format!("a compressed cluster cannot be unpacked: {error}")))
}

fn unpack_zstd(packed: &[u8], bytes: &mut [u8]) -> io::Result<()> {
    let unpackable =
        |error: &dyn std::fmt::Display| corrupt(format!("a compressed cluster cannot be unpacked: {error}"));
    let mut decoder = ruzstd::decoding::StreamingDecoder::new(packed).map_err(|error| unpackable(&error))?;
    decoder.read_exact(bytes).map_err(|error| unpackable(&error))
}
