//! INT 1Ah: time of day, and the PCI BIOS (AH=B1h).

use crate::bda;
use crate::bios::Bios;
use crate::call::{Call, Flow, ServiceResult};
use crate::cmos;
use crate::pci_bios;
use glassbox_device_api::VmTime;

/// The longest that an update of the time is waited for.
const UPDATE: VmTime = VmTime(3_000_000);

/// INT 1Ah.
pub(crate) fn service(bios: &mut Bios, call: &mut Call<'_>) -> ServiceResult {
    let done = match call.regs.ax.high() {
        0x00 => {
            let ticks = call.bda_u32(bda::TICKS)?;
            let midnight = call.bda_u8(bda::MIDNIGHT)?;
            call.set_bda_u8(bda::MIDNIGHT, 0)?;
            call.regs.cx.set_word((ticks >> 16) as u16);
            call.regs.dx.set_word(ticks as u16);
            call.regs.ax.set_word(midnight.into());
            true
        }
        0x01 => {
            let ticks = u32::from(call.regs.cx.word()) << 16 | u32::from(call.regs.dx.word());
            call.set_bda_u32(bda::TICKS, ticks)?;
            call.set_bda_u8(bda::MIDNIGHT, 0)?;
            call.regs.ax.set_high(0);
            true
        }
        0x02..=0x07 => {
            // An update takes two milliseconds.
            if matches!(call.regs.ax.high(), 0x02 | 0x04)
                && cmos::read(call, cmos::STATUS_A) & cmos::UPDATING != 0
            {
                if bios.waits_longer(call, UPDATE) {
                    return Ok(Flow::Spin);
                }
                false
            } else {
                bios.waiting_since = None;
                clock(call)
            }
        }
        0xB1 => return pci_bios::real_mode(call),
        // System timer reset, ISDN, TCG and others: not there.
        _ => false,
    };
    call.set_carry(!done)?;
    Ok(Flow::Done)
}

/// Functions of the real-time clock. False where an alarm is set already.
fn clock(call: &mut Call<'_>) -> bool {
    let function = call.regs.ax.high();
    let status = cmos::read(call, cmos::STATUS_B);
    match function {
        0x02 => {
            let (hours, minutes) = (cmos::read(call, cmos::HOURS), cmos::read(call, cmos::MINUTES));
            let seconds = cmos::read(call, cmos::SECONDS);
            call.regs.cx.set_high(hours);
            call.regs.cx.set_low(minutes);
            call.regs.dx.set_high(seconds);
            call.regs.dx.set_low(status & cmos::DAYLIGHT);
            call.regs.ax.set_high(0);
            call.regs.ax.set_low(call.regs.cx.high());
        }
        0x03 => {
            cmos::write(call, cmos::STATUS_B, status | cmos::SET);
            let value = call.regs.cx.high();
            cmos::write(call, cmos::HOURS, value);
            let value = call.regs.cx.low();
            cmos::write(call, cmos::MINUTES, value);
            let value = call.regs.dx.high();
            cmos::write(call, cmos::SECONDS, value);
            let kept = status & (cmos::PERIODIC | cmos::ALARM | 0x10);
            let new = kept | cmos::HOURS_24 | call.regs.dx.low() & cmos::DAYLIGHT;
            cmos::write(call, cmos::STATUS_B, new);
            call.regs.ax.set_high(0);
            call.regs.ax.set_low(new);
        }
        0x04 => {
            let (century, year) = (cmos::read(call, cmos::CENTURY), cmos::read(call, cmos::YEAR));
            let (month, day) = (cmos::read(call, cmos::MONTH), cmos::read(call, cmos::DAY));
            call.regs.cx.set_high(century);
            call.regs.cx.set_low(year);
            call.regs.dx.set_high(month);
            call.regs.dx.set_low(day);
            call.regs.ax.set_high(0);
            call.regs.ax.set_low(call.regs.cx.high());
        }
        0x05 => {
            cmos::write(call, cmos::STATUS_B, status | cmos::SET);
            let value = call.regs.cx.low();
            cmos::write(call, cmos::YEAR, value);
            let value = call.regs.dx.high();
            cmos::write(call, cmos::MONTH, value);
            let value = call.regs.dx.low();
            cmos::write(call, cmos::DAY, value);
            let value = call.regs.cx.high();
            cmos::write(call, cmos::CENTURY, value);
            cmos::write(call, cmos::STATUS_B, status & !cmos::SET);
            call.regs.ax.set_high(0);
        }
        0x06 => {
            if status & cmos::ALARM != 0 {
                call.regs.ax.set_word(0);
                return false;
            }
            let value = call.regs.cx.high();
            cmos::write(call, cmos::HOURS_ALARM, value);
            let value = call.regs.cx.low();
            cmos::write(call, cmos::MINUTES_ALARM, value);
            let value = call.regs.dx.high();
            cmos::write(call, cmos::SECONDS_ALARM, value);
            // Interrupt 8, and the cascade.
            let (second, first) = (call.in8(0xA1), call.in8(0x21));
            call.out8(0xA1, second & !0x01);
            call.out8(0x21, first & !0x04);
            cmos::write(call, cmos::STATUS_B, status & !cmos::SET | cmos::ALARM);
            call.regs.ax.set_high(0);
        }
        _ => {
            cmos::write(call, cmos::STATUS_B, status & !cmos::ALARM);
            call.regs.ax.set_high(0);
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;

    #[test]
    fn midnight_is_told_once() {
        let mut b = Bench::new();
        b.host.memory[0x46C..0x471].copy_from_slice(&[0x78, 0x56, 0x12, 0x00, 1]);
        b.regs.ax.0 = 0;
        b.run_with(service).unwrap();
        let r = &b.regs;
        assert_eq!((r.ax.word(), r.cx.word(), r.dx.word()), (1, 0x12, 0x5678));
        b.regs.ax.0 = 0;
        b.run_with(service).unwrap();
        assert_eq!((b.regs.ax.word(), b.carry()), (0, false));
    }

    #[test]
    fn the_time_is_read_unless_it_is_being_updated() {
        let mut b = Bench::new();
        b.host.ports.insert(0x71, [0x26, 0x02, 0x12, 0x34, 0x56].into());
        b.regs.ax.0 = 0x0200;
        b.run_with(service).unwrap();
        assert_eq!((b.regs.cx.word(), b.regs.dx.word(), b.carry()), (0x1234, 0x5600, false));
        b.host.ports.insert(0x71, [0xA6].into());
        b.regs.ax.0 = 0x0200;
        assert_eq!(b.run_with(service), Ok(Flow::Spin));
        b.host.now = UPDATE;
        b.run_with(service).unwrap();
        assert!(b.carry(), "a clock that never ends its update is none");
    }

    #[test]
    fn a_second_alarm_is_refused() {
        let mut b = Bench::new();
        b.host.ports.insert(0x71, [0x22].into());
        b.regs.ax.0 = 0x0600;
        b.run_with(service).unwrap();
        assert!(b.carry());
    }

    #[test]
    fn unknown_functions_fail() {
        let mut b = Bench::new();
        b.regs.ax.0 = 0x8000;
        b.run_with(service).unwrap();
        assert!(b.carry());
    }
}
