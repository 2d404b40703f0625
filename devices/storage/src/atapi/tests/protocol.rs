//! Registers, the packet protocol by PIO and DMA, medium changes.

use glassbox_device_api::{BlockError, Device};
use glassbox_testkit::{Bench, MemoryDisk, PortBus};

use crate::ide::tests::rig::{BUS_MASTER, CONTROL, IRQ14, Rig, cdrom};

/// A disc whose sectors each begin with their number.
pub fn disc(sectors: u32) -> MemoryDisk {
    let mut bytes = vec![0x33; sectors as usize * 2048];
    for (i, sector) in bytes.chunks_mut(2048).enumerate() {
        sector[..4].copy_from_slice(&(i as u32).to_be_bytes());
    }
    MemoryDisk::new(bytes)
}

pub fn rig(bench: &Bench, disc: &MemoryDisk) -> Rig {
    Rig::new(bench, [cdrom(disc), None, None, None])
}

/// Status, interrupt reason and byte count.
pub fn outcome(rig: &mut Rig) -> (u8, u8, u16) {
    let count = u16::from(rig.in8(5)) << 8 | u16::from(rig.in8(4));
    (rig.status(), rig.in8(2), count)
}

/// Sends a packet; blocks of at most `limit` bytes by PIO.
pub fn send(rig: &mut Rig, packet: &[u8], dma: bool, limit: u16) {
    rig.out8(6, 0xa0);
    rig.out8(1, dma.into());
    rig.out8(4, limit as u8);
    rig.out8(5, (limit >> 8) as u8);
    rig.out8(7, 0xa0);
    assert_eq!((rig.alternate_status(), rig.in8(2)), (0x58, 0x01));
    let mut bytes = packet.to_vec();
    bytes.resize(12, 0);
    rig.write_block(&bytes);
}

/// Sends a packet and fetches all its data by PIO; or the sense key and codes.
pub fn fetch(rig: &mut Rig, packet: &[u8]) -> Result<Vec<u8>, (u8, u8, u8)> {
    send(rig, packet, false, 0xfffe);
    let mut data = Vec::new();
    loop {
        match outcome(rig) {
            (0x58, 2, count) => {
                let block = rig.read_block(usize::from(count).next_multiple_of(2));
                data.extend(&block[..count.into()]);
            }
            (0x50, 3, _) => return Ok(data),
            (0x51, 3, _) => {
                let key = rig.in8(1) >> 4;
                let sense = fetch(rig, &[0x03, 0, 0, 0, 18]).unwrap();
                assert_eq!(sense[2], key);
                return Err((key, sense[12], sense[13]));
            }
            other => panic!("{other:x?}"),
        }
    }
}

#[test]
fn signature_tells_a_packet_drive() {
    let bench = Bench::new();
    let mut rig = rig(&bench, &disc(10));
    let signature = |rig: &mut Rig| (rig.in8(2), rig.in8(3), rig.in8(4), rig.in8(5));
    assert_eq!((rig.status(), rig.in8(1)), (0x00, 0x01));
    assert_eq!(signature(&mut rig), (1, 1, 0x14, 0xeb));
    for code in [0xec, 0x20] {
        rig.out8(4, 0);
        rig.out8(7, code);
        assert_eq!((rig.status(), rig.in8(1)), (0x51, 0x04));
        assert_eq!(signature(&mut rig), (1, 1, 0x14, 0xeb));
    }
    bench.take();
    rig.out8(7, 0x08);
    assert_eq!((bench.take_rises(IRQ14), rig.status()), (0, 0x00));
    assert_eq!(signature(&mut rig), (1, 1, 0x14, 0xeb));
    rig.out8(6, 0xb0);
    assert_eq!((rig.status(), rig.in8(4), rig.in8(5)), (0, 0, 0), "no ghost as device 1");
}

#[test]
fn identity_is_that_of_a_removable_cd_rom() {
    let bench = Bench::new();
    let mut rig = rig(&bench, &disc(10));
    rig.out8(7, 0xa1);
    assert!(bench.level(IRQ14));
    assert_eq!(rig.status(), 0x58);
    let identity = rig.read_block(512);
    assert_eq!(identity[..2], 0x85c0u16.to_le_bytes());
    assert_eq!((rig.status(), bench.level(IRQ14)), (0x50, false));
}

#[test]
fn a_pio_read_comes_in_blocks_within_the_byte_count_limit() {
    let bench = Bench::new();
    let mut rig = rig(&bench, &disc(100));
    let packet = [0x28, 0, 0, 0, 0, 7, 0, 0, 40, 0];
    assert_eq!(bench.take_rises(IRQ14), 0);
    send(&mut rig, &packet, false, 4096);
    for block in 0..20 {
        assert!(bench.level(IRQ14));
        assert_eq!(outcome(&mut rig), (0x58, 2, 4096));
        let data = rig.read_block(4096);
        assert_eq!((data[3], data[2051]), (7 + 2 * block, 8 + 2 * block));
    }
    assert!(bench.level(IRQ14));
    assert_eq!((outcome(&mut rig).0, rig.in8(2)), (0x50, 3));
    send(&mut rig, &[0x28, 0, 0, 0, 0, 9, 0, 0, 1, 0], false, 512);
    for _ in 0..4 {
        assert_eq!(outcome(&mut rig), (0x58, 2, 512));
        rig.read_block(512);
    }
    assert_eq!(outcome(&mut rig).0, 0x50);
}

#[test]
fn data_without_a_limit_is_refused() {
    let bench = Bench::new();
    let mut rig = rig(&bench, &disc(10));
    send(&mut rig, &[0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0], false, 0);
    assert_eq!((rig.status(), rig.in8(1)), (0x51, 0x04));
    send(&mut rig, &[0x00], false, 0);
    assert_eq!(rig.status(), 0x50, "no data, no limit");
}

#[test]
fn a_dma_read_moves_all_and_interrupts_once() {
    let bench = Bench::new();
    let backend = disc(400);
    let mut rig = rig(&bench, &backend);
    let regions: Vec<_> = (0..10).map(|i| (0x10_0000 + i * 0x1_0000, 0)).collect();
    rig.prd_table(0x1000, &regions);
    backend.hold(true);
    send(&mut rig, &[0xa8, 0, 0, 0, 0, 50, 0, 0, 1, 64, 0], true, 0);
    rig.out8(BUS_MASTER, 0x09);
    for _ in 0..3 {
        assert_eq!((rig.in8(BUS_MASTER + 2), bench.level(IRQ14)), (0x01, false));
        backend.release();
        rig.poll_host();
    }
    assert_eq!(bench.take_rises(IRQ14), 1);
    assert_eq!((rig.in8(BUS_MASTER + 2), outcome(&mut rig).0, rig.in8(2)), (0x04, 0x50, 3));
    for i in [0, 127, 128, 319u32] {
        assert_eq!(rig.bytes(0x10_0000 + u64::from(i) * 2048, 4), (50 + i).to_be_bytes());
    }
}

#[test]
fn a_bad_sector_is_told_after_the_good_ones_before_it() {
    let bench = Bench::new();
    let backend = disc(100);
    let mut rig = rig(&bench, &backend);
    backend.fail_next(BlockError::Host("scratched".into()));
    send(&mut rig, &[0x28, 0, 0, 0, 0, 9, 0, 0, 1, 0], false, 2048);
    assert_eq!((outcome(&mut rig).0, rig.in8(1)), (0x51, 0x30));
    let sense = fetch(&mut rig, &[0x03, 0, 0, 0, 18]).unwrap();
    assert_eq!((sense[0], &sense[2..7], sense[12]), (0xf0, &[3, 0, 0, 0, 9][..], 0x11));
    backend.fail_next(BlockError::Host("scratched".into()));
    assert_eq!(fetch(&mut rig, &[0x28, 0, 0, 0, 0, 9, 0, 0, 4, 0]).unwrap().len(), 8192, "a retry helped");
}

#[test]
fn a_changed_medium_is_told_once_and_by_events() {
    let bench = Bench::new();
    let backend = disc(10);
    let mut rig = rig(&bench, &backend);
    let ready = |rig: &mut Rig| fetch(rig, &[0x00]).map(|_| ());
    let event = |rig: &mut Rig| fetch(rig, &[0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8]).unwrap()[4..6].to_vec();
    assert_eq!(ready(&mut rig), Ok(()), "no attention after power-on");
    assert_eq!(event(&mut rig), [0, 2]);
    backend.remove();
    assert_eq!(event(&mut rig), [3, 0]);
    assert_eq!(ready(&mut rig), Err((2, 0x3a, 0x01)));
    backend.insert(vec![0; 40_960], true);
    assert_eq!(event(&mut rig), [2, 2]);
    assert_eq!(event(&mut rig), [0, 2]);
    assert_eq!(ready(&mut rig), Err((6, 0x28, 0x00)));
    assert_eq!(ready(&mut rig), Ok(()));
    assert_eq!(fetch(&mut rig, &[0x25]).unwrap(), [0, 0, 0, 19, 0, 0, 8, 0]);
    backend.remove();
    backend.insert(vec![0; 40_960], true);
    assert_eq!(fetch(&mut rig, &[0x03, 0, 0, 0, 18]).unwrap()[12], 0x28, "REQUEST SENSE tells it too");
    assert_eq!(ready(&mut rig), Ok(()));
}

#[test]
fn the_tray_opens_unless_it_is_locked() {
    let bench = Bench::new();
    let backend = disc(10);
    let mut rig = rig(&bench, &backend);
    assert!(fetch(&mut rig, &[0x1e, 0, 0, 0, 1]).is_ok());
    assert!(backend.is_locked());
    assert_eq!(fetch(&mut rig, &[0x1b, 0, 0, 0, 2]), Err((5, 0x53, 0x02)));
    assert!(fetch(&mut rig, &[0x1e, 0, 0, 0, 0]).is_ok());
    assert!(fetch(&mut rig, &[0x1b, 0, 0, 0, 2]).is_ok());
    assert_eq!(fetch(&mut rig, &[0x00]), Err((2, 0x3a, 0x02)));
    assert_eq!(fetch(&mut rig, &[0xbd, 0, 0, 0, 0, 0, 0, 0, 0, 8]).unwrap()[1], 0x10);
    assert!(fetch(&mut rig, &[0x1b, 0, 0, 0, 3]).is_ok());
    assert_eq!(fetch(&mut rig, &[0x00]), Err((2, 0x3a, 0x01)), "closed and empty");
    backend.insert(vec![0; 4096], true);
    assert_eq!(fetch(&mut rig, &[0x00]), Err((6, 0x28, 0x00)));
}

#[test]
fn a_reset_unlocks_and_ends_the_packet() {
    let bench = Bench::new();
    let backend = disc(10);
    let mut rig = rig(&bench, &backend);
    fetch(&mut rig, &[0x1e, 0, 0, 0, 1]).unwrap();
    backend.hold(true);
    send(&mut rig, &[0x28, 0, 0, 0, 0, 1, 0, 0, 1, 0], false, 2048);
    assert_eq!(rig.alternate_status() & 0x80, 0x80);
    rig.out8(7, 0x08);
    assert_eq!((rig.alternate_status(), rig.in8(4)), (0, 0x14), "DEVICE RESET works while busy");
    assert!(backend.is_locked());
    rig.out8(CONTROL, 4);
    rig.out8(CONTROL, 0);
    assert_eq!(rig.status(), 0);
    rig.reset(glassbox_device_api::ResetKind::Warm);
    assert!(!backend.is_locked());
}

#[test]
fn saved_state_continues_a_read() {
    use glassbox_device_api::SaveRestore;
    let bench = Bench::new();
    let backend = disc(100);
    let mut rig = rig(&bench, &backend);
    send(&mut rig, &[0x28, 0, 0, 0, 0, 1, 0, 0, 40, 0], false, 2048);
    rig.read_block(3000);
    let saved = rig.save();
    let mut other = super::protocol::rig(&Bench::new(), &backend);
    other.restore(saved.clone()).unwrap();
    other.read_block(1096);
    for sector in 3..41u8 {
        assert_eq!(outcome(&mut other), (0x58, 2, 2048));
        assert_eq!(other.read_block(2048)[3], sector);
    }
    assert_eq!(outcome(&mut other).0, 0x50);
    assert!(Rig::with_disk(&bench, &backend).restore(saved).is_err(), "a disk is no CD-ROM drive");
}
