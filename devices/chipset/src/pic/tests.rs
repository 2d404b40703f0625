use glassbox_device_api::{Device, ResetKind};
use glassbox_testkit::{PortBus, check_save_restore_ports, fuzz_port_device};

use super::Pic;

const MASTER: u16 = 0;
const SLAVE: u16 = 2;
const ELCR: u16 = 4;

/// Initialised as Linux and the BIOS do: bases 30h and 38h, cascade on IR2, `icw4` for both.
fn pic(icw4: u8) -> Pic {
    let mut pic = Pic::new();
    for (base, vector, icw3) in [(MASTER, 0x30, 0x04), (SLAVE, 0x38, 0x02)] {
        pic.out8(base, 0x11);
        pic.out8(base + 1, vector);
        pic.out8(base + 1, icw3);
        pic.out8(base + 1, icw4);
    }
    pic
}

#[test]
fn an_edge_is_latched_acknowledged_once_and_blocks_lower_levels_until_eoi() {
    let mut pic = pic(0x01);
    pic.set_irq(3, true);
    assert!(pic.intr());
    assert_eq!(pic.acknowledge(), 0x33);
    assert!(!pic.intr(), "a line that stays high is one edge");
    pic.set_irq(4, true);
    assert!(!pic.intr(), "IRQ 4 waits behind IRQ 3 in service");
    pic.set_irq(1, true);
    assert_eq!(pic.acknowledge(), 0x31, "IRQ 1 nests");
    pic.out8(MASTER, 0x20);
    pic.out8(MASTER, 0x20);
    assert_eq!(pic.acknowledge(), 0x34);
}

#[test]
fn the_slave_interrupts_through_ir2() {
    let mut pic = pic(0x01);
    pic.set_irq(12, true);
    assert!(pic.intr());
    assert_eq!(pic.acknowledge(), 0x3c);
    pic.out8(MASTER, 0x0b);
    pic.out8(SLAVE, 0x0b);
    assert_eq!((pic.in8(MASTER), pic.in8(SLAVE)), (0x04, 0x10));
    pic.set_irq(14, true);
    pic.out8(SLAVE, 0x20);
    pic.out8(MASTER, 0x20);
    assert_eq!(pic.acknowledge(), 0x3e);
}

#[test]
fn a_withdrawn_level_answers_the_spurious_vector_without_an_in_service_bit() {
    let mut pic = pic(0x01);
    pic.out8(ELCR, 0x20);
    pic.set_irq(5, true);
    pic.set_irq(5, false);
    assert_eq!(pic.acknowledge(), 0x37);
    pic.out8(MASTER, 0x0b);
    assert_eq!(pic.in8(MASTER), 0);
}

#[test]
fn a_pulse_on_an_edge_input_is_latched() {
    let mut pic = pic(0x01);
    for line in [0, 8] {
        pic.set_irq(line, true);
        pic.set_irq(line, false);
    }
    assert_eq!(pic.acknowledge(), 0x30);
    pic.out8(MASTER, 0x20);
    assert_eq!(pic.acknowledge(), 0x38);
    assert!(!pic.intr());
}

#[test]
fn masking_the_slaves_request_withdraws_it_from_the_master() {
    let mut pic = pic(0x01);
    pic.set_irq(9, true);
    pic.out8(SLAVE + 1, 0xff);
    assert!(!pic.intr());
    pic.out8(SLAVE + 1, 0);
    assert_eq!(pic.acknowledge(), 0x39);
}

#[test]
fn a_slave_request_withdrawn_between_the_acknowledge_pulses_is_spurious_irq15() {
    let mut pic = pic(0x01);
    pic.set_irq(9, true);
    // The master has latched IR2; the slave's request is masked away under it.
    pic.slave.imr = 0xff;
    assert_eq!(pic.acknowledge(), 0x3f);
    pic.out8(MASTER, 0x0b);
    assert_eq!(pic.in8(MASTER), 0x04, "the master needs its EOI all the same");
}

#[test]
fn a_level_input_requests_for_as_long_as_it_is_high() {
    let mut pic = pic(0x01);
    pic.out8(ELCR + 1, 0xff);
    assert_eq!(pic.in8(ELCR + 1), 0xde, "IRQ 8 and 13 stay edge triggered");
    assert!(pic.is_level_triggered(10) && !pic.is_level_triggered(8));
    pic.set_irq(10, true);
    assert_eq!(pic.acknowledge(), 0x3a);
    pic.out8(SLAVE, 0x20);
    pic.out8(MASTER, 0x20);
    assert_eq!(pic.acknowledge(), 0x3a);
    pic.set_irq(10, false);
    pic.out8(SLAVE, 0x20);
    pic.out8(MASTER, 0x20);
    assert!(!pic.intr());
}

#[test]
fn the_mask_hides_a_request_but_keeps_it() {
    let mut pic = pic(0x01);
    pic.out8(MASTER + 1, 0x02);
    assert_eq!(pic.in8(MASTER + 1), 0x02);
    pic.set_irq(1, true);
    assert!(!pic.intr());
    assert_eq!(pic.in8(MASTER), 0x02, "IRR shows it");
    pic.out8(MASTER + 1, 0);
    assert!(pic.intr());
}

#[test]
fn initialisation_asks_for_a_fresh_edge() {
    let mut pic = pic(0x01);
    pic.set_irq(1, true);
    pic.out8(MASTER, 0x11);
    pic.out8(MASTER + 1, 0x08);
    pic.out8(MASTER + 1, 0x04);
    pic.out8(MASTER + 1, 0x01);
    assert!(!pic.intr());
    pic.set_irq(1, false);
    pic.set_irq(1, true);
    assert_eq!(pic.acknowledge(), 0x09);
}

#[test]
fn automatic_eoi_leaves_nothing_in_service() {
    let mut pic = pic(0x03);
    pic.set_irq(3, true);
    pic.acknowledge();
    pic.set_irq(4, true);
    assert!(pic.intr());
    pic.out8(MASTER, 0x0b);
    assert_eq!(pic.in8(MASTER), 0);
}

#[test]
fn two_slave_requests_under_automatic_eoi_are_both_delivered() {
    let mut pic = pic(0x03);
    pic.set_irq(9, true);
    pic.set_irq(10, true);
    assert_eq!(pic.acknowledge(), 0x39);
    assert!(pic.intr());
    assert_eq!(pic.acknowledge(), 0x3a);
    assert!(!pic.intr());
}

#[test]
fn rotation_makes_the_served_level_the_lowest() {
    let mut pic = pic(0x01);
    pic.set_irq(4, true);
    pic.acknowledge();
    pic.out8(MASTER, 0xa0);
    pic.set_irq(4, false);
    pic.set_irq(4, true);
    pic.set_irq(6, true);
    assert_eq!(pic.acknowledge(), 0x36, "IR5 is now the highest");
    pic.out8(MASTER, 0x66);
    assert_eq!(pic.acknowledge(), 0x34);
    // Set priority: IR0 lowest, so IR1 highest.
    pic.out8(MASTER, 0x64);
    pic.out8(MASTER, 0xc0);
    pic.set_irq(0, true);
    pic.set_irq(7, true);
    assert_eq!(pic.acknowledge(), 0x37);
}

#[test]
fn special_mask_mode_lets_lower_levels_through_a_masked_one_in_service() {
    let mut pic = pic(0x01);
    pic.set_irq(1, true);
    pic.acknowledge();
    pic.out8(MASTER, 0x68);
    pic.out8(MASTER + 1, 0x02);
    pic.set_irq(5, true);
    assert_eq!(pic.acknowledge(), 0x35);
    pic.out8(MASTER, 0x20);
    pic.out8(MASTER, 0x0b);
    assert_eq!(pic.in8(MASTER), 0x02, "the non-specific EOI spared the masked level");
}

#[test]
fn a_poll_read_acknowledges() {
    let mut pic = pic(0x01);
    pic.out8(MASTER, 0x0c);
    assert_eq!(pic.in8(MASTER) & 0x80, 0);
    pic.set_irq(6, true);
    pic.out8(MASTER, 0x0c);
    assert_eq!(pic.in8(MASTER), 0x86);
    assert!(!pic.intr());
    pic.out8(MASTER, 0x0b);
    assert_eq!(pic.in8(MASTER), 0x40);
}

#[test]
fn special_fully_nested_mode_lets_a_slave_interrupt_itself() {
    let mut pic = pic(0x11);
    pic.set_irq(12, true);
    pic.acknowledge();
    pic.set_irq(8, true);
    assert_eq!(pic.acknowledge(), 0x38);
}

#[test]
fn reset_masks_everything_and_forgets_the_trigger_modes() {
    let mut pic = pic(0x01);
    pic.out8(ELCR, 0xf8);
    pic.set_irq(7, true);
    pic.reset(ResetKind::Cold);
    assert!(!pic.intr());
    assert_eq!(pic.in8(ELCR), 0);
}

#[test]
fn random_accesses_do_no_harm() {
    fuzz_port_device(6, |_| Pic::new());
}

#[test]
fn a_restored_pic_is_the_saved_one() {
    check_save_restore_ports(6, |_| {
        let mut pic = pic(0x01);
        pic.set_irq(1, true);
        pic.set_irq(11, true);
        pic
    });
}
