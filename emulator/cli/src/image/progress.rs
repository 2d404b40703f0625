//! A bar on the terminal for what takes a while, and the way to stop it.

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Appears on standard error where that is a terminal, and goes away at the end.
pub struct Progress {
    bar: ProgressBar,
    stopped: Arc<AtomicBool>,
}

impl Progress {
    /// A bar that says what is being done. From now on Ctrl-C and the like stop
    /// what is under way in order, so that no half of a file stays.
    pub fn new(what: &'static str) -> anyhow::Result<Self> {
        let bar = ProgressBar::new(0).with_message(what);
        let template =
            "{msg} {wide_bar} {binary_bytes} of {binary_total_bytes}, {binary_bytes_per_sec}, {eta} left";
        bar.set_style(ProgressStyle::with_template(template).context("the progress bar")?);
        let stopped = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stopped);
        ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed))
            .context("cannot watch for signals")?;
        Ok(Self { bar, stopped })
    }

    /// So many bytes of so many are done. Says whether to go on.
    pub fn show(&mut self, done: u64, all: u64) -> ControlFlow<()> {
        self.bar.set_length(all);
        self.bar.set_position(done);
        if self.stopped.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
