//! `--stats` and `--stats-json`.

use glassbox_machine::{DeviceStats, EngineStats, ExitStats, JitStats, Stats, TlbStats};
use serde::Serialize;
use std::io::Write;

/// The whole of what is known about a run. The keys are a contract.
#[derive(Debug, Serialize)]
pub struct RunStats {
    instructions: u64,
    wall_s: f64,
    /// Processor time of this process; null where the host does not tell.
    cpu_s: Option<f64>,
    mips: f64,
    peak_rss_bytes: Option<u64>,
    exit: &'static str,
    exits: ExitStats,
    engine: EngineStats,
    tlb: TlbStats,
    jit: JitStats,
    devices: DeviceStats,
}

impl RunStats {
    /// The counters of a machine whose run ended as `exit` says.
    pub fn new(stats: &Stats, exit: &'static str) -> Self {
        let (cpu_s, peak_rss_bytes) = host_usage();
        let wall_s = stats.wall.as_secs_f64();
        let mips = if wall_s > 0.0 { stats.instructions as f64 / wall_s / 1e6 } else { 0.0 };
        let Stats { instructions, wall: _, engine, tlb, jit, exits, devices } = *stats;
        Self { instructions, wall_s, cpu_s, mips, peak_rss_bytes, exit, exits, engine, tlb, jit, devices }
    }

    /// Writes the counters as JSON.
    pub fn write_json(&self, mut out: impl Write) -> anyhow::Result<()> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        out.write_all(text.as_bytes())?;
        Ok(())
    }

    /// The counters for people.
    pub fn to_text(&self) -> String {
        let mut text = format!(
            "{} instructions in {:.3} s: {:.1} MIPS; exit: {}",
            self.instructions, self.wall_s, self.mips, self.exit
        );
        if let Some(cpu) = self.cpu_s {
            text += &format!("\ncpu time {cpu:.3} s");
        }
        if let Some(rss) = self.peak_rss_bytes {
            text += &format!("\npeak memory {:.1} MiB", rss as f64 / f64::from(1 << 20));
        }
        for (name, value) in [
            ("engine", serde_json::to_value(self.engine)),
            ("jit", serde_json::to_value(self.jit)),
            ("tlb", serde_json::to_value(self.tlb)),
            ("exits", serde_json::to_value(self.exits)),
            ("devices", serde_json::to_value(self.devices)),
        ] {
            let Ok(serde_json::Value::Object(counters)) = value else { continue };
            let counters: Vec<String> = counters.iter().map(|(key, n)| format!("{key} {n}")).collect();
            text += &format!("\n{name}: {}", counters.join(", "));
        }
        if self.jit.instructions != 0 && self.instructions != 0 {
            let cost = self.jit.compile_s * 1e6 / self.jit.instructions as f64;
            let outside = self.instructions.saturating_sub(self.jit.retired);
            let share = outside as f64 * 100.0 / self.instructions as f64;
            text +=
                &format!("\ncompiling {cost:.3} us an instruction; {share:.2} % retired in the interpreter");
        }
        text
    }
}

/// Processor seconds and peak resident bytes of this process.
#[cfg(unix)]
fn host_usage() -> (Option<f64>, Option<u64>) {
    use nix::sys::resource::{UsageWho, getrusage};
    use nix::sys::time::TimeValLike;
    let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else { return (None, None) };
    let micros = (usage.user_time() + usage.system_time()).num_microseconds();
    // macOS counts bytes, everyone else KiB.
    let unit = if cfg!(target_os = "macos") { 1 } else { 1024 };
    (Some(micros as f64 / 1e6), u64::try_from(usage.max_rss()).ok().map(|n| n * unit))
}

#[cfg(not(unix))]
fn host_usage() -> (Option<f64>, Option<u64>) {
    (None, None)
}
