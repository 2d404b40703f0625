//! The `glassbox` command line.

mod args;
mod builtin;
mod display;
mod drives;
mod firmware;
mod image;
mod monitor;
mod outcome;
mod run;
mod serial;
mod stats;
mod terminal;
mod test;
mod units;
mod watch;

use anyhow::Context;
use args::{Cli, Command};
use clap::{CommandFactory, Parser};
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    start_log();
    let cli = Cli::parse_from(args::join_optional_values(std::env::args_os()));
    let result = match cli.command {
        Some(Command::Completions { shell }) => print_completions(shell),
        Some(Command::Run(args)) => run::run(&args),
        Some(Command::Test(args)) => test::run(&args),
        Some(Command::Image(args)) => image::run(&args),
        None => run::run(&cli.run),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            terminal::tell(&format!("glassbox: {error:#}"));
            ExitCode::from(outcome::HOST_ERROR)
        }
    }
}

fn print_completions(shell: clap_complete::Shell) -> anyhow::Result<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "glassbox", &mut script);
    match std::io::stdout().write_all(&script) {
        // Whoever read it had enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(0),
        result => result.map(|()| 0).context("cannot write the completions to standard output"),
    }
}

/// Warnings go to standard error; `GLASSBOX_LOG` chooses otherwise, as in
/// `GLASSBOX_LOG=debug` or `GLASSBOX_LOG=glassbox_machine=debug`.
fn start_log() {
    let env = env_logger::Env::new().filter_or("GLASSBOX_LOG", "warn");
    env_logger::Builder::from_env(env)
        .format(|out, record| {
            let level = record.level().as_str().to_lowercase();
            // A raw terminal does not return the carriage by itself.
            let end = if terminal::is_raw() { "\r\n" } else { "\n" };
            write!(out, "glassbox: {level}: {}{end}", record.args())
        })
        .init();
}
