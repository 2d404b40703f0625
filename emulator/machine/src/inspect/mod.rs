//! What a machine says of itself, for people: each topic as text.

mod bus;
mod paging;

use crate::bus::processor::lock;
use crate::report::{code_bits, write_registers};
use crate::{CrashReport, Machine};
use glassbox_memory::Gpa;
use std::fmt::{self, Write};

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// Registers, segments and control registers of the processor.
    Registers,
    /// The last faults, and the instructions at CS:RIP.
    Code,
    /// What the machine is doing.
    Status,
    /// Where drives are connected.
    Drives,
    /// Functions on the PCI bus with their windows.
    Pci,
    /// Counts of interrupts and accesses.
    Interrupts,
    /// The 8259A pair.
    Pic,
    /// The I/O APIC.
    IoApic,
    /// The local APIC.
    LocalApic,
    /// RAM, and what linear addresses are translated to.
    Memory,
    /// Who answers at which ports and addresses.
    AddressMap,
}

impl Topic {
    /// All topics by the names that a person types, with what they are.
    pub const ALL: [(&'static str, Self, &'static str); 11] = [
        ("status", Self::Status, "running or paused, guest time, speed"),
        ("registers", Self::Registers, "the processor's registers"),
        ("code", Self::Code, "the last faults, and what is executed now"),
        ("drives", Self::Drives, "where drives are connected"),
        ("pci", Self::Pci, "functions on the PCI bus"),
        ("irq", Self::Interrupts, "interrupts and accesses, counted"),
        ("pic", Self::Pic, "the 8259A pair"),
        ("ioapic", Self::IoApic, "the I/O APIC's redirection table"),
        ("lapic", Self::LocalApic, "the local APIC"),
        ("mem", Self::Memory, "RAM, and which linear addresses are mapped"),
        ("mtree", Self::AddressMap, "who answers at which ports and addresses"),
    ];
}

/// Bytes in a line of a memory dump.
const DUMP_LINE: usize = 16;

impl Machine {
    /// What there is to say of a topic: whole lines.
    pub fn inspect(&mut self, topic: Topic) -> String {
        let mut text = String::new();
        // A string takes whatever is written.
        let _ = self.write_topic(topic, &mut text);
        text
    }

    fn write_topic(&mut self, topic: Topic, out: &mut String) -> fmt::Result {
        match topic {
            Topic::Registers => write_registers(&self.cpu.state, out),
            Topic::Code => write!(out, "{}", self.crash_report()),
            Topic::Status => self.write_status(out),
            Topic::Drives => bus::write_drives(&lock(&self.board), out),
            Topic::Pci => bus::write_pci(&mut lock(&self.board).devices.pci, out),
            Topic::Interrupts => self.write_counts(out),
            Topic::Pic => write!(out, "{}", lock(&self.board).interrupts.pic),
            Topic::IoApic => write!(out, "{}", lock(&self.board).interrupts.ioapic),
            Topic::LocalApic => {
                lock(&self.board).interrupts.lapics.iter().try_for_each(|apic| write!(out, "{apic}"))
            }
            Topic::Memory => paging::write_memory(&self.cpu, out),
            Topic::AddressMap => bus::write_map(&lock(&self.board), out),
        }
    }

    fn write_status(&self, out: &mut String) -> fmt::Result {
        let state = &self.cpu.state;
        let doing = if self.control.is_paused() { "paused" } else { "running" };
        let seconds = self.clock.now().0 as f64 / 1e9;
        writeln!(out, "{doing}, guest time {seconds:.3} s, {} instructions", state.retired)?;
        let bits = code_bits(state);
        writeln!(out, "{bits}-bit code at cpl {}, rip {:#x}; {} resets", state.cpl, state.rip, self.resets)
    }

    fn write_counts(&self, out: &mut String) -> fmt::Result {
        let stats = self.stats();
        let d = stats.devices;
        writeln!(out, "{} interrupts acknowledged, {} halts", d.interrupts, stats.exits.halted)?;
        writeln!(out, "ports: {} reads, {} writes", d.port_reads, d.port_writes)?;
        writeln!(out, "device memory: {} reads, {} writes", d.mmio_reads, d.mmio_writes)
    }

    /// `len` bytes of guest physical memory as text; where there is none, that.
    pub fn dump_memory(&self, address: u64, len: usize) -> String {
        let mut text = String::new();
        for at in (0..len).step_by(DUMP_LINE) {
            let start = address.wrapping_add(at as u64);
            let mut line = vec![0; DUMP_LINE.min(len - at)];
            let _ = match self.cpu.memory.read_bytes(Gpa(start), &mut line) {
                Ok(()) => writeln!(text, "{start:016x}  {}", dump_line(&line)),
                Err(_) => writeln!(text, "{start:016x}  no memory"),
            };
        }
        text
    }

    /// The report of a crash that there may not have been: state, faults, code.
    pub fn crash_report(&self) -> CrashReport {
        CrashReport::of(&self.cpu)
    }
}

fn dump_line(bytes: &[u8]) -> String {
    let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let shown = |byte: &u8| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '.' };
    let text: String = bytes.iter().map(shown).collect();
    format!("{:<48} {text}", hex.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BuiltInBios, Control, DisplayConfig, Limits, MachineConfig};

    fn machine() -> Machine {
        let display = Some(DisplayConfig::default());
        let config =
            MachineConfig { memory: 16 << 20, display, ..MachineConfig::new(BuiltInBios::default()) };
        Machine::new(config).unwrap()
    }

    #[test]
    fn every_topic_says_something() {
        let mut machine = machine();
        machine.run(Limits { instructions: Some(2000), ..Limits::default() }).unwrap();
        for (name, topic, _) in Topic::ALL {
            let text = machine.inspect(topic);
            assert!(text.ends_with('\n') || topic == Topic::Drives, "{name}: {text:?}");
        }
        let has = |machine: &mut Machine, topic, part: &str| {
            let text = machine.inspect(topic);
            assert!(text.contains(part), "{part} in:\n{text}");
        };
        has(&mut machine, Topic::Pci, "00:02.0 1234:1111");
        has(&mut machine, Topic::AddressMap, "0060-0060  I8042");
        has(&mut machine, Topic::AddressMap, "00000000000a0000-00000000000bffff  Vga");
        has(&mut machine, Topic::Memory, "0000000000000000-00000000ffffff  RAM");
    }

    #[test]
    fn memory_is_dumped_as_bytes_and_text() {
        let machine = machine();
        machine.cpu.memory.write_bytes(Gpa(0x5000), b"Glassbox\x00\x01").unwrap();
        let text = machine.dump_memory(0x5000, 10);
        assert_eq!(
            text.trim_end(),
            format!("{:016x}  {:<48} Glassbox..", 0x5000, "47 6c 61 73 73 62 6f 78 00 01")
        );
        assert!(machine.dump_memory(0xD000_0000, 1).contains("no memory"));
    }

    #[test]
    fn other_threads_ask_a_running_machine_and_stop_its_time() {
        let control = Control::new();
        let config = MachineConfig { control: control.clone(), ..MachineConfig::new(BuiltInBios::default()) };
        let mut machine = Machine::new(MachineConfig { memory: 16 << 20, ..config }).unwrap();
        control.set_paused(true);
        let asker = std::thread::spawn({
            let control = control.clone();
            move || {
                let time =
                    || control.ask(|machine| (machine.clock.now(), machine.cpu.state.retired)).unwrap();
                let before = time();
                std::thread::sleep(std::time::Duration::from_millis(5));
                let after = time();
                control.set_paused(false);
                while time() == after {}
                control.stop(crate::Stop::Quit);
                (before, after)
            }
        });
        machine.run(Limits::default()).unwrap();
        let (before, after) = asker.join().unwrap();
        assert_eq!(before, after, "a paused guest stands still");
        assert_eq!(control.ask(|_| ()), None, "nobody runs it any more");
    }
}
