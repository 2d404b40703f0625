//! Which format an image has: by its content, unless the user says.

use std::fmt;
use std::str::FromStr;

use crate::storage::Storage;

/// A format that is read. [`Raw`](Self::Raw) and [`Qcow2`](Self::Qcow2) are written too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The disk's bytes.
    Raw,
    /// QEMU's, version 2 and 3.
    Qcow2,
    /// VMware's.
    Vmdk,
    /// VirtualBox's.
    Vdi,
    /// Connectix's and Microsoft's first.
    Vhd,
    /// Microsoft's second.
    Vhdx,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Raw, Self::Qcow2, Self::Vmdk, Self::Vdi, Self::Vhd, Self::Vhdx];

    /// The name that users write.
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
            Self::Vmdk => "vmdk",
            Self::Vdi => "vdi",
            Self::Vhd => "vhd",
            Self::Vhdx => "vhdx",
        }
    }

    /// Whether images of it can be written.
    pub fn is_writable(self) -> bool {
        matches!(self, Self::Raw | Self::Qcow2)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "raw" | "iso" | "img" => Ok(Self::Raw),
            "qcow2" => Ok(Self::Qcow2),
            "vmdk" => Ok(Self::Vmdk),
            "vdi" => Ok(Self::Vdi),
            "vhd" | "vpc" => Ok(Self::Vhd),
            "vhdx" => Ok(Self::Vhdx),
            other => Err(format!("unknown format `{other}`: give raw, qcow2, vmdk, vdi, vhd or vhdx")),
        }
    }
}

/// How much of an image's beginning tells its format.
pub(crate) const MAGIC_BYTES: usize = 72;

/// What the first bytes of a file look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A format of ours.
    Known(Format),
    /// One that we do not read.
    Foreign(&'static str),
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(format) => format.fmt(f),
            Self::Foreign(name) => f.write_str(name),
        }
    }
}

/// Recognises what is no raw image by the beginning of its first sector.
pub(crate) fn by_magic(head: &[u8; MAGIC_BYTES]) -> Option<Found> {
    let known: [(&[u8], Found); 14] = [
        (b"QFI\xfb\0\0\0\x01", Found::Foreign("qcow (version 1)")),
        (b"QFI\xfb", Found::Known(Format::Qcow2)),
        (b"KDMV", Found::Known(Format::Vmdk)),
        (b"# Disk DescriptorFile", Found::Known(Format::Vmdk)),
        (b"COWD", Found::Foreign("vmdk (version 3)")),
        (b"conectix", Found::Known(Format::Vhd)),
        (b"vhdxfile", Found::Known(Format::Vhdx)),
        (b"QED\0", Found::Foreign("qed")),
        (b"WithoutFreeSpace", Found::Foreign("Parallels")),
        (b"WithouFreSpacExt", Found::Foreign("Parallels")),
        (b"Bochs Virtual HD Image", Found::Foreign("Bochs")),
        (b"OOOM", Found::Foreign("User-mode Linux COW")),
        (b"#!/bin/sh\n#V2.0 Format\n", Found::Foreign("cloop")),
        (b"EVF\x09\x0d\x0a\xff\0", Found::Foreign("EWF")),
    ];
    if head[64..68] == 0xBEDA_107F_u32.to_le_bytes() {
        return Some(Found::Known(Format::Vdi));
    }
    known.iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, found)| *found)
}

/// Whether a file that begins like this is a disk image of some format, known here
/// or not, and not the disk's bytes themselves.
pub fn is_wrapped(head: &[u8]) -> bool {
    let Some(head) = head.first_chunk::<MAGIC_BYTES>() else { return false };
    by_magic(head).is_some()
}

/// [`by_magic`] of what is in `storage`.
pub(crate) fn probe(storage: &dyn Storage) -> std::io::Result<Option<Found>> {
    let mut head = [0; MAGIC_BYTES];
    storage.read_at(0, &mut head)?;
    Ok(by_magic(&head))
}
