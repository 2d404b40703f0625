//! `manifest.toml`: which ROMs there are, on what machine they run, and what is
//! expected of them.

use super::case::{Case, Ending, Expectation, MemoryValue, RomKind};
use crate::args::TestArgs;
use crate::units::{parse_clock, parse_count, parse_debug_status, parse_duration, parse_port, parse_size};
use anyhow::{Context, bail};
use glassbox_cpu::CpuModel;
use glassbox_machine::{ClockMode, DEFAULT_MEMORY, DEFAULT_MIPS};
use glassbox_screen::PictureHash;
use regex::bytes::Regex;
use serde::de::{Deserialize, Deserializer, Error};
use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;
use toml::Spanned;

/// Larger files are no manifests.
const LARGEST_MANIFEST: u64 = 16 << 20;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    #[serde(default)]
    test: Vec<Spanned<Entry>>,
}

/// A `[[test]]`.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Entry {
    name: Option<String>,
    rom: String,
    kind: Option<RomKind>,
    #[serde(default, deserialize_with = "address")]
    address: Option<u64>,
    initrd: Option<String>,
    #[serde(default, deserialize_with = "size")]
    memory: Option<u64>,
    #[serde(default, deserialize_with = "cpus")]
    #[expect(dead_code, reason = "only 1 is accepted")]
    cpus: Option<u64>,
    #[serde(default, deserialize_with = "model")]
    cpu: Option<CpuModel>,
    #[serde(default)]
    arguments: String,
    #[serde(default, deserialize_with = "clock")]
    clock: Option<ClockMode>,
    #[serde(default, deserialize_with = "duration")]
    timeout: Option<Duration>,
    #[serde(default, deserialize_with = "count")]
    max_instructions: Option<u64>,
    #[serde(default, deserialize_with = "port")]
    debug_exit: Option<u16>,
    #[serde(default, deserialize_with = "debug_status")]
    success_exit: Option<u32>,
    #[serde(default)]
    triple_fault: TripleFault,
    #[serde(default)]
    expect: ExpectEntry,
}

/// What a triple fault means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
enum TripleFault {
    /// The end: a crash.
    #[default]
    Crash,
    /// The machine starts anew, as a PC does.
    Restart,
}

/// The `expect` of a `[[test]]`.
#[derive(Default, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct ExpectEntry {
    #[serde(default, deserialize_with = "ending")]
    exit: Option<Ending>,
    #[serde(default, deserialize_with = "patterns")]
    serial: Vec<Regex>,
    #[serde(default, deserialize_with = "patterns")]
    serial_not: Vec<Regex>,
    #[serde(default, deserialize_with = "patterns")]
    debugcon: Vec<Regex>,
    #[serde(default, deserialize_with = "patterns")]
    debugcon_not: Vec<Regex>,
    #[serde(default, deserialize_with = "patterns")]
    screen: Vec<Regex>,
    #[serde(default, deserialize_with = "patterns")]
    screen_not: Vec<Regex>,
    #[serde(default)]
    memory: Vec<MemoryEntry>,
    #[serde(default, deserialize_with = "picture")]
    picture: Option<PictureHash>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct MemoryEntry {
    #[serde(deserialize_with = "required_address")]
    address: u64,
    #[serde(deserialize_with = "bytes")]
    bytes: Vec<u8>,
}

/// A value that may be a number or text with a unit.
#[derive(serde::Deserialize)]
#[serde(untagged, expecting = "give a number that is not negative, or text")]
enum Scalar {
    Number(u64),
    Text(String),
}

impl Scalar {
    fn into_text(self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text,
        }
    }
}

#[derive(serde::Deserialize)]
#[serde(untagged, expecting = "give text or a list of texts")]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

/// Parses a scalar as the command line does.
fn parsed<'de, D: Deserializer<'de>, T, E: std::fmt::Display>(
    from: D,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, D::Error> {
    parse(&Scalar::deserialize(from)?.into_text()).map_err(D::Error::custom)
}

fn size<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    parsed(from, parse_size).map(Some)
}

fn duration<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    parsed(from, parse_duration).map(Some)
}

fn count<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    parsed(from, parse_count).map(Some)
}

fn port<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u16>, D::Error> {
    parsed(from, parse_port).map(Some)
}

fn clock<'de, D: Deserializer<'de>>(from: D) -> Result<Option<ClockMode>, D::Error> {
    parsed(from, parse_clock).map(Some)
}

fn model<'de, D: Deserializer<'de>>(from: D) -> Result<Option<CpuModel>, D::Error> {
    parsed(from, str::parse::<CpuModel>).map(Some)
}

fn debug_status<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u32>, D::Error> {
    parsed(from, parse_debug_status).map(Some)
}

fn address<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    required_address(from).map(Some)
}

fn required_address<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    parsed(from, |text| match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).map_err(|_| "not an address: write it as 0x8000"),
        None => text.parse().map_err(|_| "not an address: write it as 0x8000"),
    })
}

fn cpus<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    match u64::deserialize(from)? {
        1 => Ok(Some(1)),
        n => Err(D::Error::custom(format_args!(
            "a machine with {n} processors cannot be built, one processor is the limit: give cpus = 1"
        ))),
    }
}

fn picture<'de, D: Deserializer<'de>>(from: D) -> Result<Option<PictureHash>, D::Error> {
    let hash = String::deserialize(from)?.parse();
    hash.map(Some).map_err(|_| D::Error::custom("not a hash: write 64 hexadecimal digits"))
}

fn ending<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Ending>, D::Error> {
    parsed(from, |text| match text {
        "0" | "power-off" => Ok(Ending::PowerOff),
        "halt" => Ok(Ending::Halt),
        "crash" => Ok(Ending::Crash),
        number if number.starts_with(|c: char| c.is_ascii_digit()) => {
            parse_debug_status(number).map(Ending::DebugExit)
        }
        other => Err(format!("`{other}` is no end: give a number, \"power-off\", \"halt\" or \"crash\"")),
    })
    .map(Some)
}

fn patterns<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Regex>, D::Error> {
    let texts = match OneOrMany::deserialize(from)? {
        OneOrMany::One(text) => vec![text],
        OneOrMany::Many(texts) => texts,
    };
    texts.iter().map(|text| Regex::new(text).map_err(D::Error::custom)).collect()
}

/// Hexadecimal digits in pairs, with spaces wherever they help.
fn bytes<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(from)?;
    let bad = || D::Error::custom("not bytes: write them as \"55 AA\"");
    let digits: Option<Vec<u8>> = text
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    let digits = digits.filter(|d| !d.is_empty() && d.len().is_multiple_of(2)).ok_or_else(bad)?;
    Ok(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

/// The tests of a manifest. `prefix` goes before their names.
///
/// # Errors
/// A manifest that cannot be read, or says what makes no sense: with key and line.
pub fn load(path: &Path, prefix: &str, args: &TestArgs) -> anyhow::Result<Vec<Case>> {
    let shown = path.display();
    let size = std::fs::metadata(path).with_context(|| format!("cannot read {shown}"))?.len();
    if size > LARGEST_MANIFEST {
        bail!("{shown} is too large to be a manifest");
    }
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?;
    let file: File = toml::from_str(&text).map_err(|error| anyhow::anyhow!("{shown}: {error}"))?;
    if file.test.is_empty() {
        bail!("{shown} has no [[test]]: describe at least one");
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut names = HashSet::new();
    let mut cases = Vec::new();
    for entry in file.test {
        let line = 1 + text.bytes().take(entry.span().start).filter(|&byte| byte == b'\n').count();
        let entry = entry.into_inner();
        let at = || format!("{shown}, line {line}");
        let name = match &entry.name {
            Some(name) => name.clone(),
            None => super::discover::stem(Path::new(&entry.rom)),
        };
        if name.is_empty() || name.contains(char::is_control) {
            bail!("{}: `name` has to be text that can be printed", at());
        }
        if !names.insert(name.clone()) {
            bail!("{}: a second test `{name}`: give each a name of its own", at());
        }
        cases.push(case(entry, name, prefix, folder, path, args).with_context(at)?);
    }
    Ok(cases)
}

fn case(
    entry: Entry,
    name: String,
    prefix: &str,
    folder: &Path,
    manifest: &Path,
    args: &TestArgs,
) -> anyhow::Result<Case> {
    let is_flat = entry.kind == Some(RomKind::Flat);
    match entry.address {
        None if is_flat => bail!("test `{name}`: a flat ROM needs the key `address`, as in 0x8000"),
        Some(_) if !is_flat => bail!("test `{name}`: only a ROM of kind = \"flat\" has an `address`"),
        Some(address) if address >= 1 << 20 => {
            bail!("test `{name}`: a flat ROM is entered in real mode: give an `address` below 0x100000")
        }
        _ => {}
    }
    let ExpectEntry { exit, serial, serial_not, debugcon, debugcon_not, screen, screen_not, memory, picture } =
        entry.expect;
    let success = Ending::DebugExit(entry.success_exit.unwrap_or(args.success_exit));
    let waits_for_text = !serial.is_empty() || !debugcon.is_empty() || !screen.is_empty();
    let endings = match exit {
        Some(ending) => vec![ending],
        None => vec![success, Ending::PowerOff],
    };
    let memory = memory.into_iter().map(|m| MemoryValue { address: m.address, bytes: m.bytes }).collect();
    Ok(Case {
        name: format!("{prefix}{name}"),
        group: manifest.display().to_string(),
        reproduce: super::reproduce(manifest, Some(&name), args),
        rom: folder.join(&entry.rom),
        kind: entry.kind,
        address: entry.address.and_then(|a| u32::try_from(a).ok()).unwrap_or_default(),
        initrd: entry.initrd.map(|initrd| folder.join(initrd)),
        cmdline: entry.arguments,
        memory: entry.memory.unwrap_or(DEFAULT_MEMORY),
        model: entry.cpu.unwrap_or_default(),
        clock: entry.clock.unwrap_or(ClockMode::Instructions { mips: DEFAULT_MIPS }),
        timeout: entry.timeout.unwrap_or(args.timeout),
        max_instructions: entry.max_instructions.unwrap_or(args.max_instructions),
        debug_exit: entry.debug_exit.unwrap_or(args.debug_exit),
        restarts: entry.triple_fault == TripleFault::Restart,
        engine: args.engine.into(),
        screenshot: None,
        expect: Expectation {
            endings,
            ends_with_text: exit.is_none() && waits_for_text,
            serial,
            serial_not,
            debugcon,
            debugcon_not,
            screen,
            screen_not,
            memory,
            picture,
        },
    })
}
