use std::sync::{Arc, Mutex};

use glassbox_device_api::{CharBackend, VmTime};
use glassbox_testkit::{Bench, PortBus, check_save_restore_ports, fuzz_port_device};

use super::*;

const DATA: u16 = 0;
const IER: u16 = 1;
const IIR: u16 = 2;
const FCR: u16 = 2;
const LCR: u16 = 3;
const MCR: u16 = 4;
const LSR: u16 = 5;
const MSR: u16 = 6;
const SCR: u16 = 7;

#[derive(Clone, Default)]
struct Host(Arc<Mutex<Ends>>);

#[derive(Default)]
struct Ends {
    output: Vec<u8>,
    input: VecDeque<u8>,
    gone: bool,
}

impl CharBackend for Host {
    fn write(&mut self, bytes: &[u8]) {
        self.0.lock().unwrap().output.extend(bytes);
    }
    fn read(&mut self, buffer: &mut [u8]) -> usize {
        let mut ends = self.0.lock().unwrap();
        let n = buffer.len().min(ends.input.len());
        for (to, from) in buffer.iter_mut().zip(ends.input.drain(..n)) {
            *to = from;
        }
        n
    }
    fn is_connected(&self) -> bool {
        !self.0.lock().unwrap().gone
    }
}

fn uart(bench: &Bench) -> Uart16550 {
    Uart16550::new(bench.vm_clock(), bench.line(4), Box::new(Host::default()))
}

/// 115200 8n1, FIFOs on with trigger level 8, OUT2 opens the interrupt.
fn started(bench: &Bench) -> Uart16550 {
    let mut uart = uart(bench);
    uart.out8(LCR, 0x80);
    uart.out8(0, 1);
    uart.out8(1, 0);
    uart.out8(LCR, 0x03);
    uart.out8(FCR, 0x87);
    uart.out8(MCR, 0x0b);
    uart
}

/// A host that hands out its input byte by byte, as keys are typed.
struct Typist(Vec<u8>);

impl CharBackend for Typist {
    fn write(&mut self, _: &[u8]) {}
    fn read(&mut self, buffer: &mut [u8]) -> usize {
        if buffer.is_empty() || self.0.is_empty() {
            return 0;
        }
        buffer[0] = self.0.remove(0);
        1
    }
}

#[test]
fn one_poll_takes_all_input_that_waits_however_small_its_pieces() {
    let bench = Bench::new();
    let mut uart = Uart16550::new(bench.vm_clock(), bench.line(4), Box::new(Typist(b"abc".to_vec())));
    uart.poll_host();
    assert_eq!([uart.in8(DATA), uart.in8(DATA), uart.in8(DATA)], *b"abc");
}

#[test]
fn output_reaches_the_host_at_once_and_the_transmitter_is_always_empty() {
    let bench = Bench::new();
    let host = Host::default();
    let mut uart = Uart16550::new(bench.vm_clock(), bench.line(4), Box::new(host.clone()));
    for byte in b"hello" {
        assert_eq!(uart.in8(LSR), 0x60);
        uart.out8(DATA, *byte);
    }
    assert_eq!(host.0.lock().unwrap().output, b"hello");
}

#[test]
fn linux_autoconfig_finds_a_16550a() {
    let bench = Bench::new();
    let mut uart = uart(&bench);
    // IER: only four bits exist.
    uart.out8(IER, 0);
    assert_eq!(uart.in8(IER), 0);
    uart.out8(IER, 0xff);
    assert_eq!(uart.in8(IER), 0x0f);
    uart.out8(IER, 0);
    // Loopback: RTS and OUT2 come back as CTS and DCD.
    uart.out8(MCR, 0x1a);
    assert_eq!(uart.in8(MSR) & 0xf0, 0x90);
    uart.out8(MCR, 0);
    // Not a 16650: no EFR behind LCR = BFh.
    uart.out8(LCR, 0xbf);
    assert_ne!(uart.in8(IIR), 0);
    uart.out8(LCR, 0);
    // FIFO bits; not a 16750, whose 64-byte FIFO would show in bit 5.
    uart.out8(FCR, 0x01);
    assert_eq!(uart.in8(IIR) >> 6, 3);
    uart.out8(LCR, 0x80);
    uart.out8(FCR, 0x21);
    assert_eq!(uart.in8(IIR) & 0x20, 0);
    uart.out8(LCR, 0);
    uart.out8(SCR, 0x5a);
    assert_eq!(uart.in8(SCR), 0x5a);
}

#[test]
fn each_enabling_of_the_thr_interrupt_raises_it_as_the_linux_thre_test_expects() {
    let bench = Bench::new();
    let mut uart = started(&bench);
    for _ in 0..3 {
        uart.out8(IER, 0x02);
        assert!(bench.level(4));
        assert_eq!(uart.in8(IIR), 0xc2);
        assert!(!bench.level(4), "reading IIR takes it back");
        assert_eq!(uart.in8(IIR), 0xc1);
        uart.out8(IER, 0);
    }
}

#[test]
fn writing_the_thr_gives_a_new_edge_though_nobody_read_iir() {
    let bench = Bench::new();
    let mut uart = started(&bench);
    uart.out8(IER, 0x02);
    assert_eq!(bench.take_rises(4), 1);
    uart.out8(DATA, b'x');
    assert_eq!(bench.take_rises(4), 1);
    assert!(bench.level(4));
}

#[test]
fn iir_read_for_a_higher_source_keeps_the_thr_interrupt() {
    let bench = Bench::new();
    let mut uart = started(&bench);
    uart.out8(FCR, 0x01);
    uart.out8(IER, 0x03);
    uart.receive(b"a");
    assert_eq!(uart.in8(IIR), 0xc4);
    uart.in8(DATA);
    assert_eq!(uart.in8(IIR), 0xc2);
    assert_eq!(uart.in8(IIR), 0xc1);
}

#[test]
fn received_data_interrupts_at_the_trigger_level() {
    let bench = Bench::new();
    let mut uart = started(&bench);
    uart.out8(IER, 0x01);
    uart.receive(&[1; 7]);
    assert!(!bench.level(4));
    uart.receive(&[2]);
    assert_eq!(uart.in8(IIR), 0xc4);
    assert!(bench.level(4));
    uart.in8(DATA);
    assert!(!bench.level(4), "below the level again");
}

#[test]
fn a_character_left_in_the_fifo_times_out_after_four_character_times() {
    let bench = Bench::new();
    let mut uart = started(&bench);
    uart.out8(IER, 0x01);
    uart.receive(b"ab");
    let due = uart.next_deadline().unwrap();
    assert_eq!(due, VmTime(4 * 10 * 1_000_000_000 / 115_200));
    bench.run(&mut uart, due - VmTime(1));
    assert!(!bench.level(4));
    bench.run(&mut uart, VmTime(1));
    assert_eq!(uart.in8(IIR), 0xcc);
    assert_eq!(uart.in8(DATA), b'a');
    assert_eq!(uart.in8(IIR), 0xc1, "a read restarts the count");
    bench.run(&mut uart, due);
    assert_eq!(uart.in8(IIR), 0xcc);
    uart.in8(DATA);
    assert_eq!(uart.next_deadline(), None, "an empty FIFO does not time out");
}

#[test]
fn input_beyond_the_fifo_waits_and_is_never_lost() {
    let bench = Bench::new();
    let mut uart = started(&bench);
    let input: Vec<u8> = (0..200).collect();
    assert_eq!(uart.receive(&input), 200);
    let mut read = Vec::new();
    while uart.in8(LSR) & 1 != 0 {
        read.push(uart.in8(DATA));
    }
    assert_eq!(read, input);
    assert_eq!(uart.receive(&vec![0; 2 * RECEIVE_QUEUE]), RECEIVE_QUEUE, "bounded");
}

#[test]
fn the_host_is_polled_for_input_and_carrier() {
    let bench = Bench::new();
    let host = Host::default();
    let mut uart = Uart16550::new(bench.vm_clock(), bench.line(4), Box::new(host.clone()));
    assert_eq!(uart.in8(MSR), 0xb0, "connected, and no change to report");
    host.0.lock().unwrap().input.extend(*b"q");
    uart.poll_host();
    assert_eq!(uart.in8(DATA), b'q');
    host.0.lock().unwrap().gone = true;
    uart.out8(MCR, 0x08);
    uart.out8(IER, 0x08);
    uart.poll_host();
    assert!(bench.level(4));
    assert_eq!(uart.in8(IIR), 0x00);
    assert_eq!(uart.in8(MSR), 0x0b, "CTS, DSR and DCD fell");
    assert!(!bench.level(4));
}

#[test]
fn without_out2_or_in_loopback_the_line_stays_low() {
    let bench = Bench::new();
    let mut uart = started(&bench);
    uart.out8(MCR, 0x03);
    uart.out8(IER, 0x02);
    assert!(!bench.level(4));
    uart.out8(MCR, 0x08);
    assert!(bench.level(4));
    uart.out8(MCR, 0x18);
    assert!(!bench.level(4));
}

#[test]
fn loopback_returns_what_is_sent_and_holds_the_host_back() {
    let bench = Bench::new();
    let host = Host::default();
    let mut uart = Uart16550::new(bench.vm_clock(), bench.line(4), Box::new(host.clone()));
    uart.out8(LCR, 0x03);
    uart.out8(MCR, 0x10);
    uart.out8(DATA, 0xae);
    uart.receive(b"z");
    assert_eq!(uart.in8(DATA), 0xae);
    assert!(host.0.lock().unwrap().output.is_empty());
    assert_eq!(uart.in8(LSR) & 1, 0);
    uart.out8(MCR, 0);
    assert_eq!(uart.in8(DATA), b'z');
}

#[test]
fn loopback_carries_as_many_bits_as_a_character_has() {
    let bench = Bench::new();
    let mut uart = started(&bench);
    uart.out8(MCR, 0x10);
    for (lcr, received) in [(0, 0x1f), (1, 0x3f), (2, 0x7f), (3, 0xff)] {
        uart.out8(LCR, lcr);
        uart.out8(DATA, 0xff);
        assert_eq!(uart.in8(DATA), received);
    }
}

#[test]
fn loopback_overruns_when_nobody_reads() {
    let bench = Bench::new();
    let mut uart = started(&bench);
    uart.out8(MCR, 0x10);
    uart.out8(IER, 0x04);
    for i in 0..17 {
        uart.out8(DATA, i);
    }
    assert_eq!(uart.in8(IIR), 0xc6);
    assert_eq!(uart.in8(LSR) & 0x83, 0x03, "an overrun is no error inside the FIFO");
    assert_eq!(uart.in8(LSR) & 0x02, 0);
    let read: Vec<u8> = (0..16).map(|_| uart.in8(DATA)).collect();
    assert_eq!(read, (0..16).collect::<Vec<_>>(), "the FIFO kept what it had");
}

#[test]
fn a_break_is_a_null_character_with_its_condition() {
    let bench = Bench::new();
    let mut uart = started(&bench);
    uart.receive(b"a");
    uart.receive_break();
    assert_eq!(uart.in8(LSR) & 0x91, 0x81, "it is still behind the first character");
    uart.in8(DATA);
    assert_eq!(uart.in8(LSR) & 0x91, 0x91);
    assert_eq!(uart.in8(LSR) & 0x91, 0x01);
    assert_eq!(uart.in8(DATA), 0);
}

#[test]
fn changing_the_fifo_enable_empties_the_receiver() {
    let bench = Bench::new();
    let mut uart = started(&bench);
    uart.receive(b"abc");
    uart.out8(FCR, 0);
    assert_eq!(uart.in8(LSR) & 1, 0);
    assert_eq!(uart.in8(IIR), 0x01);
}

#[test]
fn the_divisor_hides_behind_dlab() {
    let bench = Bench::new();
    let mut uart = started(&bench);
    uart.out8(LCR, 0x83);
    assert_eq!((uart.in8(0), uart.in8(1)), (1, 0));
    uart.out16(0, 0x0180);
    assert_eq!(uart.in16(0), 0x0180);
    uart.out8(LCR, 0x03);
    assert_eq!(uart.in8(IER), 0);
}

#[test]
fn sources_are_identified_in_the_order_of_their_priority() {
    let bench = Bench::new();
    let host = Host::default();
    let mut uart = Uart16550::new(bench.vm_clock(), bench.line(4), Box::new(host.clone()));
    uart.out8(FCR, 0x01);
    uart.out8(MCR, 0x08);
    uart.out8(IER, 0x0f);
    uart.receive_break();
    host.0.lock().unwrap().gone = true;
    uart.poll_host();
    assert_eq!(uart.in8(IIR), 0xc6, "line status");
    uart.in8(LSR);
    assert_eq!(uart.in8(IIR), 0xc4, "received data");
    uart.in8(DATA);
    assert_eq!(uart.in8(IIR), 0xc2, "transmitter empty, cleared by this read");
    assert_eq!(uart.in8(IIR), 0xc0, "modem status");
    assert!(bench.level(4));
    uart.in8(MSR);
    assert_eq!(uart.in8(IIR), 0xc1);
    assert!(!bench.level(4));
}

#[test]
fn loopback_wires_the_modem_outputs_to_the_inputs_and_reports_each_change() {
    let bench = Bench::new();
    let mut uart = uart(&bench);
    uart.out8(MCR, 0x10);
    assert_eq!(uart.in8(MSR), 0x0b, "the host's lines are cut off");
    for (mcr, msr) in [(0x11, 0x22), (0x12, 0x13), (0x14, 0x41), (0x18, 0x8c), (0x10, 0x08)] {
        uart.out8(MCR, mcr);
        assert_eq!(uart.in8(MSR), msr, "MCR {mcr:#x}");
    }
}

#[test]
fn an_impossible_saved_state_is_refused_and_changes_nothing() {
    let bench = Bench::new();
    let mut uart = started(&bench);
    let good = uart.save();
    let mut bad = good.clone();
    bad.queue.extend([0; RECEIVE_QUEUE + 1]);
    assert!(uart.restore(bad).is_err());
    assert_eq!(uart.save(), good);
}

#[test]
fn random_accesses_do_no_harm() {
    fuzz_port_device(8, |bench| {
        let mut uart = started(bench);
        uart.receive(&[7; 300]);
        uart
    });
}

#[test]
fn a_restored_uart_is_the_saved_one() {
    check_save_restore_ports(8, |bench| {
        let mut uart = started(bench);
        uart.receive(&[7; 300]);
        uart
    });
}
