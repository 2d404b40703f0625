//! Port instructions against a bus that remembers.

use crate::state::{Segment, gpr};
use crate::testing::{CODE, DATA, cpu16, cpu32, cpu64, run};
use crate::{Cpu, CpuBus};
use glassbox_memory::{BackingKind, Gpa, GuestMemory, MappingId, RamBlock};
use glassbox_x86_spec::control::{Cr4, Flags, dr7};
use glassbox_x86_spec::{segment as attr, vector};
use std::sync::{Arc, Mutex};

type Log = Arc<Mutex<Vec<(u16, u8, u32)>>>;

/// Reads count up from 0x11223301; writes are logged.
struct Ports {
    log: Log,
    next: u32,
}

impl CpuBus for Ports {
    fn port_read(&mut self, port: u16, size: u8) -> u32 {
        self.log.lock().unwrap().push((port, size, 0));
        self.next += 1;
        self.next
    }
    fn port_write(&mut self, port: u16, size: u8, value: u32) {
        self.log.lock().unwrap().push((port, size, value));
    }
    fn backdoor(&mut self, registers: &mut [u32; 6]) -> bool {
        *registers = registers.map(|register| register + 1);
        registers[2] != 0xBAD
    }
}

fn with_ports(mut cpu: Cpu) -> (Cpu, Log) {
    let log = Log::default();
    cpu.bus = Box::new(Ports { log: Arc::clone(&log), next: 0x1122_3300 });
    (cpu, log)
}

fn faults(cpu: &Cpu) -> Option<u8> {
    cpu.fault_chain.front().map(|record| record.vector)
}

#[test]
fn in_and_out_move_their_width() {
    let (mut cpu, log) = with_ports(cpu32());
    cpu.state.regs[gpr::RAX] = 0xAABB_CCDD;
    cpu.state.regs[gpr::RDX] = 0x3F8;
    // out 0x80, al; out dx, ax; out dx, eax; in al, dx
    run(&mut cpu, &[0xE6, 0x80, 0x66, 0xEF, 0xEF, 0xEC], 4);
    assert_eq!(
        *log.lock().unwrap(),
        [(0x80, 1, 0xDD), (0x3F8, 2, 0xCCDD), (0x3F8, 4, 0xAABB_CCDD), (0x3F8, 1, 0)]
    );
    assert_eq!(cpu.state.regs[gpr::RAX], 0xAABB_CC01);
}

#[test]
fn a_call_through_the_backdoor_takes_and_gives_six_registers() {
    let (mut cpu, log) = with_ports(cpu64());
    let registers = [gpr::RAX, gpr::RBX, gpr::RCX, gpr::RDX, gpr::RSI, gpr::RDI];
    let values = [0x564D_5868, 10, 20, 0x5658, 30, 40];
    let set =
        |cpu: &mut Cpu| registers.into_iter().zip(values).for_each(|(r, v)| cpu.state.regs[r] = v | 1 << 40);
    set(&mut cpu);
    run(&mut cpu, &[0xED], 1);
    let after = registers.map(|register| cpu.state.regs[register]);
    assert_eq!(after, [0x564D_5869, 11, 21, 0x5659, 31, 41]);
    set(&mut cpu);
    cpu.state.regs[gpr::RCX] = 0xBAC;
    run(&mut cpu, &[0xED], 1);
    cpu.state.regs[gpr::RAX] = 1;
    run(&mut cpu, &[0xED], 1);
    assert_eq!(*log.lock().unwrap(), [(0x5658, 4, 0); 2], "refused, and without the magic number");
}

#[test]
fn in_eax_clears_the_upper_half() {
    let (mut cpu, _) = with_ports(cpu64());
    cpu.state.regs[gpr::RAX] = u64::MAX;
    run(&mut cpu, &[0xED], 1);
    assert_eq!(cpu.state.regs[gpr::RAX], 0x1122_3301);
}

#[test]
fn rep_insw_fills_memory_and_counts_as_one_instruction() {
    let (mut cpu, log) = with_ports(cpu64());
    cpu.state.regs[gpr::RCX] = 256;
    cpu.state.regs[gpr::RDI] = DATA;
    cpu.state.regs[gpr::RDX] = 0x1F0;
    run(&mut cpu, &[0xF3, 0x66, 0x6D, 0xEB, 0xFE], 2);
    assert_eq!((cpu.memory.read::<u16>(DATA), cpu.memory.read::<u16>(DATA + 510)), (0x3301, 0x3400));
    assert_eq!((cpu.state.regs[gpr::RCX], cpu.state.regs[gpr::RDI]), (0, DATA + 512));
    assert_eq!((log.lock().unwrap().len(), cpu.state.retired), (256, 2));
}

/// A device that gives and takes numbers in blocks: of `block` bytes in one piece,
/// or, at 0, one by one. Each block ends in a call for attention.
struct Blocks {
    block: usize,
    moved: Arc<Mutex<(u8, Vec<u8>)>>,
    signals: Arc<crate::CpuSignals>,
}

impl Blocks {
    fn run(&mut self, len: usize, mut each: impl FnMut(&mut (u8, Vec<u8>), usize)) -> usize {
        let mut moved = self.moved.lock().unwrap();
        let done = usize::from(moved.0) % self.block.max(1);
        let len = len.min(self.block.saturating_sub(done));
        (0..len).for_each(|n| each(&mut moved, n));
        if len != 0 && len + done == self.block {
            self.signals.request_attention();
        }
        len
    }
}

impl CpuBus for Blocks {
    fn port_read(&mut self, _: u16, _: u8) -> u32 {
        let mut moved = self.moved.lock().unwrap();
        moved.0 = moved.0.wrapping_add(1);
        moved.0.into()
    }
    fn port_write(&mut self, _: u16, _: u8, value: u32) {
        self.moved.lock().unwrap().1.push(value as u8);
    }
    fn port_read_run(&mut self, _: u16, _: u8, to: &mut [u8]) -> usize {
        self.run(to.len(), |moved, n| {
            moved.0 = moved.0.wrapping_add(1);
            to[n] = moved.0;
        })
    }
    fn port_write_run(&mut self, _: u16, _: u8, from: &[u8]) -> usize {
        self.run(from.len(), |moved, n| moved.1.push(from[n]))
    }
}

/// Memory, registers and what was written after a repeated INSB or OUTSB across a page
/// and a segment's limit, in pieces of `block` or one by one.
fn repeated(code: &[u8], block: usize, down: bool) -> (Vec<u8>, [u64; 4], Vec<u8>, Option<u8>, u64) {
    let mut cpu = cpu32();
    let moved = Arc::default();
    let device = Blocks { block, moved: Arc::clone(&moved), signals: Arc::clone(&cpu.signals) };
    cpu.bus = Box::new(device);
    let page = DATA & !0xFFF;
    let bytes: Vec<u8> = (0..0x2000).map(|n| (n % 251) as u8).collect();
    cpu.memory.write_bytes(Gpa(page), &bytes).unwrap();
    for seg in [0, 3] {
        cpu.state.segs[seg].limit = (page + 0x1400) as u32;
    }
    cpu.state.system_flags.set(Flags::DF, down);
    cpu.sync();
    cpu.state.regs[gpr::RSI] = page + 0xF01;
    cpu.state.regs[gpr::RDI] = page + 0xF01;
    cpu.state.regs[gpr::RCX] = 0x600;
    run(&mut cpu, code, 1);
    let mut after = vec![0; 0x2000];
    cpu.memory.read_bytes(Gpa(page), &mut after).unwrap();
    let registers = [gpr::RSI, gpr::RDI, gpr::RCX, gpr::RAX].map(|n| cpu.state.regs[n]);
    let written = moved.lock().unwrap().1.clone();
    (after, registers, written, faults(&cpu), cpu.state.retired)
}

#[test]
fn data_moved_in_pieces_is_that_moved_one_by_one() {
    for code in [[0xF3, 0x6C], [0xF3, 0x6E]] {
        for down in [false, true] {
            let singly = repeated(&code, 0, down);
            assert_eq!(singly.3.is_some(), !down, "the limit is above");
            for block in [1, 7, 64, 512, 4096] {
                assert!(
                    repeated(&code, block, down) == singly,
                    "{code:x?} in pieces of {block}, down: {down}"
                );
            }
        }
    }
}

#[test]
fn outs_goes_down_with_df_and_wraps_in_its_address_size() {
    let (mut cpu, log) = with_ports(cpu16());
    cpu.memory.write_bytes(Gpa(0), &[7]).unwrap();
    cpu.memory.write_bytes(Gpa(0xFFFF), &[8]).unwrap();
    cpu.state.system_flags |= Flags::DF;
    cpu.state.regs[gpr::RSI] = 0x5_0000;
    cpu.state.regs[gpr::RCX] = 2;
    cpu.state.regs[gpr::RDX] = 0x42;
    run(&mut cpu, &[0xF3, 0x6E], 1);
    assert_eq!(*log.lock().unwrap(), [(0x42, 1, 7), (0x42, 1, 8)]);
    assert_eq!(cpu.state.regs[gpr::RSI], 0x5_FFFE, "only SI moves");
}

#[test]
fn a_fault_in_ins_reads_no_port_and_keeps_what_was_done() {
    let (mut cpu, log) = with_ports(cpu32());
    // ES ends 4 bytes behind DATA.
    cpu.state.segs[0].limit = DATA as u32 + 3;
    cpu.sync();
    cpu.state.regs[gpr::RCX] = 5;
    cpu.state.regs[gpr::RDI] = DATA;
    run(&mut cpu, &[0xF3, 0x6D], 1);
    assert_eq!(faults(&cpu), Some(vector::GP));
    assert_eq!((cpu.state.regs[gpr::RCX], cpu.state.regs[gpr::RDI]), (4, DATA + 4));
    assert_eq!(log.lock().unwrap().len(), 1);
}

/// User mode with a TSS at DATA whose map allows port 3F8h only.
fn user_with_map(cpu: &mut Cpu) {
    const MAP: u64 = 0x68;
    cpu.state.cpl = 3;
    cpu.state.tr = Segment { base: DATA, limit: 0x68 + 0x80, attr: attr::P | 11, selector: 0x28 };
    cpu.memory.write_bytes(Gpa(DATA + 0x66), &(MAP as u16).to_le_bytes()).unwrap();
    cpu.memory.write_bytes(Gpa(DATA + MAP), &[0xFF; 0x80]).unwrap();
    cpu.memory.write_bytes(Gpa(DATA + MAP + 0x7F), &[0xFE]).unwrap();
    cpu.sync();
}

#[test]
fn the_permission_map_decides_above_iopl() {
    for (port, size, allowed) in [(0x3F8, 1, true), (0x3F9, 1, false), (0x3F8, 2, false), (0x8000, 1, false)]
    {
        let (mut cpu, log) = with_ports(cpu64());
        user_with_map(&mut cpu);
        cpu.state.regs[gpr::RDX] = port;
        let code: &[u8] = if size == 1 { &[0xEE] } else { &[0x66, 0xEF] };
        run(&mut cpu, code, 1);
        assert_eq!(faults(&cpu).is_none(), allowed, "port {port:#x} size {size}");
        assert_eq!(log.lock().unwrap().len(), usize::from(allowed));
    }
}

#[test]
fn iopl_3_allows_every_port() {
    let (mut cpu, log) = with_ports(cpu64());
    cpu.state.cpl = 3;
    cpu.state.system_flags |= Flags::IOPL;
    cpu.sync();
    run(&mut cpu, &[0xE6, 0x80], 1);
    assert_eq!((faults(&cpu), log.lock().unwrap().len()), (None, 1));
}

#[test]
fn a_stepped_ins_does_one_element_between_traps() {
    let mut cpu = cpu32();
    cpu.bus = Box::new(Blocks { block: 64, moved: Arc::default(), signals: Arc::clone(&cpu.signals) });
    cpu.state.regs[gpr::RCX] = 9;
    cpu.state.regs[gpr::RDI] = DATA;
    cpu.state.system_flags |= Flags::TF;
    cpu.sync();
    run(&mut cpu, &[0xF3, 0x6C], 1);
    assert_eq!((cpu.state.regs[gpr::RCX], cpu.state.regs[gpr::RDI]), (8, DATA + 1));
}

#[test]
fn an_io_breakpoint_traps_behind_the_access() {
    let (mut cpu, log) = with_ports(cpu64());
    cpu.state.cr4 |= Cr4::DE;
    cpu.state.dr[0] = 0x80;
    cpu.state.dr[7] = dr7::FIXED_ONE | 1 | 2 << 16;
    cpu.sync();
    run(&mut cpu, &[0xE6, 0x80], 1);
    assert_eq!(log.lock().unwrap().len(), 1);
    assert_eq!((cpu.state.dr[6] & 0xF, cpu.state.rip), (1, CODE + 2));
}

/// A write to port 1 maps a page anew, one to port 2 overwrites code, as a
/// chipset and a disk do.
struct Mapper {
    memory: GuestMemory,
    block: RamBlock,
    mapping: MappingId,
}

impl CpuBus for Mapper {
    fn port_write(&mut self, port: u16, _size: u8, _value: u32) {
        if port == 1 {
            self.memory.unmap(self.mapping);
            self.memory.map(WINDOW, self.block, 0x1000, 0x1000, BackingKind::Ram).unwrap();
        } else {
            // inc ecx, where dec ecx was.
            self.memory.write_bytes(Gpa(CODE + 3), &[0x41]).unwrap();
        }
    }
}

const WINDOW: Gpa = Gpa(0xE000_0000);

fn with_mapper() -> (Cpu, RamBlock) {
    let mut cpu = cpu32();
    let block = cpu.memory.allocate(0x2000).unwrap();
    cpu.memory.write_slice_at(block.offset(), &[0x11; 0x1000]);
    cpu.memory.write_slice_at(block.offset() + 0x1000, &[0x22; 0x1000]);
    let mapping = cpu.memory.map(WINDOW, block, 0, 0x1000, BackingKind::Ram).unwrap();
    cpu.bus = Box::new(Mapper { memory: cpu.memory.clone(), block, mapping });
    (cpu, block)
}

#[test]
fn the_instruction_after_a_change_of_the_memory_map_sees_it() {
    let (mut cpu, block) = with_mapper();
    cpu.state.regs[gpr::RBX] = WINDOW.0;
    // mov al, [ebx]; out 1, al; mov ah, [ebx]; mov [ebx], al
    run(&mut cpu, &[0x8A, 0x03, 0xE6, 1, 0x8A, 0x23, 0x88, 0x03], 4);
    assert_eq!(cpu.state.regs[gpr::RAX] & 0xFFFF, 0x2211);
    assert_eq!(cpu.memory.read::<u8>(block.offset()), 0x11);
    assert_eq!(cpu.memory.read::<u8>(block.offset() + 0x1000), 0x11, "the store, too");
}

#[test]
fn code_that_a_device_overwrites_during_an_access_is_not_run() {
    let (mut cpu, _) = with_mapper();
    cpu.state.regs[gpr::RCX] = 5;
    // out 2, al; nop; dec ecx
    run(&mut cpu, &[0xE6, 2, 0x90, 0x49], 3);
    assert_eq!(cpu.state.regs[gpr::RCX], 6);
}

#[test]
fn each_page_that_is_watched_tells_of_its_first_store() {
    let (mut cpu, block) = with_mapper();
    cpu.memory.watch_writes(block);
    let dirty = |cpu: &Cpu| {
        let mut pages = Vec::new();
        cpu.memory.take_dirty(block, 0, 0x2000, |offset| pages.push(offset - block.offset()));
        pages
    };
    dirty(&cpu);
    cpu.state.regs[gpr::RBX] = WINDOW.0;
    // mov al, [ebx]; mov [ebx], al; mov [ebx+4], al
    let code = [0x8A, 0x03, 0x88, 0x03, 0x88, 0x43, 4];
    run(&mut cpu, &code, 1);
    assert_eq!(dirty(&cpu), [], "a load is none");
    for _ in 0..2 {
        run(&mut cpu, &code, 3);
        assert_eq!(dirty(&cpu), [0]);
    }
    // rep stosb
    cpu.state.regs[gpr::RDI] = WINDOW.0 + 0x100;
    cpu.state.regs[gpr::RCX] = 8;
    run(&mut cpu, &[0xF3, 0xAA], 1);
    assert_eq!(dirty(&cpu), [0]);
}
