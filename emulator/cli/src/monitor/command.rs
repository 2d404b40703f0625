//! The monitor's commands, as people write them.

use crate::units::parse_size;
use glassbox_input::{KeyScript, Step, keys};
use glassbox_machine::Topic;
use std::path::PathBuf;

/// One command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    Help,
    /// What the machine says of itself.
    Inspect(Topic),
    /// The drives and what is in them.
    Block,
    /// The picture's size and hash.
    Screen,
    /// Counters of the run.
    Stats,
    Screenshot(PathBuf),
    /// What the screen says, into a file where one is given.
    ScreenText(Option<PathBuf>),
    /// Keys, text and pointer.
    Play(KeyScript),
    /// Bytes of physical memory.
    Dump {
        address: u64,
        len: usize,
    },
    Pause,
    Resume,
    Reset,
    PowerDown,
    Eject {
        drive: String,
        force: bool,
    },
    Insert {
        drive: String,
        file: PathBuf,
    },
    Quit,
    /// An empty line.
    Nothing,
}

/// What is typed, and what it does: for `help` and completion.
pub const HELP: &[(&str, &str)] = &[
    ("help", "this list"),
    ("info TOPIC", "TOPIC is one of those below"),
    ("screenshot F.png", "write the picture to a file"),
    ("screentext [F]", "show what the screen says, or write it to a file"),
    ("sendkeys KEYS…", "press keys, as in sendkeys ctrl-alt-f2 enter"),
    ("type \"TEXT\"", "type text by the keyboard layout, as in type \"root\\n\""),
    ("mouse STEP", "move 100,200 | move +5,-5 | click [100,200] [BUTTON] | button left down|up | wheel 3"),
    ("keys SCRIPT", "play a script as --keys does, as in keys wait \"boot:\"; type \"linux\\n\""),
    ("x ADDRESS [BYTES]", "show physical memory, as in x 0x7c00 512"),
    ("pause", "stop the guest and its time (also: stop)"),
    ("resume", "let it go on (also: cont)"),
    ("reset", "press the reset button"),
    ("powerdown", "press the power button: the guest shuts down in order"),
    ("eject DRIVE [force]", "take a disk out, as in eject cdrom0"),
    ("insert DRIVE F", "put another in, as in insert floppy0 disk2.img"),
    ("quit", "end the machine at once"),
];

/// Topics of `info` that are not the machine's own.
pub const OWN_TOPICS: &[(&str, &str)] = &[
    ("block", "drives, their names here, and what is in them"),
    ("screen", "size and hash of the picture, for --keys 'wait screen hash …'"),
    ("stats", "counters of the run, of the compiler too (also: jit)"),
];

impl Command {
    /// Parses a line.
    ///
    /// # Errors
    /// One line that says what is not understood.
    pub fn parse(line: &str) -> Result<Self, String> {
        let line = line.trim();
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let rest = rest.trim();
        let alone = |command| if rest.is_empty() { Ok(command) } else { Err(format!("{word} stands alone")) };
        let path = || match unquoted(rest) {
            "" => Err(format!("{word} needs a file, as in {word} /tmp/screen")),
            path => Ok(PathBuf::from(path)),
        };
        let script = |text: &str| text.parse().map(Self::Play).map_err(|error| format!("{error}"));
        match word {
            "" => Ok(Self::Nothing),
            "help" | "?" => alone(Self::Help),
            "info" => info(rest),
            "screenshot" | "screendump" => path().map(Self::Screenshot),
            "screentext" if rest.is_empty() => Ok(Self::ScreenText(None)),
            "screentext" => path().map(|path| Self::ScreenText(Some(path))),
            "sendkeys" | "sendkey" | "key" => {
                let strokes: Result<Vec<_>, _> = rest.split_whitespace().map(keys).collect();
                let strokes = strokes.map_err(|error| error.to_string())?;
                Ok(Self::Play(KeyScript(strokes.into_iter().map(Step::Press).collect())))
            }
            "type" => script(line),
            "mouse" if !rest.is_empty() => script(rest),
            "keys" if !rest.is_empty() => script(rest),
            "x" | "xp" => dump(rest),
            "pause" | "stop" => alone(Self::Pause),
            "resume" | "cont" | "c" => alone(Self::Resume),
            "reset" | "system_reset" => alone(Self::Reset),
            "powerdown" | "system_powerdown" => alone(Self::PowerDown),
            "eject" => match rest.split_whitespace().collect::<Vec<_>>().as_slice() {
                [drive] => Ok(Self::Eject { drive: (*drive).to_owned(), force: false }),
                [drive, "force"] => Ok(Self::Eject { drive: (*drive).to_owned(), force: true }),
                _ => Err("eject DRIVE [force]: `info block` has the names".into()),
            },
            "insert" | "change" => match rest.split_once(char::is_whitespace) {
                Some((drive, file)) => {
                    Ok(Self::Insert { drive: drive.to_owned(), file: unquoted(file.trim()).into() })
                }
                None => Err("insert DRIVE FILE: `info block` has the names".into()),
            },
            "quit" | "q" => alone(Self::Quit),
            _ => Err(format!("`{word}` is no command: `help` lists them")),
        }
    }
}

fn info(topic: &str) -> Result<Command, String> {
    match topic {
        "block" => return Ok(Command::Block),
        "screen" => return Ok(Command::Screen),
        "stats" | "jit" => return Ok(Command::Stats),
        _ => {}
    }
    let found = Topic::ALL.iter().find(|(name, ..)| *name == topic);
    let names = Topic::ALL.iter().map(|(name, ..)| *name).chain(OWN_TOPICS.iter().map(|(name, _)| *name));
    found
        .map(|(_, topic, _)| Command::Inspect(*topic))
        .ok_or_else(|| format!("info knows {}", names.collect::<Vec<_>>().join(", ")))
}

/// Bytes that are shown where nothing is said, and at most.
const DUMP: usize = 128;
const LONGEST_DUMP: u64 = 64 << 10;

fn dump(rest: &str) -> Result<Command, String> {
    let number = |text: &str| match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    };
    let bad = || "x ADDRESS [BYTES], as in x 0x7c00 512".to_owned();
    let mut words = rest.split_whitespace();
    let address = words.next().and_then(number).ok_or_else(bad)?;
    let len = match words.next() {
        None => DUMP as u64,
        Some(len) => number(len).or_else(|| parse_size(len).ok()).ok_or_else(bad)?,
    };
    if len > LONGEST_DUMP {
        return Err(format!("at most {LONGEST_DUMP} bytes at a time"));
    }
    Ok(Command::Dump { address, len: len as usize })
}

fn unquoted(text: &str) -> &str {
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use glassbox_input::Key;

    #[test]
    fn commands_are_read_by_their_names_and_those_of_other_emulators() {
        assert_eq!(Command::parse("  info registers "), Ok(Command::Inspect(Topic::Registers)));
        assert_eq!(Command::parse("system_reset"), Ok(Command::Reset));
        assert_eq!(Command::parse("screenshot \"a b.png\""), Ok(Command::Screenshot("a b.png".into())));
        assert_eq!(Command::parse("x 0x7c00"), Ok(Command::Dump { address: 0x7C00, len: 128 }));
        let eject = Command::Eject { drive: "cdrom0".into(), force: true };
        assert_eq!(Command::parse("eject cdrom0 force"), Ok(eject));
        let strokes = [vec![Key::ControlLeft, Key::C], vec![Key::Enter]].map(Step::Press);
        assert_eq!(Command::parse("sendkey ctrl-c ret"), Ok(Command::Play(KeyScript(strokes.into()))));
        let typed = KeyScript(vec![Step::Type("a b\n".into())]);
        assert_eq!(Command::parse("type \"a b\\n\""), Ok(Command::Play(typed)));
        let Ok(Command::Play(KeyScript(clicks))) = Command::parse("mouse click 1,2") else { panic!() };
        assert_eq!(clicks.len(), 3);
    }

    #[test]
    fn mistakes_are_named() {
        let error = |line| Command::parse(line).unwrap_err();
        assert!(error("fly").contains("`fly` is no command"));
        assert!(error("info cheese").contains("registers"));
        assert!(error("quit now").contains("alone"));
        assert!(error("sendkeys hyper").contains("hyper"));
        assert!(error("screenshot").contains("file"));
        assert!(error("x 0 1G").contains("at most"));
    }
}
