//! The parent starts workers and adds up what they print, one line a message:
//! `progress CASES MISMATCHES`, `family NAME FORMS CASES FAULTS MISMATCHES`,
//! `text LINE` for people, `case LINE` for the data files, `end`.

use glassbox_cpu::{Cpu, Exception};
use glassbox_jit::Jit;
use glassbox_oracle::campaign::{self, Plan};
use glassbox_oracle::emulated::Execute;
use glassbox_oracle::report::{Family, describe};
use glassbox_oracle::{Session, host_is_amd};
use std::collections::BTreeMap;
use std::error::Error;
use std::io::{BufRead, BufReader, IsTerminal, Write};
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const USAGE: &str = "usage: oracle [--cases N] [--seed S] [--form TEXT] [--bits 64|32|16] [--jobs N] \
                     [--engine interp|jit] [--emit FILE] [--record FOLDER]
N may end in k, M or G. --emit adds cases that differ to a data file. --record makes the data files \
anew; --form then names one of them.";

/// What executes our side.
#[derive(Clone, Copy)]
enum Engine {
    Interpreter,
    /// Each instruction compiled alone.
    Jit,
}

impl Engine {
    fn session(self) -> std::io::Result<Session> {
        match self {
            Self::Interpreter => Session::new(),
            Self::Jit => Session::on(Box::new(Compiled(Jit::new(1 << 20)?))),
        }
    }
}

struct Compiled(Jit);

impl Execute for Compiled {
    fn execute_one(&mut self, cpu: &mut Cpu) -> std::result::Result<(), Exception> {
        self.0.execute_one(cpu)
    }
}

struct Args {
    plan: Plan,
    jobs: u64,
    emit: Option<String>,
    record: Option<String>,
    engine: Engine,
    worker: Option<u64>,
}

/// A number with k, M or G behind it.
fn count(text: &str) -> Result<u64> {
    let (digits, factor) = match text.as_bytes().last() {
        Some(b'k') => (&text[..text.len() - 1], 1_000),
        Some(b'M') => (&text[..text.len() - 1], 1_000_000),
        Some(b'G') => (&text[..text.len() - 1], 1_000_000_000),
        _ => (text, 1),
    };
    let number: u64 = digits.parse().map_err(|_| format!("{text} is not a number"))?;
    Ok(number.checked_mul(factor).ok_or_else(|| format!("{text} is too much"))?)
}

fn parse() -> Result<Args> {
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    let plan = Plan { cases: 1_000_000, seed: 1, filter: String::new(), sizes: vec![64, 32, 16] };
    let mut args =
        Args { plan, jobs: cores, emit: None, record: None, engine: Engine::Interpreter, worker: None };
    let mut rest = std::env::args().skip(1);
    while let Some(name) = rest.next() {
        let mut value = || rest.next().ok_or_else(|| format!("{name} needs a value"));
        match name.as_str() {
            "--cases" => args.plan.cases = count(&value()?)?,
            "--seed" => args.plan.seed = value()?.parse()?,
            "--form" => args.plan.filter = value()?.to_lowercase(),
            "--bits" => match value()?.parse()? {
                bits @ (16 | 32 | 64) => args.plan.sizes = vec![bits],
                bits => return Err(format!("there is no {bits}-bit code").into()),
            },
            "--jobs" => args.jobs = value()?.parse::<u64>()?.clamp(1, 1024),
            "--emit" => args.emit = Some(value()?),
            "--engine" => {
                args.engine = match value()?.as_str() {
                    "interp" => Engine::Interpreter,
                    "jit" => Engine::Jit,
                    engine => return Err(format!("there is no engine {engine}").into()),
                }
            }
            "--record" => args.record = Some(value()?),
            "--worker" => args.worker = Some(value()?.parse()?),
            _ => return Err(format!("unknown argument {name}\n{USAGE}").into()),
        }
    }
    Ok(args)
}

pub fn main() -> ExitCode {
    let outcome = parse().and_then(|args| match (&args.record, args.worker) {
        (Some(folder), _) => record(&args.plan, folder).map(|()| true),
        (_, Some(n)) => work(&args.plan.share(n, args.jobs), args.engine).map(|()| true),
        _ => supervise(&args),
    });
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("oracle: {error}");
            ExitCode::from(2)
        }
    }
}

fn record(plan: &Plan, folder: &str) -> Result<()> {
    for (name, text) in campaign::record(&mut Session::new()?, plan) {
        std::fs::write(format!("{folder}/{name}.ins"), text)?;
    }
    Ok(())
}

/// A worker: runs its share and tells about it.
fn work(plan: &Plan, engine: Engine) -> Result<()> {
    let mut session = engine.session()?;
    let report =
        campaign::run(&mut session, plan, |cases, mismatches| println!("progress {cases} {mismatches}"));
    for (name, family) in report.families() {
        let Family { forms, cases, faults, mismatches } = family;
        println!("family {name} {forms} {cases} {faults} {mismatches}");
    }
    for (name, form) in &report.forms {
        // Flags that manuals leave undefined have to agree with AMD silicon only.
        let undefined = form.undefined_example.as_ref().filter(|_| host_is_amd());
        for mismatch in form.example.iter().chain(undefined) {
            println!("text {name}: {} of {} differ", form.mismatches + form.undefined, form.cases);
            describe(mismatch).lines().for_each(|line| println!("text {line}"));
            campaign::reproduce(&mut session, mismatch).lines().for_each(|line| println!("case {line}"));
        }
    }
    println!("end");
    Ok(())
}

/// What the workers told so far.
#[derive(Default)]
struct Totals {
    progress: Vec<(u64, u64)>,
    families: BTreeMap<String, Family>,
    text: String,
    cases: String,
    ended: u64,
}

impl Totals {
    fn hear(&mut self, worker: usize, line: &str) -> Result<()> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let numbers =
            |text: &str| text.split(' ').map(str::parse::<u64>).collect::<std::result::Result<Vec<_>, _>>();
        match word {
            "progress" => {
                if let [cases, mismatches] = numbers(rest)?[..] {
                    self.progress[worker] = (cases, mismatches);
                }
            }
            "family" => {
                let (name, counts) = rest.split_once(' ').ok_or("a family without counts")?;
                if let [forms, cases, faults, mismatches] = numbers(counts)?[..] {
                    let total = self.families.entry(name.into()).or_default();
                    // All workers run the same forms.
                    let forms = forms.max(total.forms);
                    *total += Family { forms: 0, cases, faults, mismatches };
                    total.forms = forms;
                }
            }
            "text" => self.text.extend([rest, "\n"]),
            "case" => self.cases.extend([rest, "\n"]),
            "end" => self.ended += 1,
            _ => eprintln!("{line}"),
        }
        Ok(())
    }

    fn counts(&self) -> (u64, u64) {
        self.progress.iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    }
}

fn show_progress(totals: &Totals, start: Instant) {
    let (cases, mismatches) = totals.counts();
    let rate = cases as f64 / start.elapsed().as_secs_f64();
    let line = format!("{cases} cases, {rate:.0} a second, {mismatches} mismatches");
    if std::io::stderr().is_terminal() {
        eprint!("\r{line}\x1b[K");
    } else {
        eprintln!("{line}");
    }
}

/// Runs the workers. Returns whether everything came out the same.
fn supervise(args: &Args) -> Result<bool> {
    let start = Instant::now();
    let (sender, lines) = mpsc::channel();
    let mut children = Vec::new();
    for worker in 0..args.jobs as usize {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(std::env::args().skip(1)).args(["--jobs", &args.jobs.to_string()]);
        command.args(["--worker", &worker.to_string()]).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let output = child.stdout.take().ok_or("a worker without output")?;
        let sender = sender.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(std::io::Result::ok) {
                if sender.send((worker, line)).is_err() {
                    return;
                }
            }
        });
        children.push(child);
    }
    drop(sender);
    let mut totals = Totals { progress: vec![(0, 0); children.len()], ..Totals::default() };
    // A terminal's line is renewed often, a log gets a line a minute.
    let interval = Duration::from_secs(if std::io::stderr().is_terminal() { 1 } else { 60 });
    let mut shown = start;
    for (worker, line) in lines {
        totals.hear(worker, &line)?;
        if shown.elapsed() >= interval {
            shown = Instant::now();
            show_progress(&totals, start);
        }
    }
    show_progress(&totals, start);
    eprintln!();
    for mut child in children {
        let status = child.wait()?;
        if !status.success() {
            return Err(format!("a worker ended with {status}").into());
        }
    }
    if totals.ended != args.jobs {
        return Err("a worker ended early".into());
    }
    finish(args, &totals, start)
}

fn finish(args: &Args, totals: &Totals, start: Instant) -> Result<bool> {
    print!("{}", totals.text);
    println!("{:<16} {:>6} {:>12} {:>12} {:>10}", "family", "forms", "cases", "faults", "mismatches");
    let mut sum = Family::default();
    for (name, family) in &totals.families {
        let Family { forms, cases, faults, mismatches } = *family;
        println!("{name:<16} {forms:>6} {cases:>12} {faults:>12} {mismatches:>10}");
        sum += *family;
    }
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{} forms, {} cases in {seconds:.0} s ({:.0} a second), {} mismatches, seed {}",
        sum.forms,
        sum.cases,
        sum.cases as f64 / seconds,
        sum.mismatches,
        args.plan.seed,
    );
    if sum.cases == 0 {
        return Err("no form that both have matches".into());
    }
    if let Some(path) = args.emit.as_ref().filter(|_| !totals.cases.is_empty()) {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path)?;
        file.write_all(totals.cases.as_bytes())?;
        println!("cases that differ were added to {path}");
    } else {
        print!("{}", totals.cases);
    }
    // Without AMD silicon there is nothing to hold undefined flags against.
    Ok(totals.text.is_empty())
}
