//! Fuzz, and saved state in the middle of anything.

use glassbox_device_api::{Device, PortIo};
use glassbox_memory::Gpa;
use glassbox_testkit::{Bench, Rng, check_save_restore_ports, fuzz_port_device};

use super::rig::{BUS_MASTER, Rig, WINDOW, cdrom, disk, numbered};

fn full(bench: &Bench) -> Rig {
    let media = numbered(64);
    let rig = Rig::new(bench, [disk(&numbered(5000)), cdrom(&media), cdrom(&media), disk(&numbered(8))]);
    let mut rng = Rng::new(7);
    for at in (0..0x1_0000).step_by(8) {
        let entry = rng.next_u64() & 0x8000_07ff_007f_ffff;
        rig.memory.write_bytes(Gpa(at), &entry.to_le_bytes()).unwrap();
    }
    rig
}

#[test]
fn any_port_access_is_survived() {
    fuzz_port_device(WINDOW, full);
}

#[test]
fn any_state_is_saved_and_restored() {
    check_save_restore_ports(WINDOW, full);
}

/// As above, but mostly what makes sense, so that commands get further.
#[test]
fn commands_with_hostile_tables_are_survived() {
    use glassbox_device_api::AccessSize::{Byte, Dword, Word};
    for seed in 0..48 {
        let bench = Bench::new();
        let mut rig = full(&bench);
        let mut rng = Rng::new(seed);
        let codes = [
            0x20, 0x24, 0x25, 0x30, 0x34, 0x35, 0x40, 0xc4, 0xc5, 0xc6, 0xc8, 0xca, 0xec, 0xe7, 0xa0, 0xa1,
            0x06, 0xb0, 0xef, 0x90, 0x91, 0x2f, 0x08,
        ];
        for _ in 0..3000 {
            let channel = if rng.one_in(2) { 0 } else { 0x10 };
            match rng.below(10) {
                0 => rig.port_write(channel + 6, Byte, (0xe0 | rng.next_u64() & 0x10) as u32),
                1..=2 => {
                    let register = 1 + rng.below(5) as u16;
                    rig.port_write(channel + register, Byte, rng.below(80) as u32);
                }
                3..=4 => {
                    let code = codes[rng.below(codes.len() as u64) as usize];
                    rig.port_write(channel + 7, Byte, code);
                }
                5 => {
                    rig.port_write(BUS_MASTER + channel / 2 + 4, Dword, rng.below(0x1_0000) as u32);
                    rig.port_write(BUS_MASTER + channel / 2, Byte, 0);
                    rig.port_write(BUS_MASTER + channel / 2, Byte, 9);
                }
                6 => {
                    rig.port_read(channel + 7, Byte);
                    rig.poll_host();
                }
                7 if rng.one_in(8) => rig.port_write(channel + 8, Byte, rng.next_u64() as u32 & 0x86),
                7 | 8 => {
                    for _ in 0..rng.below(300) {
                        rig.port_write(channel, Word, rng.value() as u32 & 0xffff);
                    }
                }
                _ => {
                    for _ in 0..rng.below(300) {
                        rig.port_read(channel, Dword);
                    }
                }
            }
        }
    }
}
