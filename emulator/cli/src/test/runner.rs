//! Runs one test.

use super::capture::{Capture, Goal};
use super::case::{Case, Expectation};
use super::rom;
use super::screen::ScreenCapture;
use crate::display;
use glassbox_machine::{Control, Limits, Machine, MachineConfig, Outcome};
use glassbox_screen::{Picture, PictureHash};
use std::fmt::Write;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// How long after its time limit a test is given up, should the machine not
/// notice the limit itself.
const GRACE: Duration = Duration::from_secs(30);
/// As much as a program's first thread has, in bytes.
const STACK: usize = 8 << 20;

/// What became of a test.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    Passed,
    /// What was not as expected.
    Failed(Vec<String>),
    /// It could not be run.
    Error(String),
}

/// The result of a test.
#[derive(Debug)]
pub struct Report {
    pub verdict: Verdict,
    /// For a failure: output, registers, code.
    pub details: String,
    /// Instructions retired.
    pub instructions: u64,
    /// Host time.
    pub wall: Duration,
}

impl Report {
    fn error(message: String) -> Self {
        let verdict = Verdict::Error(message);
        Self { verdict, details: String::new(), instructions: 0, wall: Duration::ZERO }
    }
}

/// Runs a test, and never takes much longer than its limit, whatever happens.
pub fn run(case: &Case) -> Report {
    let start = Instant::now();
    let mut report = run_apart(case);
    report.wall = start.elapsed();
    report
}

/// Runs a test on a thread of its own, which is left behind where it does not end.
fn run_apart(case: &Case) -> Report {
    let (sender, receiver) = mpsc::channel();
    let inner = case.clone();
    let spawned = thread::Builder::new().name(case.name.clone()).stack_size(STACK).spawn(move || {
        let report = execute(&inner).unwrap_or_else(|error| Report::error(format!("{error:#}")));
        // Nobody listens where the test has been given up.
        let _ = sender.send(report);
    });
    if let Err(error) = spawned {
        return Report::error(format!("cannot start a thread ({error}): give fewer --jobs"));
    }
    match receiver.recv_timeout(case.timeout.saturating_add(GRACE)) {
        Ok(report) => report,
        Err(RecvTimeoutError::Timeout) => {
            Report::error("the emulator does not react: this is a fault of Glassbox, please report it".into())
        }
        Err(RecvTimeoutError::Disconnected) => {
            Report::error("the emulator panicked: this is a fault of Glassbox, please report it".into())
        }
    }
}

fn execute(case: &Case) -> anyhow::Result<Report> {
    let expect = &case.expect;
    let control = Control::new();
    let texts = expect.serial.len() + expect.debugcon.len() + expect.screen.len();
    let goal = Goal::new(texts, expect.ends_with_text, control.clone());
    let serial = Capture::new(&expect.serial, &expect.serial_not, goal.clone());
    let debugcon = Capture::new(&expect.debugcon, &expect.debugcon_not, goal.clone());
    let screen = ScreenCapture::new(&expect.screen, &expect.screen_not, goal);
    let mut config = MachineConfig::new(rom::boot_source(case)?);
    config.memory = case.memory;
    config.model = case.model.clone();
    config.clock = case.clock;
    config.debug_exit = Some(case.debug_exit);
    config.serial = [Some(Box::new(serial.clone())), None];
    config.debug_console = Some(Box::new(debugcon.clone()));
    config.drives = rom::drives(case, &control)?;
    if expect.needs_display() {
        config.display.get_or_insert_default();
    }
    config.engine = case.engine;
    config.restarts |= case.restarts;
    config.screen_watchers.push(Box::new(screen.clone()));
    config.unattended = true;
    config.guest_time_limit = Some(case.timeout);
    config.control = control;
    let mut machine = Machine::new(config)?;
    let limits = Limits { time: Some(case.timeout), instructions: Some(case.max_instructions) };
    let outcome = machine.run(limits)?;
    if let Some(rows) = machine.screen_rows() {
        screen.take(&rows);
    }
    let instructions = machine.stats().instructions;

    let mut faults: Vec<String> = expect.ending_fault(&outcome, instructions).into_iter().collect();
    faults.extend(serial.faults("COM1"));
    faults.extend(debugcon.faults("the debug console"));
    faults.extend(screen.faults());
    faults.extend(memory_faults(expect, &machine));
    let picture = display::picture(&machine);
    faults.extend(picture_fault(expect, picture.as_ref()));
    if let (Some(path), Some(picture)) = (&case.screenshot, &picture) {
        display::write_picture(picture, path)?;
    }
    let wall = Duration::ZERO;
    if faults.is_empty() {
        return Ok(Report { verdict: Verdict::Passed, details: String::new(), instructions, wall });
    }
    let details = details(&machine, &outcome, &serial, &debugcon, &screen);
    Ok(Report { verdict: Verdict::Failed(faults), details, instructions, wall })
}

fn memory_faults(expect: &Expectation, machine: &Machine) -> Vec<String> {
    let mut faults = Vec::new();
    for value in &expect.memory {
        let mut found = vec![0; value.bytes.len()];
        match machine.read_memory(value.address, &mut found) {
            Err(error) => faults.push(format!("memory at {:#x} cannot be read: {error}", value.address)),
            Ok(()) if found != value.bytes => faults.push(format!(
                "memory at {:#x} is {}, expected was {}",
                value.address,
                hex(&found),
                hex(&value.bytes)
            )),
            Ok(()) => {}
        }
    }
    faults
}

fn picture_fault(expect: &Expectation, picture: Option<&Picture>) -> Option<String> {
    let expected = expect.picture?;
    // A machine that is expected to show something has a display.
    let picture = picture?;
    let found = PictureHash::of(picture);
    let (width, height) = (picture.width, picture.height);
    (found != expected).then(|| format!("the picture ({width}x{height}) is {found}, expected was {expected}"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(" ")
}

/// What helps to find out why.
fn details(
    machine: &Machine,
    outcome: &Outcome,
    serial: &Capture,
    debugcon: &Capture,
    screen: &ScreenCapture,
) -> String {
    let mut text = String::new();
    for (name, capture) in [("COM1", serial), ("the debug console", debugcon)] {
        let lines = capture.last_lines();
        if !lines.is_empty() {
            let _ = write!(text, "the last lines of {name}:\n{lines}");
        }
    }
    let shown = screen.shown();
    if !shown.is_empty() {
        let _ = write!(text, "the screen:\n{shown}");
    }
    let codes = machine.post_codes();
    if !codes.is_empty() {
        let _ = writeln!(text, "POST codes: {}", hex(&codes));
    }
    let resets = machine.stats().devices.resets;
    if resets != 0 {
        let _ = writeln!(text, "resets of the machine: {resets}");
    }
    let report = match outcome {
        Outcome::Crashed(report) => report.to_string(),
        _ => machine.crash_report().to_string(),
    };
    text.push_str(&report);
    text
}
