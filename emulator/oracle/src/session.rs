//! Both processors, side by side.

use crate::case::{Case, Outcome};
use crate::compare::{self, Difference};
use crate::emulated::{Emulated, Execute};
use crate::generate;
use crate::native::Native;
use crate::report::Report;
use crate::rng::Rng;
use glassbox_cpu::{CpuModel, Interpreter};
use iced_x86::Code;

/// One case in so many has an encoding that does not exist.
const MALFORMED: u64 = 24;

/// The host and our processor, ready to run cases.
pub struct Session {
    native: Native,
    emulated: Emulated,
}

impl Session {
    /// Sets both up; ours is the model that has everything.
    ///
    /// # Errors
    /// When the host cannot run cases.
    pub fn new() -> std::io::Result<Self> {
        Self::on(Box::new(Interpreter::new()))
    }

    /// As [`new`](Self::new), with another engine than the interpreter.
    ///
    /// # Errors
    /// When the host cannot run cases.
    pub fn on(engine: Box<dyn Execute>) -> std::io::Result<Self> {
        Ok(Self { native: Native::new()?, emulated: Emulated::on(CpuModel::default(), engine) })
    }

    /// Whether our processor has the case's instruction.
    pub fn implements(&self, case: &Case) -> bool {
        let i = case.instruction();
        glassbox_cpu::is_implemented(&i) && self.emulated.cpu.model.implements(&i)
    }

    /// Runs one case on both: the host's outcome and what differs.
    pub fn run(&mut self, case: &Case) -> (Outcome, Vec<Difference>) {
        let expected = self.native.run(case);
        let got = self.emulated.run(case);
        let found = compare::differences(case, (&expected, self.native.data()), (&got, self.emulated.data()));
        (expected, found)
    }

    /// The writable data after the last case, as the host left it.
    pub fn host_data(&self) -> &[u8] {
        self.native.data()
    }

    /// Runs `cases` cases of one form in code of `bits` bits. Returns how many ran:
    /// none of a form that our processor lacks or chance finds no encoding of.
    pub fn run_form(&mut self, code: Code, bits: u32, cases: u64, seed: u64, report: &mut Report) -> u64 {
        // Every form has numbers of its own, so that adding one changes no other.
        let mut rng = Rng::new(seed ^ (code as u64).wrapping_mul(0xD6E8_FEB8_6659_FD93));
        let name = if bits == 64 { format!("{code:?}") } else { format!("{code:?} in {bits}-bit code") };
        for n in 0..cases {
            let Some(mut case) = generate::case(code, bits, &mut rng) else {
                if n == 0 {
                    report.not_generated.push(code);
                }
                return n;
            };
            if !self.implements(&case) {
                report.unimplemented.push(code);
                return n;
            }
            if rng.one_in(MALFORMED) {
                generate::spoil(&mut case, &mut rng);
            }
            let (expected, found) = self.run(&case);
            let form = match report.forms.get_mut(&name) {
                Some(form) => form,
                None => report.forms.entry(name.clone()).or_default(),
            };
            if n == 0 {
                form.family = code.cpuid_features().first().map_or(String::new(), |f| format!("{f:?}"));
            }
            form.add(&case, &expected, found);
        }
        cases
    }
}
