//! In place of the compiler, on hosts for which there is no back end: engines that
//! cannot be had.

use crate::JitStats;
use glassbox_cpu::{Cpu, Exit, Interpreter};
use std::io::{Error, ErrorKind, Result, Write};

/// An engine that never exists here, with all that engines have.
pub enum Absent {}

/// Never exists here.
pub type Jit = Absent;

/// Never exists here.
pub type Verify = Absent;

impl Absent {
    /// # Errors
    /// Always.
    pub fn new(_bytes: usize) -> Result<Self> {
        Err(Error::new(ErrorKind::Unsupported, "there is no compiler for this kind of host"))
    }

    /// As [`Interpreter::run`].
    pub fn run(&mut self, _cpu: &mut Cpu, _budget: u64) -> Exit {
        match *self {}
    }

    /// The interpreter that runs what is cold.
    pub fn interpreter(&self) -> &Interpreter {
        match *self {}
    }

    /// What the compiler did so far.
    pub fn counters(&self) -> JitStats {
        match *self {}
    }

    /// Writes what is compiled from now on to `out`.
    pub fn dump_to(&mut self, _out: Box<dyn Write + Send>) {
        match *self {}
    }

    /// How the engines differed.
    pub fn difference(&self) -> Option<&str> {
        match *self {}
    }

    /// Blocks compared so far, and how many of them ended with a fault.
    pub fn compared(&self) -> (u64, u64) {
        match *self {}
    }
}
