//! INT 14h: serial ports, by the registers of their 16550A.

use crate::bda;
use crate::bios::Bios;
use crate::call::{Call, Flow, GuestFault, ServiceResult};
use crate::rom::entry;
use glassbox_device_api::VmTime;

/// Divisors of the eight rates of AH=00h, which are also a table in the ROM.
pub(crate) const DIVISORS: [u16; 8] = [1047, 768, 384, 192, 96, 48, 24, 12];
/// AH=04h: divisors of rates 00h to 0Ch (110 to 115,200).
const EXTENDED: [u16; 13] = [1047, 768, 384, 192, 96, 48, 24, 12, 6, 3, 2, 1, 1];
const TIMEOUT: u8 = 0x80;
const DATA_READY: u8 = 0x01;
const HOLDING_EMPTY: u8 = 0x20;
/// A unit of the timeouts in the data area.
const UNIT: VmTime = VmTime(100_000_000);

/// Places the table of divisors.
pub(crate) fn place(rom: &mut crate::asm::Assembler) {
    rom.org(entry::BAUD_RATES);
    for divisor in DIVISORS {
        rom.word(divisor);
    }
}

/// INT 14h.
pub(crate) fn service(bios: &mut Bios, call: &mut Call<'_>) -> ServiceResult {
    let number = call.regs.dx.word();
    if number > 3 {
        return Ok(Flow::Done);
    }
    let port = call.bda_u16(bda::COM_PORTS + 2 * number)?;
    if port == 0 {
        return Ok(Flow::Done);
    }
    match call.regs.ax.high() {
        0x00 => {
            let al = call.regs.ax.low();
            set_divisor(call, port, DIVISORS[usize::from(al >> 5)]);
            call.out8(port + 3, al & 0x1F);
            put_status(call, port);
        }
        0x01 => return transfer(bios, call, port, number, HOLDING_EMPTY),
        0x02 => return transfer(bios, call, port, number, DATA_READY),
        0x03 => put_status(call, port),
        0x04 => {
            let rate = usize::from(call.regs.cx.low());
            if let Some(&divisor) = EXTENDED.get(rate) {
                set_divisor(call, port, divisor);
                let (parity, stop, bits) = (call.regs.bx.high(), call.regs.bx.low(), call.regs.cx.high());
                let parity = [0x00, 0x08, 0x18, 0x28, 0x38][usize::from(parity.min(4))];
                let line = parity | (stop & 1) << 2 | bits & 3 | (call.regs.ax.low() & 1) << 6;
                call.out8(port + 3, line);
            }
            put_status(call, port);
        }
        0x05 => {
            if call.regs.ax.low() == 1 {
                let value = call.regs.bx.low();
                call.out8(port + 4, value & 0x1F);
            } else {
                let value = call.in8(port + 4);
                call.regs.bx.set_low(value);
            }
            put_status(call, port);
        }
        _ => {}
    }
    Ok(Flow::Done)
}

fn set_divisor(call: &mut Call<'_>, port: u16, divisor: u16) {
    let line = call.in8(port + 3);
    call.out8(port + 3, line | 0x80);
    call.out8(port, divisor as u8);
    call.out8(port + 1, (divisor >> 8) as u8);
    call.out8(port + 3, line & 0x7F);
    // Programs that use this service poll.
    call.out8(port + 1, 0);
}

fn put_status(call: &mut Call<'_>, port: u16) {
    let (line, modem) = (call.in8(port + 5), call.in8(port + 6));
    call.regs.ax.set_word(u16::from(line) << 8 | u16::from(modem));
}

/// Sends AL or receives into it; waits for the port, but not for ever.
fn transfer(bios: &mut Bios, call: &mut Call<'_>, port: u16, number: u16, wanted: u8) -> ServiceResult {
    let sends = wanted == HOLDING_EMPTY;
    call.out8(port + 4, if sends { 0x0B } else { 0x09 });
    let line = call.in8(port + 5);
    if line & wanted == 0 {
        let limit = timeout(call, bda::COM_TIMEOUTS + number)?;
        if bios.waits_longer(call, limit) {
            return Ok(Flow::Spin);
        }
        call.regs.ax.set_high(line & 0x7F | TIMEOUT);
        return Ok(Flow::Done);
    }
    bios.waiting_since = None;
    if sends {
        let byte = call.regs.ax.low();
        call.out8(port, byte);
        call.regs.ax.set_high(line & 0x7F);
    } else {
        let byte = call.in8(port);
        call.regs.ax.set_low(byte);
        // Only what went wrong.
        call.regs.ax.set_high(line & 0x1E);
    }
    Ok(Flow::Done)
}

/// A timeout of the data area as time.
pub(crate) fn timeout(call: &mut Call<'_>, at: u16) -> Result<VmTime, GuestFault> {
    Ok(VmTime(u64::from(call.bda_u8(at)?) * UNIT.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;

    fn bench(line_status: u32) -> Bench {
        let mut bench = Bench::new();
        bench.host.set_bda_u16(0, 0x3F8);
        bench.host.memory[0x47C] = 1;
        bench.host.ports.insert(0x3FD, [line_status].into());
        bench
    }

    #[test]
    fn a_port_is_set_up_with_rate_and_format() {
        let mut bench = bench(0x60);
        bench.host.ports.insert(0x3FB, [0].into());
        bench.host.ports.insert(0x3FE, [0xB0].into());
        bench.regs.ax.0 = 0x00E3;
        bench.run_with(service).unwrap();
        assert_eq!(bench.regs.ax.word(), 0x60B0);
        let w = &bench.host.written;
        assert!(w.contains(&(0x3F8, 1, 12)) && w.contains(&(0x3F9, 1, 0)) && w.contains(&(0x3FB, 1, 3)));
    }

    #[test]
    fn sending_waits_for_the_port_and_gives_up_in_time() {
        let mut bench = bench(0x00);
        bench.regs.ax.0 = 0x0141;
        assert_eq!(bench.run_with(service), Ok(Flow::Spin));
        bench.host.now = VmTime(99_000_000);
        assert_eq!(bench.run_with(service), Ok(Flow::Spin));
        bench.host.now = VmTime(101_000_000);
        assert_eq!(bench.run_with(service), Ok(Flow::Done));
        assert_eq!(bench.regs.ax.word(), 0x8041);
        bench.host.ports.insert(0x3FD, [0x60].into());
        bench.regs.ax.0 = 0x0141;
        bench.run_with(service).unwrap();
        assert_eq!(bench.host.written.last(), Some(&(0x3F8, 1, 0x41)));
    }

    #[test]
    fn a_port_that_is_not_there_changes_nothing() {
        let mut bench = bench(0);
        bench.regs.dx.0 = 1;
        bench.regs.ax.0 = 0x0300;
        bench.run_with(service).unwrap();
        assert_eq!(bench.regs.ax.word(), 0x0300);
    }
}
