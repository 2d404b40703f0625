//! The `glassbox` command line.

mod args;
mod builtin;
mod outcome;
mod run;
mod serial;
mod stats;
mod terminal;
mod test;
mod units;
mod watch;

use args::{Cli, Command};
use clap::{CommandFactory, Parser};
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    start_log();
    let cli = Cli::parse_from(args::join_optional_values(std::env::args_os()));
    let result = match cli.command {
        Some(Command::Completions { shell }) => {
            clap_complete::generate(shell, &mut Cli::command(), "glassbox", &mut std::io::stdout());
            Ok(0)
        }
        Some(Command::Run(args)) => run::run(&args),
        Some(Command::Test(args)) => test::run(&args),
        None => run::run(&cli.run),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("glassbox: {error:#}");
            ExitCode::from(outcome::HOST_ERROR)
        }
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
