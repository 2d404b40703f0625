//! Fuzz of registers, and of what a guest may have in its lists.

use glassbox_device_api::{AccessSize, Device, Mmio};
use glassbox_testkit::{Bench, MmioBus, Rng, check_save_restore_mmio, fuzz_mmio_device};

use super::rig::*;
use crate::ide::tests::rig::{cdrom, disk, numbered};

fn full(bench: &Bench) -> Rig {
    let mut rig =
        Rig::bare(bench, [disk(&numbered(5000)), cdrom(&numbered(64)), disk(&numbered(8)), None, None, None]);
    fill(&mut rig, &mut Rng::new(3));
    rig
}

/// Lists and tables of nonsense, near enough to sense to get further.
fn fill(rig: &mut Rig, rng: &mut Rng) {
    let codes = [
        0x20, 0x24, 0x25, 0x29, 0x34, 0x35, 0x42, 0xc4, 0xc5, 0xc6, 0xc8, 0xca, 0xec, 0xe7, 0xa0, 0xa1, 0x06,
        0xb0, 0xef, 0x90, 0x2f, 0x47, 0x60, 0x61, 0x60, 0x61, 0xe6, 0x08,
    ];
    for slot in 0..32u8 {
        let any = |rng: &mut Rng| if rng.one_in(30) { rng.next_u64() } else { DATA + rng.below(0x40_0000) };
        let regions: Vec<_> = (0..rng.below(20))
            .map(|_| {
                let most = if rng.one_in(4) { 1 << 21 } else { 2048 };
                (any(rng), 1 + rng.below(most) as u32)
            })
            .collect();
        let queued = rng.one_in(2);
        let command = Command {
            slot,
            code: codes[rng.below(codes.len() as u64) as usize],
            lba: if rng.one_in(8) { rng.next_u64() } else { rng.below(5000) },
            count: if queued { u16::from(slot) << 3 } else { rng.below(80) as u16 },
            features: if rng.one_in(16) { rng.next_u64() as u16 } else { rng.below(64) as u16 },
            regions: &regions,
            packet: rng.one_in(2).then(|| {
                let mut packet = [0; 12];
                packet.fill_with(|| rng.below(64) as u8);
                packet[0] = [0x28, 0x12, 0x43, 0x46, 0x5a, 0x55, 0xbe, 0x1b, 0x03][rng.below(9) as usize];
                packet
            }),
        };
        rig.prepare(command);
        if rng.one_in(10) {
            rig.header(slot, rng.next_u64() as u32, rng.next_u64() >> rng.below(64));
        }
    }
}

#[test]
fn any_register_access_is_survived() {
    fuzz_mmio_device(0x400, full);
}

#[test]
fn any_state_is_saved_and_restored() {
    check_save_restore_mmio(0x400, full);
}

#[test]
fn hostile_lists_are_survived() {
    for seed in 0..32 {
        let bench = Bench::new();
        let mut rig = full(&bench);
        let mut rng = Rng::new(seed);
        for port in 0..3u64 {
            let at = port * 0x80;
            rig.write32(PORT + at, LIST as u32);
            rig.write32(PORT + 8 + at, FIS as u32);
            rig.write32(PX_CMD + at, 0x10);
            rig.write32(PX_CMD + at, 0x11);
        }
        for _ in 0..400 {
            let at = rng.below(3) * 0x80;
            match rng.below(8) {
                0 => fill(&mut rig, &mut rng),
                1 => {
                    rig.write32(PX_CMD + at, 0x10);
                    if rng.one_in(2) {
                        rig.write32(PX_SCTL + at, 1);
                        rig.write32(PX_SCTL + at, 0);
                    }
                    rig.write32(PX_CMD + at, 0x11);
                }
                2 => rig.write32(PX_SACT + at, rng.value() as u32),
                3..=5 => rig.write32(PX_CI + at, rng.value() as u32),
                6 => rig.poll_host(),
                _ => {
                    rig.mmio_read(rng.below(0x100) * 4, AccessSize::Dword);
                }
            }
        }
    }
}
