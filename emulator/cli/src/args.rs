//! The command line's grammar.

use crate::display::{Display, Periodic};
use crate::drives::{Bus, DriveSpec, Media, parse_boot};
use crate::firmware::FirmwareArg;
use crate::image::ImageArgs;
use crate::monitor::MonitorTarget;
use crate::serial::SerialTarget;
use crate::units::{parse_clock, parse_count, parse_debug_status, parse_duration, parse_port, parse_size};
use clap::{Args, Parser, Subcommand, ValueEnum};
use glassbox_cpu::CpuModel;
use glassbox_input::{KeyScript, Layout};
use glassbox_machine::{ClockMode, EngineChoice};
use regex::bytes::Regex;
use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

/// An x86-64 PC in one program.
#[derive(Debug, Parser)]
#[command(
    name = "glassbox",
    version,
    args_conflicts_with_subcommands = true,
    args_override_self = true,
    max_term_width = 100
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub run: RunArgs,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Boot a machine (what happens without a command, too)
    #[command(args_override_self = true)]
    Run(Box<RunArgs>),
    /// Run test ROMs and say which passed
    #[command(args_override_self = true, after_help = TEST_EXIT_CODES)]
    Test(Box<TestArgs>),
    /// Make, show, copy and check disk images
    Image(ImageArgs),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// What executes guest instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    /// The fastest one there is
    Auto,
    /// The interpreter
    Interp,
    /// Compiled code for what is hot
    Jit,
    /// Both in lock-step; stops where they differ
    Verify,
}

impl Engine {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Interp => "interp",
            Self::Jit => "jit",
            Self::Verify => "verify",
        }
    }
}

impl From<Engine> for EngineChoice {
    fn from(engine: Engine) -> Self {
        match engine {
            Engine::Auto => Self::Auto,
            Engine::Interp => Self::Interpreter,
            Engine::Jit => Self::Jit,
            Engine::Verify => Self::Verify,
        }
    }
}

/// Where the PC speaker is heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sound {
    /// Nowhere.
    None,
    /// In a WAV file.
    Wav(PathBuf),
    /// On the host's loudspeaker.
    #[cfg(feature = "sound")]
    Host,
}

impl Sound {
    fn parse(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            None if text == "none" => Ok(Self::None),
            Some(("wav", path)) if !path.is_empty() => Ok(Self::Wav(path.into())),
            #[cfg(feature = "sound")]
            None if text == "host" => Ok(Self::Host),
            #[cfg(not(feature = "sound"))]
            None if text == "host" => {
                Err("this glassbox was built without sound (`--features sound`): take wav=F".into())
            }
            _ => Err("give none, wav=F or host".into()),
        }
    }
}

/// Keyboard and pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Input {
    /// Those of the i8042; with a screen the pointer of VMware's backdoor, for who looks for it
    Ps2,
    /// The same, and CPUID names VMware, without which Linux does not look
    Vmmouse,
    /// A virtio keyboard and a virtio tablet, too
    Virtio,
}

fn parse_layout(name: &str) -> Result<Layout, String> {
    Layout::from_name(name).ok_or_else(|| "give us, uk, de or fr".to_owned())
}

/// The value of `--boot`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootOrder(pub Vec<Media>);

impl BootOrder {
    fn parse(text: &str) -> Result<Self, String> {
        parse_boot(text).map(Self)
    }
}

#[derive(Args, Debug)]
pub struct RunArgs {
    /// What to boot, recognised by content: a disk image (raw, qcow2, vmdk, vdi, vhd, vhdx), a CD or
    /// floppy image; a bzImage, or an ELF or flat kernel with PVH note or multiboot header. Without
    /// it, and without drives, the built-in guest boots
    #[arg(value_name = "IMAGE", conflicts_with = "kernel")]
    pub image: Option<PathBuf>,

    /// Guest RAM, such as 512M or 2G; a bare number is in MiB
    #[arg(short, long, value_name = "SIZE", default_value = "1G", value_parser = parse_size)]
    pub memory: u64,

    /// Processor model, with features to add or take away, such as `max,-smap`
    #[arg(long, value_name = "MODEL", default_value = "max")]
    pub cpu: CpuModel,

    /// Kernel to boot directly
    #[arg(long, value_name = "F")]
    pub kernel: Option<PathBuf>,

    /// Foreign firmware instead of ours, such as SeaBIOS or OVMF; vars=V keeps its variables in
    /// a copy of the template that came with it
    #[arg(long, value_name = "F[,vars=V]", value_parser = FirmwareArg::parse)]
    pub firmware: Option<FirmwareArg>,

    /// What firmware says on its debug port (402h) and on port E9h: stdio, file=F, …
    #[arg(long, value_name = "WHERE", value_parser = SerialTarget::parse)]
    pub debugcon: Option<SerialTarget>,

    /// Initial RAM disk (Linux) or boot module (PVH, multiboot)
    #[arg(long, value_name = "F")]
    pub initrd: Option<PathBuf>,

    /// A further boot module of a multiboot kernel, and its arguments after a space; may be
    /// given again
    #[arg(long, value_name = "F ARGS")]
    pub module: Vec<String>,

    /// Kernel command line
    #[arg(long, value_name = "STR", allow_hyphen_values = true)]
    pub append: Option<String>,

    /// Add a drive: file=F and, each after a comma, any of if=ide|ahci|virtio|nvme|floppy,
    /// media=disk|cdrom, format=raw|qcow2|vmdk|vdi|vhd|vhdx, readonly, ephemeral,
    /// cache=writeback|writethrough|unsafe, serial=S, bootindex=N
    #[arg(long, value_name = "SPEC", value_parser = DriveSpec::parse)]
    pub drive: Vec<DriveSpec>,

    /// Add a CD-ROM drive with this image
    #[arg(long, value_name = "F")]
    pub cdrom: Vec<PathBuf>,

    /// Add a floppy drive with this image: the first is A, the second B
    #[arg(long, value_name = "F")]
    pub floppy: Vec<PathBuf>,

    /// Where a disk or CD that is named as IMAGE is connected
    #[arg(long, value_enum, value_name = "BUS", default_value = "ide")]
    pub disk_bus: Bus,

    /// Kinds of drives in the order in which they are tried, such as cdrom,disk
    /// [default: IMAGE, then disk,cdrom,floppy]
    #[arg(long, value_name = "ORDER", value_parser = BootOrder::parse)]
    pub boot: Option<BootOrder>,

    /// The screen: none, vga (an adapter whose picture nobody is shown), text (in the terminal, whose
    /// keys are the guest's then), window, or vnc=ADDRESS:PORT[,password-file=F] [default: vga; none for kernels with console=ttyS in
    /// --append, unless another option looks at the screen]
    #[arg(long, value_name = "WHERE", value_parser = Display::parse)]
    pub display: Option<Display>,

    /// Press keys: `wait "boot:"; type "linux\n"; wait 2s; key ctrl-alt-f2`. What is waited for is
    /// a regular expression on the screen or in serial output, or a picture: `wait screen
    /// stable 2s; click 100,200`
    #[arg(long, value_name = "SCRIPT")]
    pub keys: Option<KeyScript>,

    /// Keyboard and pointer: ps2; vmmouse, with a processor that says it is VMware's, so that guests
    /// take the pointer that knows places; or virtio for a keyboard and a tablet on the PCI bus
    #[arg(long, value_enum, value_name = "KIND", default_value = "ps2")]
    pub input: Input,

    /// The PC speaker: none, wav=F for a file, or host (where it was built with sound)
    #[arg(long, value_name = "WHERE", value_parser = Sound::parse, default_value = "none")]
    pub sound: Sound,

    /// Keyboard that the guest is set to, for --keys and VNC: us, uk, de or fr
    #[arg(long, value_name = "LAYOUT", default_value = "us", value_parser = parse_layout)]
    pub keyboard_layout: Layout,

    /// Write the screen to a file as PNG at the end
    #[arg(long, value_name = "F")]
    pub screenshot: Option<PathBuf>,

    /// Write the screen to DIR as 000001.png, 000002.png and so on, each DUR of guest time
    #[arg(long, value_name = "DUR,DIR", value_parser = Periodic::parse)]
    pub screenshot_every: Option<Periodic>,

    /// Write what the screen says to a file at the end
    #[arg(long, value_name = "F")]
    pub screen_text: Option<PathBuf>,

    /// COM1: stdio, none, file=F, tcp=HOST:PORT or unix=PATH, where it listens
    /// (give it twice for COM2) [default: stdio]
    #[arg(long, value_name = "WHERE", value_parser = SerialTarget::parse)]
    pub serial: Vec<SerialTarget>,

    /// Take commands for the machine from stdio (COM1 has it no more then), or from clients of
    /// tcp=127.0.0.1:PORT or unix=PATH; on a terminal Ctrl-A c leads to them, too
    #[arg(long, value_name = "WHERE", value_parser = MonitorTarget::parse)]
    pub monitor: Option<MonitorTarget>,

    /// What executes guest instructions
    #[arg(long, value_enum, default_value = "auto")]
    pub engine: Engine,

    /// Room for compiled code
    #[arg(long, value_name = "SIZE", default_value = "64M", value_parser = parse_size)]
    pub jit_cache: u64,

    /// Write guest code, intermediate steps and host code of each compiled block to a file
    #[arg(long, value_name = "F")]
    pub trace_jit: Option<PathBuf>,

    /// Guest time: host, or instructions[=MIPS], which makes runs repeatable
    #[arg(long, value_name = "CLOCK", default_value = "host", value_parser = parse_clock)]
    pub clock: ClockMode,

    /// Stop after so much time, such as 500ms, 120s or 2m (exit code 124)
    #[arg(long, value_name = "DUR", value_parser = parse_duration)]
    pub timeout: Option<Duration>,

    /// Stop after exactly so many instructions (exit code 124)
    #[arg(long, value_name = "N", value_parser = parse_count)]
    pub max_instructions: Option<u64>,

    /// Stop with exit code 0 when a line of serial output or of the screen, complete or not,
    /// matches
    #[arg(long, value_name = "REGEX")]
    pub expect: Option<Regex>,

    /// Stop with exit code 3 when a line of serial output or of the screen, complete or not,
    /// matches
    #[arg(long, value_name = "REGEX")]
    pub fail_on: Option<Regex>,

    /// Add an exit device as QEMU's isa-debug-exit: writing v ends with exit code (v << 1) | 1
    /// [default port: 0xf4]
    #[arg(long, value_name = "PORT", num_args = 0..=1, require_equals = true,
          default_missing_value = "0xf4", value_parser = parse_port)]
    pub debug_exit: Option<u16>,

    /// Print counters to standard error at the end
    #[arg(long)]
    pub stats: bool,

    /// Write counters to a file as JSON
    #[arg(long, value_name = "F")]
    pub stats_json: Option<PathBuf>,

    /// Write one line for each executed instruction to a file (slow, large)
    #[arg(long, value_name = "F")]
    pub trace: Option<PathBuf>,
}

impl RunArgs {
    /// Whether there has to be a display because an option is about what it shows.
    pub fn looks_at_screen(&self) -> bool {
        self.screenshot.is_some() || self.screenshot_every.is_some() || self.screen_text.is_some()
    }
}

const TEST_EXIT_CODES: &str = "\
Exit codes: 0 all tests passed, 3 a test failed, 1 a manifest, ROM or other file could not be used, 2 usage.
Without a manifest a ROM passes when it writes to the debug-exit port what makes --success-exit, \
or switches the machine off.
Every manifest key is in docs/guide/test-runner.md.";

#[derive(Args, Debug)]
pub struct TestArgs {
    /// ROMs, manifests, or folders: of a folder every manifest.toml below it, or where there is none
    /// every file that boots
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<PathBuf>,

    /// Tests that run at the same time [default: one for each processor of the host]
    #[arg(short, long, value_name = "N")]
    pub jobs: Option<NonZeroUsize>,

    /// Only tests whose name matches
    #[arg(long, value_name = "REGEX")]
    pub filter: Option<regex::Regex>,

    /// Write results to a file as JUnit XML
    #[arg(long, value_name = "F")]
    pub junit: Option<PathBuf>,

    /// Write results to standard output as TAP 14
    #[arg(long)]
    pub tap: bool,

    /// Exit code that means success where a manifest does not say: (v << 1) | 1 for a guest that
    /// writes v to the debug-exit port
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = parse_debug_status)]
    pub success_exit: u32,

    /// Port of the exit device where a manifest does not say
    #[arg(long, value_name = "PORT", default_value = "0xf4", value_parser = parse_port)]
    pub debug_exit: u16,

    /// Host time, and guest time, that a test may take where its manifest does not say
    #[arg(long, value_name = "DUR", default_value = "60s", value_parser = parse_duration)]
    pub timeout: Duration,

    /// Instructions that a test may take where its manifest does not say
    #[arg(long, value_name = "N", default_value = "2G", value_parser = parse_count)]
    pub max_instructions: u64,

    /// What executes guest instructions
    #[arg(long, value_enum, default_value = "auto")]
    pub engine: Engine,

    /// Write the screen of each test that has one to FOLDER/NAME.png at its end
    #[arg(long, value_name = "FOLDER")]
    pub screenshots: Option<PathBuf>,
}

/// `--debug-exit 0x501` becomes `--debug-exit=0x501`: the port may be left out,
/// and what follows may be an image.
pub fn join_optional_values(args: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut joined: Vec<OsString> = Vec::new();
    for arg in args {
        match joined.last_mut() {
            Some(last) if last == "--debug-exit" && arg.to_str().is_some_and(|a| parse_port(a).is_ok()) => {
                last.push("=");
                last.push(arg);
            }
            _ => joined.push(arg),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn parse(args: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(join_optional_values(args.split(' ').map(OsString::from)))
    }

    #[test]
    fn the_grammar_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn run_may_be_left_out() {
        let short = parse("glassbox vmlinuz -m 512M").unwrap();
        assert_eq!(short.run.image, Some("vmlinuz".into()));
        assert_eq!(short.run.memory, 512 << 20);
        let Some(Command::Run(long)) = parse("glassbox run vmlinuz -m 2G").unwrap().command else { panic!() };
        assert_eq!((long.image, long.memory), (Some("vmlinuz".into()), 2 << 30));
    }

    #[test]
    fn the_port_of_debug_exit_may_be_left_out_before_an_image() {
        let bare = parse("glassbox --debug-exit kernel").unwrap().run;
        assert_eq!((bare.debug_exit, bare.image), (Some(0xF4), Some("kernel".into())));
        assert_eq!(parse("glassbox --debug-exit 0x501 kernel").unwrap().run.debug_exit, Some(0x501));
        assert_eq!(parse("glassbox --debug-exit=1281").unwrap().run.debug_exit, Some(0x501));
        assert_eq!(parse("glassbox kernel").unwrap().run.debug_exit, None);
    }

    #[test]
    fn drives_are_given_as_options_or_as_the_image() {
        let run = parse("glassbox a.iso --disk-bus ahci --drive file=b,if=virtio --floppy c --boot dc")
            .unwrap()
            .run;
        assert_eq!((run.disk_bus, run.drive[0].bus), (Bus::Ahci, Some(Bus::Virtio)));
        assert_eq!(run.boot, Some(BootOrder(vec![Media::Cdrom, Media::Disk])));
        assert_eq!(run.floppy, [PathBuf::from("c")]);
        assert!(parse("glassbox --drive if=ide").is_err() && parse("glassbox --boot usb").is_err());
    }

    #[test]
    fn two_kernels_and_flags_that_are_not_there_yet_are_refused() {
        assert!(parse("glassbox a --kernel b").is_err());
        assert!(parse("glassbox --smp 2 a").is_err());
        assert!(parse("glassbox --expect ( a").is_err());
    }

    #[test]
    fn tests_need_something_to_run_and_a_status_that_a_guest_can_leave() {
        let Some(Command::Test(test)) = parse("glassbox test a b -j 3 --success-exit 33").unwrap().command
        else {
            panic!()
        };
        assert_eq!((test.paths.len(), test.jobs.unwrap().get(), test.success_exit), (2, 3, 33));
        assert!(parse("glassbox test").is_err());
        assert!(parse("glassbox test a --success-exit 32").is_err());
        assert!(parse("glassbox test a -j 0").is_err());
    }
}
