//! PCI at POST: base addresses, interrupt routing and lines. Configuration
//! mechanism 1 (PCI Local Bus Specification 3.0, 3.2.2.3.2).

use crate::call::Call;
use glassbox_tables::{ISA_BRIDGE_SLOT, PCI_MMIO_END, PIRQ_ROUTE, intx_route};

const ADDRESS: u16 = 0xCF8;
const DATA: u16 = 0xCFC;
/// Interrupts of PIRQ A to D.
pub(crate) const PIRQ_IRQS: [u8; 4] = [10, 10, 11, 11];
/// First I/O port that base addresses get.
const IO_START: u32 = 0xC000;
const IO_END: u32 = 0xFF00;
/// First address that base addresses in memory get: above the largest low RAM.
const MEMORY_START: u32 = 0xE000_0000;
const VENDOR: u8 = 0x00;
const COMMAND: u8 = 0x04;
const CLASS: u8 = 0x08;
const HEADER: u8 = 0x0E;
const BAR0: u8 = 0x10;
const EXPANSION_ROM: u8 = 0x30;
/// Timing of both channels of a PIIX.
const IDE_TIMING: u8 = 0x40;
const INTERRUPT_LINE: u8 = 0x3C;
const INTERRUPT_PIN: u8 = 0x3D;

fn select(call: &mut Call<'_>, function: u16, register: u8) {
    call.out32(ADDRESS, 0x8000_0000 | u32::from(function) << 8 | u32::from(register & 0xFC));
}

/// Reads a configuration byte of the function `bus << 8 | device << 3 | function`.
pub(crate) fn read8(call: &mut Call<'_>, function: u16, register: u8) -> u8 {
    select(call, function, register);
    call.in8(DATA + u16::from(register & 3))
}

/// Reads a configuration word; bit 0 of the register is ignored.
pub(crate) fn read16(call: &mut Call<'_>, function: u16, register: u8) -> u16 {
    select(call, function, register);
    call.in16(DATA + u16::from(register & 2))
}

/// Reads a configuration dword.
pub(crate) fn read32(call: &mut Call<'_>, function: u16, register: u8) -> u32 {
    select(call, function, register);
    call.in32(DATA)
}

/// Writes a configuration byte.
pub(crate) fn write8(call: &mut Call<'_>, function: u16, register: u8, value: u8) {
    select(call, function, register);
    call.out8(DATA + u16::from(register & 3), value);
}

/// Writes a configuration word; bit 0 of the register is ignored.
pub(crate) fn write16(call: &mut Call<'_>, function: u16, register: u8, value: u16) {
    select(call, function, register);
    call.out16(DATA + u16::from(register & 2), value);
}

/// Writes a configuration dword.
pub(crate) fn write32(call: &mut Call<'_>, function: u16, register: u8, value: u32) {
    select(call, function, register);
    call.out32(DATA, value);
}

/// The functions of bus 0, by device and function.
pub(crate) fn functions(call: &mut Call<'_>) -> Vec<u16> {
    let mut found = Vec::new();
    for device in 0..32 {
        let first = device << 3;
        if read16(call, first, VENDOR) == 0xFFFF {
            continue;
        }
        let last = if read8(call, first, HEADER) & 0x80 != 0 { 7 } else { 0 };
        for function in first..=first + last {
            if read16(call, function, VENDOR) != 0xFFFF {
                found.push(function);
            }
        }
    }
    found
}

/// A window that wants an address.
struct Window {
    function: u16,
    register: u8,
    size: u32,
    io: bool,
    wide: bool,
}

/// Gives every window an address, largest first, and says which interrupt each
/// pin leads to.
pub(crate) fn run(call: &mut Call<'_>) {
    let bridge = u16::from(ISA_BRIDGE_SLOT) << 3;
    for (pirq, irq) in PIRQ_IRQS.into_iter().enumerate() {
        write8(call, bridge, PIRQ_ROUTE + pirq as u8, irq);
    }
    // IRQ 10 and 11 are level triggered.
    call.out8(0x4D1, 0x0C);
    let functions = functions(call);
    let mut windows: Vec<Window> = functions.iter().flat_map(|&f| windows_of(call, f)).collect();
    windows.sort_by_key(|w| std::cmp::Reverse(w.size));
    let (mut io, mut memory) = (IO_START, MEMORY_START);
    for window in windows {
        let (next, end) = if window.io { (&mut io, IO_END) } else { (&mut memory, PCI_MMIO_END) };
        // Windows in memory have pages of their own.
        let unit = if window.io { window.size } else { window.size.max(0x1000) };
        let start = next.checked_next_multiple_of(unit);
        let Some(start) = start.filter(|s| s.checked_add(unit).is_some_and(|e| e - 1 <= end)) else {
            log::warn!("no room for a PCI window of {:#x} bytes", window.size);
            continue;
        };
        *next = start + unit;
        write32(call, window.function, window.register, start);
        if window.wide {
            write32(call, window.function, window.register + 4, 0);
        }
        let command = read16(call, window.function, COMMAND);
        let enable = if window.io { 1 } else { 2 };
        write16(call, window.function, COMMAND, command | enable);
    }
    for function in functions {
        let pin = read8(call, function, INTERRUPT_PIN);
        if (1..=4).contains(&pin) {
            let pirq = intx_route((function >> 3) as u8, pin - 1);
            write8(call, function, INTERRUPT_LINE, PIRQ_IRQS[usize::from(pirq & 3)]);
        }
        // Disks and their like move data by themselves.
        let class = read32(call, function, CLASS) >> 24;
        if matches!(class, 1 | 2) {
            let command = read16(call, function, COMMAND);
            write16(call, function, COMMAND, command | 4);
        }
        if read32(call, function, CLASS) >> 8 & 0xFF_FFFF == 0x01_0180 {
            let command = read16(call, function, COMMAND);
            write16(call, function, COMMAND, command | 1);
            // Both channels answer (82371SB, IDETIM).
            write32(call, function, IDE_TIMING, 0x8000_8000);
        }
    }
}

/// The windows of a function that have no address yet.
fn windows_of(call: &mut Call<'_>, function: u16) -> Vec<Window> {
    let mut windows = Vec::new();
    if read8(call, function, HEADER) & 0x7F != 0 {
        return windows;
    }
    let mut bar = 0;
    while bar < 6 {
        let register = BAR0 + 4 * bar;
        bar += 1;
        let old = read32(call, function, register);
        write32(call, function, register, u32::MAX);
        let mask = read32(call, function, register);
        write32(call, function, register, old);
        if mask == 0 || mask == u32::MAX {
            continue;
        }
        let io = mask & 1 != 0;
        let wide = !io && mask & 6 == 4;
        bar += u8::from(wide);
        let bits = if io { mask & 0xFFFC | 0xFFFF_0000 } else { mask & !0xF };
        let size = bits.wrapping_neg();
        if !size.is_power_of_two() || old & if io { 0xFFFC } else { !0xF } != 0 {
            continue;
        }
        windows.push(Window { function, register, size, io, wide });
    }
    // Expansion ROMs get an address when somebody wants to read one.
    write32(call, function, EXPANSION_ROM, 0);
    windows
}
