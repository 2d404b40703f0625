//! 16550A UART.
//!
//! `registers.rs` is the register core (no bus, no host, time
//! handed in), `uart.rs` wires it to a clock, an interrupt line and the host.
//!
//! | offset | DLAB = 0 read | DLAB = 0 write | DLAB = 1 |
//! | --- | --- | --- | --- |
//! | 0 | RBR receive buffer | THR transmit holding | DLL divisor low |
//! | 1 | IER | IER | DLM divisor high |
//! | 2 | IIR | FCR | |
//! | 3 | LCR | LCR | |
//! | 4 | MCR | MCR | |
//! | 5 | LSR | | |
//! | 6 | MSR | | |
//! | 7 | SCR | SCR | |
//!
//! A PC has COM1 to COM4 at 3F8h, 2F8h, 3E8h, 2E8h with IRQ 4, 3, 4, 3.
//!
//! Source: National Semiconductor PC16550D data sheet (TL/C/8652).

mod registers;
mod uart;

pub use uart::{RECEIVE_QUEUE, Uart16550, UartSavedV1};
