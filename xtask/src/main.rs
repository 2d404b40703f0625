//! Developer tasks: `cargo xtask test|guests|check|bench|hosts|oracle|pictures|roms`.

mod apt;
mod bench;
mod check;
mod disk_guests;
mod disks;
mod guests;
mod hosts;
mod initramfs;
mod oracle;
mod peer;
mod programs;
mod quotes;
mod roms;
mod runner;
mod scenarios;
mod screens;
mod shell;
mod storage;
mod table;
mod test;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Developer tasks of Glassbox")]
struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run every test: unit, instruction and device tests, then real guests.
    Test {
        /// The slower suites too: more oracle cases, other hosts.
        #[arg(long)]
        full: bool,
        /// Run only guest scenarios whose name contains this.
        #[arg(long)]
        guest: Option<String>,
        /// Fail when a guest is missing, instead of reporting it as skipped.
        #[arg(long)]
        no_skips: bool,
        /// Guests that run at the same time.
        #[arg(long, value_name = "N", default_value_t = 1)]
        jobs: usize,
    },
    /// Download and unpack the guests that tests boot into target/guests/.
    Guests {
        /// Make the disk images, too.
        #[arg(long)]
        disks: bool,
    },
    /// Format, clippy, documentation, dependency direction, file sizes, links.
    Check,
    /// Boot Debian's cloud kernel and show speed; with `--peer qemu` the workloads, too.
    Bench(bench::Options),
    /// Build, check or run for other hosts, with compilers from Debian's packages.
    Hosts {
        /// Only jobs whose name contains this.
        filter: Option<String>,
    },
    /// Compare our processor with the host's on random instructions.
    Oracle(oracle::Options),
    /// Make the pictures of README and documentation in docs/pictures/ anew, each of a guest that runs.
    Pictures {
        /// Only pictures whose name contains this.
        filter: Option<String>,
    },
    /// Rebuild the checked-in test ROMs; fails when they differ.
    Roms {
        /// Write what was built instead of comparing.
        #[arg(long)]
        bless: bool,
        /// Run the suite on another emulator instead, and print a table.
        #[arg(long, conflicts_with = "bless")]
        peer: Option<peer::Peer>,
    },
}

fn main() -> ExitCode {
    let result = match Args::parse().task {
        Task::Test { full, guest, no_skips, jobs } => test::run(full, guest.as_deref(), no_skips, jobs),
        Task::Guests { disks } => {
            guests::fetch().and_then(|()| if disks { disks::build(None) } else { Ok(()) })
        }
        Task::Check => check::run(),
        Task::Bench(options) => bench::run(&options),
        Task::Hosts { filter } => hosts::run(filter.as_deref()),
        Task::Oracle(options) => oracle::run(&options),
        Task::Pictures { filter } => screens::pictures::make(filter.as_deref()),
        Task::Roms { peer: Some(peer), .. } => peer::run(peer),
        Task::Roms { bless, peer: None } => roms::run(bless),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
