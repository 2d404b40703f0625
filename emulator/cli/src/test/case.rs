//! One test: a machine, what it boots, and what is expected of it.

use glassbox_cpu::CpuModel;
use glassbox_machine::{ClockMode, DEFAULT_MEMORY, DEFAULT_MIPS, EngineChoice, Outcome, Stop};
use glassbox_screen::PictureHash;
use regex::bytes::Regex;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::args::TestArgs;

/// What kind of ROM a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RomKind {
    /// bzImage, or an ELF or flat kernel with PVH note or multiboot header.
    Kernel,
    /// 512 bytes that end in 55h AAh.
    BootSector,
    /// Real-mode code that is loaded and entered at an address.
    Flat,
    /// In the place of the BIOS, entered at the reset vector.
    Bios,
    /// The image of a hard disk, booted by the built-in BIOS.
    Disk,
    /// The image of a floppy disk, booted by the built-in BIOS.
    Floppy,
    /// The image of a CD, booted by the built-in BIOS.
    Cdrom,
}

/// How a guest may end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The machine was switched off.
    PowerOff,
    /// The exit device gave this status.
    DebugExit(u32),
    /// The processor halted for good.
    Halt,
    /// A triple fault.
    Crash,
}

impl Ending {
    fn of(outcome: &Outcome) -> Option<Self> {
        match outcome {
            Outcome::PoweredOff => Some(Self::PowerOff),
            Outcome::DebugExit(status) => Some(Self::DebugExit(*status)),
            Outcome::Halted => Some(Self::Halt),
            Outcome::Crashed(_) => Some(Self::Crash),
            Outcome::TimedOut | Outcome::InstructionsUsedUp | Outcome::Stopped(_) => None,
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PowerOff => f.write_str("power-off"),
            Self::DebugExit(status) => {
                write!(f, "debug-exit {status} (the guest wrote {:#x})", status >> 1)
            }
            Self::Halt => f.write_str("halt for good"),
            Self::Crash => f.write_str("crash (triple fault)"),
        }
    }
}

/// Bytes that memory has to hold at the end.
#[derive(Clone, Debug)]
pub struct MemoryValue {
    /// Physical address.
    pub address: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// What makes a test pass.
#[derive(Clone, Debug, Default)]
pub struct Expectation {
    /// How the guest may end.
    pub endings: Vec<Ending>,
    /// The run ends, well, as soon as all text that is waited for has come.
    pub ends_with_text: bool,
    pub serial: Vec<Regex>,
    pub serial_not: Vec<Regex>,
    pub debugcon: Vec<Regex>,
    pub debugcon_not: Vec<Regex>,
    pub screen: Vec<Regex>,
    pub screen_not: Vec<Regex>,
    pub memory: Vec<MemoryValue>,
    /// The picture at the end.
    pub picture: Option<PictureHash>,
}

impl Expectation {
    /// Whether there has to be a display adapter.
    pub fn needs_display(&self) -> bool {
        self.picture.is_some() || !self.screen.is_empty() || !self.screen_not.is_empty()
    }

    /// What is wrong with how the run ended, if anything.
    pub fn ending_fault(&self, outcome: &Outcome, instructions: u64) -> Option<String> {
        let how = match outcome {
            Outcome::Stopped(Stop::Expected(_)) => return None,
            // The text that must not come has a message of its own.
            Outcome::Stopped(Stop::Failed(_)) => return None,
            Outcome::Stopped(Stop::Quit | Stop::Interrupted(_)) => {
                return Some("the run was interrupted".into());
            }
            Outcome::TimedOut => {
                return Some(format!("timed out after {instructions} instructions: the time is over"));
            }
            Outcome::InstructionsUsedUp => {
                return Some(format!("timed out after {instructions} instructions: no more are allowed"));
            }
            outcome => Ending::of(outcome)?,
        };
        if self.endings.contains(&how) {
            return None;
        }
        if self.ends_with_text && matches!(how, Ending::PowerOff | Ending::Halt) {
            // That the text is missing says it all.
            return None;
        }
        let expected: Vec<String> = self.endings.iter().map(Ending::to_string).collect();
        Some(format!("the end was {how}, expected was {}", expected.join(" or ")))
    }
}

/// One test.
#[derive(Clone, Debug)]
pub struct Case {
    /// What it is called, `folder/name`.
    pub name: String,
    /// The file that it comes from.
    pub group: String,
    /// A shell command that runs it again, alone.
    pub reproduce: String,
    pub rom: PathBuf,
    /// `None`: recognised by content.
    pub kind: Option<RomKind>,
    /// Where a flat ROM is loaded.
    pub address: u32,
    pub initrd: Option<PathBuf>,
    pub cmdline: String,
    /// Bytes of RAM.
    pub memory: u64,
    pub model: CpuModel,
    pub clock: ClockMode,
    /// Host time and guest time that it may take.
    pub timeout: Duration,
    pub max_instructions: u64,
    pub debug_exit: u16,
    /// A triple fault starts the machine anew instead of ending the test.
    pub restarts: bool,
    pub engine: EngineChoice,
    /// Where the screen at the end is saved.
    pub screenshot: Option<PathBuf>,
    pub expect: Expectation,
}

impl Case {
    /// A ROM that no manifest describes.
    pub fn of_rom(rom: PathBuf, name: String, args: &TestArgs) -> Self {
        // File names may have anything in them.
        let name = name.replace(char::is_control, "?");
        Self {
            name,
            group: rom.parent().map(|folder| folder.display().to_string()).unwrap_or_default(),
            reproduce: super::reproduce(&rom, None, args),
            rom,
            kind: None,
            address: 0,
            initrd: None,
            cmdline: String::new(),
            memory: DEFAULT_MEMORY,
            model: CpuModel::default(),
            clock: ClockMode::Instructions { mips: DEFAULT_MIPS },
            timeout: args.timeout,
            max_instructions: args.max_instructions,
            debug_exit: args.debug_exit,
            restarts: false,
            engine: args.engine.into(),
            screenshot: None,
            expect: Expectation {
                endings: vec![Ending::DebugExit(args.success_exit), Ending::PowerOff],
                ..Expectation::default()
            },
        }
    }
}
