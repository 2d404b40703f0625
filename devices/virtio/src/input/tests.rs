use glassbox_device_api::{Device, PciFunction, SaveRestore};
use glassbox_input::{Buttons, Key};

use super::{InputKind, LARGEST_PLACE, VirtioInput};
use crate::pci::Interface;
use crate::testing::{BUFFERS, Driver, WRITE};

fn started(kind: InputKind) -> Driver<VirtioInput> {
    let mut driver = Driver::of(VirtioInput::new(kind), Interface::Modern);
    driver.start(0);
    driver
}

/// Gives the driver's buffers `from..to` of the event queue to the device.
fn offer(driver: &mut Driver<VirtioInput>, buffers: std::ops::Range<u16>) {
    for n in buffers {
        driver.descriptor(0, n, BUFFERS + u64::from(n) * 8, 8, WRITE, 0);
        driver.offer(0, n);
    }
    driver.kick(0);
}

/// The events that came: type, code, value.
fn events(driver: &mut Driver<VirtioInput>) -> Vec<(u16, u16, u32)> {
    let mut events = Vec::new();
    while let Some((head, written)) = driver.take(0) {
        assert_eq!(written, 8);
        let event = u64::from_le_bytes(driver.get(BUFFERS + u64::from(head) * 8));
        events.push((event as u16, (event >> 16) as u16, (event >> 32) as u32));
    }
    events
}

#[test]
fn keys_arrive_as_events_with_a_report_behind_each() {
    let mut driver = started(InputKind::Keyboard);
    assert_eq!(driver.pci.config_read(0), 0x1052_1af4);
    offer(&mut driver, 0..3);
    assert!(driver.pci.device_mut().key(Key::A, true));
    assert!(driver.pci.device_mut().key(Key::ArrowUp, false));
    driver.pci.poll_host();
    assert_eq!(events(&mut driver), [(1, 30, 1), (0, 0, 0), (1, 103, 0)]);
    assert!(driver.bench.level(crate::testing::LINE), "there is an interrupt");
    offer(&mut driver, 3..4);
    assert_eq!(events(&mut driver), [(0, 0, 0)], "what found no buffer comes when there is one");
}

#[test]
fn a_tablet_reports_places_buttons_and_the_wheel() {
    let mut driver = started(InputKind::Tablet);
    offer(&mut driver, 0..12);
    let tablet = driver.pci.device_mut();
    assert!(tablet.pointer_at((0, 479), (640, 480), 0, Buttons::RIGHT));
    assert!(tablet.pointer_at((639, 0), (640, 480), 2, Buttons(0)));
    driver.pci.poll_host();
    let expected = [
        (3, 0, 0),
        (3, 1, LARGEST_PLACE),
        (1, 0x111, 1),
        (0, 0, 0),
        (3, 0, LARGEST_PLACE),
        (3, 1, 0),
        (1, 0x111, 0),
        (2, 8, -2i32 as u32),
        (0, 0, 0),
    ];
    assert_eq!(events(&mut driver), expected);
}

#[test]
fn lamps_are_set_through_the_status_queue() {
    let mut driver = started(InputKind::Keyboard);
    let event = |code: u16, value: u32| {
        let mut bytes = [0; 8];
        bytes[..2].copy_from_slice(&0x11u16.to_le_bytes());
        bytes[2..4].copy_from_slice(&code.to_le_bytes());
        bytes[4..].copy_from_slice(&value.to_le_bytes());
        bytes
    };
    for (n, bytes) in [event(1, 1), event(0, 1), event(0, 0), event(40, 1)].iter().enumerate() {
        driver.put(BUFFERS + n as u64 * 8, bytes);
        driver.descriptor(1, n as u16, BUFFERS + n as u64 * 8, 8, 0, 0);
        driver.offer(1, n as u16);
    }
    driver.kick(1);
    assert_eq!(driver.pci.device().leds(), 2);
    assert_eq!(driver.take(1), Some((0, 0)));
}

#[test]
fn a_driver_that_takes_nothing_is_told_only_so_much() {
    let mut driver = started(InputKind::Keyboard);
    let taken = (0..2000).filter(|n| driver.pci.device_mut().key(Key::A, n % 2 == 0)).count();
    assert_eq!(taken, 256);
    let saved = driver.pci.device().save();
    let mut other = VirtioInput::new(InputKind::Keyboard);
    other.restore(saved.clone()).unwrap();
    assert_eq!(other.save(), saved);
}

#[test]
fn what_is_selected_is_read_from_the_configuration() {
    let mut driver = started(InputKind::Tablet);
    driver.write(0x2000, 1, 0x12);
    driver.write(0x2001, 1, 1);
    assert_eq!((driver.read(0x2002, 1), driver.read(0x200c, 4)), (20, LARGEST_PLACE.into()));
    driver.write(0x2000, 1, 0);
    assert_eq!(driver.read(0x2002, 1), 0);
}
