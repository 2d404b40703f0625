//! The map of memory addresses that are not RAM.

use crate::board::MmioDevice;

#[derive(Clone, Copy, Debug)]
struct Window {
    start: u64,
    len: u64,
    device: MmioDevice,
}

/// Windows of devices in physical memory. The local APIC is not among them:
/// every processor has its own.
#[derive(Debug, Default)]
pub(crate) struct MmioMap {
    windows: Vec<Window>,
    /// How many of them cannot move; they come first.
    fixed: usize,
    /// Pages at which nobody answered and that were logged already.
    reported: Vec<u64>,
}

/// Unclaimed pages are logged one by one up to this many.
const MAX_REPORTED: usize = 256;

impl MmioMap {
    /// Gives `len` bytes from `start` to a device; later windows lie above earlier ones.
    pub fn claim(&mut self, device: MmioDevice, start: u64, len: u64) {
        self.windows.insert(0, Window { start, len, device });
        self.fixed += 1;
    }

    /// Replaces all windows that can move: start and length. They lie below the others.
    pub fn set_movable(&mut self, windows: &[(MmioDevice, u64, u64)]) {
        self.windows.truncate(self.fixed);
        self.windows.extend(windows.iter().map(|&(device, start, len)| Window { start, len, device }));
        // What nobody answered at may have got an owner.
        self.reported.clear();
    }

    /// Who answers at `at`, and the offset there.
    pub fn find(&self, at: u64) -> Option<(MmioDevice, u64)> {
        let window = self.windows.iter().find(|w| at.wrapping_sub(w.start) < w.len)?;
        Some((window.device, at - window.start))
    }

    /// All windows, start and length, those above others first.
    pub fn windows(&self) -> impl Iterator<Item = (MmioDevice, u64, u64)> {
        self.windows.iter().map(|w| (w.device, w.start, w.len))
    }

    /// Logs, once a page, that nobody answers there.
    pub fn report_unclaimed(&mut self, at: u64, what: &str) {
        let page = at >> 12;
        if self.reported.len() < MAX_REPORTED && !self.reported.contains(&page) {
            self.reported.push(page);
            log::debug!("{what} physical address {at:#x}: nobody answers");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_leads_to_its_device_by_offset() {
        let mut map = MmioMap::default();
        map.claim(MmioDevice::IoApic, 0xFEC0_0000, 0x1000);
        assert_eq!(map.find(0xFEC0_0010), Some((MmioDevice::IoApic, 0x10)));
        assert_eq!(map.find(0xFEC0_1000), None);
        assert_eq!(map.find(0), None);
        map.set_movable(&[(MmioDevice::Hpet, 0xFEC0_0000, 0x2000)]);
        assert_eq!(map.find(0xFEC0_0010), Some((MmioDevice::IoApic, 0x10)), "fixed ones are above");
        assert_eq!(map.find(0xFEC0_1000), Some((MmioDevice::Hpet, 0x1000)));
        map.set_movable(&[]);
        assert_eq!(map.find(0xFEC0_1000), None);
    }
}
