//! Repeated string instructions on what is not RAM.

use crate::bus::MmioString;
use crate::testing::{DATA, cpu_with_bus, cpu32, put, run};
use crate::{Cpu, CpuBus, gpr};
use glassbox_memory::Gpa;
use std::sync::{Arc, Mutex};

/// Behind the RAM: three pages of a device, whose reads add one.
const DEVICE: u64 = 0x20_0000;
const SIZE: usize = 0x3000;

#[derive(Clone)]
struct Device {
    bytes: Arc<Mutex<Vec<u8>>>,
    /// It takes strings.
    takes: bool,
    strings: Arc<Mutex<u64>>,
}

impl Device {
    fn new(takes: bool) -> Self {
        let bytes = (0..SIZE).map(|n| (n % 251) as u8).collect();
        Self { bytes: Arc::new(Mutex::new(bytes)), takes, strings: Arc::default() }
    }

    fn at(at: Gpa, n: u64) -> usize {
        (at.0 - DEVICE + n) as usize
    }
}

impl CpuBus for Device {
    fn mmio_read(&mut self, at: Gpa, size: u8) -> u64 {
        let bytes = self.bytes.lock().unwrap();
        let bytes = (0..u64::from(size)).map(|n| bytes[Self::at(at, n)].wrapping_add(1));
        bytes.rev().fold(0, |value, byte| value << 8 | u64::from(byte))
    }

    fn mmio_write(&mut self, at: Gpa, size: u8, value: u64) {
        let mut bytes = self.bytes.lock().unwrap();
        for (n, byte) in (0..u64::from(size)).zip(value.to_le_bytes()) {
            bytes[Self::at(at, n)] = byte;
        }
    }

    fn mmio_string(&mut self, size: u8, count: u64, string: MmioString<'_>) -> u64 {
        if !self.takes {
            return 0;
        }
        *self.strings.lock().unwrap() += 1;
        let len = usize::from(size);
        let place = |n: u64, at: Gpa| at.add(n * u64::from(size));
        let element = |bytes: &[u8]| bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte));
        match string {
            MmioString::Fill { at, value } => {
                (0..count).for_each(|n| self.mmio_write(place(n, at), size, value))
            }
            MmioString::Store { at, from } => {
                (0..count)
                    .zip(from.chunks(len))
                    .for_each(|(n, e)| self.mmio_write(place(n, at), size, element(e)));
            }
            MmioString::Load { at, to } => {
                for (n, room) in (0..count).zip(to.chunks_mut(len)) {
                    room.copy_from_slice(&self.mmio_read(place(n, at), size).to_le_bytes()[..len]);
                }
            }
            MmioString::Copy { from, to } => {
                for n in 0..count {
                    let value = self.mmio_read(place(n, from), size);
                    self.mmio_write(place(n, to), size, value);
                }
            }
        }
        count
    }
}

/// What an instruction leaves: the device, RAM at [`DATA`], three registers; and how many
/// strings the device was handed.
fn outcome(takes: bool, code: &[u8], from: u64, to: u64) -> (Vec<u8>, Vec<u8>, [u64; 3], u64) {
    let device = Device::new(takes);
    let state = cpu32().state;
    let mut cpu: Cpu = cpu_with_bus(Box::new(device.clone()));
    cpu.restore(&state);
    put(&cpu, DATA, &(0..SIZE).map(|n| (n % 247) as u8).collect::<Vec<_>>());
    cpu.state.regs[gpr::RSI] = from;
    cpu.state.regs[gpr::RDI] = to;
    cpu.state.regs[gpr::RCX] = 1200;
    cpu.state.regs[gpr::RAX] = 0x1122_3344;
    for _ in 0..10 {
        run(&mut cpu, code, 1);
        if cpu.state.regs[gpr::RCX] == 0 {
            break;
        }
    }
    let mut ram = vec![0; SIZE];
    cpu.memory.read_bytes(Gpa(DATA), &mut ram).unwrap();
    let registers = [gpr::RSI, gpr::RDI, gpr::RCX].map(|n| cpu.state.regs[n]);
    let bytes = device.bytes.lock().unwrap().clone();
    let strings = *device.strings.lock().unwrap();
    (bytes, ram, registers, strings)
}

#[test]
fn a_run_that_the_bus_takes_at_once_is_as_one_by_one() {
    const REP_STOS: [&[u8]; 3] = [&[0xF3, 0xAA], &[0xF3, 0x66, 0xAB], &[0xF3, 0xAB]];
    const REP_MOVS: [&[u8]; 3] = [&[0xF3, 0xA4], &[0xF3, 0x66, 0xA5], &[0xF3, 0xA5]];
    let places = [
        (DATA + 3, DEVICE + 5),
        (DEVICE + 0xF01, DATA + 1),
        // Over itself, by less and by more than an element.
        (DEVICE + 2, DEVICE + 3),
        (DEVICE + 1, DEVICE + 0x105),
        (DEVICE + 0x9, DEVICE + 1),
    ];
    for code in REP_MOVS {
        for (from, to) in places {
            let slow = outcome(false, code, from, to);
            let fast = outcome(true, code, from, to);
            assert_eq!(
                (&slow.0, &slow.1, slow.2),
                (&fast.0, &fast.1, fast.2),
                "{code:x?} {from:#x} to {to:#x}"
            );
            assert!(slow.2[2] == 0 && slow.3 == 0 && fast.3 >= 1, "{code:x?} took {} strings", fast.3);
        }
    }
    for code in REP_STOS {
        let (slow, fast) = (outcome(false, code, 0, DEVICE + 0xD3), outcome(true, code, 0, DEVICE + 0xD3));
        assert_eq!((slow.0, slow.2), (fast.0, fast.2), "{code:x?}");
        assert!(fast.3 >= 1);
    }
}

#[test]
fn downwards_it_goes_one_by_one() {
    // STD, then REP MOVSB within one block.
    let code = [0xFD, 0xF3, 0xA4];
    let device = Device::new(true);
    let state = cpu32().state;
    let mut cpu = cpu_with_bus(Box::new(device.clone()));
    cpu.restore(&state);
    (cpu.state.regs[gpr::RSI], cpu.state.regs[gpr::RDI]) = (DEVICE + 9, DEVICE + 19);
    cpu.state.regs[gpr::RCX] = 4;
    run(&mut cpu, &code, 2);
    assert_eq!(*device.strings.lock().unwrap(), 0);
    assert_eq!(device.bytes.lock().unwrap()[16..20], [7, 8, 9, 10]);
}
