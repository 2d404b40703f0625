//! `glassbox test`: runs ROMs and says which passed.
//!
//! | module | what |
//! | --- | --- |
//! | `discover`, `manifest` | which tests there are |
//! | `case` | what a test is, and how it may end |
//! | `rom` | what a file is, by its content |
//! | `runner`, `capture` | runs one, keeps and matches its output |
//! | `output`, `junit` | the results |

mod capture;
mod case;
mod discover;
mod junit;
mod manifest;
mod output;
mod rom;
mod runner;
mod screen;

use crate::args::{Engine, TestArgs};
use crate::outcome;
use anyhow::{Context, bail};
use case::Case;
use output::Output;
use runner::{Report, Verdict};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// Runs the tests that the command line names; returns the exit code.
pub fn run(args: &TestArgs) -> anyhow::Result<u8> {
    let mut cases = discover::cases(args)?;
    if let Some(filter) = &args.filter {
        cases.retain(|case| filter.is_match(&case.name));
        if cases.is_empty() {
            bail!("no test has a name that matches --filter {filter}");
        }
    }
    if let Some(folder) = &args.screenshots {
        name_screenshots(&mut cases, folder)?;
    }
    // A file that cannot be written is better known before the tests have run.
    let mut junit = args.junit.as_deref().map(create).transpose()?;
    let start = Instant::now();
    let mut output = Output::start(args.tap, cases.len()).context("cannot write results")?;
    let reports = run_all(&cases, jobs(args), &mut output).context("cannot write results")?;
    let results: Vec<(Case, Report)> = cases.into_iter().zip(reports).collect();
    let wall = start.elapsed();
    output.finish(&results, wall).context("cannot write results")?;
    if let Some(file) = &mut junit {
        let written = junit::write(file, &results, wall).and_then(|()| file.flush());
        written.context("cannot write the --junit file")?;
    }
    let any = |of: fn(&Verdict) -> bool| results.iter().any(|(_, report)| of(&report.verdict));
    Ok(if any(|verdict| matches!(verdict, Verdict::Error(_))) {
        outcome::HOST_ERROR
    } else if any(|verdict| matches!(verdict, Verdict::Failed(_))) {
        outcome::CRASHED
    } else {
        outcome::SUCCESS
    })
}

/// Gives each test a file for its screen: its name, with what a file name cannot have replaced.
fn name_screenshots(cases: &mut [Case], folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| {
        format!("cannot make {}: give --screenshots a folder that can be written", folder.display())
    })?;
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
    for case in cases {
        let name: String = case.name.chars().map(plain).collect();
        case.screenshot = Some(folder.join(name + ".png"));
    }
    Ok(())
}

fn create(path: &Path) -> anyhow::Result<BufWriter<File>> {
    let file = File::create(path).with_context(|| {
        format!("cannot write {}: give --junit a path that can be written", path.display())
    })?;
    Ok(BufWriter::new(file))
}

fn jobs(args: &TestArgs) -> usize {
    let all = || thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    args.jobs.unwrap_or_else(all).get()
}

/// Runs all tests, `jobs` at a time; writes results, and returns them, in the tests' order.
fn run_all(cases: &[Case], jobs: usize, output: &mut Output) -> std::io::Result<Vec<Report>> {
    let next = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..jobs.min(cases.len()) {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                while let Some((index, case)) = {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    cases.get(index).map(|case| (index, case))
                } {
                    if sender.send((index, runner::run(case))).is_err() {
                        // Nobody wants results any more.
                        return;
                    }
                }
            });
        }
        drop(sender);
        let mut early = BTreeMap::new();
        let mut reports = Vec::new();
        for (index, report) in receiver {
            output.ended();
            early.insert(index, report);
            while let Some(report) = early.remove(&reports.len()) {
                output.result(&cases[reports.len()], &report)?;
                reports.push(report);
            }
        }
        Ok(reports)
    })
}

/// A shell command that runs a test again, alone, as it ran here.
fn reproduce(path: &Path, name: Option<&str>, args: &TestArgs) -> String {
    let mut command = format!("glassbox test {}", quoted(&path.display().to_string()));
    if let Some(name) = name {
        command += &format!(" --filter {}", quoted(&format!("^{}$", regex::escape(name))));
    }
    if args.success_exit != 1 {
        command += &format!(" --success-exit {}", args.success_exit);
    }
    if args.debug_exit != 0xF4 {
        command += &format!(" --debug-exit {:#x}", args.debug_exit);
    }
    if args.timeout != Duration::from_secs(60) {
        command += &format!(" --timeout {}ms", args.timeout.as_millis());
    }
    if args.engine != Engine::Auto {
        command += &format!(" --engine {}", args.engine.name());
    }
    if args.max_instructions != 2_000_000_000 {
        command += &format!(" --max-instructions {}", args.max_instructions);
    }
    command
}

/// A word of a POSIX shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:,@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_a_shell_where_they_need_it() {
        assert_eq!(quoted("test-roms/a.bin"), "test-roms/a.bin");
        assert_eq!(quoted("^it's$"), r"'^it'\''s$'");
    }
}
