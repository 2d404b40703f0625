//! The BIOS: its ROM, its state, and who serves which trap.

use crate::call::{BiosHost, Call, Flow, GuestFault, ServiceResult};
use crate::registers::{Registers, SegmentRegister};
use crate::rom::{ROM_SEGMENT, Rom, Site};
use crate::service::Service;
use crate::{int10, int12, int13, int15};

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

/// What the BIOS is told about the machine.
#[derive(Default)]
pub struct BiosConfig {
    /// Kinds of drives in the order in which they are tried.
    pub boot_order: Vec<BootDevice>,
}

/// The built-in BIOS.
pub struct Bios {
    rom: Rom,
    /// Kinds of drives in the order in which they are tried.
    pub boot_order: Vec<BootDevice>,
    /// The reset line was pulled since the last POST.
    pub cold: bool,
}

impl Bios {
    /// A BIOS for a machine.
    pub fn new(config: BiosConfig) -> Self {
        let BiosConfig { boot_order } = config;
        Self { rom: Rom::new(), boot_order, cold: true }
    }

    /// Power-on, or the reset line: whatever the CMOS says, the next POST is a whole one.
    pub fn power_on(&mut self) {
        self.cold = true;
    }

    /// The ROM that the machine maps at F0000h and below 4 GiB.
    pub fn rom(&self) -> &Rom {
        &self.rom
    }

    /// A stub wrote to the trap port: runs its service. `regs` are those behind
    /// the `OUT`, and afterwards those that the processor goes on with. False
    /// where there is no stub: the write means nothing.
    ///
    /// # Errors
    /// [`GuestFault`]: the registers are as they were, but for IP, which is that
    /// of the `OUT`; the host delivers the fault that it remembers.
    pub fn serve(&mut self, regs: &mut Registers, host: &mut dyn BiosHost) -> Result<bool, GuestFault> {
        let Some(&site) = self.rom.site(regs.ip as u16) else { return Ok(false) };
        let segment_offset = regs.ip & 0xFFFF_0000;
        let mut call = Call { regs: *regs, host, frame: site.frame };
        match self.dispatch(&site, &mut call) {
            Ok(flow) => {
                let (cs, ip) = self.target(&site, flow, &call);
                *regs = call.regs;
                match cs {
                    Some(cs) => (regs.cs, regs.ip) = (SegmentRegister::real(cs), ip.into()),
                    None => regs.ip = segment_offset | u32::from(ip),
                }
                Ok(true)
            }
            Err(fault) => {
                regs.ip = segment_offset | u32::from(site.trap);
                Err(fault)
            }
        }
    }

    /// Where the processor goes on; a code segment where it is another one.
    fn target(&self, site: &Site, flow: Flow, call: &Call<'_>) -> (Option<u16>, u16) {
        match (flow, site.wait) {
            // HLT is not for virtual-8086 mode.
            (Flow::Wait, Some((_, spin))) if call.is_v86() => (None, spin),
            (Flow::Wait, Some((wait, _))) => (None, wait),
            (Flow::Spin, Some((_, spin))) => (None, spin),
            // A stub without a loop is entered again at once.
            (Flow::Wait | Flow::Spin, None) => (None, site.trap),
            (Flow::Point(point), _) => (Some(ROM_SEGMENT), self.rom.offset(point)),
            (Flow::Far { cs, ip }, _) => (Some(cs), ip),
            (Flow::Done, _) => (None, site.done),
        }
    }

    fn dispatch(&mut self, site: &Site, call: &mut Call<'_>) -> ServiceResult {
        match site.service {
            Service::Post => int10::post(self, call).map(|()| Flow::Done),
            Service::Int10 => int10::service(self, call),
            Service::Int11 => int12::equipment(call),
            Service::Int12 => int12::base_memory(call),
            Service::Int13 => int13::service(self, call),
            Service::Int15 => int15::service(self, call),
            _ => Ok(Flow::Done),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rom::entry;
    use crate::testing::Bench;

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
        assert_eq!(bench.bios.serve(&mut bench.regs, &mut bench.host), Ok(true));
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
        assert_eq!(bench.bios.serve(&mut bench.regs, &mut bench.host), Ok(false));
        assert_eq!(bench.regs, before);
    }
}
