//! The grammar of `glassbox image`.

use crate::units::parse_size;
use clap::{Args, Subcommand};
use glassbox_block::Format;
use std::path::PathBuf;

const CHECK_EXIT_CODES: &str = "\
Exit codes: 0 all is well, 1 it could not be checked, 2 it is damaged, 3 it has lost room but no data, \
63 its format has nothing to check. They are qemu-img's.";

#[derive(Args, Debug)]
pub struct ImageArgs {
    #[command(subcommand)]
    pub command: ImageCommand,
}

#[derive(Debug, Subcommand)]
pub enum ImageCommand {
    /// Make an empty image, or one that stands on another
    Create(CreateArgs),
    /// Show what an image is
    Info(InfoArgs),
    /// Copy a disk to a new image, of another format
    Convert(ConvertArgs),
    /// Look whether an image is in order
    #[command(after_help = CHECK_EXIT_CODES)]
    Check(CheckArgs),
    /// Write what an image has into the one that it stands on, and empty it
    Commit(CommitArgs),
}

#[derive(Args, Debug)]
pub struct CreateArgs {
    /// The new image
    #[arg(value_name = "IMAGE")]
    pub image: PathBuf,

    /// Size of the disk, such as 512M or 10G; a bare number is in MiB [default: that of --backing]
    #[arg(value_name = "SIZE", value_parser = parse_size)]
    pub size: Option<u64>,

    /// raw or qcow2 [default: as the name ends; qcow2 with --backing]
    #[arg(short, long, value_name = "FORMAT")]
    pub format: Option<Format>,

    /// Image that the new one stands on; a relative path counts from the new image's folder
    #[arg(short, long, value_name = "F")]
    pub backing: Option<PathBuf>,

    /// Format of --backing [default: found by content]
    #[arg(long, value_name = "FORMAT", requires = "backing")]
    pub backing_format: Option<Format>,

    /// Replace a file that is there
    #[arg(long)]
    pub force: bool,
}

#[derive(Args, Debug)]
pub struct InfoArgs {
    /// The image
    #[arg(value_name = "IMAGE")]
    pub image: PathBuf,

    /// Its format [default: found by content]
    #[arg(short, long, value_name = "FORMAT")]
    pub format: Option<Format>,

    /// Write JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct ConvertArgs {
    /// The image to copy: raw, qcow2, vmdk, vdi, vhd or vhdx
    #[arg(value_name = "SOURCE")]
    pub source: PathBuf,

    /// The new image
    #[arg(value_name = "TARGET")]
    pub target: PathBuf,

    /// Format of the new image, raw or qcow2 [default: as its name ends]
    #[arg(short, long, value_name = "FORMAT")]
    pub format: Option<Format>,

    /// Format of the source [default: found by content]
    #[arg(long, value_name = "FORMAT")]
    pub source_format: Option<Format>,

    /// Replace a file that is there
    #[arg(long)]
    pub force: bool,
}

#[derive(Args, Debug)]
pub struct CheckArgs {
    /// The image
    #[arg(value_name = "IMAGE")]
    pub image: PathBuf,

    /// Its format [default: found by content]
    #[arg(short, long, value_name = "FORMAT")]
    pub format: Option<Format>,

    /// Write JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct CommitArgs {
    /// The image that stands on another
    #[arg(value_name = "IMAGE")]
    pub image: PathBuf,

    /// Its format [default: found by content]
    #[arg(short, long, value_name = "FORMAT")]
    pub format: Option<Format>,
}
