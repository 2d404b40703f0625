//! INT 17h: printers, and INT 05h: Print Screen.

use crate::bda;
use crate::bios::Bios;
use crate::call::{Call, Flow, ServiceResult};
use crate::int14::timeout;

const NOT_BUSY: u8 = 0x80;
const TIMEOUT: u8 = 0x01;

/// INT 17h.
pub(crate) fn service(bios: &mut Bios, call: &mut Call<'_>) -> ServiceResult {
    let number = call.regs.dx.word();
    let port = if number < 3 { call.bda_u16(bda::LPT_PORTS + 2 * number)? } else { 0 };
    if port == 0 {
        return Ok(Flow::Done);
    }
    match call.regs.ax.high() {
        0x00 => {
            if call.in8(port + 1) & NOT_BUSY == 0 {
                let limit = timeout(call, bda::LPT_TIMEOUTS + number)?;
                if bios.waits_longer(call, limit) {
                    return Ok(Flow::Spin);
                }
                put_status(call, port, TIMEOUT);
                return Ok(Flow::Done);
            }
            bios.waiting_since = None;
            let byte = call.regs.ax.low();
            call.out8(port, byte);
            // Strobe.
            let control = call.in8(port + 2);
            call.out8(port + 2, control | 0x01);
            call.out8(port + 2, control & !0x01);
            put_status(call, port, 0);
        }
        0x01 => {
            call.out8(port + 2, 0x08);
            call.out8(port + 2, 0x0C);
            put_status(call, port, 0);
        }
        0x02 => put_status(call, port, 0),
        _ => {}
    }
    Ok(Flow::Done)
}

/// The port's status with its two active-low bits turned round.
fn put_status(call: &mut Call<'_>, port: u16, more: u8) {
    let status = call.in8(port + 1);
    call.regs.ax.set_high((status & 0xF8) ^ 0x48 | more);
}

/// INT 05h: prints the text screen on LPT1. Without a printer it fails, as the
/// data area then says.
pub(crate) fn print_screen(call: &mut Call<'_>) -> ServiceResult {
    if call.bda_u8(bda::PRINT_SCREEN)? == 1 {
        return Ok(Flow::Done);
    }
    let port = call.bda_u16(bda::LPT_PORTS)?;
    let ready = port != 0 && call.in8(port + 1) & NOT_BUSY != 0;
    let columns = call.bda_u16(0x4A)?.min(132);
    let rows = u16::from(call.bda_u8(0x84)?).min(59) + 1;
    let (mode, page) = (call.bda_u8(0x49)?, call.bda_u16(0x4E)?);
    let is_text = matches!(mode, 0..=3 | 7);
    if !ready || !is_text {
        call.set_bda_u8(bda::PRINT_SCREEN, 0xFF)?;
        return Ok(Flow::Done);
    }
    let base = if mode == 7 { 0xB_0000 } else { 0xB_8000 } + u32::from(page);
    for row in 0..rows {
        let mut line = vec![0; usize::from(columns) * 2];
        call.read(base + u32::from(row) * u32::from(columns) * 2, &mut line)?;
        let characters = line.iter().step_by(2).map(|&c| if c == 0 { b' ' } else { c });
        for byte in characters.chain(*b"\r\n") {
            call.out8(port, byte);
            call.out8(port + 2, 0x0D);
            call.out8(port + 2, 0x0C);
        }
    }
    call.set_bda_u8(bda::PRINT_SCREEN, 0)?;
    Ok(Flow::Done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;

    #[test]
    fn a_byte_is_printed_with_a_strobe() {
        let mut bench = Bench::new();
        bench.host.set_bda_u16(8, 0x378);
        bench.host.ports.insert(0x379, [0xDF].into());
        bench.host.ports.insert(0x37A, [0x0C].into());
        bench.regs.ax.0 = 0x0041;
        bench.run_with(service).unwrap();
        assert_eq!(bench.host.written, [(0x378, 1, 0x41), (0x37A, 1, 0x0D), (0x37A, 1, 0x0C)]);
        assert_eq!(bench.regs.ax.high(), 0x90, "selected, not busy");
    }

    #[test]
    fn the_screen_cannot_be_printed_without_a_printer() {
        let mut bench = Bench::new();
        bench.run(print_screen).unwrap();
        assert_eq!(bench.host.memory[0x500], 0xFF);
    }
}
