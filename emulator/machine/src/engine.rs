//! Which engine executes the guest, chosen when the machine is built.

use crate::MachineError;
use crate::stats::{EngineStats, JitStats};
use glassbox_cpu::{Cpu, Exit, Interpreter};
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
use glassbox_jit::Jit;

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
}

/// Room for compiled code.
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
const CODE_BYTES: usize = 64 << 20;

/// The engine of a machine.
pub(crate) enum Engine {
    Interpreter(Box<Interpreter>),
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    Jit(Box<Jit>),
}

impl Engine {
    /// The engine that was asked for.
    ///
    /// # Errors
    /// [`MachineError::NoJit`] where this host has none.
    pub fn new(choice: EngineChoice) -> Result<Self, MachineError> {
        let interpreter = || Self::Interpreter(Box::default());
        if choice == EngineChoice::Interpreter {
            return Ok(interpreter());
        }
        #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
        match (Jit::new(CODE_BYTES), choice) {
            (Ok(jit), _) => Ok(Self::Jit(Box::new(jit))),
            (Err(source), EngineChoice::Jit) => Err(MachineError::NoJit(source.to_string())),
            (Err(source), _) => {
                log::warn!("no compiled code: the host refused memory for it ({source})");
                Ok(interpreter())
            }
        }
        #[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
        if choice == EngineChoice::Jit {
            Err(MachineError::NoJit("it has no compiler for this kind of host yet".into()))
        } else {
            Ok(interpreter())
        }
    }

    /// Runs `cpu` for at most `budget` instructions.
    pub fn run(&mut self, cpu: &mut Cpu, budget: u64) -> Exit {
        match self {
            Self::Interpreter(engine) => engine.run(cpu, budget),
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            Self::Jit(engine) => engine.run(cpu, budget),
        }
    }

    fn interpreter(&self) -> &Interpreter {
        match self {
            Self::Interpreter(engine) => engine,
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            Self::Jit(engine) => engine.interpreter(),
        }
    }

    /// What the interpreter did.
    pub fn stats(&self) -> EngineStats {
        let (blocks_decoded, blocks_invalidated) = self.interpreter().cache_counts();
        EngineStats { blocks_run: self.interpreter().blocks_run, blocks_decoded, blocks_invalidated }
    }

    /// What the compiler did.
    pub fn jit_stats(&self) -> JitStats {
        match self {
            Self::Interpreter(_) => JitStats::default(),
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            Self::Jit(engine) => {
                let c = engine.counters();
                JitStats {
                    blocks: c.blocks,
                    instructions: c.instructions,
                    interpreted: c.interpreted,
                    bytes: c.bytes,
                    links: c.links,
                    invalidations: c.invalidations,
                    flushes: c.flushes,
                    entries: c.entries,
                    compile_s: c.time.as_secs_f64(),
                }
            }
        }
    }
}
