//! The BIOS: its ROM, its state, and who serves which trap.

use crate::apm::{self, Apm};
use crate::boot::{self, BootState};
use crate::call::{BiosHost, Call, Flow, GuestFault, ServiceResult};
use crate::drive::{Drive, DriveKind};
use crate::eltorito::Emulation;
use crate::mouse::{self, Job};
use crate::post::{self, RomScan};
use crate::registers::{Registers, SegmentRegister};
use crate::rom::{ROM_SEGMENT, Rom, Site};
use crate::service::Service;
use crate::{int1a, int08, int09, int10, int12, int13, int14, int15, int16, int17, pci_bios, tables};
use glassbox_device_api::VmTime;
use glassbox_tables::E820Entry;

/// A kind of drive to boot from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootDevice {
    /// The first floppy.
    Floppy,
    /// CD-ROMs, in their order.
    CdRom,
    /// Hard disks, in their order.
    Disk,
}

/// The processors, as tables tell of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Processors {
    /// Local APIC IDs, the boot processor first.
    pub apic_ids: Vec<u8>,
    /// ID of the I/O APIC.
    pub ioapic_id: u8,
    /// CPUID leaf 1, EAX.
    pub signature: u32,
    /// CPUID leaf 1, EDX.
    pub features: u32,
}

impl Default for Processors {
    fn default() -> Self {
        Self { apic_ids: vec![0], ioapic_id: 0, signature: 0, features: 0 }
    }
}

/// What the BIOS is told about the machine.
#[derive(Default)]
pub struct BiosConfig {
    /// Kinds of drives in the order in which they are tried. If nothing is said,
    /// drives by their boot index, then disks, CD-ROMs and floppies.
    pub boot_order: Vec<BootDevice>,
    /// The drives, those of a kind in the order of their numbers.
    pub drives: Vec<Drive>,
    /// The processors.
    pub processors: Processors,
    /// The host has what is to boot: INT 19h hands over to it and tries no drive.
    pub host_boots: bool,
}

/// What came of a write to the trap port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Served {
    /// No stub wrote: it means nothing.
    NoStub,
    /// The service ran; the processor goes on with the registers.
    Done,
    /// POST is over and [the host boots](BiosConfig::host_boots).
    HandOver,
}

/// The built-in BIOS.
pub struct Bios {
    rom: Rom,
    /// INT 10h's own state.
    pub(crate) video: int10::Video,
    pub(crate) boot_order: Vec<BootDevice>,
    pub(crate) processors: Processors,
    /// INT 19h hands over to the host.
    pub(crate) host_boots: bool,
    /// The reset line was pulled since the last POST.
    pub(crate) cold: bool,
    pub(crate) floppies: Vec<Drive>,
    pub(crate) disks: Vec<Drive>,
    pub(crate) cds: Vec<Drive>,
    /// A CD that was booted, and what it looks like.
    pub(crate) emulation: Option<Emulation>,
    /// What INT 15h AX=E820h tells.
    pub(crate) e820: Vec<E820Entry>,
    pub(crate) scan: RomScan,
    pub(crate) boot: BootState,
    /// How many failed boots were logged; a guest can go on trying.
    pub(crate) boots_logged: u32,
    pub(crate) apm: Apm,
    /// A command that is on its way to the mouse.
    pub(crate) mouse: Option<Job>,
    /// Since when a service has been waiting.
    pub(crate) waiting_since: Option<VmTime>,
}

impl Bios {
    /// A BIOS for a machine.
    pub fn new(config: BiosConfig) -> Self {
        let BiosConfig { boot_order, drives, processors, host_boots } = config;
        let mut bios = Self {
            rom: Rom::new(),
            video: int10::Video::default(),
            boot_order,
            processors,
            host_boots,
            cold: true,
            floppies: Vec::new(),
            disks: Vec::new(),
            cds: Vec::new(),
            emulation: None,
            e820: Vec::new(),
            scan: RomScan::default(),
            boot: BootState::default(),
            boots_logged: 0,
            apm: Apm::default(),
            mouse: None,
            waiting_since: None,
        };
        for drive in drives {
            match drive.kind {
                DriveKind::Floppy => bios.floppies.push(drive),
                DriveKind::Disk => bios.disks.push(drive),
                DriveKind::CdRom => bios.cds.push(drive),
            }
        }
        // The disk that is tried first is number 80h: boot loaders count on it.
        bios.disks.sort_by_key(|drive| drive.boot_index.unwrap_or(u32::MAX));
        bios
    }

    /// POST begins: nothing is under way any more.
    pub(crate) fn restart(&mut self) {
        self.emulation = None;
        self.scan = RomScan::default();
        self.boot = BootState::default();
        self.apm = Apm::default();
        self.mouse = None;
        self.waiting_since = None;
        for drive in self.floppies.iter_mut().chain(&mut self.disks).chain(&mut self.cds) {
            drive.restart();
        }
    }

    /// How much of `limit` is left since the first call of a service that waits.
    /// The service takes [`waiting_since`](Self::waiting_since) back when it is done.
    pub(crate) fn time_left(&mut self, call: &Call<'_>, limit: VmTime) -> VmTime {
        let now = call.host.now();
        let since = *self.waiting_since.get_or_insert(now);
        VmTime(limit.0.saturating_sub(now.0.saturating_sub(since.0)))
    }

    /// Whether a service goes on waiting; when `limit` is over, it does not.
    pub(crate) fn waits_longer(&mut self, call: &Call<'_>, limit: VmTime) -> bool {
        let waits = self.time_left(call, limit) > VmTime(0);
        if !waits {
            self.waiting_since = None;
        }
        waits
    }

    /// Power-on, or the reset line: whatever the CMOS says, the next POST is a whole one.
    pub fn power_on(&mut self) {
        self.cold = true;
    }

    /// Says what the monitor's EDID is (VBE's function 15h hands it out).
    pub fn set_edid(&mut self, edid: [u8; 128]) {
        self.video.edid = Some(edid);
    }

    /// The ROM that the machine maps at F0000h and below 4 GiB.
    pub fn rom(&self) -> &Rom {
        &self.rom
    }

    pub(crate) fn rom_mut(&mut self) -> &mut Rom {
        &mut self.rom
    }

    /// A stub wrote to the trap port: runs its service. `regs` are those behind
    /// the `OUT`, and afterwards those that the processor goes on with.
    ///
    /// # Errors
    /// [`GuestFault`]: the registers are as they were, but for IP, which is that
    /// of the `OUT`; the host delivers the fault that it remembers.
    pub fn serve(&mut self, regs: &mut Registers, host: &mut dyn BiosHost) -> Result<Served, GuestFault> {
        let Some(&site) = self.rom.site(regs.ip as u16) else { return Ok(Served::NoStub) };
        let segment_offset = regs.ip & 0xFFFF_0000;
        let mut call = Call { regs: *regs, host, frame: site.frame };
        match self.dispatch(&site, &mut call) {
            Ok(flow) => {
                let (cs, ip) = self.goes_on_at(&site, flow, &call);
                *regs = call.regs;
                match cs {
                    Some(cs) => (regs.cs, regs.ip) = (SegmentRegister::real(cs), ip.into()),
                    None => regs.ip = segment_offset | u32::from(ip),
                }
                Ok(if flow == Flow::HandOver { Served::HandOver } else { Served::Done })
            }
            Err(fault) => {
                regs.ip = segment_offset | u32::from(site.trap);
                Err(fault)
            }
        }
    }

    /// Where the processor goes on; a code segment where it is another one.
    fn goes_on_at(&self, site: &Site, flow: Flow, call: &Call<'_>) -> (Option<u16>, u16) {
        match (flow, site.wait) {
            // HLT is not for virtual-8086 mode.
            (Flow::Wait, Some((_, spin))) if call.is_v86() => (None, spin),
            (Flow::Wait, Some((wait, _))) => (None, wait),
            (Flow::Spin, Some((_, spin))) => (None, spin),
            // A stub without a loop is entered again at once.
            (Flow::Wait | Flow::Spin, None) => (None, site.trap),
            (Flow::Point(point), _) => (Some(ROM_SEGMENT), self.rom.offset(point)),
            (Flow::Far { cs, ip }, _) => (Some(cs), ip),
            (Flow::Done | Flow::HandOver, _) => (None, site.done),
        }
    }

    fn dispatch(&mut self, site: &Site, call: &mut Call<'_>) -> ServiceResult {
        match site.service {
            Service::Post => post::post(self, call),
            Service::OptionRoms => post::option_roms(self, call),
            Service::Nmi => nmi(call),
            Service::Int05 => int17::print_screen(call),
            Service::Int08 => int08::tick(call),
            Service::Int09 => int09::scan_code(call),
            Service::Pause => int09::paused(call),
            Service::Int0E => int08::floppy(call),
            Service::Int10 => int10::service(self, call),
            Service::Int11 => int12::equipment(call),
            Service::Int12 => int12::base_memory(call),
            Service::Int13 => int13::service(self, call),
            Service::Int14 => int14::service(self, call),
            Service::Int15 => int15::service(self, call),
            Service::Int16 => int16::service(call),
            Service::Int17 => int17::service(self, call),
            Service::Int18 => boot::gave_up(self, call),
            Service::Int19 => boot::bootstrap(self, call),
            Service::Int1A => int1a::service(self, call),
            Service::Int70 => int08::rtc(call),
            Service::Int74 => mouse::interrupt(self, call),
            Service::DiskIrq => int08::disk(call),
            Service::UnusedIrq => int08::unused(call),
            Service::Bios32 => pci_bios::directory(self, call),
            Service::PciBios32 => pci_bios::protected_mode(call),
            Service::ApmProtected => apm::protected_mode(self, call),
            Service::PlugAndPlay => tables::plug_and_play_call(call),
        }
    }
}

/// NMI: parity and channel checks are cleared, and that is all.
fn nmi(call: &mut Call<'_>) -> ServiceResult {
    let port = call.in8(0x61);
    log::debug!("non-maskable interrupt, port 61h is {port:#04x}");
    call.out8(0x61, port & 0x0F | 0x0C);
    call.out8(0x61, port & 0x03);
    Ok(Flow::Done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rom::entry;
    use crate::testing::Bench;
    use glassbox_testkit::MemoryDisk;
    use proptest::prelude::*;

    /// Follows the jump at a fixed entry; gives the offset behind the trap there.
    fn behind_trap(rom: &Rom, at: u16) -> u16 {
        let at = usize::from(at);
        let image = rom.image();
        assert_eq!(image[at], 0xE9);
        let target = u16::from_le_bytes([image[at + 1], image[at + 2]]).wrapping_add(at as u16 + 3);
        assert_eq!(image[usize::from(target)], 0xE6, "the stub begins with its trap");
        target + 2
    }

    #[test]
    fn a_served_call_goes_on_behind_the_trap_with_its_result() {
        let mut bench = Bench::new();
        bench.host.set_bda_u16(int12::BASE_MEMORY, 639);
        bench.regs.ip = behind_trap(bench.bios.rom(), entry::INT12).into();
        let site = *bench.bios.rom().site(bench.regs.ip as u16).unwrap();
        assert_eq!(bench.bios.serve(&mut bench.regs, &mut bench.host), Ok(Served::Done));
        assert_eq!((bench.regs.ax.word(), bench.regs.ip), (639, site.done.into()));
    }

    #[test]
    fn a_fault_changes_nothing_and_is_retried_from_the_trap() {
        let mut bench = Bench::new();
        bench.host.absent = vec![0];
        // Code of a memory manager: the ROM at another linear address.
        bench.regs.ip = 0xC00F_0000 | u32::from(behind_trap(bench.bios.rom(), entry::INT11));
        let before = bench.regs;
        assert_eq!(bench.bios.serve(&mut bench.regs, &mut bench.host), Err(GuestFault));
        assert_eq!(bench.regs, Registers { ip: before.ip - 2, ..before });
    }

    #[test]
    fn a_write_from_elsewhere_means_nothing() {
        let mut bench = Bench::new();
        bench.regs.ip = 0x7C02;
        let before = bench.regs;
        assert_eq!(bench.bios.serve(&mut bench.regs, &mut bench.host), Ok(Served::NoStub));
        assert_eq!(bench.regs, before);
    }

    #[test]
    fn the_disk_that_is_tried_first_has_the_first_number() {
        let disk = |name: &str, index| {
            let backend = Box::new(MemoryDisk::new(vec![0; 512]));
            Drive::new(DriveKind::Disk, name, backend).with_boot_index(index)
        };
        let drives = vec![disk("a", None), disk("b", Some(2)), disk("c", Some(1)), disk("d", None)];
        let bios = Bios::new(BiosConfig { drives, ..BiosConfig::default() });
        let names: Vec<_> = bios.disks.iter().map(|d| d.name.as_str()).collect();
        assert_eq!(names, ["c", "b", "a", "d"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// Any service with any registers, data areas and answers of ports: it ends,
        /// and nothing panics.
        #[test]
        fn no_caller_does_harm(
            site in any::<prop::sample::Index>(),
            general in prop::array::uniform8(any::<u32>()),
            segments in prop::array::uniform3(any::<u16>()),
            function in prop::option::of(any::<u8>()),
            number in prop::sample::select(vec![0u8, 1, 0x7F, 0x80, 0x81, 0xE0, 0xFF]),
            areas in prop::collection::vec(any::<u8>(), 0x300),
            ports in prop::collection::vec((0u16..0x400, any::<u8>()), 16),
            times in 1usize..4,
        ) {
            let drives = vec![
                Drive::new(DriveKind::Floppy, "a", Box::new(MemoryDisk::new(areas.repeat(2).repeat(64)))),
                Drive::new(DriveKind::Disk, "c", Box::new(MemoryDisk::new(vec![0x5A; 1 << 16]))),
                crate::eltorito::tests::drive(crate::eltorito::tests::disc(2, 0, 1)),
            ];
            let mut bench = Bench::with(BiosConfig { drives, ..BiosConfig::default() });
            bench.bios.e820 = glassbox_tables::pc_memory_map(64 << 20, 0, &[]);
            bench.host.memory[0x400..0x600].copy_from_slice(&areas[..0x200]);
            bench.host.memory[0x9_FC00..0x9_FD00].copy_from_slice(&areas[0x200..]);
            for (port, value) in ports {
                bench.host.ports.insert(port, [value.into()].into());
            }
            let mut sites: Vec<u16> = bench.bios.rom().sites().collect();
            sites.sort_unstable();
            let r = &mut bench.regs;
            let all = [&mut r.ax, &mut r.bx, &mut r.cx, &mut r.dx, &mut r.si, &mut r.di, &mut r.bp, &mut r.sp];
            for (register, value) in all.into_iter().zip(general) {
                register.0 = value;
            }
            r.dx.set_low(number);
            if let Some(function) = function {
                r.ax.set_high(function);
            }
            [r.ds, r.es, r.ss] = segments.map(SegmentRegister::real);
            let entered = u32::from(*site.get(&sites));
            for _ in 0..times {
                bench.regs.ip = entered;
                let _ = bench.bios.serve(&mut bench.regs, &mut bench.host);
                bench.host.now.0 += 30_000_000;
            }
        }
    }
}
