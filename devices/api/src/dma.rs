//! A channel of the ISA DMA controller as the device on it sees it.

/// What came of the bytes that a device offered or asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DmaBurst {
    /// Bytes that were transferred: the first ones of the buffer. 0 while the
    /// channel acknowledges no requests.
    pub bytes: usize,
    /// The terminal count (TC) came with the last of them.
    pub terminal_count: bool,
}

/// The wires DREQ, DACK and TC of one channel, and the data that crosses while
/// DACK is active. A burst ends at the terminal count at the latest.
pub trait DmaChannel: Send {
    /// Drives DREQ, which the guest reads in the status register. Transfers need
    /// no call of this.
    fn set_request(&mut self, active: bool);

    /// Whether a request would be acknowledged now: the channel is programmed for
    /// transfers and not masked.
    fn is_ready(&self) -> bool;

    /// The device has `data` to hand over.
    ///
    /// What the guest's mode register says happens to it: a write transfer stores
    /// it; a verify transfer and one of the wrong direction only count.
    fn device_to_memory(&mut self, data: &[u8]) -> DmaBurst;

    /// The device takes what memory holds, into the first bytes of `data`.
    ///
    /// Bytes of a verify transfer, or of one of the wrong direction, are all ones:
    /// nobody drives the bus.
    fn memory_to_device(&mut self, data: &mut [u8]) -> DmaBurst;
}
