//! Files that a machine starts from.

use crate::MachineError;
use std::borrow::Cow;
use std::path::PathBuf;

/// What is put into memory whenever the machine starts.
#[derive(Clone, Debug)]
pub enum BootFile {
    /// These bytes.
    Bytes(Vec<u8>),
    /// What this file holds by then: it takes no memory in between.
    File(PathBuf),
}

impl Default for BootFile {
    fn default() -> Self {
        Self::Bytes(Vec::new())
    }
}

impl From<Vec<u8>> for BootFile {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

impl BootFile {
    /// The bytes.
    ///
    /// # Errors
    /// [`MachineError::File`] where the file cannot be read (any more).
    pub fn read(&self) -> Result<Cow<'_, [u8]>, MachineError> {
        match self {
            Self::Bytes(bytes) => Ok(Cow::Borrowed(bytes)),
            Self::File(path) => {
                let bytes = std::fs::read(path);
                Ok(Cow::Owned(bytes.map_err(|source| MachineError::File { path: path.clone(), source })?))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_when_it_is_needed_and_missed_when_it_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kernel");
        let file = BootFile::File(path.clone());
        assert!(matches!(file.read(), Err(MachineError::File { .. })));
        std::fs::write(&path, b"abc").unwrap();
        assert_eq!(file.read().unwrap().as_ref(), b"abc");
        assert_eq!(BootFile::from(b"de".to_vec()).read().unwrap().as_ref(), b"de");
    }
}
