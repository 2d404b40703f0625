//! `glassbox run`.

use crate::args::{Engine, RunArgs};
use crate::firmware::display_rom;
use crate::serial::{self, Flush};
use crate::stats::RunStats;
use crate::terminal::{RawMode, tell};
use crate::watch::{Patterns, Watched};
use crate::{builtin, outcome, terminal};
use anyhow::{Context, bail};
use glassbox_device_api::CharBackend;
use glassbox_machine::{
    BootSource, Control, DisplayConfig, EngineChoice, Kernel, Limits, Machine, MachineConfig, Outcome, Stop,
    TraceWriter,
};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Larger files are no kernels, and would be read whole.
const LARGEST_FILE: u64 = 1 << 30;

/// Boots a machine and runs it to its end; returns the exit code.
pub fn run(args: &RunArgs) -> anyhow::Result<u8> {
    let source = boot_source(args)?;
    // Made first: nobody wants to hear after an hour that it cannot be.
    let stats_json = args.stats_json.as_deref().map(|path| create(path, "--stats-json")).transpose()?;
    let control = Control::new();
    let mut flush = Flush::new(control.clone());
    let result = run_guest(args, source, &control, &mut flush);
    // Whatever happened, what the guest wrote is shown first.
    flush.finish();
    let (mut machine, outcome) = result?;
    let (code, message) = outcome::explain(&outcome);
    if let Some(message) = message {
        tell(&format!("glassbox: {}", message.trim_end()));
    }
    if args.expect.is_some() && matches!(outcome, Outcome::PoweredOff) {
        tell("glassbox: the guest powered off before --expect was seen");
    }
    log::debug!("at the end: {}", machine.crash_report());
    // Ends the trace, whose last lines are written then.
    machine.set_observer(None);
    let stats = RunStats::new(&machine.stats(), outcome::name(&outcome));
    if args.stats {
        tell(&stats.to_text());
    }
    if let Some(file) = stats_json {
        stats.write_json(file).context("--stats-json cannot be written: is the disk full?")?;
    }
    Ok(code)
}

/// Builds the machine and runs it, with the terminal raw meanwhile.
fn run_guest(
    args: &RunArgs,
    source: BootSource,
    control: &Control,
    flush: &mut Flush,
) -> anyhow::Result<(Machine, Outcome)> {
    let uses_stdio = args.serial.is_empty() || args.serial.contains(&serial::SerialTarget::Stdio);
    let mut config = MachineConfig::new(source);
    config.memory = args.memory;
    config.model = args.cpu.clone();
    config.clock = args.clock;
    config.debug_exit = args.debug_exit;
    config.engine = match args.engine {
        Engine::Auto => EngineChoice::Auto,
        Engine::Interp => EngineChoice::Interpreter,
        Engine::Jit => EngineChoice::Jit,
    };
    config.control = control.clone();
    let trace = args.trace.as_deref().map(|path| create(path, "--trace")).transpose()?;

    stop_on_signals(control.clone())?;
    let _raw = if uses_stdio { RawMode::enter() } else { None };
    if let Some(firmware) = &args.firmware {
        config.flash = firmware.open_vars(args.clock, control)?;
        config.display = Some(DisplayConfig { option_rom: display_rom(), ..DisplayConfig::default() });
    }
    if let Some(target) = &args.debugcon {
        config.debug_console = target.open(control, flush)?;
    }
    config.serial = watched(serial::open_all(&args.serial, control, flush)?, args, control);
    let mut machine = Machine::new(config)?;
    if let Some(trace) = trace {
        machine.set_observer(Some(Box::new(TraceWriter::new(trace))));
    }
    let limits = Limits { time: args.timeout, instructions: args.max_instructions };
    let outcome = machine.run(limits)?;
    Ok((machine, outcome))
}

fn watched(
    ports: [Option<Box<dyn CharBackend>>; 2],
    args: &RunArgs,
    control: &Control,
) -> [Option<Box<dyn CharBackend>>; 2] {
    let patterns = Patterns { expect: args.expect.clone(), fail_on: args.fail_on.clone() };
    if patterns.expect.is_none() && patterns.fail_on.is_none() {
        return ports;
    }
    ports.map(|port| {
        port.map(|port| -> Box<dyn CharBackend> {
            Box::new(Watched::new(port, patterns.clone(), control.clone()))
        })
    })
}

/// Ctrl-C (where the terminal is not the guest's), SIGTERM and SIGHUP end the
/// machine in order, a second one the process: its output may be what hangs.
fn stop_on_signals(control: Control) -> anyhow::Result<()> {
    let mut asked = false;
    let handler = move || {
        if std::mem::replace(&mut asked, true) {
            terminal::leave();
            std::process::exit(outcome::INTERRUPTED.into());
        }
        control.stop(Stop::Interrupted("a signal came"));
    };
    ctrlc::set_handler(handler).context("cannot watch for signals")
}

fn create(path: &Path, flag: &str) -> anyhow::Result<File> {
    File::create(path)
        .with_context(|| format!("cannot write {}: give {flag} a path that can be written", path.display()))
}

/// The kernel that the command line names, or the built-in guest.
fn boot_source(args: &RunArgs) -> anyhow::Result<BootSource> {
    if let Some(firmware) = &args.firmware {
        return Ok(firmware.load()?.into());
    }
    let Some(path) = args.kernel.as_deref().or(args.image.as_deref()) else {
        if args.initrd.is_some() || args.append.is_some() {
            bail!("--initrd and --append are for a kernel: name one, as in `glassbox vmlinuz`");
        }
        return Ok(builtin::guest(args).into());
    };
    let image = read_file(path, "a kernel image")?;
    let initrd = args.initrd.as_deref().map(|path| read_file(path, "an initrd")).transpose()?;
    Ok(Kernel { image, initrd, cmdline: args.append.clone().unwrap_or_default() }.into())
}

/// Reads a file, pipe or device to its end, or refuses it as too large.
pub fn read_file(path: &Path, what: &str) -> anyhow::Result<Vec<u8>> {
    let shown = path.display();
    let about = || format!("cannot read {shown}: check the path and its permissions");
    let file = File::open(path).with_context(about)?;
    let meta = file.metadata().with_context(about)?;
    if meta.is_dir() {
        bail!("{shown} is a folder: give {what}");
    }
    let mut bytes = Vec::new();
    // Pipes and devices have no length, and some of them no end.
    if meta.len() <= LARGEST_FILE {
        file.take(LARGEST_FILE + 1).read_to_end(&mut bytes).with_context(about)?;
    }
    if meta.len() > LARGEST_FILE || bytes.len() as u64 > LARGEST_FILE {
        bail!("{shown} is too large: give {what} of at most 1 GiB");
    }
    Ok(bytes)
}
