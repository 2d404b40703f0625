//! Whole machines that boot through the built-in BIOS.

use glassbox_device_api::CharBackend;
use glassbox_machine::{
    BuiltInBios, ClockMode, DisplayConfig, DriveConfig, DriveInterface, DriveMedia, EngineChoice, Limits,
    Machine, MachineConfig, Outcome,
};
use glassbox_testkit::MemoryDisk;
use std::sync::{Arc, Mutex, PoisonError};

/// Keeps what the guest sends.
#[derive(Clone, Default)]
struct Capture(Arc<Mutex<Vec<u8>>>);

impl Capture {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

impl CharBackend for Capture {
    fn write(&mut self, bytes: &[u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
    }
}

/// The exit device's conventional port.
const EXIT_PORT: u16 = 0xF4;
/// The status of a program that wrote 0 there.
const PASSED: u32 = 1;
const MOST_INSTRUCTIONS: u64 = 60_000_000;

/// A machine with these drives, and its COM1.
fn machine(drives: Vec<DriveConfig>, engine: EngineChoice) -> (Machine, Capture) {
    let serial = Capture::default();
    let mut config = MachineConfig::new(BuiltInBios::default());
    config.drives = drives;
    config.memory = 32 << 20;
    config.clock = ClockMode::Instructions { mips: 50 };
    config.serial = [Some(Box::new(serial.clone())), None];
    config.debug_exit = Some(EXIT_PORT);
    config.display = Some(DisplayConfig::default());
    config.engine = engine;
    (Machine::new(config).expect("the machine is built"), serial)
}

fn run(machine: &mut Machine) -> Outcome {
    machine.run(Limits { instructions: Some(MOST_INSTRUCTIONS), time: None }).expect("it runs")
}

fn floppy(mut image: Vec<u8>) -> DriveConfig {
    image.resize(1_474_560, 0);
    DriveConfig {
        interface: DriveInterface::Floppy { unit: 0 },
        media: DriveMedia::Floppy,
        source: Arc::new(MemoryDisk::new(image)),
        serial: String::new(),
        boot_index: None,
        name: "a.img".into(),
    }
}

/// A disk of 16 MiB with this first sector.
fn disk(first: &[u8], interface: DriveInterface) -> DriveConfig {
    let mut image = first.to_vec();
    image.resize(16 << 20, 0);
    DriveConfig {
        interface,
        media: DriveMedia::Disk,
        source: Arc::new(MemoryDisk::new(image)),
        serial: String::new(),
        boot_index: None,
        name: "c.img".into(),
    }
}

/// Bytes of a CD's sector.
const CD_SECTOR: usize = 2048;

/// A CD that boots `image` without emulation: boot record in sector 17, catalog in
/// 20, image in 24 (El Torito 1.0).
fn cd(image: &[u8]) -> DriveConfig {
    let mut disc = vec![0; 32 * CD_SECTOR];
    let mut put = |at: usize, bytes: &[u8]| disc[at..at + bytes.len()].copy_from_slice(bytes);
    put(17 * CD_SECTOR, b"\0CD001\x01EL TORITO SPECIFICATION");
    put(17 * CD_SECTOR + 0x47, &20u32.to_le_bytes());
    // Validation entry: 1, key and a checksum that makes the words' sum zero.
    put(20 * CD_SECTOR, &[1]);
    put(20 * CD_SECTOR + 28, &(0u16.wrapping_sub(0x0001).wrapping_sub(0xAA55)).to_le_bytes());
    put(20 * CD_SECTOR + 30, &[0x55, 0xAA]);
    // Bootable, no emulation, four sectors of 512 bytes.
    put(20 * CD_SECTOR + 32, &[0x88, 0, 0, 0, 0, 0, 4, 0, 24]);
    put(24 * CD_SECTOR, image);
    DriveConfig {
        interface: DriveInterface::Ide { channel: 1, unit: 0 },
        media: DriveMedia::Cdrom,
        source: Arc::new(MemoryDisk::new(disc)),
        serial: String::new(),
        boot_index: None,
        name: "cd.iso".into(),
    }
}

/// A boot sector with this code.
fn sector(code: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 512];
    bytes[..code.len()].copy_from_slice(code);
    bytes[510..].copy_from_slice(&[0x55, 0xAA]);
    bytes
}

#[test]
fn the_fat_floppy_finds_a_bios_in_both_engines() {
    for engine in [EngineChoice::Interpreter, EngineChoice::Auto] {
        let image = include_bytes!("../../../test-roms/bios/floppy.bin").to_vec();
        let (mut machine, serial) = machine(vec![floppy(image)], engine);
        let outcome = run(&mut machine);
        let text = serial.text();
        assert!(matches!(outcome, Outcome::DebugExit(PASSED)), "{outcome:?}\n{text}");
        assert!(!text.contains("not ok") && text.contains("1.."), "{text}");
    }
}

/// Interrupt hooks, timers, the area above 1 MiB, large segments in real mode, and a
/// monitor in virtual-8086 mode: all of it holds on SeaBIOS, too.
#[test]
fn programs_in_the_manner_of_dos_find_what_they_expect() {
    for engine in [EngineChoice::Interpreter, EngineChoice::Auto] {
        let image = include_bytes!("../../../test-roms/bios/dos.bin").to_vec();
        let (mut machine, serial) = machine(vec![floppy(image)], engine);
        let outcome = run(&mut machine);
        let text = serial.text();
        assert!(matches!(outcome, Outcome::DebugExit(PASSED)), "{outcome:?}\n{text}");
        assert!(!text.contains("not ok") && text.contains("1..62"), "{text}");
    }
}

/// Retraces and palettes, latched copies, fonts, and all of VBE that programs call, its
/// protected-mode interface included.
#[test]
fn programs_that_draw_find_the_screen_that_they_expect() {
    for engine in [EngineChoice::Interpreter, EngineChoice::Auto] {
        let image = include_bytes!("../../../test-roms/bios/graphics.bin").to_vec();
        let (mut machine, serial) = machine(vec![floppy(image)], engine);
        // More than a second of retraces.
        let limits = Limits { instructions: Some(4 * MOST_INSTRUCTIONS), time: None };
        let outcome = machine.run(limits).expect("it runs");
        let text = serial.text();
        assert!(matches!(outcome, Outcome::DebugExit(PASSED)), "{outcome:?}\n{text}");
        assert!(!text.contains("not ok") && text.contains("1..41"), "{text}");
    }
}

#[test]
fn a_machine_without_drives_waits_for_a_key() {
    let (mut machine, _) = machine(Vec::new(), EngineChoice::Interpreter);
    let outcome = machine.run(Limits { instructions: Some(200_000), time: None }).unwrap();
    assert!(matches!(outcome, Outcome::InstructionsUsedUp), "{outcome:?}");
    let mut bda = [0; 0x90];
    machine.read_memory(0x400, &mut bda).unwrap();
    assert_eq!(bda[0x13..0x15], 639u16.to_le_bytes());
    assert_eq!(bda[..2], 0x3F8u16.to_le_bytes());
    assert_ne!(bda[0x6C..0x70], [0; 4], "it ticks");
    // INT 16h halts in the ROM.
    let state = &machine.cpu().state;
    assert_eq!(state.seg(glassbox_cpu::SegReg::Cs).selector & 0xF000, 0xF000);
}

/// Page faults of a service's memory accesses are the caller's. The program here
/// enters protected mode with paging, runs in virtual-8086 mode at IOPL 3, and has
/// INT 13h read into a page that is not there; its handler puts it there.
#[test]
fn a_service_faults_in_the_pages_of_its_caller() {
    let image = include_bytes!("../../../test-roms/bios/v86.bin").to_vec();
    let (mut machine, serial) = machine(vec![floppy(image)], EngineChoice::Auto);
    let outcome = run(&mut machine);
    assert!(matches!(outcome, Outcome::DebugExit(PASSED)), "{outcome:?}\n{}", serial.text());
}

#[test]
fn keys_and_mouse_packets_come_through_the_controller() {
    let image = include_bytes!("../../../test-roms/bios/input.bin").to_vec();
    let (mut machine, _) = machine(vec![floppy(image)], EngineChoice::Auto);
    let outcome = run(&mut machine);
    assert!(matches!(outcome, Outcome::DebugExit(PASSED)), "{outcome:?}");
}

#[test]
fn services_are_called_from_16_and_32_bit_protected_mode() {
    let image = include_bytes!("../../../test-roms/bios/protected.bin").to_vec();
    let (mut machine, _) = machine(vec![floppy(image)], EngineChoice::Auto);
    let outcome = run(&mut machine);
    assert!(matches!(outcome, Outcome::DebugExit(PASSED)), "{outcome:?}");
}

#[test]
fn int_13h_is_the_same_on_every_bus() {
    let image = include_bytes!("../../../test-roms/bios/disk.bin");
    for interface in [
        DriveInterface::Ide { channel: 0, unit: 0 },
        DriveInterface::Ahci { port: 0 },
        DriveInterface::VirtioBlk,
        DriveInterface::Nvme,
    ] {
        let (mut machine, _) = machine(vec![disk(image, interface)], EngineChoice::Auto);
        let outcome = run(&mut machine);
        assert!(matches!(outcome, Outcome::DebugExit(PASSED)), "{interface}: {outcome:?}");
    }
}

#[test]
fn a_cd_boots_without_emulation_and_reads_itself() {
    let (mut machine, _) =
        machine(vec![cd(include_bytes!("../../../test-roms/bios/cd.bin"))], EngineChoice::Auto);
    let outcome = run(&mut machine);
    assert!(matches!(outcome, Outcome::DebugExit(PASSED)), "{outcome:?}");
}

#[test]
fn every_way_to_restart_boots_again() {
    let image = include_bytes!("../../../test-roms/bios/resets.bin").to_vec();
    let (mut machine, _) = machine(vec![floppy(image)], EngineChoice::Auto);
    let outcome = run(&mut machine);
    assert!(matches!(outcome, Outcome::DebugExit(PASSED)), "{outcome:?}");
}

#[test]
fn a_processor_that_was_reset_goes_on_as_the_shutdown_code_says() {
    // CMOS 0Fh = 0Ah and 40:67h = 0000:7C40h; then a reset by the keyboard controller.
    let mut code = vec![
        0xFA, 0x31, 0xC0, 0x8E, 0xD8, // cli; xor ax, ax; mov ds, ax
        0xC7, 0x06, 0x67, 0x04, 0x40, 0x7C, // mov word [467h], 7C40h
        0xC7, 0x06, 0x69, 0x04, 0x00, 0x00, // mov word [469h], 0
        0xB0, 0x0F, 0xE6, 0x70, 0xB0, 0x0A, 0xE6, 0x71, // the code
        0xB0, 0xFE, 0xE6, 0x64, // pulse the reset line
        0xF4, 0xEB, 0xFD, // hlt; jmp
    ];
    code.resize(0x40, 0x90);
    code.extend([0x31, 0xC0, 0xE6, EXIT_PORT as u8]); // xor ax, ax; out 0F4h, al
    code.extend([0xF4]);
    let (mut machine, _) = machine(vec![floppy(sector(&code))], EngineChoice::Auto);
    let outcome = run(&mut machine);
    assert!(matches!(outcome, Outcome::DebugExit(PASSED)), "{outcome:?}");
}
