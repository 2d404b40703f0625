//! One writer, or any number of readers.
//!
//! On Linux the locks are the ones that QEMU takes, so that the two respect each
//! other: open-file-description locks on single bytes, of which byte `100 + p`
//! says *I use permission p* and byte `200 + p` says *I let nobody else use p*
//! (QEMU, `block/file-posix.c`). Elsewhere the host's lock of whole files is
//! taken, which another Glassbox sees.

use std::fs::File;
use std::path::Path;

use crate::ImageError;

/// What an open file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// A look at what may change meanwhile: no lock at all.
    Look,
    /// Reading; others may read too.
    Read,
    /// Writing, alone.
    Write,
}

fn in_use(path: &Path, access: Access, by_writer: bool) -> ImageError {
    let (holder, advice) = match (access, by_writer) {
        (Access::Write, false) => ("reads it", "or open it with `ephemeral`, which leaves the file as it is"),
        (Access::Write, true) => ("writes it", "or give this one a copy"),
        (Access::Read | Access::Look, _) => ("writes it", "or give this one a copy"),
    };
    ImageError::InUse { path: path.to_owned(), holder, advice }
}

#[cfg(target_os = "linux")]
mod host {
    use super::{Access, in_use};
    use crate::ImageError;
    use nix::errno::Errno;
    use nix::fcntl::{FcntlArg, fcntl};
    use std::fs::File;
    use std::path::Path;

    const USES: i64 = 100;
    const KEEPS: i64 = 200;
    /// Reading what is consistent.
    const READ: i64 = 0;
    const WRITE: i64 = 1;
    const RESIZE: i64 = 3;

    fn range(byte: i64, kind: i32) -> libc::flock {
        libc::flock {
            l_type: kind as libc::c_short,
            l_whence: libc::SEEK_SET as libc::c_short,
            l_start: byte,
            l_len: 1,
            l_pid: 0,
        }
    }

    fn hold(file: &File, byte: i64) -> nix::Result<()> {
        fcntl(file, FcntlArg::F_OFD_SETLK(&range(byte, libc::F_RDLCK))).map(drop)
    }

    /// Whether somebody else holds `byte`.
    fn is_held(file: &File, byte: i64) -> nix::Result<bool> {
        let mut asked = range(byte, libc::F_WRLCK);
        fcntl(file, FcntlArg::F_OFD_GETLK(&mut asked))?;
        Ok(asked.l_type != libc::F_UNLCK as libc::c_short)
    }

    pub fn acquire(file: &File, path: &Path, access: Access) -> Result<(), ImageError> {
        let uses: &[i64] = if access == Access::Write { &[READ, WRITE, RESIZE] } else { &[READ] };
        let keeps = [WRITE, RESIZE];
        // First say what we do, then look who minds: of two who come at once at
        // least one sees the other.
        let bytes = uses.iter().map(|p| USES + p).chain(keeps.iter().map(|p| KEEPS + p));
        for byte in bytes {
            match hold(file, byte) {
                Ok(()) => {}
                // Somebody else has the byte for writing, as no emulator does: take it as said.
                Err(Errno::EAGAIN | Errno::EACCES) => return Err(in_use(path, access, true)),
                Err(errno) => {
                    log::warn!(
                        "{}: its file system has no locks ({errno}): nothing keeps a second writer away",
                        path.display()
                    );
                    return Ok(());
                }
            }
        }
        let held = |byte| is_held(file, byte).map_err(|errno| ImageError::io(path, errno.into()));
        for permission in keeps {
            if held(USES + permission)? {
                return Err(in_use(path, access, true));
            }
        }
        for permission in uses {
            if held(KEEPS + permission)? {
                return Err(in_use(path, access, access == Access::Read));
            }
        }
        Ok(())
    }
}

#[cfg(not(target_os = "linux"))]
mod host {
    use super::{Access, in_use};
    use crate::ImageError;
    use std::fs::{File, TryLockError};
    use std::path::Path;

    pub fn acquire(file: &File, path: &Path, access: Access) -> Result<(), ImageError> {
        let locked = if access == Access::Write { file.try_lock() } else { file.try_lock_shared() };
        match locked {
            Ok(()) => Ok(()),
            Err(TryLockError::WouldBlock) => Err(in_use(path, access, access == Access::Read)),
            Err(TryLockError::Error(error)) => {
                log::warn!(
                    "{}: its file system has no locks ({error}): nothing keeps a second writer away",
                    path.display()
                );
                Ok(())
            }
        }
    }
}

/// Locks `file` for as long as it is open.
///
/// # Errors
/// [`ImageError::InUse`].
pub(crate) fn acquire(file: &File, path: &Path, access: Access) -> Result<(), ImageError> {
    if access == Access::Look { Ok(()) } else { host::acquire(file, path, access) }
}

#[cfg(test)]
mod tests {
    use super::Access::{Read, Write};
    use crate::ImageError;
    use crate::storage::HostFile;

    #[test]
    fn a_writer_is_alone_and_readers_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk.img");
        std::fs::write(&path, [0; 512]).unwrap();
        let in_use = |access| matches!(HostFile::open(&path, access), Err(ImageError::InUse { .. }));

        let writer = HostFile::open(&path, Write).unwrap();
        assert!(in_use(Write) && in_use(Read));
        drop(writer);

        let reader = HostFile::open(&path, Read).unwrap();
        assert!(in_use(Write) && !in_use(Read));
        let message = HostFile::open(&path, Write).unwrap_err().to_string();
        assert!(message.contains("disk.img") && message.contains("ephemeral"), "{message}");
        drop(reader);
        assert!(!in_use(Write));
    }

    #[test]
    fn a_disk_in_use_is_not_cut_by_who_would_replace_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk.img");
        std::fs::write(&path, [7; 512]).unwrap();
        let _reader = HostFile::open(&path, Read).unwrap();
        assert!(matches!(HostFile::create(&path, 0, true), Err(ImageError::InUse { .. })));
        assert_eq!(std::fs::read(&path).unwrap(), [7; 512]);
    }
}
