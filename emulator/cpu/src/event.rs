//! When exceptions and interrupts are taken: the wires at block boundaries,
//! double faults, shutdown. How they are delivered is in `delivery`.

use crate::cpu::FaultRecord;
use crate::interp::Exit;
use crate::state::SegReg;
use crate::{Activity, Cpu, Exception};
use glassbox_x86_spec::control::{Flags, dr7};
use glassbox_x86_spec::vector;

/// Where an event comes from: decides privilege checks, error codes and the
/// saved RIP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A fault: RF is set in the saved flags.
    Fault,
    /// A trap, such as #DB after single-step.
    Trap,
    /// INT n, INT3, INTO: gate DPL is checked, error codes have EXT clear.
    Software,
    /// INT1: a software event without the DPL check.
    Icebp,
    /// A maskable interrupt or NMI.
    External,
}

/// Faults in a row while one event is delivered; contributory ones end in a
/// shutdown after three.
const LONGEST_CHAIN: usize = 16;

/// Crash reports show this many exceptions.
const FAULT_CHAIN: usize = 8;

impl Cpu {
    /// Looks at the wires: takes interrupts, or says why the run loop has to end.
    pub(crate) fn attend(&mut self) -> Option<Exit> {
        self.signals.take_attention();
        if self.signals.take_exit() {
            // What else is pending is looked at when the next run begins.
            self.signals.request_attention();
            return Some(Exit::Requested);
        }
        let waiting = matches!(self.state.activity, Activity::Active | Activity::Halted);
        if !waiting || self.state.interrupt_shadow {
            return None;
        }
        if !self.state.nmi_blocked && self.signals.take_nmi() {
            self.state.activity = Activity::Active;
            self.state.nmi_blocked = true;
            self.deliver(vector::NMI, None, Source::External);
        }
        if self.signals.intr()
            && self.state.system_flags.contains(Flags::IF)
            && let Some(vector) = self.outside(|bus| bus.acknowledge_interrupt())
        {
            self.state.activity = Activity::Active;
            self.deliver(vector, None, Source::External);
        }
        None
    }

    /// IF, TPR, a shadow or NMI blocking changed: what waited may go in now.
    #[inline]
    pub(crate) fn interrupts_may_be_open(&mut self) {
        if self.signals.intr() || self.signals.nmi() {
            self.signals.request_attention();
        }
    }

    /// Delivers a fault of the instruction at RIP.
    pub(crate) fn raise(&mut self, fault: Exception) {
        if fault == Exception::INTERRUPT_FIRST {
            return self.interrupts_may_be_open();
        }
        self.deliver(fault.vector, fault.error_code(), Source::Fault);
    }

    /// Delivers a trap of the instruction before RIP.
    pub(crate) fn raise_trap(&mut self, trap: Exception) {
        self.deliver(trap.vector, trap.error_code(), Source::Trap);
    }

    /// Delivers an event; faults on the way become double faults, and those a
    /// shutdown (Intel SDM Vol. 3A 7.15, "Double Fault Exception").
    pub(crate) fn deliver(&mut self, vector: u8, error: Option<u32>, source: Source) {
        let (mut vector, mut error, mut source) = (vector, error, source);
        for _ in 0..LONGEST_CHAIN {
            self.note_event(vector, error, source);
            let Err(second) = self.deliver_through_table(vector, error, source) else {
                self.event_delivered(vector);
                return;
            };
            let next = match (vector, source) {
                (vector::DF, Source::Fault) => {
                    self.note_event(second.vector, second.error_code(), Source::Fault);
                    self.state.activity = Activity::Shutdown;
                    return;
                }
                (first, Source::Fault | Source::Trap) if is_double(first, second.vector) => {
                    Exception { vector: vector::DF, error: Some(0) }
                }
                _ => second,
            };
            (vector, error, source) = (next.vector, next.error_code(), Source::Fault);
        }
        // A benign exception that raises itself again, such as #AC from pushing
        // its own frame: silicon would be stuck here for good.
        log::warn!("exception {vector} cannot be delivered without raising itself: shutdown");
        self.state.activity = Activity::Shutdown;
    }

    /// What every delivered event does beside entering its handler.
    fn event_delivered(&mut self, vector: u8) {
        // A trap of HLT itself, single-step for one, ends the wait.
        if self.state.activity == Activity::Halted {
            self.state.activity = Activity::Active;
        }
        // The debugger may use the registers that it guards (Intel SDM Vol. 3B 18.2.4).
        if vector == vector::DB && self.state.dr[7] & dr7::GD != 0 {
            self.state.dr[7] &= !dr7::GD;
        }
    }

    /// Tells the observer of an event and keeps faults for the crash report.
    pub(crate) fn note_event(&mut self, vector: u8, error: Option<u32>, source: Source) {
        if let Some(observer) = &mut self.observer {
            observer.event(&self.state, vector, error);
        }
        if matches!(source, Source::Fault) {
            if self.fault_chain.len() == FAULT_CHAIN {
                self.fault_chain.pop_front();
            }
            self.fault_chain.push_back(FaultRecord {
                vector,
                error,
                cs: self.state.seg(SegReg::Cs).selector,
                rip: self.state.rip,
                cr2: self.state.cr2,
            });
        }
    }

    /// Tells the observer that the instruction it began with `before` retired.
    pub(crate) fn tell_retired(&mut self, before: &crate::CpuState) {
        let Some(mut observer) = self.observer.take() else { return };
        let mut bytes = [0; 15];
        let code = crate::mode::Mode::of(before);
        let base = if code.is_64bit() { 0 } else { before.seg(SegReg::Cs).base };
        let at = before.rip.wrapping_add(base) & code.rip_mask();
        let len = self.peek_code(at, &mut bytes);
        observer.retired(before, &self.state, &bytes[..len]);
        self.observer = Some(observer);
    }
}

/// Table 7-5 of Intel SDM Vol. 3A: contributory exceptions and page faults.
fn is_double(first: u8, second: u8) -> bool {
    let contributory = |v| matches!(v, vector::DE | vector::TS | vector::NP | vector::SS | vector::GP);
    match first {
        vector::PF => contributory(second) || second == vector::PF,
        _ => contributory(first) && contributory(second),
    }
}
