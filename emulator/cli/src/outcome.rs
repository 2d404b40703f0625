//! Exit codes: how the process says how the guest ended.

use glassbox_machine::{Outcome, Stop};

/// The guest powered off, or what was expected was seen.
pub const SUCCESS: u8 = 0;
/// A host or configuration error.
pub const HOST_ERROR: u8 = 1;
/// The guest crashed, or `--fail-on` matched.
pub const CRASHED: u8 = 3;
/// A second signal ended the process, as shells say it.
pub const INTERRUPTED: u8 = 130;
/// A limit ended the run, as `timeout(1)` says it.
pub const LIMIT: u8 = 124;

/// The word for `exit` in the statistics of a run that goes on.
pub const STILL_RUNNING: &str = "none yet";

/// The exit code, and what to tell the user about it.
pub fn explain(outcome: &Outcome) -> (u8, Option<String>) {
    match outcome {
        Outcome::PoweredOff => (SUCCESS, None),
        Outcome::DebugExit(status) => (*status as u8, None),
        Outcome::Crashed(report) => {
            (CRASHED, Some(format!("the guest crashed (triple fault), exit code {CRASHED}\n{report}")))
        }
        Outcome::Halted => (LIMIT, Some("the processor is halted and nothing will wake it".into())),
        Outcome::TimedOut => (LIMIT, Some("stopped: --timeout is over".into())),
        Outcome::InstructionsUsedUp => (LIMIT, Some("stopped: --max-instructions have retired".into())),
        Outcome::Stopped(Stop::Quit) => (SUCCESS, None),
        Outcome::Stopped(Stop::Interrupted(why)) => (HOST_ERROR, Some(format!("stopped: {why}"))),
        Outcome::Stopped(Stop::Expected(_)) => (SUCCESS, None),
        Outcome::Stopped(Stop::Failed(text)) => (CRASHED, Some(format!("--fail-on has matched: {text}"))),
    }
}

/// The word for `exit` in the statistics.
pub fn name(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::PoweredOff => "power-off",
        Outcome::DebugExit(_) => "debug-exit",
        Outcome::Crashed(_) => "crash",
        Outcome::Halted => "halt",
        Outcome::TimedOut => "timeout",
        Outcome::InstructionsUsedUp => "max-instructions",
        Outcome::Stopped(Stop::Quit) => "quit",
        Outcome::Stopped(Stop::Interrupted(_)) => "interrupted",
        Outcome::Stopped(Stop::Expected(_)) => "expect",
        Outcome::Stopped(Stop::Failed(_)) => "fail-on",
    }
}
