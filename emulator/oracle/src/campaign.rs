//! Many cases of many forms: what one worker process of `cargo xtask oracle` does.

use crate::report::{Mismatch, Report};
use crate::rng::Rng;
use crate::{Session, data, emit, forms, generate, shrink};
use iced_x86::Code;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Cases of a form in a row, before the next form's turn.
const BATCH: u64 = 32;
/// Between two reports of progress.
const INTERVAL: Duration = Duration::from_millis(500);

/// What to run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Cases in all.
    pub cases: u64,
    /// The same seed gives the same cases.
    pub seed: u64,
    /// Only forms whose name contains this, in lower case.
    pub filter: String,
    /// Code sizes: 64, 32, 16.
    pub sizes: Vec<u32>,
}

impl Plan {
    /// The forms of the plan with their code sizes.
    pub fn forms(&self) -> Vec<(Code, u32)> {
        let all =
            self.sizes.iter().flat_map(|&bits| forms::forms(bits).into_iter().map(move |code| (code, bits)));
        all.filter(|(code, _)| format!("{code:?}").to_lowercase().contains(&self.filter)).collect()
    }

    /// The part of worker `n` of `count`: a share of the cases, and other ones than
    /// everybody else's.
    #[must_use]
    pub fn share(&self, n: u64, count: u64) -> Self {
        let cases = self.cases / count + u64::from(n < self.cases % count);
        Self {
            cases,
            seed: Rng::new(self.seed ^ n.wrapping_mul(0xA076_1D64_78BD_642F)).bits(),
            ..self.clone()
        }
    }
}

/// Runs a plan. `progress` hears now and then how many cases there were, and how
/// many of them came out different.
pub fn run(session: &mut Session, plan: &Plan, mut progress: impl FnMut(u64, u64)) -> Report {
    let mut report = Report::default();
    let mut forms = plan.forms();
    let mut rng = Rng::new(plan.seed);
    let (mut done, mut last) = (0, Instant::now());
    while done < plan.cases && !forms.is_empty() {
        let seed = rng.bits();
        let batch = ((plan.cases - done) / forms.len() as u64).clamp(1, BATCH);
        forms.retain(|&(code, bits)| {
            let left = plan.cases - done;
            if left == 0 {
                return true;
            }
            let ran = session.run_form(code, bits, batch.min(left), seed, &mut report);
            done += ran;
            if last.elapsed() >= INTERVAL {
                last = Instant::now();
                progress(done, report.mismatches() + report.undefined());
            }
            ran != 0
        });
    }
    progress(done, report.mismatches() + report.undefined());
    report
}

/// A mismatch, made small: as text for the data files, with what the host did.
pub fn reproduce(session: &mut Session, mismatch: &Mismatch) -> String {
    let kinds = |found: &[crate::compare::Difference]| {
        found.iter().map(|difference| std::mem::discriminant(&difference.what)).collect::<Vec<_>>()
    };
    let wanted = kinds(&mismatch.differences);
    let small = shrink::shrink(&mismatch.case, &mut |case| {
        let (_, found) = session.run(case);
        !found.is_empty() && kinds(&found).iter().all(|kind| wanted.contains(kind))
    });
    let (outcome, _) = session.run(&small);
    data::write(&small, &outcome, session.host_data())
}

/// Data files of confirmed cases, by name: of every 64-bit form one that ends well
/// and one that faults, of the forms that 64-bit code does not have more. The plan's
/// filter selects files here, not forms.
pub fn record(session: &mut Session, plan: &Plan) -> BTreeMap<&'static str, String> {
    let mut files = BTreeMap::<&str, String>::new();
    let everything = Plan { filter: String::new(), ..plan.clone() };
    for (code, bits) in everything.forms() {
        let file = emit::family(code);
        if bits != 64 && code.op_code().mode64() || !file.contains(&plan.filter) {
            continue;
        }
        let mut rng = Rng::new(plan.seed ^ code as u64);
        let mut wanted = if bits == 64 { [1, 1] } else { [3, 1] };
        for _ in 0..60 {
            let Some(case) = generate::case(code, bits, &mut rng) else { break };
            if !session.implements(&case) {
                break;
            }
            let Some(case) = emit::shorten(&case) else { continue };
            let (outcome, differences) = session.run(&case);
            let slot = &mut wanted[usize::from(outcome.fault.is_some())];
            if *slot == 0 || !differences.is_empty() {
                continue;
            }
            *slot -= 1;
            let text = files.entry(file).or_insert_with(|| {
                let seed = plan.seed;
                format!("# {file}: confirmed by an AMD Zen 5 processor; made by the oracle, seed {seed}.\n\n")
            });
            text.push_str(&data::write(&case, &outcome, session.host_data()));
            text.push('\n');
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(cases: u64) -> Plan {
        Plan { cases, seed: 5, filter: "bextr".into(), sizes: vec![64, 16] }
    }

    #[test]
    fn shares_add_up_and_have_seeds_of_their_own() {
        let shares: Vec<_> = (0..3).map(|n| plan(1001).share(n, 3)).collect();
        assert_eq!(shares.iter().map(|share| share.cases).sum::<u64>(), 1001);
        assert!(shares[0].seed != shares[1].seed && shares[1].seed != shares[2].seed);
    }

    #[test]
    fn exactly_as_many_cases_run_as_were_asked_for() {
        let mut session = Session::new().expect("this host can run cases");
        let (mut seen, plan) = (0, plan(100));
        if plan.forms().is_empty() {
            return;
        }
        let report = run(&mut session, &plan, |cases, _| seen = cases);
        assert_eq!((report.cases(), seen, report.forms.len()), (100, 100, 3));
        assert_eq!(report.families()["BMI1"].cases, 100);
    }

    #[test]
    fn recorded_files_come_out_the_same_when_they_are_run() {
        let mut session = Session::new().expect("this host can run cases");
        let files = record(&mut session, &Plan { filter: "bcd".into(), ..plan(0) });
        // Decimal instructions are not in 64-bit code: the 16-bit forms are recorded.
        let known = data::parse(&files["bcd"]).expect("what was written can be read");
        assert!(known.len() >= 6, "{}", known.len());
        for known in known {
            let (outcome, differences) = session.run(&known.case);
            assert!(differences.is_empty() && outcome == known.outcome);
        }
    }
}
