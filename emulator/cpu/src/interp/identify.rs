//! CPUID, time stamps and random numbers: what the processor tells of itself.

use super::Width;
use super::operand::by_width;
use crate::cpuid::Registers;
use crate::state::gpr::{RAX, RBX, RCX, RDX};
use crate::{Cpu, Exception, Handler, Op};
use glassbox_x86_spec::control::{Cr4, Flags};
use glassbox_x86_spec::msr;
use iced_x86::{Instruction, Mnemonic};

impl Cpu {
    /// What CPUID returns now.
    pub fn cpuid(&mut self, leaf: u32, subleaf: u32) -> Registers {
        const APIC_ENABLED: u64 = 1 << 11;
        let base = if leaf & 0x7FFF_FFFF == 1 { self.bus.apic_msr_read(msr::APIC_BASE) } else { None };
        let now = crate::cpuid::Dynamic {
            apic_enabled: base.is_none_or(|base| base & APIC_ENABLED != 0),
            osxsave: self.state.cr4.contains(Cr4::OSXSAVE),
            xcr0: self.state.xcr0,
        };
        self.model.cpuid(leaf, subleaf, now)
    }

    /// The time stamp counter as the guest sees it.
    pub(crate) fn guest_tsc(&mut self) -> u64 {
        self.publish_time();
        self.bus.tsc().wrapping_add(self.state.msr.tsc_offset)
    }

    /// Writes EDX:EAX, clearing the upper halves.
    pub(crate) fn set_edx_eax(&mut self, value: u64) {
        self.state.regs[RAX] = value & 0xFFFF_FFFF;
        self.state.regs[RDX] = value >> 32;
    }

    /// Reads EDX:EAX.
    pub(crate) fn edx_eax(&self) -> u64 {
        self.state.regs[RDX] << 32 | self.state.regs[RAX] & 0xFFFF_FFFF
    }

    /// The next number of RDRAND and RDSEED: SplitMix64, seeded by
    /// [`Cpu::seed_entropy`], so that a deterministic run repeats.
    fn next_random(&mut self) -> u64 {
        self.state.entropy = self.state.entropy.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state.entropy;
        z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ z >> 31
    }

    /// Seeds RDRAND and RDSEED. The machine decides whether with the host's
    /// entropy or with a constant.
    pub fn seed_entropy(&mut self, seed: u64) {
        self.state.entropy = seed;
    }
}

fn cpuid(cpu: &mut Cpu, _: &Op) -> Result<(), Exception> {
    let (leaf, subleaf) = (cpu.reg::<u32>(RAX as u8), cpu.reg::<u32>(RCX as u8));
    let out = cpu.cpuid(leaf, subleaf);
    for (n, value) in [(RAX, out.eax), (RBX, out.ebx), (RCX, out.ecx), (RDX, out.edx)] {
        cpu.state.regs[n] = u64::from(value);
    }
    Ok(())
}

fn check_tsd(cpu: &Cpu) -> Result<(), Exception> {
    if cpu.state.cpl != 0 && cpu.state.cr4.contains(Cr4::TSD) { Err(Exception::GP0) } else { Ok(()) }
}

fn rdtsc(cpu: &mut Cpu, _: &Op) -> Result<(), Exception> {
    check_tsd(cpu)?;
    let now = cpu.guest_tsc();
    cpu.set_edx_eax(now);
    Ok(())
}

fn rdtscp(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    rdtsc(cpu, op)?;
    cpu.set_reg(RCX as u8, cpu.state.msr.tsc_aux as u32);
    Ok(())
}

fn rdpid(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.set_reg(op.dst, cpu.state.msr.tsc_aux & 0xFFFF_FFFF);
    Ok(())
}

/// There are no performance counters to select.
fn rdpmc(_: &mut Cpu, _: &Op) -> Result<(), Exception> {
    Err(Exception::GP0)
}

/// RDRAND, RDSEED: always succeed, CF = 1, other status flags 0.
fn random<T: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let value = cpu.next_random();
    cpu.set_reg(op.dst, T::truncate(value));
    cpu.state.status.replace(Flags::STATUS, Flags::CF);
    Ok(())
}

pub(crate) fn select(i: &Instruction) -> Option<Handler> {
    let bits = i.op0_register().size() as u32 * 8;
    Some(match i.mnemonic() {
        Mnemonic::Cpuid => cpuid,
        Mnemonic::Rdtsc => rdtsc,
        Mnemonic::Rdtscp => rdtscp,
        Mnemonic::Rdpid => rdpid,
        Mnemonic::Rdpmc => rdpmc,
        Mnemonic::Rdrand | Mnemonic::Rdseed => by_width!(bits, random),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use crate::state::gpr::RAX;
    use crate::testing::{cpu64, run};

    #[test]
    fn rdpid_reads_tsc_aux_and_serialize_goes_on() {
        let mut cpu = cpu64();
        cpu.state.regs[RAX] = u64::MAX;
        cpu.state.msr.tsc_aux = 0x8000_1005;
        // rdpid rax; serialize; inc eax
        run(&mut cpu, &[0xF3, 0x0F, 0xC7, 0xF8, 0x0F, 0x01, 0xE8, 0xFF, 0xC0], 3);
        assert!(cpu.fault_chain.is_empty(), "{:?}", cpu.fault_chain);
        assert_eq!(cpu.state.regs[RAX], 0x8000_1006);
    }
}
