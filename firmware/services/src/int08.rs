//! INT 08h, the tick, and INT 70h, the real-time clock's interrupt.

use crate::bda;
use crate::call::{Call, Flow, ServiceResult};
use crate::cmos;
use crate::rom::Point;

/// Ticks in a day.
const TICKS_A_DAY: u32 = 0x0018_00B0;
/// Digital output register of the floppy controller.
const FLOPPY_OUTPUT: u16 = 0x3F2;
/// No motor; the controller enabled, with interrupts and DMA.
const MOTORS_OFF: u8 = 0x0C;
/// Microseconds of a periodic interrupt at 1024 Hz.
const PERIOD: u32 = 976;

/// INT 08h: counts; a floppy's motor is switched off when its time is over. The
/// stub calls INT 1Ch and ends the interrupt.
pub(crate) fn tick(call: &mut Call<'_>) -> ServiceResult {
    let motor = call.bda_u8(bda::FLOPPY_MOTOR_COUNT)?;
    let ticks = call.bda_u32(bda::TICKS)?.wrapping_add(1);
    let motors = call.bda_u8(bda::FLOPPY_MOTORS)?;
    if ticks >= TICKS_A_DAY {
        call.set_bda_u32(bda::TICKS, 0)?;
        call.set_bda_u8(bda::MIDNIGHT, 1)?;
    } else {
        call.set_bda_u32(bda::TICKS, ticks)?;
    }
    if motor > 0 {
        call.set_bda_u8(bda::FLOPPY_MOTOR_COUNT, motor - 1)?;
        if motor == 1 {
            call.set_bda_u8(bda::FLOPPY_MOTORS, motors & 0xF0)?;
            call.out8(FLOPPY_OUTPUT, MOTORS_OFF);
        }
    }
    Ok(Flow::Done)
}

/// INT 70h: the periodic interrupt counts a wait (INT 15h AH=83h) down; an alarm
/// calls INT 4Ah.
pub(crate) fn rtc(call: &mut Call<'_>) -> ServiceResult {
    let enabled = cmos::read(call, cmos::STATUS_B);
    let cause = cmos::read(call, cmos::STATUS_C) & enabled;
    if cause & cmos::PERIODIC != 0 {
        let left = call.bda_u32(bda::WAIT_COUNT)?;
        if call.bda_u8(bda::WAIT_ACTIVE)? & 1 != 0 {
            if left > PERIOD {
                call.set_bda_u32(bda::WAIT_COUNT, left - PERIOD)?;
            } else {
                let (offset, segment) = (call.bda_u16(bda::WAIT_FLAG)?, call.bda_u16(bda::WAIT_FLAG + 2)?);
                let flag = (u32::from(segment) << 4) + u32::from(offset);
                let value = call.read_u8(flag)?;
                call.write_u8(flag, value | 0x80)?;
                call.set_bda_u32(bda::WAIT_COUNT, 0)?;
                call.set_bda_u8(bda::WAIT_ACTIVE, 0)?;
                cmos::write(call, cmos::STATUS_B, enabled & !cmos::PERIODIC);
            }
        }
    }
    Ok(if cause & cmos::ALARM != 0 { Flow::Point(Point::Alarm) } else { Flow::Done })
}

/// INT 0Eh: the floppy controller's interrupt.
pub(crate) fn floppy(call: &mut Call<'_>) -> ServiceResult {
    let state = call.bda_u8(bda::FLOPPY_CALIBRATED)?;
    call.set_bda_u8(bda::FLOPPY_CALIBRATED, state | 0x80)?;
    Ok(Flow::Done)
}

/// INT 76h and 77h: the disk controllers' interrupts.
pub(crate) fn disk(call: &mut Call<'_>) -> ServiceResult {
    call.set_bda_u8(bda::DISK_INTERRUPT, 0xFF)?;
    Ok(Flow::Done)
}

/// An interrupt that nobody handles is masked, so that a device that keeps its
/// line up does not stop the machine, and ended where it was a real one.
pub(crate) fn unused(call: &mut Call<'_>) -> ServiceResult {
    let in_service = |call: &mut Call<'_>, port: u16| {
        call.out8(port, 0x0B);
        call.in8(port)
    };
    let slave = in_service(call, 0xA0);
    let master = in_service(call, 0x20);
    let number = if slave != 0 && master & 0x04 != 0 {
        let highest = slave & slave.wrapping_neg();
        let mask = call.in8(0xA1);
        call.out8(0xA1, mask | highest);
        call.out8(0xA0, 0x20);
        call.out8(0x20, 0x20);
        highest
    } else if master != 0 {
        let highest = master & master.wrapping_neg();
        let mask = call.in8(0x21);
        // Never the cascade.
        call.out8(0x21, mask | highest & !0x04);
        call.out8(0x20, 0x20);
        highest
    } else {
        0xFF
    };
    call.set_bda_u8(bda::LAST_UNUSED_IRQ, number)?;
    Ok(Flow::Done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;

    #[test]
    fn the_day_ends_at_midnight() {
        let mut bench = Bench::new();
        bench.host.memory[0x46C..0x470].copy_from_slice(&(TICKS_A_DAY - 2).to_le_bytes());
        bench.run(tick).unwrap();
        assert_eq!((bench.host.bda_u16(0x6C), bench.host.bda_u8(0x70)), (0x00AF, 0));
        bench.run(tick).unwrap();
        assert_eq!((bench.host.bda_u16(0x6C), bench.host.bda_u16(0x6E), bench.host.bda_u8(0x70)), (0, 0, 1));
    }

    #[test]
    fn a_motor_stops_when_its_count_is_over() {
        let mut bench = Bench::new();
        bench.host.memory[0x43F..0x441].copy_from_slice(&[0x81, 2]);
        bench.run(tick).unwrap();
        assert!(bench.host.written.is_empty());
        bench.run(tick).unwrap();
        assert_eq!((bench.host.bda_u8(0x3F), bench.host.written[0]), (0x80, (0x3F2, 1, 0x0C)));
        bench.run(tick).unwrap();
        assert_eq!(bench.host.written.len(), 1);
    }

    #[test]
    fn an_unused_interrupt_is_masked_and_ended_but_a_spurious_one_is_not() {
        let mut bench = Bench::new();
        bench.host.ports.insert(0xA0, [0x00].into());
        bench.host.ports.insert(0x20, [0x20].into());
        bench.host.ports.insert(0x21, [0xB8].into());
        bench.run(unused).unwrap();
        assert!(bench.host.written.contains(&(0x21, 1, 0xB8 | 0x20)));
        assert!(bench.host.written.contains(&(0x20, 1, 0x20)));
        bench.host.written.clear();
        bench.host.ports.insert(0x20, [0x00].into());
        bench.run(unused).unwrap();
        assert!(!bench.host.written.contains(&(0x20, 1, 0x20)));
        assert_eq!(bench.host.bda_u8(0x6B), 0xFF);
    }

    #[test]
    fn a_wait_is_counted_down_by_the_periodic_interrupt() {
        let mut bench = Bench::new();
        bench.host.ports.insert(0x71, [0x42, 0xC0].into());
        bench.host.memory[0x498..0x49C].copy_from_slice(&[0x10, 0, 0, 0x20]);
        bench.host.memory[0x49C] = 100;
        bench.host.memory[0x4A0] = 1;
        assert_eq!(bench.run(rtc), Ok(Flow::Done));
        assert_eq!((bench.host.memory[0x2_0010], bench.host.memory[0x4A0]), (0x80, 0));
        assert!(bench.host.written.contains(&(0x71, 1, 0x02)), "no more interrupts");
    }
}
