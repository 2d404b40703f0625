//! `glassbox image`: makes, shows, copies and checks disk images.

mod args;
mod check;
mod info;
mod progress;

pub use args::ImageArgs;

use crate::outcome;
use crate::terminal::tell;
use anyhow::bail;
use args::{CommitArgs, ConvertArgs, CreateArgs, ImageCommand};
use glassbox_block::tools::{self, CreateOptions};
use glassbox_block::{Format, ImageError, OpenOptions};
use progress::Progress;
use std::path::Path;

/// Does what the command line says; returns the exit code.
pub fn run(args: &ImageArgs) -> anyhow::Result<u8> {
    match &args.command {
        ImageCommand::Create(args) => create(args),
        ImageCommand::Info(args) => info::run(args),
        ImageCommand::Convert(args) => convert(args),
        ImageCommand::Check(args) => check::run(args),
        ImageCommand::Commit(args) => commit(args),
    }
}

/// The format of a new image: as said, or as its name says.
fn target_format(path: &Path, said: Option<Format>) -> anyhow::Result<Format> {
    if let Some(format) = said {
        return Ok(format);
    }
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
    let Ok(format) = extension.parse() else {
        bail!(
            "{} does not say of which format it is to be: give --format raw or --format qcow2",
            path.display()
        );
    };
    Ok(format)
}

fn create(args: &CreateArgs) -> anyhow::Result<u8> {
    if args.size.is_none() && args.backing.is_none() {
        bail!("a new image needs a size, such as 10G, or an image to stand on (--backing)");
    }
    let options = CreateOptions {
        format: match &args.backing {
            Some(_) => args.format.unwrap_or(Format::Qcow2),
            None => target_format(&args.image, args.format)?,
        },
        size: args.size,
        backing: args.backing.clone().map(|path| (path, args.backing_format)),
        replace: args.force,
    };
    tools::create(&args.image, &options)?;
    Ok(outcome::SUCCESS)
}

fn convert(args: &ConvertArgs) -> anyhow::Result<u8> {
    let format = target_format(&args.target, args.format)?;
    let source = OpenOptions { format: args.source_format, ..OpenOptions::new(&args.source) };
    let mut progress = Progress::new("converting")?;
    let done =
        tools::convert(&source, &args.target, format, args.force, &mut |done, all| progress.show(done, all));
    finish(done)
}

fn commit(args: &CommitArgs) -> anyhow::Result<u8> {
    let mut progress = Progress::new("committing")?;
    let done = tools::commit(&args.image, args.format, &mut |done, all| progress.show(done, all));
    drop(progress);
    finish(done.map(|behind| tell(&format!("glassbox: {} has it all now", behind.display()))))
}

/// The exit code of what the user may have stopped.
fn finish(done: Result<(), ImageError>) -> anyhow::Result<u8> {
    match done {
        Err(ImageError::Interrupted) => Ok(outcome::INTERRUPTED),
        done => Ok(done.map(|()| outcome::SUCCESS)?),
    }
}
