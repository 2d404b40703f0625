//! The language of `--keys`: `wait "boot:"; type "linux\n"; wait 2s; key ctrl-alt-f2`.

use std::str::Chars;
use std::time::Duration;

use thiserror::Error;

use crate::Key;

/// One step of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Goes on when this pattern (a regular expression) is on the screen or came
    /// over a serial port.
    WaitFor(String),
    /// Lets guest time pass.
    Pause(Duration),
    /// Types text by the keyboard layout.
    Type(String),
    /// Presses keys together, in this order, and releases them.
    Press(Vec<Key>),
}

/// What is wrong with a script.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ScriptError {
    /// Neither of the words that begin a step.
    #[error(
        "{0:?} is no step: wait, type and key are, as in `wait \"login:\"; type \"root\\n\"; key ctrl-c`"
    )]
    UnknownStep(String),
    /// No key has this name.
    #[error("there is no key {0:?}: keys are named as in `ctrl-alt-f2`, `enter`, `left`, `a`")]
    UnknownKey(String),
    /// The text after `wait` is neither a time nor in quotes.
    #[error("{0:?} is neither a time such as 2s or 500ms nor text in double quotes")]
    BadWait(String),
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
            steps.push(match word.as_str() {
                "wait" => wait(&mut rest)?,
                "type" => Step::Type(quoted(&mut rest)?),
                "key" => Step::Press(keys(&take_while(&mut rest, |c| c != ';' && !c.is_whitespace()))?),
                _ => return Err(ScriptError::UnknownStep(word + rest.as_str())),
            });
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
    let word = take_while(rest, |c| c != ';' && !c.is_whitespace());
    let time = duration(&word);
    time.map(Step::Pause).ok_or(ScriptError::BadWait(word))
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
    fn mistakes_are_named() {
        assert_eq!(parse("key ctrl-alt-hyper"), Err(ScriptError::UnknownKey("hyper".into())));
        assert_eq!(parse("press a"), Err(ScriptError::UnknownStep("pressa".into())));
        assert_eq!(parse("wait 2 h"), Err(ScriptError::BadWait("2".into())));
        assert_eq!(parse("type \"open"), Err(ScriptError::BadText));
        assert_eq!(parse("type \"a\" key b"), Err(ScriptError::NoSeparator("key b".into())));
    }
}
