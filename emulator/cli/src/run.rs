//! `glassbox run`.

use crate::args::{Input, RunArgs, Sound};
use crate::display::{self, Display, KeyPlayer, Listening, Published, TextDisplay, WatchedScreen};
use crate::drives::{self, Bus, DriveSpec, Kind, Media};
use crate::firmware::display_rom;
use crate::monitor::{Door, Monitor, MonitorTarget};
use crate::serial::{self, Flush, SerialTarget};
use crate::stats::RunStats;
use crate::terminal::{Kept, RawMode, tell};
use crate::watch::{Patterns, Watched};
use crate::{builtin, outcome, terminal};
use anyhow::{Context, bail};
use glassbox_device_api::CharBackend;
use glassbox_machine::{
    BootFile, BootSource, BuiltInBios, Control, DisplayConfig, Kernel, Limits, Machine, MachineConfig,
    Module, Outcome, Stop, TraceWriter,
};
use glassbox_screen::Screen;
use glassbox_sound::WavSpeaker;
use std::fs::{File, Metadata};
use std::io::{IsTerminal, Read, stdin};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Larger files are no kernels, and would be read whole.
const LARGEST_FILE: u64 = 1 << 30;

/// Boots a machine and runs it to its end; returns the exit code.
pub fn run(args: &RunArgs) -> anyhow::Result<u8> {
    let boot = Boot::of(args)?;
    // Made first: nobody wants to hear after an hour that it cannot be.
    let stats_json = args.stats_json.as_deref().map(|path| create(path, "--stats-json")).transpose()?;
    let screenshot = args.screenshot.as_deref().map(|path| create(path, "--screenshot")).transpose()?;
    let screen_text = args.screen_text.as_deref().map(|path| create(path, "--screen-text")).transpose()?;
    let control = Control::new();
    let mut flush = Flush::new(control.clone());
    let shown = Published { screen: Screen::default(), speed: Arc::default() };
    let result = run_shown(args, boot, &control, &mut flush, shown);
    // Whatever happened, what the guest wrote is shown first.
    flush.finish();
    let (mut machine, mut outcome) = result?;
    let looks = screen_text.is_some() || !patterns(args).is_empty();
    let rows = if looks { machine.screen_rows().unwrap_or_default() } else { Vec::new() };
    // What came since the last look counts, too.
    if !matches!(outcome, Outcome::Stopped(_))
        && let Some(stop) = display::verdict(&patterns(args), &rows)
    {
        outcome = Outcome::Stopped(stop);
    }
    if let Some(file) = screen_text {
        display::write_text(&rows, file)?;
    }
    if let Some(file) = screenshot {
        display::write_screenshot(&machine, file)?;
    }
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

/// Runs the guest, beside its window if it has one.
fn run_shown(
    args: &RunArgs,
    boot: Boot,
    control: &Control,
    flush: &mut Flush,
    shown: Published,
) -> anyhow::Result<(Machine, Outcome)> {
    #[cfg(feature = "window")]
    if let Some(Display::Window(options)) = args.display {
        let (screen, speed) = (shown.screen.clone(), Arc::clone(&shown.speed));
        return display::run_beside(&screen, &speed, control, options, || {
            run_guest(args, boot, control, flush, shown)
        });
    }
    run_guest(args, boot, control, flush, shown)
}

/// Builds the machine and runs it, with the terminal raw meanwhile.
fn run_guest(
    args: &RunArgs,
    boot: Boot,
    control: &Control,
    flush: &mut Flush,
    shown: Published,
) -> anyhow::Result<(Machine, Outcome)> {
    let serial_targets = serial_targets(args)?;
    let uses_stdio = serial_targets.contains(&SerialTarget::Stdio);
    let mut config = MachineConfig::new(boot.source);
    config.memory = args.memory;
    config.model = args.cpu.clone();
    config.clock = args.clock;
    config.debug_exit = args.debug_exit;
    config.engine = args.engine.into();
    config.jit_cache = args.jit_cache;
    config.control = control.clone();
    if let Sound::Wav(path) = &args.sound {
        let wav = WavSpeaker::new(create(path, "--sound wav=")?);
        config.speaker = Some(Box::new(wav.context("--sound wav= cannot be written: is the disk full?")?));
    }
    #[cfg(feature = "sound")]
    if args.sound == Sound::Host {
        config.speaker = Some(Box::new(glassbox_sound::HostSpeaker::open()?));
    }
    if args.input == Input::Vmmouse {
        config.model = config.model.under_vmware();
    }
    config.virtio_input = args.input == Input::Virtio;
    match args.display {
        Some(Display::None) => config.display = None,
        Some(_) => config.display = Some(DisplayConfig::default()),
        None if args.looks_at_screen() => drop(config.display.get_or_insert_default()),
        None => {}
    }
    if !patterns(args).is_empty() {
        config.screen_watchers.push(Box::new(WatchedScreen::new(patterns(args), control.clone())));
    }
    let vnc = match &args.display {
        Some(Display::Vnc(vnc)) => Some(vnc.start(args.keyboard_layout, &shown.screen, control)?),
        _ => None,
    };
    if let Some(server) = &vnc {
        tell(&format!("glassbox: VNC clients can connect to {}", server.address()));
    }
    if args.display.as_ref().is_some_and(Display::has_viewers) {
        config.screen_watchers.push(Box::new(shown));
    }
    if let Some(periodic) = &args.screenshot_every {
        config.screen_watchers.push(Box::new(periodic.start()?));
    }
    let player = KeyPlayer::new(args.keyboard_layout, control.clone());
    if let Some(script) = &args.keys {
        player.add(script).context("--keys")?;
    }
    let may_type = args.keys.is_some() || args.monitor.is_some() || stdin().is_terminal();
    if may_type {
        config.screen_watchers.push(Box::new(player.clone()));
    }
    let order = args.boot.as_ref().map(|order| order.0.as_slice()).unwrap_or_default();
    let opened = drives::open_all(&boot.drives, order, args.clock, control)?;
    let monitor = Monitor::new(control.clone(), player.clone(), Door::of(&opened, control));
    config.drives = opened.into_iter().map(|opened| opened.config).collect();
    let _kept = Kept::new();
    let _text = match &args.display {
        Some(Display::Text) => {
            let (text, watcher) = TextDisplay::start(args.keyboard_layout, control, monitor.clone())?;
            config.screen_watchers.push(watcher);
            Some(text)
        }
        _ => None,
    };
    let trace = args.trace.as_deref().map(|path| create(path, "--trace")).transpose()?;

    stop_on_signals(control.clone())?;
    let _raw = if uses_stdio { RawMode::enter() } else { None };
    if let Some(firmware) = &args.firmware {
        config.flash = firmware.open_vars(args.clock, control)?;
        if let Some(display) = &mut config.display {
            display.option_rom = display_rom();
        }
    }
    if let Some(target) = &args.debugcon {
        config.debug_console = target.open(control, &monitor, flush)?;
    }
    config.serial = watched(serial::open_all(&serial_targets, control, &monitor, flush)?, args, control);
    if may_type {
        let listen = |port| -> Box<dyn CharBackend> { Box::new(Listening::new(port, player.clone())) };
        config.serial = config.serial.map(|port| port.map(listen));
    }
    let mut machine = Machine::new(config)?;
    if let Some(target) = &args.monitor {
        target.serve(monitor)?;
    }
    if let Some(trace) = trace {
        machine.set_observer(Some(Box::new(TraceWriter::new(trace))));
    }
    if let Some(trace) = args.trace_jit.as_deref().map(|path| create(path, "--trace-jit")).transpose()? {
        machine.trace_compiled(Box::new(trace));
    }
    let limits = Limits { time: args.timeout, instructions: args.max_instructions };
    let outcome = machine.run(limits)?;
    Ok((machine, outcome))
}

/// What the serial ports are connected to. The monitor or the text screen on
/// standard input has it for itself.
fn serial_targets(args: &RunArgs) -> anyhow::Result<Vec<SerialTarget>> {
    let monitor = args.monitor == Some(MonitorTarget::Stdio);
    let owners = [monitor, args.display == Some(Display::Text), args.serial.contains(&SerialTarget::Stdio)];
    if owners.into_iter().filter(|owner| *owner).count() > 1 {
        bail!("the monitor, --display text and a serial port share one terminal: give others tcp= or unix=");
    }
    Ok(match args.serial.as_slice() {
        [] if monitor || args.display == Some(Display::Text) => vec![SerialTarget::None],
        [] => vec![SerialTarget::Stdio],
        targets => targets.to_vec(),
    })
}

fn patterns(args: &RunArgs) -> Patterns {
    Patterns { expect: args.expect.clone(), fail_on: args.fail_on.clone() }
}

fn watched(
    ports: [Option<Box<dyn CharBackend>>; 2],
    args: &RunArgs,
    control: &Control,
) -> [Option<Box<dyn CharBackend>>; 2] {
    let patterns = patterns(args);
    if patterns.is_empty() {
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

/// What the command line names.
struct Boot {
    source: BootSource,
    drives: Vec<DriveSpec>,
}

impl Boot {
    /// Tells what is to be booted, and lists the drives: the image first.
    fn of(args: &RunArgs) -> anyhow::Result<Self> {
        let mut drives = args.drive.clone();
        let with = |media, file: &PathBuf| DriveSpec { media: Some(media), ..DriveSpec::of(file) };
        drives.extend(args.cdrom.iter().map(|file| with(Media::Cdrom, file)));
        drives.extend(args.floppy.iter().map(|file| with(Media::Floppy, file)));
        let mut path = args.kernel.as_deref().or(args.image.as_deref());
        if let Some(image) = &args.image
            && let Some(media) = drive_media(image, !drives.is_empty())?
        {
            let bus = match (media, args.disk_bus) {
                (Media::Floppy, _) => Bus::Floppy,
                // These buses have no CD-ROM drives.
                (Media::Cdrom, Bus::Virtio | Bus::Nvme) => Bus::Ide,
                (_, bus) => bus,
            };
            let mut drive = DriveSpec { bus: Some(bus), ..with(media, image) };
            // What is named is what boots, unless somebody says otherwise.
            if args.boot.is_none() {
                drive.boot_index = Some(0);
            }
            drives.insert(0, drive);
            path = None;
        }
        if path.is_none() && (args.initrd.is_some() || args.append.is_some() || !args.module.is_empty()) {
            bail!("--initrd, --module and --append are for a kernel: name one, as in `glassbox vmlinuz`");
        }
        if let Some(firmware) = &args.firmware {
            if let Some(path) = path {
                bail!("{} is a kernel, and firmware boots drives: leave --firmware out", path.display());
            }
            return Ok(Self { source: firmware.load()?.into(), drives });
        }
        let Some(path) = path else {
            let source =
                if drives.is_empty() { builtin::guest(args).into() } else { BuiltInBios::default().into() };
            return Ok(Self { source, drives });
        };
        let image = boot_file(path, "a kernel image")?;
        let initrd = args.initrd.as_deref().map(|path| boot_file(path, "an initrd")).transpose()?;
        let modules = args.module.iter().map(|module| boot_module(module)).collect::<anyhow::Result<_>>()?;
        let cmdline = args.append.clone().unwrap_or_default();
        let kernel = Kernel { image, name: file_name(path), initrd, modules, cmdline };
        Ok(Self { source: kernel.into(), drives })
    }
}

/// Reads a boot module: its file, and after a space its arguments.
fn boot_module(given: &str) -> anyhow::Result<Module> {
    let (path, _) = given.split_once(' ').unwrap_or((given, ""));
    Ok(Module { image: boot_file(Path::new(path), "a boot module")?, cmdline: given.into() })
}

/// A file's name, as a kernel is told it.
pub fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Whether the image that is to boot goes into a drive, and into what kind.
fn drive_media(image: &Path, has_others: bool) -> anyhow::Result<Option<Media>> {
    Ok(match drives::recognise(image)? {
        Kind::Kernel => None,
        Kind::Drive(media) => Some(media),
        Kind::Blank if has_others => Some(Media::Disk),
        Kind::Blank => bail!(
            "{0} is neither a kernel nor a disk with a boot sector: to install onto it, add the \
             installer, as in `glassbox {0} --cdrom installer.iso`",
            image.display()
        ),
    })
}

/// A file to start from: one that can be read again is not kept in memory.
fn boot_file(path: &Path, what: &str) -> anyhow::Result<BootFile> {
    let (_, meta) = open_file(path, what)?;
    let again = meta.is_file() && meta.len() <= LARGEST_FILE;
    Ok(if again { BootFile::File(path.to_owned()) } else { read_file(path, what)?.into() })
}

/// Opens what may be read as a whole.
fn open_file(path: &Path, what: &str) -> anyhow::Result<(File, Metadata)> {
    let shown = path.display();
    let about = || format!("cannot read {shown}: check the path and its permissions");
    let file = File::open(path).with_context(about)?;
    let meta = file.metadata().with_context(about)?;
    if meta.is_dir() {
        bail!("{shown} is a folder: give {what}");
    }
    Ok((file, meta))
}

/// Reads a file, pipe or device to its end, or refuses it as too large.
pub fn read_file(path: &Path, what: &str) -> anyhow::Result<Vec<u8>> {
    let shown = path.display();
    let about = || format!("cannot read {shown}: check the path and its permissions");
    let (file, meta) = open_file(path, what)?;
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
