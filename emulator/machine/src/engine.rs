//! Which engine executes the guest, chosen when the machine is built.

use crate::MachineError;
use crate::stats::{EngineStats, JitStats};
use glassbox_cpu::{Cpu, Exit, Interpreter};
use glassbox_jit::{Jit, Verify};

/// What is to execute guest instructions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EngineChoice {
    /// The fastest engine that this host has.
    #[default]
    Auto,
    /// The interpreter.
    Interpreter,
    /// The interpreter for what is cold, compiled code for what is hot.
    Jit,
    /// Both in lock-step, block by block; the run ends at the first difference.
    Verify,
}

/// Room for compiled code, in bytes, unless the configuration says otherwise.
pub const DEFAULT_JIT_CACHE: u64 = 64 << 20;

/// Jumps inside of the code reach 2 GiB on x86-64 hosts, 128 MiB on AArch64 ones.
const LARGEST_JIT_CACHE: usize = if cfg!(target_arch = "aarch64") { 120 << 20 } else { 1 << 30 };

/// The engine of a machine.
pub(crate) enum Engine {
    Interpreter(Box<Interpreter>),
    Jit(Box<Jit>),
    Verify(Box<Verify>),
}

impl Engine {
    /// The engine that was asked for.
    ///
    /// # Errors
    /// [`MachineError::NoJit`] where this host has none.
    pub fn new(choice: EngineChoice, jit_cache: u64) -> Result<Self, MachineError> {
        let interpreter = || Self::Interpreter(Box::default());
        if choice == EngineChoice::Interpreter {
            return Ok(interpreter());
        }
        let bytes = usize::try_from(jit_cache).unwrap_or(usize::MAX).min(LARGEST_JIT_CACHE);
        if choice == EngineChoice::Verify {
            let engine = Verify::new(bytes).map_err(|source| MachineError::NoJit(source.to_string()))?;
            return Ok(Self::Verify(Box::new(engine)));
        }
        match (Jit::new(bytes), choice) {
            (Ok(jit), _) => Ok(Self::Jit(Box::new(jit))),
            (Err(source), EngineChoice::Jit) => Err(MachineError::NoJit(source.to_string())),
            (Err(source), _) => {
                log::warn!("no compiled code: {source}");
                Ok(interpreter())
            }
        }
    }

    /// Runs `cpu` for at most `budget` instructions.
    pub fn run(&mut self, cpu: &mut Cpu, budget: u64) -> Exit {
        match self {
            Self::Interpreter(engine) => engine.run(cpu, budget),
            Self::Jit(engine) => engine.run(cpu, budget),
            Self::Verify(engine) => engine.run(cpu, budget),
        }
    }

    fn interpreter(&self) -> &Interpreter {
        match self {
            Self::Interpreter(engine) => engine,
            Self::Jit(engine) => engine.interpreter(),
            Self::Verify(engine) => engine.interpreter(),
        }
    }

    /// What the interpreter did.
    pub fn stats(&self) -> EngineStats {
        let (blocks_decoded, blocks_invalidated) = self.interpreter().cache_counts();
        EngineStats { blocks_run: self.interpreter().blocks_run, blocks_decoded, blocks_invalidated }
    }

    /// How compiled code and interpreter differed, if both ran and did.
    pub fn difference(&self) -> Option<&str> {
        match self {
            Self::Verify(engine) => engine.difference(),
            _ => None,
        }
    }

    /// Writes what is compiled from now on to `out`. Without a compiler, nothing.
    pub fn dump_to(&mut self, out: Box<dyn std::io::Write + Send>) {
        match self {
            Self::Jit(engine) => engine.dump_to(out),
            _ => drop(out),
        }
    }

    /// What the compiler did.
    pub fn jit_stats(&self) -> JitStats {
        match self {
            Self::Interpreter(_) => JitStats::default(),
            Self::Jit(engine) => engine.counters(),
            Self::Verify(engine) => engine.counters(),
        }
    }
}
