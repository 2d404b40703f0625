//! The run loop.
//!
//! The processor runs in stretches. Each is as long as nothing outside of it is
//! due: with an instruction clock to the next device deadline exactly, on the
//! host's clock about as long. An access that makes something due earlier, or
//! another thread, ends a stretch through [`glassbox_cpu::CpuSignals::request_exit`].

use crate::bus::processor::lock;
use crate::interrupts::Init;
use crate::{CrashReport, Machine, MachineError, Stop};
use glassbox_cpu::Exit;
use glassbox_device_api::{Device, VmTime};
use glassbox_x86_spec::control::Flags;
use std::time::{Duration, Instant};

/// The longest stretch on the host's clock, in instructions: about a millisecond.
const HOST_STRETCH: u64 = 100_000;
/// The shortest one, so that a guest that asks for too many interrupts makes way.
const SHORTEST_STRETCH: u64 = 2_000;
/// What an interpreter executes in a microsecond, on the slow side.
const INSTRUCTIONS_A_MICROSECOND: u64 = 50;
/// The longest stretch on an instruction clock: how late a time limit may be.
const INSTRUCTION_STRETCH: u64 = 1_000_000;
/// Host time that each skipped deadline takes while the processor is halted with
/// interrupts disabled.
const DEAD_END_PACE: Duration = Duration::from_millis(1);
/// A processor that has been halted with interrupts disabled for so long of
/// guest time is not waiting for an NMI.
const DEAD_END_PATIENCE: VmTime = VmTime::SECOND;
/// Back ends are asked for input and carrier at least once in so many stretches.
const POLL_EVERY: u64 = 64;

/// When a run ends at the latest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// After this much host time.
    pub time: Option<Duration>,
    /// When this many instructions have retired since the machine was built; exact.
    pub instructions: Option<u64>,
}

/// How a run ended.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The guest switched the machine off.
    PoweredOff,
    /// The guest wrote to the exit device: the process's exit status, `value << 1 | 1`.
    DebugExit(u32),
    /// A triple fault.
    Crashed(Box<CrashReport>),
    /// The processor is halted and nothing will wake it. Only where nobody is
    /// there to do so ([`crate::MachineConfig::unattended`]).
    Halted,
    /// The time limit is over.
    TimedOut,
    /// The instructions are used up.
    InstructionsUsedUp,
    /// [`crate::Control::stop`] was called.
    Stopped(Stop),
}

impl Machine {
    /// Runs until the guest ends, a limit is reached or somebody stops it. May
    /// be called again to go on.
    ///
    /// # Errors
    /// [`MachineError`] where the guest resets the machine and its kernel cannot
    /// be loaded again.
    pub fn run(&mut self, limits: Limits) -> Result<Outcome, MachineError> {
        let start = Instant::now();
        let end = limits.time.and_then(|time| start.checked_add(time));
        self.control.set_end(end);
        self.clock.start();
        self.control.set_takes_tasks(true);
        let outcome = self.run_until(end, limits.instructions.unwrap_or(u64::MAX));
        self.control.set_takes_tasks(false);
        // What the speaker says until now is heard.
        lock(&self.board).devices.pit.advance(self.clock.now());
        self.wall += start.elapsed();
        outcome
    }

    fn run_until(&mut self, end: Option<Instant>, last_instruction: u64) -> Result<Outcome, MachineError> {
        let mut stretches: u64 = 0;
        loop {
            let paused = self.control.is_paused();
            self.clock.set_stopped(paused);
            while let Some(task) = self.control.next_task() {
                task(self);
            }
            if let Some(reason) = self.control.stop_reason() {
                return Ok(Outcome::Stopped(reason));
            }
            if paused {
                if end.is_some_and(|end| Instant::now() >= end) {
                    return Ok(Outcome::TimedOut);
                }
                self.control.sleep(end.map(|end| end.saturating_duration_since(Instant::now())));
                continue;
            }
            let poll = self.control.take_input() || stretches.is_multiple_of(POLL_EVERY);
            stretches += 1;
            let deadline = self.service(poll);
            if let Some(outcome) = self.serve_requests()? {
                return Ok(outcome);
            }
            self.look_at_screen();
            let left = last_instruction.saturating_sub(self.cpu.state.retired);
            if left == 0 {
                return Ok(Outcome::InstructionsUsedUp);
            }
            let guest_time_over = self.guest_time_limit.is_some_and(|limit| self.clock.now() >= limit);
            if guest_time_over || end.is_some_and(|end| Instant::now() >= end) {
                return Ok(Outcome::TimedOut);
            }
            let budget = self.stretch(deadline).min(left);
            let exit = self.engine.run(&mut self.cpu, budget);
            if let Some(report) = self.engine.difference() {
                return Err(MachineError::Diverged(report.to_owned()));
            }
            match exit {
                Exit::Budget => self.exits.budget += 1,
                Exit::Requested => self.exits.requested += 1,
                Exit::Halted => {
                    self.exits.halted += 1;
                    if !self.wait(end) {
                        return Ok(Outcome::Halted);
                    }
                }
                Exit::Stopped if self.restarts => {
                    self.exits.stopped += 1;
                    let level = if self.unattended { log::Level::Info } else { log::Level::Warn };
                    log::log!(level, "triple fault: the machine starts anew");
                    log::info!("{}", self.crash_report());
                    // The chipset sees the shutdown cycle.
                    self.init(Init::Pin)?;
                }
                Exit::Stopped => {
                    self.exits.stopped += 1;
                    return Ok(Outcome::Crashed(Box::new(self.crash_report())));
                }
            }
        }
    }

    /// Brings the board to the present; returns when something is due next.
    fn service(&mut self, poll: bool) -> Option<VmTime> {
        self.follow_tsc();
        let mut board = lock(&self.board);
        if poll {
            board.poll_host();
            if self.control.take_power_button() {
                board.devices.acpi_pm.power_button();
            }
        }
        let next = board.service(self.clock.now());
        drop(board);
        if self.control.has_events() {
            self.pass_input();
            return lock(&self.board).service(self.clock.now());
        }
        next
    }

    /// Does what the guest asked the machine for. An outcome ends the run.
    fn serve_requests(&mut self) -> Result<Option<Outcome>, MachineError> {
        let mut board = lock(&self.board);
        if let Some(status) = board.devices.exit_request.status() {
            return Ok(Some(Outcome::DebugExit(status)));
        }
        if board.devices.acpi_pm.power_off_requested() {
            return Ok(Some(Outcome::PoweredOff));
        }
        let requests = std::mem::take(&mut board.interrupts.requests);
        let service = board.devices.services.take();
        let a20 = board.a20();
        drop(board);
        if requests.reset {
            self.reset()?;
        } else if let Some(init) = requests.init {
            self.init(init)?;
        } else if requests.a20.is_some() && self.cpu.state.a20 != a20 {
            self.cpu.set_a20(a20);
        }
        if service {
            self.serve_bios()?;
        }
        Ok(None)
    }

    /// How many instructions to run until something is due.
    fn stretch(&self, deadline: Option<VmTime>) -> u64 {
        let Some(deadline) = deadline else {
            return if self.clock.instructions_until(VmTime(0)).is_some() {
                INSTRUCTION_STRETCH
            } else {
                HOST_STRETCH
            };
        };
        match self.clock.instructions_until(deadline) {
            Some(count) => count.min(INSTRUCTION_STRETCH),
            None => {
                let wait = (deadline - self.clock.now()).0 / 1000;
                wait.saturating_mul(INSTRUCTIONS_A_MICROSECOND).clamp(SHORTEST_STRETCH, HOST_STRETCH)
            }
        }
    }

    /// Whether the processor, which is halted, will not go on: with nothing due,
    /// or with interrupts disabled for too long. Guests stop like that for good.
    fn is_dead_end(&mut self, interruptible: bool, deadline: Option<VmTime>) -> bool {
        let now = self.clock.now();
        let retired = self.cpu.state.retired;
        match self.dead_since {
            Some((at, since)) if at == retired && !interruptible => {
                deadline.is_none() || now - since >= DEAD_END_PATIENCE
            }
            _ => {
                self.dead_since = Some((retired, now));
                deadline.is_none()
            }
        }
    }

    /// The processor is halted: waits until something is due or comes in. False
    /// where that will never be.
    fn wait(&mut self, end: Option<Instant>) -> bool {
        let (deadline, requests) = {
            let mut board = lock(&self.board);
            // What found no room before has nobody left to ring for it.
            board.poll_host();
            (board.service(self.clock.now()), board.has_requests())
        };
        if requests || self.control.stop_reason().is_some() {
            return true;
        }
        let open = self.cpu.state.system_flags.contains(Flags::IF);
        if self.cpu.signals.intr() && open || self.cpu.signals.nmi() {
            return true;
        }
        if self.unattended && self.is_dead_end(open, deadline) {
            return false;
        }
        let deadline = [deadline, self.next_look()].into_iter().flatten().min();
        if deadline.is_some_and(|deadline| self.clock.skip_to(deadline)) {
            if !open {
                // A dead end for most guests: time flies, but the host need not be kept busy.
                self.control.sleep(Some(DEAD_END_PACE));
            }
            return true;
        }
        let until_deadline = deadline.map(|d| Duration::from_nanos((d - self.clock.now()).0));
        let until_end = end.map(|end| end.saturating_duration_since(Instant::now()));
        let limit = match (until_deadline, until_end) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        self.exits.sleeps += 1;
        self.clock.sleep(deadline, || self.control.sleep(limit));
        true
    }
}
