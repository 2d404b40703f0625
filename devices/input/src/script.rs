//! The language of `--keys`: `wait "boot:"; type "linux\n"; wait 2s; key ctrl-alt-f2`.

use std::str::Chars;
use std::time::Duration;

use thiserror::Error;

use crate::{Buttons, Key};

/// One step of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Goes on when this pattern (a regular expression) is on the screen or came
    /// over a serial port.
    WaitFor(String),
    /// Goes on when the screen has shown nothing new for this guest time. What
    /// alternates, such as a blinking cursor, is not new.
    WaitStable(Duration),
    /// Goes on when the picture has this hash, in hexadecimal digits.
    WaitPicture(String),
    /// Lets guest time pass.
    Pause(Duration),
    /// Types text by the keyboard layout.
    Type(String),
    /// Presses keys together, in this order, and releases them.
    Press(Vec<Key>),
    /// Takes the pointer to a pixel.
    MoveTo {
        /// From the left edge.
        x: u32,
        /// From the top.
        y: u32,
    },
    /// Moves the pointer, as a mouse does.
    MoveBy {
        /// To the right, in counts.
        dx: i32,
        /// Down, in counts.
        dy: i32,
    },
    /// Presses buttons where the pointer is, or releases them.
    Button {
        /// Which.
        buttons: Buttons,
        /// They go down.
        down: bool,
    },
    /// Turns the wheel by so many steps, towards the user.
    Wheel(i32),
    /// Writes the picture to a file.
    Screenshot(String),
    /// Ends the machine.
    Quit,
}

/// What is wrong with a script.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ScriptError {
    /// Neither of the words that begin a step.
    #[error(
        "{0:?} is no step: wait, type, key, move, click, button, wheel, screenshot and quit are, as in \
         `wait \"login:\"; type \"root\\n\"; key ctrl-c; click 100,200`"
    )]
    UnknownStep(String),
    /// No key has this name.
    #[error("there is no key {0:?}: keys are named as in `ctrl-alt-f2`, `enter`, `left`, `a`")]
    UnknownKey(String),
    /// The text after `wait` is neither a time nor in quotes.
    #[error(
        "{0:?} is neither a time such as 2s or 500ms nor text in double quotes, nor is it \
         `screen stable 2s` or `screen hash` with a picture's hash"
    )]
    BadWait(String),
    /// What follows a step of the mouse is not right.
    #[error(
        "{0:?}: the mouse's steps are `move 100,200`, `move +5,-5`, `click [100,200] [BUTTON]`, \
             `button BUTTON down|up` and `wheel 3`, with left, right, middle, back or forward"
    )]
    BadMouse(String),
    /// A text without its second quote, or with an escape that is none.
    #[error("a text is not right: it begins and ends with a double quote and knows \\n \\t \\e \\\\ \\\"")]
    BadText,
    /// Something else follows a step.
    #[error("after a step comes `;` or the end, not {0:?}")]
    NoSeparator(String),
}

/// Steps that are carried out one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyScript(pub Vec<Step>);

impl std::str::FromStr for KeyScript {
    type Err = ScriptError;

    fn from_str(text: &str) -> Result<Self, ScriptError> {
        let mut steps = Vec::new();
        let mut rest = text.chars();
        loop {
            skip(&mut rest, |c| c.is_whitespace() || c == ';');
            let word = take_while(&mut rest, |c| c.is_alphanumeric() || c == '_');
            if word.is_empty() && rest.as_str().is_empty() {
                return Ok(Self(steps));
            }
            skip(&mut rest, char::is_whitespace);
            match word.as_str() {
                "wait" => steps.push(wait(&mut rest)?),
                "type" => steps.push(Step::Type(quoted(&mut rest)?)),
                "screenshot" => steps.push(Step::Screenshot(quoted(&mut rest)?)),
                "quit" => steps.push(Step::Quit),
                "key" => steps.push(Step::Press(keys(&next_word(&mut rest))?)),
                "move" | "click" | "button" | "wheel" => {
                    let words = take_while(&mut rest, |c| c != ';');
                    let bad = || ScriptError::BadMouse(format!("{word} {}", words.trim()));
                    steps.extend(mouse(&word, &words).ok_or_else(bad)?);
                }
                _ => return Err(ScriptError::UnknownStep(word + rest.as_str())),
            }
            skip(&mut rest, |c| c.is_whitespace());
            if !rest.as_str().is_empty() && !rest.as_str().starts_with(';') {
                return Err(ScriptError::NoSeparator(rest.as_str().into()));
            }
        }
    }
}

/// Keys that are pressed together, as in `ctrl-alt-f2`.
///
/// # Errors
/// [`ScriptError::UnknownKey`].
pub fn keys(names: &str) -> Result<Vec<Key>, ScriptError> {
    names
        .split('-')
        .map(|name| Key::from_name(name).ok_or_else(|| ScriptError::UnknownKey(name.into())))
        .collect()
}

fn wait(rest: &mut Chars<'_>) -> Result<Step, ScriptError> {
    if rest.as_str().starts_with('"') {
        return quoted(rest).map(Step::WaitFor);
    }
    let words = take_while(rest, |c| c != ';');
    let parts: Vec<&str> = words.split_whitespace().collect();
    let step = match parts.as_slice() {
        [time] => duration(time).map(Step::Pause),
        ["screen", "stable", time] => duration(time).map(Step::WaitStable),
        ["screen", "hash", hash] => Some(Step::WaitPicture((*hash).into())),
        _ => None,
    };
    step.ok_or_else(|| ScriptError::BadWait(words.trim().into()))
}

/// The steps that a word of the mouse and what follows it mean.
fn mouse(word: &str, rest: &str) -> Option<Vec<Step>> {
    let parts: Vec<&str> = rest.split_whitespace().collect();
    Some(match (word, parts.as_slice()) {
        ("move", [place]) => vec![movement(place)?],
        ("click", []) => click(None, Buttons::LEFT),
        ("click", [one]) => match Buttons::from_name(one) {
            Some(button) => click(None, button),
            None => click(Some(movement(one)?), Buttons::LEFT),
        },
        ("click", [place, button]) => click(Some(movement(place)?), Buttons::from_name(button)?),
        ("button", [button, way]) => {
            let down = match *way {
                "down" => true,
                "up" => false,
                _ => return None,
            };
            vec![Step::Button { buttons: Buttons::from_name(button)?, down }]
        }
        ("wheel", [steps]) => vec![Step::Wheel(steps.parse().ok()?)],
        _ => return None,
    })
}

fn click(place: Option<Step>, buttons: Buttons) -> Vec<Step> {
    let down = |down| Step::Button { buttons, down };
    place.into_iter().chain([down(true), down(false)]).collect()
}

/// `100,200` is a place, `+5,-5` a way.
fn movement(text: &str) -> Option<Step> {
    let (x, y) = text.split_once(',')?;
    if text.starts_with(['+', '-']) {
        return Some(Step::MoveBy { dx: x.parse().ok()?, dy: y.parse().ok()? });
    }
    Some(Step::MoveTo { x: x.parse().ok()?, y: y.parse().ok()? })
}

fn next_word(rest: &mut Chars<'_>) -> String {
    take_while(rest, |c| c != ';' && !c.is_whitespace())
}

fn duration(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().ok()?;
    match &text[digits.len()..] {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs),
        _ => None,
    }
}

fn quoted(rest: &mut Chars<'_>) -> Result<String, ScriptError> {
    if rest.next() != Some('"') {
        return Err(ScriptError::BadText);
    }
    let mut text = String::new();
    loop {
        match rest.next().ok_or(ScriptError::BadText)? {
            '"' => return Ok(text),
            '\\' => match rest.next().ok_or(ScriptError::BadText)? {
                'n' => text.push('\n'),
                't' => text.push('\t'),
                'e' => text.push('\x1b'),
                c @ ('\\' | '"') => text.push(c),
                // In a pattern the backslash is the expression's.
                c => text.extend(['\\', c]),
            },
            c => text.push(c),
        }
    }
}

fn skip(rest: &mut Chars<'_>, what: impl Fn(char) -> bool) {
    *rest = rest.as_str().trim_start_matches(what).chars();
}

fn take_while(rest: &mut Chars<'_>, what: impl Fn(char) -> bool) -> String {
    let text = rest.as_str();
    let end = text.find(|c| !what(c)).unwrap_or(text.len());
    *rest = text[end..].chars();
    text[..end].into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Vec<Step>, ScriptError> {
        text.parse().map(|KeyScript(steps)| steps)
    }

    #[test]
    fn a_script_is_read_step_by_step() {
        let steps =
            parse("wait \"boot:\" ; type \"linux \\\"a\\\"\\n\" ; wait 2s;key ctrl-alt-f2;\n wait 500ms");
        assert_eq!(
            steps.unwrap(),
            [
                Step::WaitFor("boot:".into()),
                Step::Type("linux \"a\"\n".into()),
                Step::Pause(Duration::from_secs(2)),
                Step::Press(vec![Key::ControlLeft, Key::AltLeft, Key::F2]),
                Step::Pause(Duration::from_millis(500)),
            ]
        );
        assert_eq!(parse("  ").unwrap(), []);
        assert_eq!(parse(r#"wait "a\d+""#).unwrap(), [Step::WaitFor(r"a\d+".into())]);
    }

    #[test]
    fn the_pointer_moves_and_clicks_and_pictures_are_waited_for() {
        let left = |down| Step::Button { buttons: Buttons::LEFT, down };
        let right = |down| Step::Button { buttons: Buttons::RIGHT, down };
        assert_eq!(
            parse("wait screen stable 2s; click 100,200; move -5,+6; click right; wheel -1").unwrap(),
            [
                Step::WaitStable(Duration::from_secs(2)),
                Step::MoveTo { x: 100, y: 200 },
                left(true),
                left(false),
                Step::MoveBy { dx: -5, dy: 6 },
                right(true),
                right(false),
                Step::Wheel(-1),
            ]
        );
        let end = parse("screenshot \"a b.png\"; quit").unwrap();
        assert_eq!(end, [Step::Screenshot("a b.png".into()), Step::Quit]);
        let hash = parse("wait screen hash 00ff; button left down").unwrap();
        assert_eq!(hash, [Step::WaitPicture("00ff".into()), left(true)]);
        assert_eq!(parse("click 1;key a"), parse("click 1"));
        assert_eq!(parse("click 1"), Err(ScriptError::BadMouse("click 1".into())));
        assert_eq!(parse("wait screen calm"), Err(ScriptError::BadWait("screen calm".into())));
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(parse("key ctrl-alt-hyper"), Err(ScriptError::UnknownKey("hyper".into())));
        assert_eq!(parse("press a"), Err(ScriptError::UnknownStep("pressa".into())));
        assert_eq!(parse("wait 2 h"), Err(ScriptError::BadWait("2 h".into())));
        assert_eq!(parse("type \"open"), Err(ScriptError::BadText));
        assert_eq!(parse("type \"a\" key b"), Err(ScriptError::NoSeparator("key b".into())));
    }
}
