//! Memory of the running program as firmware sees it that is called by the
//! program but does not run on the processor.

use super::walk::Access;
use crate::{Cpu, CpuState, Exception};
use glassbox_memory::{Gva, PAGE_MASK, PAGE_SIZE};
use glassbox_x86_spec::control::Cr4;

impl Cpu {
    /// Loads from a linear address with the rights of the running program, page by
    /// page, devices included.
    ///
    /// # Errors
    /// The fault that a load there raises, CR2 set; pages before it have been read.
    pub fn load_for_program(&mut self, linear: u64, to: &mut [u8]) -> Result<(), Exception> {
        let table = self.current_table();
        for (at, range) in self.pages(linear, to.len()) {
            let found = self.translate(Gva(at), Access::Read, table)?;
            self.read_physical(found.gpa, &mut to[range]);
        }
        Ok(())
    }

    /// Stores to a linear address with the rights of the running program, page by
    /// page, devices included.
    ///
    /// # Errors
    /// The fault that a store there raises, CR2 set; pages before it have been written.
    pub fn store_for_program(&mut self, linear: u64, from: &[u8]) -> Result<(), Exception> {
        let table = self.current_table();
        for (at, range) in self.pages(linear, from.len()) {
            let found = self.translate(Gva(at), Access::Write, table)?;
            self.write_physical(found.gpa, &from[range]);
        }
        Ok(())
    }

    /// Delivers a fault as one of the instruction at RIP, between two runs.
    pub fn deliver_fault(&mut self, fault: Exception) {
        self.raise(fault);
    }

    /// Goes to a state that this processor was in, or might be; translations of
    /// another address space are dropped. RAM is the caller's business.
    pub fn restore(&mut self, state: &CpuState) {
        let space = |s: &CpuState| (s.cr0, s.cr3, s.cr4, s.efer, s.a20);
        if space(state) != space(&self.state) {
            let pcid = if state.cr4.contains(Cr4::PCIDE) { state.cr3 & 0xFFF } else { 0 };
            self.tlb.flush_all();
            self.tlb.switch_pcid(pcid as u16);
        }
        self.state.clone_from(state);
        self.sync();
    }

    /// The pieces of a linear range that lie in one page each.
    fn pages(&self, linear: u64, len: usize) -> impl Iterator<Item = (u64, std::ops::Range<usize>)> + use<> {
        let mask = if self.state.is_64bit() { u64::MAX } else { 0xFFFF_FFFF };
        let mut done = 0;
        std::iter::from_fn(move || {
            let at = linear.wrapping_add(done as u64) & mask;
            let room = (PAGE_SIZE - (at & !PAGE_MASK)) as usize;
            let piece = done..len.min(done + room);
            done = piece.end;
            (!piece.is_empty()).then_some((at, piece))
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::cpu32;
    use glassbox_memory::Gpa;
    use glassbox_x86_spec::control::Cr0;

    #[test]
    fn a_programs_pages_are_followed_and_their_faults_come_back() {
        let mut cpu = cpu32();
        // One page table: linear 5000h is physical 9000h, linear 6000h is not there.
        let (directory, table) = (0x2_0000u32, 0x2_1000u32);
        let put = |cpu: &crate::Cpu, at: u32, value: u32| {
            cpu.memory.write_bytes(Gpa(at.into()), &value.to_le_bytes()).unwrap();
        };
        put(&cpu, directory, table | 7);
        put(&cpu, table + 4 * 5, 0x9000 | 7);
        cpu.state.cr3 = directory.into();
        cpu.state.cr0 |= Cr0::PG | Cr0::PE;
        cpu.sync();
        cpu.store_for_program(0x5FFC, &[1, 2, 3, 4]).unwrap();
        assert_eq!(cpu.memory.read_at::<4>(Gpa(0x9FFC)).unwrap(), [1, 2, 3, 4]);
        let mut bytes = [0; 4];
        cpu.load_for_program(0x5FFC, &mut bytes).unwrap();
        assert_eq!(bytes, [1, 2, 3, 4]);
        let fault = cpu.store_for_program(0x5FFE, &[9; 4]).unwrap_err();
        assert_eq!((fault.vector, cpu.state.cr2), (glassbox_x86_spec::vector::PF, 0x6000));
    }
}
