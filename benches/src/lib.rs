//! A processor on an open bus, for benchmarks.

use glassbox_cpu::{Cpu, CpuModel, CpuSignals, OpenBus, SegReg, Segment};
use glassbox_memory::{Gpa, GuestMemory};
use glassbox_x86_spec::control::{Cr0, Cr4, Efer};
use glassbox_x86_spec::segment as attr;
use std::sync::Arc;

/// Where programs are put and start.
pub const CODE: u64 = 0x10_0000;

/// A processor in 64-bit mode at CPL 0 with `code` at [`CODE`], 64 MiB of RAM
/// mapped one to one by 4 KiB pages, and RSP at 8000h.
///
/// # Panics
/// Where the host cannot map 64 MiB.
pub fn machine(code: &[u8]) -> Cpu {
    let memory = GuestMemory::new(64 << 20).expect("64 MiB");
    let put = |at: u64, value: u64| memory.write_bytes(Gpa(at), &value.to_le_bytes()).expect("RAM");
    put(0x20_0000, 0x20_1007);
    put(0x20_1000, 0x20_2007);
    for region in 0..32 {
        put(0x20_2000 + 8 * region, (0x21_0000 + (region << 12)) | 7);
        for page in 0..512 {
            put(0x21_0000 + (region << 12) + 8 * page, ((region << 21) + (page << 12)) | 7);
        }
    }
    memory.write_bytes(Gpa(CODE), code).expect("RAM");
    let signals = Arc::new(CpuSignals::default());
    let mut cpu = Cpu::new(memory, Box::new(OpenBus), signals, Arc::new(CpuModel::default()));
    let s = &mut cpu.state;
    let flat = attr::P | attr::S | attr::RW | attr::G;
    for seg in &mut s.segs[..6] {
        *seg = Segment { base: 0, limit: u32::MAX, attr: flat | attr::DB, selector: 0x10 };
    }
    s.segs[SegReg::Cs as usize] =
        Segment { base: 0, limit: u32::MAX, attr: flat | attr::CODE | attr::L, selector: 8 };
    s.cr0 = Cr0::PE | Cr0::PG | Cr0::NE | Cr0::WP;
    s.cr3 = 0x20_0000;
    s.cr4 = Cr4::PAE | Cr4::OSFXSR;
    s.efer = Efer::LME | Efer::LMA;
    s.rip = CODE;
    s.regs[4] = 0x8000;
    cpu.sync();
    cpu
}
