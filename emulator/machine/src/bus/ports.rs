//! The map of I/O ports.

use crate::MachineError;
use crate::board::PortDevice;
use glassbox_device_api::PortWindow;

const PORTS: usize = 1 << 16;
const NOBODY: u8 = 0;

/// Where a run of ports leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PortRoute {
    pub device: PortDevice,
    /// The device's offset for the port asked for.
    pub offset: u16,
    /// Ports from the one asked for to the end of the run.
    pub left: u16,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    device: PortDevice,
    window: PortWindow,
}

fn range(window: PortWindow) -> std::ops::Range<usize> {
    let first = usize::from(window.port);
    first..(first + usize::from(window.len)).min(PORTS)
}

/// All 65,536 ports: one byte each that names a window.
#[derive(Debug)]
pub(crate) struct PortMap {
    slots: Box<[u8]>,
    windows: Vec<Window>,
    /// How many windows cannot move; they come first.
    fixed: usize,
    /// Ports that nobody answered at and that were logged already.
    reported: Vec<u16>,
}

/// Unclaimed ports are logged one by one up to this many.
const MAX_REPORTED: usize = 1024;
/// Windows that the slots can name.
const MAX_WINDOWS: usize = u8::MAX as usize;

impl PortMap {
    /// A bus with nothing on it.
    pub fn new() -> Self {
        Self { slots: vec![NOBODY; PORTS].into(), windows: Vec::new(), fixed: 0, reported: Vec::new() }
    }

    /// Gives ports to a device. Those of PCI configuration (CF8h to CFFh) can be
    /// given away again: it answers at CF8h to whole dwords only, and the byte at
    /// CF9h is the reset control register. All of these come before
    /// [`set_movable`](Self::set_movable).
    ///
    /// # Errors
    /// [`MachineError::PortTaken`] where a port is another device's.
    pub fn claim(
        &mut self,
        device: PortDevice,
        name: &'static str,
        windows: &[PortWindow],
    ) -> Result<(), MachineError> {
        for &window in windows {
            let range = range(window);
            let free =
                |slot: u8| slot == NOBODY || self.windows[usize::from(slot) - 1].device == PortDevice::Pci;
            let taken = range.clone().find(|&port| !free(self.slots[port]));
            if let Some(port) = taken {
                return Err(MachineError::PortTaken { port: port as u16, device: name });
            }
            self.windows.push(Window { device, window });
            self.slots[range].fill(self.windows.len() as u8);
        }
        self.fixed = self.windows.len();
        Ok(())
    }

    /// Replaces all windows that can move. They get the ports that nobody has yet.
    pub fn set_movable(&mut self, windows: &[(PortDevice, PortWindow)]) {
        let fixed = self.fixed as u8;
        for window in self.windows.drain(self.fixed..) {
            self.slots[range(window.window)].iter_mut().filter(|s| **s > fixed).for_each(|s| *s = NOBODY);
        }
        for &(device, window) in windows.iter().take(MAX_WINDOWS - self.fixed) {
            self.windows.push(Window { device, window });
            let slot = self.windows.len() as u8;
            self.slots[range(window)].iter_mut().filter(|s| **s == NOBODY).for_each(|s| *s = slot);
        }
        self.reported.clear();
    }

    /// Who answers at `port`.
    #[inline]
    pub fn find(&self, port: u16) -> Option<PortRoute> {
        let slot = self.slots[usize::from(port)];
        let Window { device, window } = *self.windows.get(usize::from(slot).checked_sub(1)?)?;
        let at = port - window.port;
        Some(PortRoute { device, offset: window.offset + at, left: window.len - at })
    }

    /// All windows by their first port. Where two overlap, the second has what both cover.
    pub fn windows(&self) -> Vec<(PortDevice, PortWindow)> {
        let mut windows: Vec<_> = self.windows.iter().map(|w| (w.device, w.window)).collect();
        windows.sort_by_key(|(_, window)| window.port);
        windows
    }

    /// Logs, once a port, that nobody answers there.
    pub fn report_unclaimed(&mut self, port: u16, what: &str) {
        if self.reported.len() < MAX_REPORTED && !self.reported.contains(&port) {
            self.reported.push(port);
            log::debug!("{what} I/O port {port:#x}: nobody answers");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn window(port: u16, len: u16, offset: u16) -> PortWindow {
        PortWindow { port, len, offset }
    }

    #[test]
    fn a_port_leads_to_its_device_with_the_devices_own_offset() {
        let mut map = PortMap::new();
        map.claim(PortDevice::Pic, "pic", &[window(0x20, 2, 0), window(0xA0, 2, 2)]).unwrap();
        let route = map.find(0xA1).unwrap();
        assert_eq!((route.device, route.offset, route.left), (PortDevice::Pic, 3, 1));
        assert_eq!(map.find(0x22), None);
        map.claim(PortDevice::Pit, "pit", &[window(0xFFFF, 1, 7)]).unwrap();
        assert_eq!(map.find(0xFFFF).unwrap().offset, 7);
    }

    #[test]
    fn reset_control_lies_inside_pci_configuration_and_other_overlaps_are_refused() {
        let mut map = PortMap::new();
        map.claim(PortDevice::Pci, "outer", &[window(0xCF8, 8, 0)]).unwrap();
        map.claim(PortDevice::ResetControl, "inner", &[window(0xCF9, 1, 0)]).unwrap();
        assert_eq!(map.find(0xCF8).unwrap().device, PortDevice::Pci);
        assert_eq!(map.find(0xCF8).unwrap().left, 8, "a dword at CF8h is the outer device's");
        assert_eq!(map.find(0xCF9).unwrap().device, PortDevice::ResetControl);
        map.claim(PortDevice::Uart(0), "uart", &[window(0x3F8, 8, 0)]).unwrap();
        let error = map.claim(PortDevice::Pit, "late", &[window(0x3F0, 16, 0)]).unwrap_err();
        assert!(matches!(error, MachineError::PortTaken { port: 0x3F8, device: "late" }), "{error}");
    }

    #[test]
    fn windows_that_move_leave_nothing_behind_and_take_nothing_away() {
        let mut map = PortMap::new();
        map.claim(PortDevice::Uart(0), "uart", &[window(0x3F8, 8, 0)]).unwrap();
        let at = |map: &PortMap, port| map.find(port).map(|route| (route.device, route.offset));
        map.set_movable(&[(PortDevice::Pit, window(0x3F0, 16, 0)), (PortDevice::Rtc, window(0x3F4, 16, 0))]);
        assert_eq!(at(&map, 0x3F7), Some((PortDevice::Pit, 7)));
        assert_eq!(at(&map, 0x3F8), Some((PortDevice::Uart(0), 0)));
        assert_eq!(at(&map, 0x400), Some((PortDevice::Rtc, 12)));
        map.set_movable(&[(PortDevice::Rtc, window(0x3F4, 16, 0))]);
        assert_eq!((at(&map, 0x3F0), at(&map, 0x3F7)), (None, Some((PortDevice::Rtc, 3))));
        map.set_movable(&[]);
        assert_eq!((at(&map, 0x400), at(&map, 0x3F8)), (None, Some((PortDevice::Uart(0), 0))));
    }
}
