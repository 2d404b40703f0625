//! `cargo xtask oracle`: random instructions on our processor and on the host's.

use crate::shell;
use anyhow::{Result, bail};
use clap::Args;

/// Where cases that differ are kept, so that they are tested for ever after.
const DATA_FILE: &str = "emulator/cpu/tests/data/found.ins";

#[derive(Args)]
pub struct Options {
    /// How many cases: a number, with k, M or G behind it.
    #[arg(long, default_value = "1M")]
    cases: String,
    /// The same seed gives the same cases.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only forms whose name contains this.
    #[arg(long)]
    form: Option<String>,
    /// Which of our engines: interp or jit, each instruction compiled alone.
    #[arg(long, default_value = "interp", value_parser = ["interp", "jit"])]
    engine: String,
    /// Processes; as many as there are processors, if nothing else is said.
    #[arg(long)]
    jobs: Option<u32>,
    /// Add the cases that differ, made small, to the instruction data files.
    #[arg(long)]
    emit: bool,
}

/// Builds the oracle and runs it.
///
/// # Errors
/// Where it cannot run, or something came out different.
pub fn run(options: &Options) -> Result<()> {
    let built = ["build", "--release", "--quiet", "--package", "glassbox-oracle", "--example", "oracle"];
    shell::run(shell::cargo().args(built))?;
    let mut oracle = std::process::Command::new(shell::target().join("release/examples/oracle"));
    oracle.args(["--cases", &options.cases, "--seed", &options.seed.to_string()]);
    oracle.args(["--engine", &options.engine]);
    if let Some(form) = &options.form {
        oracle.args(["--form", form]);
    }
    if let Some(jobs) = options.jobs {
        oracle.args(["--jobs", &jobs.to_string()]);
    }
    if options.emit {
        oracle.arg("--emit").arg(shell::root().join(DATA_FILE));
    }
    let status = oracle.status()?;
    match status.code() {
        Some(0) => Ok(()),
        Some(1) => bail!("our processor and the host's differ"),
        _ => bail!("the oracle could not run: {status}"),
    }
}
