//! Runs guest tests, some at the same time, and prints a line for each.

use anyhow::Result;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// How a test ended.
pub enum Outcome {
    /// Everything was seen.
    Passed,
    /// The guest is not here.
    Skipped(String),
}

/// A guest test.
pub struct Test {
    /// Shown in the report.
    pub name: &'static str,
    /// Does it.
    pub run: Box<dyn Fn() -> Result<Outcome> + Send + Sync>,
}

/// How many tests ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Everything was seen.
    pub passed: u32,
    /// Something was wrong.
    pub failed: u32,
    /// The guest is not here.
    pub skipped: u32,
}

impl Tally {
    /// Prints a test's line and counts it.
    fn report(&mut self, name: &str, result: Result<Outcome>, seconds: f32) {
        match result {
            Ok(Outcome::Passed) => {
                self.passed += 1;
                println!("guest {name} ... ok ({seconds:.1} s)");
            }
            Ok(Outcome::Skipped(why)) => {
                self.skipped += 1;
                println!("guest {name} ... skipped: {why}");
            }
            Err(error) => {
                self.failed += 1;
                println!("guest {name} ... FAILED ({seconds:.1} s)\n{error:#}");
            }
        }
    }
}

/// Runs `tests` in their order, `jobs` of them at the same time.
pub fn run(tests: &[Test], jobs: usize) -> Tally {
    let tally = Mutex::new(Tally::default());
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, tests.len().max(1)) {
            scope.spawn(|| {
                while let Some(test) = tests.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let start = Instant::now();
                    let result = (test.run)();
                    let seconds = start.elapsed().as_secs_f32();
                    tally.lock().unwrap_or_else(|e| e.into_inner()).report(test.name, result, seconds);
                }
            });
        }
    });
    tally.into_inner().unwrap_or_else(|e| e.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Barrier};

    #[test]
    fn every_test_is_run_once_and_counted() {
        let test = |name, result: fn() -> Result<Outcome>| Test { name, run: Box::new(result) };
        let tests = [
            test("a", || Ok(Outcome::Passed)),
            test("b", || Ok(Outcome::Skipped("no".into()))),
            test("c", || anyhow::bail!("bad")),
            test("d", || Ok(Outcome::Passed)),
        ];
        let expected = Tally { passed: 2, failed: 1, skipped: 1 };
        assert_eq!([run(&tests, 1), run(&tests, 3)], [expected; 2]);
        assert_eq!(run(&[], 2), Tally::default());
    }

    #[test]
    fn jobs_are_at_work_at_the_same_time() {
        let both = Arc::new(Barrier::new(2));
        let tests = [(); 2].map(|()| {
            let both = Arc::clone(&both);
            let run = move || {
                both.wait();
                Ok(Outcome::Passed)
            };
            Test { name: "meets", run: Box::new(run) }
        });
        assert_eq!(run(&tests, 2).passed, 2);
    }
}
